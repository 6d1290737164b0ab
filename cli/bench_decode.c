/* SPDX-License-Identifier: MIT */
#include "cli/bench_decode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "cli/output.h"
#include "core/arena.h"
#include "core/checked.h"
#include "core/clock.h"
#include "core/gemv.h"
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/rng.h"
#include "export/format.h"
#include "export/random_model.h"
#include "export/runtime.h"
#include "export/zoned_run.h"
#include "model/littlebit_rank.h"
#include "train/bench.h"

enum { ROUNDS = 7, GRAIN = 1 << 15, GROUP = 128, CODED = 3, LOW_RANK = 7, ZONED = 9, KINDS = 12, PATHS = 2 };

static const char *const kind_name[KINDS] = { "binary", "group128", "ternary", "1:4", "1:8", "1:16", "2:8", "littlebit 0.55", "littlebit 0.8", "zoned 4:8",
                                               "zoned 6:8", "zoned" };      /* from CODED on codes, from LOW_RANK on factors, from ZONED on zones, as of STBLLM and of BiLLM */
static const double low_rank_bits[ZONED - LOW_RANK] = { 0.55, 0.8 };
static const struct { const char *keep; int id; } zoned_form[KINDS - ZONED] = { { "4:8", 2 }, { "6:8", 2 }, { "all", 1 } };
static const char *const path_name[PATHS] = { "exact", "int8" };

/* With one thread its CPU time, which other programs disturb less. */
static double now(void) { return sgn_threads() == 1 ? sgn_clock_thread() : sgn_clock_wall(); }

/* --- reading ---------------------------------------------------------------------------------------- */

typedef struct { const uint64_t *word; uint64_t sum; } read_job;

static void read_words(void *ctx, int64_t begin, int64_t end) {
    read_job *j = ctx;
    uint64_t sum[8] = { 0 };
    for (int64_t i = begin; i + 8 <= end; i += 8) {
        __builtin_prefetch((const void *)((uintptr_t)(j->word + i) + 8192));
        for (int k = 0; k < 8; k++) sum[k] += j->word[i + k];
    }
    for (int k = 1; k < 8; k++) sum[0] += sum[k];
    __atomic_fetch_add(&j->sum, sum[0], __ATOMIC_RELAXED);
}

static double read_gb_s(const uint64_t *word, int64_t words) {
    read_job j = { word, 0 };
    const double begin = now();
    sgn_parallel(words, GRAIN, read_words, &j);
    return 8e-9 * (double)words / (now() - begin);
}

/* --- products ----------------------------------------------------------------------------------------- */

typedef struct {
    int64_t   m, n, k, words;      /* words of `memory` */
    uint64_t *memory;
    float    *x, *y, *scale, *middle;          /* middle (m, rank): between factors */
    uint8_t  *salient;
    void     *work;
} problem;

typedef struct { sgn_spread gweights_s, gb_s; } product;

static int64_t plane_words(const problem *p) { return p->n * sgn_plane_stride(p->k); }
static sgn_code code_of(int kind) { return kind < CODED ? kind == 2 ? SGN_CODE_TERNARY : SGN_CODE_BINARY : (sgn_code)(SGN_CODE_1_4 + kind - CODED); }
/* Columns of U, 0: such a matrix has no room for them. */
static int64_t rank_of(const problem *p, int kind) { return kind < LOW_RANK || kind >= ZONED ? 0 : sgn_littlebit_rank(p->n, p->k, low_rank_bits[kind - LOW_RANK], 1); }
/* Zones at `byte`; rows and columns 0: not of such a matrix. */
static sgn_zoned_bits zones_of(const problem *p, int kind, const void *byte) {
    sgn_zoned_bits z = { 0 };
    if (kind >= ZONED && !sgn_zoned_bits_parse(&z, p->n, p->k, zoned_form[kind - ZONED].keep, zoned_form[kind - ZONED].id)) z = (sgn_zoned_bits){ 0 };
    z.byte = byte;
    z.salient = p->salient;
    return z;
}
static bool    runs(const problem *p, int kind) {
    return kind < LOW_RANK || (kind < ZONED ? rank_of(p, kind) > 0 : zones_of(p, kind, NULL).rows > 0);
}
/* Of signs alone. */
static int64_t sign_bytes(const problem *p, int kind) {
    const int64_t rank = rank_of(p, kind);
    const sgn_zoned_bits z = zones_of(p, kind, NULL);
    if (kind >= ZONED) return z.rows * sgn_zoned_bits_stride(&z);
    if (rank) return 8 * (rank * sgn_plane_stride(p->k) + p->n * sgn_plane_stride(rank));
    return kind < CODED ? 8 * plane_words(p) * (kind == 2 ? 2 : 1) : p->n * sgn_coded_stride(code_of(kind), p->k);
}
static int64_t scales_of(const problem *p) { return p->n * ((p->k + GROUP - 1) / GROUP); }
static double  bytes_of(const problem *p, int kind) {
    const int64_t scales = kind == 1 ? scales_of(p) : kind >= ZONED ? p->n * sgn_zoned_scales(p->k) : kind >= LOW_RANK ? p->n + rank_of(p, kind) + p->k : 0;
    return (double)sign_bytes(p, kind) + 4 * (double)scales;
}

static int64_t sign_words(const problem *p, int kind) { return (sign_bytes(p, kind) + 7) / 8; }
static int64_t copies_of(const problem *p, int kind) { return p->words / sign_words(p, kind); }

/* h . (U (l . (V (g . x)))) from the signs at `word` */
static void low_rank(const problem *p, int64_t rank, bool int8, uint64_t *word) {
    const sgn_plane v = { rank, p->k, sgn_plane_stride(p->k), word }, u = { p->n, rank, sgn_plane_stride(rank), word + rank * sgn_plane_stride(p->k) };
    sgn_gemv_run(&(sgn_gemv){ .m = p->m, .x = p->x, .ldx = p->k, .in_scale = p->scale, .code = SGN_CODE_BINARY, .plane = { &v },
                              .out_scale = p->scale, .int8 = int8, .y = p->middle, .ldy = rank }, p->work);
    sgn_gemv_run(&(sgn_gemv){ .m = p->m, .x = p->middle, .ldx = rank, .code = SGN_CODE_BINARY, .plane = { &u },
                              .out_scale = p->scale, .int8 = int8, .y = p->y, .ldy = p->n }, p->work);
}

static void zoned(const problem *p, int kind, int64_t copy, const void *byte) {
    const int64_t size = p->n * sgn_zoned_scales(p->k), sets = scales_of(p) * copies_of(p, 1) / size;
    const sgn_lowered_stage s = { .kind = SGN_STAGE_ZONES, .rows = p->n, .cols = p->k, .zones = zones_of(p, kind, byte),
                                  .v = p->scale + (sets ? copy % sets : 0) * size, .v_size = size };
    sgn_zoned_run(&s, p->x, p->m, false, p->y);
}

/* Seconds of a product, a mean over all copies in memory. */
static double one_round(const problem *p, int kind, int path) {
    const int64_t step = sign_words(p, kind), copies = copies_of(p, kind), rank = rank_of(p, kind);
    const double begin = now();
    for (int64_t c = 0; c < copies; c++) {
        if (kind >= LOW_RANK) {
            if (rank) low_rank(p, rank, path == 1, p->memory + c * step);
            else zoned(p, kind, c, p->memory + c * step);
            continue;
        }
        const sgn_plane plane[2] = { { p->n, p->k, sgn_plane_stride(p->k), p->memory + c * step },
                                     { p->n, p->k, sgn_plane_stride(p->k), p->memory + c * step + step / 2 } };
        const sgn_coded coded = { code_of(kind), p->n, p->k, (const void *)(p->memory + c * step) };
        sgn_gemv_run(&(sgn_gemv){ .m = p->m, .x = p->x, .ldx = p->k, .code = code_of(kind), .plane = { &plane[0], &plane[1] },
                                  .coded = kind < CODED ? NULL : &coded, .group = kind == 1 ? GROUP : 0, .group_scale = p->scale + c % copies_of(p, 1) * scales_of(p),
                                  .int8 = path == 1, .y = p->y, .ldy = p->n }, p->work);
    }
    return (now() - begin) / (double)copies;
}

static sgn_status allocate(problem *p, sgn_error *err) {
    const int64_t scales = scales_of(p) * copies_of(p, 1) + p->n * sgn_zoned_scales(p->k) + p->n + p->k, wide = p->n > p->k ? p->n : p->k;      /* a rank is less */
    p->x = malloc((size_t)(p->m * p->k) * sizeof *p->x);
    p->y = malloc((size_t)(p->m * p->n) * sizeof *p->y);
    p->scale = malloc((size_t)scales * sizeof *p->scale);
    p->middle = malloc((size_t)(p->m * wide) * sizeof *p->middle);
    p->work = aligned_alloc(SGN_ALIGN, sgn_round_up(sgn_gemv_bytes(SGN_CODE_1_4, p->m, p->k, false) + sgn_gemv_bytes(SGN_CODE_BINARY, p->m, wide, false), SGN_ALIGN));
    p->salient = calloc(1, (size_t)(p->k + 7) / 8);
    if (!p->x || !p->y || !p->scale || !p->middle || !p->work || !p->salient) SGN_FAIL(err, SGN_NOMEM, "no memory for a bench of %lldx%lld", (long long)p->n, (long long)p->k);
    for (int64_t i = 0; i < p->m * p->k; i++) p->x[i] = (float)sgn_rng_normal(3, 1, (uint64_t)i);
    for (int64_t i = 0; i < scales; i++) p->scale[i] = 1;
    for (int64_t j = 0; j < p->k; j += 41) p->salient[j / 8] |= (uint8_t)(1 << j % 8);
    return sgn_zoned_reserve(&(sgn_lowered_stage){ .rows = p->n, .cols = p->k }, err);
}

static sgn_status bench_shape(problem *p, sgn_json *to, bool json, sgn_error *err) {
    double weights[KINDS][PATHS][ROUNDS], bytes[KINDS][PATHS][ROUNDS];
    if (2 * plane_words(p) > p->words) SGN_FAIL(err, SGN_CONFIG, "--span is less than two planes of %lldx%lld", (long long)p->n, (long long)p->k);
    sgn_status s = allocate(p, err);
    for (int round = -1; s == SGN_OK && round < ROUNDS; round++)
        for (int i = 0; i < KINDS * PATHS; i++) {
            const int kind = i / PATHS, path = i % PATHS;
            if (!runs(p, kind)) continue;
            const double seconds = one_round(p, kind, path);
            if (round < 0) continue;
            weights[kind][path][round] = 1e-9 * (double)(p->n * p->k * p->m) / seconds;
            bytes[kind][path][round] = 1e-9 * bytes_of(p, kind) / seconds;
        }
    for (int i = 0; s == SGN_OK && i < KINDS * PATHS; i++) {
        const int kind = i / PATHS, path = i % PATHS;
        if (!runs(p, kind)) continue;
        const sgn_spread w = sgn_spread_of(weights[kind][path], ROUNDS), b = sgn_spread_of(bytes[kind][path], ROUNDS);
        if (!json)
            printf("%5lld x %5lld, %lld row%s  %-14s  %-5s  %7.1f Gweights/s (%.1f to %.1f)  %6.2f GB/s\n", (long long)p->n, (long long)p->k,
                   (long long)p->m, p->m == 1 ? " " : "s", kind_name[kind], path_name[path], w.median, w.low, w.high, b.median);
        sgn_json *j = sgn_json_new_object(), *spread = sgn_json_new_array();
        sgn_json_set(j, "n", sgn_json_new_int(p->n));
        sgn_json_set(j, "k", sgn_json_new_int(p->k));
        sgn_json_set(j, "m", sgn_json_new_int(p->m));
        sgn_json_set(j, "signs", sgn_json_new_string(kind_name[kind]));
        sgn_json_set(j, "path", sgn_json_new_string(path_name[path]));
        sgn_json_set(j, "gweights_s", sgn_json_new_real(w.median));
        sgn_json_append(spread, sgn_json_new_real(w.low));
        sgn_json_append(spread, sgn_json_new_real(w.high));
        sgn_json_set(j, "spread", spread);
        sgn_json_set(j, "gb_s", sgn_json_new_real(b.median));
        sgn_json_append(to, j);
    }
    free(p->x), free(p->y), free(p->scale), free(p->middle), free(p->work), free(p->salient);
    return s;
}

static sgn_status bench_products(const sgn_decode_bench *o, sgn_json *j, sgn_error *err) {
    static const int64_t usual[][2] = { { 4096, 4096 }, { 4096, 11008 }, { 11008, 4096 }, { 2048, 768 } };
    const int64_t words = o->span << 17;
    double rate[ROUNDS];
    void *memory;
    SGN_TRY(sgn_memory_alloc(&memory, (size_t)words * 8, "copies of weights", err));
    uint64_t *word = memory;
    for (int64_t i = 0; i < words; i++) word[i] = i < 1 << 16 ? sgn_rng_bits(2, 1, (uint64_t)i) : word[i - (1 << 16)];
    for (int r = -1; r < ROUNDS; r++) {
        const double gb_s = read_gb_s(word, words);
        if (r >= 0) rate[r] = gb_s;
    }
    const sgn_spread read = sgn_spread_of(rate, ROUNDS);
    if (!o->json) printf("reading %.1f GB/s (%.1f to %.1f): %.0f Gweights/s of 1 bit\n", read.median, read.low, read.high, 8 * read.median);
    sgn_json_set(j, "read_gb_s", sgn_json_new_real(read.median));
    sgn_json *list = sgn_json_new_array();
    sgn_json_set(j, "gemv", list);
    sgn_status s = SGN_OK;
    for (size_t i = 0; s == SGN_OK && i < (o->n ? 1 : sizeof usual / sizeof *usual); i++) {
        problem p = { .m = o->m, .n = o->n ? o->n : usual[i][0], .k = o->n ? o->k : usual[i][1], .words = words, .memory = word };
        s = bench_shape(&p, list, o->json, err);
    }
    sgn_memory_free(memory, (size_t)words * 8);
    return s;
}

/* --- a model ------------------------------------------------------------------------------------------- */

typedef struct {
    sgn_spread token;              /* tokens/s of single ones */
    double     decode, prefill;    /* tokens/s of all */
    size_t     bytes;
} speed;

static int32_t draw(const sgn_lowered_model *lm, int64_t i) { return (int32_t)(sgn_rng_bits(4, 1, (uint64_t)i) % (uint64_t)lm->config.vocab); }

static sgn_status run_tokens(const sgn_decode_bench *o, const sgn_lowered_model *lm, sgn_runtime *r, int32_t *prompt, double *rate,
                             float *logits, speed *out, sgn_error *err) {
    const float *hidden;
    for (int64_t i = 0; i < o->prompt; i++) prompt[i] = draw(lm, i);
    for (int warm = 1; warm >= 0; warm--) {
        sgn_runtime_reset(r);
        const double begin = now();
        SGN_TRY(sgn_runtime_hidden(r, prompt, o->prompt, &hidden, err));
        out->prefill = (double)o->prompt / (now() - begin);
    }
    double all = 0;
    for (int64_t i = -1; i < o->tokens; i++) {
        const int32_t token = draw(lm, o->prompt + i);
        const double begin = now();
        SGN_TRY(sgn_runtime_hidden(r, &token, 1, &hidden, err));
        sgn_runtime_logits(r, hidden, logits);
        const double seconds = now() - begin;
        if (i >= 0) rate[i] = 1 / seconds, all += seconds;
    }
    out->decode = (double)o->tokens / all;
    out->token = sgn_spread_of(rate, o->tokens);
    out->bytes = sgn_runtime_bytes(r);
    return SGN_OK;
}

static sgn_status run_model(const sgn_decode_bench *o, const sgn_lowered_model *lm, bool int8, speed *out, sgn_error *err) {
    sgn_runtime *r = NULL;
    const sgn_runtime_options options = { .context = o->prompt + o->tokens + 1, .batch = o->prompt, .cache = SGN_DTYPE_F16, .int8 = int8 };
    int32_t *prompt = malloc((size_t)o->prompt * sizeof *prompt);
    double *rate = malloc((size_t)o->tokens * sizeof *rate);
    float *logits = malloc((size_t)lm->config.vocab * sizeof *logits);
    sgn_status s = prompt && rate && logits ? SGN_OK : SGN_ERROR(err, SGN_NOMEM, "no memory for a bench of %lld tokens", (long long)o->tokens);
    if (s == SGN_OK) s = sgn_runtime_open(&r, lm, &options, err);
    if (s == SGN_OK) s = run_tokens(o, lm, r, prompt, rate, logits, out, err);
    sgn_runtime_close(r);
    free(prompt), free(rate), free(logits);
    return s;
}

/* Bytes of weights that a token reads: linears and head. */
static double weight_bytes(const sgn_lowered_model *lm, const sgn_bit_count *c) {
    return (double)c->binary_bytes + (double)sgn_stored_row_bytes(lm->head.dtype, lm->config.dim) * (double)lm->config.vocab;
}

static sgn_status report_model(const sgn_decode_bench *o, const sgn_lowered_model *lm, const speed *v, sgn_json *j) {
    const sgn_bit_count c = sgn_lowered_model_count(lm);
    const double bytes = weight_bytes(lm, &c);
    sgn_json *list = sgn_json_new_array();
    for (int i = 0; i < PATHS; i++) {
        sgn_json *one = sgn_json_new_object();
        sgn_json_set(one, "path", sgn_json_new_string(path_name[i]));
        sgn_json_set(one, "tok_s", sgn_json_new_real(v[i].decode));
        sgn_json_set(one, "tok_s_median", sgn_json_new_real(v[i].token.median));
        sgn_json_set(one, "prefill_tok_s", sgn_json_new_real(v[i].prefill));
        sgn_json_set(one, "gweights_s", sgn_json_new_real(1e-9 * (double)c.binary_weights * v[i].decode));
        sgn_json_set(one, "gb_s", sgn_json_new_real(1e-9 * bytes * v[i].decode));
        sgn_json_set(one, "runtime_mib", sgn_json_new_real((double)v[i].bytes / 1048576));
        sgn_json_append(list, one);
        if (!o->json)
            printf("%-5s  %7.1f tokens/s (median %.1f, %.1f to %.1f), %.1f Gweights/s, %.2f GB/s; prefill of %lld: %.0f tokens/s; %.1f MiB beside the weights\n",
                   path_name[i], v[i].decode, v[i].token.median, v[i].token.low, v[i].token.high, 1e-9 * (double)c.binary_weights * v[i].decode,
                   1e-9 * bytes * v[i].decode, (long long)o->prompt, v[i].prefill, (double)v[i].bytes / 1048576);
    }
    sgn_json_set(j, "model", sgn_json_new_text(o->model, strlen(o->model)));
    sgn_json_set(j, "decode", list);
    sgn_json_set(j, "binary_weights", sgn_json_new_int(c.binary_weights));
    sgn_json_set(j, "bytes_per_token", sgn_json_new_real(bytes));
    sgn_json_set(j, "head", sgn_json_new_string(sgn_dtype_name(lm->head.dtype)));
    sgn_json_set(j, "tokens", sgn_json_new_int(o->tokens));
    sgn_json_set(j, "prompt", sgn_json_new_int(o->prompt));
    return SGN_OK;
}

static sgn_status bench_lowered(const sgn_decode_bench *o, const sgn_lowered_model *lm, sgn_json *j, sgn_error *err) {
    speed v[PATHS];
    for (int path = 0; path < PATHS; path++) SGN_TRY(run_model(o, lm, path == 1, &v[path], err));
    return report_model(o, lm, v, j);
}

/* A preset is a YAML file or a name of one; everything else is a model. */
static bool is_preset(const char *model) {
    struct stat st;
    const size_t n = strlen(model);
    return stat(model, &st) != 0 || (n > 5 && strcmp(model + n - 5, ".yaml") == 0);
}

static sgn_status bench_model(const sgn_decode_bench *o, const char *const *words, int count, sgn_json *j, sgn_error *err) {
    if (is_preset(o->model)) {
        sgn_run_config c;
        sgn_lowered_model lm;
        sgn_dtype dense;
        SGN_TRY(sgn_run_config_load(&c, o->model, words, count, err));
        SGN_TRY(sgn_model_config_resolve(&c.model, err));
        if (!sgn_dtype_parse(o->dense, &dense)) SGN_FAIL(err, SGN_CONFIG, "--dense %.40s: there is F32, F16, BF16, Q8_0", o->dense);
        SGN_TRY(sgn_random_model(&lm, &c.model, dense, err));
        const sgn_status s = bench_lowered(o, &lm, j, err);
        sgn_lowered_model_free(&lm);
        return s;
    }
    if (count) SGN_FAIL(err, SGN_CONFIG, "%s is a model, not a preset: it takes no '%.80s'", o->model, words[0]);
    sgn_model_file *f;
    SGN_TRY(sgn_model_file_open(&f, o->model, SGN_VERIFY_SMALL, err));
    const sgn_status s = bench_lowered(o, sgn_model_file_lowered(f), j, err);
    sgn_model_file_close(f);
    return s;
}

sgn_status sgn_bench_decode(const sgn_decode_bench *o, const char *const *words, int count, sgn_error *err) {
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "threads", sgn_json_new_int(sgn_threads()));
    sgn_json_set(j, "isa", sgn_json_new_string(sgn_kernels_get()->name));
    sgn_status s = bench_products(o, j, err);
    if (s == SGN_OK && o->tokens) s = bench_model(o, words, count, j, err);
    if (s == SGN_OK && o->json) return sgn_print_json(j, 0, err);
    sgn_json_free(j);
    return s;
}
