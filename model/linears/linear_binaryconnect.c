/* binaryconnect: W ~ sign(W), latents clipped to [-1, 1] after every step (Courbariaux et al. 2015). Stochastic: P(+1) = (W + 1)/2
 * at every step of training, the sign itself otherwise.
 *
 * SPDX-License-Identifier: MIT */
#include "core/parallel.h"
#include "core/rng.h"
#include "model/linear.h"

enum { W };

static void clip(void *ctx, int64_t begin, int64_t end) {
    sgn_real *w = ctx;
    for (int64_t k = begin; k < end; k++) w[k] = w[k] < -1 ? -1 : w[k] > 1 ? 1 : w[k];
}

static void settle(sgn_params *p, int i) {
    sgn_param *w = &p->at[i];
    if (!p->warm) sgn_parallel(sgn_numel(w->tensor.shape), 1 << 14, clip, w->tensor.data);
    w->tensor.signs->draw = w->constant > 0 && p->step ? sgn_rng_bits(p->seed, sgn_rng_stream(w->name), p->step) | 1 : 0;
}

static const sgn_latent_rule rule = { .settle = settle };

static sgn_status declare(sgn_linear *l, const char *path, sgn_error *err) {
    SGN_TRY(sgn_linear_latent(l, path, "weight", sgn_shape2(l->out, l->in), SGN_CODE_BINARY, SGN_ESTIMATOR_IDENTITY, &l->p[W], err));
    l->params->at[l->p[W]].rule = &rule;
    l->params->at[l->p[W]].constant = l->config->stochastic;
    return SGN_OK;
}

static sgn_tensor *forward(const sgn_linear *l, sgn_tape *t, sgn_tensor *x) {
    return sgn_sign_matmul(t, x, sgn_linear_param(l, l->p[W]), NULL, NULL);
}

static sgn_status lower(const sgn_linear *l, sgn_lowered *out, sgn_error *err) {
    (void)err;
    sgn_chain_signs(&out->chain[out->count++], sgn_linear_param(l, l->p[W]));
    return SGN_OK;
}

const sgn_linear_kind sgn_linear_binaryconnect = {
    .name = "binaryconnect", .summary = "signs of latents kept in [-1, 1], without scales; model.stochastic draws them (BinaryConnect)",
    .declare = declare, .forward = forward, .lower = lower,
};
