/* SPDX-License-Identifier: MIT */
#include "data/trie.h"

#include <stdlib.h>
#include <string.h>

enum { NODES_MAX = 1 << 28 };

static void put(uint64_t *slot, uint32_t slots, uint64_t entry) {
    uint32_t i = (uint32_t)((entry >> 28) * 0x9E3779B97F4A7C15u >> 32) & (slots - 1);
    while (slot[i]) i = (i + 1) & (slots - 1);
    slot[i] = entry;
}

static sgn_status grow(sgn_trie *t, sgn_error *err) {
    if (t->nodes + 1 < t->room) return SGN_OK;
    if (t->room >= NODES_MAX / 2) SGN_FAIL(err, SGN_UNSUPPORTED, "the pieces of a vocabulary have more than %d different prefixes", NODES_MAX / 2);
    const uint32_t room = t->room ? 2 * t->room : 1024, slots = 2 * room;
    int32_t *id = realloc(t->id, room * sizeof *id);
    if (id) t->id = id;
    uint64_t *slot = id ? calloc(slots, sizeof *slot) : NULL;
    if (!slot) SGN_FAIL(err, SGN_NOMEM, "no memory for the %u prefixes of a vocabulary", room);
    for (uint32_t i = 0; i < t->slots; i++)
        if (t->slot[i]) put(slot, slots, t->slot[i]);
    free(t->slot);
    t->slot = slot;
    t->slots = slots;
    t->room = room;
    if (t->nodes == 0) t->id[t->nodes++] = -1;
    return SGN_OK;
}

sgn_status sgn_trie_add(sgn_trie *t, const char *bytes, size_t n, int32_t id, sgn_error *err) {
    uint32_t node = 0;
    for (size_t i = 0; i < n; i++) {
        SGN_TRY(grow(t, err));
        const unsigned char byte = (unsigned char)bytes[i];
        uint32_t child = sgn_trie_step(t, node, byte);
        if (!child) {
            child = t->nodes++;
            t->id[child] = -1;
            if (node == 0) t->first[byte] = child;
            else put(t->slot, t->slots, sgn_trie_key(node, byte) << 28 | child);
        }
        node = child;
    }
    if (node) t->id[node] = id;
    return SGN_OK;
}

size_t sgn_trie_longest(const sgn_trie *t, const char *text, size_t size, int32_t *id) {
    size_t longest = 0;
    uint32_t node = 0;
    for (size_t i = 0; i < size && (node = sgn_trie_step(t, node, (unsigned char)text[i])) != 0; i++)
        if (t->id[node] >= 0) longest = i + 1, *id = t->id[node];
    return longest;
}

void sgn_trie_free(sgn_trie *t) {
    free(t->slot);
    free(t->id);
    *t = (sgn_trie){ 0 };
}
