/* SPDX-License-Identifier: MIT */
#include "data/decoding.h"

#include <stdlib.h>
#include <string.h>

typedef struct { char text[4 * SGN_PIECE_MAX]; size_t n; } shown;

static bool replace(shown *s, const char *from, const char *to) {
    const size_t n = strlen(from), m = strlen(to);
    for (size_t i = 0; i + n <= s->n; i++) {
        if (memcmp(s->text + i, from, n) != 0) continue;
        if (s->n - n + m > sizeof s->text) return false;
        memmove(s->text + i + m, s->text + i + n, s->n - i - n);
        memcpy(s->text + i, to, m);
        s->n += m - n;
        i += m - 1;
    }
    return true;
}

static int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

/* "<0x0A>" is a newline. */
static void byte_of(shown *s) {
    if (s->n != 6 || memcmp(s->text, "<0x", 3) != 0 || s->text[5] != '>' || hex(s->text[3]) < 0 || hex(s->text[4]) < 0) return;
    s->text[0] = (char)(hex(s->text[3]) << 4 | hex(s->text[4]));
    s->n = 1;
}

static void strip(shown *s, const sgn_decode_step *d) {
    const size_t n = strlen(d->text);
    for (int32_t k = d->start; k > 0 && s->n >= n && memcmp(s->text, d->text, n) == 0; k--) {
        s->n -= n;
        memmove(s->text, s->text + n, s->n);
    }
    for (int32_t k = d->stop; k > 0 && s->n >= n && memcmp(s->text + s->n - n, d->text, n) == 0; k--) s->n -= n;
}

static bool decode(const sgn_form *f, shown *s) {
    for (int i = 0; i < f->decodes; i++) {
        const sgn_decode_step *d = &f->decode[i];
        if (d->kind == SGN_DECODE_BYTES) byte_of(s);
        else if (d->kind == SGN_DECODE_STRIP) strip(s, d);
        else if (!replace(s, d->text, d->with)) return false;
    }
    return true;
}

sgn_status sgn_decoded_fill(sgn_decoded *d, const sgn_form *f, const sgn_vocabulary *v, sgn_error *err) {
    d->decoding = (sgn_decoding){ .spaces = f->spaces };
    if (f->decodes == 0) return SGN_OK;
    size_t room = 4 * (size_t)v->start[v->count] + sizeof ((shown *)0)->text, at = 0;
    shown s;
    d->start = malloc(((size_t)v->count + 1) * sizeof *d->start);
    d->bytes = d->start && room < UINT32_MAX ? malloc(room) : NULL;
    if (!d->bytes) SGN_FAIL(err, SGN_NOMEM, "no memory for what %d ids decode to", v->count);
    for (int32_t id = 0; id < v->count; id++) {
        const char *piece = sgn_vocabulary_piece(v, id, &s.n);
        memcpy(s.text, piece, s.n);
        d->start[id] = (uint32_t)at;
        if (!decode(f, &s) || s.n > room - at)
            SGN_FAIL(err, SGN_FORMAT, "the decoder makes piece %d more than %zu bytes long", id, sizeof s.text);
        memcpy(d->bytes + at, s.text, s.n);
        at += s.n;
    }
    d->start[v->count] = (uint32_t)at;
    d->decoding.bytes = d->bytes;
    d->decoding.start = d->start;
    return SGN_OK;
}

void sgn_decoded_free(sgn_decoded *d) {
    free(d->bytes);
    free(d->start);
    *d = (sgn_decoded){ 0 };
}
