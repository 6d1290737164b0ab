/* Sampling against closed forms on a vocabulary of five.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "export/sample.h"

enum { VOCAB = 5, DRAWS = 40000 };

/* Probabilities 1/16, 8/16, 2/16, 4/16, 1/16 at temperature 1; a constant is added to all logits. */
static const float logits[VOCAB] = { 3.0f, 3.0f + 2.0794415f, 3.0f + 0.6931472f, 3.0f + 1.3862944f, 3.0f };

static void check_frequencies(const sgn_sampling *s, const double p[VOCAB]) {
    sgn_error err;
    sgn_candidates *c;
    int count[VOCAB] = { 0 };
    check_ok(sgn_sampling_check(s, &err), &err);
    check_ok(sgn_candidates_open(&c, VOCAB, &err), &err);
    for (uint64_t i = 0; i < DRAWS; i++) {
        const int32_t id = sgn_sample(s, logits, i, c);
        assert_in_range(id, 0, VOCAB - 1);
        count[id]++;
    }
    sgn_candidates_close(c);
    for (int i = 0; i < VOCAB; i++) {          /* within five standard deviations of a binomial; exactly 0 where p is 0 */
        const double expected = p[i] * DRAWS, deviation = sqrt(DRAWS * p[i] * (1 - p[i]));
        check_close(count[i], expected, 5 * deviation, 0);
    }
}

static void temperature(void **state) {
    (void)state;
    check_frequencies(&(sgn_sampling){ 1, 0, 1, .seed = 11 }, (double[]){ 1 / 16.0, 8 / 16.0, 2 / 16.0, 4 / 16.0, 1 / 16.0 });
    /* T = 1/2 squares the odds: 1, 64, 4, 16, 1 of 86 */
    check_frequencies(&(sgn_sampling){ 0.5, 0, 1, .seed = 12 }, (double[]){ 1 / 86.0, 64 / 86.0, 4 / 86.0, 16 / 86.0, 1 / 86.0 });
}

static void top_k(void **state) {
    (void)state;
    check_frequencies(&(sgn_sampling){ 1, 2, 1, .seed = 13 }, (double[]){ 0, 8 / 12.0, 0, 4 / 12.0, 0 });
    /* of two equals the lower id is kept */
    check_frequencies(&(sgn_sampling){ 1, 4, 1, .seed = 14 }, (double[]){ 1 / 15.0, 8 / 15.0, 2 / 15.0, 4 / 15.0, 0 });
    check_frequencies(&(sgn_sampling){ 1, 1, 1, .seed = 15 }, (double[]){ 0, 1, 0, 0, 0 });
    check_frequencies(&(sgn_sampling){ 1, 99, 1, .seed = 16 }, (double[]){ 1 / 16.0, 8 / 16.0, 2 / 16.0, 4 / 16.0, 1 / 16.0 });
}

static void top_p(void **state) {
    (void)state;
    /* 8/16 < 0.7 <= 12/16: two; 12/16 < 0.8 <= 14/16: three; a tiny p: one */
    check_frequencies(&(sgn_sampling){ 1, 0, 0.7, .seed = 17 }, (double[]){ 0, 8 / 12.0, 0, 4 / 12.0, 0 });
    check_frequencies(&(sgn_sampling){ 1, 0, 0.8, .seed = 18 }, (double[]){ 0, 8 / 14.0, 2 / 14.0, 4 / 14.0, 0 });
    check_frequencies(&(sgn_sampling){ 1, 0, 1e-9, .seed = 19 }, (double[]){ 0, 1, 0, 0, 0 });
    /* counted after top_k: of 8 + 4 + 2 = 14, 8 + 4 reach 0.8 (11.2), while of 16 they would not */
    check_frequencies(&(sgn_sampling){ 1, 3, 0.8, .seed = 20 }, (double[]){ 0, 8 / 12.0, 0, 4 / 12.0, 0 });
}

static void min_p(void **state) {
    (void)state;
    /* of 8/16 a quarter is 2/16: three stay, at 0.26 two; with T = 1/2 (1, 64, 4, 16, 1) a quarter is 16: two */
    check_frequencies(&(sgn_sampling){ 1, 0, 1, .seed = 21, .min_p = 0.2499 }, (double[]){ 0, 8 / 14.0, 2 / 14.0, 4 / 14.0, 0 });
    check_frequencies(&(sgn_sampling){ 1, 0, 1, .seed = 22, .min_p = 0.26 }, (double[]){ 0, 8 / 12.0, 0, 4 / 12.0, 0 });
    check_frequencies(&(sgn_sampling){ 0.5, 0, 1, .seed = 23, .min_p = 0.2499 }, (double[]){ 0, 64 / 80.0, 0, 16 / 80.0, 0 });
    check_frequencies(&(sgn_sampling){ 1, 0, 1, .seed = 24, .min_p = 1 }, (double[]){ 0, 1, 0, 0, 0 });
    /* after top_k and top_p: of 8, 4 and 2 the last is cut by min_p, of 8 and 4 none */
    check_frequencies(&(sgn_sampling){ 1, 3, 1, .seed = 25, .min_p = 0.3 }, (double[]){ 0, 8 / 12.0, 0, 4 / 12.0, 0 });
    check_frequencies(&(sgn_sampling){ 1, 0, 0.7, .seed = 26, .min_p = 0.1 }, (double[]){ 0, 8 / 12.0, 0, 4 / 12.0, 0 });
}

/* Worked by hand: positive logits are divided, the others multiplied, each id once however often it came; what is
 * outside the vocabulary is passed over (RepetitionPenaltyLogitsProcessor of Hugging Face, llama.cpp's repeat penalty). */
static void penalty(void **state) {
    (void)state;
    sgn_error err;
    sgn_candidates *c;
    check_ok(sgn_candidates_open(&c, VOCAB, &err), &err);
    const int32_t before[] = { 3, 0, 0, 96, 1 };
    const struct { double by; int64_t last; float z[VOCAB]; } cases[] = {
        { 1.25, 0, { 1.6f, -5, 6, 0, 3 } }, { 1.25, 2, { 2, -5, 6, 0, 3 } }, { 1.25, 4, { 1.6f, -5, 6, 0, 3 } },
        { 0.5, 99, { 4, -2, 6, 0, 3 } }, { 1, 0, { 2, -4, 6, 0, 3 } }, { 0, 0, { 2, -4, 6, 0, 3 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float z[VOCAB] = { 2, -4, 6, 0, 3 };
        sgn_penalize(&(sgn_sampling){ 1, 0, 1, .seed = 1, .penalty = cases[i].by, .penalty_last = cases[i].last }, before, 5, 5, z, c);
        check_array_close(z, cases[i].z, VOCAB, 1e-6, 0);
    }
    sgn_candidates_close(c);
    check_fails(sgn_sampling_check(&(sgn_sampling){ 1, 0, 1, .penalty = -1 }, &err), SGN_CONFIG, &err, "penalty");
    check_fails(sgn_sampling_check(&(sgn_sampling){ 1, 0, 1, .penalty_last = -1 }, &err), SGN_CONFIG, &err, "last -1 tokens");
    check_fails(sgn_sampling_check(&(sgn_sampling){ 1, 0, 1, .min_p = -0.1 }, &err), SGN_CONFIG, &err, "min-p");
}

/* mu_j - c_j frequency - (c_j > 0) presence + bias_j, c_j of what was generated (OpenAI, "Frequency and presence penalties"); the
 * repetition penalty comes first and counts the prompt as well. */
static void presence_frequency_and_bias(void **state) {
    (void)state;
    sgn_error err;
    sgn_candidates *c;
    check_ok(sgn_candidates_open(&c, VOCAB, &err), &err);
    const int32_t before[] = { 2, 4, 3, 0, 0, 96, 0, 1 };
    const sgn_bias bias[] = { { 3, -100 }, { 4, 2.5f }, { 77, 1 }, { 4, 0.5f }, { -1, 1 } };
    const struct { double presence, frequency, penalty; int biases; float z[VOCAB]; } cases[] = {
        { 0.5, 0, 1, 0, { 1.5f, -4.5f, 6, -0.5f, 3 } },  { 0, 0.25, 1, 0, { 1.25f, -4.25f, 6, -0.25f, 3 } },
        { -1, 0.5, 1, 0, { 1.5f, -3.5f, 6, 0.5f, 3 } },  { 0, 0, 1, 5, { 2, -4, 6, -100, 6 } },
        { 0.5, 0.25, 2, 4, { -0.25f, -8.75f, 3, -100.75f, 4.5f } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float z[VOCAB] = { 2, -4, 6, 0, 3 };
        const sgn_sampling s = { .temperature = 1, .top_p = 1, .penalty = cases[i].penalty, .presence = cases[i].presence,
                                 .frequency = cases[i].frequency, .bias = bias, .biases = cases[i].biases };
        check_ok(sgn_sampling_check(&s, &err), &err);
        sgn_penalize(&s, before, 8, 2, z, c);
        check_array_close(z, cases[i].z, VOCAB, 1e-6, 0);
    }
    sgn_candidates_close(c);
    check_fails(sgn_sampling_check(&(sgn_sampling){ 1, 0, 1, .presence = (double)NAN }, &err), SGN_CONFIG, &err, "presence");
    check_fails(sgn_sampling_check(&(sgn_sampling){ 1, 0, 1, .bias = &(sgn_bias){ 7, INFINITY }, .biases = 1 }, &err), SGN_CONFIG, &err, "token 7");
}

static void greedy_and_reproducible(void **state) {
    (void)state;
    sgn_error err;
    sgn_candidates *c;
    check_ok(sgn_candidates_open(&c, VOCAB, &err), &err);
    const float ties[VOCAB] = { 1, 2, 5, 5, 2 };
    for (uint64_t i = 0; i < 50; i++) assert_int_equal(sgn_sample(&(sgn_sampling){ 0, 0, 1, .seed = i }, ties, i, c), 2);
    int same = 0;
    for (uint64_t i = 0; i < 200; i++) {
        const sgn_sampling a = { 1, 0, 1, .seed = 5 }, b = { 1, 0, 1, .seed = 6 };
        const int32_t id = sgn_sample(&a, logits, i, c);
        assert_int_equal(id, sgn_sample(&a, logits, i, c));
        same += id == sgn_sample(&b, logits, i, c);
    }
    assert_in_range(same, 30, 130);            /* other seeds agree by chance: sum p^2 = 86/256, 67 of 200 */
    sgn_candidates_close(c);
    check_fails(sgn_sampling_check(&(sgn_sampling){ -1, 0, 1, .seed = 0 }, &err), SGN_CONFIG, &err, "temperature");
    check_fails(sgn_sampling_check(&(sgn_sampling){ (double)NAN, 0, 1, .seed = 0 }, &err), SGN_CONFIG, &err, "temperature");
    check_fails(sgn_sampling_check(&(sgn_sampling){ 1, -1, 1, .seed = 0 }, &err), SGN_CONFIG, &err, "top-k");
    check_fails(sgn_sampling_check(&(sgn_sampling){ 1, 0, 0, .seed = 0 }, &err), SGN_CONFIG, &err, "top-p");
    check_fails(sgn_sampling_check(&(sgn_sampling){ 1, 0, 1.5, .seed = 0 }, &err), SGN_CONFIG, &err, "top-p");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(temperature),
        cmocka_unit_test(top_k),
        cmocka_unit_test(top_p),
        cmocka_unit_test(min_p),
        cmocka_unit_test(penalty),
        cmocka_unit_test(presence_frequency_and_bias),
        cmocka_unit_test(greedy_and_reproducible),
    };
    return check_run(tests);
}
