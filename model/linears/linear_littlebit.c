/* littlebit: y = sum over paths of h . (U (l . (V (g . x)))), U = sign(u) (out, rank), V = sign(v) (rank, in), the scales learned
 * (Lee et al. 2025, LittleBit, arXiv 2506.13771; V is their V^T). Rank times (out + in) bits for out times in weights: any size.
 * Estimator 100 (1 - tanh^2 100 w) where model.estimator is auto. From random factors g = l = 1 and h = init_std / sqrt rank, so that
 * an entry of h U V g varies as one of a random weight does.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include "model/linear.h"
#include "model/littlebit_rank.h"

enum { U, V, G, L, H, PATH };                  /* the second path's follow the first's */

static int paths(const sgn_linear *l) { return l->config->paths == 2 ? 2 : 1; }

static sgn_status declare_path(sgn_linear *l, const char *path, int k, int64_t rank, sgn_error *err) {
    const char *end = k ? "2" : "";
    int *p = l->p + k * PATH;
    char name[16];
    snprintf(name, sizeof name, "u%s", end);
    SGN_TRY(sgn_linear_latent(l, path, name, sgn_shape2(l->out, rank), SGN_CODE_BINARY, SGN_ESTIMATOR_SMOOTH, &p[U], err));
    snprintf(name, sizeof name, "v%s", end);
    SGN_TRY(sgn_linear_latent(l, path, name, sgn_shape2(rank, l->in), SGN_CODE_BINARY, SGN_ESTIMATOR_SMOOTH, &p[V], err));
    SGN_TRY(sgn_params_add(l->params, SGN_PARAM_SCALE, sgn_shape1(l->in), &p[G], err, "%s.in_scale%s", path, end));
    SGN_TRY(sgn_params_add(l->params, SGN_PARAM_SCALE, sgn_shape1(rank), &p[L], err, "%s.rank_scale%s", path, end));
    return sgn_params_add(l->params, SGN_PARAM_SCALE, sgn_shape1(l->out), &p[H], err, "%s.out_scale%s", path, end);
}

static sgn_status declare(sgn_linear *l, const char *path, sgn_error *err) {
    const int64_t rank = sgn_littlebit_rank(l->out, l->in, l->config->bits, paths(l));
    if (rank == 0)
        SGN_FAIL(err, SGN_CONFIG, "%s: model.bits = %g leaves no room for factors of rank 8 beside the scales of %lld x %lld; at least %.3g can be had",
                 path, l->config->bits, (long long)l->out, (long long)l->in, sgn_littlebit_bits(l->out, l->in, 8, paths(l)));
    for (int k = 0; k < paths(l); k++) SGN_TRY(declare_path(l, path, k, rank, err));
    return SGN_OK;
}

static void fill(sgn_tensor *x, double value) {
    for (int64_t i = 0; i < sgn_numel(x->shape); i++) x->data[i] = (sgn_real)value;
}

static void derive(sgn_linear *l) {
    for (int k = 0; k < paths(l); k++) {
        const int *p = l->p + k * PATH;
        const double rank = (double)sgn_linear_param(l, p[V])->shape.dim[0];
        fill(sgn_linear_param(l, p[G]), 1);
        fill(sgn_linear_param(l, p[L]), 1);
        fill(sgn_linear_param(l, p[H]), l->config->init_std / sqrt(rank * paths(l)));
    }
}

static sgn_tensor *forward_path(const sgn_linear *l, const int *p, sgn_tape *t, sgn_tensor *x) {
    x = sgn_sign_matmul(t, x, sgn_linear_param(l, p[V]), sgn_linear_param(l, p[G]), NULL);
    x = sgn_sign_matmul(t, x, sgn_linear_param(l, p[U]), sgn_linear_param(l, p[L]), NULL);
    return sgn_row_affine(t, x, NULL, sgn_linear_param(l, p[H]), NULL);
}

static sgn_tensor *forward(const sgn_linear *l, sgn_tape *t, sgn_tensor *x) {
    sgn_tensor *y = forward_path(l, l->p, t, x);
    return paths(l) == 1 ? y : sgn_add(t, y, forward_path(l, l->p + PATH, t, x));
}

static sgn_status lower(const sgn_linear *l, sgn_lowered *out, sgn_error *err) {
    static const char *const names[2][PATH] = { { "u", "v", "in_scale", "rank_scale", "out_scale" },
                                                { "u2", "v2", "in_scale2", "rank_scale2", "out_scale2" } };
    (void)err;
    for (int k = 0; k < paths(l); k++) {
        const int *p = l->p + k * PATH;
        sgn_chain *c = &out->chain[out->count++];
        sgn_chain_scale(c, sgn_linear_param(l, p[G]), names[k][G]);
        sgn_chain_signs(c, sgn_linear_param(l, p[V]));
        sgn_chain_scale(c, sgn_linear_param(l, p[L]), names[k][L]);
        sgn_chain_signs(c, sgn_linear_param(l, p[U]));
        sgn_chain_scale(c, sgn_linear_param(l, p[H]), names[k][H]);
        c->stage[1].name[0] = names[k][V], c->stage[3].name[0] = names[k][U];
    }
    return SGN_OK;
}

const sgn_linear_kind sgn_linear_littlebit = {
    .name = "littlebit", .summary = "a product of two sign matrices of low rank between three scales: model.bits per weight (LittleBit)",
    .declare = declare, .forward = forward, .derive = derive, .lower = lower,
};
