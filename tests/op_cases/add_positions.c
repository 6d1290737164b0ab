/* SPDX-License-Identifier: MIT */
#include "tests/op_cases/op_cases.h"

/* n: seq */
static const op_case cases[] = {
    { .name = "three sequences, positions to spare", .in = { DENSE(15, 7), DENSE(9, 7) }, .n = { 5 } },
    { .name = "one position, width 1", .in = { DENSE(2, 1), DENSE(1, 1) }, .n = { 1 } },
    { .name = "several tasks", .in = { DENSE(260, 301), DENSE(130, 301) }, .n = { 130 } },
};

static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    return sgn_add_positions(t, in[0], in[1], c->n[0]);
}
static void expect(const sgn_node *n, const op_case *c, double *out) {
    const int64_t width = n->out->shape.dim[1];
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++)
        out[k] = (double)n->in[0]->data[k] + (double)n->in[1]->data[k / width % c->n[0] * width + k % width];
}

OP_CASES(add_positions, cases, apply, expect);
