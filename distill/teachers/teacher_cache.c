/* cache: predictions that `signum teacher-cache` computed, read ahead by the loader's thread for each of its batches.
 *
 * SPDX-License-Identifier: MIT */
#include "distill/teacher.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "data/loader.h"
#include "distill/cache.h"

typedef struct {
    sgn_cache_record record;       /* (batch, seq, count), (batch, seq) */
    uint64_t        *window;       /* (batch): whose they are */
    int              rows;         /* 0: nobody's */
} place;

typedef struct {
    sgn_cache      *file;
    place           at[SGN_LOADER_PLACES];
    int64_t         batch;
    pthread_mutex_t lock;          /* of file */
    bool            locks;
} cache;

static const sgn_cache_job *job_of(const cache *c) { return &sgn_cache_info_of(c->file)->job; }

static sgn_status check(const sgn_cache_job *j, const char *where, const sgn_teacher_need *need, sgn_error *err) {
    const char *hash = need->tokenizer_hash ? need->tokenizer_hash : "";
    if (!need->shards_hash)
        SGN_FAIL(err, SGN_CONFIG, "distill.teacher: '%s' is a cache of predictions for a text; name that text: data.train=DIR", where);
    if (strcmp(hash, j->tokenizer_hash) != 0)
        SGN_FAIL(err, SGN_CONFIG, "distill.teacher: the cache '%s' was made for another tokenizer (hash %.8s) than data.train has (%.8s); "
                 "make it for these shards", where, *j->tokenizer_hash ? j->tokenizer_hash : "none", *hash ? hash : "none");
    if (j->vocab != need->student->vocab)
        SGN_FAIL(err, SGN_CONFIG, "distill.teacher: the teacher of '%s' knows %" PRId64 " tokens and the student %" PRId64 "; set "
                 "model.vocab=%" PRId64, where, j->vocab, (int64_t)need->student->vocab, j->vocab);
    if (j->seq != need->seq)
        SGN_FAIL(err, SGN_CONFIG, "distill.teacher: the cache '%s' is of windows of %" PRId64 " tokens; set train.seq=%" PRId64
                 ", or make one with --seq %" PRId64, where, j->seq, j->seq, need->seq);
    if (strcmp(need->shards_hash, j->shards_hash.hex) != 0)
        SGN_FAIL(err, SGN_CONFIG, "distill.teacher: the cache '%s' was made for other shards (shards.json %.8s) than data.train has (%.8s); "
                 "make one for these (a mix of several sets has no cache)", where, j->shards_hash.hex, need->shards_hash);
    if (j->temperature != need->temperature)
        SGN_FAIL(err, SGN_CONFIG, "distill.teacher: the cache '%s' is of temperature %g, distill.temperature is %g; set it to %g, or make "
                 "one with --temperature %g", where, j->temperature, need->temperature, j->temperature, need->temperature);
    if (j->eot != need->eot)
        SGN_FAIL(err, SGN_CONFIG, "distill.teacher: the teacher of '%s' saw windows with documents %s, data.mask_documents wants them %s; make "
                 "one %s --mask-documents", where, j->eot < 0 ? "together" : "apart", need->eot < 0 ? "together" : "apart",
                 need->eot < 0 ? "without" : "with");
    return SGN_OK;
}

static sgn_status make_places(cache *c, sgn_error *err) {
    const size_t tokens = (size_t)(c->batch * job_of(c)->seq), all = tokens * (size_t)job_of(c)->count;
    for (int i = 0; i < SGN_LOADER_PLACES; i++) {
        place *p = &c->at[i];
        p->record = (sgn_cache_record){ malloc(all * sizeof(int32_t)), malloc(all * sizeof(float)), malloc(tokens * sizeof(float)),
                                        malloc(tokens * sizeof(float)) };
        p->window = malloc((size_t)c->batch * sizeof *p->window);
        if (!p->record.id || !p->record.weight || !p->record.rest || !p->record.entropy || !p->window)
            SGN_FAIL(err, SGN_NOMEM, "no memory for cached predictions of %zu tokens; lower train.batch", tokens);
    }
    return SGN_OK;
}

static sgn_status open_cache(sgn_teacher *t, const char *where, const sgn_teacher_need *need, sgn_error *err) {
    cache *c = t->state = calloc(1, sizeof *c);
    if (!c) SGN_FAIL(err, SGN_NOMEM, "no memory for the teacher");
    c->locks = pthread_mutex_init(&c->lock, NULL) == 0;
    if (!c->locks) SGN_FAIL(err, SGN_NOMEM, "no memory for the teacher");
    c->batch = need->batch;
    SGN_TRY(sgn_cache_open(&c->file, where, err));
    SGN_TRY(check(job_of(c), where, need, err));
    return make_places(c, err);
}

static sgn_status fill(cache *c, place *p, const sgn_batch *b, sgn_error *err) {
    const int64_t seq = job_of(c)->seq, count = job_of(c)->count;
    p->rows = 0;
    for (int64_t r = 0; r < b->batch; r++) {
        const sgn_cache_record *all = &p->record;
        sgn_cache_record row = { all->id + r * seq * count, all->weight + r * seq * count, all->rest + r * seq, all->entropy + r * seq };
        SGN_TRY(sgn_cache_read(c->file, b->window[r], &row, err));
        p->window[r] = b->window[r];
    }
    p->rows = b->batch;
    return SGN_OK;
}

static sgn_status ahead(sgn_teacher *t, const sgn_batch *b, sgn_error *err) {
    cache *c = t->state;
    pthread_mutex_lock(&c->lock);
    const sgn_status s = fill(c, &c->at[b->place], b, err);
    pthread_mutex_unlock(&c->lock);
    return s;
}

static sgn_soft expect(const sgn_teacher *t) {
    const sgn_cache_job *j = job_of(t->state);
    return (sgn_soft){ .kind = j->samples ? SGN_SOFT_SAMPLES : SGN_SOFT_TOP, .top = j->count };
}

static sgn_status soft(sgn_teacher *t, const sgn_batch *b, sgn_soft *out, sgn_error *err) {
    cache *c = t->state;
    place *p = &c->at[b->place];
    const bool here = p->rows == b->batch && memcmp(p->window, b->window, (size_t)b->batch * sizeof *p->window) == 0;
    if (!here) SGN_TRY(ahead(t, b, err));      /* nobody has read ahead */
    *out = expect(t);
    out->id = p->record.id;
    out->prob = p->record.weight;
    out->rest = job_of(c)->samples ? NULL : p->record.rest;
    out->entropy = p->record.entropy;
    return SGN_OK;
}

static size_t bytes(const sgn_teacher *t) {
    const cache *c = t->state;
    return sgn_cache_memory(job_of(c), c->batch);
}

static size_t mapped(const sgn_teacher *t) {
    (void)t;
    return 0;
}

static void close_cache(sgn_teacher *t) {
    cache *c = t->state;
    if (!c) return;
    for (int i = 0; i < SGN_LOADER_PLACES; i++) {
        place *p = &c->at[i];
        free(p->record.id), free(p->record.weight), free(p->record.rest), free(p->record.entropy), free(p->window);
    }
    sgn_cache_close(c->file);
    if (c->locks) pthread_mutex_destroy(&c->lock);
    free(c);
}

const sgn_teacher_kind sgn_teacher_cache = {
    .name = "cache", .summary = "predictions computed once by `signum teacher-cache`",
    .open = open_cache, .expect = expect, .ahead = ahead, .soft = soft, .bytes = bytes, .mapped = mapped, .close = close_cache,
};
