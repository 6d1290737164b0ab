/* SPDX-License-Identifier: MIT */
/* y_i = sum_g alpha_ig z_gi, z_g = x_g S_g^T over the columns of group g (arXiv 2407.07093, group pattern).
 * dx_g += (dy . alpha_g) S_g,  dalpha_ig += sum_t dy_ti z_gti,  dW_g += (dy . alpha_g)^T x_g, straight through.
 * A group is a multiple of 64 columns, so its planes are views into the whole ones. The index tables of
 * the views are made anew in each call: that is once per row of S, small beside the product over tokens. */
#include "core/checked.h"
#include "core/arena.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/ops/op_rows.h"

typedef struct { int64_t group; } args;

enum { CHUNK = 256 };          /* tokens; their outputs stay in cache over the groups */

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t group_of(const sgn_node *n) { return ((const args *)n->args)->group; }
static int64_t in_of(const sgn_node *n)     { return sgn_cols(n->in[1]); }
static int64_t out_of(const sgn_node *n)    { return sgn_rows(n->in[1]); }
static int64_t groups(const sgn_node *n)    { return (in_of(n) + group_of(n) - 1) / group_of(n); }
static int64_t width(const sgn_node *n, int64_t g) { return min64(group_of(n), in_of(n) - g * group_of(n)); }

/* Where things lie in the shared scratch, in bytes. */
typedef struct {
    size_t alpha;              /* (groups, out): alpha^T */
    size_t z;                  /* (CHUNK, out) */
    size_t rows, cols;         /* index tables, a pair per group */
    size_t rows_each, cols_each, bytes;
} layout;

static size_t index_bytes(int64_t rows, int64_t cols) {
    const sgn_kernels *k = sgn_kernels_get();
    return k->binary_index ? sgn_round_up(k->binary_index_bytes(SGN_CODE_BINARY, rows, cols), SGN_ALIGN) : 0;
}
static layout lay_out(const sgn_node *n) {
    const size_t out = (size_t)out_of(n) * sizeof(sgn_real), count = (size_t)groups(n);
    layout l = { .rows_each = index_bytes(out_of(n), group_of(n)), .cols_each = index_bytes(group_of(n), out_of(n)) };
    l.z = sgn_round_up(count * out, SGN_ALIGN);
    l.rows = l.z + sgn_round_up(CHUNK * out, SGN_ALIGN);
    l.cols = l.rows + count * l.rows_each;
    l.bytes = l.cols + count * l.cols_each;
    return l;
}

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    (void)saved;
    const sgn_tensor *x = n->in[0], *w = n->in[1], *alpha = n->in[2];
    if (!sgn_is_rank(x, 2) || !sgn_is_rank(w, 2) || sgn_cols(x) != sgn_cols(w))
        return sgn_misfit(n, "x (tokens, in) and W (out, in)", x, w, err);
    if (group_of(n) < 64 || group_of(n) % 64)
        SGN_FAIL(err, SGN_SHAPE, "sign_matmul_group wants a group of 64, 128, 192... columns, got %lld",
                 (long long)group_of(n));
    if (!sgn_same_shape(alpha->shape, sgn_shape2(out_of(n), groups(n))))
        return sgn_misfit(n, "alpha (out, ceil(in/group)) for W (out, in)", alpha, w, err);
    if (w->data && !w->signs) SGN_FAIL(err, SGN_SHAPE, "sign_matmul_group wants a latent weight, which has sign planes");
    if (w->signs && w->signs->code != SGN_CODE_BINARY)
        SGN_FAIL(err, SGN_UNSUPPORTED, "sign_matmul_group wants all signs of a latent weight, not some of them");
    *out = sgn_shape2(sgn_rows(x), out_of(n));
    SGN_TRY(sgn_scratch_reserve(SGN_SCRATCH_SHARED, lay_out(n).bytes, err));
    SGN_TRY(sgn_binary_gemm_reserve(out_of(n), group_of(n), err));
    return sgn_binary_gemm_reserve(group_of(n), out_of(n), err);
}

/* The plane of group g, and its index table in scratch. */
static sgn_plane rows_view(const sgn_node *n, int64_t g) {
    const sgn_plane *p = &n->in[1]->signs->rows;
    return (sgn_plane){ out_of(n), width(n, g), p->stride, p->word + g * group_of(n) / 64 };
}
static sgn_plane cols_view(const sgn_node *n, int64_t g) {
    const sgn_plane *p = &n->in[1]->signs->cols;
    return (sgn_plane){ width(n, g), out_of(n), p->stride, p->word + g * group_of(n) * p->stride };
}
static void *table(size_t base, size_t each, int64_t g) {
    return each ? (char *)sgn_scratch(SGN_SCRATCH_SHARED) + base + (size_t)g * each : NULL;
}
static sgn_real *reals(size_t at) { return (sgn_real *)(void *)((char *)sgn_scratch(SGN_SCRATCH_SHARED) + at); }

static void prepare(const sgn_node *n, bool rows, bool cols) {
    const layout l = lay_out(n);
    const int64_t out = out_of(n), count = groups(n);
    for (int64_t g = 0; g < count; g++) {
        const sgn_plane by_row = rows_view(n, g), by_col = cols_view(n, g);
        for (int64_t i = 0; i < out; i++) reals(l.alpha)[g * out + i] = n->in[2]->data[i * count + g];
        if (rows) sgn_plane_index(&by_row, table(l.rows, l.rows_each, g));
        if (cols) sgn_plane_index(&by_col, table(l.cols, l.cols_each, g));
    }
}

/* y (rows, out) = or += scale . (x_g S_g^T) for the tokens from `from` on. */
static void product(const sgn_node *n, int64_t g, int64_t from, int64_t rows, const sgn_real *scale, bool add, sgn_real *y) {
    const layout l = lay_out(n);
    const sgn_plane s = rows_view(n, g);
    sgn_binary_gemm_run(&(sgn_binary_product){
        .m = rows, .n = out_of(n), .k = width(n, g), .x = n->in[0]->data + from * in_of(n) + g * group_of(n),
        .ldx = in_of(n), .s = &s, .index = table(l.rows, l.rows_each, g), .out_scale = scale, .add = add,
        .y = y, .ldy = out_of(n) });
}

static void forward(const sgn_node *n) {
    const int64_t tokens = sgn_rows(n->out), out = out_of(n);
    const sgn_real *alpha = reals(lay_out(n).alpha);
    prepare(n, true, false);
    for (int64_t t = 0; t < tokens; t += CHUNK)
        for (int64_t g = 0; g < groups(n); g++)
            product(n, g, t, min64(CHUNK, tokens - t), alpha + g * out, g > 0, n->out->data + t * out);
}

typedef struct {               /* one chunk of tokens, one group */
    const sgn_node *n;
    int64_t         g, from, rows;
    sgn_real       *z;         /* (rows, out): z_g, then dy . alpha_g */
    const sgn_real *alpha;     /* (out) of group g */
} part;

static void backward_alpha(void *ctx, int64_t begin, int64_t end) {
    const part *p = ctx;
    const int64_t out = out_of(p->n);
    sgn_real sum[SGN_OP_COLS] = { 0 }, *dalpha = p->n->in[2]->grad;
    for (int64_t t = 0; t < p->rows; t++) {
        const sgn_real *dy = p->n->out->grad + (p->from + t) * out, *z = p->z + t * out;
        for (int64_t i = begin; i < end; i++) sum[i - begin] += dy[i] * z[i];
    }
    for (int64_t i = begin; i < end; i++) dalpha[i * groups(p->n) + p->g] += sum[i - begin];
}

static void scale_rows(void *ctx, int64_t begin, int64_t end) {
    const part *p = ctx;
    const int64_t out = out_of(p->n);
    for (int64_t t = begin; t < end; t++) {
        const sgn_real *dy = p->n->out->grad + (p->from + t) * out;
        for (int64_t i = 0; i < out; i++) p->z[t * out + i] = dy[i] * p->alpha[i];
    }
}

static void backward_part(part *p) {
    const sgn_node *n = p->n;
    const layout l = lay_out(n);
    const int64_t in = in_of(n), out = out_of(n), at = p->from * in + p->g * group_of(n);
    sgn_tensor *x = n->in[0], *w = n->in[1];
    if (n->in[2]->grad) {
        product(n, p->g, p->from, p->rows, NULL, false, p->z);
        sgn_parallel(out, SGN_OP_COLS, backward_alpha, p);
    }
    if (!x->grad && !w->grad) return;
    sgn_parallel(p->rows, sgn_row_grain(out), scale_rows, p);
    const sgn_plane s = cols_view(n, p->g);
    if (x->grad)
        sgn_binary_gemm_run(&(sgn_binary_product){
            .m = p->rows, .n = s.rows, .k = out, .x = p->z, .ldx = out, .s = &s,
            .index = table(l.cols, l.cols_each, p->g), .add = true, .y = x->grad + at, .ldy = in });
    if (w->grad)
        sgn_gemm(&(sgn_gemm_args){ .trans_a = true, .m = out, .n = s.rows, .k = p->rows, .a = 1, .A = p->z, .lda = out,
                                   .B = x->data + at, .ldb = in, .b = 1, .C = w->grad + p->g * group_of(n), .ldc = in });
}

static void backward(const sgn_node *n) {
    const int64_t tokens = sgn_rows(n->out);
    const layout l = lay_out(n);
    prepare(n, n->in[2]->grad != NULL, n->in[0]->grad != NULL);
    for (int64_t t = 0; t < tokens; t += CHUNK)
        for (int64_t g = 0; g < groups(n); g++)
            backward_part(&(part){ n, g, t, min64(CHUNK, tokens - t), reals(l.z), reals(l.alpha) + g * out_of(n) });
}

/* The same with W for S: where W is +-1 both agree, and this one is linear in W. */
static void smooth(const sgn_node *n) {
    const int64_t in = in_of(n), out = out_of(n), count = groups(n);
    for (int64_t k = 0; k < sgn_numel(n->out->shape); k++) {
        const sgn_real *x = n->in[0]->data + k / out * in, *w = n->in[1]->data + k % out * in;
        const sgn_real *alpha = n->in[2]->data + k % out * count;
        double y = 0;
        for (int64_t j = 0; j < in; j++) y += (double)(alpha[j / group_of(n)] * w[j] * x[j]);
        n->out->data[k] = (sgn_real)y;
    }
}

const sgn_op sgn_op_sign_matmul_group = { "sign_matmul_group", 3, sizeof(args), infer, forward, backward, smooth };

sgn_tensor *sgn_sign_matmul_group(sgn_tape *t, sgn_tensor *x, sgn_tensor *w, sgn_tensor *alpha, int64_t group) {
    return sgn_tape_apply(t, &sgn_op_sign_matmul_group, (sgn_tensor *[]){ x, w, alpha }, &(args){ group });
}
