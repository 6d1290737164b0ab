/* SPDX-License-Identifier: MIT */
#include "export/stages.h"

#include <math.h>
#include "core/checked.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"
#include "export/dense_run.h"

/* Floats per task; groups per call. */
enum { GRAIN = 16384, GROUPS = 64 };

static int64_t grain(int64_t width) { return width < GRAIN ? GRAIN / width : 1; }

/* --- preparing ---------------------------------------------------------------------------------- */

/* A vector of n floats: factor * v, where v of size 1 stands for all and v NULL for ones. */
static const float *expand(sgn_arena *a, const float *v, int64_t size, int64_t n, float factor) {
    if (v && size == n && factor == 1) return v;
    float *out = sgn_arena_alloc(a, (size_t)n * sizeof *out);
    for (int64_t i = 0; out && i < n; i++) out[i] = factor * (v ? v[size == 1 ? 0 : i] : 1);
    return out;
}

static void *new_index(sgn_arena *a, const sgn_plane *p) {
    const sgn_kernels *k = sgn_kernels_get();
    const size_t bytes = k->binary_index ? k->binary_index_bytes(SGN_CODE_BINARY, p->rows, p->cols) : 0;
    void *index = bytes ? sgn_arena_alloc(a, bytes) : NULL;
    sgn_plane_index(p, index);
    return index;
}

static int64_t groups(const sgn_lowered_stage *s) { return (s->cols + s->group - 1) / s->group; }

static sgn_plane group_plane(const sgn_lowered_stage *s, int64_t g) {
    const int64_t at = g * s->group, cols = s->cols - at < s->group ? s->cols - at : s->group;
    return (sgn_plane){ s->rows, cols, s->plane[0].stride, s->plane[0].word + at / 64 };
}

static sgn_status prepare_groups(sgn_stage_step *p, const char *layer, sgn_arena *a, sgn_error *err) {
    const sgn_lowered_stage *s = p->stage;
    if (s->group < 64 || s->group % 64)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: groups of %lld columns cannot run; 64, 128, 192 ... can", layer,
                 (long long)s->group);
    const int64_t count = groups(s);
    float *scale = sgn_arena_alloc(a, (size_t)(count * s->rows) * sizeof *scale);
    for (int64_t g = 0; scale && g < count; g++)
        for (int64_t i = 0; i < s->rows; i++) scale[g * s->rows + i] = s->v[i * count + g];
    p->group_scale = scale;
    p->group_index = sgn_arena_alloc(a, (size_t)count * sizeof *p->group_index);
    for (int64_t g = 0; g < count; g++) {
        const sgn_plane plane = group_plane(s, g);
        void *index = new_index(a, &plane);
        if (p->group_index) p->group_index[g] = index;
    }
    return sgn_binary_gemm_reserve(s->rows, s->group, err);
}

/* Stages that a sign product takes in: a scale before it, a scale after it. */
static bool is_product(const sgn_lowered_stage *s) { return s->kind == SGN_STAGE_SIGN || s->kind == SGN_STAGE_TERNARY; }
static bool is_scale(const sgn_lowered_stage *s) { return s->kind == SGN_STAGE_SCALE; }

static sgn_status prepare_product(sgn_stage_step *p, const sgn_lowered_stage *before, const sgn_lowered_stage *after,
                                  sgn_arena *a, sgn_error *err) {
    const sgn_lowered_stage *s = p->stage;
    if (before) p->in_scale = expand(a, before->v, before->v_size, s->cols, 1);
    if (after) p->out_scale = expand(a, after->v, after->v_size, s->rows, 1);
    if (s->kind == SGN_STAGE_TERNARY) {
        const float *scale = p->out_scale;
        p->out_scale = expand(a, scale, s->rows, s->rows, 0.5f);
        p->minus_scale = expand(a, scale, s->rows, s->rows, -0.5f);
        p->index[1] = new_index(a, &s->plane[1]);
    }
    p->index[0] = new_index(a, &s->plane[0]);
    return sgn_binary_gemm_reserve(s->rows, s->cols, err);
}

static sgn_status check_stage(const sgn_lowered_stage *s, int64_t width, const char *layer, sgn_error *err) {
    if (s->kind == SGN_STAGE_MASKED_SIGN || s->kind >= SGN_STAGE_COUNT)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: a stage '%s' cannot run yet", layer, sgn_stage_word(s->kind));
    if (s->cols != width)
        SGN_FAIL(err, SGN_SHAPE, "%s: a stage '%s' takes %lld numbers and gets %lld", layer, sgn_stage_word(s->kind),
                 (long long)s->cols, (long long)width);
    const bool keeps = s->kind == SGN_STAGE_NORM || s->kind == SGN_STAGE_QUANT_ACT || is_scale(s);
    if (keeps && s->rows != s->cols)
        SGN_FAIL(err, SGN_SHAPE, "%s: a stage '%s' cannot make %lld numbers of %lld", layer, sgn_stage_word(s->kind),
                 (long long)s->rows, (long long)s->cols);
    return SGN_OK;
}

static sgn_status prepare_chain(sgn_stages *s, int c, const sgn_chain *chain, const char *layer, sgn_arena *a,
                                sgn_error *err) {
    int64_t width = s->in;
    for (int i = 0; i < chain->count; i++) {
        const sgn_lowered_stage *at = &chain->stage[i], *next = i + 1 < chain->count ? at + 1 : NULL;
        SGN_TRY(check_stage(at, width, layer, err));
        sgn_stage_step *p = &s->step[c][s->count[c]++];
        const sgn_lowered_stage *before = NULL;
        if (is_scale(at) && next && is_product(next)) {
            SGN_TRY(check_stage(next, width, layer, err));
            before = at;
            at = next;
            next = ++i + 1 < chain->count ? at + 1 : NULL;
        }
        *p = (sgn_stage_step){ .stage = at };
        width = at->rows;
        if (is_product(at)) {
            const sgn_lowered_stage *after = next && is_scale(next) ? next : NULL;
            if (after) SGN_TRY(check_stage(after, width, layer, err));
            SGN_TRY(prepare_product(p, before, after, a, err));
            i += after != NULL;
        } else if (at->kind == SGN_STAGE_GROUP_SIGN) {
            SGN_TRY(prepare_groups(p, layer, a, err));
        } else if (at->kind == SGN_STAGE_RANK1) {
            const bool one = at->u && at->u_size == 1;     /* (x . v) u 1^T = (x . uv) 1^T */
            p->v = expand(a, at->v, at->v_size, at->cols, one ? at->u[0] : 1);
            p->u = one ? NULL : at->u;
        } else if (at->kind == SGN_STAGE_DENSE) {
            SGN_TRY(sgn_dense_reserve(at->w, at->rows, at->cols, err));
        } else if (at->kind != SGN_STAGE_QUANT_ACT) {
            p->v = expand(a, at->v, at->v_size, width, 1);
        }
        if (i + 1 < chain->count && width > s->widest) s->widest = width;
    }
    if (width != s->out)
        SGN_FAIL(err, SGN_SHAPE, "%s: its stages make %lld numbers, not %lld", layer, (long long)width, (long long)s->out);
    return SGN_OK;
}

sgn_status sgn_stages_init(sgn_stages *s, const sgn_lowered *l, int64_t in, int64_t out, double eps,
                           const char *layer, sgn_arena *a, sgn_error *err) {
    *s = (sgn_stages){ .in = in, .out = out, .eps = (float)eps, .bias = l->bias, .chains = l->count };
    for (int c = 0; c < l->count; c++) {
        if (l->chain[c].count < 1) SGN_FAIL(err, SGN_SHAPE, "%s: chain %d has no stages", layer, c);
        SGN_TRY(prepare_chain(s, c, &l->chain[c], layer, a, err));
    }
    const sgn_stage_step *first = &s->step[0][s->count[0] - 1], *second = &s->step[1][0];
    if (s->chains == 2 && s->count[1] == 1 && second->stage->kind == SGN_STAGE_RANK1 && !second->u &&
        first->stage->kind == SGN_STAGE_SIGN) {
        s->row_v = second->v;
        s->chains = 1;
    }
    return SGN_OK;
}

bool sgn_lowered_is_linear(const sgn_lowered *l) {
    for (int c = 0; c < l->count; c++)
        for (int i = 0; i < l->chain[c].count; i++) {
            const sgn_stage_kind k = l->chain[c].stage[i].kind;
            if (k == SGN_STAGE_NORM || k == SGN_STAGE_QUANT_ACT) return false;
        }
    return true;
}

/* --- running ------------------------------------------------------------------------------------ */

typedef struct {
    const sgn_stage_step *p;
    const float *x;
    float        eps, *y;
    bool         add;
} row_job;

/* x = round(127 x / max|x|) max|x| / 127 */
static void quantize(const float *x, float *y, int64_t n) {
    float most = 0;
    for (int64_t j = 0; j < n; j++) most = fmaxf(most, fabsf(x[j]));
    const float scale = most / 127;
    for (int64_t j = 0; j < n; j++) y[j] = scale > 0 ? rintf(x[j] / scale) * scale : 0;
}

static void run_row(const row_job *j, const float *x, float *y) {
    const sgn_stage_step *p = j->p;
    const int64_t rows = p->stage->rows, cols = p->stage->cols;
    const sgn_kernels *k = sgn_kernels_get();
    switch (p->stage->kind) {
    case SGN_STAGE_NORM: k->rmsnorm(y, x, p->v, cols, j->eps); break;
    case SGN_STAGE_QUANT_ACT: quantize(x, y, cols); break;
    case SGN_STAGE_SCALE:
        for (int64_t i = 0; i < cols; i++) y[i] = x[i] * p->v[i];
        break;
    default: {                                             /* RANK1, the only one that may add */
        const float sum = k->dot(x, p->v, cols);
        for (int64_t i = 0; i < rows; i++) {
            const float s = p->u ? sum * p->u[i] : sum;
            y[i] = j->add ? y[i] + s : s;
        }
    } }
}

static void run_rows(void *ctx, int64_t begin, int64_t end) {
    const row_job *j = ctx;
    const sgn_lowered_stage *s = j->p->stage;
    for (int64_t t = begin; t < end; t++) run_row(j, j->x + t * s->cols, j->y + t * s->rows);
}

typedef struct { const float *x, *v; float *sum; int64_t in; } sum_job;

static void sum_rows(void *ctx, int64_t begin, int64_t end) {
    const sum_job *j = ctx;
    for (int64_t t = begin; t < end; t++) j->sum[t] = sgn_kernels_get()->dot(j->x + t * j->in, j->v, j->in);
}

static void run_groups(const sgn_stage_step *p, const float *x, int64_t m, float *y, bool add) {
    const sgn_lowered_stage *s = p->stage;
    sgn_binary_product product[GROUPS];
    sgn_plane plane[GROUPS];
    for (int64_t g = 0; g < groups(s);) {
        int n = 0;
        for (; n < GROUPS && g < groups(s); n++, g++) {
            plane[n] = group_plane(s, g);
            product[n] = (sgn_binary_product){
                .m = m, .n = s->rows, .k = plane[n].cols, .x = x + g * s->group, .ldx = s->cols, .s = &plane[n],
                .index = p->group_index[g], .out_scale = p->group_scale + g * s->rows,
                .add = add || g > 0, .y = y, .ldy = s->rows };
        }
        sgn_binary_gemm_sum(product, n);
    }
}

static void run_step(const sgn_stages *s, const sgn_stage_step *p, const float *x, int64_t m, float *y,
                     bool add, const float *row_add) {
    const sgn_lowered_stage *at = p->stage;
    sgn_binary_product product[2] = { {
        .m = m, .n = at->rows, .k = at->cols, .x = x, .ldx = at->cols, .in_scale = p->in_scale,
        .s = &at->plane[0], .index = p->index[0], .out_scale = p->out_scale, .row_add = row_add,
        .add = add, .y = y, .ldy = at->rows } };
    switch (at->kind) {
    case SGN_STAGE_TERNARY:
        product[1] = product[0];
        product[1].s = &at->plane[1];
        product[1].index = p->index[1];
        product[1].out_scale = p->minus_scale;
        product[1].row_add = NULL;
        product[1].add = true;
        sgn_binary_gemm_sum(product, 2);
        break;
    case SGN_STAGE_SIGN: sgn_binary_gemm_sum(product, 1); break;
    case SGN_STAGE_GROUP_SIGN: run_groups(p, x, m, y, add); break;
    case SGN_STAGE_DENSE: sgn_dense_run(at->w, x, m, at->rows, at->cols, add, y); break;
    default: sgn_parallel(m, grain(at->cols), run_rows, &(row_job){ p, x, s->eps, y, add });
    }
}

typedef struct { const float *from; float *y; int64_t width, step; } add_job;

static void add_rows(void *ctx, int64_t begin, int64_t end) {
    const add_job *j = ctx;
    for (int64_t t = begin; t < end; t++) sgn_kernels_get()->axpy(j->y + t * j->width, 1, j->from + t * j->step, j->width);
}

static bool can_add(const sgn_lowered_stage *s) {
    return s->kind != SGN_STAGE_NORM && s->kind != SGN_STAGE_QUANT_ACT && s->kind != SGN_STAGE_SCALE;
}

int64_t sgn_stages_work(const sgn_stages *s, int64_t m) {
    const int64_t last = s->widest > s->out ? s->widest : s->out;
    return m * (s->chains > 1 || s->widest ? 2 * last + 1 : 1);
}

void sgn_stages_run(const sgn_stages *s, const float *x, int64_t m, float *y, float *work) {
    const int64_t wide = s->widest > s->out ? s->widest : s->out;
    float *sums = work, *between[2] = { work + m, work + m + m * wide };
    if (s->row_v) sgn_parallel(m, grain(s->in), sum_rows, &(sum_job){ x, s->row_v, sums, s->in });
    for (int c = 0; c < s->chains; c++) {
        const float *from = x;
        for (int i = 0; i < s->count[c]; i++) {
            const sgn_stage_step *p = &s->step[c][i];
            const bool last = i + 1 == s->count[c], direct = last && (c == 0 || can_add(p->stage));
            float *to = direct ? y : between[i & 1];
            run_step(s, p, from, m, to, direct && c > 0, last && s->row_v ? sums : NULL);
            if (last && !direct) sgn_parallel(m, grain(s->out), add_rows, &(add_job){ to, y, s->out, s->out });
            from = to;
        }
    }
    if (s->bias) sgn_parallel(m, grain(s->out), add_rows, &(add_job){ s->bias, y, s->out, 0 });
}
