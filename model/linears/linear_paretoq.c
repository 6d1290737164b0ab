/* paretoq: W ~ a_i sign(W_ij), a_i learned, at least 1e-5 (Liu et al. 2025, ParetoQ, arXiv 2502.02631, 1 bit). With G = dy^T x:
 * dW = G 1[|W| <= a_i],  da_i = sum_j sign(W_ij) G_ij / sqrt(weights of the layer).
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include "model/latent_stats.h"
#include "model/linear.h"

enum { W, SCALE };

static void settle(sgn_params *p, int i) {
    sgn_tensor *a = &p->at[p->at[i].scale].tensor;
    for (int64_t r = 0; r < a->shape.dim[0]; r++)
        if (a->data[r] < (sgn_real)1e-5) a->data[r] = (sgn_real)1e-5;
}

/* The tape has made a_i G and all of da. */
static void estimate(sgn_params *p, int i, int64_t begin, int64_t end) {
    const sgn_param *at = &p->at[i];
    const sgn_tensor *w = &at->tensor, *a = &p->at[at->scale].tensor;
    const int64_t n = w->shape.dim[1];
    for (int64_t r = begin; r < end; r++) {
        a->grad[r] /= (sgn_real)sqrt((double)sgn_numel(w->shape));
        for (int64_t k = r * n; k < (r + 1) * n; k++)
            w->grad[k] = at->constant > 0 && fabs((double)w->data[k]) > (double)a->data[r] ? 0 : w->grad[k] / a->data[r];
    }
}

static const sgn_latent_rule rule = { settle, estimate };

static sgn_status declare(sgn_linear *l, const char *path, sgn_error *err) {
    SGN_TRY(sgn_linear_latent(l, path, "weight", sgn_shape2(l->out, l->in), SGN_CODE_BINARY, SGN_ESTIMATOR_IDENTITY, &l->p[W], err));
    SGN_TRY(sgn_params_add(l->params, SGN_PARAM_SCALE, sgn_shape1(l->out), &l->p[SCALE], err, "%s.wscale", path));
    sgn_param *w = &l->params->at[l->p[W]];
    w->rule = &rule;
    w->scale = l->p[SCALE];
    w->constant = sgn_linear_own_estimator(l);
    return SGN_OK;
}

static void derive(sgn_linear *l) { sgn_latent_row_means(sgn_linear_param(l, l->p[W]), sgn_linear_param(l, l->p[SCALE])->data); }

static sgn_tensor *forward(const sgn_linear *l, sgn_tape *t, sgn_tensor *x) {
    return sgn_row_affine(t, sgn_sign_matmul(t, x, sgn_linear_param(l, l->p[W]), NULL, NULL), NULL, sgn_linear_param(l, l->p[SCALE]), NULL);
}

static sgn_status lower(const sgn_linear *l, sgn_lowered *out, sgn_error *err) {
    (void)err;
    sgn_chain *c = &out->chain[out->count++];
    sgn_chain_signs(c, sgn_linear_param(l, l->p[W]));
    sgn_chain_scale(c, sgn_linear_param(l, l->p[SCALE]), "wscale");
    return SGN_OK;
}

const sgn_linear_kind sgn_linear_paretoq = {
    .name = "paretoq", .summary = "signs with a learned scale per row, gradients only where |W| is below it (ParetoQ, 1 bit)",
    .declare = declare, .forward = forward, .derive = derive, .lower = lower,
};
