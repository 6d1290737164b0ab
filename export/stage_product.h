/* stage_product.h - a lowered layer's product with signs, from the planes or codes as they lie in memory or in a file: few rows by
 * sgn_gemv, many by the binary GEMM with an index made for the call, so that nothing is held between calls.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_STAGE_PRODUCT_H
#define SGN_EXPORT_STAGE_PRODUCT_H

#include "core/gemv.h"
#include "model/lowered.h"

typedef struct {
    const sgn_lowered_stage *stage;            /* SIGN, TERNARY, GROUP_SIGN or MASKED_SIGN with codes */
    const float *in_scale, *out_scale;         /* whole vectors or NULL: ones */
    bool         int8;                         /* what enters, times in_scale, is rounded to 8 bits per row */
} sgn_stage_product;

sgn_status sgn_stage_product_check(const sgn_stage_product *p, const char *layer, sgn_error *err);
/* Bytes of `room`, for m rows or fewer. */
size_t     sgn_stage_product_room(const sgn_stage_product *p, int64_t m);
/* y (m, rows) = x (m, cols) S^T with both scales, plus row_add (m) or NULL; or y += that. room: 64-byte aligned. */
void       sgn_stage_product_run(const sgn_stage_product *p, const float *x, int64_t m, const float *row_add, bool add, float *y,
                                 void *room);
/* Does it go by sgn_gemv, and as what; room is then its work. */
bool       sgn_stage_product_few(const sgn_stage_product *p, int64_t m);
sgn_gemv   sgn_stage_product_gemv(const sgn_stage_product *p, const float *x, int64_t m, const float *row_add, bool add, float *y);

#endif
