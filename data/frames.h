/* frames.h - a file of zstd frames with a seek table behind them: any frame is read by itself, and
 * `zstd -d` gives the contents of all. Seekable zstd as in shards (data/shard_set.h), frames of any size.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_FRAMES_H
#define SGN_DATA_FRAMES_H

#include "core/digest.h"
#include "core/file.h"
#include "data/frame.h"

typedef struct sgn_frames_writer sgn_frames_writer;
sgn_status sgn_frames_writer_open(sgn_frames_writer **w, const char *path, sgn_error *err);
/* A frame made by sgn_frame_encode from `size` bytes. */
sgn_status sgn_frames_writer_put(sgn_frames_writer *w, const void *frame, size_t n, size_t size, sgn_error *err);
/* The file appears, whole, at a close that succeeds; frees w either way. */
sgn_status sgn_frames_writer_close(sgn_frames_writer *w, sgn_error *err);
void       sgn_frames_writer_abandon(sgn_frames_writer *w);

typedef struct {               /* start zeroed */
    sgn_reader file;
    uint32_t   count;
    uint64_t  *offset;         /* (count + 1) of the frames in the file */
    uint32_t  *size, *checksum;/* (count) of what they hold */
    sgn_digest table;          /* of the seek table */
    uint8_t   *raw;            /* the seek table as read */
    uint32_t   room;           /* frames that the arrays have room for: kept from file to file */
} sgn_frames;
/* So that opening files of at most `count` frames allocates nothing; `path` is for the message. */
sgn_status sgn_frames_reserve(sgn_frames *f, uint32_t count, const char *path, sgn_error *err);
/* Of `count` frames of at most `most` bytes each. Closes what was open before. */
sgn_status sgn_frames_open(sgn_frames *f, const char *path, uint32_t count, size_t most, sgn_error *err);
void       sgn_frames_close(sgn_frames *f);            /* the file; arrays stay for the next */
void       sgn_frames_free(sgn_frames *f);
/* The f->size[k] bytes of frame k; `packed` has room for sgn_frame_bound(most). Allocates nothing. */
sgn_status sgn_frames_read(const sgn_frames *f, sgn_frame_decoder *d, uint32_t k, uint8_t *packed, void *out, sgn_error *err);

#endif
