/* SPDX-License-Identifier: MIT */
#include "model/model_config.h"

#include <string.h>
#include "model/linear.h"

#define FIELD(key, type, min, max, choices, otherwise, help) \
    { #key, SGN_FIELD_##type, offsetof(sgn_model_config, key), min, max, choices, otherwise, help }

const sgn_field sgn_model_fields[] = {
    FIELD(dim, INT, 1, 1 << 20, NULL, "288", "width of the hidden state"),
    FIELD(layers, INT, 1, 1 << 12, NULL, "6", "number of blocks"),
    FIELD(heads, INT, 1, 1 << 12, NULL, "6", "attention heads"),
    FIELD(kv_heads, INT, 0, 1 << 12, NULL, "0", "key and value heads, shared by groups of query heads; 0: as many as heads"),
    FIELD(ffn, INT, 1, 1 << 22, NULL, "768", "width of the feed-forward layer"),
    FIELD(vocab, INT, 0, 1 << 24, NULL, "0", "number of token ids; 0: as many as the tokenizer has"),
    FIELD(head_dim, INT, 0, 1 << 16, NULL, "0", "width of one head; 0: dim / heads"),
    FIELD(context, INT, 0, 1 << 24, NULL, "0", "longest sequence in tokens; 0: train.seq"),
    FIELD(linear, TEXT, 0, 0, NULL, "fbi", "kind of the linear layers that model.binary names: fbi or full"),
    FIELD(scales, CHOICE, 0, 0, "column|row|group128|tensor", "column", "which weights of a binary layer share a scale"),
    FIELD(shift, BOOL, 0, 0, NULL, "true", "a learned shift beside each scale (group128 has none)"),
    FIELD(binary, TEXT, 0, 0, NULL, "attention,mlp",
          "modules of that kind: attention, mlp, q, k, v, o, gate, up, down, separated by commas"),
    FIELD(tied_head, BOOL, 0, 0, NULL, "false", "the head is the embedding"),
    FIELD(attention_bias, BOOL, 0, 0, NULL, "false", "biases in the attention projections"),
    FIELD(mlp_bias, BOOL, 0, 0, NULL, "false", "biases in the feed-forward projections"),
    FIELD(rms_eps, REAL, 0, 1, NULL, "1e-5", "epsilon of RMSNorm"),
    FIELD(rope_theta, REAL, 1, 1e12, NULL, "10000", "base of the rotary angles"),
    FIELD(rope_scaling, REAL, 1e-3, 1e6, NULL, "1", "positions are divided by it (linear scaling)"),
    FIELD(init_std, REAL, 0, 10, NULL, "0.02", "standard deviation of initial weights"),
    { 0 },
};

/* --- which modules are binary ---------------------------------------------------------- */

static const char *const words[] = { "attention", "mlp", "q", "k", "v", "o", "gate", "up", "down" };
enum { WORDS = sizeof words / sizeof *words };

/* The next word of "attention, mlp" or "[attention, mlp]"; false at the end. */
static bool next_word(const char **at, char out[SGN_TEXT]) {
    const char *separators = ", \t[]";
    *at += strspn(*at, separators);
    const size_t n = strcspn(*at, separators);
    memcpy(out, *at, n);
    out[n] = '\0';
    *at += n;
    return n > 0;
}

const char *sgn_model_config_linear(const sgn_model_config *c, const char *module) {
    const char *group = strchr("qkvo", module[0]) && !module[1] ? "attention" : "mlp";
    char word[SGN_TEXT];
    for (const char *at = c->binary; next_word(&at, word);)
        if (strcmp(word, module) == 0 || strcmp(word, group) == 0) return c->linear;
    return "full";
}

static sgn_status check_binary(const sgn_model_config *c, sgn_error *err) {
    char word[SGN_TEXT];
    for (const char *at = c->binary; next_word(&at, word);) {
        bool known = false;
        for (int i = 0; i < WORDS; i++) known |= strcmp(word, words[i]) == 0;
        const char *near = known ? NULL : sgn_nearest(word, words, WORDS);
        if (!known)
            SGN_FAIL(err, SGN_CONFIG, "model.binary: there is no module '%s'%s%s%s; there are attention, mlp, "
                     "q, k, v, o, gate, up and down", word, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return SGN_OK;
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
    const char *known[32];
    int n = 0;
    for (; n < 32 && sgn_linear_kind_at(n); n++) known[n] = sgn_linear_kind_at(n)->name;
    if (!sgn_linear_kind_find(c->linear)) {
        const char *near = sgn_nearest(c->linear, known, n);
        SGN_FAIL(err, SGN_CONFIG, "model.linear: there is no kind '%s'; the nearest is '%s'", c->linear, near ? near : known[0]);
    }
    const char *choices[] = { "column", "row", "group128", "tensor" };
    for (int i = 0; i < 4; i++)
        if (strcmp(c->scales, choices[i]) == 0) return SGN_OK;
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
    if (c->head_dim % 2)
        SGN_FAIL(err, SGN_CONFIG, "the width of a head is %lld, but must be even: rotary positions turn pairs; "
                 "change model.dim, model.heads or model.head_dim", (long long)c->head_dim);
    if (c->heads * c->head_dim > 1 << 20)
        SGN_FAIL(err, SGN_CONFIG, "model.heads * model.head_dim is %lld, but may be at most %d",
                 (long long)(c->heads * c->head_dim), 1 << 20);
    return SGN_OK;
}

sgn_status sgn_model_config_resolve(sgn_model_config *c, sgn_error *err) {
    SGN_TRY(check_ranges(c, err));
    SGN_TRY(check_kind(c, err));
    SGN_TRY(check_binary(c, err));
    SGN_TRY(check_heads(c, err));
    if (!c->vocab) SGN_FAIL(err, SGN_CONFIG, "model.vocab is 0 and no tokenizer or shard set says it; set model.vocab");
    if (!c->context) SGN_FAIL(err, SGN_CONFIG, "model.context is 0 and no train.seq says it; set model.context");
    return SGN_OK;
}

bool sgn_model_config_same_shape(const sgn_model_config *a, const sgn_model_config *b) {
    if (a->dim != b->dim || a->layers != b->layers || a->heads != b->heads || a->kv_heads != b->kv_heads ||
        a->ffn != b->ffn || a->vocab != b->vocab || a->head_dim != b->head_dim || a->tied_head != b->tied_head ||
        a->attention_bias != b->attention_bias || a->mlp_bias != b->mlp_bias) return false;
    bool binary = false;
    for (int i = 2; i < WORDS; i++) {
        const char *kind = sgn_model_config_linear(a, words[i]);
        if (strcmp(kind, sgn_model_config_linear(b, words[i]))) return false;
        binary |= strcmp(kind, "full") != 0;
    }
    return !binary || (strcmp(a->scales, b->scales) == 0 && a->shift == b->shift);
}
