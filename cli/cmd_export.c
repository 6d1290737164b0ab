/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/command.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/export_check.h"
#include "cli/output.h"
#include "core/gemm.h"
#include "core/log.h"
#include "core/parallel.h"
#include "data/spm_gguf.h"
#include "data/vocabulary_files.h"
#include "model/model_load.h"

/* Of the largest logit, and at least of 1: what rounding cannot explain is a bug. Floats, 11 bits, 8 bits; of blocks of signs the d and
 * what is beside them has 11. */
static const struct { const char *type; double tolerance; } rounding[] = {
    { "f32", 1e-3 }, { "f16", 2e-2 }, { "bf16", 0.16 }, { "q8_0", 0.16 }, { "q1_0", 2e-2 }, { "tq1_0", 2e-2 }, { "tq2_0", 2e-2 } };

typedef struct {
    const char *format, *out, *data, *type, *other_type, *scales, *tokenizer;
    int64_t     threads;
    bool        latent, approximate, replace, json;
} values;

static const sgn_option options[] = {
    { "format", SGN_OPTION_WORD, offsetof(values, format), "F", "packed: sign planes, run in place (default); gguf: for llama.cpp; hf: for Hugging Face" },
    { "out", SGN_OPTION_WORD, offsetof(values, out), "DIR", "the directory to make" },
    { "latent", SGN_OPTION_FLAG, offsetof(values, latent), NULL, "hf: latent weights and scales as FBI-LLM names them, not their product" },
    { "type", SGN_OPTION_WORD, offsetof(values, type), "T", "of numbers: f32 (default), f16; packed, gguf: q8_0; hf, gguf: bf16; gguf, of signs: q1_0, tq1_0, tq2_0" },
    { "other-type", SGN_OPTION_WORD, offsetof(values, other_type), "T", "gguf: of embedding, head and what is not binary (default: --type, f16 beside signs)" },
    { "scales", SGN_OPTION_WORD, offsetof(values, scales), "T", "packed: f32 (default) or f16 scales and shifts" },
    { "approximate", SGN_OPTION_FLAG, offsetof(values, approximate), NULL, "gguf, packed: round what the type does not hold, and say what that costs" },
    { "tokenizer", SGN_OPTION_WORD, offsetof(values, tokenizer), "FILE", "its tokenizer (default: what the model brings, if anything)" },
    { "replace", SGN_OPTION_FLAG, offsetof(values, replace), NULL, "an existing DIR" },
    { "data", SGN_OPTION_WORD, offsetof(values, data), "SHARDS", "text for the check (default: the run's data.valid, else random tokens)" },
    { "verify-data", SGN_OPTION_WORD, offsetof(values, data), "SHARDS", "the same" },
    { "threads", SGN_OPTION_INT, offsetof(values, threads), "N", "0: as many as the process may use (default)" },
    { "json", SGN_OPTION_FLAG, offsetof(values, json), NULL, "print one object" },
    { 0 },
};

typedef struct {
    const values   *v;
    sgn_path        from;      /* the directory that holds the arrays */
    sgn_transformer model;
    sgn_export_check check;
} exporter;

static double tolerance(const values *v) {
    double most = rounding[0].tolerance;
    for (size_t i = 0; i < sizeof rounding / sizeof *rounding; i++)
        if ((v->type && strcmp(v->type, rounding[i].type) == 0) || (v->scales && strcmp(v->scales, rounding[i].type) == 0))
            most = fmax(most, rounding[i].tolerance);
    return v->approximate ? (double)INFINITY : most;
}

/* --- what came out -------------------------------------------------------------------------------------- */

static int64_t parameters(const exporter *e) {
    const sgn_bits *b = &e->check.bits;
    return sgn_bits_weights(b) + b->numbers[SGN_BITS_SCALES] + b->numbers[SGN_BITS_SHIFTS];
}
static double  file_bits(const exporter *e) { return 8 * (double)e->check.bytes / (double)parameters(e); }
static double  binary_bits(const exporter *e) { return (double)sgn_bits_binary(&e->check.bits) / (double)e->check.bits.binary_weights; }

/* Are the binarized matrices bits in this file? */
static bool has_signs(const exporter *e) { return e->check.bits.binary_weights && strcmp(e->v->format, "hf") != 0; }

typedef struct { char s[160]; } left_text;

/* What the model had and the file has not. */
static left_text left_out(const exporter *e) {
    sgn_path shard;
    const bool moments = sgn_path_set(&shard, NULL, "%s/shard-0000.h5", e->from.s) == SGN_OK && sgn_file_exists(shard.s);
    const char *weights = !e->model.params.latent.count || e->v->latent ? ""
                        : !has_signs(e) ? "latent weights, signs and scales by themselves (their product is here)"
                        : "latent weights (their signs are here)";
    left_text out;
    snprintf(out.s, sizeof out.s, "%s%s%s", weights, *weights && moments ? ", " : "", moments ? "the optimizer's moments" : "");
    return *out.s ? out : (left_text){ "nothing" };
}

/* What it takes to run it elsewhere. */
static void print_needs(const values *v) {
    sgn_path adapter;
    if (v->type && strcmp(v->type, "q1_0") == 0)
        printf("  Q1_0 needs a llama.cpp with pull request 21273 (after April 2026); what says \"invalid ggml type 41\" is older: there\n"
               "  --type tq2_0 or f16 runs\n");
    if (sgn_path_set(&adapter, NULL, "%s/beta.gguf", v->out) == SGN_OK && sgn_file_exists(adapter.s))
        printf("  shifts are an adapter: llama-cli -m %s/model.gguf --lora %s\n", v->out, adapter.s);
}

static void print_gap(const exporter *e, const char *how, const sgn_logit_gap *g) {
    printf("    %-7s largest logit difference %.3g, largest logit %.3g; nats per token %.5f, of the file %.5f (%+.5f), divergence %.3g\n",
           how, g->difference, e->check.largest, e->check.nats, g->nats, g->nats - e->check.nats, g->divergence);
}

static void print_report(const exporter *e) {
    sgn_size_text size;
    printf("%s -> %s (%s)\n", e->from.s, e->v->out, e->v->format);
    if (has_signs(e)) {
        const sgn_bits *b = &e->check.bits;
        const int64_t binary = sgn_bits_binary(b), rest = sgn_bits_all(b) - binary, others = sgn_bits_weights(b) - b->binary_weights;
        printf("  binarized matrices  %13lld weights     %.4f bits each, scales and padding included (%s)\n", (long long)b->binary_weights,
               binary_bits(e), sgn_size_print((uint64_t)binary / 8, &size));
        printf("                                               %.4f %s\n", b->claimed / (double)b->binary_weights, sgn_bits_claim(b));
        printf("  everything else     %13lld parameters  %.4f bits each (%s)\n", (long long)others, (double)rest / (double)others,
               sgn_size_print((uint64_t)rest / 8, &size));
    }
    printf("  the whole file      %13lld parameters  %.4f bits each (%s)\n", (long long)parameters(e), file_bits(e),
           sgn_size_print(e->check.bytes, &size));
    printf("  left out            %s\n", left_out(e).s);
    printf("  reopened and compared with the run on %lld x %lld tokens (%s):\n", (long long)e->check.windows, (long long)e->check.seq, e->check.source);
    print_gap(e, "exact", &e->check.exact);
    if (e->check.signs) print_gap(e, "--int8", &e->check.int8);
    if (strcmp(e->v->format, "gguf") == 0) print_needs(e->v);
}

static sgn_status print_json(const exporter *e, sgn_error *err) {
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "model", sgn_json_new_text(e->from.s, strlen(e->from.s)));
    sgn_json_set(j, "out", sgn_json_new_text(e->v->out, strlen(e->v->out)));
    sgn_json_set(j, "format", sgn_json_new_string(e->v->format));
    sgn_json_set(j, "model_bytes", sgn_json_new_int((int64_t)e->check.bytes));
    sgn_json_set(j, "parameters", sgn_json_new_int(parameters(e)));
    sgn_json_set(j, "binary_weights", sgn_json_new_int(e->check.bits.binary_weights));
    sgn_json_set(j, "binary_bytes", sgn_json_new_int(sgn_bits_binary(&e->check.bits) / 8));
    sgn_json_set(j, "binary_bits_per_weight", has_signs(e) ? sgn_json_new_real(binary_bits(e)) : sgn_json_new_null());
    sgn_json_set(j, "paper_bits_per_weight", has_signs(e) ? sgn_json_new_real(e->check.bits.claimed / (double)e->check.bits.binary_weights) : sgn_json_new_null());
    sgn_json_set(j, "file_bits_per_weight", sgn_json_new_real(file_bits(e)));
    sgn_json_set(j, "left_out", sgn_json_new_string(left_out(e).s));
    sgn_json_set(j, "check_data", sgn_json_new_text(e->check.source, strlen(e->check.source)));
    sgn_json_set(j, "check_tokens", sgn_json_new_int(e->check.windows * e->check.seq));
    sgn_json_set(j, "largest_difference", sgn_json_new_real(e->check.exact.difference));
    sgn_json_set(j, "largest_logit", sgn_json_new_real(e->check.largest));
    sgn_json_set(j, "nats_per_token", sgn_json_new_real(e->check.nats));
    sgn_json_set(j, "file_nats_per_token", sgn_json_new_real(e->check.exact.nats));
    sgn_json_set(j, "divergence", sgn_json_new_real(e->check.exact.divergence));
    if (e->check.signs) {
        sgn_json_set(j, "int8_largest_difference", sgn_json_new_real(e->check.int8.difference));
        sgn_json_set(j, "int8_nats_per_token", sgn_json_new_real(e->check.int8.nats));
        sgn_json_set(j, "int8_divergence", sgn_json_new_real(e->check.int8.divergence));
    }
    return sgn_print_json(j, 2, err);
}

static sgn_status check_words(const values *v, sgn_error *err) {
    if (!v->out) SGN_FAIL(err, SGN_CONFIG, "--out is missing; name the directory to make: --out packed/NAME");
    if (v->latent && strcmp(v->format, "hf") != 0)
        SGN_FAIL(err, SGN_CONFIG, "--latent goes with --format hf; a %s file has %s", v->format,
                 strcmp(v->format, "gguf") == 0 ? "no place for latents" : "only the signs of the latents");
    if (v->other_type && strcmp(v->format, "gguf") != 0)
        SGN_FAIL(err, SGN_CONFIG, "--other-type goes with --format gguf; --type says it for %s", v->format);
    if (v->approximate && strcmp(v->format, "hf") == 0)
        SGN_FAIL(err, SGN_CONFIG, "--approximate goes with --format gguf or packed; hf holds every layer");
    if (v->scales && strcmp(v->format, "packed") != 0)
        SGN_FAIL(err, SGN_CONFIG, "--scales goes with --format packed; %s has no scales by themselves", v->format);
    return SGN_OK;
}

/* A packed model has lost its latents: what loads are +-1 in their place. */
static sgn_status check_latents(const exporter *e, sgn_error *err) {
    sgn_path path;
    sgn_json *j;
    if (!e->v->latent) return SGN_OK;
    SGN_TRY(sgn_path_set(&path, err, "%s/config.json", e->from.s));
    if (!sgn_file_exists(path.s)) return SGN_OK;
    SGN_TRY(sgn_json_load(&j, path.s, 4 << 20, err));
    bool packed = false;
    for (int i = 0; sgn_format_at(i); i++) packed |= sgn_format_at(i)->recognise && sgn_format_at(i)->recognise(j);
    sgn_json_free(j);
    if (packed)
        SGN_FAIL(err, SGN_CONFIG, "%s is packed: it has signs but no latent weights; export the run itself with --latent", e->from.s);
    return SGN_OK;
}

/* --- its tokenizer ------------------------------------------------------------------------------------------ */

typedef struct {
    sgn_path       found, made;        /* its file; a tokenizer.json of it, for the time being; "": none */
    const char    *json;               /* what is put beside the model; NULL: nothing */
    sgn_vocabulary vocabulary;
    sgn_spm_lists  lists;
} brought;

static bool is_json(const char *path) {
    const size_t n = strlen(path);
    return n >= 5 && strcmp(path + n - 5, ".json") == 0 && !sgn_vocabulary_is_pair(path);
}

static sgn_status make_json(brought *b, sgn_error *err) {
    const char *tmp = getenv("TMPDIR");
    sgn_path path;
    SGN_TRY(sgn_path_set(&path, err, "%s/signum-tokenizer-XXXXXX", tmp && *tmp ? tmp : "/tmp"));
    const int fd = mkstemp(path.s);
    if (fd < 0) SGN_FAIL(err, SGN_IO, "%s: cannot create: %s", path.s, strerror(errno));
    close(fd);
    b->made = path;
    SGN_TRY(sgn_vocabulary_save(&b->vocabulary, path.s, err));
    b->json = b->made.s;
    return SGN_OK;
}

static sgn_status open_tokenizer(brought *b, const exporter *e, sgn_error *err) {
    const int64_t vocab = e->model.config.vocab;
    const char *path = b->found.s;
    sgn_error why = { 0 };
    if (is_json(path)) b->json = path;
    SGN_TRY(sgn_vocabulary_open(&b->vocabulary, path, err));
    if (b->vocabulary.count > vocab)
        SGN_FAIL(err, SGN_CONFIG, "%s: it has %d ids, the model %lld", path, b->vocabulary.count, (long long)vocab);
    if (!b->json) SGN_TRY(make_json(b, err));
    if (!b->vocabulary.spm || strcmp(e->v->format, "gguf") != 0) return SGN_OK;
    if (sgn_spm_lists_make(&b->lists, &b->vocabulary, vocab, &why) == SGN_NOMEM) SGN_FAIL(err, SGN_NOMEM, "%s", why.text);
    if (b->lists.passed_over) sgn_warn("%s: llama.cpp passes over its %s: text that needs it has other ids there", path, b->lists.passed_over);
    return SGN_OK;
}

/* One that is named must do; one that lies there may be of a kind that is not known. */
static sgn_status find_tokenizer(brought *b, const exporter *e, sgn_error *err) {
    sgn_error why = { 0 };
    if (e->v->tokenizer) {
        SGN_TRY(sgn_vocabulary_find_file(e->v->tokenizer, &b->found, err));
        return open_tokenizer(b, e, err);
    }
    if (sgn_vocabulary_find_beside(e->from.s, &b->found, NULL) != SGN_OK || open_tokenizer(b, e, &why) == SGN_OK) return SGN_OK;
    sgn_warn(b->json ? "its tokenizer comes along as it is (%s); --tokenizer names another" : "no tokenizer comes along (%s); --tokenizer names one",
             why.text);
    return SGN_OK;
}

static sgn_status write_model(exporter *e, sgn_error *err) {
    brought *b = calloc(1, sizeof *b);
    if (!b) SGN_FAIL(err, SGN_NOMEM, "no memory for a tokenizer");
    sgn_status s = find_tokenizer(b, e, err);
    const sgn_export_options o = { .tokenizer = b->json, .beside = *b->found.s ? b->found.s : NULL, .vocabulary = b->lists.metas ? b->lists.meta : NULL,
                                   .vocabulary_values = b->lists.metas, .latent = e->v->latent, .type = e->v->type,
                                   .other_type = e->v->other_type, .scales = e->v->scales, .approximate = e->v->approximate,
                                   .check = sgn_export_check_file, .ctx = &e->check };
    if (s == SGN_OK) s = sgn_export(e->v->format, e->v->out, &e->model, &o, e->v->replace, err);
    if (*b->made.s) unlink(b->made.s);
    sgn_spm_lists_free(&b->lists);
    sgn_vocabulary_free(&b->vocabulary);
    free(b);
    return s;
}

static sgn_status export_model(exporter *e, const char *where, sgn_error *err) {
    if (!e->v->replace && sgn_file_exists(e->v->out))
        SGN_FAIL(err, SGN_IO, "%s exists already; choose another name, or say --replace", e->v->out);
    SGN_TRY(sgn_model_resolve(where, "export", &e->from, err));
    SGN_TRY(check_latents(e, err));
    SGN_TRY(sgn_gemm_init(err));
    SGN_TRY(sgn_model_load(&e->model, e->from.s, false, err));
    e->check.model = &e->model;
    e->check.tolerance = tolerance(e->v);
    SGN_TRY(sgn_export_check_tokens(&e->check, e->v->data, e->from.s, err));
    SGN_TRY(write_model(e, err));
    if (e->v->json) return print_json(e, err);
    print_report(e);
    return SGN_OK;
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { .format = "packed" };
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 1, 1, err));
    SGN_TRY(check_words(&v, err));
    sgn_threads_set((int)v.threads);
    exporter e = { .v = &v };
    const sgn_status s = export_model(&e, argv[0], err);
    sgn_transformer_free(&e.model);
    sgn_export_check_free(&e.check);
    return s;
}

const sgn_command sgn_command_export = {
    .name = "export", .summary = "write a model as packed bits, for llama.cpp or for Hugging Face, and check it",
    .usage = "MODEL --format packed|gguf|hf [--latent] [--type T] [--other-type T] [--scales T] [--approximate] [--tokenizer FILE] --out DIR [--replace] [--data SHARDS] [--json]",
    .options = options, .run = run,
    .example = "signum export runs/student --format packed --out packed/student\n"
               "signum export runs/student --scales f16 --type q8_0 --out packed/small\n"
               "signum export runs/student --format gguf --type q1_0 --out gguf/student\n"
               "signum export runs/student --format hf --latent --out hf/student",
};
