/* SPDX-License-Identifier: MIT */
#include "export/stages.h"

#include <math.h>
#include "core/checked.h"
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/parallel.h"
#include "export/dense_run.h"
#include "export/zoned_run.h"

/* Floats per task. */
enum { GRAIN = 16384 };

static int64_t grain(int64_t width) { return width < GRAIN ? GRAIN / width : 1; }

/* --- preparing ---------------------------------------------------------------------------------- */

/* A vector of n floats: factor * v, where v of size 1 stands for all and v NULL for ones. */
static const float *expand(sgn_arena *a, const float *v, int64_t size, int64_t n, float factor) {
    if (v && size == n && factor == 1) return v;
    float *out = sgn_arena_alloc(a, (size_t)n * sizeof *out);
    for (int64_t i = 0; out && i < n; i++) out[i] = factor * (v ? v[size == 1 ? 0 : i] : 1);
    return out;
}

/* Stages that a sign product takes in: a scale before it, a scale after it. */
static bool is_product(const sgn_lowered_stage *s) {
    return s->kind == SGN_STAGE_SIGN || s->kind == SGN_STAGE_TERNARY || s->kind == SGN_STAGE_MASKED_SIGN;
}
static bool is_scale(const sgn_lowered_stage *s) { return s->kind == SGN_STAGE_SCALE; }

/* Masked signs of planes become what runs. */
static void begin_step(sgn_stage_step *p, const sgn_lowered_stage *s, sgn_arena *a) {
    const size_t bytes = sgn_masked_bytes(s);
    *p = (sgn_stage_step){ .stage = s };
    if (!bytes) return;
    p->own = sgn_masked_settle(s, sgn_arena_alloc(a, bytes));
    p->stage = &p->own;
}

static sgn_status check_stage(const sgn_lowered_stage *s, int64_t width, const char *layer, sgn_error *err) {
    if (s->kind >= SGN_STAGE_COUNT) SGN_FAIL(err, SGN_UNSUPPORTED, "%s: a stage of kind %d cannot run", layer, (int)s->kind);
    if (s->cols != width)
        SGN_FAIL(err, SGN_SHAPE, "%s: a stage '%s' takes %lld numbers and gets %lld", layer, sgn_stage_word(s->kind),
                 (long long)s->cols, (long long)width);
    const bool keeps = s->kind == SGN_STAGE_NORM || s->kind == SGN_STAGE_LAYER_NORM || s->kind == SGN_STAGE_QUANT_ACT || is_scale(s);
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
        const bool rounded = i > 0 && at[-1].kind == SGN_STAGE_QUANT_ACT;  /* already: the same 8 bits again */
        if (is_scale(at) && next && is_product(next)) {
            SGN_TRY(check_stage(next, width, layer, err));
            before = at;
            at = next;
            next = ++i + 1 < chain->count ? at + 1 : NULL;
        }
        begin_step(p, at, a);
        width = at->rows;
        if (is_product(at) || at->kind == SGN_STAGE_GROUP_SIGN) {
            const sgn_lowered_stage *after = is_product(at) && next && is_scale(next) ? next : NULL;
            if (after) SGN_TRY(check_stage(after, width, layer, err));
            p->product = (sgn_stage_product){ p->stage, before ? expand(a, before->v, before->v_size, at->cols, 1) : NULL,
                                              after ? expand(a, after->v, after->v_size, width, 1) : NULL, s->int8 || (rounded && !before) };
            SGN_TRY(sgn_stage_product_check(&p->product, layer, err));
            i += after != NULL;
        } else if (at->kind == SGN_STAGE_RANK1) {
            const bool one = at->u && at->u_size == 1;     /* (x . v) u 1^T = (x . uv) 1^T */
            p->v = expand(a, at->v, at->v_size, at->cols, one ? at->u[0] : 1);
            p->u = one ? NULL : at->u;
        } else if (at->kind == SGN_STAGE_DENSE) {
            SGN_TRY(sgn_dense_reserve(at->w, at->rows, at->cols, err));
        } else if (at->kind == SGN_STAGE_ZONES) {
            SGN_TRY(sgn_zoned_reserve(at, err));
        } else if (at->kind != SGN_STAGE_QUANT_ACT) {
            p->v = expand(a, at->v, at->v_size, width, 1);
        }
        if (i + 1 < chain->count && width > s->widest) s->widest = width;
    }
    if (width != s->out)
        SGN_FAIL(err, SGN_SHAPE, "%s: its stages make %lld numbers, not %lld", layer, (long long)width, (long long)s->out);
    return SGN_OK;
}

sgn_status sgn_stages_init(sgn_stages *s, const sgn_lowered *l, int64_t in, int64_t out, double eps, bool int8,
                           const char *layer, sgn_arena *a, sgn_error *err) {
    *s = (sgn_stages){ .in = in, .out = out, .eps = (float)eps, .bias = l->bias, .chains = l->count, .int8 = int8 };
    for (int c = 0; c < l->count; c++) {
        if (l->chain[c].count < 1) SGN_FAIL(err, SGN_SHAPE, "%s: chain %d has no stages", layer, c);
        SGN_TRY(prepare_chain(s, c, &l->chain[c], layer, a, err));
    }
    const sgn_stage_step *first = &s->step[0][s->count[0] - 1], *second = &s->step[1][0];
    if (s->chains == 2 && s->count[1] == 1 && second->stage->kind == SGN_STAGE_RANK1 && !second->u &&
        is_product(first->stage)) {
        s->row_v = second->v;
        s->chains = 1;
    }
    return SGN_OK;
}

bool sgn_lowered_is_linear(const sgn_lowered *l) {
    for (int c = 0; c < l->count; c++)
        for (int i = 0; i < l->chain[c].count; i++) {
            const sgn_stage_kind k = l->chain[c].stage[i].kind;
            if (k == SGN_STAGE_NORM || k == SGN_STAGE_LAYER_NORM || k == SGN_STAGE_QUANT_ACT) return false;
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

static void run_row(const row_job *j, const float *x, float *y) {
    const sgn_stage_step *p = j->p;
    const int64_t rows = p->stage->rows, cols = p->stage->cols;
    const sgn_kernels *k = sgn_kernels_get();
    switch (p->stage->kind) {
    case SGN_STAGE_NORM: k->rmsnorm(y, x, p->v, cols, j->eps); break;
    case SGN_STAGE_QUANT_ACT: sgn_quant_act_row(y, x, cols); break;
    case SGN_STAGE_LAYER_NORM: sgn_layernorm_row(y, x, p->v, NULL, cols, j->eps); break;
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

static void run_step(const sgn_stages *s, const sgn_stage_step *p, const float *x, int64_t m, float *y,
                     bool add, const float *row_add, void *room) {
    const sgn_lowered_stage *at = p->stage;
    if (p->product.stage) sgn_stage_product_run(&p->product, x, m, row_add, add, y, room);
    else if (at->kind == SGN_STAGE_DENSE) sgn_dense_run(at->w, x, m, at->rows, at->cols, add, y);
    else if (at->kind == SGN_STAGE_ZONES) sgn_zoned_run(at, x, m, add, y);
    else sgn_parallel(m, grain(at->cols), run_rows, &(row_job){ p, x, s->eps, y, add });
}

typedef struct { const float *from; float *y; int64_t width, step; } add_job;

static void add_rows(void *ctx, int64_t begin, int64_t end) {
    const add_job *j = ctx;
    for (int64_t t = begin; t < end; t++) sgn_kernels_get()->axpy(j->y + t * j->width, 1, j->from + t * j->step, j->width);
}

static bool can_add(const sgn_lowered_stage *s) {
    return s->kind != SGN_STAGE_NORM && s->kind != SGN_STAGE_LAYER_NORM && s->kind != SGN_STAGE_QUANT_ACT && s->kind != SGN_STAGE_SCALE;
}

/* Work: room of products, sums of rows, two matrices of what passes between stages. */
static int64_t room_floats(const sgn_stages *s, int64_t m) {
    size_t most = 0;
    for (int c = 0; c < s->chains; c++)
        for (int i = 0; i < s->count[c]; i++) {
            const sgn_stage_product *p = &s->step[c][i].product;
            const size_t bytes = p->stage ? sgn_stage_product_room(p, m) : 0;
            most = bytes > most ? bytes : most;
        }
    return (int64_t)(sgn_round_up(most, SGN_ALIGN) / sizeof(float));
}

int64_t sgn_stages_work(const sgn_stages *s, int64_t m) {
    const int64_t last = s->widest > s->out ? s->widest : s->out;
    return room_floats(s, m) + m * (s->chains > 1 || s->widest ? 2 * last + 1 : 1);
}

void sgn_stages_run(const sgn_stages *s, const float *x, int64_t m, float *y, float *work) {
    const int64_t wide = s->widest > s->out ? s->widest : s->out;
    float *sums = work + room_floats(s, m), *between[2] = { sums + m, sums + m + m * wide };
    if (s->row_v) sgn_parallel(m, grain(s->in), sum_rows, &(sum_job){ x, s->row_v, sums, s->in });
    for (int c = 0; c < s->chains; c++) {
        const float *from = x;
        for (int i = 0; i < s->count[c]; i++) {
            const sgn_stage_step *p = &s->step[c][i];
            const bool last = i + 1 == s->count[c], direct = last && (c == 0 || can_add(p->stage));
            float *to = direct ? y : between[i & 1];
            run_step(s, p, from, m, to, direct && c > 0, last && s->row_v ? sums : NULL, work);
            if (last && !direct) sgn_parallel(m, grain(s->out), add_rows, &(add_job){ to, y, s->out, s->out });
            from = to;
        }
    }
    if (s->bias) sgn_parallel(m, grain(s->out), add_rows, &(add_job){ s->bias, y, s->out, 0 });
}

/* Work of one layer beside others. */
static int64_t share_floats(const sgn_stages *s, int64_t m) {
    return (int64_t)(sgn_round_up((size_t)sgn_stages_work(s, m) * sizeof(float), SGN_ALIGN) / sizeof(float));
}

/* Is it one product, of few rows? */
static bool is_few(const sgn_stages *s, int64_t m) {
    const sgn_stage_product *p = &s->step[0][0].product;
    return s->chains == 1 && s->count[0] == 1 && p->stage && sgn_stage_product_few(p, m);
}

int64_t sgn_stages_work_all(const sgn_stages *s, int count, int64_t m) {
    int64_t most = 1, together = 0;
    for (int i = 0; i < count; i++) {
        const int64_t alone = sgn_stages_work(&s[i], m);
        int64_t few = m;
        while (few && !is_few(&s[i], few)) few--;
        most = alone > most ? alone : most;
        together += share_floats(&s[i], few);
    }
    return together > most ? together : most;
}

void sgn_stages_run_all(const sgn_stages *s, int count, const float *x, int64_t m, float *const *y, float *work) {
    sgn_gemv product[SGN_GEMV_TOGETHER] = { 0 };
    void *room[SGN_GEMV_TOGETHER] = { 0 };
    bool together = true;
    for (int i = 0; i < count; i++) together = together && is_few(&s[i], m);
    if (!together) {
        for (int i = 0; i < count; i++) sgn_stages_run(&s[i], x, m, y[i], work);
        return;
    }
    for (int i = 0; i < count; i++) {
        float *sums = work + room_floats(&s[i], m);
        if (s[i].row_v) sum_rows(&(sum_job){ x, s[i].row_v, sums, s[i].in }, 0, m);
        product[i] = sgn_stage_product_gemv(&s[i].step[0][0].product, x, m, s[i].row_v ? sums : NULL, false, y[i]);
        room[i] = work;
        work += share_floats(&s[i], m);
    }
    sgn_gemv_run_all(product, count, room);
    for (int i = 0; i < count; i++)
        if (s[i].bias) add_rows(&(add_job){ s[i].bias, y[i], s[i].out, 0 }, 0, m);
}
