/* The only file that knows zstd: compressed text, and the frames of shards.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>
#include "data/codec.h"
#include "data/frame.h"

/* --- compressed text ---------------------------------------------------------------------------- */

static sgn_status text_open(void **state, sgn_error *err) {
    *state = ZSTD_createDStream();     /* windows up to 128 MiB, zstd's own limit */
    if (!*state) SGN_FAIL(err, SGN_NOMEM, "no memory to decompress zstd");
    return SGN_OK;
}

static void text_close(void *state) { ZSTD_freeDStream(state); }

static sgn_status failed(size_t code, const char *where, sgn_error *err) {
    if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
        SGN_FAIL(err, SGN_NOMEM, "%s: no memory to decompress zstd", where);
    SGN_FAIL(err, SGN_FORMAT, "%s: damaged zstd data: %s", where, ZSTD_getErrorName(code));
}

static sgn_status text_step(void *state, sgn_codec_io *io, bool *whole, const char *where, sgn_error *err) {
    ZSTD_inBuffer in = { io->in, io->in_size, 0 };
    ZSTD_outBuffer out = { io->out, io->out_size, 0 };
    const size_t r = ZSTD_decompressStream(state, &out, &in);
    if (ZSTD_isError(r)) return failed(r, where, err);
    io->in += in.pos;
    io->in_size -= in.pos;
    io->out += out.pos;
    io->out_size -= out.pos;
    if (in.pos || out.pos) *whole = r == 0;        /* asked for more at an end, zstd waits for a next frame */
    return SGN_OK;
}

const sgn_codec sgn_codec_zstd = { "zstd", "\x28\xB5\x2F\xFD", 4, text_open, text_close, text_step };

/* --- frames of shards: writing -------------------------------------------------------------------- */

struct sgn_frame_encoder { ZSTD_CCtx *z; };

sgn_status sgn_frame_encoder_open(sgn_frame_encoder **out, int level, sgn_error *err) {
    sgn_frame_encoder *e = *out = calloc(1, sizeof *e);
    if (e) e->z = ZSTD_createCCtx();
    if (e && e->z && !ZSTD_isError(ZSTD_CCtx_setParameter(e->z, ZSTD_c_compressionLevel, level ? level : 3))
        && !ZSTD_isError(ZSTD_CCtx_setParameter(e->z, ZSTD_c_checksumFlag, 1)))
        return SGN_OK;
    sgn_frame_encoder_close(e);
    *out = NULL;
    SGN_FAIL(err, SGN_NOMEM, "no memory to compress with zstd");
}

void sgn_frame_encoder_close(sgn_frame_encoder *e) {
    if (!e) return;
    ZSTD_freeCCtx(e->z);
    free(e);
}

size_t sgn_frame_bound(size_t size) { return ZSTD_compressBound(size) + 4; }       /* the checksum */

sgn_status sgn_frame_encode(sgn_frame_encoder *e, const void *data, size_t size, void *out, size_t room,
                            size_t *n, sgn_error *err) {
    *n = ZSTD_compress2(e->z, out, room, data, size);
    if (ZSTD_isError(*n)) SGN_FAIL(err, SGN_NOMEM, "zstd cannot compress %zu bytes: %s", size, ZSTD_getErrorName(*n));
    return SGN_OK;
}

/* --- frames of shards: reading -------------------------------------------------------------------- */

struct sgn_frame_decoder { ZSTD_DCtx *z; };

sgn_status sgn_frame_decoder_open(sgn_frame_decoder **out, sgn_error *err) {
    sgn_frame_decoder *d = *out = calloc(1, sizeof *d);
    if (d) d->z = ZSTD_createDCtx();
    if (d && d->z) return SGN_OK;
    free(d);
    *out = NULL;
    SGN_FAIL(err, SGN_NOMEM, "no memory to decompress zstd");
}

void sgn_frame_decoder_close(sgn_frame_decoder *d) {
    if (!d) return;
    ZSTD_freeDCtx(d->z);
    free(d);
}

uint32_t sgn_frame_checksum(const void *frame, size_t n) {
    const unsigned char *p = (const unsigned char *)frame + n - 4;
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

sgn_status sgn_frame_decode(sgn_frame_decoder *d, const void *frame, size_t n, void *out, size_t size,
                            const char *where, uint64_t offset, sgn_error *err) {
    const unsigned char *head = frame;
    if (n < 9 || memcmp(head, sgn_codec_zstd.magic, 4) != 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": no zstd frame starts here", where, offset);
    if (!(head[4] & 4))                            /* RFC 8878, 3.1.1.1.1: bit 2 checksum, bits 0-1 dictionary */
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": the frame has no checksum", where, offset);
    if (head[4] & 3)
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": the frame wants a dictionary", where, offset);
    const unsigned long long claimed = ZSTD_getFrameContentSize(frame, n);
    if (claimed == ZSTD_CONTENTSIZE_UNKNOWN || claimed == ZSTD_CONTENTSIZE_ERROR)
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": the frame does not say how much it holds", where, offset);
    if (claimed != size)
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": the frame claims %llu bytes, the table %zu", where, offset,
                 claimed, size);
    if (ZSTD_findFrameCompressedSize(frame, n) != n)
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": the frame does not end where the table says", where, offset);
    const size_t got = ZSTD_decompressDCtx(d->z, out, size, frame, n);
    if (ZSTD_isError(got) || got != size)
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": damaged frame: %s", where, offset,
                 ZSTD_isError(got) ? ZSTD_getErrorName(got) : "it holds less than it claims");
    return SGN_OK;
}
