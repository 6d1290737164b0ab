/* sample.h - the next token out of logits: temperature, then the k most probable, then the
 * smallest set of probability p (Holtzman et al. 2020), then one draw.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_SAMPLE_H
#define SGN_EXPORT_SAMPLE_H

#include <stdint.h>
#include "core/status.h"

typedef struct {
    double   temperature;      /* 0: always the most probable, the lowest id of equals */
    int64_t  top_k;            /* 0: all */
    double   top_p;            /* 1: all; counted after top_k, from the most probable down */
    uint64_t seed;
} sgn_sampling;

typedef struct sgn_candidates sgn_candidates;          /* room for one choice */

/* SGN_CONFIG for a temperature below 0, top_k below 0, or top_p outside (0, 1]. */
sgn_status sgn_sampling_check(const sgn_sampling *s, sgn_error *err);
sgn_status sgn_candidates_open(sgn_candidates **c, int64_t vocab, sgn_error *err);
void       sgn_candidates_close(sgn_candidates *c);
/* Draw number `index` of the seed: the same logits, seed and index give the same id. */
int32_t    sgn_sample(const sgn_sampling *s, const float *logits, uint64_t index, sgn_candidates *c);

#endif
