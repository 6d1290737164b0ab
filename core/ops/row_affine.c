/* SPDX-License-Identifier: MIT */
/* y_t = z_t . a + s_t b, s_t = sum_j x_tj; a and b per output or one number each.
 * dz += dy . a,  da += sum_t dy_t . z_t,  db += sum_t s_t dy_t,  dx_tj += dy_t . b */
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/ops/op_rows.h"

static sgn_tensor *z_of(const sgn_node *n) { return n->in[0]; }
static sgn_tensor *x_of(const sgn_node *n) { return n->in[1]; }
static sgn_tensor *a_of(const sgn_node *n) { return n->in[2]; }
static sgn_tensor *b_of(const sgn_node *n) { return n->in[3]; }
static bool one_number(const sgn_node *n)  { return sgn_numel(a_of(n)->shape) == 1; }

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    const sgn_tensor *z = z_of(n), *x = x_of(n), *a = a_of(n), *b = b_of(n);
    if (!sgn_is_rank(z, 2) || (!sgn_is_vector(a, sgn_cols(z)) && !sgn_is_vector(a, 1)))
        return sgn_misfit(n, "z (tokens, out) and a (out) or (1)", z, a, err);
    if (b && !sgn_same_shape(a->shape, b->shape)) return sgn_misfit(n, "a and b of one shape", a, b, err);
    if (b && !x) SGN_FAIL(err, SGN_SHAPE, "row_affine wants x where b is given");
    if (b && (!sgn_is_rank(x, 2) || sgn_rows(x) != sgn_rows(z)))
        return sgn_misfit(n, "z (tokens, out) and x (tokens, in)", z, x, err);
    *out = z->shape;
    if (!n->train) return SGN_OK;
    const size_t column = (size_t)sgn_rows(z) * sizeof(sgn_real);
    if (b) *saved = column;                    /* s */
    return one_number(n) ? sgn_scratch_reserve(SGN_SCRATCH_SHARED, 2 * column, err) : SGN_OK;
}

static void forward_rows(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const bool one = one_number(n);
    const int64_t out = sgn_cols(n->out);
    const sgn_real *a = a_of(n)->data, *b = b_of(n) ? b_of(n)->data : NULL;
    for (int64_t t = begin; t < end; t++) {
        const sgn_real *z = z_of(n)->data + t * out;
        sgn_real *y = n->out->data + t * out;
        for (int64_t i = 0; i < out; i++) y[i] = z[i] * a[one ? 0 : i];
        if (!b) continue;
        const int64_t in = sgn_cols(x_of(n));
        const sgn_real s = sgn_sum(x_of(n)->data + t * in, in);
        for (int64_t i = 0; i < out; i++) y[i] += s * b[one ? 0 : i];
        if (n->saved) ((sgn_real *)n->saved)[t] = s;
    }
}

/* dz and dx of some tokens; where a and b are one number each, what each token adds to da and db. */
static void backward_rows(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const bool one = one_number(n);
    const int64_t out = sgn_cols(n->out), tokens = sgn_rows(n->out);
    const sgn_real *a = a_of(n)->data, *b = b_of(n) ? b_of(n)->data : NULL, *s = n->saved;
    sgn_real *terms = one ? sgn_scratch(SGN_SCRATCH_SHARED) : NULL;
    for (int64_t t = begin; t < end; t++) {
        const sgn_real *dy = n->out->grad + t * out, *z = z_of(n)->data + t * out;
        sgn_real *dz = z_of(n)->grad ? z_of(n)->grad + t * out : NULL;
        for (int64_t i = 0; dz && i < out; i++) dz[i] += dy[i] * a[one ? 0 : i];
        const sgn_real sum = one && b ? sgn_sum(dy, out) : 0;
        if (one) terms[t] = sgn_kernels_get()->dot(dy, z, out);
        if (one && b) terms[tokens + t] = sum * s[t];
        if (!b || !x_of(n)->grad) continue;
        const int64_t in = sgn_cols(x_of(n));
        const sgn_real ds = one ? sum * b[0] : sgn_kernels_get()->dot(dy, b, out);
        sgn_real *dx = x_of(n)->grad + t * in;
        for (int64_t j = 0; j < in; j++) dx[j] += ds;
    }
}

/* Columns [begin, end) of da and db, tokens in order. */
static void backward_cols(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const int64_t out = sgn_cols(n->out);
    const sgn_real *s = n->saved;
    sgn_real *da = a_of(n)->grad, *db = b_of(n) ? b_of(n)->grad : NULL;
    sgn_real sum_a[SGN_OP_COLS] = { 0 }, sum_b[SGN_OP_COLS] = { 0 };
    for (int64_t t = 0; t < sgn_rows(n->out); t++) {
        const sgn_real *dy = n->out->grad + t * out, *z = z_of(n)->data + t * out;
        if (da) for (int64_t i = begin; i < end; i++) sum_a[i - begin] += dy[i] * z[i];
        if (db) for (int64_t i = begin; i < end; i++) sum_b[i - begin] += dy[i] * s[t];
    }
    for (int64_t i = begin; da && i < end; i++) da[i] += sum_a[i - begin];
    for (int64_t i = begin; db && i < end; i++) db[i] += sum_b[i - begin];
}

static void forward(const sgn_node *n) {
    sgn_parallel(sgn_rows(n->out), sgn_row_grain(sgn_cols(n->out)), forward_rows, (void *)n);
}
static void backward(const sgn_node *n) {
    const int64_t tokens = sgn_rows(n->out), out = sgn_cols(n->out);
    sgn_parallel(tokens, sgn_row_grain(out), backward_rows, (void *)n);
    if (!one_number(n)) {
        sgn_parallel(out, SGN_OP_COLS, backward_cols, (void *)n);
        return;
    }
    const sgn_real *terms = sgn_scratch(SGN_SCRATCH_SHARED);
    if (a_of(n)->grad) a_of(n)->grad[0] += sgn_sum(terms, tokens);
    if (b_of(n) && b_of(n)->grad) b_of(n)->grad[0] += sgn_sum(terms + tokens, tokens);
}

const sgn_op sgn_op_row_affine = { "row_affine", 4, 0, infer, forward, backward, NULL };

sgn_tensor *sgn_row_affine(sgn_tape *t, sgn_tensor *z, sgn_tensor *x, sgn_tensor *a, sgn_tensor *b) {
    return sgn_tape_apply(t, &sgn_op_row_affine, (sgn_tensor *[]){ z, x, a, b }, NULL);
}
