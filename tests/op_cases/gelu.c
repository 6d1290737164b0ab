/* SPDX-License-Identifier: MIT */
#include <math.h>
#include "tests/op_cases/op_cases.h"

static const op_case cases[] = {
    { .name = "odd width", .in = { DENSE(3, 7) } },
    { .name = "wide range", .in = { SPREAD(9, 33, 6) } },
    { .name = "more than one task", .in = { DENSE(41, 517) } },
};

static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    (void)c;
    return sgn_gelu(t, in[0]);
}
static void expect(const sgn_node *n, const op_case *c, double *out) {
    (void)c;
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++) {
        const double x = (double)n->in[0]->data[k];
        out[k] = x / 2 * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    }
}

OP_CASES(gelu, cases, apply, expect);
