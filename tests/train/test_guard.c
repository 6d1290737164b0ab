/* SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "train/guard.h"

static void third_step_in_a_row_trips(void **state) {
    (void)state;
    sgn_guard g = { 0 };
    for (int i = 0; i < 100; i++) assert_false(sgn_guard_spike(&g, 3 + 0.01 * (i % 7), 2));
    assert_false(sgn_guard_spike(&g, 7, 2));
    assert_false(sgn_guard_spike(&g, 7, 2));
    assert_false(sgn_guard_spike(&g, 3, 2));           /* a good step between forgives */
    assert_false(sgn_guard_spike(&g, 7, 2));
    assert_false(sgn_guard_spike(&g, 7, 2));
    assert_true(sgn_guard_spike(&g, 7, 2));
    check_close(g.median, 3.03, 0.011, 0);             /* spikes do not enter it */
    assert_false(sgn_guard_spike(&g, 7, 2));           /* said once */
}

static void silent_until_it_knows_the_level(void **state) {
    (void)state;
    sgn_guard g = { 0 };
    for (int i = 0; i < 15; i++) assert_false(sgn_guard_spike(&g, i < 3 ? 1 : 100, 2));
}

/* The median follows the loss down: 64 recent steps count, not the whole run. */
static void median_is_of_the_last_64(void **state) {
    (void)state;
    sgn_guard g = { 0 };
    for (int i = 0; i < 200; i++) assert_false(sgn_guard_spike(&g, 10, 2));
    for (int i = 0; i < 64; i++) assert_false(sgn_guard_spike(&g, 2, 2));
    for (int i = 0; i < 2; i++) assert_false(sgn_guard_spike(&g, 9, 2));
    assert_true(sgn_guard_spike(&g, 9, 2));
    check_close(g.median, 2, 0, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(third_step_in_a_row_trips), cmocka_unit_test(silent_until_it_knows_the_level),
        cmocka_unit_test(median_is_of_the_last_64),
    };
    return check_run(tests);
}
