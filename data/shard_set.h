/* shard_set.h - what writer and reader of shards share: shards.json and the seek table.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_SHARD_SET_H
#define SGN_DATA_SHARD_SET_H

#include "core/digest.h"
#include "core/file.h"
#include "data/shard.h"

#define SGN_SHARDS_JSON "shards.json"

/* Seekable zstd: the frames, then a skippable frame with (compressed size, size, checksum) of each. */
enum {
    SGN_SEEK_MAGIC = 0x184D2A5E, SGN_SEEK_HEAD = 8, SGN_SEEK_ENTRY = 12, SGN_SEEK_FOOT = 9,
    SGN_SEEK_CHECKSUMS = 0x80              /* descriptor: entries have checksums */
};
#define SGN_SEEK_FOOT_MAGIC 0x8F92EAB1u

typedef struct {
    uint64_t   tokens, bytes;
    sgn_digest digest;                     /* of the file */
    sgn_digest seek_digest;                /* of its seek table */
} sgn_shard_entry;

typedef struct {                           /* shards.json; start zeroed */
    sgn_shard_info   info;
    uint32_t         frame_tokens;         /* ids per frame; the last frame of a shard may have fewer */
    sgn_shard_entry *shard;                /* (info.shards) */
    int              room;
} sgn_shard_set;

sgn_status sgn_shard_set_add(sgn_shard_set *s, const sgn_shard_entry *e, sgn_error *err);
sgn_status sgn_shard_set_save(const sgn_shard_set *s, const char *path, sgn_error *err);
sgn_status sgn_shard_set_load(sgn_shard_set *s, const char *path, sgn_error *err);
void       sgn_shard_set_free(sgn_shard_set *s);

sgn_status sgn_shard_path(sgn_path *out, const char *dir, int shard, sgn_error *err);  /* DIR/shard-00042.zst */

static inline uint64_t sgn_shard_frames(uint64_t tokens, uint32_t frame_tokens) {
    return tokens / frame_tokens + (tokens % frame_tokens != 0);
}
static inline uint8_t *sgn_put32(uint8_t *to, uint32_t x) {
    for (int i = 0; i < 4; i++) *to++ = (uint8_t)(x >> 8 * i);
    return to;
}
static inline uint32_t sgn_get32(const uint8_t *p) {
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

#endif
