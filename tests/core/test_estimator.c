/* What stands for a derivative that is zero: the estimators' factors, and a grid of 8 bits.
 *
 * Expected numbers: the formulas of the papers named in core/estimator.h, worked out to six digits with bc.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/estimator.h"
#include "core/ops.h"

static void factors(void **state) {
    (void)state;
    static const struct { const char *word; double f[4]; } row[] = {        /* at w = 0, 0.5, -1, 2 */
        { "identity", { 1, 1, 1, 1 } },
        { "clipped", { 1, 1, 1, 0 } },
        { "approx", { 2, 1, 0, 0 } },
        { "tanh", { 1, 0.997504, 0.990066, 0.961043 } },
        { "onebit", { 1.001, 0.787448, 0.420974, 0.071651 } },
        { "smooth", { 100, 0, 0, 0 } },
    };
    const sgn_real w[4] = { 0, (sgn_real)0.5, -1, 2 };
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        sgn_real g[4] = { 3, 3, 3, 3 };
        const sgn_estimator e = sgn_estimator_find(row[k].word);
        assert_string_equal(sgn_estimator_word(e), row[k].word);
        sgn_estimator_apply(e, g, w, 4);
        for (int i = 0; i < 4; i++) check_close(g[i], 3 * row[k].f[i], 3e-6, 0);
    }
    sgn_real g = 1;                                                          /* 100 (1 - tanh^2 1) */
    sgn_estimator_apply(SGN_ESTIMATOR_SMOOTH, &g, &(sgn_real){ (sgn_real)0.01 }, 1);
    check_close(g, 41.9974, 1e-3, 0);
    assert_int_equal(sgn_estimator_find("sign"), SGN_ESTIMATORS);
}

static void eight_bits(void **state) {
    (void)state;
    const sgn_real x[5] = { (sgn_real)2.54, (sgn_real)-0.031, (sgn_real)0.029, (sgn_real)1.005, 0 };   /* s = 50: 127, -1.55, 1.45, 50.25 */
    const double want[5] = { 2.54, -0.04, 0.02, 1.0, 0 };
    sgn_real y[5];
    sgn_quant_act_row(y, x, 5);
    for (int i = 0; i < 5; i++) check_close(y[i], want[i], 1e-6, 0);
    const sgn_real small[2] = { (sgn_real)1e-6, (sgn_real)-4e-8 };           /* s = 127e5: 12.7, -0.5 */
    sgn_quant_act_row(y, small, 2);
    check_close(y[0], 13 / 127e5, 1e-12, 0);
    check_close(y[1], 0, 8e-8, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(factors), cmocka_unit_test(eight_bits) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
