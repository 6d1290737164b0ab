/* SPDX-License-Identifier: MIT */
#include "tests/op_cases/op_cases.h"

static const op_case cases[] = {
    { .name = "row pattern", .in = { DENSE(5, 7), DENSE(5, 9), VECTOR(7), VECTOR(7) } },
    { .name = "tensor pattern", .in = { DENSE(5, 7), DENSE(5, 9), VECTOR(1), VECTOR(1) } },
    { .name = "row pattern without b", .in = { DENSE(5, 7), NONE, VECTOR(7) } },
    { .name = "tensor pattern without b, x given", .in = { DENSE(5, 7), DENSE(5, 3), VECTOR(1) } },
    { .name = "one output", .in = { DENSE(4, 1), DENSE(4, 3), VECTOR(1), VECTOR(1) } },
    { .name = "several tasks, row", .in = { DENSE(131, 301), DENSE(131, 70), VECTOR(301), VECTOR(301) } },
    { .name = "several tasks, tensor", .in = { DENSE(131, 301), DENSE(131, 70), VECTOR(1), VECTOR(1) } },
    { .name = "z is x, a is b", .in = { DENSE(6, 5), SAME(0), VECTOR(5), SAME(2) } },
};

static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    (void)c;
    return sgn_row_affine(t, in[0], in[1], in[2], in[3]);
}
static void expect(const sgn_node *n, const op_case *c, double *out) {
    (void)c;
    const int64_t width = n->out->shape.dim[1], one = sgn_numel(n->in[2]->shape) == 1;
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++) {
        const int64_t i = one ? 0 : k % width, in = n->in[3] ? n->in[1]->shape.dim[1] : 0;
        double s = 0;
        for (int64_t j = 0; j < in; j++) s += (double)n->in[1]->data[k / width * in + j];
        out[k] = (double)n->in[0]->data[k] * (double)n->in[2]->data[i] + (n->in[3] ? s * (double)n->in[3]->data[i] : 0);
    }
}

OP_CASES(row_affine, cases, apply, expect);
