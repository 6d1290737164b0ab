/* trie.h - byte strings by their prefixes: which of them begin at a place of a text.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_TRIE_H
#define SGN_DATA_TRIE_H

#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

typedef struct {
    uint64_t *slot;            /* hash of (node, byte) -> child: node << 36 | byte << 28 | child; 0: free */
    uint32_t  slots;           /* a power of two, at most half of them taken */
    uint32_t  nodes, room;     /* node 0 is the root */
    int32_t  *id;              /* (room) of the string that ends at a node, -1: none */
    uint32_t  first[256];      /* children of the root */
} sgn_trie;                    /* start zeroed */

/* A string that is there already gets the new id. */
sgn_status sgn_trie_add(sgn_trie *t, const char *bytes, size_t n, int32_t id, sgn_error *err);
void       sgn_trie_free(sgn_trie *t);

static inline uint64_t sgn_trie_key(uint32_t node, unsigned char byte) { return (uint64_t)node << 8 | byte; }

/* The child of a node by a byte, 0: none. The trie has a string. */
static inline uint32_t sgn_trie_step(const sgn_trie *t, uint32_t node, unsigned char byte) {
    if (node == 0) return t->first[byte];
    const uint64_t key = sgn_trie_key(node, byte);
    for (uint32_t i = (uint32_t)(key * 0x9E3779B97F4A7C15u >> 32) & (t->slots - 1); t->slot[i]; i = (i + 1) & (t->slots - 1))
        if (t->slot[i] >> 28 == key) return (uint32_t)(t->slot[i] & 0xFFFFFFF);
    return 0;
}

/* Bytes of the longest string that begins `text`, 0: none; its id in *id. */
size_t sgn_trie_longest(const sgn_trie *t, const char *text, size_t size, int32_t *id);

#endif
