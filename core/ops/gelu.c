/* SPDX-License-Identifier: MIT */
/* y = x/2 (1 + tanh u) = x sigma(g), u = sqrt(2/pi) (x + a x^3), g = 2u, a = 0.044715
 *   = silu(g) h, h = x/g = 1/(sqrt(8/pi) (1 + a x^2)), so that the kernel of SwiGLU does it;
 * dx += dg g' + dh h', (dg, dh) the gradients of silu(g) h */
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/ops/op_rows.h"

enum { SPAN = 256 };
static const sgn_real cubic = (sgn_real)0.044715, twice = (sgn_real)1.5957691216057307117597842397375;   /* a, sqrt(8/pi) */

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    (void)saved;
    (void)err;
    *out = n->in[0]->shape;
    return SGN_OK;
}

static void split(const sgn_real *x, sgn_real *g, sgn_real *h, int64_t n) {
    for (int64_t j = 0; j < n; j++) {
        const sgn_real slope = twice * (1 + cubic * x[j] * x[j]);
        g[j] = x[j] * slope;
        h[j] = 1 / slope;
    }
}

void sgn_gelu_row(sgn_real *y, const sgn_real *x, int64_t n) {
    sgn_real g[SPAN], h[SPAN];
    for (int64_t at = 0; at < n; at += SPAN) {
        const int64_t m = n - at < SPAN ? n - at : SPAN;
        split(x + at, g, h, m);
        sgn_kernels_get()->swiglu(y + at, g, h, m);
    }
}

static void forward_span(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    sgn_gelu_row(n->out->data + begin, n->in[0]->data + begin, end - begin);
}

static void backward_some(const sgn_node *n, int64_t at, int64_t m) {
    const sgn_real *x = n->in[0]->data + at;
    sgn_real g[SPAN], h[SPAN], dg[SPAN] = { 0 }, dh[SPAN] = { 0 };
    split(x, g, h, m);
    sgn_kernels_get()->swiglu_back(dg, dh, n->out->grad + at, g, h, m);
    for (int64_t j = 0; j < m; j++)
        n->in[0]->grad[at + j] += dg[j] * twice * (1 + 3 * cubic * x[j] * x[j])
                                - dh[j] * 2 * cubic * x[j] * twice * h[j] * h[j];
}

static void backward_span(void *ctx, int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; at += SPAN) backward_some(ctx, at, end - at < SPAN ? end - at : SPAN);
}

static void forward(const sgn_node *n) {
    sgn_parallel(sgn_numel(n->out->shape), SGN_OP_GRAIN, forward_span, (void *)n);
}
static void backward(const sgn_node *n) {
    if (n->in[0]->grad) sgn_parallel(sgn_numel(n->out->shape), SGN_OP_GRAIN, backward_span, (void *)n);
}

const sgn_op sgn_op_gelu = { "gelu", 1, 0, infer, forward, backward, NULL };

sgn_tensor *sgn_gelu(sgn_tape *t, sgn_tensor *x) {
    return sgn_tape_apply(t, &sgn_op_gelu, (sgn_tensor *[]){ x }, NULL);
}
