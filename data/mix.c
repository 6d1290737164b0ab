/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "data/mix.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "core/rng.h"

/* Together as much as one set keeps. */
enum { CACHE_BYTES = 8 << 20, OPEN_FILES = 256 };

/* --- opening --------------------------------------------------------------------------------------- */

/* Cuts "DIR=WEIGHT,DIR=WEIGHT" in place; blanks after a comma do not count. */
static sgn_status cut(char *list, char **dir, const char **weight, int *count, sgn_error *err) {
    char *rest = list;
    for (*count = 0; rest; (*count)++) {
        char *item = strsep(&rest, ","), *equals = strrchr(item, '=');
        item += strspn(item, " ");
        if (*count == SGN_SHARES_MAX) SGN_FAIL(err, SGN_CONFIG, "data.mix: more than %d sets", SGN_SHARES_MAX);
        if (!equals || equals == item)
            SGN_FAIL(err, SGN_CONFIG, "data.mix: \"%.200s\" has no weight; write DIR=WEIGHT, DIR=WEIGHT ...", item);
        *equals = '\0';
        dir[*count] = item;
        weight[*count] = equals + 1;
    }
    return SGN_OK;
}

/* Ids must mean the same in all sets. */
static sgn_status check_same(const sgn_shards *a, const sgn_shards *b, sgn_error *err) {
    const sgn_shard_info *x = sgn_shards_info(a), *y = sgn_shards_info(b);
    if (strcmp(x->tokenizer_hash, y->tokenizer_hash) == 0 && x->vocab == y->vocab) return SGN_OK;
    SGN_FAIL(err, SGN_CONFIG, "data.mix: %s (%s, vocabulary %" PRIu32 ", hash %.8s) and %s (%s, vocabulary %" PRIu32 ", hash %.8s) were "
             "not made with the same tokenizer; tokenize one text again with the tokenizer of the other",
             sgn_shards_directory(a), *x->tokenizer ? x->tokenizer : "foreign ids", x->vocab, *x->tokenizer_hash ? x->tokenizer_hash : "none",
             sgn_shards_directory(b), *y->tokenizer ? y->tokenizer : "foreign ids", y->vocab, *y->tokenizer_hash ? y->tokenizer_hash : "none");
}

static sgn_status open_sets(sgn_mix *m, char *const *dir, const char *const *weight, int count, const char *role, sgn_error *err) {
    SGN_TRY(sgn_shares_init(&m->shares, weight, count, err));
    for (int i = 0; i < count; i++) {
        SGN_TRY(sgn_shards_open(&m->set[i].shards, dir[i], role, err));
        sgn_shards_limit(m->set[i].shards, CACHE_BYTES / (size_t)count, OPEN_FILES / count);
        if (i) SGN_TRY(check_same(m->set[0].shards, m->set[i].shards, err));
    }
    return SGN_OK;
}

sgn_status sgn_mix_open(sgn_mix *m, const char *directory, const char *list, const char *role, sgn_error *err) {
    *m = (sgn_mix){ .eot = -1 };
    char *dir[SGN_SHARES_MAX] = { (char *)directory };
    const char *weight[SGN_SHARES_MAX] = { "1" };
    int count = 1;
    char *copy = strdup(list);
    if (!copy) SGN_FAIL(err, SGN_NOMEM, "no memory to read data.mix");
    sgn_status s = *list ? cut(copy, dir, weight, &count, err) : SGN_OK;
    if (s == SGN_OK) s = open_sets(m, dir, weight, count, role, err);
    free(copy);
    return s;
}

void sgn_mix_close(sgn_mix *m) {
    for (int i = 0; i < SGN_SHARES_MAX; i++) sgn_shards_close(m->set[i].shards);
    sgn_shares_free(&m->shares);
    *m = (sgn_mix){ 0 };
}

sgn_status sgn_mix_order(sgn_mix *m, const sgn_sampler *like, sgn_error *err) {
    uint64_t base = 0;
    m->seq = like->seq;
    m->batch = like->batch;
    for (int i = 0; i < m->shares.count; i++) {
        sgn_mix_set *s = &m->set[i];
        s->sampler = *like;
        s->sampler.tokens = sgn_shards_info(s->shards)->tokens;
        if (like->seq >= 1 && s->sampler.tokens < (uint64_t)like->seq + 1)
            SGN_FAIL(err, SGN_CONFIG, "%s: has %" PRIu64 " tokens, fewer than one window of train.seq + 1 = %d; lower train.seq or add text",
                     sgn_shards_directory(s->shards), s->sampler.tokens, like->seq + 1);
        SGN_TRY(sgn_sampler_check(&s->sampler, err));
        s->sampler.batch = 1;
        if (i) s->sampler.seed = sgn_rng_bits(like->seed, sgn_rng_stream("sets"), (uint64_t)i);
        s->base = base;
        base += sgn_sampler_windows(&s->sampler);
    }
    return SGN_OK;
}

/* --- windows --------------------------------------------------------------------------------------- */

uint64_t sgn_mix_tokens(const sgn_mix *m) {
    uint64_t sum = 0;
    for (int i = 0; i < m->shares.count; i++) sum += sgn_shards_info(m->set[i].shards)->tokens;
    return sum;
}

uint64_t sgn_mix_windows(const sgn_mix *m) {
    const sgn_mix_set *last = &m->set[m->shares.count - 1];
    return last->base + sgn_sampler_windows(&last->sampler);
}

uint64_t sgn_mix_window(const sgn_mix *m, uint64_t step, int row) {
    uint64_t number;
    const sgn_mix_set *s = &m->set[sgn_shares_turn(&m->shares, step * (uint64_t)m->batch + (uint64_t)row, &number)];
    return s->base + sgn_sampler_window(&s->sampler, number, 0);
}

sgn_status sgn_mix_read(const sgn_mix *m, uint64_t window, int32_t *ids, sgn_error *err) {
    int i = m->shares.count - 1;
    while (i && m->set[i].base > window) i--;
    const sgn_mix_set *s = &m->set[i];
    return sgn_shards_read(s->shards, sgn_sampler_first(&s->sampler, window - s->base), (size_t)m->seq + 1, ids, err);
}

sgn_mix_taken sgn_mix_take(const sgn_mix *m, uint64_t samples, int s) {
    uint64_t counts[SGN_SHARES_MAX];
    sgn_shares_count(&m->shares, samples, counts);
    return (sgn_mix_taken){
        .windows = counts[s], .asked = (double)m->shares.weight[s] / (double)m->shares.period,
        .realised = samples ? (double)counts[s] / (double)samples : 0,
        .epochs = (double)counts[s] / (double)sgn_sampler_windows(&m->set[s].sampler),
    };
}
