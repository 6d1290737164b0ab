/* SPDX-License-Identifier: MIT */
#include "model/linear.h"

sgn_status sgn_linear_declare(sgn_linear *l, sgn_params *p, const sgn_model_config *c, const char *kind,
                              const char *path, int64_t in, int64_t out, bool bias, sgn_error *err) {
    *l = (sgn_linear){ .kind = sgn_linear_kind_find(kind), .params = p, .in = in, .out = out,
                       .p = { -1, -1, -1, -1, -1, -1 }, .bias = -1, .config = c };
    if (!l->kind) SGN_FAIL(err, SGN_CONFIG, "%s: there is no linear kind '%s'", path, kind);
    SGN_TRY(l->kind->declare(l, path, err));
    return bias ? sgn_params_add(p, SGN_PARAM_BIAS, sgn_shape1(out), &l->bias, err, "%s.bias", path) : SGN_OK;
}

sgn_tensor *sgn_linear_param(const sgn_linear *l, int index) {
    return index < 0 ? NULL : &l->params->at[index].tensor;
}

sgn_tensor *sgn_linear_forward(const sgn_linear *l, sgn_tape *t, sgn_tensor *x) {
    sgn_tensor *y = l->kind->forward(l, t, x);
    return l->bias < 0 ? y : sgn_add_bias(t, y, sgn_linear_param(l, l->bias));
}

void sgn_linear_derive(sgn_linear *l) {
    if (l->kind && l->kind->derive) l->kind->derive(l);
}

sgn_status sgn_linear_lower(const sgn_linear *l, sgn_lowered *out, sgn_error *err) {
    *out = (sgn_lowered){ 0 };
    if (!l->kind) return SGN_OK;
    if (l->bias >= 0) out->bias = sgn_linear_param(l, l->bias)->data;
    return l->kind->lower(l, out, err);
}
