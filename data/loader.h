/* loader.h - batches read ahead by one thread: the same batches whatever the timing.
 * Memory depends on the batch and on the shards' caches, never on the size of the corpus.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_LOADER_H
#define SGN_DATA_LOADER_H

#include <stdint.h>
#include "core/status.h"
#include "data/batch.h"
#include "data/mix.h"

typedef struct sgn_loader sgn_loader;

enum { SGN_LOADER_PLACES = 4 };        /* batches in memory: one is the caller's, the others are read ahead */

/* What else is read for each batch, by the loader's thread, before it is handed out; kept by b->place. */
typedef struct {
    sgn_status (*read)(void *ctx, const sgn_batch *b, sgn_error *err);     /* NULL: nothing */
    void       *ctx;
} sgn_loader_also;

/* Batches of micro-steps first_step, first_step + 1, ... The mix has its order (sgn_mix_order) and stays
 * the caller's, who must not read it before the loader is closed. With mix->eot documents are marked. */
sgn_status sgn_loader_open(sgn_loader **l, const sgn_mix *mix, uint64_t first_step, sgn_error *err);
sgn_status sgn_loader_open_also(sgn_loader **l, const sgn_mix *mix, uint64_t first_step, sgn_loader_also also, sgn_error *err);
/* The next batch; its arrays belong to the loader and hold until the next call. A read that
 * failed is reported when its turn comes, and again by every later call. */
sgn_status sgn_loader_next(sgn_loader *l, sgn_batch *out, sgn_error *err);
double     sgn_loader_waited(const sgn_loader *l);     /* seconds that next() spent waiting so far */
void       sgn_loader_close(sgn_loader *l);

#endif
