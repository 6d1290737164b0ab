/* tensor.h - a dense, contiguous, row-major array of reals with its gradient.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_TENSOR_H
#define SGN_CORE_TENSOR_H

#include <stdbool.h>
#include <stdint.h>
#include "core/dtype.h"

/* float; double in the `double` build flavour, where gradients are checked by
 * finite differences. Files always hold the type they say. */
#ifdef SGN_DOUBLE
typedef double sgn_real;
#else
typedef float sgn_real;
#endif

/* Reals in memory as a matrix like those in files. */
static inline sgn_stored sgn_stored_reals(const sgn_real *data) {
    return (sgn_stored){ .dtype = sizeof(sgn_real) == sizeof(float) ? SGN_DTYPE_F32 : SGN_DTYPE_F64, .data = data };
}

enum { SGN_MAX_RANK = 3 };

typedef struct {
    int     rank;
    int64_t dim[SGN_MAX_RANK];
} sgn_shape;

typedef struct sgn_signs sgn_signs;    /* core/bits.h */

typedef struct {
    sgn_shape  shape;
    sgn_real  *data;
    sgn_real  *grad;           /* NULL: no gradient wanted */
    sgn_signs *signs;          /* latent weights only: what forward and backward read */
    sgn_stored stored;         /* matrices that stay in their file: read where data is NULL */
    bool       needs_grad;     /* backward must reach it */
    bool       leaf;           /* data and grad belong to the caller; else to the tape,
                                  whose grads appear when backward reaches them */
} sgn_tensor;

/* A matrix, in memory or in its file. */
static inline sgn_stored sgn_tensor_matrix(const sgn_tensor *t) { return t->data ? sgn_stored_reals(t->data) : t->stored; }

static inline sgn_shape sgn_shape1(int64_t a) { return (sgn_shape){ 1, { a } }; }
static inline sgn_shape sgn_shape2(int64_t a, int64_t b) { return (sgn_shape){ 2, { a, b } }; }

static inline int64_t sgn_numel(sgn_shape s) {
    int64_t n = 1;
    for (int i = 0; i < s.rank; i++) n *= s.dim[i];
    return n;
}
static inline bool sgn_same_shape(sgn_shape a, sgn_shape b) {
    if (a.rank != b.rank) return false;
    for (int i = 0; i < a.rank; i++)
        if (a.dim[i] != b.dim[i]) return false;
    return true;
}

/* A shape as text, "(4, 256)", in a buffer the caller holds; returns it. */
typedef struct { char s[64]; } sgn_shape_text;
const char *sgn_shape_print(sgn_shape s, sgn_shape_text *buf);

#endif
