/* corpus_split.h - DIR/train and DIR/valid written side by side; they appear together.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_CORPUS_SPLIT_H
#define SGN_DATA_CORPUS_SPLIT_H

#include <stdbool.h>
#include "core/file.h"
#include "data/shard.h"

extern const char *const sgn_split_role[2];    /* "train", "valid" */

typedef struct {               /* start zeroed */
    sgn_staging       stage;
    sgn_shard_writer *set[2];
    uint64_t          tokens[2];
} sgn_split;

sgn_status sgn_split_open(sgn_split *s, const char *dir, bool replace, const sgn_shard_options *o, bool valid, sgn_error *err);
sgn_status sgn_split_put(sgn_split *s, bool valid, const int32_t *ids, size_t count, sgn_error *err);
/* Of both sets, as sgn_shard_writer_job and _drain. */
void       sgn_split_jobs(sgn_split *s, sgn_job out[2]);
sgn_status sgn_split_drain(sgn_split *s, sgn_error *err);
void       sgn_split_count(sgn_split *s, bool valid, uint64_t documents, uint64_t text_bytes);
/* A set without a token is left out; DIR appears all the same. */
sgn_status sgn_split_close(sgn_split *s, sgn_error *err);
void       sgn_split_abandon(sgn_split *s);

#endif
