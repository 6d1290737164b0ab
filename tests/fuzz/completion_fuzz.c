/* Requests of /v1/completions: what is taken is within the limits that the generator and the answer rely on.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>
#include "serve/completion_request.h"
#include "tests/fuzz/fuzz.h"

enum { VOCAB = 257, CONTEXT = 64 };

void fuzz_seeds(fuzz_take *take) {
    static const char *const texts[] = {
        "{\"prompt\": \"Say\", \"model\": \"m\", \"max_tokens\": 7, \"temperature\": 0.5, \"top_p\": 0.9, \"top_k\": 40, \"min_p\": 0.05, \"seed\": -3, \"n\": 2}",
        "{\"prompt\": [\"a\", \"\"], \"stop\": [\"\\n\", \"\\u00e9nd\"], \"logprobs\": 5, \"echo\": true, \"stream\": true, \"stream_options\": {\"include_usage\": true}}",
        "{\"prompt\": [1, 2, 256], \"stop\": \"x\", \"stop_token_ids\": [1, 7], \"ignore_eos\": true, \"repetition_penalty\": 1.1, \"best_of\": 1}",
        "{\"prompt\": [[1, 2], [3]], \"presence_penalty\": -1, \"frequency_penalty\": 0.5, \"logit_bias\": {\"256\": -100, \"7\": 2.5}, \"suffix\": null, \"user\": \"u\", \"max_tokens\": 0}",
        "{\"add_special_tokens\": true}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) take(texts[i], strlen(texts[i]));
}

static void use(const sgn_completion_request *q) {
    sgn_error err = { 0 };
    fuzz_ok(sgn_generation_check(&q->what, &err), &err);
    fuzz_check(q->prompts >= 1 && q->prompts <= SGN_PROMPTS_MAX && q->n >= 1 && q->n <= SGN_CHOICES_MAX);
    for (size_t p = 0; p < q->prompts; p++) {
        const sgn_ids *ids = &q->prompt[p].ids;
        fuzz_check(ids->count >= 1 && ids->count <= CONTEXT);
        for (size_t i = 0; i < ids->count; i++) fuzz_check(ids->id[i] >= 0 && ids->id[i] < VOCAB);
    }
    for (int i = 0; i < q->what.sampling.biases; i++) fuzz_check(q->bias[i].id >= 0 && q->bias[i].id < VOCAB);
    for (int i = 0; i < q->what.stops; i++) fuzz_check(q->what.stop[i][0] != 0);
    fuzz_check(q->what.logprobs || q->what.likeliest == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static sgn_tokenizer *bytes;
    sgn_error err = { 0 };
    if (!bytes) fuzz_ok(sgn_tokenizer_open(&bytes, "byte", &err), &err);
    const sgn_completion_rules rules = { .tokenizer = bytes, .vocab = VOCAB, .context = CONTEXT };
    sgn_completion_request q = { .json = NULL };
    if (!fuzz_refused(sgn_completion_request_parse(&q, (const char *)data, size, &rules, &err), &err, "")) use(&q);
    sgn_completion_request_free(&q);
    return 0;
}
