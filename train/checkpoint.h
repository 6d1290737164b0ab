/* checkpoint.h - the state of a run at a step, on disk and back.
 *
 * RUN/checkpoints/step-00000100/ holds config.json (the model), tokenizer.json, run.yaml
 * (settings), products.json, shard-0000.h5 ... and MANIFEST. It is written beside, synced and renamed
 * into place. State = slabs + one integer, because sampler and rng are pure functions.
 * Layout: docs/formats/checkpoint.md.
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
    char     data[33], teacher[33];            /* digests of what was learnt from; "": none */
    char     kernels[96];                      /* kernel set and BLAS core: bits are promised for these */
} sgn_position;

/* Writes, re-reads and verifies; afterwards removes all but the newest `keep` (0: keeps all).
 * files: extra files to copy in, path pairs (from, name), NULL-terminated. A checkpoint of this
 * step that verifies is left as it is; one that does not goes to quarantine/. */
sgn_status sgn_checkpoint_save(const char *run, const sgn_position *at, const sgn_transformer *m,
                               const sgn_optimizer *o, const char *const *files, int64_t keep, sgn_error *err);
/* Weights that are not in memory all at once: those of parameter i, good until the next call; asked for in order. */
typedef struct {
    sgn_status (*get)(void *ctx, int i, const float **data, sgn_error *err);
    void *ctx;
} sgn_weight_source;
/* The same without an optimizer, of a model that is declared only. Its shards are as large as its largest parameter, 12 to 256 MiB. */
sgn_status sgn_checkpoint_save_from(const char *run, const sgn_position *at, const sgn_transformer *m,
                                    const sgn_weight_source *from, const char *const *files, sgn_error *err);
uint64_t   sgn_checkpoint_bytes(const sgn_params *p, int states);      /* on disk, nearly */
/* Newest checkpoint whose MANIFEST verifies; broken ones are moved to quarantine/ and logged.
 * SGN_IO with a remedy if there is none. */
sgn_status sgn_checkpoint_newest(const char *run, sgn_path *out, sgn_error *err);
/* Is there anything that looks like a checkpoint, valid, broken or in quarantine? */
bool       sgn_checkpoint_any(const char *run);
/* Removes what saves that were killed have left behind. Only where no other process saves. */
void       sgn_checkpoint_sweep(const char *run);
/* Its position alone. Data "" and kernels "": imported, and not one step has been made. */
sgn_status sgn_checkpoint_position(const char *directory, sgn_position *at, sgn_error *err);
/* Weights, optimizer state (o NULL: weights alone) and position of a directory that newest() has verified. Every array
 * must be there once, whole, finite and of its shape. */
sgn_status sgn_checkpoint_load(const char *directory, sgn_position *at, sgn_transformer *m,
                               sgn_optimizer *o, sgn_error *err);

#endif
