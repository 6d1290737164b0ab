/* coded.h - masked signs as files hold them and few rows of x are multiplied with them: one code of few bits for each group of M columns.
 *
 *     1:M   log2 M bits of position, then a bit of sign            3, 4 or 5 bits for M = 4, 8, 16
 *     2:8   4 (b (b - 1)/2 + a) + 2 sign_b + sign_a, a < b         7 bits, 112 .. 127 stand for nothing
 *
 * Sign 1 is +1. Code q of a row is bits [q bits, (q + 1) bits) of its bytes, bit n being bit n % 8 of byte n / 8; rows begin at whole
 * bytes, bits behind the last code are 0. Where the columns end inside a group, all codes point at columns that are there, but for the
 * second of 2:8 where there is only one: that is +1 at position 1. So there is one way to write a matrix.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_CODED_H
#define SGN_CORE_CODED_H

#include <stdbool.h>
#include "core/bits.h"

typedef struct {
    sgn_code       code;           /* 1:4 .. 2:8 */
    int64_t        rows, cols;
    const uint8_t *byte;           /* (rows, sgn_coded_stride); NULL: there is none */
} sgn_coded;

int     sgn_coded_bits(sgn_code code);                         /* of a code; 0: signs that have none */
int64_t sgn_coded_groups(sgn_code code, int64_t cols);
int64_t sgn_coded_stride(sgn_code code, int64_t cols);         /* bytes of a row */
/* Rows [begin, end) of planes to codes. */
void    sgn_coded_pack(sgn_code code, const sgn_plane *sign, const sgn_plane *mask, int64_t begin, int64_t end, uint8_t *to);
/* And back: rows [begin, end) of both planes, whose words are overwritten. */
void    sgn_coded_unpack(const sgn_coded *c, int64_t begin, int64_t end, const sgn_plane *sign, const sgn_plane *mask);
/* Is every row one that sgn_coded_pack writes? The first that is not, or -1. */
int64_t sgn_coded_check(const sgn_coded *c);
/* Group g of row i: positions that are kept in the low 16 bits, those of +1 in the high. */
uint32_t sgn_coded_at(const sgn_coded *c, int64_t i, int64_t g);

#endif
