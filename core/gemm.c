/* SPDX-License-Identifier: MIT */
#include "core/gemm.h"

#include <cblas.h>
#include <stdio.h>
#include <string.h>
#include "core/arena.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"

#ifdef SGN_DOUBLE
#define CBLAS_GEMM cblas_dgemm
#else
#define CBLAS_GEMM cblas_sgemm
#endif

/* Each tile packs its panels of A and B anew: 384 x 384 keeps 93 % of the speed of one call,
 * 256 x 256 90 %; the smaller where the larger would leave threads idle. */
enum { LARGE_TILE = 384, SMALL_TILE = 256, ENOUGH_TILES = 12, TILE_UNIT = 16 };

/* What OpenBLAS takes per thread, and a little: seen in 0.3.21 for x86-64. */
enum { BLAS_BUFFER = (128 << 20) + (64 << 10) };

static char library[128] = "OpenBLAS";

sgn_status sgn_gemm_check(const char *config, sgn_error *err) {
    if (strstr(config, "SINGLE_THREADED"))
        SGN_FAIL(err, SGN_UNSUPPORTED, "the OpenBLAS in use (%s) is its serial build, which returns wrong products "
                 "when several threads call it; install libopenblas0-pthread and take the other off LD_LIBRARY_PATH",
                 config);
    return SGN_OK;
}

sgn_status sgn_gemm_probe(sgn_error *err) {
    const size_t bytes = (size_t)sgn_threads() * BLAS_BUFFER;
    void *p;
    SGN_TRY(sgn_memory_alloc(&p, bytes, "OpenBLAS's buffers (128 MiB of address space for each thread)", err));
    sgn_memory_free(p, bytes);
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

typedef struct { const sgn_gemm_args *whole; int64_t high, wide, across; } tiling;

static int64_t parts(int64_t n, int64_t most) { return (n + most - 1) / most; }
/* Equal parts of at most `most`, whole units. */
static int64_t part_size(int64_t n, int64_t most) {
    return parts(parts(n, parts(n, most)), TILE_UNIT) * TILE_UNIT;
}

static void run_tiles(void *ctx, int64_t begin, int64_t end) {
    const tiling *c = ctx;
    const sgn_gemm_args *whole = c->whole;
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

static tiling cut(const sgn_gemm_args *g) {
    const int64_t most = parts(g->m, LARGE_TILE) * parts(g->n, LARGE_TILE) >= ENOUGH_TILES ? LARGE_TILE : SMALL_TILE;
    tiling c = { g, part_size(g->m, most), part_size(g->n, most), 0 };
    c.across = parts(g->n, c.wide);
    return c;
}

void sgn_gemm(const sgn_gemm_args *g) {
    if (g->m <= 0 || g->n <= 0) return;
    tiling c = cut(g);
    sgn_parallel(parts(g->m, c.high) * c.across, 1, run_tiles, &c);
}

void sgn_gemm_forward(sgn_real *y, const sgn_real *x, const sgn_real *w, int64_t tokens, int64_t out, int64_t in) {
    sgn_gemm(&(sgn_gemm_args){ .trans_b = true, .m = tokens, .n = out, .k = in, .a = 1, .A = x, .lda = in,
                               .B = w, .ldb = in, .b = 0, .C = y, .ldc = out });
}

/* --- a stored W ------------------------------------------------------------------------------------ */

typedef struct {
    tiling     tiles;
    sgn_stored w;
    int64_t    groups;         /* of tiles one below the other, which share a converted strip */
} stored_job;

static bool in_place(sgn_stored w) {
    return w.dtype == SGN_DTYPE_F32 && sizeof(sgn_real) == sizeof(float) && (uintptr_t)w.data % sizeof(float) == 0;
}

/* Tiles of sgn_gemm, all of k at once, so that OpenBLAS sees what it sees there. */
static void run_strips(void *ctx, int64_t begin, int64_t end) {
    const stored_job *job = ctx;
    const sgn_gemm_args *whole = job->tiles.whole;
    const int64_t high = job->tiles.high, wide = job->tiles.wide, down = parts(whole->m, high);
    sgn_real *strip = sgn_scratch(SGN_SCRATCH_KERNEL);
    for (int64_t t = begin; t < end; t++) {
        const int64_t j = t / job->groups * wide, group = t % job->groups, rows = whole->n - j < wide ? whole->n - j : wide;
        sgn_kernels_get()->to_real[job->w.dtype](strip, sgn_stored_row(job->w, whole->k, j), rows * whole->k);
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
    const int64_t down = parts(tokens, job.tiles.high), wanted = parts(ENOUGH_TILES, job.tiles.across);
    job.groups = wanted < down ? wanted : down;
    sgn_parallel(job.tiles.across * job.groups, 1, run_strips, &job);
}

sgn_status sgn_gemm_stored_reserve(sgn_stored w, int64_t out, int64_t in, sgn_error *err) {
    if (in_place(w)) return SGN_OK;
    const int64_t rows = out < LARGE_TILE ? out : LARGE_TILE;
    return sgn_scratch_reserve(SGN_SCRATCH_KERNEL, (size_t)(rows * in) * sizeof(sgn_real), err);
}

void sgn_gemm_dx(sgn_real *dx, const sgn_real *dy, const sgn_real *w, int64_t tokens, int64_t out, int64_t in) {
    sgn_gemm(&(sgn_gemm_args){ .m = tokens, .n = in, .k = out, .a = 1, .A = dy, .lda = out,
                               .B = w, .ldb = in, .b = 1, .C = dx, .ldc = in });
}

void sgn_gemm_dw(sgn_real *dw, const sgn_real *dy, const sgn_real *x, int64_t tokens, int64_t out, int64_t in) {
    sgn_gemm(&(sgn_gemm_args){ .trans_a = true, .m = out, .n = in, .k = tokens, .a = 1, .A = dy, .lda = out,
                               .B = x, .ldb = in, .b = 1, .C = dw, .ldc = in });
}
