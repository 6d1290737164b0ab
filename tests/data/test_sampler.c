/* SPDX-License-Identifier: MIT */
#include "../check.h"
#include "data/sampler.h"

/* Window k holds tokens k*seq .. k*seq+seq; row r of step s is window s*batch+r. By hand: 41 tokens of
 * seq 4 are 10 windows; step 3 of batch 4 has samples 12..15, windows 2..5. */
static void sequential(void **state) {
    (void)state;
    sgn_sampler s = { .tokens = 41, .seq = 4, .batch = 4, .order = SGN_ORDER_SEQUENTIAL };
    assert_int_equal(sgn_sampler_windows(&s), 10);
    for (uint64_t step = 0; step < 30; step++)
        for (int row = 0; row < 4; row++) assert_int_equal(sgn_sampler_window(&s, step, row), (4 * step + (uint64_t)row) % 10);
    assert_int_equal(sgn_sampler_window(&s, 3, 1), 3);
    assert_int_equal(sgn_sampler_first(&s, 9), 36);        /* its last target is token 40, the last there is */
    s.tokens = 40;
    assert_int_equal(sgn_sampler_windows(&s), 9);
}

/* Whatever batch and number of windows: each epoch has every window once. */
static void every_window_once(void **state) {
    (void)state;
    for (uint64_t windows = 1; windows < 70; windows += 1 + windows / 9)
        for (int batch = 1; batch < 8; batch += 3) {
            const sgn_sampler s = { .tokens = windows * 3 + 1 + windows % 3, .seq = 3, .batch = batch, .seed = windows };
            assert_int_equal(sgn_sampler_windows(&s), windows);
            for (uint64_t epoch = 0; epoch < 4; epoch++) {
                int seen[70] = { 0 };
                for (uint64_t i = epoch * windows; i < (epoch + 1) * windows; i++)
                    seen[sgn_sampler_window(&s, i / (uint64_t)batch, (int)(i % (uint64_t)batch))]++;
                for (uint64_t w = 0; w < windows; w++) assert_int_equal(seen[w], 1);
            }
        }
}

static int same_places(const sgn_sampler *a, uint64_t first_a, const sgn_sampler *b, uint64_t first_b, int count) {
    int same = 0;
    for (int i = 0; i < count; i++)
        same += sgn_sampler_window(a, first_a + (uint64_t)i, 0) == sgn_sampler_window(b, first_b + (uint64_t)i, 0);
    return same;
}

/* Epochs and seeds have orders of their own: of 1,000 places about one agrees by chance. */
static void orders_differ(void **state) {
    (void)state;
    const sgn_sampler a = { .tokens = 1001, .seq = 1, .batch = 1, .seed = 1 }, b = { .tokens = 1001, .seq = 1, .batch = 1, .seed = 2 };
    const sgn_sampler c = { .tokens = 1001, .seq = 1, .batch = 1, .order = SGN_ORDER_SEQUENTIAL };
    assert_true(same_places(&a, 0, &b, 0, 1000) < 10);
    assert_true(same_places(&a, 0, &a, 1000, 1000) < 10);
    assert_true(same_places(&a, 0, &c, 0, 1000) < 10);
    assert_int_equal(same_places(&a, 0, &a, 0, 1000), 1000);
}

/* The rows of a step do not depend on how samples are cut into steps. */
static void batches_are_cuts_of_one_order(void **state) {
    (void)state;
    const sgn_sampler one = { .tokens = 5000, .seq = 7, .batch = 1, .seed = 5 }, six = { .tokens = 5000, .seq = 7, .batch = 6, .seed = 5 };
    for (uint64_t i = 0; i < 3000; i++)
        assert_int_equal(sgn_sampler_window(&six, i / 6, (int)(i % 6)), sgn_sampler_window(&one, i, 0));
}

static void refusals(void **state) {
    (void)state;
    sgn_error err;
    sgn_sampler s = { .tokens = 8, .seq = 8, .batch = 1 };
    check_fails(sgn_sampler_check(&s, &err), SGN_CONFIG, &err, "8 tokens make no window");
    s.tokens = 9;
    check_ok(sgn_sampler_check(&s, &err), &err);
    s.batch = 0;
    check_fails(sgn_sampler_check(&s, &err), SGN_CONFIG, &err, "at least 1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequential), cmocka_unit_test(every_window_once), cmocka_unit_test(orders_differ),
        cmocka_unit_test(batches_are_cuts_of_one_order), cmocka_unit_test(refusals),
    };
    return check_run(tests);
}
