/* binarizer.h - a way to make signs and scales of a trained weight, after training. Rows: binarize/binarizers.def.
 *
 * A binarizer sees one linear layer: its weight and H = 2/T sum_t x_t x_t^T of the T calibration tokens that entered it, so that
 * tr((W - Q) H (W - Q)^T) is twice the mean squared error of its outputs. It fills the parameters of a layer of its kind.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_BINARIZE_BINARIZER_H
#define SGN_BINARIZE_BINARIZER_H

#include "model/linear.h"

typedef struct sgn_binarizer sgn_binarizer;

typedef struct {
    const sgn_binarizer *method;
    int64_t n, m;                      /* stbllm: N of each M consecutive inputs are kept */
    bool    layerwise;                 /* stbllm: N per layer by its outliers (binarize/allocate.h) */
    bool    fixed;                     /* stbllm: the first mask stays; else it is made anew from compensated weights, block by block */
    bool    released;                  /* billm, stbllm: the released code's arithmetic; always dense */
    bool    dense;                     /* billm, stbllm: the result is matrices of numbers instead of zones */
    bool    by_saliency;               /* billm, stbllm: searches minimise the papers' misfit of saliencies, not that of weights */
    double  bits;                      /* littlebit: per weight */
    int64_t paths;                     /* littlebit: 1 or 2 */
} sgn_binarize_options;

typedef struct {
    const sgn_binarize_options *o;
    const char  *path;                 /* "model.layers.0.mlp.up_proj" */
    int64_t      out, in, kept;        /* kept: N of this layer */
    const float *w, *h;                /* (out, in), (in, in) */
} sgn_binarize_layer;

typedef struct {
    double  energy, before, after;     /* tr(D H D^T): D = W, W - row-scaled signs (xnor), W - Q */
    double  squares;                   /* |W - Q|^2 / |W|^2 */
    double  kept, salient;             /* shares: of weights with a sign, of columns (by block) with two */
    double  claimed, stored;           /* bits per weight: as its paper counts, and what its form takes (docs/binarize.md) */
    double  damping;                   /* added to H's diagonal, in means of it */
    int64_t dead, kept_n;              /* inputs that are always 0; N of M, 0: no groups */
} sgn_binarize_report;

struct sgn_binarizer {
    const char *name, *summary;
    const char *kind;                  /* of linear layer that it makes */
    /* SGN_CONFIG where it cannot make such a layer. NULL: it can make all. */
    sgn_status (*check)(const sgn_binarize_options *o, const char *path, int64_t out, int64_t in, sgn_error *err);
    /* Parameters of `to`, the matrix q (out, in) that they stand for, and kept, salient, claimed, stored, damping and dead of r, which is zeroed. */
    sgn_status (*fit)(const sgn_binarize_layer *l, sgn_linear *to, float *q, sgn_binarize_report *r, sgn_error *err);
};

const sgn_binarizer *sgn_binarizer_find(const char *name);
const sgn_binarizer *sgn_binarizer_at(int i);          /* NULL past the end */
/* The kind of linear layer: "full" for a dense result. */
const char *sgn_binarize_kind(const sgn_binarize_options *o);

/* For rows: the parameter X.NAME of a layer with a weight or factor X.*. */
sgn_tensor *sgn_binarize_param(const sgn_linear *to, const char *name);
/* W becomes the latent, its scales are derived. */
void sgn_binarize_copy(const sgn_binarize_layer *l, sgn_linear *to);
/* q_ij = h_i g_j sign(w_ij); NULL: ones. */
void sgn_binarize_outer(const sgn_binarize_layer *l, const float *h, const float *g, float *q);

#endif
