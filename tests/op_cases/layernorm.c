/* SPDX-License-Identifier: MIT */
#include <math.h>
#include "tests/op_cases/op_cases.h"

/* r: eps */
static const op_case cases[] = {
    { .name = "odd width", .in = { DENSE(5, 7), NEAR_ONE(7), VECTOR(7) }, .r = { 1e-5 } },
    { .name = "width 1", .in = { DENSE(3, 1), VECTOR(1), VECTOR(1) }, .r = { 0.5 } },
    { .name = "a mean that is not 0", .in = { { .kind = CASE_DENSE, .rows = 4, .cols = 33, .mean = 3, .spread = 1 }, VECTOR(33), VECTOR(33) }, .r = { 1e-3 } },
    { .name = "no gain, no bias", .in = { DENSE(37, 19), NONE, NONE }, .r = { 1e-5 } },
    { .name = "several blocks of tokens", .in = { DENSE(101, 197), VECTOR(197), VECTOR(197) }, .r = { 1e-6 } },
};

static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    return sgn_layernorm(t, in[0], in[1], in[2], c->r[0]);
}
static void expect(const sgn_node *n, const op_case *c, double *out) {
    const int64_t width = n->out->shape.dim[1];
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k += width) {
        const sgn_real *x = n->in[0]->data + k;
        double mean = 0, variance = 0;
        for (int64_t j = 0; j < width; j++) mean += (double)x[j] / (double)width;
        for (int64_t j = 0; j < width; j++) variance += ((double)x[j] - mean) * ((double)x[j] - mean) / (double)width;
        for (int64_t j = 0; j < width; j++)
            out[k + j] = ((double)x[j] - mean) / sqrt(variance + c->r[0]) * (n->in[1] ? (double)n->in[1]->data[j] : 1) +
                         (n->in[2] ? (double)n->in[2]->data[j] : 0);
    }
}

OP_CASES(layernorm, cases, apply, expect);
