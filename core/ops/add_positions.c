/* SPDX-License-Identifier: MIT */
/* y_t = x_t + p[at_t], at_t = t mod seq - first_t;  dx += dy, dp[i] += sum_{at_t = i} dy_t */
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/ops/op_rows.h"

typedef struct { const int32_t *first; int64_t seq; } args;

static int64_t at(const args *a, int64_t t) { return t % a->seq - (a->first ? a->first[t] : 0); }

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    (void)saved;
    const sgn_tensor *x = n->in[0], *p = n->in[1];
    const int64_t seq = ((const args *)n->args)->seq;
    if (!sgn_is_rank(x, 2) || !sgn_is_rank(p, 2) || sgn_cols(x) != sgn_cols(p))
        return sgn_misfit(n, "x (tokens, width) and p (positions, width)", x, p, err);
    if (seq < 1 || sgn_rows(x) % seq || sgn_rows(p) < seq)
        SGN_FAIL(err, SGN_SHAPE, "add_positions wants whole sequences of 1 to %lld positions, got %lld tokens in sequences of %lld",
                 (long long)sgn_rows(p), (long long)sgn_rows(x), (long long)seq);
    *out = x->shape;
    return SGN_OK;
}

static void forward_rows(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const int64_t width = sgn_cols(n->out);
    for (int64_t t = begin; t < end; t++) {
        const sgn_real *x = n->in[0]->data + t * width, *p = n->in[1]->data + at(n->args, t) * width;
        sgn_real *y = n->out->data + t * width;
        for (int64_t j = 0; j < width; j++) y[j] = x[j] + p[j];
    }
}

static void backward_x(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    sgn_kernels_get()->axpy(n->in[0]->grad + begin, 1, n->out->grad + begin, end - begin);
}

/* Every task owns some columns and takes the tokens in order. */
static void backward_p(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const int64_t width = sgn_cols(n->out);
    for (int64_t t = 0; t < sgn_rows(n->out); t++)
        sgn_kernels_get()->axpy(n->in[1]->grad + at(n->args, t) * width + begin, 1, n->out->grad + t * width + begin, end - begin);
}

static void forward(const sgn_node *n) {
    sgn_parallel(sgn_rows(n->out), sgn_row_grain(sgn_cols(n->out)), forward_rows, (void *)n);
}
static void backward(const sgn_node *n) {
    if (n->in[0]->grad) sgn_parallel(sgn_numel(n->out->shape), SGN_OP_GRAIN, backward_x, (void *)n);
    if (n->in[1]->grad) sgn_parallel(sgn_cols(n->out), SGN_OP_COLS, backward_p, (void *)n);
}

const sgn_op sgn_op_add_positions = { "add_positions", 2, sizeof(args), infer, forward, backward, NULL };

sgn_tensor *sgn_add_positions(sgn_tape *t, sgn_tensor *x, sgn_tensor *p, const int32_t *first, int64_t seq) {
    return sgn_tape_apply(t, &sgn_op_add_positions, (sgn_tensor *[]){ x, p }, &(args){ first, seq });
}
