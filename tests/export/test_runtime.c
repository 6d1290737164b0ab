/* The runtime against the training forward pass, in pieces and token by token; its loss, limits and bits.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"
#include "export/runtime.h"
#include "tests/export/small_model.h"

enum { N = 41 };

static int32_t tokens[N + 1];
static float want[N * 136], got[N * SMALL_VOCAB];

/* Logits of all positions, the tokens given in pieces of these sizes, over and over. */
static void run_pieces(sgn_runtime *r, const int *piece, int pieces, float *logits) {
    sgn_error err;
    const float *hidden;
    sgn_runtime_reset(r);
    for (int64_t at = 0, i = 0; at < N; i++) {
        const int64_t m = N - at < piece[i % pieces] ? N - at : piece[i % pieces];
        check_ok(sgn_runtime_hidden(r, tokens + at, m, &hidden, &err), &err);
        for (int64_t t = 0; t < m; t++)
            sgn_runtime_logits(r, hidden + t * 136, logits + (at + t) * SMALL_VOCAB);
        at += m;
        assert_int_equal(sgn_runtime_position(r), at);
    }
}

static void open_case(const small_case *s, sgn_transformer *m, sgn_lowered_model *lm, sgn_runtime **r) {
    sgn_error err;
    small_model(m, s, 3);
    check_ok(sgn_lowered_model_from(lm, m, &err), &err);
    check_ok(sgn_runtime_open(r, lm, &(sgn_runtime_options){ .context = SMALL_CONTEXT, .batch = N }, &err), &err);
}

static void close_case(sgn_transformer *m, sgn_lowered_model *lm, sgn_runtime *r) {
    sgn_runtime_close(r);
    sgn_lowered_model_free(lm);
    sgn_transformer_free(m);
}

static void equals_training_forward(void **state) {
    (void)state;
    small_tokens(tokens, N + 1, 1);
    for (int i = 0; i < SMALL_CASES; i++) {
        sgn_transformer m;
        sgn_lowered_model lm;
        sgn_runtime *r;
        open_case(&small_cases[i], &m, &lm, &r);
        small_logits(&m, tokens, N, want);
        float most = 0;
        for (int j = 0; j < N * SMALL_VOCAB; j++) most = fmaxf(most, fabsf(want[j]));
        assert_true(most > 0.5f);              /* logits of some size, else the limit below says nothing */
        run_pieces(r, (int[]){ N }, 1, got);
        check_array_close(got, want, N * SMALL_VOCAB, 1e-4, 0);
        run_pieces(r, (int[]){ 1 }, 1, got);
        check_array_close(got, want, N * SMALL_VOCAB, 1e-4, 0);
        run_pieces(r, (int[]){ 3, 1, 17, 2 }, 4, got);
        check_array_close(got, want, N * SMALL_VOCAB, 1e-4, 0);
        close_case(&m, &lm, r);
    }
}

/* -log softmax, in double from the training forward's logits. */
static void loss_is_that_of_the_logits(void **state) {
    (void)state;
    sgn_transformer m;
    sgn_lowered_model lm;
    sgn_runtime *r;
    sgn_error err;
    const float *hidden;
    double sum, expected = 0;
    float each[N];
    open_case(&small_cases[2], &m, &lm, &r);
    small_tokens(tokens, N + 1, 1);
    small_logits(&m, tokens, N, want);
    int32_t target[N];
    memcpy(target, tokens + 1, sizeof target);
    target[5] = -1;                            /* left out */
    check_ok(sgn_runtime_hidden(r, tokens, N, &hidden, &err), &err);
    check_ok(sgn_runtime_nll(r, hidden, target, N, &sum, each, &err), &err);
    for (int t = 0; t < N; t++) {
        double z = 0;
        for (int v = 0; v < SMALL_VOCAB; v++) z += exp((double)want[t * SMALL_VOCAB + v]);
        const double nll = target[t] < 0 ? 0 : log(z) - (double)want[t * SMALL_VOCAB + target[t]];
        check_close(each[t], nll, 1e-4, 0);
        expected += nll;
    }
    check_close(sum, expected, 1e-3, 0);
    target[7] = SMALL_VOCAB;
    check_fails(sgn_runtime_nll(r, hidden, target, N, &sum, NULL, &err), SGN_SHAPE, &err, "97");
    close_case(&m, &lm, r);
}

static void threads_and_repeats_give_the_same_bits(void **state) {
    (void)state;
    small_tokens(tokens, N + 1, 1);
    for (int i = 0; i < SMALL_CASES; i += 4) {
        sgn_transformer m;
        sgn_lowered_model lm;
        sgn_runtime *r;
        open_case(&small_cases[i], &m, &lm, &r);
        const int piece[] = { 19, 1 };
        sgn_threads_set(1);
        run_pieces(r, piece, 2, want);
        for (int threads = 2; threads <= 3; threads++) {
            sgn_threads_set(threads);
            run_pieces(r, piece, 2, got);
            assert_memory_equal(got, want, sizeof got);
        }
        sgn_threads_set(0);
        close_case(&m, &lm, r);
    }
}

/* After another continuation, in other pieces, the rest of the first one comes out as if there had been none. */
static void truncated_equals_fresh(void **state) {
    (void)state;
    enum { KEPT = 17 };
    small_tokens(tokens, N + 1, 1);
    for (int i = 0; i < SMALL_CASES; i++) {
        sgn_transformer m;
        sgn_lowered_model lm;
        sgn_runtime *r;
        sgn_error err;
        const float *hidden;
        open_case(&small_cases[i], &m, &lm, &r);
        int32_t other[N];
        small_tokens(other, N, 2);
        check_ok(sgn_runtime_hidden(r, tokens, KEPT, &hidden, &err), &err);
        check_ok(sgn_runtime_hidden(r, tokens + KEPT, N - KEPT, &hidden, &err), &err);
        memcpy(want, hidden, (N - KEPT) * 136 * sizeof *want);
        sgn_runtime_truncate(r, KEPT);
        check_ok(sgn_runtime_hidden(r, other, N - KEPT - 5, &hidden, &err), &err);
        assert_memory_not_equal(hidden, want, 136 * sizeof *want);
        sgn_runtime_truncate(r, N);                            /* nothing is there */
        assert_int_equal(sgn_runtime_position(r), N - 5);
        sgn_runtime_truncate(r, KEPT);
        assert_int_equal(sgn_runtime_position(r), KEPT);
        check_ok(sgn_runtime_hidden(r, tokens + KEPT, N - KEPT, &hidden, &err), &err);
        assert_memory_equal(hidden, want, (N - KEPT) * 136 * sizeof *want);
        close_case(&m, &lm, r);
    }
}

/* Keys and values rounded to halves, 2^-11 of each: logits of size 1 to 3 move by less than 0.004, and not by nothing. */
static void halves_in_the_cache_cost_little(void **state) {
    (void)state;
    small_tokens(tokens, N + 1, 1);
    for (int i = 0; i < SMALL_CASES; i += 3) {
        sgn_transformer m;
        sgn_lowered_model lm;
        sgn_runtime *r, *half;
        sgn_error err;
        open_case(&small_cases[i], &m, &lm, &r);
        check_ok(sgn_runtime_open(&half, &lm, &(sgn_runtime_options){ .context = SMALL_CONTEXT, .batch = N, .cache = SGN_DTYPE_F16 }, &err), &err);
        assert_int_equal(sgn_runtime_cache_bytes(half) * 2, sgn_runtime_cache_bytes(r));
        for (int piece = 1; piece <= N; piece += N - 1) {
            run_pieces(r, &piece, 1, want);
            run_pieces(half, &piece, 1, got);
            check_array_close(got, want, N * SMALL_VOCAB, 4e-3, 0);
            assert_memory_not_equal(got, want, N * SMALL_VOCAB * sizeof *want);
        }
        sgn_runtime_close(half);
        close_case(&m, &lm, r);
    }
}

static void refuses_what_does_not_fit(void **state) {
    (void)state;
    sgn_transformer m;
    sgn_lowered_model lm;
    sgn_runtime *r, *none;
    sgn_error err;
    const float *hidden;
    open_case(&small_cases[2], &m, &lm, &r);
    small_tokens(tokens, N + 1, 1);
    check_fails(sgn_runtime_hidden(r, tokens, N + 1, &hidden, &err), SGN_SHAPE, &err, "41 tokens at a time");
    check_fails(sgn_runtime_hidden(r, tokens, 0, &hidden, &err), SGN_SHAPE, &err, "not 0");
    check_fails(sgn_runtime_hidden(r, &(int32_t){ SMALL_VOCAB }, 1, &hidden, &err), SGN_SHAPE, &err, "token 97");
    check_fails(sgn_runtime_hidden(r, &(int32_t){ -1 }, 1, &hidden, &err), SGN_SHAPE, &err, "token -1");
    assert_int_equal(sgn_runtime_position(r), 0);
    check_ok(sgn_runtime_hidden(r, tokens, N, &hidden, &err), &err);
    check_fails(sgn_runtime_hidden(r, tokens, N, &hidden, &err), SGN_SHAPE, &err, "context is full");
    assert_true(sgn_runtime_bytes(r) > (size_t)(2 * 2 * SMALL_CONTEXT * 136) * sizeof(float));
    sgn_lowered_stage *stage = &lm.blocks[1].linear[SGN_UP].chain[0].stage[1];
    stage->kind = SGN_STAGE_COUNT;
    check_fails(sgn_runtime_open(&none, &lm, &(sgn_runtime_options){ .context = 8, .batch = 1 }, &err), SGN_UNSUPPORTED, &err, "model.layers.1.mlp.up_proj");
    stage->kind = SGN_STAGE_SIGN;
    stage->cols--;
    check_fails(sgn_runtime_open(&none, &lm, &(sgn_runtime_options){ .context = 8, .batch = 1 }, &err), SGN_SHAPE, &err, "model.layers.1.mlp.up_proj");
    stage->cols++;
    check_fails(sgn_runtime_open(&none, &lm, &(sgn_runtime_options){ .context = 0, .batch = 1 }, &err), SGN_CONFIG, &err, "context");
    check_fails(sgn_runtime_open(&none, &lm, &(sgn_runtime_options){ .context = 8, .batch = 1, .cache = SGN_DTYPE_BF16 }, &err), SGN_CONFIG, &err, "not as BF16");
    close_case(&m, &lm, r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_training_forward),
        cmocka_unit_test(loss_is_that_of_the_logits),
        cmocka_unit_test(threads_and_repeats_give_the_same_bits),
        cmocka_unit_test(truncated_equals_fresh),
        cmocka_unit_test(halves_in_the_cache_cost_little),
        cmocka_unit_test(refuses_what_does_not_fit),
    };
    return check_run(tests);
}
