/* onebit: y = LN(h . (S (g . x))), g per input, h per output, LayerNorm without gain behind (Xu et al. 2024, OneBit, arXiv 2402.11295);
 * estimator 1.001 - tanh^2 W. g and h start as the rank-1 factors of |W| ~ h g^T (SVID, their section 3.3).
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include "model/linear.h"
#include "model/row_col.h"

enum { W, G, H };
enum { ROUNDS = 30 };

static sgn_status declare(sgn_linear *l, const char *path, sgn_error *err) {
    SGN_TRY(sgn_linear_latent(l, path, "weight", sgn_shape2(l->out, l->in), SGN_CODE_BINARY, SGN_ESTIMATOR_ONEBIT, &l->p[W], err));
    SGN_TRY(sgn_params_add(l->params, SGN_PARAM_SCALE, sgn_shape1(l->in), &l->p[G], err, "%s.in_scale", path));
    return sgn_params_add(l->params, SGN_PARAM_SCALE, sgn_shape1(l->out), &l->p[H], err, "%s.out_scale", path);
}

static double norm(const sgn_real *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}
static void scale_by(sgn_real *x, int64_t n, double s) {
    for (int64_t i = 0; i < n; i++) x[i] = (sgn_real)((double)x[i] * s);
}

/* Power iteration, as alternating least squares |W| ~ h g^T (model/row_col.h); then each factor takes the root of the product's size. */
static void derive(sgn_linear *l) {
    const sgn_real *w = sgn_linear_param(l, l->p[W])->data;
    sgn_real *g = sgn_linear_param(l, l->p[G])->data, *h = sgn_linear_param(l, l->p[H])->data;
    for (int64_t j = 0; j < l->in; j++) g[j] = 1;
    for (int k = 0; k < ROUNDS; k++) sgn_row_col_round(w, l->out, l->in, h, g);
    const double a = norm(g, l->in), b = norm(h, l->out), root = sqrt(a * b);
    scale_by(g, l->in, a > 0 ? root / a : 0);
    scale_by(h, l->out, b > 0 ? root / b : 0);
}

static sgn_tensor *forward(const sgn_linear *l, sgn_tape *t, sgn_tensor *x) {
    sgn_tensor *y = sgn_sign_matmul(t, x, sgn_linear_param(l, l->p[W]), sgn_linear_param(l, l->p[G]), NULL);
    y = sgn_row_affine(t, y, NULL, sgn_linear_param(l, l->p[H]), NULL);
    return sgn_layernorm(t, y, NULL, NULL, l->config->rms_eps);
}

static sgn_status lower(const sgn_linear *l, sgn_lowered *out, sgn_error *err) {
    (void)err;
    sgn_chain *c = &out->chain[out->count++];
    sgn_chain_scale(c, sgn_linear_param(l, l->p[G]), "in_scale");
    sgn_chain_signs(c, sgn_linear_param(l, l->p[W]));
    sgn_chain_scale(c, sgn_linear_param(l, l->p[H]), "out_scale");
    sgn_chain_plain(c, SGN_STAGE_LAYER_NORM, l->out);
    return SGN_OK;
}

const sgn_linear_kind sgn_linear_onebit = {
    .name = "onebit", .summary = "signs between a scale per input and one per output, LayerNorm behind (OneBit)",
    .declare = declare, .forward = forward, .derive = derive, .lower = lower,
};
