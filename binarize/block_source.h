/* block_source.h - the model to binarize, of which one block is in memory.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_BINARIZE_BLOCK_SOURCE_H
#define SGN_BINARIZE_BLOCK_SOURCE_H

#include "binarize/calibration.h"
#include "core/digest.h"

typedef struct {                       /* start zeroed */
    const sgn_transformer *whole;      /* names and shapes; its numbers are in its files (sgn_model_attach) */
    sgn_transformer        one;        /* of one block, which has the paths of block n */
    int64_t                n;          /* -1: none yet */
} sgn_block_source;

/* whole: of full-precision layers. */
sgn_status sgn_block_source_init(sgn_block_source *s, const sgn_transformer *whole, sgn_error *err);
void       sgn_block_source_free(sgn_block_source *s);
sgn_status sgn_block_source_load(sgn_block_source *s, int64_t n, sgn_error *err);
/* hidden = embedded tokens; the embedding is in memory meanwhile. */
sgn_status sgn_block_source_embed(const sgn_block_source *s, sgn_calibration *c, sgn_error *err);
/* Of all numbers of the model, which are read once, one parameter after the other: what is missing or not finite is noticed here.
 * go_on is asked before each. */
sgn_status sgn_block_source_digest(const sgn_transformer *whole, sgn_status (*go_on)(void *ctx, sgn_error *err), void *ctx, char out[33], sgn_error *err);

#endif
