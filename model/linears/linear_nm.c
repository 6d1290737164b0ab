/* nm: of each M consecutive inputs of a row the N largest |W_ij| keep their sign, the others are 0, chosen anew at every step:
 * W ~ alpha_j m_ij sign(W_ij) + beta_j. Below one bit per weight: log2(C(M, N)) + N bits per M weights, packed in whole bits.
 *
 * SPDX-License-Identifier: MIT */
#include "model/scaled_signs.h"

static sgn_status declare(sgn_linear *l, const char *path, sgn_error *err) {
    sgn_code code;
    SGN_TRY(sgn_code_find(&code, l->config->keep, err));
    return sgn_scaled_signs_declare(l, path, code, err);
}

const sgn_linear_kind sgn_linear_nm = {
    .name = "nm", .summary = "signs of the N largest of every M inputs (model.keep), the others 0: below one bit", .declare = declare,
    .forward = sgn_scaled_signs_forward, .derive = sgn_scaled_signs_derive, .lower = sgn_scaled_signs_lower,
};
