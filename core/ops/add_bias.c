/* SPDX-License-Identifier: MIT */
/* y_t = x_t + b;  dx += dy, db += sum_t dy_t */
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/ops/op_rows.h"

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    (void)saved;
    const sgn_tensor *x = n->in[0], *b = n->in[1];
    if (!sgn_is_rank(x, 2) || !sgn_is_vector(b, sgn_cols(x)))
        return sgn_misfit(n, "x (tokens, width) and b (width)", x, b, err);
    *out = x->shape;
    return SGN_OK;
}

static void forward_rows(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const int64_t width = sgn_cols(n->out);
    const sgn_real *b = n->in[1]->data;
    for (int64_t t = begin; t < end; t++) {
        const sgn_real *x = n->in[0]->data + t * width;
        sgn_real *y = n->out->data + t * width;
        for (int64_t j = 0; j < width; j++) y[j] = x[j] + b[j];
    }
}

static void backward_x(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    sgn_kernels_get()->axpy(n->in[0]->grad + begin, 1, n->out->grad + begin, end - begin);
}

static void backward_b(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const int64_t width = sgn_cols(n->out);
    sgn_real sum[SGN_OP_COLS] = { 0 };
    for (int64_t t = 0; t < sgn_rows(n->out); t++)
        sgn_kernels_get()->axpy(sum, 1, n->out->grad + t * width + begin, end - begin);
    sgn_kernels_get()->axpy(n->in[1]->grad + begin, 1, sum, end - begin);
}

static void forward(const sgn_node *n) {
    sgn_parallel(sgn_rows(n->out), sgn_row_grain(sgn_cols(n->out)), forward_rows, (void *)n);
}
static void backward(const sgn_node *n) {
    if (n->in[0]->grad) sgn_parallel(sgn_numel(n->out->shape), SGN_OP_GRAIN, backward_x, (void *)n);
    if (n->in[1]->grad) sgn_parallel(sgn_cols(n->out), SGN_OP_COLS, backward_b, (void *)n);
}

const sgn_op sgn_op_add_bias = { "add_bias", 2, 0, infer, forward, backward, NULL };

sgn_tensor *sgn_add_bias(sgn_tape *t, sgn_tensor *x, sgn_tensor *b) {
    return sgn_tape_apply(t, &sgn_op_add_bias, (sgn_tensor *[]){ x, b }, NULL);
}
