/* frame.h - single zstd frames of known size, with a checksum: what shards are made of.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_FRAME_H
#define SGN_DATA_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

typedef struct sgn_frame_encoder sgn_frame_encoder;
sgn_status sgn_frame_encoder_open(sgn_frame_encoder **e, int level, sgn_error *err);   /* level 0: 3 */
void       sgn_frame_encoder_close(sgn_frame_encoder *e);
size_t     sgn_frame_bound(size_t size);               /* bytes that a frame of `size` bytes cannot exceed */
sgn_status sgn_frame_encode(sgn_frame_encoder *e, const void *data, size_t size, void *out, size_t room,
                            size_t *n, sgn_error *err);

typedef struct sgn_frame_decoder sgn_frame_decoder;
sgn_status sgn_frame_decoder_open(sgn_frame_decoder **d, sgn_error *err);
void       sgn_frame_decoder_close(sgn_frame_decoder *d);
/* The n bytes at `frame` are one frame, no more, that says itself to hold `size` bytes and does.
 * Allocates nothing. `where` and `offset` are for messages. */
sgn_status sgn_frame_decode(sgn_frame_decoder *d, const void *frame, size_t n, void *out, size_t size,
                            const char *where, uint64_t offset, sgn_error *err);
/* The checksum at the end of a frame: XXH64 of the contents, low 32 bits. */
uint32_t   sgn_frame_checksum(const void *frame, size_t n);

#endif
