/* full: y = x W^T, the layer of every other framework. SPDX-License-Identifier: MIT */
#include "model/linear.h"

enum { W };

static sgn_status declare(sgn_linear *l, const char *path, sgn_error *err) {
    return sgn_params_add(l->params, SGN_PARAM_MATRIX, sgn_shape2(l->out, l->in), &l->p[W], err, "%s.weight", path);
}

static sgn_tensor *forward(const sgn_linear *l, sgn_tape *t, sgn_tensor *x) {
    return sgn_matmul(t, x, sgn_linear_param(l, l->p[W]));
}

static sgn_status lower(const sgn_linear *l, sgn_lowered *out, sgn_error *err) {
    (void)err;
    const sgn_lowered_stage w = { .kind = SGN_STAGE_DENSE, .rows = l->out, .cols = l->in,
                                  .w = sgn_tensor_matrix(sgn_linear_param(l, l->p[W])), .name = { "weight" } };
    out->chain[out->count++] = (sgn_chain){ { w }, 1 };
    return SGN_OK;
}

const sgn_linear_kind sgn_linear_full = {
    .name = "full", .summary = "full-precision weights",
    .declare = declare, .forward = forward, .lower = lower,
};
