/* zoned_bits.h - a matrix of zones (core/ops/zoned_weight.c) as files hold it: which weights are kept, their signs, two bits of a zone each.
 *
 * Row i is a stream of bits, the lowest first. Of each M columns (of each column, where `of` is 0) come the number of the set of the
 * N that are kept among all sets of N of M, in the order of their masks as numbers, in ceil(log2 C(M, N)) bits, and then for each that is
 * kept its sign, 1 for +, and `id` bits: zone - 1, in a salient column the second sign. Where `of` is 0 and `pruned`, ids are zones, 0
 * for what is pruned; in a salient column 1 is - and 2 is +. A bitmap says which columns are salient, for all rows.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_ZONED_BITS_H
#define SGN_CORE_ZONED_BITS_H

#include <stdbool.h>
#include "core/status.h"
#include "core/tensor.h"

typedef struct {
    int64_t        rows, cols;
    int            kept, of, id;       /* N of M, M 4, 8 or 16; of 0: none. Bits of an id, 1 or 2 */
    bool           pruned;
    const uint8_t *byte;               /* (rows, sgn_zoned_bits_stride); NULL: there is none */
    const uint8_t *salient;            /* ((cols + 7) / 8), column j is bit j % 8 */
} sgn_zoned_bits;

int64_t    sgn_zoned_bits_stride(const sgn_zoned_bits *z);
int        sgn_zoned_bits_mask_bits(const sgn_zoned_bits *z);            /* of a group of M */
/* The form that holds these zones (rows, cols) in the fewest bits. SGN_UNSUPPORTED where zone 4 is no matter of columns. */
sgn_status sgn_zoned_bits_form(sgn_zoned_bits *z, const sgn_real *zone, int64_t rows, int64_t cols, const char *name, sgn_error *err);
/* Rows and bitmap of that form, both zeroed. scale (rows, scales) as in sgn_zoned_weight. */
void       sgn_zoned_bits_pack(const sgn_zoned_bits *z, const sgn_real *w, const sgn_real *zone, const sgn_real *scale, uint8_t *byte, uint8_t *salient);
/* The form of `keep`, "N:M", "all" or "any", and of ids of `id` bits, as files name it; false: there is none. */
bool       sgn_zoned_bits_parse(sgn_zoned_bits *z, int64_t rows, int64_t cols, const char *keep, int id);
/* Row i as numbers; false: its bits are none that are written. scale is that of the row. */
bool       sgn_zoned_bits_row(const sgn_zoned_bits *z, int64_t i, const sgn_real *scale, sgn_real *to);
/* For kernels. What is not of sets goes by eights, of the one set that has all 8. false: more than SGN_ZONED_SETS sets, or too long ones. */
enum { SGN_ZONED_SETS = 128, SGN_ZONED_NONE = 29 };
typedef struct {
    int      number, bits;                     /* of a number; of a group with it, <= 25 */
    int64_t  stride;
    uint32_t shift[SGN_ZONED_SETS][16];        /* from where in a group's bits column k's sign and id are; NONE: it is not kept */
    uint8_t  mask[SGN_ZONED_SETS];             /* of 8: the set's columns, by the number and any bits above it */
    /* A column's number by sign + 2 id, in a salient column 8 further: +-scale[size], of both terms the sum, where there. scale[5] is 0. */
    int32_t  size[2][16];
    uint32_t minus[2][16], there[16];          /* bits to flip, bits to keep */
    /* Of 64 columns in groups of 8: byte k of a 64-byte word is the 8 bits from turn[k] on of those of its eight that come from
     * place[]: what is kept one after the other, or a group's number eight times. */
    uint8_t  place[64], turn[64], number_place[64], number_turn[64];
} sgn_zoned_sets;
bool       sgn_zoned_bits_sets(const sgn_zoned_bits *z, sgn_zoned_sets *s);
/* Row i as zones and as latents w that have its signs, of the weights' size; false as above. */
bool       sgn_zoned_bits_latents(const sgn_zoned_bits *z, int64_t i, const sgn_real *scale, sgn_real *w, sgn_real *zone);

#endif
