/* stages.h - runs a lowered linear layer on rows of floats: y = bias + sum of its chains.
 *
 * Scales beside a sign product are folded into the product, and an input sum that goes
 * to all outputs alike into its row term, so that an FBI layer is one product.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_STAGES_H
#define SGN_EXPORT_STAGES_H

#include "core/arena.h"
#include "export/stage_product.h"

typedef struct {
    const sgn_lowered_stage *stage;
    const float     *v, *u;                    /* whole vectors; u NULL: ones */
    sgn_lowered_stage own;                     /* `stage`, where masked signs of planes became what runs; it stays where it is */
    sgn_stage_product product;                 /* SIGN, TERNARY, GROUP_SIGN, MASKED_SIGN */
} sgn_stage_step;

typedef struct {
    sgn_stage_step step[SGN_MAX_CHAINS][SGN_MAX_STAGES];
    int            count[SGN_MAX_CHAINS], chains;
    const float   *row_v;                      /* (in): x . row_v is added to every output; NULL: nothing is */
    const float   *bias;                       /* (out) or NULL */
    int64_t        in, out, widest;            /* widest: of what passes between stages */
    float          eps;                        /* of NORM */
    bool           int8;                       /* what enters products with signs is rounded to 8 bits per row */
} sgn_stages;

/* Checks the chains and prepares them, from `a`; on a measuring arena only sizes are counted.
 * The lowered layer must outlive it. `layer` names it in messages; what cannot run is SGN_UNSUPPORTED. */
sgn_status sgn_stages_init(sgn_stages *s, const sgn_lowered *l, int64_t in, int64_t out, double eps, bool int8,
                           const char *layer, sgn_arena *a, sgn_error *err);
/* Floats of `work` for m rows or fewer; it starts on a cache line. */
int64_t    sgn_stages_work(const sgn_stages *s, int64_t m);
/* x (m, in), y (m, out); over all threads. */
void       sgn_stages_run(const sgn_stages *s, const float *x, int64_t m, float *y, float *work);
/* Up to SGN_GEMV_TOGETHER layers of the same x; where each is one product with signs and m is small, threads start once.
 * work: sgn_stages_work_all. */
void       sgn_stages_run_all(const sgn_stages *s, int count, const float *x, int64_t m, float *const *y, float *work);
int64_t    sgn_stages_work_all(const sgn_stages *s, int count, int64_t m);
/* Does the layer compute W x + bias with some matrix W? */
bool       sgn_lowered_is_linear(const sgn_lowered *l);

#endif
