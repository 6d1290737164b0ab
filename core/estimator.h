/* estimator.h - what a straight-through gradient is multiplied by: f(w) stands for the derivative of sign at the latent w.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_ESTIMATOR_H
#define SGN_CORE_ESTIMATOR_H

#include "core/tensor.h"

/* word in a preset, f(w) */
#define SGN_ESTIMATOR_LIST(X)                                                                                       \
    X(IDENTITY, "identity", 1)                              /* Bengio et al. 2013; FBI-LLM, BitNet               */ \
    X(CLIPPED,  "clipped",  fabs(w) <= 1 ? 1 : 0)           /* Hubara et al. 2016, BNN                           */ \
    X(APPROX,   "approx",   fmax(0, 2 - 2 * fabs(w)))       /* ApproxSign, Liu et al. 2018, Bi-Real Net          */ \
    X(TANH,     "tanh",     1 - square(tanh(0.1 * w)))      /* k t (1 - tanh^2 t w), k = 10, t = 0.1: IR-Net 2020*/ \
    X(ONEBIT,   "onebit",   1.001 - square(tanh(w)))        /* Xu et al. 2024, OneBit                            */ \
    X(SMOOTH,   "smooth",   100 * (1 - square(tanh(100 * w)))) /* SmoothSign, Lee et al. 2025, LittleBit         */

typedef enum {
#define X(name, word, f) SGN_ESTIMATOR_##name,
    SGN_ESTIMATOR_LIST(X)
#undef X
    SGN_ESTIMATORS
} sgn_estimator;

const char *sgn_estimator_word(sgn_estimator e);
/* SGN_ESTIMATORS where there is none of this name. */
sgn_estimator sgn_estimator_find(const char *word);
/* g *= f(w), n numbers. */
void sgn_estimator_apply(sgn_estimator e, sgn_real *g, const sgn_real *w, int64_t n);

#endif
