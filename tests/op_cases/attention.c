/* SPDX-License-Identifier: MIT */
#include <math.h>
#include "tests/op_cases/op_cases.h"

/* n: batch, seq, heads, kv_heads, documents (0: none are marked) */
static const op_case cases[] = {
    { .name = "two heads", .in = { DENSE(10, 6), DENSE(10, 6), DENSE(10, 6) }, .n = { 2, 5, 2, 2 } },
    { .name = "one position", .in = { DENSE(3, 4), DENSE(3, 4), DENSE(3, 4) }, .n = { 3, 1, 1, 1 } },
    { .name = "four heads read two", .in = { DENSE(14, 20), DENSE(14, 10), DENSE(14, 10) }, .n = { 2, 7, 4, 2 } },
    { .name = "all heads read one", .in = { DENSE(9, 9), DENSE(9, 3), DENSE(9, 3) }, .n = { 1, 9, 3, 1 } },
    { .name = "sharp scores", .in = { SPREAD(12, 8, 5), SPREAD(12, 8, 5), DENSE(12, 8) }, .n = { 1, 12, 2, 2 }, .float_error = 1e-4 },
    { .name = "a block and a bit", .in = { DENSE(67, 6), DENSE(67, 6), DENSE(67, 6) }, .n = { 1, 67, 2, 2 } },
    { .name = "two key blocks", .in = { DENSE(275, 8), DENSE(275, 4), DENSE(275, 4) }, .n = { 1, 275, 2, 1 } },
    { .name = "one tensor three times", .in = { DENSE(9, 6), SAME(0), SAME(0) }, .n = { 1, 9, 2, 2 } },
    { .name = "documents", .in = { DENSE(26, 12), DENSE(26, 6), DENSE(26, 6) }, .n = { 2, 13, 4, 2, 5 } },
    { .name = "documents of any length", .in = { DENSE(330, 8), DENSE(330, 4), DENSE(330, 4) }, .n = { 1, 330, 2, 1, 127 } },
    { .name = "a document ends after a key block", .in = { DENSE(330, 8), DENSE(330, 4), DENSE(330, 4) }, .n = { 1, 330, 2, 1, 2100 } },
    { .name = "documents of a token or two", .in = { DENSE(70, 4), DENSE(70, 4), DENSE(70, 4) }, .n = { 1, 70, 1, 1, 3 } },
};

enum { MOST = 330 };

/* A document begins where 7 i mod n[4] < 2, so some have one token and some many. */
static const int32_t *documents(const op_case *c) {
    static int32_t first[MOST];
    for (int64_t i = 0; i < c->n[0] * c->n[1] && i < MOST; i++) {
        const int64_t at = i % c->n[1];
        first[i] = at == 0 || (c->n[4] && 7 * i % c->n[4] < 2) ? (int32_t)at : first[i - 1];
    }
    return c->n[4] ? first : NULL;
}

static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    return sgn_attention(t, in[0], in[1], in[2], documents(c), c->n[0], c->n[1], c->n[2], c->n[3]);
}

static void expect_query(const sgn_node *n, const op_case *c, int64_t t, int64_t h, double *y) {
    const int32_t *begins = documents(c);
    const int64_t seq = c->n[1], dim = n->in[0]->shape.dim[1] / c->n[2], first = t / seq * seq + (begins ? begins[t] : 0);
    const int64_t wide = n->in[0]->shape.dim[1], narrow = n->in[1]->shape.dim[1], kv = h / (c->n[2] / c->n[3]) * dim;
    double sum = 0;
    for (int64_t j = 0; j < dim; j++) y[j] = 0;
    for (int64_t s = first; s <= t; s++) {
        double score = 0;
        for (int64_t j = 0; j < dim; j++)
            score += (double)n->in[0]->data[t * wide + h * dim + j] * (double)n->in[1]->data[s * narrow + kv + j];
        const double p = exp(score / sqrt((double)dim));
        sum += p;
        for (int64_t j = 0; j < dim; j++) y[j] += p * (double)n->in[2]->data[s * narrow + kv + j];
    }
    for (int64_t j = 0; j < dim; j++) y[j] /= sum;
}
static void expect(const sgn_node *n, const op_case *c, double *out) {
    const int64_t wide = n->in[0]->shape.dim[1], dim = wide / c->n[2];
    for (int64_t t = 0; t < n->in[0]->shape.dim[0]; t++)
        for (int64_t h = 0; h < c->n[2]; h++) expect_query(n, c, t, h, out + t * wide + h * dim);
}

OP_CASES(attention, cases, apply, expect);
