/* sign_history.h - what the signs of a run did from checkpoint to checkpoint, and how far they are from another model's.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EVAL_SIGN_HISTORY_H
#define SGN_EVAL_SIGN_HISTORY_H

#include "eval/sign_stats.h"

typedef struct { double step, value; } sgn_metric;

typedef struct {
    int              checkpoints, layers;
    int64_t         *step;                     /* (checkpoints), ascending; of a model that is no run one, -1 */
    sgn_sign_change *change;                   /* (checkpoints, layers): from the one before; of the first nothing */
    sgn_sign_change *whole;                    /* (layers): from the first to the last */
    sgn_sign_change *against;                  /* (layers): the last, from `other`; NULL: there is none */
    sgn_layer_signs *layer;                    /* (layers) of the last */
    sgn_metric      *flips;                    /* (steps): flip_rate of metrics.jsonl, share of signs that an optimizer step changed */
    int              steps;
} sgn_sign_history;

/* where: a run, of which every checkpoint that is there and has signs is read, or a model argument with latents. other: a copy of the
 * signs of a model of the same config (sgn_signs_of_*); NULL: none. near: as in sign_stats.h. */
sgn_status sgn_sign_history_read(sgn_sign_history *h, const char *where, double near, const sgn_sign_copy *other, sgn_error *err);
void       sgn_sign_history_free(sgn_sign_history *h);

/* Shares of flips that the steps between checkpoint i-1 and i made, added up; -1: metrics.jsonl does not have these steps. */
double     sgn_sign_history_flips(const sgn_sign_history *h, int i);

/* The signs of a model of config c: drawn at random, as a run with this seed begins; or of another model of the shape, whatever its
 * kinds, full precision too. */
sgn_status sgn_signs_of_seed(sgn_sign_copy *out, const sgn_model_config *c, uint64_t seed, sgn_error *err);
sgn_status sgn_signs_of_model(sgn_sign_copy *out, const sgn_model_config *c, const char *where, sgn_error *err);

#endif
