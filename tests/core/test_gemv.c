/* Few rows times signs: every kernel set against plain loops in double.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/arena.h"
#include "core/gemv.h"
#include "core/rng.h"
#include "tests/core/kernel_sets.h"

static sgn_error err;

static float *filled(int64_t n, uint64_t stream) {
    float *x = malloc((size_t)n * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) x[i] = (float)sgn_rng_normal(5, stream, (uint64_t)i);
    return x;
}

/* Memory that ends where the plane does, so that reading on is noticed by a sanitizer. */
static sgn_plane random_plane(int64_t rows, int64_t cols, uint64_t stream) {
    sgn_plane p = { rows, cols, sgn_plane_stride(cols), NULL };
    p.word = calloc((size_t)(rows * p.stride), sizeof *p.word);
    assert_non_null(p.word);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            p.word[i * p.stride + j / 64] |= (sgn_rng_bits(6, stream, (uint64_t)(i * cols + j)) & 1) << j % 64;
    return p;
}

typedef struct {
    int64_t   m, rows, cols, group;
    sgn_plane plane[2];
    float    *x, *in_scale, *out_scale, *row_add, *group_scale, *y;
    void     *work;
    size_t    bytes;
} problem;

enum { PAD = 3, IN = 1, OUT = 2, ADD = 4, ONTO = 8, TERNARY = 16, INT8 = 32, CASES = 64 };

static problem problem_make(int64_t m, int64_t rows, int64_t cols, int64_t group) {
    problem p = { .m = m, .rows = rows, .cols = cols, .group = group };
    for (int i = 0; i < 2; i++) p.plane[i] = random_plane(rows, cols, (uint64_t)i);
    for (int64_t w = 0; w < rows * p.plane[0].stride; w++) p.plane[1].word[w] &= ~p.plane[0].word[w];
    p.x = filled(m * (cols + PAD), 1);
    p.in_scale = filled(cols, 2);
    p.out_scale = filled(rows, 3);
    p.row_add = filled(m, 4);
    p.group_scale = group ? filled(rows * ((cols + group - 1) / group), 5) : NULL;
    p.y = filled(m * (rows + PAD), 6);
    return p;
}
static void problem_free(problem *p) {
    free(p->plane[0].word), free(p->plane[1].word);
    free(p->x), free(p->in_scale), free(p->out_scale), free(p->row_add), free(p->group_scale), free(p->y);
}
static sgn_gemv gemv_of(const problem *p, int options) {
    return (sgn_gemv){ .m = p->m, .x = p->x, .ldx = p->cols + PAD, .in_scale = options & IN ? p->in_scale : NULL,
                       .code = options & TERNARY ? SGN_CODE_TERNARY : SGN_CODE_BINARY, .plane = { &p->plane[0], &p->plane[1] },
                       .group = p->group, .group_scale = p->group_scale, .out_scale = options & OUT ? p->out_scale : NULL,
                       .row_add = options & ADD ? p->row_add : NULL, .int8 = options & INT8, .add = options & ONTO,
                       .y = p->y, .ldy = p->rows + PAD };
}
static void run(const sgn_gemv *g) {
    void *work;
    const size_t bytes = sgn_gemv_bytes(g->code, g->m, g->plane[0]->cols, g->int8);
    check_ok(sgn_memory_alloc(&work, bytes, "work", &err), &err);
    sgn_gemv_run(g, work);
    sgn_memory_free(work, bytes);
}

/* x a as the product takes it: rounded to 8 bits as QUANT_ACT rounds, else as it is */
static void seen(double *to, const sgn_gemv *g, int64_t t) {
    const int64_t cols = g->plane[0]->cols;
    float most = 0;
    for (int64_t j = 0; j < cols; j++) {
        const float v = g->x[t * g->ldx + j] * (g->in_scale ? g->in_scale[j] : 1);
        to[j] = (double)v;
        most = fmaxf(most, fabsf(v));
    }
    const float unit = most / 127;
    for (int64_t j = 0; g->int8 && j < cols; j++) to[j] = (double)unit * rint((double)((float)to[j] / unit));
}

static double entry(const sgn_gemv *g, int64_t i, int64_t j) {
    if (g->code == SGN_CODE_BINARY) return (double)sgn_plane_sign(g->plane[0], i, j);
    return sgn_plane_bit(g->plane[0], i, j) - sgn_plane_bit(g->plane[1], i, j);
}

/* Error within 1e-6 of what the row's terms are in norm: floats round once, groups once per group. */
static void check_against_loops(const sgn_gemv *g, const float *before) {
    const int64_t rows = g->plane[0]->rows, cols = g->plane[0]->cols, groups = g->group ? (cols + g->group - 1) / g->group : 1;
    double *x = malloc((size_t)cols * sizeof *x);
    assert_non_null(x);
    for (int64_t t = 0; t < g->m; t++) {
        seen(x, g, t);
        for (int64_t i = 0; i < rows + PAD; i++) {
            const int64_t at = t * g->ldy + i;
            if (i >= rows) {
                assert_true(g->y[at] == before[at]);
                continue;
            }
            double sum = 0, size = 0;
            for (int64_t j = 0; j < cols; j++) {
                const double w = g->group ? (double)g->group_scale[i * groups + j / g->group] : 1;
                sum += w * entry(g, i, j) * x[j];
                size += w * w * x[j] * x[j];
            }
            const double c = g->out_scale ? (double)g->out_scale[i] : 1, plus = (g->row_add ? (double)g->row_add[t] : 0) + (g->add ? (double)before[at] : 0);
            const double off = fabs((double)g->y[at] - (sum * c + plus)), most = 1e-6 * (fabs(c) * sqrt(size) + fabs(plus)) + 1e-12;
            if (off > most) fail_msg("%s %lldx%lldx%lld int8 %d: y[%lld,%lld] is off by %g, %g allowed", sgn_kernels_get()->name,
                                     (long long)g->m, (long long)rows, (long long)cols, g->int8, (long long)t, (long long)i, off, most);
        }
    }
    free(x);
}

static void check_problem(int64_t m, int64_t rows, int64_t cols, int64_t group, int options) {
    problem p = problem_make(m, rows, cols, group);
    const sgn_gemv g = gemv_of(&p, options);
    float *before = filled(m * (rows + PAD), 6);
    run(&g);
    check_against_loops(&g, before);
    free(before);
    problem_free(&p);
}

static void odd_shapes(void **state) {
    (void)state;
    static const int64_t cols[] = { 1, 5, 63, 64, 65, 127, 128, 200, 255, 256, 257, 511, 512, 513, 768, 1100, 2048, 2500 };
    static const int64_t groups[] = { 0, 64, 128, 192, 256, 1024 };
    const sgn_kernels *k;
    for_each_variant(k) {
        check_ok(sgn_kernels_use(k->name, &err), &err);
        int turn = 0;
        for (size_t c = 0; c < sizeof cols / sizeof *cols; c++)
            for (int64_t m = 1; m <= SGN_GEMV_ROWS; m++, turn++)
                check_problem(m, 1 + turn * 7 % 41, cols[c], groups[turn % 6], turn * 5 % CASES);
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

static void all_options(void **state) {
    (void)state;
    const sgn_kernels *k;
    for_each_variant(k) {
        check_ok(sgn_kernels_use(k->name, &err), &err);
        for (int options = 0; options < CASES; options++)
            for (int64_t group = 0; group <= 128; group += 128) check_problem(1 + options % 3, 37, 333, group, options);
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

/* Integers of 30 bits come out as they are, by every set; so does every largest digit. */
static void integers_are_exact(void **state) {
    (void)state;
    enum { COLS = 700, ROWS = 9 };
    const sgn_kernels *k;
    for (int kind = 0; kind < 4; kind++) {
        problem p = problem_make(1, ROWS, COLS, 0);
        for (int j = 0; j < COLS; j++) {
            const double u = sgn_rng_uniform(8, (uint64_t)kind, (uint64_t)j) - 0.5;
            p.x[j] = kind == 0 ? (float)rint(u * 60000) : kind == 1 ? 127 : kind == 2 ? -128 * 255.0f : u < 0 ? -1 : 1;
        }
        for_each_variant(k) {
            check_ok(sgn_kernels_use(k->name, &err), &err);
            const sgn_gemv g = gemv_of(&p, 0);
            run(&g);
            for (int64_t i = 0; i < ROWS; i++) {
                double sum = 0;
                for (int64_t j = 0; j < COLS; j++) sum += (double)sgn_plane_sign(&p.plane[0], i, j) * (double)p.x[j];
                assert_true((double)p.y[i] == (double)(float)sum);
            }
        }
        problem_free(&p);
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

/* A row's bits do not depend on threads or on the rows beside it, and without groups not on the kernel set. */
static void same_bits(void **state) {
    (void)state;
    enum { M = 7, ROWS = 3000, COLS = 1030 };
    for (int options = 0; options < CASES; options += INT8)
        for (int64_t group = 0; group <= 128; group += 128) {
            problem p = problem_make(M, ROWS, COLS, group);
            sgn_gemv g = gemv_of(&p, options | IN);
            const size_t bytes = (size_t)(M * g.ldy) * sizeof *p.y;
            float *once = malloc(bytes);
            assert_non_null(once);
            sgn_threads_set(1);
            run(&g);
            memcpy(once, p.y, bytes);
            sgn_threads_set(5);
            run(&g);
            assert_memory_equal(once, p.y, bytes);
            sgn_threads_set(0);
            const sgn_kernels *k;
            if (!group)
                for_each_variant(k) {
                    check_ok(sgn_kernels_use(k->name, &err), &err);
                    run(&g);
                    assert_memory_equal(once, p.y, bytes);
                }
            check_ok(sgn_kernels_use(NULL, &err), &err);
            g.m = 1, g.x += 3 * g.ldx, g.y += 3 * g.ldy;
            run(&g);
            assert_memory_equal(once, p.y, bytes);
            free(once);
            problem_free(&p);
        }
}

/* Zeros give zeros, numbers of any size what they are worth, NaN and infinity a row of NaN and nothing else. */
static void extremes(void **state) {
    (void)state;
    enum { M = 5, ROWS = 6, COLS = 130 };
    const sgn_kernels *k;
    for_each_variant(k) {
        check_ok(sgn_kernels_use(k->name, &err), &err);
        for (int int8 = 0; int8 < 2; int8++)
            for (int64_t group = 0; group <= 64; group += 64) {
                problem p = problem_make(M, ROWS, COLS, group);
                const sgn_gemv g = gemv_of(&p, int8 ? INT8 : 0);
                for (int64_t j = 0; j < COLS; j++) {
                    p.x[j] = 0;
                    p.x[1 * g.ldx + j] *= 1e36f;
                    p.x[2 * g.ldx + j] *= 1e-36f;
                }
                p.x[3 * g.ldx + 129] = NAN;
                p.x[4 * g.ldx + 2] = -INFINITY;
                run(&g);
                for (int64_t i = 0; i < ROWS; i++) {
                    assert_true(p.y[i] == 0);
                    assert_true(fabsf(p.y[g.ldy + i]) > 1e33f && isfinite(p.y[g.ldy + i]));
                    assert_true(fabsf(p.y[2 * g.ldy + i]) > 1e-38f && fabsf(p.y[2 * g.ldy + i]) < 1e-33f);
                    assert_true(isnan(p.y[3 * g.ldy + i]) && isnan(p.y[4 * g.ldy + i]));
                }
                problem_free(&p);
            }
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

/* Products of one x side by side, of which two have no scale of their inputs and share what is prepared: the bits of each alone. */
static void together_as_alone(void **state) {
    (void)state;
    static const int options[SGN_GEMV_TOGETHER] = { INT8, INT8 | IN | OUT, INT8 | TERNARY | ONTO, ADD };
    static const int64_t rows[SGN_GEMV_TOGETHER] = { 150, 70, 33, 1 };
    const sgn_kernels *k;
    for_each_variant(k) for (int64_t m = 1; m <= 3; m += 2) {
        check_ok(sgn_kernels_use(k->name, &err), &err);
        problem p[SGN_GEMV_TOGETHER];
        sgn_gemv g[SGN_GEMV_TOGETHER];
        void *work[SGN_GEMV_TOGETHER];
        float *want[SGN_GEMV_TOGETHER], *x = filled(m * (600 + PAD), 7);
        for (int i = 0; i < SGN_GEMV_TOGETHER; i++) {
            p[i] = problem_make(m, rows[i], 600, 0);
            g[i] = gemv_of(&p[i], options[i]);
            g[i].x = x;
            const size_t bytes = (size_t)(m * (rows[i] + PAD)) * sizeof(float);
            want[i] = malloc(bytes);
            memcpy(want[i], p[i].y, bytes);
            g[i].y = want[i];
            run(&g[i]);
            g[i].y = p[i].y;
            check_ok(sgn_memory_alloc(&work[i], sgn_gemv_bytes(g[i].code, m, 600, g[i].int8), "work", &err), &err);
        }
        sgn_gemv_run_all(g, SGN_GEMV_TOGETHER, work);
        for (int i = 0; i < SGN_GEMV_TOGETHER; i++) {
            assert_memory_equal(p[i].y, want[i], (size_t)(m * (rows[i] + PAD)) * sizeof(float));
            sgn_memory_free(work[i], sgn_gemv_bytes(g[i].code, m, 600, g[i].int8));
            problem_free(&p[i]);
            free(want[i]);
        }
        free(x);
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(together_as_alone),
        cmocka_unit_test(odd_shapes), cmocka_unit_test(all_options), cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(same_bits), cmocka_unit_test(extremes),
    };
    return check_run(tests);
}
