/* SPDX-License-Identifier: MIT */
/* y = a + b;  da += dy, db += dy */
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/ops/op_rows.h"

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    (void)saved;
    const sgn_tensor *a = n->in[0], *b = n->in[1];
    if (!sgn_same_shape(a->shape, b->shape)) return sgn_misfit(n, "two of one shape", a, b, err);
    *out = a->shape;
    return SGN_OK;
}

static void forward_span(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const sgn_real *a = n->in[0]->data, *b = n->in[1]->data;
    sgn_real *y = n->out->data;
    for (int64_t k = begin; k < end; k++) y[k] = a[k] + b[k];
}

static void backward_span(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    for (int i = 0; i < 2; i++) {
        sgn_real *grad = n->in[i]->grad;
        if (grad) sgn_kernels_get()->axpy(grad + begin, 1, n->out->grad + begin, end - begin);
    }
}

static void forward(const sgn_node *n) {
    sgn_parallel(sgn_numel(n->out->shape), SGN_OP_GRAIN, forward_span, (void *)n);
}
static void backward(const sgn_node *n) {
    sgn_parallel(sgn_numel(n->out->shape), SGN_OP_GRAIN, backward_span, (void *)n);
}

const sgn_op sgn_op_add = { "add", 2, 0, infer, forward, backward, NULL };

sgn_tensor *sgn_add(sgn_tape *t, sgn_tensor *a, sgn_tensor *b) {
    return sgn_tape_apply(t, &sgn_op_add, (sgn_tensor *[]){ a, b }, NULL);
}
