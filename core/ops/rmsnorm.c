/* SPDX-License-Identifier: MIT */
/* y = x . gain r, r = (mean x^2 + eps)^(-1/2), over each stretch of x as long as gain;
 * dx += r gain . dy - x r^3/n sum_j dy_j gain_j x_j, dgain += sum_t dy . x r */
#include <string.h>
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/ops/op_rows.h"

typedef struct { double eps; } args;

/* x as rows of the gain's width: a token's, or a head's. */
static int64_t width_of(const sgn_node *n) { return n->in[1]->shape.dim[0]; }
static int64_t rows_of(const sgn_node *n) { return sgn_numel(n->in[0]->shape) / width_of(n); }

/* Rows per task of backward: each has its own sum for dgain, added up in order. */
static int64_t block_rows(int64_t rows) { return rows > 32 * 256 ? (rows + 255) / 256 : 32; }
static int64_t blocks(int64_t rows) { return (rows + block_rows(rows) - 1) / block_rows(rows); }

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    const sgn_tensor *x = n->in[0], *gain = n->in[1];
    if (!sgn_is_rank(x, 2) || !sgn_is_rank(gain, 1) || width_of(n) < 1 || sgn_cols(x) % width_of(n))
        return sgn_misfit(n, "x (tokens, width) and gain (width or a part of it)", x, gain, err);
    *out = x->shape;
    if (!n->train) return SGN_OK;
    *saved = (size_t)rows_of(n) * sizeof(sgn_real);
    return sgn_scratch_reserve(SGN_SCRATCH_SHARED, (size_t)(blocks(rows_of(n)) * width_of(n)) * sizeof(sgn_real), err);
}

static void forward_rows(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const int64_t width = width_of(n);
    const sgn_real eps = (sgn_real)((const args *)n->args)->eps;
    for (int64_t t = begin; t < end; t++) {
        const sgn_real r = sgn_kernels_get()->rmsnorm(n->out->data + t * width, n->in[0]->data + t * width,
                                                      n->in[1]->data, width, eps);
        if (n->saved) ((sgn_real *)n->saved)[t] = r;
    }
}

static void backward_block(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const sgn_tensor *x = n->in[0], *gain = n->in[1];
    const int64_t width = width_of(n);
    sgn_real *dgain = NULL;
    if (gain->grad) {
        dgain = (sgn_real *)sgn_scratch(SGN_SCRATCH_SHARED) + begin / block_rows(rows_of(n)) * width;
        memset(dgain, 0, (size_t)width * sizeof *dgain);
    }
    for (int64_t t = begin; t < end; t++)
        sgn_kernels_get()->rmsnorm_back(x->grad ? x->grad + t * width : NULL, dgain, n->out->grad + t * width,
                                        x->data + t * width, gain->data, width, ((const sgn_real *)n->saved)[t]);
}

static void sum_blocks(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const sgn_real *part = sgn_scratch(SGN_SCRATCH_SHARED);
    for (int64_t b = 0; b < blocks(rows_of(n)); b++)
        sgn_kernels_get()->axpy(n->in[1]->grad + begin, 1, part + b * width_of(n) + begin, end - begin);
}

static void forward(const sgn_node *n) {
    sgn_parallel(rows_of(n), sgn_row_grain(width_of(n)), forward_rows, (void *)n);
}
static void backward(const sgn_node *n) {
    sgn_parallel(rows_of(n), block_rows(rows_of(n)), backward_block, (void *)n);
    if (n->in[1]->grad) sgn_parallel(width_of(n), SGN_OP_COLS, sum_blocks, (void *)n);
}

const sgn_op sgn_op_rmsnorm = { "rmsnorm", 2, sizeof(args), infer, forward, backward, NULL };

sgn_tensor *sgn_rmsnorm(sgn_tape *t, sgn_tensor *x, sgn_tensor *gain, double eps) {
    return sgn_tape_apply(t, &sgn_op_rmsnorm, (sgn_tensor *[]){ x, gain }, &(args){ eps });
}
