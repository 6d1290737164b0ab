/* SPDX-License-Identifier: MIT */
#include "core/kernels/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "core/kernels/product_sgemm.h"
#include "core/parallel.h"
#include "core/products.h"

extern const sgn_kernels sgn_kernels_ref;
#ifndef SGN_DOUBLE
#if defined(__x86_64__)
extern const sgn_kernels sgn_kernels_avx2, sgn_kernels_avx512;
static bool runs_f16c(void) {          /* not every compiler's __builtin_cpu_supports knows it */
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
}
static bool runs_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") && runs_f16c();
}
static bool runs_avx512(void) {
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#elif defined(__aarch64__)
extern const sgn_kernels sgn_kernels_neon;
#endif
#endif
static bool runs_always(void) { return true; }

/* What AVX-512 does for few rows needs more of the machine than the rest of the set; where that is not there, AVX2 does it. */
enum { VNNI = 1, VBMI = 2, VBMI2 = 4 };

/* From slow to fast; those with a name of their own are what a set is on machines with fewer extras. */
static const struct { const sgn_kernels *kernels; bool (*runs)(void); int extras; const char *name; } rows[] = {
    { &sgn_kernels_ref, runs_always, 0, NULL },
#ifndef SGN_DOUBLE
#if defined(__x86_64__)
    { &sgn_kernels_avx2, runs_avx2, 0, NULL },
    { &sgn_kernels_avx512, runs_avx512, 0, "avx512f" },
    { &sgn_kernels_avx512, runs_avx512, VNNI, "avx512vnni" },
    { &sgn_kernels_avx512, runs_avx512, VNNI | VBMI | VBMI2, NULL },
#elif defined(__aarch64__)
    { &sgn_kernels_neon, runs_always, 0, NULL },
#endif
#endif
};
enum { SETS = sizeof rows / sizeof rows[0] };

static sgn_kernels sets[SETS];         /* rows, with the gaps filled from the reference */
static pthread_once_t filled = PTHREAD_ONCE_INIT;
static _Atomic(const sgn_kernels *) current;

/* The set that brings what needs these extras. */
static const sgn_kernels *with(int row, int extras) {
#if defined(__x86_64__) && !defined(SGN_DOUBLE)
    const int here = (__builtin_cpu_supports("avx512vnni") ? VNNI : 0) | (__builtin_cpu_supports("avx512vbmi") ? VBMI : 0) |
                     (__builtin_cpu_supports("avx512vbmi2") ? VBMI2 : 0);
    if (rows[row].kernels == &sgn_kernels_avx512 && (rows[row].extras & here & extras) != extras) return &sgn_kernels_avx2;
#endif
    (void)extras;
    return rows[row].kernels;
}

static void fill_few_rows(sgn_kernels *k, int row) {
    const sgn_kernels *ref = &sgn_kernels_ref, *gemv = with(row, VNNI), *coded = with(row, VNNI | VBMI), *zoned = with(row, VBMI | VBMI2);
    if (!gemv->gemv_signs) gemv = coded = ref;
    memcpy(k->gemv_rows, gemv->gemv_rows, sizeof k->gemv_rows);
    k->gemv_bytes = gemv->gemv_bytes;
    k->gemv_prepare = gemv->gemv_prepare;
    k->gemv_signs = gemv->gemv_signs;
    k->gemv_groups = gemv->gemv_groups;
    k->gemv_coded_bytes = coded->gemv_coded_bytes;
    k->gemv_prepare_coded = coded->gemv_prepare_coded;
    k->gemv_coded = coded->gemv_coded;
    k->zoned_row = zoned->zoned_row;
    if (zoned != rows[row].kernels) k->zoned_dot = NULL;               /* it sums in the order of its own set's dot */
}

static void fill(void) {
    const sgn_kernels *ref = &sgn_kernels_ref;
    for (int i = 0; i < SETS; i++) {
        sgn_kernels *k = &sets[i];
        *k = *rows[i].kernels;
        if (rows[i].name) k->name = rows[i].name;
        if (!k->binary_gemm) {
            k->binary_index_bytes = ref->binary_index_bytes;
            k->binary_index = ref->binary_index;
            k->binary_tile_rows = ref->binary_tile_rows;
            k->binary_tile_cols = ref->binary_tile_cols;
            k->binary_scratch = ref->binary_scratch;
            k->binary_gemm = ref->binary_gemm;
        }
        fill_few_rows(k, i);
#define FILL(entry) if (!k->entry) k->entry = ref->entry
        FILL(kept_gemm); FILL(pack_signs); FILL(pack_kept); FILL(pack_above); FILL(dot); FILL(axpy); FILL(sum_squares); FILL(max); FILL(exp_sum); FILL(swiglu);
        FILL(swiglu_back); FILL(rmsnorm); FILL(rmsnorm_back); FILL(rope); FILL(adamw); FILL(zoned_row); FILL(zoned_dot);
        for (int t = 0; t < SGN_DTYPE_COUNT; t++) {
            FILL(to_real[t]);
            FILL(dot_stored[t]);
            FILL(from_real[t]);
            FILL(key_scores[t]);
            FILL(mix_values[t]);
        }
#undef FILL
    }
}

const sgn_kernels *sgn_kernels_at(int i, bool *runs_here) {
    pthread_once(&filled, fill);
    if (i < 0 || i >= SETS) return NULL;
    if (runs_here) *runs_here = rows[i].runs();
    return &sets[i];
}

static const sgn_kernels *best(void) {
    const sgn_kernels *found = NULL, *k;
    bool runs;
    for (int i = 0; (k = sgn_kernels_at(i, &runs)); i++)
        if (runs) found = k;
    return found;
}

sgn_status sgn_kernels_use(const char *name, sgn_error *err) {
    const char *asked = name ? name : getenv("SIGNUM_KERNELS");
    if (!asked || !*asked || strcmp(asked, "auto") == 0) {
        atomic_store(&current, best());
        return SGN_OK;
    }
    const sgn_kernels *k;
    bool runs;
    for (int i = 0; (k = sgn_kernels_at(i, &runs)); i++) {
        if (strcmp(asked, k->name) != 0) continue;
        if (!runs) SGN_FAIL(err, SGN_UNSUPPORTED, "this machine cannot run the %s kernels; its best are %s", asked, best()->name);
        atomic_store(&current, k);
        return SGN_OK;
    }
    SGN_FAIL(err, SGN_UNSUPPORTED, "this build has no kernels named %s; the best that run here are %s (\"auto\")",
             asked, best()->name);
}

const sgn_kernels *sgn_kernels_get(void) {
    const sgn_kernels *k = atomic_load_explicit(&current, memory_order_acquire);
    if (k) return k;
    if (sgn_kernels_use(NULL, NULL) != SGN_OK) atomic_store(&current, best());
    return atomic_load(&current);
}

/* --- the product over all threads ------------------------------------------------ */
enum { ENOUGH_TILES = 8 };             /* of whole rows: with fewer, rows are cut as well */

static int64_t cuts(int64_t n, int64_t size) { return (n + size - 1) / size; }

static void run_tiles(void *ctx, int64_t begin, int64_t end) {
    const sgn_binary_tiles *c = ctx;
    const sgn_binary_product *p = c->p;
    for (int64_t i = begin; i < end; i++) {
        const int64_t row = i / c->across * c->rows, col = i % c->across * c->cols;
        const sgn_tile tile = { row, p->m - row < c->rows ? p->m : row + c->rows,
                                col, p->n - col < c->cols ? p->n : col + c->cols };
        for (int t = 0; t < c->count; t++) {
            const sgn_kernels *k = sgn_kernels_get();
            (p[t].kept.memory ? k->kept_gemm : k->binary_gemm)(&p[t], tile, sgn_scratch(SGN_SCRATCH_KERNEL));
        }
    }
}

sgn_status sgn_binary_gemm_reserve(int64_t n, int64_t k, sgn_error *err) {
    sgn_products_expect(n, k);
    if (sgn_products_any(SGN_PRODUCT_SGEMM)) SGN_TRY(sgn_scratch_reserve(SGN_SCRATCH_KERNEL, sgn_product_sgemm_scratch(), err));
    SGN_TRY(sgn_scratch_reserve(SGN_SCRATCH_KERNEL, sgn_kept_scratch(n), err));
    return sgn_scratch_reserve(SGN_SCRATCH_KERNEL, sgn_kernels_get()->binary_scratch(n, k), err);
}

static sgn_job tables_job(const sgn_binary_product *p, int count, sgn_binary_tiles *t) {
    const sgn_kernels *k = sgn_kernels_get();
    const int64_t high = p->kept.memory ? SGN_KEPT_TOKENS : k->binary_tile_rows, few = p->kept.memory ? p->kept.cols : k->binary_tile_cols;
    const int64_t down = cuts(p->m, high), cols = down < ENOUGH_TILES ? few : p->n;
    *t = (sgn_binary_tiles){ p, count, high, cols, cuts(p->n, cols) };
    return (sgn_job){ down * t->across, 1, run_tiles, t };
}

static void sum_by_table(const sgn_binary_product *p, int count) {
    sgn_binary_tiles t;
    const sgn_job j = tables_job(p, count, &t);
    sgn_parallel(j.n, j.grain, j.task, j.ctx);
}

static sgn_product_way way_of(const sgn_binary_product *p) { return sgn_products_way(p->m, p->n, p->k); }

void sgn_binary_gemm_sum(const sgn_binary_product *p, int count) {
    if (p->m <= 0 || p->n <= 0) return;
    for (int i = 0, j; i < count; i = j) {             /* stretches that go the same way */
        for (j = i + 1; j < count && way_of(&p[j]) == way_of(&p[i]);) j++;
        if (way_of(&p[i]) == SGN_PRODUCT_TABLE) sum_by_table(p + i, j - i);
        else for (int t = i; t < j; t++) sgn_product_sgemm(&p[t]);
    }
}

void sgn_binary_gemm_run(const sgn_binary_product *p) { sgn_binary_gemm_sum(p, 1); }

void sgn_binary_product_bind(sgn_binary_product *p, const sgn_signs *s, bool columns) {
    const sgn_plane *mask = columns ? &s->cols_mask : &s->rows_mask;
    p->s = columns ? &s->cols : &s->rows;
    p->n = p->s->rows, p->k = p->s->cols;
    p->mask = mask->word ? mask : NULL;
    p->code = columns && mask->word ? SGN_CODE_TERNARY : s->code;
    p->index = columns ? s->cols_index : s->rows_index;
    p->kept = columns && s->cols_kept ? sgn_kept_of(s) : (sgn_kept){ 0 };
}

sgn_job sgn_binary_gemm_job(const sgn_binary_product *p, sgn_binary_tiles *t) {
    if (p->m > 0 && p->n > 0 && way_of(p) == SGN_PRODUCT_TABLE) return tables_job(p, 1, t);
    sgn_binary_gemm_run(p);
    return (sgn_job){ 0 };
}

sgn_status sgn_binary_gemm(const sgn_binary_product *p, sgn_error *err) {
    SGN_TRY(sgn_binary_gemm_reserve(p->n, p->k, err));
    sgn_binary_gemm_run(p);
    return SGN_OK;
}
