/* Every op on every case: gradients against differences of forward (double build), forward against its
 * formula, the same bits from any number of threads, fast kernels against the reference.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/ops_table.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "tests/op_cases/op_fixture.h"
#include "tests/core/kernel_sets.h"

typedef void (*case_check)(op_fixture *f);

static const char *where(const op_fixture *f) {
    static char text[160];
    snprintf(text, sizeof text, "%s, %s", f->list->op, f->c->name);
    return text;
}

static void each_case(case_check check) {
    sgn_error err;
    for (int i = 0; op_case_list_at(i); i++)
        for (int k = 0; k < op_case_list_at(i)->count; k++) {
            op_fixture f;
            check_ok(op_fixture_open(&f, op_case_list_at(i), &op_case_list_at(i)->at[k], &err), &err);
            check(&f);
            op_fixture_close(&f);
        }
}

static void lists_match_table(void **state) {
    (void)state;
    for (int i = 0; sgn_op_at(i) || op_case_list_at(i); i++) {
        assert_string_equal(sgn_op_at(i)->name, op_case_list_at(i)->op);
        assert_true(op_case_list_at(i)->count > 0);
    }
}

static int64_t numel(const op_fixture *f, int i) { return sgn_numel(f->own[i].shape); }

/* --- all results of one case, to compare ------------------------------------------------ */

typedef struct { sgn_real *at[SGN_MAX_IN + 1]; } results;      /* out, then the gradients */

static int64_t length(const op_fixture *f, int i) {
    return i == 0 ? f->count : op_fixture_owns(f, i - 1) ? numel(f, i - 1) : 0;
}
static results collect(op_fixture *f) {
    sgn_error err;
    results r = { { 0 } };
    op_fixture_fill_grads(f, 0);
    check_ok(op_fixture_backward(f, NULL, &err), &err);
    for (int i = 0; i <= SGN_MAX_IN; i++) {
        const size_t bytes = (size_t)length(f, i) * sizeof(sgn_real);
        r.at[i] = test_malloc(bytes + 1);
        if (bytes) memcpy(r.at[i], i ? f->own[i - 1].grad : f->out, bytes);
    }
    return r;
}
static void discard(results *r) {
    for (int i = 0; i <= SGN_MAX_IN; i++) test_free(r->at[i]);
}

/* |a - b| <= tolerance * max |b|, array by array; `skip` is left out. */
static void check_near(const op_fixture *f, const results *a, const results *b, double tolerance, int skip, const char *what) {
    for (int i = 0; i <= SGN_MAX_IN; i++) {
        double most = 0;
        for (int64_t k = 0; k < length(f, i); k++) most = fmax(most, fabs((double)b->at[i][k]));
        for (int64_t k = 0; i != skip && k < length(f, i); k++)
            if (!(fabs((double)a->at[i][k] - (double)b->at[i][k]) <= tolerance * most))
                fail_msg("%s: %s: array %d, entry %lld: %.9g, expected %.9g", where(f), what, i, (long long)k,
                         (double)a->at[i][k], (double)b->at[i][k]);
    }
}

static double rounding(const op_fixture *f) {
    return sizeof(sgn_real) == 8 ? 1e-12 : f->c->float_error > 0 ? f->c->float_error : 1e-5;
}

/* --- forward is its formula -------------------------------------------------------------- */

static void check_forward(op_fixture *f) {
    sgn_error err;
    double *want = test_malloc((size_t)f->count * sizeof *want), most = 0, loss;
    check_ok(op_fixture_expect(f, want, &err), &err);
    for (int64_t k = 0; k < f->count; k++) most = fmax(most, fabs(want[k]));
    for (int smooth = 0; smooth < 2; smooth++) {
        check_ok(op_fixture_forward(f, smooth, &loss, &err), &err);
        for (int64_t k = 0; k < f->count; k++)
            if (!(fabs((double)f->out[k] - want[k]) <= rounding(f) * most))
                fail_msg("%s%s: out[%lld] = %.9g, expected %.9g", where(f), smooth ? " (smooth)" : "", (long long)k,
                         (double)f->out[k], want[k]);
    }
    test_free(want);
}

static void forward_is_formula(void **state) { (void)state; each_case(check_forward); }

/* A training pass gives the bits of a pass without gradients, and both use what a dry tape said. */
static void check_modes(op_fixture *f) {
    sgn_error err;
    double loss;
    results train = collect(f);
    check_ok(op_fixture_forward(f, false, &loss, &err), &err);
    if (memcmp(f->out, train.at[0], (size_t)f->count * sizeof *f->out) != 0)
        fail_msg("%s: training and inference differ", where(f));
    for (int m = 0; m < 2; m++)
        if (f->measured[m] != f->used[m])
            fail_msg("%s: a dry tape said %zu bytes, %zu were used", where(f), f->measured[m], f->used[m]);
    discard(&train);
}
static void modes_agree(void **state) { (void)state; each_case(check_modes); }

/* --- gradients by differences ------------------------------------------------------------ */

/* d loss / d step along `direction` of input i: central differences of fourth order. */
static double slope(op_fixture *f, int i, const double *direction) {
    static const struct { double step, weight; } points[] = { { 1, 8 }, { -1, -8 }, { 2, -1 }, { -2, 1 } };
    const double spread = f->c->in[i].spread, h = 1e-3 * (spread > 0 && spread < 1 ? spread : 1);
    const int64_t n = numel(f, i);
    sgn_error err;
    sgn_real *x = f->own[i].data, *kept = test_malloc((size_t)n * sizeof *kept);
    double sum = 0, loss;
    memcpy(kept, x, (size_t)n * sizeof *x);
    for (int p = 0; p < 4; p++) {
        for (int64_t k = 0; k < n; k++) x[k] = (sgn_real)((double)kept[k] + points[p].step * h * direction[k]);
        check_ok(op_fixture_forward(f, true, &loss, &err), &err);
        sum += points[p].weight * loss;
    }
    memcpy(x, kept, (size_t)n * sizeof *x);
    test_free(kept);
    return sum / (12 * h);
}

/* Root mean square of the gradient of input i. */
static double size(const op_fixture *f, int i) {
    double squares = 0;
    const int64_t n = op_fixture_owns(f, i) ? numel(f, i) : 0;
    for (int64_t k = 0; k < n; k++) squares += (double)f->own[i].grad[k] * (double)f->own[i].grad[k];
    return n ? sqrt(squares / (double)n) : 0;
}
static double largest_size(const op_fixture *f) {
    double most = 0;
    for (int i = 0; i < SGN_MAX_IN; i++) most = fmax(most, size(f, i));
    return most;
}

/* Largest error of input i's gradient, relative to its size (to a thousandth of the largest gradient's
 * where it is about 0, as dq is for a softmax over one key): random directions, then single entries. */
static double gradient_error(op_fixture *f, int i, int directions, int entries) {
    const int64_t n = numel(f, i), stride = n > entries && entries > 0 ? n / entries : 1;
    const double scale = fmax(size(f, i), 1e-3 * largest_size(f));
    double *d = test_calloc((size_t)n, sizeof *d), worst = 0;
    if (!(scale > 0)) fail_msg("%s: no gradient to check", where(f));
    for (int r = 0; r < directions; r++) {
        double claim = 0;
        for (int64_t k = 0; k < n; k++) {
            d[k] = sgn_rng_normal(3, (uint64_t)r, (uint64_t)k);
            claim += d[k] * (double)f->own[i].grad[k];
        }
        worst = fmax(worst, fabs(slope(f, i, d) - claim) / (scale * sqrt((double)n)));
    }
    memset(d, 0, (size_t)n * sizeof *d);
    for (int64_t k = 0; entries > 0 && k < n; k += stride) {
        d[k] = 1;
        worst = fmax(worst, fabs(slope(f, i, d) - (double)f->own[i].grad[k]) / scale);
        d[k] = 0;
    }
    test_free(d);
    return worst;
}

static double noise;           /* largest error seen in correct gradients */

static void check_gradients(op_fixture *f) {
    sgn_error err;
    op_fixture_fill_grads(f, 0);
    check_ok(op_fixture_backward(f, NULL, &err), &err);
    for (int i = 0; i < SGN_MAX_IN; i++) {
        if (!op_fixture_owns(f, i)) continue;
        const double e = gradient_error(f, i, 2, 12);
        noise = fmax(noise, e);
        if (!(e < 1e-7)) fail_msg("%s: the gradient of input %d is off by %.3g", where(f), i, e);
    }
}

static void gradients_match(void **state) {
    (void)state;
    if (sizeof(sgn_real) != 8) skip();     /* float rounding hides all but gross errors */
    each_case(check_gradients);
    print_message("largest error of a gradient: %.2g\n", noise);
}

/* Backward of the op at hand, then 1 % too much in one input. */
static const sgn_op *true_op;
static int           wrong_input;

static void wrong_backward(const sgn_node *n) {
    true_op->backward(n);
    const sgn_tensor *x = n->in[wrong_input];
    for (int64_t k = 0; k < sgn_numel(x->shape); k++) x->grad[k] *= (sgn_real)1.01;
}

static void check_checker(op_fixture *f) {
    sgn_error err;
    sgn_op wrong = { .name = "wrong" };
    for (int i = 0; sgn_op_at(i); i++)
        if (strcmp(sgn_op_at(i)->name, f->list->op) == 0) true_op = sgn_op_at(i);
    wrong = *true_op;
    wrong.backward = wrong_backward;
    for (wrong_input = 0; wrong_input < SGN_MAX_IN; wrong_input++) {
        if (!op_fixture_owns(f, wrong_input)) continue;
        op_fixture_fill_grads(f, 0);
        check_ok(op_fixture_backward(f, &wrong, &err), &err);
        if (size(f, wrong_input) < 1e-6 * largest_size(f)) continue;       /* 1 % of nothing */
        const double e = gradient_error(f, wrong_input, 2, 0);
        if (!(e > 1e-4)) fail_msg("%s: an error of 1 %% in input %d shows as %.3g only", where(f), wrong_input, e);
    }
}

static void checker_notices(void **state) {
    (void)state;
    if (sizeof(sgn_real) != 8) skip();
    each_case(check_checker);
}

/* --- backward adds, and skips what has no gradient ----------------------------------------- */

static void check_adds(op_fixture *f) {
    sgn_error err;
    results once = collect(f), twice = { { 0 } };
    op_fixture_fill_grads(f, 0);
    for (int pass = 0; pass < 2; pass++) check_ok(op_fixture_backward(f, NULL, &err), &err);
    twice.at[0] = f->out;
    for (int i = 0; i < SGN_MAX_IN; i++) {
        twice.at[i + 1] = f->own[i].grad;
        for (int64_t k = 0; k < length(f, i + 1); k++) twice.at[i + 1][k] /= 2;
    }
    check_near(f, &twice, &once, rounding(f), -1, "half of two passes");
    discard(&once);
}
static void backward_adds(void **state) { (void)state; each_case(check_adds); }

static void check_frozen(op_fixture *f) {
    results all = collect(f);
    for (int i = 0; i < SGN_MAX_IN; i++) {
        int owners = 0;
        for (int k = 0; k < SGN_MAX_IN; k++) owners += op_fixture_owns(f, k);
        if (!op_fixture_owns(f, i) || owners == 1) continue;
        sgn_real *grad = f->own[i].grad;
        f->own[i].grad = NULL;
        f->own[i].needs_grad = false;
        f->measured[SGN_TAPE_TRAIN] += 4096;       /* which inputs learn may change what is saved */
        sgn_error err;
        op_fixture_fill_grads(f, 0);
        check_ok(op_fixture_backward(f, NULL, &err), &err);
        results some = { { f->out } };
        for (int k = 0; k < SGN_MAX_IN; k++) some.at[k + 1] = f->own[k].grad;
        check_near(f, &some, &all, rounding(f), i + 1, "with one input frozen");
        f->own[i].grad = grad;
        f->own[i].needs_grad = true;
    }
    discard(&all);
}
static void frozen_inputs(void **state) { (void)state; each_case(check_frozen); }

/* --- threads and kernel sets --------------------------------------------------------------- */

static void check_threads(op_fixture *f) {
    sgn_threads_set(1);
    results one = collect(f);
    for (int threads = 2; threads <= 3; threads++) {
        sgn_threads_set(threads);
        results more = collect(f);
        for (int i = 0; i <= SGN_MAX_IN; i++)
            if (memcmp(one.at[i], more.at[i], (size_t)length(f, i) * sizeof(sgn_real)) != 0)
                fail_msg("%s: array %d differs between 1 and %d threads", where(f), i, threads);
        discard(&more);
    }
    sgn_threads_set(0);
    discard(&one);
}
static void same_bits_any_threads(void **state) { (void)state; each_case(check_threads); }

static void compare_with_ref(const op_case_list *list, const op_case *c, const char *set) {
    op_fixture f;
    sgn_error err;
    check_ok(sgn_kernels_use("ref", &err), &err);
    check_ok(op_fixture_open(&f, list, c, &err), &err);
    results ref = collect(&f);
    op_fixture_close(&f);
    check_ok(sgn_kernels_use(set, &err), &err);
    check_ok(op_fixture_open(&f, list, c, &err), &err);
    results fast = collect(&f);
    check_near(&f, &fast, &ref, rounding(&f), -1, set);
    op_fixture_close(&f);
    discard(&ref);
    discard(&fast);
}

static void kernels_match_ref(void **state) {
    (void)state;
    const sgn_kernels *k;
    for_each_set(k)
        for (int i = 0; op_case_list_at(i); i++)
            for (int n = 0; n < op_case_list_at(i)->count; n++)
                compare_with_ref(op_case_list_at(i), &op_case_list_at(i)->at[n], k->name);
    assert_int_equal(sgn_kernels_use(NULL, NULL), SGN_OK);
}

int main(void) {
    sgn_error err = { 0 };
    if (sgn_gemm_init(&err) != SGN_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_match_table),
        cmocka_unit_test(forward_is_formula),
        cmocka_unit_test(modes_agree),
        cmocka_unit_test(gradients_match),
        cmocka_unit_test(checker_notices),
        cmocka_unit_test(backward_adds),
        cmocka_unit_test(frozen_inputs),
        cmocka_unit_test(same_bits_any_threads),
        cmocka_unit_test(kernels_match_ref),
    };
    return check_run(tests);
}
