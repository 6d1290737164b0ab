/* SPDX-License-Identifier: MIT */
#include <math.h>
#include "tests/op_cases/op_cases.h"

/* r: eps */
static const op_case cases[] = {
    { .name = "odd width", .in = { DENSE(5, 7), NEAR_ONE(7) }, .r = { 1e-5 } },
    { .name = "width 1", .in = { DENSE(3, 1), VECTOR(1) }, .r = { 0.5 } },
    { .name = "small values, large eps", .in = { SPREAD(4, 33, 1e-2), VECTOR(33) }, .r = { 1e-3 } },
    { .name = "several blocks of tokens", .in = { DENSE(101, 197), VECTOR(197) }, .r = { 1e-6 } },
    { .name = "each head of a token", .in = { DENSE(41, 28), NEAR_ONE(7) }, .r = { 1e-5 } },
};

static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    return sgn_rmsnorm(t, in[0], in[1], c->r[0]);
}
static void expect(const sgn_node *n, const op_case *c, double *out) {
    const int64_t width = n->in[1]->shape.dim[0];
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k += width) {
        const sgn_real *x = n->in[0]->data + k;
        double squares = 0;
        for (int64_t j = 0; j < width; j++) squares += (double)x[j] * (double)x[j];
        for (int64_t j = 0; j < width; j++)
            out[k + j] = (double)x[j] * (double)n->in[1]->data[j] / sqrt(squares / (double)width + c->r[0]);
    }
}

OP_CASES(rmsnorm, cases, apply, expect);
