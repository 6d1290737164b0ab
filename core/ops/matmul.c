/* SPDX-License-Identifier: MIT */
/* y = x W^T;  dx += dy W, dW += dy^T x */
#include "core/gemm.h"
#include "core/ops.h"
#include "core/ops/op_rows.h"

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    (void)saved;
    const sgn_tensor *x = n->in[0], *w = n->in[1];
    if (!sgn_is_rank(x, 2) || !sgn_is_rank(w, 2) || sgn_cols(x) != sgn_cols(w))
        return sgn_misfit(n, "x (tokens, in) and W (out, in)", x, w, err);
    *out = sgn_shape2(sgn_rows(x), sgn_rows(w));
    if (!w->stored.data) return SGN_OK;
    if (n->train) SGN_FAIL(err, SGN_UNSUPPORTED, "matmul: a matrix that stays in its file gives no gradients; load it");
    return sgn_gemm_stored_reserve(w->stored, sgn_rows(x), sgn_rows(w), sgn_cols(w), err);
}

static void forward(const sgn_node *n) {
    const sgn_tensor *x = n->in[0], *w = n->in[1];
    if (w->data) sgn_gemm_forward(n->out->data, x->data, w->data, sgn_rows(x), sgn_rows(w), sgn_cols(w));
    else sgn_gemm_forward_stored(n->out->data, x->data, w->stored, sgn_rows(x), sgn_rows(w), sgn_cols(w));
}

static void backward(const sgn_node *n) {
    const sgn_tensor *x = n->in[0], *w = n->in[1];
    const sgn_real *dy = n->out->grad;
    if (x->grad) sgn_gemm_dx(x->grad, dy, w->data, sgn_rows(x), sgn_rows(w), sgn_cols(w));
    if (w->grad) sgn_gemm_dw(w->grad, dy, x->data, sgn_rows(x), sgn_rows(w), sgn_cols(w));
}

const sgn_op sgn_op_matmul = { "matmul", 2, 0, infer, forward, backward, NULL };

sgn_tensor *sgn_matmul(sgn_tape *t, sgn_tensor *x, sgn_tensor *w) {
    return sgn_tape_apply(t, &sgn_op_matmul, (sgn_tensor *[]){ x, w }, NULL);
}
