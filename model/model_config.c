/* SPDX-License-Identifier: MIT */
#include "model/model_config.h"

#include <string.h>
#include "model/linear.h"

#define FIELD(key, type, min, max, choices, otherwise, help) \
    { #key, SGN_FIELD_##type, offsetof(sgn_model_config, key), min, max, choices, otherwise, help }

const sgn_field sgn_model_fields[] = {
    FIELD(arch, CHOICE, 0, 0, "llama|gpt2", "llama", "llama: RMSNorm, rotary positions, SwiGLU; gpt2: LayerNorm, learned positions, GELU"),
    FIELD(dim, INT, 1, 1 << 20, NULL, "288", "width of the hidden state"),
    FIELD(layers, INT, 1, 1 << 12, NULL, "6", "number of blocks"),
    FIELD(heads, INT, 1, 1 << 12, NULL, "6", "attention heads"),
    FIELD(kv_heads, INT, 0, 1 << 12, NULL, "0", "key and value heads, shared by groups of query heads; 0: as many as heads"),
    FIELD(ffn, INT, 1, 1 << 22, NULL, "768", "width of the feed-forward layer"),
    FIELD(vocab, INT, 0, 1 << 24, NULL, "0", "number of token ids; 0: as many as the tokenizer has"),
    FIELD(head_dim, INT, 0, 1 << 16, NULL, "0", "width of one head; 0: dim / heads"),
    FIELD(context, INT, 0, 1 << 24, NULL, "0", "longest sequence in tokens; 0: train.seq"),
    FIELD(linear, TEXT, 0, 0, NULL, "fbi", "kind of the linear layers that model.binary names: fbi, nm, littlebit, bitnet, bitnet158, onebit, rowcol, zoned, paretoq, xnor, binaryconnect or full"),
    FIELD(keep, CHOICE, 0, 0, "1:4|1:8|1:16|2:8", "1:8", "linear = nm: how many of how many consecutive inputs keep a weight"),
    FIELD(bits, REAL, 0, 32, NULL, "0.55", "linear = littlebit: bits per weight, with scales counted as 16 bits; it decides the rank"),
    FIELD(paths, INT, 0, 2, NULL, "1", "linear = littlebit: 2 adds a second pair of factors for what the first leaves"),
    FIELD(estimator, CHOICE, 0, 0, "auto|identity|clipped|approx|tanh|onebit|smooth", "auto",
          "what the latents' gradient is multiplied by; auto: as the kind's paper has it"),
    FIELD(stochastic, BOOL, 0, 0, NULL, "false", "linear = binaryconnect: signs are drawn with P(+1) = (w + 1)/2 at every step of training"),
    FIELD(scales, CHOICE, 0, 0, "column|row|group128|tensor", "column", "which weights of a binary layer share a scale"),
    FIELD(shift, BOOL, 0, 0, NULL, "true", "a learned shift beside each scale (group128 has none)"),
    FIELD(tie_scales, BOOL, 0, 0, NULL, "false", "scales = column: q, k and v share theirs, so do gate and up; GGUF's blocks of signs hold that"),
    FIELD(binary, TEXT, 0, 0, NULL, "attention,mlp",
          "modules of that kind: attention, mlp, q, k, v, o, gate, up, down, separated by commas"),
    FIELD(mixed, LIST, 0, 0, NULL, "", "other kinds for some: [LAYERS.][MODULE]=KIND separated by commas, as 0=full, 4-7.mlp=nm, o=bitnet158; the last that fits holds"),
    FIELD(tied_head, BOOL, 0, 0, NULL, "false", "the head is the embedding"),
    FIELD(attention_bias, BOOL, 0, 0, NULL, "false", "biases in the attention projections, q, k, v and o"),
    FIELD(qkv_bias, BOOL, 0, 0, NULL, "false", "biases in q, k and v alone, as Qwen2 has them"),
    FIELD(qk_norm, BOOL, 0, 0, NULL, "false", "RMSNorm of each head of q and k before the rotation, as Qwen3 has it"),
    FIELD(mlp_bias, BOOL, 0, 0, NULL, "false", "biases in the feed-forward projections"),
    FIELD(rms_eps, REAL, 0, 1, NULL, "1e-5", "epsilon of the norms"),
    FIELD(rope_theta, REAL, 1, 1e12, NULL, "10000", "base of the rotary angles"),
    FIELD(rope_scaling, REAL, 1e-3, 1e6, NULL, "1", "factor by which the rotary angles are slowed, in the way of rope_type"),
    FIELD(rope_type, CHOICE, 0, 0, "linear|llama3|yarn", "linear",
          "linear: all angles; llama3, yarn: those that turn fewer than rope_low times in rope_original positions, "
          "none that turn more than rope_high times, between in part"),
    FIELD(rope_low, REAL, 0, 1e6, NULL, "0", "turns; 0: 1"),
    FIELD(rope_high, REAL, 0, 1e6, NULL, "0", "turns; 0: 4 for llama3, 32 for yarn"),
    FIELD(rope_original, INT, 0, 1 << 24, NULL, "0", "positions that the angles were made for; 0: model.context"),
    FIELD(rope_magnitude, REAL, 0, 1e3, NULL, "0", "yarn: factor of cosines and sines; 0: 0.1 ln(rope_scaling) + 1"),
    FIELD(binary_from_step, INT, 0, 1LL << 50, NULL, "0", "train that many steps in full precision first; then scales are made of the weights and their signs taken"),
    FIELD(init_std, REAL, 0, 10, NULL, "0.02", "standard deviation of initial weights"),
    { 0 },
};

/* --- modules --------------------------------------------------------------------------- */

static bool in_attention(const char *module) { return strchr("qkvo", module[0]) && !module[1]; }

const sgn_arch *sgn_model_config_arch(const sgn_model_config *c) { return sgn_arch_find(*c->arch ? c->arch : "llama"); }

bool sgn_model_config_has(const sgn_model_config *c, const char *module) {
    return !sgn_model_config_arch(c)->gelu || strcmp(module, "gate");
}

bool sgn_model_config_bias(const sgn_model_config *c, const char *module) {
    return !in_attention(module) ? c->mlp_bias : c->attention_bias || (c->qkv_bias && *module != 'o');
}

/* --- checks ------------------------------------------------------------------------------ */

/* The same rows that guard a preset guard a config.json. */
static sgn_status check_ranges(const sgn_model_config *c, sgn_error *err) {
    for (const sgn_field *f = sgn_model_fields; f->key; f++) {
        if (f->type != SGN_FIELD_INT && f->type != SGN_FIELD_REAL) continue;
        const char *at = (const char *)c + f->offset;
        double v;
        if (f->type == SGN_FIELD_REAL) memcpy(&v, at, sizeof v);
        else {
            int64_t i;
            memcpy(&i, at, sizeof i);
            v = (double)i;
        }
        if (!(v >= f->min && v <= f->max))
            SGN_FAIL(err, SGN_CONFIG, "model.%s (%s) is %g, but must be from %g to %g", f->key, f->help, v, f->min, f->max);
    }
    return SGN_OK;
}

static sgn_status check_kind(const sgn_model_config *c, sgn_error *err) {
    SGN_TRY(sgn_linear_kind_check(c->linear, "model.linear", err));
    const char *choices[] = { "column", "row", "group128", "tensor" };
    for (int i = 0; i < 4; i++)
        if (strcmp(c->scales, choices[i]) == 0) {
            if (!c->tie_scales || i == 0) return SGN_OK;
            SGN_FAIL(err, SGN_CONFIG, "model.tie_scales goes with model.scales = column, not %s: only columns are of one input", c->scales);
        }
    SGN_FAIL(err, SGN_CONFIG, "model.scales is '%s', but must be column, row, group128 or tensor", c->scales);
}

static sgn_status check_heads(sgn_model_config *c, sgn_error *err) {
    if (!c->kv_heads) c->kv_heads = c->heads;
    if (c->heads % c->kv_heads)
        SGN_FAIL(err, SGN_CONFIG, "model.kv_heads %lld does not divide model.heads %lld: each key head serves as many query heads",
                 (long long)c->kv_heads, (long long)c->heads);
    if (!c->head_dim) {
        if (c->dim % c->heads)
            SGN_FAIL(err, SGN_CONFIG, "model.heads %lld does not divide model.dim %lld; change one, or set model.head_dim",
                     (long long)c->heads, (long long)c->dim);
        c->head_dim = c->dim / c->heads;
    }
    if (c->head_dim % 2 && !sgn_model_config_arch(c)->positions)
        SGN_FAIL(err, SGN_CONFIG, "the width of a head is %lld, but must be even: rotary positions turn pairs; "
                 "change model.dim, model.heads or model.head_dim", (long long)c->head_dim);
    if (c->heads * c->head_dim > 1 << 20)
        SGN_FAIL(err, SGN_CONFIG, "model.heads * model.head_dim is %lld, but may be at most %d",
                 (long long)(c->heads * c->head_dim), 1 << 20);
    return SGN_OK;
}

static sgn_status check_arch(sgn_model_config *c, sgn_error *err) {
    if (!*c->arch) memcpy(c->arch, "llama", sizeof "llama");
    const sgn_arch *a = sgn_arch_find(c->arch);
    if (!a) SGN_FAIL(err, SGN_CONFIG, "model.arch: there is no architecture '%s'; there are llama and gpt2", c->arch);
    if (a->positions && c->qk_norm)
        SGN_FAIL(err, SGN_CONFIG, "model.qk_norm belongs to rotary positions, which model.arch = %s does not have", c->arch);
    return SGN_OK;
}

static sgn_status check_rope(sgn_model_config *c, sgn_error *err) {
    static const struct { const char *type; double high; } types[] = { { "linear", 0 }, { "llama3", 4 }, { "yarn", 32 } };
    if (!*c->rope_type) memcpy(c->rope_type, "linear", sizeof "linear");
    int i = 0;
    while (i < 3 && strcmp(c->rope_type, types[i].type)) i++;
    if (i == 3) SGN_FAIL(err, SGN_CONFIG, "model.rope_type is '%s', but must be linear, llama3 or yarn", c->rope_type);
    if (i == 0) return SGN_OK;
    if (c->rope_low == 0) c->rope_low = 1;
    if (c->rope_high == 0) c->rope_high = types[i].high;
    if (c->rope_original == 0) c->rope_original = c->context;
    if (c->rope_high <= c->rope_low)
        SGN_FAIL(err, SGN_CONFIG, "model.rope_high %g must be above model.rope_low %g", c->rope_high, c->rope_low);
    return SGN_OK;
}

static sgn_status check_warm(const sgn_model_config *c, sgn_error *err) {
    if (c->binary_from_step > 0 && sgn_model_config_uses(c, "littlebit"))
        SGN_FAIL(err, SGN_CONFIG, "model.binary_from_step = %lld does not go with littlebit, whose factors are no weights; train with "
                 "model.linear=full, then 'signum binarize --method littlebit'", (long long)c->binary_from_step);
    return SGN_OK;
}

sgn_status sgn_model_config_resolve(sgn_model_config *c, sgn_error *err) {
    SGN_TRY(check_ranges(c, err));
    SGN_TRY(check_arch(c, err));
    SGN_TRY(check_kind(c, err));
    SGN_TRY(sgn_model_config_check_kinds(c, err));
    SGN_TRY(check_heads(c, err));
    if (!c->vocab) SGN_FAIL(err, SGN_CONFIG, "model.vocab is 0 and no tokenizer or shard set says it; set model.vocab");
    if (!c->context) SGN_FAIL(err, SGN_CONFIG, "model.context is 0 and no train.seq says it; set model.context");
    SGN_TRY(check_warm(c, err));
    return check_rope(c, err);
}

static const char *const modules[] = { "q", "k", "v", "o", "gate", "up", "down", NULL };

bool sgn_model_config_same_shape(const sgn_model_config *a, const sgn_model_config *b) {
    if (a->dim != b->dim || a->layers != b->layers || a->heads != b->heads || a->kv_heads != b->kv_heads ||
        a->ffn != b->ffn || a->vocab != b->vocab || a->head_dim != b->head_dim || a->tied_head != b->tied_head ||
        sgn_model_config_arch(a) != sgn_model_config_arch(b) || a->qk_norm != b->qk_norm) return false;
    for (int64_t n = 0; n < a->layers; n++)
        for (int i = 0; modules[i]; i++) {
            if (!sgn_model_config_has(a, modules[i])) continue;
            if (sgn_model_config_bias(a, modules[i]) != sgn_model_config_bias(b, modules[i])) return false;
            if (strcmp(sgn_model_config_linear(a, n, modules[i]), sgn_model_config_linear(b, n, modules[i]))) return false;
        }
    const bool nm = sgn_model_config_uses(a, "nm"), littlebit = sgn_model_config_uses(a, "littlebit");
    if (nm && strcmp(a->keep, b->keep)) return false;
    if (littlebit && (a->bits != b->bits || a->paths != b->paths)) return false;
    return (!nm && !sgn_model_config_uses(a, "fbi")) || (strcmp(a->scales, b->scales) == 0 && a->shift == b->shift && a->tie_scales == b->tie_scales);
}
