/* SPDX-License-Identifier: MIT */
#include "export/fold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "export/parts.h"

/* --- memory ------------------------------------------------------------------------------------------ */

static sgn_status own(sgn_folded *f, size_t bytes, void *out, sgn_error *err) {
    if (f->count == f->room) {
        const int room = f->room ? 2 * f->room : 64;
        void **more = realloc(f->owned, (size_t)room * sizeof *more);
        if (!more) SGN_FAIL(err, SGN_NOMEM, "no memory to fold scales");
        f->owned = more;
        f->room = room;
    }
    void *p = malloc(bytes);
    if (!p) SGN_FAIL(err, SGN_NOMEM, "no memory to fold scales");
    f->owned[f->count++] = p;
    memcpy(out, &p, sizeof p);
    return SGN_OK;
}

static float at(const float *v, int64_t size, int64_t j) { return !v ? 1 : size == 1 ? v[0] : v[j]; }

/* *v (n), all of it, times a, or divided by it; *v NULL: ones. */
static sgn_status rescale(sgn_folded *f, const float **v, int64_t *size, const float *a, int64_t n, bool divide, sgn_error *err) {
    float *y;
    SGN_TRY(own(f, (size_t)n * sizeof *y, &y, err));
    for (int64_t j = 0; j < n; j++) y[j] = divide ? at(*v, *size, j) / a[j] : at(*v, *size, j) * a[j];
    *v = y;
    *size = n;
    return SGN_OK;
}

/* --- one layer ------------------------------------------------------------------------------------------ */

/* The scale of its columns, where the layer is that, signs and a shift; else NULL. */
static sgn_lowered_stage *input_scale(sgn_lowered *l) {
    if (!l->count || l->chain[0].count < 2) return NULL;
    sgn_lowered_stage *s = l->chain[0].stage;
    for (int c = 1; c < l->count; c++)
        if (l->chain[c].count != 1 || l->chain[c].stage[0].kind != SGN_STAGE_RANK1) return NULL;
    return s[0].kind == SGN_STAGE_SCALE && (s[1].kind == SGN_STAGE_SIGN || s[1].kind == SGN_STAGE_MASKED_SIGN) ? s : NULL;
}

/* S without the signs that are alpha's; bits of what is not kept stay as they are. */
static sgn_status flip(sgn_folded *f, const sgn_lowered_stage *scale, sgn_lowered_stage *sign, sgn_error *err) {
    sgn_plane *p = &sign->plane[0];
    const uint64_t *kept = sign->kind == SGN_STAGE_MASKED_SIGN ? sign->plane[1].word : NULL;
    uint64_t *mask, *word, any = 0;
    SGN_TRY(own(f, (size_t)p->stride * sizeof *mask, &mask, err));
    memset(mask, 0, (size_t)p->stride * sizeof *mask);
    for (int64_t j = 0; j < p->cols; j++) mask[j / 64] |= (uint64_t)(at(scale->v, scale->v_size, j) < 0) << (j % 64);
    for (int64_t k = 0; k < p->stride; k++) any |= mask[k];
    if (!any) return SGN_OK;
    SGN_TRY(own(f, (size_t)(p->rows * p->stride) * sizeof *word, &word, err));
    for (int64_t i = 0; i < p->rows * p->stride; i++) word[i] = p->word[i] ^ (mask[i % p->stride] & (kept ? kept[i] : UINT64_MAX));
    p->word = word;
    return SGN_OK;
}

/* Leaves |alpha_j| / m_j, and takes beta_j / m_j for beta. */
static sgn_status divide_columns(sgn_folded *f, sgn_lowered *l, const float *m, sgn_error *err) {
    sgn_lowered_stage *s = input_scale(l);
    const int64_t n = s->rows;
    float *rest;
    bool ones = true;
    SGN_TRY(flip(f, s, &s[1], err));
    SGN_TRY(own(f, (size_t)n * sizeof *rest, &rest, err));
    for (int64_t j = 0; j < n; j++) ones &= (rest[j] = fabsf(at(s->v, s->v_size, j)) / m[j]) == 1;
    s->v = rest;
    s->v_size = n;
    if (ones) memmove(s, s + 1, (size_t)--l->chain[0].count * sizeof *s);
    for (int c = 1; c < l->count; c++) {
        sgn_lowered_stage *shift = l->chain[c].stage;
        SGN_TRY(rescale(f, &shift->v, &shift->v_size, m, n, true, err));
    }
    return SGN_OK;
}

static sgn_status scale_rows(sgn_folded *f, sgn_lowered *l, const float *r, int64_t n, sgn_error *err) {
    int64_t size = n;
    for (int c = 0; c < l->count; c++) {
        sgn_chain *chain = &l->chain[c];
        sgn_lowered_stage *last = &chain->stage[chain->count - 1];
        if (last->kind == SGN_STAGE_RANK1) SGN_TRY(rescale(f, &last->u, &last->u_size, r, n, false, err));
        else if (last->kind == SGN_STAGE_SCALE) SGN_TRY(rescale(f, &last->v, &last->v_size, r, n, false, err));
        else chain->stage[chain->count++] = (sgn_lowered_stage){ .kind = SGN_STAGE_SCALE, .rows = n, .cols = n, .v = r, .v_size = n };
    }
    return l->bias ? rescale(f, &l->bias, &size, r, n, false, err) : SGN_OK;
}

static bool has_room(const sgn_lowered *l) {
    for (int c = 0; c < l->count; c++)
        if (l->chain[c].count == SGN_MAX_STAGES) return false;
    return l->count > 0;
}

/* --- what readers share ------------------------------------------------------------------------------------ */

typedef struct {
    double log_sum;
    float  first;
    int    count;
    bool   differ, zero;
} sizes;

static void add_size(sizes *s, float alpha) {
    const float a = fabsf(alpha);
    if (!s->count++) s->first = a;
    s->differ |= a != s->first;
    s->zero |= a <= 0;
    s->log_sum += log((double)a);
}
static float shared_size(const sizes *s) {
    return s->zero ? 1 : s->differ ? (float)exp(s->log_sum / s->count) : s->first;
}

typedef struct {
    sgn_folded *f;
    int64_t     block;
    bool        lenient;
} folding;

static sgn_status check_zeros(const folding *w, sgn_block_linear which, sgn_error *err) {
    const sgn_lowered_stage *s = input_scale(&w->f->model.blocks[w->block].linear[which]);
    for (int64_t j = 0; j < s->rows && !w->lenient; j++)
        if (at(s->v, s->v_size, j) == 0)
            SGN_FAIL(err, SGN_UNSUPPORTED, "%s: its scale of column %lld is 0, which cannot be divided by; --type f16 holds the layer as it is",
                     sgn_linear_name_of(w->block, which).s, (long long)j);
    return SGN_OK;
}

/* Layers [begin, end), which read one normed input, with their norm. */
static sgn_status fold_into_norm(const folding *w, int begin, int end, const float **gain, const float **bias, sgn_error *err) {
    sgn_lowered *l = w->f->model.blocks[w->block].linear;
    const int64_t n = w->f->model.config.dim;
    int64_t size = n;
    float *m;
    for (int k = begin; k < end; k++)
        if (l[k].count && !input_scale(&l[k])) return SGN_OK;
    SGN_TRY(own(w->f, (size_t)n * sizeof *m, &m, err));
    for (int k = begin; k < end; k++)
        if (l[k].count) SGN_TRY(check_zeros(w, (sgn_block_linear)k, err));
    for (int64_t j = 0; j < n; j++) {
        sizes s = { 0 };
        for (int k = begin; k < end; k++)
            if (l[k].count) add_size(&s, at(input_scale(&l[k])->v, input_scale(&l[k])->v_size, j));
        m[j] = shared_size(&s);
    }
    for (int k = begin; k < end; k++)
        if (l[k].count) SGN_TRY(divide_columns(w->f, &l[k], m, err));
    SGN_TRY(rescale(w->f, gain, &size, m, n, false, err));
    return *bias ? rescale(w->f, bias, &size, m, n, false, err) : SGN_OK;
}

/* `which` reads what `before` wrote, row r of `before` as its columns (r / span * copies + k) * span + r % span, k < copies. */
static sgn_status fold_into_rows(const folding *w, sgn_block_linear which, sgn_block_linear before, int64_t rows, int64_t span, int64_t copies,
                                 sgn_error *err) {
    sgn_lowered *l = w->f->model.blocks[w->block].linear;
    const sgn_lowered_stage *s = input_scale(&l[which]);
    float *r, *m;
    if (!s || !has_room(&l[before])) return SGN_OK;
    SGN_TRY(check_zeros(w, which, err));
    SGN_TRY(own(w->f, (size_t)rows * sizeof *r, &r, err));
    SGN_TRY(own(w->f, (size_t)(rows * copies) * sizeof *m, &m, err));
    for (int64_t i = 0; i < rows; i++) {
        const int64_t first = i / span * copies * span + i % span;
        sizes z = { 0 };
        for (int64_t k = 0; k < copies; k++) add_size(&z, at(s->v, s->v_size, first + k * span));
        r[i] = shared_size(&z);
        for (int64_t k = 0; k < copies; k++) m[first + k * span] = r[i];
    }
    SGN_TRY(divide_columns(w->f, &l[which], m, err));
    return scale_rows(w->f, &l[before], r, rows, err);
}

/* --- the model ------------------------------------------------------------------------------------------------ */

static sgn_status fold_block(const folding *w, sgn_error *err) {
    const sgn_model_config *c = &w->f->model.config;
    sgn_lowered_block *b = &w->f->model.blocks[w->block];
    SGN_TRY(fold_into_rows(w, SGN_O, SGN_V, c->kv_heads * c->head_dim, c->head_dim, c->heads / c->kv_heads, err));
    if (!sgn_model_config_arch(c)->gelu) SGN_TRY(fold_into_rows(w, SGN_DOWN, SGN_UP, c->ffn, c->ffn, 1, err));
    SGN_TRY(fold_into_norm(w, SGN_Q, SGN_V + 1, &b->attention_norm, &b->attention_bias, err));
    return fold_into_norm(w, SGN_GATE, SGN_UP + 1, &b->mlp_norm, &b->mlp_bias, err);
}

static sgn_status fold(sgn_folded *f, const sgn_lowered_model *lm, bool lenient, sgn_error *err) {
    const size_t bytes = (size_t)lm->config.layers * sizeof *lm->blocks;
    *f = (sgn_folded){ .model = *lm };
    SGN_TRY(own(f, bytes, &f->model.blocks, err));
    memcpy(f->model.blocks, lm->blocks, bytes);
    for (int64_t n = 0; n < lm->config.layers; n++) SGN_TRY(fold_block(&(folding){ f, n, lenient }, err));
    return SGN_OK;
}

sgn_status sgn_fold(sgn_folded *f, const sgn_lowered_model *lm, bool lenient, sgn_error *err) {
    const sgn_status s = fold(f, lm, lenient, err);
    if (s != SGN_OK) sgn_folded_free(f);
    return s;
}

void sgn_folded_free(sgn_folded *f) {
    for (int i = 0; i < f->count; i++) free(f->owned[i]);
    free(f->owned);
    *f = (sgn_folded){ 0 };
}
