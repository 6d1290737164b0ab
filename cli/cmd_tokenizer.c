/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/output.h"
#include "cli/terminal.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/parallel.h"
#include "data/bpe_train.h"
#include "data/spm.h"
#include "data/tokenizer_kind.h"

enum { SAMPLE = 4 << 20 };     /* bytes of text on which a new vocabulary is tried */

typedef struct {
    const char *tokenizer, *out, *field, *split;
    int64_t     vocab, limit, min_count, threads;
    bool        json, specials, texts;
} values;

static const sgn_option options[] = {
    { "vocab", SGN_OPTION_INT, offsetof(values, vocab), "N", "train: ids wanted, 256 bytes and <|endoftext|> included" },
    { "out", SGN_OPTION_WORD, offsetof(values, out), "FILE", "train, convert: the tokenizer.json to write, or convert: a .model" },
    { "split", SGN_OPTION_WORD, offsetof(values, split), "NAME", "train: the split pattern: gpt2 (default), llama3, cl100k, qwen2 or o200k" },
    { "limit", SGN_OPTION_INT, offsetof(values, limit), "BYTES", "train: learn from so much text; 0: all (default)" },
    { "min-count", SGN_OPTION_INT, offsetof(values, min_count), "N", "train: merge no pair that is rarer (default 2)" },
    { "field", SGN_OPTION_WORD, offsetof(values, field), "NAME", "train: the text of a jsonl object (default text)" },
    { "tokenizer", SGN_OPTION_WORD, offsetof(values, tokenizer), "T",
      "encode, decode, convert: byte, a tokenizer.json, tokenizer.model, tokenizer.bin, vocab.json, .tiktoken, .gguf, or a directory that holds one" },
    { "texts", SGN_OPTION_FLAG, offsetof(values, texts), NULL, "encode: WORDS are files as for tokenize; a line of ids, with --json an array, for each document" },
    { "specials", SGN_OPTION_FLAG, offsetof(values, specials), NULL, "encode: names of special tokens become their ids; decode: the names are shown" },
    { "threads", SGN_OPTION_INT, offsetof(values, threads), "N", "0: as many as the process may use (default)" },
    { "json", SGN_OPTION_FLAG, offsetof(values, json), NULL, "print JSON" },
    { 0 },
};

/* FILE, or tokenizer.json in it where it is a directory or ends with a slash; its directories are made. */
static sgn_status make_way(const char *out, sgn_path *path, sgn_error *err) {
    size_t n = strlen(out);
    const bool inside = sgn_is_directory(out) || (n && out[n - 1] == '/');
    while (inside && n > 1 && out[n - 1] == '/') n--;
    SGN_TRY(sgn_path_set(path, err, "%.*s%s", (int)n, out, inside ? "/tokenizer.json" : ""));
    sgn_path parent = *path;
    char *slash = strrchr(parent.s, '/');
    if (!slash || slash == parent.s) return SGN_OK;
    *slash = '\0';
    return sgn_make_directories(parent.s, err);
}

/* --- train ------------------------------------------------------------------------------------------ */

static bool progress(void *ctx, const char *stage, double fraction) {
    (void)ctx;
    sgn_terminal_status("%s: %.0f %%", stage, 100 * fraction);
    return !sgn_interrupted();
}

/* Bytes of text per token on the first megabytes of what it learned from. */
static sgn_status try_out(const sgn_tokenizer *t, const char *const *files, int count, const sgn_text_options *o, double *rate,
                          sgn_error *err) {
    sgn_text *text;
    sgn_text_part part;
    sgn_ids ids = { 0 };
    bool more = true;
    size_t bytes = 0, tokens = 0;
    SGN_TRY(sgn_text_open(&text, files, count, o, err));
    sgn_status s = SGN_OK;
    while (s == SGN_OK && bytes < SAMPLE && (s = sgn_text_next(text, &part, &more, err)) == SGN_OK && more) {
        if (!part.text) continue;
        ids.count = 0;
        s = sgn_tokenizer_encode_as(t, part.text, part.size, part.first ? 0 : SGN_ENCODE_CONTINUES, &ids, err);
        bytes += part.size;
        tokens += ids.count;
    }
    *rate = tokens ? (double)bytes / (double)tokens : 0;
    sgn_ids_free(&ids);
    sgn_text_close(text);
    return s;
}

static sgn_status train(const values *v, int count, char **files, sgn_error *err) {
    if (count < 1) SGN_FAIL(err, SGN_CONFIG, "no text to learn from; name files, directories, or - for standard input");
    if (!v->out) SGN_FAIL(err, SGN_CONFIG, "--out is missing; name the tokenizer.json to write");
    if (v->vocab < 1 || v->vocab > INT32_MAX) SGN_FAIL(err, SGN_CONFIG, "--vocab is missing; say how many ids are wanted: --vocab 4096");
    if (v->limit < 0 || v->min_count < 0) SGN_FAIL(err, SGN_CONFIG, "--limit and --min-count are 0 or more");
    sgn_path path;
    SGN_TRY(make_way(v->out, &path, err));
    const sgn_text_options how = { .field = v->field };
    const sgn_bpe_options o = { (int32_t)v->vocab, (uint64_t)v->min_count, (uint64_t)v->limit, v->split, progress, NULL };
    const double begin = sgn_clock_wall();
    const bool stream = count == 1 && strcmp(files[0], "-") == 0;
    double rate = 0;
    sgn_text *text;
    sgn_tokenizer *t = NULL;
    sgn_interrupt_catch();
    SGN_TRY(sgn_text_open(&text, (const char *const *)files, count, &how, err));
    sgn_status s = sgn_bpe_train(&t, text, &o, err);
    const uint64_t read = sgn_text_read_bytes(text);
    sgn_text_close(text);
    sgn_terminal_end(false);
    if (s == SGN_OK) s = sgn_tokenizer_save(t, path.s, err);
    if (s == SGN_OK && !stream) s = try_out(t, (const char *const *)files, count, &how, &rate, err);
    if (s == SGN_OK && v->json) {
        sgn_json *j = sgn_json_new_object();
        sgn_json_set(j, "vocab", sgn_json_new_int(sgn_tokenizer_vocab(t)));
        sgn_json_set(j, "hash", sgn_json_new_string(sgn_tokenizer_hash(t)));
        sgn_json_set(j, "read_bytes", sgn_json_new_int((int64_t)read));
        sgn_json_set(j, "bytes_per_token", rate > 0 ? sgn_json_new_real(rate) : sgn_json_new_null());
        sgn_json_set(j, "seconds", sgn_json_new_real(sgn_clock_wall() - begin));
        s = sgn_print_json(j, 2, err);
    } else if (s == SGN_OK) {
        sgn_size_text size;
        printf("%s: %d ids from %s, %.1f s", path.s, sgn_tokenizer_vocab(t), sgn_size_print(read, &size), sgn_clock_wall() - begin);
        if (rate > 0) printf(", %.2f bytes per token", rate);
        putchar('\n');
    }
    sgn_tokenizer_close(t);
    return s;
}

/* --- encode, decode, info ------------------------------------------------------------------------------ */

/* Of a document that comes in parts; *printed counts those of the line. */
static void print_ids(const sgn_ids *ids, bool json, size_t *printed, bool first, bool last) {
    if (first) *printed = 0;
    if (json && first) putchar('[');
    for (size_t i = 0; i < ids->count; i++) printf("%s%d", *printed + i == 0 ? "" : json ? ", " : " ", ids->id[i]);
    *printed += ids->count;
    if (last) puts(json ? "]" : "");
}

/* A line for each document of the files. */
static sgn_status encode_texts(const values *v, const sgn_tokenizer *t, int count, char **files, sgn_error *err) {
    sgn_text *text;
    sgn_ids ids = { 0 };
    size_t printed = 0;
    bool more = true;
    SGN_TRY(sgn_text_open(&text, (const char *const *)files, count, &(sgn_text_options){ .field = v->field }, err));
    sgn_status s = SGN_OK;
    while (s == SGN_OK) {
        sgn_text_part part;
        s = sgn_text_next(text, &part, &more, err);
        if (s != SGN_OK || !more) break;
        const unsigned flags = (part.first ? 0 : SGN_ENCODE_CONTINUES) | (v->specials ? SGN_ENCODE_SPECIALS : 0);
        ids.count = 0;
        if (part.text) s = sgn_tokenizer_encode_as(t, part.text, part.size, flags, &ids, err);
        if (s == SGN_OK) print_ids(&ids, v->json, &printed, part.first, part.last);
    }
    sgn_ids_free(&ids);
    sgn_text_close(text);
    return s;
}

static sgn_status encode(const values *v, int count, char **words, sgn_error *err) {
    sgn_tokenizer *t;
    sgn_ids ids = { 0 };
    char *text = NULL;
    size_t size;
    SGN_TRY(sgn_tokenizer_open(&t, v->tokenizer, err));
    if (v->texts) {
        const sgn_status s = encode_texts(v, t, count, words, err);
        sgn_tokenizer_close(t);
        return s;
    }
    sgn_status s = sgn_words_or_input(count, words, &text, &size, err);
    if (s == SGN_OK) s = sgn_tokenizer_encode_as(t, text, size, v->specials ? SGN_ENCODE_SPECIALS : 0, &ids, err);
    if (s == SGN_OK && v->json) {
        sgn_json *j = sgn_json_new_array();
        for (size_t i = 0; i < ids.count; i++) sgn_json_append(j, sgn_json_new_int(ids.id[i]));
        s = sgn_print_json(j, 0, err);
    } else if (s == SGN_OK) {
        print_ids(&ids, false, &(size_t){ 0 }, true, true);
    }
    free(text);
    sgn_ids_free(&ids);
    sgn_tokenizer_close(t);
    return s;
}

/* Ids between spaces, commas or brackets, each put out as text. */
static sgn_status decode_text(const sgn_tokenizer *t, const char *ids, bool specials, FILE *out, sgn_error *err) {
    sgn_decoder d = { .specials = specials };
    const char *text;
    size_t n;
    sgn_status s = SGN_OK;
    for (const char *at = ids + strspn(ids, " \t\r\n,[]"); *at && s == SGN_OK; at += strspn(at, " \t\r\n,[]")) {
        char *end;
        errno = 0;
        const long long id = strtoll(at, &end, 10);
        if (end == at || errno || id < 0 || id > INT32_MAX) s = SGN_ERROR(err, SGN_CONFIG, "'%.20s' is not a token id", at);
        else if ((s = sgn_decoder_put(&d, t, (int32_t)id, &text, &n, err)) == SGN_OK) fwrite(text, 1, n, out);
        at = end;
    }
    sgn_decoder_end(&d, &text, &n);
    if (s == SGN_OK && n) fwrite(text, 1, n, out);
    sgn_decoder_free(&d);
    return s;
}

static sgn_status decode(const values *v, int count, char **words, sgn_error *err) {
    sgn_tokenizer *t;
    char *ids = NULL, *text = NULL;
    size_t size, text_size = 0;
    SGN_TRY(sgn_tokenizer_open(&t, v->tokenizer, err));
    sgn_status s = sgn_words_or_input(count, words, &ids, &size, err);
    FILE *out = v->json && s == SGN_OK ? open_memstream(&text, &text_size) : stdout;
    if (!out) s = SGN_ERROR(err, SGN_NOMEM, "no memory for the text");
    if (s == SGN_OK) s = decode_text(t, ids, v->specials, out, err);
    if (out && out != stdout) fclose(out);
    if (s == SGN_OK && v->json) s = sgn_print_json(sgn_json_new_text(text, text_size), 0, err);
    else if (s == SGN_OK && (count || isatty(STDOUT_FILENO))) putchar('\n');      /* a filter gives back the bytes that went in */
    free(text);
    free(ids);
    sgn_tokenizer_close(t);
    return s;
}

static sgn_status convert(const values *v, int count, char **words, sgn_error *err) {
    sgn_tokenizer *t;
    SGN_TRY(sgn_words_expect(count, words, 0, 0, err));
    if (!v->out) SGN_FAIL(err, SGN_CONFIG, "--out is missing; name the tokenizer.json or .model to write");
    sgn_path path;
    SGN_TRY(make_way(v->out, &path, err));
    SGN_TRY(sgn_tokenizer_open(&t, v->tokenizer, err));
    const sgn_status s = sgn_tokenizer_save(t, path.s, err);
    sgn_tokenizer_close(t);
    return s;
}

/* "BPE, byte fallback, identity, a space before the text": what a SentencePiece model says beside its pieces. */
static void describe_spm(const sgn_spm *m, char *out, size_t size) {
    snprintf(out, size, "%s, %s, normalization %s%s%s%s", m->unigram ? "Unigram" : "BPE", m->byte_fallback ? "byte fallback" : "unknown piece",
             m->normalizer, m->charsmap ? "" : " (text stays as it is)", m->dummy_prefix ? ", a space before the text" : "",
             m->squeeze ? ", runs of spaces become one" : "");
}

static sgn_status info(const values *v, int count, char **words, sgn_error *err) {
    sgn_tokenizer *t;
    SGN_TRY(sgn_words_expect(count, words, 0, 1, err));
    const char *where = count ? words[0] : v->tokenizer;
    SGN_TRY(sgn_tokenizer_open(&t, where, err));
    const int32_t vocab = sgn_tokenizer_vocab(t);
    int32_t specials = 0;
    size_t longest = 0, n;
    for (int32_t i = 0; i < vocab; i++) {
        const bool special = sgn_tokenizer_is_special(t, i);
        sgn_tokenizer_piece(t, i, &n);
        specials += special;
        if (!special && n > longest) longest = n;
    }
    const sgn_spm *spm = sgn_tokenizer_vocabulary(t)->spm;
    char how[160] = "";
    if (spm) describe_spm(spm, how, sizeof how);
    sgn_status s = SGN_OK;
    if (v->json) {
        sgn_json *j = sgn_json_new_object();
        sgn_json_set(j, "kind", sgn_json_new_string(sgn_tokenizer_kind_name(t)));
        sgn_json_set(j, "vocab", sgn_json_new_int(vocab));
        sgn_json_set(j, "specials", sgn_json_new_int(specials));
        sgn_json_set(j, "endoftext", sgn_json_new_int(sgn_tokenizer_eot(t)));
        sgn_json_set(j, "bos", sgn_json_new_int(sgn_tokenizer_bos(t)));
        sgn_json_set(j, "eos", sgn_json_new_int(sgn_tokenizer_eos(t)));
        if (spm) sgn_json_set(j, "sentencepiece", sgn_json_new_string(how));
        sgn_json_set(j, "longest_piece", sgn_json_new_int((int64_t)longest));
        sgn_json_set(j, "hash", sgn_json_new_string(sgn_tokenizer_hash(t)));
        s = sgn_print_json(j, 2, err);
    } else {
        printf("%s: a %s tokenizer\n  %d ids, %d of them special; end of text: %d\n  longest piece: %zu bytes\n  hash %s\n", where,
               sgn_tokenizer_kind_name(t), vocab, specials, sgn_tokenizer_eot(t), longest, sgn_tokenizer_hash(t));
        if (spm) printf("  SentencePiece %s\n", how);
        for (int32_t i = 0, shown = 0; i < vocab && shown < 16; i++)
            if (sgn_tokenizer_is_special(t, i)) {
                const char *piece = sgn_tokenizer_piece(t, i, &n);
                printf("  %d %.*s%s\n", i, (int)n, piece, ++shown == 16 && specials > 16 ? " ..." : "");
            }
    }
    sgn_tokenizer_close(t);
    return s;
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { 0 };
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 1, argc, err));
    sgn_threads_set((int)v.threads);
    const char *what = argv[0];
    if (strcmp(what, "train") == 0) return train(&v, argc - 1, argv + 1, err);
    if (strcmp(what, "info") == 0 && (argc > 1 || v.tokenizer)) return info(&v, argc - 1, argv + 1, err);
    const bool known = strcmp(what, "encode") == 0 || strcmp(what, "decode") == 0 || strcmp(what, "info") == 0
                       || strcmp(what, "convert") == 0;
    if (!known) SGN_FAIL(err, SGN_CONFIG, "'%.40s' is not train, encode, decode, convert or info", what);
    if (!v.tokenizer) SGN_FAIL(err, SGN_CONFIG, "--tokenizer is missing; name a tokenizer.json, a directory that holds one, or byte");
    if (what[0] == 'c') return convert(&v, argc - 1, argv + 1, err);
    return what[0] == 'e' ? encode(&v, argc - 1, argv + 1, err) : decode(&v, argc - 1, argv + 1, err);
}

const sgn_command sgn_command_tokenizer = {
    .name = "tokenizer", .summary = "learn a byte-level BPE vocabulary from text, or use any tokenizer",
    .usage = "train FILES --vocab N --out FILE | encode|decode --tokenizer T [WORDS] | convert --tokenizer T --out FILE | info T", .options = options, .run = run,
    .example = "signum tokenizer train books/ --vocab 4096 --out tokenizer.json\n"
               "signum tokenizer encode --tokenizer tokenizer.json In the beginning",
};
