/* bitnet158: y = s T Q(x), T = clamp(round(W / s), -1, 1), s = max(mean |W|, 1e-5) over the matrix, Q a grid of 8 bits per token
 * (Ma et al. 2024, BitNet b1.58, arXiv 2402.17764). dW = dy^T Q(x), straight through both roundings. q, k, v, gate and up read what
 * the block's norm has made; o and down have a norm of their own in front, as the released 2B4T model does.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>
#include "model/latent_stats.h"
#include "model/linear.h"

enum { W, SCALE, GAIN };

/* round(|w| / s) is 0 up to s/2, which rounds to even. */
static void settle(sgn_params *p, int i) {
    const double mean = sgn_latent_mean_abs(&p->at[i].tensor), s = mean > 1e-5 ? mean : 1e-5;
    p->at[i].tensor.signs->cut = (sgn_real)(s / 2);
    p->at[p->at[i].scale].tensor.data[0] = (sgn_real)s;
}

/* The tape has made s G. */
static void estimate(sgn_params *p, int i, int64_t begin, int64_t end) {
    const sgn_tensor *w = &p->at[i].tensor;
    const sgn_real s = p->at[p->at[i].scale].tensor.data[0];
    for (int64_t k = begin * w->shape.dim[1]; k < end * w->shape.dim[1]; k++) w->grad[k] /= s;
}

static const sgn_latent_rule rule = { settle, estimate };

static bool ends(const char *path, const char *word) {
    const size_t n = strlen(path), m = strlen(word);
    return n >= m && strcmp(path + n - m, word) == 0;
}

static sgn_status declare(sgn_linear *l, const char *path, sgn_error *err) {
    SGN_TRY(sgn_linear_latent(l, path, "weight", sgn_shape2(l->out, l->in), SGN_CODE_TERNARY, SGN_ESTIMATOR_IDENTITY, &l->p[W], err));
    SGN_TRY(sgn_params_add(l->params, SGN_PARAM_DERIVED, sgn_shape1(1), &l->p[SCALE], err, "%s.wscale", path));
    l->params->at[l->p[W]].rule = &rule;
    l->params->at[l->p[W]].scale = l->p[SCALE];
    if (!ends(path, ".o_proj") && !ends(path, ".down_proj")) return SGN_OK;
    return sgn_params_add(l->params, SGN_PARAM_SCALE, sgn_shape1(l->in), &l->p[GAIN], err, "%s.norm.weight", path);
}

static void derive(sgn_linear *l) {
    for (int64_t j = 0; l->p[GAIN] >= 0 && j < l->in; j++) sgn_linear_param(l, l->p[GAIN])->data[j] = 1;
}

static sgn_tensor *forward(const sgn_linear *l, sgn_tape *t, sgn_tensor *x) {
    if (l->p[GAIN] >= 0) x = sgn_rmsnorm(t, x, sgn_linear_param(l, l->p[GAIN]), l->config->rms_eps);
    x = sgn_sign_matmul(t, sgn_quant_act(t, x), sgn_linear_param(l, l->p[W]), NULL, NULL);
    return sgn_row_affine(t, x, NULL, sgn_linear_param(l, l->p[SCALE]), NULL);
}

static sgn_status lower(const sgn_linear *l, sgn_lowered *out, sgn_error *err) {
    (void)err;
    sgn_chain *c = &out->chain[out->count++];
    if (l->p[GAIN] >= 0) {
        sgn_chain_plain(c, SGN_STAGE_NORM, l->in);
        const sgn_tensor *gain = sgn_linear_param(l, l->p[GAIN]);
        c->stage[0].v = gain->data, c->stage[0].v_size = l->in, c->stage[0].name[0] = "norm.weight";
    }
    sgn_chain_plain(c, SGN_STAGE_QUANT_ACT, l->in);
    sgn_chain_signs(c, sgn_linear_param(l, l->p[W]));
    sgn_chain_scale(c, sgn_linear_param(l, l->p[SCALE]), "wscale");
    return SGN_OK;
}

const sgn_linear_kind sgn_linear_bitnet158 = {
    .name = "bitnet158", .summary = "-1, 0 or +1 with one scale, 8-bit activations, a norm in front (BitNet b1.58)",
    .declare = declare, .forward = forward, .derive = derive, .lower = lower,
};
