/* Matrices in the types of their files: every number of a type, rows at any address, products and ops on them.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/archive.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "tests/golden/blocks.h"

enum { PATTERNS = 1 << 16 };

static sgn_error err;

static uint32_t bits_of(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

/* --- numbers ---------------------------------------------------------------------------------------------- */

/* (-1)^s 2^(e - bias) (1 + f / 2^m); e = 0: (-1)^s 2^(1 - bias) f / 2^m; e all ones: infinite or not a number. */
static double value_of(unsigned pattern, int fraction_bits, int exponent_bits) {
    const int e = (int)(pattern >> fraction_bits & ((1u << exponent_bits) - 1)), most = (1 << exponent_bits) - 1, bias = most / 2;
    const double f = (double)(pattern & ((1u << fraction_bits) - 1)) / (double)(1 << fraction_bits);
    const double size = e == most ? (f > 0 ? (double)NAN : (double)INFINITY) : e ? ldexp(1 + f, e - bias) : ldexp(f, 1 - bias);
    return pattern >> 15 ? -size : size;
}

static void every_number_is_exact(void **state) {
    (void)state;
    static const struct { sgn_dtype type; int fraction, exponent; } types[] = { { SGN_DTYPE_F16, 10, 5 }, { SGN_DTYPE_BF16, 7, 8 } };
    static uint16_t pattern[PATTERNS + 1];
    static float got[PATTERNS + 1];
    for (int i = 0; i < PATTERNS; i++) pattern[i] = (uint16_t)i;
    const sgn_kernels *k;
    bool runs;
    for (int set = 0; (k = sgn_kernels_at(set, &runs)); set++) for (int t = 0; runs && t < 2; t++) {
        k->to_real[types[t].type](got, pattern, PATTERNS);
        for (int i = 0; i < PATTERNS; i++) {
            const double want = value_of((unsigned)i, types[t].fraction, types[t].exponent);
            if (isnan(want) ? !isnan(got[i]) : bits_of(got[i]) != bits_of((float)want))
                fail_msg("%s, %s: %04x is %g, expected %g", k->name, sgn_dtype_name(types[t].type), i, (double)got[i], want);
        }
    }
}

/* Facts from another hand: torch.tensor([...], dtype=torch.bfloat16 or float16).view(torch.int16), and back to float32. */
static void as_pytorch(void **state) {
    (void)state;
    static const struct { uint16_t bf16, f16; float as_bf16, as_f16; } facts[] = {
        { 0x4049, 0x4248, 3.140625f, 3.140625f },                       /* pi */
        { 0xBDCD, 0xAE66, -0.10009765625f, -0.0999755859375f },         /* -0.1 */
        { 0x4780, 0x7BFE, 65536.0f, 65472.0f },                         /* 65472 */
        { 0x3780, 0x0100, 1.52587890625e-05f, 1.52587890625e-05f },     /* 2^-16, subnormal as a half */
    };
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        assert_true(sgn_bf16_to_f32(facts[i].bf16) == facts[i].as_bf16);
        assert_true(sgn_f16_to_f32(facts[i].f16) == facts[i].as_f16);
    }
}

/* Any length, at an odd address, and nothing written behind. */
static void any_length_and_address(void **state) {
    (void)state;
    static const sgn_dtype types[] = { SGN_DTYPE_F32, SGN_DTYPE_F16, SGN_DTYPE_BF16 };
    enum { MOST = 70 };
    unsigned char raw[4 * MOST + 1];
    float y[MOST + 1];
    const sgn_kernels *k;
    bool runs;
    for (int i = 0; i < 4 * MOST + 1; i++) raw[i] = (unsigned char)(i * 37 % 61);       /* numbers all */
    for (int set = 0; (k = sgn_kernels_at(set, &runs)); set++) for (int t = 0; runs && t < 3; t++) for (int n = 0; n <= MOST; n++) {
        const size_t bytes = sgn_dtype_bytes(types[t]);
        for (int i = 0; i <= MOST; i++) y[i] = 12345;
        k->to_real[types[t]](y, raw + 1, n);
        for (int i = 0; i < n; i++) {
            uint16_t h;
            float f;
            memcpy(&h, raw + 1 + (size_t)i * bytes, sizeof h);
            memcpy(&f, raw + 1 + (size_t)i * bytes, sizeof f);
            assert_true(y[i] == (t == 0 ? f : t == 1 ? sgn_f16_to_f32(h) : sgn_bf16_to_f32(h)));
        }
        assert_true(y[n] == 12345);
    }
}

/* Facts from another hand: blocks put together by tests/golden/blocks.py. At an odd address, through each kernel set and from a file. */
static void blocks_as_described(void **state) {
    (void)state;
    const sgn_kernels *k;
    bool runs;
    for (size_t i = 0; i < sizeof block_golden / sizeof *block_golden; i++) {
        const sgn_dtype type = block_golden[i].type;
        const int n = block_golden[i].count;
        const sgn_array array = sgn_array_make("w", type, 2, (int64_t[]){ 2, n / 2 });
        unsigned char raw[137];
        float got[513], read[512];
        assert_int_equal(2 * sgn_dtype_block(type), n);
        memcpy(raw + 1, block_golden[i].bytes, 136);
        sgn_archive a;
        check_ok(sgn_archive_write("gguf", check_path("blocks"), &array, (const void *[]){ raw + 1 }, 1, NULL, &err), &err);
        check_ok(sgn_archive_open(&a, check_path("blocks"), &err), &err);
        check_ok(sgn_archive_read_f32(&a, 0, read, n, &err), &err);
        sgn_archive_close(&a);
        for (int set = 0; (k = sgn_kernels_at(set, &runs)); set++) {
            got[n] = 12345;
            if (runs) k->to_real[type](got, raw + 1, n);
            for (int j = 0; runs && j < n; j++) {
                const float want = block_golden[i].d[2 * j / n] * (float)block_golden[i].q[j];
                if (got[j] != want || read[j] != want)
                    fail_msg("%s, %s[%d] is %g, from a file %g, expected %g", k->name, sgn_dtype_name(type), j, (double)got[j], (double)read[j], (double)want);
            }
            assert_true(got[n] == 12345);
        }
    }
}

/* Heads of h rows in the order 0, h/2, 1, h/2 + 1, ...: rows, products and their bits are those of the same rows in our order. */
static void paired_rows_come_back_in_order(void **state) {
    (void)state;
    enum { HEAD = 6, HEADS = 70, ROWS = HEAD * HEADS, COLS = 64, TOKENS = 9 };
    static const int order[HEAD] = { 0, 3, 1, 4, 2, 5 };
    static float ours[ROWS * COLS], file[ROWS * COLS], x[TOKENS * COLS], want[TOKENS * ROWS], got[TOKENS * ROWS];
    for (int i = 0; i < ROWS * COLS; i++) ours[i] = (float)sgn_rng_normal(7, 1, (uint64_t)i);
    for (int i = 0; i < TOKENS * COLS; i++) x[i] = (float)sgn_rng_normal(7, 2, (uint64_t)i);
    for (int h = 0; h < HEADS; h++)
        for (int i = 0; i < HEAD; i++) memcpy(file + (h * HEAD + i) * COLS, ours + (h * HEAD + order[i]) * COLS, sizeof(float) * COLS);
    const sgn_stored s = { .dtype = SGN_DTYPE_F32, .data = file, .head = HEAD };
    for (int r = 0; r < ROWS; r++) assert_memory_equal(sgn_stored_row(s, COLS, r), ours + r * COLS, sizeof(float) * COLS);
    check_ok(sgn_gemm_stored_reserve(s, TOKENS, ROWS, COLS, &err), &err);
    sgn_gemm_forward(want, x, ours, TOKENS, ROWS, COLS);
    sgn_gemm_forward_stored(got, x, s, TOKENS, ROWS, COLS);
    assert_memory_equal(got, want, sizeof want);
}

/* Products with what lies there are those with its numbers, at an odd address and of any length that its blocks allow. */
static void dots_of_stored_numbers(void **state) {
    (void)state;
    enum { MOST = 1024 };
    static unsigned char raw[4 * MOST + 1];
    static float w[MOST], x[MOST];
    const sgn_kernels *k;
    bool runs;
    for (int i = 0; i < 4 * MOST + 1; i++) raw[i] = (unsigned char)(i * 37 % 61);       /* numbers all */
    for (int i = 0; i < MOST; i++) x[i] = (float)sgn_rng_normal(9, 1, (uint64_t)i);
    for (int set = 0; (k = sgn_kernels_at(set, &runs)); set++) for (int t = 0; runs && t < SGN_DTYPE_COUNT; t++) {
        assert_int_equal(!k->to_real[t], !k->dot_stored[t]);
        const int64_t block = sgn_dtype_block((sgn_dtype)t);
        for (int64_t n = 0; k->dot_stored[t] && n <= MOST; n += n < 100 && block == 1 ? 1 : block == 1 ? 331 : block) {
            double sum = 0, size = 0;
            k->to_real[t](w, raw + 1, n);
            for (int64_t j = 0; j < n; j++) sum += (double)w[j] * (double)x[j], size += fabs((double)w[j] * (double)x[j]);
            const double got = (double)k->dot_stored[t](raw + 1, x, n);
            if (!(fabs(got - sum) <= 1e-6 * size)) fail_msg("%s, %s, %d numbers: %g, expected %g", k->name, sgn_dtype_name((sgn_dtype)t), (int)n, got, sum);
        }
    }
}

static void rows_and_blocks(void **state) {
    (void)state;
    const char at[100] = { 0 };
    assert_int_equal(sgn_stored_row_bytes(SGN_DTYPE_BF16, 7), 14);
    assert_ptr_equal(sgn_stored_row((sgn_stored){ .dtype = SGN_DTYPE_F32, .data = at }, 3, 2), at + 24);
    for (int t = 0; t < SGN_DTYPE_COUNT; t++) {
        const sgn_array a = sgn_array_make("a", (sgn_dtype)t, 2, (int64_t[]){ 3, 2 * sgn_dtype_block((sgn_dtype)t) });
        assert_int_equal(a.bytes, 6 * sgn_dtype_bytes((sgn_dtype)t));
        assert_int_equal(sgn_array_numel(&a), 6 * sgn_dtype_block((sgn_dtype)t));
    }
}

/* --- matrices --------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t    rows, cols;
    char      *raw;
    sgn_real  *real;
    sgn_stored stored;
} matrix;

static matrix make(sgn_dtype type, int64_t rows, int64_t cols, int shift) {
    matrix m = { rows, cols, NULL, NULL, { .dtype = type } };
    const int64_t n = rows * cols;
    const size_t bytes = sgn_dtype_bytes(type);
    m.raw = malloc((size_t)n * bytes + (size_t)shift);
    m.real = malloc((size_t)n * sizeof *m.real);
    assert_true(m.raw && m.real);
    m.stored.data = m.raw + shift;
    for (int64_t i = 0; i < n; i++) {
        const float f = (float)sgn_rng_normal(5, 1, (uint64_t)i);
        const uint16_t h = type == SGN_DTYPE_F16 ? sgn_f32_to_f16(f) : sgn_f32_to_bf16(f);
        memcpy(m.raw + shift + (size_t)i * bytes, type == SGN_DTYPE_F32 ? (const void *)&f : (const void *)&h, bytes);
        m.real[i] = type == SGN_DTYPE_F32 ? f : type == SGN_DTYPE_F16 ? sgn_f16_to_f32(h) : sgn_bf16_to_f32(h);
    }
    return m;
}
static void drop(matrix *m) { free(m->raw), free(m->real); }

static sgn_real *reals(int64_t n, uint64_t stream) {
    sgn_real *x = malloc((size_t)n * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) x[i] = (sgn_real)sgn_rng_normal(6, stream, (uint64_t)i);
    return x;
}

/* Bits of the ordinary product of the converted matrix, with one, two and five threads. Tiles in both directions,
 * edges, one token, rows so long that a strip is no small thing; F32 at an odd address is converted, else used as it is. */
static void products_are_those_of_reals(void **state) {
    (void)state;
    static const int64_t shape[][3] = { { 1, 5, 7 }, { 3, 300, 40 }, { 1000, 17, 33 }, { 530, 1050, 12 }, { 700, 900, 65 }, { 130, 400, 9000 } };
    static const sgn_dtype types[] = { SGN_DTYPE_F32, SGN_DTYPE_F16, SGN_DTYPE_BF16 };
    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++) for (int t = 0; t < 4; t++) {
        const int64_t tokens = shape[s][0], out = shape[s][1], in = shape[s][2];
        matrix w = make(types[t % 3], out, in, t == 3);
        sgn_real *x = reals(tokens * in, 2), *want = reals(tokens * out, 3), *got = reals(tokens * out, 4);
        sgn_gemm_forward(want, x, w.real, tokens, out, in);
        for (int threads = 1; threads <= 5; threads += threads == 1 ? 1 : 3) {
            sgn_threads_set(threads);
            check_ok(sgn_gemm_stored_reserve(w.stored, tokens, out, in, &err), &err);
            memset(got, 0xFF, (size_t)(tokens * out) * sizeof *got);
            sgn_gemm_forward_stored(got, x, w.stored, tokens, out, in);
            assert_memory_equal(got, want, (size_t)(tokens * out) * sizeof *got);
        }
        sgn_threads_set(0);
        drop(&w);
        free(x), free(want), free(got);
    }
}

/* --- ops ----------------------------------------------------------------------------------------------------- */

enum { VOCAB = 37, WIDTH = 24, TOKENS = 5 };

static void ops_read_it(void **state) {
    (void)state;
    static const int32_t id[TOKENS] = { 3, 36, 0, 37, -1 };             /* two that nobody knows */
    sgn_tape t;
    matrix w = make(SGN_DTYPE_BF16, VOCAB, WIDTH, 1);
    sgn_tensor stored = { .shape = sgn_shape2(VOCAB, WIDTH), .stored = w.stored, .leaf = true }, real = stored;
    real.stored.data = NULL;
    real.data = w.real;
    sgn_real *x = reals(TOKENS * WIDTH, 7);
    check_ok(sgn_tape_init(&t, 8, 1 << 20, &err), &err);
    sgn_tape_begin(&t, SGN_TAPE_NOGRAD);
    const sgn_tensor *a = sgn_embedding(&t, &stored, id, TOKENS), *b = sgn_embedding(&t, &real, id, TOKENS);
    sgn_tensor *leaf = sgn_tape_leaf(&t, sgn_shape2(TOKENS, WIDTH), x, NULL);
    const sgn_tensor *y = sgn_matmul(&t, leaf, &stored), *z = sgn_matmul(&t, leaf, &real);
    check_ok(sgn_tape_end(&t, &err), &err);
    assert_memory_equal(a->data, b->data, 3 * WIDTH * sizeof(sgn_real));
    assert_true(isnan(a->data[3 * WIDTH]) && isnan(a->data[5 * WIDTH - 1]));
    assert_memory_equal(y->data, z->data, TOKENS * VOCAB * sizeof(sgn_real));
    sgn_tape_begin(&t, SGN_TAPE_TRAIN);
    (void)sgn_matmul(&t, sgn_tape_leaf(&t, sgn_shape2(TOKENS, WIDTH), x, x), &stored);
    check_fails(sgn_tape_end(&t, &err), SGN_UNSUPPORTED, &err, "gives no gradients");
    sgn_tape_free(&t);
    drop(&w);
    free(x);
}

/* A teacher whose head is stored: the same loss, to the bit. */
static void losses_read_it(void **state) {
    (void)state;
    static const int32_t target[TOKENS] = { 3, 36, 0, -1, 5 };
    matrix w = make(SGN_DTYPE_F16, VOCAB, WIDTH, 1);
    sgn_real *x = reals(TOKENS * WIDTH, 7), *xt = reals(TOKENS * WIDTH, 8), *head = reals(VOCAB * WIDTH, 9), value[2];
    for (int i = 0; i < 2; i++) {
        sgn_tape t;
        check_ok(sgn_tape_init(&t, 8, 1 << 20, &err), &err);
        sgn_tape_begin(&t, SGN_TAPE_NOGRAD);
        sgn_head_loss_args args = { .target = target, .lambda = 0.5, .temperature = 2, .scale = 1 };
        args.soft = (sgn_soft){ .kind = SGN_SOFT_HIDDEN, .hidden = xt, .width = WIDTH };
        if (i) args.soft.stored = w.stored;
        else args.soft.head = w.real;
        value[i] = *sgn_head_loss(&t, sgn_tape_leaf(&t, sgn_shape2(TOKENS, WIDTH), x, NULL),
                                  sgn_tape_leaf(&t, sgn_shape2(VOCAB, WIDTH), head, NULL), &args)->data;
        check_ok(sgn_tape_end(&t, &err), &err);
        sgn_tape_free(&t);
    }
    assert_true(value[0] > 1 && value[0] == value[1]);
    drop(&w);
    free(x), free(xt), free(head);
}

static int begin(void **state) {
    return sgn_gemm_init(&err) == SGN_OK ? check_begin(state) : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_is_exact), cmocka_unit_test(as_pytorch), cmocka_unit_test(any_length_and_address),
        cmocka_unit_test(blocks_as_described),
        cmocka_unit_test(paired_rows_come_back_in_order),
        cmocka_unit_test(dots_of_stored_numbers),
        cmocka_unit_test(rows_and_blocks), cmocka_unit_test(products_are_those_of_reals), cmocka_unit_test(ops_read_it),
        cmocka_unit_test(losses_read_it),
    };
    return cmocka_run_group_tests(tests, begin, check_end);
}
