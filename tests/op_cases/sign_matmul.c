/* SPDX-License-Identifier: MIT */
#include "tests/op_cases/op_cases.h"

static const op_case cases[] = {
    { .name = "odd sizes", .in = { DENSE(5, 7), LATENT(3, 7), VECTOR(7), VECTOR(7) } },
    { .name = "no scales", .in = { DENSE(5, 70), LATENT(9, 70) } },
    { .name = "alpha only", .in = { DENSE(5, 65), LATENT(66, 65), VECTOR(65) } },
    { .name = "beta only", .in = { DENSE(5, 65), LATENT(66, 65), NONE, VECTOR(65) } },
    { .name = "one token", .in = { DENSE(1, 130), LATENT(17, 130), VECTOR(130), VECTOR(130) } },
    { .name = "two chunks of tokens", .in = { DENSE(530, 131), LATENT(67, 131), VECTOR(131), VECTOR(131) } },
    { .name = "alpha is beta", .in = { DENSE(4, 12), LATENT(5, 12), VECTOR(12), SAME(2) } },
};

static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    (void)c;
    return sgn_sign_matmul(t, in[0], in[1], in[2], in[3]);
}
/* The latents are +-1, hence their own signs. */
static void expect(const sgn_node *n, const op_case *c, double *out) {
    (void)c;
    const int64_t in = n->in[1]->shape.dim[1], width = n->out->shape.dim[1];
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++) {
        const sgn_real *x = n->in[0]->data + k / width * in, *w = n->in[1]->data + k % width * in;
        out[k] = 0;
        for (int64_t j = 0; j < in; j++)
            out[k] += (double)x[j] * ((n->in[2] ? (double)n->in[2]->data[j] : 1) * (double)w[j] +
                                      (n->in[3] ? (double)n->in[3]->data[j] : 0));
    }
}

OP_CASES(sign_matmul, cases, apply, expect);
