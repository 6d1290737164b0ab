/* runtime.h - runs a lowered model: prefill in batches, then token by token with a KV cache.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_RUNTIME_H
#define SGN_EXPORT_RUNTIME_H

#include "core/dtype.h"
#include "model/lowered_model.h"

typedef struct sgn_runtime sgn_runtime;

typedef struct {
    int64_t context;               /* most positions held */
    int64_t batch;                 /* most tokens of one call */
    sgn_dtype cache;               /* of keys and values: SGN_DTYPE_F32, or SGN_DTYPE_F16 in half the memory; 0: F32 */
    bool int8;                     /* activations entering products with signs are rounded to 8 bits per token */
} sgn_runtime_options;

/* The model must outlive it. */
sgn_status sgn_runtime_open(sgn_runtime **r, const sgn_lowered_model *m, const sgn_runtime_options *o, sgn_error *err);
void       sgn_runtime_close(sgn_runtime *r);
void       sgn_runtime_reset(sgn_runtime *r);                      /* position 0 again */
/* Forgets what is at `position` and behind it; what is before stays, so a common beginning is run once. */
void       sgn_runtime_truncate(sgn_runtime *r, int64_t position);
int64_t    sgn_runtime_position(const sgn_runtime *r);
/* Appends count tokens (<= batch); hidden states after the final norm, (count, dim), valid until the next call. */
sgn_status sgn_runtime_hidden(sgn_runtime *r, const int32_t *tokens, int64_t count, const float **hidden, sgn_error *err);
/* Logits (vocab) of one hidden state. */
void       sgn_runtime_logits(sgn_runtime *r, const float *hidden, float *logits);
/* Sum of -log p(target) in nats over `count` positions, head and softmax in chunks; each[i] if not NULL. */
sgn_status sgn_runtime_nll(sgn_runtime *r, const float *hidden, const int32_t *target, int64_t count,
                           double *sum, float *each, sgn_error *err);
size_t     sgn_runtime_cache_bytes(const sgn_runtime *r);          /* keys and values of a full context */
size_t     sgn_runtime_bytes(const sgn_runtime *r);

#endif
