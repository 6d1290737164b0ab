/* scaled_signs.h - the linear layer that several kinds are: signs of one latent with learned scales alpha and shifts beta.
 * With S = sign(W), or 0 where the code keeps nothing:
 *     column    y_i = sum_j (alpha_j S_ij + beta_j) x_j           FBI-LLM (Ma et al. 2024)
 *     row       y_i = alpha_i sum_j S_ij x_j + beta_i sum_j x_j
 *     tensor    the same with one alpha and one beta
 *     group128  y_i = sum_g alpha_ig sum_{j in g} S_ij x_j        no shift, no code but binary
 * Straight-through to all of W: dW = alpha . dy^T x; docs/linear-kinds.md derives it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_SCALED_SIGNS_H
#define SGN_MODEL_SCALED_SIGNS_H

#include "model/linear.h"

/* Parameters X.weight, X.wscale, X.wbias as p[0], p[1], p[2]. */
sgn_status  sgn_scaled_signs_declare(sgn_linear *l, const char *path, sgn_code code, sgn_error *err);
sgn_tensor *sgn_scaled_signs_forward(const sgn_linear *l, sgn_tape *t, sgn_tensor *x);
void        sgn_scaled_signs_derive(sgn_linear *l);
sgn_status  sgn_scaled_signs_lower(const sgn_linear *l, sgn_lowered *out, sgn_error *err);

#endif
