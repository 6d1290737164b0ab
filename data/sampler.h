/* sampler.h - which window of the corpus a row reads: a pure function of (seed, step).
 *
 * The corpus of n tokens is cut into W = floor((n-1) / seq) windows; window k holds the
 * seq+1 tokens k*seq .. k*seq+seq, so neighbours share one token and every token but the
 * first is a target once. Row r of micro-step s is sample i = s*batch + r, of epoch
 * e = floor(i / W); it reads
 *     sequential: window i mod W
 *     shuffled:   window pi_e(i mod W), pi_e a permutation keyed by (seed, e),
 * so each epoch shows every window exactly once and epochs follow without a gap.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_SAMPLER_H
#define SGN_DATA_SAMPLER_H

#include <stdint.h>
#include "core/status.h"

typedef enum { SGN_ORDER_SHUFFLED, SGN_ORDER_SEQUENTIAL } sgn_order;

typedef struct {
    uint64_t  tokens;          /* in the corpus */
    int       seq, batch;      /* tokens per row, rows per micro-step */
    sgn_order order;
    uint64_t  seed;
} sgn_sampler;

sgn_status sgn_sampler_check(const sgn_sampler *s, sgn_error *err);   /* at least one window */
uint64_t   sgn_sampler_windows(const sgn_sampler *s);
uint64_t   sgn_sampler_window(const sgn_sampler *s, uint64_t step, int row);
static inline uint64_t sgn_sampler_first(const sgn_sampler *s, uint64_t window) {
    return window * (uint64_t)s->seq;          /* first token of a window */
}

#endif
