/* spm_bpe_tables.h - what SentencePiece's BPE looks up, made once per model.
 *
 * A symbol is a piece, or (from `count` on) a character that only occurs inside pieces.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_SPM_BPE_TABLES_H
#define SGN_DATA_SPM_BPE_TABLES_H

#include "data/spm_bpe.h"
#include "data/trie.h"

typedef struct { int32_t left, right, whole; uint32_t rank; } sgn_spm_pair;     /* left + right is a piece; rank 0 has the highest score */

struct sgn_spm_bpe {
    const sgn_vocabulary *v;
    sgn_spm_fallback fallback;
    sgn_trie      chars;       /* characters of text -> symbol */
    sgn_trie      user;        /* pieces that are taken first and not joined */
    int32_t       ascii[128];  /* the same as chars, -1: none */
    sgn_spm_pair *pair;        /* (slots) hash of (left, right); whole < 0: free */
    uint32_t      slots, pairs;        /* a power of two, at most half of them taken */
    uint16_t     *length;      /* (symbols) bytes in normalized text */
    int32_t       symbols, room;
    bool          has_user, has_unused;
    uint32_t      joined[256][8];      /* bit b of row a: bytes a b may stand side by side in a piece */
};

static inline const sgn_spm_pair *sgn_spm_pair_find(const sgn_spm_bpe *b, int32_t left, int32_t right) {
    const uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    for (uint32_t i = (uint32_t)(key * 0x9E3779B97F4A7C15u >> 32) & (b->slots - 1); b->pair[i].whole >= 0; i = (i + 1) & (b->slots - 1))
        if (b->pair[i].left == left && b->pair[i].right == right) return &b->pair[i];
    return NULL;
}

/* Whether a text can be cut between bytes a and b without a piece being lost. */
static inline bool sgn_spm_cut_here(const sgn_spm_bpe *b, unsigned char first, unsigned char second) {
    return !(b->joined[first][second >> 5] >> (second & 31) & 1);
}

#endif
