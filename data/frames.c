/* SPDX-License-Identifier: MIT */
#include "data/frames.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "data/shard_set.h"

enum { FRAME_LEAST = 9 };

/* --- writing ------------------------------------------------------------------------------------ */

struct sgn_frames_writer {
    sgn_writer *file;
    uint8_t    *table;
    size_t      used, room;
    uint32_t    count;
};

static sgn_status grow(sgn_frames_writer *w, sgn_error *err) {
    if (w->used + SGN_SEEK_ENTRY + SGN_SEEK_FOOT <= w->room) return SGN_OK;
    const size_t room = 2 * w->room + 4096;
    uint8_t *grown = realloc(w->table, room);
    if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for a seek table");
    w->table = grown;
    w->room = room;
    return SGN_OK;
}

sgn_status sgn_frames_writer_open(sgn_frames_writer **out, const char *path, sgn_error *err) {
    sgn_frames_writer *w = *out = calloc(1, sizeof *w);
    if (!w) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to write it", path);
    w->used = SGN_SEEK_HEAD;
    sgn_status s = grow(w, err);
    if (s == SGN_OK) s = sgn_writer_open(&w->file, path, err);
    if (s == SGN_OK) return SGN_OK;
    sgn_frames_writer_abandon(w);
    *out = NULL;
    return s;
}

sgn_status sgn_frames_writer_put(sgn_frames_writer *w, const void *frame, size_t n, size_t size, sgn_error *err) {
    SGN_TRY(grow(w, err));
    sgn_writer_put(w->file, frame, n);
    sgn_put32(sgn_put32(sgn_put32(w->table + w->used, (uint32_t)n), (uint32_t)size), sgn_frame_checksum(frame, n));
    w->used += SGN_SEEK_ENTRY;
    w->count++;
    return SGN_OK;
}

sgn_status sgn_frames_writer_close(sgn_frames_writer *w, sgn_error *err) {
    uint8_t *foot = sgn_put32(w->table + w->used, w->count);
    *foot++ = SGN_SEEK_CHECKSUMS;
    sgn_put32(foot, SGN_SEEK_FOOT_MAGIC);
    w->used += SGN_SEEK_FOOT;
    sgn_put32(sgn_put32(w->table, SGN_SEEK_MAGIC), (uint32_t)(w->used - SGN_SEEK_HEAD));
    sgn_writer_put(w->file, w->table, w->used);
    const sgn_status s = sgn_writer_close(w->file, err);
    w->file = NULL;
    sgn_frames_writer_abandon(w);
    return s;
}

void sgn_frames_writer_abandon(sgn_frames_writer *w) {
    if (!w) return;
    sgn_writer_abandon(w->file);
    free(w->table);
    free(w);
}

/* --- reading ------------------------------------------------------------------------------------ */

static size_t table_size(uint32_t count) { return SGN_SEEK_HEAD + (size_t)count * SGN_SEEK_ENTRY + SGN_SEEK_FOOT; }

sgn_status sgn_frames_reserve(sgn_frames *f, uint32_t count, const char *path, sgn_error *err) {
    if (count <= f->room) return SGN_OK;
    sgn_frames_free(f);
    f->offset = malloc(((size_t)count + 1) * sizeof *f->offset);
    f->size = malloc((size_t)count * sizeof *f->size);
    f->checksum = malloc((size_t)count * sizeof *f->checksum);
    f->raw = malloc(table_size(count));
    if (!f->offset || !f->size || !f->checksum || !f->raw) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for its seek table", path);
    f->room = count;
    return SGN_OK;
}

static sgn_status read_table(sgn_frames *f, uint32_t count, size_t most, sgn_error *err) {
    const char *path = f->file.path.s;
    const uint64_t bytes = f->file.size;
    const size_t size = table_size(count);
    if (bytes < size + (uint64_t)count * FRAME_LEAST)
        SGN_FAIL(err, SGN_FORMAT, "%s: has %" PRIu64 " bytes, too few for %" PRIu32 " frames; the file is cut off", path, bytes, count);
    SGN_TRY(sgn_reader_get(&f->file, bytes - size, f->raw, size, err));
    const uint8_t *foot = f->raw + size - SGN_SEEK_FOOT;
    if (sgn_get32(foot + 5) != SGN_SEEK_FOOT_MAGIC)
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": the seek table has the wrong magic number; the file is cut off or no "
                 "seekable zstd", path, bytes - 4);
    if (sgn_get32(foot) != count || foot[4] != SGN_SEEK_CHECKSUMS)
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": the seek table has %" PRIu32 " frames (descriptor 0x%02X), %" PRIu32
                 " (0x80) are expected", path, bytes - SGN_SEEK_FOOT, sgn_get32(foot), foot[4], count);
    if (sgn_get32(f->raw) != SGN_SEEK_MAGIC || sgn_get32(f->raw + 4) != size - SGN_SEEK_HEAD)
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": the seek table does not begin here", path, bytes - size);
    uint64_t at = 0;
    for (uint32_t k = 0; k < count; k++) {
        const uint8_t *entry = f->raw + SGN_SEEK_HEAD + (size_t)k * SGN_SEEK_ENTRY;
        const uint32_t n = sgn_get32(entry);
        f->offset[k] = at;
        f->size[k] = sgn_get32(entry + 4);
        f->checksum[k] = sgn_get32(entry + 8);
        if (n < FRAME_LEAST || f->size[k] > most || n > sgn_frame_bound(most))
            SGN_FAIL(err, SGN_FORMAT, "%s: seek table: frame %" PRIu32 " has %" PRIu32 " bytes, %" PRIu32 " uncompressed; at most "
                     "%zu are expected", path, k, n, f->size[k], most);
        at += n;
    }
    f->offset[count] = at;
    if (at + size != bytes)
        SGN_FAIL(err, SGN_FORMAT, "%s: the frames of the seek table end at %" PRIu64 ", the table begins at %" PRIu64, path, at,
                 bytes - size);
    f->table = sgn_digest_bytes(f->raw, size);
    f->count = count;
    return SGN_OK;
}

sgn_status sgn_frames_open(sgn_frames *f, const char *path, uint32_t count, size_t most, sgn_error *err) {
    sgn_frames_close(f);
    SGN_TRY(sgn_frames_reserve(f, count, path, err));
    SGN_TRY(sgn_reader_open(&f->file, path, err));
    const sgn_status s = read_table(f, count, most, err);
    if (s != SGN_OK) sgn_frames_close(f);
    return s;
}

void sgn_frames_close(sgn_frames *f) {
    sgn_reader_close(&f->file);
    f->count = 0;
}

void sgn_frames_free(sgn_frames *f) {
    sgn_frames_close(f);
    free(f->offset);
    free(f->size);
    free(f->checksum);
    free(f->raw);
    *f = (sgn_frames){ 0 };
}

sgn_status sgn_frames_read(const sgn_frames *f, sgn_frame_decoder *d, uint32_t k, uint8_t *packed, void *out, sgn_error *err) {
    const uint64_t at = f->offset[k];
    const size_t n = (size_t)(f->offset[k + 1] - at);
    const char *path = f->file.path.s;
    SGN_TRY(sgn_reader_get(&f->file, at, packed, n, err));
    SGN_TRY(sgn_frame_decode(d, packed, n, out, f->size[k], path, at, err));
    if (sgn_frame_checksum(packed, n) != f->checksum[k])
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": the frame is not the one of the seek table", path, at);
    return SGN_OK;
}
