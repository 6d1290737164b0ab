/* The only file that knows zlib.
 *
 * SPDX-License-Identifier: MIT */
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>
#include "data/codec.h"

typedef struct {
    z_stream z;
    bool     ended;            /* a member has ended: another may follow */
} gunzip;

static sgn_status gz_open(void **state, sgn_error *err) {
    gunzip *g = *state = calloc(1, sizeof *g);
    if (g && inflateInit2(&g->z, 15 + 16) == Z_OK) return SGN_OK;      /* 32 KiB window, gzip header */
    free(g);
    *state = NULL;
    SGN_FAIL(err, SGN_NOMEM, "no memory to decompress gzip");
}

static void gz_close(void *state) {
    gunzip *g = state;
    if (!g) return;
    inflateEnd(&g->z);
    free(g);
}

static uInt clip(size_t n) { return n < UINT_MAX ? (uInt)n : UINT_MAX; }

static sgn_status gz_step(void *state, sgn_codec_io *io, bool *whole, const char *where, sgn_error *err) {
    gunzip *g = state;
    if (g->ended && io->in_size) {
        inflateReset(&g->z);
        g->ended = false;
    }
    const uInt in = clip(io->in_size), out = clip(io->out_size);
    g->z.next_in = (Bytef *)(uintptr_t)io->in;
    g->z.avail_in = in;
    g->z.next_out = (Bytef *)io->out;
    g->z.avail_out = out;
    const int r = g->ended ? Z_OK : inflate(&g->z, Z_NO_FLUSH);
    if (r == Z_MEM_ERROR) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to decompress gzip", where);
    if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
        SGN_FAIL(err, SGN_FORMAT, "%s: damaged gzip data: %s", where, g->z.msg ? g->z.msg : "no reason given");
    io->in += in - g->z.avail_in;
    io->in_size -= in - g->z.avail_in;
    io->out += out - g->z.avail_out;
    io->out_size -= out - g->z.avail_out;
    g->ended = g->ended || r == Z_STREAM_END;
    *whole = g->ended;
    return SGN_OK;
}

const sgn_codec sgn_codec_gzip = { "gzip", "\x1F\x8B", 2, gz_open, gz_close, gz_step };
