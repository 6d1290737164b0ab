/* Attention over the cache against the formula in double, across blocks of keys, with shared heads, in both types and every kernel set.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "export/kv_cache.h"

enum { HEADS = 6, CONTEXT = 600, MOST_DIM = 136, LAYERS = 2 };

static sgn_error err;
static float keys[CONTEXT * HEADS * MOST_DIM], values[CONTEXT * HEADS * MOST_DIM], q[CONTEXT * HEADS * MOST_DIM];
static float y[CONTEXT * HEADS * MOST_DIM], again[CONTEXT * HEADS * MOST_DIM];

typedef struct { sgn_arena arena; sgn_kv_cache cache; sgn_model_config m; } fixture;

static void open_cache(fixture *f, int64_t kv_heads, int64_t dim, sgn_dtype type) {
    f->m = (sgn_model_config){ .layers = LAYERS, .heads = HEADS, .kv_heads = kv_heads, .head_dim = dim };
    sgn_arena_measure(&f->arena);
    check_ok(sgn_kv_cache_init(&f->cache, &f->m, CONTEXT, type, &f->arena, &err), &err);
    const size_t bytes = f->arena.peak;
    check_ok(sgn_arena_init(&f->arena, bytes, &err), &err);
    check_ok(sgn_kv_cache_init(&f->cache, &f->m, CONTEXT, type, &f->arena, &err), &err);
    const int64_t n = CONTEXT * kv_heads;
    for (int64_t i = 0; i < n * dim; i++) {
        keys[i] = (float)sgn_rng_normal(1, 1, (uint64_t)i);
        values[i] = (float)sgn_rng_normal(1, 2, (uint64_t)i);
    }
    for (int64_t i = 0; i < CONTEXT * HEADS * dim; i++) q[i] = 2 * (float)sgn_rng_normal(1, 3, (uint64_t)i);
    for (int64_t i = 0; i < n; i++)                 /* the first layer gets something else */
        for (int64_t l = 0; l < LAYERS; l++)
            sgn_kv_cache_put(&f->cache, l, i % kv_heads, i / kv_heads, keys + i * dim, (l ? values : keys) + i * dim);
}

/* softmax(q k^T / sqrt(dim)) v of one head at position p; the rounding of the cache is no part of it. */
static double formula(const fixture *f, int64_t p, int64_t head, int64_t d) {
    const int64_t dim = f->m.head_dim, kv = f->m.kv_heads, h = head / (HEADS / kv);
    double above = 0, below = 0;
    for (int64_t j = 0; j <= p; j++) {
        double score = 0;
        for (int64_t i = 0; i < dim; i++) score += (double)q[(p * HEADS + head) * dim + i] * (double)keys[(j * kv + h) * dim + i];
        const double e = exp(score / sqrt((double)dim));
        above += e * (double)values[(j * kv + h) * dim + d];
        below += e;
    }
    return above / below;
}

static void one_and_many_queries_follow_the_formula(void **state) {
    (void)state;
    static const int64_t position[] = { 0, 1, 255, 256, 257, 511, CONTEXT - 1 };
    static const struct { int64_t kv_heads, dim; } shape[] = { { 6, 64 }, { 2, 34 }, { 1, MOST_DIM }, { 3, 7 } };
    const sgn_kernels *k;
    bool runs;
    check_ok(sgn_gemm_init(&err), &err);
    for (int set = 0; (k = sgn_kernels_at(set, &runs)); set++) for (int i = 0; runs && i < 8; i++) {
        const sgn_dtype type = i & 1 ? SGN_DTYPE_F16 : SGN_DTYPE_F32;
        const double close = i & 1 ? 4e-3 : 2e-6;      /* halves: 2^-11 of keys of size 1 to 4 and of values */
        fixture f;
        check_ok(sgn_kernels_use(k->name, &err), &err);
        open_cache(&f, shape[i / 2].kv_heads, shape[i / 2].dim, type);
        const int64_t wide = HEADS * f.m.head_dim;
        for (size_t n = 0; n < sizeof position / sizeof *position; n++) {
            const int64_t p = position[n], from = p > 70 ? p - 70 : 0;
            sgn_kv_cache_attend(&f.cache, 1, p, 1, q + p * wide, y);
            sgn_kv_cache_attend(&f.cache, 1, from, p + 1 - from, q + from * wide, again);
            const float *last = p == from ? y : again + (p - from) * wide;
            for (int64_t j = 0; j < wide; j += 5) {
                const double want = formula(&f, p, j / f.m.head_dim, j % f.m.head_dim);
                check_close(y[j], want, close, 0);
                check_close(last[j], want, close, 0);
            }
        }
        sgn_arena_free(&f.arena);
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

static void same_bits_for_any_threads(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        fixture f;
        open_cache(&f, 3, 64, i ? SGN_DTYPE_F16 : SGN_DTYPE_F32);
        for (int64_t count = 1; count <= 67; count += 66) {
            sgn_threads_set(1);
            sgn_kv_cache_attend(&f.cache, 1, 530, count, q, y);
            for (int threads = 2; threads <= 3; threads++) {
                sgn_threads_set(threads);
                memset(again, 0, sizeof again);
                sgn_kv_cache_attend(&f.cache, 1, 530, count, q, again);
                assert_memory_equal(again, y, (size_t)(count * HEADS * 64) * sizeof *y);
            }
        }
        sgn_threads_set(0);
        sgn_arena_free(&f.arena);
    }
}

static void halves_take_half_and_round_to_nearest(void **state) {
    (void)state;
    enum { N = 1 << 16 };
    static float x[N];
    static uint16_t half[N + 1];
    fixture f;
    open_cache(&f, 3, 64, SGN_DTYPE_F32);
    const size_t whole = sgn_kv_cache_bytes(&f.cache);
    assert_int_equal(whole, 2 * LAYERS * 3 * CONTEXT * 64 * sizeof(float));
    sgn_arena_free(&f.arena);
    open_cache(&f, 3, 64, SGN_DTYPE_F16);
    assert_int_equal(sgn_kv_cache_bytes(&f.cache), whole / 2);
    sgn_arena_free(&f.arena);
    const sgn_kernels *k;
    bool runs;
    for (int i = 0; i < N; i++) x[i] = ldexpf((float)sgn_rng_normal(1, 4, (uint64_t)i), i % 48 - 30);      /* from below to above what halves reach */
    for (int set = 0; (k = sgn_kernels_at(set, &runs)); set++) for (int n = N - 20; runs && n <= N; n++) {
        memset(half, 0x77, sizeof half);
        k->from_real[SGN_DTYPE_F16](half, x, n);
        for (int i = n == N ? 0 : N - 32; i < n; i++) assert_int_equal(half[i], sgn_f32_to_f16(x[i]));
        assert_int_equal(half[n], 0x7777);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_and_many_queries_follow_the_formula),
        cmocka_unit_test(same_bits_for_any_threads),
        cmocka_unit_test(halves_take_half_and_round_to_nearest),
    };
    return check_run(tests);
}
