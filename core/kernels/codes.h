/* codes.h - bits of a row of S, and of its mask, to the number of a sum in a table.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_CODES_H
#define SGN_CORE_CODES_H

#include <stdint.h>

/* Bits [at, at + count) of a row, count <= 64; zeros beyond its words. */
static inline uint64_t row_bits(const uint64_t *row, int64_t stride, int64_t at, int count) {
    const int64_t word = at / 64, shift = at % 64;
    if (word >= stride) return 0;
    uint64_t v = row[word] >> shift;
    if (shift > 64 - count && word + 1 < stride) v |= row[word + 1] << (64 - shift);
    return v & (~(uint64_t)0 >> (64 - count));
}

/* Below, free of branches and tables, for loops over rows that compilers turn into vectors; bits beyond the columns
 * meant are ignored. */

/* b0 + 3 b1 + 9 b2 */
static inline int64_t trits_sum(uint64_t b) { return (int64_t)((b & 1) + 3 * (b >> 1 & 1) + 9 * (b >> 2 & 1)); }

/* Three columns with t in {-1, 0, +1}: v = t0 + 3 t1 + 9 t2 goes from -13 to 13; |v|, plus 16 where v < 0. */
static inline uint64_t trits_code(uint64_t sign, uint64_t mask) {
    const int64_t v = trits_sum(sign & mask) - trits_sum(~sign & mask), minus = v < 0 ? -1 : 0;
    return (uint64_t)((v ^ minus) - minus) | ((uint64_t)minus & 16);
}

/* The first kept column of `of`, plus `of` where its sign is minus. Where none is kept, the last: in a last
 * group of few columns that is one of those beyond the end, where x is 0. */
static inline uint64_t kept_code(uint64_t sign, uint64_t mask, int of) {
    const uint64_t some = mask | (uint64_t)1 << (of - 1), one = some & (~some + 1);
    uint64_t at = (one & 0xAAAA ? 1 : 0) | (one & 0xCCCC ? 2 : 0);
    if (of > 4) at |= one & 0xF0F0 ? 4 : 0;
    if (of > 8) at |= one & 0xFF00 ? 8 : 0;
    return at | (sign & one ? 0 : (uint64_t)of);
}
static inline uint64_t without_first(uint64_t mask) { return mask & (mask - 1); }

#endif
