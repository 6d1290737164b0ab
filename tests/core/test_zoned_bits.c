/* A row of zones from its bits, by every set of kernels, is to the bit the row that its latents, zones and scales make.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/rng.h"
#include "tests/core/fenced.h"

enum { ROWS = 5, MOST = 400 };
typedef struct { int kept, of, zones; int64_t cols; } zoned_case;       /* of 0: kept 1 all, 0 any */
static const zoned_case cases[] = {
    { 4, 8, 3, 136 }, { 5, 8, 3, 264 }, { 6, 8, 2, 24 }, { 6, 8, 2, 392 }, { 6, 8, 3, 320 }, { 1, 8, 3, 128 }, { 2, 8, 3, 72 }, { 3, 8, 2, 200 }, { 7, 8, 3, 384 }, { 2, 4, 3, 132 }, { 3, 4, 2, 44 }, { 1, 4, 3, 388 }, { 1, 16, 3, 272 }, { 2, 16, 2, 96 },
    { 14, 16, 3, 144 }, { 8, 16, 3, 48 }, { 1, 0, 3, 131 }, { 1, 0, 2, 300 }, { 1, 0, 2, 384 }, { 1, 0, 3, 192 }, { 0, 0, 3, 269 }, { 0, 0, 2, 7 }, { 0, 0, 1, 399 },
};

static void fill(const zoned_case *c, uint64_t seed, sgn_real *w, sgn_real *zone, sgn_real *scale) {
    const int64_t scales = sgn_zoned_scales(c->cols);
    for (int64_t i = 0; i < ROWS; i++)
        for (int64_t j = 0; j < c->cols; j++) {
            const int64_t k = i * c->cols + j, shift = (int64_t)(sgn_rng_uniform(seed, 1, (uint64_t)(k / (c->of ? c->of : 1))) * 16);
            const bool kept = c->of ? (j * (c->kept % 2 && c->of < 16 ? 1 : 3) + shift) % c->of < c->kept : c->kept || shift > 5;
            w[k] = k % 13 == 5 ? 0 : (sgn_real)sgn_rng_normal(seed, 2, (uint64_t)k);        /* whose sign is + */
            zone[k] = !kept ? 0 : j % 11 == 4 || (j > 60 && j < 66) ? 4 : (sgn_real)(1 + (k + shift) % c->zones);
        }
    for (int64_t k = 0; k < ROWS * scales; k++) scale[k] = (sgn_real)(0.1 + sgn_rng_uniform(seed, 3, (uint64_t)k));
}

static void check_case(const zoned_case *c, uint64_t seed) {
    static sgn_real w[ROWS * MOST], zone[ROWS * MOST], want[MOST], got[MOST + 1];
    const int64_t scales = sgn_zoned_scales(c->cols);
    const size_t x_bytes = (size_t)c->cols * sizeof(sgn_real), scale_bytes = (size_t)(ROWS * scales) * sizeof(sgn_real);
    sgn_real *x = fenced_alloc(x_bytes), *scale = fenced_alloc(scale_bytes);
    sgn_zoned_sets sets;
    const sgn_kernels *set;
    bool runs;
    sgn_error err;
    sgn_zoned_bits z;
    fill(c, seed, w, zone, scale);
    for (int64_t j = 0; j < c->cols; j++) x[j] = (sgn_real)sgn_rng_normal(seed, 4, (uint64_t)j);
    check_ok(sgn_zoned_bits_form(&z, zone, ROWS, c->cols, "x", &err), &err);
    const size_t bytes = (size_t)(ROWS * sgn_zoned_bits_stride(&z)), salient_bytes = (size_t)(c->cols + 7) / 8;
    uint8_t *byte = fenced_alloc(bytes), *salient = fenced_alloc(salient_bytes);
    sgn_zoned_bits_pack(&z, w, zone, scale, byte, salient);
    z.byte = byte, z.salient = salient;
    const bool few = sgn_zoned_bits_sets(&z, &sets);
    assert_true(few || z.of == 16);
    for (int64_t i = 0; i < ROWS; i++) {
        sgn_zoned_row(want, w + i * c->cols, zone + i * c->cols, scale + i * scales, c->cols);
        assert_true(sgn_zoned_bits_row(&z, i, scale + i * scales, got));
        assert_memory_equal(got, want, (size_t)c->cols * sizeof *got);
        for (int s = 0; few && (set = sgn_kernels_at(s, &runs)); s++) {
            if (!runs) continue;
            memset(got, 0x55, sizeof got);
            const sgn_real behind = got[c->cols];
            set->zoned_row(&z, i, scale + i * scales, &sets, got);
            if (memcmp(got, want, (size_t)c->cols * sizeof *got)) fail_msg("%s, %d:%d of %d, row %d", set->name, c->kept, c->of, (int)c->cols, (int)i);
            assert_memory_equal(&got[c->cols], &behind, sizeof behind);
            sgn_real y, sum = set->dot(want, x, c->cols);
            if (set->zoned_dot(&z, i, scale + i * scales, &sets, x, &y) && memcmp(&y, &sum, sizeof y))
                fail_msg("%s, %d:%d of %d, row %d: %.9g, not %.9g", set->name, c->kept, c->of, (int)c->cols, (int)i, (double)y, (double)sum);
        }
    }
    fenced_free(x, x_bytes), fenced_free(scale, scale_bytes), fenced_free(byte, bytes), fenced_free(salient, salient_bytes);
}

static void every_set_of_kernels(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (uint64_t seed = 0; seed < 20; seed++) check_case(&cases[k], seed);
}

/* What is made of the bits has their zones, their signs and so their numbers. */
static void latents(void **state) {
    (void)state;
    static sgn_real w[ROWS * MOST], zone[ROWS * MOST], scale[ROWS * 32], want[MOST], got[MOST], again[MOST], zones[MOST];
    static uint8_t byte[ROWS * MOST], salient[MOST / 8 + 1];
    sgn_zoned_bits z;
    sgn_error err;
    const int64_t scales = sgn_zoned_scales(cases[0].cols);
    fill(&cases[0], 3, w, zone, scale);
    for (int64_t k = 0; k < ROWS * scales; k++) scale[k] *= k % SGN_ZONED_SCALES == 4 ? (sgn_real)0.2 : 1;
    check_ok(sgn_zoned_bits_form(&z, zone, ROWS, cases[0].cols, "x", &err), &err);
    sgn_zoned_bits_pack(&z, w, zone, scale, byte, salient);
    z.byte = byte, z.salient = salient;
    for (int64_t i = 0; i < ROWS; i++) {
        sgn_zoned_row(want, w + i * z.cols, zone + i * z.cols, scale + i * scales, z.cols);
        assert_true(sgn_zoned_bits_latents(&z, i, scale + i * scales, again, zones));
        assert_memory_equal(zones, zone + i * z.cols, (size_t)z.cols * sizeof *zones);
        sgn_zoned_row(got, again, zones, scale + i * scales, z.cols);
        assert_memory_equal(got, want, (size_t)z.cols * sizeof *got);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_set_of_kernels), cmocka_unit_test(latents) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
