/* bench_shards.h - how fast a shard set is read, beside zstd alone.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_BENCH_SHARDS_H
#define SGN_DATA_BENCH_SHARDS_H

#include <stdint.h>
#include "core/status.h"

/* Sequential reads of all shards, up to `most` bytes of ids as stored, from the page cache, in CPU time of one thread:
 * sgn_shards_read (files, checks, 32-bit ids) and, in turn with it, the same frames decompressed from memory. */
typedef struct {
    double   read_mb_s, zstd_mb_s;         /* 10^6 bytes of ids as stored: medians over rounds */
    double   ratio;                        /* of the two, median over rounds */
    double   open_s;                       /* wall time of opening the set */
    uint64_t bytes, tokens;                /* read in a round */
    int      shards;                       /* of the set */
} sgn_shard_bench;
sgn_status sgn_bench_shards(const char *dir, uint64_t most, int rounds, sgn_shard_bench *out, sgn_error *err);

#endif
