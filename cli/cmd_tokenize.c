/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/output.h"
#include "cli/terminal.h"
#include "core/log.h"
#include "core/parallel.h"
#include "data/corpus.h"
#include "data/corpus_report.h"

typedef struct {
    const char *tokenizer, *out, *separator, *field, *format, *ids;
    double      valid;
    int64_t     vocab, shard_tokens, part_bytes, level, threads;
    bool        no_eot, skip_bad, dedupe, replace, restart, json;
} values;

static const sgn_option options[] = {
    { "tokenizer", SGN_OPTION_WORD, offsetof(values, tokenizer), "T", "byte, a tokenizer.json or another tokenizer's file (docs/tokenizers.md), or a directory that holds one" },
    { "out", SGN_OPTION_WORD, offsetof(values, out), "DIR", "the shard set to make: DIR/train, DIR/valid" },
    { "valid", SGN_OPTION_REAL, offsetof(values, valid), "F", "fraction kept apart for validation (default 0)" },
    { "separator", SGN_OPTION_WORD, offsetof(values, separator), "S",
      "between the documents of a text file: blank-line, or a string with \\n and \\t" },
    { "field", SGN_OPTION_WORD, offsetof(values, field), "NAME", "the text, or the ids, of a jsonl object (default text)" },
    { "format", SGN_OPTION_WORD, offsetof(values, format), "F", "text or jsonl, whatever the files are called" },
    { "ids", SGN_OPTION_WORD, offsetof(values, ids), "u16|u32", "the files hold raw little-endian token ids" },
    { "vocab", SGN_OPTION_INT, offsetof(values, vocab), "N", "ids without a tokenizer: the size of their vocabulary" },
    { "no-eot", SGN_OPTION_FLAG, offsetof(values, no_eot), NULL, "no <|endoftext|> after each document" },
    { "skip-bad", SGN_OPTION_FLAG, offsetof(values, skip_bad), NULL,
      "leave out, count and list jsonl documents that cannot be read, instead of stopping" },
    { "shard-tokens", SGN_OPTION_INT, offsetof(values, shard_tokens), "N", "tokens per file (default 67108864)" },
    { "part-bytes", SGN_OPTION_INT, offsetof(values, part_bytes), "N",
      "of input files that are done in one go, by one process (default 268435456)" },
    { "dedupe", SGN_OPTION_FLAG, offsetof(values, dedupe), NULL, "of equal documents only the first, in the order of the inputs" },
    { "level", SGN_OPTION_INT, offsetof(values, level), "L", "of zstd, 1 to 19 (default 3)" },
    { "threads", SGN_OPTION_INT, offsetof(values, threads), "N", "0: as many as the process may use (default)" },
    { "replace", SGN_OPTION_FLAG, offsetof(values, replace), NULL, "an existing DIR" },
    { "restart", SGN_OPTION_FLAG, offsetof(values, restart), NULL, "discard what an earlier call has left in DIR.parts" },
    { "json", SGN_OPTION_FLAG, offsetof(values, json), NULL, "print the report as one object" },
    { 0 },
};

static bool progress(void *ctx, const sgn_corpus_report *r) {
    (void)ctx;
    sgn_size_text read;
    char share[16] = "";
    if (r->total_bytes) snprintf(share, sizeof share, "%3.0f %%  ", 100 * (double)r->read_bytes / (double)r->total_bytes);
    sgn_terminal_status("%s%s read, %llu documents, %llu tokens, %.1f M tokens/s", share, sgn_size_print(r->read_bytes, &read),
                        (unsigned long long)r->documents, (unsigned long long)r->tokens,
                        r->seconds > 0 ? (double)r->tokens / r->seconds / 1e6 : 0);
    return !sgn_interrupted();
}

static void print_report(const sgn_corpus_report *r, const char *out) {
    sgn_size_text size;
    printf("%s: %llu tokens of %llu document%s, %s of text", out, (unsigned long long)r->tokens, (unsigned long long)r->documents,
           r->documents == 1 ? "" : "s",
           sgn_size_print(r->bytes, &size));
    if (r->bytes && r->tokens) printf(" (%.2f bytes per token)", (double)r->bytes / (double)r->tokens);
    if (r->unchanged) printf("; it was there already, made from the same\n  train %llu tokens", (unsigned long long)r->train_tokens);
    else printf(", %.1f s\n  train %llu tokens", r->seconds, (unsigned long long)r->train_tokens);
    if (r->valid_tokens) printf(", valid %llu tokens", (unsigned long long)r->valid_tokens);
    printf("; %llu files in %llu parts", (unsigned long long)r->files, (unsigned long long)r->parts);
    if (r->work_seconds > 0) printf(", %.1f MB/s per process", 1e-6 * (double)(r->bytes + r->duplicate_bytes) / r->work_seconds);
    putchar('\n');
    if (r->duplicates)
        printf("  %llu documents were there before and left out, %s of text\n", (unsigned long long)r->duplicates,
               sgn_size_print(r->duplicate_bytes, &size));
    if (r->bad.count) printf("  %llu documents could not be read and were left out\n", (unsigned long long)r->bad.count);
    if (r->unknown_ids) printf("  %llu ids are the unknown one: text that this tokenizer cannot say\n", (unsigned long long)r->unknown_ids);
    if (r->invalid_bytes) printf("  %llu bytes are not UTF-8; they were kept as they are\n", (unsigned long long)r->invalid_bytes);
}

static void warn_bad(const sgn_bad_lines *b) {
    uint64_t i = 0;
    for (; i < b->count && i < SGN_BAD_KEPT; i++) sgn_warn("left out: %s", b->why[i]);
    if (b->count > i) sgn_warn("left out: %llu more such documents", (unsigned long long)(b->count - i));
}

static sgn_status print_json(const sgn_corpus_report *r, sgn_error *err) {
    sgn_json *j = sgn_corpus_report_json(r);
    sgn_json_set(j, "unchanged", sgn_json_new_bool(r->unchanged));
    return sgn_print_json(j, 2, err);
}

/* \n, \t and \\ as C has them; in place, on a copy. */
static char *unescape(const char *text) {
    char *out = strdup(text), *to = out;
    for (const char *at = text; out && *at; at++) {
        const bool known = at[0] == '\\' && (at[1] == 'n' || at[1] == 't' || at[1] == '\\');
        *to++ = known ? (char)(at[1] == 'n' ? '\n' : at[1] == 't' ? '\t' : '\\') : *at;
        at += known;
    }
    if (out) *to = '\0';
    return out;
}

static sgn_status check_words(const values *v, sgn_error *err) {
    if (!v->out) SGN_FAIL(err, SGN_CONFIG, "--out is missing; name the shard set to make: --out data");
    if (!v->tokenizer && !v->ids && v->vocab < 1)
        SGN_FAIL(err, SGN_CONFIG, "--tokenizer is missing; 'signum tokenizer train' makes one, and byte is always there");
    if (!(v->valid >= 0 && v->valid < 1))
        SGN_FAIL(err, SGN_CONFIG, "--valid is %g; a fraction from 0 to below 1 is expected", v->valid);
    if (v->ids && strcmp(v->ids, "u16") != 0 && strcmp(v->ids, "u32") != 0)
        SGN_FAIL(err, SGN_CONFIG, "--ids is '%.20s'; u16 or u32 is expected", v->ids);
    if (v->format && strcmp(v->format, "text") != 0 && strcmp(v->format, "jsonl") != 0)
        SGN_FAIL(err, SGN_CONFIG, "--format is '%.20s'; text or jsonl is expected", v->format);
    if (v->vocab < 0 || v->vocab > UINT32_MAX || v->shard_tokens < 0 || v->part_bytes < 0)
        SGN_FAIL(err, SGN_CONFIG, "--vocab, --shard-tokens and --part-bytes are counts");
    if (v->level < 0 || v->level > 19) SGN_FAIL(err, SGN_CONFIG, "--level is %lld; 1 to 19 is expected", (long long)v->level);
    return SGN_OK;
}

static sgn_status build(const values *v, int count, char **files, const char *separator, sgn_corpus_report *r, sgn_error *err) {
    sgn_tokenizer *t = NULL;
    if (v->tokenizer) SGN_TRY(sgn_tokenizer_open(&t, v->tokenizer, err));
    const sgn_corpus_options o = {
        .inputs = (const char *const *)files, .input_count = count, .tokenizer = t,
        .ids_width = !v->ids ? 0 : strcmp(v->ids, "u16") == 0 ? 2 : 4, .vocab = (uint32_t)v->vocab,
        .text = { .format = !v->format ? SGN_TEXT_BY_NAME : *v->format == 't' ? SGN_TEXT_PLAIN : SGN_TEXT_JSONL,
                  .separator = separator, .field = v->field, .skip_bad = v->skip_bad },
        .valid = v->valid, .no_eot = v->no_eot, .shard_tokens = (uint64_t)v->shard_tokens, .level = (int)v->level,
        .part_bytes = (uint64_t)v->part_bytes, .dedupe = v->dedupe, .replace = v->replace, .restart = v->restart, .progress = progress,
    };
    const sgn_status s = sgn_corpus_build(v->out, &o, r, err);
    sgn_terminal_end(false);
    sgn_tokenizer_close(t);
    return s;
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { 0 };
    sgn_corpus_report r = { 0 };
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 1, argc, err));
    SGN_TRY(check_words(&v, err));
    sgn_threads_set((int)v.threads);
    sgn_interrupt_catch();
    char *separator = v.separator ? unescape(v.separator) : NULL;
    if (v.separator && !separator) SGN_FAIL(err, SGN_NOMEM, "no memory for the separator");
    const sgn_status s = build(&v, argc, argv, separator, &r, err);
    free(separator);
    SGN_TRY(s);
    warn_bad(&r.bad);
    if (v.json) return print_json(&r, err);
    print_report(&r, v.out);
    return SGN_OK;
}

const sgn_command sgn_command_tokenize = {
    .name = "tokenize", .summary = "turn text, jsonl (also .gz, .zst) or raw ids into shards to train on",
    .usage = "FILES|DIRS|@LIST|- --tokenizer T --out DIR [--valid F] [--separator S] [--field F] [--ids u16|u32 --vocab N] [--level L] [--dedupe] [--skip-bad] [--replace]",
    .options = options, .run = run,
    .example = "signum tokenize books/ corpus.jsonl.zst --tokenizer tokenizer.json --out data --valid 0.01",
};
