/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "core/clock.h"

enum { PROMPT_MAX = 64 << 20 };                /* bytes of a prompt out of a file */

typedef struct {
    const char *prompt, *file, *batch;
    int64_t     tokens, logprobs;
    bool        json, jsonl, bos, specials, endless;
    sgn_option_list     stop;
    sgn_sampling_values sampling;
    sgn_model_values    model;
} values;

static const sgn_option options[] = {
    { "prompt", SGN_OPTION_WORD, offsetof(values, prompt), "TEXT", "what to go on from; empty: from the start of a document" },
    { "prompt-file", SGN_OPTION_WORD, offsetof(values, file), "FILE", "the same out of a file; '-': standard input" },
    { "batch", SGN_OPTION_WORD, offsetof(values, batch), "FILE", "a prompt per line ('-': standard input); an object per line comes out" },
    { "jsonl", SGN_OPTION_FLAG, offsetof(values, jsonl), NULL, "lines of --batch are objects: \"prompt\" a text or ids, \"id\" kept in the answer" },
    { "tokens", SGN_OPTION_INT, offsetof(values, tokens), "N", "most tokens to add (default 128)" },
    { "stop", SGN_OPTION_LIST, offsetof(values, stop), "TEXT", "ends before this text; may be given more than once" },
    SGN_SAMPLING_OPTIONS(values, sampling),
    { "logprobs", SGN_OPTION_INT, offsetof(values, logprobs), "N", "with objects: ln p of each token and of the N most probable ones" },
    { "bos", SGN_OPTION_FLAG, offsetof(values, bos), NULL, "the tokenizer's token that begins a text comes first" },
    { "specials", SGN_OPTION_FLAG, offsetof(values, specials), NULL, "special tokens have their names, in the prompt and in the text" },
    { "endless", SGN_OPTION_FLAG, offsetof(values, endless), NULL, "the end of a document does not end the text" },
    SGN_MODEL_OPTIONS(values, model),
    { "json", SGN_OPTION_FLAG, offsetof(values, json), NULL, "print one object: prompt, text, finish, tokens, tokens_per_s and more" },
    { 0 },
};

typedef struct {
    const values *v;
    sgn_speaker   speaker;
    sgn_ids       ids;         /* of the prompt */
    sgn_json     *tokens, *logprobs;
    FILE         *out;         /* stdout, or memory for an object */
    char         *text;        /* of that memory */
    size_t        text_size;
    int64_t       made;
    double        prompt_s, tokens_s;
    sgn_finish    finish;
} generation;

static void show(generation *g, const char *text, size_t n) {
    if (n) fwrite(text, 1, n, g->out);
    if (n && g->out == stdout) fflush(stdout);
}

static sgn_json *likely_json(const generation *g, sgn_likely l) {
    sgn_json *j = sgn_json_new_object();
    size_t n;
    const char *piece = sgn_tokenizer_piece(g->speaker.tokenizer, l.id, &n);
    sgn_json_set(j, "id", sgn_json_new_int(l.id));
    sgn_json_set(j, "token", sgn_json_new_text(piece, n));
    sgn_json_set(j, "logprob", sgn_json_new_real((double)l.logprob));
    return j;
}

static void note(generation *g, const sgn_generated *t) {
    sgn_json_append(g->tokens, sgn_json_new_int(t->id));
    if (g->v->logprobs < 0) return;
    sgn_json *j = likely_json(g, (sgn_likely){ t->id, t->logprob }), *likeliest = sgn_json_new_array();
    for (int i = 0; i < g->v->logprobs && t->likeliest[i].id >= 0; i++)
        sgn_json_append(likeliest, likely_json(g, t->likeliest[i]));
    sgn_json_set(j, "likeliest", likeliest);
    sgn_json_append(g->logprobs, j);
}

/* From g->ids to text. */
static sgn_status generate(generation *g, sgn_error *err) {
    const values *v = g->v;
    const sgn_generation what = {
        .sampling = sgn_sampling_of(&v->sampling), .most = v->tokens, .stop = v->stop.at, .stops = v->stop.count,
        .endless = v->endless, .specials = v->specials, .logprobs = v->logprobs >= 0,
        .likeliest = v->logprobs > 0 ? (int)v->logprobs : 0,
    };
    sgn_generated t;
    const double begin = sgn_clock_wall();
    SGN_TRY(sgn_generator_begin(g->speaker.generator, &what, g->ids.id, g->ids.count, err));
    const double read = sgn_clock_wall();
    g->made = 0;
    do {
        SGN_TRY(sgn_generator_next(g->speaker.generator, &t, err));
        show(g, t.text, t.size);
        if (t.id < 0 || t.finish == SGN_FINISH_END) continue;
        g->made++;
        if (g->tokens) note(g, &t);
    } while (!t.finish);
    g->prompt_s = read - begin;
    g->tokens_s = sgn_clock_wall() - read;
    g->finish = t.finish;
    if (t.finish == SGN_FINISH_CONTEXT)
        sgn_warn("the context of %lld tokens is full", (long long)sgn_generator_context(g->speaker.generator));
    return SGN_OK;
}

static double rate(int64_t n, double seconds) { return seconds > 0 ? (double)n / seconds : 0; }

/* Adds what came out to j. */
static sgn_status describe(generation *g, sgn_json *j, sgn_error *err) {
    if (fflush(g->out) != 0) SGN_FAIL(err, SGN_NOMEM, "no memory for the text");
    sgn_json_set(j, "text", sgn_json_new_text(g->text, g->text_size));
    sgn_json_set(j, "finish", sgn_json_new_string(sgn_finish_word(g->finish)));
    sgn_json_set(j, "tokens", g->tokens);
    if (g->v->logprobs >= 0) sgn_json_set(j, "logprobs", g->logprobs);
    else sgn_json_free(g->logprobs);
    g->tokens = g->logprobs = NULL;
    sgn_json_set(j, "prompt_tokens", sgn_json_new_int((int64_t)g->ids.count));
    sgn_json_set(j, "prompt_s", sgn_json_new_real(g->prompt_s));
    sgn_json_set(j, "tokens_per_s", sgn_json_new_real(rate(g->made, g->tokens_s)));
    return SGN_OK;
}

/* Generates into memory; the fields come after those of j. */
static sgn_status generate_object(generation *g, sgn_json *j, sgn_error *err) {
    g->tokens = sgn_json_new_array();
    g->logprobs = sgn_json_new_array();
    g->out = open_memstream(&g->text, &g->text_size);
    sgn_status s = g->out ? generate(g, err) : SGN_ERROR(err, SGN_NOMEM, "no memory for the text");
    if (s == SGN_OK) s = describe(g, j, err);
    if (g->out) fclose(g->out);
    free(g->text);
    sgn_json_free(g->tokens);
    sgn_json_free(g->logprobs);
    g->tokens = g->logprobs = NULL;
    g->text = NULL;
    return s;
}

/* --- one prompt ------------------------------------------------------------------------------------ */

static sgn_status read_prompt(const char *path, char **text, size_t *size, sgn_error *err) {
    if (strcmp(path, "-") != 0) return sgn_file_read(path, PROMPT_MAX, text, size, err);
    size_t room = 0;
    const ssize_t n = getdelim(text, &room, -1, stdin);       /* no byte is -1: up to the end */
    if (ferror(stdin) || n > PROMPT_MAX) SGN_FAIL(err, SGN_IO, "standard input cannot be read, or has more than %d bytes", (int)PROMPT_MAX);
    *size = n > 0 ? (size_t)n : 0;
    return SGN_OK;
}

static sgn_status run_one(generation *g, const char *prompt, size_t size, sgn_error *err) {
    const values *v = g->v;
    SGN_TRY(sgn_speaker_encode(&g->speaker, prompt, size, v->bos, v->specials, &g->ids, err));
    const int64_t need = (int64_t)g->ids.count + (v->tokens ? v->tokens : 1);
    SGN_TRY(sgn_speaker_ready(&g->speaker, &v->model, need, err));
    if (v->json) {
        sgn_json *j = sgn_json_new_object();
        sgn_json_set(j, "prompt", sgn_json_new_text(prompt, size));
        const sgn_status s = generate_object(g, j, err);
        if (s == SGN_OK) return sgn_print_json(j, 0, err);
        sgn_json_free(j);
        return s;
    }
    g->out = stdout;
    show(g, prompt, size);
    SGN_TRY(generate(g, err));
    putchar('\n');
    fflush(stdout);
    if (sgn_terminal())
        sgn_terminal_line(stderr, "%zu tokens read, %.1f per second; %lld added, %.1f per second", g->ids.count,
                          rate((int64_t)g->ids.count, g->prompt_s), (long long)g->made, rate(g->made, g->tokens_s));
    return SGN_OK;
}

static sgn_status run_prompt(generation *g, sgn_error *err) {
    const values *v = g->v;
    if (!v->file) return run_one(g, v->prompt ? v->prompt : "", v->prompt ? strlen(v->prompt) : 0, err);
    char *text = NULL;
    size_t size = 0;
    sgn_status s = read_prompt(v->file, &text, &size, err);
    if (s == SGN_OK) s = run_one(g, text, size, err);
    free(text);
    return s;
}

/* --- many prompts ---------------------------------------------------------------------------------- */

static sgn_status take_ids(generation *g, const sgn_json *list, sgn_error *err) {
    const size_t n = sgn_json_size(list);
    SGN_TRY(sgn_ids_reserve(&g->ids, n, err));
    for (size_t i = 0; i < n; i++) {
        const int64_t id = sgn_json_int(sgn_json_at(list, i), -1);
        if (id < 0 || id > INT32_MAX) SGN_FAIL(err, SGN_CONFIG, "\"prompt\" is a list, but item %zu of it is no token id", i);
        g->ids.id[g->ids.count++] = (int32_t)id;
    }
    return SGN_OK;
}

/* The prompt of a line into g->ids, what the answer keeps of the line into `answer`. */
static sgn_status take_line(generation *g, const char *line, size_t n, sgn_json *answer, sgn_error *err) {
    const values *v = g->v;
    if (!v->jsonl) {
        sgn_json_set(answer, "prompt", sgn_json_new_text(line, n));
        return sgn_speaker_encode(&g->speaker, line, n, v->bos, v->specials, &g->ids, err);
    }
    sgn_json *j, *id;
    SGN_TRY(sgn_json_parse(&j, line, n, "this line", err));
    if ((id = sgn_json_take(j, "id"))) sgn_json_set(answer, "id", id);
    sgn_json *prompt = sgn_json_take(j, "prompt");
    const char *text = sgn_json_string(prompt, NULL);
    sgn_status s;
    if (text) s = sgn_speaker_encode(&g->speaker, text, strlen(text), v->bos, v->specials, &g->ids, err);
    else if (prompt && sgn_json_typeof(prompt) == SGN_JSON_ARRAY) s = take_ids(g, prompt, err);
    else s = SGN_ERROR(err, SGN_CONFIG, "an object with \"prompt\", a text or a list of ids, is expected on each line");
    sgn_json_free(j);
    if (prompt) sgn_json_set(answer, "prompt", prompt);
    return s;
}

/* A line that fails says so in its answer, and the others go on. */
static sgn_status run_line(generation *g, const char *line, size_t n, bool *failed, sgn_error *err) {
    sgn_error wrong = { 0 };
    sgn_json *j = sgn_json_new_object();
    g->ids.count = 0;
    sgn_status s = take_line(g, line, n, j, &wrong);
    if (s == SGN_OK) s = generate_object(g, j, &wrong);
    *failed = s != SGN_OK;
    if (*failed) sgn_json_set(j, "error", sgn_json_new_text(wrong.text, strlen(wrong.text)));
    SGN_TRY(sgn_print_json(j, 0, err));
    if (fflush(stdout) != 0) SGN_FAIL(err, SGN_IO, "standard output could not be written");
    return SGN_OK;
}

static sgn_status run_lines(generation *g, FILE *in, sgn_error *err) {
    char *line = NULL;
    size_t room = 0;
    int64_t lines = 0, bad = 0;
    sgn_status s = SGN_OK;
    for (ssize_t n; s == SGN_OK && (n = getline(&line, &room, in)) > 0; lines++) {
        bool failed = false;
        if (line[n - 1] == '\n') n--;
        if (n && line[n - 1] == '\r') n--;
        s = run_line(g, line, (size_t)n, &failed, err);
        bad += failed;
    }
    free(line);
    if (s == SGN_OK && ferror(in)) SGN_FAIL(err, SGN_IO, "%s cannot be read", g->v->batch);
    if (s == SGN_OK && bad) SGN_FAIL(err, SGN_CONFIG, "%lld of %lld prompts failed; their answers say why", (long long)bad, (long long)lines);
    return s;
}

static sgn_status run_batch(generation *g, sgn_error *err) {
    const bool standard = strcmp(g->v->batch, "-") == 0;
    FILE *in = standard ? stdin : fopen(g->v->batch, "rb");
    if (!in) SGN_FAIL(err, SGN_IO, "%s cannot be opened", g->v->batch);
    sgn_status s = sgn_speaker_ready(&g->speaker, &g->v->model, 0, err);
    if (s == SGN_OK) s = run_lines(g, in, err);
    if (!standard) fclose(in);
    return s;
}

static sgn_status check_values(const values *v, sgn_error *err) {
    if (v->tokens < 0 || v->tokens > INT32_MAX)
        SGN_FAIL(err, SGN_CONFIG, "--tokens is %lld; a count from 0 is expected", (long long)v->tokens);
    if (v->logprobs < -1 || v->logprobs > SGN_LIKELIEST_MAX)
        SGN_FAIL(err, SGN_CONFIG, "--logprobs is %lld; 0 to %d is expected", (long long)v->logprobs, SGN_LIKELIEST_MAX);
    if ((v->prompt != NULL) + (v->file != NULL) + (v->batch != NULL) > 1)
        SGN_FAIL(err, SGN_CONFIG, "--prompt, --prompt-file and --batch exclude each other");
    if (v->jsonl && !v->batch) SGN_FAIL(err, SGN_CONFIG, "--jsonl says what the lines of --batch are");
    if (v->logprobs >= 0 && !v->json && !v->batch) SGN_FAIL(err, SGN_CONFIG, "--logprobs needs --json or --batch");
    const sgn_generation what = { .sampling = sgn_sampling_of(&v->sampling), .stop = v->stop.at, .stops = v->stop.count };
    return sgn_generation_check(&what, err);
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { .tokens = 128, .logprobs = -1, .sampling = SGN_SAMPLING_DEFAULTS };
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 1, 1, err));
    SGN_TRY(check_values(&v, err));
    generation g = { .v = &v };
    sgn_status s = sgn_speaker_open(&g.speaker, argv[0], &v.model, err);
    if (s == SGN_OK) s = v.batch ? run_batch(&g, err) : run_prompt(&g, err);
    sgn_ids_free(&g.ids);
    sgn_speaker_close(&g.speaker);
    return s;
}

const sgn_command sgn_command_generate = {
    .name = "generate", .summary = "go on from a prompt, with any model",
    .usage = "MODEL [--prompt TEXT | --prompt-file FILE | --batch FILE] [--tokens N] [--stop TEXT] [--temperature T] [--json]",
    .options = options, .run = run,
    .example = "signum generate packed/student --prompt \"In the beginning\" --tokens 80 --temperature 0.7",
};
