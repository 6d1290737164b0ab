/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/file.h"

/* An allocation that no small file is a reason for fails, and fuzz_refused says so. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1:max_allocation_size_mb=512"; }

void fuzz_wrong(const char *what, const char *file, int line, const char *text) {
    fprintf(stderr, "%s:%d: wrong: %s%s%s\n", file, line, what, *text ? ": " : "", text);
    abort();
}

/* --- files -------------------------------------------------------------------------------------- */

static char directory[256];

static void remove_directory(void) { sgn_remove_tree(directory, NULL); }

/* In memory where that can be: a file is written for each of a million inputs. */
static void make_directory(void) {
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/signum-fuzz-XXXXXX", base && *base ? base : "/tmp");
    fuzz_check(mkdtemp(directory) != NULL);
    atexit(remove_directory);
}

const char *fuzz_path(const char *name) {
    static char path[8][512];
    static int  next;
    if (!*directory) make_directory();
    char *p = path[next++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", directory, name);
    return p;
}

const char *fuzz_put(const char *name, const void *data, size_t size) {
    const char *path = fuzz_path(name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    fuzz_check(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
    return path;
}

char *fuzz_get(const char *path, size_t *size) {
    sgn_error err = { 0 };
    char *text;
    fuzz_ok(sgn_file_read(path, SIZE_MAX / 2, &text, size, &err), &err);
    return text;
}

void fuzz_take_file(fuzz_take *take, const char *path) {
    size_t size;
    char *data = fuzz_get(path, &size);
    take(data, size);
    free(data);
}

/* --- errors ------------------------------------------------------------------------------------- */

uint64_t fuzz_refusals;

int fuzz_refused(sgn_status s, const sgn_error *err, const char *path) {
    if (s == SGN_OK) return 0;
    if (s == SGN_NOMEM || err->status != s || !strstr(err->text, path) || strchr(err->text, '\n'))
        fuzz_wrong(sgn_status_text(s), path, 0, err->text);
    fuzz_refusals++;
    return 1;
}

/* --- archives ----------------------------------------------------------------------------------- */

/* Array i as bytes; NULL where it cannot be read. A file of n bytes has no array of more. */
static void *read_array(const sgn_archive *a, int i) {
    sgn_error err = { 0 };
    const sgn_array *x = &a->at[i];
    uint64_t bytes;
    fuzz_check(memchr(x->name, '\0', sizeof x->name) && sgn_array_size(x, &bytes) && bytes == x->bytes);
    fuzz_check(i == 0 || strcmp(a->at[i - 1].name, x->name) < 0);
    fuzz_check(sgn_archive_find(a, x->name) == i);
    void *data = malloc(x->bytes + 1), *again = malloc(x->bytes + 1);
    fuzz_check(data && again);
    if (fuzz_refused(a->kind->read(a, i, data, &err), &err, a->path)) {
        free(data);
        free(again);
        return NULL;
    }
    const void *map = a->kind->map(a, i);
    fuzz_check(!map || memcmp(map, data, x->bytes) == 0);
    fuzz_ok(a->kind->read(a, i, again, &err), &err);
    fuzz_check(memcmp(again, data, x->bytes) == 0);
    free(again);
    const uint64_t count = sgn_array_numel(x);
    float *real = malloc(count * sizeof *real + 1);
    fuzz_check(real != NULL);
    if (x->dtype < SGN_DTYPE_COUNT) fuzz_ok(sgn_archive_read_f32(a, i, real, (int64_t)count, &err), &err);
    free(real);
    return data;
}

static int read_all(const sgn_archive *a, void **data) {
    int whole = 1;
    for (int i = 0; i < a->count; i++) whole &= (data[i] = read_array(a, i)) != NULL;
    a->kind->note(a, "format");
    fuzz_check(a->kind->note(a, "\x01 no such key") == NULL);
    return whole;
}

/* The arrays, but for `data`, of which it writes `kind`. */
static void round_trip(const sgn_archive *a, void **data, const char *kind) {
    sgn_error err = { 0 };
    sgn_archive b;
    const char *first = fuzz_path("first"), *second = fuzz_path("second");
    const sgn_status s = sgn_archive_write(kind, first, a->at, (const void *const *)data, a->count, NULL, &err);
    if (fuzz_refused(s, &err, first)) return;       /* such as a name "a/../b" */
    fuzz_ok(sgn_archive_open(&b, first, &err), &err);
    fuzz_check(b.count == a->count && (a->count == 0 || memcmp(a->at, b.at, (size_t)a->count * sizeof *a->at) == 0));
    for (int i = 0; i < b.count; i++) {
        void *back = read_array(&b, i);
        fuzz_check(back && memcmp(back, data[i], b.at[i].bytes) == 0);
        free(back);
    }
    fuzz_ok(sgn_archive_write(kind, second, b.at, (const void *const *)data, b.count, NULL, &err), &err);
    sgn_archive_close(&b);
    size_t n, m;
    char *x = fuzz_get(first, &n), *y = fuzz_get(second, &m);
    fuzz_check(n == m && memcmp(x, y, n) == 0);
    free(x);
    free(y);
}

void fuzz_archive_written(const char *path, const char *kind) {
    sgn_error err = { 0 };
    sgn_archive a;
    if (fuzz_refused(sgn_archive_open(&a, path, &err), &err, fuzz_path(""))) {
        fuzz_check(!a.at && !a.state);
        return;
    }
    void **data = calloc((size_t)a.count + 1, sizeof *data);
    fuzz_check(data != NULL);
    if (read_all(&a, data) && kind) round_trip(&a, data, kind);
    for (int i = 0; i < a.count; i++) free(data[i]);
    free(data);
    sgn_archive_close(&a);
}

void fuzz_archive(const char *path) { fuzz_archive_written(path, NULL); }
