/* arena.h - one block of memory handed out in order and taken back all at once.
 *
 * Three uses: memory of a run (init once), memory of a micro-step (reset each
 * time), and a dry run that only counts (sgn_arena_measure), which is how the
 * size of the other two is found before anything is allocated.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_ARENA_H
#define SGN_CORE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include "core/status.h"

enum { SGN_ALIGN = 64 };       /* bytes; every block starts on a cache line */

typedef struct {
    char  *base;               /* NULL: nothing is handed out, only counted */
    size_t size, used, peak;   /* bytes */
    bool   measure;
} sgn_arena;

sgn_status sgn_arena_init(sgn_arena *a, size_t bytes, sgn_error *err);
void       sgn_arena_measure(sgn_arena *a);       /* alloc counts and returns NULL */
void       sgn_arena_free(sgn_arena *a);          /* zeroed or freed: fine */

/* 64-byte aligned, not zeroed; NULL when full (or measuring: look at a->measure). */
void      *sgn_arena_alloc(sgn_arena *a, size_t bytes);
void       sgn_arena_reset(sgn_arena *a);         /* all blocks end here; poisoned under ASan */
/* The blocks since used == mark end here; _keep first moves `bytes` at p (such a block, or anything) to the mark,
 * where they are the last block. */
void       sgn_arena_rewind(sgn_arena *a, size_t mark);
void      *sgn_arena_keep(sgn_arena *a, size_t mark, const void *p, size_t bytes);

/* Aligned memory from the system for what lives as long as a run: zeroed on
 * first touch, huge pages asked for where it is large. Free with sgn_memory_free. */
sgn_status sgn_memory_alloc(void **out, size_t bytes, const char *what, sgn_error *err);
void       sgn_memory_free(void *p, size_t bytes);
/* Part of a mapped file that will hardly be read again: its whole pages leave this process's resident memory. */
void       sgn_memory_forget(const void *mapped, size_t bytes);

#endif
