/* SPDX-License-Identifier: MIT */
#include "export/gguf_arrays.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/parallel.h"
#include "core/quantize.h"
#include "model/archive_names.h"
#include "model/rotary.h"

enum { GRAIN = 1 << 14 };

void sgn_gguf_arrays_free(sgn_gguf_arrays *a) {
    for (int i = 0; a->made && i < a->count; i++) free(a->made[i]);
    free(a->at);
    free((void *)a->data);
    free(a->made);
    *a = (sgn_gguf_arrays){ 0 };
}

static sgn_status begin(sgn_gguf_arrays *a, int room, sgn_error *err) {
    a->at = calloc((size_t)room, sizeof *a->at);
    a->data = calloc((size_t)room, sizeof *a->data);
    a->made = calloc((size_t)room, sizeof *a->made);
    a->room = room;
    if (!a->at || !a->data || !a->made) SGN_FAIL(err, SGN_NOMEM, "no memory for a list of %d arrays", room);
    return SGN_OK;
}

/* The next array, with room for its bytes. */
static sgn_status next(sgn_gguf_arrays *a, const char *name, sgn_dtype type, int rank, const int64_t *dim, void *out, sgn_error *err) {
    a->at[a->count] = sgn_array_make(name, type, rank, dim);
    void *p = malloc((size_t)a->at[a->count].bytes);
    if (!p) SGN_FAIL(err, SGN_NOMEM, "no memory for '%s'", name);
    a->data[a->count] = a->made[a->count] = p;
    a->count++;
    memcpy(out, &p, sizeof p);
    return SGN_OK;
}

static sgn_status name_of(const char *ours, char theirs[SGN_ARRAY_NAME], bool *rotary, sgn_error *err) {
    if (!sgn_archive_names_translate(sgn_archive_names_find("gguf"), ours, theirs, rotary))
        SGN_FAIL(err, SGN_UNSUPPORTED, "--format gguf has no name for '%s'", ours);
    return SGN_OK;
}

/* --- types -------------------------------------------------------------------------------------------- */

bool sgn_gguf_is_signs(sgn_dtype t) { return t == SGN_DTYPE_Q1_0 || t == SGN_DTYPE_TQ1_0 || t == SGN_DTYPE_TQ2_0; }

static bool has_planes(const sgn_lowered *l) {
    for (int c = 0; l && c < l->count; c++)
        for (int i = 0; i < l->chain[c].count; i++)
            if (l->chain[c].stage[i].plane[0].word) return true;
    return false;
}

static bool any_planes(const sgn_lowered_model *lm) {
    for (int64_t n = 0; n < lm->config.layers; n++)
        for (int k = 0; k < SGN_LINEARS; k++)
            if (has_planes(&lm->blocks[n].linear[k])) return true;
    return false;
}

static sgn_dtype type_of(sgn_gguf_types *t, bool signs, const sgn_lowered *l, const sgn_array *part) {
    if (part->rank != 2) return SGN_DTYPE_F32;
    const sgn_dtype type = l && (!signs || has_planes(l)) ? t->type : t->other;
    if (!t->approximate || part->dim[1] % sgn_dtype_block(type) == 0) return type;
    t->unfit++;
    return SGN_DTYPE_F16;
}

static bool scales_columns(const sgn_lowered *l) {
    return l && l->count && l->chain[0].count > 1 && l->chain[0].stage[0].kind == SGN_STAGE_SCALE && has_planes(l);
}

/* --- rows ------------------------------------------------------------------------------------------------ */

typedef struct {
    const float *x;                /* (rows, cols) */
    char        *out;
    int64_t      cols, head;       /* head 0: rows keep their order */
    sgn_dtype    type;
    float        most;             /* the largest |x| */
    atomic_bool *misfit;
} rows_job;

static void write_rows(void *ctx, int64_t begin, int64_t end) {
    const rows_job *j = ctx;
    const size_t bytes = sgn_stored_row_bytes(j->type, j->cols);
    for (int64_t r = begin; r < end; r++) {
        const float *x = j->x + r * j->cols;
        if (!sgn_quantize_holds(j->type, x, j->cols, j->most)) atomic_store(j->misfit, true);
        sgn_quantize(j->type, x, j->cols, j->out + (size_t)(j->head ? sgn_paired_row(r, j->head) : r) * bytes);
    }
}

/* Shared scales of columns fold away where every layer has them and each value is read once. */
static const char *training(const sgn_model_config *c, sgn_dtype type) {
    const bool shared = !c->tie_scales && c->heads == c->kv_heads && !sgn_model_config_uses(c, "full");
    const sgn_linear_kind *k;
    for (int i = 0; (k = sgn_linear_kind_at(i)); i++) {
        const bool fits = !strcmp(k->name, "full") || !strcmp(k->name, "fbi") || (!strcmp(k->name, "nm") && type != SGN_DTYPE_Q1_0);
        if (!fits && sgn_model_config_uses(c, k->name)) return "train with model.linear=fbi and model.scales=row";
    }
    return shared ? "train with model.scales=row or model.tie_scales=true" : "train with model.scales=row";
}

static sgn_status refuse(const sgn_lowered_model *lm, const sgn_array *part, sgn_dtype type, const sgn_lowered *l, sgn_error *err) {
    const char *word = sgn_dtype_name(type);
    if (!sgn_gguf_is_signs(type))
        SGN_FAIL(err, SGN_NUMERIC, "'%s' has numbers that are too large for %s; --type f32 holds them", part->name, word);
    if (scales_columns(l))
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: its scales are of columns, %s has one for %lld weights of a row, and they fold nowhere; --type f16 or q8_0 holds it, "
                 "--approximate rounds it; %s", part->name, word, (long long)sgn_dtype_block(type), training(&lm->config, type));
    SGN_FAIL(err, SGN_UNSUPPORTED, "%s: its numbers are not %s with one d, a half, for %lld weights of a row, as %s has them; --type f16 or q8_0 "
             "holds it, --approximate rounds it", part->name, type == SGN_DTYPE_Q1_0 ? "+d and -d" : "+d, -d and 0",
             (long long)sgn_dtype_block(type), word);
}

/* --- a model ------------------------------------------------------------------------------------------------ */

static sgn_status add_rows(sgn_gguf_arrays *a, const float *x, const sgn_array *part, const char *name, sgn_dtype type, int64_t head,
                           bool *misfit, sgn_error *err) {
    const int64_t cols = part->rank == 2 ? part->dim[1] : 1, block = sgn_dtype_block(type);
    char *out;
    if (cols % block)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: its rows of %lld weights are no whole blocks of %lld, which %s has; --type f16 takes any row, --approximate makes it F16",
                 part->name, (long long)cols, (long long)block, sgn_dtype_name(type));
    SGN_TRY(next(a, name, type, part->rank, part->dim, &out, err));
    atomic_bool bad = false;
    float most = 0;
    for (int64_t i = 0; i < part->dim[0] * cols; i++) most = fmaxf(most, fabsf(x[i]));
    sgn_parallel(part->dim[0], cols < GRAIN ? GRAIN / cols : 1, write_rows, &(rows_job){ x, out, cols, head, type, most, &bad });
    *misfit = bad;
    return SGN_OK;
}

static sgn_status add_part(sgn_gguf_arrays *a, const sgn_lowered_model *lm, const sgn_parts *parts, int i, sgn_gguf_types *t, bool signs,
                           sgn_error *err) {
    const sgn_array *part = &parts->at[i];
    const sgn_lowered *l = sgn_dense_layer(lm, part->name);
    const sgn_dtype type = type_of(t, signs, l, part);
    const float *x = parts->data[i];
    char name[SGN_ARRAY_NAME];
    bool rotary = false, misfit = false;
    SGN_TRY(name_of(part->name, name, &rotary, err));
    rotary &= t->paired;
    if (x && type == SGN_DTYPE_F32 && !rotary) {
        a->at[a->count] = sgn_array_make(name, type, part->rank, part->dim);
        a->data[a->count++] = x;
        return SGN_OK;
    }
    float *made = x ? NULL : malloc((size_t)sgn_array_numel(part) * sizeof *made);
    if (!x && !made) SGN_FAIL(err, SGN_NOMEM, "no memory for the dequantized '%s'", part->name);
    sgn_status s = x ? SGN_OK : sgn_dense_matrix(lm, part, made, err);
    if (s == SGN_OK) s = add_rows(a, x ? x : made, part, name, type, rotary ? lm->config.head_dim : 0, &misfit, err);
    free(made);
    SGN_TRY(s);
    if (misfit && !(t->approximate && sgn_gguf_is_signs(type))) return refuse(lm, part, type, l, err);
    t->rounded += misfit;
    return SGN_OK;
}

/* What each pair's angle is divided by, for what scales otherwise than GGUF has words for. */
static sgn_status add_factors(sgn_gguf_arrays *a, const sgn_model_config *c, sgn_error *err) {
    const int64_t half = c->head_dim / 2;
    if (strcmp(c->rope_type, "llama3")) return SGN_OK;
    float *factor;
    SGN_TRY(next(a, "rope_freqs.weight", SGN_DTYPE_F32, 1, &half, &factor, err));
    sgn_real *angles = malloc((size_t)half * 4 * sizeof *angles);
    if (!angles) SGN_FAIL(err, SGN_NOMEM, "no memory for the rotary factors");
    sgn_rope_tables(c, 2, angles, angles + 2 * half);
    for (int64_t j = 0; j < half; j++)
        factor[j] = (float)(pow(c->rope_theta, -2 * (double)j / (double)c->head_dim) / asin((double)angles[3 * half + j]));
    free(angles);
    return SGN_OK;
}

sgn_status sgn_gguf_arrays_make(sgn_gguf_arrays *a, const sgn_lowered_model *lm, sgn_gguf_types *types, sgn_error *err) {
    sgn_parts parts = { 0 };
    const bool signs = any_planes(lm);
    types->rounded = types->unfit = 0;
    sgn_status s = sgn_dense_list(&parts, lm, err);
    if (s == SGN_OK) s = begin(a, parts.count + 1, err);
    for (int i = 0; s == SGN_OK && i < parts.count; i++) s = add_part(a, lm, &parts, i, types, signs, err);
    if (s == SGN_OK) s = add_factors(a, &lm->config, err);
    sgn_parts_free(&parts);
    return s;
}

/* --- an adapter ------------------------------------------------------------------------------------------------ */

static bool is_shift(const sgn_chain *c) { return c->count == 1 && c->stage[0].kind == SGN_STAGE_RANK1; }

static sgn_status add_vector(sgn_gguf_arrays *a, const char *layer, const char *suffix, const sgn_real *v, int64_t size, int64_t rows, int64_t cols,
                             int64_t head, sgn_error *err) {
    char name[SGN_ARRAY_NAME];
    float *out;
    if (snprintf(name, sizeof name, "%.100s.%s", layer, suffix) < 0) return SGN_NUMERIC;
    SGN_TRY(next(a, name, SGN_DTYPE_F32, 2, (int64_t[]){ rows, cols }, &out, err));
    for (int64_t j = 0; j < rows * cols; j++) out[head ? sgn_paired_row(j, head) : j] = !v ? 1 : size == 1 ? v[0] : v[j];
    return SGN_OK;
}

static sgn_status add_shift(sgn_gguf_arrays *a, const sgn_lowered_model *lm, int64_t n, int k, bool paired, sgn_error *err) {
    const sgn_lowered *l = &lm->blocks[n].linear[k];
    char ours[SGN_ARRAY_NAME], theirs[SGN_ARRAY_NAME];
    bool rotary = false;
    for (int c = 0; c < l->count; c++) {
        const sgn_lowered_stage *s = l->chain[c].stage;
        if (!is_shift(&l->chain[c])) continue;
        snprintf(ours, sizeof ours, "%s.weight", sgn_linear_name_of(n, (sgn_block_linear)k).s);
        SGN_TRY(name_of(ours, theirs, &rotary, err));
        SGN_TRY(add_vector(a, theirs, "lora_a", s->v, s->v_size, 1, s->cols, 0, err));
        SGN_TRY(add_vector(a, theirs, "lora_b", s->u, s->u_size, s->rows, 1, paired && rotary ? lm->config.head_dim : 0, err));
    }
    return SGN_OK;
}

sgn_status sgn_gguf_adapter_make(sgn_gguf_arrays *a, const sgn_lowered_model *lm, bool paired, sgn_error *err) {
    SGN_TRY(begin(a, (int)lm->config.layers * SGN_LINEARS * SGN_MAX_CHAINS * 2, err));
    for (int64_t n = 0; n < lm->config.layers; n++)
        for (int k = 0; k < SGN_LINEARS; k++) SGN_TRY(add_shift(a, lm, n, k, paired, err));
    return SGN_OK;
}

sgn_status sgn_gguf_without_shifts(sgn_lowered_model *out, const sgn_lowered_model *lm, sgn_error *err) {
    *out = *lm;
    out->blocks = malloc((size_t)lm->config.layers * sizeof *out->blocks);
    if (!out->blocks) SGN_FAIL(err, SGN_NOMEM, "no memory for %lld lowered blocks", (long long)lm->config.layers);
    memcpy(out->blocks, lm->blocks, (size_t)lm->config.layers * sizeof *out->blocks);
    for (int64_t n = 0; n < lm->config.layers; n++)
        for (int k = 0; k < SGN_LINEARS; k++) {
            sgn_lowered *l = &out->blocks[n].linear[k];
            int left = 0;
            for (int c = 0; c < l->count; c++)
                if (!is_shift(&l->chain[c])) l->chain[left++] = l->chain[c];
            l->count = left;
        }
    return SGN_OK;
}
