/* plan.h - what a run will take, known before it starts.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TRAIN_PLAN_H
#define SGN_TRAIN_PLAN_H

#include "core/tape.h"
#include "train/run_config.h"

typedef struct {
    int64_t parameters, binary_weights;
    /* Bytes. teacher: its weights and its tape; mapped: of its files, used where they lie; data: loader and
     * shard caches; saving: the largest shard of a checkpoint while it is built; fixed: program, libraries and
     * their buffers. */
    size_t  weights, gradients, planes, optimizer, activations, teacher, mapped, scratch, data, saving, fixed, total;
    int64_t tokens_per_step, tokens;
    double  flops_per_token;                   /* training, 6N convention without embedding lookup, plus the teacher's 2N */
    uint64_t checkpoint_bytes;
} sgn_plan;

/* From the settings and dry tapes alone; config.vocab must be known (or a shard set given). */
sgn_status sgn_plan_make(const sgn_run_config *c, sgn_plan *out, sgn_error *err);

/* The tape that one micro-batch of m wants: nodes, and bytes of its arenas `data` and `book`, by a dry run that also
 * reserves scratch.
 * soft: SGN_SOFT_HIDDEN for a distilled student; loss NULL: hidden states only, without backward. */
typedef struct { int nodes; size_t data, book; } sgn_tape_size;
sgn_status sgn_tape_size_of(sgn_transformer *m, int64_t batch, int64_t seq, const sgn_head_loss_args *loss,
                            sgn_tape_mode mode, sgn_tape_size *out, sgn_error *err);
/* 6 FLOP per multiply-add of training, 2 of a forward pass; attention as the causal half. */
double     sgn_flops_per_token(const sgn_transformer *m, int64_t seq, bool train);

#endif
