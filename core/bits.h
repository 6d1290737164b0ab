/* bits.h - sign matrices as bit planes: what a binary layer is made of.
 *
 * sign(w) = +1 for w >= 0 (so for -0.0 too), -1 else: bit 1 is +1. Every part of
 * the project that turns a weight into a bit calls the same kernel (pack_signs).
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_BITS_H
#define SGN_CORE_BITS_H

#include <stddef.h>
#include <stdint.h>
#include "core/status.h"
#include "core/tensor.h"

/* Bit j of row i is word[i*stride + j/64] >> (j%64) & 1. Padding bits are 0. */
typedef struct {
    int64_t   rows, cols;
    int64_t   stride;          /* 64-bit words per row: ceil(cols/64) */
    uint64_t *word;            /* (rows, stride) */
} sgn_plane;

/* Which entries of a sign matrix are kept as +-1; a second plane, the mask, has bit 1 for them, the others are 0.
 * N of M: exactly N of each M consecutive columns of a row, the first of them at a multiple of M; where the
 * columns end in a group of fewer than M, N of that or all. */
typedef enum {
    SGN_CODE_BINARY,           /* all; there is no mask */
    SGN_CODE_TERNARY,          /* any */
    SGN_CODE_1_4, SGN_CODE_1_8, SGN_CODE_1_16, SGN_CODE_2_8,
    SGN_CODES
} sgn_code;

typedef struct { const char *name; int kept, of; } sgn_code_info;      /* "1:8", 1, 8; kept 0: not by groups */
const sgn_code_info *sgn_code_get(sgn_code code);
/* log2 of how many there are of m signs with n kept, C(m,n) 2^n, each; and of a code's entries: the fewest bits that hold any. */
double     sgn_pattern_bits(int n, int m);
double     sgn_code_bits(sgn_code code);
/* SGN_CONFIG where no code has this name. */
sgn_status sgn_code_find(sgn_code *code, const char *name, sgn_error *err);

/* A latent weight matrix as the products see it: its signs, and mask, in both orientations
 * and the index tables that the kernel set in use wants for them. */
struct sgn_signs {
    sgn_code  code;            /* of the rows; the columns of a masked matrix hold any number of entries */
    sgn_real  center;          /* signs are those of w - center, which is 0 unless a latent's rule says otherwise */
    uint64_t  draw;            /* not 0: signs of w - u, u uniform in (-1, 1) by this number, so P(+1) = (w + 1)/2 (binary code) */
    sgn_real  cut;             /* ternary: |w| > cut is kept; a latent's rule sets it */
    sgn_plane rows;            /* (out, in):  x -> y   */
    sgn_plane cols;            /* (in, out): dy -> dx  */
    sgn_plane rows_mask;       /* word NULL without mask */
    sgn_plane cols_mask;
    void     *rows_index;      /* sgn_kernels.binary_index of the rows, NULL if it wants none */
    void     *cols_index;
    void     *cols_kept;       /* N:M codes: lists (core/kept.h) instead of cols_index, else NULL */
};

static inline int64_t sgn_plane_stride(int64_t cols) { return (cols + 63) / 64; }
static inline int sgn_plane_bit(const sgn_plane *p, int64_t i, int64_t j) {
    return (int)(p->word[i * p->stride + j / 64] >> (j % 64) & 1);
}
static inline sgn_real sgn_plane_sign(const sgn_plane *p, int64_t i, int64_t j) {
    return sgn_plane_bit(p, i, j) ? (sgn_real)1 : (sgn_real)-1;
}

/* The sign matrix's entry: +1, -1 or 0. */
static inline int sgn_signs_at(const sgn_signs *s, int64_t i, int64_t j) {
    return s->rows_mask.word && !sgn_plane_bit(&s->rows_mask, i, j) ? 0 : sgn_plane_bit(&s->rows, i, j) ? 1 : -1;
}

/* Packs rows [begin, end) of w (rows, cols) into the plane; returns how many bits changed. */
int64_t sgn_plane_pack(sgn_plane *p, const sgn_real *w, int64_t begin, int64_t end);
/* out = +-1 (rows, cols). */
void    sgn_plane_unpack(const sgn_plane *p, sgn_real *out);
/* t (cols, rows) = p transposed, in parallel. */
void    sgn_plane_transpose(const sgn_plane *p, sgn_plane *t);

/* Index table of the kernel set in use for this plane, all kept, in parallel; nothing where index is NULL. */
enum { SGN_INDEX_ROWS = 64 };          /* rows that one task indexes at a time */
void    sgn_plane_index(const sgn_plane *p, void *index);

/* Bytes of all buffers of an (out, in) sign matrix; they depend on the kernel set in use,
 * so sgn_kernels_use comes first. sgn_signs_place points *s into
 * `memory` (64-byte aligned, that many bytes, zeroed). */
size_t  sgn_signs_bytes(sgn_code code, int64_t out, int64_t in);
void    sgn_signs_place(sgn_signs *s, sgn_code code, int64_t out, int64_t in, void *memory);
/* Rows [begin, end) of w (out, in) into the row planes: signs, and which are kept. N of M keeps the largest |w|,
 * of equals the first. Returns how many entries changed. */
int64_t sgn_signs_pack(sgn_signs *s, const sgn_real *w, int64_t begin, int64_t end);
/* From the row planes: the column planes and both index tables, in parallel. */
void    sgn_signs_refresh(sgn_signs *s);

#endif
