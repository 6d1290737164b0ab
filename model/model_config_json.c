/* config.json in the words of Hugging Face, ours beside them. SPDX-License-Identifier: MIT */
#include "model/config_words.h"

#include <stdio.h>
#include <string.h>

static sgn_status copy_text(char out[SGN_TEXT], const char *text, const char *key, const char *where, sgn_error *err) {
    const size_t n = strlen(text);
    if (n >= SGN_TEXT) SGN_FAIL(err, SGN_FORMAT, "%s: %s is longer than %d characters", where, key, SGN_TEXT - 1);
    memmove(out, text, n + 1);                 /* text may be out itself, the default */
    return SGN_OK;
}

/* "attention,mlp" or ["attention", "mlp"] */
static sgn_status get_binary(sgn_model_config *c, const sgn_json *list, const char *where, sgn_error *err) {
    if (sgn_json_typeof(list) != SGN_JSON_ARRAY)
        return copy_text(c->binary, sgn_json_string(list, ""), "signum.binary", where, err);
    size_t used = 0;
    c->binary[0] = '\0';
    for (size_t i = 0; i < sgn_json_size(list); i++) {
        const char *word = sgn_json_string(sgn_json_at(list, i), "?");
        const int n = snprintf(c->binary + used, SGN_TEXT - used, "%s%s", i ? "," : "", word);
        if (n < 0 || (used += (size_t)n) >= SGN_TEXT) SGN_FAIL(err, SGN_FORMAT, "%s: signum.binary is too long", where);
    }
    return SGN_OK;
}

static sgn_status get_signum(sgn_model_config *c, const sgn_json *s, const char *where, sgn_error *err) {
    memcpy(c->linear, "full", sizeof "full");
    memcpy(c->scales, "column", sizeof "column");
    memcpy(c->keep, "1:8", sizeof "1:8");
    memcpy(c->estimator, "auto", sizeof "auto");
    c->bits = 0.55;
    c->paths = 1;
    c->shift = true;
    c->tie_scales = false;
    c->binary[0] = '\0';
    c->mixed[0] = '\0';
    if (!s) return SGN_OK;
    const char *mixed = sgn_json_string(sgn_json_get(s, "mixed"), "");
    if (strlen(mixed) >= sizeof c->mixed) SGN_FAIL(err, SGN_FORMAT, "%s: signum.mixed is longer than %zu bytes", where, sizeof c->mixed - 1);
    strcpy(c->mixed, mixed);
    SGN_TRY(copy_text(c->linear, sgn_json_string(sgn_json_get(s, "linear"), "fbi"), "signum.linear", where, err));
    SGN_TRY(copy_text(c->keep, sgn_json_string(sgn_json_get(s, "keep"), c->keep), "signum.keep", where, err));
    c->bits = sgn_json_real(sgn_json_get(s, "bits"), c->bits);
    c->paths = sgn_json_int(sgn_json_get(s, "paths"), c->paths);
    SGN_TRY(copy_text(c->estimator, sgn_json_string(sgn_json_get(s, "estimator"), "auto"), "signum.estimator", where, err));
    SGN_TRY(sgn_words_bool(&(sgn_words){ .object = s, .where = where, .under = "signum." }, "stochastic", &c->stochastic, err));
    SGN_TRY(copy_text(c->scales, sgn_json_string(sgn_json_get(s, "scales"), "column"), "signum.scales", where, err));
    SGN_TRY(sgn_words_bool(&(sgn_words){ .object = s, .where = where, .under = "signum." }, "shift", &c->shift, err));
    SGN_TRY(sgn_words_bool(&(sgn_words){ .object = s, .where = where, .under = "signum." }, "tie_scales", &c->tie_scales, err));
    return get_binary(c, sgn_json_get(s, "binary"), where, err);
}

/* --- families ----------------------------------------------------------------------------------------- */

typedef struct {
    const char *type, *class;              /* model_type, architectures[0] */
    sgn_status (*read)(sgn_model_config *c, const char *type, sgn_words *w, sgn_error *err);
} family;

static const family families[] = {
    { "llama", "LlamaForCausalLM", sgn_config_read_llama },  { "mistral", "MistralForCausalLM", sgn_config_read_llama },
    { "qwen2", "Qwen2ForCausalLM", sgn_config_read_llama },  { "qwen3", "Qwen3ForCausalLM", sgn_config_read_llama },
    { "gpt2", "GPT2LMHeadModel", sgn_config_read_gpt2 },
};
enum { FAMILIES = (int)(sizeof families / sizeof *families) };

/* A model that computes something else must not load as if it were one of these. */
static sgn_status find_family(sgn_words *w, const family **out, sgn_error *err) {
    const sgn_json *classes = sgn_words_get(w, "architectures");
    const char *class = sgn_json_string(sgn_json_at(classes, 0), NULL), *type = NULL;
    SGN_TRY(sgn_words_text(w, "model_type", &type, err));
    if (!type && !class) type = "llama";
    for (int i = 0; i < FAMILIES; i++) {
        const bool same = !type || strcmp(type, families[i].type) == 0;
        if (!same || (class && strcmp(class, families[i].class))) {
            if (type && same) SGN_FAIL(err, SGN_UNSUPPORTED, "%s: architectures says '%s'; only '%s' is known for model_type '%s'",
                                       w->where, class, families[i].class, type);
            continue;
        }
        *out = &families[i];
        return SGN_OK;
    }
    if (type) return sgn_words_refuse(w, "model_type", "llama, mistral, qwen2, qwen3 and gpt2 are known", err);
    return sgn_words_refuse(w, "architectures", "those of llama, mistral, qwen2, qwen3 and gpt2 are known", err);
}

static sgn_status read(sgn_model_config *c, sgn_words *w, sgn_error *err) {
    const family *f = NULL;
    SGN_TRY(find_family(w, &f, err));
    SGN_TRY(f->read(c, f->type, w, err));
    SGN_TRY(sgn_words_real(w, "initializer_range", &c->init_std, err));
    SGN_TRY(sgn_words_bool(w, "tie_word_embeddings", &c->tied_head, err));
    SGN_TRY(get_signum(c, sgn_words_get(w, "signum"), w->where, err));
    return sgn_words_end(w, err);
}

sgn_status sgn_model_config_from_json(sgn_model_config *c, const sgn_json *j, const char *where, sgn_error *err) {
    *c = (sgn_model_config){ .arch = "llama", .rms_eps = 1e-6, .rope_theta = 10000, .rope_scaling = 1, .init_std = 0.02 };
    if (sgn_json_typeof(j) != SGN_JSON_OBJECT) SGN_FAIL(err, SGN_FORMAT, "%s: is not a JSON object", where);
    SGN_TRY(read(c, &(sgn_words){ .object = j, .where = where, .under = "" }, err));
    sgn_error why = { 0 };
    const sgn_status s = sgn_model_config_resolve(c, &why);
    if (s != SGN_OK) SGN_FAIL(err, s, "%s: %s", where, why.text);
    return SGN_OK;
}

/* --- writing ------------------------------------------------------------------------------------------ */

sgn_json *sgn_model_config_to_json(const sgn_model_config *c) {
    sgn_json *j = sgn_json_new_object();
    if (sgn_model_config_arch(c)->positions) sgn_config_write_gpt2(c, j);
    else sgn_config_write_llama(c, j);
    sgn_json_set(j, "vocab_size", sgn_json_new_int(c->vocab));
    sgn_json_set(j, "tie_word_embeddings", sgn_json_new_bool(c->tied_head));
    sgn_json_set(j, "initializer_range", sgn_json_new_real(c->init_std));
    sgn_json_set(j, "torch_dtype", sgn_json_new_string("float32"));
    if (!sgn_model_config_any_binary(c)) return j;
    sgn_json *s = sgn_json_new_object();
    sgn_json_set(s, "linear", sgn_json_new_string(c->linear));
    if (sgn_model_config_uses(c, "nm")) sgn_json_set(s, "keep", sgn_json_new_string(c->keep));
    if (sgn_model_config_uses(c, "littlebit")) {
        sgn_json_set(s, "bits", sgn_json_new_real(c->bits));
        sgn_json_set(s, "paths", sgn_json_new_int(c->paths));
    }
    if (*c->estimator && strcmp(c->estimator, "auto")) sgn_json_set(s, "estimator", sgn_json_new_string(c->estimator));
    if (c->stochastic) sgn_json_set(s, "stochastic", sgn_json_new_bool(true));
    sgn_json_set(s, "scales", sgn_json_new_string(c->scales));
    sgn_json_set(s, "shift", sgn_json_new_bool(c->shift));
    if (c->tie_scales) sgn_json_set(s, "tie_scales", sgn_json_new_bool(true));
    sgn_json_set(s, "binary", sgn_json_new_string(c->binary));
    if (*c->mixed) sgn_json_set(s, "mixed", sgn_json_new_string(c->mixed));
    sgn_json_set(j, "signum", s);
    return j;
}

sgn_status sgn_model_config_check_foreign(const sgn_model_config *c, sgn_error *err) {
    const bool some = c->qkv_bias && !c->attention_bias;
    const char *what = NULL;
    if (sgn_model_config_arch(c)->positions) {
        if (!c->attention_bias || !c->mlp_bias) what = "model.arch = gpt2 without all biases";
        else if (c->kv_heads != c->heads) what = "model.arch = gpt2 with model.kv_heads";
        else if (c->head_dim * c->heads != c->dim) what = "model.arch = gpt2 with model.head_dim";
    } else if (c->qk_norm && (some || c->mlp_bias)) what = "model.qk_norm with model.qkv_bias or model.mlp_bias";
    else if (some && c->mlp_bias) what = "model.qkv_bias with model.mlp_bias";
    if (what) SGN_FAIL(err, SGN_UNSUPPORTED, "no model class of Hugging Face has %s; --format packed holds it", what);
    return SGN_OK;
}
