/* row_col.h - W ~ h_i g_j sign(W_ij) by alternating least squares (ARB-RC, Li et al. 2024, ARB-LLM, arXiv 2410.03129).
 *
 *     start  h_i = mean_j |W_ij|                       g_j = mean_i |W_ij| / h_i
 *     round  h_i = sum_j |W_ij| g_j / sum_j g_j^2      g_j = sum_i |W_ij| h_i / sum_i h_i^2
 * Each half minimises |W - h g . sign W|^2 over one vector, so the error never grows.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_ROW_COL_H
#define SGN_MODEL_ROW_COL_H

#include "core/tensor.h"

enum { SGN_ROW_COL_ROUNDS = 15 };          /* the paper's */

/* w (out, in), h (out), g (in). */
void sgn_row_col_start(const sgn_real *w, int64_t out, int64_t in, sgn_real *h, sgn_real *g);
void sgn_row_col_round(const sgn_real *w, int64_t out, int64_t in, sgn_real *h, sgn_real *g);

#endif
