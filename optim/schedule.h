/* schedule.h - learning rate and weight decay as functions of the step. Rows: optim/schedules.def.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_OPTIM_SCHEDULE_H
#define SGN_OPTIM_SCHEDULE_H

#include "optim/optimizer.h"

typedef struct {
    const char *name, *summary;
    /* Share of the way from min_lr to lr; t in [0, 1) runs over the steps after warm-up. */
    double    (*curve)(const sgn_optim_config *c, double t);
} sgn_schedule;

const sgn_schedule *sgn_schedule_find(const char *name);
const sgn_schedule *sgn_schedule_at(int i);                  /* NULL past the end */

/* Learning rate of step 0 .. steps-1. Warm-up: lr * (step+1)/warmup for step < warmup,
 * then the named curve from lr to min_lr over the rest. */
double sgn_schedule_lr(const sgn_optim_config *c, int64_t step, int64_t steps);
double sgn_schedule_weight_decay(const sgn_optim_config *c, int64_t step, int64_t steps);
sgn_status sgn_schedule_check(const sgn_optim_config *c, sgn_error *err);

#endif
