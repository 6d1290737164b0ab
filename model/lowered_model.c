/* SPDX-License-Identifier: MIT */
#include "model/lowered_model.h"

#include <stdlib.h>
#include "core/arena.h"

static const sgn_real *numbers(const sgn_transformer *m, int index) { return index < 0 ? NULL : m->params.at[index].tensor.data; }

static sgn_stored matrix(const sgn_transformer *m, int index) { return sgn_tensor_matrix(&m->params.at[index].tensor); }

static const sgn_real *norm_bias(const sgn_transformer *m, int norm) { return numbers(m, m->arch->layernorm ? norm + 1 : -1); }

static sgn_status lower_block(sgn_lowered_block *out, const sgn_transformer *m, const sgn_block *b, sgn_error *err) {
    out->attention_norm = numbers(m, b->attention_norm);
    out->attention_bias = norm_bias(m, b->attention_norm);
    out->mlp_norm = numbers(m, b->mlp_norm);
    out->mlp_bias = norm_bias(m, b->mlp_norm);
    out->q_norm = numbers(m, b->q_norm);
    out->k_norm = numbers(m, b->k_norm);
    for (int i = 0; i < SGN_LINEARS; i++) SGN_TRY(sgn_linear_lower(&b->linear[i], &out->linear[i], err));
    return SGN_OK;
}

sgn_status sgn_lowered_model_from(sgn_lowered_model *lm, const sgn_transformer *m, sgn_error *err) {
    *lm = (sgn_lowered_model){
        .config = m->config,
        .embedding = matrix(m, m->embedding),
        .positions = numbers(m, m->positions),
        .final_norm = numbers(m, m->final_norm),
        .final_bias = norm_bias(m, m->final_norm),
        .head = matrix(m, m->head),
        .blocks = calloc((size_t)m->config.layers, sizeof *lm->blocks),
    };
    if (!lm->blocks) SGN_FAIL(err, SGN_NOMEM, "no memory for %lld lowered blocks", (long long)m->config.layers);
    sgn_status s = SGN_OK;
    for (int64_t n = 0; s == SGN_OK && n < m->config.layers; n++) s = lower_block(&lm->blocks[n], m, &m->blocks[n], err);
    if (s != SGN_OK) sgn_lowered_model_free(lm);
    return s;
}

void sgn_lowered_model_free(sgn_lowered_model *lm) {
    free(lm->blocks);
    sgn_memory_free(lm->memory, lm->memory_bytes);
    *lm = (sgn_lowered_model){ 0 };
}
