/* rowcol: y = h . (S (g . x)), g per input, h per output, both learned; dW = h_i g_j G_ij. They start as ARB-RC fits them to W
 * (model/row_col.h): OneBit's product without its norm, so that a layer of W can become one of signs and stay near what it was.
 *
 * SPDX-License-Identifier: MIT */
#include "model/linear.h"
#include "model/row_col.h"

enum { W, G, H };

static sgn_status declare(sgn_linear *l, const char *path, sgn_error *err) {
    SGN_TRY(sgn_linear_latent(l, path, "weight", sgn_shape2(l->out, l->in), SGN_CODE_BINARY, SGN_ESTIMATOR_IDENTITY, &l->p[W], err));
    SGN_TRY(sgn_params_add(l->params, SGN_PARAM_SCALE, sgn_shape1(l->in), &l->p[G], err, "%s.in_scale", path));
    return sgn_params_add(l->params, SGN_PARAM_SCALE, sgn_shape1(l->out), &l->p[H], err, "%s.out_scale", path);
}

static void derive(sgn_linear *l) {
    const sgn_real *w = sgn_linear_param(l, l->p[W])->data;
    sgn_real *g = sgn_linear_param(l, l->p[G])->data, *h = sgn_linear_param(l, l->p[H])->data;
    sgn_row_col_start(w, l->out, l->in, h, g);
    for (int k = 0; k < SGN_ROW_COL_ROUNDS; k++) sgn_row_col_round(w, l->out, l->in, h, g);
}

static sgn_tensor *forward(const sgn_linear *l, sgn_tape *t, sgn_tensor *x) {
    sgn_tensor *y = sgn_sign_matmul(t, x, sgn_linear_param(l, l->p[W]), sgn_linear_param(l, l->p[G]), NULL);
    return sgn_row_affine(t, y, NULL, sgn_linear_param(l, l->p[H]), NULL);
}

static sgn_status lower(const sgn_linear *l, sgn_lowered *out, sgn_error *err) {
    (void)err;
    sgn_chain *c = &out->chain[out->count++];
    sgn_chain_scale(c, sgn_linear_param(l, l->p[G]), "in_scale");
    sgn_chain_signs(c, sgn_linear_param(l, l->p[W]));
    sgn_chain_scale(c, sgn_linear_param(l, l->p[H]), "out_scale");
    return SGN_OK;
}

const sgn_linear_kind sgn_linear_rowcol = {
    .name = "rowcol", .summary = "signs between a learned scale per input and one per output (ARB-RC's form)",
    .declare = declare, .forward = forward, .derive = derive, .lower = lower,
};
