/* sign_stats.h - what the signs of a model do: how many differ between two states, which latents are near the boundary, what the scales are.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EVAL_SIGN_STATS_H
#define SGN_EVAL_SIGN_STATS_H

#include "model/transformer.h"

/* count[i]: values in [low + i width, low + (i+1) width); the outer ones also hold what lies beyond. */
enum { SGN_HISTOGRAM = 60 };
typedef struct { double low, width; int64_t count[SGN_HISTOGRAM]; } sgn_histogram;
void sgn_histogram_put(sgn_histogram *h, double value);
void sgn_histogram_add(sgn_histogram *to, const sgn_histogram *h);

/* Sign planes, and masks, of all latents of a model, in their order. */
typedef struct { uint64_t *word; size_t words; } sgn_sign_copy;
sgn_status sgn_sign_copy_take(sgn_sign_copy *c, const sgn_transformer *m, sgn_error *err);
void       sgn_sign_copy_free(sgn_sign_copy *c);

/* Entries of sign matrices: all; those that differ (in sign, or in being kept); those that both keep, and of them those of one sign. */
typedef struct { int64_t entries, changed, kept, agree; } sgn_sign_change;
double sgn_sign_changed(const sgn_sign_change *c);         /* shares; 0 of nothing */
double sgn_sign_agreed(const sgn_sign_change *c);
void   sgn_sign_change_add(sgn_sign_change *to, const sgn_sign_change *c);

typedef struct {
    int64_t       count, negative, near_zero;  /* near zero: below a tenth of the median magnitude */
    double        least, median, greatest, mean_size;
} sgn_scale_stats;

/* Of one linear layer, all its latents together. */
typedef struct {
    char            name[96];                  /* "model.layers.0.self_attn.q_proj" */
    const char     *module;                    /* "q" */
    int64_t         weights, near;             /* near: |w - center| below `near` times the mean of that */
    double          mean_size;                 /* of |w - center| */
    bool            latent;                    /* sizes differ: not the +-1 of a packed model, which have none */
    sgn_scale_stats alpha, beta;               /* count 0: the kind has none */
    sgn_histogram   size, alphas, betas;       /* |w - center| over its mean; over the layer's median |alpha| */
} sgn_layer_signs;

/* Layers that have signs, and what row i of them is like. */
int        sgn_layer_signs_count(const sgn_transformer *m);
sgn_status sgn_layer_signs_look(const sgn_transformer *m, int i, double near, sgn_layer_signs *l, sgn_error *err);
/* How the signs of that row differ from a copy of a model of the same shape and kinds. */
sgn_sign_change sgn_layer_change(const sgn_transformer *m, int i, const sgn_sign_copy *before);

#endif
