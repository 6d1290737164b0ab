/* run_config.h - everything a training run is told, in one struct.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TRAIN_RUN_CONFIG_H
#define SGN_TRAIN_RUN_CONFIG_H

#include "distill/teacher.h"
#include "model/model_config.h"
#include "optim/optimizer.h"

typedef struct {
    char    train[SGN_TEXT], valid[SGN_TEXT];      /* shard sets */
    char    order[SGN_TEXT];                       /* shuffled | sequential */
    int64_t seed;
} sgn_data_config;

typedef struct {
    int64_t steps, batch, seq, accumulate;         /* batch: windows per micro-batch */
    int64_t save_every, eval_every, keep;          /* steps; 0: never (the last step is always saved) */
    int64_t eval_windows;                          /* validation windows per evaluation; 0: all */
    int64_t threads;                               /* 0: as many as the CPU mask allows */
    int64_t seed;                                  /* of the initial weights */
    char    kernels[SGN_TEXT];                     /* auto | ref | avx2 | avx512 | neon */
    double  spike;                                 /* stop when the loss exceeds this many times its running median; 0: off */
} sgn_train_config;

typedef struct {                                   /* top-level keys */
    char init[SGN_TEXT];                           /* a model argument to start from; empty: random */
} sgn_start_config;

typedef struct {
    sgn_start_config   start;
    sgn_model_config   model;
    sgn_data_config    data;
    sgn_optim_config   optim;
    sgn_distill_config distill;
    sgn_train_config   train;
} sgn_run_config;

extern const sgn_section sgn_run_sections[];

/* Defaults, then the preset (a path, or the name of a file in configs/), then key=value words. */
sgn_status sgn_run_config_load(sgn_run_config *c, const char *preset, const char *const *overrides, int count, sgn_error *err);

#endif
