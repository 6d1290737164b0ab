/* SPDX-License-Identifier: MIT */
/* Y = softmax(Q K^T / sqrt(d)) V for each head, keys from first_i (the query's document) to the query's own position only.
 * With P the softmax, c_i = dy_i . y_i:  dV += P^T dY,  dS = P . (dY V^T - c 1^T) / sqrt(d),
 * dQ += dS K,  dK += dS^T Q. Forward keeps the log-sum-exp of each row of scores and backward
 * makes P again from it, block by block (Dao et al. 2022, arXiv 2205.14135). */
#include <math.h>
#include <string.h>
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/ops/op_rows.h"

typedef struct { const int32_t *first; int64_t batch, seq, heads, kv_heads; } args;

enum { QUERIES = 64, KEYS = 256 };     /* a block of scores: 64 KiB, well inside L2 */

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    const sgn_tensor *q = n->in[0], *k = n->in[1], *v = n->in[2];
    const args *a = n->args;
    if (a->batch < 1 || a->seq < 1 || a->heads < 1 || a->kv_heads < 1 || a->heads % a->kv_heads)
        SGN_FAIL(err, SGN_SHAPE, "attention wants heads to be a multiple of kv_heads and nothing below 1, got "
                 "batch %lld, seq %lld, heads %lld, kv_heads %lld", (long long)a->batch, (long long)a->seq,
                 (long long)a->heads, (long long)a->kv_heads);
    if (!sgn_is_rank(q, 2) || sgn_rows(q) != a->batch * a->seq || sgn_cols(q) % a->heads)
        return sgn_misfit(n, "q (batch * seq, heads * head_dim)", q, NULL, err);
    const sgn_shape shape = sgn_shape2(sgn_rows(q), sgn_cols(q) / a->heads * a->kv_heads);
    if (!sgn_same_shape(k->shape, shape)) return sgn_misfit(n, "k (tokens, kv_heads * head_dim) for q", k, q, err);
    if (!sgn_same_shape(v->shape, shape)) return sgn_misfit(n, "v (tokens, kv_heads * head_dim) for q", v, q, err);
    *out = q->shape;
    if (n->train) *saved = (size_t)(sgn_rows(q) * a->heads) * sizeof(sgn_real);
    return sgn_scratch_reserve(SGN_SCRATCH_OP, (size_t)((n->train ? 2 : 1) * (KEYS + 1) * QUERIES) * sizeof(sgn_real), err);
}

typedef struct {               /* one head of one sequence; rows of q, y are ldq apart, of k, v ldk */
    int64_t         seq, dim, ldq, ldk;
    const int32_t  *first;     /* (seq) first key that a query sees; NULL: 0 */
    sgn_real        scale;
    const sgn_real *q, *k, *v;
    sgn_real       *y, *lse;   /* lse (seq), NULL without backward */
    const sgn_real *dy;
    sgn_real       *dq, *dk, *dv;
} head;

static sgn_real *shift(sgn_real *p, int64_t by) { return p ? p + by : NULL; }

static head head_of(const sgn_node *n, int64_t b, int64_t h) {
    const args *a = n->args;
    const sgn_tensor *q = n->in[0], *k = n->in[1], *v = n->in[2];
    const int64_t dim = sgn_cols(q) / a->heads;
    const int64_t at_q = b * a->seq * sgn_cols(q) + h * dim;
    const int64_t at_k = b * a->seq * sgn_cols(k) + h / (a->heads / a->kv_heads) * dim;
    return (head){ a->seq, dim, sgn_cols(q), sgn_cols(k), a->first ? a->first + b * a->seq : NULL,
                   (sgn_real)(1 / sqrt((double)dim)), q->data + at_q, k->data + at_k, v->data + at_k, n->out->data + at_q,
                   shift(n->saved, (b * a->heads + h) * a->seq), shift(n->out->grad, at_q),
                   shift(q->grad, at_q), shift(k->grad, at_k), shift(v->grad, at_k) };
}

/* s (rows, cols) = scale Q K^T for queries from q0 and keys from k0. */
static void scores(const head *h, sgn_real *s, int64_t q0, int64_t rows, int64_t k0, int64_t cols) {
    sgn_gemm_serial(&(sgn_gemm_args){ false, true, rows, cols, h->dim, h->scale, h->q + q0 * h->ldq, h->ldq,
                                      h->k + k0 * h->ldk, h->ldk, 0, s, cols });
}

/* Documents lie one after the other, so first never falls: the earliest key of a block of queries is its first query's, */
static int64_t first_key(const head *h, int64_t q) { return h->first ? h->first[q] : 0; }

/* and of a block of keys, which ends before `end`, the first of the queries see something and the others nothing. */
static int64_t rows_seeing(const head *h, int64_t q0, int64_t rows, int64_t end) {
    while (rows && first_key(h, q0 + rows - 1) >= end) rows--;
    return rows;
}

/* Keys [from, from + count) of the block are those that query q sees; the others of its row become 0. */
typedef struct { int64_t from, count; } span;
static span seen(const head *h, int64_t q, int64_t k0, int64_t cols, sgn_real *row) {
    const int64_t end = q < k0 ? 0 : min64(cols, q + 1 - k0), from = min64(end, max64(0, first_key(h, q) - k0));
    memset(row, 0, (size_t)from * sizeof *row);
    memset(row + end, 0, (size_t)(cols - end) * sizeof *row);
    return (span){ from, end - from };
}

static void scale_row(sgn_real *y, sgn_real by, int64_t n) {
    for (int64_t j = 0; j < n; j++) y[j] *= by;
}

/* Scores become exp(score - m), m the largest so far of the row; what was summed with an older m shrinks. */
static void online_softmax(const head *h, sgn_real *s, sgn_real *m, sgn_real *sum, int64_t q0, int64_t rows,
                           int64_t k0, int64_t cols) {
    const sgn_kernels *k = sgn_kernels_get();
    for (int64_t i = 0; i < rows; i++) {
        sgn_real *row = s + i * cols;
        const span at = seen(h, q0 + i, k0, cols, row);
        if (at.count == 0) continue;
        const sgn_real most = k->max(row + at.from, at.count);
        if (sum[i] == 0) {             /* its first keys */
            m[i] = most;
        } else if (most > m[i]) {
            const sgn_real shrink = (sgn_real)exp((double)(m[i] - most));
            m[i] = most;
            sum[i] *= shrink;
            scale_row(h->y + (q0 + i) * h->ldq, shrink, h->dim);
        }
        sum[i] += k->exp_sum(row + at.from, row + at.from, at.count, m[i]);
    }
}

static void forward_block(const head *h, int64_t q0) {
    const int64_t rows = min64(QUERIES, h->seq - q0), begin = first_key(h, q0);
    sgn_real *s = sgn_scratch(SGN_SCRATCH_OP), *m = s + QUERIES * KEYS, sum[QUERIES] = { 0 };
    for (int64_t k0 = begin, used; k0 < q0 + rows; k0 += KEYS) {
        const int64_t cols = min64(KEYS, q0 + rows - k0);
        used = rows_seeing(h, q0, rows, k0 + cols);
        scores(h, s, q0, used, k0, cols);
        online_softmax(h, s, m, sum, q0, used, k0, cols);
        sgn_gemm_serial(&(sgn_gemm_args){ false, false, used, h->dim, cols, 1, s, cols, h->v + k0 * h->ldk, h->ldk,
                                          k0 > begin ? 1 : 0, h->y + q0 * h->ldq, h->ldq });
        for (int64_t i = used; i < rows && k0 == begin; i++)
            memset(h->y + (q0 + i) * h->ldq, 0, (size_t)h->dim * sizeof *h->y);
    }
    for (int64_t i = 0; i < rows; i++) {
        scale_row(h->y + (q0 + i) * h->ldq, 1 / sum[i], h->dim);
        if (h->lse) h->lse[q0 + i] = m[i] + (sgn_real)log((double)sum[i]);
    }
}

/* Task i: the last (longest) blocks of queries of all heads come first. */
static void forward_tasks(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const args *a = n->args;
    const int64_t last = (a->seq - 1) / QUERIES, heads = a->batch * a->heads;
    for (int64_t i = begin; i < end; i++) {
        const head h = head_of(n, i % heads / a->heads, i % a->heads);
        forward_block(&h, (last - i / heads) * QUERIES);
    }
}

/* p (rows, cols) becomes dS; dp is room for dY V^T. */
static void score_gradient(const head *h, sgn_real *p, sgn_real *dp, int64_t q0, int64_t rows, int64_t k0, int64_t cols) {
    sgn_gemm_serial(&(sgn_gemm_args){ false, true, rows, cols, h->dim, 1, h->dy + q0 * h->ldq, h->ldq,
                                      h->v + k0 * h->ldk, h->ldk, 0, dp, cols });
    for (int64_t i = 0; i < rows; i++) {
        const int64_t at = (q0 + i) * h->ldq;
        const sgn_real c = sgn_kernels_get()->dot(h->dy + at, h->y + at, h->dim);
        for (int64_t j = i * cols; j < (i + 1) * cols; j++) p[j] *= (dp[j] - c) * h->scale;
    }
}

static void backward_block(const head *h, int64_t q0, int64_t rows, int64_t k0, int64_t cols) {
    sgn_real *p = sgn_scratch(SGN_SCRATCH_OP), *dp = p + QUERIES * KEYS;
    scores(h, p, q0, rows, k0, cols);
    for (int64_t i = 0; i < rows; i++) {
        sgn_real *row = p + i * cols;
        const span at = seen(h, q0 + i, k0, cols, row);
        sgn_kernels_get()->exp_sum(row + at.from, row + at.from, at.count, h->lse[q0 + i]);
    }
    if (h->dv)
        sgn_gemm_serial(&(sgn_gemm_args){ true, false, cols, h->dim, rows, 1, p, cols, h->dy + q0 * h->ldq, h->ldq,
                                          1, h->dv + k0 * h->ldk, h->ldk });
    if (!h->dq && !h->dk) return;
    score_gradient(h, p, dp, q0, rows, k0, cols);
    if (h->dq)
        sgn_gemm_serial(&(sgn_gemm_args){ false, false, rows, h->dim, cols, 1, p, cols, h->k + k0 * h->ldk, h->ldk,
                                          1, h->dq + q0 * h->ldq, h->ldq });
    if (h->dk)
        sgn_gemm_serial(&(sgn_gemm_args){ true, false, cols, h->dim, rows, 1, p, cols, h->q + q0 * h->ldq, h->ldq,
                                          1, h->dk + k0 * h->ldk, h->ldk });
}

/* Task i: one key head of one sequence, with all query heads that read it. */
static void backward_tasks(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const args *a = n->args;
    const int64_t group = a->heads / a->kv_heads;
    for (int64_t i = begin * group; i < end * group; i++) {
        const head h = head_of(n, i / a->heads, i % a->heads);
        for (int64_t q0 = 0; q0 < a->seq; q0 += QUERIES) {
            const int64_t rows = min64(QUERIES, a->seq - q0);
            for (int64_t k0 = first_key(&h, q0), cols; k0 < q0 + rows; k0 += KEYS) {
                cols = min64(KEYS, q0 + rows - k0);
                backward_block(&h, q0, rows_seeing(&h, q0, rows, k0 + cols), k0, cols);
            }
        }
    }
}

static void forward(const sgn_node *n) {
    const args *a = n->args;
    sgn_parallel(a->batch * a->heads * ((a->seq - 1) / QUERIES + 1), 1, forward_tasks, (void *)n);
}
static void backward(const sgn_node *n) {
    const args *a = n->args;
    sgn_parallel(a->batch * a->kv_heads, 1, backward_tasks, (void *)n);
}

const sgn_op sgn_op_attention = { "attention", 3, sizeof(args), infer, forward, backward, NULL };

sgn_tensor *sgn_attention(sgn_tape *t, sgn_tensor *q, sgn_tensor *k, sgn_tensor *v, const int32_t *first,
                          int64_t batch, int64_t seq, int64_t heads, int64_t kv_heads) {
    return sgn_tape_apply(t, &sgn_op_attention, (sgn_tensor *[]){ q, k, v },
                          &(args){ first, batch, seq, heads, kv_heads });
}
