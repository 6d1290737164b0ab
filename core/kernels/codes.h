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

/* Three columns with t in {-1, 0, +1}: v = t0 + 3 t1 + 9 t2 goes from -13 to 13; |v|, plus 16 where v < 0. */
static inline unsigned trits_code(uint64_t sign, uint64_t mask) {
    const uint64_t sums = 0x0D0C0A0904030100u;     /* byte b: sum of 3^l over the bits l of b */
    const int plus = (int)(sums >> 8 * (sign & mask & 7) & 15), minus = (int)(sums >> 8 * (~sign & mask & 7) & 15);
    return plus >= minus ? (unsigned)(plus - minus) : (unsigned)(minus - plus) | 16;
}

/* The first kept column of `of`, plus `of` where its sign is minus. Where none is kept, the last: in a last
 * group of few columns that is one of those beyond the end, where x is 0. */
static inline unsigned kept_code(uint64_t sign, uint64_t mask, int of) {
    const int at = __builtin_ctzll(mask | (uint64_t)1 << (of - 1));
    return (unsigned)at | (sign >> at & 1 ? 0 : (unsigned)of);
}
static inline uint64_t without_first(uint64_t mask, int of) {
    mask &= ~(uint64_t)0 >> (64 - of);
    return mask & (mask - 1);
}

#endif
