/* Codes of masked signs: each as it is defined, there and back, those that stand for nothing refused, and sums by every kernel set.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/arena.h"
#include "core/coded.h"
#include "core/gemv.h"
#include "core/kernels/kernels.h"
#include "core/rng.h"
#include "tests/core/fenced.h"

static sgn_error err;
static const sgn_code codes[] = { SGN_CODE_1_4, SGN_CODE_1_8, SGN_CODE_1_16, SGN_CODE_2_8 };
enum { CODES = 4 };

typedef struct { sgn_plane sign, mask; sgn_coded coded; uint8_t *byte; float *w; } matrix;

static sgn_plane plane(int64_t rows, int64_t cols) {
    sgn_plane p = { rows, cols, sgn_plane_stride(cols), NULL };
    p.word = calloc((size_t)(rows * p.stride), sizeof *p.word);
    assert_non_null(p.word);
    return p;
}

/* Bytes end where the codes do, and nothing may be read behind them. */
static matrix matrix_make(sgn_code code, int64_t rows, int64_t cols, uint64_t seed) {
    matrix x = { plane(rows, cols), plane(rows, cols), { code, rows, cols, NULL }, NULL, NULL };
    const sgn_code_info *info = sgn_code_get(code);
    x.w = malloc((size_t)(rows * cols) * sizeof *x.w);
    x.byte = fenced_alloc((size_t)(rows * sgn_coded_stride(code, cols)));
    assert_true(x.w && x.byte);
    for (int64_t i = 0; i < rows * cols; i++) {
        x.w[i] = (float)sgn_rng_normal(seed, 1, (uint64_t)i);
        if (i < 2 * cols) x.w[i] = copysignf(x.w[i], i / cols == (i % cols % 3 != 0) ? -1 : 1);      /* against the extreme x, and with it */
    }
    for (int64_t i = 0; i < rows; i++) {
        sgn_kernels_get()->pack_signs(x.w + i * cols, cols, x.sign.word + i * x.sign.stride);
        sgn_kernels_get()->pack_kept(x.w + i * cols, cols, info->kept, info->of, x.mask.word + i * x.mask.stride);
    }
    sgn_coded_pack(code, &x.sign, &x.mask, 0, rows, x.byte);
    x.coded.byte = x.byte;
    return x;
}
static void matrix_free(matrix *x) {
    fenced_free(x->byte, (size_t)(x->coded.rows * sgn_coded_stride(x->coded.code, x->coded.cols)));
    free(x->sign.word), free(x->mask.word), free(x->w);
}

/* --- what a code is -------------------------------------------------------------------------------------- */

/* By the definition: 1:M position and sign; 2:8 the pair b (b - 1)/2 + a, a < b, two signs. */
static void every_code_is_as_defined(void **state) {
    (void)state;
    for (int c = 0; c < CODES; c++) {
        const int bits = sgn_coded_bits(codes[c]), of = sgn_code_get(codes[c])->of, all = codes[c] == SGN_CODE_2_8 ? 112 : 2 * of;
        for (int v = 0; v < all; v++) {
            uint64_t sign = 0, mask = 0, s, m;
            if (codes[c] == SGN_CODE_2_8) {
                int b = 1;
                while ((b + 1) * b / 2 <= v / 4) b++;
                const int a = v / 4 - b * (b - 1) / 2;
                mask = (uint64_t)1 << a | (uint64_t)1 << b;
                sign = (uint64_t)(v & 1) << a | (uint64_t)(v >> 1 & 1) << b;
            } else {
                mask = (uint64_t)1 << v % of;
                sign = v >= of ? mask : 0;
            }
            uint8_t byte[1];
            const sgn_plane ps = { 1, of, 1, &sign }, pm = { 1, of, 1, &mask }, qs = { 1, of, 1, &s }, qm = { 1, of, 1, &m };
            const sgn_coded coded = { codes[c], 1, of, byte };
            assert_int_equal(sgn_coded_stride(codes[c], of), 1);
            sgn_coded_pack(codes[c], &ps, &pm, 0, 1, byte);
            assert_int_equal(byte[0], v);
            assert_int_equal(sgn_coded_check(&coded), -1);
            sgn_coded_unpack(&coded, 0, 1, &qs, &qm);
            assert_true(s == sign && m == mask);
            assert_int_equal(sgn_coded_at(&coded, 0, 0), (uint32_t)(mask | sign << 16));
        }
        for (int v = all; v < 1 << bits; v++) assert_int_equal(sgn_coded_check(&(sgn_coded){ codes[c], 1, of, (uint8_t[]){ (uint8_t)v } }), 0);
        for (int bit = bits; bit < 8; bit++) assert_int_equal(sgn_coded_check(&(sgn_coded){ codes[c], 1, of, (uint8_t[]){ (uint8_t)(1 << bit) } }), 0);
    }
    assert_int_equal(sgn_coded_bits(SGN_CODE_TERNARY), 0);
}

/* Bytes of 256 inputs in the table of sizes: 24, 16, 10 and 28. */
static void sizes(void **state) {
    (void)state;
    static const int64_t bytes[CODES] = { 24, 16, 10, 28 };
    for (int c = 0; c < CODES; c++) assert_int_equal(sgn_coded_stride(codes[c], 256), bytes[c]);
    assert_int_equal(sgn_coded_stride(SGN_CODE_1_4, 10), 2);           /* three codes */
}

static void there_and_back(void **state) {
    (void)state;
    static const int64_t cols[] = { 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 63, 64, 65, 100, 136, 200, 257, 777 };
    for (int c = 0; c < CODES; c++)
        for (size_t k = 0; k < sizeof cols / sizeof *cols; k++) {
            matrix x = matrix_make(codes[c], 5, cols[k], k);
            const sgn_plane s = plane(5, cols[k]), m = plane(5, cols[k]);
            assert_int_equal(sgn_coded_check(&x.coded), -1);
            memset(s.word, 255, (size_t)(5 * s.stride) * 8);
            memset(m.word, 255, (size_t)(5 * m.stride) * 8);
            sgn_coded_unpack(&x.coded, 0, 5, &s, &m);
            for (int64_t w = 0; w < 5 * s.stride; w++) {
                assert_true(m.word[w] == x.mask.word[w]);
                assert_true(s.word[w] == (x.sign.word[w] & x.mask.word[w]));
            }
            free(s.word), free(m.word);
            matrix_free(&x);
        }
}

/* A position behind the last column, or another second of a lonely one. */
static void only_what_is_written_is_read(void **state) {
    (void)state;
    assert_int_equal(sgn_coded_check(&(sgn_coded){ SGN_CODE_1_4, 2, 3, (uint8_t[]){ 2, 3 } }), 1);
    assert_int_equal(sgn_coded_check(&(sgn_coded){ SGN_CODE_1_8, 1, 9, (uint8_t[]){ 0x87 } }), -1);
    assert_int_equal(sgn_coded_check(&(sgn_coded){ SGN_CODE_1_8, 1, 9, (uint8_t[]){ 0x97 } }), 0);
    assert_int_equal(sgn_coded_check(&(sgn_coded){ SGN_CODE_1_16, 1, 15, (uint8_t[]){ 15 } }), 0);
    for (int v = 0; v < 128; v++)
        assert_int_equal(sgn_coded_check(&(sgn_coded){ SGN_CODE_2_8, 1, 1, (uint8_t[]){ (uint8_t)v } }), v == 2 || v == 3 ? -1 : 0);
    for (int v = 0; v < 128; v++)                                      /* two columns: one pair */
        assert_int_equal(sgn_coded_check(&(sgn_coded){ SGN_CODE_2_8, 1, 2, (uint8_t[]){ (uint8_t)v } }), v < 4 ? -1 : 0);
}

/* --- sums ---------------------------------------------------------------------------------------------------- */

enum { PAD = 3 };

static void check_sums(const matrix *a, int64_t m, bool int8, bool extreme) {
    const int64_t rows = a->coded.rows, cols = a->coded.cols, ldx = cols + PAD, ldy = rows + PAD;
    float *x = malloc((size_t)(m * ldx) * sizeof *x), *y = malloc((size_t)(m * ldy) * sizeof *y);
    void *work;
    const size_t bytes = sgn_gemv_bytes(a->coded.code, m, cols, int8);
    check_ok(sgn_memory_alloc(&work, bytes, "work", &err), &err);
    for (int64_t k = 0; k < m * ldx; k++) x[k] = extreme ? (k % 3 ? 127 : -127) : (float)rint(1000 * sgn_rng_normal(3, 1, (uint64_t)k));
    sgn_gemv_run(&(sgn_gemv){ .m = m, .x = x, .ldx = ldx, .code = a->coded.code, .coded = &a->coded, .int8 = int8, .y = y, .ldy = ldy }, work);
    for (int64_t t = 0; t < m; t++) {
        float most = 0;
        for (int64_t j = 0; j < cols; j++) most = fmaxf(most, fabsf(x[t * ldx + j]));
        const float unit = most / 127;
        for (int64_t i = 0; i < rows; i++) {
            double sum = 0;
            for (int64_t j = 0; j < cols; j++)
                if (sgn_plane_bit(&a->mask, i, j)) {
                    const float v = x[t * ldx + j];
                    sum += (double)sgn_plane_sign(&a->sign, i, j) * (int8 ? rint((double)(v / unit)) : (double)v);
                }
            const float want = int8 ? (float)(sum * (double)unit) : (float)sum;
            if (y[t * ldy + i] != want)
                fail_msg("%s, %s, %lldx%lld: y[%lld,%lld] is %g, not %g", sgn_kernels_get()->name, sgn_code_get(a->coded.code)->name, (long long)rows,
                         (long long)cols, (long long)t, (long long)i, (double)y[t * ldy + i], (double)want);
        }
    }
    sgn_memory_free(work, bytes);
    free(x), free(y);
}

/* Integers of 24 bits, or of 8: every set gives what plain loops give, to the bit. */
static void sums_by_every_set(void **state) {
    (void)state;
    static const int64_t cols[] = { 1, 3, 8, 13, 63, 64, 100, 200, 255, 256, 257, 511, 512, 513, 700, 768, 1024, 1100, 2500 };
    const sgn_kernels *k;
    bool runs;
    for (int set = 0; (k = sgn_kernels_at(set, &runs)); set++) {
        if (!runs) continue;
        check_ok(sgn_kernels_use(k->name, &err), &err);
        for (int c = 0; c < CODES; c++)
            for (size_t i = 0; i < sizeof cols / sizeof *cols; i++) {
                matrix a = matrix_make(codes[c], 1 + (int64_t)i * 17 % 69, cols[i], i);
                for (int64_t m = 1 + (int64_t)i % 2; m <= SGN_GEMV_ROWS; m += 3) check_sums(&a, m, m % 2, i % 3 == 0);
                check_sums(&a, 1, i % 2, true);
                matrix_free(&a);
            }
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_is_as_defined), cmocka_unit_test(sizes), cmocka_unit_test(there_and_back),
        cmocka_unit_test(only_what_is_written_is_read), cmocka_unit_test(sums_by_every_set),
    };
    return check_run(tests);
}
