/* optimizer.h - who turns gradients into new weights. Rows: optim/optimizers.def.
 *
 * The state lives in slabs beside the parameters: state[s] has the layout of the dense
 * and of the latent slab. Latents belong to the optimizer: it refreshes signs and index
 * tables and counts the flips in the same pass.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_OPTIM_OPTIMIZER_H
#define SGN_OPTIM_OPTIMIZER_H

#include "core/config.h"
#include "core/params.h"

typedef struct {
    char    kind[SGN_TEXT];                    /* adamw */
    double  lr, min_lr;                        /* peak and end */
    char    schedule[SGN_TEXT];                /* constant | linear | cosine | wsd */
    int64_t warmup;                            /* steps, linear from 0 */
    double  wsd_decay;                         /* share of the steps after warm-up over which a wsd schedule falls */
    double  weight_decay;
    char    decay[SGN_TEXT];                   /* all | matrices | none: what weight decay applies to */
    double  decay_until;                       /* share of the steps after which weight decay is 0; 1: always on */
    double  beta1, beta2, eps, clip;           /* clip: largest global gradient norm; 0: no clipping */
} sgn_optim_config;

extern const sgn_field sgn_optim_fields[];

enum { SGN_MAX_STATES = 2 };

typedef struct {                               /* what one step is told */
    double  lr, weight_decay, grad_scale;
    int64_t step;                              /* 1 for the first */
} sgn_optim_step;

typedef struct {                               /* one contiguous piece of one parameter */
    sgn_real       *w;
    const sgn_real *g;
    sgn_real       *state[SGN_MAX_STATES];
    int64_t         n;
} sgn_optim_piece;

typedef struct {
    const char *name, *summary;
    int         states;                        /* slabs it keeps */
    const char *state_name[SGN_MAX_STATES];    /* "adam_m", "adam_v": names in a checkpoint */
    void (*update)(const sgn_optim_config *c, const sgn_optim_step *s, const sgn_optim_piece *p);
} sgn_optimizer_kind;

typedef struct {                               /* what one thread updates at a time; rows of a latent */
    int     param;
    int64_t begin, count;
} sgn_optim_range;

typedef struct {
    const sgn_optimizer_kind *kind;
    sgn_optim_config config;
    sgn_params      *params;
    sgn_optim_range *ranges;
    int64_t          range_count;
    sgn_real        *dense[SGN_MAX_STATES], *latent[SGN_MAX_STATES];
    int64_t          flips;                    /* signs that changed in the last step */
} sgn_optimizer;

const sgn_optimizer_kind *sgn_optimizer_kind_find(const char *name);
const sgn_optimizer_kind *sgn_optimizer_kind_at(int i);

sgn_status sgn_optimizer_init(sgn_optimizer *o, const sgn_optim_config *c, sgn_params *p, sgn_error *err);
void       sgn_optimizer_free(sgn_optimizer *o);
size_t     sgn_optimizer_bytes(const sgn_optim_config *c, const sgn_params *p);
/* One update of everything, in fixed pieces over all threads; then signs, tables and flips. */
void       sgn_optimizer_step(sgn_optimizer *o, const sgn_optim_step *s);
/* Does weight decay apply to this class under `decay`? */
bool       sgn_optimizer_decays(const sgn_optim_config *c, sgn_param_class class);

/* Global L2 norm of all gradients, blocks of 4096 added in double, in an order that depends on the sizes alone. */
double     sgn_grad_norm(const sgn_params *p);
/* min(1, clip / norm), as PyTorch's clip_grad_norm_: clip / (norm + 1e-6). */
double     sgn_clip_scale(double norm, double clip);

#endif
