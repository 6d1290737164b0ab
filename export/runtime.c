/* SPDX-License-Identifier: MIT */
#include "export/runtime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/checked.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/parallel.h"
#include "core/products.h"
#include "export/dense_run.h"
#include "export/kv_cache.h"
#include "export/parts.h"
#include "export/stages.h"
#include "model/rotary.h"

/* Logits per chunk of sgn_runtime_nll; floats per task. */
enum { CHUNK_LOGITS = 1 << 20, GRAIN = 16384 };

typedef struct { sgn_stages linear[SGN_LINEARS]; } layer;

struct sgn_runtime {
    const sgn_lowered_model *model;
    sgn_model_config         c;
    int64_t    context, batch, position, chunk;/* chunk: positions whose logits exist at once */
    bool       int8;
    sgn_dtype  type;                           /* of the cache */
    sgn_arena  arena;
    layer     *layers;
    sgn_kv_cache cache;
    float     *cosine, *sine;                  /* (context, head_dim/2); NULL: learned positions */
    float     *x, *h;                          /* (batch, dim): residual; normed, and what is added */
    float     *q;                              /* (batch, heads*head_dim): queries, turned, then what they attend to */
    float     *k, *v;                          /* (batch, kv_heads*head_dim) */
    float     *gate, *up;                      /* (batch, ffn); up becomes the activation */
    float     *work, *logits;                  /* of stages; (chunk, vocab) */
    double    *nll;                            /* (batch) */
};

static float *floats(sgn_runtime *r, int64_t n) { return sgn_arena_alloc(&r->arena, (size_t)n * sizeof(float)); }

static sgn_status lay_out_linears(sgn_runtime *r, int64_t *work, sgn_error *err) {
    for (int64_t i = 0; i < r->c.layers; i++)
        for (int l = 0; l < SGN_LINEARS; l++) {
            sgn_stages *s = &r->layers[i].linear[l];
            int64_t out, in;
            if (!r->model->blocks[i].linear[l].count) continue;
            sgn_linear_shape(&r->c, (sgn_block_linear)l, &out, &in);
            SGN_TRY(sgn_stages_init(s, &r->model->blocks[i].linear[l], in, out, r->c.rms_eps, r->int8,
                                    sgn_linear_name_of(i, (sgn_block_linear)l).s, &r->arena, err));
            /* Those of one input run together. */
            const int first = l <= SGN_V ? SGN_Q : l == SGN_UP && r->model->blocks[i].linear[SGN_GATE].count ? SGN_GATE : l;
            const int64_t need = sgn_stages_work_all(&r->layers[i].linear[first], l - first + 1, r->batch);
            if (need > *work) *work = need;
        }
    return SGN_OK;
}

/* Hands out all memory; with a measuring arena it only counts. */
static sgn_status lay_out(sgn_runtime *r, sgn_error *err) {
    const sgn_model_config *c = &r->c;
    const int64_t b = r->batch, wide = c->heads * c->head_dim, narrow = c->kv_heads * c->head_dim;
    int64_t work = 1;
    SGN_TRY(lay_out_linears(r, &work, err));
    SGN_TRY(sgn_kv_cache_init(&r->cache, c, r->context, r->type, &r->arena, err));
    if (!r->model->positions) {
        r->cosine = floats(r, r->context * c->head_dim / 2);
        r->sine = floats(r, r->context * c->head_dim / 2);
    }
    r->x = floats(r, b * c->dim);
    r->h = floats(r, b * c->dim);
    r->q = floats(r, b * wide);
    r->k = floats(r, b * narrow);
    r->v = floats(r, b * narrow);
    r->up = floats(r, b * c->ffn);
    r->gate = sgn_model_config_arch(c)->gelu ? NULL : floats(r, b * c->ffn);
    r->work = floats(r, work);
    r->logits = floats(r, r->chunk * c->vocab);
    r->nll = sgn_arena_alloc(&r->arena, (size_t)b * sizeof *r->nll);
    return SGN_OK;
}

static sgn_status prepare(sgn_runtime *r, sgn_error *err) {
    r->layers = calloc((size_t)r->c.layers, sizeof *r->layers);
    if (!r->layers) SGN_FAIL(err, SGN_NOMEM, "no memory for a runtime of %lld layers", (long long)r->c.layers);
    SGN_TRY(sgn_gemm_init(err));
    SGN_TRY(sgn_dense_reserve(r->model->head, r->c.vocab, r->c.dim, err));
    sgn_arena_measure(&r->arena);
    SGN_TRY(lay_out(r, err));
    const size_t bytes = r->arena.peak;
    SGN_TRY(sgn_arena_init(&r->arena, bytes, err));
    SGN_TRY(lay_out(r, err));
    SGN_TRY(sgn_products_recall(err));
    SGN_TRY(sgn_gemm_reserve(err));
    if (!r->model->positions) sgn_rope_tables(&r->c, r->context, r->cosine, r->sine);
    return SGN_OK;
}

sgn_status sgn_runtime_open(sgn_runtime **out, const sgn_lowered_model *m, const sgn_runtime_options *o, sgn_error *err) {
    const int64_t context = o->context, batch = o->batch;
    *out = NULL;
    uint64_t cells;
    if (context < 1 || batch < 1 || !sgn_mul_fits((uint64_t)context, (uint64_t)m->config.dim * 4096, &cells))
        SGN_FAIL(err, SGN_CONFIG, "a runtime wants a context and a batch of at least one token, got %lld and %lld",
                 (long long)context, (long long)batch);
    if (o->cache && o->cache != SGN_DTYPE_F32 && o->cache != SGN_DTYPE_F16)
        SGN_FAIL(err, SGN_CONFIG, "a runtime keeps keys and values as F32 or F16, not as %s", sgn_dtype_name(o->cache));
    if (m->positions && context > m->config.context)
        SGN_FAIL(err, SGN_CONFIG, "the model has learned %lld positions, so it runs no %lld", (long long)m->config.context,
                 (long long)context);
    sgn_runtime *r = calloc(1, sizeof *r);
    if (!r) SGN_FAIL(err, SGN_NOMEM, "no memory for a runtime");
    r->model = m;
    r->c = m->config;
    r->context = context;
    r->type = o->cache ? o->cache : SGN_DTYPE_F32;
    r->batch = batch < context ? batch : context;
    r->int8 = o->int8;
    const int64_t fit = CHUNK_LOGITS / r->c.vocab;
    r->chunk = fit < 1 ? 1 : fit < r->batch ? fit : r->batch;
    const sgn_status s = prepare(r, err);
    if (s != SGN_OK) {
        sgn_runtime_close(r);
        return s;
    }
    *out = r;
    return SGN_OK;
}

void sgn_runtime_close(sgn_runtime *r) {
    if (!r) return;
    if (!r->arena.measure) sgn_arena_free(&r->arena);
    free(r->layers);
    free(r);
}

void    sgn_runtime_reset(sgn_runtime *r) { r->position = 0; }
void    sgn_runtime_truncate(sgn_runtime *r, int64_t position) {
    if (position < r->position) r->position = position < 0 ? 0 : position;
}
int64_t sgn_runtime_position(const sgn_runtime *r) { return r->position; }
size_t  sgn_runtime_cache_bytes(const sgn_runtime *r) { return sgn_kv_cache_bytes(&r->cache); }
size_t  sgn_runtime_bytes(const sgn_runtime *r) {
    return r->arena.size + sizeof *r + (size_t)r->c.layers * sizeof *r->layers;
}

/* --- one pass ----------------------------------------------------------------------------------- */

typedef struct {
    sgn_runtime *r;
    layer       *at;
    int64_t      layer, count;                 /* which; tokens of this call */
    const sgn_lowered_block *block;
    const float *gain, *bias;                  /* of the norm that runs; bias NULL: RMSNorm */
} pass;

static int64_t row_grain(int64_t width) { return width < GRAIN ? GRAIN / width : 1; }

static void norm_rows(void *ctx, int64_t begin, int64_t end) {
    const pass *p = ctx;
    const int64_t dim = p->r->c.dim;
    const float eps = (float)p->r->c.rms_eps;
    for (int64_t t = begin; t < end; t++) {
        float *y = p->r->h + t * dim;
        const float *x = p->r->x + t * dim;
        if (p->bias) sgn_layernorm_row(y, x, p->gain, p->bias, dim, eps);
        else sgn_kernels_get()->rmsnorm(y, x, p->gain, dim, eps);
    }
}

static void run_norm(pass *p, const float *gain, const float *bias) {
    p->gain = gain;
    p->bias = bias;
    sgn_parallel(p->count, row_grain(p->r->c.dim), norm_rows, p);
}

static void add_rows(void *ctx, int64_t begin, int64_t end) {
    const pass *p = ctx;
    const int64_t dim = p->r->c.dim;
    sgn_kernels_get()->axpy(p->r->x + begin * dim, 1, p->r->h + begin * dim, (end - begin) * dim);
}

static void activate_rows(void *ctx, int64_t begin, int64_t end) {
    const pass *p = ctx;
    const sgn_runtime *r = p->r;
    const int64_t ffn = r->c.ffn, at = begin * ffn, n = (end - begin) * ffn;
    if (sgn_model_config_arch(&r->c)->gelu) sgn_gelu_row(r->up + at, r->up + at, n);
    else sgn_kernels_get()->swiglu(r->up + at, r->gate + at, r->up + at, n);
}

/* One head of q or k: normalised where the model does that, turned by its position. */
static void turn(const sgn_runtime *r, float *x, const float *gain, int64_t position) {
    const int64_t hd = r->c.head_dim, half = hd / 2;
    if (gain) sgn_kernels_get()->rmsnorm(x, x, gain, hd, (float)r->c.rms_eps);
    if (r->cosine) sgn_kernels_get()->rope(x, x, r->cosine + position * half, r->sine + position * half, half, false);
}

/* Queries are turned; keys, turned, and values enter the cache. */
static void cache_rows(void *ctx, int64_t begin, int64_t end) {
    const pass *p = ctx;
    const sgn_runtime *r = p->r;
    const int64_t hd = r->c.head_dim;
    for (int64_t t = begin; t < end; t++) {
        const int64_t at = r->position + t;
        for (int64_t h = t * r->c.heads; h < (t + 1) * r->c.heads; h++)
            turn(r, r->q + h * hd, p->block->q_norm, at);
        for (int64_t h = 0; h < r->c.kv_heads; h++) {
            const int64_t from = (t * r->c.kv_heads + h) * hd;
            turn(r, r->k + from, p->block->k_norm, at);
            sgn_kv_cache_put(&r->cache, p->layer, h, at, r->k + from, r->v + from);
        }
    }
}

/* `count` layers of the same input, from `first` on. */
static void run_linears(const pass *p, int first, int count, const float *x, float *const *y) {
    sgn_stages_run_all(&p->at->linear[first], count, x, p->count, y, p->r->work);
}

static void run_block(pass *p) {
    sgn_runtime *r = p->r;
    const sgn_model_config *c = &r->c;
    run_norm(p, p->block->attention_norm, p->block->attention_bias);
    run_linears(p, SGN_Q, 3, r->h, (float *const[]){ r->q, r->k, r->v });
    sgn_parallel(p->count, row_grain(c->dim), cache_rows, p);
    sgn_kv_cache_attend(&r->cache, p->layer, r->position, p->count, r->q, r->q);
    run_linears(p, SGN_O, 1, r->q, &r->h);
    sgn_parallel(p->count, row_grain(c->dim), add_rows, p);
    run_norm(p, p->block->mlp_norm, p->block->mlp_bias);
    if (p->block->linear[SGN_GATE].count) run_linears(p, SGN_GATE, 2, r->h, (float *const[]){ r->gate, r->up });
    else run_linears(p, SGN_UP, 1, r->h, &r->up);
    sgn_parallel(p->count, row_grain(c->ffn), activate_rows, p);
    run_linears(p, SGN_DOWN, 1, r->up, &r->h);
    sgn_parallel(p->count, row_grain(c->dim), add_rows, p);
}

sgn_status sgn_runtime_hidden(sgn_runtime *r, const int32_t *tokens, int64_t count, const float **hidden, sgn_error *err) {
    const sgn_model_config *c = &r->c;
    if (count < 1 || count > r->batch)
        SGN_FAIL(err, SGN_SHAPE, "the runtime takes 1 to %lld tokens at a time, not %lld", (long long)r->batch,
                 (long long)count);
    if (count > r->context - r->position)
        SGN_FAIL(err, SGN_SHAPE, "the context is full: it holds %lld positions, %lld are used and %lld more were given",
                 (long long)r->context, (long long)r->position, (long long)count);
    for (int64_t t = 0; t < count; t++) {
        if (tokens[t] < 0 || tokens[t] >= c->vocab)
            SGN_FAIL(err, SGN_SHAPE, "token %d at position %lld is outside the model's vocabulary of %lld ids", tokens[t],
                     (long long)(r->position + t), (long long)c->vocab);
        sgn_kernels_get()->to_real[r->model->embedding.dtype](r->x + t * c->dim, sgn_stored_row(r->model->embedding, c->dim, tokens[t]), c->dim);
    }
    if (r->model->positions)
        sgn_kernels_get()->axpy(r->x, 1, r->model->positions + r->position * c->dim, count * c->dim);
    pass p = { .r = r, .count = count };
    for (int64_t i = 0; i < c->layers; i++) {
        p.at = &r->layers[i];
        p.layer = i;
        p.block = &r->model->blocks[i];
        run_block(&p);
    }
    run_norm(&p, r->model->final_norm, r->model->final_bias);
    r->position += count;
    *hidden = r->h;
    return SGN_OK;
}

/* --- the head ----------------------------------------------------------------------------------- */

void sgn_runtime_logits(sgn_runtime *r, const float *hidden, float *logits) {
    sgn_dense_run(r->model->head, hidden, 1, r->c.vocab, r->c.dim, false, logits);
}

typedef struct { sgn_runtime *r; const int32_t *target; } nll_job;

/* -log p(target) = log sum exp(z - max) + max - z_target */
static void nll_rows(void *ctx, int64_t begin, int64_t end) {
    const nll_job *j = ctx;
    const sgn_kernels *k = sgn_kernels_get();
    for (int64_t t = begin; t < end; t++) {
        float *z = j->r->logits + t * j->r->c.vocab;
        if (j->target[t] < 0) {
            j->r->nll[t] = 0;
            continue;
        }
        const float most = k->max(z, j->r->c.vocab), own = z[j->target[t]];
        j->r->nll[t] = log((double)k->exp_sum(z, z, j->r->c.vocab, most)) + (double)most - (double)own;
    }
}

sgn_status sgn_runtime_nll(sgn_runtime *r, const float *hidden, const int32_t *target, int64_t count,
                           double *sum, float *each, sgn_error *err) {
    *sum = 0;
    for (int64_t t = 0; t < count; t++)
        if (target[t] >= r->c.vocab)
            SGN_FAIL(err, SGN_SHAPE, "target %d is outside the model's vocabulary of %lld ids", target[t],
                     (long long)r->c.vocab);
    for (int64_t at = 0; at < count; at += r->chunk) {
        const int64_t m = count - at < r->chunk ? count - at : r->chunk;
        sgn_dense_run(r->model->head, hidden + at * r->c.dim, m, r->c.vocab, r->c.dim, false, r->logits);
        sgn_parallel(m, 1, nll_rows, &(nll_job){ r, target + at });
        for (int64_t t = 0; t < m; t++) {
            *sum += r->nll[t];
            if (each) each[at + t] = (float)r->nll[t];
        }
    }
    return SGN_OK;
}
