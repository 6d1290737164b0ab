/* trainer.h - a run: the loop over steps and all it owns.
 *
 * RUN/ holds config.yaml (the resolved settings), products.json, tokenizer.json, metrics.jsonl and checkpoints/.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TRAIN_TRAINER_H
#define SGN_TRAIN_TRAINER_H

#include <signal.h>
#include "train/run_config.h"

/* Seconds of one step. forward ends with the hidden states: head and loss are computed with their gradients, in backward;
 * so is the teacher's head. optimizer: clearing gradients, their norm, the update, planes and indices. */
typedef struct { double data, teacher, forward, backward, optimizer; } sgn_step_times;

typedef struct {                               /* one line of metrics.jsonl, one progress report */
    int64_t step, steps, tokens;
    double  loss, hard, soft, teacher_entropy; /* nats per token; soft and entropy 0 without a teacher */
    double  lr, grad_norm, flip_rate;
    double  tokens_per_s, seconds;             /* of this step */
    double  mfu;                               /* model FLOP/s over the SGEMM peak measured at start; 0: not measured */
    double  eta_s;
    double  wait_s;                            /* of seconds: waiting for data */
    double  valid, valid_bpb;                  /* nats per token, bits per byte; negative: not evaluated now */
    int     sets;                              /* of data.mix, */
    const uint64_t *windows;                   /* (sets) read of each so far; NULL: one set, or not counted now */
} sgn_progress;

typedef struct {
    const char *out;                           /* the run's directory */
    bool        resume;                        /* continue from its newest checkpoint; else refuse an existing run */
    bool        measure_peak;                  /* for mfu: 0.2 s of SGEMM at the start */
    volatile sig_atomic_t *stop;               /* non-zero: finish the step, save, return SGN_INTERRUPTED */
    void      (*report)(void *ctx, const sgn_progress *p);     /* after every step; may be NULL */
    void       *ctx;
} sgn_train_options;

sgn_status sgn_train(const sgn_run_config *c, const sgn_train_options *o, sgn_error *err);

#endif
