/* fbi: W ~ alpha_j sign(W_ij) + beta_j (Ma et al. 2024, FBI-LLM, arXiv 2407.07093), and by row, tensor or group of 128.
 *
 * SPDX-License-Identifier: MIT */
#include "model/scaled_signs.h"

static sgn_status declare(sgn_linear *l, const char *path, sgn_error *err) {
    return sgn_scaled_signs_declare(l, path, SGN_CODE_BINARY, err);
}

const sgn_linear_kind sgn_linear_fbi = {
    .name = "fbi", .summary = "signs of latent weights with learned scales and shifts (FBI-LLM)", .declare = declare,
    .forward = sgn_scaled_signs_forward, .derive = sgn_scaled_signs_derive, .lower = sgn_scaled_signs_lower,
};
