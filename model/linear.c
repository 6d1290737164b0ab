/* SPDX-License-Identifier: MIT */
#include "model/linear.h"

#include <string.h>

sgn_status sgn_linear_declare(sgn_linear *l, sgn_params *p, const sgn_model_config *c, const char *kind,
                              const char *path, int64_t in, int64_t out, bool bias, sgn_error *err) {
    *l = (sgn_linear){ .kind = sgn_linear_kind_find(kind), .params = p, .in = in, .out = out,
                       .p = { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 }, .bias = -1, .config = c };
    if (!l->kind) SGN_FAIL(err, SGN_CONFIG, "%s: there is no linear kind '%s'", path, kind);
    SGN_TRY(l->kind->declare(l, path, err));
    return bias ? sgn_params_add(p, SGN_PARAM_BIAS, sgn_shape1(out), &l->bias, err, "%s.bias", path) : SGN_OK;
}

bool sgn_linear_own_estimator(const sgn_linear *l) {
    return !*l->config->estimator || strcmp(l->config->estimator, "auto") == 0;
}

sgn_status sgn_linear_latent(sgn_linear *l, const char *path, const char *name, sgn_shape shape, sgn_code code,
                             sgn_estimator own, int *index, sgn_error *err) {
    const char *asked = l->config->estimator;
    SGN_TRY(sgn_params_add(l->params, SGN_PARAM_LATENT, shape, index, err, "%s.%s", path, name));
    l->params->at[*index].code = code;
    l->params->at[*index].estimator = sgn_linear_own_estimator(l) ? own : sgn_estimator_find(asked);
    if (l->params->at[*index].estimator == SGN_ESTIMATORS)
        SGN_FAIL(err, SGN_CONFIG, "model.estimator: there is no '%s'; there are identity, clipped, approx, tanh, onebit and smooth", asked);
    return SGN_OK;
}

sgn_tensor *sgn_linear_param(const sgn_linear *l, int index) {
    return index < 0 ? NULL : &l->params->at[index].tensor;
}

sgn_tensor *sgn_linear_forward(const sgn_linear *l, sgn_tape *t, sgn_tensor *x) {
    sgn_tensor *y = l->params->warm && l->params->at[l->p[0]].class == SGN_PARAM_LATENT
                        ? sgn_matmul(t, x, sgn_linear_param(l, l->p[0])) : l->kind->forward(l, t, x);
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
