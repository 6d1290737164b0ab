/* SPDX-License-Identifier: MIT */
#include "tests/op_cases/op_cases.h"

static const op_case cases[] = {
    { .name = "odd width", .in = { DENSE(5, 7), VECTOR(7) } },
    { .name = "one token, width 1", .in = { DENSE(1, 1), VECTOR(1) } },
    { .name = "many tokens, several column tasks", .in = { DENSE(131, 301), VECTOR(301) } },
};

static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    (void)c;
    return sgn_add_bias(t, in[0], in[1]);
}
static void expect(const sgn_node *n, const op_case *c, double *out) {
    (void)c;
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++)
        out[k] = (double)n->in[0]->data[k] + (double)n->in[1]->data[k % n->out->shape.dim[1]];
}

OP_CASES(add_bias, cases, apply, expect);
