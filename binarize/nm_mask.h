/* nm_mask.h - which weights matter, and N of each M consecutive inputs of a row that matter most (Dong et al. 2024, STBLLM, arXiv 2408.01803).
 *
 *     S_ij = (|W_ij| / sum_i |W_ij| + |W_ij| / sum_j |W_ij|) sqrt(xn_j)        xn_j = sqrt(mean_t x_tj^2) = sqrt(H_jj / 2)
 *
 * Standardising S along a row, as the paper does, is increasing and so chooses the same.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_BINARIZE_NM_MASK_H
#define SGN_BINARIZE_NM_MASK_H

#include <stdint.h>
#include "core/status.h"

typedef struct {
    int64_t out, in;
    double *row, *col;         /* (out), (in): sums of |W|, of the whole layer */
    double *input;             /* (in): sqrt xn */
} sgn_importance;

/* Start zeroed. h (in, in). */
sgn_status sgn_importance_init(sgn_importance *s, const float *w, const float *h, int64_t out, int64_t in, sgn_error *err);
void       sgn_importance_free(sgn_importance *s);
/* Column sums of [first, last) anew, of weights that have changed. */
void       sgn_importance_columns(sgn_importance *s, const float *w, int64_t first, int64_t last);
double     sgn_importance_of(const sgn_importance *s, double w, int64_t i, int64_t j);

/* mask (rows, cols) = 1 for the n largest of each m consecutive of s (rows, cols), of equals the first; 0 else. m divides cols. */
void       sgn_nm_select(const double *s, int64_t rows, int64_t cols, int64_t n, int64_t m, uint8_t *mask);

#endif
