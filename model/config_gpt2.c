/* config.json of GPT2LMHeadModel. SPDX-License-Identifier: MIT */
#include <string.h>
#include "model/config_words.h"

/* All three are the tanh form; 'gelu' without more is the one with the error function. */
static bool is_tanh_gelu(const char *act) {
    return strcmp(act, "gelu_new") == 0 || strcmp(act, "gelu_pytorch_tanh") == 0 || strcmp(act, "gelu_fast") == 0;
}

sgn_status sgn_config_read_gpt2(sgn_model_config *c, const char *type, sgn_words *w, sgn_error *err) {
    (void)type;
    strcpy(c->arch, "gpt2");
    c->context = 1024;
    c->rms_eps = 1e-5;
    c->attention_bias = c->mlp_bias = c->tied_head = true;
    SGN_TRY(sgn_words_int(w, "n_embd", true, &c->dim, err));
    SGN_TRY(sgn_words_int(w, "n_layer", true, &c->layers, err));
    SGN_TRY(sgn_words_int(w, "n_head", true, &c->heads, err));
    SGN_TRY(sgn_words_int(w, "vocab_size", true, &c->vocab, err));
    SGN_TRY(sgn_words_int(w, "n_ctx", false, &c->context, err));
    SGN_TRY(sgn_words_int(w, "n_positions", false, &c->context, err));
    if (c->dim > 0 && c->dim < 1 << 20) c->ffn = 4 * c->dim;
    SGN_TRY(sgn_words_int(w, "n_inner", false, &c->ffn, err));
    SGN_TRY(sgn_words_real(w, "layer_norm_epsilon", &c->rms_eps, err));
    /* ours, where a model that was trained here differs from GPT-2 */
    SGN_TRY(sgn_words_int(w, "num_key_value_heads", false, &c->kv_heads, err));
    SGN_TRY(sgn_words_int(w, "head_dim", false, &c->head_dim, err));
    SGN_TRY(sgn_words_bool(w, "attention_bias", &c->attention_bias, err));
    SGN_TRY(sgn_words_bool(w, "qkv_bias", &c->qkv_bias, err));
    SGN_TRY(sgn_words_bool(w, "mlp_bias", &c->mlp_bias, err));
    const char *act = "gelu_new";
    bool scaled = true, by_layer = false;
    SGN_TRY(sgn_words_text(w, "activation_function", &act, err));
    SGN_TRY(sgn_words_bool(w, "scale_attn_weights", &scaled, err));
    SGN_TRY(sgn_words_bool(w, "scale_attn_by_inverse_layer_idx", &by_layer, err));
    if (!is_tanh_gelu(act)) return sgn_words_refuse(w, "activation_function", "only 'gelu_new' is known", err);
    if (!scaled) return sgn_words_refuse(w, "scale_attn_weights", "only true is known", err);
    if (by_layer) return sgn_words_refuse(w, "scale_attn_by_inverse_layer_idx", "only false is known", err);
    return SGN_OK;
}

void sgn_config_write_gpt2(const sgn_model_config *c, sgn_json *j) {
    sgn_json *classes = sgn_json_new_array();
    sgn_json_append(classes, sgn_json_new_string("GPT2LMHeadModel"));
    sgn_json_set(j, "architectures", classes);
    sgn_json_set(j, "model_type", sgn_json_new_string("gpt2"));
    sgn_json_set(j, "activation_function", sgn_json_new_string("gelu_new"));
    sgn_json_set(j, "n_embd", sgn_json_new_int(c->dim));
    sgn_json_set(j, "n_inner", sgn_json_new_int(c->ffn));
    sgn_json_set(j, "n_layer", sgn_json_new_int(c->layers));
    sgn_json_set(j, "n_head", sgn_json_new_int(c->heads));
    sgn_json_set(j, "n_positions", sgn_json_new_int(c->context));
    sgn_json_set(j, "layer_norm_epsilon", sgn_json_new_real(c->rms_eps));
    if (c->kv_heads != c->heads) sgn_json_set(j, "num_key_value_heads", sgn_json_new_int(c->kv_heads));
    if (c->head_dim * c->heads != c->dim) sgn_json_set(j, "head_dim", sgn_json_new_int(c->head_dim));
    if (!c->attention_bias) sgn_json_set(j, "attention_bias", sgn_json_new_bool(false));
    if (!c->attention_bias && c->qkv_bias) sgn_json_set(j, "qkv_bias", sgn_json_new_bool(true));
    if (!c->mlp_bias) sgn_json_set(j, "mlp_bias", sgn_json_new_bool(false));
}
