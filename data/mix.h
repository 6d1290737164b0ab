/* mix.h - the windows that a run learns from: of one shard set, or of several, each by its weight.
 *
 * Sample i of the run is the n-th sample of set s, (s, n) by shares.h; it reads the window that the sampler
 * of set s gives its n-th sample, so every set is walked through in epochs of its own. Windows are numbered
 * through all sets: window w of set s is base_s + w, base_s the windows of the sets before it. All is a pure
 * function of (seed, step, row). A mix of one is that set's sampler.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_MIX_H
#define SGN_DATA_MIX_H

#include "data/sampler.h"
#include "data/shard.h"
#include "data/shares.h"

typedef struct {
    sgn_shards *shards;
    sgn_sampler sampler;       /* of this set alone, batch 1 */
    uint64_t    base;          /* number of its window 0 */
} sgn_mix_set;

typedef struct {
    sgn_shares  shares;        /* shares.count sets */
    sgn_mix_set set[SGN_SHARES_MAX];
    int         seq, batch;
    int32_t     eot;           /* ends documents that shall not see each other; -1: windows are not divided */
} sgn_mix;

/* Opens the shards: `list` is "DIR=WEIGHT,DIR=WEIGHT,...", or empty, and then the set is `dir`. role: as
 * sgn_shards_open. Sets of different vocabularies or tokenizers are refused. Close also after a failure. */
sgn_status sgn_mix_open(sgn_mix *m, const char *dir, const char *list, const char *role, sgn_error *err);
void       sgn_mix_close(sgn_mix *m);
/* Settles the windows: seq, batch, order and seed of `like`; its tokens are ignored. */
sgn_status sgn_mix_order(sgn_mix *m, const sgn_sampler *like, sgn_error *err);

uint64_t   sgn_mix_tokens(const sgn_mix *m);               /* of all sets */
uint64_t   sgn_mix_windows(const sgn_mix *m);              /* window numbers are below it */
uint64_t   sgn_mix_window(const sgn_mix *m, uint64_t step, int row);       /* number of a row's window */
/* ids (seq + 1) of a window. By one thread at a time; allocates nothing. */
sgn_status sgn_mix_read(const sgn_mix *m, uint64_t window, int32_t *ids, sgn_error *err);

/* What `samples` samples took from set s. */
typedef struct { uint64_t windows; double asked, realised, epochs; } sgn_mix_taken;
sgn_mix_taken sgn_mix_take(const sgn_mix *m, uint64_t samples, int s);

#endif
