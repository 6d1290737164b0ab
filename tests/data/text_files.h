/* text_files.h - input files for tests: plain, gzip, zstd.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TESTS_TEXT_FILES_H
#define SGN_TESTS_TEXT_FILES_H

#include "../check.h"
#include <zlib.h>
#include <zstd.h>

/* Path of a new file in the test's directory. */
static inline const char *put_bytes(const char *name, const void *data, size_t size) {
    sgn_error err = { 0 };
    const char *path = check_path(name);
    check_ok(sgn_file_write(path, data, size, &err), &err);
    return path;
}

static inline const char *put_text(const char *name, const char *text) {
    return put_bytes(name, text, strlen(text));
}

static inline size_t gzip_bytes(const void *data, size_t size, unsigned char *out, size_t room) {
    z_stream z = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size, .next_out = out, .avail_out = (uInt)room };
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static inline size_t zstd_bytes(const void *data, size_t size, unsigned char *out, size_t room) {
    const size_t n = ZSTD_compress(out, room, data, size, 3);
    assert_false(ZSTD_isError(n));
    return n;
}

#endif
