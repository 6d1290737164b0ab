/* corpus_plan.h - what is to be tokenized and how, the same for every process that takes part.
 *
 * The inputs are cut into parts: consecutive files until they have part_bytes (as stored). Part p numbers
 * its documents from p on, for the split: document d is for validation where floor((d+1) f) > floor(d f).
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_CORPUS_PLAN_H
#define SGN_DATA_CORPUS_PLAN_H

#include "core/digest.h"
#include "data/corpus.h"
#include "data/shard.h"
#include "data/text_inputs.h"

typedef struct { int first, count; } sgn_corpus_slice;         /* of the inputs */
typedef struct { uint64_t bytes; int64_t changed; } sgn_corpus_file;   /* mtime in ns */

typedef struct {                           /* start zeroed */
    const sgn_corpus_options *options;
    sgn_shard_options shards;
    uint32_t          vocab;
    int32_t           eot;                 /* -1: none is written */
    int32_t           unknown;             /* id of the unknown piece; -1: none */
    sgn_inputs        inputs;
    sgn_corpus_file  *file;                /* (inputs.count) */
    sgn_corpus_slice *slice;               /* (parts) */
    int               parts;
    bool              stream;              /* standard input is among them: nothing can go on later */
    char             *text;                /* plan.json */
    sgn_digest        digest;              /* of it */
} sgn_corpus_plan;

sgn_status sgn_corpus_plan_make(sgn_corpus_plan *p, const sgn_corpus_options *o, sgn_error *err);
void       sgn_corpus_plan_free(sgn_corpus_plan *p);
/* Fails where the plan stored at `path` is another one, naming the first thing that differs. */
sgn_status sgn_corpus_plan_compare(const sgn_corpus_plan *p, const char *path, sgn_error *err);
/* The files of a part are still as they were. */
sgn_status sgn_corpus_plan_unchanged(const sgn_corpus_plan *p, int part, sgn_error *err);

#endif
