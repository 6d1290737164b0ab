/* corpus_split.h - OUT/train and OUT/valid written side by side; they appear together.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_CORPUS_SPLIT_H
#define SGN_DATA_CORPUS_SPLIT_H

#include <stdbool.h>
#include "core/file.h"
#include "data/shard.h"
#include "data/tokenizer.h"

typedef struct {               /* start zeroed */
    sgn_staging          stage;
    sgn_shard_options    options;
    const sgn_tokenizer *tokenizer;    /* may be NULL */
    double               fraction;     /* for validation */
    sgn_shard_writer    *set[2];       /* train, valid */
    uint64_t             tokens[2];
    uint64_t             documents[2]; /* counted anew for the tail */
} sgn_split;

sgn_status sgn_split_open(sgn_split *s, const char *out, bool replace, const sgn_shard_options *o,
                          const sgn_tokenizer *tokenizer, double fraction, sgn_error *err);
sgn_status sgn_split_put(sgn_split *s, bool valid, const int32_t *ids, size_t count, sgn_error *err);
void       sgn_split_count(sgn_split *s, bool valid, uint64_t documents, uint64_t text_bytes);
/* Where validation got less than half or more than twice its fraction of the tokens, it gets the
 * last ones of all instead: of train, then valid, in the order they were put. */
sgn_status sgn_split_close(sgn_split *s, uint64_t *train_tokens, uint64_t *valid_tokens, sgn_error *err);
void       sgn_split_abandon(sgn_split *s);

#endif
