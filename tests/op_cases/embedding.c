/* SPDX-License-Identifier: MIT */
#include "tests/op_cases/op_cases.h"

/* n: count */
static const op_case cases[] = {
    { .name = "ids come back", .in = { DENSE(5, 7) }, .n = { 23 } },
    { .name = "one id, one row", .in = { DENSE(1, 3) }, .n = { 1 } },
    { .name = "wide rows, many tokens", .in = { DENSE(37, 300) }, .n = { 150 } },
};

static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    return sgn_embedding(t, in[0], case_ids(0, c->n[0], c->in[0].rows, 0), c->n[0]);
}
static void expect(const sgn_node *n, const op_case *c, double *out) {
    const int64_t width = n->out->shape.dim[1];
    const int32_t *id = case_ids(0, c->n[0], c->in[0].rows, 0);
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++)
        out[k] = (double)n->in[0]->data[id[k / width] * width + k % width];
}

OP_CASES(embedding, cases, apply, expect);
