/* head_loss beyond its cases: reported sums, when they appear, ids that do not exist.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/gemm.h"
#include "core/ops.h"

enum { TOKENS = 3, WIDTH = 2, VOCAB = 3 };

/* Logits of the student are rows of `logits`: its head is the identity on the first two classes, and
 * the third class has logit 0. */
static const sgn_real head_data[VOCAB * WIDTH] = { 1, 0, 0, 1, 0, 0 };
static const sgn_real h_data[TOKENS * WIDTH] = { 1, 2, -1, 0.5f, 0, 0 };
static const sgn_real teacher_data[TOKENS * WIDTH] = { 2, 0, 0, 0, -1, 1 };

typedef struct {
    sgn_tensor    h, head;
    sgn_real      grads[2][VOCAB * WIDTH];
    sgn_loss_sums sums;
    sgn_tape      tape;
    sgn_tensor   *loss;
} fixture;

static void open_fixture(fixture *f, sgn_tape_mode mode, sgn_head_loss_args args) {
    sgn_error err;
    *f = (fixture){ .h = { .shape = sgn_shape2(TOKENS, WIDTH), .data = (sgn_real *)h_data, .needs_grad = true, .leaf = true },
                    .head = { .shape = sgn_shape2(VOCAB, WIDTH), .data = (sgn_real *)head_data, .needs_grad = true, .leaf = true } };
    f->h.grad = f->grads[0];
    f->head.grad = f->grads[1];
    args.sums = &f->sums;
    args.soft = (sgn_soft){ .kind = SGN_SOFT_HIDDEN, .hidden = teacher_data, .head = head_data, .width = WIDTH };
    check_ok(sgn_tape_init(&f->tape, 4, 4096, &err), &err);
    sgn_tape_begin(&f->tape, mode);
    f->loss = sgn_head_loss(&f->tape, &f->h, &f->head, &args);
    check_ok(sgn_tape_end(&f->tape, &err), &err);
}

/* log p of class v for logits (x0, x1, 0) / T */
static double log_p(const sgn_real *x, int v, double T) {
    const double z[3] = { (double)x[0] / T, (double)x[1] / T, 0 };
    return z[v] - log(exp(z[0]) + exp(z[1]) + 1);
}

static const int32_t targets[TOKENS] = { 1, -1, 2 };

static void sums_are_formulas(void **state) {
    (void)state;
    const double T = 2;
    double hard = 0, soft = 0, entropy = 0;
    for (int t = 0; t < TOKENS; t += 2) {      /* position 1 has no target */
        hard -= log_p(h_data + t * WIDTH, targets[t], 1);
        for (int v = 0; v < VOCAB; v++) {
            const double p = exp(log_p(teacher_data + t * WIDTH, v, T));
            soft -= p * log_p(h_data + t * WIDTH, v, T);
            entropy -= p * log_p(teacher_data + t * WIDTH, v, T);
        }
    }
    const sgn_head_loss_args args = { .target = targets, .lambda = 0.25, .temperature = T, .scale = 0.5 };
    for (int mode = SGN_TAPE_TRAIN; mode <= SGN_TAPE_NOGRAD; mode++) {
        fixture f;
        sgn_error err;
        open_fixture(&f, (sgn_tape_mode)mode, args);
        if (mode == SGN_TAPE_TRAIN) {
            assert_true(isnan((double)f.loss->data[0]));        /* not before backward */
            assert_int_equal(f.sums.tokens, 0);
            check_ok(sgn_tape_backward(&f.tape, f.loss, &err), &err);
        }
        assert_int_equal(f.sums.tokens, 2);
        check_close(f.sums.hard, hard, 0, 1e-6);
        check_close(f.sums.soft, soft, 0, 1e-6);
        check_close(f.sums.teacher_entropy, entropy, 0, 1e-6);
        check_close(f.loss->data[0], 0.5 * (0.75 * hard + 0.25 * T * T * soft), 0, 1e-6);
        sgn_tape_free(&f.tape);
    }
}

/* A second call adds; with lambda 0 the teacher is not looked at; with 1 the hard loss is still told. */
static void sums_add_up(void **state) {
    (void)state;
    fixture once, twice, soft;
    sgn_error err;
    open_fixture(&once, SGN_TAPE_NOGRAD, (sgn_head_loss_args){ .target = targets, .temperature = 1, .scale = 1 });
    open_fixture(&twice, SGN_TAPE_TRAIN, (sgn_head_loss_args){ .target = targets, .temperature = 1, .scale = 1 });
    for (int pass = 0; pass < 2; pass++) check_ok(sgn_tape_backward(&twice.tape, twice.loss, &err), &err);
    assert_true(once.sums.soft == 0 && once.sums.teacher_entropy == 0);
    assert_true(twice.sums.hard == 2 * once.sums.hard);
    assert_int_equal(twice.sums.tokens, 4);
    open_fixture(&soft, SGN_TAPE_NOGRAD, (sgn_head_loss_args){ .target = targets, .lambda = 1, .temperature = 1, .scale = 1 });
    assert_true(soft.sums.hard == once.sums.hard);
    sgn_tape_free(&once.tape);
    sgn_tape_free(&twice.tape);
    sgn_tape_free(&soft.tape);
}

/* A target or an id outside the vocabulary turns into NaN, which a trainer notices. */
static void unknown_ids(void **state) {
    (void)state;
    static const int32_t wrong[TOKENS] = { 1, VOCAB, 2 };
    fixture f;
    sgn_error err;
    open_fixture(&f, SGN_TAPE_TRAIN, (sgn_head_loss_args){ .target = wrong, .temperature = 1, .scale = 1 });
    check_ok(sgn_tape_backward(&f.tape, f.loss, &err), &err);
    assert_true(isnan(f.sums.hard) && isnan((double)f.loss->data[0]));
    sgn_tape_begin(&f.tape, SGN_TAPE_NOGRAD);
    const sgn_tensor *rows = sgn_embedding(&f.tape, &f.head, wrong, TOKENS);
    assert_true(rows->data[0] == 0 && rows->data[1] == 1);
    assert_true(isnan((double)rows->data[2]) && isnan((double)rows->data[3]));
    sgn_tape_free(&f.tape);
}

int main(void) {
    sgn_error err = { 0 };
    if (sgn_gemm_init(&err) != SGN_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_formulas),
        cmocka_unit_test(sums_add_up),
        cmocka_unit_test(unknown_ids),
    };
    return check_run(tests);
}
