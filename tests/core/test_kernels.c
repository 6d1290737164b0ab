/* Every entry of every kernel set that runs here against plain loops in double.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/arena.h"
#include "core/parallel.h"
#include "core/products.h"
#include "core/rng.h"
#include "tests/core/kernel_sets.h"

enum { PAD = 16 };                     /* floats behind each row of results that must stay as they were */
static const float UNTOUCHED = 12345;

static sgn_error err;

static void fill(float *x, int64_t n, uint64_t stream, double scale) {
    for (int64_t i = 0; i < n; i++) x[i] = (float)(scale * sgn_rng_normal(11, stream, (uint64_t)i));
}
static float *filled(int64_t n, uint64_t stream, double scale) {
    float *x = malloc((size_t)(n + PAD) * sizeof *x);
    assert_non_null(x);
    fill(x, n, stream, scale);
    for (int64_t i = 0; i < PAD; i++) x[n + i] = UNTOUCHED;
    return x;
}
static void check_pad(const float *x, int64_t n) {
    for (int64_t i = 0; i < PAD; i++) assert_true(x[n + i] == UNTOUCHED);
}

static const int64_t lengths[] = { 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 129, 257, 1000, 1025, 5003 };
#define for_each_length(n) for (size_t l_ = 0; l_ < sizeof lengths / sizeof *lengths && ((n) = lengths[l_]); l_++)

/* --- choosing ------------------------------------------------------------------------------------- */

static void sets_are_chosen_by_name(void **state) {
    (void)state;
    check_ok(sgn_kernels_use("ref", &err), &err);
    assert_string_equal(sgn_kernels_get()->name, "ref");
    check_fails(sgn_kernels_use("mmx", &err), SGN_UNSUPPORTED, &err, "mmx");
    assert_string_equal(sgn_kernels_get()->name, "ref");
    assert_int_equal(setenv("SIGNUM_KERNELS", "ref", 1), 0);
    check_ok(sgn_kernels_use("auto", &err), &err);
    const sgn_kernels *best = sgn_kernels_get(), *k;
    check_ok(sgn_kernels_use(NULL, &err), &err);
    assert_string_equal(sgn_kernels_get()->name, "ref");
    assert_int_equal(unsetenv("SIGNUM_KERNELS"), 0);
    for_each_variant(k) assert_true(k->dot && k->binary_gemm && k->adamw && k->exp_sum && k->pack_signs);
    check_ok(sgn_kernels_use(NULL, &err), &err);
    assert_ptr_equal(sgn_kernels_get(), best);
}

/* Without VNNI few rows go by AVX2, without VBMI and VBMI2 codes and zones do; a product with zones sums as the set's own dot. */
static void machines_with_less_take_avx2(void **state) {
    (void)state;
    const sgn_kernels *k, *avx2 = NULL, *foundation = NULL, *vnni = NULL;
    for_each_variant(k) {
        if (strcmp(k->name, "avx2") == 0) avx2 = k;
        if (strcmp(k->name, "avx512f") == 0) foundation = k;
        if (strcmp(k->name, "avx512vnni") == 0) vnni = k;
    }
    if (!foundation) {
        check_skipped("this machine has no AVX-512");
        return;
    }
    for (int i = 0; i < 2; i++) {
        k = i ? vnni : foundation;
        assert_true(k->binary_gemm != avx2->binary_gemm && k->dot != avx2->dot);
        assert_true(k->gemv_coded == avx2->gemv_coded && k->gemv_prepare_coded == avx2->gemv_prepare_coded);
        assert_true(k->gemv_coded_bytes == avx2->gemv_coded_bytes);
        assert_true(k->zoned_row == avx2->zoned_row && k->zoned_dot != avx2->zoned_dot);
    }
    assert_true(foundation->gemv_signs == avx2->gemv_signs && foundation->gemv_groups == avx2->gemv_groups);
    assert_true(foundation->gemv_prepare == avx2->gemv_prepare && foundation->gemv_bytes == avx2->gemv_bytes);
    assert_memory_equal(foundation->gemv_rows, avx2->gemv_rows, sizeof avx2->gemv_rows);
#if defined(__x86_64__)
    assert_true((vnni->gemv_signs == avx2->gemv_signs) == !__builtin_cpu_supports("avx512vnni"));
#endif
}

/* --- signs ------------------------------------------------------------------------------------------ */

static void signs_are_packed(void **state) {
    (void)state;
    const sgn_kernels *k;
    int64_t n;
    for_each_set(k) for_each_length(n) {
        float *w = filled(n, 1, 1);
        w[n / 2] = -0.0f;
        if (n > 4) w[1] = 0, w[2] = -1e-45f, w[3] = 1e-45f, w[4] = NAN;
        uint64_t word[80];
        memset(word, 0xAA, sizeof word);
        k->pack_signs(w, n, word);
        for (int64_t j = 0; j < (n + 63) / 64 * 64; j++)
            assert_int_equal(word[j / 64] >> (j % 64) & 1, j < n && w[j] >= 0);
        assert_true(word[(n + 63) / 64] == 0xAAAAAAAAAAAAAAAAu);
        free(w);
    }
}

/* --- the binary product ------------------------------------------------------------------------------- */

typedef struct {
    int64_t m, n, k;
    float  *x, *w, *y, *in_scale, *out_scale, *row_add;
    double *expected;          /* without scales and additions, then with */
    sgn_signs signs;
    void   *memory;
    size_t  bytes;
} problem;

static problem problem_make(int64_t m, int64_t n, int64_t k) {
    problem p = { .m = m, .n = n, .k = k };
    p.x = filled(m * (k + 3), 1, 1);
    p.w = filled(n * k, 2, 1);
    p.y = filled(m * (n + PAD), 3, 1);
    p.in_scale = filled(k, 4, 1);
    p.out_scale = filled(n, 5, 1);
    p.row_add = filled(m, 6, 1);
    p.expected = calloc((size_t)(m * n), sizeof *p.expected);
    p.bytes = sgn_signs_bytes(SGN_CODE_BINARY, n, k);
    check_ok(sgn_memory_alloc(&p.memory, p.bytes, "signs", &err), &err);
    sgn_signs_place(&p.signs, SGN_CODE_BINARY, n, k, p.memory);
    sgn_plane_pack(&p.signs.rows, p.w, 0, n);
    sgn_signs_refresh(&p.signs);
    return p;
}
static void problem_free(problem *p) {
    free(p->x), free(p->w), free(p->y), free(p->in_scale), free(p->out_scale), free(p->row_add), free(p->expected);
    sgn_memory_free(p->memory, p->bytes);
}

static sgn_binary_product product_of(const problem *p, int options) {
    return (sgn_binary_product){
        .m = p->m, .n = p->n, .k = p->k, .x = p->x, .ldx = p->k + 3, .s = &p->signs.rows, .index = p->signs.rows_index,
        .in_scale = options & 1 ? p->in_scale : NULL, .out_scale = options & 2 ? p->out_scale : NULL,
        .row_add = options & 4 ? p->row_add : NULL, .add = options & 8, .y = p->y, .ldy = p->n + PAD };
}

static void expect(problem *p, int options) {
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < p->k; l++) {
                const double x = (double)p->x[i * (p->k + 3) + l] * (options & 1 ? (double)p->in_scale[l] : 1);
                sum += p->w[j * p->k + l] >= 0 ? x : -x;
            }
            if (options & 2) sum *= (double)p->out_scale[j];
            if (options & 4) sum += (double)p->row_add[i];
            if (options & 8) sum += (double)p->y[i * (p->n + PAD) + j];
            p->expected[i * p->n + j] = sum;
        }
}

/* |y - expected| / |expected|; the floats behind each row are as they were. */
static double error_of(const problem *p) {
    double error = 0, norm = 0;
    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t j = 0; j < p->n; j++) {
            const double e = p->expected[i * p->n + j];
            error += ((double)p->y[i * (p->n + PAD) + j] - e) * ((double)p->y[i * (p->n + PAD) + j] - e);
            norm += e * e;
        }
        check_pad(p->y + i * (p->n + PAD), p->n);
    }
    return norm > 0 ? sqrt(error / norm) : sqrt(error);
}
static void mark(problem *p) {
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < PAD; j++) p->y[i * (p->n + PAD) + p->n + j] = UNTOUCHED;
}

static void binary_products_are_right(void **state) {
    (void)state;
    static const int64_t shape[][3] = { { 1, 1, 1 }, { 2, 3, 5 }, { 5, 16, 30 }, { 6, 64, 60 }, { 7, 65, 61 }, { 9, 17, 31 },
                                        { 3, 200, 64 }, { 13, 100, 211 }, { 26, 129, 300 }, { 1, 600, 777 }, { 50, 33, 128 },
                                        { 11, 66, 2600 }, { 4, 20, 6001 } };
    const sgn_kernels *k;
    for_each_set(k) {
        check_ok(sgn_kernels_use(k->name, &err), &err);
        for (size_t s = 0; s < sizeof shape / sizeof *shape; s++)
            for (int options = 0; options < 16; options += shape[s][2] > 1000 ? 5 : 1) {
                problem p = problem_make(shape[s][0], shape[s][1], shape[s][2]);
                mark(&p);
                expect(&p, options);
                const sgn_binary_product product = product_of(&p, options);
                check_ok(sgn_binary_gemm(&product, &err), &err);
                const double error = error_of(&p);
                if (!(error <= 1e-6))
                    fail_msg("%s: %lld x %lld x %lld, options %d: relative error %g", k->name, (long long)p.m,
                             (long long)p.n, (long long)p.k, options, error);
                problem_free(&p);
            }
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

/* dx = dy S from the column plane is the same product. */
static void column_planes_give_dx(void **state) {
    (void)state;
    const sgn_kernels *k;
    for_each_set(k) {
        check_ok(sgn_kernels_use(k->name, &err), &err);
        problem p = problem_make(10, 77, 130);
        float *dy = filled(p.m * p.n, 7, 1), *dx = filled(p.m * p.k, 8, 0);
        check_ok(sgn_binary_gemm(&(sgn_binary_product){ .m = p.m, .n = p.k, .k = p.n, .x = dy, .ldx = p.n, .s = &p.signs.cols,
            .index = p.signs.cols_index, .y = dx, .ldy = p.k }, &err), &err);
        for (int64_t i = 0; i < p.m; i++)
            for (int64_t l = 0; l < p.k; l++) {
                double sum = 0;
                for (int64_t j = 0; j < p.n; j++)
                    sum += (double)dy[i * p.n + j] * (p.w[j * p.k + l] >= 0 ? 1 : -1);
                check_close(dx[i * p.k + l], sum, 1e-5, 0);
            }
        check_pad(dx, p.m * p.k);
        free(dy), free(dx), problem_free(&p);
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

/* A row of Y is the same whatever rows stand beside it, however the work is cut, and for any number of threads. */
static void binary_products_have_the_same_bits(void **state) {
    (void)state;
    const sgn_kernels *k;
    for_each_set(k) {
        check_ok(sgn_kernels_use(k->name, &err), &err);
        problem p = problem_make(61, 700, 333);
        float *first = malloc((size_t)(p.m * (p.n + PAD)) * sizeof *first);
        sgn_binary_product product = product_of(&p, 7);
        for (int threads = 1; threads <= 3; threads++) {
            sgn_threads_set(threads);
            check_ok(sgn_binary_gemm(&product, &err), &err);
            if (threads == 1) memcpy(first, p.y, (size_t)(p.m * (p.n + PAD)) * sizeof *first);
            assert_memory_equal(first, p.y, (size_t)(p.m * (p.n + PAD)) * sizeof *first);
        }
        fill(p.y, p.m * (p.n + PAD), 9, 1);
        for (int64_t i = 0; i < p.m; i++) {
            sgn_binary_product row = product;
            row.m = 1, row.x += i * row.ldx, row.y += i * row.ldy, row.row_add += i;
            check_ok(sgn_binary_gemm(&row, &err), &err);
            assert_memory_equal(first + i * row.ldy, row.y, (size_t)p.n * sizeof *first);
        }
        sgn_threads_set(0);
        free(first), problem_free(&p);
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

/* Sums of small integers are exact; zeros, extremes and not-a-numbers stay in their row. */
static void binary_products_of_odd_values(void **state) {
    (void)state;
    const sgn_kernels *k;
    for_each_set(k) {
        check_ok(sgn_kernels_use(k->name, &err), &err);
        problem p = problem_make(7, 70, 400);
        for (int64_t i = 0; i < p.m * (p.k + 3); i++) p.x[i] = (float)((int)(sgn_rng_bits(3, 1, (uint64_t)i) % 255) - 127);
        float *row = p.x + (p.k + 3);
        for (int64_t l = 0; l < p.k; l++) row[l] = 0;                                   /* 1: nothing */
        row[p.k + 3 + 5] = NAN;                                                           /* 2: one NaN */
        for (int64_t l = 0; l < p.k; l++) row[2 * (p.k + 3) + l] *= 0x1p-60f;             /* 3: tiny */
        for (int64_t l = 0; l < p.k; l++) row[3 * (p.k + 3) + l] *= 0x1p+60f;             /* 4: huge */
        row[4 * (p.k + 3) + 9] = INFINITY;                                                /* 5: infinite */
        expect(&p, 0);
        const sgn_binary_product product = product_of(&p, 0);
        check_ok(sgn_binary_gemm(&product, &err), &err);
        for (int64_t i = 0; i < p.m; i++)
            for (int64_t j = 0; j < p.n; j++) {
                const double got = (double)p.y[i * (p.n + PAD) + j];
                if (i == 2 || i == 5) assert_true(!isfinite(got));
                else assert_true(got == p.expected[i * p.n + j]);
            }
        problem_free(&p);
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

/* --- rows ----------------------------------------------------------------------------------------------- */

static void sums_are_right(void **state) {
    (void)state;
    const sgn_kernels *k;
    int64_t n;
    for_each_set(k) for_each_length(n) {
        float *a = filled(n, 1, 1), *b = filled(n, 2, 1), *y = filled(n, 3, 1), *before = filled(n, 3, 1);
        double dot = 0, squares = 0, size = 0, most = -INFINITY;
        for (int64_t j = 0; j < n; j++) {
            dot += (double)a[j] * (double)b[j];
            size += fabs((double)a[j] * (double)b[j]);
            squares += (double)a[j] * (double)a[j];
            most = fmax(most, (double)a[j]);
        }
        check_close(k->dot(a, b, n), dot, 3e-7 * size, 0);
        check_close(k->sum_squares(a, n), squares, 0, 3e-7);
        assert_true((double)k->max(a, n) == most);
        k->axpy(y, 0.7f, a, n);
        for (int64_t j = 0; j < n; j++) check_close(y[j], (double)before[j] + (double)0.7f * (double)a[j], 1e-6, 1e-6);
        check_pad(y, n);
        free(a), free(b), free(y), free(before);
    }
}

static void exponentials_are_right(void **state) {
    (void)state;
    const sgn_kernels *k;
    int64_t n;
    for_each_set(k) {
        for_each_length(n) {
            float *x = filled(n, 1, 10), *y = filled(n, 2, 1);
            double sum = 0;
            const float got = k->exp_sum(y, x, n, 30.5f);
            for (int64_t j = 0; j < n; j++) {
                const double want = exp((double)(x[j] - 30.5f));
                sum += want;
                check_close(y[j], want, want < 1.3e-38 ? 1.3e-38 : 0, 2e-7);
            }
            check_close(got, sum, 0, 1e-6);
            check_pad(y, n);
            free(x), free(y);
        }
        double worst = 0;
        for (double at = -87.3; at < 88.3; at += 0.0037) {
            float x[3] = { (float)at, (float)at, (float)at };
            k->exp_sum(x, x, 3, 0);
            worst = fmax(worst, fabs((double)x[1] / exp((double)(float)at) - 1));
        }
        assert_true(worst <= 2e-7);
        float odd[20] = { -INFINITY, -1e30f, -104, 0, NAN, -1000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -200, -INFINITY, 0, 0 }, y[20];
        assert_true(isnan(k->exp_sum(y, odd, 20, 0)));
        assert_true(y[0] == 0 && y[1] == 0 && y[2] < 1e-44f && y[3] == 1 && isnan(y[4]) && y[5] == 0 && y[16] == 0);
        assert_true(k->exp_sum(y, odd + 5, 15, 0) == 12);
    }
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

static void swiglu_is_right(void **state) {
    (void)state;
    const sgn_kernels *k;
    int64_t n;
    for_each_set(k) for_each_length(n) {
        float *g = filled(n, 1, 4), *u = filled(n, 2, 1), *dy = filled(n, 3, 1), *y = filled(n, 4, 1);
        float *dg = filled(n, 5, 1), *du = filled(n, 6, 1), *dg0 = filled(n, 5, 1), *du0 = filled(n, 6, 1);
        g[n / 2] = n % 2 ? -95 : 95;
        k->swiglu(y, g, u, n);
        k->swiglu_back(dg, du, dy, g, u, n);
        for (int64_t j = 0; j < n; j++) {
            const double s = sigmoid((double)g[j]), a = (double)g[j];
            check_close(y[j], a * s * (double)u[j], 1e-30, 6e-7);
            check_close(dg[j], (double)dg0[j] + (double)dy[j] * (double)u[j] * (s + a * s * (1 - s)), 1e-5, 1e-6);
            check_close(du[j], (double)du0[j] + (double)dy[j] * a * s, 1e-5, 1e-6);
        }
        check_pad(y, n), check_pad(dg, n), check_pad(du, n);
        k->swiglu_back(dg0, NULL, dy, g, u, n);
        k->swiglu_back(NULL, du0, dy, g, u, n);
        assert_memory_equal(dg, dg0, (size_t)n * sizeof *dg);
        assert_memory_equal(du, du0, (size_t)n * sizeof *du);
        free(g), free(u), free(dy), free(y), free(dg), free(du), free(dg0), free(du0);
    }
}

static void rmsnorm_is_right(void **state) {
    (void)state;
    const sgn_kernels *k;
    int64_t n;
    for_each_set(k) for_each_length(n) {
        float *x = filled(n, 1, 3), *gain = filled(n, 2, 1), *dy = filled(n, 3, 1), *y = filled(n, 4, 1);
        float *dx = filled(n, 5, 1), *dg = filled(n, 6, 1), *dx0 = filled(n, 5, 1), *dg0 = filled(n, 6, 1);
        double squares = 0, along = 0;
        for (int64_t j = 0; j < n; j++) {
            squares += (double)x[j] * (double)x[j];
            along += (double)dy[j] * (double)gain[j] * (double)x[j];
        }
        const double r = 1 / sqrt(squares / (double)n + 1e-5);
        const float got = k->rmsnorm(y, x, gain, n, 1e-5f);
        check_close(got, r, 0, 3e-7);
        k->rmsnorm_back(dx, dg, dy, x, gain, n, got);
        for (int64_t j = 0; j < n; j++) {
            check_close(y[j], (double)x[j] * r * (double)gain[j], 1e-7, 1e-6);
            check_close(dx[j], (double)dx0[j] + r * (double)dy[j] * (double)gain[j]
                               - (double)x[j] * r * r * r / (double)n * along, 2e-5, 1e-5);
            check_close(dg[j], (double)dg0[j] + (double)dy[j] * (double)x[j] * r, 1e-5, 1e-6);
        }
        check_pad(y, n), check_pad(dx, n), check_pad(dg, n);
        memcpy(dg, dg0, (size_t)n * sizeof *dg);
        k->rmsnorm_back(NULL, dg, dy, x, gain, n, got);
        check_close(dg[0], (double)dg0[0] + (double)dy[0] * (double)x[0] * r, 1e-5, 1e-6);
        k->rmsnorm_back(dx, NULL, dy, x, gain, n, got);
        free(x), free(gain), free(dy), free(y), free(dx), free(dg), free(dx0), free(dg0);
    }
}

static void rope_is_right(void **state) {
    (void)state;
    const sgn_kernels *k;
    for_each_set(k) for (int64_t half = 1; half < 70; half++) {
        float *x = filled(2 * half, 1, 1), *y = filled(2 * half, 2, 1), *before = filled(2 * half, 2, 1);
        float *cosine = filled(half, 3, 1), *sine = filled(half, 4, 1);
        for (int back = 1; back >= 0; back--) {
            k->rope(y, x, cosine, sine, half, back);
            for (int64_t j = 0; j < half; j++) {
                const double a = (double)x[j], b = (double)x[j + half], c = (double)cosine[j], s = (double)sine[j];
                check_close(y[j], back ? (double)before[j] + a * c + b * s : a * c - b * s, 1e-6, 1e-6);
                check_close(y[j + half], back ? (double)before[j + half] - a * s + b * c : a * s + b * c, 1e-6, 1e-6);
            }
            check_pad(y, 2 * half);
        }
        free(x), free(y), free(before), free(cosine), free(sine);
    }
}

/* Against the formula in double, and the same bits in every set. */
static void adamw_is_right(void **state) {
    (void)state;
    const sgn_adamw c = { .grad_scale = 0.5f, .lr = 1e-3f, .beta1 = 0.9f, .beta2 = 0.98f, .eps = 1e-8f, .weight_decay = 0.1f,
                          .bias1 = 0.271f, .bias2 = 0.0588f };
    const sgn_kernels *k, *ref = sgn_kernels_at(0, NULL);
    assert_string_equal(ref->name, "ref");
    int64_t n;
    for_each_set(k) for_each_length(n) {
        float *w[3], *m[3], *v[3], *g = filled(n, 4, 0.1);
        for (int i = 0; i < 3; i++) {
            w[i] = filled(n, 1, 1), m[i] = filled(n, 2, 0.1), v[i] = filled(n, 3, 0.01);
            for (int64_t j = 0; j < n; j++) v[i][j] = fabsf(v[i][j]);
        }
        k->adamw(w[0], g, m[0], v[0], n, &c);
        ref->adamw(w[1], g, m[1], v[1], n, &c);
        assert_memory_equal(w[0], w[1], (size_t)(n + PAD) * sizeof(float));
        assert_memory_equal(m[0], m[1], (size_t)(n + PAD) * sizeof(float));
        assert_memory_equal(v[0], v[1], (size_t)(n + PAD) * sizeof(float));
        for (int64_t j = 0; j < n; j++) {
            const double grad = 0.5 * (double)g[j];
            const double mm = 0.9 * (double)m[2][j] + 0.1 * grad, vv = 0.98 * (double)v[2][j] + 0.02 * grad * grad;
            check_close(m[0][j], mm, 1e-8, 1e-6);
            check_close(v[0][j], vv, 1e-9, 2e-6);
            check_close(w[0][j], (double)w[2][j] * (1 - 1e-4) - 1e-3 * (mm / 0.271) / (sqrt(vv / 0.0588) + 1e-8), 1e-7, 1e-6);
        }
        for (int i = 0; i < 3; i++) free(w[i]), free(m[i]), free(v[i]);
        free(g);
    }
}

/* The tables are meant, whatever SIGNUM_PRODUCTS says. */
static int begin(void **state) {
    return sgn_products_use("table", &err) == SGN_OK ? check_begin(state) : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_chosen_by_name), cmocka_unit_test(machines_with_less_take_avx2), cmocka_unit_test(signs_are_packed),
        cmocka_unit_test(binary_products_are_right), cmocka_unit_test(column_planes_give_dx),
        cmocka_unit_test(binary_products_have_the_same_bits), cmocka_unit_test(binary_products_of_odd_values),
        cmocka_unit_test(sums_are_right), cmocka_unit_test(exponentials_are_right), cmocka_unit_test(swiglu_is_right),
        cmocka_unit_test(rmsnorm_is_right), cmocka_unit_test(rope_is_right), cmocka_unit_test(adamw_is_right),
    };
    return cmocka_run_group_tests(tests, begin, check_end);
}
