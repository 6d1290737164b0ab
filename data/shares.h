/* shares.h - whose turn it is: an exact order of sets by their weights, without a state.
 *
 * The weights are whole numbers w_s after scaling, their sum P the period of the order: set s gets w_s
 * of every P samples. Its n-th sample (from 0) may come at places floor(n P/w_s) to ceil((n+1) P/w_s) - 1;
 * of the sets whose next sample may come now, the one whose time ends first has the turn (equal: the
 * earlier set). Deadlines of unit jobs that fill the time exactly are all met this way (earliest deadline
 * first; Baruah et al. 1996 call the result proportionate fairness), hence after any i samples, of any mix,
 *     | samples of s - i w_s/P | < 1.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_SHARES_H
#define SGN_DATA_SHARES_H

#include <stdint.h>
#include "core/status.h"

enum { SGN_SHARES_MAX = 64, SGN_SHARES_PERIOD = 1 << 20 };

typedef struct { uint32_t number; int32_t set; } sgn_turn;     /* the number-th sample of the set, from 0 */

typedef struct {
    int       count;
    uint32_t  weight[SGN_SHARES_MAX];      /* without a common divisor */
    uint32_t  period;
    sgn_turn *turn;                        /* (period) */
} sgn_shares;

/* Weights are decimals: "0.7", "3". SGN_CONFIG where the least period is above SGN_SHARES_PERIOD. */
sgn_status sgn_shares_init(sgn_shares *s, const char *const *weights, int count, sgn_error *err);
void       sgn_shares_free(sgn_shares *s);
/* Whose sample `sample` is, and which of that set's samples. */
int        sgn_shares_turn(const sgn_shares *s, uint64_t sample, uint64_t *number);
/* How many of the first `samples` are of each set; counts (count). */
void       sgn_shares_count(const sgn_shares *s, uint64_t samples, uint64_t *counts);

#endif
