/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/command.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/output.h"
#include "core/gemm.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "data/shard.h"
#include "data/spm_gguf.h"
#include "data/vocabulary_files.h"
#include "export/runtime.h"
#include "export/dense_run.h"
#include "model/model_load.h"
#include "train/run_config.h"

enum { WINDOWS = 4, WINDOW = 128 };
#define TOLERANCE 1e-3         /* of the largest logit, and at least of 1: what float rounding cannot explain is a bug */
#define HALF_TOLERANCE 2e-2    /* of weights rounded to 11 bits as well; to 8: eight times that */

typedef struct {
    const char *format, *out, *verify_data, *type, *tokenizer;
    int64_t     threads;
    bool        latent, replace, json;
} values;

static const sgn_option options[] = {
    { "format", SGN_OPTION_WORD, offsetof(values, format), "F", "packed: sign planes, run in place (default); gguf: for llama.cpp; hf: for Hugging Face" },
    { "out", SGN_OPTION_WORD, offsetof(values, out), "DIR", "the directory to make" },
    { "latent", SGN_OPTION_FLAG, offsetof(values, latent), NULL, "hf: latent weights and scales as FBI-LLM names them, not their product" },
    { "type", SGN_OPTION_WORD, offsetof(values, type), "T", "hf: f32 (default), f16 or bf16; gguf: f32 (default) or f16 matrices" },
    { "tokenizer", SGN_OPTION_WORD, offsetof(values, tokenizer), "FILE", "its tokenizer (default: what the model brings, if anything)" },
    { "replace", SGN_OPTION_FLAG, offsetof(values, replace), NULL, "an existing DIR" },
    { "verify-data", SGN_OPTION_WORD, offsetof(values, verify_data), "SHARDS",
      "text for the check (default: the run's data.valid, else random tokens)" },
    { "threads", SGN_OPTION_INT, offsetof(values, threads), "N", "0: as many as the process may use (default)" },
    { "json", SGN_OPTION_FLAG, offsetof(values, json), NULL, "print one object" },
    { 0 },
};

typedef struct {
    const values   *v;
    sgn_path        from;      /* the directory that holds the arrays */
    sgn_transformer model;
    int64_t         windows, seq;
    int32_t        *ids;       /* (windows, seq) */
    char            source[160];               /* of these tokens */
    float          *want, *got;                /* (seq, vocab) */
    /* what the check found */
    double          difference, largest;       /* of logits */
    uint64_t        bytes;
    sgn_bit_count   count;
} exporter;

/* --- tokens to compare on --------------------------------------------------------------------------- */

static sgn_status read_shards(exporter *e, const char *where, sgn_error *err) {
    sgn_shards *s;
    SGN_TRY(sgn_shards_open(&s, where, "valid", err));
    const sgn_shard_info *info = sgn_shards_info(s);
    const int64_t vocab = e->model.config.vocab, have = (int64_t)(info->tokens < 1 << 30 ? info->tokens : 1 << 30);
    sgn_status status = SGN_OK;
    if (info->vocab > vocab)
        status = SGN_ERROR(err, SGN_CONFIG, "%s has ids up to %u, but the model's vocabulary has %lld", where, info->vocab - 1,
                           (long long)vocab);
    if (have < e->seq) e->seq = have;
    if (have < e->windows * e->seq) e->windows = have / e->seq;
    if (status == SGN_OK) status = sgn_shards_read(s, 0, (size_t)(e->windows * e->seq), e->ids, err);
    snprintf(e->source, sizeof e->source, "%.140s", sgn_shards_directory(s));
    sgn_shards_close(s);
    return status;
}

static bool read_run_data(exporter *e) {
    sgn_path path;
    sgn_run_config c;
    if (sgn_path_set(&path, NULL, "%s/run.yaml", e->from.s) != SGN_OK || !sgn_file_exists(path.s)) return false;
    if (sgn_run_config_load(&c, path.s, NULL, 0, NULL) != SGN_OK || !*c.data.valid) return false;
    return read_shards(e, c.data.valid, NULL) == SGN_OK;
}

static sgn_status choose_tokens(exporter *e, sgn_error *err) {
    const sgn_model_config *c = &e->model.config;
    e->windows = WINDOWS;
    e->seq = c->context < WINDOW ? c->context : WINDOW;
    e->ids = malloc((size_t)(e->windows * e->seq) * sizeof *e->ids);
    e->want = malloc((size_t)(e->seq * c->vocab) * sizeof *e->want);
    e->got = malloc((size_t)(e->seq * c->vocab) * sizeof *e->got);
    if (!e->ids || !e->want || !e->got) SGN_FAIL(err, SGN_NOMEM, "no memory for the logits of %lld tokens", (long long)e->seq);
    if (e->v->verify_data) return read_shards(e, e->v->verify_data, err);
    if (read_run_data(e)) return SGN_OK;
    e->windows = WINDOWS;
    e->seq = c->context < WINDOW ? c->context : WINDOW;
    for (int64_t i = 0; i < e->windows * e->seq; i++)
        e->ids[i] = (int32_t)(sgn_rng_bits(1, sgn_rng_stream("export check"), (uint64_t)i) % (uint64_t)c->vocab);
    snprintf(e->source, sizeof e->source, "random tokens");
    return SGN_OK;
}

/* --- the check ---------------------------------------------------------------------------------------- */

/* Logits by the forward pass that trained. */
static sgn_status train_logits(const exporter *e, sgn_tape *t, const int32_t *ids, sgn_error *err) {
    const sgn_model_config *c = &e->model.config;
    sgn_tape_begin(t, SGN_TAPE_NOGRAD);
    const sgn_tensor *hidden = sgn_transformer_hidden(&e->model, t, ids, 1, e->seq);
    SGN_TRY(sgn_tape_end(t, err));
    sgn_dense_run(sgn_tensor_matrix(sgn_transformer_head(&e->model)), hidden->data, e->seq, c->vocab, c->dim, false, e->want);
    return SGN_OK;
}

/* Logits by the runtime, from the file: all but the last token at once, the last by itself. */
static sgn_status file_logits(const exporter *e, sgn_runtime *r, const sgn_lowered_model *lm, const int32_t *ids, sgn_error *err) {
    const int64_t dim = lm->config.dim, vocab = lm->config.vocab, first = e->seq - 1;
    const float *hidden;
    sgn_runtime_reset(r);
    if (first > 0) {
        SGN_TRY(sgn_runtime_hidden(r, ids, first, &hidden, err));
        sgn_dense_run(lm->head, hidden, first, vocab, dim, false, e->got);
    }
    SGN_TRY(sgn_runtime_hidden(r, ids + first, 1, &hidden, err));
    sgn_runtime_logits(r, hidden, e->got + first * vocab);
    return SGN_OK;
}

static double tolerance(const exporter *e) {
    const char *type = e->v->type ? e->v->type : "f32";
    return strcmp(type, "f16") == 0 ? HALF_TOLERANCE : strcmp(type, "bf16") == 0 ? 8 * HALF_TOLERANCE : TOLERANCE;
}

static sgn_status compare(exporter *e, sgn_runtime *r, const sgn_lowered_model *lm, sgn_tape *t, sgn_error *err) {
    for (int64_t w = 0; w < e->windows; w++) {
        SGN_TRY(train_logits(e, t, e->ids + w * e->seq, err));
        SGN_TRY(file_logits(e, r, lm, e->ids + w * e->seq, err));
        for (int64_t i = 0; i < e->seq * lm->config.vocab; i++) {
            const double off = fabs((double)e->got[i] - (double)e->want[i]);
            if (!isnan(e->difference) && !(off <= e->difference)) e->difference = off;
            if (fabs((double)e->want[i]) > e->largest) e->largest = fabs((double)e->want[i]);
        }
    }
    if (!(e->difference <= tolerance(e) * fmax(1, e->largest)))
        SGN_FAIL(err, SGN_NUMERIC, "the exported file's logits differ from the model's by %g (largest logit %g), which rounding does "
                 "not explain; nothing was written", e->difference, e->largest);
    return SGN_OK;
}

static sgn_status check_file(exporter *e, const sgn_model_file *f, sgn_error *err) {
    const sgn_lowered_model *lm = sgn_model_file_lowered(f);
    e->bytes = sgn_model_file_bytes(f);
    e->count = sgn_lowered_model_count(lm);
    sgn_tape dry, tape = { 0 };
    SGN_TRY(sgn_tape_init_dry(&dry, sgn_transformer_nodes(&e->model), err));
    sgn_tape_begin(&dry, SGN_TAPE_NOGRAD);
    sgn_transformer_hidden(&e->model, &dry, e->ids, 1, e->seq);
    sgn_status s = sgn_tape_end(&dry, err);
    if (s == SGN_OK) s = sgn_tape_init(&tape, sgn_transformer_nodes(&e->model), dry.data.peak, err);
    sgn_tape_free(&dry);
    sgn_runtime *r = NULL;
    if (s == SGN_OK) s = sgn_runtime_open(&r, lm, &(sgn_runtime_options){ .context = e->seq, .batch = e->seq }, err);
    if (s == SGN_OK) s = compare(e, r, lm, &tape, err);
    sgn_runtime_close(r);
    sgn_tape_free(&tape);
    return s;
}

static sgn_status check(void *ctx, const char *directory, sgn_error *err) {
    sgn_model_file *f;
    SGN_TRY(sgn_model_file_open(&f, directory, SGN_VERIFY_ALL, err));
    const sgn_status s = check_file(ctx, f, err);
    sgn_model_file_close(f);
    return s;
}

/* --- what came out -------------------------------------------------------------------------------------- */

static int64_t parameters(const exporter *e) { return e->count.binary_weights + e->count.scales + e->count.parameters; }
static double  file_bits(const exporter *e) { return 8 * (double)e->bytes / (double)parameters(e); }
static double  binary_bits(const exporter *e) { return 8 * (double)e->count.binary_bytes / (double)e->count.binary_weights; }

/* Are the binarized matrices bits in this file? */
static bool has_planes(const exporter *e) { return e->count.binary_weights && strcmp(e->v->format, "packed") == 0; }

typedef struct { char s[160]; } left_text;

/* What the model had and the file has not. */
static left_text left_out(const exporter *e) {
    sgn_path shard;
    const bool moments = sgn_path_set(&shard, NULL, "%s/shard-0000.h5", e->from.s) == SGN_OK && sgn_file_exists(shard.s);
    const char *weights = !e->model.params.latent.count || e->v->latent ? ""
                        : !has_planes(e) ? "latent weights, signs and scales by themselves (their product is here)"
                        : "latent weights (their signs are here)";
    left_text out;
    snprintf(out.s, sizeof out.s, "%s%s%s", weights, *weights && moments ? ", " : "", moments ? "the optimizer's moments" : "");
    return *out.s ? out : (left_text){ "nothing" };
}

static void print_report(const exporter *e) {
    sgn_size_text size;
    printf("%s -> %s (%s)\n", e->from.s, e->v->out, e->v->format);
    if (has_planes(e)) {
        printf("  binarized matrices  %13lld weights     %.4f bits each, scales and padding included (%s)\n",
               (long long)e->count.binary_weights, binary_bits(e), sgn_size_print((uint64_t)e->count.binary_bytes, &size));
        printf("  full precision      %13lld parameters  %.4f bits each (%s)\n", (long long)e->count.parameters,
               8 * (double)e->count.dense_bytes / (double)e->count.parameters, sgn_size_print((uint64_t)e->count.dense_bytes, &size));
    }
    printf("  the whole file      %13lld parameters  %.4f bits each (%s)\n", (long long)parameters(e), file_bits(e),
           sgn_size_print(e->bytes, &size));
    printf("  left out            %s\n", left_out(e).s);
    printf("  reopened and compared on %lld x %lld tokens (%s):\n", (long long)e->windows, (long long)e->seq, e->source);
    printf("  largest difference of a logit %.3g, largest logit %.3g\n", e->difference, e->largest);
}

static sgn_status print_json(const exporter *e, sgn_error *err) {
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "model", sgn_json_new_text(e->from.s, strlen(e->from.s)));
    sgn_json_set(j, "out", sgn_json_new_text(e->v->out, strlen(e->v->out)));
    sgn_json_set(j, "format", sgn_json_new_string(e->v->format));
    sgn_json_set(j, "model_bytes", sgn_json_new_int((int64_t)e->bytes));
    sgn_json_set(j, "parameters", sgn_json_new_int(parameters(e)));
    sgn_json_set(j, "binary_weights", sgn_json_new_int(e->count.binary_weights));
    sgn_json_set(j, "binary_bytes", sgn_json_new_int(e->count.binary_bytes));
    sgn_json_set(j, "binary_bits_per_weight", has_planes(e) ? sgn_json_new_real(binary_bits(e)) : sgn_json_new_null());
    sgn_json_set(j, "file_bits_per_weight", sgn_json_new_real(file_bits(e)));
    sgn_json_set(j, "left_out", sgn_json_new_string(left_out(e).s));
    sgn_json_set(j, "check_data", sgn_json_new_text(e->source, strlen(e->source)));
    sgn_json_set(j, "check_tokens", sgn_json_new_int(e->windows * e->seq));
    sgn_json_set(j, "largest_difference", sgn_json_new_real(e->difference));
    sgn_json_set(j, "largest_logit", sgn_json_new_real(e->largest));
    return sgn_print_json(j, 2, err);
}

static sgn_status check_words(const values *v, sgn_error *err) {
    if (!v->out) SGN_FAIL(err, SGN_CONFIG, "--out is missing; name the directory to make: --out packed/NAME");
    if (v->latent && strcmp(v->format, "hf") != 0)
        SGN_FAIL(err, SGN_CONFIG, "--latent goes with --format hf; a %s file has %s", v->format,
                 strcmp(v->format, "gguf") == 0 ? "no place for latents" : "only the signs of the latents");
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
                                   .vocabulary_values = b->lists.metas, .latent = e->v->latent, .type = e->v->type, .check = check, .ctx = e };
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
    SGN_TRY(choose_tokens(e, err));
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
    free(e.ids);
    free(e.want);
    free(e.got);
    return s;
}

const sgn_command sgn_command_export = {
    .name = "export", .summary = "write a model as packed bits, for llama.cpp or for Hugging Face, and check it",
    .usage = "MODEL --format packed|gguf|hf [--latent] [--type T] [--tokenizer FILE] --out DIR [--replace] [--verify-data SHARDS] [--json]",
    .options = options, .run = run,
    .example = "signum export runs/student --format packed --out packed/student\n"
               "signum export runs/student --format gguf --type f16 --out gguf/student\n"
               "signum export runs/student --format hf --latent --out hf/student",
};
