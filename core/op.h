/* op.h - what an operation is: one const descriptor, in one file.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_OP_H
#define SGN_CORE_OP_H

#include <stddef.h>
#include "core/status.h"
#include "core/tensor.h"

enum { SGN_MAX_IN = 4 };

typedef struct sgn_op   sgn_op;
typedef struct sgn_node sgn_node;

struct sgn_node {                 /* one recorded application of an op */
    const sgn_op *op;
    sgn_tensor   *in[SGN_MAX_IN]; /* optional inputs may be NULL */
    sgn_tensor   *out;
    void         *args;           /* the op's own struct, op->args_size bytes */
    void         *saved;          /* what backward needs from forward; not zeroed */
    bool          train;          /* backward will be called */
};

struct sgn_op {
    const char *name;
    int         n_in;
    size_t      args_size;
    /* The only shape check. Sets the shape of the result and the bytes of `saved`;
     * reserves scratch. Reads no data: it also runs on a dry tape. */
    sgn_status (*infer)(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err);
    void (*forward)(const sgn_node *n);
    void (*backward)(const sgn_node *n);   /* in[i]->grad += ..., skipping NULL grads */
    /* If forward is not the function whose derivative backward computes: that
     * function. The case of a sign op has latents of +-1, where sign(w) = w and the
     * straight-through surrogate agrees with forward. NULL: forward itself. */
    void (*smooth)(const sgn_node *n);
};

#endif
