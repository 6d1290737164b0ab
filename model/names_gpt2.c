/* Names of GPT-2: products as (in, out) matrices, q, k and v in one. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/names.h"

/* part: 1, 2, 3 of the fused q, k, v */
static const struct { const char *ours, *theirs; bool product; int part; } of_block[] = {
    { "input_layernorm", "ln_1", false, 0 },     { "post_attention_layernorm", "ln_2", false, 0 },
    { "self_attn.q_proj", "attn.c_attn", true, 1 }, { "self_attn.k_proj", "attn.c_attn", true, 2 },
    { "self_attn.v_proj", "attn.c_attn", true, 3 }, { "self_attn.o_proj", "attn.c_proj", true, 0 },
    { "mlp.up_proj", "mlp.c_fc", true, 0 },      { "mlp.down_proj", "mlp.c_proj", true, 0 },
};
static const struct { const char *ours, *theirs; } of_model[] = {
    { "model.embed_tokens", "wte" }, { "model.embed_positions", "wpe" }, { "model.norm", "ln_f" },
};

/* Is `name` PATH.weight or PATH.bias? *kind is what follows the path. */
static bool splits(const char *name, const char *path, const char **kind) {
    const size_t n = strlen(path);
    *kind = name + n;
    return strncmp(name, path, n) == 0 && (strcmp(*kind, ".weight") == 0 || strcmp(*kind, ".bias") == 0);
}

static bool name_of_block(const sgn_model_config *c, const char *ours, sgn_foreign_name *out) {
    static const char prefix[] = "model.layers.";
    if (strncmp(ours, prefix, sizeof prefix - 1) != 0) return false;
    char *rest;
    const long long n = strtoll(ours + sizeof prefix - 1, &rest, 10);
    const int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    const char *kind;
    for (size_t i = 0; i < sizeof of_block / sizeof *of_block; i++) {
        if (*rest != '.' || !splits(rest + 1, of_block[i].ours, &kind)) continue;
        snprintf(out->name, sizeof out->name, "h.%lld.%s%s", n, of_block[i].theirs, kind);
        out->transposed = of_block[i].product && strcmp(kind, ".weight") == 0;
        out->fused = of_block[i].part ? q + 2 * kv : 0;
        out->first = of_block[i].part == 2 ? q : of_block[i].part == 3 ? q + kv : 0;
        return true;
    }
    return false;
}

bool sgn_name_gpt2(const sgn_model_config *c, const char *ours, sgn_foreign_name *out) {
    const char *kind;
    if (strcmp(c->arch, "gpt2") != 0) return false;
    for (size_t i = 0; i < sizeof of_model / sizeof *of_model; i++)
        if (splits(ours, of_model[i].ours, &kind)) {
            snprintf(out->name, sizeof out->name, "%s%s", of_model[i].theirs, kind);
            return true;
        }
    return name_of_block(c, ours, out);
}
