/* SPDX-License-Identifier: MIT */
#include "train/checkpoint_parts.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/archive.h"

typedef struct {
    sgn_transformer *m;
    sgn_optimizer   *o;
    sgn_position    *position;
    int64_t         *filled;           /* (groups, params): numbers that have arrived */
} reading;

/* --- notes ------------------------------------------------------------------------------------- */

static sgn_status note_text(const sgn_archive *a, const char *key, char *out, size_t room, sgn_error *err) {
    const char *text = a->kind->note(a, key);
    if (!text || strlen(text) >= room)
        SGN_FAIL(err, SGN_FORMAT, "%s: the note '%s' is %s; this is no checkpoint of ours", a->path, key, text ? "too long" : "missing");
    strcpy(out, text);
    return SGN_OK;
}

static sgn_status note_int(const sgn_archive *a, const char *key, int64_t *out, sgn_error *err) {
    char text[24], *end;
    SGN_TRY(note_text(a, key, text, sizeof text, err));
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (errno || end == text || *end || *out < 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: the note '%s' is '%s', not a count", a->path, key, text);
    return SGN_OK;
}

static sgn_status read_notes(const sgn_archive *a, sgn_position *at, sgn_error *err) {
    char format[32];
    int64_t version, metrics;
    SGN_TRY(note_text(a, "format", format, sizeof format, err));
    SGN_TRY(note_int(a, "version", &version, err));
    if (strcmp(format, "signum-checkpoint") != 0 || version != SGN_CHECKPOINT_VERSION)
        SGN_FAIL(err, SGN_FORMAT, "%s: format '%s' version %lld; this program reads signum-checkpoint version %d",
                 a->path, format, (long long)version, SGN_CHECKPOINT_VERSION);
    SGN_TRY(note_int(a, "step", &at->step, err));
    SGN_TRY(note_int(a, "tokens", &at->tokens, err));
    SGN_TRY(note_int(a, "metrics_bytes", &metrics, err));
    at->metrics_bytes = (uint64_t)metrics;
    SGN_TRY(note_text(a, "data", at->data, sizeof at->data, err));
    SGN_TRY(note_text(a, "teacher", at->teacher, sizeof at->teacher, err));
    return note_text(a, "kernels", at->kernels, sizeof at->kernels, err);
}

/* --- arrays ------------------------------------------------------------------------------------ */

/* GROUP/PARAMETER[@ROW] to its place; false where there is none. */
static bool locate(const reading *r, const char *name, int *group, int *param, int64_t *row) {
    char text[SGN_ARRAY_NAME];
    snprintf(text, sizeof text, "%s", name);
    char *slash = strchr(text, '/'), *at = strrchr(text, '@'), *end;
    if (!slash) return false;
    *slash = '\0';
    *row = 0;
    if (at && at > slash) {
        *at = '\0';
        *row = strtoll(at + 1, &end, 10);
        if (end == at + 1 || *end || *row < 0) return false;
    }
    const char *word;
    for (*group = 0; (word = sgn_state_group(r->o, *group)) && strcmp(word, text) != 0;) ++*group;
    const sgn_param *p = word ? sgn_params_find(&r->m->params, slash + 1) : NULL;
    if (p) *param = (int)(p - r->m->params.at);
    return p != NULL;
}

static bool fits(const sgn_array *a, const sgn_shape *want, int64_t row) {
    if (a->dtype != SGN_DTYPE_F32 || a->rank != want->rank) return false;
    if (row > want->dim[0] || a->dim[0] > want->dim[0] - row) return false;
    for (int d = 1; d < want->rank; d++)
        if (a->dim[d] != want->dim[d]) return false;
    return true;
}

/* Second moments are sums of squares. */
static sgn_status check_values(const float *x, int64_t n, const char *path, const char *name, sgn_error *err) {
    const char *slash = strchr(name, '/');
    const bool square = slash - name > 2 && memcmp(slash - 2, "_v", 2) == 0;
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(x[i]) || (square && x[i] < 0))
            SGN_FAIL(err, SGN_FORMAT, "%s: %s[%lld] = %g, expected a %s number; move this checkpoint away to use an older one",
                     path, name, (long long)i, (double)x[i], square ? "finite, non-negative" : "finite");
    return SGN_OK;
}

/* Optimizer states are passed over where only weights are wanted. */
static bool foreign_to(const reading *r, const char *name) {
    return !r->o && strncmp(name, "weights/", 8) != 0;
}

static sgn_status read_array(reading *r, const sgn_archive *a, int index, sgn_error *err) {
    const sgn_array *array = &a->at[index];
    if (foreign_to(r, array->name)) return SGN_OK;
    int group, i;
    int64_t row;
    if (!locate(r, array->name, &group, &i, &row))
        SGN_FAIL(err, SGN_FORMAT, "%s: array %s belongs to no parameter of this model", a->path, array->name);
    const sgn_shape *shape = &r->m->params.at[i].tensor.shape;
    if (!fits(array, shape, row)) {
        sgn_shape_text want;
        SGN_FAIL(err, SGN_FORMAT, "%s: array %s is %s of rank %d with %lld rows, expected F32 %s", a->path, array->name,
                 sgn_dtype_name(array->dtype), array->rank, (long long)(array->rank ? array->dim[0] : 0),
                 sgn_shape_print(*shape, &want));
    }
    const int64_t width = sgn_numel(*shape) / shape->dim[0], n = array->dim[0] * width;
    float *out = sgn_state_at(r->m, r->o, group, i) + row * width;
    SGN_TRY(sgn_archive_read_f32(a, index, out, n, err));
    SGN_TRY(check_values(out, n, a->path, array->name, err));
    r->filled[group * r->m->params.count + i] += n;
    return SGN_OK;
}

static sgn_status read_shard(reading *r, const char *path, bool first, sgn_error *err) {
    sgn_archive a;
    SGN_TRY(sgn_archive_open(&a, path, err));
    sgn_position at = { 0 };
    sgn_status s = read_notes(&a, &at, err);
    if (s == SGN_OK && !first && at.step != r->position->step)
        s = SGN_ERROR(err, SGN_FORMAT, "%s: belongs to step %lld, the shards before it to step %lld", path,
                      (long long)at.step, (long long)r->position->step);
    if (first) *r->position = at;
    for (int i = 0; s == SGN_OK && i < a.count; i++) s = read_array(r, &a, i, err);
    sgn_archive_close(&a);
    return s;
}

static sgn_status check_complete(const reading *r, const char *directory, sgn_error *err) {
    const sgn_params *p = &r->m->params;
    const char *group;
    for (int g = 0; (group = sgn_state_group(r->o, g)); g++)
        for (int i = 0; i < p->count; i++) {
            const int64_t got = r->filled[g * p->count + i], want = sgn_numel(p->at[i].tensor.shape);
            if (got != want)
                SGN_FAIL(err, SGN_FORMAT, "%s: %s/%s has %lld of %lld numbers", directory, group, p->at[i].name,
                         (long long)got, (long long)want);
        }
    return SGN_OK;
}

static sgn_status read_shards(reading *r, const char *directory, sgn_error *err) {
    char **names;
    int count;
    SGN_TRY(sgn_directory_list(directory, "shard-", ".h5", &names, &count, err));
    sgn_status s = SGN_OK;
    if (count == 0) s = SGN_ERROR(err, SGN_FORMAT, "%s: holds no shard-*.h5; this is no checkpoint", directory);
    for (int i = 0; s == SGN_OK && i < count; i++) {
        sgn_path path;
        s = sgn_path_set(&path, err, "%s/%s", directory, names[i]);
        if (s == SGN_OK) s = read_shard(r, path.s, i == 0, err);
    }
    sgn_names_free(names, count);
    return s == SGN_OK ? check_complete(r, directory, err) : s;
}

sgn_status sgn_checkpoint_position(const char *directory, sgn_position *at, sgn_error *err) {
    sgn_path path;
    sgn_archive a;
    SGN_TRY(sgn_path_set(&path, err, "%s/shard-0000.h5", directory));
    SGN_TRY(sgn_archive_open(&a, path.s, err));
    const sgn_status s = read_notes(&a, at, err);
    sgn_archive_close(&a);
    return s;
}

sgn_status sgn_checkpoint_load(const char *directory, sgn_position *at, sgn_transformer *m,
                               sgn_optimizer *o, sgn_error *err) {
    *at = (sgn_position){ 0 };
    reading r = { m, o, at, calloc((size_t)(SGN_STATE_GROUPS * m->params.count), sizeof(int64_t)) };
    if (!r.filled) SGN_FAIL(err, SGN_NOMEM, "no memory to read %s", directory);
    const sgn_status s = read_shards(&r, directory, err);
    free(r.filled);
    if (s == SGN_OK) sgn_params_refresh_signs(&m->params);
    return s;
}
