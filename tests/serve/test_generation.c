/* The generation loop on a model whose next token is known: a chain of bytes, each of which says the next one.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/gemm.h"
#include "serve/generation.h"
#include "tests/export/small_model.h"

enum { VOCAB = 257, CONTEXT = 40 };
static const char chain[] = "Wo\xc3\xafnd \xe2\x82\xac!x";     /* no byte twice; after its last one the document ends, and then begins */
enum { CHAIN = sizeof chain - 1 };

/* dim == vocab: x = one-hot(token), norm makes sqrt(VOCAB) of it, head[next] has 1 there: logit sqrt(VOCAB) against 0. */
static float embedding[VOCAB * VOCAB], head[VOCAB * VOCAB], ones[VOCAB];
static const sgn_lowered_model model = {
    .config = { .dim = VOCAB, .layers = 0, .heads = 1, .kv_heads = 1, .head_dim = 2, .ffn = 1, .vocab = VOCAB, .context = CONTEXT,
                .arch = "llama", .linear = "full", .scales = "row", .rope_type = "linear", .rope_theta = 1e4, .rope_scaling = 1 },
    .embedding = { .dtype = SGN_DTYPE_F32, .data = embedding }, .head = { .dtype = SGN_DTYPE_F32, .data = head }, .final_norm = ones,
};
static sgn_tokenizer *bytes;
static sgn_generator *g;

static int open_all(void **state) {
    if (check_begin(state) != 0) return -1;
    int32_t seen[CHAIN + 1];
    for (int i = 0; i < CHAIN; i++) seen[i] = (uint8_t)chain[i];
    seen[CHAIN] = 256;
    for (int i = 0; i < VOCAB; i++) ones[i] = embedding[i * VOCAB + i] = 1;
    for (int i = 0; i < CHAIN; i++) head[seen[i + 1] * VOCAB + seen[i]] = 1;
    head[seen[0] * VOCAB + 256] = 1;
    return sgn_gemm_init(NULL) == SGN_OK && sgn_tokenizer_open(&bytes, "byte", NULL) == SGN_OK &&
                   sgn_generator_open(&g, &model, bytes, &(sgn_runtime_options){ .batch = 5 }, NULL) == SGN_OK ? 0 : -1;
}

static int close_all(void **state) {
    sgn_generator_close(g);
    sgn_tokenizer_close(bytes);
    return check_end(state);
}

/* What a request gives: its text, in pieces divided by '|' where a step gave some; ids and how it finished. */
typedef struct { char text[512], pieces[512]; int32_t ids[64]; int count; sgn_finish finish; } answer;

static answer ask(const sgn_generation *o, const char *prompt) {
    sgn_error err;
    sgn_ids ids = { 0 };
    sgn_generated t;
    answer a = { .count = 0 };
    check_ok(sgn_tokenizer_encode(bytes, prompt, strlen(prompt), &ids, &err), &err);
    check_ok(sgn_generator_begin(g, o, ids.id, ids.count, &err), &err);
    do {
        check_ok(sgn_generator_next(g, &t, &err), &err);
        if (t.size) {
            strncat(a.text, t.text, t.size);
            strncat(a.pieces, t.text, t.size);
            strcat(a.pieces, "|");
        }
        if (t.id >= 0) a.ids[a.count++] = t.id;
    } while (!t.finish);
    a.finish = t.finish;
    sgn_ids_free(&ids);
    return a;
}

static sgn_generation request(int64_t most) { return (sgn_generation){ .sampling = { .top_p = 1 }, .most = most }; }

static void finishes(void **state) {
    (void)state;
    sgn_generation o = request(30);
    answer a = ask(&o, "W");
    assert_string_equal(a.text, chain + 1);
    assert_int_equal(a.finish, SGN_FINISH_END);
    assert_int_equal(a.ids[a.count - 1], 256);
    o = request(3);                            /* ends inside a character: what there is of it comes out */
    a = ask(&o, "Wo\xc3\xafnd ");
    assert_string_equal(a.text, "\xe2\x82\xac");
    assert_int_equal(a.finish, SGN_FINISH_MOST);
    o = request(2);
    assert_string_equal(ask(&o, "Wo\xc3\xafnd ").text, "\xe2\x82");
    o = request(0);
    a = ask(&o, "W");
    assert_int_equal(a.finish, SGN_FINISH_MOST);
    assert_int_equal(a.count, 0);
    o = request(1000);
    o.endless = true;
    a = ask(&o, "Wo");                         /* positions 0..39 are read, and what the last one says is told too */
    assert_int_equal(a.finish, SGN_FINISH_CONTEXT);
    assert_int_equal(a.count, CONTEXT - 2 + 1);
    o.stop_id = (int32_t[]){ 'd', '!' };
    o.stop_ids = 2;
    a = ask(&o, "Wo");
    assert_int_equal(a.finish, SGN_FINISH_END);
    assert_string_equal(a.text, "\xc3\xafn");
    o.specials = true;
    o.stop_id = (int32_t[]){ 'o' };
    o.stop_ids = 1;
    assert_string_equal(ask(&o, "!").text, "x<|endoftext|>W");
}

static void whole_characters(void **state) {
    (void)state;
    const sgn_generation o = request(30);
    assert_string_equal(ask(&o, "W").pieces, "o|\xc3\xaf|n|d| |\xe2\x82\xac|!|x|");
}

/* Each token is one byte, so every stop string of several crosses tokens. */
static void stop_strings(void **state) {
    (void)state;
    const struct { const char *stop[3]; const char *pieces; sgn_finish finish; } cases[] = {
        { { "nd \xe2\x82\xac" }, "o|\xc3\xaf|", SGN_FINISH_STOP },
        { { "\xc3\xafn" }, "o|", SGN_FINISH_STOP },
        { { "o" }, "", SGN_FINISH_STOP },
        { { "nd?" }, "o|\xc3\xaf|nd |\xe2\x82\xac|!|x|", SGN_FINISH_END },           /* held back, then let go */
        { { "x!" }, "o|\xc3\xaf|n|d| |\xe2\x82\xac|!|x|", SGN_FINISH_END },          /* held back at the end */
        { { "d \xe2\x82\xac!", "n? ", " \xe2\x82\xac" }, "o|\xc3\xaf|n|d|", SGN_FINISH_STOP },
        { { "\xe2\x82\xac!x", "!" , "zz" }, "o|\xc3\xaf|n|d| |\xe2\x82\xac|", SGN_FINISH_STOP },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sgn_generation o = request(30);
        o.stop = cases[i].stop;
        while (o.stops < 3 && cases[i].stop[o.stops]) o.stops++;
        const answer a = ask(&o, "W");
        assert_string_equal(a.pieces, cases[i].pieces);
        assert_int_equal(a.finish, cases[i].finish);
    }
}

/* z of the next token is sqrt(257) and 0 of the 256 others: ln p = -ln(1 + 256 exp(-sqrt 257)), and sqrt 257 less. */
static void probabilities(void **state) {
    (void)state;
    sgn_error err;
    sgn_generated t;
    const double z = sqrt(257), next = -log1p(256 * exp(-z));
    const int32_t prompt[] = { 'W', 'o', 0xc3, 'W', 'o', 'o', 'W' };
    sgn_generation o = request(2);
    o.logprobs = o.prompt_logprobs = true;
    o.likeliest = 3;
    o.sampling.temperature = 3;                /* what is told does not depend on how is sampled */
    o.sampling.top_k = 1;
    o.sampling.penalty = 1.5;
    for (int again = 0; again < 2; again++) {
        check_ok(sgn_generator_begin(g, &o, prompt, 7, &err), &err);
        const sgn_likely *l;
        assert_true(isnan(sgn_generator_prompt(g, 0, &l)));
        assert_null(l);
        for (size_t i = 1; i < 7; i++) {
            const bool known = i == 1 || i == 2 || i == 4;
            check_close(sgn_generator_prompt(g, i, &l), known ? next : next - z, 2e-6, 0);
            assert_int_equal(l[0].id, prompt[i - 1] == 'W' ? 'o' : prompt[i - 1] == 'o' ? 0xc3 : 0xaf);
            assert_int_equal(l[1].id, 0);
            assert_int_equal(l[2].id, 1);
            check_close(l[0].logprob, next, 2e-6, 0);
            check_close(l[2].logprob, next - z, 2e-6, 0);
        }
        check_ok(sgn_generator_next(g, &t, &err), &err);
        assert_int_equal(t.id, 'o');
        assert_int_equal(t.offset, 0);
        check_close(t.logprob, next, 2e-6, 0);
        assert_true(t.logprob == t.likeliest[0].logprob);
        check_ok(sgn_generator_next(g, &t, &err), &err);
        assert_int_equal(t.offset, 1);
        assert_int_equal(t.finish, SGN_FINISH_MOST);
    }
}

/* A begun conversation is not read again, and says the same. */
static void beginnings(void **state) {
    (void)state;
    sgn_generation o = request(30);
    static const char *const prompts[] = { "Wo\xc3\xafnd", "Wo\xc3\xafnd", "Wo", "Wo\xc3\xafnd ", "d", "W", "W", "Wo\xc3\xafnd \xe2\x82\xac", "Wo\xc3\xafnd!" };
    for (size_t i = 0; i < 4 * sizeof prompts / sizeof *prompts; i++) {
        o.repeatable = i / 9 % 2;
        o.most = i % 4 == 1 ? 0 : 30;
        const char *prompt = prompts[i % 9];
        if (o.most == 0) {
            assert_string_equal(ask(&o, prompt).text, "");
            o.most = 30;
        }
        const answer a = ask(&o, prompt);
        assert_string_equal(a.text, strchr(chain, prompt[strlen(prompt) - 1]) + 1);
    }
}

/* logprobs of a greedy answer and of the prompt, to the last bit. */
static int scores(sgn_generator *of, const sgn_generation *o, const int32_t *prompt, size_t count, float *out) {
    sgn_error err;
    sgn_generated t;
    const sgn_likely *l;
    int n = 0;
    check_ok(sgn_generator_begin(of, o, prompt, count, &err), &err);
    for (size_t i = 1; o->prompt_logprobs && i < count; i++) out[n++] = sgn_generator_prompt(of, i, &l);
    do {
        check_ok(sgn_generator_next(of, &t, &err), &err);
        if (t.id >= 0) out[n++] = t.logprob;
    } while (!t.finish);
    return n;
}

/* A repeatable request has the bits that a fresh generator gives, whatever came before. */
static void repeats(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m;
    sgn_lowered_model lm;
    sgn_generator *used, *fresh;
    int32_t tokens[CONTEXT];
    const small_case shape = { .scales = "row" };
    small_model(&m, &shape, 3);
    check_ok(sgn_lowered_model_from(&lm, &m, &err), &err);
    small_tokens(tokens, CONTEXT, 5);
    check_ok(sgn_generator_open(&used, &lm, bytes, &(sgn_runtime_options){ .batch = 8 }, &err), &err);
    for (uint64_t i = 0; i < 60; i++) {
        float got[2 * CONTEXT], want[2 * CONTEXT];
        int32_t prompt[CONTEXT];
        const uint64_t dice = sgn_rng_bits(9, 1, i);
        const size_t count = 1 + dice % 30, from = (dice >> 8) % 40;
        sgn_generation o = request((int64_t)(dice >> 16) % 6);
        memcpy(prompt, tokens, sizeof prompt);
        if (from < count) prompt[from] = 1;
        o.logprobs = true;
        o.prompt_logprobs = (dice >> 32) % 4 == 0;
        for (int again = 0; again < 3; again++) {
            o.repeatable = again == 1 || (dice >> 24) % 2;
            const int n = scores(used, &o, prompt, count, got);
            check_ok(sgn_generator_open(&fresh, &lm, bytes, &(sgn_runtime_options){ .batch = 8 }, &err), &err);
            assert_int_equal(n, scores(fresh, &o, prompt, count, want));
            sgn_generator_close(fresh);
            if (o.repeatable) assert_memory_equal(got, want, (size_t)n * sizeof *got);
            else check_array_close(got, want, n, 1e-4, 0);
        }
    }
    sgn_generator_close(used);
    sgn_lowered_model_free(&lm);
    sgn_transformer_free(&m);
}

static void refusals(void **state) {
    (void)state;
    sgn_error err;
    sgn_generation o = request(1);
    int32_t long_one[CONTEXT + 1] = { 0 };
    check_fails(sgn_generator_begin(g, &o, long_one, 0, &err), SGN_CONFIG, &err, "empty");
    check_fails(sgn_generator_begin(g, &o, long_one, CONTEXT + 1, &err), SGN_CONFIG, &err, "context has 40");
    check_fails(sgn_generator_begin(g, &o, (int32_t[]){ 1, 257 }, 2, &err), SGN_CONFIG, &err, "257");
    check_fails(sgn_generator_begin(g, &o, (int32_t[]){ -1 }, 1, &err), SGN_CONFIG, &err, "-1");
    o.stop = (const char *const[]){ "" };
    o.stops = 1;
    check_fails(sgn_generation_check(&o, &err), SGN_CONFIG, &err, "stop string 0");
    o = request(1);
    o.likeliest = 101;
    check_fails(sgn_generation_check(&o, &err), SGN_CONFIG, &err, "101");
    o = request(-1);
    check_fails(sgn_generation_check(&o, &err), SGN_CONFIG, &err, "-1 tokens");
    o = request(1);
    o.sampling.min_p = 2;
    check_fails(sgn_generation_check(&o, &err), SGN_CONFIG, &err, "min-p");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finishes),
        cmocka_unit_test(whole_characters),
        cmocka_unit_test(stop_strings),
        cmocka_unit_test(probabilities),
        cmocka_unit_test(beginnings),
        cmocka_unit_test(repeats),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
