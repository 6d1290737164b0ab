/* MANIFEST of a directory of two files: as it comes, and with its last line made to fit, which a damaged
 * disk does not do but leads on to the lines.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/digest.h"
#include "core/file.h"
#include "tests/fuzz/fuzz.h"

enum { LAST = 7 + 32 + 1 };            /* "digest ", hex, line end */

static const char *directory(void) {
    static int made;
    const char *path = fuzz_path("dir");
    if (made++) return path;
    sgn_error err = { 0 };
    fuzz_ok(sgn_make_directories(path, &err), &err);
    fuzz_put("dir/config.json", "{}", 2);
    fuzz_put("dir/shard 0.h5", "some bytes", 10);
    fuzz_ok(sgn_manifest_write(path, &err), &err);
    return path;
}

void fuzz_seeds(fuzz_take *take) {
    char path[600];
    sgn_error err = { 0 };
    snprintf(path, sizeof path, "%s", directory());
    fuzz_ok(sgn_manifest_write(path, &err), &err);
    fuzz_take_file(take, fuzz_path("dir/MANIFEST"));
}

static int verified(const void *data, size_t size) {
    sgn_error err = { 0 };
    char path[600];
    snprintf(path, sizeof path, "%s", directory());
    fuzz_put("dir/MANIFEST", data, size);
    return !fuzz_refused(sgn_manifest_verify(path, &err), &err, path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (verified(data, size)) fuzz_check(size >= LAST && memcmp(data + size - LAST + 7, sgn_digest_bytes(data, size - LAST).hex, 32) == 0);
    const size_t body = size < LAST ? size : size - LAST;
    char *sealed = malloc(body + LAST + 1);
    fuzz_check(sealed != NULL);
    if (body) memcpy(sealed, data, body);
    sprintf(sealed + body, "digest %s\n", sgn_digest_bytes(sealed, body).hex);
    verified(sealed, body + LAST);
    free(sealed);
    return 0;
}
