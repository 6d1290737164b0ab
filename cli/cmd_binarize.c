/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "binarize/assembly.h"
#include "binarize/binarize.h"
#include "cli/new_run.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/log.h"
#include "core/parallel.h"
#include "model/model_load.h"

typedef struct {
    const char *out, *method, *calibration, *tokenizer, *modules, *variant, *mask, *search;
    int64_t     windows, seq, n, m, paths, threads;
    double      bits;
    bool        layerwise, dense, replace, json;
} values;

static const sgn_option options[] = {
    { "method", SGN_OPTION_WORD, offsetof(values, method), "NAME", "sign, xnor, arb-rc, billm, stbllm, onebit or littlebit" },
    { "calibration", SGN_OPTION_WORD, offsetof(values, calibration), "SHARDS", "text to measure the layers' inputs on, of the model's tokenizer" },
    { "out", SGN_OPTION_WORD, offsetof(values, out), "RUN", "the run's directory to make; RUN.partial keeps finished blocks until then" },
    { "windows", SGN_OPTION_INT, offsetof(values, windows), "N", "calibration windows (default 128, or what there is)" },
    { "seq", SGN_OPTION_INT, offsetof(values, seq), "T", "tokens of a window (default: the model's context, 2048 at most)" },
    { "modules", SGN_OPTION_WORD, offsetof(values, modules), "LIST", "which layers, as model.binary says it (default attention,mlp)" },
    { "n", SGN_OPTION_INT, offsetof(values, n), "N", "stbllm: weights kept of each M (default 4); billm: first prune to that, by size" },
    { "m", SGN_OPTION_INT, offsetof(values, m), "M", "stbllm: consecutive inputs of a group (default 8)" },
    { "layerwise", SGN_OPTION_FLAG, offsetof(values, layerwise), NULL, "stbllm: N per block, more where importance has outliers" },
    { "mask", SGN_OPTION_WORD, offsetof(values, mask), "WORD", "stbllm: compensated, chosen anew block by block (default), or fixed" },
    { "search", SGN_OPTION_WORD, offsetof(values, search), "WORD", "billm, stbllm: least misfit of the weights (default) or of saliency, as their codes" },
    { "variant", SGN_OPTION_WORD, offsetof(values, variant), "WORD", "billm, stbllm: released, their codes' arithmetic as a dense model, to compare with" },
    { "dense", SGN_OPTION_FLAG, offsetof(values, dense), NULL, "billm, stbllm: write the numbers as full-precision layers, for other programs" },
    { "bits", SGN_OPTION_REAL, offsetof(values, bits), "B", "littlebit: bits per weight (default 0.55)" },
    { "paths", SGN_OPTION_INT, offsetof(values, paths), "1|2", "littlebit: 2 fits a second pair to what the first leaves" },
    { "tokenizer", SGN_OPTION_WORD, offsetof(values, tokenizer), "FILE", "the model's tokenizer (default: what the model brings)" },
    { "replace", SGN_OPTION_FLAG, offsetof(values, replace), NULL, "an existing RUN, and a RUN.partial that was begun with other settings" },
    { "threads", SGN_OPTION_INT, offsetof(values, threads), "N", "0: as many as the process may use (default)" },
    { "json", SGN_OPTION_FLAG, offsetof(values, json), NULL, "print the report as one object" },
    { 0 },
};

enum { M = 8 };
static const double BITS = 0.55;

typedef struct {
    const values    *v;
    sgn_path         from, work;
    sgn_tokenizer   *tokenizer;
    sgn_run_config   config;
    sgn_transformer  source, model;            /* neither is ever in memory as a whole */
    sgn_assembly     parts;
    sgn_shards      *shards;
    sgn_binarize_job job;
    sgn_work_lock    lock;
    sgn_json        *rows;
    double           began, block;             /* when this block began; seconds that the last one took, 0: none was made yet */
    int64_t          begun;                    /* windows that were done then */
} command;

/* --- options ------------------------------------------------------------------------------------------------- */

static sgn_status read_word(const char *option, const char *given, const char *plain, const char *other, bool *is_other, sgn_error *err) {
    *is_other = given && strcmp(given, other) == 0;
    if (given && !*is_other && strcmp(given, plain)) SGN_FAIL(err, SGN_CONFIG, "--%s is %s or %s, not '%.40s'", option, plain, other, given);
    return SGN_OK;
}

static sgn_status read_method(const char *name, const sgn_binarizer **out, sgn_error *err) {
    const char *known[16];
    int n = 0;
    for (; n < 16 && sgn_binarizer_at(n); n++) known[n] = sgn_binarizer_at(n)->name;
    if (!name) SGN_FAIL(err, SGN_CONFIG, "--method is missing; there are sign, xnor, arb-rc, billm, stbllm, onebit and littlebit");
    if ((*out = sgn_binarizer_find(name))) return SGN_OK;
    const char *near = sgn_nearest(name, known, n);
    SGN_FAIL(err, SGN_CONFIG, "--method: there is no '%.40s'; the nearest is '%s'", name, near ? near : known[0]);
}

static sgn_status read_options(const values *v, sgn_binarize_options *o, sgn_error *err) {
    *o = (sgn_binarize_options){ .n = v->n, .m = v->m, .layerwise = v->layerwise, .dense = v->dense, .bits = v->bits, .paths = v->paths };
    SGN_TRY(read_method(v->method, &o->method, err));
    const bool zoned = strcmp(o->method->kind, "zoned") == 0, masked = strcmp(o->method->name, "stbllm") == 0;
    SGN_TRY(read_word("mask", v->mask, "compensated", "fixed", &o->fixed, err));
    SGN_TRY(read_word("search", v->search, "error", "saliency", &o->by_saliency, err));
    SGN_TRY(read_word("variant", v->variant, "honest", "released", &o->released, err));
    if (masked && !v->n) o->n = 4;
    o->dense |= o->released;
    if (v->n < 0 || (v->n && !zoned)) SGN_FAIL(err, SGN_CONFIG, "--n is %lld; it belongs to --method stbllm and billm and is at least 1", (long long)v->n);
    if (!zoned && (v->variant || v->search || v->dense)) SGN_FAIL(err, SGN_CONFIG, "--variant, --search and --dense belong to --method billm and stbllm, not %s", o->method->name);
    if (!masked && (v->mask || v->layerwise)) SGN_FAIL(err, SGN_CONFIG, "--mask and --layerwise belong to --method stbllm, not %s", o->method->name);
    if (!zoned && v->m != M) SGN_FAIL(err, SGN_CONFIG, "--m is %lld; it belongs to --method stbllm and billm, not %s", (long long)v->m, o->method->name);
    if (strcmp(o->method->name, "littlebit") && (v->bits < BITS || v->bits > BITS || v->paths != 1))
        SGN_FAIL(err, SGN_CONFIG, "--bits and --paths belong to --method littlebit, not %s", o->method->name);
    if (v->paths < 1 || v->paths > 2) SGN_FAIL(err, SGN_CONFIG, "--paths is %lld; 1 or 2 is expected", (long long)v->paths);
    if (v->windows < 1) SGN_FAIL(err, SGN_CONFIG, "--windows is %lld; at least 1 is expected", (long long)v->windows);
    return SGN_OK;
}

/* --- what goes in ---------------------------------------------------------------------------------------------- */

static sgn_status settle_config(command *k, const sgn_model_config *source, sgn_error *err) {
    sgn_run_config *c = &k->config;
    const sgn_binarize_options *o = &k->job.how;
    SGN_TRY(sgn_run_config_load(c, NULL, NULL, 0, err));
    const sgn_model_config defaults = c->model;
    c->model = *source;
    memcpy(c->model.keep, defaults.keep, sizeof defaults.keep);            /* of no meaning to full-precision layers, whose source may not say them */
    memcpy(c->model.estimator, defaults.estimator, sizeof defaults.estimator);
    c->model.bits = defaults.bits;
    c->model.paths = defaults.paths;
    snprintf(c->model.linear, SGN_TEXT, "%s", sgn_binarize_kind(o));
    snprintf(c->model.binary, SGN_TEXT, "%s", k->v->modules ? k->v->modules : "attention,mlp");
    snprintf(c->model.scales, SGN_TEXT, "column");
    c->model.mixed[0] = '\0';
    c->model.shift = true;
    c->model.tie_scales = false;
    if (strcmp(o->method->name, "littlebit") == 0) c->model.bits = o->bits, c->model.paths = o->paths;
    if (c->train.seq > source->context) c->train.seq = source->context;
    k->job.seq = k->v->seq ? k->v->seq : source->context < 2048 ? source->context : 2048;
    if (k->job.seq < 1 || k->job.seq > source->context)
        SGN_FAIL(err, SGN_CONFIG, "--seq is %lld, but the model's context goes from 1 to %lld tokens", (long long)k->job.seq, (long long)source->context);
    return sgn_run_config_check(c, err);
}

static sgn_status open_shards(command *k, sgn_error *err) {
    SGN_TRY(sgn_shards_open(&k->shards, k->v->calibration, "train", err));
    if (!k->tokenizer) sgn_warn("the model has no tokenizer here; of the calibration text only the number of ids is compared");
    return sgn_shards_fit(k->shards, (uint32_t)k->source.config.vocab, k->tokenizer ? sgn_tokenizer_hash(k->tokenizer) : NULL, "the model", err);
}

static sgn_status open_source(command *k, const char *where, sgn_error *err) {
    sgn_model_config source;
    SGN_TRY(sgn_model_resolve(where, "binarize", &k->from, err));
    SGN_TRY(sgn_model_load_config(k->from.s, NULL, &source, err));
    SGN_TRY(settle_config(k, &source, err));
    SGN_TRY(sgn_new_run_tokenizer(k->from.s, k->v->tokenizer, source.vocab, &k->tokenizer, err));
    SGN_TRY(sgn_transformer_init(&k->source, &source, false, err));
    SGN_TRY(open_shards(k, err));
    return sgn_model_attach(&k->source, k->from.s, err);
}

/* --- while it runs ----------------------------------------------------------------------------------------------- */

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Blocks cost the same: the last one says what those to come take. Before it the windows of all passes do, which leave out the fits. */
static double seconds_left(const command *k, const sgn_binarize_progress *p, double now) {
    const double spent = now - k->began, done = (double)(p->windows - k->begun);
    if (k->block > 0) return k->block * (double)(p->blocks - p->block - 1) + (p->finished || spent > k->block ? 0 : k->block - spent);
    return done > 0 ? spent / done * (double)(p->of - p->windows) : 0;
}

static bool progress(void *ctx, const sgn_binarize_progress *p) {
    command *k = ctx;
    const double now = seconds();
    const long long block = p->block + 1, blocks = p->blocks;
    if (p->finished) {
        if (!p->found) k->block = now - k->began;
        k->began = now;
        k->begun = p->windows;
    }
    const long left = (long)(seconds_left(k, p, now) + 0.5);
    char time[40] = "";
    if (k->block > 0 || p->windows > k->begun) snprintf(time, sizeof time, ", %ld:%02ld:%02ld left", left / 3600, left / 60 % 60, left % 60);
    if (p->finished && !k->v->json) sgn_terminal_line(stdout, "block %lld of %lld %s%s", block, blocks, p->found ? "was there" : "done", block < blocks ? time : "");
    sgn_terminal_status("block %lld of %lld, %.0f %%%s", block, blocks, 100 * (double)p->windows / (double)p->of, time);
    return !sgn_interrupted();
}

/* --- what comes out ------------------------------------------------------------------------------------------------ */

static double real_of(const sgn_json *row, const char *key) { return sgn_json_real(sgn_json_get(row, key), 0); }
static double share(double part, double all) { return all > 0 ? part / all : 0; }

typedef struct { double weights, energy, before, after, kept, claimed, stored; } total;

static total sum_up(const sgn_json *rows) {
    total t = { 0 };
    for (size_t i = 0; i < sgn_json_size(rows); i++) {
        const sgn_json *r = sgn_json_at(rows, i);
        const double n = real_of(r, "out") * real_of(r, "in");
        t.weights += n;
        t.energy += real_of(r, "energy");
        t.before += real_of(r, "row_signs_error");
        t.after += real_of(r, "error");
        t.kept += n * real_of(r, "kept");
        t.claimed += n * real_of(r, "claimed_bits");
        t.stored += n * real_of(r, "stored_bits");
    }
    return t;
}

static sgn_json *report_of(const command *k) {
    const sgn_binarize_options *o = &k->job.how;
    const total t = sum_up(k->rows);
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "model", sgn_json_new_string_n(k->from.s, strlen(k->from.s)));
    sgn_json_set(j, "calibration", sgn_json_new_string(sgn_shards_directory(k->shards)));
    sgn_json_set(j, "method", sgn_json_new_string(o->method->name));
    sgn_json_set(j, "linear", sgn_json_new_string(sgn_binarize_kind(o)));
    sgn_json_set(j, "variant", sgn_json_new_string(o->released ? "released: a dense model, stored as numbers" : "honest"));
    sgn_json_set(j, "windows", sgn_json_new_int(k->job.windows));
    sgn_json_set(j, "seq", sgn_json_new_int(k->job.seq));
    sgn_json_set(j, "weights", sgn_json_new_real(t.weights));
    sgn_json_set(j, "relative_error", sgn_json_new_real(share(t.after, t.energy)));
    sgn_json_set(j, "row_signs_relative_error", sgn_json_new_real(share(t.before, t.energy)));
    sgn_json_set(j, "kept", sgn_json_new_real(t.kept / t.weights));
    sgn_json_set(j, "claimed_bits", sgn_json_new_real(t.claimed / t.weights));
    sgn_json_set(j, "stored_bits", sgn_json_new_real(t.stored / t.weights));
    return j;
}

static void print_rows(const command *k) {
    const total t = sum_up(k->rows);
    printf("%-36s %12s %12s %6s %8s %8s\n", "layer", "error", "row signs", "kept", "claimed", "stored");
    for (size_t i = 0; i < sgn_json_size(k->rows); i++) {
        const sgn_json *r = sgn_json_at(k->rows, i);
        const double energy = real_of(r, "energy"), damping = real_of(r, "damping");
        printf("%-36s %12.5f %12.5f %6.3f %8.3f %8.3f", sgn_json_string(sgn_json_get(r, "layer"), ""), share(real_of(r, "error"), energy),
               share(real_of(r, "row_signs_error"), energy), real_of(r, "kept"), real_of(r, "claimed_bits"), real_of(r, "stored_bits"));
        if (damping > 0.011) printf("  damped by %g", damping);
        if (real_of(r, "dead_inputs") > 0) printf("  %g inputs are always 0", real_of(r, "dead_inputs"));
        printf("\n");
    }
    printf("%-36s %12.5f %12.5f %6.3f %8.3f %8.3f\n", "all", share(t.after, t.energy), share(t.before, t.energy), t.kept / t.weights,
           t.claimed / t.weights, t.stored / t.weights);
    printf("error: of the layers' outputs on the calibration text, as a share of them; bits per weight as papers count them, and as the method's form takes%s\n",
           k->job.how.released ? ".\nThis variant is dense: its numbers are kept as such and no file of those sizes holds it" : "");
}

static sgn_status finish(command *k, sgn_error *err) {
    SGN_TRY(sgn_transformer_init(&k->model, &k->config.model, false, err));
    k->config.model = k->model.config;
    SGN_TRY(sgn_assembly_init(&k->parts, &k->source, &k->model, k->work.s, err));
    if (!k->v->json) print_rows(k);
    sgn_json *report = report_of(k);
    sgn_json_set(report, "layers", k->rows);
    k->rows = NULL;
    sgn_status s = sgn_new_run_write(&(sgn_new_run){ .out = k->v->out, .replace = k->v->replace, .config = &k->config, .tokenizer = k->tokenizer,
                                                     .model = &k->model, .from = &(sgn_weight_source){ sgn_assembly_get, &k->parts },
                                                     .report = report, .report_name = "binarize.json" }, err);
    if (s == SGN_OK) s = sgn_remove_tree(k->work.s, err);
    if (s != SGN_OK || !k->v->json) sgn_json_free(report);
    SGN_TRY(s);
    if (k->v->json) return sgn_print_json(report, 2, err);
    printf("%s -> %s\n  recover with: signum train recover init=%s distill.teacher=%s data.train=SHARDS --out RUN\n", k->from.s, k->v->out, k->v->out, k->from.s);
    return SGN_OK;
}

/* Beside RUN, which may be said as RUN/. */
static sgn_status name_work(command *k, sgn_error *err) {
    int n = (int)strlen(k->v->out);
    while (n > 1 && k->v->out[n - 1] == '/') n--;
    return sgn_path_set(&k->work, err, "%.*s.partial", n, k->v->out);
}

static sgn_status work(command *k, const char *where, sgn_error *err) {
    SGN_TRY(read_options(k->v, &k->job.how, err));
    SGN_TRY(name_work(k, err));
    SGN_TRY(sgn_kernels_use(NULL, err));
    SGN_TRY(sgn_gemm_init(err));
    SGN_TRY(open_source(k, where, err));
    const int64_t there = (int64_t)(sgn_shards_info(k->shards)->tokens / (uint64_t)k->job.seq);
    k->job.windows = there && there < k->v->windows ? there : k->v->windows;
    k->job.work = k->work.s;
    k->job.lock = &k->lock;
    k->job.replace = k->v->replace;
    k->job.progress = progress;
    k->job.ctx = k;
    k->began = seconds();
    sgn_interrupt_catch();
    const sgn_status s = sgn_binarize_run(&k->source, &k->config.model, k->shards, &k->job, &k->rows, err);
    sgn_terminal_end(false);
    SGN_TRY(s);
    return finish(k, err);
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { .windows = 128, .m = M, .bits = BITS, .paths = 1 };
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 1, 1, err));
    if (!v.out) SGN_FAIL(err, SGN_CONFIG, "--out is missing; name the run's directory: --out runs/NAME");
    if (!v.calibration) SGN_FAIL(err, SGN_CONFIG, "--calibration is missing; name shards of the model's tokenizer: --calibration data");
    if (!v.replace && sgn_file_exists(v.out)) SGN_FAIL(err, SGN_IO, "%s exists already; choose another name, or say --replace", v.out);
    if (v.threads < 0 || v.threads > 1024) SGN_FAIL(err, SGN_CONFIG, "--threads is %lld; it goes from 0 to 1024", (long long)v.threads);
    sgn_threads_set((int)v.threads);
    command *k = calloc(1, sizeof *k);
    if (!k) SGN_FAIL(err, SGN_NOMEM, "no memory to binarize '%s'", argv[0]);
    k->v = &v;
    const sgn_status s = work(k, argv[0], err);
    sgn_json_free(k->rows);
    sgn_shards_close(k->shards);
    sgn_tokenizer_close(k->tokenizer);
    sgn_transformer_free(&k->source);
    sgn_transformer_free(&k->model);
    sgn_assembly_free(&k->parts);
    sgn_work_let_go(&k->lock);
    free(k);
    return s;
}

const sgn_command sgn_command_binarize = {
    .name = "binarize", .summary = "make a trained model binary, block by block, by what its layers read on calibration text",
    .usage = "MODEL --method NAME --calibration SHARDS --out RUN [--windows N] [--seq T] [--modules LIST] [--n N --m M] [--bits B] [--json]",
    .options = options, .run = run,
    .example = "signum binarize models/llama-1b --method stbllm --n 4 --m 8 --calibration data --out runs/stbllm\n"
               "signum binarize models/llama-1b --method arb-rc --calibration data --out runs/arb\n"
               "signum train runs/arb data.train=data distill.teacher=models/llama-1b --out runs/arb --resume auto",
};
