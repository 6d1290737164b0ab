/* perplexity.h - how well a model predicts a shard set: nats per token, perplexity, bits per byte.
 *
 *     nats per token = sum over windows of -log p(token | the window so far) / tokens
 *     perplexity     = exp(nats per token)
 *     bits per byte  = nats per token * tokens of the set / (ln 2 * bytes of its text)
 *
 * Window k holds the tokens k*seq .. k*seq+seq: seq are read, the seq behind each of them predicted, from an
 * empty context. It is what training reports for its validation set at the same seq.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EVAL_PERPLEXITY_H
#define SGN_EVAL_PERPLEXITY_H

#include <stdbool.h>
#include "data/shard.h"
#include "model/lowered_model.h"

typedef struct {
    int64_t seq;               /* 0: the model's context */
    int64_t windows;           /* the first so many; 0: all */
    /* May be NULL; after each window. false stops with SGN_INTERRUPTED. */
    bool  (*progress)(void *ctx, int64_t done, int64_t windows, double nats_per_token);
    void   *ctx;
    bool    int8;              /* as sgn_runtime_options has it */
} sgn_perplexity_options;

typedef struct {
    double  nats_per_token, perplexity;
    double  bits_per_byte;     /* negative: the set does not say how many bytes its text has */
    int64_t seq, windows, tokens;
    double  seconds, tokens_per_s;
} sgn_perplexity;

sgn_status sgn_perplexity_measure(const sgn_lowered_model *m, sgn_shards *shards, const sgn_perplexity_options *o,
                                  sgn_perplexity *out, sgn_error *err);

#endif
