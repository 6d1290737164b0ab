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
    char    mix[SGN_LIST_TEXT];                    /* "DIR=WEIGHT,...": instead of train */
    char    order[SGN_TEXT];                       /* shuffled | sequential */
    int64_t seed;
    bool    mask_documents;                        /* tokens see only their own document */
    int64_t eot;                                   /* id that ends a document; -1: the tokenizer's */
} sgn_data_config;

typedef struct {
    int64_t steps, batch, seq, accumulate;         /* batch: windows per micro-batch */
    int64_t save_every, eval_every, keep;          /* steps; 0: never (the last step is always saved) */
    int64_t eval_windows;                          /* validation windows per evaluation; 0: all */
    int64_t threads;                               /* 0: as many as the CPU mask allows */
    int64_t seed;                                  /* of the initial weights */
    char    kernels[SGN_TEXT];                     /* auto | ref | avx2 | avx512 | neon */
    char    products[SGN_TEXT];                    /* auto | table | sgemm */
    bool    recompute;                             /* blocks run again in backward instead of keeping their activations */
    double  spike;                                 /* stop when the loss exceeds this many times its running median for 3 steps; 0: only warn */
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

static inline sgn_tape_mode sgn_train_mode(const sgn_train_config *c) { return c->recompute ? SGN_TAPE_RECOMPUTE : SGN_TAPE_TRAIN; }

extern const sgn_section sgn_run_sections[];

/* Defaults, in their place what the model that `init` names says of itself (of what is binary: if it is), then the preset (a YAML
 * file, a run's directory, or the name of a file in configs/: in the working directory, beside the program, or in ../share/signum),
 * then key=value words. */
sgn_status sgn_run_config_load(sgn_run_config *c, const char *preset, const char *const *overrides, int count, sgn_error *err);
/* What no single setting can say: context >= seq and its like; fills in zeros that follow from
 * other settings. model.vocab 0 stays until the training data is known. */
sgn_status sgn_run_config_check(sgn_run_config *c, sgn_error *err);
/* May a run that began with `saved` go on with `now`? SGN_CONFIG naming the first setting that
 * would change its bits, with both values. Free to change: how often to save and evaluate, threads,
 * kernels, products, and where data and teacher lie (their content is compared by digest). */
sgn_status sgn_run_config_compatible(const sgn_run_config *saved, const sgn_run_config *now, sgn_error *err);
/* The same for an imported run, which has not begun: only the model's settings are fixed. */
sgn_status sgn_run_config_same_model(const sgn_run_config *saved, const sgn_run_config *now, sgn_error *err);

#endif
