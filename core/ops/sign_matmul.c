/* SPDX-License-Identifier: MIT */
/* y = (x . alpha) S^T + (x beta) 1^T, S = sign(W) (FBI-LLM, arXiv 2407.07093) or what the latent's code keeps of it.
 * With u = dy S, r = dy 1:  dx += u . alpha + r beta^T,  dalpha += sum_t x . u,
 * dbeta += sum_t r x,  dW += dy^T (x . alpha), straight through the sign.
 * Tokens go through backward in chunks, so that no second (tokens, in) array exists. */
#include <string.h>
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/ops/op_rows.h"

enum { CHUNK = 512, BLOCK = 64, BLOCKS = CHUNK / BLOCK };

typedef struct {               /* one chunk of backward */
    const sgn_node *n;
    int64_t         from, rows;
    sgn_real       *r, *u, *xa;/* (CHUNK), (CHUNK, in), (CHUNK, in): dy 1, dy S, x . alpha */
    sgn_real       *a, *b;     /* (BLOCKS, in): dalpha and dbeta of each block of tokens */
} chunk;

static sgn_tensor *x_of(const sgn_node *n)     { return n->in[0]; }
static sgn_tensor *w_of(const sgn_node *n)     { return n->in[1]; }
static sgn_tensor *alpha_of(const sgn_node *n) { return n->in[2]; }
static sgn_tensor *beta_of(const sgn_node *n)  { return n->in[3]; }
static sgn_real *grad_of(const sgn_tensor *x)  { return x ? x->grad : NULL; }

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    (void)saved;
    const sgn_tensor *x = x_of(n), *w = w_of(n), *alpha = alpha_of(n), *beta = beta_of(n);
    if (!sgn_is_rank(x, 2) || !sgn_is_rank(w, 2) || sgn_cols(x) != sgn_cols(w))
        return sgn_misfit(n, "x (tokens, in) and W (out, in)", x, w, err);
    const int64_t in = sgn_cols(w);
    if (alpha && !sgn_is_vector(alpha, in)) return sgn_misfit(n, "alpha (in) for W (out, in)", alpha, w, err);
    if (beta && !sgn_is_vector(beta, in)) return sgn_misfit(n, "beta (in) for W (out, in)", beta, w, err);
    if (w->data && !w->signs) SGN_FAIL(err, SGN_SHAPE, "sign_matmul wants a latent weight, which has sign planes");
    *out = sgn_shape2(sgn_rows(x), sgn_rows(w));
    const int64_t reals = n->train ? CHUNK * (1 + 2 * in) + 2 * BLOCKS * in : 0;
    SGN_TRY(sgn_scratch_reserve(SGN_SCRATCH_SHARED, (size_t)(reals > sgn_rows(x) ? reals : sgn_rows(x)) * sizeof(sgn_real), err));
    SGN_TRY(sgn_binary_gemm_reserve(sgn_rows(w), in, err));
    return n->train ? sgn_binary_gemm_reserve(in, sgn_rows(w), err) : SGN_OK;
}

static void x_beta_rows(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const int64_t in = sgn_cols(x_of(n));
    sgn_real *s = sgn_scratch(SGN_SCRATCH_SHARED);
    for (int64_t t = begin; t < end; t++)
        s[t] = sgn_kernels_get()->dot(x_of(n)->data + t * in, beta_of(n)->data, in);
}

static void forward(const sgn_node *n) {
    const sgn_tensor *x = x_of(n), *alpha = alpha_of(n);
    const int64_t in = sgn_cols(x), out = sgn_cols(n->out);
    if (beta_of(n)) sgn_parallel(sgn_rows(x), sgn_row_grain(in), x_beta_rows, (void *)n);
    sgn_binary_product p = { .m = sgn_rows(x), .x = x->data, .ldx = in, .in_scale = alpha ? alpha->data : NULL,
                             .row_add = beta_of(n) ? sgn_scratch(SGN_SCRATCH_SHARED) : NULL, .y = n->out->data, .ldy = out };
    sgn_binary_product_bind(&p, w_of(n)->signs, false);
    sgn_binary_gemm_run(&p);
}

static void row_sums(void *ctx, int64_t begin, int64_t end) {
    const chunk *c = ctx;
    const int64_t out = sgn_cols(c->n->out);
    for (int64_t t = begin; t < end; t++) c->r[t] = sgn_sum(c->n->out->grad + (c->from + t) * out, out);
}

/* u = dy S or u += dy S for some tokens. */
static sgn_binary_product dy_signs(const sgn_node *n, int64_t from, int64_t rows, bool add, sgn_real *u) {
    const int64_t in = sgn_cols(x_of(n)), out = sgn_cols(n->out);
    sgn_binary_product p = { .m = rows, .x = n->out->grad + from * out, .ldx = out, .add = add, .y = u, .ldy = in };
    sgn_binary_product_bind(&p, w_of(n)->signs, true);
    return p;
}

/* dW += dy^T x and u (+)= dy S at once: the threads that finish one go on with the other. */
static void products(const sgn_node *n, int64_t from, int64_t rows, const sgn_real *x, bool add, sgn_real *u) {
    const int64_t in = sgn_cols(x_of(n)), out = sgn_cols(n->out);
    const sgn_binary_product p = dy_signs(n, from, rows, add, u);
    sgn_gemm_tiles dense;
    sgn_binary_tiles binary;
    sgn_job job[2] = { { 0 } };
    if (w_of(n)->grad) job[0] = sgn_gemm_dw_job(w_of(n)->grad, n->out->grad + from * out, x, rows, out, in, &dense);
    if (u) job[1] = sgn_binary_gemm_job(&p, &binary);
    sgn_parallel_jobs(job, 2);
}

static int64_t across(const sgn_node *n) { return (sgn_cols(x_of(n)) + SGN_OP_COLS - 1) / SGN_OP_COLS; }

/* dx, and the block's part of dalpha and dbeta; task i: a block of tokens, some columns. */
static void backward_blocks(void *ctx, int64_t begin, int64_t end) {
    const chunk *c = ctx;
    const sgn_tensor *x = x_of(c->n), *alpha = alpha_of(c->n), *beta = beta_of(c->n);
    const int64_t in = sgn_cols(x);
    for (int64_t i = begin; i < end; i++) {
        const int64_t block = i / across(c->n), j0 = i % across(c->n) * SGN_OP_COLS;
        const int64_t cols = in - j0 < SGN_OP_COLS ? in - j0 : SGN_OP_COLS;
        const int64_t last = (block + 1) * BLOCK < c->rows ? (block + 1) * BLOCK : c->rows;
        const sgn_real *aj = alpha ? alpha->data + j0 : NULL, *bj = beta ? beta->data + j0 : NULL;
        sgn_real sum_a[SGN_OP_COLS] = { 0 }, sum_b[SGN_OP_COLS] = { 0 };
        for (int64_t t = block * BLOCK; t < last; t++) {
            const int64_t at = (c->from + t) * in + j0;
            const sgn_real *xt = x->data + at, *u = c->u + t * in + j0, r = bj ? c->r[t] : 0;
            sgn_real *dx = x->grad ? x->grad + at : NULL;
            if (dx && aj) for (int64_t j = 0; j < cols; j++) dx[j] += aj[j] * u[j];
            else if (dx) for (int64_t j = 0; j < cols; j++) dx[j] += u[j];
            if (dx && bj) for (int64_t j = 0; j < cols; j++) dx[j] += bj[j] * r;
            if (aj) for (int64_t j = 0; j < cols; j++) sum_a[j] += xt[j] * u[j];
            if (bj) for (int64_t j = 0; j < cols; j++) sum_b[j] += xt[j] * r;
        }
        memcpy(c->a + block * in + j0, sum_a, (size_t)cols * sizeof *sum_a);
        memcpy(c->b + block * in + j0, sum_b, (size_t)cols * sizeof *sum_b);
    }
}

static void scale_rows(void *ctx, int64_t begin, int64_t end) {
    const chunk *c = ctx;
    const int64_t in = sgn_cols(x_of(c->n));
    const sgn_real *alpha = alpha_of(c->n)->data;
    for (int64_t t = begin; t < end; t++) {
        const sgn_real *xt = x_of(c->n)->data + (c->from + t) * in;
        for (int64_t j = 0; j < in; j++) c->xa[t * in + j] = xt[j] * alpha[j];
    }
}

/* r = dy 1 and x . alpha, as far as somebody wants them. */
static void prepare(chunk *c, bool inputs) {
    const sgn_node *n = c->n;
    const bool scaled = w_of(n)->grad && alpha_of(n);
    sgn_parallel_jobs((sgn_job[]){
        { inputs && beta_of(n) ? c->rows : 0, sgn_row_grain(sgn_cols(n->out)), row_sums, c },
        { scaled ? c->rows : 0, sgn_row_grain(sgn_cols(x_of(n))), scale_rows, c } }, 2);
}

static void backward_chunk(chunk *c) {
    const sgn_node *n = c->n;
    const int64_t in = sgn_cols(x_of(n)), blocks = (c->rows + BLOCK - 1) / BLOCK;
    sgn_real *dalpha = grad_of(alpha_of(n)), *dbeta = grad_of(beta_of(n));
    const bool inputs = x_of(n)->grad || dalpha || dbeta;
    prepare(c, inputs);
    products(n, c->from, c->rows, alpha_of(n) ? c->xa : x_of(n)->data + c->from * in, false, inputs ? c->u : NULL);
    if (!inputs) return;
    sgn_parallel(blocks * across(n), 1, backward_blocks, c);
    for (int64_t b = 0; b < blocks; b++) {
        if (dalpha) sgn_kernels_get()->axpy(dalpha, 1, c->a + b * in, in);
        if (dbeta) sgn_kernels_get()->axpy(dbeta, 1, c->b + b * in, in);
    }
}

static void backward(const sgn_node *n) {
    const int64_t tokens = sgn_rows(n->out), in = sgn_cols(x_of(n));
    if (!alpha_of(n) && !beta_of(n)) {         /* nothing to keep u for */
        products(n, 0, tokens, x_of(n)->data, true, x_of(n)->grad);
        return;
    }
    chunk c = { .n = n, .r = sgn_scratch(SGN_SCRATCH_SHARED) };
    c.u = c.r + CHUNK;
    c.xa = c.u + CHUNK * in;
    c.a = c.xa + CHUNK * in;
    c.b = c.a + BLOCKS * in;
    for (; c.from < tokens; c.from += CHUNK) {
        c.rows = tokens - c.from < CHUNK ? tokens - c.from : CHUNK;
        backward_chunk(&c);
    }
}

/* The same with W for S: where W is +-1 both agree, and this one is linear in W. */
static void smooth(const sgn_node *n) {
    const sgn_real *alpha = alpha_of(n) ? alpha_of(n)->data : NULL, *beta = beta_of(n) ? beta_of(n)->data : NULL;
    const int64_t in = sgn_cols(x_of(n)), out = sgn_cols(n->out);
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++) {
        const sgn_real *x = x_of(n)->data + k / out * in, *w = w_of(n)->data + k % out * in;
        double y = 0;
        for (int64_t j = 0; j < in; j++) y += (double)(x[j] * ((alpha ? alpha[j] : 1) * w[j] + (beta ? beta[j] : 0)));
        n->out->data[k] = (sgn_real)y;
    }
}

const sgn_op sgn_op_sign_matmul = { "sign_matmul", 4, 0, infer, forward, backward, smooth };

sgn_tensor *sgn_sign_matmul(sgn_tape *t, sgn_tensor *x, sgn_tensor *w, sgn_tensor *alpha, sgn_tensor *beta) {
    return sgn_tape_apply(t, &sgn_op_sign_matmul, (sgn_tensor *[]){ x, w, alpha, beta }, NULL);
}
