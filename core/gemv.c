/* SPDX-License-Identifier: MIT */
#include "core/gemv.h"

#include <string.h>
#include "core/kernels/kernels.h"

/* Rows of S whose sums a thread holds at a time; weights worth a task; digits of x. */
enum { ROWS = 32, TASK = 1 << 18, DIGITS = 4, MOST = SGN_GEMV_ROWS * DIGITS };

typedef struct {
    const sgn_gemv *p;
    int             digits;                    /* vectors of a row of x */
    size_t          bytes;                     /* of such a vector */
    char           *x;
    sgn_real       *unit;                      /* (m) */
} job;

static size_t vector_bytes(sgn_code code, int64_t cols) {
    return sgn_coded_bits(code) ? sgn_kernels_get()->gemv_coded_bytes(code, cols) : sgn_kernels_get()->gemv_bytes(cols);
}

size_t sgn_gemv_bytes(sgn_code code, int64_t m, int64_t cols, bool int8) {
    return (size_t)m * vector_bytes(code, cols) * (int8 ? 1 : DIGITS) + SGN_GEMV_ROWS * sizeof(sgn_real);
}

static int64_t rows_of(const sgn_gemv *p) { return p->coded ? p->coded->rows : p->plane[0]->rows; }
static int64_t cols_of(const sgn_gemv *p) { return p->coded ? p->coded->cols : p->plane[0]->cols; }

static void prepare_rows(void *ctx, int64_t begin, int64_t end) {
    const job *j = ctx;
    const sgn_gemv *p = j->p;
    for (int64_t t = begin; t < end; t++) {
        char *to = j->x + (size_t)t * j->bytes * (size_t)j->digits;
        const sgn_real *x = p->x + t * p->ldx;
        j->unit[t] = p->coded ? sgn_kernels_get()->gemv_prepare_coded(p->code, to, x, p->in_scale, cols_of(p), !p->int8)
                              : sgn_kernels_get()->gemv_prepare(to, x, p->in_scale, cols_of(p), !p->int8);
    }
}

/* D of row i, from its digits: integers below 2^30 cols, or what scales of groups make of them; ternary: (A - B)/2, planes as signs */
#define COMBINE(name, number)                                                                                             \
    static void name(double *sum, const number *plus, const number *minus, int64_t rows, int64_t count, int digits, double base) { \
        for (int64_t i = 0; i < rows; i++) {                                                                              \
            double all = 0;                                                                                               \
            for (int d = digits - 1; d >= 0; d--) {                                                                       \
                const double a = (double)plus[i * count + d];                                                             \
                all = base * all + (minus ? (a - (double)minus[i * count + d]) / 2 : a);                                   \
            }                                                                                                             \
            sum[i] = all;                                                                                                 \
        }                                                                                                                 \
    }
COMBINE(combine_signs, int32_t)
COMBINE(combine_groups, sgn_real)
#undef COMBINE

/* y_ti = c_i u_t D_ti + r_t */
static void put(const job *j, int64_t begin, int64_t rows, int64_t t, const double *sum) {
    const sgn_gemv *p = j->p;
    const double unit = (double)j->unit[t];
    const sgn_real *c = p->out_scale ? p->out_scale + begin : NULL, plus = p->row_add ? p->row_add[t] : 0;
    sgn_real y[ROWS], *to = p->y + t * p->ldy + begin;
    for (int64_t i = 0; i < rows; i++) y[i] = (sgn_real)(sum[i] * unit);
    for (int64_t i = 0; c && i < rows; i++) y[i] *= c[i];
    for (int64_t i = 0; p->row_add && i < rows; i++) y[i] += plus;
    if (p->add)
        for (int64_t i = 0; i < rows; i++) to[i] += y[i];
    else memcpy(to, y, (size_t)rows * sizeof *y);
}

static void rows_of_signs(const job *j, int64_t begin, int64_t end) {
    const sgn_gemv *p = j->p;
    const bool ternary = p->code == SGN_CODE_TERNARY;
    int32_t plus[ROWS * MOST], minus[ROWS * MOST];
    double sum[ROWS];
    if (p->coded) sgn_kernels_get()->gemv_coded(p->coded, begin, end, j->x, p->m * j->digits, plus);
    else sgn_kernels_get()->gemv_signs(p->plane[0], begin, end, j->x, p->m * j->digits, plus);
    if (ternary) sgn_kernels_get()->gemv_signs(p->plane[1], begin, end, j->x, p->m * j->digits, minus);
    for (int64_t t = 0; t < p->m; t++) {
        combine_signs(sum, plus + t * j->digits, ternary ? minus + t * j->digits : NULL, end - begin, p->m * j->digits, j->digits, p->coded ? 128 : 256);
        put(j, begin, end - begin, t, sum);
    }
}

static void rows_of_groups(const job *j, int64_t begin, int64_t end) {
    const sgn_gemv *p = j->p;
    const bool ternary = p->code == SGN_CODE_TERNARY;
    sgn_real plus[ROWS * MOST], minus[ROWS * MOST];
    double sum[ROWS];
    sgn_kernels_get()->gemv_groups(p->plane[0], begin, end, p->group, p->group_scale, j->x, p->m * j->digits, plus);
    if (ternary) sgn_kernels_get()->gemv_groups(p->plane[1], begin, end, p->group, p->group_scale, j->x, p->m * j->digits, minus);
    for (int64_t t = 0; t < p->m; t++) {
        combine_groups(sum, plus + t * j->digits, ternary ? minus + t * j->digits : NULL, end - begin, p->m * j->digits, j->digits, p->coded ? 128 : 256);
        put(j, begin, end - begin, t, sum);
    }
}

static void run_rows(void *ctx, int64_t begin, int64_t end) {
    const job *j = ctx;
    for (int64_t i = begin; i < end; i += ROWS) {
        const int64_t to = end - i < ROWS ? end : i + ROWS;
        if (j->p->group) rows_of_groups(j, i, to);
        else rows_of_signs(j, i, to);
    }
}

static bool same_input(const sgn_gemv *a, const sgn_gemv *b) {
    return a->m == b->m && a->x == b->x && a->ldx == b->ldx && a->in_scale == b->in_scale && cols_of(a) == cols_of(b) &&
           a->int8 == b->int8 && !a->coded == !b->coded && (!a->coded || a->code == b->code);
}

void sgn_gemv_run_all(const sgn_gemv *p, int count, void *const *work) {
    job j[SGN_GEMV_TOGETHER];
    sgn_job rows[SGN_GEMV_TOGETHER];
    for (int i = 0; i < count; i++) {
        const int64_t cols = cols_of(&p[i]);
        const int digits = p[i].int8 ? 1 : DIGITS;
        j[i] = (job){ &p[i], digits, vector_bytes(p[i].code, cols), work[i], NULL };
        j[i].unit = (sgn_real *)(void *)(j[i].x + (size_t)p[i].m * j[i].bytes * (size_t)digits);
        const bool shared = i && same_input(&p[0], &p[i]);
        if (shared) j[i].x = j[0].x, j[i].unit = j[0].unit;
        else sgn_parallel(p[i].m, 1, prepare_rows, &j[i]);
        const int64_t fit = TASK / (cols * p[i].m * digits) / ROWS * ROWS;
        rows[i] = (sgn_job){ rows_of(&p[i]), fit < ROWS ? ROWS : fit, run_rows, &j[i] };
    }
    if (count == 1) sgn_parallel(rows[0].n, rows[0].grain, run_rows, &j[0]);
    else sgn_parallel_jobs(rows, count);
}

void sgn_gemv_run(const sgn_gemv *p, void *work) { sgn_gemv_run_all(p, 1, &work); }
