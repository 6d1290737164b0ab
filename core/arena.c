/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/arena.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "core/checked.h"

#if defined(__SANITIZE_ADDRESS__)
#define SGN_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SGN_ASAN 1
#endif
#endif
#ifdef SGN_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define POISON(p, n)   ((void)0)
#define UNPOISON(p, n) ((void)0)
#endif

enum { HUGE_PAGE = 2 << 20 };

sgn_status sgn_memory_alloc(void **out, size_t bytes, const char *what, sgn_error *err) {
    *out = NULL;
    if (bytes > SIZE_MAX - HUGE_PAGE) SGN_FAIL(err, SGN_NOMEM, "%s: %zu bytes cannot be addressed", what, bytes);
    if (bytes == 0) return SGN_OK;
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        SGN_FAIL(err, SGN_NOMEM, "no memory for %s: %.1f MiB were asked for; "
                 "use a smaller model, batch or context", what, (double)bytes / 1048576.0);
    if (bytes >= HUGE_PAGE) madvise(p, bytes, MADV_HUGEPAGE);
    *out = p;
    return SGN_OK;
}

void sgn_memory_free(void *p, size_t bytes) {
    if (p) munmap(p, bytes);
}

void sgn_memory_forget(const void *mapped, size_t bytes) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = ((uintptr_t)mapped + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)mapped + bytes) / page * page;
    if (end > begin) madvise((void *)begin, end - begin, MADV_DONTNEED);
}

sgn_status sgn_arena_init(sgn_arena *a, size_t bytes, sgn_error *err) {
    *a = (sgn_arena){ 0 };
    const size_t size = bytes > SIZE_MAX - SGN_ALIGN ? SIZE_MAX : sgn_round_up(bytes, SGN_ALIGN);
    void *base;
    SGN_TRY(sgn_memory_alloc(&base, size, "an arena", err));
    a->base = base;
    a->size = size;
    POISON(a->base, a->size);
    return SGN_OK;
}

void sgn_arena_measure(sgn_arena *a) {
    *a = (sgn_arena){ .measure = true };
}

void sgn_arena_free(sgn_arena *a) {
    if (a->base) UNPOISON(a->base, a->size);
    sgn_memory_free(a->base, a->size);
    *a = (sgn_arena){ 0 };
}

void *sgn_arena_alloc(sgn_arena *a, size_t bytes) {
    if (bytes > SIZE_MAX / 2) return NULL;
    const size_t n = sgn_round_up(bytes, SGN_ALIGN);
    if (!a->measure && n > a->size - a->used) return NULL;
    char *p = a->measure ? NULL : a->base + a->used;
    a->used += n;
    if (a->used > a->peak) a->peak = a->used;
    if (p) UNPOISON(p, bytes);
    return p;
}

void sgn_arena_rewind(sgn_arena *a, size_t mark) {
    if (a->base) POISON(a->base + mark, a->size - mark);
    a->used = mark;
}

void *sgn_arena_keep(sgn_arena *a, size_t mark, const void *p, size_t bytes) {
    const size_t taken = a->used;
    a->used = mark;
    void *to = sgn_arena_alloc(a, bytes);
    if (to) memmove(to, p, bytes);
    if (a->base && a->used < taken) POISON(a->base + a->used, taken - a->used);
    return to;
}

void sgn_arena_reset(sgn_arena *a) { sgn_arena_rewind(a, 0); }
