/* xnor: W ~ a_i sign(W_ij), a_i = mean_j |W_ij|. SPDX-License-Identifier: MIT */
#include "binarize/binarizer.h"

static sgn_status fit(const sgn_binarize_layer *l, sgn_linear *to, float *q, sgn_binarize_report *r, sgn_error *err) {
    (void)err;
    sgn_binarize_copy(l, to);
    sgn_binarize_outer(l, sgn_binarize_param(to, "wscale")->data, NULL, q);
    r->kept = r->claimed = 1;
    r->stored = 1 + 16.0 / (double)l->in;
    return SGN_OK;
}

const sgn_binarizer sgn_binarizer_xnor = {
    .name = "xnor", .summary = "signs with the mean of each row's |W| (XNOR-Net)", .kind = "xnor", .fit = fit,
};
