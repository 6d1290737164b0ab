/* op_rows.h - what op files share: how loops are cut, and the words of a misfit.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_OPS_OP_ROWS_H
#define SGN_CORE_OPS_OP_ROWS_H

#include "core/op.h"
#include "core/parallel.h"

enum {
    SGN_OP_GRAIN = 16384,      /* reals per task of an elementwise loop */
    SGN_OP_COLS  = 128         /* columns per task of a sum over tokens: each task owns its
                                  columns and takes the tokens in order, so no partial sums */
};

static inline int64_t sgn_rows(const sgn_tensor *x) { return x->shape.dim[0]; }
static inline int64_t sgn_cols(const sgn_tensor *x) { return x->shape.dim[1]; }
/* Rows per task so that a task has about SGN_OP_GRAIN reals. */
static inline int64_t sgn_row_grain(int64_t width) {
    return width > 0 && width < SGN_OP_GRAIN ? SGN_OP_GRAIN / width : 1;
}
static inline bool sgn_is_rank(const sgn_tensor *x, int rank) { return x->shape.rank == rank; }
static inline bool sgn_is_vector(const sgn_tensor *x, int64_t n) {
    return x->shape.rank == 1 && x->shape.dim[0] == n;
}

/* sum_j x_j in eight lanes. */
static inline sgn_real sgn_sum(const sgn_real *x, int64_t n) {
    sgn_real lane[8] = { 0 }, tail = 0;
    int64_t j = 0;
    for (; j + 8 <= n; j += 8)
        for (int l = 0; l < 8; l++) lane[l] += x[j + l];
    for (; j < n; j++) tail += x[j];
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7])) + tail;
}

/* "OP wants WANTED, got (..) and (..)"; b may be NULL. */
static inline sgn_status sgn_misfit(const sgn_node *n, const char *wanted, const sgn_tensor *a,
                                    const sgn_tensor *b, sgn_error *err) {
    sgn_shape_text s, t;
    return SGN_ERROR(err, SGN_SHAPE, "%s wants %s, got %s%s%s", n->op->name, wanted,
                     sgn_shape_print(a->shape, &s), b ? " and " : "", b ? sgn_shape_print(b->shape, &t) : "");
}

#endif
