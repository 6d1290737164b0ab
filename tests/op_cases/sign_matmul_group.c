/* SPDX-License-Identifier: MIT */
#include "tests/op_cases/op_cases.h"

/* n: group */
static const op_case cases[] = {
    { .name = "one short group", .in = { DENSE(5, 7), LATENT(3, 7), DENSE(3, 1) }, .n = { 64 } },
    { .name = "a short last group", .in = { DENSE(5, 150), LATENT(9, 150), DENSE(9, 3) }, .n = { 64 } },
    { .name = "groups of 128", .in = { DENSE(17, 384), LATENT(67, 384), DENSE(67, 3) }, .n = { 128 } },
    { .name = "two chunks of tokens", .in = { DENSE(259, 129), LATENT(131, 129), DENSE(131, 3) }, .n = { 64 } },
};

static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    return sgn_sign_matmul_group(t, in[0], in[1], in[2], c->n[0]);
}
/* The latents are +-1, hence their own signs. */
static void expect(const sgn_node *n, const op_case *c, double *out) {
    const int64_t in = n->in[1]->shape.dim[1], width = n->out->shape.dim[1], groups = n->in[2]->shape.dim[1];
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++) {
        const int64_t i = k % width;
        out[k] = 0;
        for (int64_t j = 0; j < in; j++)
            out[k] += (double)n->in[0]->data[k / width * in + j] * (double)n->in[1]->data[i * in + j] *
                      (double)n->in[2]->data[i * groups + j / c->n[0]];
    }
}

OP_CASES(sign_matmul_group, cases, apply, expect);
