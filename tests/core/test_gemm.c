/* Dense products: every orientation, tiles, accumulation, and several threads at once.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/gemm.h"
#include "core/parallel.h"
#include "core/rng.h"

static sgn_error err;

static int begin(void **state) {
    return sgn_gemm_init(&err) == SGN_OK ? check_begin(state) : -1;
}

static sgn_real *integers(int64_t n, uint64_t stream) {          /* -3 .. 3: products and sums are exact */
    sgn_real *x = malloc((size_t)n * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) x[i] = (sgn_real)((int)(sgn_rng_bits(7, stream, (uint64_t)i) % 7) - 3);
    return x;
}

static void serial_builds_are_refused(void **state) {
    (void)state;
    check_ok(sgn_gemm_check("OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH NO_AFFINITY Haswell MAX_THREADS=64", &err), &err);
    check_fails(sgn_gemm_check("OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH NO_AFFINITY Haswell SINGLE_THREADED", &err),
                SGN_UNSUPPORTED, &err, "libopenblas0-pthread");
    assert_non_null(strstr(sgn_gemm_library(), "OpenBLAS 0."));
}

static void products_are_right(void **state) {
    (void)state;
    static const int64_t shape[][3] = { { 1, 1, 1 }, { 3, 5, 7 }, { 64, 33, 100 }, { 300, 17, 40 }, { 2, 1100, 9 }, { 530, 1050, 12 } };
    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++) for (int trans = 0; trans < 4; trans++) {
        const int64_t m = shape[s][0], n = shape[s][1], k = shape[s][2], pad = 3;
        const bool ta = trans & 1, tb = trans & 2;
        const int64_t lda = (ta ? m : k) + pad, ldb = (tb ? k : n) + pad, ldc = n + pad;
        sgn_real *A = integers((ta ? k : m) * lda, 1), *B = integers((tb ? n : k) * ldb, 2);
        sgn_real *C = integers(m * ldc, 3), *before = integers(m * ldc, 3);
        sgn_gemm(&(sgn_gemm_args){ ta, tb, m, n, k, 2, A, lda, B, ldb, (sgn_real)-1, C, ldc });
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < ldc; j++) {
                double want = (double)before[i * ldc + j];
                if (j < n) {
                    want = -want;
                    for (int64_t l = 0; l < k; l++)
                        want += 2 * (double)A[ta ? l * lda + i : i * lda + l] * (double)B[tb ? j * ldb + l : l * ldb + j];
                }
                assert_true((double)C[i * ldc + j] == want);
            }
        free(A), free(B), free(C), free(before);
    }
}

static void layer_products_accumulate(void **state) {
    (void)state;
    const int64_t T = 9, O = 6, I = 11;
    sgn_real *x = integers(T * I, 1), *w = integers(O * I, 2), *dy = integers(T * O, 3);
    sgn_real *y = integers(T * O, 4), *dx = integers(T * I, 5), *dw = integers(O * I, 6);
    sgn_real *dx0 = integers(T * I, 5), *dw0 = integers(O * I, 6);
    sgn_gemm_forward(y, x, w, T, O, I);
    sgn_gemm_dx(dx, dy, w, T, O, I);
    sgn_gemm_dw(dw, dy, x, T, O, I);
    for (int64_t t = 0; t < T; t++)
        for (int64_t o = 0; o < O; o++) {
            double want = 0;
            for (int64_t i = 0; i < I; i++) want += (double)x[t * I + i] * (double)w[o * I + i];
            assert_true((double)y[t * O + o] == want);
        }
    for (int64_t i = 0; i < I; i++) {
        for (int64_t t = 0; t < T; t++) {
            double want = (double)dx0[t * I + i];
            for (int64_t o = 0; o < O; o++) want += (double)dy[t * O + o] * (double)w[o * I + i];
            assert_true((double)dx[t * I + i] == want);
        }
        for (int64_t o = 0; o < O; o++) {
            double want = (double)dw0[o * I + i];
            for (int64_t t = 0; t < T; t++) want += (double)dy[t * O + o] * (double)x[t * I + i];
            assert_true((double)dw[o * I + i] == want);
        }
    }
    free(x), free(w), free(dy), free(y), free(dx), free(dw), free(dx0), free(dw0);
}

/* The same bits for any number of threads. */
static void threads_do_not_change_bits(void **state) {
    (void)state;
    const int64_t m = 700, n = 1300, k = 90;
    sgn_real *A = malloc((size_t)(m * k) * sizeof *A), *B = malloc((size_t)(n * k) * sizeof *B);
    sgn_real *one = malloc((size_t)(m * n) * sizeof *one), *many = malloc((size_t)(m * n) * sizeof *many);
    for (int64_t i = 0; i < m * k; i++) A[i] = (sgn_real)sgn_rng_normal(1, 1, (uint64_t)i);
    for (int64_t i = 0; i < n * k; i++) B[i] = (sgn_real)sgn_rng_normal(1, 2, (uint64_t)i);
    sgn_threads_set(1);
    sgn_gemm_forward(one, A, B, m, n, k);
    for (int threads = 2; threads < 5; threads++) {
        sgn_threads_set(threads);
        sgn_gemm_forward(many, A, B, m, n, k);
        assert_memory_equal(one, many, (size_t)(m * n) * sizeof *one);
    }
    sgn_threads_set(0);
    free(A), free(B), free(one), free(many);
}

/* Many exact products at once. OpenBLAS's serial build fails here (about 1 product in 200):
 * its callers share a packing buffer. */
enum { CALLS = 40000, SIDE = 24, LONG = 256 };     /* short, yet of a shape that takes a packing buffer */
typedef struct { const sgn_real *A, *B, *want; char wrong[CALLS]; } storm;

static void call(void *ctx, int64_t first, int64_t end) {
    storm *s = ctx;
    for (int64_t c = first; c < end; c++) {
        sgn_real C[SIDE * SIDE];
        const int64_t m = SIDE - c % 5, n = SIDE - c % 7;
        sgn_gemm_serial(&(sgn_gemm_args){ .trans_b = true, .m = m, .n = n, .k = LONG, .a = 1, .A = s->A, .lda = LONG,
                                          .B = s->B, .ldb = LONG, .b = 0, .C = C, .ldc = SIDE });
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) s->wrong[c] |= C[i * SIDE + j] != s->want[i * SIDE + j];
    }
}

static void concurrent_products_are_right(void **state) {
    (void)state;
    static storm s;
    sgn_real *A = integers(SIDE * LONG, 1), *B = integers(SIDE * LONG, 2);
    static sgn_real want[SIDE * SIDE];
    for (int64_t i = 0; i < SIDE; i++)
        for (int64_t j = 0; j < SIDE; j++) {
            double sum = 0;
            for (int64_t l = 0; l < LONG; l++) sum += (double)A[i * LONG + l] * (double)B[j * LONG + l];
            want[i * SIDE + j] = (sgn_real)sum;
        }
    s.A = A, s.B = B, s.want = want;
    sgn_threads_set(4);
    sgn_parallel(CALLS, 100, call, &s);
    sgn_threads_set(0);
    int wrong = 0;
    for (int c = 0; c < CALLS; c++) wrong += s.wrong[c];
    if (wrong) fail_msg("%d of %d concurrent products are wrong: is this OpenBLAS's serial build?", wrong, CALLS);
    free(A), free(B);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serial_builds_are_refused), cmocka_unit_test(products_are_right),
        cmocka_unit_test(layer_products_accumulate), cmocka_unit_test(threads_do_not_change_bits),
        cmocka_unit_test(concurrent_products_are_right),
    };
    return cmocka_run_group_tests(tests, begin, check_end);
}
