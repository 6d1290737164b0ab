/* arb-rc: W ~ h_i g_j sign(W_ij) by alternating least squares (model/row_col.h). SPDX-License-Identifier: MIT */
#include "binarize/binarizer.h"

static sgn_status fit(const sgn_binarize_layer *l, sgn_linear *to, float *q, sgn_binarize_report *r, sgn_error *err) {
    (void)err;
    sgn_binarize_copy(l, to);
    sgn_binarize_outer(l, sgn_binarize_param(to, "out_scale")->data, sgn_binarize_param(to, "in_scale")->data, q);
    r->kept = r->claimed = 1;
    r->stored = 1 + 16.0 / (double)l->in + 16.0 / (double)l->out;
    return SGN_OK;
}

const sgn_binarizer sgn_binarizer_arb_rc = {
    .name = "arb-rc", .summary = "signs with a scale per row and one per column, by least squares (ARB-LLM's RC)", .kind = "rowcol", .fit = fit,
};
