/* pick.h - of a live teacher's predictions the part that a cache keeps.
 *
 *     top      the `count` likeliest classes, of equals the first, and the mass of the others
 *     samples  `count` draws from the distribution: times/count has it as its mean (arXiv 2503.16870, tau = 1)
 * both of softmax(z / temperature). Draws depend on seed, window and position alone.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DISTILL_PICK_H
#define SGN_DISTILL_PICK_H

#include "core/ops.h"
#include "distill/cache.h"

typedef struct { double head, pick; } sgn_pick_times;          /* seconds, added to */

/* What each call may need, outside loops; tokens: of one call at most. */
sgn_status sgn_pick_reserve(const sgn_cache_job *j, const sgn_soft *live, int64_t tokens, sgn_error *err);
/* out (rows * seq, count) and (rows * seq) for the windows that `live` has the hidden states of. */
void       sgn_pick(const sgn_cache_job *j, const sgn_soft *live, int64_t rows, const uint64_t *window,
                    const sgn_cache_record *out, sgn_pick_times *times);

#endif
