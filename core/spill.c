/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static sgn_status too_small(const char *directory, uint64_t size, const char *what, sgn_error *err) {
    SGN_FAIL(err, SGN_IO, "%s: %s take %.1f MiB and %.1f MiB are free; free some space, or choose a directory of another disk", directory, what,
             (double)size / 1048576, (double)sgn_free_space(directory) / 1048576);
}

static sgn_status fail_io(const char *directory, const char *what, sgn_error *err) {
    SGN_FAIL(err, SGN_IO, "%s: cannot %s its nameless file: %s", directory, what, strerror(errno));
}

/* Blocks are taken now, where the file system can, lest the disk be full hours later. */
static sgn_status reserve(int fd, const char *directory, uint64_t size, const char *what, sgn_error *err) {
    if (size > INT64_MAX || sgn_free_space(directory) < size) return too_small(directory, size, what, err);
    int why = 0;
    if (size) do why = posix_fallocate(fd, 0, (off_t)size); while (why == EINTR);
    if (why == ENOSPC || why == EFBIG || why == EDQUOT) return too_small(directory, size, what, err);
    if (why && ftruncate(fd, (off_t)size) != 0) return fail_io(directory, "size", err);
    return SGN_OK;
}

sgn_status sgn_spill_open(sgn_spill *s, const char *directory, uint64_t size, const char *what, sgn_error *err) {
    *s = (sgn_spill){ 0 };
    sgn_path name;
    SGN_TRY(sgn_path_set(&s->directory, err, "%s", directory));
    SGN_TRY(sgn_path_set(&name, err, "%s/.spill-XXXXXX", directory));
    const int fd = mkostemp(name.s, O_CLOEXEC);
    if (fd < 0) return fail_io(directory, "make", err);
    unlink(name.s);
    const sgn_status status = reserve(fd, directory, size, what, err);
    if (status != SGN_OK) {
        close(fd);
        return status;
    }
    s->fd = fd;
    s->size = size;
    s->open = true;
    return SGN_OK;
}

static sgn_status check_range(const sgn_spill *s, uint64_t offset, size_t size, sgn_error *err) {
    if (offset > s->size || size > s->size - offset)
        SGN_FAIL(err, SGN_IO, "%s: %zu bytes at offset %llu of a nameless file of %llu", s->directory.s, size, (unsigned long long)offset,
                 (unsigned long long)s->size);
    return SGN_OK;
}

sgn_status sgn_spill_get(const sgn_spill *s, uint64_t offset, void *out, size_t size, sgn_error *err) {
    SGN_TRY(check_range(s, offset, size, err));
    for (size_t done = 0; done < size;) {
        const ssize_t n = pread(s->fd, (char *)out + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = EIO;
        if (n <= 0) return fail_io(s->directory.s, "read", err);
        done += (size_t)n;
    }
    return SGN_OK;
}

sgn_status sgn_spill_put(sgn_spill *s, uint64_t offset, const void *data, size_t size, sgn_error *err) {
    SGN_TRY(check_range(s, offset, size, err));
    for (size_t done = 0; done < size;) {
        const ssize_t n = pwrite(s->fd, (const char *)data + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = EIO;
        if (n <= 0) return fail_io(s->directory.s, "write", err);
        done += (size_t)n;
    }
    return SGN_OK;
}

void sgn_spill_close(sgn_spill *s) {
    if (s->open) close(s->fd);
    *s = (sgn_spill){ 0 };
}
