/* test_forward.c - logits, losses and gradients of small models beside PyTorch.
 *
 * Expected numbers: tests/golden/forward.json, made by make_golden.py: full precision with and
 * without tied head, biases, grouped heads, RoPE scaling and wide heads; FBI in every scale pattern;
 * and the mixes of hard and soft loss at several temperatures, with positions left out.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/golden/golden.h"
#include "core/gemm.h"

#define GOLDEN "tests/golden/forward.json"
enum { TOKENS = 64 };

typedef struct { int64_t batch, seq; int32_t token[TOKENS], target[TOKENS]; } windows;

static windows read_windows(const sgn_json *golden, const char *name, int64_t vocab) {
    windows w = { .batch = golden_int(golden, "batch"), .seq = golden_int(golden, "seq") };
    const uint64_t stream = golden_stream("tokens.", name);
    assert_true(w.batch * w.seq <= TOKENS);
    for (int64_t r = 0; r < w.batch; r++)
        for (int64_t i = 0; i < w.seq; i++) {
            w.token[r * w.seq + i] = golden_token(stream, r * (w.seq + 1) + i, vocab);
            w.target[r * w.seq + i] = golden_token(stream, r * (w.seq + 1) + i + 1, vocab);
        }
    return w;
}

static const sgn_tensor *hidden(const sgn_transformer *m, sgn_tape *t, const windows *w) {
    sgn_error err;
    check_ok(sgn_tape_init(t, sgn_transformer_nodes(m), 16 << 20, &err), &err);
    sgn_tape_begin(t, SGN_TAPE_NOGRAD);
    const sgn_tensor *h = sgn_transformer_hidden(m, t, w->token, w->batch, w->seq);
    check_ok(sgn_tape_end(t, &err), &err);
    return h;
}

/* Logit v of position i, as the definition has it. */
static double logit(const sgn_transformer *m, const sgn_tensor *h, int64_t i, int64_t v) {
    const int64_t d = m->config.dim;
    double z = 0;
    for (int64_t j = 0; j < d; j++)
        z += (double)h->data[i * d + j] * (double)sgn_transformer_head(m)->data[v * d + j];
    return z;
}

static void compare_logits(const sgn_transformer *m, const windows *w, const sgn_json *golden, const sgn_json *model) {
    sgn_tape t;
    const sgn_tensor *h = hidden(m, &t, w);
    for (size_t k = 0; k < sgn_json_size(sgn_json_get(golden, "logits_at")); k++) {
        const sgn_json *at = sgn_json_at(sgn_json_get(golden, "logits_at"), k);
        const sgn_json *want = sgn_json_at(sgn_json_get(model, "logits"), k);
        const int64_t   i = sgn_json_int(sgn_json_at(at, 0), -1) * w->seq + sgn_json_int(sgn_json_at(at, 1), -1);
        assert_int_equal(sgn_json_size(want), m->config.vocab);
        for (int64_t v = 0; v < m->config.vocab; v++)
            check_close(logit(m, h, i, v), sgn_json_real(sgn_json_at(want, (size_t)v), NAN), 2e-5, 1e-5);
    }
    for (int64_t i = 0; i < w->batch * w->seq; i++) {           /* -log p(target) of every position */
        double sum = 0;
        for (int64_t v = 0; v < m->config.vocab; v++) sum += exp(logit(m, h, i, v));
        check_close(log(sum) - logit(m, h, i, w->target[i]),
                    sgn_json_real(sgn_json_at(sgn_json_get(model, "hard"), (size_t)i), NAN), 2e-5, 1e-5);
    }
    sgn_tape_free(&t);
}

/* Loss and gradients of one mix; returns the loss. */
static double backward(sgn_transformer *m, const windows *w, const sgn_head_loss_args *a) {
    sgn_error err;
    sgn_tape  t;
    check_ok(sgn_tape_init(&t, sgn_transformer_nodes(m), 32 << 20, &err), &err);
    sgn_params_zero_grad(&m->params);
    sgn_tape_begin(&t, SGN_TAPE_TRAIN);
    sgn_tensor *h = sgn_transformer_hidden(m, &t, w->token, w->batch, w->seq);
    sgn_tensor *loss = sgn_head_loss(&t, h, sgn_transformer_head(m), a);
    check_ok(sgn_tape_end(&t, &err), &err);
    check_ok(sgn_tape_backward(&t, loss, &err), &err);
    const double value = (double)loss->data[0];
    sgn_tape_free(&t);
    return value;
}

static void models(void **state) {
    (void)state;
    sgn_json *golden = golden_load(GOLDEN);
    const sgn_json *all = sgn_json_get(golden, "models");
    for (void *it = sgn_json_iter(all); it; it = sgn_json_next(all, it)) {
        const sgn_json *g = sgn_json_iter_value(it);
        print_message("%s\n", sgn_json_iter_key(it));
        sgn_transformer m;
        golden_model(&m, sgn_json_get(g, "config"), sgn_json_get(g, "spread"), true);
        windows w = read_windows(golden, sgn_json_iter_key(it), m.config.vocab);
        compare_logits(&m, &w, golden, g);
        sgn_loss_sums sums = { 0 };
        const double n = (double)(w.batch * w.seq);
        const double loss = backward(&m, &w, &(sgn_head_loss_args){
            .target = w.target, .temperature = 1, .scale = 1 / n, .sums = &sums });
        double want = 0;
        for (size_t i = 0; i < (size_t)n; i++) want += sgn_json_real(sgn_json_at(sgn_json_get(g, "hard"), i), NAN);
        check_close(loss, want / n, 0, 1e-5);
        check_close(sums.hard, want, 0, 1e-5);
        golden_compare_gradients(&m, sgn_json_get(g, "gradients"), 2e-5);
        sgn_transformer_free(&m);
    }
    sgn_json_free(golden);
}

static void mix(sgn_transformer *m, windows w, const sgn_soft *soft, const sgn_json *row) {
    const sgn_json *masked = sgn_json_get(row, "masked");
    const int64_t   kept = w.batch * w.seq - (int64_t)sgn_json_size(masked);
    for (size_t i = 0; i < sgn_json_size(masked); i++) w.target[sgn_json_int(sgn_json_at(masked, i), 0)] = -1;
    sgn_loss_sums sums = { 0 };
    const double loss = backward(m, &w, &(sgn_head_loss_args){
        .target = w.target, .soft = *soft, .lambda = golden_number(row, "lambda"),
        .temperature = golden_number(row, "temperature"), .scale = 1 / (double)(w.batch * w.seq), .sums = &sums });
    assert_int_equal(sums.tokens, kept);
    check_close(loss, golden_number(row, "loss"), 0, 1e-5);
    check_close(sums.hard / (double)kept, golden_number(row, "hard"), 0, 1e-5);
    if (golden_number(row, "lambda") != 0) {                    /* else the teacher is not asked */
        check_close(sums.soft / (double)kept, golden_number(row, "soft"), 0, 1e-5);
        check_close(sums.teacher_entropy / (double)kept, golden_number(row, "entropy"), 0, 1e-5);
    }
    golden_compare_gradients(m, sgn_json_get(row, "gradients"), 2e-5);
}

static void loss_mixes(void **state) {
    (void)state;
    sgn_json *golden = golden_load(GOLDEN);
    const sgn_json *g = sgn_json_get(golden, "mixes");
    const sgn_json *student = sgn_json_get(sgn_json_get(golden, "models"), sgn_json_string(sgn_json_get(g, "model"), ""));
    sgn_transformer m, teacher;
    golden_model(&m, sgn_json_get(student, "config"), sgn_json_get(student, "spread"), true);
    golden_model(&teacher, sgn_json_get(g, "teacher_config"), sgn_json_get(g, "teacher_spread"), false);
    const windows w = read_windows(golden, "mixes", m.config.vocab);
    sgn_tape t;
    const sgn_tensor *h = hidden(&teacher, &t, &w);
    const sgn_soft soft = { .kind = SGN_SOFT_HIDDEN, .hidden = h->data, .head = sgn_transformer_head(&teacher)->data,
                            .width = teacher.config.dim };
    for (size_t i = 0; i < sgn_json_size(sgn_json_get(g, "rows")); i++)
        mix(&m, w, &soft, sgn_json_at(sgn_json_get(g, "rows"), i));
    sgn_tape_free(&t);
    sgn_transformer_free(&teacher), sgn_transformer_free(&m);
    sgn_json_free(golden);
}

static int begin(void **state) {
    return sgn_gemm_init(NULL) == SGN_OK ? check_begin(state) : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(models), cmocka_unit_test(loss_mixes) };
    return cmocka_run_group_tests(tests, begin, check_end);
}
