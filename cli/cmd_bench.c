/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>
#include "cli/bench_decode.h"
#include "cli/bench_tokenizer.h"
#include "cli/output.h"
#include "core/gemm.h"
#include "core/gemv.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"
#include "data/bench_shards.h"
#include "core/products.h"
#include "train/bench.h"

typedef struct {
    int64_t     m, n, k, batch, seq, steps, threads;
    int64_t     tokens, prompt, span;
    const char *preset, *teacher, *code, *data, *tokenizer, *file, *dense;
    bool        json;
} values;

static const int64_t UNSET = INT64_MIN;

static const sgn_option options[] = {
    { "m", SGN_OPTION_INT, offsetof(values, m), "M", "gemm: rows of X (tokens), default 1024; decode: 1 to 8, default 1" },
    { "n", SGN_OPTION_INT, offsetof(values, n), "N", "gemm: rows of S (outputs), default 768; decode: of the only shape, default: four usual ones" },
    { "k", SGN_OPTION_INT, offsetof(values, k), "K", "gemm: columns of S (inputs), default 768; decode: with --n" },
    { "code", SGN_OPTION_WORD, offsetof(values, code), "CODE",
      "gemm: S is binary (default), ternary, or keeps N of M: 1:4, 1:8, 1:16, 2:8" },
    { "preset", SGN_OPTION_WORD, offsetof(values, preset), "NAME", "step: settings, as for train; default tiny" },
    { "batch", SGN_OPTION_INT, offsetof(values, batch), "B", "step: windows per step, default 4" },
    { "seq", SGN_OPTION_INT, offsetof(values, seq), "T", "step: tokens per window, default 256" },
    { "teacher", SGN_OPTION_WORD, offsetof(values, teacher), "WHO",
      "step: none, same (the shape in full precision, random weights) or a model; default none" },
    { "data", SGN_OPTION_WORD, offsetof(values, data), "DIR", "shards: the set to read" },
    { "steps", SGN_OPTION_INT, offsetof(values, steps), "S", "step: how many are measured after one that is not, default 5" },
    { "tokenizer", SGN_OPTION_WORD, offsetof(values, tokenizer), "T", "tokenizer: which, as for signum tokenize" },
    { "file", SGN_OPTION_WORD, offsetof(values, file), "TEXT", "tokenizer: what it encodes, with one thread" },
    { "tokens", SGN_OPTION_INT, offsetof(values, tokens), "N", "decode: tokens one by one, default 32; 0: products alone" },
    { "prompt", SGN_OPTION_INT, offsetof(values, prompt), "P", "decode: tokens before them, read at once, default 256" },
    { "span", SGN_OPTION_INT, offsetof(values, span), "MIB", "decode: memory that copies of a matrix take, so that no cache has them; default 512" },
    { "dense", SGN_OPTION_WORD, offsetof(values, dense), "TYPE", "decode: embedding and head of random weights: F32, F16 (default), BF16, Q8_0" },
    { "threads", SGN_OPTION_INT, offsetof(values, threads), "N", "threads; default: as many as the process may use" },
    { "json", SGN_OPTION_FLAG, offsetof(values, json), NULL, "one line of JSON" },
    { 0 },
};

static sgn_status check(const char *name, int64_t value, int64_t most, sgn_error *err) {
    if (value >= 1 && value <= most) return SGN_OK;
    SGN_FAIL(err, SGN_CONFIG, "--%s is %lld; it goes from 1 to %lld", name, (long long)value, (long long)most);
}

static int64_t or(int64_t given, int64_t usual) { return given == UNSET ? usual : given; }

static sgn_json *spread(const sgn_spread *s) {
    sgn_json *j = sgn_json_new_array();
    sgn_json_append(j, sgn_json_new_real(s->low));
    sgn_json_append(j, sgn_json_new_real(s->high));
    return j;
}

static void set_real(sgn_json *j, const char *key, double v) { sgn_json_set(j, key, sgn_json_new_real(v)); }
static void set_int(sgn_json *j, const char *key, int64_t v) { sgn_json_set(j, key, sgn_json_new_int(v)); }

static void set_machine(sgn_json *j) {
    set_int(j, "threads", sgn_threads());
    sgn_json_set(j, "isa", sgn_json_new_string(sgn_kernels_get()->name));
    sgn_json_set(j, "blas", sgn_json_new_string(sgn_gemm_library()));
}

static void print_machine(void) {
    printf("%s kernels, %s, %d thread%s\n", sgn_kernels_get()->name, sgn_gemm_library(), sgn_threads(), sgn_threads() == 1 ? "" : "s");
}

/* --- gemm ------------------------------------------------------------------------------------------- */

static sgn_status gemm_json(const values *v, const sgn_product_bench *b, sgn_error *err) {
    sgn_json *j = sgn_json_new_object(), *s = sgn_json_new_object();
    set_real(j, "binary_gflops", b->binary.median);
    set_real(j, "sgemm_gflops", b->sgemm.median);
    set_real(j, "ratio_forward", b->forward.median);
    set_real(j, "ratio_dx", b->dx.median);
    set_real(j, "rel_error", b->rel_error);
    set_real(j, "refresh_s", b->refresh_s);
    set_real(j, "pack_s", b->pack_s);
    sgn_json_set(j, "code", sgn_json_new_string(v->code));
    set_int(j, "m", v->m), set_int(j, "n", v->n), set_int(j, "k", v->k);
    set_machine(j);
    sgn_json_set(s, "binary_gflops", spread(&b->binary));
    sgn_json_set(s, "sgemm_gflops", spread(&b->sgemm));
    sgn_json_set(s, "ratio_forward", spread(&b->forward));
    sgn_json_set(s, "ratio_dx", spread(&b->dx));
    sgn_json_set(j, "spread", s);
    return sgn_print_json(j, 0, err);
}

static sgn_status gemm(values *v, sgn_error *err) {
    sgn_product_bench b;
    sgn_code code;
    v->m = or(v->m, 1024), v->n = or(v->n, 768), v->k = or(v->k, 768);
    SGN_TRY(sgn_code_find(&code, v->code, err));
    SGN_TRY(check("m", v->m, 1 << 20, err));
    SGN_TRY(check("n", v->n, 1 << 20, err));
    SGN_TRY(check("k", v->k, 1 << 20, err));
    SGN_TRY(sgn_kernels_use(NULL, err));
    SGN_TRY(sgn_gemm_init(err));
    sgn_threads_set((int)v->threads);
    SGN_TRY(sgn_bench_product(code, v->m, v->n, v->k, &b, err));
    if (v->json) return gemm_json(v, &b, err);
    print_machine();
    printf("Y = X S^T   %7.1f GFLOP/s, SGEMM %.1f: %.2f times (%.2f to %.2f)\n", b.binary.median, b.sgemm.median,
           b.forward.median, b.forward.low, b.forward.high);
    printf("dX = dY S   %.2f times SGEMM (%.2f to %.2f)\n", b.dx.median, b.dx.low, b.dx.high);
    printf("error       %.1e of the norm; planes from a latent %.3f ms, columns and index %.3f ms\n", b.rel_error, 1e3 * b.pack_s,
           1e3 * b.refresh_s);
    return SGN_OK;
}

/* --- step ------------------------------------------------------------------------------------------- */

/* {"attention": {"forward": s, "backward": s}, ...} */
static sgn_json *ops_json(const sgn_op_times *t) {
    sgn_json *all = sgn_json_new_object();
    for (int i = 0; i < t->count; i++) {
        sgn_json *one = sgn_json_new_object();
        set_real(one, "forward", t->at[i].forward);
        set_real(one, "backward", t->at[i].backward);
        sgn_json_set(all, t->at[i].op->name, one);
    }
    return all;
}

static sgn_status step_json(const values *v, const sgn_step_bench *b, sgn_error *err) {
    sgn_json *j = sgn_json_new_object(), *s = sgn_json_new_object();
    set_real(j, "tok_s", b->tok_s.median);
    set_real(j, "tok_s_min", b->tok_s.low);
    set_real(j, "tok_s_max", b->tok_s.high);
    set_real(s, "teacher", b->step.teacher);
    set_real(s, "forward", b->step.forward);
    set_real(s, "backward", b->step.backward);
    set_real(s, "optimizer", b->step.optimizer);
    set_real(s, "data", b->step.data);
    sgn_json_set(j, "step_s", s);
    sgn_json_set(j, "op_s", ops_json(&b->ops));
    set_real(j, "refresh_s", b->refresh_s);
    set_real(j, "model_gflops", b->model_gflops);
    set_real(j, "sgemm_gflops", b->sgemm_gflops);
    set_real(j, "sgemm_ratio", b->model_gflops / b->sgemm_gflops);
    set_real(j, "rss_mb", b->rss_mb);
    set_machine(j);
    sgn_json_set(j, "products", sgn_products_record());
    sgn_json_set(j, "preset", sgn_json_new_text(v->preset, strlen(v->preset)));
    set_int(j, "batch", v->batch), set_int(j, "seq", v->seq);
    sgn_json_set(j, "teacher", sgn_json_new_text(v->teacher, strlen(v->teacher)));
    return sgn_print_json(j, 0, err);
}

static void step_print(const sgn_step_bench *b) {
    const struct { const char *name; double seconds; } part[] = {
        { "teacher", b->step.teacher }, { "forward", b->step.forward }, { "backward", b->step.backward },
        { "optimizer", b->step.optimizer }, { "data", b->step.data },
    };
    double all = 0;
    print_machine();
    printf("%.1f tokens/s (%.1f to %.1f), peak memory %.0f MiB\n", b->tok_s.median, b->tok_s.low, b->tok_s.high, b->rss_mb);
    printf("%.1f model GFLOP/s, SGEMM %.1f: %.2f of it\n", b->model_gflops, b->sgemm_gflops, b->model_gflops / b->sgemm_gflops);
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) all += part[i].seconds;
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        printf("  %-10s %8.4f s  %4.1f %%\n", part[i].name, part[i].seconds, 100 * part[i].seconds / all);
    printf("  of optimizer, planes and index tables %.4f s  %.1f %%\n", b->refresh_s, 100 * b->refresh_s / all);
    printf("of the student's two passes:\n");
    for (int i = 0; i < b->ops.count; i++) {
        const sgn_op_time *o = &b->ops.at[i];
        printf("  %-18s forward %8.4f s, backward %8.4f s  %4.1f %%\n", o->op->name, o->forward, o->backward,
               100 * (o->forward + o->backward) / all);
    }
}

enum { MAX_WORDS = 64, FIXED_WORDS = 4 };

static sgn_status step(const values *v, int argc, char **argv, sgn_error *err) {
    char fixed[FIXED_WORDS][48];
    const char *words[MAX_WORDS + FIXED_WORDS] = { fixed[0], fixed[1], fixed[2], fixed[3] };
    sgn_run_config c;
    sgn_step_bench b;
    SGN_TRY(check("batch", v->batch, 65536, err));
    SGN_TRY(check("seq", v->seq, 1 << 20, err));
    SGN_TRY(check("steps", v->steps, 1000000, err));
    snprintf(fixed[0], sizeof fixed[0], "train.batch=%lld", (long long)v->batch);
    snprintf(fixed[1], sizeof fixed[1], "train.seq=%lld", (long long)v->seq);
    snprintf(fixed[2], sizeof fixed[2], "train.threads=%lld", (long long)v->threads);
    snprintf(fixed[3], sizeof fixed[3], "train.accumulate=1");
    for (int i = 0; i < argc; i++) words[FIXED_WORDS + i] = argv[i];
    SGN_TRY(sgn_run_config_load(&c, v->preset, words, FIXED_WORDS + argc, err));
    SGN_TRY(sgn_bench_step(&c, v->teacher, v->steps, true, &b, err));
    if (v->json) return step_json(v, &b, err);
    step_print(&b);
    return SGN_OK;
}

/* --- shards ----------------------------------------------------------------------------------------- */

static sgn_status shards(const values *v, sgn_error *err) {
    sgn_shard_bench b;
    if (!v->data) SGN_FAIL(err, SGN_CONFIG, "--data is missing; name the shard set to read");
    SGN_TRY(sgn_bench_shards(v->data, UINT64_C(256) << 20, 5, &b, err));
    if (!v->json) {
        printf("%d shards opened in %.3f s\nread %.0f MB/s, zstd alone %.0f MB/s: %.2f of it (%.1f MB of ids)\n", b.shards, b.open_s,
               b.read_mb_s, b.zstd_mb_s, b.ratio, 1e-6 * (double)b.bytes);
        return SGN_OK;
    }
    sgn_json *j = sgn_json_new_object();
    set_real(j, "read_mb_s", b.read_mb_s);
    set_real(j, "zstd_mb_s", b.zstd_mb_s);
    set_real(j, "ratio", b.ratio);
    set_real(j, "open_s", b.open_s);
    set_int(j, "bytes", (int64_t)b.bytes);
    set_int(j, "tokens", (int64_t)b.tokens);
    set_int(j, "shards", b.shards);
    return sgn_print_json(j, 0, err);
}

/* --- decode ----------------------------------------------------------------------------------------- */

static sgn_status decode(const values *v, int argc, char **argv, sgn_error *err) {
    const char *words[MAX_WORDS];
    const bool shape = v->n != UNSET || v->k != UNSET;
    const sgn_decode_bench o = { argc ? argv[0] : "fbi-1.3b", or(v->m, 1), shape ? or(v->n, 4096) : 0, shape ? or(v->k, 4096) : 0, v->tokens,
                                 v->prompt, v->span, v->dense, v->json };
    SGN_TRY(check("m", o.m, SGN_GEMV_ROWS, err));
    if (shape) SGN_TRY(check("n", o.n, 1 << 20, err));
    if (shape) SGN_TRY(check("k", o.k, 1 << 20, err));
    if (v->tokens) SGN_TRY(check("tokens", v->tokens, 1 << 20, err));
    SGN_TRY(check("prompt", v->prompt, 1 << 20, err));
    SGN_TRY(check("span", v->span, 1 << 20, err));
    SGN_TRY(sgn_kernels_use(NULL, err));
    sgn_threads_set((int)v->threads);
    for (int i = 1; i < argc; i++) words[i - 1] = argv[i];
    if (!v->json) print_machine();
    return sgn_bench_decode(&o, words, argc > 1 ? argc - 1 : 0, err);
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { .m = UNSET, .n = UNSET, .k = UNSET, .tokens = 32, .prompt = 256, .span = 512, .dense = "F16", .batch = 4, .seq = 256, .steps = 5, .code = "binary", .preset = "tiny", .teacher = "none" };
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 1, MAX_WORDS, err));
    if (v.threads < 0 || v.threads > 1024) return check("threads", v.threads, 1024, err);
    if (strcmp(argv[0], "step") == 0) return step(&v, argc - 1, argv + 1, err);
    if (strcmp(argv[0], "decode") == 0) return decode(&v, argc - 1, argv + 1, err);
    SGN_TRY(sgn_words_expect(argc, argv, 1, 1, err));
    if (strcmp(argv[0], "gemm") == 0) return gemm(&v, err);
    if (strcmp(argv[0], "shards") == 0) return shards(&v, err);
    if (strcmp(argv[0], "tokenizer") == 0) return sgn_bench_tokenizer(v.tokenizer, v.file, v.json, err);
    SGN_FAIL(err, SGN_CONFIG, "signum bench measures 'gemm', 'decode', 'step', 'shards' or 'tokenizer', not '%.80s'", argv[0]);
}

const sgn_command sgn_command_bench = {
    .name = "bench", .summary = "measure products with signs, decoding, a training step, reading shards, or a tokenizer",
    .usage = "gemm | decode [MODEL | PRESET [KEY=VALUE ...]] | step [KEY=VALUE ...] | shards --data DIR | tokenizer --tokenizer T --file TEXT", .options = options, .run = run,
    .example = "signum bench gemm --m 1024 --n 2048 --k 768 --threads 1\n"
               "signum bench decode configs/fbi-1.3b.yaml --threads 2\n"
               "signum bench step --preset fbi-130m --batch 4 --seq 256 --teacher same --json",
};
