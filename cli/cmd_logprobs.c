/* log p(next | the tokens so far) = z_next - log sum_k exp z_k, a line of JSON per position. SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/output.h"
#include "cli/verify_options.h"
#include "core/parallel.h"
#include "export/runtime.h"
#include "export/sample.h"

enum { BATCH = 256 };          /* tokens at a time */

typedef struct {
    const char *tokenizer;
    int64_t     top, threads;
    bool        ids;
    sgn_verify_values verify;
} values;

static const sgn_option options[] = {
    { "ids", SGN_OPTION_FLAG, offsetof(values, ids), NULL, "the words, or standard input, are token ids" },
    { "top", SGN_OPTION_INT, offsetof(values, top), "K", "the K likeliest ids at each position as well (default 0; the whole vocabulary: a large K)" },
    { "tokenizer", SGN_OPTION_WORD, offsetof(values, tokenizer), "T", "instead of the model's own" },
    SGN_VERIFY_OPTIONS(values, verify),
    { "threads", SGN_OPTION_INT, offsetof(values, threads), "N", "0: as many as the process may use (default)" },
    { 0 },
};

typedef struct { int32_t id; float z; } choice;

typedef struct {
    const values   *v;
    sgn_model_file *file;
    sgn_runtime    *runtime;
    sgn_ids         ids;
    float          *logits;
    choice         *choices;   /* (vocab) */
} scoring;

static int likelier(const void *a, const void *b) {
    const choice *x = a, *y = b;
    return x->z != y->z ? (x->z < y->z ? 1 : -1) : (x->id > y->id) - (x->id < y->id);
}

static sgn_status read_ids(scoring *s, const char *text, sgn_error *err) {
    static const char between[] = " \t\r\n,[]";
    const int64_t vocab = sgn_model_file_lowered(s->file)->config.vocab;
    for (const char *at = text + strspn(text, between); *at; at += strspn(at, between)) {
        char *end;
        errno = 0;
        const long long id = strtoll(at, &end, 10);
        if (end == at || errno || id < 0 || id >= vocab)
            SGN_FAIL(err, SGN_CONFIG, "'%.20s' is not one of the model's token ids, 0 to %lld", at, (long long)vocab - 1);
        SGN_TRY(sgn_ids_reserve(&s->ids, 1, err));
        s->ids.id[s->ids.count++] = (int32_t)id;
        at = end;
    }
    return SGN_OK;
}

static sgn_status read_text(scoring *s, const char *text, size_t size, sgn_error *err) {
    sgn_tokenizer *t;
    if (s->v->ids) return read_ids(s, text, err);
    SGN_TRY(sgn_model_tokenizer(s->file, s->v->tokenizer, &t, err));
    const sgn_status status = sgn_tokenizer_encode(t, text, size, &s->ids, err);
    sgn_tokenizer_close(t);
    return status;
}

static sgn_json *likeliest(scoring *s, double sum, int64_t vocab) {
    sgn_json *top = sgn_json_new_array();
    for (int64_t k = 0; k < vocab; k++) s->choices[k] = (choice){ (int32_t)k, s->logits[k] };
    qsort(s->choices, (size_t)vocab, sizeof *s->choices, likelier);
    for (int64_t k = 0; k < vocab && k < s->v->top; k++) {
        sgn_json *pair = sgn_json_new_array();
        sgn_json_append(pair, sgn_json_new_int(s->choices[k].id));
        sgn_json_append(pair, sgn_json_new_real((double)s->choices[k].z - sum));
        sgn_json_append(top, pair);
    }
    return top;
}

/* After the tokens 0 to i. */
static sgn_status print_position(scoring *s, size_t i, int64_t vocab, sgn_error *err) {
    const bool last = i + 1 == s->ids.count;
    const double sum = sgn_log_sum(s->logits, vocab);
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "position", sgn_json_new_int((int64_t)i));
    sgn_json_set(j, "token", sgn_json_new_int(s->ids.id[i]));
    sgn_json_set(j, "next", last ? sgn_json_new_null() : sgn_json_new_int(s->ids.id[i + 1]));
    sgn_json_set(j, "logprob", last ? sgn_json_new_null() : sgn_json_new_real((double)s->logits[s->ids.id[i + 1]] - sum));
    if (s->v->top > 0) sgn_json_set(j, "top", likeliest(s, sum, vocab));
    return sgn_print_json(j, 0, err);
}

static sgn_status score(scoring *s, sgn_error *err) {
    const sgn_model_config *c = &sgn_model_file_lowered(s->file)->config;
    if (s->ids.count == 0) SGN_FAIL(err, SGN_CONFIG, "no tokens; give a text (or ids, with --ids) as words or on standard input");
    if (s->ids.count > (size_t)c->context)
        SGN_FAIL(err, SGN_CONFIG, "%zu tokens, but the model's context has %lld; give fewer", s->ids.count, (long long)c->context);
    const sgn_runtime_options o = { .context = (int64_t)s->ids.count, .batch = BATCH };
    SGN_TRY(sgn_runtime_open(&s->runtime, sgn_model_file_lowered(s->file), &o, err));
    s->logits = malloc((size_t)c->vocab * sizeof *s->logits);
    s->choices = malloc((size_t)c->vocab * sizeof *s->choices);
    if (!s->logits || !s->choices) SGN_FAIL(err, SGN_NOMEM, "no memory for the logits of %lld ids", (long long)c->vocab);
    for (size_t at = 0, m; at < s->ids.count; at += m) {
        const float *hidden;
        m = s->ids.count - at < BATCH ? s->ids.count - at : BATCH;
        SGN_TRY(sgn_runtime_hidden(s->runtime, s->ids.id + at, (int64_t)m, &hidden, err));
        for (size_t i = 0; i < m; i++) {
            sgn_runtime_logits(s->runtime, hidden + (int64_t)i * c->dim, s->logits);
            SGN_TRY(print_position(s, at + i, c->vocab, err));
        }
    }
    return SGN_OK;
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { 0 };
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 1, argc, err));
    if (v.top < 0) SGN_FAIL(err, SGN_CONFIG, "--top is %lld; a count from 0 is expected", (long long)v.top);
    sgn_threads_set((int)v.threads);
    scoring s = { .v = &v };
    char *text = NULL;
    size_t size;
    sgn_status status = sgn_words_or_input(argc - 1, argv + 1, &text, &size, err);
    if (status == SGN_OK) status = sgn_model_file_open(&s.file, argv[0], sgn_verify_of(v.verify), err);
    if (status == SGN_OK) status = read_text(&s, text, size, err);
    if (status == SGN_OK) status = score(&s, err);
    free(text);
    free(s.logits);
    free(s.choices);
    sgn_ids_free(&s.ids);
    sgn_runtime_close(s.runtime);
    sgn_model_file_close(s.file);
    return status;
}

const sgn_command sgn_command_logprobs = {
    .name = "logprobs", .summary = "log-probability of each token of a text, and of the likeliest beside it, as JSON lines",
    .usage = "MODEL [TEXT ...] [--ids] [--top K] [--tokenizer T]", .options = options, .run = run,
    .example = "signum logprobs packed/student \"Once upon a time\" --top 3\n"
               "signum logprobs gguf/model.gguf --ids --top 1000000 < ids.txt > all.jsonl",
};
