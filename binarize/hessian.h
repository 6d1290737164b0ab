/* hessian.h - the second moments of a layer's inputs, and what quantising by them needs.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_BINARIZE_HESSIAN_H
#define SGN_BINARIZE_HESSIAN_H

#include <stdint.h>
#include "core/status.h"

/* H += a X^T X; x (tokens, in), h (in, in). */
void   sgn_hessian_add(float *h, const float *x, int64_t tokens, int64_t in, double a);
/* tr(D H D^T), d (out, in); scratch (out, in). */
double sgn_hessian_loss(const float *d, const float *h, int64_t out, int64_t in, float *scratch);

typedef struct {
    double *u;                 /* (in, in), upper: (H + damping)^-1 = U^T U */
    double  damping;           /* in means of H's diagonal */
    int64_t dead;              /* inputs that are always 0: their H_jj became 1 */
} sgn_hessian_factor;

/* Damps by 0.01 of the mean diagonal, ten times as much while there is no Cholesky factor, 1 at most. */
sgn_status sgn_hessian_factor_init(sgn_hessian_factor *f, const float *h, int64_t in, const char *path, sgn_error *err);
void       sgn_hessian_factor_free(sgn_hessian_factor *f);

#endif
