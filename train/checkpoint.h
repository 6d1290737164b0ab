/* checkpoint.h - the state of a run at a step, on disk and back.
 *
 * RUN/checkpoints/step-00000100/ holds config.json (the model), tokenizer.json, run.yaml
 * (settings), shard-0000.h5 ... and MANIFEST. It is written beside, synced and renamed
 * into place. State = slabs + one integer, because sampler and rng are pure functions.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TRAIN_CHECKPOINT_H
#define SGN_TRAIN_CHECKPOINT_H

#include "core/file.h"
#include "model/transformer.h"
#include "optim/optimizer.h"

typedef struct {                               /* numbers of a run besides the slabs */
    int64_t  step, tokens;
    uint64_t metrics_bytes;                    /* length of metrics.jsonl at this step */
    char     settings[33];                     /* digest of what decides the bits: data, model, optim, distill, batch */
    char     kernels[16];                      /* kernel set: bits are promised per set */
} sgn_position;

/* Writes and then re-reads and verifies; afterwards removes all but the newest `keep`
 * (0: keeps all). files: extra files to copy in, path pairs (from, name), NULL-terminated. */
sgn_status sgn_checkpoint_save(const char *run, const sgn_position *at, const sgn_transformer *m,
                               const sgn_optimizer *o, const char *const *files, int64_t keep, sgn_error *err);
/* Newest checkpoint that verifies; broken ones are moved to quarantine/ and logged.
 * SGN_IO with a remedy if there is none. */
sgn_status sgn_checkpoint_newest(const char *run, sgn_path *out, sgn_error *err);
/* Weights, optimizer state and position of a checkpoint directory. */
sgn_status sgn_checkpoint_load(const char *directory, sgn_position *at, sgn_transformer *m,
                               sgn_optimizer *o, sgn_error *err);

#endif
