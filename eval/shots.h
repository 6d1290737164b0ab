/* shots.h - few-shot examples as lm-eval draws them: Python's random.Random(1234).sample, once per question, in order.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EVAL_SHOTS_H
#define SGN_EVAL_SHOTS_H

#include "eval/eval_task.h"

/* CPython's random.Random: Mersenne twister 19937, seeded by a number. */
typedef struct { uint32_t state[624]; int at; } sgn_python_random;
void     sgn_python_random_seed(sgn_python_random *r, uint32_t seed);
uint32_t sgn_python_random_bits(sgn_python_random *r, int bits);               /* getrandbits(1..32) */
uint32_t sgn_python_random_below(sgn_python_random *r, uint32_t n);            /* 0 .. n-1, as sample draws them */

/* out[0..k) = indices that Random.sample(list of n, k) takes; SGN_CONFIG where k > n. */
sgn_status sgn_python_random_sample(sgn_python_random *r, uint32_t n, int k, uint32_t *out, sgn_error *err);

/* "context answer\n\n" of `shots` questions of `pool` for `item`, malloc'd in *out. One more is drawn where the task has no test
 * split, so that the item itself can be left out; either way it is left out. */
sgn_status sgn_shots_draw(sgn_python_random *r, const sgn_eval_task *task, const sgn_item_set *pool, const sgn_item *item, int shots,
                          char **out, sgn_error *err);

#endif
