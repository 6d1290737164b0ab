/* linear.h - a linear layer, of whatever kind. Rows: model/linears.def.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_LINEAR_H
#define SGN_MODEL_LINEAR_H

#include "core/ops.h"
#include "core/params.h"
#include "model/lowered.h"
#include "model/model_config.h"

typedef struct sgn_linear      sgn_linear;
typedef struct sgn_linear_kind sgn_linear_kind;

enum { SGN_LINEAR_NODES = 8 };     /* most tape nodes of one forward, bias included */

struct sgn_linear {
    const sgn_linear_kind *kind;
    sgn_params *params;
    int64_t     in, out;
    int         p[10];             /* parameter indices, named by the kind's enum; -1: absent */
    int         bias;              /* index, -1: none */
    const sgn_model_config *config;
};

struct sgn_linear_kind {
    const char *name;              /* the word in a preset: "fbi" */
    const char *summary;           /* one line for help and docs */
    /* Declares the parameters under `path` ("model.layers.0.mlp.up_proj"). */
    sgn_status (*declare)(sgn_linear *l, const char *path, sgn_error *err);
    sgn_tensor *(*forward)(const sgn_linear *l, sgn_tape *t, sgn_tensor *x);    /* without the bias */
    /* Derived parameters (scales) from the weight (out, in) that is already in place. */
    void       (*derive)(sgn_linear *l);                                        /* NULL: none */
    /* Views of the current parameters. */
    sgn_status (*lower)(const sgn_linear *l, sgn_lowered *out, sgn_error *err);
};

const sgn_linear_kind *sgn_linear_kind_find(const char *name);
const sgn_linear_kind *sgn_linear_kind_at(int i);                               /* NULL past the end */
sgn_status             sgn_linear_kind_check(const char *name, const char *setting, sgn_error *err);      /* says which there are */

sgn_status  sgn_linear_declare(sgn_linear *l, sgn_params *p, const sgn_model_config *c, const char *kind,
                               const char *path, int64_t in, int64_t out, bool bias, sgn_error *err);
sgn_tensor *sgn_linear_forward(const sgn_linear *l, sgn_tape *t, sgn_tensor *x);
/* Scales from the weight, after it was drawn or read. Nothing, like lowering, for a layer that was not declared. */
void        sgn_linear_derive(sgn_linear *l);
sgn_status  sgn_linear_lower(const sgn_linear *l, sgn_lowered *out, sgn_error *err);
/* For kinds: declares latent PATH.NAME with the config's estimator, else `own`. */
sgn_status  sgn_linear_latent(sgn_linear *l, const char *path, const char *name, sgn_shape shape, sgn_code code,
                              sgn_estimator own, int *index, sgn_error *err);
/* model.estimator is auto: the kind does as its paper. */
bool        sgn_linear_own_estimator(const sgn_linear *l);
/* A parameter's tensor, NULL for index -1. */
sgn_tensor *sgn_linear_param(const sgn_linear *l, int index);

#endif
