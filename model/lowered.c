/* SPDX-License-Identifier: MIT */
#include "model/lowered.h"

#include <stddef.h>
#include "core/checked.h"
#include "core/parallel.h"

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

/* --- masked signs ---------------------------------------------------------------------------------------- */

enum { ROWS = 64 };                            /* of a task */

typedef struct { const sgn_lowered_stage *from; sgn_lowered_stage *to; uint8_t *byte; } settle_job;

static void settle_rows(void *ctx, int64_t begin, int64_t end) {
    const settle_job *j = ctx;
    const sgn_plane *sign = &j->from->plane[0], *mask = &j->from->plane[1];
    if (j->byte) {
        sgn_coded_pack(j->from->code, sign, mask, begin, end, j->byte);
        return;
    }
    for (int64_t w = begin * sign->stride; w < end * sign->stride; w++) {
        j->to->plane[0].word[w] = sign->word[w] & mask->word[w];
        j->to->plane[1].word[w] = ~sign->word[w] & mask->word[w];
    }
}

size_t sgn_masked_bytes(const sgn_lowered_stage *s) {
    if (s->kind != SGN_STAGE_MASKED_SIGN || s->coded.byte) return 0;
    if (sgn_coded_bits(s->code)) return sgn_round_up((size_t)(s->rows * sgn_coded_stride(s->code, s->cols)), sizeof(uint64_t));
    return 2 * (size_t)(s->rows * s->plane[0].stride) * sizeof(uint64_t);
}

sgn_lowered_stage sgn_masked_settle(const sgn_lowered_stage *s, void *memory) {
    sgn_lowered_stage to = *s;
    settle_job j = { s, &to, NULL };
    if (!sgn_masked_bytes(s)) return to;
    if (sgn_coded_bits(s->code)) {
        j.byte = memory;
        to.coded = (sgn_coded){ s->code, s->rows, s->cols, j.byte };
        to.plane[0].word = to.plane[1].word = NULL;
        to.name[0] = "codes", to.name[1] = NULL;
    } else {
        to.kind = SGN_STAGE_TERNARY;
        for (int i = 0; i < 2; i++) to.plane[i].word = memory ? (uint64_t *)memory + i * s->rows * s->plane[0].stride : NULL;
        to.name[0] = "plus", to.name[1] = "minus";
    }
    if (memory) sgn_parallel(s->rows, ROWS, settle_rows, &j);
    return to;
}
