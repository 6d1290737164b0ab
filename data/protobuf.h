/* protobuf.h - fields of protocol buffers, read and written one after the other.
 *
 * A message is a row of (number << 3 | wire type, value): 0 varint, 1 eight bytes, 2 length and bytes,
 * 5 four bytes. Every length is held against the bytes that remain.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_PROTOBUF_H
#define SGN_DATA_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

enum { SGN_PROTO_VARINT = 0, SGN_PROTO_64 = 1, SGN_PROTO_BYTES = 2, SGN_PROTO_32 = 5 };

typedef struct {
    const uint8_t *data;
    size_t         size, at;
    size_t         offset;     /* of data in the file, for messages */
    const char    *where, *what;       /* the file; the message's name */
} sgn_proto;

typedef struct {
    uint32_t       number;
    int            wire;
    uint64_t       value;      /* of a varint or fixed field */
    const uint8_t *bytes;      /* of a length-delimited one, size of them */
    size_t         size;
    size_t         offset;     /* of its value in the file */
} sgn_proto_field;

/* *more is false, and *f nothing, at the end. */
sgn_status sgn_proto_next(sgn_proto *p, sgn_proto_field *f, bool *more, sgn_error *err);
/* The field has this wire type, else an error that names it. */
sgn_status sgn_proto_expect(const sgn_proto *p, const sgn_proto_field *f, int wire, const char *name, sgn_error *err);
sgn_proto  sgn_proto_inside(const sgn_proto *p, const sgn_proto_field *f, const char *what);   /* the message that is its bytes */

/* A message that grows; start zeroed. `failed`: no memory, all later calls do nothing. */
typedef struct {
    uint8_t *data;
    size_t   size, room;
    bool     failed;
} sgn_proto_writer;
void sgn_proto_put_varint(sgn_proto_writer *w, uint32_t number, uint64_t value);
void sgn_proto_put_float(sgn_proto_writer *w, uint32_t number, float value);
void sgn_proto_put_bytes(sgn_proto_writer *w, uint32_t number, const void *bytes, size_t size);

#endif
