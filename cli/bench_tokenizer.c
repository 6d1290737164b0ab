/* SPDX-License-Identifier: MIT */
#include "cli/bench_tokenizer.h"

#include <stdio.h>
#include "cli/output.h"
#include "core/clock.h"
#include "core/file.h"
#include "data/tokenizer.h"
#include "train/bench.h"

enum { ROUNDS = 7 };

/* MB/s of each round; one before them fills caches and finds the memory. */
static sgn_status measure(const sgn_tokenizer *t, const sgn_map *text, sgn_ids *ids, double mb_s[ROUNDS], sgn_error *err) {
    for (int round = -1; round < ROUNDS; round++) {
        ids->count = 0;
        const double begin = sgn_clock_thread();
        SGN_TRY(sgn_tokenizer_encode(t, (const char *)text->data, text->size, ids, err));
        const double seconds = sgn_clock_thread() - begin;
        if (round >= 0) mb_s[round] = 1e-6 * (double)text->size / (seconds > 0 ? seconds : 1e-9);
    }
    return SGN_OK;
}

static sgn_status report(const sgn_tokenizer *t, const char *file, size_t size, size_t tokens, const sgn_spread *s, bool json, sgn_error *err) {
    const double per_token = tokens ? (double)size / (double)tokens : 0;
    if (!json) {
        printf("%.1f MB/s (%.1f to %.1f) on one thread: a %s tokenizer of %d ids, %s, %.2f bytes per token\n", s->median, s->low, s->high,
               sgn_tokenizer_kind_name(t), sgn_tokenizer_vocab(t), file, per_token);
        return SGN_OK;
    }
    sgn_json *j = sgn_json_new_object(), *spread = sgn_json_new_array();
    sgn_json_append(spread, sgn_json_new_real(s->low));
    sgn_json_append(spread, sgn_json_new_real(s->high));
    sgn_json_set(j, "mb_s", sgn_json_new_real(s->median));
    sgn_json_set(j, "spread", spread);
    sgn_json_set(j, "rounds", sgn_json_new_int(ROUNDS));
    sgn_json_set(j, "kind", sgn_json_new_string(sgn_tokenizer_kind_name(t)));
    sgn_json_set(j, "vocab", sgn_json_new_int(sgn_tokenizer_vocab(t)));
    sgn_json_set(j, "bytes", sgn_json_new_int((int64_t)size));
    sgn_json_set(j, "tokens", sgn_json_new_int((int64_t)tokens));
    sgn_json_set(j, "bytes_per_token", sgn_json_new_real(per_token));
    return sgn_print_json(j, 0, err);
}

sgn_status sgn_bench_tokenizer(const char *tokenizer, const char *file, bool json, sgn_error *err) {
    if (!tokenizer || !file) SGN_FAIL(err, SGN_CONFIG, "bench tokenizer needs --tokenizer T and --file TEXT");
    sgn_tokenizer *t = NULL;
    sgn_map text = { 0 };
    sgn_ids ids = { 0 };
    double mb_s[ROUNDS];
    sgn_status s = sgn_tokenizer_open(&t, tokenizer, err);
    if (s == SGN_OK) s = sgn_map_open(&text, file, err);
    if (s == SGN_OK && text.size == 0) s = SGN_ERROR(err, SGN_CONFIG, "%s: is empty", file);
    if (s == SGN_OK) s = measure(t, &text, &ids, mb_s, err);
    if (s == SGN_OK) {
        const sgn_spread spread = sgn_spread_of(mb_s, ROUNDS);
        s = report(t, file, text.size, ids.count, &spread, json, err);
    }
    sgn_ids_free(&ids);
    sgn_map_close(&text);
    sgn_tokenizer_close(t);
    return s;
}
