/* Shares of operations and bytes against the tables that follow from the published shapes: Amdahl's law for 1-bit LLMs
 * (arXiv 2408.11939) worked out for eight models, FBI-LLM's Table 3 (arXiv 2407.07093), patterns of N:M signs. By hand where noted.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "core/bits.h"
#include "eval/amdahl.h"
#include "train/run_config.h"

static void make(sgn_model_config *c, const char *const *words, int count) {
    sgn_error err;
    sgn_run_config all;
    check_ok(sgn_run_config_load(&all, NULL, words, count, &err), &err);
    *c = all.model;
}

static sgn_work_shape shape_of(const char *arch, int dim, int ffn, int vocab, int layers, int heads, const char *more) {
    char text[7][48];
    const char *words[8];
    const int value[] = { dim, ffn, vocab, layers, heads };
    static const char *const key[] = { "dim", "ffn", "vocab", "layers", "heads" };
    for (int i = 0; i < 5; i++) snprintf(text[i], sizeof text[i], "model.%s=%d", key[i], value[i]);
    snprintf(text[5], sizeof text[5], "model.arch=%s", arch);
    snprintf(text[6], sizeof text[6], "model.context=2048");
    for (int i = 0; i < 7; i++) words[i] = text[i];
    words[7] = more;
    sgn_error err;
    sgn_model_config c;
    sgn_work_shape s;
    make(&c, words, more ? 8 : 7);
    check_ok(sgn_work_shape_of(&c, &s, &err), &err);
    return s;
}

static const int64_t contexts[] = { 128, 512, 1024, 2048, 4096, 8192 };

/* F in percent with as many key heads as heads; k is 3 for llama, 2 for gpt2. The last column: with a full-precision head at 2048. */
static void table_of_models(void **state) {
    (void)state;
    static const struct { const char *arch; int dim, ffn, vocab, layers, heads; double share[6], half, head; } row[] = {
        { "llama", 768, 2048, 32000, 12, 12, { 97.30, 90.00, 81.82, 69.23, 52.94, 36.00 }, 4608, 57.68 },       /* FBI-130M */
        { "llama", 2048, 5632, 32000, 24, 32, { 98.99, 96.08, 92.45, 85.96, 75.38, 60.49 }, 12544, 82.21 },     /* FBI-1.3B */
        { "llama", 4096, 11008, 32000, 32, 32, { 99.48, 97.97, 96.02, 92.34, 85.78, 75.10 }, 24704, 90.65 },    /* LLaMA2-7B */
        { "llama", 5120, 13824, 32000, 40, 40, { 99.59, 98.37, 96.80, 93.80, 88.32, 79.08 }, 30976, 92.68 },    /* LLaMA-13B */
        { "gpt2", 768, 3072, 50257, 12, 12, { 97.30, 90.00, 81.82, 69.23, 52.94, 36.00 }, 4608, 52.66 },        /* GPT-2 small */
        { "gpt2", 2048, 8192, 50272, 24, 32, { 98.97, 96.00, 92.31, 85.71, 75.00, 60.00 }, 12288, 79.88 },      /* OPT-1.3B */
        { "gpt2", 4096, 16384, 50272, 32, 32, { 99.48, 97.96, 96.00, 92.31, 85.71, 75.00 }, 24576, 89.66 },     /* OPT-6.7B */
        { "llama", 256, 704, 4096, 6, 4, { 92.45, 75.38, 60.49, 43.36, 27.68, 16.07 }, 1568, 39.62 },
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        const sgn_work_shape s = shape_of(row[i].arch, row[i].dim, row[i].ffn, row[i].vocab, row[i].layers, row[i].heads, NULL);
        for (int k = 0; k < 6; k++) {
            const sgn_work w = sgn_work_at(&s, contexts[k], false);
            check_close(100 * sgn_amdahl_fraction(&w, false), row[i].share[k], 0.005, 0);
        }
        const sgn_work w = sgn_work_at(&s, 2048, false);
        check_close(100 * sgn_amdahl_fraction(&w, true), row[i].head, 0.005, 0);
        assert_true(sgn_amdahl_half(&s, false, false) == row[i].half);
    }
}

/* By hand, tiny of the table: P = 1568 x 2 x 256 per layer, so F = 3136 / (3136 + 2 l), of the triangle 3136 / (3136 + l + 1). */
static void triangle_heads_and_limits(void **state) {
    (void)state;
    const sgn_work_shape s = shape_of("llama", 256, 704, 4096, 6, 4, NULL), grouped = shape_of("llama", 256, 704, 4096, 6, 4, "model.kv_heads=1");
    sgn_work w = sgn_work_at(&s, 1023, true);
    check_close(sgn_amdahl_fraction(&w, false), 3136.0 / (3136 + 1024), 0, 1e-12);
    assert_true(sgn_amdahl_half(&s, true, false) == 3135);
    assert_true(sgn_amdahl_half(&s, false, true) == (6 * 2 * 256 * 1568.0 - 4096 * 256) / (2 * 6 * 256));
    w = sgn_work_at(&grouped, 1024, false);                    /* r = 1/4: 2 d + d/2 + 3 ffn = 2752 */
    check_close(sgn_amdahl_fraction(&w, false), 2752.0 / (2752 + 2048), 0, 1e-12);
    check_close(sgn_amdahl_gain(0.75, 3), 2, 0, 1e-12);
    check_close(sgn_amdahl_gain(0.75, INFINITY), 4, 0, 1e-12);
    check_close(sgn_amdahl_train_gain(0.9, 3, 3), 1 / (1 - 0.6 + 0.2), 0, 1e-12);
    check_close(sgn_amdahl_train_gain(0.9, 2, 4), 1 / (0.4 + 0.15 + 0.075), 0, 1e-12);
    check_close(sgn_amdahl_train_gain(1, INFINITY, INFINITY), 3, 0, 1e-12);

    const sgn_work_shape part = shape_of("llama", 256, 704, 4096, 6, 4, "model.binary=mlp");   /* 3 x 704 of 4 x 256 + 3 x 704 */
    w = sgn_work_at(&part, 512, false);
    check_close(sgn_amdahl_fraction(&w, false), 2112.0 / (3136 + 1024), 0, 1e-12);
    const sgn_amdahl_row r = sgn_amdahl_at(&s, 2048, false, (sgn_speedup){ 3, 3 });
    check_close(r.with_head, 0.3962, 5e-5, 0);
    check_close(r.prefill, 1 / (1 - r.fraction + r.fraction / 3), 0, 1e-12);
    check_close(r.train_ceiling, 1 / (1 - 2 * r.with_head / 3), 0, 1e-12);
    assert_true(sgn_amdahl_half(&(sgn_work_shape){ .layers = 1, .query = 8, .binary = 10, .full = 20 }, false, false) == 0);
}

/* FBI-LLM's sizes: a bit for a sign, 16 for all else; saved against 16 bits throughout. The paper's third is 90.19 %, of 1.23 GB. */
static void storage(void **state) {
    (void)state;
    static const struct { const char *preset; int64_t binary, vectors; double plain, scales, dense, packed, saved, matrices, all; } row[] = {
        { "fbi-130m", 84934656, 19200, 49.15e6, 0.160e6, 0.2498, 0.1018, 59.26, 1.030, 6.52 },
        { "fbi-1.3b", 1233125376, 100352, 131.07e6, 0.860e6, 2.5412, 0.3895, 84.67, 1.011, 2.45 },
        { "fbi-7b", 6476005376, 266240, 262.14e6, 2.277e6, 12.5513, 1.2469, 90.07, 1.006, 1.59 },
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        sgn_error err;
        sgn_run_config c;
        sgn_work_shape s;
        check_ok(sgn_run_config_load(&c, row[i].preset, NULL, 0, &err), &err);
        check_ok(sgn_work_shape_of(&c.model, &s, &err), &err);
        assert_int_equal(s.binary, row[i].binary);
        assert_int_equal(s.vectors, row[i].vectors);
        assert_int_equal(s.full, 0);
        check_close(s.embedding + s.head, row[i].plain, 5e3, 0);
        check_close(s.scales, row[i].scales, 500, 0);
        const sgn_footprint f = sgn_footprint_at(&s, 0), d = sgn_footprint_dense(&s, 0);
        const double gib = 1 << 30, bytes = sgn_footprint_sum(&f), dense = sgn_footprint_sum(&d);
        check_close(dense / gib, row[i].dense, 5e-5, 0);
        check_close(bytes / gib, row[i].packed, 5e-5, 0);
        check_close(100 * (1 - bytes / dense), row[i].saved, 5e-3, 0);
        check_close(8 * (f.binary + f.scales) / (double)s.binary, row[i].matrices, 5e-4, 0);
        check_close(8 * bytes / (double)(s.binary + s.embedding + s.head + s.vectors), row[i].all, 5e-3, 1e-3);
    }
    const sgn_work_shape s = shape_of("llama", 256, 704, 4096, 6, 4, "model.kv_heads=2");
    check_close(sgn_footprint_at(&s, 1000).cache, 2 * 6 * 128 * 1000 * 2, 0, 0);       /* keys and values, layers, width, tokens, halves */
    const sgn_work_shape tied = shape_of("llama", 256, 704, 4096, 6, 4, "model.tied_head=true");
    const sgn_footprint f = sgn_footprint_at(&tied, 0);
    assert_true(f.head == 0 && f.embedding == 2 * 4096 * 256 && tied.head == 4096 * 256);
    assert_true(sgn_footprint_read(&f, true) == sgn_footprint_sum(&f));
}

/* log2 (C(M,N) 2^N) / M. */
static void patterns(void **state) {
    (void)state;
    static const struct { int n, m; double bits; } row[] = {
        { 1, 4, 0.750 }, { 2, 4, 1.146 }, { 1, 8, 0.500 }, { 2, 8, 0.851 }, { 3, 8, 1.101 }, { 4, 8, 1.266 }, { 5, 8, 1.351 }, { 6, 8, 1.351 },
        { 1, 16, 0.3125 }, { 2, 16, 0.557 }, { 3, 16, 0.758 }, { 4, 16, 0.927 }, { 8, 16, 1.353 }, { 8, 8, 1 }, { 4, 32, 0.598 },
        { 5, 32, 0.707 }, { 6, 32, 0.806 }, { 7, 32, 0.896 }, { 8, 32, 0.979 },
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) check_close(sgn_pattern_bits(row[i].n, row[i].m), row[i].bits, 6e-4, 0);
    check_close(sgn_code_bits(SGN_CODE_1_8), 0.5, 1e-12, 0);
    check_close(sgn_code_bits(SGN_CODE_TERNARY), 1.585, 1e-4, 0);
    assert_true(sgn_code_bits(SGN_CODE_BINARY) == 1);
    const sgn_work_shape s = shape_of("llama", 256, 704, 4096, 6, 4, "model.linear=nm");
    check_close(s.sign_bits / (double)s.binary, 0.5, 1e-9, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_of_models), cmocka_unit_test(triangle_heads_and_limits), cmocka_unit_test(storage), cmocka_unit_test(patterns),
    };
    return check_run(tests);
}
