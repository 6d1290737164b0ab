/* fenced.h - memory with nothing behind it: whoever reads or writes on is stopped, by any build.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TESTS_FENCED_H
#define SGN_TESTS_FENCED_H

#include "tests/check.h"
#include <sys/mman.h>

static inline size_t fenced_pages(size_t bytes) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}
/* Zeros, at any address. */
static inline void *fenced_alloc(size_t bytes) {
    const size_t pages = fenced_pages(bytes);
    char *p = mmap(NULL, pages + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    assert_int_equal(mprotect(p + pages, 1, PROT_NONE), 0);
    return p + pages - bytes;
}
static inline void fenced_free(void *p, size_t bytes) {
    const size_t pages = fenced_pages(bytes);
    if (p) munmap((char *)p + bytes - pages, pages + 1);
}

#endif
