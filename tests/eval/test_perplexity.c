/* Perplexity against the training forward pass's logits, in double, over a shard set written here.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "eval/perplexity.h"
#include "tests/export/small_model.h"

enum { TOKENS = 131, SEQ = 16, ALL = (TOKENS - 1) / SEQ, TEXT_BYTES = 500 };

static int32_t ids[TOKENS];

static void open_shards(sgn_shards **s, const char *name, uint64_t text_bytes) {
    sgn_error err;
    sgn_shard_writer *w;
    small_tokens(ids, TOKENS, 3);
    const sgn_shard_options o = { .vocab = SMALL_VOCAB, .shard_tokens = 50, .replace = true };
    check_ok(sgn_shard_writer_open(&w, check_path(name), &o, &err), &err);
    check_ok(sgn_shard_writer_put(w, ids, TOKENS, &err), &err);
    sgn_shard_writer_count(w, 1, text_bytes);
    check_ok(sgn_shard_writer_close(w, &err), &err);
    check_ok(sgn_shards_open(s, check_path(name), "valid", &err), &err);
}

static double window_nats(const sgn_transformer *m, int k) {
    static float logits[SEQ * SMALL_VOCAB];
    double nats = 0;
    small_logits(m, ids + k * SEQ, SEQ, logits);
    for (int t = 0; t < SEQ; t++) {
        double z = 0;
        for (int v = 0; v < SMALL_VOCAB; v++) z += exp((double)logits[t * SMALL_VOCAB + v]);
        nats += log(z) - (double)logits[t * SMALL_VOCAB + ids[k * SEQ + t + 1]];
    }
    return nats;
}

static bool count_calls(void *ctx, int64_t done, int64_t windows, double nats) {
    assert_int_equal(done, ++*(int *)ctx);
    assert_int_equal(windows, ALL);
    assert_true(nats > 0);
    return true;
}
static bool stop(void *ctx, int64_t done, int64_t windows, double nats) {
    (void)ctx; (void)windows; (void)nats;
    return done < 2;
}

static void equals_the_definition(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m;
    sgn_lowered_model lm;
    sgn_shards *shards;
    sgn_perplexity p;
    int calls = 0;
    small_model(&m, &small_cases[2], 8);
    check_ok(sgn_lowered_model_from(&lm, &m, &err), &err);
    open_shards(&shards, "shards", TEXT_BYTES);
    double all = 0, three = 0;
    for (int k = 0; k < ALL; k++) {
        const double nats = window_nats(&m, k);
        all += nats;
        three += k < 3 ? nats : 0;
    }
    check_ok(sgn_perplexity_measure(&lm, shards, &(sgn_perplexity_options){ .seq = SEQ, .progress = count_calls, .ctx = &calls }, &p, &err), &err);
    assert_int_equal(calls, ALL);
    assert_int_equal(p.windows, ALL);
    assert_int_equal(p.tokens, ALL * SEQ);
    check_close(p.nats_per_token, all / (ALL * SEQ), 1e-5, 0);
    check_close(p.perplexity, exp(all / (ALL * SEQ)), 0, 1e-4);
    check_close(p.bits_per_byte, all / (ALL * SEQ) * TOKENS / (log(2.0) * TEXT_BYTES), 0, 1e-5);
    assert_true(p.tokens_per_s > 0 && p.seconds > 0);

    check_ok(sgn_perplexity_measure(&lm, shards, &(sgn_perplexity_options){ .seq = SEQ, .windows = 3 }, &p, &err), &err);
    assert_int_equal(p.windows, 3);
    check_close(p.nats_per_token, three / (3 * SEQ), 1e-5, 0);
    check_ok(sgn_perplexity_measure(&lm, shards, &(sgn_perplexity_options){ 0 }, &p, &err), &err);
    assert_int_equal(p.seq, SMALL_CONTEXT);
    check_fails(sgn_perplexity_measure(&lm, shards, &(sgn_perplexity_options){ .seq = SEQ, .progress = stop }, &p, &err),
                SGN_INTERRUPTED, &err, "2 of 8");
    check_fails(sgn_perplexity_measure(&lm, shards, &(sgn_perplexity_options){ .seq = TOKENS }, &p, &err),
                SGN_CONFIG, &err, "--seq");
    check_fails(sgn_perplexity_measure(&lm, shards, &(sgn_perplexity_options){ .seq = -1 }, &p, &err),
                SGN_CONFIG, &err, "-1");
    sgn_shards_close(shards);

    open_shards(&shards, "shards", 0);
    check_ok(sgn_perplexity_measure(&lm, shards, &(sgn_perplexity_options){ .seq = SEQ }, &p, &err), &err);
    assert_true(p.bits_per_byte < 0);
    sgn_shards_close(shards);
    sgn_lowered_model_free(&lm);
    sgn_transformer_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(equals_the_definition) };
    return check_run(tests);
}
