/* zoned: what STBLLM, BiLLM and their like leave (core/ops/zoned_weight.c): a zone for every weight, 0 pruned, 1 to 3 of three sizes, 4
 * salient with a second sign, and five scales for each row and 128 columns. Zones stay, signs and scales are learned further.
 * Without zones, as from random weights or ordinary ones: all in zone 1, its scale mean |W|.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include "model/linear.h"

enum { W, ZONE, SCALE };

static sgn_status declare(sgn_linear *l, const char *path, sgn_error *err) {
    SGN_TRY(sgn_linear_latent(l, path, "weight", sgn_shape2(l->out, l->in), SGN_CODE_BINARY, SGN_ESTIMATOR_IDENTITY, &l->p[W], err));
    SGN_TRY(sgn_params_add(l->params, SGN_PARAM_FIXED, sgn_shape2(l->out, l->in), &l->p[ZONE], err, "%s.zone", path));
    return sgn_params_add(l->params, SGN_PARAM_SCALE, sgn_shape2(l->out, sgn_zoned_scales(l->in)), &l->p[SCALE], err, "%s.wscale", path);
}

static void derive(sgn_linear *l) {
    const sgn_real *w = sgn_linear_param(l, l->p[W])->data;
    sgn_real *zone = sgn_linear_param(l, l->p[ZONE])->data, *scale = sgn_linear_param(l, l->p[SCALE])->data;
    for (int64_t k = 0; k < l->out * l->in; k++) zone[k] = 1;
    for (int64_t i = 0; i < l->out; i++)
        for (int64_t at = 0; at < l->in; at += SGN_ZONED_BLOCK, scale += SGN_ZONED_SCALES) {
            const int64_t n = l->in - at < SGN_ZONED_BLOCK ? l->in - at : SGN_ZONED_BLOCK;
            double sum = 0;
            for (int64_t j = 0; j < n; j++) sum += fabs((double)w[i * l->in + at + j]);
            for (int k = 0; k < SGN_ZONED_SCALES; k++) scale[k] = k ? 0 : (sgn_real)(sum / (double)n);
        }
}

static sgn_tensor *forward(const sgn_linear *l, sgn_tape *t, sgn_tensor *x) {
    return sgn_matmul(t, x, sgn_zoned_weight(t, sgn_linear_param(l, l->p[W]), sgn_linear_param(l, l->p[SCALE]), sgn_linear_param(l, l->p[ZONE])->data));
}

static sgn_status lower(const sgn_linear *l, sgn_lowered *out, sgn_error *err) {
    (void)err;
    const sgn_tensor *w = sgn_linear_param(l, l->p[W]), *scale = sgn_linear_param(l, l->p[SCALE]);
    const sgn_lowered_stage zones = { .kind = SGN_STAGE_ZONES, .rows = l->out, .cols = l->in, .latent = w->data,
                                      .zone = sgn_linear_param(l, l->p[ZONE])->data, .v = scale->data, .v_size = sgn_numel(scale->shape),
                                      .name = { "zones", "wscale" } };
    out->chain[out->count++] = (sgn_chain){ { zones }, 1 };
    return SGN_OK;
}

const sgn_linear_kind sgn_linear_zoned = {
    .name = "zoned", .summary = "signs in zones of sizes, pruned and salient ones, as STBLLM and BiLLM leave them",
    .declare = declare, .forward = forward, .derive = derive, .lower = lower,
};
