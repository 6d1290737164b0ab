/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "binarize/work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "core/archive.h"
#include "core/log.h"

enum { SETTINGS_LIMIT = 1 << 20 };
static const char first_layer[] = "model.layers.0.";

bool sgn_layer_name_of(const char *one, int64_t n, sgn_layer_name *out) {
    const size_t head = sizeof first_layer - 1;
    if (strncmp(one, first_layer, head)) return false;
    snprintf(out->s, sizeof out->s, "model.layers.%lld.%s", (long long)n, one + head);
    return true;
}

/* --- settings -------------------------------------------------------------------------------------------- */

static bool same(const sgn_json *a, const sgn_json *b) {
    char *x = NULL, *y = NULL;
    const bool equal = a && b && sgn_json_dump(a, 0, &x, NULL) == SGN_OK && sgn_json_dump(b, 0, &y, NULL) == SGN_OK && strcmp(x, y) == 0;
    free(x);
    free(y);
    return equal;
}

/* The first setting that was another then, "" : none. */
typedef struct { char key[64]; } difference;

static sgn_status compare(const char *path, const sgn_json *now, difference *d, sgn_error *err) {
    sgn_json *old;
    d->key[0] = '\0';
    SGN_TRY(sgn_json_load(&old, path, SETTINGS_LIMIT, err));
    for (void *it = sgn_json_iter(now); !d->key[0] && it; it = sgn_json_next(now, it))
        if (!same(sgn_json_get(old, sgn_json_iter_key(it)), sgn_json_iter_value(it))) snprintf(d->key, sizeof d->key, "%s", sgn_json_iter_key(it));
    sgn_json_free(old);
    return SGN_OK;
}

/* Two processes there would take each other's blocks for their own. File systems without locks pass. */
static sgn_status take_lock(const char *directory, sgn_work_lock *lock, sgn_error *err) {
    sgn_path path;
    SGN_TRY(sgn_path_set(&path, err, "%s/.lock", directory));
    lock->fd = open(path.s, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock->fd < 0) SGN_FAIL(err, SGN_IO, "%s: cannot create: %s; choose another --out", path.s, strerror(errno));
    lock->held = true;
    if (flock(lock->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        SGN_FAIL(err, SGN_IO, "%s: another process is at work there; wait for it, or choose another --out", directory);
    return SGN_OK;
}

void sgn_work_let_go(sgn_work_lock *lock) {
    if (lock->held) close(lock->fd);
    *lock = (sgn_work_lock){ 0 };
}

static sgn_status discard(const char *directory, char *const *blocks, int count, sgn_error *err) {
    for (int i = 0; i < count; i++) {
        sgn_path path;
        SGN_TRY(sgn_path_set(&path, err, "%s/%s", directory, blocks[i]));
        if (unlink(path.s) != 0) SGN_FAIL(err, SGN_IO, "%s: cannot remove: %s", path.s, strerror(errno));
    }
    return SGN_OK;
}

/* Are these blocks of the same settings? What cannot be read says nothing of how they were begun. */
static sgn_status settle(const char *directory, const char *path, const sgn_json *settings, bool replace, bool *ours, sgn_error *err) {
    difference d = { "" };
    sgn_error why = { 0 };
    const sgn_status s = compare(path, settings, &d, &why);
    *ours = s == SGN_OK && !d.key[0];
    if (*ours) return SGN_OK;
    if (!replace && s != SGN_OK) SGN_FAIL(err, s, "%s; say --replace to begin anew", why.text);
    if (!replace)
        SGN_FAIL(err, SGN_CONFIG, "%s: it was begun with another '%s'; go on with the same command, or say --replace to begin anew", directory, d.key);
    sgn_warn("%s: discarded, for %s%s%s", directory, s == SGN_OK ? "it was begun with another '" : why.text, d.key, s == SGN_OK ? "'" : "");
    return SGN_OK;
}

/* Settings are kept before the first block is and changed only where there is none. */
static sgn_status begin(const char *directory, const sgn_json *settings, bool replace, sgn_error *err) {
    sgn_path path;
    char **blocks;
    int count;
    bool ours = false;
    SGN_TRY(sgn_path_set(&path, err, "%s/settings.json", directory));
    SGN_TRY(sgn_directory_list(directory, "block-", ".safetensors", &blocks, &count, err));
    sgn_status s = count ? settle(directory, path.s, settings, replace, &ours, err) : SGN_OK;
    if (s == SGN_OK && !ours) s = discard(directory, blocks, count, err);
    sgn_names_free(blocks, count);
    SGN_TRY(s);
    return ours ? SGN_OK : sgn_json_save(settings, 2, path.s, err);
}

sgn_status sgn_work_open(const char *directory, sgn_json *settings, bool replace, sgn_work_lock *lock, sgn_error *err) {
    sgn_status s = sgn_make_directories(directory, err);
    if (s == SGN_OK) s = take_lock(directory, lock, err);
    if (s == SGN_OK) s = begin(directory, settings, replace, err);
    sgn_json_free(settings);
    return s;
}

/* --- blocks ---------------------------------------------------------------------------------------------- */

sgn_status sgn_work_model(const sgn_model_config *config, int64_t vocab, sgn_transformer *one, sgn_error *err) {
    sgn_model_config c = *config;
    c.layers = 1;
    c.vocab = vocab;
    c.tied_head = true;
    SGN_TRY(sgn_transformer_init(one, &c, false, err));
    return sgn_transformer_commit(one, err);
}

static sgn_status block_path(const char *directory, int64_t n, sgn_path *out, sgn_error *err) {
    return sgn_path_set(out, err, "%s/block-%05lld.safetensors", directory, (long long)n);
}

static sgn_status write_block(const char *path, const sgn_transformer *one, int64_t n, const char *const *notes,
                              sgn_array *at, const void **data, sgn_error *err) {
    int count = 0;
    for (int i = 0; i < one->params.count; i++) {
        const sgn_param *p = &one->params.at[i];
        sgn_layer_name name;
        if (p->class == SGN_PARAM_DERIVED || !sgn_layer_name_of(p->name, n, &name)) continue;
        at[count] = sgn_array_make(name.s, SGN_DTYPE_F32, p->tensor.shape.rank, p->tensor.shape.dim);
        data[count++] = p->tensor.data;
    }
    return sgn_archive_write("safetensors", path, at, data, count, notes, err);
}

sgn_status sgn_work_save(const char *directory, int64_t n, const sgn_transformer *one, const sgn_json *rows, sgn_error *err) {
    sgn_path path;
    char *text;
    SGN_TRY(block_path(directory, n, &path, err));
    SGN_TRY(sgn_json_dump(rows, 0, &text, err));
    const char *const notes[] = { "report", text, NULL };
    sgn_array *at = malloc((size_t)one->params.count * sizeof *at);
    const void **data = malloc((size_t)one->params.count * sizeof *data);
    const sgn_status s = at && data ? write_block(path.s, one, n, notes, at, data, err)
                                    : SGN_ERROR(err, SGN_NOMEM, "no memory for the list of a block's %d arrays", one->params.count);
    free(at);
    free(data);
    free(text);
    return s;
}

static sgn_status read_params(const sgn_archive *a, const sgn_transformer *one, int64_t n, sgn_error *err) {
    for (int i = 0; i < one->params.count; i++) {
        const sgn_param *p = &one->params.at[i];
        sgn_layer_name name;
        if (p->class == SGN_PARAM_DERIVED || !sgn_layer_name_of(p->name, n, &name)) continue;
        const int k = sgn_archive_find(a, name.s);
        if (k < 0 || sgn_array_numel(&a->at[k]) != (uint64_t)sgn_numel(p->tensor.shape))
            SGN_FAIL(err, SGN_FORMAT, "%s: '%s' is missing or of another size; remove the file, it will be made again", a->path, name.s);
        SGN_TRY(sgn_archive_read_f32(a, k, p->tensor.data, sgn_numel(p->tensor.shape), err));
    }
    return SGN_OK;
}

static sgn_status read_block(const sgn_archive *a, int64_t n, const sgn_transformer *one, sgn_json **rows, sgn_error *err) {
    const char *report = a->kind->note(a, "report");
    SGN_TRY(read_params(a, one, n, err));
    return sgn_json_parse(rows, report ? report : "[]", report ? strlen(report) : 2, a->path, err);
}

sgn_status sgn_work_load(const char *directory, int64_t n, sgn_transformer *one, sgn_json **rows, sgn_error *err) {
    sgn_path path;
    sgn_archive a;
    *rows = NULL;
    SGN_TRY(block_path(directory, n, &path, err));
    if (!sgn_file_exists(path.s)) return SGN_OK;
    sgn_error why = { 0 };
    sgn_status s = sgn_archive_open(&a, path.s, &why);
    if (s != SGN_OK) SGN_FAIL(err, s, "%s; remove the file, it will be made again", why.text);
    s = read_block(&a, n, one, rows, err);
    sgn_archive_close(&a);
    return s;
}
