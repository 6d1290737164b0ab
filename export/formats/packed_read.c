/* Packed directories, mapped: what lies there is checked and pointed at. SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "core/kernels/kernels.h"
#include "export/formats/packed.h"

typedef struct {
    sgn_archive archive;
    sgn_path    config;        /* for messages */
    bool       *used;          /* by array */
    void      **copy;          /* by array: of what is not mapped as it is */
} reader;

#define REFUSE(...) SGN_FAIL(err, SGN_FORMAT, __VA_ARGS__)

bool sgn_packed_recognise(const sgn_json *config) {
    return strcmp(sgn_json_string(sgn_json_get(sgn_json_get(config, "signum"), "format"), ""), "packed") == 0;
}

static sgn_status find(reader *r, int *index, sgn_error *err, const char *name) {
    *index = sgn_archive_find(&r->archive, name);
    if (*index < 0) REFUSE("%s: array '%s' is missing, though %s needs it", r->archive.path, name, r->config.s);
    r->used[*index] = true;
    return SGN_OK;
}

static sgn_status misfit(const reader *r, const sgn_array *a, const char *wanted, int64_t rows, int64_t cols, sgn_error *err) {
    const long long have[2] = { a->rank > 0 ? (long long)a->dim[0] : 0, a->rank > 1 ? (long long)a->dim[1] : 0 };
    SGN_FAIL(err, SGN_SHAPE, "%s: '%s' is %s of rank %d (%lld, %lld), but %s (%lld, %lld) is expected", r->archive.path, a->name,
             sgn_dtype_name(a->dtype), a->rank, have[0], have[1], wanted, (long long)rows, (long long)cols);
}

/* In place where the file has it as floats, aligned; else a copy. cols 0: a vector of `rows`, or of one where `one`. */
static sgn_status floats(reader *r, const char *name, int64_t rows, int64_t cols, bool one, const float **out, int64_t *size,
                         sgn_dtype *type, sgn_error *err) {
    int k;
    SGN_TRY(find(r, &k, err, name));
    const sgn_array *a = &r->archive.at[k];
    const bool vector = a->rank == 1 && cols == 0 && (a->dim[0] == rows || (one && a->dim[0] == 1));
    const bool matrix = a->rank == 2 && cols != 0 && a->dim[0] == rows && a->dim[1] == cols;
    const bool reals = a->dtype == SGN_DTYPE_F32 || a->dtype == SGN_DTYPE_F16 || a->dtype == SGN_DTYPE_BF16;
    if (!(vector || matrix) || !reals) return misfit(r, a, "F32", rows, cols, err);
    const int64_t n = cols ? rows * cols : a->dim[0];
    const float *at = a->dtype == SGN_DTYPE_F32 ? r->archive.kind->map(&r->archive, k) : NULL;
    if (!at || (uintptr_t)at % sizeof *at) {
        if (!r->copy[k] && !(r->copy[k] = malloc((size_t)n * sizeof *at)))
            SGN_FAIL(err, SGN_NOMEM, "%s: no memory for '%s'", r->archive.path, name);
        SGN_TRY(sgn_archive_read_f32(&r->archive, k, r->copy[k], n, err));
        at = r->copy[k];
    }
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(at[i])) REFUSE("%s: '%s' has %g at index %lld", r->archive.path, name, (double)at[i], (long long)i);
    *out = at;
    if (size) *size = n;
    if (type) *type = a->dtype;
    return SGN_OK;
}

static sgn_status check_row(const reader *r, const char *name, const float *x, int64_t n, int64_t first, sgn_error *err) {
    if (isfinite(sgn_kernels_get()->sum_squares(x, n))) return SGN_OK;
    for (int64_t j = 0; j < n; j++)
        if (!isfinite(x[j])) REFUSE("%s: '%s' has %g at index %lld", r->archive.path, name, (double)x[j], (long long)(first + j));
    return SGN_OK;
}

/* (rows, cols) of any type that is used as it lies. */
static sgn_status matrix(reader *r, const char *name, int64_t rows, int64_t cols, sgn_stored *out, sgn_error *err) {
    int k;
    SGN_TRY(find(r, &k, err, name));
    const sgn_array *a = &r->archive.at[k];
    const char *dot = strrchr(name, '.');
    const bool blocks = dot && strcmp(dot, ".q8_0") == 0 && cols % sgn_dtype_block(SGN_DTYPE_Q8_0) == 0;
    const bool reals = a->dtype == SGN_DTYPE_F32 || a->dtype == SGN_DTYPE_F16 || a->dtype == SGN_DTYPE_BF16;
    const int64_t width = blocks ? (int64_t)sgn_stored_row_bytes(SGN_DTYPE_Q8_0, cols) : cols;
    if (!(blocks ? a->dtype == SGN_DTYPE_U8 : reals) || a->rank != 2 || a->dim[0] != rows || a->dim[1] != width)
        return misfit(r, a, blocks ? "U8" : "F32", rows, width, err);
    *out = (sgn_stored){ .dtype = blocks ? SGN_DTYPE_Q8_0 : a->dtype, .data = r->archive.kind->map(&r->archive, k) };
    if (!out->data) REFUSE("%s: '%s' cannot be mapped", r->archive.path, name);
    float *row = malloc((size_t)cols * sizeof *row);
    if (!row) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for a row of '%s'", r->archive.path, name);
    sgn_status s = SGN_OK;
    for (int64_t i = 0; s == SGN_OK && i < rows; i++) {
        sgn_kernels_get()->to_real[out->dtype](row, sgn_stored_row(*out, cols, i), cols);
        s = check_row(r, name, row, cols, i * cols, err);
    }
    free(row);
    return s;
}

/* The same, NAME.weight or NAME.q8_0. */
static sgn_status named_matrix(reader *r, const char *weight, int64_t rows, int64_t cols, sgn_stored *out, sgn_error *err) {
    char blocks[SGN_ARRAY_NAME];
    snprintf(blocks, sizeof blocks, "%s.q8_0", sgn_packed_stem(weight).s);
    return matrix(r, sgn_archive_find(&r->archive, blocks) < 0 ? weight : blocks, rows, cols, out, err);
}

static sgn_status plane(reader *r, const char *name, int64_t rows, int64_t cols, sgn_plane *out, sgn_error *err) {
    int k;
    SGN_TRY(find(r, &k, err, name));
    const sgn_array *a = &r->archive.at[k];
    const int64_t stride = sgn_plane_stride(cols);
    if (a->dtype != SGN_DTYPE_U8 || a->rank != 2 || a->dim[0] != rows || a->dim[1] != 8 * stride)
        return misfit(r, a, "U8", rows, 8 * stride, err);
    const void *at = r->archive.kind->map(&r->archive, k);
    if (!at || (uintptr_t)at % sizeof(uint64_t)) {
        if (!r->copy[k] && !(r->copy[k] = malloc((size_t)a->bytes)))
            SGN_FAIL(err, SGN_NOMEM, "%s: no memory for '%s'", r->archive.path, name);
        SGN_TRY(r->archive.kind->read(&r->archive, k, r->copy[k], err));
        at = r->copy[k];
    }
    *out = (sgn_plane){ rows, cols, stride, (uint64_t *)(uintptr_t)at };       /* never written to */
    const uint64_t padding = cols % 64 ? ~(uint64_t)0 << cols % 64 : 0;
    for (int64_t i = 0; padding && i < rows; i++)
        if (out->word[(i + 1) * stride - 1] & padding)
            REFUSE("%s: '%s' has bits set behind the %lld weights of row %lld", r->archive.path, name, (long long)cols, (long long)i);
    return SGN_OK;
}

static sgn_status coded(reader *r, const char *name, sgn_code code, int64_t rows, int64_t cols, sgn_coded *out, sgn_error *err) {
    int k;
    SGN_TRY(find(r, &k, err, name));
    const sgn_array *a = &r->archive.at[k];
    if (a->dtype != SGN_DTYPE_U8 || a->rank != 2 || a->dim[0] != rows || a->dim[1] != sgn_coded_stride(code, cols))
        return misfit(r, a, "U8", rows, sgn_coded_stride(code, cols), err);
    *out = (sgn_coded){ code, rows, cols, r->archive.kind->map(&r->archive, k) };
    if (!out->byte) REFUSE("%s: '%s' cannot be mapped", r->archive.path, name);
    const int64_t row = sgn_coded_check(out);
    if (row >= 0) REFUSE("%s: '%s' has a code in row %lld that stands for no %s signs of %lld columns", r->archive.path, name, (long long)row,
                         sgn_code_get(code)->name, (long long)cols);
    return SGN_OK;
}

/* Rows of the array that a stage names under `key`: what a product makes. */
static sgn_status rows_of(reader *r, const char *name, int64_t *rows, sgn_error *err) {
    int k;
    SGN_TRY(find(r, &k, err, name));
    if (r->archive.at[k].rank != 2) return misfit(r, &r->archive.at[k], "a matrix", 0, 0, err);
    *rows = r->archive.at[k].dim[0];
    return SGN_OK;
}

typedef struct { char s[SGN_ARRAY_NAME]; } full_name;

static sgn_status name_of(reader *r, const char *linear, const sgn_json *j, const char *key, bool needed, full_name *out,
                          const char **kept, sgn_error *err) {
    const char *word = sgn_json_string(sgn_json_get(j, key), NULL);
    out->s[0] = '\0';
    if (!word && !needed) return SGN_OK;
    if (!word) REFUSE("%s: signum.stages: %s: a stage names no '%s'", r->config.s, linear, key);
    const size_t n = strlen(linear), more = strlen(word);
    if (n + 1 + more >= sizeof out->s) REFUSE("%s: signum.stages: %s: '%.80s' is too long", r->config.s, linear, word);
    memcpy(out->s, linear, n);
    out->s[n] = '.';
    memcpy(out->s + n + 1, word, more + 1);
    int k;
    SGN_TRY(find(r, &k, err, out->s));
    *kept = r->archive.at[k].name + n + 1;
    return SGN_OK;
}

static sgn_status read_kind(const reader *r, const char *linear, const sgn_json *j, sgn_stage_kind *kind, sgn_error *err) {
    const char *word = sgn_json_string(sgn_json_get(j, "stage"), "(none)");
    for (int k = 0; k < SGN_STAGE_COUNT; k++)
        if (strcmp(word, sgn_stage_word((sgn_stage_kind)k)) == 0) {
            *kind = (sgn_stage_kind)k;
            return SGN_OK;
        }
    SGN_FAIL(err, SGN_UNSUPPORTED, "%s: signum.stages: %s: a stage '%.40s' is not known", r->config.s, linear, word);
}

/* After its scales: rows are read with them. */
static sgn_status zones(reader *r, const char *linear, const sgn_json *j, sgn_lowered_stage *s, sgn_error *err) {
    const char *keep = sgn_json_string(sgn_json_get(j, "keep"), "");
    char name[SGN_ARRAY_NAME];
    sgn_zoned_bits *z = &s->zones;
    int at, bitmap;
    if (!sgn_zoned_bits_parse(z, s->rows, s->cols, keep, (int)sgn_json_int(sgn_json_get(j, "id"), 0)))
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: signum.stages: %s: zones that keep '%.40s' with ids of %d bits are not known", r->config.s, linear, keep, z->id);
    snprintf(name, sizeof name, "%s.zones", linear);
    SGN_TRY(find(r, &at, err, name));
    const sgn_array *a = &r->archive.at[at];
    if (a->dtype != SGN_DTYPE_U8 || a->rank != 2 || a->dim[0] != s->rows || a->dim[1] != sgn_zoned_bits_stride(z)) return misfit(r, a, "U8", s->rows, sgn_zoned_bits_stride(z), err);
    z->byte = r->archive.kind->map(&r->archive, at);
    snprintf(name, sizeof name, "%s.salient", linear);
    SGN_TRY(find(r, &bitmap, err, name));
    a = &r->archive.at[bitmap];
    if (a->dtype != SGN_DTYPE_U8 || a->rank != 1 || a->dim[0] != (s->cols + 7) / 8) return misfit(r, a, "U8", (s->cols + 7) / 8, 0, err);
    z->salient = r->archive.kind->map(&r->archive, bitmap);
    if (!z->byte || !z->salient) REFUSE("%s: '%s' cannot be mapped", r->archive.path, name);
    if (s->cols % 8 && z->salient[s->cols / 8] >> s->cols % 8) REFUSE("%s: '%s' has bits set behind the last column", r->archive.path, name);
    float *row = malloc((size_t)s->cols * sizeof *row);
    if (!row) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for a row of '%s'", r->archive.path, name);
    sgn_status status = SGN_OK;
    for (int64_t i = 0; status == SGN_OK && i < s->rows; i++)
        if (!sgn_zoned_bits_row(z, i, s->v + i * sgn_zoned_scales(s->cols), row))
            status = SGN_ERROR(err, SGN_FORMAT, "%s: '%s.zones' has bits in row %lld that stand for nothing", r->archive.path, linear, (long long)i);
    free(row);
    return status;
}

/* One stage of a chain through which `width` numbers come in. */
static sgn_status read_stage(reader *r, const char *linear, const sgn_json *j, int64_t width, int64_t out, sgn_lowered_stage *s,
                             sgn_error *err) {
    full_name name[2], v, u;
    SGN_TRY(read_kind(r, linear, j, &s->kind, err));
    const int planes = sgn_packed_shape_of(s->kind).planes;
    const char **kept = s->name;
    s->rows = s->cols = width;
    for (int i = 0; i < planes; i++) {
        SGN_TRY(name_of(r, linear, j, sgn_packed_plane_key(i), true, &name[i], kept++, err));
        SGN_TRY(rows_of(r, name[i].s, &s->rows, err));
        SGN_TRY(plane(r, name[i].s, s->rows, width, &s->plane[i], err));
    }
    if (sgn_packed_shape_of(s->kind).zones) {
        SGN_TRY(name_of(r, linear, j, "zones", true, &name[0], kept++, err));
        SGN_TRY(rows_of(r, name[0].s, &s->rows, err));
    }
    if (sgn_packed_shape_of(s->kind).codes) {
        const char *keep = sgn_json_string(sgn_json_get(j, "keep"), "(none)");
        SGN_TRY(name_of(r, linear, j, "codes", true, &name[0], kept, err));
        SGN_TRY(rows_of(r, name[0].s, &s->rows, err));
        if (sgn_code_find(&s->code, keep, NULL) != SGN_OK || !sgn_coded_bits(s->code))
            SGN_FAIL(err, SGN_UNSUPPORTED, "%s: signum.stages: %s: signs that keep '%.40s' are not known", r->config.s, linear, keep);
        return coded(r, name[0].s, s->code, s->rows, width, &s->coded, err);
    }
    if (s->kind == SGN_STAGE_DENSE) {
        const char *key = sgn_json_get(j, "w") ? "w" : "v";        /* version 1 called it v */
        SGN_TRY(name_of(r, linear, j, key, true, &v, kept, err));
        SGN_TRY(rows_of(r, v.s, &s->rows, err));
        return matrix(r, v.s, s->rows, width, &s->w, err);
    }
    const bool optional = s->kind == SGN_STAGE_NORM || s->kind == SGN_STAGE_RANK1;
    v.s[0] = u.s[0] = '\0';
    if (sgn_packed_shape_of(s->kind).v) SGN_TRY(name_of(r, linear, j, "v", !optional, &v, kept, err));
    kept += v.s[0] != '\0';
    if (sgn_packed_shape_of(s->kind).u) SGN_TRY(name_of(r, linear, j, "u", false, &u, kept, err));
    if (s->kind == SGN_STAGE_RANK1) s->rows = out;
    int64_t cols = 0;
    if (s->kind == SGN_STAGE_GROUP_SIGN) {
        s->group = sgn_json_int(sgn_json_get(j, "group"), 0);
        if (s->group < 1) REFUSE("%s: signum.stages: %s: 'group' is not a positive number", r->config.s, linear);
    }
    cols = sgn_packed_v_cols(s);
    if (v.s[0]) SGN_TRY(floats(r, v.s, cols ? s->rows : width, cols, true, &s->v, &s->v_size, &s->v_type, err));
    if (u.s[0]) SGN_TRY(floats(r, u.s, out, 0, true, &s->u, &s->u_size, &s->u_type, err));
    return s->kind == SGN_STAGE_ZONES ? zones(r, linear, j, s, err) : SGN_OK;
}

static sgn_status read_linear(reader *r, const char *linear, const sgn_json *chains, int64_t out, int64_t in, sgn_lowered *l,
                              sgn_error *err) {
    const size_t count = sgn_json_size(chains);
    if (count < 1 || count > SGN_MAX_CHAINS)
        REFUSE("%s: signum.stages: %s has %zu chains; 1 to %d are expected", r->config.s, linear, count, SGN_MAX_CHAINS);
    for (size_t c = 0; c < count; c++) {
        const sgn_json *chain = sgn_json_at(chains, c);
        const size_t stages = sgn_json_size(chain);
        int64_t width = in;
        if (stages < 1 || stages > SGN_MAX_STAGES)
            REFUSE("%s: signum.stages: %s has a chain of %zu stages; 1 to %d are expected", r->config.s, linear, stages, SGN_MAX_STAGES);
        sgn_chain *to = &l->chain[l->count++];
        for (size_t i = 0; i < stages; i++) {
            sgn_lowered_stage *s = &to->stage[to->count++];
            SGN_TRY(read_stage(r, linear, sgn_json_at(chain, i), width, out, s, err));
            width = s->rows;
        }
        if (width != out)
            SGN_FAIL(err, SGN_SHAPE, "%s: signum.stages: a chain of %s makes %lld numbers, not %lld", r->config.s, linear,
                     (long long)width, (long long)out);
    }
    char bias[SGN_ARRAY_NAME];
    snprintf(bias, sizeof bias, "%s.bias", linear);
    return sgn_archive_find(&r->archive, bias) < 0 ? SGN_OK : floats(r, bias, out, 0, false, &l->bias, NULL, NULL, err);
}

static sgn_status read_block(reader *r, const sgn_json *stages, int64_t n, const sgn_model_config *c, sgn_lowered_block *b,
                             sgn_error *err) {
    char name[SGN_ARRAY_NAME];
    sgn_plain x;
    for (int i = 0; (x = sgn_plain_of_block(c, b, i)).name; i++) {
        if (!x.there) continue;
        snprintf(name, sizeof name, "model.layers.%lld.%s", (long long)n, x.name);
        SGN_TRY(floats(r, name, x.rows, x.cols, false, x.at, NULL, NULL, err));
    }
    for (int l = 0; l < SGN_LINEARS; l++) {
        if (!sgn_model_config_has(c, sgn_linear_module((sgn_block_linear)l))) continue;
        const sgn_linear_name linear = sgn_linear_name_of(n, (sgn_block_linear)l);
        int64_t out, in;
        sgn_linear_shape(c, (sgn_block_linear)l, &out, &in);
        SGN_TRY(read_linear(r, linear.s, sgn_json_get(stages, linear.s), out, in, &b->linear[l], err));
    }
    return SGN_OK;
}

/* Version 1 had its number in "version"; what it could hold is read as ever. */
static sgn_status check_version(const reader *r, const sgn_json *ours, sgn_error *err) {
    const sgn_json *said = sgn_json_get(ours, "format_version");
    const int64_t version = sgn_json_int(said ? said : sgn_json_get(ours, "version"), 0);
    if (version > SGN_PACKED_VERSION)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: signum.format_version is %lld, and this program reads 1 to %d; take a newer signum, or export "
                 "the model again with this one", r->config.s, (long long)version, SGN_PACKED_VERSION);
    if (version < 1) REFUSE("%s: signum.format_version is missing or no version; export the model again", r->config.s);
    return SGN_OK;
}

static sgn_status read_model(reader *r, const sgn_json *config, sgn_lowered_model *lm, sgn_error *err) {
    const sgn_json *ours = sgn_json_get(config, "signum"), *stages = sgn_json_get(ours, "stages");
    SGN_TRY(check_version(r, ours, err));
    SGN_TRY(sgn_model_config_from_json(&lm->config, config, r->config.s, err));
    const sgn_model_config *c = &lm->config;
    int64_t linears = 0;
    for (int l = 0; l < SGN_LINEARS; l++) linears += sgn_model_config_has(c, sgn_linear_module((sgn_block_linear)l));
    if (sgn_json_size(stages) != (size_t)(c->layers * linears))
        REFUSE("%s: signum.stages describes %zu linear layers, but %lld blocks have %lld", r->config.s, sgn_json_size(stages),
               (long long)c->layers, (long long)(c->layers * linears));
    lm->blocks = calloc((size_t)c->layers, sizeof *lm->blocks);
    if (!lm->blocks) SGN_FAIL(err, SGN_NOMEM, "no memory for %lld lowered blocks", (long long)c->layers);
    sgn_plain x;
    for (int i = 0; (x = sgn_plain_at(lm, i)).name; i++)
        if (x.there) SGN_TRY(x.matrix ? named_matrix(r, x.name, x.rows, x.cols, x.matrix, err)
                                      : floats(r, x.name, x.rows, x.cols, false, x.at, NULL, NULL, err));
    if (c->tied_head) lm->head = lm->embedding;
    for (int64_t n = 0; n < c->layers; n++) SGN_TRY(read_block(r, stages, n, c, &lm->blocks[n], err));
    for (int i = 0; i < r->archive.count; i++)
        if (!r->used[i]) REFUSE("%s: array '%s' belongs to no part of the model", r->archive.path, r->archive.at[i].name);
    return SGN_OK;
}

void sgn_packed_close(sgn_lowered_model *lm, void *state) {
    reader *r = state;
    sgn_lowered_model_free(lm);
    if (!r) return;
    for (int i = 0; r->copy && i < r->archive.count; i++) free(r->copy[i]);
    free(r->copy);
    free(r->used);
    sgn_archive_close(&r->archive);
    free(r);
}

sgn_status sgn_packed_open(const char *directory, const sgn_json *config, sgn_lowered_model *lm, void **state, sgn_error *err) {
    sgn_path arrays, manifest;
    SGN_TRY(sgn_path_set(&arrays, err, "%s/model.safetensors", directory));
    SGN_TRY(sgn_path_set(&manifest, err, "%s/MANIFEST", directory));
    if (!sgn_file_exists(manifest.s))
        SGN_FAIL(err, SGN_IO, "%s is missing, which every packed model has; copy the directory again, or export the model again", manifest.s);
    reader *r = *state = calloc(1, sizeof *r);
    if (!r) SGN_FAIL(err, SGN_NOMEM, "no memory to open '%s'", directory);
    SGN_TRY(sgn_path_set(&r->config, err, "%s/config.json", directory));
    SGN_TRY(sgn_archive_open(&r->archive, arrays.s, err));
    r->used = calloc((size_t)r->archive.count + 1, sizeof *r->used);
    r->copy = calloc((size_t)r->archive.count + 1, sizeof *r->copy);
    if (!r->used || !r->copy) SGN_FAIL(err, SGN_NOMEM, "no memory to open '%s'", directory);
    return read_model(r, config, lm, err);
}

