/* Every linear kind beside PyTorch: what it computes, and all gradients after the estimators and rules.
 *
 * Expected numbers: tests/golden/kinds.h, made by kinds.py from the papers' formulas.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/gemm.h"
#include "model/linear.h"
#include "model/littlebit_rank.h"
#include "tests/golden/kinds.h"

static void fill(sgn_real *x, int n, double a, double b, double scale) {
    for (int k = 0; k < n; k++) x[k] = (sgn_real)(scale * sin(a * k + b));
}

/* sum y . dy */
static sgn_status functional_infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    (void)n, (void)saved, (void)err;
    *out = sgn_shape1(1);
    return SGN_OK;
}
static void functional_forward(const sgn_node *n) { n->out->data[0] = 0; }
static void functional_backward(const sgn_node *n) { fill(n->in[0]->grad, KIND_TOKENS * KIND_OUT, 1.9, 0.6, 1); }
static const sgn_op functional = { "functional", 1, 0, functional_infer, functional_forward, functional_backward, NULL };

static void compare(size_t i) {
    sgn_error err;
    sgn_params p = { .train = true };
    sgn_model_config c = { .scales = "column", .shift = true, .rms_eps = 1e-5, .paths = 1 + (kind_golden[i].s[5].name != NULL) };
    c.bits = 8 * (double)c.paths;
    sgn_linear l;
    sgn_tape t;
    sgn_real x[KIND_TOKENS * KIND_IN], dx[KIND_TOKENS * KIND_IN] = { 0 };
    snprintf(c.keep, SGN_TEXT, "%s", kind_golden[i].keep);
    snprintf(c.estimator, SGN_TEXT, "%s", kind_golden[i].estimator);
    check_ok(sgn_linear_declare(&l, &p, &c, kind_golden[i].kind, kind_golden[i].path, KIND_IN, KIND_OUT, false, &err), &err);
    check_ok(sgn_params_commit(&p, &err), &err);
    const sgn_param *weight = sgn_params_find(&p, strcmp(kind_golden[i].path, "a") ? "a.o_proj.weight" : "a.weight");
    const sgn_tensor *w = weight ? &weight->tensor : NULL;
    if (w) fill(w->data, KIND_OUT * KIND_IN, 0.7, 1.0, strcmp(kind_golden[i].kind, "binaryconnect") ? 1.2 : 0.9);
    char name[64];
    for (int k = 0; k < KIND_SCALES && kind_golden[i].s[k].name; k++) {
        snprintf(name, sizeof name, "%s.%s", kind_golden[i].path, kind_golden[i].s[k].name);
        assert_non_null(sgn_params_find(&p, name));
        fill(sgn_params_find(&p, name)->tensor.data, kind_golden[i].s[k].n, kind_golden[i].s[k].a, kind_golden[i].s[k].b, kind_golden[i].s[k].scale);
    }
    const sgn_param *zone = sgn_params_find(&p, "a.zone");
    for (int k = 0; zone && k < KIND_OUT * KIND_IN; k++) zone->tensor.data[k] = (sgn_real)(k * 7 % 11 % 5);
    sgn_params_refresh_signs(&p);
    fill(x, KIND_TOKENS * KIND_IN, 1.3, 0.2, 1.5);
    check_ok(sgn_tape_init(&t, SGN_LINEAR_NODES + 2, 1 << 20, &err), &err);
    sgn_tape_begin(&t, SGN_TAPE_TRAIN);
    sgn_tensor *y = sgn_linear_forward(&l, &t, sgn_tape_leaf(&t, sgn_shape2(KIND_TOKENS, KIND_IN), x, dx));
    check_array_close(y->data, kind_golden[i].y, KIND_TOKENS * KIND_OUT, 1e-5, 1e-5);
    check_ok(sgn_tape_backward(&t, sgn_tape_apply(&t, &functional, (sgn_tensor *[]){ y }, NULL), &err), &err);
    sgn_params_estimate(&p);
    check_array_close(dx, kind_golden[i].dx, KIND_TOKENS * KIND_IN, 1e-5, 1e-5);
    if (w) check_array_close(w->grad, kind_golden[i].dw, KIND_OUT * KIND_IN, 1e-5, 1e-5);
    for (int k = 0; k < KIND_SCALES && kind_golden[i].s[k].name; k++) {
        snprintf(name, sizeof name, "%s.%s", kind_golden[i].path, kind_golden[i].s[k].name);
        check_array_close(sgn_params_find(&p, name)->tensor.grad, kind_golden[i].s[k].d, kind_golden[i].s[k].n, 1e-5, 1e-5);
    }
    sgn_tape_free(&t);
    sgn_params_free(&p);
}

/* Ranks for 0.3, 0.55, 0.8 and 1 bits: the table of the methods' page on sub-1-bit forms, 7.1. */
static void ranks(void **state) {
    (void)state;
    static const struct { int64_t out, in, rank[4]; } row[] = {
        { 256, 256, { 16, 48, 80, 104 } }, { 512, 512, { 56, 120, 184, 232 } }, { 768, 768, { 96, 192, 288, 360 } },
        { 768, 2048, { 144, 288, 424, 536 } }, { 2048, 2048, { 288, 544, 800, 1000 } }, { 4096, 11008, { 872, 1624, 2368, 2960 } },
    };
    const double bits[4] = { 0.3, 0.55, 0.8, 1 };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        for (int k = 0; k < 4; k++) {
            assert_int_equal(sgn_littlebit_rank(row[i].out, row[i].in, bits[k], 1), row[i].rank[k]);
            assert_true(sgn_littlebit_bits(row[i].out, row[i].in, row[i].rank[k], 1) <= bits[k]);
        }
    /* Each of two: floor8((b out in - 32 (out + in)) / (2 (out + in + 16))). */
    assert_int_equal(sgn_littlebit_rank(4096, 11008, 0.55, 2), 800);         /* 24315494.4 / 30240 = 804.1 */
    assert_int_equal(sgn_littlebit_rank(2048, 2048, 1, 2), 488);             /* 4063232 / 8224 = 494.1 */
    check_close(sgn_littlebit_bits(2048, 2048, 488, 2), 2 * (488 * 4096.0 + 16 * 4584) / (2048 * 2048), 1e-12, 0);
    assert_int_equal(sgn_littlebit_rank(256, 256, 0.1, 1), 0);
    sgn_error err;
    sgn_params p = { 0 };
    sgn_linear l;
    check_fails(sgn_linear_declare(&l, &p, &(sgn_model_config){ .bits = 0.1 }, "littlebit", "a", 256, 256, false, &err), SGN_CONFIG, &err, "0.189");
    sgn_params_free(&p);
}

static void kinds_are_torchs(void **state) {
    (void)state;
    sgn_error err;
    check_ok(sgn_gemm_init(&err), &err);
    for (size_t i = 0; i < sizeof kind_golden / sizeof *kind_golden; i++) {
        print_message("%s\n", kind_golden[i].name);
        compare(i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(ranks), cmocka_unit_test(kinds_are_torchs) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
