/* littlebit_rank.h - how many columns two sign factors may have: [r (out + in) + 16 (out + r + in)] bits a path, scales as halves.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_LITTLEBIT_RANK_H
#define SGN_MODEL_LITTLEBIT_RANK_H

#include <stdint.h>

/* The largest multiple of 8 within `bits` per weight; 0: not even 8. */
static inline int64_t sgn_littlebit_rank(int64_t out, int64_t in, double bits, int paths) {
    const double room = bits * (double)out * (double)in / paths - 16 * (double)(out + in);
    return room < 0 ? 0 : (int64_t)(room / (double)(out + in + 16)) / 8 * 8;
}
static inline double sgn_littlebit_bits(int64_t out, int64_t in, int64_t rank, int paths) {
    return paths * (double)(rank * (out + in) + 16 * (out + rank + in)) / ((double)out * (double)in);
}

#endif
