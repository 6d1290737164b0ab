/* batch.h - what one micro-step reads: token ids, the ids that follow them, and where they came from.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_BATCH_H
#define SGN_DATA_BATCH_H

#include <stdint.h>

typedef struct {
    int       batch, seq;
    int32_t  *tokens;          /* (batch, seq) */
    int32_t  *targets;         /* (batch, seq): targets[r][i] follows tokens[r][i] */
    uint64_t *window;          /* (batch): sampler window of each row, the key of cached teacher output */
} sgn_batch;

#endif
