/* binarize.h - makes the blocks of a trained model binary, one at a time, each from what enters it behind the binary ones before it.
 *
 * Memory: one block in both forms and the Hessians of its four inputs, or the embedding where that is more. Hidden states lie in a file
 * without a name in the work directory. A finished block is a file there, DIR/block-00003.safetensors: a second call with the same
 * settings goes on behind the last one, with the same bits.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_BINARIZE_BINARIZE_H
#define SGN_BINARIZE_BINARIZE_H

#include "binarize/binarizer.h"
#include "binarize/work.h"
#include "core/json.h"
#include "data/shard.h"
#include "model/transformer.h"

typedef struct {
    int64_t block, blocks;
    int64_t windows, of;               /* passes of windows done, of all */
    bool    finished;                  /* block has just been finished, */
    bool    found;                     /* or was there already */
} sgn_binarize_progress;

typedef struct {
    sgn_binarize_options how;
    int64_t     windows, seq;
    const char *work;                  /* the work directory; made where it is not there */
    sgn_work_lock *lock;               /* on it, for the caller to let go when the weights are taken from it; NULL: it ends with the run */
    bool        replace;               /* blocks of other settings or weights are discarded, with a warning; else they are refused */
    bool      (*progress)(void *ctx, const sgn_binarize_progress *p);      /* false: stop, SGN_INTERRUPTED. NULL: nobody asks */
    void       *ctx;
} sgn_binarize_job;

/* `source` of full-precision layers, its files attached (sgn_model_attach). config: the result's, whose layers outside of model.binary stay as they are. *report (owned): a row
 * per layer. The weights are then in the work directory (binarize/assembly.h). */
sgn_status sgn_binarize_run(const sgn_transformer *source, const sgn_model_config *config, sgn_shards *shards,
                            const sgn_binarize_job *job, sgn_json **report, sgn_error *err);

#endif
