/* bpe.h - byte pair encoding of words: which pieces a word becomes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_BPE_H
#define SGN_DATA_BPE_H

#include <stdbool.h>
#include "data/tokenizer.h"
#include "data/vocabulary.h"

typedef struct {
    bool    bytes;             /* pieces are byte strings, and merging starts from bytes; else from characters */
    bool    fallback;          /* a character that is no piece becomes <0xHH> for each byte, where they are pieces, */
    int32_t unk;               /* else this; -1: none */
    bool    fuse_unk;          /* neighbours of that kind become one */
    bool    whole_words;       /* a word that is a piece is that piece, whatever the merges say */
} sgn_bpe_rules;

/* Tables, shared by all threads; the vocabulary stays the caller's, and in its place. */
typedef struct sgn_bpe sgn_bpe;
sgn_status sgn_bpe_open(sgn_bpe **t, const sgn_vocabulary *v, const sgn_bpe_rules *rules, const char *where, sgn_error *err);
void       sgn_bpe_close(sgn_bpe *t);

typedef struct sgn_bpe_encoder sgn_bpe_encoder;    /* one per thread: room, and words met before */
sgn_status sgn_bpe_encoder_open(sgn_bpe_encoder **e, const sgn_bpe *t, sgn_error *err);
void       sgn_bpe_encoder_close(sgn_bpe_encoder *e);
sgn_status sgn_bpe_encode(sgn_bpe_encoder *e, const char *word, size_t n, sgn_ids *out, sgn_error *err);

#endif
