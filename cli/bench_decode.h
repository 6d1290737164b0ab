/* bench_decode.h - `signum bench decode`: products of few rows with weights that are in no cache, and a whole model's tokens per second.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CLI_BENCH_DECODE_H
#define SGN_CLI_BENCH_DECODE_H

#include "train/run_config.h"

typedef struct {
    const char *model;             /* a model argument, or a preset whose shape gets random weights */
    int64_t     m, n, k;           /* rows of x, 1 to 8; n, k 0: the usual shapes */
    int64_t     tokens, prompt;    /* decoded, and before them read at once; tokens 0: no model */
    int64_t     span;              /* MiB that the copies of a matrix take */
    const char *dense;             /* type of the random embedding and head */
    bool        json;
} sgn_decode_bench;

/* words: KEY=VALUE for a preset. */
sgn_status sgn_bench_decode(const sgn_decode_bench *o, const char *const *words, int count, sgn_error *err);

#endif
