/* quantize.h - floats in the types of files: one number after the other, or blocks as ggml rounds them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_QUANTIZE_H
#define SGN_CORE_QUANTIZE_H

#include "core/dtype.h"

/* F32, F16, BF16, Q8_0, Q1_0, TQ1_0, TQ2_0. */
bool sgn_quantize_knows(sgn_dtype t);
/* out: n numbers, whole blocks, at any address; the layouts are those of core/kernels/blocks.inc. */
void sgn_quantize(sgn_dtype t, const float *x, int64_t n, void *out);
/* Is one rounding, of each block's d to a half, all that happens to them, by at most 2^-11 of `most`, the largest size of the matrix
 * that they are from? Of types that round every number, F16, BF16 and Q8_0: does each stay finite, whatever `most`? */
bool sgn_quantize_holds(sgn_dtype t, const float *x, int64_t n, float most);

#endif
