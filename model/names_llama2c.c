/* llama2.c's own names and header. SPDX-License-Identifier: MIT */
#include "model/archive_names.h"

static const sgn_archive_name names[] = {
    { "model.embed_tokens", "tok_embeddings", false },
    { "model.norm", "norm", false },
    { "lm_head", "output", false },
    { "model.layers.#.input_layernorm", "layers.#.attention_norm", false },
    { "model.layers.#.self_attn.q_proj", "layers.#.attention.wq", true },
    { "model.layers.#.self_attn.k_proj", "layers.#.attention.wk", true },
    { "model.layers.#.self_attn.v_proj", "layers.#.attention.wv", false },
    { "model.layers.#.self_attn.o_proj", "layers.#.attention.wo", false },
    { "model.layers.#.post_attention_layernorm", "layers.#.ffn_norm", false },
    { "model.layers.#.mlp.gate_proj", "layers.#.feed_forward.w1", false },
    { "model.layers.#.mlp.down_proj", "layers.#.feed_forward.w2", false },
    { "model.layers.#.mlp.up_proj", "layers.#.feed_forward.w3", false },
    { NULL, NULL, false },
};

static bool paired(const sgn_archive *a) {
    (void)a;
    return true;
}

static sgn_status config(sgn_model_config *c, const sgn_archive *a, sgn_error *err) {
    /* What its programs compute with and the file does not say. */
    *c = (sgn_model_config){ .rms_eps = 1e-5, .rope_theta = 10000, .rope_scaling = 1, .init_std = 0.02, .linear = "full", .scales = "column" };
    (void)sgn_meta_int(sgn_archive_meta(a, "dim"), 0, &c->dim);
    (void)sgn_meta_int(sgn_archive_meta(a, "hidden_dim"), 0, &c->ffn);
    (void)sgn_meta_int(sgn_archive_meta(a, "n_layers"), 0, &c->layers);
    (void)sgn_meta_int(sgn_archive_meta(a, "n_heads"), 0, &c->heads);
    (void)sgn_meta_int(sgn_archive_meta(a, "n_kv_heads"), 0, &c->kv_heads);
    (void)sgn_meta_int(sgn_archive_meta(a, "vocab_size"), 0, &c->vocab);
    (void)sgn_meta_int(sgn_archive_meta(a, "max_seq_len"), 0, &c->context);
    (void)sgn_meta_bool(sgn_archive_meta(a, "tied"), 0, &c->tied_head);
    sgn_error why = { 0 };
    const sgn_status s = sgn_model_config_resolve(c, &why);
    if (s != SGN_OK) SGN_FAIL(err, s, "%s: %s", a->path, why.text);
    return SGN_OK;
}

const sgn_archive_names sgn_archive_names_llama2c = { .archive = "llama2c", .names = names, .paired = paired, .config = config };
