/* bitnet: y = b S Q(LN(x)), S = sign(W - mean W), b = mean |W| over the matrix, LN without gain, Q a grid of 8 bits per token
 * (Wang et al. 2023, BitNet b1, arXiv 2310.11453; their training quantises per tensor). dW = b dy^T Q(LN(x)), straight through.
 *
 * SPDX-License-Identifier: MIT */
#include "model/latent_stats.h"
#include "model/linear.h"

enum { W, SCALE };

static void settle(sgn_params *p, int i) {
    const sgn_tensor *w = &p->at[i].tensor;
    w->signs->center = (sgn_real)sgn_latent_mean(w);
    p->at[p->at[i].scale].tensor.data[0] = (sgn_real)sgn_latent_mean_abs(w);
}

static const sgn_latent_rule rule = { .settle = settle };

static sgn_status declare(sgn_linear *l, const char *path, sgn_error *err) {
    SGN_TRY(sgn_linear_latent(l, path, "weight", sgn_shape2(l->out, l->in), SGN_CODE_BINARY, SGN_ESTIMATOR_IDENTITY, &l->p[W], err));
    SGN_TRY(sgn_params_add(l->params, SGN_PARAM_DERIVED, sgn_shape1(1), &l->p[SCALE], err, "%s.wscale", path));
    l->params->at[l->p[W]].rule = &rule;
    l->params->at[l->p[W]].scale = l->p[SCALE];
    return SGN_OK;
}

static sgn_tensor *forward(const sgn_linear *l, sgn_tape *t, sgn_tensor *x) {
    x = sgn_quant_act(t, sgn_layernorm(t, x, NULL, NULL, l->config->rms_eps));
    return sgn_row_affine(t, sgn_sign_matmul(t, x, sgn_linear_param(l, l->p[W]), NULL, NULL), NULL, sgn_linear_param(l, l->p[SCALE]), NULL);
}

static sgn_status lower(const sgn_linear *l, sgn_lowered *out, sgn_error *err) {
    (void)err;
    sgn_chain *c = &out->chain[out->count++];
    sgn_chain_plain(c, SGN_STAGE_LAYER_NORM, l->in);
    sgn_chain_plain(c, SGN_STAGE_QUANT_ACT, l->in);
    sgn_chain_signs(c, sgn_linear_param(l, l->p[W]));
    sgn_chain_scale(c, sgn_linear_param(l, l->p[SCALE]), "wscale");
    return SGN_OK;
}

const sgn_linear_kind sgn_linear_bitnet = {
    .name = "bitnet", .summary = "signs of W - mean W, one scale, LayerNorm and 8-bit activations in front (BitNet b1)",
    .declare = declare, .forward = forward, .lower = lower,
};
