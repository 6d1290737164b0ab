/* Random numbers: known answers, distributions, permutations.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/rng.h"

/* Philox-4x32-10: the first two words of the three known answers published with the generator
 * (Salmon et al., Random123, kat_vectors). Counter words: index low, high, stream low, high. */
static void known_answers(void **state) {
    (void)state;
    assert_true(sgn_rng_bits(0, 0, 0) == 0xe169c58d6627e8d5u);
    assert_true(sgn_rng_bits(UINT64_MAX, UINT64_MAX, UINT64_MAX) == 0x41c83b0e408f276du);
    assert_true(sgn_rng_bits(0x299f31d0a4093822u, 0x0370734413198a2eu, 0x85a308d3243f6a88u) == 0x94fdccebd16cfe09u);
}

static void streams_are_fnv1a(void **state) {     /* test vectors of the FNV reference page */
    (void)state;
    assert_true(sgn_rng_stream("") == 0xcbf29ce484222325u);
    assert_true(sgn_rng_stream("a") == 0xaf63dc4c8601ec8cu);
    assert_true(sgn_rng_stream("foobar") == 0x85944171f73967e8u);
}

/* Mean and variance of n draws within five standard errors: of the mean sqrt(var/n), of the
 * variance sqrt((m4 - var^2)/n) with m4 = 1/80 (uniform), 3 (normal). */
static void moments(void **state) {
    (void)state;
    enum { N = 200000 };
    double u1 = 0, u2 = 0, g1 = 0, g2 = 0, pairs = 0;
    for (uint64_t i = 0; i < N; i++) {
        const double u = sgn_rng_uniform(7, 1, i), g = sgn_rng_normal(7, 2, i);
        assert_true(u >= 0 && u < 1 && isfinite(g));
        u1 += u;
        u2 += (u - 0.5) * (u - 0.5);
        g1 += g;
        g2 += g * g;
        pairs += g * sgn_rng_normal(7, 2, i + 1);
    }
    check_close(u1 / N, 0.5, 5 * sqrt(1.0 / 12 / N), 0);
    check_close(u2 / N, 1.0 / 12, 5 * sqrt((1.0 / 80 - 1.0 / 144) / N), 0);
    check_close(g1 / N, 0, 5 * sqrt(1.0 / N), 0);
    check_close(g2 / N, 1, 5 * sqrt(2.0 / N), 0);
    check_close(pairs / N, 0, 5 * sqrt(1.0 / N), 0);
}

static void every_part_of_the_key_counts(void **state) {
    (void)state;
    for (int bit = 0; bit < 64; bit++) {
        const uint64_t b = 1ull << bit, base = sgn_rng_bits(1, 2, 3);
        assert_true(sgn_rng_bits(1 ^ b, 2, 3) != base);
        assert_true(sgn_rng_bits(1, 2 ^ b, 3) != base);
        assert_true(sgn_rng_bits(1, 2, 3 ^ b) != base);
    }
}

static void permutations_are_bijections(void **state) {
    (void)state;
    static const uint64_t sizes[] = { 1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 1000, 4096, 4097, 65537 };
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const uint64_t n = sizes[k];
        char *seen = calloc(n, 1);
        uint64_t fixed = 0, same = 0;
        for (uint64_t i = 0; i < n; i++) {
            const uint64_t j = sgn_rng_permute(42, 9, n, i);
            assert_true(j < n && !seen[j]);
            seen[j] = 1;
            fixed += i == j;
            same += j == sgn_rng_permute(43, 9, n, i);
        }
        /* Expected 1 of each; more than 20 has a chance below 1e-18 (Poisson). */
        if (n >= 1000) assert_true(fixed <= 20 && same <= 20);
        free(seen);
    }
    for (uint64_t i = 0; i < 100; i++) assert_true(sgn_rng_permute(1, 1, UINT64_MAX, i) < UINT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),                 cmocka_unit_test(streams_are_fnv1a),
        cmocka_unit_test(moments),                       cmocka_unit_test(every_part_of_the_key_counts),
        cmocka_unit_test(permutations_are_bijections),
    };
    return check_run(tests);
}
