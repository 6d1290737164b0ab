/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "data/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/file.h"
#include "data/codec.h"

enum { STORED = 256 << 10 };

struct sgn_stream {
    sgn_path         path;
    int              fd;
    const sgn_codec *codec;    /* NULL: plain */
    void            *state;
    bool             ended;    /* of the file */
    bool             whole;    /* the compressed stream may end here */
    uint64_t         position;
    size_t           at, size; /* of stored: what is not used yet */
    char             stored[STORED];
};

static sgn_status refill(sgn_stream *s, sgn_error *err) {
    memmove(s->stored, s->stored + s->at, s->size - s->at);
    s->size -= s->at;
    s->at = 0;
    while (!s->ended && s->size < STORED) {
        const ssize_t n = read(s->fd, s->stored + s->size, STORED - s->size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) SGN_FAIL(err, SGN_IO, "%s: cannot read: %s", s->path.s, strerror(errno));
        s->ended = n == 0;
        s->size += (size_t)n;
        s->position += (uint64_t)n;
    }
    return SGN_OK;
}

static sgn_status choose_codec(sgn_stream *s, sgn_error *err) {
    static const sgn_codec *const codecs[] = { &sgn_codec_gzip, &sgn_codec_zstd };
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
        if (s->size >= codecs[i]->magic_size && memcmp(s->stored, codecs[i]->magic, codecs[i]->magic_size) == 0)
            s->codec = codecs[i];
    const char *dot = strrchr(s->path.s, '.');
    if (!s->codec && s->size && dot && (strcmp(dot, ".gz") == 0 || strcmp(dot, ".zst") == 0))
        SGN_FAIL(err, SGN_FORMAT, "%s: does not begin like a %s file", s->path.s, dot);
    return s->codec ? s->codec->open(&s->state, err) : SGN_OK;
}

static sgn_status open_file(sgn_stream *s, const char *path, sgn_error *err) {
    SGN_TRY(sgn_path_set(&s->path, err, "%s", strcmp(path, "-") == 0 ? "standard input" : path));
    s->fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (s->fd < 0 || fstat(s->fd, &st) != 0) SGN_FAIL(err, SGN_IO, "%s: cannot open: %s", s->path.s, strerror(errno));
    if (strcmp(path, "-") != 0 && !S_ISREG(st.st_mode))        /* a device may never end, a FIFO never begin */
        SGN_FAIL(err, SGN_IO, "%s: is not a regular file; pass it as standard input (-)", s->path.s);
    SGN_TRY(refill(s, err));
    return choose_codec(s, err);
}

sgn_status sgn_stream_open(sgn_stream **out, const char *path, sgn_error *err) {
    *out = NULL;
    sgn_stream *s = malloc(sizeof *s);
    if (!s) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to read it", path);
    memset(s, 0, offsetof(sgn_stream, stored));
    s->fd = -1;
    const sgn_status status = open_file(s, path, err);
    if (status == SGN_OK) *out = s;
    else sgn_stream_close(s);
    return status;
}

void sgn_stream_close(sgn_stream *s) {
    if (!s) return;
    if (s->fd >= 0) close(s->fd);
    if (s->codec) s->codec->close(s->state);
    free(s);
}

/* Says where in the file the bytes lie that could not be used. */
static sgn_status place(const sgn_stream *s, sgn_status status, sgn_error *err) {
    sgn_path by;
    if (sgn_path_set(&by, NULL, "%s: after byte %" PRIu64, s->path.s, s->position - (s->size - s->at)) == SGN_OK)
        sgn_error_replace(err, s->path.s, by.s);
    return status;
}

/* Some bytes into io->out, or none at the end. */
static sgn_status step(sgn_stream *s, sgn_codec_io *io, sgn_error *err) {
    io->in = s->stored + s->at;
    io->in_size = s->size - s->at;
    if (s->codec) {
        const sgn_status status = s->codec->step(s->state, io, &s->whole, s->path.s, err);
        if (status != SGN_OK) return place(s, status, err);
    } else {
        const size_t n = io->in_size < io->out_size ? io->in_size : io->out_size;
        memcpy(io->out, io->in, n);
        io->in_size -= n;
        io->out += n;
        io->out_size -= n;
    }
    s->at = s->size - io->in_size;
    return SGN_OK;
}

sgn_status sgn_stream_read(sgn_stream *s, char *out, size_t size, size_t *got, sgn_error *err) {
    sgn_codec_io io = { .out = out, .out_size = size };
    *got = 0;
    while (io.out_size > 0) {
        if (s->at == s->size) SGN_TRY(refill(s, err));
        const size_t before = io.out_size, at = s->at;
        SGN_TRY(step(s, &io, err));
        *got = size - io.out_size;
        if (io.out_size < before || s->at > at || (s->at == s->size && !s->ended)) continue;
        if (s->at < s->size || (s->codec && !s->whole))
            SGN_FAIL(err, SGN_FORMAT, "%s: the %s data is cut off or damaged before byte %" PRIu64, s->path.s, s->codec->name,
                     s->position);
        return SGN_OK;
    }
    return SGN_OK;
}

uint64_t sgn_stream_position(const sgn_stream *s) { return s->position; }
