/* small_model.h - transformers of a few thousand parameters with every parameter drawn at random,
 * for tests that compare what comes out of a file or of the runtime with what trained.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TESTS_SMALL_MODEL_H
#define SGN_TESTS_SMALL_MODEL_H

#include "core/gemm.h"
#include "core/rng.h"
#include "model/lowered_model.h"

/* What a model may differ in. */
typedef struct {
    const char *linear, *scales, *binary;      /* NULL: "fbi", "column", "attention,mlp" */
    bool        no_shift, tied, bias;
    int64_t     kv_heads, layers;              /* 0: 4, as many as heads; 0: 2 */
    double      rope_scaling;                  /* 0: 1 */
    const char *arch, *rope_type;              /* NULL: "llama", "linear" */
    bool        qk_norm, qkv_bias, tie_scales;
    int64_t     dim, ffn;                      /* 0: 136, 200, no multiples of 64 or 128 */
} small_case;

static const small_case small_cases[] = {
    { .linear = "full", .binary = "" },
    { .linear = "full", .binary = "", .tied = true, .bias = true, .kv_heads = 2, .rope_scaling = 2 },
    { .scales = "column" },
    { .scales = "column", .no_shift = true, .kv_heads = 2 },
    { .scales = "row" },
    { .scales = "row", .no_shift = true, .tied = true },
    { .scales = "tensor", .bias = true, .kv_heads = 1 },
    { .scales = "tensor", .no_shift = true },
    { .scales = "group128" },
    { .scales = "group128", .bias = true, .tied = true, .kv_heads = 2, .rope_scaling = 4 },
    { .scales = "column", .binary = "mlp" },
    { .scales = "row", .binary = "q,k,down", .bias = true },
    { .scales = "column", .qk_norm = true, .kv_heads = 2, .rope_scaling = 4, .rope_type = "yarn" },
    { .linear = "full", .binary = "", .qkv_bias = true, .rope_scaling = 8, .rope_type = "llama3" },
    { .scales = "row", .arch = "gpt2", .bias = true, .tied = true },
    { .linear = "full", .binary = "", .arch = "gpt2", .bias = true },
    { .scales = "tensor", .no_shift = true, .binary = "down", .layers = 1 },       /* an odd number of floats before a plane */
    { .scales = "column", .tie_scales = true, .kv_heads = 2, .binary = "attention,up,down" },
};
enum { SMALL_CASES = (int)(sizeof small_cases / sizeof *small_cases), SMALL_VOCAB = 97, SMALL_CONTEXT = 48 };

static inline void small_text(char out[SGN_TEXT], const char *text, const char *otherwise) {
    snprintf(out, SGN_TEXT, "%s", text ? text : otherwise);
}

/* Widths that are no multiples of 64 or 128, so that padding and last groups are met. */
static inline sgn_model_config small_config(const small_case *s) {
    const int64_t dim = s->dim ? s->dim : 136;
    sgn_model_config c = { .dim = dim, .layers = s->layers ? s->layers : 2, .heads = 4, .kv_heads = s->kv_heads ? s->kv_heads : 4, .head_dim = dim / 4,
                           .ffn = s->ffn ? s->ffn : 200, .vocab = SMALL_VOCAB, .context = SMALL_CONTEXT, .shift = !s->no_shift,
                           .tied_head = s->tied, .attention_bias = s->bias, .mlp_bias = s->bias, .rms_eps = 1e-5,
                           .rope_theta = 10000, .rope_scaling = s->rope_scaling > 0 ? s->rope_scaling : 1, .init_std = 0.1 };
    small_text(c.linear, s->linear, "fbi");
    small_text(c.scales, s->scales, "column");
    small_text(c.binary, s->binary, "attention,mlp");
    small_text(c.keep, NULL, "1:4");
    small_text(c.arch, s->arch, "llama");
    small_text(c.rope_type, s->rope_type, "linear");
    c.qk_norm = s->qk_norm;
    c.qkv_bias = s->qkv_bias;
    c.tie_scales = s->tie_scales;
    return c;
}

/* Scales, norms and biases are drawn too, so that a swapped or forgotten one shows. */
static inline void small_model(sgn_transformer *m, const small_case *s, uint64_t seed) {
    sgn_error err;
    const sgn_model_config c = small_config(s);
    check_ok(sgn_gemm_init(&err), &err);
    check_ok(sgn_transformer_init(m, &c, false, &err), &err);
    check_ok(sgn_transformer_commit(m, &err), &err);
    sgn_transformer_randomize(m, seed);
    for (int i = 0; i < m->params.count; i++) {
        sgn_param *p = &m->params.at[i];
        const double middle = p->class == SGN_PARAM_NORM ? 1 : p->class == SGN_PARAM_SCALE ? 0.02 : 0;
        const double spread = p->class == SGN_PARAM_NORM ? 0.2 : p->class == SGN_PARAM_BIAS ? 0.1 : 0.05;
        if (p->class != SGN_PARAM_NORM && p->class != SGN_PARAM_SCALE && p->class != SGN_PARAM_BIAS) continue;
        for (int64_t j = 0; j < sgn_numel(p->tensor.shape); j++)
            p->tensor.data[j] = (float)(middle + spread * sgn_rng_normal(seed, sgn_rng_stream(p->name), (uint64_t)j));
    }
}

static inline void small_tokens(int32_t *tokens, int64_t n, uint64_t seed) {
    for (int64_t i = 0; i < n; i++) tokens[i] = (int32_t)(sgn_rng_bits(seed, 7, (uint64_t)i) % SMALL_VOCAB);
}

/* logits (n, vocab) by the training forward pass. */
static inline void small_logits(const sgn_transformer *m, const int32_t *tokens, int64_t n, float *logits) {
    sgn_error err;
    sgn_tape dry, t;
    check_ok(sgn_tape_init_dry(&dry, sgn_transformer_nodes(m), &err), &err);
    sgn_tape_begin(&dry, SGN_TAPE_NOGRAD);
    sgn_transformer_hidden(m, &dry, tokens, 1, n);
    check_ok(sgn_tape_end(&dry, &err), &err);
    check_ok(sgn_tape_init(&t, sgn_transformer_nodes(m), dry.data.peak, &err), &err);
    sgn_tape_begin(&t, SGN_TAPE_NOGRAD);
    const sgn_tensor *h = sgn_transformer_hidden(m, &t, tokens, 1, n), *head = sgn_transformer_head(m);
    check_ok(sgn_tape_end(&t, &err), &err);
    for (int64_t i = 0; i < n; i++)
        for (int64_t v = 0; v < m->config.vocab; v++) {
            double sum = 0;
            for (int64_t j = 0; j < m->config.dim; j++)
                sum += (double)h->data[i * m->config.dim + j] * (double)head->data[v * m->config.dim + j];
            logits[i * m->config.vocab + v] = (float)sum;
        }
    sgn_tape_free(&t);
    sgn_tape_free(&dry);
}

#endif
