/* SPDX-License-Identifier: MIT */
#include <math.h>
#include "tests/op_cases/op_cases.h"

/* n: seq, head_dim */
static const op_case cases[] = {
    { .name = "two heads, three sequences", .in = { DENSE(15, 12) }, .n = { 5, 6 } },
    { .name = "one position, the smallest head", .in = { DENSE(1, 2) }, .n = { 1, 2 } },
    { .name = "several tasks", .in = { DENSE(258, 100) }, .n = { 129, 50 } },
};

/* Angle of pair j at position t: t 10000^(-2j / head_dim). */
static double angle(int64_t t, int64_t j, const op_case *c) {
    return (double)t * pow(10000, -2 * (double)j / (double)c->n[1]);
}
static double cosine(int64_t i, const op_case *c) { return cos(angle(i / (c->n[1] / 2), i % (c->n[1] / 2), c)); }
static double sine(int64_t i, const op_case *c)   { return sin(angle(i / (c->n[1] / 2), i % (c->n[1] / 2), c)); }

static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    const int64_t count = c->n[0] * c->n[1] / 2;
    return sgn_rope(t, in[0], case_reals(0, count, cosine, c), case_reals(1, count, sine, c), c->n[0], c->n[1]);
}
static void expect(const sgn_node *n, const op_case *c, double *out) {
    const int64_t width = n->out->shape.dim[1], half = c->n[1] / 2;
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++) {
        const int64_t t = k / width % c->n[0], j = k % width % c->n[1];
        const double a = angle(t, j % half, c), x = (double)n->in[0]->data[k];
        const double other = (double)n->in[0]->data[j < half ? k + half : k - half];
        out[k] = x * cos(a) + (j < half ? -other : other) * sin(a);
    }
}

OP_CASES(rope, cases, apply, expect);
