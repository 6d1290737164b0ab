/* A ring of batches between one reading thread and the caller: batch k lies in place k mod RING.
 * The caller holds one place, the thread fills the others.
 *
 * SPDX-License-Identifier: MIT */
#include "data/loader.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "core/checked.h"
#include "core/clock.h"
#include "data/documents.h"

enum { RING = SGN_LOADER_PLACES };

typedef struct {
    sgn_batch  batch;
    sgn_status status;
    sgn_error  error;
} place;

struct sgn_loader {
    const sgn_mix  *mix;
    sgn_loader_also also;
    uint64_t        first;             /* micro-step of batch 0 */
    place           ring[RING];
    int32_t        *ids;               /* (seq + 1): a window */
    uint64_t        made, taken;       /* batches; the caller holds batch taken-1 */
    bool            stop;
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    pthread_t       thread;
    bool            running;
    double          waited;
};

static sgn_status read_batch(sgn_loader *l, uint64_t step, sgn_batch *b, sgn_error *err) {
    const size_t seq = (size_t)b->seq;
    for (int r = 0; r < b->batch; r++) {
        b->window[r] = sgn_mix_window(l->mix, step, r);
        SGN_TRY(sgn_mix_read(l->mix, b->window[r], l->ids, err));
        memcpy(b->tokens + (size_t)r * seq, l->ids, seq * sizeof *l->ids);
        memcpy(b->targets + (size_t)r * seq, l->ids + 1, seq * sizeof *l->ids);
    }
    if (b->first) sgn_documents_mark(b->tokens, b->batch, b->seq, l->mix->eot, b->first, b->targets);
    return l->also.read ? l->also.read(l->also.ctx, b, err) : SGN_OK;
}

static void *work(void *ctx) {
    sgn_loader *l = ctx;
    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        if (l->made - l->taken == RING - 1) {      /* the place left over is the caller's */
            pthread_cond_wait(&l->changed, &l->lock);
            continue;
        }
        place *p = &l->ring[l->made % RING];
        const uint64_t step = l->first + l->made;
        pthread_mutex_unlock(&l->lock);
        p->error = (sgn_error){ 0 };
        p->status = read_batch(l, step, &p->batch, &p->error);
        pthread_mutex_lock(&l->lock);
        l->made++;
        pthread_cond_broadcast(&l->changed);
        if (p->status != SGN_OK) break;            /* nothing comes after an error */
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static sgn_status allocate(sgn_loader *l, sgn_error *err) {
    const sgn_mix *m = l->mix;
    const uint64_t batch = (uint64_t)m->batch, seq = (uint64_t)m->seq;
    uint64_t bytes;
    const bool fits = sgn_mul_fits(batch * sizeof(int32_t), seq, &bytes) && bytes < SIZE_MAX / 2, marks = m->eot >= 0;
    l->ids = malloc((size_t)(seq + 1) * sizeof *l->ids);
    bool all = fits && l->ids;
    for (int i = 0; i < RING && all; i++) {
        sgn_batch *b = &l->ring[i].batch;
        *b = (sgn_batch){ .batch = m->batch, .seq = m->seq, .tokens = malloc((size_t)bytes), .targets = malloc((size_t)bytes),
                          .first = marks ? malloc((size_t)bytes) : NULL, .window = malloc((size_t)batch * sizeof *b->window), .place = i };
        all = b->tokens && b->targets && b->window && (b->first || !marks);
    }
    if (!all) SGN_FAIL(err, SGN_NOMEM, "no memory for %d batches of %d x %d tokens", RING, m->batch, m->seq);
    return SGN_OK;
}

static sgn_status start(sgn_loader *l, sgn_error *err) {
    SGN_TRY(allocate(l, err));
    if (pthread_create(&l->thread, NULL, work, l) != 0) SGN_FAIL(err, SGN_NOMEM, "no thread to read batches with");
    l->running = true;
    return SGN_OK;
}

sgn_status sgn_loader_open(sgn_loader **out, const sgn_mix *mix, uint64_t first_step, sgn_error *err) {
    return sgn_loader_open_also(out, mix, first_step, (sgn_loader_also){ 0 }, err);
}

sgn_status sgn_loader_open_also(sgn_loader **out, const sgn_mix *mix, uint64_t first_step, sgn_loader_also also, sgn_error *err) {
    *out = NULL;
    sgn_loader *l = calloc(1, sizeof *l);
    if (!l) SGN_FAIL(err, SGN_NOMEM, "no memory to read batches");
    l->mix = mix;
    l->also = also;
    l->first = first_step;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    const sgn_status s = start(l, err);
    if (s == SGN_OK) *out = l;
    else sgn_loader_close(l);
    return s;
}

void sgn_loader_close(sgn_loader *l) {
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    if (l->running) pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    for (int i = 0; i < RING; i++) {
        free(l->ring[i].batch.tokens);
        free(l->ring[i].batch.targets);
        free(l->ring[i].batch.first);
        free(l->ring[i].batch.window);
    }
    free(l->ids);
    free(l);
}

sgn_status sgn_loader_next(sgn_loader *l, sgn_batch *out, sgn_error *err) {
    pthread_mutex_lock(&l->lock);
    if (l->made == l->taken) {
        const double before = sgn_clock_wall();
        while (l->made == l->taken) pthread_cond_wait(&l->changed, &l->lock);
        l->waited += sgn_clock_wall() - before;
    }
    const place *p = &l->ring[l->taken % RING];
    if (p->status == SGN_OK) {
        l->taken++;                                /* the batch before it is given back */
        *out = p->batch;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    if (p->status != SGN_OK) SGN_FAIL(err, p->status, "%s", p->error.text);
    return SGN_OK;
}

double sgn_loader_waited(const sgn_loader *l) { return l->waited; }
