/* SPDX-License-Identifier: MIT */
#include "model/transformer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/parallel.h"
#include "core/rng.h"

enum { RANDOM_GRAIN = 1 << 14, OUTSIDE_NODES = 8, BLOCK_NODES = 8 };

/* --- parameters ----------------------------------------------------------------------------- */

static sgn_status declare_block(sgn_transformer *m, int64_t n, sgn_error *err) {
    static const char *const module[] = { "q", "k", "v", "o", "gate", "up", "down" };
    sgn_block *b = &m->blocks[n];
    const sgn_model_config *c = &m->config;
    const int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    const int64_t in[] = { c->dim, c->dim, c->dim, q, c->dim, c->dim, c->ffn };
    const int64_t out[] = { q, kv, kv, c->dim, c->ffn, c->ffn, c->dim };
    SGN_TRY(sgn_params_add(&m->params, SGN_PARAM_NORM, sgn_shape1(c->dim), &b->attention_norm, err,
                           "model.layers.%lld.input_layernorm.weight", (long long)n));
    SGN_TRY(sgn_params_add(&m->params, SGN_PARAM_NORM, sgn_shape1(c->dim), &b->mlp_norm, err,
                           "model.layers.%lld.post_attention_layernorm.weight", (long long)n));
    for (int i = 0; i < SGN_LINEARS; i++) {
        const bool attention = i <= SGN_O;
        snprintf(b->path[i], sizeof b->path[i], "model.layers.%lld.%s.%s_proj", (long long)n,
                 attention ? "self_attn" : "mlp", module[i]);
        SGN_TRY(sgn_linear_declare(&b->linear[i], &m->params, c, sgn_model_config_linear(c, module[i]), b->path[i],
                                   in[i], out[i], attention ? c->attention_bias : c->mlp_bias, err));
    }
    return SGN_OK;
}

static sgn_status declare(sgn_transformer *m, sgn_error *err) {
    const sgn_model_config *c = &m->config;
    const sgn_shape table = sgn_shape2(c->vocab, c->dim);
    SGN_TRY(sgn_params_add(&m->params, SGN_PARAM_EMBEDDING, table, &m->embedding, err, "model.embed_tokens.weight"));
    for (int64_t n = 0; n < c->layers; n++) SGN_TRY(declare_block(m, n, err));
    SGN_TRY(sgn_params_add(&m->params, SGN_PARAM_NORM, sgn_shape1(c->dim), &m->final_norm, err, "model.norm.weight"));
    m->head = m->embedding;
    return c->tied_head ? SGN_OK
                        : sgn_params_add(&m->params, SGN_PARAM_HEAD, table, &m->head, err, "lm_head.weight");
}

void sgn_rope_tables(const sgn_model_config *c, int64_t positions, sgn_real *cosine, sgn_real *sine) {
    const int64_t half = c->head_dim / 2;
    for (int64_t j = 0; j < half; j++) {
        const double rate = pow(c->rope_theta, -2.0 * (double)j / (double)c->head_dim) / c->rope_scaling;
        for (int64_t i = 0; i < positions; i++) {
            cosine[i * half + j] = (sgn_real)cos((double)i * rate);
            sine[i * half + j] = (sgn_real)sin((double)i * rate);
        }
    }
}

static sgn_status init(sgn_transformer *m, sgn_error *err) {
    const sgn_model_config *c = &m->config;
    const size_t half = (size_t)(c->context * (c->head_dim / 2));
    m->blocks = calloc((size_t)c->layers, sizeof *m->blocks);
    m->cosine = malloc(half * sizeof(sgn_real));
    m->sine = malloc(half * sizeof(sgn_real));
    if (!m->blocks || !m->cosine || !m->sine)
        SGN_FAIL(err, SGN_NOMEM, "no memory for the tables of %lld layers and %lld positions; use a smaller model.context",
                 (long long)c->layers, (long long)c->context);
    sgn_rope_tables(c, c->context, m->cosine, m->sine);
    return declare(m, err);
}

sgn_status sgn_transformer_init(sgn_transformer *m, const sgn_model_config *c, bool train, sgn_error *err) {
    *m = (sgn_transformer){ .config = *c, .params = { .train = train } };
    SGN_TRY(sgn_model_config_resolve(&m->config, err));
    const sgn_status s = init(m, err);
    if (s != SGN_OK) sgn_transformer_free(m);
    return s;
}

sgn_status sgn_transformer_commit(sgn_transformer *m, sgn_error *err) {
    return sgn_params_commit(&m->params, err);
}

void sgn_transformer_free(sgn_transformer *m) {
    sgn_params_free(&m->params);
    free(m->blocks);
    free(m->cosine);
    free(m->sine);
    if (m->files) sgn_array_set_close(m->files);
    free(m->files);
    *m = (sgn_transformer){ 0 };
}

/* --- initial values --------------------------------------------------------------------------- */

typedef struct {
    sgn_real *w;
    uint64_t  seed, stream;
    double    std;
} random_job;

static void draw(void *ctx, int64_t begin, int64_t end) {
    const random_job *job = ctx;
    for (int64_t i = begin; i < end; i++)
        job->w[i] = (sgn_real)(job->std * sgn_rng_normal(job->seed, job->stream, (uint64_t)i));
}

void sgn_transformer_randomize(sgn_transformer *m, uint64_t seed) {
    for (int i = 0; i < m->params.count; i++) {
        const sgn_param *p = &m->params.at[i];
        const int64_t n = sgn_numel(p->tensor.shape);
        switch (p->class) {
        case SGN_PARAM_NORM:
            for (int64_t j = 0; j < n; j++) p->tensor.data[j] = 1;
            break;
        case SGN_PARAM_BIAS:
        case SGN_PARAM_SCALE:
            memset(p->tensor.data, 0, (size_t)n * sizeof(sgn_real));
            break;
        default:
            sgn_parallel(n, RANDOM_GRAIN, draw,
                         &(random_job){ p->tensor.data, seed, sgn_rng_stream(p->name), m->config.init_std });
        }
    }
    for (int64_t n = 0; n < m->config.layers; n++)
        for (int i = 0; i < SGN_LINEARS; i++) sgn_linear_derive(&m->blocks[n].linear[i]);
    sgn_params_refresh_signs(&m->params);
}

/* --- forward ------------------------------------------------------------------------------------ */

static sgn_tensor *param(const sgn_transformer *m, int index) {
    return &m->params.at[index].tensor;
}

static sgn_tensor *apply(const sgn_block *b, sgn_block_linear which, sgn_tape *t, sgn_tensor *x) {
    return sgn_linear_forward(&b->linear[which], t, x);
}

typedef struct {
    const sgn_transformer *m;
    const sgn_block       *b;
    const int32_t         *first;              /* (batch, seq) or NULL, see sgn_attention */
    int64_t                batch, seq;
} layer;

static sgn_tensor *norm(const layer *l, int gain, sgn_tape *t, sgn_tensor *x) {
    return sgn_rmsnorm(t, x, param(l->m, gain), l->m->config.rms_eps);
}

static sgn_tensor *attention(const layer *l, sgn_tape *t, sgn_tensor *x) {
    const sgn_transformer *m = l->m;
    const sgn_block *b = l->b;
    const sgn_model_config *c = &m->config;
    sgn_tensor *q = sgn_rope(t, apply(b, SGN_Q, t, x), m->cosine, m->sine, l->seq, c->head_dim);
    sgn_tensor *k = sgn_rope(t, apply(b, SGN_K, t, x), m->cosine, m->sine, l->seq, c->head_dim);
    sgn_tensor *v = apply(b, SGN_V, t, x);
    return apply(b, SGN_O, t, sgn_attention(t, q, k, v, l->first, l->batch, l->seq, c->heads, c->kv_heads));
}

static sgn_tensor *mlp(const sgn_block *b, sgn_tape *t, sgn_tensor *x) {
    sgn_tensor *gate = apply(b, SGN_GATE, t, x), *up = apply(b, SGN_UP, t, x);
    return apply(b, SGN_DOWN, t, sgn_swiglu(t, gate, up));
}

static sgn_tensor *attend(sgn_tape *t, const void *ctx, sgn_tensor *x) {
    const layer *l = ctx;
    return sgn_add(t, x, attention(l, t, norm(l, l->b->attention_norm, t, x)));
}

static sgn_tensor *feed(sgn_tape *t, const void *ctx, sgn_tensor *x) {
    const layer *l = ctx;
    return sgn_add(t, x, mlp(l->b, t, norm(l, l->b->mlp_norm, t, x)));
}

/* Recomputed as a whole; without gradients each half leaves only its result. */
static sgn_tensor *block(sgn_tape *t, const void *ctx, sgn_tensor *x) {
    x = sgn_tape_segment(t, attend, ctx, sizeof(layer), x);
    return sgn_tape_segment(t, feed, ctx, sizeof(layer), x);
}

sgn_tensor *sgn_transformer_hidden(const sgn_transformer *m, sgn_tape *t, const int32_t *tokens,
                                   int64_t batch, int64_t seq) {
    return sgn_transformer_documents(m, t, tokens, NULL, batch, seq);
}

sgn_tensor *sgn_transformer_documents(const sgn_transformer *m, sgn_tape *t, const int32_t *tokens, const int32_t *first,
                                      int64_t batch, int64_t seq) {
    if (seq > m->config.context && !t->error.status)
        (void)SGN_ERROR(&t->error, SGN_SHAPE, "a sequence of %lld tokens does not fit the model's context of %lld; "
                        "shorten it (train.seq) or set model.context", (long long)seq, (long long)m->config.context);
    sgn_tensor *x = sgn_embedding(t, param(m, m->embedding), tokens, batch * seq);
    for (int64_t n = 0; n < m->config.layers; n++)
        x = sgn_tape_segment(t, block, &(layer){ m, &m->blocks[n], first, batch, seq }, sizeof(layer), x);
    return sgn_rmsnorm(t, x, param(m, m->final_norm), m->config.rms_eps);
}

sgn_tensor *sgn_transformer_head(const sgn_transformer *m) {
    return param(m, m->head);
}

int sgn_transformer_nodes(const sgn_transformer *m) {
    return (int)m->config.layers * (BLOCK_NODES + SGN_LINEARS * SGN_LINEAR_NODES) + OUTSIDE_NODES;
}

void sgn_transformer_macs(const sgn_transformer *m, int64_t *binary, int64_t *full) {
    *binary = 0;
    *full = m->config.vocab * m->config.dim;
    for (int i = 0; i < m->params.count; i++) {
        const sgn_param *p = &m->params.at[i];
        if (p->class == SGN_PARAM_LATENT) *binary += sgn_numel(p->tensor.shape);
        if (p->class == SGN_PARAM_MATRIX) *full += sgn_numel(p->tensor.shape);
    }
}
