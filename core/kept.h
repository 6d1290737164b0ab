/* kept.h - lists of the kept entries of an N:M matrix's columns, by which dX = dY S is computed.
 *
 * Column j of S keeps about (N/M) of its entries: dx_tj is the sum of those dy_ti, with their signs. For a pass of rows
 * i and a block of columns j the lists name the rows of each column, first those of +1, then those of -1. Columns lie
 * sorted by the lengths of their lists, so that loops over them end where the machine expects it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_KEPT_H
#define SGN_CORE_KEPT_H

#include "core/bits.h"

enum {
    SGN_KEPT_TOKENS = 32,      /* side by side: a row of dY^T in the first cache */
    SGN_KEPT_ROWS = 256,       /* of S in a pass, at most: their dY^T fills 32 KiB */
    SGN_KEPT_COLS = 512,       /* of S in a block, at most */
    SGN_KEPT_STEP = 4          /* lists are filled up to a multiple of this with a row of zeros behind those of the pass */
};

/* An entry i, as i * SGN_KEPT_TOKENS / 2: x86 addresses multiply by the 8 bytes of two floats. */
typedef uint16_t sgn_kept_entry;
typedef struct { uint16_t col, plus, minus; } sgn_kept_column;         /* its number in the block, entries of its lists */

typedef struct {
    int64_t   out, in;         /* of S */
    int64_t   passes, rows;    /* rows of a pass but the last, a multiple of 64 */
    int64_t   blocks, cols;    /* columns of a block but the last, a multiple of 64 */
    int64_t   stride;          /* bytes of a pass of a block */
    char     *memory;          /* (blocks, passes, stride): sgn_kept_column[columns of the block], then their entries */
} sgn_kept;

/* Whether dX of this code goes by lists. */
static inline bool sgn_kept_wanted(sgn_code code) { return code >= SGN_CODE_1_4; }

size_t   sgn_kept_bytes(sgn_code code, int64_t out, int64_t in);
/* Scratch of the kernels, for n columns of S: sums (n, tokens), a pass of dY^T and its row of zeros. */
static inline size_t sgn_kept_scratch(int64_t n) {
    return sizeof(sgn_real) * (size_t)(n + SGN_KEPT_ROWS + 1) * SGN_KEPT_TOKENS;
}
/* Of a matrix with such lists. */
sgn_kept sgn_kept_of(const sgn_signs *s);
/* The lists, from the column planes, in parallel. */
void     sgn_kept_make(const sgn_signs *s);

static inline const sgn_kept_column *sgn_kept_columns(const sgn_kept *l, int64_t block, int64_t pass) {
    return (const sgn_kept_column *)(const void *)(l->memory + (block * l->passes + pass) * l->stride);
}
static inline int64_t sgn_kept_cols(const sgn_kept *l, int64_t block) {
    return l->in - block * l->cols < l->cols ? l->in - block * l->cols : l->cols;
}
static inline int64_t sgn_kept_rows(const sgn_kept *l, int64_t pass) {
    return l->out - pass * l->rows < l->rows ? l->out - pass * l->rows : l->rows;
}

#endif
