/* SPDX-License-Identifier: MIT */
/* y = round(s x) / s, s = 127 / max(max_j |x_tj|, 1e-5) of each token (BitNet b1.58, Ma et al. 2024);
 * straight-through: dx += dy. */
#include <math.h>
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/ops/op_rows.h"

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    (void)saved;
    if (!sgn_is_rank(n->in[0], 2)) return sgn_misfit(n, "x (tokens, width)", n->in[0], n->in[0], err);
    *out = n->in[0]->shape;
    return SGN_OK;
}

void sgn_quant_act_row(sgn_real *y, const sgn_real *x, int64_t n) {
    sgn_real most = (sgn_real)1e-5;
    for (int64_t j = 0; j < n; j++) most = most < (sgn_real)fabs((double)x[j]) ? (sgn_real)fabs((double)x[j]) : most;
    const sgn_real s = 127 / most;
    for (int64_t j = 0; j < n; j++) y[j] = (sgn_real)rint((double)(x[j] * s)) / s;
}

static void forward_rows(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const int64_t width = sgn_cols(n->out);
    for (int64_t t = begin; t < end; t++) sgn_quant_act_row(n->out->data + t * width, n->in[0]->data + t * width, width);
}

static void backward_span(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    sgn_kernels_get()->axpy(n->in[0]->grad + begin, 1, n->out->grad + begin, end - begin);
}

static void forward(const sgn_node *n) {
    sgn_parallel(sgn_rows(n->out), sgn_row_grain(sgn_cols(n->out)), forward_rows, (void *)n);
}
static void backward(const sgn_node *n) {
    if (n->in[0]->grad) sgn_parallel(sgn_numel(n->out->shape), SGN_OP_GRAIN, backward_span, (void *)n);
}

/* The identity, whose gradient the straight-through one is. */
static void smooth(const sgn_node *n) {
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++) n->out->data[k] = n->in[0]->data[k];
}

const sgn_op sgn_op_quant_act = { "quant_act", 1, 0, infer, forward, backward, smooth };

sgn_tensor *sgn_quant_act(sgn_tape *t, sgn_tensor *x) {
    return sgn_tape_apply(t, &sgn_op_quant_act, (sgn_tensor *[]){ x }, NULL);
}
