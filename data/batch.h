/* batch.h - what one micro-step reads: token ids, the ids that follow them, and where they came from.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_BATCH_H
#define SGN_DATA_BATCH_H

#include <stdint.h>

typedef struct {
    int       batch, seq;
    int32_t  *tokens;          /* (batch, seq) */
    int32_t  *targets;         /* (batch, seq): targets[r][i] follows tokens[r][i]; -1: nothing is learnt there */
    int32_t  *first;           /* (batch, seq): where the document of each token begins in its row; NULL: one document */
    uint64_t *window;          /* (batch): number of each row's window among those of all sets, the key of cached teacher output */
    int       place;           /* of the loader's batches in memory: the same one's is the same until it is given back */
} sgn_batch;

#endif
