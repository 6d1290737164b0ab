/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/eval_tasks.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "cli/verify_options.h"
#include "core/parallel.h"
#include "data/vocabulary.h"
#include "eval/perplexity.h"
#include "export/model_bits.h"

typedef struct {
    const char *data;
    int64_t     windows, seq, threads;
    bool        json;
    sgn_eval_request tasks;
    sgn_verify_values verify;
} values;

static const sgn_option options[] = {
    { "data", SGN_OPTION_WORD, offsetof(values, data), "SHARDS", "a shard set, or a directory with valid/ (or train/) in it" },
    { "seq", SGN_OPTION_INT, offsetof(values, seq), "T", "tokens per window (default: the model's context)" },
    { "windows", SGN_OPTION_INT, offsetof(values, windows), "N", "only the first N windows; 0: all (default)" },
    { "tasks", SGN_OPTION_WORD, offsetof(values, tasks.tasks), "NAME=FILE,...", "score these tasks; 'list' shows all there are and the fields of their data" },
    { "task-data", SGN_OPTION_WORD, offsetof(values, tasks.directory), "DIR", "where tasks without a file have DIR/NAME.jsonl or DIR/NAME/test.jsonl" },
    { "shots", SGN_OPTION_INT, offsetof(values, tasks.shots), "N", "examples before each question (default 0)" },
    { "shots-data", SGN_OPTION_WORD, offsetof(values, tasks.shots_data), "NAME=FILE,...", "where they come from (default: train.jsonl beside the task's file)" },
    { "limit", SGN_OPTION_INT, offsetof(values, tasks.limit), "N", "only the first N questions, pages or blocks; 0: all (default)" },
    { "max-length", SGN_OPTION_INT, offsetof(values, tasks.max_length), "T", "most tokens a task reads at once (default: the model's context)" },
    { "block", SGN_OPTION_INT, offsetof(values, tasks.block), "T", "tokens of a block of ppl (default 2048, or --max-length if that is less)" },
    { "bos", SGN_OPTION_FLAG, offsetof(values, tasks.bos), NULL, "begin every text of a task with the tokenizer's BOS" },
    { "tokenizer", SGN_OPTION_WORD, offsetof(values, tasks.tokenizer), "T", "for tasks, instead of the model's own" },
    { "items", SGN_OPTION_WORD, offsetof(values, tasks.items), "FILE", "write the scores of each question of each task, one JSON object per line" },
    { "int8", SGN_OPTION_FLAG, offsetof(values, tasks.int8), NULL, "as generate --int8 computes; without it, the exact path" },
    SGN_VERIFY_OPTIONS(values, verify),
    { "threads", SGN_OPTION_INT, offsetof(values, threads), "N", "0: as many as the process may use (default)" },
    { "json", SGN_OPTION_FLAG, offsetof(values, json), NULL, "print one object, or a list of them for several models" },
    { 0 },
};

typedef struct {
    const char    *model;
    char           kind[24];
    uint64_t       bytes;
    sgn_bit_count  count;
    sgn_bits       bits;
    sgn_perplexity p;          /* with --data */
    sgn_eval_result *tasks;    /* with --tasks; of the list */
} result;

static bool progress(void *ctx, int64_t done, int64_t windows, double nats) {
    sgn_terminal_status("%s: window %lld/%lld  %.4f nats per token", (const char *)ctx, (long long)done, (long long)windows, nats);
    return !sgn_interrupted();
}

static sgn_status open_shards(sgn_shards **s, const char *where, sgn_error *err) {
    sgn_error first = { 0 };
    if (sgn_shards_open(s, where, "valid", &first) == SGN_OK) return SGN_OK;
    if (sgn_shards_open(s, where, "train", NULL) == SGN_OK) return SGN_OK;
    SGN_FAIL(err, first.status, "%s", first.text);
}

static sgn_status check_fit(const sgn_model_file *f, const sgn_shards *shards, const char *model, sgn_error *err) {
    sgn_tokenizer *t = NULL;                   /* one that we cannot read says nothing */
    sgn_path path;
    const bool found = sgn_vocabulary_find_beside(sgn_model_file_directory(f), &path, NULL) == SGN_OK;
    if (found && sgn_tokenizer_open(&t, path.s, NULL) != SGN_OK) t = NULL;
    const uint32_t vocab = t ? (uint32_t)sgn_tokenizer_vocab(t) : (uint32_t)sgn_model_file_lowered(f)->config.vocab;
    const sgn_status s = sgn_shards_fit(shards, vocab, t ? sgn_tokenizer_hash(t) : NULL, model, err);
    sgn_tokenizer_close(t);
    return s;
}

static sgn_status measure(const values *v, const sgn_model_file *f, result *r, sgn_error *err) {
    const sgn_perplexity_options o = { .seq = v->seq, .windows = v->windows, .progress = progress, .ctx = (void *)(uintptr_t)r->model,
                                       .int8 = v->tasks.int8 };
    sgn_shards *shards;
    SGN_TRY(open_shards(&shards, v->data, err));
    sgn_status s = check_fit(f, shards, r->model, err);
    if (s == SGN_OK) s = sgn_perplexity_measure(sgn_model_file_lowered(f), shards, &o, &r->p, err);
    sgn_terminal_end(false);
    sgn_shards_close(shards);
    return s;
}

static sgn_status evaluate(const values *v, sgn_eval_list *list, result *r, sgn_error *err) {
    sgn_model_file *f;
    SGN_TRY(sgn_model_file_open(&f, r->model, sgn_verify_of(v->verify), err));
    snprintf(r->kind, sizeof r->kind, "%s", sgn_model_file_kind(f));
    r->bytes = sgn_model_file_bytes(f);
    r->count = sgn_lowered_model_count(sgn_model_file_lowered(f));
    sgn_status s = sgn_model_bits_of(f, &r->bits, err);
    if (s == SGN_OK && v->data) s = measure(v, f, r, err);
    if (s == SGN_OK && r->tasks) s = sgn_eval_list_run(list, r->model, f, r->tasks, err);
    sgn_model_file_close(f);
    return s;
}

static int64_t parameters(const result *r) { return r->count.binary_weights + r->count.scales + r->count.parameters; }
static double  bits_per_parameter(const result *r) { return 8 * (double)r->bytes / (double)parameters(r); }
/* What the files take for each number of the model; scales are no such number. */
static double  bits_per_weight(const result *r) { return 8 * (double)r->bytes / (double)sgn_bits_weights(&r->bits); }
static double  binary_bits_per_weight(const result *r) {
    return r->bits.binary_weights ? (double)sgn_bits_binary(&r->bits) / (double)r->bits.binary_weights : -1;
}

static void put_perplexity(sgn_json *j, const sgn_perplexity *p) {
    sgn_json_set(j, "nats_per_token", sgn_json_new_real(p->nats_per_token));
    sgn_json_set(j, "perplexity", sgn_json_new_real(p->perplexity));
    sgn_json_set(j, "bits_per_byte", p->bits_per_byte < 0 ? sgn_json_new_null() : sgn_json_new_real(p->bits_per_byte));
    sgn_json_set(j, "tokens", sgn_json_new_int(p->tokens));
    sgn_json_set(j, "windows", sgn_json_new_int(p->windows));
    sgn_json_set(j, "seq", sgn_json_new_int(p->seq));
    sgn_json_set(j, "tokens_per_s", sgn_json_new_real(p->tokens_per_s));
}

static sgn_json *to_json(const values *v, const sgn_eval_list *list, const result *r) {
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "model", sgn_json_new_text(r->model, strlen(r->model)));
    sgn_json_set(j, "kind", sgn_json_new_string(r->kind));
    sgn_json_set(j, "int8", sgn_json_new_bool(v->tasks.int8));
    if (v->data) put_perplexity(j, &r->p);
    sgn_json_set(j, "model_bytes", sgn_json_new_int((int64_t)r->bytes));
    sgn_json_set(j, "parameters", sgn_json_new_int(parameters(r)));
    sgn_json_set(j, "bits_per_weight", sgn_json_new_real(bits_per_weight(r)));
    sgn_json_set(j, "binarized_bits_per_weight", r->bits.binary_weights ? sgn_json_new_real(binary_bits_per_weight(r)) : sgn_json_new_null());
    if (r->tasks) sgn_json_set(j, "tasks", sgn_eval_list_json(list, r->tasks));
    return j;
}

static void print_one(const result *r, const values *v) {
    const sgn_perplexity *p = &r->p;
    sgn_size_text size;
    printf("%s on %s\n", r->model, v->data);
    printf("  %.4f nats per token, perplexity %.3f", p->nats_per_token, p->perplexity);
    if (p->bits_per_byte >= 0) printf(", %.4f bits per byte", p->bits_per_byte);
    printf("\n  %lld windows of %lld tokens, %.0f tokens/s\n", (long long)p->windows, (long long)p->seq, p->tokens_per_s);
    printf("  %s, %lld parameters in %s: %.2f bits per parameter\n", r->kind, (long long)parameters(r), sgn_size_print(r->bytes, &size),
           bits_per_parameter(r));
}

static void print_table(const result *r, int count) {
    sgn_size_text size;
    printf("%-22s %-10s %12s %11s %9s %10s %10s %9s %8s %9s\n", "model", "kind", "parameters", "file", "bits/par.", "nats/token", "perplexity",
           "bits/byte", "to first", "tokens/s");
    for (int i = 0; i < count; i++) {
        char bpb[24] = "-";
        if (r[i].p.bits_per_byte >= 0) snprintf(bpb, sizeof bpb, "%.4f", r[i].p.bits_per_byte);
        printf("%-22s %-10s %12lld %11s %9.2f %10.4f %10.3f %9s %8.4f %9.0f\n", r[i].model, r[i].kind, (long long)parameters(&r[i]),
               sgn_size_print(r[i].bytes, &size), bits_per_parameter(&r[i]), r[i].p.nats_per_token, r[i].p.perplexity, bpb,
               r[i].p.nats_per_token / r[0].p.nats_per_token, r[i].p.tokens_per_s);
    }
}

static sgn_status print_all(const values *v, const sgn_eval_list *list, const result *r, int count, sgn_error *err) {
    if (v->json) {
        if (count == 1) return sgn_print_json(to_json(v, list, r), 2, err);
        sgn_json *all = sgn_json_new_array();
        for (int i = 0; i < count; i++) sgn_json_append(all, to_json(v, list, &r[i]));
        return sgn_print_json(all, 2, err);
    }
    if (v->data && count == 1) print_one(r, v);
    else if (v->data) print_table(r, count);
    if (!list->count) return SGN_OK;
    sgn_eval_column *columns = calloc((size_t)count, sizeof *columns);
    if (!columns) SGN_FAIL(err, SGN_NOMEM, "no memory for a table of %d models", count);
    for (int i = 0; i < count; i++) columns[i] = (sgn_eval_column){ r[i].model, r[i].kind, r[i].bytes, bits_per_weight(&r[i]), binary_bits_per_weight(&r[i]), r[i].tasks };
    if (v->data) putchar('\n');
    sgn_eval_list_print(list, columns, count);
    free(columns);
    return SGN_OK;
}

static sgn_status evaluate_all(const values *v, char **models, sgn_eval_list *list, int count, sgn_error *err) {
    result *r = calloc((size_t)count, sizeof *r);
    sgn_eval_result *tasks = calloc((size_t)(count * list->count + 1), sizeof *tasks);
    sgn_status s = r && tasks ? SGN_OK : SGN_ERROR(err, SGN_NOMEM, "no memory for %d results", count);
    for (int i = 0; i < count && s == SGN_OK; i++) {
        r[i].model = models[i];
        r[i].tasks = list->count ? tasks + i * list->count : NULL;
        s = evaluate(v, list, &r[i], err);
    }
    if (s == SGN_OK) s = print_all(v, list, r, count, err);
    free(r);
    free(tasks);
    return s;
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { 0 };
    sgn_eval_list list = { 0 };
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    if (v.tasks.tasks && strcmp(v.tasks.tasks, "list") == 0) {
        sgn_eval_list_print_tasks();
        return SGN_OK;
    }
    SGN_TRY(sgn_words_expect(argc, argv, 1, argc, err));
    if (!v.data && !v.tasks.tasks)
        SGN_FAIL(err, SGN_CONFIG, "--data is missing; name the shards to score, --data SHARDS, or tasks, --tasks NAME=FILE");
    sgn_threads_set((int)v.threads);
    sgn_interrupt_catch();
    sgn_status s = v.tasks.tasks ? sgn_eval_list_open(&list, &v.tasks, err) : SGN_OK;
    if (s == SGN_OK) s = evaluate_all(&v, argv, &list, argc, err);
    const sgn_status closed = sgn_eval_list_close(&list, s == SGN_OK, err);
    return s == SGN_OK ? closed : s;
}

const sgn_command sgn_command_eval = {
    .name = "eval", .summary = "score models: perplexity and bits per byte on shards, zero-shot tasks and their perplexities on files",
    .usage = "MODEL [MODEL ...] [--data SHARDS] [--tasks NAME=FILE,...] [--json]", .options = options, .run = run,
    .example = "signum eval runs/teacher packed/student --data data\nsignum eval packed/student --data data --windows 50 --json\n"
               "signum eval runs/teacher packed/student --tasks piqa,arc_easy,wikitext --task-data zeroshot --max-length 2048\n"
               "signum eval model.gguf --tasks boolq=dev.jsonl --shots 5 --shots-data boolq=train.jsonl --items boolq-items.jsonl",
};
