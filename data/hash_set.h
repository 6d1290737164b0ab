/* hash_set.h - a set of 128-bit hashes of known greatest size: 24 bytes for each.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_HASH_SET_H
#define SGN_DATA_HASH_SET_H

#include <stdbool.h>
#include "core/digest.h"

typedef struct {               /* start zeroed */
    sgn_hash128 *slot;         /* (room) zero: free */
    uint64_t     room;
} sgn_hash_set;

sgn_status sgn_hash_set_init(sgn_hash_set *s, uint64_t most, sgn_error *err);
bool       sgn_hash_set_add(sgn_hash_set *s, sgn_hash128 h);       /* false: it was there */
void       sgn_hash_set_free(sgn_hash_set *s);

#endif
