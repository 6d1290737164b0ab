/* trainer_parts.h - what a run owns, shared by the files of trainer.h.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TRAIN_TRAINER_PARTS_H
#define SGN_TRAIN_TRAINER_PARTS_H

#include "core/tape.h"
#include "data/loader.h"
#include "train/checkpoint.h"
#include "train/guard.h"
#include "train/metrics.h"
#include "train/plan.h"
#include "train/trainer.h"

typedef struct {
    sgn_run_config           config;       /* resolved */
    const sgn_train_options *options;
    int                      lock;         /* RUN/.lock, held; -1: none */
    sgn_path                 settings, tokenizer, products;    /* RUN/config.yaml, .../tokenizer.json, .../products.json */
    sgn_path                 from;         /* checkpoint to continue */
    sgn_mix                  mix;          /* what is learnt from */
    sgn_shards              *train, *valid;/* train: the first set of the mix */
    sgn_loader              *loader;
    const sgn_batch         *fixed;        /* what every micro-step reads where there is no loader */
    sgn_teacher              teacher;
    sgn_transformer          model;
    sgn_optimizer            optimizer;
    sgn_tape                 tape;
    sgn_metrics              metrics;
    sgn_guard                guard;
    sgn_position             at;
    sgn_plan                 plan;
    int64_t                  saved_step;   /* of the newest checkpoint; -1: none */
    int64_t                  failed_saves;
    double                   peak;         /* SGEMM FLOP/s; 0: not measured */
    double                   began;        /* clock at the first step of this process */
    int64_t                  began_at;     /* its step */
    sgn_step_times           times;        /* of the last step */
    uint64_t                *window;       /* (accumulate, batch): windows of the step, for messages */
    int32_t                 *eval_tokens;  /* (batch, seq) tokens, then (batch, seq) targets, then (batch, seq) first, then seq + 1 read ids */
} sgn_trainer;

/* trainer_setup.c: everything up to the first step; free also after a failure. */
sgn_status sgn_trainer_setup(sgn_trainer *t, const sgn_run_config *c, const sgn_train_options *o, sgn_error *err);
void       sgn_trainer_free(sgn_trainer *t);

/* Parts of it that a measurement wants alone: kernels, BLAS and threads; shards and order; random
 * weights and the optimizer; activations; batches, and what the teacher reads ahead for them. */
sgn_status sgn_trainer_setup_machine(const sgn_train_config *c, sgn_error *err);
sgn_status sgn_trainer_setup_data(sgn_trainer *t, sgn_error *err);
sgn_status sgn_trainer_setup_model(sgn_trainer *t, sgn_error *err);
sgn_status sgn_trainer_setup_teacher(sgn_trainer *t, sgn_error *err);
sgn_status sgn_trainer_setup_tape(sgn_trainer *t, sgn_error *err);
sgn_status sgn_trainer_setup_loader(sgn_trainer *t, sgn_error *err);

/* trainer.c: one step, data to weights; p->step is given, losses, norm, lr and flips are answered, t->times measured. */
sgn_status sgn_trainer_step(sgn_trainer *t, sgn_progress *p, sgn_error *err);

/* trainer_run.c: the run's directory. begin: refuses or finds what to continue from (t->from);
 * restore: weights, moments, position and ways of products of t->from; create: the directory, not before everything
 * else is known to be well; files: config.yaml, products.json and tokenizer.json. */
sgn_status sgn_trainer_run_begin(sgn_trainer *t, sgn_error *err);
sgn_status sgn_trainer_run_restore(sgn_trainer *t, sgn_error *err);
sgn_status sgn_trainer_run_create(sgn_trainer *t, sgn_error *err);
sgn_status sgn_trainer_run_files(sgn_trainer *t, sgn_error *err);
sgn_status sgn_trainer_save(sgn_trainer *t, sgn_error *err);
sgn_status sgn_trainer_data_digest(const sgn_trainer *t, char out[33], sgn_error *err);
bool       sgn_trainer_continues(const sgn_trainer *t);    /* t->from holds a checkpoint */

/* trainer_eval.c: mean -log p over the validation windows in nats, and bits per byte (-1: text size unknown). */
sgn_status sgn_trainer_evaluate(sgn_trainer *t, double *nats, double *bpb, sgn_error *err);
/* Stochastic signs: those of the coming step, or none at random (model.stochastic). */
void       sgn_trainer_draw(sgn_trainer *t, bool random);
int64_t    sgn_trainer_eval_windows(const sgn_trainer *t);

/* trainer.c: windows that `steps` steps read; a line for each set of a mix, nothing for one set alone. */
uint64_t   sgn_trainer_samples(const sgn_trainer *t, int64_t steps);
void       sgn_trainer_tell_mix(const sgn_trainer *t, int64_t steps, const char *verb);


#endif
