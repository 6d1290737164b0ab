/* SPDX-License-Identifier: MIT */
#include "tests/op_cases/op_cases.h"

/* n: seq, documents (0: none are marked) */
static const op_case cases[] = {
    { .name = "three sequences, positions to spare", .in = { DENSE(15, 7), DENSE(9, 7) }, .n = { 5 } },
    { .name = "one position, width 1", .in = { DENSE(2, 1), DENSE(1, 1) }, .n = { 1 } },
    { .name = "several tasks", .in = { DENSE(260, 301), DENSE(130, 301) }, .n = { 130 } },
    { .name = "documents", .in = { DENSE(36, 5), DENSE(12, 5) }, .n = { 12, 5 } },
};

/* A document begins at every n[1]-th token. */
static const int32_t *documents(const op_case *c) {
    static int32_t first[36];
    for (int32_t i = 0; i < 36; i++) first[i] = i % c->n[0] == 0 || (c->n[1] && i % c->n[1] == 0) ? (int32_t)(i % c->n[0]) : first[i - 1];
    return c->n[1] ? first : NULL;
}

static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    return sgn_add_positions(t, in[0], in[1], documents(c), c->n[0]);
}
static void expect(const sgn_node *n, const op_case *c, double *out) {
    const int64_t width = n->out->shape.dim[1];
    const int32_t *first = documents(c);
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++)
        out[k] = (double)n->in[0]->data[k] + (double)n->in[1]->data[(k / width % c->n[0] - (first ? first[k / width] : 0)) * width + k % width];
}

OP_CASES(add_positions, cases, apply, expect);
