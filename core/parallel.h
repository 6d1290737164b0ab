/* parallel.h - loops over several threads, the same bits for any number of them.
 * The only file that knows OpenMP.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_PARALLEL_H
#define SGN_CORE_PARALLEL_H

#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

/* Work on [begin, end). */
typedef void (*sgn_task)(void *ctx, int64_t begin, int64_t end);

/* Cuts [0, n) into chunks of `grain` (the last may be shorter). The cuts do not
 * depend on the number of threads, so a task that writes only what belongs to its
 * chunk, in an order of its own, gives the same bits however many threads run.
 * Each thread begins with its own stretch of [0, n), the same one every time, so that
 * pages lie near the thread that uses them. A nested call runs in the calling thread. */
void sgn_parallel(int64_t n, int64_t grain, sgn_task task, void *ctx);

/* Loops that do not depend on each other, as one: chunks start in the order given and
 * threads wait once, at the end. Put the longest chunks first. */
typedef struct { int64_t n, grain; sgn_task task; void *ctx; } sgn_job;
void sgn_parallel_jobs(const sgn_job *jobs, int count);

int  sgn_threads(void);                /* threads that loops use, >= 1 */
void sgn_threads_set(int n);           /* 0: as many as the CPU mask allows */
int  sgn_threads_available(void);      /* CPUs in this process's affinity mask */
int  sgn_thread_id(void);              /* 0 .. sgn_threads()-1 inside a task, else 0 */

/* Scratch memory, one buffer per slot and thread, kept from call to call; SHARED has
 * one in all, for whoever starts the loops. Reserve (outside loops, may fail, moves the
 * buffer) before use (anywhere, cannot fail). */
typedef enum { SGN_SCRATCH_OP, SGN_SCRATCH_KERNEL, SGN_SCRATCH_SHARED, SGN_SCRATCH_SLOTS } sgn_scratch_slot;
sgn_status sgn_scratch_reserve(sgn_scratch_slot slot, size_t bytes, sgn_error *err);
void      *sgn_scratch(sgn_scratch_slot slot);      /* 64-byte aligned */
size_t     sgn_scratch_bytes(void);                 /* all slots, all threads */
void       sgn_scratch_free(void);

#endif
