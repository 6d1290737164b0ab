/* SPDX-License-Identifier: MIT */
#include "model/transformer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/parallel.h"
#include "core/rng.h"
#include "model/rotary.h"

enum { RANDOM_GRAIN = 1 << 14, OUTSIDE_NODES = 8, BLOCK_NODES = 10 };

/* --- parameters ----------------------------------------------------------------------------- */

const char *sgn_linear_module(sgn_block_linear which) {
    static const char *const module[SGN_LINEARS] = { "q", "k", "v", "o", "gate", "up", "down" };
    return module[which];
}

static sgn_status declare_norm(sgn_transformer *m, const char *path, int *index, sgn_error *err) {
    int bias;
    SGN_TRY(sgn_params_add(&m->params, SGN_PARAM_NORM, sgn_shape1(m->config.dim), index, err, "%s.weight", path));
    return m->arch->layernorm ? sgn_params_add(&m->params, SGN_PARAM_BIAS, sgn_shape1(m->config.dim), &bias, err, "%s.bias", path)
                              : SGN_OK;
}

static sgn_status declare_linears(sgn_transformer *m, sgn_block *b, int64_t n, sgn_error *err) {
    const sgn_model_config *c = &m->config;
    const int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    const int64_t in[] = { c->dim, c->dim, c->dim, q, c->dim, c->dim, c->ffn };
    const int64_t out[] = { q, kv, kv, c->dim, c->ffn, c->ffn, c->dim };
    for (int i = 0; i < SGN_LINEARS; i++) {
        const char *module = sgn_linear_module((sgn_block_linear)i);
        snprintf(b->path[i], sizeof b->path[i], "model.layers.%lld.%s.%s_proj", (long long)n, i <= SGN_O ? "self_attn" : "mlp", module);
        if (!sgn_model_config_has(c, module)) continue;
        SGN_TRY(sgn_linear_declare(&b->linear[i], &m->params, c, sgn_model_config_linear(c, n, module), b->path[i],
                                   in[i], out[i], sgn_model_config_bias(c, module), err));
    }
    return SGN_OK;
}

static sgn_status declare_block(sgn_transformer *m, int64_t n, sgn_error *err) {
    sgn_block *b = &m->blocks[n];
    char path[64];
    snprintf(path, sizeof path, "model.layers.%lld.input_layernorm", (long long)n);
    SGN_TRY(declare_norm(m, path, &b->attention_norm, err));
    snprintf(path, sizeof path, "model.layers.%lld.post_attention_layernorm", (long long)n);
    SGN_TRY(declare_norm(m, path, &b->mlp_norm, err));
    SGN_TRY(declare_linears(m, b, n, err));
    b->q_norm = b->k_norm = -1;
    if (!m->config.qk_norm) return SGN_OK;
    const sgn_shape head = sgn_shape1(m->config.head_dim);
    SGN_TRY(sgn_params_add(&m->params, SGN_PARAM_NORM, head, &b->q_norm, err, "model.layers.%lld.self_attn.q_norm.weight", (long long)n));
    return sgn_params_add(&m->params, SGN_PARAM_NORM, head, &b->k_norm, err, "model.layers.%lld.self_attn.k_norm.weight", (long long)n);
}

static sgn_status declare(sgn_transformer *m, sgn_error *err) {
    const sgn_model_config *c = &m->config;
    const sgn_shape table = sgn_shape2(c->vocab, c->dim);
    SGN_TRY(sgn_params_add(&m->params, SGN_PARAM_EMBEDDING, table, &m->embedding, err, "model.embed_tokens.weight"));
    m->positions = -1;
    if (m->arch->positions)
        SGN_TRY(sgn_params_add(&m->params, SGN_PARAM_EMBEDDING, sgn_shape2(c->context, c->dim), &m->positions, err,
                               "model.embed_positions.weight"));
    for (int64_t n = 0; n < c->layers; n++) SGN_TRY(declare_block(m, n, err));
    SGN_TRY(declare_norm(m, "model.norm", &m->final_norm, err));
    m->head = m->embedding;
    return c->tied_head ? SGN_OK
                        : sgn_params_add(&m->params, SGN_PARAM_HEAD, table, &m->head, err, "lm_head.weight");
}

static sgn_status init(sgn_transformer *m, sgn_error *err) {
    const sgn_model_config *c = &m->config;
    const size_t half = (size_t)(c->context * (c->head_dim / 2));
    m->arch = sgn_model_config_arch(c);
    m->blocks = calloc((size_t)c->layers, sizeof *m->blocks);
    if (m->blocks && m->arch->positions) return declare(m, err);
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
        case SGN_PARAM_DERIVED:
        case SGN_PARAM_FIXED:
            memset(p->tensor.data, 0, (size_t)n * sizeof(sgn_real));
            break;
        default:
            sgn_parallel(n, RANDOM_GRAIN, draw,
                         &(random_job){ p->tensor.data, seed, sgn_rng_stream(p->name), m->config.init_std });
        }
    }
    sgn_transformer_binarize(m);
}

void sgn_transformer_binarize(sgn_transformer *m) {
    m->params.warm = false;
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

static sgn_tensor *norm(const sgn_transformer *m, int gain, sgn_tape *t, sgn_tensor *x) {
    return m->arch->layernorm ? sgn_layernorm(t, x, param(m, gain), param(m, gain + 1), m->config.rms_eps)
                              : sgn_rmsnorm(t, x, param(m, gain), m->config.rms_eps);
}

/* Queries or keys as their products see them: each head normalised, then rotated by its position. */
static sgn_tensor *turn(const layer *l, int gain, sgn_tape *t, sgn_tensor *x) {
    const sgn_transformer *m = l->m;
    if (gain >= 0) x = sgn_rmsnorm(t, x, param(m, gain), m->config.rms_eps);
    return m->arch->positions ? x : sgn_rope(t, x, m->cosine, m->sine, l->seq, m->config.head_dim);
}

static sgn_tensor *attention(const layer *l, sgn_tape *t, sgn_tensor *x) {
    const sgn_block *b = l->b;
    const sgn_model_config *c = &l->m->config;
    sgn_tensor *q = turn(l, b->q_norm, t, apply(b, SGN_Q, t, x));
    sgn_tensor *k = turn(l, b->k_norm, t, apply(b, SGN_K, t, x));
    sgn_tensor *v = apply(b, SGN_V, t, x);
    return apply(b, SGN_O, t, sgn_attention(t, q, k, v, l->first, l->batch, l->seq, c->heads, c->kv_heads));
}

static sgn_tensor *mlp(const layer *l, sgn_tape *t, sgn_tensor *x) {
    const sgn_block *b = l->b;
    if (l->m->arch->gelu) return apply(b, SGN_DOWN, t, sgn_gelu(t, apply(b, SGN_UP, t, x)));
    sgn_tensor *gate = apply(b, SGN_GATE, t, x), *up = apply(b, SGN_UP, t, x);
    return apply(b, SGN_DOWN, t, sgn_swiglu(t, gate, up));
}

static sgn_tensor *attend(sgn_tape *t, const void *ctx, sgn_tensor *x) {
    const layer *l = ctx;
    return sgn_add(t, x, attention(l, t, norm(l->m, l->b->attention_norm, t, x)));
}

static sgn_tensor *feed(sgn_tape *t, const void *ctx, sgn_tensor *x) {
    const layer *l = ctx;
    return sgn_add(t, x, mlp(l, t, norm(l->m, l->b->mlp_norm, t, x)));
}

/* Recomputed as a whole; without gradients each half leaves only its result. */
static sgn_tensor *block(sgn_tape *t, const void *ctx, sgn_tensor *x) {
    x = sgn_tape_segment(t, attend, ctx, sizeof(layer), x);
    return sgn_tape_segment(t, feed, ctx, sizeof(layer), x);
}

sgn_tensor *sgn_transformer_embed(const sgn_transformer *m, sgn_tape *t, const int32_t *tokens, const int32_t *first,
                                  int64_t batch, int64_t seq) {
    sgn_tensor *x = sgn_embedding(t, param(m, m->embedding), tokens, batch * seq);
    return m->arch->positions ? sgn_add_positions(t, x, param(m, m->positions), first, seq) : x;
}

sgn_tensor *sgn_transformer_block(const sgn_transformer *m, int64_t n, sgn_tape *t, sgn_tensor *x, int64_t batch, int64_t seq) {
    const layer l = { m, &m->blocks[n], NULL, batch, seq };
    return feed(t, &l, attend(t, &l, x));
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
    sgn_tensor *x = sgn_transformer_embed(m, t, tokens, first, batch, seq);
    for (int64_t n = 0; n < m->config.layers; n++)
        x = sgn_tape_segment(t, block, &(layer){ m, &m->blocks[n], first, batch, seq }, sizeof(layer), x);
    return norm(m, m->final_norm, t, x);
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

int64_t sgn_transformer_parameters(const sgn_transformer *m, int64_t *binary) {
    int64_t others = 0;
    *binary = 0;
    for (int i = 0; i < m->params.count; i++) {
        const sgn_param *p = &m->params.at[i];
        if (p->class != SGN_PARAM_LATENT && p->class != SGN_PARAM_FIXED) others += sgn_numel(p->tensor.shape);
    }
    for (int64_t k = 0; k < m->config.layers * SGN_LINEARS; k++) {
        const sgn_linear *l = &m->blocks[k / SGN_LINEARS].linear[k % SGN_LINEARS];
        if (l->kind && strcmp(l->kind->name, "full") != 0) *binary += l->out * l->in;
    }
    return others + *binary;
}
