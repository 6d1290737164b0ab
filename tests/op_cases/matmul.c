/* SPDX-License-Identifier: MIT */
#include "tests/op_cases/op_cases.h"

static const op_case cases[] = {
    { .name = "odd sizes", .in = { DENSE(5, 7), DENSE(3, 7) } },
    { .name = "every size 1", .in = { DENSE(1, 1), DENSE(1, 1) } },
    { .name = "several tiles", .in = { DENSE(270, 33), DENSE(530, 33) } },
    { .name = "x x^T", .in = { DENSE(6, 9), SAME(0) } },
};

static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    (void)c;
    return sgn_matmul(t, in[0], in[1]);
}
static void expect(const sgn_node *n, const op_case *c, double *out) {
    (void)c;
    const int64_t in = n->in[1]->shape.dim[1], width = n->out->shape.dim[1];
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++) {
        out[k] = 0;
        for (int64_t j = 0; j < in; j++)
            out[k] += (double)n->in[0]->data[k / width * in + j] * (double)n->in[1]->data[k % width * in + j];
    }
}

OP_CASES(matmul, cases, apply, expect);
