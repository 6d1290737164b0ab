/* Open addressing, two thirds full at most: h is looked for from slot h.high mod room on.
 *
 * SPDX-License-Identifier: MIT */
#include "data/hash_set.h"

#include <inttypes.h>
#include <stdlib.h>

sgn_status sgn_hash_set_init(sgn_hash_set *s, uint64_t most, sgn_error *err) {
    *s = (sgn_hash_set){ 0 };
    const uint64_t room = most + most / 2 + 2;
    if (room <= SIZE_MAX / sizeof *s->slot) s->slot = calloc((size_t)room, sizeof *s->slot);
    if (!s->slot) SGN_FAIL(err, SGN_NOMEM, "no memory for the hashes of %" PRIu64 " documents (24 bytes each)", most);
    s->room = room;
    return SGN_OK;
}

bool sgn_hash_set_add(sgn_hash_set *s, sgn_hash128 h) {
    if (!h.low && !h.high) h.low = 1;
    uint64_t i = h.high % s->room;
    for (; s->slot[i].low || s->slot[i].high; i = i + 1 < s->room ? i + 1 : 0)
        if (s->slot[i].low == h.low && s->slot[i].high == h.high) return false;
    s->slot[i] = h;
    return true;
}

void sgn_hash_set_free(sgn_hash_set *s) {
    free(s->slot);
    *s = (sgn_hash_set){ 0 };
}
