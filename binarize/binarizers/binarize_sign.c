/* sign: W ~ alpha_j sign(W_ij) + beta_j, beta the mean of a column and alpha its mean deviation: how FBI-LLM starts. SPDX-License-Identifier: MIT */
#include "binarize/binarizer.h"

static sgn_status fit(const sgn_binarize_layer *l, sgn_linear *to, float *q, sgn_binarize_report *r, sgn_error *err) {
    (void)err;
    sgn_binarize_copy(l, to);
    const sgn_real *alpha = sgn_binarize_param(to, "wscale")->data, *beta = sgn_binarize_param(to, "wbias")->data;
    sgn_binarize_outer(l, NULL, alpha, q);
    for (int64_t k = 0; k < l->out * l->in; k++) q[k] += beta[k % l->in];
    r->kept = r->claimed = 1;
    r->stored = 1 + 32.0 / (double)l->out;
    return SGN_OK;
}

const sgn_binarizer sgn_binarizer_sign = {
    .name = "sign", .summary = "signs with a scale and a shift per column: where FBI-LLM starts", .kind = "fbi", .fit = fit,
};
