/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "train/bench.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>
#include "core/arena.h"
#include "core/clock.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"
#include "core/products.h"
#include "core/rng.h"

enum { ROUNDS = 7, PEAK_ROUNDS = 5, ERROR_ROWS = 16, FILL_GRAIN = 1 << 14 };

static const sgn_real TERNARY_CUT = (sgn_real)0.25;    /* of uniform W: half of mean |w|, as BitNet b1.58 rounds */

/* --- time ----------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
    const double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

sgn_spread sgn_spread_of(double *sample, int64_t n) {
    qsort(sample, (size_t)n, sizeof *sample, by_value);
    return (sgn_spread){ (sample[(n - 1) / 2] + sample[n / 2]) / 2, sample[0], sample[n - 1] };
}

static double clock_now(void) { return sgn_threads() == 1 ? sgn_clock_thread() : sgn_clock_wall(); }

/* Idle OpenMP threads spin for 200 ms, OpenBLAS's for some 30: whoever comes next would share its CPUs with them. */
static void let_threads_sleep(void) {
    if (sgn_threads() > 1) nanosleep(&(struct timespec){ .tv_nsec = 250000000 }, NULL);
}

/* Seconds of one call; those of short ones are a mean over 10 ms. */
static double seconds(void (*call)(const void *), const void *args) {
    const double least = 0.01, start = clock_now();
    int64_t calls = 0;
    double passed;
    do {
        call(args);
        calls++;
        passed = clock_now() - start;
    } while (passed < least);
    return passed / (double)calls;
}

static void call_tiled(const void *g) { sgn_gemm(g); }
static void call_whole(const void *g) { sgn_gemm_whole(g); }
static void call_binary(const void *p) { sgn_binary_gemm_run(p); }
static void call_refresh(const void *s) {
    sgn_signs copy = *(const sgn_signs *)s;
    sgn_signs_refresh(&copy);
}

/* --- matrices ------------------------------------------------------------------------------------- */

typedef struct { float *at; uint64_t stream; } fill_job;

static void fill(void *ctx, int64_t begin, int64_t end) {
    const fill_job *job = ctx;
    for (int64_t i = begin; i < end; i++) job->at[i] = (float)(2 * sgn_rng_uniform(1, job->stream, (uint64_t)i) - 1);
}

enum { X, W, Y, DY, DX, MATRICES };

typedef struct {               /* x (m, k), w (n, k), y and dy (m, n), dx (m, k) */
    int64_t   m, n, k;
    int64_t   count[MATRICES];
    float    *at[MATRICES];
    sgn_signs signs;
    void     *memory;
    size_t    bytes;
    double    pack_s;
} problem;

static void call_pack(const void *at) {
    const problem *p = at;
    sgn_signs copy = p->signs;
    sgn_signs_pack(&copy, p->at[W], 0, p->n);
}

static void problem_free(problem *p) {
    for (int i = 0; i < MATRICES; i++) sgn_memory_free(p->at[i], (size_t)p->count[i] * sizeof(float));
    sgn_memory_free(p->memory, p->bytes);
}

static sgn_status problem_init(problem *p, int64_t m, int64_t n, int64_t k, sgn_error *err) {
    *p = (problem){ .m = m, .n = n, .k = k, .count = { m * k, n * k, m * n, m * n, m * k } };
    for (int i = 0; i < MATRICES; i++) {
        void *memory;
        SGN_TRY(sgn_memory_alloc(&memory, (size_t)p->count[i] * sizeof(float), "a matrix", err));
        p->at[i] = memory;
        sgn_parallel(p->count[i], FILL_GRAIN, fill, &(fill_job){ p->at[i], (uint64_t)i });
    }
    return SGN_OK;
}

/* W becomes its own signs, so that both sides compute the same product. */
static sgn_status make_signs(problem *p, sgn_code code, sgn_error *err) {
    SGN_TRY(sgn_binary_gemm_reserve(p->n, p->k, err));
    SGN_TRY(sgn_binary_gemm_reserve(p->k, p->n, err));
    SGN_TRY(sgn_memory_alloc(&p->memory, sgn_signs_bytes(code, p->n, p->k), "signs", err));
    p->bytes = sgn_signs_bytes(code, p->n, p->k);
    sgn_signs_place(&p->signs, code, p->n, p->k, p->memory);
    p->signs.cut = TERNARY_CUT;
    sgn_signs_pack(&p->signs, p->at[W], 0, p->n);
    sgn_signs_refresh(&p->signs);
    p->pack_s = seconds(call_pack, p);
    for (int64_t i = 0; i < p->n * p->k; i++) p->at[W][i] = (float)sgn_signs_at(&p->signs, i / p->k, i % p->k);
    return SGN_OK;
}

static sgn_gemm_args dense(const problem *p, bool back) {
    if (back) return (sgn_gemm_args){ false, false, p->m, p->k, p->n, 1, p->at[DY], p->n, p->at[W], p->k, 0, p->at[DX], p->k };
    return (sgn_gemm_args){ false, true, p->m, p->n, p->k, 1, p->at[X], p->k, p->at[W], p->k, 0, p->at[Y], p->n };
}

static sgn_binary_product binary(const problem *p, bool back) {
    sgn_binary_product b = { .m = p->m, .x = p->at[back ? DY : X], .y = p->at[back ? DX : Y] };
    sgn_binary_product_bind(&b, &p->signs, back);
    b.ldx = b.k, b.ldy = b.n;
    return b;
}

/* --- errors --------------------------------------------------------------------------------------- */

typedef struct {
    const problem *p;
    bool           back;
    double         error[ERROR_ROWS], norm[ERROR_ROWS];
} error_job;

static int64_t error_rows(const problem *p) { return p->m < ERROR_ROWS ? p->m : ERROR_ROWS; }

/* Task i: one of some rows spread over all, again in double. */
static void compare_row(void *ctx, int64_t begin, int64_t end) {
    error_job *job = ctx;
    const problem *p = job->p;
    const int64_t n = job->back ? p->k : p->n, k = job->back ? p->n : p->k, step_n = job->back ? 1 : p->k, step_k = job->back ? p->k : 1;
    for (int64_t i = begin; i < end; i++) {
        const int64_t row = i * (p->m - 1) / (error_rows(p) > 1 ? error_rows(p) - 1 : 1);
        const float *x = p->at[job->back ? DY : X] + row * k, *y = p->at[job->back ? DX : Y] + row * n;
        for (int64_t c = 0; c < n; c++) {
            double sum = 0;
            for (int64_t j = 0; j < k; j++) sum += (double)x[j] * (double)p->at[W][c * step_n + j * step_k];
            job->error[i] += pow((double)y[c] - sum, 2);
            job->norm[i] += sum * sum;
        }
    }
}

static double relative_error(const problem *p, bool back) {
    error_job job = { .p = p, .back = back };
    const sgn_binary_product product = binary(p, back);
    sgn_binary_gemm_run(&product);
    sgn_parallel(error_rows(p), 1, compare_row, &job);
    double error = 0, norm = 0;
    for (int i = 0; i < ERROR_ROWS; i++) error += job.error[i], norm += job.norm[i];
    return sqrt(norm > 0 ? error / norm : error);
}

/* --- the measurements ------------------------------------------------------------------------------ */

static double least(double a, double b) { return a < b ? a : b; }

/* One round: ours and the tiles in turn, then the whole calls. ours, sgemm: seconds of forward and dx. */
static void measure(const problem *p, double ours[2], double sgemm[2]) {
    for (int back = 0; back < 2; back++) {
        const sgn_gemm_args g = dense(p, back);
        const sgn_binary_product b = binary(p, back);
        sgemm[back] = seconds(call_tiled, &g);
        ours[back] = seconds(call_binary, &b);
    }
    let_threads_sleep();
    for (int back = 0; back < 2; back++) {
        const sgn_gemm_args g = dense(p, back);
        sgemm[back] = least(sgemm[back], seconds(call_whole, &g));
    }
    let_threads_sleep();
}

static void measure_all(const problem *p, sgn_product_bench *out) {
    const double flop = 2e-9 * (double)p->m * (double)p->n * (double)p->k;
    double ours[2], sgemm[2], gain[2][ROUNDS], rate[2][ROUNDS], refresh[ROUNDS];
    measure(p, ours, sgemm);                   /* not counted: pages, caches, threads */
    for (int r = 0; r < ROUNDS; r++) {
        refresh[r] = seconds(call_refresh, &p->signs);
        measure(p, ours, sgemm);
        rate[0][r] = flop / ours[0];
        rate[1][r] = flop / sgemm[0];
        for (int i = 0; i < 2; i++) gain[i][r] = sgemm[i] / ours[i];
    }
    out->binary = sgn_spread_of(rate[0], ROUNDS);
    out->sgemm = sgn_spread_of(rate[1], ROUNDS);
    out->forward = sgn_spread_of(gain[0], ROUNDS);
    out->dx = sgn_spread_of(gain[1], ROUNDS);
    out->pack_s = p->pack_s;
    out->refresh_s = sgn_spread_of(refresh, ROUNDS).median;
}

sgn_status sgn_bench_product(sgn_code code, int64_t m, int64_t n, int64_t k, sgn_product_bench *out, sgn_error *err) {
    problem p;
    SGN_TRY(sgn_products_use("table", err));
    sgn_status s = problem_init(&p, m, n, k, err);
    if (s == SGN_OK) s = make_signs(&p, code, err);
    if (s == SGN_OK) {
        const double y = relative_error(&p, false), dx = relative_error(&p, true);
        out->rel_error = y > dx ? y : dx;
        measure_all(&p, out);
    }
    problem_free(&p);
    return s;
}

sgn_status sgn_bench_sgemm(double *gflops, sgn_error *err) {
    static const int64_t shapes[][3] = { { 1024, 2048, 768 }, { 1024, 768, 2048 }, { 1024, 1024, 1024 } };
    *gflops = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        problem p;
        const sgn_status s = problem_init(&p, shapes[i][0], shapes[i][1], shapes[i][2], err);
        for (int whole = 0; whole < 2 && s == SGN_OK; whole++) {
            const sgn_gemm_args g = dense(&p, false);
            double took[PEAK_ROUNDS];
            let_threads_sleep();
            seconds(whole ? call_whole : call_tiled, &g);
            for (int r = 0; r < PEAK_ROUNDS; r++) took[r] = seconds(whole ? call_whole : call_tiled, &g);
            const double rate = 2e-9 * (double)p.m * (double)p.n * (double)p.k / sgn_spread_of(took, PEAK_ROUNDS).median;
            if (rate > *gflops) *gflops = rate;
        }
        problem_free(&p);
        SGN_TRY(s);
    }
    let_threads_sleep();
    return SGN_OK;
}
