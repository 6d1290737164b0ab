/* SPDX-License-Identifier: MIT */
#include "data/raw_ids.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "data/stream.h"
#include "data/text_inputs.h"

enum { PART_IDS = 1 << 18 };

struct sgn_raw_ids {
    sgn_inputs  inputs;
    int         width, next;           /* bytes per id; input to open next */
    sgn_stream *stream;
    bool        begun;                 /* the file has given a part */
    uint64_t    read_before;
    uint8_t     stored[4 * PART_IDS];
    int32_t     ids[PART_IDS];
};

sgn_status sgn_raw_ids_open(sgn_raw_ids **out, const char *const *inputs, int count, int width, sgn_error *err) {
    *out = NULL;
    sgn_raw_ids *r = calloc(1, sizeof *r);
    if (!r) SGN_FAIL(err, SGN_NOMEM, "no memory to read token ids");
    r->width = width;
    const sgn_status s = sgn_inputs_list(&r->inputs, inputs, count, err);
    if (s == SGN_OK) *out = r;
    else free(r);
    return s;
}

void sgn_raw_ids_close(sgn_raw_ids *r) {
    if (!r) return;
    sgn_stream_close(r->stream);
    sgn_inputs_free(&r->inputs);
    free(r);
}

uint64_t sgn_raw_ids_read_bytes(const sgn_raw_ids *r) {
    return r->read_before + (r->stream ? sgn_stream_position(r->stream) : 0);
}
uint64_t sgn_raw_ids_total_bytes(const sgn_raw_ids *r) { return r->inputs.bytes; }
int sgn_raw_ids_files(const sgn_raw_ids *r) { return r->inputs.count; }

static sgn_status decode(sgn_raw_ids *r, size_t bytes, const char *file, sgn_text_part *out, sgn_error *err) {
    const size_t width = (size_t)r->width;
    if (bytes % width)
        SGN_FAIL(err, SGN_FORMAT, "%s: its size is no multiple of %d bytes; are the ids u%d?", file, r->width, 8 * r->width);
    out->count = bytes / width;
    for (size_t i = 0; i < out->count; i++) {
        const uint8_t *p = r->stored + i * width;
        const uint32_t id = width == 2 ? p[0] | (uint32_t)p[1] << 8
                                       : p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        if (id > INT32_MAX) SGN_FAIL(err, SGN_FORMAT, "%s: id %" PRIu32 " cannot be a token; are the ids u16?", file, id);
        r->ids[i] = (int32_t)id;
    }
    out->ids = r->ids;
    return SGN_OK;
}

sgn_status sgn_raw_ids_next(sgn_raw_ids *r, sgn_text_part *out, bool *more, sgn_error *err) {
    for (;;) {
        *out = (sgn_text_part){ 0 };
        *more = r->stream || r->next < r->inputs.count;
        if (!*more) return SGN_OK;
        if (!r->stream) {
            SGN_TRY(sgn_stream_open(&r->stream, r->inputs.path[r->next++], err));
            r->begun = false;
        }
        const size_t want = (size_t)r->width * PART_IDS;
        size_t got;
        out->file = r->inputs.path[r->next - 1];
        SGN_TRY(sgn_stream_read(r->stream, (char *)r->stored, want, &got, err));
        SGN_TRY(decode(r, got, out->file, out, err));
        out->first = !r->begun;
        out->last = got < want;
        r->begun = true;
        if (out->last) {
            r->read_before += sgn_stream_position(r->stream);
            sgn_stream_close(r->stream);
            r->stream = NULL;
        }
        if (out->count || !out->first) return SGN_OK;
    }
}
