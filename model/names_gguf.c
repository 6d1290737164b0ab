/* llama.cpp's names, and its values under "ARCHITECTURE.": architectures that compute what a LLaMA does.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/log.h"
#include "model/archive_names.h"
#include "model/rotary.h"

extern const sgn_archive_names sgn_archive_names_gguf;

static const sgn_archive_name names[] = {
    { "model.embed_tokens", "token_embd", false },
    { "model.norm", "output_norm", false },
    { "lm_head", "output", false },
    { "model.layers.#.input_layernorm", "blk.#.attn_norm", false },
    { "model.layers.#.self_attn.q_proj", "blk.#.attn_q", true },
    { "model.layers.#.self_attn.k_proj", "blk.#.attn_k", true },
    { "model.layers.#.self_attn.v_proj", "blk.#.attn_v", false },
    { "model.layers.#.self_attn.o_proj", "blk.#.attn_output", false },
    { "model.layers.#.self_attn.q_norm", "blk.#.attn_q_norm", false },
    { "model.layers.#.self_attn.k_norm", "blk.#.attn_k_norm", false },
    { "model.layers.#.post_attention_layernorm", "blk.#.ffn_norm", false },
    { "model.layers.#.mlp.gate_proj", "blk.#.ffn_gate", false },
    { "model.layers.#.mlp.up_proj", "blk.#.ffn_up", false },
    { "model.layers.#.mlp.down_proj", "blk.#.ffn_down", false },
    { "rope_freqs", "rope_freqs", false },             /* no parameter: see get_factors */
    { NULL, NULL, false },
};

/* Architectures whose blocks are ours: do neighbours turn, may biases be only in q, k and v, are the heads of q and k normed? */
static const struct { const char *name; bool paired, qkv_bias, qk_norm; } architectures[] = {
    { "llama", true, false, false }, { "qwen2", false, true, false }, { "qwen3", false, false, true } };
enum { ARCHITECTURES = sizeof architectures / sizeof *architectures };

static const char *architecture(const sgn_archive *a) {
    const char *name = a->kind->note(a, "general.architecture");
    return name ? name : "(none)";
}

static int find_architecture(const sgn_archive *a) {
    for (int i = 0; i < ARCHITECTURES; i++)
        if (strcmp(architecture(a), architectures[i].name) == 0) return i;
    return -1;
}

static bool paired(const sgn_archive *a) {
    const int i = find_architecture(a);
    return i >= 0 && architectures[i].paired;
}

/* --- values ------------------------------------------------------------------------------------ */

typedef struct {
    const sgn_archive *a;
    char               key[96];        /* what is read */
    const sgn_meta    *m;
} reader;

static const sgn_meta *look(reader *r, const char *key) {
    snprintf(r->key, sizeof r->key, "%.40s.%s", architecture(r->a), key);
    return r->m = sgn_archive_meta(r->a, r->key);
}

static sgn_status get_int(reader *r, const char *key, int64_t *out, bool needed, sgn_error *err) {
    if (!look(r, key) && !needed) return SGN_OK;
    if (!r->m) SGN_FAIL(err, SGN_FORMAT, "%s: %s is missing; it says what shape the model has", r->a->path, r->key);
    if (r->m->list)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %s is a list, one for each layer; all layers must be alike", r->a->path, r->key);
    if (!sgn_meta_int(r->m, 0, out)) SGN_FAIL(err, SGN_FORMAT, "%s: %s is not an integer", r->a->path, r->key);
    if (*out < 1 || *out > 1 << 24) SGN_FAIL(err, SGN_FORMAT, "%s: %s is %lld, not from 1 to %d", r->a->path, r->key, (long long)*out, 1 << 24);
    return SGN_OK;
}

static sgn_status get_positive(reader *r, const char *key, double *out, bool needed, sgn_error *err) {
    if (!look(r, key) && !needed) return SGN_OK;
    if (!r->m) SGN_FAIL(err, SGN_FORMAT, "%s: %s is missing", r->a->path, r->key);
    if (r->m->list || !sgn_meta_real(r->m, 0, out)) SGN_FAIL(err, SGN_FORMAT, "%s: %s is not a number", r->a->path, r->key);
    if (!(*out > 0) || !isfinite(*out)) SGN_FAIL(err, SGN_FORMAT, "%s: %s is %g, not a positive number", r->a->path, r->key, *out);
    return SGN_OK;
}

/* What would be computed otherwise, were it passed over. */
static sgn_status check_foreign(reader *r, sgn_error *err) {
    static const struct { const char *key; double harmless; } foreign[] = {
        { "expert_count", 0 }, { "attention.scale", 0 }, { "attention.max_alibi_bias", 0 },
        { "attention.clamp_kqv", 0 }, { "logit_scale", 1 }, { "residual_scale", 1 }, { "embedding_scale", 1 }, { "rope.scaling.attn_factor", 1 },
        { "attn_logit_softcapping", 0 }, { "final_logit_softcapping", 0 }, { "attention.layer_norm_epsilon", 0 },
        { "rope.scaling.yarn_beta_fast", 32 }, { "rope.scaling.yarn_beta_slow", 1 }, { "rope.scaling.yarn_ext_factor", 1 },
        { "rope.scaling.yarn_attn_factor", 1 }, { "rope.scaling.yarn_log_multiplier", 0 } };
    double v;
    bool b;
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (look(r, foreign[i].key) && (r->m->list || !sgn_meta_real(r->m, 0, &v) || v != foreign[i].harmless))
            SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %s is set, which the model here does not compute", r->a->path, r->key);
    if (look(r, "use_parallel_residual") && (!sgn_meta_bool(r->m, 0, &b) || b))
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %s is set, which the model here does not compute", r->a->path, r->key);
    if (look(r, "attention.causal") && (!sgn_meta_bool(r->m, 0, &b) || !b))
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %s is false; only causal attention is known", r->a->path, r->key);
    return SGN_OK;
}

/* As in config.json: for sequences of up to n tokens a window of n changes nothing. */
static sgn_status get_window(reader *r, sgn_model_config *c, sgn_error *err) {
    int64_t n;
    if (!look(r, "attention.sliding_window")) return SGN_OK;
    if (r->m->list || !sgn_meta_int(r->m, 0, &n) || n < 0)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %s is not a number of tokens", r->a->path, r->key);
    if (n == 0 || n >= c->context) return SGN_OK;
    sgn_warn("%s: %s is %lld: the model takes sequences of up to %lld tokens here, for which the window changes nothing, and refuses longer ones",
             r->a->path, r->key, (long long)n, (long long)n);
    c->context = n;
    return SGN_OK;
}

static sgn_status get_scaling(reader *r, sgn_model_config *c, sgn_error *err) {
    SGN_TRY(get_positive(r, "rope.scale_linear", &c->rope_scaling, false, err));
    SGN_TRY(get_int(r, "rope.scaling.original_context_length", &c->rope_original, false, err));
    if (!look(r, "rope.scaling.type")) return SGN_OK;
    const char *type = sgn_meta_text(r->m, 0);
    if (type && strcmp(type, "none") == 0) return SGN_OK;
    if (!type || (strcmp(type, "linear") && strcmp(type, "yarn")))
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %s is '%.40s'; only 'none', 'linear' and 'yarn' are known", r->a->path, r->key, type ? type : "(no text)");
    snprintf(c->rope_type, sizeof c->rope_type, "%s", type);
    return get_positive(r, "rope.scaling.factor", &c->rope_scaling, true, err);
}

static sgn_status get_rope(reader *r, sgn_model_config *c, sgn_error *err) {
    int64_t turned = c->head_dim;
    SGN_TRY(get_positive(r, "rope.freq_base", &c->rope_theta, false, err));
    SGN_TRY(get_int(r, "rope.dimension_count", &turned, false, err));
    if (turned != c->head_dim)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %s is %lld of a head of %lld; only whole heads are turned here", r->a->path, r->key,
                 (long long)turned, (long long)c->head_dim);
    return get_scaling(r, c, err);
}

/* --- arrays -------------------------------------------------------------------------------------- */

static const sgn_array *array(const sgn_archive *a, const char *name) {
    const int i = sgn_archive_find(a, name);
    return i < 0 ? NULL : &a->at[i];
}

static bool same_angles(const sgn_model_config *c, const float *factor, sgn_real *cosine, sgn_real *sine) {
    const int64_t half = c->head_dim / 2;
    sgn_rope_tables(c, 2, cosine, sine);
    for (int64_t j = 0; j < half; j++) {
        const double want = sin(pow(c->rope_theta, -2 * (double)j / (double)c->head_dim) / (double)factor[j]);
        if (!(fabs((double)sine[half + j] - want) <= 1e-4 * want)) return false;
    }
    return true;
}

/* Llama 3.1 and later: what each pair's angle is divided by. The file keeps the result of a formula and not its settings; those of all
 * published models are tried, and the number of positions where it is said. */
static sgn_status get_factors(sgn_model_config *c, const sgn_archive *a, sgn_error *err) {
    const int i = sgn_archive_find(a, "rope_freqs.weight");
    const int64_t half = c->head_dim / 2;
    if (i < 0) return SGN_OK;
    float *factor = malloc((size_t)half * sizeof *factor);
    sgn_real *angles = malloc((size_t)half * 4 * sizeof *angles);
    sgn_status s = factor && angles ? sgn_archive_read_f32(a, i, factor, half, err) : SGN_ERROR(err, SGN_NOMEM, "%s: no memory for its angles", a->path);
    if (s == SGN_OK) {
        snprintf(c->rope_type, sizeof c->rope_type, "llama3");
        c->rope_scaling = (double)factor[half - 1];
        c->rope_low = 1;
        c->rope_high = 4;
        if (!c->rope_original) c->rope_original = 8192;
        if (!(c->rope_scaling >= 1) || !same_angles(c, factor, angles, angles + 2 * half))
            s = SGN_ERROR(err, SGN_UNSUPPORTED, "%s: rope_freqs.weight: these are not the factors of Llama 3.1 (low 1, high 4, %lld positions)", a->path,
                          (long long)c->rope_original);
    }
    free(factor);
    free(angles);
    return s;
}

/* Before anything of the claimed size is allocated. */
static sgn_status check_shapes(const sgn_model_config *c, const sgn_archive *a, sgn_error *err) {
    char last[64];
    snprintf(last, sizeof last, "blk.%lld.attn_norm.weight", (long long)c->layers - 1);
    const struct { const char *name; int64_t rows, cols; } shape[] = {
        { "token_embd.weight", c->vocab, c->dim }, { "blk.0.attn_q.weight", c->heads * c->head_dim, c->dim },
        { "blk.0.attn_k.weight", c->kv_heads * c->head_dim, c->dim }, { "blk.0.ffn_gate.weight", c->ffn, c->dim }, { last, c->dim, 0 } };
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        const sgn_array *x = array(a, shape[i].name);
        if (!x) SGN_FAIL(err, SGN_FORMAT, "%s has no tensor '%s', which its values call for", a->path, shape[i].name);
        if (x->rank != (shape[i].cols ? 2 : 1) || x->dim[0] != shape[i].rows || (shape[i].cols && x->dim[1] != shape[i].cols))
            SGN_FAIL(err, SGN_FORMAT, "%s: tensor '%s' is not (%lld, %lld), which its values call for", a->path, shape[i].name,
                     (long long)shape[i].rows, (long long)(shape[i].cols ? shape[i].cols : 1));
    }
    char beyond[64];
    snprintf(beyond, sizeof beyond, "blk.%lld.attn_norm.weight", (long long)c->layers);
    if (array(a, beyond)) SGN_FAIL(err, SGN_FORMAT, "%s: tensor '%s' is beyond the %lld layers of its values", a->path, beyond, (long long)c->layers);
    return SGN_OK;
}

/* --- the row --------------------------------------------------------------------------------------- */

static sgn_status check_architecture(const sgn_archive *a, sgn_error *err) {
    if (find_architecture(a) >= 0) return SGN_OK;
    SGN_FAIL(err, SGN_UNSUPPORTED, "%s: general.architecture is '%.40s'; only 'llama', 'qwen2' and 'qwen3' are known", a->path, architecture(a));
}

/* Biases and norms of heads are there where their arrays are. */
static sgn_status get_extras(sgn_model_config *c, const sgn_archive *a, sgn_error *err) {
    const int i = find_architecture(a);
    const bool q = array(a, "blk.0.attn_q.bias"), o = array(a, "blk.0.attn_output.bias");
    c->attention_bias = o;
    c->qkv_bias = q && !o;
    c->mlp_bias = array(a, "blk.0.ffn_gate.bias") || array(a, "blk.0.ffn_down.bias");
    c->qk_norm = array(a, "blk.0.attn_q_norm.weight");
    if (c->qk_norm != architectures[i].qk_norm)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: blk.0.attn_q_norm.weight: a %s has %s", a->path, architectures[i].name, c->qk_norm ? "none" : "one");
    if (architectures[i].qkv_bias && !q) SGN_FAIL(err, SGN_FORMAT, "%s: blk.0.attn_q.bias is missing; a qwen2 has one", a->path);
    return SGN_OK;
}

static sgn_status get_heads(reader *r, sgn_model_config *c, sgn_error *err) {
    int64_t value_width;
    SGN_TRY(get_int(r, "attention.head_count", &c->heads, true, err));
    c->kv_heads = c->heads;
    SGN_TRY(get_int(r, "attention.head_count_kv", &c->kv_heads, false, err));
    if (c->dim % c->heads && !look(r, "attention.key_length"))
        SGN_FAIL(err, SGN_FORMAT, "%s: attention.head_count %lld does not divide the width %lld", r->a->path, (long long)c->heads, (long long)c->dim);
    c->head_dim = c->dim / c->heads;
    SGN_TRY(get_int(r, "attention.key_length", &c->head_dim, false, err));
    value_width = c->head_dim;
    SGN_TRY(get_int(r, "attention.value_length", &value_width, false, err));
    if (value_width != c->head_dim)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %s is %lld, but keys have %lld; both must be alike", r->a->path, r->key, (long long)value_width,
                 (long long)c->head_dim);
    return SGN_OK;
}

static sgn_status config(sgn_model_config *c, const sgn_archive *a, sgn_error *err) {
    reader r = { .a = a };
    const sgn_array *embedding = array(a, "token_embd.weight");
    *c = (sgn_model_config){ .rope_theta = 10000, .rope_scaling = 1, .init_std = 0.02, .linear = "full", .scales = "column" };
    SGN_TRY(check_architecture(a, err));
    SGN_TRY(check_foreign(&r, err));
    SGN_TRY(get_int(&r, "embedding_length", &c->dim, true, err));
    SGN_TRY(get_int(&r, "block_count", &c->layers, true, err));
    SGN_TRY(get_int(&r, "feed_forward_length", &c->ffn, true, err));
    SGN_TRY(get_int(&r, "context_length", &c->context, true, err));
    SGN_TRY(get_window(&r, c, err));
    SGN_TRY(get_heads(&r, c, err));
    SGN_TRY(get_positive(&r, "attention.layer_norm_rms_epsilon", &c->rms_eps, true, err));
    SGN_TRY(get_rope(&r, c, err));
    c->vocab = embedding && embedding->rank == 2 ? embedding->dim[0] : 1;
    c->tied_head = !array(a, "output.weight");
    SGN_TRY(get_extras(c, a, err));
    sgn_error why = { 0 };
    const sgn_status s = sgn_model_config_resolve(c, &why);
    if (s != SGN_OK) SGN_FAIL(err, s, "%s: %s", a->path, why.text);
    SGN_TRY(sgn_archive_names_check(&sgn_archive_names_gguf, a, err));
    SGN_TRY(check_shapes(c, a, err));
    return get_factors(c, a, err);
}

const sgn_archive_names sgn_archive_names_gguf = { .archive = "gguf", .names = names, .paired = paired, .config = config };
