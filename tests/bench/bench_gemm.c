/* bench_gemm [M N K [threads]]: the binary product, forward and dx, beside SGEMM of the same shape and
 * orientation, measured in turn; medians, GF/s counting 2 M N K operations each. Without arguments: the
 * shapes of docs/binary-gemm.md, 1 and 2 threads. SIGNUM_KERNELS and OPENBLAS_CORETYPE choose the sides.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "core/arena.h"
#include "core/bits.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"
#include "core/rng.h"

enum { ROUNDS = 15 };

/* One thread is measured by its CPU time, which other programs disturb less. */
static clockid_t clock_used = CLOCK_MONOTONIC;

static double now(void) {
    struct timespec t;
    clock_gettime(clock_used, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    const double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}
static double median(double *v) {
    qsort(v, ROUNDS, sizeof *v, by_value);
    return v[ROUNDS / 2];
}

static float *reals(int64_t n) {
    void *p;
    if (sgn_memory_alloc(&p, (size_t)n * sizeof(float), "a matrix", NULL) != SGN_OK) exit(3);
    float *x = p;
    uint64_t state = 88172645463325252u;
    for (int64_t i = 0; i < n; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        x[i] = (float)(int32_t)(state >> 32) * 0x1p-31f;
    }
    return x;
}

typedef struct { int64_t m, n, k; float *x, *w, *y, *dx, *dense, *dense_dx; sgn_signs signs; void *memory; size_t bytes; } problem;

typedef enum { DENSE_FORWARD, DENSE_DX, FORWARD, DX, REFRESH, KINDS } kind;

static double run(problem *p, kind what) {
    const sgn_binary_product forward = { .m = p->m, .n = p->n, .k = p->k, .x = p->x, .ldx = p->k, .s = &p->signs.rows,
                                         .index = p->signs.rows_index, .y = p->y, .ldy = p->n };
    const sgn_binary_product back = { .m = p->m, .n = p->k, .k = p->n, .x = p->dense, .ldx = p->n, .s = &p->signs.cols,
                                      .index = p->signs.cols_index, .add = true, .y = p->dx, .ldy = p->k };
    const double start = now();
    switch (what) {
    case DENSE_FORWARD: sgn_gemm_forward(p->dense, p->x, p->w, p->m, p->n, p->k); break;
    case DENSE_DX: sgn_gemm_dx(p->dense_dx, p->dense, p->w, p->m, p->n, p->k); break;
    case FORWARD: sgn_binary_gemm_run(&forward); break;
    case DX: sgn_binary_gemm_run(&back); break;
    default: sgn_signs_refresh(&p->signs);
    }
    return now() - start;
}

static double distance(const float *a, const float *b, int64_t n) {
    double error = 0, norm = 0;
    for (int64_t i = 0; i < n; i++) {
        error += pow((double)a[i] - (double)b[i], 2);
        norm += pow((double)b[i], 2);
    }
    return sqrt(error / norm);
}

static void measure(problem *p, int threads) {
    static double seconds[KINDS][ROUNDS];
    double m[KINDS];
    sgn_threads_set(threads);
    clock_used = threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
    for (int what = 0; what < KINDS; what++) run(p, (kind)what);
    for (int r = 0; r < ROUNDS; r++)
        for (int what = 0; what < KINDS; what++) seconds[what][r] = run(p, (kind)what);
    for (int what = 0; what < KINDS; what++) m[what] = median(seconds[what]);
    const double flop = 2e-9 * (double)p->m * (double)p->n * (double)p->k;
    printf("  %d thread%s  forward %6.1f / %6.1f = %.2f   dx %6.1f / %6.1f = %.2f   refresh %.3f ms\n", threads,
           threads > 1 ? "s" : " ", flop / m[FORWARD], flop / m[DENSE_FORWARD], m[DENSE_FORWARD] / m[FORWARD],
           flop / m[DX], flop / m[DENSE_DX], m[DENSE_DX] / m[DX], 1e3 * m[REFRESH]);
}

static sgn_status bench(int64_t m, int64_t n, int64_t k, int threads, sgn_error *err) {
    problem p = { .m = m, .n = n, .k = k, .x = reals(m * k), .w = reals(n * k), .y = reals(m * n), .dx = reals(m * k),
                  .dense = reals(m * n), .dense_dx = reals(m * k), .bytes = sgn_signs_bytes(n, k) };
    SGN_TRY(sgn_binary_gemm_reserve(n, k, err));
    SGN_TRY(sgn_binary_gemm_reserve(k, n, err));
    SGN_TRY(sgn_memory_alloc(&p.memory, p.bytes, "signs", err));
    sgn_signs_place(&p.signs, n, k, p.memory);
    sgn_plane_pack(&p.signs.rows, p.w, 0, n);
    sgn_signs_refresh(&p.signs);
    sgn_plane_unpack(&p.signs.rows, p.w);
    run(&p, DENSE_FORWARD), run(&p, FORWARD);
    printf("%ld x %ld x %ld, relative difference %.1e\n", (long)m, (long)n, (long)k, distance(p.y, p.dense, m * n));
    if (threads != 2) measure(&p, 1);
    if (threads != 1) measure(&p, 2);
    float *all[] = { p.x, p.w, p.y, p.dx, p.dense, p.dense_dx };
    const int64_t size[] = { m * k, n * k, m * n, m * k, m * n, m * k };
    for (int i = 0; i < 6; i++) sgn_memory_free(all[i], (size_t)size[i] * sizeof(float));
    sgn_memory_free(p.memory, p.bytes);
    return SGN_OK;
}

int main(int argc, char **argv) {
    static const int64_t shapes[][3] = { { 1024, 768, 768 }, { 1024, 2048, 768 }, { 1024, 768, 2048 }, { 1024, 4096, 4096 } };
    sgn_error err = { .status = SGN_OK };
    sgn_status s = sgn_kernels_use(NULL, &err);
    if (s == SGN_OK) s = sgn_gemm_init(&err);
    if (s == SGN_OK) printf("%s kernels / %s, GF/s\n", sgn_kernels_get()->name, sgn_gemm_library());
    if (argc > 3) {
        if (s == SGN_OK) s = bench(atol(argv[1]), atol(argv[2]), atol(argv[3]), argc > 4 ? atoi(argv[4]) : 0, &err);
    } else {
        for (int i = 0; i < 4 && s == SGN_OK; i++) s = bench(shapes[i][0], shapes[i][1], shapes[i][2], 0, &err);
    }
    if (s != SGN_OK) fprintf(stderr, "%s\n", err.text);
    return sgn_status_exit_code(s);
}
