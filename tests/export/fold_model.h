/* fold_model.h - models with scales of columns, tied or not, and logits of lowered models and of files.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TESTS_FOLD_MODEL_H
#define SGN_TESTS_FOLD_MODEL_H

#include "export/format.h"
#include "export/runtime.h"
#include "tests/export/small_model.h"

enum { FOLD_TOKENS = 23 };

static inline void lowered_logits(const sgn_lowered_model *lm, const int32_t *tokens, float *logits) {
    sgn_error err;
    sgn_runtime *r;
    const float *hidden;
    check_ok(sgn_runtime_open(&r, lm, &(sgn_runtime_options){ .context = SMALL_CONTEXT, .batch = FOLD_TOKENS }, &err), &err);
    check_ok(sgn_runtime_hidden(r, tokens, FOLD_TOKENS, &hidden, &err), &err);
    for (int t = 0; t < FOLD_TOKENS; t++) sgn_runtime_logits(r, hidden + t * lm->config.dim, logits + t * SMALL_VOCAB);
    sgn_runtime_close(r);
}

static inline void stored_logits(const char *where, const int32_t *tokens, float *logits) {
    sgn_error err;
    sgn_model_file *f;
    check_ok(sgn_model_file_open(&f, where, SGN_VERIFY_ALL, &err), &err);
    lowered_logits(sgn_model_file_lowered(f), tokens, logits);
    sgn_model_file_close(f);
}

static inline sgn_tensor *scale_of(sgn_transformer *m, int64_t block, int linear, int which) {
    const int index = m->blocks[block].linear[linear].p[which];
    return index < 0 ? NULL : &m->params.at[index].tensor;
}

/* Sizes as a half has them, kept away from 0; signs stay. */
static inline void round_scales(sgn_transformer *m) {
    for (int64_t n = 0; n < m->config.layers; n++)
        for (int k = 0; k < SGN_LINEARS; k++) {
            sgn_tensor *a = scale_of(m, n, k, 1);
            for (int64_t j = 0; a && j < sgn_numel(a->shape); j++) {
                const float size = sgn_f16_to_f32(sgn_f32_to_f16(0.004f + fabsf(a->data[j])));
                a->data[j] = a->data[j] < 0 ? -size : size;
            }
        }
}

/* {q, k, v} and {gate, up} get sizes of their first, each its own signs; o those of the first head that reads the same values. */
static inline void tie_scales(sgn_transformer *m) {
    static const int like[SGN_LINEARS] = { SGN_Q, SGN_Q, SGN_Q, SGN_O, SGN_GATE, SGN_GATE, SGN_DOWN };
    const int64_t hd = m->config.head_dim, group = m->config.heads / m->config.kv_heads;
    for (int64_t n = 0; n < m->config.layers; n++)
        for (int k = 0; k < SGN_LINEARS; k++) {
            const float *from = scale_of(m, n, like[k], 1)->data;
            sgn_tensor *a = scale_of(m, n, k, 1);
            for (int64_t j = 0; j < sgn_numel(a->shape); j++)
                a->data[j] = copysignf(from[k == SGN_O ? j / hd / group * group * hd + j % hd : j], a->data[j]);
        }
}

#endif
