/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cli/output.h"
#include "cli/terminal.h"
#include "core/parallel.h"
#include "export/runtime.h"
#include "export/sample.h"

enum { PREFILL = 256 };        /* prompt tokens at a time */

typedef struct {
    const char *prompt, *tokenizer;
    int64_t     tokens, top_k, seed, threads;
    double      temperature, top_p;
    bool        json;
} values;

static const sgn_option options[] = {
    { "prompt", SGN_OPTION_WORD, offsetof(values, prompt), "TEXT", "what to go on from; empty: from the start of a document" },
    { "tokens", SGN_OPTION_INT, offsetof(values, tokens), "N", "most tokens to add (default 128)" },
    { "temperature", SGN_OPTION_REAL, offsetof(values, temperature), "T", "0: always the most probable token (default 0.8)" },
    { "top-p", SGN_OPTION_REAL, offsetof(values, top_p), "P", "only the most probable tokens that make up P (default 0.95)" },
    { "top-k", SGN_OPTION_INT, offsetof(values, top_k), "K", "only the K most probable tokens; 0: all (default)" },
    { "seed", SGN_OPTION_INT, offsetof(values, seed), "N", "the same seed gives the same text (default 1)" },
    { "tokenizer", SGN_OPTION_WORD, offsetof(values, tokenizer), "T", "instead of the model's own tokenizer.json" },
    { "threads", SGN_OPTION_INT, offsetof(values, threads), "N", "0: as many as the process may use (default)" },
    { "json", SGN_OPTION_FLAG, offsetof(values, json), NULL, "print one object: prompt, text, tokens, tokens_per_s" },
    { 0 },
};

typedef struct {
    const values   *v;
    sgn_model_file *file;
    sgn_tokenizer  *tokenizer;
    sgn_runtime    *runtime;
    sgn_candidates *candidates;
    float          *logits;
    sgn_ids         ids;       /* prompt, then what was added */
    size_t          given;     /* tokens of the prompt */
    sgn_decoder     decoder;
    FILE           *out;       /* stdout, or memory for --json */
    char           *text;      /* of that memory */
    size_t          text_size;
    double          seconds;
} generation;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static sgn_status add_id(generation *g, int32_t id, sgn_error *err) {
    SGN_TRY(sgn_ids_reserve(&g->ids, 1, err));
    g->ids.id[g->ids.count++] = id;
    return SGN_OK;
}

static sgn_status open_all(generation *g, const char *where, sgn_error *err) {
    const values *v = g->v;
    SGN_TRY(sgn_model_file_open(&g->file, where, SGN_VERIFY_SMALL, err));
    SGN_TRY(sgn_model_tokenizer(g->file, v->tokenizer, &g->tokenizer, err));
    SGN_TRY(sgn_tokenizer_encode(g->tokenizer, v->prompt, strlen(v->prompt), &g->ids, err));
    const sgn_lowered_model *lm = sgn_model_file_lowered(g->file);
    if (g->ids.count == 0) {
        if (sgn_tokenizer_eot(g->tokenizer) < 0)
            SGN_FAIL(err, SGN_CONFIG, "this model has no token that starts a document; say something with --prompt");
        SGN_TRY(add_id(g, sgn_tokenizer_eot(g->tokenizer), err));
    }
    g->given = g->ids.count;
    const int64_t context = lm->config.context, need = (int64_t)g->given + v->tokens;
    if ((int64_t)g->given > context)
        SGN_FAIL(err, SGN_CONFIG, "the prompt has %zu tokens, but the model's context has %lld; shorten it", g->given, (long long)context);
    SGN_TRY(sgn_runtime_open(&g->runtime, lm, &(sgn_runtime_options){ .context = need < context ? need : context, .batch = PREFILL }, err));
    SGN_TRY(sgn_candidates_open(&g->candidates, sgn_tokenizer_vocab(g->tokenizer), err));     /* padding ids have no text */
    g->logits = malloc((size_t)lm->config.vocab * sizeof *g->logits);
    g->out = v->json ? open_memstream(&g->text, &g->text_size) : stdout;
    if (!g->logits || !g->out) SGN_FAIL(err, SGN_NOMEM, "no memory for the logits of %lld ids", (long long)lm->config.vocab);
    return SGN_OK;
}

static void show(generation *g, const char *text, size_t n) {
    fwrite(text, 1, n, g->out);
    if (g->out == stdout) fflush(stdout);
}

/* Hidden state of the last of these tokens. */
static sgn_status read_tokens(generation *g, const int32_t *id, int64_t count, const float **last, sgn_error *err) {
    const int64_t dim = sgn_model_file_lowered(g->file)->config.dim;
    for (int64_t at = 0, m; at < count; at += m) {
        m = count - at < PREFILL ? count - at : PREFILL;
        SGN_TRY(sgn_runtime_hidden(g->runtime, id + at, m, last, err));
        *last += (m - 1) * dim;
    }
    return SGN_OK;
}

static sgn_status generate(generation *g, sgn_error *err) {
    const values *v = g->v;
    const sgn_sampling s = { v->temperature, v->top_k, v->top_p, .seed = (uint64_t)v->seed };
    const int64_t context = sgn_model_file_lowered(g->file)->config.context;
    const float *hidden;
    const char *text;
    size_t n;
    if (!v->json) show(g, v->prompt, strlen(v->prompt));
    if (v->tokens < 1) return SGN_OK;
    SGN_TRY(read_tokens(g, g->ids.id, (int64_t)g->given, &hidden, err));
    const double begin = now();
    g->decoder.begun = true;                       /* the prompt has begun the text */
    for (int64_t i = 0; i < v->tokens; i++) {
        sgn_runtime_logits(g->runtime, hidden, g->logits);
        const int32_t id = sgn_sample(&s, g->logits, (uint64_t)i, g->candidates);
        if (id == sgn_tokenizer_eot(g->tokenizer)) break;
        SGN_TRY(add_id(g, id, err));
        SGN_TRY(sgn_decoder_put(&g->decoder, g->tokenizer, id, &text, &n, err));
        show(g, text, n);
        if (i + 1 == v->tokens) break;
        if (sgn_runtime_position(g->runtime) == context) {
            sgn_warn("the model's context of %lld tokens is full", (long long)context);
            break;
        }
        SGN_TRY(read_tokens(g, &id, 1, &hidden, err));
    }
    g->seconds = now() - begin;
    sgn_decoder_end(&g->decoder, &text, &n);
    show(g, text, n);
    return SGN_OK;
}

static sgn_status report(generation *g, sgn_error *err) {
    const size_t made = g->ids.count - g->given;
    const double rate = g->seconds > 0 ? (double)made / g->seconds : 0;
    if (!g->v->json) {
        putchar('\n');
        fflush(stdout);
        if (sgn_terminal()) sgn_terminal_line(stderr, "%zu tokens, %.1f per second", made, rate);
        return SGN_OK;
    }
    if (fflush(g->out) != 0) SGN_FAIL(err, SGN_NOMEM, "no memory for the text");
    sgn_json *j = sgn_json_new_object(), *tokens = sgn_json_new_array();
    for (size_t i = g->given; i < g->ids.count; i++) sgn_json_append(tokens, sgn_json_new_int(g->ids.id[i]));
    sgn_json_set(j, "prompt", sgn_json_new_text(g->v->prompt, strlen(g->v->prompt)));
    sgn_json_set(j, "text", sgn_json_new_text(g->text, g->text_size));
    sgn_json_set(j, "tokens", tokens);
    sgn_json_set(j, "tokens_per_s", sgn_json_new_real(rate));
    return sgn_print_json(j, 0, err);
}

static void close_all(generation *g) {
    if (g->out && g->out != stdout) fclose(g->out);
    free(g->text);
    free(g->logits);
    sgn_decoder_free(&g->decoder);
    sgn_ids_free(&g->ids);
    sgn_candidates_close(g->candidates);
    sgn_runtime_close(g->runtime);
    sgn_tokenizer_close(g->tokenizer);
    sgn_model_file_close(g->file);
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { .prompt = "", .tokens = 128, .temperature = 0.8, .top_p = 0.95, .seed = 1 };
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 1, 1, err));
    if (v.tokens < 0 || v.tokens > INT32_MAX)
        SGN_FAIL(err, SGN_CONFIG, "--tokens is %lld; a count from 0 is expected", (long long)v.tokens);
    SGN_TRY(sgn_sampling_check(&(sgn_sampling){ v.temperature, v.top_k, v.top_p, .seed = 0 }, err));
    sgn_threads_set((int)v.threads);
    generation g = { .v = &v };
    sgn_status s = open_all(&g, argv[0], err);
    if (s == SGN_OK) s = generate(&g, err);
    if (s == SGN_OK) s = report(&g, err);
    close_all(&g);
    return s;
}

const sgn_command sgn_command_generate = {
    .name = "generate", .summary = "go on from a prompt, with any model",
    .usage = "MODEL --prompt TEXT [--tokens N] [--temperature T] [--top-p P] [--top-k K] [--seed N] [--json]",
    .options = options, .run = run,
    .example = "signum generate packed/student --prompt \"In the beginning\" --tokens 80 --temperature 0.7",
};
