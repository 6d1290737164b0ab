/* plan.h - what a run will take, known before it starts.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TRAIN_PLAN_H
#define SGN_TRAIN_PLAN_H

#include "train/run_config.h"

typedef struct {
    int64_t parameters, binary_weights;
    size_t  weights, gradients, planes, optimizer, activations, teacher, scratch, data, fixed, total;   /* bytes */
    int64_t tokens_per_step, tokens;
    double  flops_per_token;                   /* training, 6N convention without embedding lookup, plus the teacher's 2N */
    uint64_t checkpoint_bytes;
} sgn_plan;

/* From the settings and dry tapes alone; config.vocab must be known (or a shard set given). */
sgn_status sgn_plan_make(const sgn_run_config *c, sgn_plan *out, sgn_error *err);

#endif
