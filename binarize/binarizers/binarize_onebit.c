/* onebit: |W| ~ h g^T of rank one (SVID), latents 0.01 sign W as the released code has them (Xu et al. 2024, OneBit). The kind's
 * LayerNorm behind is none of W: this is where training starts. SPDX-License-Identifier: MIT */
#include "binarize/binarizer.h"

static sgn_status fit(const sgn_binarize_layer *l, sgn_linear *to, float *q, sgn_binarize_report *r, sgn_error *err) {
    (void)err;
    sgn_binarize_copy(l, to);
    sgn_binarize_outer(l, sgn_binarize_param(to, "out_scale")->data, sgn_binarize_param(to, "in_scale")->data, q);
    sgn_real *w = sgn_binarize_param(to, "weight")->data;
    for (int64_t k = 0; k < l->out * l->in; k++) w[k] = w[k] >= 0 ? (sgn_real)0.01 : (sgn_real)-0.01;
    r->kept = r->claimed = 1;
    r->stored = 1 + 16.0 / (double)l->in + 16.0 / (double)l->out;
    return SGN_OK;
}

const sgn_binarizer sgn_binarizer_onebit = {
    .name = "onebit", .summary = "OneBit's start: signs, and scales that are |W|'s rank-one factors; needs training", .kind = "onebit", .fit = fit,
};
