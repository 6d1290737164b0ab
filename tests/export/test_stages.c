/* Every stage and every way they combine, against plain double loops over the same definitions.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/gemm.h"
#include "core/rng.h"
#include "export/stages.h"

enum { IN = 136, MID = 72, OUT = 50, M = 11, WIDE = 136 };

static uint64_t drawn;
static float draw(void) { return (float)sgn_rng_normal(21, 1, drawn++); }

/* Memory of one layer and its stages, taken back before the next. */
static _Alignas(64) uint64_t pool[1 << 17];
static size_t   pool_used;
static void *take(size_t bytes) {
    uint64_t *p = pool + pool_used;
    pool_used += (bytes + 63) / 64 * 8;
    assert_true(pool_used <= sizeof pool / sizeof *pool);
    return memset(p, 0, bytes);
}
static float *vector(int64_t n) {
    float *v = take((size_t)n * sizeof *v);
    for (int64_t i = 0; i < n; i++) v[i] = draw();
    return v;
}

/* Signs; where `other` is given, no bit is set in both. */
static sgn_plane plane(int64_t rows, int64_t cols, const sgn_plane *other) {
    sgn_plane p = { rows, cols, sgn_plane_stride(cols), take((size_t)(rows * sgn_plane_stride(cols)) * 8) };
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            if (draw() > 0 && !(other && sgn_plane_bit(other, i, j))) p.word[i * p.stride + j / 64] |= 1ull << (j % 64);
    return p;
}

static sgn_lowered_stage stage(sgn_stage_kind kind, int64_t rows, int64_t cols, float *v, int64_t v_size) {
    return (sgn_lowered_stage){ .kind = kind, .rows = rows, .cols = cols, .v = v, .v_size = v_size };
}
static sgn_lowered_stage scale(int64_t n) { return stage(SGN_STAGE_SCALE, n, n, vector(n), n); }
static sgn_lowered_stage scale_by_one(int64_t n) { return stage(SGN_STAGE_SCALE, n, n, vector(1), 1); }
static sgn_lowered_stage sign(int64_t rows, int64_t cols) {
    sgn_lowered_stage s = stage(SGN_STAGE_SIGN, rows, cols, NULL, 0);
    s.plane[0] = plane(rows, cols, NULL);
    return s;
}
static sgn_lowered_stage ternary(int64_t rows, int64_t cols) {
    sgn_lowered_stage s = sign(rows, cols);
    s.kind = SGN_STAGE_TERNARY;
    s.plane[1] = plane(rows, cols, &s.plane[0]);
    return s;
}
static sgn_lowered_stage grouped(int64_t rows, int64_t cols, int64_t group) {
    sgn_lowered_stage s = sign(rows, cols);
    s.kind = SGN_STAGE_GROUP_SIGN;
    s.group = group;
    s.v_size = rows * ((cols + group - 1) / group);
    s.v = vector(s.v_size);
    return s;
}
static sgn_lowered_stage dense(int64_t rows, int64_t cols) {
    sgn_lowered_stage s = stage(SGN_STAGE_DENSE, rows, cols, NULL, 0);
    s.w = sgn_stored_reals(vector(rows * cols));
    return s;
}
static sgn_lowered_stage rank1(int64_t rows, int64_t cols, int64_t v_size, int64_t u_size) {
    sgn_lowered_stage s = stage(SGN_STAGE_RANK1, rows, cols, v_size ? vector(v_size) : NULL, v_size);
    s.u = u_size ? vector(u_size) : NULL;
    s.u_size = u_size;
    return s;
}

/* What lowered.h says a stage does. */
static double entry(const sgn_lowered_stage *s, int64_t i, int64_t j) {
    const int64_t group = s->group ? s->group : 1, groups = (s->cols + group - 1) / group;
    switch (s->kind) {
    case SGN_STAGE_SIGN: return sgn_plane_sign(&s->plane[0], i, j);
    case SGN_STAGE_TERNARY: return sgn_plane_bit(&s->plane[0], i, j) - sgn_plane_bit(&s->plane[1], i, j);
    case SGN_STAGE_GROUP_SIGN: return (double)s->v[i * groups + j / group] * (double)sgn_plane_sign(&s->plane[0], i, j);
    case SGN_STAGE_DENSE: return ((const float *)s->w.data)[i * s->cols + j];
    case SGN_STAGE_SCALE: return i != j ? 0 : s->v[s->v_size == 1 ? 0 : i];
    default: return (s->v ? s->v[s->v_size == 1 ? 0 : j] : 1) * (s->u ? s->u[s->u_size == 1 ? 0 : i] : 1);
    }
}
static bool is_sign(sgn_stage_kind k) { return k == SGN_STAGE_SIGN || k == SGN_STAGE_TERNARY || k == SGN_STAGE_GROUP_SIGN; }
static void apply(const sgn_lowered_stage *s, const double *x, double *y, bool int8) {
    double rounded[WIDE];
    if (int8 && is_sign(s->kind)) {
        apply(&(sgn_lowered_stage){ .kind = SGN_STAGE_QUANT_ACT, .rows = s->cols, .cols = s->cols }, x, rounded, false);
        x = rounded;
    }
    double most = 0, squares = 0;
    for (int64_t j = 0; j < s->cols; j++) {
        most = fmax(most, fabs(x[j]));
        squares += x[j] * x[j] / (double)s->cols;
    }
    for (int64_t i = 0; i < s->rows; i++) {
        if (s->kind == SGN_STAGE_QUANT_ACT) {
            y[i] = rint(x[i] * 127 / most) * most / 127;
        } else if (s->kind == SGN_STAGE_NORM) {
            y[i] = x[i] / sqrt(squares + 1e-5) * (s->v ? (double)s->v[i] : 1);
        } else {
            y[i] = 0;
            for (int64_t j = 0; j < s->cols; j++) y[i] += entry(s, i, j) * x[j];
        }
    }
}

static void check_layer_with(const sgn_lowered *l, bool int8) {
    sgn_error err;
    sgn_arena a;
    sgn_stages s;
    sgn_arena_measure(&a);
    check_ok(sgn_stages_init(&s, l, IN, OUT, 1e-5, int8, "layer", &a, &err), &err);
    const size_t bytes = a.peak;
    check_ok(sgn_arena_init(&a, bytes, &err), &err);
    check_ok(sgn_stages_init(&s, l, IN, OUT, 1e-5, int8, "layer", &a, &err), &err);
    assert_true(a.used <= bytes);
    static float x[M * IN], y[M * OUT];
    float *work = vector(sgn_stages_work(&s, M));
    for (int i = 0; i < M * IN; i++) x[i] = draw();
    for (int m = 1; m <= M; m += 5) {            /* few rows, and more than sgn_kernels.gemv_rows */
        memset(y, 0x7f, sizeof y);             /* what was there before must not matter */
        sgn_stages_run(&s, x, m, y, work);
        for (int t = 0; t < m; t++) {
            double sum[OUT] = { 0 };
            for (int c = 0; c < l->count; c++) {
                double from[WIDE], to[WIDE];
                for (int j = 0; j < IN; j++) from[j] = (double)x[t * IN + j];
                for (int i = 0; i < l->chain[c].count; i++) {
                    apply(&l->chain[c].stage[i], from, to, int8);
                    memcpy(from, to, sizeof to);
                }
                for (int i = 0; i < OUT; i++) sum[i] += from[i];
            }
            for (int i = 0; l->bias && i < OUT; i++) sum[i] += (double)l->bias[i];
            check_array_close(y + t * OUT, sum, OUT, 2e-3, 1e-4);
        }
    }
    sgn_arena_free(&a);
}

static void check_layer(const sgn_lowered *l) {
    for (int int8 = 0; int8 < 2; int8++) check_layer_with(l, int8);
    pool_used = 0;
}

#define CHAIN(...) { { __VA_ARGS__ }, (int)(sizeof((sgn_lowered_stage[]){ __VA_ARGS__ }) / sizeof(sgn_lowered_stage)) }
#define ONE(...)      check_layer(&(sgn_lowered){ .chain = { CHAIN(__VA_ARGS__) }, .count = 1 })

static void single_stages(void **state) {
    (void)state;
    ONE(sign(OUT, IN));
    ONE(dense(OUT, IN));
    ONE(ternary(OUT, IN));
    ONE(grouped(OUT, IN, 64));
    ONE(grouped(OUT, IN, 128));
    ONE(rank1(OUT, IN, IN, OUT));
    ONE(rank1(OUT, IN, 0, 0));
    ONE(rank1(OUT, IN, IN, 0));
    ONE(rank1(OUT, IN, 0, OUT));
    ONE(rank1(OUT, IN, 1, 1));
}

static void chains(void **state) {
    (void)state;
    ONE(scale(IN), sign(OUT, IN));
    ONE(sign(OUT, IN), scale(OUT));
    ONE(scale(IN), sign(OUT, IN), scale(OUT));
    ONE(scale_by_one(IN), sign(OUT, IN), scale_by_one(OUT));
    ONE(scale(IN), scale(IN), sign(OUT, IN), scale(OUT), scale(OUT));
    ONE(scale(IN), ternary(OUT, IN), scale(OUT));
    ONE(scale(IN), sign(MID, IN), scale(MID), sign(OUT, MID), scale(OUT));
    ONE(stage(SGN_STAGE_NORM, IN, IN, vector(IN), IN), stage(SGN_STAGE_QUANT_ACT, IN, IN, NULL, 0), ternary(OUT, IN), scale_by_one(OUT));
    ONE(stage(SGN_STAGE_NORM, IN, IN, NULL, 0), dense(MID, IN), dense(OUT, MID));
    ONE(scale(IN), sign(OUT, IN), scale(OUT), stage(SGN_STAGE_NORM, OUT, OUT, vector(OUT), OUT));
}

static void sums_of_chains(void **state) {
    (void)state;
    sgn_lowered l = { .chain = { CHAIN(scale(IN), sign(OUT, IN)), CHAIN(rank1(OUT, IN, IN, 0)) }, .count = 2, .bias = vector(OUT) };
    check_layer(&l);                           /* FBI, column */
    l = (sgn_lowered){ .chain = { CHAIN(sign(OUT, IN), scale_by_one(OUT)), CHAIN(rank1(OUT, IN, 0, 1)) }, .count = 2 };
    check_layer(&l);                           /* FBI, tensor */
    l = (sgn_lowered){ .chain = { CHAIN(sign(OUT, IN), scale(OUT)), CHAIN(rank1(OUT, IN, 0, OUT)) }, .count = 2 };
    check_layer(&l);                           /* FBI, row */
    l = (sgn_lowered){ .chain = { CHAIN(scale(IN), sign(MID, IN), scale(MID), sign(OUT, MID), scale(OUT)),
                                  CHAIN(scale(IN), sign(MID, IN), scale(MID), sign(OUT, MID), scale(OUT)) }, .count = 2 };
    check_layer(&l);                           /* two low-rank paths */
    l = (sgn_lowered){ .chain = { CHAIN(grouped(OUT, IN, 64)), CHAIN(dense(OUT, IN), scale(OUT)) }, .count = 2, .bias = vector(OUT) };
    check_layer(&l);                           /* the second chain ends in a stage that cannot add */
    l = (sgn_lowered){ .chain = { CHAIN(dense(OUT, IN)), CHAIN(ternary(OUT, IN)) }, .count = 2 };
    check_layer(&l);
    l = (sgn_lowered){ .chain = { CHAIN(rank1(OUT, IN, IN, 0)), CHAIN(grouped(OUT, IN, 128)) }, .count = 2 };
    check_layer(&l);
    assert_true(sgn_lowered_is_linear(&l));
    l.chain[0] = (sgn_chain)CHAIN(sign(OUT, IN));
    l.chain[1] = (sgn_chain)CHAIN(stage(SGN_STAGE_QUANT_ACT, IN, IN, NULL, 0), sign(OUT, IN));
    assert_false(sgn_lowered_is_linear(&l));
    check_layer(&l);
}

static void refusals(void **state) {
    (void)state;
    sgn_error err;
    sgn_arena a;
    sgn_stages s;
    sgn_arena_measure(&a);
#define REFUSED(status_, words, ...) \
    check_fails(sgn_stages_init(&s, &(sgn_lowered){ .chain = { CHAIN(__VA_ARGS__) }, .count = 1 }, IN, OUT, 1e-5, false, "some.layer", &a, &err), \
                status_, &err, words); \
    assert_non_null(strstr(err.text, "some.layer"))
    REFUSED(SGN_SHAPE, "72", sign(MID, IN));
    REFUSED(SGN_SHAPE, "takes 72 numbers", sign(OUT, MID));
    REFUSED(SGN_SHAPE, "takes 72 numbers", scale(IN), sign(OUT, MID));
    REFUSED(SGN_SHAPE, "takes 72 numbers", sign(OUT, IN), scale(MID));
    REFUSED(SGN_UNSUPPORTED, "96 columns", grouped(OUT, IN, 96));
}

int main(void) {
    if (sgn_gemm_init(NULL) != SGN_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_stages),
        cmocka_unit_test(chains),
        cmocka_unit_test(sums_of_chains),
        cmocka_unit_test(refusals),
    };
    return check_run(tests);
}
