/* low_rank.h - W ~ h_i (sum_r sign(U)_ir l_r sign(V)_jr) g_j: where LittleBit starts.
 *
 *     Dual-SVID   W ~ P S Q^T of rank r; U = P sqrt S, V = Q sqrt S; |U| ~ h a^T, |V| ~ g b^T, each of rank one with the root of its
 *                 singular value in each factor; l = a . b                                    (Lee et al. 2025, LittleBit, arXiv 2506.13771)
 *     Joint-ITQ   before it U, V turn by the R that brings both near signs: Z = [U; V], B = sign(Z R), B^T Z = A D C^T, R = C A^T, again
 *                                                                                             (LittleBit-2, arXiv 2603.00042)
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_BINARIZE_LOW_RANK_H
#define SGN_BINARIZE_LOW_RANK_H

#include <stdint.h>
#include "core/status.h"

enum { SGN_ITQ_ROUNDS = 50 };

typedef struct {                       /* start zeroed */
    int64_t out, in, rank;
    double *u, *v;                     /* (out, rank), (in, rank): latents */
    double *h, *l, *g;                 /* (out), (rank), (in) */
} sgn_low_rank;

/* w (out, in). turn: an orthogonal R to begin with (rank, rank), turned for `rounds`; NULL: no rotation. rank <= out, in. */
sgn_status sgn_low_rank_fit(sgn_low_rank *f, const double *w, int64_t out, int64_t in, int64_t rank, const double *turn, int rounds, sgn_error *err);
void       sgn_low_rank_free(sgn_low_rank *f);
/* q (out, in) = what it stands for. */
sgn_status sgn_low_rank_value(const sgn_low_rank *f, double *q, sgn_error *err);
/* r (n, n) = the orthogonal factor of a matrix of normal numbers. */
sgn_status sgn_random_rotation(uint64_t seed, int64_t n, double *r, sgn_error *err);

#endif
