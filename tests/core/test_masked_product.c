/* Ternary and N:M signs: what is kept, and products in every kernel set that runs here against plain loops in double.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/arena.h"
#include "core/gemm.h"
#include "core/ops.h"
#include "core/parallel.h"
#include "core/params.h"
#include "core/products.h"
#include "core/rng.h"
#include "tests/core/kernel_sets.h"

enum { PAD = 16 };                     /* floats behind each row of Y that must stay as they were */
static const float UNTOUCHED = 12345;
static const float CUT = 0.7f;
static const char guard[] = "stands behind planes, indices and lists, which must not reach it";

static sgn_error err;

#define for_each_masked(code) for (sgn_code code = SGN_CODE_TERNARY; code < SGN_CODES; code++)

static void fill(float *x, int64_t n, uint64_t stream) {
    for (int64_t i = 0; i < n; i++) x[i] = (float)sgn_rng_normal(17, stream, (uint64_t)i);
}
static float *filled(int64_t n, uint64_t stream) {
    float *x = malloc((size_t)n * sizeof *x);
    assert_non_null(x);
    fill(x, n, stream);
    return x;
}

typedef struct { sgn_signs signs; void *memory; size_t bytes; int64_t rows, cols; float *w; } matrix;

static void matrix_refresh(matrix *a) {
    sgn_signs_pack(&a->signs, a->w, 0, a->rows);
    sgn_signs_refresh(&a->signs);
}
static matrix matrix_make(sgn_code code, int64_t rows, int64_t cols) {
    matrix a = { .rows = rows, .cols = cols, .bytes = sgn_signs_bytes(code, rows, cols), .w = filled(rows * cols, 2) };
    check_ok(sgn_memory_alloc(&a.memory, a.bytes + sizeof guard, "signs", &err), &err);
    memcpy((char *)a.memory + a.bytes, guard, sizeof guard);
    sgn_signs_place(&a.signs, code, rows, cols, a.memory);
    a.signs.cut = CUT;
    matrix_refresh(&a);
    return a;
}
static void matrix_free(matrix *a) {
    assert_memory_equal((char *)a->memory + a->bytes, guard, sizeof guard);
    free(a->w);
    sgn_memory_free(a->memory, a->bytes + sizeof guard);
}

/* Entry (i, j) by the definition, from the latent alone. */
static int entry(const matrix *a, int64_t i, int64_t j) {
    const sgn_code_info *c = sgn_code_get(a->signs.code);
    const float *w = a->w + i * a->cols;
    const int sign = w[j] >= 0 ? 1 : -1;
    if (!c->kept) return fabsf(w[j]) > CUT ? sign : 0;
    int larger = 0;
    for (int64_t l = j / c->of * c->of; l < a->cols && l / c->of == j / c->of; l++)
        larger += fabsf(w[l]) > fabsf(w[j]) || (fabsf(w[l]) == fabsf(w[j]) && l < j);
    return larger < c->kept ? sign : 0;
}

/* --- planes ------------------------------------------------------------------------------------------- */

static void codes_have_names(void **state) {
    (void)state;
    sgn_code code;
    for (int i = 0; i < SGN_CODES; i++) {
        check_ok(sgn_code_find(&code, sgn_code_get((sgn_code)i)->name, &err), &err);
        assert_int_equal(code, i);
    }
    check_ok(sgn_code_find(&code, "2:8", &err), &err);
    assert_true(sgn_code_get(code)->kept == 2 && sgn_code_get(code)->of == 8);
    check_fails(sgn_code_find(&code, "3:8", &err), SGN_CONFIG, &err, "3:8");
}

static void planes_hold_what_is_kept(void **state) {
    (void)state;
    static const int64_t shape[][2] = { { 1, 1 }, { 3, 2 }, { 5, 7 }, { 65, 63 }, { 64, 64 }, { 7, 130 }, { 70, 321 }, { 3, 5003 } };
    const sgn_kernels *k;
    for_each_set(k) for_each_masked(code) {
        check_ok(sgn_kernels_use(k->name, &err), &err);
        for (size_t s = 0; s < sizeof shape / sizeof *shape; s++) {
            matrix a = matrix_make(code, shape[s][0], shape[s][1]);
            for (int64_t i = 0; i < a.rows * a.cols; i++)                   /* many equal magnitudes, and zeros */
                a.w[i] = (float)((int)(sgn_rng_bits(3, 5, (uint64_t)i) % 7) - 3) / 2;
            memset(a.memory, 0, a.bytes);
            int64_t kept = 0;
            const int64_t changed = sgn_signs_pack(&a.signs, a.w, 0, a.rows);
            sgn_signs_refresh(&a.signs);
            for (int64_t i = 0; i < a.rows; i++)
                for (int64_t j = 0; j < a.signs.rows_mask.stride * 64; j++) {
                    const int want = j < a.cols ? entry(&a, i, j) : 0;
                    kept += want != 0;
                    assert_int_equal(sgn_plane_bit(&a.signs.rows_mask, i, j), want != 0);
                    if (j >= a.cols) continue;
                    assert_int_equal(sgn_signs_at(&a.signs, i, j), want);
                    assert_int_equal(sgn_plane_bit(&a.signs.cols_mask, j, i), want != 0);
                    assert_int_equal(sgn_plane_bit(&a.signs.cols, j, i), a.w[i * a.cols + j] >= 0);
                }
            for (int64_t j = 0; j < a.cols; j++)
                for (int64_t i = a.rows; i < a.signs.cols_mask.stride * 64; i++)
                    assert_int_equal(sgn_plane_bit(&a.signs.cols_mask, j, i), 0);
            assert_int_equal(changed, kept);                                /* from nothing kept */
            assert_int_equal(sgn_signs_pack(&a.signs, a.w, 0, a.rows), 0);
            matrix_free(&a);
        }
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

/* A latent's code reaches its planes; the binary one beside it has none of a mask. */
static void parameters_declare_their_code(void **state) {
    (void)state;
    sgn_params p = { .train = true };
    int masked, binary;
    check_ok(sgn_params_add(&p, SGN_PARAM_LATENT, sgn_shape2(33, 70), &masked, &err, "masked"), &err);
    check_ok(sgn_params_add(&p, SGN_PARAM_LATENT, sgn_shape2(33, 70), &binary, &err, "binary"), &err);
    p.at[masked].code = SGN_CODE_1_8;
    check_ok(sgn_params_commit(&p, &err), &err);
    assert_true(p.planes_bytes == sgn_signs_bytes(SGN_CODE_1_8, 33, 70) + sgn_signs_bytes(SGN_CODE_BINARY, 33, 70));
    for (int i = 0; i < 2; i++) fill(p.at[i].tensor.data, 33 * 70, 2);
    sgn_params_refresh_signs(&p);
    const sgn_signs *s = p.at[masked].tensor.signs, *all = p.at[binary].tensor.signs;
    int64_t kept = 0;
    for (int64_t i = 0; i < 33 * 70; i++) kept += sgn_signs_at(s, i / 70, i % 70) != 0;
    assert_int_equal(kept, 33 * 9);                                         /* 8 groups of 8 and one of 6 */
    assert_true(s->cols_mask.word && !all->rows_mask.word && !all->cols_mask.word);
    sgn_params_free(&p);
}

/* Not a number is kept last, in every set. */
static void not_a_number_is_kept_last(void **state) {
    (void)state;
    const float w[9] = { NAN, 0, NAN, -1, NAN, NAN, NAN, NAN, NAN };
    const sgn_kernels *k;
    for_each_set(k) {
        uint64_t word = 0;
        k->pack_kept(w, 9, 1, 4, &word);
        assert_int_equal(word, 0x118);
        k->pack_kept(w, 9, 2, 8, &word);
        assert_int_equal(word, 0x10A);
        k->pack_kept(w, 9, 1, 16, &word);
        assert_int_equal(word, 0x8);
        k->pack_above(w, 9, 0.5f, &word);
        assert_int_equal(word, 0x8);
    }
}

/* A sign of a weight that is not kept changes nothing; a kept one counts once, a new choice twice. */
static void changes_are_counted(void **state) {
    (void)state;
    matrix a = matrix_make(SGN_CODE_1_8, 4, 70);
    for (int64_t i = 0; i < 4 * 70; i++) a.w[i] = (float)(i % 70 % 8 == 3 ? 2 : 1);
    matrix_refresh(&a);
    a.w[5] = -1;                                                            /* not kept */
    a.w[11] = -2;                                                           /* kept */
    a.w[70 + 16] = 3;                                                       /* instead of 70 + 19 */
    assert_int_equal(sgn_signs_pack(&a.signs, a.w, 0, 4), 3);
    matrix_free(&a);
}

/* --- products ----------------------------------------------------------------------------------------- */

typedef struct { matrix s; int64_t m; float *x, *y, *in_scale, *out_scale, *row_add; } problem;

static problem problem_make(sgn_code code, int64_t m, int64_t n, int64_t k) {
    problem p = { matrix_make(code, n, k), m, filled(m * (k + 3), 1), filled(m * (n + PAD), 3), filled(k, 4), filled(n, 5), filled(m, 6) };
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < PAD; j++) p.y[i * (n + PAD) + n + j] = UNTOUCHED;
    return p;
}
static void problem_free(problem *p) {
    matrix_free(&p->s);
    free(p->x), free(p->y), free(p->in_scale), free(p->out_scale), free(p->row_add);
}

static sgn_binary_product product_of(const problem *p, int options) {
    sgn_binary_product b = {
        .m = p->m, .x = p->x, .ldx = p->s.cols + 3, .in_scale = options & 1 ? p->in_scale : NULL,
        .out_scale = options & 2 ? p->out_scale : NULL, .row_add = options & 4 ? p->row_add : NULL, .add = options & 8,
        .y = p->y, .ldy = p->s.rows + PAD };
    sgn_binary_product_bind(&b, &p->s.signs, false);
    assert_true(b.n == p->s.rows && b.k == p->s.cols);
    return b;
}

/* y_ij in double, before the product overwrites it */
static double expected(const problem *p, int options, int64_t i, int64_t j) {
    double sum = 0;
    for (int64_t l = 0; l < p->s.cols; l++)
        sum += sgn_signs_at(&p->s.signs, j, l) * (double)p->x[i * (p->s.cols + 3) + l] * (options & 1 ? (double)p->in_scale[l] : 1);
    if (options & 2) sum *= (double)p->out_scale[j];
    if (options & 4) sum += (double)p->row_add[i];
    if (options & 8) sum += (double)p->y[i * (p->s.rows + PAD) + j];
    return sum;
}

/* Of the norm, to 1e-6, against double. */
static void check_product(problem *p, int options, const char *set) {
    const int64_t n = p->s.rows;
    double *want = malloc((size_t)(p->m * n) * sizeof *want), error = 0, norm = 0;
    assert_non_null(want);
    for (int64_t i = 0; i < p->m * n; i++) want[i] = expected(p, options, i / n, i % n);
    const sgn_binary_product product = product_of(p, options);
    check_ok(sgn_binary_gemm(&product, &err), &err);
    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t j = 0; j < n; j++) {
            error += pow((double)p->y[i * (n + PAD) + j] - want[i * n + j], 2);
            norm += want[i * n + j] * want[i * n + j];
        }
        for (int64_t j = 0; j < PAD; j++) assert_true(p->y[i * (n + PAD) + n + j] == UNTOUCHED);
    }
    if (!(sqrt(error) <= 1e-6 * sqrt(norm)))
        fail_msg("%s, %s: %lld x %lld x %lld, options %d: error %g of norm %g", set, sgn_code_get(p->s.signs.code)->name,
                 (long long)p->m, (long long)n, (long long)p->s.cols, options, sqrt(error), sqrt(norm));
    free(want);
}

static void masked_products_are_right(void **state) {
    (void)state;
    static const int64_t shape[][3] = { { 1, 1, 1 }, { 2, 3, 5 }, { 3, 7, 9 }, { 5, 16, 17 }, { 6, 64, 96 }, { 7, 65, 61 }, { 9, 17, 31 },
                                        { 13, 100, 211 }, { 26, 129, 300 }, { 1, 600, 777 }, { 4, 20, 2600 }, { 2, 10, 6001 } };
    const sgn_kernels *k;
    for_each_set(k) for_each_masked(code) {
        check_ok(sgn_kernels_use(k->name, &err), &err);
        for (size_t s = 0; s < sizeof shape / sizeof *shape; s++)
            for (int options = 0; options < 16; options += 5) {
                problem p = problem_make(code, shape[s][0], shape[s][1], shape[s][2]);
                check_product(&p, options, k->name);
                problem_free(&p);
            }
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

static void check_dx(sgn_code code, int64_t m, int64_t out, int64_t in) {
    matrix a = matrix_make(code, out, in);
    float *dy = filled(m * out, 7), *dx = filled(m * in, 8), *before = filled(m * in, 8);
    sgn_binary_product b = { .m = m, .x = dy, .ldx = out, .add = true, .y = dx, .ldy = in };
    sgn_binary_product_bind(&b, &a.signs, true);
    check_ok(sgn_binary_gemm(&b, &err), &err);
    for (int64_t i = 0; i < m; i++)
        for (int64_t l = 0; l < in; l++) {
            double sum = (double)before[i * in + l];
            for (int64_t j = 0; j < out; j++) sum += (double)dy[i * out + j] * sgn_signs_at(&a.signs, j, l);
            check_close(dx[i * in + l], sum, 5e-5, 0);
        }
    free(dy), free(dx), free(before), matrix_free(&a);
}

static void products_by_sgemm_are_right(void **state) {
    (void)state;
    check_ok(sgn_gemm_init(&err), &err);
    check_ok(sgn_products_use("sgemm", &err), &err);
    for_each_masked(code) {
        for (int options = 0; options < 16; options += 5) {
            problem p = problem_make(code, 13, 300, 777);
            check_product(&p, options, "sgemm");
            problem_free(&p);
        }
        check_dx(code, 40, 321, 205);
    }
    check_ok(sgn_products_use("table", &err), &err);
}

/* Rows hold each thing that a group of columns can be, for each group in turn, random beside it: all tables, all entries.
 * Sums of small integers are exact, so a single wrong number shows. */
static void every_number_finds_its_sum(void **state) {
    (void)state;
    const int64_t k = 200, m = 9;
    const sgn_kernels *set;
    for_each_set(set) for_each_masked(code) {
        check_ok(sgn_kernels_use(set->name, &err), &err);
        const sgn_code_info *c = sgn_code_get(code);
        const int64_t of = c->of ? c->of : 7, pairs = c->of ? of * of * 4 : 2187, groups = k / of;
        problem p = problem_make(code, m, pairs * (code == SGN_CODE_TERNARY ? 6 : groups), k);
        for (int64_t i = 0; i < p.s.rows; i++) {
            float *w = p.s.w + i * k + i / pairs * of * (code == SGN_CODE_TERNARY ? 5 : 1);
            int64_t what = i % pairs;
            if (code == SGN_CODE_TERNARY) {
                for (int l = 0; l < 7; l++, what /= 3) w[l] = (float)(what % 3 - 1);
            } else {                                                        /* two columns, two signs; equal ones: any second */
                w[what / 4 / of] = what & 1 ? 9 : -9;
                w[what / 4 % of] = what & 2 ? 8 : -8;
            }
        }
        for (int64_t i = 0; i < m * (k + 3); i++) p.x[i] = (float)((int)(sgn_rng_bits(3, 1, (uint64_t)i) % 20001) - 10000);
        matrix_refresh(&p.s);
        const sgn_binary_product product = product_of(&p, 0);
        check_ok(sgn_binary_gemm(&product, &err), &err);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < p.s.rows; j++)
                if ((double)p.y[i * (p.s.rows + PAD) + j] != expected(&p, 0, i, j))
                    fail_msg("%s, %s: row %lld is wrong", set->name, c->name, (long long)j);
        problem_free(&p);
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

/* dX = dY S by lists of the kept entries (N:M) or from the column planes; several blocks and passes of lists. */
static void columns_give_dx(void **state) {
    (void)state;
    static const int64_t shape[][3] = { { 10, 77, 130 }, { 1, 1, 3 }, { 7, 300, 33 }, { 40, 1100, 65 }, { 33, 321, 1205 } };
    const sgn_kernels *k;
    for_each_set(k) for_each_masked(code) for (size_t s = 0; s < sizeof shape / sizeof *shape; s++) {
        check_ok(sgn_kernels_use(k->name, &err), &err);
        check_dx(code, shape[s][0], shape[s][1], shape[s][2]);
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

/* What lists give is the same in every set, bit by bit, with all that a product can do besides. */
static void lists_give_the_same_bits_in_every_set(void **state) {
    (void)state;
    enum { M = 45, OUT = 400, IN = 1100 };
    for (sgn_code code = SGN_CODE_1_4; code < SGN_CODES; code++) {
        check_ok(sgn_kernels_use("ref", &err), &err);
        float *dy = filled(M * OUT, 1), *a = filled(OUT, 2), *c = filled(IN, 3), *r = filled(M, 4), *first = filled(M * IN, 5), *y = filled(M * IN, 5);
        const sgn_kernels *k;
        for_each_set(k) {
            check_ok(sgn_kernels_use(k->name, &err), &err);
            matrix s = matrix_make(code, OUT, IN);
            float *to = strcmp(k->name, "ref") == 0 ? first : y;
            fill(to, M * IN, 5);
            sgn_binary_product b = { .m = M, .x = dy, .ldx = OUT, .in_scale = a, .out_scale = c, .row_add = r, .add = true, .y = to, .ldy = IN };
            sgn_binary_product_bind(&b, &s.signs, true);
            assert_non_null(b.kept.memory);
            check_ok(sgn_binary_gemm(&b, &err), &err);
            for (int64_t j = 0; j < IN; j += 7) {
                double sum = 0;
                for (int64_t i = 0; i < OUT; i++) sum += (double)dy[3 * OUT + i] * (double)a[i] * sgn_signs_at(&s.signs, i, j);
                float before[4 * IN];
                fill(before, 4 * IN, 5);
                check_close(to[3 * IN + j], (double)before[3 * IN + j] + sum * (double)c[j] + (double)r[3], 5e-5, 0);
            }
            assert_memory_equal(to, first, M * IN * sizeof *first);
            matrix_free(&s);
        }
        free(dy), free(a), free(c), free(r), free(first), free(y);
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

/* A row of Y is the same whatever rows stand beside it, however the work is cut, and for any number of threads. */
static void masked_products_have_the_same_bits(void **state) {
    (void)state;
    const sgn_kernels *k;
    for_each_set(k) for_each_masked(code) for (int back = 0; back < 2; back++) {
        check_ok(sgn_kernels_use(k->name, &err), &err);
        matrix a = matrix_make(code, back ? 333 : 700, back ? 700 : 333);
        sgn_binary_product product = { .m = 61, .x = filled(61 * 333, 1), .ldx = 333, .y = filled(61 * 700, 3), .ldy = 700 };
        sgn_binary_product_bind(&product, &a.signs, back);
        const size_t bytes = (size_t)(product.m * product.n) * sizeof(float);
        float *first = malloc(bytes);
        for (int threads = 1; threads <= 3; threads++) {
            sgn_threads_set(threads);
            check_ok(sgn_binary_gemm(&product, &err), &err);
            if (threads == 1) memcpy(first, product.y, bytes);
            assert_memory_equal(first, product.y, bytes);
        }
        for (int64_t i = 0; i < product.m; i++) {
            sgn_binary_product row = product;
            row.m = 1, row.x += i * row.ldx, row.y += i * row.ldy;
            fill(row.y, row.n, 9);
            check_ok(sgn_binary_gemm(&row, &err), &err);
            assert_memory_equal(first + i * row.ldy, row.y, (size_t)row.n * sizeof *first);
        }
        sgn_threads_set(0);
        free(first), free((void *)(uintptr_t)product.x), free(product.y), matrix_free(&a);
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

/* Zeros, extremes and not-a-numbers stay in their row. */
static void masked_products_of_odd_values(void **state) {
    (void)state;
    const sgn_kernels *k;
    for_each_set(k) for_each_masked(code) {
        check_ok(sgn_kernels_use(k->name, &err), &err);
        problem p = problem_make(code, 6, 70, 400);
        const int64_t ld = p.s.cols + 3;
        for (int64_t i = 0; i < p.m * ld; i++) p.x[i] = (float)((int)(sgn_rng_bits(3, 1, (uint64_t)i) % 255) - 127);
        for (int64_t l = 0; l < p.s.cols; l++) p.x[ld + l] = 0, p.x[2 * ld + l] *= 0x1p-60f, p.x[3 * ld + l] *= 0x1p+60f;
        for (int64_t l = 0; l < p.s.cols; l++) p.x[4 * ld + l] = NAN;
        const sgn_binary_product product = product_of(&p, 0);
        check_ok(sgn_binary_gemm(&product, &err), &err);
        for (int64_t i = 0; i < p.m; i++)
            for (int64_t j = 0; j < p.s.rows; j++) {
                const double got = (double)p.y[i * (p.s.rows + PAD) + j];
                if (i == 4) assert_true(isnan(got));
                else assert_true(got == expected(&p, 0, i, j));
            }
        problem_free(&p);
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

/* The op of the linear kinds reads what the latent's code keeps: y = (x . alpha) S^T, dx = (dy S) . alpha and
 * dW = dy^T (x . alpha) with dy = 1, against sums over sgn_signs_at in double. */
static void the_op_keeps_what_the_code_keeps(void **state) {
    (void)state;
    enum { M = 9, N = 70, K = 101 };
    for (int code = 0; code < SGN_CODES; code++) {
        sgn_params p = { .train = true };
        int w, alpha;
        check_ok(sgn_params_add(&p, SGN_PARAM_LATENT, sgn_shape2(N, K), &w, &err, "w"), &err);
        check_ok(sgn_params_add(&p, SGN_PARAM_SCALE, sgn_shape1(K), &alpha, &err, "alpha"), &err);
        p.at[w].code = (sgn_code)code;
        check_ok(sgn_params_commit(&p, &err), &err);
        fill(p.at[w].tensor.data, N * K, 7);
        fill(p.at[alpha].tensor.data, K, 8);
        p.at[w].tensor.signs->cut = CUT;
        sgn_params_refresh_signs(&p);
        float *memory = filled(M * K, 9), *dx = calloc(M * K, sizeof *dx);
        sgn_tape t;
        check_ok(sgn_tape_init(&t, 8, 1 << 20, &err), &err);
        sgn_tape_begin(&t, SGN_TAPE_TRAIN);
        sgn_tensor *x = sgn_tape_leaf(&t, sgn_shape2(M, K), memory, dx);
        sgn_tensor *y = sgn_sign_matmul(&t, x, &p.at[w].tensor, &p.at[alpha].tensor, NULL);
        check_ok(sgn_tape_end(&t, &err), &err);
        const sgn_signs *s = p.at[w].tensor.signs;
        const float *a = p.at[alpha].tensor.data;
        for (int i = 0; i < M * N; i++) {
            double sum = 0;
            for (int k = 0; k < K; k++) sum += (double)memory[i / N * K + k] * (double)a[k] * sgn_signs_at(s, i % N, k);
            assert_true(fabs((double)y->data[i] - sum) < 1e-4);
        }
        y->grad = malloc(M * N * sizeof *y->grad);
        for (int i = 0; i < M * N; i++) y->grad[i] = 1;
        t.nodes[0].op->backward(&t.nodes[0]);
        for (int i = 0; i < M * K; i++) {
            double sum = 0, dw = 0;
            for (int n = 0; n < N; n++) sum += sgn_signs_at(s, n, i % K);
            for (int m = 0; m < M; m++) dw += (double)memory[m * K + i % K] * (double)a[i % K];
            assert_true(fabs((double)dx[i] - sum * (double)a[i % K]) < 1e-4);
            assert_true(fabs((double)p.at[w].tensor.grad[i] - dw) < 1e-4);              /* rows 0 .. M-1 of N */
        }
        free(y->grad), free(memory), free(dx);
        sgn_tape_free(&t);
        sgn_params_free(&p);
    }
}

/* Tables and lists are meant, whatever SIGNUM_PRODUCTS says: by SGEMM a row's bits depend on how many stand beside it. */
static int begin(void **state) {
    return sgn_products_use("table", &err) == SGN_OK ? check_begin(state) : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_names), cmocka_unit_test(planes_hold_what_is_kept), cmocka_unit_test(changes_are_counted),
        cmocka_unit_test(parameters_declare_their_code), cmocka_unit_test(not_a_number_is_kept_last),
        cmocka_unit_test(masked_products_are_right), cmocka_unit_test(every_number_finds_its_sum), cmocka_unit_test(products_by_sgemm_are_right),
        cmocka_unit_test(columns_give_dx),
        cmocka_unit_test(lists_give_the_same_bits_in_every_set), cmocka_unit_test(masked_products_have_the_same_bits),
        cmocka_unit_test(masked_products_of_odd_values), cmocka_unit_test(the_op_keeps_what_the_code_keeps),
    };
    return cmocka_run_group_tests(tests, begin, check_end);
}
