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

/* A latent weight matrix as the products see it: its signs in both orientations
 * and the index tables that the kernel set in use wants for them. */
struct sgn_signs {
    sgn_plane rows;            /* (out, in):  x -> y   */
    sgn_plane cols;            /* (in, out): dy -> dx  */
    void     *rows_index;      /* sgn_kernels.binary_index of `rows`, NULL if it wants none */
    void     *cols_index;
};

static inline int64_t sgn_plane_stride(int64_t cols) { return (cols + 63) / 64; }
static inline int sgn_plane_bit(const sgn_plane *p, int64_t i, int64_t j) {
    return (int)(p->word[i * p->stride + j / 64] >> (j % 64) & 1);
}
static inline sgn_real sgn_plane_sign(const sgn_plane *p, int64_t i, int64_t j) {
    return sgn_plane_bit(p, i, j) ? (sgn_real)1 : (sgn_real)-1;
}

/* Packs rows [begin, end) of w (rows, cols) into the plane; returns how many bits changed. */
int64_t sgn_plane_pack(sgn_plane *p, const sgn_real *w, int64_t begin, int64_t end);
/* out = +-1 (rows, cols). */
void    sgn_plane_unpack(const sgn_plane *p, sgn_real *out);
/* t (cols, rows) = p transposed, in parallel. */
void    sgn_plane_transpose(const sgn_plane *p, sgn_plane *t);

/* Index tables of the kernel set in use for this plane, in parallel; nothing where index is NULL. */
enum { SGN_INDEX_ROWS = 64 };          /* rows that one task indexes at a time */
void    sgn_plane_index(const sgn_plane *p, void *index);

/* Bytes of all buffers of a (out, in) sign matrix; they depend on the kernel set in use,
 * so sgn_kernels_use comes first. sgn_signs_place points *s into
 * `memory` (64-byte aligned, that many bytes, zeroed). */
size_t  sgn_signs_bytes(int64_t out, int64_t in);
void    sgn_signs_place(sgn_signs *s, int64_t out, int64_t in, void *memory);
/* From the row plane: the column plane and both index tables, in parallel. */
void    sgn_signs_refresh(sgn_signs *s);

#endif
