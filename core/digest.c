/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "core/file.h"

#define MANIFEST "MANIFEST"
#define TITLE    "signum-manifest 1"
enum { PIECE = 1 << 20, MANIFEST_LIMIT = 16 << 20 };

static sgn_digest as_hex(XXH128_hash_t h) {
    sgn_digest d;
    snprintf(d.hex, sizeof d.hex, "%016" PRIx64 "%016" PRIx64, (uint64_t)h.high64, (uint64_t)h.low64);
    return d;
}

sgn_digest sgn_digest_bytes(const void *data, size_t size) { return as_hex(XXH3_128bits(data, size)); }
uint64_t sgn_digest64(const void *data, size_t size) { return XXH3_64bits(data, size); }

struct sgn_hasher { XXH3_state_t *state; };

sgn_status sgn_hasher_open(sgn_hasher **out, sgn_error *err) {
    sgn_hasher *h = *out = calloc(1, sizeof *h);
    if (h) h->state = XXH3_createState();
    if (h && h->state) return SGN_OK;
    free(h);
    *out = NULL;
    SGN_FAIL(err, SGN_NOMEM, "no memory for a digest");
}

void sgn_hasher_begin(sgn_hasher *h) { XXH3_128bits_reset(h->state); }

void sgn_hasher_put(sgn_hasher *h, const void *data, size_t size) {
    if (size) XXH3_128bits_update(h->state, data, size);
}

sgn_hash128 sgn_hasher_end(const sgn_hasher *h) {
    const XXH128_hash_t d = XXH3_128bits_digest(h->state);
    return (sgn_hash128){ d.low64, d.high64 };
}

void sgn_hasher_close(sgn_hasher *h) {
    if (!h) return;
    XXH3_freeState(h->state);
    free(h);
}

static sgn_status digest_pieces(const sgn_reader *r, XXH3_state_t *state, void *piece, sgn_error *err) {
    if (!state || !piece) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for its digest", r->path.s);
    XXH3_128bits_reset(state);
    for (uint64_t at = 0; at < r->size; at += PIECE) {
        const size_t n = r->size - at < PIECE ? (size_t)(r->size - at) : PIECE;
        SGN_TRY(sgn_reader_get(r, at, piece, n, err));
        XXH3_128bits_update(state, piece, n);
    }
    return SGN_OK;
}

static sgn_status digest_some(const sgn_reader *r, XXH3_state_t *state, void *piece, sgn_error *err) {
    enum { SOME = SGN_DIGEST_WHOLE / SGN_DIGEST_PIECES };
    if (!state || !piece) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for its digest", r->path.s);
    XXH3_128bits_reset(state);
    XXH3_128bits_update(state, &r->size, sizeof r->size);
    const uint64_t step = (r->size - SOME) / (SGN_DIGEST_PIECES - 1);
    for (uint64_t i = 0; i < SGN_DIGEST_PIECES; i++) {
        SGN_TRY(sgn_reader_get(r, i + 1 < SGN_DIGEST_PIECES ? i * step : r->size - SOME, piece, SOME, err));
        XXH3_128bits_update(state, piece, SOME);
    }
    return SGN_OK;
}

static sgn_status digest(const char *path, bool sample, sgn_digest *out, uint64_t *size, sgn_error *err) {
    sgn_reader r;
    SGN_TRY(sgn_reader_open(&r, path, err));
    XXH3_state_t *state = XXH3_createState();
    void *piece = malloc(PIECE);
    const sgn_status s = (sample && r.size > SGN_DIGEST_WHOLE ? digest_some : digest_pieces)(&r, state, piece, err);
    if (s == SGN_OK) *out = as_hex(XXH3_128bits_digest(state));
    if (s == SGN_OK && size) *size = r.size;
    free(piece);
    XXH3_freeState(state);
    sgn_reader_close(&r);
    return s;
}

sgn_status sgn_digest_file(const char *path, sgn_digest *out, uint64_t *size, sgn_error *err) { return digest(path, false, out, size, err); }
sgn_status sgn_digest_sample(const char *path, sgn_digest *out, sgn_error *err) { return digest(path, true, out, NULL, err); }

/* --- writing ---------------------------------------------------------------------------------- */

typedef struct { char *s; size_t size, room; } lines;

static sgn_status add_line(lines *l, const char *line, sgn_error *err) {
    const size_t n = strlen(line);
    if (n + 1 > l->room - l->size) {
        const size_t room = 2 * (l->room + n + 1);
        char *grown = realloc(l->s, room);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for a manifest");
        l->s = grown;
        l->room = room;
    }
    memcpy(l->s + l->size, line, n + 1);
    l->size += n;
    return SGN_OK;
}

static sgn_status add_file(lines *l, const char *directory, const char *name, sgn_error *err) {
    sgn_path path, line;
    sgn_digest d;
    uint64_t size;
    if (strchr(name, '\n')) SGN_FAIL(err, SGN_IO, "%s: a file name with a line end cannot stand in a manifest", directory);
    SGN_TRY(sgn_path_set(&path, err, "%s/%s", directory, name));
    SGN_TRY(sgn_digest_file(path.s, &d, &size, err));
    SGN_TRY(sgn_path_set(&line, err, "file %s %" PRIu64 " %s\n", name, size, d.hex));
    return add_line(l, line.s, err);
}

static sgn_status write_lines(lines *l, const char *directory, char *const *names, int count, sgn_error *err) {
    SGN_TRY(add_line(l, TITLE "\n", err));
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], MANIFEST) != 0) SGN_TRY(add_file(l, directory, names[i], err));
    sgn_path line, path;
    SGN_TRY(sgn_path_set(&line, err, "digest %s\n", sgn_digest_bytes(l->s, l->size).hex));
    SGN_TRY(add_line(l, line.s, err));
    SGN_TRY(sgn_path_set(&path, err, "%s/" MANIFEST, directory));
    return sgn_file_write(path.s, l->s, l->size, err);
}

sgn_status sgn_manifest_write(const char *directory, sgn_error *err) {
    char **names;
    int count;
    SGN_TRY(sgn_directory_list(directory, "", "", &names, &count, err));
    lines l = { 0 };
    const sgn_status s = write_lines(&l, directory, names, count, err);
    free(l.s);
    sgn_names_free(names, count);
    return s;
}

/* --- verifying -------------------------------------------------------------------------------- */

/* The digest line is last and covers every byte before it. */
static sgn_status check_digest_line(const char *path, char *text, size_t size, sgn_error *err) {
    enum { LINE = 7 + 32 + 1 };                     /* "digest ", hex, line end */
    const char *last = text + size - LINE;
    if (size < LINE || memcmp(last, "digest ", 7) != 0 || text[size - 1] != '\n' || strlen(text) != size)
        SGN_FAIL(err, SGN_FORMAT, "%s: the last line is not a digest; the file is incomplete", path);
    const size_t covered = size - LINE;
    if (memcmp(last + 7, sgn_digest_bytes(text, covered).hex, 32) != 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: the digest in the last line does not fit the lines before; the file was changed", path);
    text[covered] = '\0';
    return SGN_OK;
}

static sgn_status check_file(const char *manifest, const char *directory, sgn_verify which, char *line, sgn_error *err) {
    char *hex = strrchr(line, ' '), *end = NULL;
    if (hex) *hex++ = '\0';
    char *bytes = hex ? strrchr(line, ' ') : NULL;
    if (bytes) *bytes++ = '\0';
    const char *name = line + 5;
    if (!bytes || strncmp(line, "file ", 5) != 0 || !*name || strchr(name, '/') || *bytes < '0' || *bytes > '9')
        SGN_FAIL(err, SGN_FORMAT, "%s: a line is not \"file <name> <bytes> <digest>\"", manifest);
    const uint64_t want = strtoull(bytes, &end, 10);
    sgn_path path;
    sgn_reader r;
    SGN_TRY(sgn_path_set(&path, err, "%s/%s", directory, name));
    SGN_TRY(sgn_reader_open(&r, path.s, err));
    const uint64_t size = r.size;
    sgn_reader_close(&r);
    if (*end || size != want)
        SGN_FAIL(err, SGN_FORMAT, "%s: %" PRIu64 " bytes, but %s has recorded %s", path.s, size, manifest, bytes);
    sgn_digest d;
    if (which == SGN_VERIFY_NONE || (which == SGN_VERIFY_SMALL && size >= SGN_VERIFY_BELOW)) return SGN_OK;
    SGN_TRY(sgn_digest_file(path.s, &d, NULL, err));
    if (strcmp(d.hex, hex) != 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: its contents have changed: digest %s, but %s has recorded %s", path.s, d.hex, manifest, hex);
    return SGN_OK;
}

static sgn_status verify_lines(const char *manifest, const char *directory, sgn_verify which, char *text, size_t size,
                               sgn_error *err) {
    SGN_TRY(check_digest_line(manifest, text, size, err));
    char *rest = NULL, *line = strtok_r(text, "\n", &rest);
    if (!line || strcmp(line, TITLE) != 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: line 1 is not \"" TITLE "\"; it was written by another version", manifest);
    while ((line = strtok_r(NULL, "\n", &rest)) != NULL) SGN_TRY(check_file(manifest, directory, which, line, err));
    return SGN_OK;
}

sgn_status sgn_manifest_verify(const char *directory, sgn_error *err) { return sgn_manifest_check(directory, SGN_VERIFY_ALL, err); }

sgn_status sgn_manifest_check(const char *directory, sgn_verify which, sgn_error *err) {
    sgn_path path;
    char *text;
    size_t size;
    SGN_TRY(sgn_path_set(&path, err, "%s/" MANIFEST, directory));
    SGN_TRY(sgn_file_read(path.s, MANIFEST_LIMIT, &text, &size, err));
    const sgn_status s = verify_lines(path.s, directory, which, text, size, err);
    free(text);
    return s;
}
