/* SPDX-License-Identifier: MIT */
/* The matrix that post-training binarizers leave, from latents w, zones z and five scales a per row and block of 128 columns:
 *     W_ij = 0 (z 0), a_{z-1} s (z 1, 2, 3), a_3 s + a_4 t (z 4),   s = sign(w), t = sign(w - a_3 s)
 * Straight through both signs: dw += dW a_{z-1}, or dW (a_3 + a_4);  da_k += sum dW s, of a_4 sum dW t. */
#include "core/ops.h"
#include "core/ops/op_rows.h"

typedef struct { const sgn_real *zone; } args;

static sgn_tensor *w_of(const sgn_node *n) { return n->in[0]; }
static sgn_tensor *a_of(const sgn_node *n) { return n->in[1]; }

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    const sgn_tensor *w = w_of(n), *a = a_of(n);
    (void)saved;
    if (!sgn_is_rank(w, 2) || !sgn_is_rank(a, 2) || sgn_rows(a) != sgn_rows(w) || sgn_cols(a) != sgn_zoned_scales(sgn_cols(w)))
        return sgn_misfit(n, "w (out, in) and five scales for each 128 inputs of a row", w, a, err);
    *out = w->shape;
    return SGN_OK;
}

/* What is no zone is pruned. */
static int zone_of(sgn_real v) { return v >= 1 && v < 5 ? (int)v : 0; }
static sgn_real sign(sgn_real w) { return w >= 0 ? 1 : -1; }

void sgn_zoned_row(sgn_real *to, const sgn_real *w, const sgn_real *zone, const sgn_real *scale, int64_t in) {
    for (int64_t j = 0; j < in; j++) {
        const sgn_real *a = scale + j / SGN_ZONED_BLOCK * SGN_ZONED_SCALES, s = sign(w[j]);
        const int z = zone_of(zone[j]);
        to[j] = z == 0 ? 0 : z < 4 ? a[z - 1] * s : a[3] * s + a[4] * sign(w[j] - a[3] * s);
    }
}

static void forward_rows(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const int64_t in = sgn_cols(n->out);
    for (int64_t i = begin; i < end; i++)
        sgn_zoned_row(n->out->data + i * in, w_of(n)->data + i * in, ((const args *)n->args)->zone + i * in,
                      a_of(n)->data + i * sgn_cols(a_of(n)), in);
}

/* A row's dw and da: nobody else's. */
static void backward_rows(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const int64_t in = sgn_cols(n->out), scales = sgn_cols(a_of(n));
    for (int64_t i = begin; i < end; i++) {
        const sgn_real *g = n->out->grad + i * in, *w = w_of(n)->data + i * in, *zone = ((const args *)n->args)->zone + i * in;
        sgn_real *dw = w_of(n)->grad ? w_of(n)->grad + i * in : NULL;
        for (int64_t j = 0; j < in; j++) {
            const int64_t at = i * scales + j / SGN_ZONED_BLOCK * SGN_ZONED_SCALES;
            const sgn_real *a = a_of(n)->data + at, s = sign(w[j]);
            sgn_real *da = a_of(n)->grad ? a_of(n)->grad + at : NULL;
            const int z = zone_of(zone[j]);
            if (z == 0) continue;
            if (dw) dw[j] += g[j] * (z < 4 ? a[z - 1] : a[3] + a[4]);
            if (da) da[z - 1] += g[j] * s;
            if (da && z == 4) da[4] += g[j] * sign(w[j] - a[3] * s);
        }
    }
}

/* With +-1 for latents: signs as the identity there. */
static void smooth(const sgn_node *n) {
    const int64_t in = sgn_cols(n->out), scales = sgn_cols(a_of(n));
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++) {
        const sgn_real *a = a_of(n)->data + k / in * scales + k % in / SGN_ZONED_BLOCK * SGN_ZONED_SCALES, w = w_of(n)->data[k], s = sign(w);
        const int z = zone_of(((const args *)n->args)->zone[k]);
        n->out->data[k] = z == 0 ? 0 : z < 4 ? a[z - 1] * w : a[3] * w + a[4] * (w - s + sign(w - a[3] * s));
    }
}

static void forward(const sgn_node *n) { sgn_parallel(sgn_rows(n->out), sgn_row_grain(sgn_cols(n->out)), forward_rows, (void *)n); }
static void backward(const sgn_node *n) { sgn_parallel(sgn_rows(n->out), sgn_row_grain(sgn_cols(n->out)), backward_rows, (void *)n); }

const sgn_op sgn_op_zoned_weight = { "zoned_weight", 2, sizeof(args), infer, forward, backward, smooth };

sgn_tensor *sgn_zoned_weight(sgn_tape *t, sgn_tensor *w, sgn_tensor *scale, const sgn_real *zone) {
    return sgn_tape_apply(t, &sgn_op_zoned_weight, (sgn_tensor *[]){ w, scale }, &(args){ zone });
}
