/* SPDX-License-Identifier: MIT */
#include "core/gemm.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/arena.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"

#ifdef SGN_DOUBLE
#define CBLAS_GEMM cblas_dgemm
#else
#define CBLAS_GEMM cblas_sgemm
#endif

/* A tile packs its panels of A and B anew, which costs as much as PACKING more rows and columns would:
 * fitted to products of 128 x 256 to 1024 x 768 tiles, within 2 %. */
enum { PACKING = 21, TILE_UNIT = 16, PER_THREAD = 320, MOST_THREADS = 32 };

/* What OpenBLAS takes per thread, and a little: seen in 0.3.21 for x86-64. */
enum { BLAS_BUFFER = (128 << 20) + (64 << 10) };

/* OpenBLAS's own, which most of its builds export. A buffer, once mapped, serves whichever product asks next. */
__attribute__((weak)) void *blas_memory_alloc(int place);
__attribute__((weak)) void  blas_memory_free(void *buffer);

static char library[128] = "OpenBLAS";

sgn_status sgn_gemm_check(const char *config, sgn_error *err) {
    if (strstr(config, "SINGLE_THREADED"))
        SGN_FAIL(err, SGN_UNSUPPORTED, "the OpenBLAS in use (%s) is its serial build, which returns wrong products "
                 "when several threads call it; install libopenblas0-pthread and take the other off LD_LIBRARY_PATH",
                 config);
    return SGN_OK;
}

/* Holds `count` buffers at once, so that as many are mapped: products would map one whenever that many first overlap. */
static void take_buffers(int count) {
    if (count == 0) return;
    void *buffer = blas_memory_alloc(0);
    take_buffers(count - 1);
    if (buffer) blas_memory_free(buffer);
}

static int taken;

sgn_status sgn_gemm_probe(sgn_error *err) {
    const int missing = sgn_threads() - taken;
    const size_t bytes = (size_t)(missing > 1 ? missing : 1) * BLAS_BUFFER;      /* OpenBLAS's own threads may still want one */
    void *p;
    SGN_TRY(sgn_memory_alloc(&p, bytes, "OpenBLAS's buffers (128 MiB of address space for each thread)", err));
    sgn_memory_free(p, bytes);
    return SGN_OK;
}

sgn_status sgn_gemm_reserve(sgn_error *err) {
    SGN_TRY(sgn_gemm_probe(err));
    if (taken >= sgn_threads() || !blas_memory_alloc || !blas_memory_free) return SGN_OK;
    taken = sgn_threads();
    take_buffers(taken);
    return SGN_OK;
}

sgn_status sgn_gemm_init(sgn_error *err) {
    const char *config = openblas_get_config();
    SGN_TRY(sgn_gemm_check(config, err));
    SGN_TRY(sgn_gemm_probe(err));
    openblas_set_num_threads(1);
    char version[32] = "";
    (void)sscanf(config, "OpenBLAS %31s", version);
    snprintf(library, sizeof library, "OpenBLAS %s %s", version, openblas_get_corename());
    return SGN_OK;
}

const char *sgn_gemm_library(void) { return library; }

void sgn_gemm_serial(const sgn_gemm_args *g) {
    CBLAS_GEMM(CblasRowMajor, g->trans_a ? CblasTrans : CblasNoTrans, g->trans_b ? CblasTrans : CblasNoTrans,
               (int)g->m, (int)g->n, (int)g->k, g->a, g->A, (int)g->lda, g->B, (int)g->ldb, g->b, g->C, (int)g->ldc);
}

void sgn_gemm_whole(const sgn_gemm_args *g) {
    openblas_set_num_threads(sgn_threads());
    sgn_gemm_serial(g);
    openblas_set_num_threads(1);
}

typedef struct { int64_t high, wide; } tile_size;

static int64_t parts(int64_t n, int64_t most) { return (n + most - 1) / most; }
/* Of n cut into equal parts of whole units. */
static int64_t part_size(int64_t n, int64_t count) { return parts(parts(n, count), TILE_UNIT) * TILE_UNIT; }
static double at_least(int64_t n, int64_t least) { return (double)(n > least ? n : least); }

/* Threads that a result of this size can feed: a power of two, one per PER_THREAD^2. Half that size would feed
 * four times as many and costs 3-5 % on two cores; joint loops (sgn_parallel_jobs) and larger models feed them as well. */
static int64_t threads_worth(int64_t m, int64_t n) {
    const double fed = at_least(m, PER_THREAD) * at_least(n, PER_THREAD) / (PER_THREAD * PER_THREAD);
    int64_t threads = 2;
    while (threads < MOST_THREADS && 2 * (double)threads <= fed) threads *= 2;
    return threads;
}

/* The cut of least time on so many threads, whatever their real number: packing times idling in the last round. */
static tile_size choose_tile(int64_t m, int64_t n) {
    const int64_t threads = threads_worth(m, n), most = 2 * threads;
    tile_size best = { m, n };
    double least = INFINITY;
    for (int64_t r = 1; r <= most && r <= parts(m, TILE_UNIT); r++)
        for (int64_t c = 1; r * c <= most && c <= parts(n, TILE_UNIT); c++) {
            const tile_size t = { part_size(m, r), part_size(n, c) };
            const int64_t tiles = parts(m, t.high) * parts(n, t.wide);
            const double time = (1 + PACKING / (double)t.high + PACKING / (double)t.wide)
                                * (double)(parts(tiles, threads) * threads) / (double)tiles;
            if (time < least) least = time, best = t;
        }
    return best;
}

static void run_tiles(void *ctx, int64_t begin, int64_t end) {
    const sgn_gemm_tiles *c = ctx;
    const sgn_gemm_args *whole = &c->whole;
    for (int64_t t = begin; t < end; t++) {
        const int64_t i = t / c->across * c->high, j = t % c->across * c->wide;
        sgn_gemm_args g = *whole;
        g.m = whole->m - i < c->high ? whole->m - i : c->high;
        g.n = whole->n - j < c->wide ? whole->n - j : c->wide;
        g.A += g.trans_a ? i : i * g.lda;
        g.B += g.trans_b ? j * g.ldb : j;
        g.C += i * g.ldc + j;
        sgn_gemm_serial(&g);
    }
}

static sgn_gemm_tiles cut(const sgn_gemm_args *g) {
    const tile_size t = choose_tile(g->m, g->n);
    return (sgn_gemm_tiles){ *g, t.high, t.wide, parts(g->n, t.wide) };
}

sgn_job sgn_gemm_job(const sgn_gemm_args *g, sgn_gemm_tiles *t) {
    if (g->m <= 0 || g->n <= 0) return (sgn_job){ 0 };
    *t = cut(g);
    return (sgn_job){ parts(g->m, t->high) * t->across, 1, run_tiles, t };
}

static void run_alone(sgn_job j) { sgn_parallel(j.n, j.grain, j.task, j.ctx); }

void sgn_gemm(const sgn_gemm_args *g) {
    sgn_gemm_tiles t;
    run_alone(sgn_gemm_job(g, &t));
}

void sgn_gemm_forward(sgn_real *y, const sgn_real *x, const sgn_real *w, int64_t tokens, int64_t out, int64_t in) {
    sgn_gemm(&(sgn_gemm_args){ .trans_b = true, .m = tokens, .n = out, .k = in, .a = 1, .A = x, .lda = in,
                               .B = w, .ldb = in, .b = 0, .C = y, .ldc = out });
}

/* --- a stored W ------------------------------------------------------------------------------------ */

enum { ENOUGH_JOBS = 8 };          /* columns of tiles to stop sharing at */

typedef struct {
    sgn_gemm_tiles tiles;
    sgn_stored     w;
    int64_t        groups;         /* of tiles one below the other, which share a converted strip */
} stored_job;

static bool in_place(sgn_stored w) {
    return w.dtype == SGN_DTYPE_F32 && !w.head && sizeof(sgn_real) == sizeof(float) && (uintptr_t)w.data % sizeof(float) == 0;
}

static void convert(sgn_real *y, sgn_stored w, int64_t cols, int64_t row, int64_t rows) {
    const int64_t step = w.head ? 1 : rows;            /* rows one after the other */
    for (int64_t i = 0; i < rows; i += step)
        sgn_kernels_get()->to_real[w.dtype](y + i * cols, sgn_stored_row(w, cols, row + i), step * cols);
}

/* A strip is as wide as a tile and has all of k: OpenBLAS's bits depend on the width of a call, so only the calls of
 * sgn_gemm give its bits. Narrower strips were slower as well (2048 x 5632: 1.12 times fp32). */
static void run_strips(void *ctx, int64_t begin, int64_t end) {
    const stored_job *job = ctx;
    const sgn_gemm_args *whole = &job->tiles.whole;
    const int64_t high = job->tiles.high, wide = job->tiles.wide, down = parts(whole->m, high);
    sgn_real *strip = sgn_scratch(SGN_SCRATCH_KERNEL);
    for (int64_t t = begin; t < end; t++) {
        const int64_t j = t / job->groups * wide, group = t % job->groups, rows = whole->n - j < wide ? whole->n - j : wide;
        convert(strip, job->w, whole->k, j, rows);
        for (int64_t i = group * down / job->groups; i < (group + 1) * down / job->groups; i++) {
            sgn_gemm_args g = *whole;
            g.m = whole->m - i * high < high ? whole->m - i * high : high;
            g.n = rows;
            g.A += i * high * g.lda;
            g.B = strip;
            g.C += i * high * g.ldc + j;
            sgn_gemm_serial(&g);
        }
    }
}

void sgn_gemm_forward_stored(sgn_real *y, const sgn_real *x, sgn_stored w, int64_t tokens, int64_t out, int64_t in) {
    if (in_place(w)) {
        sgn_gemm_forward(y, x, w.data, tokens, out, in);
        return;
    }
    if (tokens <= 0 || out <= 0) return;
    const sgn_gemm_args g = { .trans_b = true, .m = tokens, .n = out, .k = in, .a = 1, .A = x, .lda = in,
                              .ldb = in, .b = 0, .C = y, .ldc = out };
    stored_job job = { cut(&g), w, 0 };
    const int64_t down = parts(tokens, job.tiles.high), wanted = parts(ENOUGH_JOBS, job.tiles.across);
    job.groups = wanted < down ? wanted : down;
    sgn_parallel(job.tiles.across * job.groups, 1, run_strips, &job);
}

sgn_status sgn_gemm_stored_reserve(sgn_stored w, int64_t tokens, int64_t out, int64_t in, sgn_error *err) {
    if (in_place(w) || tokens <= 0) return SGN_OK;
    const int64_t wide = choose_tile(tokens, out).wide, rows = out < wide ? out : wide;
    return sgn_scratch_reserve(SGN_SCRATCH_KERNEL, (size_t)(rows * in) * sizeof(sgn_real), err);
}

void sgn_gemm_dx(sgn_real *dx, const sgn_real *dy, const sgn_real *w, int64_t tokens, int64_t out, int64_t in) {
    sgn_gemm(&(sgn_gemm_args){ .m = tokens, .n = in, .k = out, .a = 1, .A = dy, .lda = out,
                               .B = w, .ldb = in, .b = 1, .C = dx, .ldc = in });
}

sgn_job sgn_gemm_dw_job(sgn_real *dw, const sgn_real *dy, const sgn_real *x, int64_t tokens, int64_t out, int64_t in, sgn_gemm_tiles *t) {
    return sgn_gemm_job(&(sgn_gemm_args){ .trans_a = true, .m = out, .n = in, .k = tokens, .a = 1, .A = dy, .lda = out,
                                          .B = x, .ldb = in, .b = 1, .C = dw, .ldc = in }, t);
}

void sgn_gemm_dw(sgn_real *dw, const sgn_real *dy, const sgn_real *x, int64_t tokens, int64_t out, int64_t in) {
    sgn_gemm_tiles t;
    run_alone(sgn_gemm_dw_job(dw, dy, x, tokens, out, in, &t));
}

/* --- factorisations --------------------------------------------------------------------------------- */

/* LAPACK, column-major: what is upper there is lower here. */
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s, double *u, const int *ldu,
             double *vt, const int *ldvt, double *work, const int *lwork, int *iwork, int *info);

enum { DOUBLE_ROWS = 64 };

static void run_double(void *ctx, int64_t begin, int64_t end) {
    const sgn_gemm_double_args *g = ctx;
    const int64_t lda = g->trans_a ? g->m : g->k, ldb = g->trans_b ? g->k : g->n;
    cblas_dgemm(CblasRowMajor, g->trans_a ? CblasTrans : CblasNoTrans, g->trans_b ? CblasTrans : CblasNoTrans, (int)(end - begin), (int)g->n,
                (int)g->k, 1, g->A + (g->trans_a ? begin : begin * lda), (int)lda, g->B, (int)ldb, 0, g->C + begin * g->n, (int)g->n);
}

void sgn_gemm_double(const sgn_gemm_double_args *g) {
    sgn_gemm_double_args copy = *g;
    sgn_parallel(g->m, DOUBLE_ROWS, run_double, &copy);
}

bool sgn_cholesky(double *a, int64_t n) {
    const int size = (int)n;
    int info;
    dpotrf_("L", &size, a, &size, &info);
    return info == 0;
}

bool sgn_cholesky_invert(double *u, int64_t n) {
    const int size = (int)n;
    int info;
    dpotri_("L", &size, u, &size, &info);
    return info == 0;
}

/* Column-major, A^T = V diag(s) U^T. */
sgn_status sgn_svd(double *a, int64_t rows, int64_t cols, double *u, double *s, double *vt, sgn_error *err) {
    const int m = (int)cols, n = (int)rows, k = m < n ? m : n, ask = -1;
    double size;
    int info, *integers = malloc((size_t)(8 * k) * sizeof *integers);
    if (!integers) SGN_FAIL(err, SGN_NOMEM, "no memory for the singular values of %d x %d numbers", n, m);
    dgesdd_("S", &m, &n, a, &m, s, vt, &m, u, &k, &size, &ask, integers, &info);
    const int length = (int)size;
    double *work = malloc((size_t)length * sizeof *work);
    if (work) dgesdd_("S", &m, &n, a, &m, s, vt, &m, u, &k, work, &length, integers, &info);
    free(integers);
    const bool room = work != NULL;
    free(work);
    if (!room) SGN_FAIL(err, SGN_NOMEM, "no memory for the singular values of %d x %d numbers", n, m);
    if (info) SGN_FAIL(err, SGN_NUMERIC, "the singular values of %d x %d numbers cannot be found; are all of them finite?", n, m);
    return SGN_OK;
}
