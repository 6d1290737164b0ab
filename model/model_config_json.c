/* config.json in the words of Hugging Face's LlamaConfig. SPDX-License-Identifier: MIT */
#include "model/model_config.h"

#include <stdio.h>
#include <string.h>

static sgn_status copy_text(char out[SGN_TEXT], const char *text, const char *key, const char *where, sgn_error *err) {
    const size_t n = strlen(text);
    if (n >= SGN_TEXT) SGN_FAIL(err, SGN_FORMAT, "%s: %s is longer than %d characters", where, key, SGN_TEXT - 1);
    memcpy(out, text, n + 1);
    return SGN_OK;
}

static sgn_status get_int(int64_t *out, const sgn_json *j, const char *key, bool needed, const char *where, sgn_error *err) {
    const sgn_json *v = sgn_json_get(j, key);
    const bool absent = !v || sgn_json_typeof(v) == SGN_JSON_NULL;
    if (absent && !needed) return SGN_OK;
    if (absent || sgn_json_typeof(v) != SGN_JSON_INT)
        SGN_FAIL(err, SGN_FORMAT, "%s: %s %s; config.json must be that of a LlamaForCausalLM", where, key,
                 absent ? "is missing" : "is not an integer");
    *out = sgn_json_int(v, 0);
    return SGN_OK;
}

static sgn_status get_real(double *out, const sgn_json *j, const char *key, const char *where, sgn_error *err) {
    const sgn_json *v = sgn_json_get(j, key);
    const sgn_json_type type = sgn_json_typeof(v);
    if (!v || type == SGN_JSON_NULL) return SGN_OK;
    if (type != SGN_JSON_INT && type != SGN_JSON_REAL) SGN_FAIL(err, SGN_FORMAT, "%s: %s is not a number", where, key);
    *out = sgn_json_real(v, 0);
    return SGN_OK;
}

static sgn_status get_bool(bool *out, const sgn_json *j, const char *key, const char *where, sgn_error *err) {
    const sgn_json *v = sgn_json_get(j, key);
    if (!v || sgn_json_typeof(v) == SGN_JSON_NULL) return SGN_OK;
    if (sgn_json_typeof(v) != SGN_JSON_BOOL) SGN_FAIL(err, SGN_FORMAT, "%s: %s is not true or false", where, key);
    *out = sgn_json_bool(v, false);
    return SGN_OK;
}

/* A model that computes something else must not load as if it were a LLaMA. */
static sgn_status check_family(const sgn_json *j, const char *where, sgn_error *err) {
    const char *type = sgn_json_string(sgn_json_get(j, "model_type"), "llama");
    const char *class = sgn_json_string(sgn_json_at(sgn_json_get(j, "architectures"), 0), "LlamaForCausalLM");
    const char *act = sgn_json_string(sgn_json_get(j, "hidden_act"), "silu");
    if (strcmp(type, "llama"))
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: model_type is '%s'; only 'llama' is known", where, type);
    if (strcmp(class, "LlamaForCausalLM"))
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: architectures says '%s'; only 'LlamaForCausalLM' is known", where, class);
    if (strcmp(act, "silu"))
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: hidden_act is '%s'; only 'silu' is known", where, act);
    return SGN_OK;
}

/* rope_scaling {rope_type or type, factor}, or newer rope_parameters with rope_theta in it. */
static sgn_status get_rope(sgn_model_config *c, const sgn_json *j, const char *where, sgn_error *err) {
    SGN_TRY(get_real(&c->rope_theta, j, "rope_theta", where, err));
    const sgn_json *scaling = sgn_json_get(j, "rope_scaling");
    if (!scaling || sgn_json_typeof(scaling) == SGN_JSON_NULL) scaling = sgn_json_get(j, "rope_parameters");
    if (!scaling || sgn_json_typeof(scaling) == SGN_JSON_NULL) return SGN_OK;
    const char *type = sgn_json_string(sgn_json_get(scaling, "rope_type"),
                                       sgn_json_string(sgn_json_get(scaling, "type"), "default"));
    SGN_TRY(get_real(&c->rope_theta, scaling, "rope_theta", where, err));
    if (strcmp(type, "linear") == 0) return get_real(&c->rope_scaling, scaling, "factor", where, err);
    if (strcmp(type, "default"))
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: rope_scaling is of type '%s'; only 'linear' is known", where, type);
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
    c->shift = true;
    c->binary[0] = '\0';
    if (!s) return SGN_OK;
    SGN_TRY(copy_text(c->linear, sgn_json_string(sgn_json_get(s, "linear"), "fbi"), "signum.linear", where, err));
    SGN_TRY(copy_text(c->scales, sgn_json_string(sgn_json_get(s, "scales"), "column"), "signum.scales", where, err));
    SGN_TRY(get_bool(&c->shift, s, "shift", where, err));
    return get_binary(c, sgn_json_get(s, "binary"), where, err);
}

sgn_status sgn_model_config_from_json(sgn_model_config *c, const sgn_json *j, const char *where, sgn_error *err) {
    /* What LlamaConfig takes where a key is absent. */
    *c = (sgn_model_config){ .context = 2048, .rms_eps = 1e-6, .rope_theta = 10000, .rope_scaling = 1, .init_std = 0.02 };
    if (sgn_json_typeof(j) != SGN_JSON_OBJECT) SGN_FAIL(err, SGN_FORMAT, "%s: is not a JSON object", where);
    SGN_TRY(check_family(j, where, err));
    SGN_TRY(get_int(&c->dim, j, "hidden_size", true, where, err));
    SGN_TRY(get_int(&c->ffn, j, "intermediate_size", true, where, err));
    SGN_TRY(get_int(&c->layers, j, "num_hidden_layers", true, where, err));
    SGN_TRY(get_int(&c->heads, j, "num_attention_heads", true, where, err));
    SGN_TRY(get_int(&c->vocab, j, "vocab_size", true, where, err));
    SGN_TRY(get_int(&c->kv_heads, j, "num_key_value_heads", false, where, err));
    SGN_TRY(get_int(&c->head_dim, j, "head_dim", false, where, err));
    SGN_TRY(get_int(&c->context, j, "max_position_embeddings", false, where, err));
    SGN_TRY(get_real(&c->rms_eps, j, "rms_norm_eps", where, err));
    SGN_TRY(get_real(&c->init_std, j, "initializer_range", where, err));
    SGN_TRY(get_rope(c, j, where, err));
    SGN_TRY(get_bool(&c->tied_head, j, "tie_word_embeddings", where, err));
    SGN_TRY(get_bool(&c->attention_bias, j, "attention_bias", where, err));
    SGN_TRY(get_bool(&c->mlp_bias, j, "mlp_bias", where, err));
    SGN_TRY(get_signum(c, sgn_json_get(j, "signum"), where, err));
    sgn_error why = { 0 };
    const sgn_status s = sgn_model_config_resolve(c, &why);
    if (s != SGN_OK) SGN_FAIL(err, s, "%s: %s", where, why.text);
    return SGN_OK;
}

static bool any_binary(const sgn_model_config *c) {
    const char *const module[] = { "q", "k", "v", "o", "gate", "up", "down" };
    for (int i = 0; i < 7; i++)
        if (strcmp(sgn_model_config_linear(c, module[i]), "full")) return true;
    return false;
}

sgn_json *sgn_model_config_to_json(const sgn_model_config *c) {
    sgn_json *j = sgn_json_new_object(), *classes = sgn_json_new_array();
    sgn_json_append(classes, sgn_json_new_string("LlamaForCausalLM"));
    sgn_json_set(j, "architectures", classes);
    sgn_json_set(j, "model_type", sgn_json_new_string("llama"));
    sgn_json_set(j, "hidden_act", sgn_json_new_string("silu"));
    sgn_json_set(j, "hidden_size", sgn_json_new_int(c->dim));
    sgn_json_set(j, "intermediate_size", sgn_json_new_int(c->ffn));
    sgn_json_set(j, "num_hidden_layers", sgn_json_new_int(c->layers));
    sgn_json_set(j, "num_attention_heads", sgn_json_new_int(c->heads));
    sgn_json_set(j, "num_key_value_heads", sgn_json_new_int(c->kv_heads));
    sgn_json_set(j, "head_dim", sgn_json_new_int(c->head_dim));
    sgn_json_set(j, "vocab_size", sgn_json_new_int(c->vocab));
    sgn_json_set(j, "max_position_embeddings", sgn_json_new_int(c->context));
    sgn_json_set(j, "rms_norm_eps", sgn_json_new_real(c->rms_eps));
    sgn_json_set(j, "rope_theta", sgn_json_new_real(c->rope_theta));
    sgn_json *scaling = sgn_json_new_null();
    if (c->rope_scaling != 1) {
        scaling = sgn_json_new_object();
        sgn_json_set(scaling, "rope_type", sgn_json_new_string("linear"));
        sgn_json_set(scaling, "factor", sgn_json_new_real(c->rope_scaling));
    }
    sgn_json_set(j, "rope_scaling", scaling);
    sgn_json_set(j, "tie_word_embeddings", sgn_json_new_bool(c->tied_head));
    sgn_json_set(j, "attention_bias", sgn_json_new_bool(c->attention_bias));
    sgn_json_set(j, "mlp_bias", sgn_json_new_bool(c->mlp_bias));
    sgn_json_set(j, "initializer_range", sgn_json_new_real(c->init_std));
    sgn_json_set(j, "torch_dtype", sgn_json_new_string("float32"));
    if (!any_binary(c)) return j;
    sgn_json *s = sgn_json_new_object();
    sgn_json_set(s, "linear", sgn_json_new_string(c->linear));
    sgn_json_set(s, "scales", sgn_json_new_string(c->scales));
    sgn_json_set(s, "shift", sgn_json_new_bool(c->shift));
    sgn_json_set(s, "binary", sgn_json_new_string(c->binary));
    sgn_json_set(j, "signum", s);
    return j;
}
