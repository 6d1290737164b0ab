/* rotary.h - the angles of rotary positions, with the scalings that published models use.
 *
 * Pair j turns by theta^(-2j/d) a position, hence n_j = original theta^(-2j/d) / 2 pi times within the `original` positions.
 * A share 1 - k_j of that rate is divided by the factor s, rate_j = theta^(-2j/d) (k_j + (1 - k_j)/s):
 *     linear   k = 0                                              (Chen et al. 2023, position interpolation)
 *     llama3   k = (n_j - low)/(high - low) within [0, 1]         (Llama 3.1, its published model code)
 *     yarn     k = 1 - (j - J(high))/(J(low) - J(high)) within [0, 1], J(n) the (fractional) pair that turns n times,
 *              rounded outwards; cosines and sines times the magnitude  (Peng et al. 2023, arXiv 2309.00071)
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_ROTARY_H
#define SGN_MODEL_ROTARY_H

#include "core/tensor.h"
#include "model/model_config.h"

/* cosine, sine (positions, head_dim/2) of a resolved config. */
void sgn_rope_tables(const sgn_model_config *c, int64_t positions, sgn_real *cosine, sgn_real *sine);

#endif
