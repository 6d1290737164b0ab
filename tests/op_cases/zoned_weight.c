/* SPDX-License-Identifier: MIT */
#include "tests/op_cases/op_cases.h"

static const op_case cases[] = {
    { .name = "one short block", .in = { LATENT(3, 7), SPREAD(3, 5, 0.3) } },
    { .name = "a short last block", .in = { LATENT(9, 150), SPREAD(9, 10, 0.3) } },
    { .name = "several tasks", .in = { LATENT(131, 384), SPREAD(131, 15, 0.3) } },
};

static double zone_of(int64_t i, const op_case *c) {
    (void)c;
    return (double)(i * 7 % 11 % 5);
}

static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    return sgn_zoned_weight(t, in[0], in[1], case_reals(0, c->in[0].rows * c->in[0].cols, zone_of, c));
}
static void expect(const sgn_node *n, const op_case *c, double *out) {
    const int64_t in = n->out->shape.dim[1], scales = n->in[1]->shape.dim[1];
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++) {
        const sgn_real *a = n->in[1]->data + k / in * scales + k % in / 128 * 5;
        const double w = (double)n->in[0]->data[k], s = w < 0 ? -1 : 1, zone = zone_of(k, c);
        out[k] = zone < 1 ? 0 : zone < 4 ? s * (double)a[(int)zone - 1] : s * (double)a[3] + (w < s * (double)a[3] ? -1 : 1) * (double)a[4];
    }
}

OP_CASES(zoned_weight, cases, apply, expect);
