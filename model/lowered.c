/* SPDX-License-Identifier: MIT */
#include "model/lowered.h"

#include <stddef.h>

const char *sgn_stage_word(sgn_stage_kind k) {
    static const char *const word[] = {
#define X(name, text) text,
        SGN_STAGE_LIST(X)
#undef X
    };
    return k >= 0 && k < SGN_STAGE_COUNT ? word[k] : NULL;
}

void sgn_chain_signs(sgn_chain *c, const sgn_tensor *latent) {
    const sgn_signs *s = latent->signs;
    c->stage[c->count++] = (sgn_lowered_stage){
        .kind = s->rows_mask.word ? SGN_STAGE_MASKED_SIGN : SGN_STAGE_SIGN, .rows = s->rows.rows, .cols = s->rows.cols,
        .code = s->code, .plane = { s->rows, s->rows_mask }, .name = { "sign", s->rows_mask.word ? "mask" : NULL } };
}

void sgn_chain_scale(sgn_chain *c, const sgn_tensor *v, const char *name) {
    const sgn_lowered_stage *last = c->count ? &c->stage[c->count - 1] : NULL;
    const int64_t size = sgn_numel(v->shape), side = last ? last->rows : size;
    c->stage[c->count++] = (sgn_lowered_stage){ .kind = SGN_STAGE_SCALE, .rows = side, .cols = side, .v = v->data, .v_size = size,
                                                .name = { name } };
}

void sgn_chain_plain(sgn_chain *c, sgn_stage_kind kind, int64_t n) {
    c->stage[c->count++] = (sgn_lowered_stage){ .kind = kind, .rows = n, .cols = n };
}
