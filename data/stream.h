/* stream.h - the bytes of a file in order, decompressed on the way where they are gzip or zstd.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_STREAM_H
#define SGN_DATA_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

typedef struct sgn_stream sgn_stream;
sgn_status sgn_stream_open(sgn_stream **s, const char *path, sgn_error *err);      /* "-": standard input */
void       sgn_stream_close(sgn_stream *s);
/* Fewer than `size` bytes, *got of them, only at the end. */
sgn_status sgn_stream_read(sgn_stream *s, char *out, size_t size, size_t *got, sgn_error *err);
uint64_t   sgn_stream_position(const sgn_stream *s);   /* bytes of the file, as stored, read so far */

#endif
