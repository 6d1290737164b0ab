/* SPDX-License-Identifier: MIT */
/* y = R(position) x for each head, pairs (j, j + head_dim/2);  dx += R^T dy */
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/ops/op_rows.h"

typedef struct {
    const sgn_real *cosine, *sine;     /* (seq, head_dim/2) */
    int64_t         seq, head_dim;
} args;

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    (void)saved;
    const sgn_tensor *x = n->in[0];
    const args *a = n->args;
    if (a->seq < 1 || a->head_dim < 2 || a->head_dim % 2)
        SGN_FAIL(err, SGN_SHAPE, "rope wants seq >= 1 and an even head_dim, got %lld and %lld",
                 (long long)a->seq, (long long)a->head_dim);
    if (!sgn_is_rank(x, 2) || sgn_rows(x) % a->seq || sgn_cols(x) % a->head_dim)
        SGN_FAIL(err, SGN_SHAPE, "rope wants x (batch * %lld, heads * %lld), got %s", (long long)a->seq,
                 (long long)a->head_dim, sgn_shape_print(x->shape, &(sgn_shape_text){ "" }));
    *out = x->shape;
    return SGN_OK;
}

static void rotate(const sgn_node *n, sgn_real *to, const sgn_real *from, int64_t t, bool back) {
    const args *a = n->args;
    const int64_t width = sgn_cols(n->out), half = a->head_dim / 2, at = t % a->seq * half;
    for (int64_t h = t * width; h < (t + 1) * width; h += a->head_dim)
        sgn_kernels_get()->rope(to + h, from + h, a->cosine + at, a->sine + at, half, back);
}

static void forward_rows(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    for (int64_t t = begin; t < end; t++) rotate(n, n->out->data, n->in[0]->data, t, false);
}

static void backward_rows(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    for (int64_t t = begin; t < end; t++) rotate(n, n->in[0]->grad, n->out->grad, t, true);
}

static void forward(const sgn_node *n) {
    sgn_parallel(sgn_rows(n->out), sgn_row_grain(sgn_cols(n->out)), forward_rows, (void *)n);
}
static void backward(const sgn_node *n) {
    if (n->in[0]->grad)
        sgn_parallel(sgn_rows(n->out), sgn_row_grain(sgn_cols(n->out)), backward_rows, (void *)n);
}

const sgn_op sgn_op_rope = { "rope", 1, sizeof(args), infer, forward, backward, NULL };

sgn_tensor *sgn_rope(sgn_tape *t, sgn_tensor *x, const sgn_real *cosine, const sgn_real *sine,
                     int64_t seq, int64_t head_dim) {
    return sgn_tape_apply(t, &sgn_op_rope, (sgn_tensor *[]){ x }, &(args){ cosine, sine, seq, head_dim });
}
