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

/* --- counting ------------------------------------------------------------------------------------- */

static int planes(sgn_stage_kind k) {
    return k == SGN_STAGE_SIGN || k == SGN_STAGE_GROUP_SIGN ? 1
         : k == SGN_STAGE_TERNARY || k == SGN_STAGE_MASKED_SIGN ? 2 : 0;
}

static bool is_binary(const sgn_lowered *l) {
    for (int c = 0; c < l->count; c++)
        for (int s = 0; s < l->chain[c].count; s++)
            if (planes(l->chain[c].stage[s].kind)) return true;
    return false;
}

static void count_dense(sgn_bit_count *n, int64_t numbers) {
    n->parameters += numbers;
    n->dense_bytes += numbers * (int64_t)sizeof(sgn_real);
}

static void count_matrix(sgn_bit_count *n, sgn_stored w, int64_t rows, int64_t cols) {
    n->parameters += rows * cols;
    n->dense_bytes += rows * (int64_t)sgn_stored_row_bytes(w.dtype, cols);
}

static void count_linear(sgn_bit_count *n, const sgn_lowered *l, int64_t out) {
    if (l->bias) count_dense(n, out);
    const bool binary = is_binary(l);
    for (int c = 0; c < l->count; c++) {
        for (int k = 0; k < l->chain[c].count; k++) {
            const sgn_lowered_stage *s = &l->chain[c].stage[k];
            const int64_t numbers = s->v_size + s->u_size;
            if (s->w.data) count_matrix(n, s->w, s->rows, s->cols);
            if (!binary) count_dense(n, numbers);
            else n->scales += numbers, n->binary_bytes += numbers * (int64_t)sizeof(sgn_real);
            if (planes(s->kind)) n->binary_weights += s->rows * s->cols;
            for (int i = 0; i < planes(s->kind); i++)
                n->binary_bytes += s->plane[i].rows * s->plane[i].stride * (int64_t)sizeof(uint64_t);
        }
    }
}

sgn_bit_count sgn_lowered_model_count(const sgn_lowered_model *lm) {
    const sgn_model_config *c = &lm->config;
    const int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    const int64_t out[SGN_LINEARS] = { q, kv, kv, c->dim, c->ffn, c->ffn, c->dim };
    sgn_bit_count n = { 0 };
    const int64_t norm = c->dim * (lm->final_bias ? 2 : 1);
    count_matrix(&n, lm->embedding, c->vocab, c->dim);
    if (lm->head.data != lm->embedding.data) count_matrix(&n, lm->head, c->vocab, c->dim);
    count_dense(&n, norm + (lm->positions ? c->context * c->dim : 0));
    for (int64_t b = 0; b < c->layers; b++) {
        count_dense(&n, 2 * norm + (lm->blocks[b].q_norm ? 2 * c->head_dim : 0));
        for (int i = 0; i < SGN_LINEARS; i++) count_linear(&n, &lm->blocks[b].linear[i], out[i]);
    }
    return n;
}
