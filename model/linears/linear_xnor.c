/* xnor: W ~ a_i sign(W_ij), a_i = mean_j |W_ij|, the best scale of each row in closed form (Rastegari et al. 2016, XNOR-Net,
 * binary weights), remade after every step. With G = dy^T x their gradient is dW = G . (1/n + a_i 1[|W| <= 1]), n the inputs.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include "model/latent_stats.h"
#include "model/linear.h"

enum { W, SCALE };

static void settle(sgn_params *p, int i) {
    sgn_latent_row_means(&p->at[i].tensor, p->at[p->at[i].scale].tensor.data);
}

/* The tape has made a_i G. */
static void estimate(sgn_params *p, int i, int64_t begin, int64_t end) {
    const sgn_tensor *w = &p->at[i].tensor;
    const sgn_real *a = p->at[p->at[i].scale].tensor.data;
    const int64_t n = w->shape.dim[1];
    for (int64_t r = begin; r < end; r++)
        for (int64_t k = r * n; k < (r + 1) * n; k++) {
            const double inside = fabs((double)w->data[k]) <= 1, own = a[r] > 0 ? 1 / ((double)n * (double)a[r]) : 0;
            w->grad[k] *= (sgn_real)(own + inside);
        }
}

static const sgn_latent_rule rule = { settle, estimate }, chosen = { .settle = settle };

static sgn_status declare(sgn_linear *l, const char *path, sgn_error *err) {
    SGN_TRY(sgn_linear_latent(l, path, "weight", sgn_shape2(l->out, l->in), SGN_CODE_BINARY, SGN_ESTIMATOR_IDENTITY, &l->p[W], err));
    SGN_TRY(sgn_params_add(l->params, SGN_PARAM_DERIVED, sgn_shape1(l->out), &l->p[SCALE], err, "%s.wscale", path));
    sgn_param *w = &l->params->at[l->p[W]];
    w->rule = sgn_linear_own_estimator(l) ? &rule : &chosen;
    w->scale = l->p[SCALE];
    return SGN_OK;
}

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

const sgn_linear_kind sgn_linear_xnor = {
    .name = "xnor", .summary = "signs with the mean of each row's |W| as its scale (XNOR-Net's binary weights)",
    .declare = declare, .forward = forward, .lower = lower,
};
