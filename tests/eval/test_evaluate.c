/* Requests against tokens counted by hand, few-shot draws against CPython's, scores against the training forward pass's logits.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "eval/evaluate.h"
#include "eval/scorer.h"
#include "eval/shots.h"
#include "core/parallel.h"
#include "tests/data/text_files.h"
#include "tests/export/small_model.h"

/* --- requests, with bytes for tokens: 256 ends a text -------------------------------------------- */

static const struct { const char *context, *continuation, *ids; size_t scored; int64_t most; bool cut; size_t short_of; } splits[] = {
    { "ab:", " cd", "ab: cd", 3, 100, false, 0 },
    { "ab \n", " cd", "ab \n cd", 5, 100, false, 0 },          /* white space of the context is scored with the continuation */
    { "ab\xC2\xA0", "c", "ab\xC2\xA0" "c", 3, 100, false, 0 },
    { "", " cd", "E cd", 3, 100, false, 0 },                   /* E: 256 */
    { "abcdef", " gh", "def gh", 3, 5, true, 0 },              /* reads 5 at most: "def g" */
    { "abcdef", " gh", "abcdef gh", 3, 8, false, 0 },
    { "ab", " cdefgh", "cdefgh", 5, 5, true, 2 },
};

static void requests_are_split_at_the_context(void **state) {
    (void)state;
    sgn_error err;
    sgn_tokenizer *t;
    sgn_request q = { 0 };
    sgn_request_style style;
    check_ok(sgn_tokenizer_open(&t, "byte", &err), &err);
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        check_ok(sgn_request_style_init(&style, t, splits[i].most, false, &err), &err);
        check_ok(sgn_request_make(&q, &style, splits[i].context, splits[i].continuation, "here", &err), &err);
        assert_int_equal(q.ids.count, strlen(splits[i].ids));
        for (size_t k = 0; k < q.ids.count; k++)
            assert_int_equal(q.ids.id[k], splits[i].ids[k] == 'E' ? 256 : (unsigned char)splits[i].ids[k]);
        assert_int_equal(q.scored, splits[i].scored);
        assert_int_equal(q.cut, splits[i].cut);
        assert_int_equal(q.short_of, splits[i].short_of);
    }
    check_fails(sgn_request_make(&q, &style, "ab", "", "f.jsonl:3", &err), SGN_FORMAT, &err, "f.jsonl:3");
    check_fails(sgn_request_make(&q, &style, "  ", "x", "f.jsonl:3", &err), SGN_FORMAT, &err, "white space");
    check_fails(sgn_request_style_init(&style, t, 1, false, &err), SGN_CONFIG, &err, "--max-length");
    check_fails(sgn_request_style_init(&style, t, 9, true, &err), SGN_CONFIG, &err, "--bos");
    sgn_request_free(&q);
    sgn_tokenizer_close(t);
}

/* 7 ids in windows of 3: [E 0 1 | 2], scored 0 1 2; 2 before 3 4 5; then 3 ids are read, 3 4 5, and 6 is scored. */
static void windows_score_each_id_once(void **state) {
    (void)state;
    static const size_t want[][3] = { { 0, 3, 0 }, { 3, 6, 1 }, { 6, 7, 3 } };     /* begin, end, context */
    size_t begin, end, context;
    for (int64_t i = 0; i < 3; i++) {
        assert_true(sgn_window_at(7, 3, i, &begin, &end, &context));
        assert_true(begin == want[i][0] && end == want[i][1] && context == want[i][2]);
    }
    assert_false(sgn_window_at(7, 3, 3, &begin, &end, &context));
    assert_true(sgn_window_at(2, 3, 0, &begin, &end, &context) && end == 2);
    assert_false(sgn_window_at(0, 3, 0, &begin, &end, &context));
}

/* --- few-shot: CPython 3.11, random.Random(1234) -------------------------------------------------- */

static void draws_are_those_of_python(void **state) {
    (void)state;
    static const uint32_t bits[] = { 4150886329u, 3342196574u, 1892932127u }, wide[] = { 989, 796, 451, 119, 7, 92, 932, 965, 961, 826, 596, 35, 687, 709, 85 };
    static const uint32_t narrow[] = { 14, 3, 0, 2, 1, 2, 3, 11, 7, 0, 0, 19, 11, 15, 14 };
    static const uint32_t seven[] = { 56, 14, 0, 11, 74, 4, 10, 12, 45, 30, 2, 3, 44, 82, 30, 29, 9, 2, 5, 22, 3, 0, 1, 2 };
    sgn_python_random r;
    sgn_error err;
    uint32_t got[7];
    sgn_python_random_seed(&r, 1234);
    for (int i = 0; i < 3; i++) assert_int_equal(sgn_python_random_bits(&r, 32), bits[i]);
    for (int i = 0; i < 697; i++) sgn_python_random_bits(&r, 7);                   /* past a refill */
    assert_int_equal(sgn_python_random_bits(&r, 7), 16);
    assert_int_equal(sgn_python_random_bits(&r, 7), 103);
    assert_int_equal(sgn_python_random_bits(&r, 7), 98);
    for (int list = 0; list < 2; list++) {
        sgn_python_random_seed(&r, 1234);
        for (int i = 0; i < 3; i++) {
            check_ok(sgn_python_random_sample(&r, list ? 20 : 1000, 5, got, &err), &err);
            assert_memory_equal(got, (list ? narrow : wide) + 5 * i, sizeof(uint32_t[5]));
        }
    }
    sgn_python_random_seed(&r, 1234);
    const uint32_t n[] = { 84, 86, 34, 3 };                                        /* a list of 85 is copied for 7, of 86 not */
    for (int i = 0; i < 4; i++) {
        const int k = i < 3 ? 7 : 3;
        check_ok(sgn_python_random_sample(&r, n[i], k, got, &err), &err);
        assert_memory_equal(got, seven + 7 * i, (size_t)k * sizeof *got);
    }
    check_fails(sgn_python_random_sample(&r, 3, 4, got, &err), SGN_CONFIG, &err, "--shots");
}

/* random.Random(1234): sample(range(4), 2) is [3, 0], [0, 3], [0, 2]. PIQA has no test split, so for one example two are drawn. */
static void examples_stand_before_the_question(void **state) {
    (void)state;
    sgn_error err;
    sgn_item_set pool;
    sgn_python_random r;
    char *shots;
    const sgn_eval_task *piqa = sgn_eval_task_find("piqa"), *winogrande = sgn_eval_task_find("winogrande");
    check_ok(sgn_item_set_load(&pool, piqa, put_text("train.jsonl", "{\"goal\": \"g0\", \"sol1\": \"a0\", \"sol2\": \"b0\", \"label\": 0}\n"
             "{\"goal\": \"g1\", \"sol1\": \"a1\", \"sol2\": \"b1\", \"label\": 1}\n{\"goal\": \"g2\", \"sol1\": \"a2\", \"sol2\": \"b2\", \"label\": 1}\n"
             "{\"goal\": \"g3\", \"sol1\": \"a3\", \"sol2\": \"b3\", \"label\": 1}\n"), 0, &err), &err);
    sgn_python_random_seed(&r, 1234);
    check_ok(sgn_shots_draw(&r, piqa, &pool, &pool.item[1], 1, &shots, &err), &err);
    assert_string_equal(shots, "Question: g3\nAnswer: b3\n\n");
    free(shots);
    check_ok(sgn_shots_draw(&r, piqa, &pool, &pool.item[0], 1, &shots, &err), &err);       /* [0, 3], and 0 is the question */
    assert_string_equal(shots, "Question: g3\nAnswer: b3\n\n");
    free(shots);
    sgn_python_random_seed(&r, 1234);
    const sgn_eval_task *arc = sgn_eval_task_find("arc_easy");                     /* a test split: as many as asked for */
    check_ok(sgn_shots_draw(&r, arc, &pool, &pool.item[1], 2, &shots, &err), &err);
    assert_string_equal(shots, "Question: g3\nAnswer: b3\n\nQuestion: g0\nAnswer: a0\n\n");
    free(shots);
    sgn_item_set_free(&pool);
    check_ok(sgn_item_set_load(&pool, winogrande, put_text("w.jsonl", "{\"sentence\": \"X _ y.\", \"option1\": \"a\", \"option2\": \"b\", \"answer\": \"2\"}\n"
             "{\"sentence\": \"Z _ z.\", \"option1\": \"a\", \"option2\": \"b\", \"answer\": \"2\"}\n"), 0, &err), &err);
    check_ok(sgn_shots_draw(&r, winogrande, &pool, &pool.item[1], 1, &shots, &err), &err);
    assert_string_equal(shots, "X b y.\n\n");
    free(shots);
    sgn_item_set_free(&pool);
}

/* --- scores ---------------------------------------------------------------------------------------- */

enum { COUNT = 3, LONG = 20 };

static double log_p(const float *z, int32_t id) {
    double sum = 0;
    for (int v = 0; v < SMALL_VOCAB; v++) sum += exp((double)z[v]);
    return (double)z[id] - log(sum);
}

static void likelihoods_are_those_of_the_forward_pass(void **state) {
    (void)state;
    static float logits[LONG * SMALL_VOCAB];
    sgn_error err;
    sgn_transformer m;
    sgn_lowered_model lm;
    sgn_scorer *s;
    int32_t ids[COUNT + 1][LONG];
    double ll[COUNT + 1], first[COUNT + 1];
    bool greedy[COUNT + 1];
    small_model(&m, &small_cases[2], 8);
    check_ok(sgn_lowered_model_from(&lm, &m, &err), &err);
    sgn_request q[COUNT + 1];
    for (int i = 0; i <= COUNT; i++) {                 /* 12 ids in common, then 4 to 7 of their own; the last equals the first */
        small_tokens(ids[i], LONG, 3);
        for (int t = 12; t < LONG; t++) ids[i][t] = (ids[i][t] + 7 * (i % COUNT)) % SMALL_VOCAB;
        q[i] = (sgn_request){ .ids = { ids[i], (size_t)(16 + i % COUNT), LONG }, .scored = (size_t)(4 + i % COUNT) };
    }
    for (int threads = 1; threads <= 3; threads += 2) {
        sgn_threads_set(threads);
        check_ok(sgn_scorer_open(&s, &lm, LONG - 1, false, &err), &err);
        check_ok(sgn_scorer_run(s, q, COUNT + 1, ll, greedy, &err), &err);
        assert_int_equal(sgn_scorer_tokens(s), 11 + 4 + 5 + 6 + 4);
        for (int i = 0; i <= COUNT; i++) {
            double want = 0;
            bool best = true;
            const int n = (int)q[i].ids.count, from = n - (int)q[i].scored;
            small_logits(&m, ids[i], n - 1, logits);
            for (int t = from; t < n; t++) {
                const float *z = logits + (t - 1) * SMALL_VOCAB;
                want += log_p(z, ids[i][t]);
                for (int v = 0; v < SMALL_VOCAB; v++) best &= z[v] <= z[ids[i][t]];
            }
            check_close(ll[i], want, 1e-5, 1e-5);
            assert_int_equal(greedy[i], best);
        }
        assert_true(ll[0] == ll[COUNT]);               /* equal requests, equal numbers: the first of equals wins */
        if (threads > 1) assert_memory_equal(ll, first, sizeof ll);
        memcpy(first, ll, sizeof ll);
        sgn_scorer_close(s);
    }
    sgn_threads_set(0);
    /* The first one's context ends before what they have in common does. */
    q[0].scored = 9;
    check_ok(sgn_scorer_open(&s, &lm, LONG - 1, false, &err), &err);
    check_ok(sgn_scorer_run(s, q, 2, ll, NULL, &err), &err);
    double want = 0;
    small_logits(&m, ids[0], LONG - 1, logits);
    for (int t = 7; t < 16; t++) want += log_p(logits + (t - 1) * SMALL_VOCAB, ids[0][t]);
    check_close(ll[0], want, 1e-5, 1e-5);
    check_close(ll[1], first[1], 1e-5, 1e-5);
    sgn_scorer_close(s);
    /* The likeliest id is greedy. */
    small_logits(&m, ids[0], LONG - 1, logits);
    int32_t best = 0;
    for (int v = 1; v < SMALL_VOCAB; v++)
        if (logits[14 * SMALL_VOCAB + v] > logits[14 * SMALL_VOCAB + best]) best = v;
    ids[0][15] = best;
    q[0].scored = 1;
    check_ok(sgn_scorer_open(&s, &lm, LONG, false, &err), &err);
    check_ok(sgn_scorer_run(s, q, 1, ll, greedy, &err), &err);
    assert_true(greedy[0]);
    sgn_scorer_close(s);
    sgn_lowered_model_free(&lm);
    sgn_transformer_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_split_at_the_context), cmocka_unit_test(windows_score_each_id_once), cmocka_unit_test(draws_are_those_of_python),
        cmocka_unit_test(examples_stand_before_the_question), cmocka_unit_test(likelihoods_are_those_of_the_forward_pass),
    };
    return check_run(tests);
}
