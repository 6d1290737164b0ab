/* SPDX-License-Identifier: MIT */
/* y = c r . gain + bias, c = x - mean x, r = (mean c^2 + eps)^(-1/2);
 * dc = r gain . dy - c r^3/n sum_j dy_j gain_j c_j,  dx += dc - mean dc, dgain += sum_t dy . c r, dbias += sum_t dy */
#include <math.h>
#include <string.h>
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/ops/op_rows.h"

typedef struct { double eps; } args;
typedef struct { sgn_real mean, r; } moments;

/* Tokens per task of backward: each has its own sum for dgain, added up in order. */
static int64_t block_rows(int64_t tokens) { return tokens > 32 * 256 ? (tokens + 255) / 256 : 32; }
static int64_t blocks(int64_t tokens) { return (tokens + block_rows(tokens) - 1) / block_rows(tokens); }

static sgn_real *data_of(const sgn_tensor *x) { return x ? x->data : NULL; }
static sgn_real *grad_of(const sgn_tensor *x) { return x ? x->grad : NULL; }

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    const sgn_tensor *x = n->in[0], *gain = n->in[1], *bias = n->in[2];
    if (!sgn_is_rank(x, 2) || (gain && !sgn_is_vector(gain, sgn_cols(x))))
        return sgn_misfit(n, "x (tokens, width) and gain (width)", x, gain ? gain : x, err);
    if (bias && !sgn_is_vector(bias, sgn_cols(x))) return sgn_misfit(n, "bias (width) for x", bias, x, err);
    *out = x->shape;
    if (!n->train) return SGN_OK;
    *saved = (size_t)sgn_rows(x) * sizeof(moments);
    SGN_TRY(sgn_scratch_reserve(SGN_SCRATCH_OP, (size_t)(2 * sgn_cols(x)) * sizeof(sgn_real), err));
    return sgn_scratch_reserve(SGN_SCRATCH_SHARED, (size_t)(blocks(sgn_rows(x)) * sgn_cols(x)) * sizeof(sgn_real), err);
}

static sgn_real center(sgn_real *c, const sgn_real *x, int64_t n) {
    const sgn_real mean = sgn_sum(x, n) / (sgn_real)n;
    for (int64_t j = 0; j < n; j++) c[j] = x[j] - mean;
    return mean;
}

/* c r without a gain. */
static sgn_real shrink(sgn_real *c, int64_t n, sgn_real eps) {
    const sgn_real r = (sgn_real)(1 / sqrt(sgn_kernels_get()->sum_squares(c, n) / (double)n + (double)eps));
    for (int64_t j = 0; j < n; j++) c[j] *= r;
    return r;
}

static moments row(sgn_real *y, const sgn_real *x, const sgn_real *gain, const sgn_real *bias, int64_t n, sgn_real eps) {
    const sgn_real mean = center(y, x, n), r = gain ? sgn_kernels_get()->rmsnorm(y, y, gain, n, eps) : shrink(y, n, eps);
    for (int64_t j = 0; bias && j < n; j++) y[j] += bias[j];
    return (moments){ mean, r };
}

void sgn_layernorm_row(sgn_real *y, const sgn_real *x, const sgn_real *gain, const sgn_real *bias, int64_t n, sgn_real eps) {
    row(y, x, gain, bias, n, eps);
}

static void forward_rows(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const int64_t width = sgn_cols(n->out);
    const sgn_real eps = (sgn_real)((const args *)n->args)->eps;
    for (int64_t t = begin; t < end; t++) {
        const moments m = row(n->out->data + t * width, n->in[0]->data + t * width, data_of(n->in[1]),
                             data_of(n->in[2]), width, eps);
        if (n->saved) ((moments *)n->saved)[t] = m;
    }
}

static void shrink_back(sgn_real *dc, const sgn_real *dy, const sgn_real *c, int64_t n, sgn_real r) {
    const sgn_real s = sgn_kernels_get()->dot(dy, c, n) * r * r * r / (sgn_real)n;
    for (int64_t j = 0; j < n; j++) dc[j] += r * dy[j] - s * c[j];
}

static void backward_row(const sgn_node *n, int64_t t, sgn_real *dgain) {
    const sgn_tensor *x = n->in[0];
    const int64_t width = sgn_cols(x);
    const moments m = ((const moments *)n->saved)[t];
    sgn_real *c = sgn_scratch(SGN_SCRATCH_OP), *dc = x->grad ? c + width : NULL;
    for (int64_t j = 0; j < width; j++) c[j] = x->data[t * width + j] - m.mean;
    if (dc) memset(dc, 0, (size_t)width * sizeof *dc);
    const sgn_real *dy = n->out->grad + t * width;
    if (n->in[1]) sgn_kernels_get()->rmsnorm_back(dc, dgain, dy, c, n->in[1]->data, width, m.r);
    else if (dc) shrink_back(dc, dy, c, width, m.r);
    if (!dc) return;
    const sgn_real mean = sgn_sum(dc, width) / (sgn_real)width;
    for (int64_t j = 0; j < width; j++) x->grad[t * width + j] += dc[j] - mean;
}

static void backward_block(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const int64_t width = sgn_cols(n->out);
    sgn_real *dgain = NULL;
    if (grad_of(n->in[1])) {
        dgain = (sgn_real *)sgn_scratch(SGN_SCRATCH_SHARED) + begin / block_rows(sgn_rows(n->out)) * width;
        memset(dgain, 0, (size_t)width * sizeof *dgain);
    }
    for (int64_t t = begin; t < end; t++) backward_row(n, t, dgain);
}

static void sum_blocks(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const sgn_real *part = sgn_scratch(SGN_SCRATCH_SHARED);
    for (int64_t b = 0; b < blocks(sgn_rows(n->out)); b++)
        sgn_kernels_get()->axpy(n->in[1]->grad + begin, 1, part + b * sgn_cols(n->out) + begin, end - begin);
}

static void sum_rows(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    sgn_real sum[SGN_OP_COLS] = { 0 };
    for (int64_t t = 0; t < sgn_rows(n->out); t++)
        sgn_kernels_get()->axpy(sum, 1, n->out->grad + t * sgn_cols(n->out) + begin, end - begin);
    sgn_kernels_get()->axpy(n->in[2]->grad + begin, 1, sum, end - begin);
}

static void forward(const sgn_node *n) {
    sgn_parallel(sgn_rows(n->out), sgn_row_grain(sgn_cols(n->out)), forward_rows, (void *)n);
}
static void backward(const sgn_node *n) {
    if (n->in[0]->grad || grad_of(n->in[1]))
        sgn_parallel(sgn_rows(n->out), block_rows(sgn_rows(n->out)), backward_block, (void *)n);
    if (grad_of(n->in[1])) sgn_parallel(sgn_cols(n->out), SGN_OP_COLS, sum_blocks, (void *)n);
    if (grad_of(n->in[2])) sgn_parallel(sgn_cols(n->out), SGN_OP_COLS, sum_rows, (void *)n);
}

const sgn_op sgn_op_layernorm = { "layernorm", 3, sizeof(args), infer, forward, backward, NULL };

sgn_tensor *sgn_layernorm(sgn_tape *t, sgn_tensor *x, sgn_tensor *gain, sgn_tensor *bias, double eps) {
    return sgn_tape_apply(t, &sgn_op_layernorm, (sgn_tensor *[]){ x, gain, bias }, &(args){ eps });
}
