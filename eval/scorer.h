/* scorer.h - log-likelihoods of requests by a model; what they have in common is run once.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EVAL_SCORER_H
#define SGN_EVAL_SCORER_H

#include "eval/requests.h"
#include "model/lowered_model.h"

typedef struct sgn_scorer sgn_scorer;
/* For requests that read at most `longest` ids; int8 as sgn_runtime_options has it. The model must outlive it. */
sgn_status sgn_scorer_open(sgn_scorer **s, const sgn_lowered_model *m, int64_t longest, bool int8, sgn_error *err);
void       sgn_scorer_close(sgn_scorer *s);
/* ll[i]: sum of log p over the scored ids of q[i]; greedy[i] (may be NULL): whether each of them is the likeliest. Equal requests
 * get equal numbers, whatever was scored before. */
sgn_status sgn_scorer_run(sgn_scorer *s, const sgn_request *q, int count, double *ll, bool *greedy, sgn_error *err);
int64_t    sgn_scorer_tokens(const sgn_scorer *s);     /* run so far */

#endif
