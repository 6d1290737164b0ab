/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>
#include "cli/output.h"
#include "cli/terminal.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"
#include "distill/cache_make.h"

typedef struct {
    const char *data, *out, *part;
    int64_t     top, samples, seq, bits, seed, threads, level, eot;
    double      temperature;
    bool        json, mask_documents;
} values;

static const sgn_option options[] = {
    { "data", SGN_OPTION_WORD, offsetof(values, data), "SHARDS", "what the student will learn from: data.train" },
    { "out", SGN_OPTION_WORD, offsetof(values, out), "DIR", "the cache to make, or to go on with" },
    { "top", SGN_OPTION_INT, offsetof(values, top), "K", "keep the K likeliest tokens of each position and the mass of the rest (default 64)" },
    { "samples", SGN_OPTION_INT, offsetof(values, samples), "N", "draw N tokens of each position instead: unbiased, but noisy" },
    { "seq", SGN_OPTION_INT, offsetof(values, seq), "T", "tokens per window: train.seq (default 256)" },
    { "temperature", SGN_OPTION_REAL, offsetof(values, temperature), "T", "of the teacher: distill.temperature (default 1)" },
    { "bits", SGN_OPTION_INT, offsetof(values, bits), "8|16", "of a probability: 16 is half precision (default), 8 a logarithm in steps of 4 %" },
    { "seed", SGN_OPTION_INT, offsetof(values, seed), "S", "of the samples (default 1)" },
    { "mask-documents", SGN_OPTION_FLAG, offsetof(values, mask_documents), NULL, "documents of a window do not see each other: data.mask_documents" },
    { "eot", SGN_OPTION_INT, offsetof(values, eot), "ID", "what ends a document; default: what the shards' tokenizer says" },
    { "part", SGN_OPTION_WORD, offsetof(values, part), "I/N", "make every N-th slice from the I-th (0 to N-1) on; without, whatever is free" },
    { "level", SGN_OPTION_INT, offsetof(values, level), "L", "of zstd, 1 to 19 (default 1)" },
    { "threads", SGN_OPTION_INT, offsetof(values, threads), "N", "0: as many as the process may use (default)" },
    { "json", SGN_OPTION_FLAG, offsetof(values, json), NULL, "print the report, with the seconds of each part, as one object" },
    { 0 },
};

static double forward(const sgn_cache_report *r) { return r->hidden_s + r->head_s; }
static double kept(const sgn_cache_report *r) { return r->pick_s + r->write_s; }
static double tokens(const sgn_cache_report *r) { return (double)r->made_windows * (double)r->seq; }

static bool progress(void *ctx, const sgn_cache_report *r) {
    (void)ctx;
    sgn_size_text size;
    const double all = r->data_s + forward(r) + kept(r);
    sgn_terminal_status("%llu windows of %llu, %s, %.0f tokens/s", (unsigned long long)r->made_windows, (unsigned long long)r->windows,
                        sgn_size_print(r->made_bytes, &size), all > 0 ? tokens(r) / all : 0);
    return !sgn_interrupted();
}

static void print_report(const sgn_cache_report *r, const char *out) {
    sgn_size_text size;
    const double all = (double)r->windows * (double)r->seq;
    if (r->made_windows)
        printf("made %llu windows of %lld tokens: teacher %.1f s, choosing %.2f s, writing %.2f s (%.1f %% over the teacher), reading text %.2f s\n",
               (unsigned long long)r->made_windows, (long long)r->seq, forward(r), r->pick_s, r->write_s, 100 * kept(r) / forward(r), r->data_s);
    if (r->complete)
        printf("%s: whole, %llu windows, %s (%.1f bytes per token), the teacher's entropy is %.4f nats per token\n", out,
               (unsigned long long)r->windows, sgn_size_print(r->bytes, &size), (double)r->bytes / all, r->entropy);
    else
        printf("%s: %llu of %llu slices are there; the rest is made by other processes, or by running this again\n", out,
               (unsigned long long)r->there, (unsigned long long)r->slices);
}

static sgn_status print_json(const sgn_cache_report *r, sgn_error *err) {
    sgn_json *j = sgn_json_new_object();
    const struct { const char *key; uint64_t value; } counts[] = {
        { "windows", r->windows }, { "seq", (uint64_t)r->seq }, { "slices", r->slices }, { "slices_there", r->there },
        { "made_windows", r->made_windows }, { "made_slices", r->made_slices }, { "made_bytes", r->made_bytes }, { "bytes", r->bytes } };
    const struct { const char *key; double value; } seconds[] = {
        { "hidden_s", r->hidden_s }, { "head_s", r->head_s }, { "pick_s", r->pick_s }, { "write_s", r->write_s }, { "data_s", r->data_s } };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) sgn_json_set(j, counts[i].key, sgn_json_new_int((int64_t)counts[i].value));
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) sgn_json_set(j, seconds[i].key, sgn_json_new_real(seconds[i].value));
    if (r->made_windows) {
        sgn_json_set(j, "over_forward", sgn_json_new_real(kept(r) / forward(r)));
        sgn_json_set(j, "tokens_per_s", sgn_json_new_real(tokens(r) / (r->data_s + forward(r) + kept(r))));
    }
    sgn_json_set(j, "complete", sgn_json_new_bool(r->complete));
    if (r->complete) {
        sgn_json_set(j, "entropy", sgn_json_new_real(r->entropy));
        sgn_json_set(j, "bytes_per_token", sgn_json_new_real((double)r->bytes / ((double)r->windows * (double)r->seq)));
    }
    sgn_json_set(j, "threads", sgn_json_new_int(sgn_threads()));
    return sgn_print_json(j, 2, err);
}

static sgn_status read_part(const char *text, sgn_cache_options *o, sgn_error *err) {
    long long part = 0, parts = 1;
    int end = 0;
    if (text && (sscanf(text, "%lld/%lld%n", &part, &parts, &end) != 2 || text[end]))
        SGN_FAIL(err, SGN_CONFIG, "--part wants I/N, like 0/4, not '%.40s'", text);
    o->part = part;
    o->parts = parts;
    return SGN_OK;
}

static sgn_status check_words(const values *v, sgn_error *err) {
    if (!v->data) SGN_FAIL(err, SGN_CONFIG, "--data is missing; name the shards that the student will learn from: --data data");
    if (!v->out) SGN_FAIL(err, SGN_CONFIG, "--out is missing; name the cache to make: --out cache");
    if (v->top && v->samples) SGN_FAIL(err, SGN_CONFIG, "--top and --samples: a cache holds the one or the other");
    if (v->seed < 0 || v->seed > (int64_t)9e15) SGN_FAIL(err, SGN_CONFIG, "--seed is %lld; 0 to 9e15 are possible", (long long)v->seed);
    if (v->level < 0 || v->level > 19) SGN_FAIL(err, SGN_CONFIG, "--level is %lld; 1 to 19 is expected", (long long)v->level);
    if (v->threads < 0 || v->threads > 1024) SGN_FAIL(err, SGN_CONFIG, "--threads is %lld; it goes from 0 to 1024", (long long)v->threads);
    return SGN_OK;
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { .seq = 256, .bits = 16, .seed = 1, .temperature = 1, .eot = -1 };
    sgn_cache_report r;
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 1, 1, err));
    SGN_TRY(check_words(&v, err));
    sgn_cache_options o = {
        .teacher = argv[0], .shards = v.data, .out = v.out, .samples = v.samples != 0, .seq = v.seq, .bits = v.bits,
        .count = v.samples ? v.samples : v.top ? v.top : 64, .temperature = v.temperature, .seed = (uint64_t)v.seed,
        .level = (int)v.level, .mask_documents = v.mask_documents, .eot = v.eot, .progress = progress };
    SGN_TRY(read_part(v.part, &o, err));
    SGN_TRY(sgn_kernels_use(NULL, err));
    SGN_TRY(sgn_gemm_init(err));
    sgn_threads_set((int)v.threads);
    sgn_interrupt_catch();
    const sgn_status s = sgn_cache_make(&o, &r, err);
    sgn_terminal_end(false);
    SGN_TRY(s);
    if (v.json) return print_json(&r, err);
    print_report(&r, v.out);
    return SGN_OK;
}

const sgn_command sgn_command_teacher_cache = {
    .name = "teacher-cache", .summary = "compute a teacher's predictions once, for students to learn from",
    .usage = "TEACHER --data SHARDS --out DIR [--top K | --samples N] [--seq T] [--temperature T] [--bits 8|16] [--part I/N]",
    .options = options, .run = run,
    .example = "signum teacher-cache models/llama-1b --data data --top 64 --out cache\n"
               "signum train demo data.train=data distill.teacher=cache --out runs/student",
};
