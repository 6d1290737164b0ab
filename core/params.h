/* params.h - all numbers a model learns, by name, in two slabs.
 *
 * The dense slab holds what forward reads as reals. The latent slab holds the
 * full-precision weights behind the signs: forward and backward never read them,
 * they read bit planes, refreshed after each optimizer step. Every whole-model
 * operation is a loop over a slab or over the table of parameters. Matrices of a
 * frozen model may stay in their file instead, in the type that it has.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_PARAMS_H
#define SGN_CORE_PARAMS_H

#include <stdbool.h>
#include "core/bits.h"
#include "core/estimator.h"
#include "core/status.h"
#include "core/tensor.h"

typedef enum {
    SGN_PARAM_MATRIX,          /* full-precision linear weight */
    SGN_PARAM_LATENT,          /* latent behind signs; the only class of the latent slab */
    SGN_PARAM_EMBEDDING,
    SGN_PARAM_HEAD,
    SGN_PARAM_NORM,
    SGN_PARAM_SCALE,           /* alpha and beta of binary layers */
    SGN_PARAM_BIAS,
    SGN_PARAM_DERIVED,         /* what a rule makes of a latent after each update: no gradient, no optimizer, not needed in a file */
    SGN_PARAM_FIXED            /* numbers that stay as they are: no gradient, no optimizer; of a file like any other */
} sgn_param_class;

typedef struct sgn_params sgn_params;

/* What a linear kind asks of a latent beyond the signs of its numbers. */
typedef struct {
    /* Latent at[i] changed and is about to be packed: clips it, sets signs->cut and ->center, fills derived parameters. NULL: nothing. */
    void (*settle)(sgn_params *p, int i);
    /* Gradient rows [begin, end) of at[i], and of its scale, get factors of the kind's own beside the estimator's. NULL: none. */
    void (*estimate)(sgn_params *p, int i, int64_t begin, int64_t end);
} sgn_latent_rule;

static inline bool sgn_param_learns(sgn_param_class c) { return c != SGN_PARAM_DERIVED && c != SGN_PARAM_FIXED; }

enum { SGN_PARAM_NAME = 112 };

typedef struct {
    char            name[SGN_PARAM_NAME];   /* "model.layers.0.mlp.up_proj.weight" */
    sgn_param_class class;
    sgn_code        code;                   /* of a latent; binary unless changed between add and commit. A ternary one's
                                             * tensor.signs->cut is its rule's to set */
    sgn_estimator   estimator;              /* of a latent: its gradient is multiplied by f(w), before norm and clipping */
    const sgn_latent_rule *rule;            /* of a latent, NULL: none; set between add and commit, like the next two */
    int             scale;                  /* index of the parameter that goes with it, for the rule; -1: none */
    double          constant;               /* the rule's own */
    sgn_tensor      tensor;                 /* views into the slabs after commit */
    int64_t         offset;                 /* in its slab, reals; of no meaning where it is stored */
} sgn_param;

typedef struct {
    sgn_real *data, *grad;     /* grad NULL in a frozen model */
    int64_t   count;           /* reals, parameters padded to 16 */
} sgn_slab;

struct sgn_params {
    sgn_param *at;
    int        count, capacity;
    bool       train;          /* with gradients; set before anything is declared */
    bool       warm;           /* linear layers use their latents as plain weights: a full-precision start (model.binary_from_step) */
    uint64_t   seed, step;     /* what stochastic signs are drawn from, for a step from 1; 0: they are not */
    sgn_slab   dense, latent;
    void      *planes;         /* memory of all sgn_signs */
    size_t     planes_bytes;
    sgn_signs *signs;          /* one per latent parameter */
};

/* Declares a parameter (before commit). *index is its place in at[]. */
sgn_status sgn_params_add(sgn_params *p, sgn_param_class class, sgn_shape shape, int *index, sgn_error *err,
                          const char *name, ...) __attribute__((format(printf, 6, 7)));
/* Before commit, in a frozen model, for what forward reads as a matrix (a dense layer, embedding, head): the
 * parameter is read where `s` lies, which must stay as long as p, and takes no part of the slab. */
void       sgn_params_store(sgn_params *p, int index, sgn_stored s);
/* Allocates the slabs, zeroed, and points the tensors into them. Without it the
 * parameters are shapes only, which is all that a dry tape needs. */
sgn_status sgn_params_commit(sgn_params *p, sgn_error *err);
void       sgn_params_free(sgn_params *p);

/* Bytes that commit takes from the system, planes and gradients included. */
size_t     sgn_params_bytes(const sgn_params *p);
size_t     sgn_params_stored_bytes(const sgn_params *p);                 /* what stays in files */
sgn_param *sgn_params_find(const sgn_params *p, const char *name);      /* NULL: none */
sgn_slab  *sgn_params_slab(sgn_params *p, const sgn_param *param);
int64_t    sgn_params_numel(const sgn_params *p);                        /* without padding */
void       sgn_params_zero_grad(sgn_params *p);
/* The estimators' factors, and those of rules, on the gradients of all latents; none while these are plain weights. */
void       sgn_params_estimate(sgn_params *p);
/* Settles latent at[i] and makes its planes and index tables. Returns the number of signs that changed. */
int64_t    sgn_params_repack(sgn_params *p, int i);
/* The same of all latents. Returns the number of signs that changed. */
int64_t    sgn_params_refresh_signs(sgn_params *p);

#endif
