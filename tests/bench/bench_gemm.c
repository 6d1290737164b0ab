/* bench_gemm M N K [threads]: the binary product (forward and dx) beside SGEMM, measured in turn,
 * medians, GF/s counting 2 M N K operations each.
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

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
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

typedef struct { int64_t m, n, k; float *x, *w, *y, *back, *dense; sgn_signs signs; } problem;

static double run(const problem *p, int what) {
    const double start = now();
    if (what == 0)
        sgn_gemm_forward(p->dense, p->x, p->w, p->m, p->n, p->k);
    else if (what == 1)
        sgn_binary_gemm_run(&(sgn_binary_product){ .m = p->m, .n = p->n, .k = p->k, .x = p->x, .ldx = p->k,
            .s = &p->signs.rows, .index = p->signs.rows_index, .y = p->y, .ldy = p->n });
    else
        sgn_binary_gemm_run(&(sgn_binary_product){ .m = p->m, .n = p->k, .k = p->n, .x = p->y, .ldx = p->n,
            .s = &p->signs.cols, .index = p->signs.cols_index, .add = true, .y = p->back, .ldy = p->k });
    return now() - start;
}

static double refresh_seconds(problem *p) {
    const double start = now();
    sgn_signs_refresh(&p->signs);
    return now() - start;
}

static void measure(problem *p, int threads) {
    static double seconds[4][ROUNDS];
    sgn_threads_set(threads);
    for (int what = 0; what < 3; what++) run(p, what);
    for (int r = 0; r < ROUNDS; r++) {
        for (int what = 0; what < 3; what++) seconds[what][r] = run(p, what);
        seconds[3][r] = refresh_seconds(p);
    }
    const double flop = 2e-9 * (double)p->m * (double)p->n * (double)p->k;
    const double dense = median(seconds[0]), forward = median(seconds[1]), dx = median(seconds[2]);
    printf("%2d threads  sgemm %6.1f  forward %7.1f (%.2fx)  dx %7.1f (%.2fx)  refresh %.3f ms\n", threads,
           flop / dense, flop / forward, dense / forward, flop / dx, dense / dx, 1e3 * median(seconds[3]));
}

int main(int argc, char **argv) {
    if (argc < 4) return fprintf(stderr, "usage: bench_gemm M N K [threads]\n"), 2;
    sgn_error err = { .status = SGN_OK };
    problem p = { .m = atol(argv[1]), .n = atol(argv[2]), .k = atol(argv[3]) };
    if (sgn_kernels_use(NULL, &err) != SGN_OK || sgn_gemm_init(&err) != SGN_OK ||
        sgn_binary_gemm_reserve(p.n, p.k, &err) != SGN_OK || sgn_binary_gemm_reserve(p.k, p.n, &err) != SGN_OK)
        return fprintf(stderr, "%s\n", err.text), 1;
    p.x = reals(p.m * p.k);
    p.w = reals(p.n * p.k);
    p.y = reals(p.m * p.n);
    p.back = reals(p.m * p.k);
    p.dense = reals(p.m * p.n);
    void *memory;
    if (sgn_memory_alloc(&memory, sgn_signs_bytes(p.n, p.k), "signs", &err) != SGN_OK) return 3;
    sgn_signs_place(&p.signs, p.n, p.k, memory);
    sgn_plane_pack(&p.signs.rows, p.w, 0, p.n);
    sgn_signs_refresh(&p.signs);
    sgn_plane_unpack(&p.signs.rows, p.w);
    printf("%ld x %ld x %ld, %s kernels, %s\n", (long)p.m, (long)p.n, (long)p.k, sgn_kernels_get()->name,
           sgn_gemm_library());
    run(&p, 0), run(&p, 1);
    double error = 0, norm = 0;
    for (int64_t i = 0; i < p.m * p.n; i++) {
        error += pow((double)p.y[i] - (double)p.dense[i], 2);
        norm += pow((double)p.dense[i], 2);
    }
    printf("difference from sgemm %.1e of the norm\n", sqrt(error / norm));
    if (argc > 4) return measure(&p, atoi(argv[4])), 0;
    measure(&p, 1);
    if (sgn_threads_available() > 1) measure(&p, 2);
    return 0;
}
