/* SPDX-License-Identifier: MIT */
#include "data/protobuf.h"

#include <stdlib.h>
#include <string.h>

/* --- reading ------------------------------------------------------------------------------------- */

static sgn_status get_varint(sgn_proto *p, uint64_t *out, sgn_error *err) {
    const size_t begin = p->at;
    *out = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (p->at == p->size)
            SGN_FAIL(err, SGN_FORMAT, "%s: byte %zu: %s ends inside a number", p->where, p->offset + begin, p->what);
        const uint8_t b = p->data[p->at++];
        if (shift == 63 && b > 1) break;
        *out |= (uint64_t)(b & 0x7F) << shift;
        if (b < 0x80) return SGN_OK;
    }
    SGN_FAIL(err, SGN_FORMAT, "%s: byte %zu: a number in %s has more than 64 bits", p->where, p->offset + begin, p->what);
}

static sgn_status get_fixed(sgn_proto *p, sgn_proto_field *f, size_t size, sgn_error *err) {
    if (size > p->size - p->at)
        SGN_FAIL(err, SGN_FORMAT, "%s: byte %zu: field %u of %s needs %zu bytes, %zu are left", p->where, f->offset, f->number,
                 p->what, size, p->size - p->at);
    f->value = 0;
    for (size_t i = 0; i < size; i++) f->value |= (uint64_t)p->data[p->at + i] << 8 * i;
    p->at += size;
    return SGN_OK;
}

static sgn_status get_bytes(sgn_proto *p, sgn_proto_field *f, sgn_error *err) {
    uint64_t size;
    SGN_TRY(get_varint(p, &size, err));
    if (size > p->size - p->at)
        SGN_FAIL(err, SGN_FORMAT, "%s: byte %zu: field %u of %s claims %llu bytes, %zu are left", p->where, f->offset, f->number,
                 p->what, (unsigned long long)size, p->size - p->at);
    f->bytes = p->data + p->at;
    f->size = (size_t)size;
    f->offset = p->offset + p->at;
    p->at += f->size;
    return SGN_OK;
}

sgn_status sgn_proto_next(sgn_proto *p, sgn_proto_field *f, bool *more, sgn_error *err) {
    const size_t begin = p->offset + p->at;
    uint64_t tag;
    *f = (sgn_proto_field){ 0 };
    *more = p->at < p->size;
    if (!*more) return SGN_OK;
    SGN_TRY(get_varint(p, &tag, err));
    if (tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF)
        SGN_FAIL(err, SGN_FORMAT, "%s: byte %zu: a field of %s has number %llu; 1 to 536870911 are allowed", p->where, begin,
                 p->what, (unsigned long long)(tag >> 3));
    f->number = (uint32_t)(tag >> 3);
    f->wire = (int)(tag & 7);
    f->offset = p->offset + p->at;
    switch (f->wire) {
    case SGN_PROTO_VARINT: return get_varint(p, &f->value, err);
    case SGN_PROTO_64: return get_fixed(p, f, 8, err);
    case SGN_PROTO_BYTES: return get_bytes(p, f, err);
    case SGN_PROTO_32: return get_fixed(p, f, 4, err);
    default:
        SGN_FAIL(err, SGN_FORMAT, "%s: byte %zu: field %u of %s has wire type %d; 0, 1, 2 and 5 are known", p->where, begin,
                 f->number, p->what, f->wire);
    }
}

sgn_status sgn_proto_expect(const sgn_proto *p, const sgn_proto_field *f, int wire, const char *name, sgn_error *err) {
    if (f->wire == wire) return SGN_OK;
    SGN_FAIL(err, SGN_FORMAT, "%s: byte %zu: %s.%s has wire type %d instead of %d", p->where, f->offset, p->what, name, f->wire, wire);
}

sgn_proto sgn_proto_inside(const sgn_proto *p, const sgn_proto_field *f, const char *what) {
    return (sgn_proto){ f->bytes, f->size, 0, f->offset, p->where, what };
}

/* --- writing ------------------------------------------------------------------------------------- */

static uint8_t *make_room(sgn_proto_writer *w, size_t more) {
    if (w->failed) return NULL;
    if (more > w->room - w->size) {
        const size_t room = 2 * (w->size + more) + 64;
        uint8_t *grown = room > more ? realloc(w->data, room) : NULL;
        w->failed = !grown;
        if (!grown) return NULL;
        w->data = grown;
        w->room = room;
    }
    return w->data + w->size;
}

static void put(sgn_proto_writer *w, uint64_t v) {
    uint8_t *to = make_room(w, 10);
    if (!to) return;
    for (; v >= 0x80; v >>= 7) *to++ = (uint8_t)(v | 0x80);
    *to++ = (uint8_t)v;
    w->size = (size_t)(to - w->data);
}

void sgn_proto_put_varint(sgn_proto_writer *w, uint32_t number, uint64_t value) {
    put(w, (uint64_t)number << 3 | SGN_PROTO_VARINT);
    put(w, value);
}

void sgn_proto_put_float(sgn_proto_writer *w, uint32_t number, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put(w, (uint64_t)number << 3 | SGN_PROTO_32);
    uint8_t *to = make_room(w, 4);
    for (int i = 0; to && i < 4; i++) to[i] = (uint8_t)(bits >> 8 * i);
    if (to) w->size += 4;
}

void sgn_proto_put_bytes(sgn_proto_writer *w, uint32_t number, const void *bytes, size_t size) {
    put(w, (uint64_t)number << 3 | SGN_PROTO_BYTES);
    put(w, size);
    uint8_t *to = make_room(w, size);
    if (to && size) memcpy(to, bytes, size);
    if (to) w->size += size;
}
