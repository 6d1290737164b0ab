/* gemv.h - few rows of x times a matrix of signs, straight from its bit planes or codes: no table, no index, no copy.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_GEMV_H
#define SGN_CORE_GEMV_H

#include "core/coded.h"

/* Y = (X . in_scale) S^T . out_scale + row_add 1^T, or Y += that. With groups S is v_ig S_ij in group g of the columns. */
typedef struct {
    int64_t          m;            /* rows of x, at most SGN_GEMV_ROWS */
    const sgn_real  *x;            /* (m, cols), rows ldx apart */
    int64_t          ldx;
    const sgn_real  *in_scale;     /* (cols) or NULL: ones */
    sgn_code         code;         /* BINARY: one plane of signs; TERNARY: planes of +1 and of -1; else codes */
    const sgn_plane *plane[2];     /* (rows, cols) */
    const sgn_coded *coded;        /* (rows, cols), without groups of scales */
    int64_t          group;        /* columns, a multiple of 64; 0: no groups */
    const sgn_real  *group_scale;  /* (rows, groups) */
    const sgn_real  *out_scale;    /* (rows) or NULL: ones */
    const sgn_real  *row_add;      /* (m) or NULL: zeros */
    bool             int8;         /* x . in_scale is rounded to 8 bits, by its largest, per row; else to 31 bits, of codes 28 */
    bool             add;          /* Y += instead of Y = */
    sgn_real        *y;            /* (m, rows), rows ldy apart */
    int64_t          ldy;
} sgn_gemv;

enum { SGN_GEMV_ROWS = 8 };        /* most rows of one call */

size_t sgn_gemv_bytes(sgn_code code, int64_t m, int64_t cols, bool int8);         /* of `work`, 64-byte aligned */
/* Over all threads; sums of integers, so the same bits for any number of them and whatever rows are beside. */
void   sgn_gemv_run(const sgn_gemv *p, void *work);
/* Up to SGN_GEMV_TOGETHER products that need nothing of each other, with the same bits; threads start once. What has the x and in_scale
 * of the first is prepared with it. */
enum { SGN_GEMV_TOGETHER = 4 };
void   sgn_gemv_run_all(const sgn_gemv *p, int count, void *const *work);

#endif
