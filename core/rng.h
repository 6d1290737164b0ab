/* rng.h - random numbers without state: value = f(seed, stream, index).
 * Order, thread count and rank count cannot change a run, and nothing has to be
 * saved. The mixing function is Philox-4x32-10 (Salmon et al., SC'11).
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_RNG_H
#define SGN_CORE_RNG_H

#include <stdint.h>

/* 64 uniform bits. `stream` names the use (hash it from a name with
 * sgn_rng_stream), `index` counts within it. */
uint64_t sgn_rng_bits(uint64_t seed, uint64_t stream, uint64_t index);
uint64_t sgn_rng_stream(const char *name);
double   sgn_rng_uniform(uint64_t seed, uint64_t stream, uint64_t index);  /* [0, 1) */
double   sgn_rng_normal(uint64_t seed, uint64_t stream, uint64_t index);   /* N(0, 1), Box-Muller */

/* A keyed permutation of 0..n-1 (a Feistel network, cycle-walking): image of i. */
uint64_t sgn_rng_permute(uint64_t seed, uint64_t stream, uint64_t n, uint64_t i);

#endif
