/* config.json of LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM. SPDX-License-Identifier: MIT */
#include <string.h>
#include "core/log.h"
#include "model/config_words.h"

/* What the families take where a key is absent, and what they always do. kv_heads 0: as many as heads; window 0: none. */
static const struct { const char *type; int64_t context, kv_heads, head_dim, window; bool qkv_bias, qk_norm; } families[] = {
    { "llama", 2048, 0, 0, 0, false, false },    { "mistral", 131072, 8, 0, 4096, false, false },
    { "qwen2", 32768, 32, 0, 4096, true, false }, { "qwen3", 32768, 32, 128, 4096, false, true },
};

static sgn_status read_scaling(sgn_model_config *c, const char *type, sgn_words *w, sgn_error *err) {
    const bool llama3 = strcmp(type, "llama3") == 0, yarn = strcmp(type, "yarn") == 0;
    if (strcmp(type, "default") == 0 || strcmp(type, "dynamic") == 0) {        /* dynamic: acts past max_position_embeddings only */
        double unused;
        return sgn_words_real(w, "factor", &unused, err);
    }
    if (strcmp(type, "linear") && !llama3 && !yarn)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %srope_type is '%s'; only linear, dynamic, llama3 and yarn are known", w->where, w->under, type);
    SGN_TRY(sgn_words_real(w, "factor", &c->rope_scaling, err));
    if (!llama3 && !yarn) return SGN_OK;
    strcpy(c->rope_type, llama3 ? "llama3" : "yarn");
    SGN_TRY(sgn_words_int(w, "original_max_position_embeddings", llama3, &c->rope_original, err));
    SGN_TRY(sgn_words_real(w, llama3 ? "low_freq_factor" : "beta_slow", &c->rope_low, err));
    SGN_TRY(sgn_words_real(w, llama3 ? "high_freq_factor" : "beta_fast", &c->rope_high, err));
    bool truncate = true;
    if (yarn) SGN_TRY(sgn_words_real(w, "attention_factor", &c->rope_magnitude, err));
    if (yarn) SGN_TRY(sgn_words_bool(w, "truncate", &truncate, err));
    return truncate ? SGN_OK : sgn_words_refuse(w, "truncate", "only true is known", err);
}

/* rope_scaling {rope_type or type, ...}, or newer rope_parameters with rope_theta in it. */
static sgn_status read_rope(sgn_model_config *c, sgn_words *w, sgn_error *err) {
    double part = 1;
    SGN_TRY(sgn_words_real(w, "partial_rotary_factor", &part, err));
    if (part != 1) return sgn_words_refuse(w, "partial_rotary_factor", "only 1 is known: all pairs of a head turn", err);
    SGN_TRY(sgn_words_real(w, "rope_theta", &c->rope_theta, err));
    static const char *const keys[2] = { "rope_scaling", "rope_parameters" }, *const under[2] = { "rope_scaling.", "rope_parameters." };
    for (int i = 0; i < 2; i++) {
        const sgn_json *scaling = sgn_words_get(w, keys[i]);
        if (!scaling) continue;
        if (sgn_json_typeof(scaling) != SGN_JSON_OBJECT) return sgn_words_refuse(w, keys[i], "an object is expected", err);
        sgn_words in = { .object = scaling, .where = w->where, .under = under[i] };
        const char *type = "default";
        SGN_TRY(sgn_words_text(&in, "type", &type, err));
        SGN_TRY(sgn_words_text(&in, "rope_type", &type, err));
        SGN_TRY(sgn_words_real(&in, "rope_theta", &c->rope_theta, err));
        SGN_TRY(sgn_words_real(&in, "partial_rotary_factor", &part, err));
        if (part != 1) return sgn_words_refuse(&in, "partial_rotary_factor", "only 1 is known: all pairs of a head turn", err);
        SGN_TRY(read_scaling(c, type, &in, err));
        SGN_TRY(sgn_words_end(&in, err));
    }
    return SGN_OK;
}

/* Does any layer look back through a window? Qwen says so by use_sliding_window, newer files by layer_types. */
static sgn_status read_layer_types(sgn_words *w, bool *slides, sgn_error *err) {
    const sgn_json *types = sgn_words_get(w, "layer_types");
    if (!types) return SGN_OK;
    *slides = false;
    for (size_t i = 0; i < sgn_json_size(types); i++) {
        const char *word = sgn_json_string(sgn_json_at(types, i), "?");
        if (strcmp(word, "sliding_attention") == 0) *slides = true;
        else if (strcmp(word, "full_attention"))
            SGN_FAIL(err, SGN_UNSUPPORTED, "%s: layer_types has '%s'; only full_attention and sliding_attention are known", w->where, word);
    }
    return SGN_OK;
}

/* A window of n tokens changes nothing for sequences of n tokens: longer ones are what the model then refuses. */
static sgn_status read_window(sgn_model_config *c, int64_t window, bool qwen, sgn_words *w, sgn_error *err) {
    bool slides = !qwen;
    int64_t layers;
    SGN_TRY(sgn_words_bool(w, "use_sliding_window", &slides, err));
    SGN_TRY(sgn_words_int(w, "max_window_layers", false, &layers, err));
    SGN_TRY(read_layer_types(w, &slides, err));
    const sgn_json *given = sgn_json_get(w->object, "sliding_window");
    if (given && sgn_json_typeof(given) == SGN_JSON_NULL) window = 0;
    SGN_TRY(sgn_words_int(w, "sliding_window", false, &window, err));
    if (!slides || window == 0 || window >= c->context) return SGN_OK;
    if (window < 0) return sgn_words_refuse(w, "sliding_window", "a number of tokens is expected", err);
    sgn_warn("%s: sliding_window is %lld: the model takes sequences of up to %lld tokens here, for which the window changes nothing, "
             "and refuses longer ones", w->where, (long long)window, (long long)window);
    c->context = window;
    return SGN_OK;
}

sgn_status sgn_config_read_llama(sgn_model_config *c, const char *type, sgn_words *w, sgn_error *err) {
    int f = 0;
    while (f < 3 && strcmp(type, families[f].type)) f++;
    c->context = families[f].context;
    c->kv_heads = families[f].kv_heads;
    c->head_dim = families[f].head_dim;
    c->qkv_bias = families[f].qkv_bias;
    c->qk_norm = families[f].qk_norm;
    SGN_TRY(sgn_words_int(w, "hidden_size", true, &c->dim, err));
    SGN_TRY(sgn_words_int(w, "intermediate_size", true, &c->ffn, err));
    SGN_TRY(sgn_words_int(w, "num_hidden_layers", true, &c->layers, err));
    SGN_TRY(sgn_words_int(w, "num_attention_heads", true, &c->heads, err));
    SGN_TRY(sgn_words_int(w, "vocab_size", true, &c->vocab, err));
    SGN_TRY(sgn_words_int(w, "num_key_value_heads", false, &c->kv_heads, err));
    SGN_TRY(sgn_words_int(w, "head_dim", false, &c->head_dim, err));
    SGN_TRY(sgn_words_int(w, "max_position_embeddings", false, &c->context, err));
    SGN_TRY(sgn_words_real(w, "rms_norm_eps", &c->rms_eps, err));
    SGN_TRY(sgn_words_bool(w, "attention_bias", &c->attention_bias, err));
    SGN_TRY(sgn_words_bool(w, "mlp_bias", &c->mlp_bias, err));
    SGN_TRY(sgn_words_bool(w, "qkv_bias", &c->qkv_bias, err));
    const char *act = "silu";
    SGN_TRY(sgn_words_text(w, "hidden_act", &act, err));
    if (strcmp(act, "silu") && strcmp(act, "swish")) return sgn_words_refuse(w, "hidden_act", "only 'silu' is known", err);
    SGN_TRY(read_rope(c, w, err));
    return read_window(c, families[f].window, *type == 'q', w, err);
}

/* --- writing ---------------------------------------------------------------------------------------------- */

static sgn_json *scaling_of(const sgn_model_config *c) {
    const bool llama3 = strcmp(c->rope_type, "llama3") == 0, yarn = strcmp(c->rope_type, "yarn") == 0;
    if (!llama3 && !yarn && c->rope_scaling == 1) return sgn_json_new_null();
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "rope_type", sgn_json_new_string(*c->rope_type ? c->rope_type : "linear"));
    sgn_json_set(j, "factor", sgn_json_new_real(c->rope_scaling));
    if (!llama3 && !yarn) return j;
    sgn_json_set(j, llama3 ? "low_freq_factor" : "beta_slow", sgn_json_new_real(c->rope_low));
    sgn_json_set(j, llama3 ? "high_freq_factor" : "beta_fast", sgn_json_new_real(c->rope_high));
    sgn_json_set(j, "original_max_position_embeddings", sgn_json_new_int(c->rope_original));
    if (yarn && c->rope_magnitude > 0) sgn_json_set(j, "attention_factor", sgn_json_new_real(c->rope_magnitude));
    return j;
}

void sgn_config_write_llama(const sgn_model_config *c, sgn_json *j) {
    const bool some = c->qkv_bias && !c->attention_bias;
    const char *type = c->qk_norm ? "qwen3" : some ? "qwen2" : "llama";
    sgn_json *classes = sgn_json_new_array();
    sgn_json_append(classes, sgn_json_new_string(c->qk_norm ? "Qwen3ForCausalLM" : some ? "Qwen2ForCausalLM" : "LlamaForCausalLM"));
    sgn_json_set(j, "architectures", classes);
    sgn_json_set(j, "model_type", sgn_json_new_string(type));
    sgn_json_set(j, "hidden_act", sgn_json_new_string("silu"));
    sgn_json_set(j, "hidden_size", sgn_json_new_int(c->dim));
    sgn_json_set(j, "intermediate_size", sgn_json_new_int(c->ffn));
    sgn_json_set(j, "num_hidden_layers", sgn_json_new_int(c->layers));
    sgn_json_set(j, "num_attention_heads", sgn_json_new_int(c->heads));
    sgn_json_set(j, "num_key_value_heads", sgn_json_new_int(c->kv_heads));
    sgn_json_set(j, "head_dim", sgn_json_new_int(c->head_dim));
    sgn_json_set(j, "max_position_embeddings", sgn_json_new_int(c->context));
    sgn_json_set(j, "rms_norm_eps", sgn_json_new_real(c->rms_eps));
    sgn_json_set(j, "rope_theta", sgn_json_new_real(c->rope_theta));
    sgn_json_set(j, "rope_scaling", scaling_of(c));
    sgn_json_set(j, "attention_bias", sgn_json_new_bool(c->attention_bias));
    sgn_json_set(j, "mlp_bias", sgn_json_new_bool(c->mlp_bias));
    if (some && c->qk_norm) sgn_json_set(j, "qkv_bias", sgn_json_new_bool(true));
    if (*type == 'q') sgn_json_set(j, "use_sliding_window", sgn_json_new_bool(false));
}
