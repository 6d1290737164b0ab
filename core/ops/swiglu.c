/* SPDX-License-Identifier: MIT */
/* y = silu(gate) . up, silu(g) = g sigma(g);
 * dgate += dy . up . sigma (1 + g (1 - sigma)), dup += dy . silu(gate) */
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/ops/op_rows.h"

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    (void)saved;
    const sgn_tensor *gate = n->in[0], *up = n->in[1];
    if (!sgn_same_shape(gate->shape, up->shape)) return sgn_misfit(n, "gate and up of one shape", gate, up, err);
    *out = gate->shape;
    return SGN_OK;
}

static void forward_span(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    sgn_kernels_get()->swiglu(n->out->data + begin, n->in[0]->data + begin, n->in[1]->data + begin, end - begin);
}

static void back(const sgn_node *n, sgn_real *dgate, sgn_real *dup, int64_t begin, int64_t end) {
    sgn_kernels_get()->swiglu_back(dgate ? dgate + begin : NULL, dup ? dup + begin : NULL, n->out->grad + begin,
                                   n->in[0]->data + begin, n->in[1]->data + begin, end - begin);
}

/* One tensor used as both: the kernel may hold either gradient in registers, so it gets them in turn. */
static void backward_span(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    sgn_real *dgate = n->in[0]->grad, *dup = n->in[1]->grad;
    if (dgate != dup) back(n, dgate, dup, begin, end);
    else {
        back(n, dgate, NULL, begin, end);
        back(n, NULL, dup, begin, end);
    }
}

static void forward(const sgn_node *n) {
    sgn_parallel(sgn_numel(n->out->shape), SGN_OP_GRAIN, forward_span, (void *)n);
}
static void backward(const sgn_node *n) {
    sgn_parallel(sgn_numel(n->out->shape), SGN_OP_GRAIN, backward_span, (void *)n);
}

const sgn_op sgn_op_swiglu = { "swiglu", 2, 0, infer, forward, backward, NULL };

sgn_tensor *sgn_swiglu(sgn_tape *t, sgn_tensor *gate, sgn_tensor *up) {
    return sgn_tape_apply(t, &sgn_op_swiglu, (sgn_tensor *[]){ gate, up }, NULL);
}
