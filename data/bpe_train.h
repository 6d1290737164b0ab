/* bpe_train.h - learns a byte-level BPE vocabulary from text, the same from the same text always.
 *
 * Ids: byte b is id b, merges follow in the order they were learnt, <|endoftext|> is last.
 * Each merge joins the adjacent pair that is most frequent inside the words of the split
 * pattern; of equally frequent pairs the one with the smaller (left id, right id).
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_BPE_TRAIN_H
#define SGN_DATA_BPE_TRAIN_H

#include <stdbool.h>
#include <stdint.h>
#include "core/status.h"
#include "data/text.h"
#include "data/tokenizer.h"

typedef struct {
    int32_t  vocab;            /* ids wanted, bytes and <|endoftext|> included: >= 257 */
    uint64_t min_count;        /* a pair seen less often is not merged; 0: 2 */
    uint64_t limit;            /* bytes of text to learn from; 0: all */
    const char *split;         /* gpt2, llama3, cl100k, qwen2 or o200k; NULL: gpt2 */
    /* May be NULL; false stops with SGN_INTERRUPTED. */
    bool   (*progress)(void *ctx, const char *stage, double fraction);
    void    *ctx;
} sgn_bpe_options;

/* Fewer ids than wanted (with a warning in the log) where the text has no more pairs. */
sgn_status sgn_bpe_train(sgn_tokenizer **t, sgn_text *text, const sgn_bpe_options *o, sgn_error *err);

#endif
