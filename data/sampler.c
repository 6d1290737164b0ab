/* SPDX-License-Identifier: MIT */
#include "data/sampler.h"

#include <inttypes.h>
#include "core/rng.h"

sgn_status sgn_sampler_check(const sgn_sampler *s, sgn_error *err) {
    if (s->seq < 1 || s->batch < 1)
        SGN_FAIL(err, SGN_CONFIG, "a batch of %d rows of %d tokens: both must be at least 1", s->batch, s->seq);
    if (s->tokens < (uint64_t)s->seq + 1)
        SGN_FAIL(err, SGN_CONFIG, "%" PRIu64 " tokens make no window of %d and the token after it; use more text or a shorter "
                 "train.seq", s->tokens, s->seq);
    return SGN_OK;
}

uint64_t sgn_sampler_windows(const sgn_sampler *s) { return s->tokens ? (s->tokens - 1) / (uint64_t)s->seq : 0; }

uint64_t sgn_sampler_window(const sgn_sampler *s, uint64_t step, int row) {
    const uint64_t windows = sgn_sampler_windows(s), sample = step * (uint64_t)s->batch + (uint64_t)row;
    const uint64_t epoch = sample / windows, place = sample % windows;
    if (s->order == SGN_ORDER_SEQUENTIAL) return place;
    return sgn_rng_permute(s->seed, sgn_rng_bits(s->seed, sgn_rng_stream("windows"), epoch), windows, place);
}
