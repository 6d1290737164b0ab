/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/parallel.h"

#include <omp.h>
#include <sched.h>
#include <stdlib.h>
#include "core/arena.h"
#include "core/checked.h"

enum { MAX_THREADS = 1024 };

static int thread_count;
static struct { void *at; size_t bytes; } scratch[SGN_SCRATCH_SLOTS][MAX_THREADS];
static size_t reserved[SGN_SCRATCH_SLOTS];         /* what every thread must have */

int sgn_threads_available(void) {
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) != 0) return 1;
    const int n = CPU_COUNT(&mask);
    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

int sgn_threads(void) {
    if (thread_count == 0) thread_count = sgn_threads_available();
    return thread_count;
}

static sgn_status fill_slot(sgn_scratch_slot slot, sgn_error *err) {
    const int buffers = slot == SGN_SCRATCH_SHARED ? 1 : sgn_threads();
    for (int t = 0; t < buffers; t++) {
        if (scratch[slot][t].bytes >= reserved[slot]) continue;
        void *fresh;
        SGN_TRY(sgn_memory_alloc(&fresh, reserved[slot], "scratch memory", err));
        sgn_memory_free(scratch[slot][t].at, scratch[slot][t].bytes);
        scratch[slot][t].at = fresh;
        scratch[slot][t].bytes = reserved[slot];
    }
    return SGN_OK;
}

void sgn_threads_set(int n) {
    const int available = sgn_threads_available();
    thread_count = n <= 0 ? available : n > MAX_THREADS ? MAX_THREADS : n;
    for (int s = 0; s < SGN_SCRATCH_SLOTS; s++)
        if (reserved[s] && fill_slot((sgn_scratch_slot)s, NULL) != SGN_OK) thread_count = 1;
}

int sgn_thread_id(void) { return omp_in_parallel() ? omp_get_thread_num() : 0; }

static int64_t grain_of(const sgn_job *j) { return j->grain < 1 ? 1 : j->grain; }
static int64_t chunks_of(const sgn_job *j) { return j->n <= 0 ? 0 : (j->n + grain_of(j) - 1) / grain_of(j); }

/* Chunk c of all jobs', counted through. */
static void run_chunk(const sgn_job *j, int64_t c) {
    for (int64_t n; c >= (n = chunks_of(j)); j++) c -= n;
    const int64_t begin = c * grain_of(j), end = begin + grain_of(j);
    j->task(j->ctx, begin, end < j->n ? end : j->n);
}

static int64_t threads_for(int64_t chunks) {
    return omp_in_parallel() ? 1 : chunks < sgn_threads() ? chunks : sgn_threads();
}

void sgn_parallel_jobs(const sgn_job *jobs, int count) {
    int64_t chunks = 0;
    for (int i = 0; i < count; i++) chunks += chunks_of(&jobs[i]);
    const int64_t threads = threads_for(chunks);
    if (threads <= 1) {
        for (int64_t c = 0; c < chunks; c++) run_chunk(jobs, c);
        return;
    }
    /* Not `omp for schedule(dynamic)`: libomp as distributions build it allocates for every chunk it hands out. */
    int64_t next = 0;
#pragma omp parallel num_threads((int)threads)
    for (int64_t c; (c = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED)) < chunks;) run_chunk(jobs, c);
}

/* A thread's own stretch of the chunks, which others help with when theirs is done: the memory that a thread
 * touched first is the memory that it works on later. */
typedef struct { _Alignas(64) int64_t next; int64_t end; } share;
enum { SHARES = 64 };

void sgn_parallel(int64_t n, int64_t grain, sgn_task task, void *ctx) {
    const sgn_job job = { n, grain, task, ctx };
    const int64_t chunks = chunks_of(&job), threads = threads_for(chunks), shares = threads < SHARES ? threads : SHARES;
    if (threads <= 1) {
        sgn_parallel_jobs(&job, 1);
        return;
    }
    share of[SHARES];
    for (int64_t s = 0; s < shares; s++) of[s] = (share){ chunks * s / shares, chunks * (s + 1) / shares };
#pragma omp parallel num_threads((int)threads)
    for (int64_t s = 0; s < shares; s++) {
        share *from = &of[(omp_get_thread_num() + s) % shares];
        for (int64_t c; (c = __atomic_fetch_add(&from->next, 1, __ATOMIC_RELAXED)) < from->end;) run_chunk(&job, c);
    }
}

sgn_status sgn_scratch_reserve(sgn_scratch_slot slot, size_t bytes, sgn_error *err) {
    bytes = sgn_round_up(bytes, 4096);
    if (bytes <= reserved[slot]) return SGN_OK;
    const size_t before = reserved[slot];
    reserved[slot] = bytes;
    const sgn_status s = fill_slot(slot, err);
    if (s != SGN_OK) reserved[slot] = before;
    return s;
}

void *sgn_scratch(sgn_scratch_slot slot) {
    return scratch[slot][slot == SGN_SCRATCH_SHARED ? 0 : sgn_thread_id()].at;
}

size_t sgn_scratch_bytes(void) {
    size_t sum = 0;
    for (int s = 0; s < SGN_SCRATCH_SLOTS; s++)
        for (int t = 0; t < MAX_THREADS; t++) sum += scratch[s][t].bytes;
    return sum;
}

void sgn_scratch_free(void) {
    for (int s = 0; s < SGN_SCRATCH_SLOTS; s++) {
        for (int t = 0; t < MAX_THREADS; t++) {
            sgn_memory_free(scratch[s][t].at, scratch[s][t].bytes);
            scratch[s][t].at = NULL;
            scratch[s][t].bytes = 0;
        }
        reserved[s] = 0;
    }
}
