/* runs.h - small runs for the tests of train/: shards of a made-up language, a config, comparisons.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TESTS_TRAIN_RUNS_H
#define SGN_TESTS_TRAIN_RUNS_H

#include "tests/check.h"

#include "core/archive.h"
#include "core/gemm.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "data/shard.h"
#include "train/checkpoint.h"
#include "train/trainer.h"

enum { RUNS_VOCAB = 97 };

/* Half of the ids follow from the one before, so that there is something to learn. */
static inline void runs_shards(const char *dir, int count, uint64_t seed) {
    sgn_error err;
    int32_t *ids = malloc((size_t)count * sizeof *ids), last = 1;
    for (int i = 0; i < count; i++) {
        const uint64_t r = sgn_rng_bits(seed, 7, (uint64_t)i);
        last = ids[i] = r & 1 ? (3 * last + 5) % RUNS_VOCAB : (int32_t)(r >> 8) % RUNS_VOCAB;
        if (ids[i] < 0) last = ids[i] = -ids[i];
    }
    sgn_shard_writer *w;
    check_ok(sgn_shard_writer_open(&w, dir, &(sgn_shard_options){ .vocab = RUNS_VOCAB }, &err), &err);
    check_ok(sgn_shard_writer_put(w, ids, (size_t)count, &err), &err);
    sgn_shard_writer_count(w, 1, 2 * (uint64_t)count);
    check_ok(sgn_shard_writer_close(w, &err), &err);
    free(ids);
}

/* 2 layers of width 32; 2 x 4 windows of 16 tokens per step. */
static inline void runs_config(sgn_run_config *c, const char *const *overrides, int count) {
    static const char *const base[] = {
        "model.dim=32", "model.layers=2", "model.heads=2", "model.ffn=48", "train.seq=16", "train.batch=4", "train.accumulate=2",
        "train.steps=6", "train.save_every=2", "train.eval_every=2", "train.threads=2", "optim.lr=0.01", "optim.min_lr=0.001",
        "optim.warmup=2",
    };
    enum { BASE = sizeof base / sizeof *base, MOST = 32 };
    const char *words[BASE + MOST];
    sgn_error err;
    assert_true(count <= MOST);
    for (int i = 0; i < BASE + count; i++) words[i] = i < BASE ? base[i] : overrides[i - BASE];
    check_ok(sgn_run_config_load(c, NULL, words, BASE + count, &err), &err);
    snprintf(c->data.train, SGN_TEXT, "%s", check_path("data"));
    snprintf(c->data.valid, SGN_TEXT, "%s", check_path("held-out"));
}

static inline void runs_data(void) {
    runs_shards(check_path("data"), 2000, 1);
    runs_shards(check_path("held-out"), 300, 2);
}

/* Where a run stops by itself: the flag is raised once this step is done; 0: never. */
typedef struct {
    int64_t               stop_after;
    volatile sig_atomic_t stop;
    sgn_progress          last;
} runs_watch;

static inline void runs_report(void *ctx, const sgn_progress *p) {
    runs_watch *w = ctx;
    w->last = *p;
    if (p->step == w->stop_after) w->stop = 1;
}

static inline sgn_status runs_train(const sgn_run_config *c, const char *run, bool resume, runs_watch *w, sgn_error *err) {
    *err = (sgn_error){ 0 };
    return sgn_train(c, &(sgn_train_options){ .out = run, .resume = resume, .stop = &w->stop, .report = runs_report, .ctx = w }, err);
}

/* All arrays of two checkpoint directories are equal bit for bit. */
static inline void runs_same_state(const char *a, const char *b) {
    sgn_error err;
    char **names;
    int count;
    check_ok(sgn_directory_list(a, "shard-", ".h5", &names, &count, &err), &err);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        char path[1024];
        sgn_archive x, y;
        snprintf(path, sizeof path, "%s/%s", a, names[i]);
        check_ok(sgn_archive_open(&x, path, &err), &err);
        snprintf(path, sizeof path, "%s/%s", b, names[i]);
        check_ok(sgn_archive_open(&y, path, &err), &err);
        assert_int_equal(x.count, y.count);
        for (int k = 0; k < x.count; k++) {
            assert_string_equal(x.at[k].name, y.at[k].name);
            assert_int_equal(x.at[k].bytes, y.at[k].bytes);
            char *p = malloc(x.at[k].bytes), *q = malloc(y.at[k].bytes);
            check_ok(x.kind->read(&x, k, p, &err), &err);
            check_ok(y.kind->read(&y, k, q, &err), &err);
            if (memcmp(p, q, x.at[k].bytes) != 0) fail_msg("%s differs between %s and %s", x.at[k].name, a, b);
            free(p);
            free(q);
        }
        sgn_archive_close(&x);
        sgn_archive_close(&y);
    }
    sgn_names_free(names, count);
}

/* metrics.jsonl without what the clock says; malloc'd. */
static inline char *runs_metrics(const char *run) {
    sgn_error err;
    char path[1024], *text;
    size_t size;
    snprintf(path, sizeof path, "%s/metrics.jsonl", run);
    check_ok(sgn_file_read(path, 1 << 20, &text, &size, &err), &err);
    char *to = text;
    for (const char *from = text; *from;) {
        if (strncmp(from, ", \"tokens_per_s\": ", 18) == 0 || strncmp(from, ", \"seconds\": ", 13) == 0)
            from += 1 + strcspn(from + 1, ",}");
        else *to++ = *from++;
    }
    *to = '\0';
    return text;
}

static inline void runs_same_metrics(const char *a, const char *b) {
    char *x = runs_metrics(a), *y = runs_metrics(b);
    assert_string_equal(x, y);
    free(x);
    free(y);
}

/* What the library says, line by line: sgn_log_to(runs_keep_log, NULL). */
static char runs_log[8192];
static inline void runs_keep_log(void *ctx, sgn_log_level level, const char *line) {
    (void)ctx, (void)level;
    const size_t n = strlen(runs_log);
    snprintf(runs_log + n, sizeof runs_log - n, "%s\n", line);
}

#endif
