/* codec.h - compressed streams that text may come in, seen by their first bytes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_CODEC_H
#define SGN_DATA_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

/* What goes in and comes out of one step; the codec moves both forward. */
typedef struct {
    const char *in;
    char       *out;
    size_t      in_size, out_size;     /* what is left */
} sgn_codec_io;

typedef struct {
    const char *name;
    const char *magic;
    size_t      magic_size;
    sgn_status (*open)(void **state, sgn_error *err);
    void       (*close)(void *state);
    /* *whole: the stream may end here. `where` names the file in messages. */
    sgn_status (*step)(void *state, sgn_codec_io *io, bool *whole, const char *where, sgn_error *err);
} sgn_codec;

extern const sgn_codec sgn_codec_gzip, sgn_codec_zstd;

#endif
