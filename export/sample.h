/* sample.h - the next token out of logits: penalties and biases, temperature, then the k most probable, the smallest set of
 * probability p (Holtzman et al. 2020), those of at least min_p of the most probable one (Nguyen et al. 2024), then one draw.
 * The order is that of Hugging Face's generate().
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_SAMPLE_H
#define SGN_EXPORT_SAMPLE_H

#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

typedef struct { int32_t id; float add; } sgn_bias;

typedef struct {
    double   temperature;      /* 0: always the most probable, the lowest id of equals */
    int64_t  top_k;            /* 0: all */
    double   top_p;            /* 1: all; counted after top_k, from the most probable down */
    uint64_t seed;
    double   min_p;            /* 0: all; after temperature, as a part of the largest probability */
    double   penalty;          /* on tokens that came before (Keskar et al. 2019): z / penalty if z > 0, else z * penalty; 0 or 1: none */
    int64_t  penalty_last;     /* only the last so many tokens count; 0: all */
    double   presence, frequency;      /* z - presence - frequency n of a token that was generated n > 0 times; 0: none */
    const sgn_bias *bias;      /* (biases) added to logits of their ids; ids of no token are passed over */
    int      biases;
} sgn_sampling;

typedef struct sgn_candidates sgn_candidates;          /* room for one choice */

/* log sum exp z, in double. */
double     sgn_log_sum(const float *z, int64_t n);
/* SGN_CONFIG for a temperature, top_k or penalty below 0, top_p outside (0, 1], min_p outside [0, 1], presence, frequency or biases that
 * are no ordinary numbers. */
sgn_status sgn_sampling_check(const sgn_sampling *s, sgn_error *err);
sgn_status sgn_candidates_open(sgn_candidates **c, int64_t vocab, sgn_error *err);
void       sgn_candidates_close(sgn_candidates *c);
/* Of before[count], all but the first `given` were generated: the repetition penalty, once for each id that it counts, then what is added. */
void       sgn_penalize(const sgn_sampling *s, const int32_t *before, size_t count, size_t given, float *logits, sgn_candidates *c);
/* Draw number `index` of the seed: the same logits, seed and index give the same id. */
int32_t    sgn_sample(const sgn_sampling *s, const float *logits, uint64_t index, sgn_candidates *c);

#endif
