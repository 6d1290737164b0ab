/* calibration.h - the hidden states of calibration windows, taken through a model block by block.
 *
 * They lie in a file (core/spill.h); memory holds one window of them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_BINARIZE_CALIBRATION_H
#define SGN_BINARIZE_CALIBRATION_H

#include "core/spill.h"
#include "data/shard.h"
#include "model/transformer.h"

/* What the linear layers of a block read: q, k, v | o | gate, up | down. */
typedef enum { SGN_INPUT_ATTENTION, SGN_INPUT_O, SGN_INPUT_MLP, SGN_INPUT_DOWN, SGN_INPUTS } sgn_block_input;
sgn_block_input sgn_block_input_of(sgn_block_linear which);

typedef struct {
    int64_t  windows, seq, dim;
    int32_t *tokens;           /* (windows, seq) */
    sgn_spill hidden;          /* (windows, seq, dim): what enters the next block */
    float   *window;           /* (seq, dim) of them */
    bool   (*tick)(void *ctx, int64_t windows);      /* so many more are done; false: stop. NULL: nobody asks */
    void    *ctx;
} sgn_calibration;

/* Windows at equal distances; as many as there are where `windows` is more. */
sgn_status sgn_calibration_init(sgn_calibration *c, sgn_shards *shards, int64_t windows, int64_t seq, int64_t dim, sgn_error *err);
/* Room for the hidden states in `directory`, before the first pass; SGN_IO where its disk is too full. */
sgn_status sgn_calibration_spill(sgn_calibration *c, const char *directory, sgn_error *err);
void       sgn_calibration_free(sgn_calibration *c);
/* hidden = embedded tokens. */
sgn_status sgn_calibration_embed(sgn_calibration *c, const sgn_transformer *m, sgn_error *err);
/* h[k] += 2/T sum x x^T of each input of block n, whose layers are full; hidden stays. SGN_NUMERIC names a layer with numbers that are not finite. */
sgn_status sgn_calibration_measure(sgn_calibration *c, const sgn_transformer *m, int64_t n, float *const h[SGN_INPUTS], sgn_error *err);
/* hidden = block n of hidden; `name` in messages: its number in the whole model. */
sgn_status sgn_calibration_advance(sgn_calibration *c, const sgn_transformer *m, int64_t n, int64_t name, sgn_error *err);

#endif
