/* shard_files.h - small shard sets for tests.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TESTS_SHARD_FILES_H
#define SGN_TESTS_SHARD_FILES_H

#include "../check.h"
#include "core/rng.h"
#include "data/shard.h"

/* The id at a place: any place can be checked without keeping the ids. */
static inline int32_t id_at(uint64_t place, uint32_t vocab) { return (int32_t)(sgn_rng_bits(77, 1, place) % vocab); }

/* A set of `tokens` such ids under check_path(name); options other than vocab as given. */
static inline const char *put_shards(const char *name, uint64_t tokens, sgn_shard_options o) {
    sgn_error err = { 0 };
    sgn_shard_writer *w;
    const char *dir = check_path(name);
    int32_t ids[1000];
    o.replace = true;
    check_ok(sgn_shard_writer_open(&w, dir, &o, &err), &err);
    for (uint64_t at = 0; at < tokens;) {
        size_t n = 0;
        for (; n < 1000 && at < tokens; n++, at++) ids[n] = id_at(at, o.vocab);
        check_ok(sgn_shard_writer_put(w, ids, n, &err), &err);
    }
    sgn_shard_writer_count(w, 3, 5 * tokens);
    check_ok(sgn_shard_writer_close(w, &err), &err);
    return dir;
}

static inline sgn_shards *open_shards(const char *dir) {
    sgn_error err = { 0 };
    sgn_shards *s;
    check_ok(sgn_shards_open(&s, dir, NULL, &err), &err);
    return s;
}

static inline void check_tokens(sgn_shards *s, uint64_t first, size_t count) {
    sgn_error err = { 0 };
    int32_t *ids = malloc(count * sizeof *ids);
    check_ok(sgn_shards_read(s, first, count, ids, &err), &err);
    for (size_t i = 0; i < count; i++)
        if (ids[i] != id_at(first + i, sgn_shards_info(s)->vocab)) fail_msg("token %llu is %d", (unsigned long long)(first + i), ids[i]);
    free(ids);
}

#endif
