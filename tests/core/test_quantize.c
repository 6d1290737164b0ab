/* Floats into blocks: bytes as the formats prescribe them, and back.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/kernels/kernels.h"
#include "core/quantize.h"
#include "core/rng.h"
#include "core/archive.h"
#include "tests/golden/blocks.h"

static void back(sgn_dtype t, const void *raw, float *y, int n) { sgn_kernels_get()->to_real[t](y, raw, n); }

/* Worked by hand. Q1_0 of -64 .. 63: the mean size is (2080 + 2016) / 128 = 32, half 0x5000. Zeros count as positive.
 * Q8_0 of 2 (j - 4) with a largest of 254: d = 2, half 0x4000. TQ2_0, TQ1_0: the largest size is 4, half 0x4400. */
static void worked_blocks(void **state) {
    (void)state;
    float x[256];
    uint8_t b[66], want[66] = { 0 };
    for (int j = 0; j < 128; j++) x[j] = (float)(j - 64);
    x[64] = -0.0f;
    want[1] = 0x50;
    memset(want + 10, 0xFF, 8);
    sgn_quantize(SGN_DTYPE_Q1_0, x, 128, b);
    assert_memory_equal(b, want, 18);

    for (int j = 0; j < 32; j++) x[j] = (float)(2 * (j - 4));
    x[31] = 254;
    x[0] = -3;                                          /* -1.5: away from zero */
    sgn_quantize(SGN_DTYPE_Q8_0, x, 32, b);
    assert_true(b[0] == 0 && b[1] == 0x40 && (int8_t)b[2] == -2 && b[33] == 127);
    for (int j = 1; j < 31; j++) assert_int_equal((int8_t)b[2 + j], j - 4);

    for (int j = 0; j < 256; j++) x[j] = j == 0 ? -4 : j == 32 ? 2 : j == 255 ? 1.9f : 0;     /* -1, 1 (a half: away from zero), 0 */
    sgn_quantize(SGN_DTYPE_TQ2_0, x, 256, b);
    memset(want, 0x55, 64);
    want[0] = 0x58;                                     /* digits 0, 2, 1, 1 from the low end */
    want[64] = 0, want[65] = 0x44;
    assert_memory_equal(b, want, 66);
    sgn_quantize(SGN_DTYPE_TQ1_0, x, 256, b);
    assert_int_equal(b[0], (256 * (2 * 27 + 9 + 3 + 1) + 242) / 243);                         /* digits 0, 2, 1, 1, 1 */
    assert_int_equal(b[1], (256 * 121 + 242) / 243);                                          /* 1, 1, 1, 1, 1 */
    assert_int_equal(b[51], (256 * 120 + 242) / 243);                                         /* 1, 1, 1, 1 and no fifth */
    assert_true(b[52] == 0 && b[53] == 0x44);
}

/* Another hand's blocks (tests/golden/blocks.py): d q with d > 0 becomes the same bytes again. */
static void golden_blocks(void **state) {
    (void)state;
    float x[256];
    uint8_t b[66];
    for (size_t i = 0; i < sizeof block_golden / sizeof *block_golden; i++) {
        const sgn_dtype t = block_golden[i].type;
        const int n = block_golden[i].count / 2;
        if (t != SGN_DTYPE_Q1_0 && t != SGN_DTYPE_TQ1_0 && t != SGN_DTYPE_TQ2_0) continue;
        for (int j = 0; j < n; j++) x[j] = block_golden[i].d[0] * (float)block_golden[i].q[j];
        assert_true(sgn_quantize_holds(t, x, n, block_golden[i].d[0]));
        sgn_quantize(t, x, n, b);
        assert_memory_equal(b, block_golden[i].bytes, sgn_dtype_bytes(t));
    }
}

/* All 243 bytes of five trits, at each place of a block. */
static void every_byte_of_trits(void **state) {
    (void)state;
    float x[256], y[256];
    uint8_t b[54];
    for (int number = 0; number < 243; number++) {
        for (int j = 0; j < 256; j++) {
            const int n = j < 160 ? j / 32 : j < 240 ? (j - 160) / 16 : (j - 240) / 4;
            static const int power[] = { 81, 27, 9, 3, 1 };
            x[j] = 0.5f * (float)(number / power[n] % 3 - 1);
        }
        x[255] = 0.5f;                                  /* so that d is that */
        sgn_quantize(SGN_DTYPE_TQ1_0, x, 256, b);
        for (int m = 0; m < 48; m++) assert_int_equal(b[m], (256 * number + 242) / 243);
        back(SGN_DTYPE_TQ1_0, b, y, 256);
        assert_memory_equal(x, y, sizeof x);
    }
}

/* What was read from a block becomes that block again; any other alpha only has its d rounded, to the nearest half. */
static void blocks_come_back(void **state) {
    (void)state;
    static const sgn_dtype types[] = { SGN_DTYPE_Q1_0, SGN_DTYPE_TQ1_0, SGN_DTYPE_TQ2_0, SGN_DTYPE_Q8_0, SGN_DTYPE_F16, SGN_DTYPE_F32 };
    float x[256], y[256], z[256];
    uint8_t b[1024], c[1024];
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) for (uint64_t seed = 0; seed < 500; seed++) {
        const sgn_dtype t = types[i];
        const size_t bytes = sgn_stored_row_bytes(t, 256);
        const float alpha = (float)exp(1.5 * sgn_rng_normal(seed, 1, 0) - 3), d = sgn_f16_to_f32(sgn_f32_to_f16(alpha));
        for (uint64_t j = 0; j < 256; j++) x[j] = sgn_rng_bits(seed, 2, j) & 1 ? alpha : -alpha;
        assert_true(sgn_quantize_knows(t) && sgn_quantize_holds(t, x, 256, alpha));
        sgn_quantize(t, x, 256, b);
        back(t, b, y, 256);
        for (int j = 0; j < 256 && t != SGN_DTYPE_F32; j++)
            check_close(y[j], x[j] > 0 ? d : -d, t == SGN_DTYPE_Q8_0 ? 1e-3 * (double)d + 127 * 0x1p-25 : 0, 0);
        if (t == SGN_DTYPE_Q8_0)
            for (uint64_t j = 0; j < 256; j++) x[j] = (float)sgn_rng_normal(seed, 3, j);
        sgn_quantize(t, x, 256, b);
        back(t, b, y, 256);
        sgn_quantize(t, y, 256, c);
        back(t, c, z, 256);
        assert_memory_equal(y, z, sizeof y);
        assert_memory_equal(b, c, bytes);
    }
}

/* The nearest that blocks of eight bits have: within half a step of d, and of d's own rounding. */
static void eight_bits_round_to_the_nearest(void **state) {
    (void)state;
    float x[32], y[32];
    uint8_t b[34];
    for (uint64_t seed = 0; seed < 300; seed++) {
        float most = 0;
        for (uint64_t j = 0; j < 32; j++) most = fmaxf(most, fabsf(x[j] = (float)sgn_rng_normal(seed, 4, j)));
        sgn_quantize(SGN_DTYPE_Q8_0, x, 32, b);
        back(SGN_DTYPE_Q8_0, b, y, 32);
        for (int j = 0; j < 32; j++) check_close(y[j], x[j], (double)most * (0.5001 / 127 + 0x1p-11), 0);
    }
}

static void what_blocks_cannot_hold(void **state) {
    (void)state;
    float x[256], most = 0.25f;
    for (int j = 0; j < 256; j++) x[j] = j % 3 ? 0.25f : -0.25f;
    assert_true(sgn_quantize_holds(SGN_DTYPE_Q1_0, x, 256, most) && sgn_quantize_holds(SGN_DTYPE_TQ2_0, x, 256, most));
    x[200] = 0;
    assert_true(!sgn_quantize_holds(SGN_DTYPE_Q1_0, x, 256, most) && sgn_quantize_holds(SGN_DTYPE_Q1_0, x, 128, most));
    assert_true(sgn_quantize_holds(SGN_DTYPE_TQ1_0, x, 256, most));
    x[200] = 0.2500001f;
    assert_false(sgn_quantize_holds(SGN_DTYPE_TQ1_0, x, 256, most));
    assert_true(sgn_quantize_holds(SGN_DTYPE_Q8_0, x, 256, most));
    for (int j = 0; j < 256; j++) x[j] = 1.1e-6f;       /* as a half: 1.07e-6, 2.5 % off */
    assert_true(sgn_quantize_holds(SGN_DTYPE_Q1_0, x, 256, most));
    most = 1.1e-6f;
    assert_false(sgn_quantize_holds(SGN_DTYPE_Q1_0, x, 256, most));
    for (int j = 0; j < 256; j++) x[j] = most = 70000;
    assert_false(sgn_quantize_holds(SGN_DTYPE_Q1_0, x, 256, most) || sgn_quantize_holds(SGN_DTYPE_F16, x, 256, most));
    assert_true(sgn_quantize_holds(SGN_DTYPE_Q8_0, x, 256, most) && sgn_quantize_holds(SGN_DTYPE_BF16, x, 256, most));
    x[7] = NAN;
    assert_false(sgn_quantize_holds(SGN_DTYPE_F32, x, 256, most));
    for (int j = 0; j < 256; j++) x[j] = 0;             /* all zeros are all zeros */
    assert_true(sgn_quantize_holds(SGN_DTYPE_Q1_0, x, 256, most) && sgn_quantize_holds(SGN_DTYPE_TQ2_0, x, 256, most));
    assert_false(sgn_quantize_knows(SGN_DTYPE_I32) || sgn_quantize_knows(SGN_DTYPE_Q4_0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worked_blocks), cmocka_unit_test(golden_blocks), cmocka_unit_test(every_byte_of_trits), cmocka_unit_test(blocks_come_back),
        cmocka_unit_test(eight_bits_round_to_the_nearest), cmocka_unit_test(what_blocks_cannot_hold),
    };
    return check_run(tests);
}
