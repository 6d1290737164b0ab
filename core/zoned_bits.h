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
/* For kernels: of each number the set's members, bit 4 k + 3 for member k (where M is 0, all 16 columns at [0]); bits of a number, of
 * a group with it (16 columns), bytes of a row. false: there are more than SGN_ZONED_SETS. */
enum { SGN_ZONED_SETS = 128 };
typedef struct { uint64_t kept[SGN_ZONED_SETS]; int number, bits; int64_t stride; } sgn_zoned_sets;
bool       sgn_zoned_bits_sets(const sgn_zoned_bits *z, sgn_zoned_sets *s);
/* Row i as zones and as latents w that have its signs, of the weights' size; false as above. */
bool       sgn_zoned_bits_latents(const sgn_zoned_bits *z, int64_t i, const sgn_real *scale, sgn_real *w, sgn_real *zone);

#endif
