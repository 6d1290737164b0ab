/* Digests and manifests.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/digest.h"
#include "core/file.h"

/* XXH3 of no bytes with seed 0, from the table of sanity values that the algorithm's authors publish. */
static void known_values(void **state) {
    (void)state;
    assert_true(sgn_digest64("", 0) == 0x2D06800538D394C2u);
    assert_string_equal(sgn_digest_bytes("", 0).hex, "99aa06d3014798d86001c324468d497f");
}

static void file_equals_bytes(void **state) {
    (void)state;
    sgn_error err;
    enum { N = (2 << 20) + 17 };
    uint8_t *bytes = malloc(N);
    for (int i = 0; i < N; i++) bytes[i] = (uint8_t)((uint32_t)i * 2654435761u >> 11);
    check_ok(sgn_file_write(check_path("bytes"), bytes, N, &err), &err);
    sgn_digest d;
    uint64_t size;
    check_ok(sgn_digest_file(check_path("bytes"), &d, &size, &err), &err);
    assert_int_equal(size, N);
    assert_string_equal(d.hex, sgn_digest_bytes(bytes, N).hex);
    bytes[N - 1] ^= 1;
    assert_string_not_equal(d.hex, sgn_digest_bytes(bytes, N).hex);
    free(bytes);
}

/* Of a large file, with holes: its size, beginning, end and every piece count; up to the limit it is sgn_digest_file's. */
static void samples_of_large_files(void **state) {
    (void)state;
    enum { SOME = SGN_DIGEST_WHOLE / SGN_DIGEST_PIECES };
    const int64_t size = (int64_t)SGN_DIGEST_WHOLE + 7 * SOME + 3, step = (size - SOME) / (SGN_DIGEST_PIECES - 1);
    const int64_t place[] = { 0, SOME - 1, step, 500 * step + SOME - 1, size - SOME, size - 1 };
    enum { PLACES = sizeof place / sizeof *place };
    sgn_error err;
    sgn_digest seen[PLACES + 2], d;
    FILE *f = fopen(check_path("large"), "w+b");
    assert_non_null(f);
    assert_int_equal(ftruncate(fileno(f), size), 0);
    for (int i = 0; i < PLACES + 2; i++) {
        if (i == PLACES) assert_int_equal(ftruncate(fileno(f), size + 1), 0);
        else if (i < PLACES) assert_true(fseeko(f, place[i], SEEK_SET) == 0 && fputc(7, f) == 7 && fflush(f) == 0);
        else assert_int_equal(ftruncate(fileno(f), SGN_DIGEST_WHOLE), 0);
        check_ok(sgn_digest_sample(check_path("large"), &seen[i], &err), &err);
        for (int k = 0; k < i; k++) assert_string_not_equal(seen[i].hex, seen[k].hex);
    }
    check_ok(sgn_digest_file(check_path("large"), &d, NULL, &err), &err);
    assert_string_equal(d.hex, seen[PLACES + 1].hex);
    fclose(f);
    unlink(check_path("large"));
}

static void put(const char *dir, const char *name, const char *text) {
    sgn_error err;
    sgn_path p;
    check_ok(sgn_path_set(&p, &err, "%s/%s", dir, name), &err);
    check_ok(sgn_file_write(p.s, text, strlen(text), &err), &err);
}

static void manifest_names_what_changed(void **state) {
    (void)state;
    sgn_error err;
    const char *dir = check_path("set");
    check_ok(sgn_make_directories(dir, &err), &err);
    put(dir, "weights.h5", "0123456789");
    put(dir, "a file with spaces", "");
    put(dir, "config.yaml", "dim: 4\n");
    check_fails(sgn_manifest_verify(dir, &err), SGN_IO, &err, "MANIFEST");
    check_ok(sgn_manifest_write(dir, &err), &err);
    check_ok(sgn_manifest_verify(dir, &err), &err);
    check_ok(sgn_manifest_write(dir, &err), &err);               /* not of itself */
    check_ok(sgn_manifest_verify(dir, &err), &err);
    put(dir, "weights.h5", "0123456780");
    check_fails(sgn_manifest_verify(dir, &err), SGN_FORMAT, &err, "weights.h5: its contents");
    put(dir, "weights.h5", "01234567890");
    check_fails(sgn_manifest_verify(dir, &err), SGN_FORMAT, &err, "weights.h5: 11 bytes");
    sgn_path p;
    check_ok(sgn_path_set(&p, &err, "%s/weights.h5", dir), &err);
    check_ok(sgn_remove_tree(p.s, &err), &err);
    check_fails(sgn_manifest_verify(dir, &err), SGN_IO, &err, "weights.h5");
    put(dir, "weights.h5", "0123456789");
    check_ok(sgn_manifest_verify(dir, &err), &err);
}

/* Every bit of a manifest flipped, and every truncation of it: all refused. */
static void manifest_refuses_every_change(void **state) {
    (void)state;
    sgn_error err;
    sgn_path p;
    char *text;
    size_t size;
    const char *dir = check_path("flip");
    check_ok(sgn_make_directories(dir, &err), &err);
    put(dir, "a", "alpha");
    put(dir, "b", "beta");
    check_ok(sgn_manifest_write(dir, &err), &err);
    check_ok(sgn_path_set(&p, &err, "%s/MANIFEST", dir), &err);
    check_ok(sgn_file_read(p.s, 1 << 20, &text, &size, &err), &err);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        check_ok(sgn_file_write(p.s, text, size, &err), &err);
        if (sgn_manifest_verify(dir, NULL) == SGN_OK) fail_msg("bit %zu flipped and not noticed", bit);
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
    }
    for (size_t n = 0; n < size; n++) {
        check_ok(sgn_file_write(p.s, text, n, &err), &err);
        check_fails(sgn_manifest_verify(dir, &err), SGN_FORMAT, &err, "MANIFEST");
    }
    check_ok(sgn_file_write(p.s, text, size, &err), &err);
    check_ok(sgn_manifest_verify(dir, &err), &err);
    free(text);
}

/* A manifest that is consistent in itself but lists what must not be listed. */
static void manifest_refuses_paths(void **state) {
    (void)state;
    sgn_error err;
    const char *dir = check_path("paths"), *lines[] = { "file ../set/a 5 x\n", "file a\n", "elif a 5 x\n", "file  5 x\n" };
    check_ok(sgn_make_directories(dir, &err), &err);
    for (int i = 0; i < 4; i++) {
        char text[256];
        int n = snprintf(text, sizeof text, "signum-manifest 1\n%s", lines[i]);
        snprintf(text + n, sizeof text - (size_t)n, "digest %s\n", sgn_digest_bytes(text, (size_t)n).hex);
        put(dir, "MANIFEST", text);
        check_fails(sgn_manifest_verify(dir, &err), SGN_FORMAT, &err, "a line is not");
    }
    char text[256];
    const int n = snprintf(text, sizeof text, "signum-manifest 9\n");
    snprintf(text + n, sizeof text - (size_t)n, "digest %s\n", sgn_digest_bytes(text, (size_t)n).hex);
    put(dir, "MANIFEST", text);
    check_fails(sgn_manifest_verify(dir, &err), SGN_FORMAT, &err, "another version");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),                  cmocka_unit_test(file_equals_bytes), cmocka_unit_test(samples_of_large_files),
        cmocka_unit_test(manifest_names_what_changed),   cmocka_unit_test(manifest_refuses_every_change),
        cmocka_unit_test(manifest_refuses_paths),
    };
    return check_run(tests);
}
