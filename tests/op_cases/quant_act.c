/* SPDX-License-Identifier: MIT */
#include "tests/op_cases/op_cases.h"

/* Numbers that are on their grid stay; tests/core/test_estimator.c has those that move. */
static const op_case cases[] = {
    { .name = "odd width", .in = { GRID(3, 7) } },
    { .name = "more than one task", .in = { GRID(41, 517) } },
};

static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    (void)c;
    return sgn_quant_act(t, in[0]);
}
static void expect(const sgn_node *n, const op_case *c, double *out) {
    (void)c;
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++) out[k] = (double)n->in[0]->data[k];
}

OP_CASES(quant_act, cases, apply, expect);
