/* SPDX-License-Identifier: MIT */
#include "tests/op_cases/op_cases.h"

static const op_case cases[] = {
    { .name = "odd width", .in = { DENSE(3, 7), DENSE(3, 7) } },
    { .name = "vectors of one", .in = { VECTOR(1), VECTOR(1) } },
    { .name = "more than one task", .in = { DENSE(41, 517), DENSE(41, 517) } },
    { .name = "a + a", .in = { DENSE(5, 9), SAME(0) } },
};

static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    (void)c;
    return sgn_add(t, in[0], in[1]);
}
static void expect(const sgn_node *n, const op_case *c, double *out) {
    (void)c;
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++)
        out[k] = (double)n->in[0]->data[k] + (double)n->in[1]->data[k];
}

OP_CASES(add, cases, apply, expect);
