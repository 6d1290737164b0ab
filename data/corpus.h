/* corpus.h - from text files to shards: the work of `signum tokenize`.
 *
 *     files - documents - tokenizer (in parallel, order kept) - OUT.parts/part-00000 .. - OUT/train, OUT/valid
 *
 * Several processes may work at the same OUT, on one machine or many; a stopped one's place is taken by the
 * next call. What comes out does not depend on any of this, nor on the number of threads.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_CORPUS_H
#define SGN_DATA_CORPUS_H

#include <stdbool.h>
#include <stdint.h>
#include "core/status.h"
#include "data/jsonl.h"
#include "data/text.h"
#include "data/tokenizer.h"

typedef struct {
    uint64_t files, parts, documents, bytes;   /* bytes of text */
    uint64_t duplicates, duplicate_bytes;  /* documents left out, not counted otherwise */
    uint64_t invalid_bytes;                /* that are not UTF-8; kept */
    sgn_bad_lines bad;                     /* text.skip_bad: documents that could not be read, not counted otherwise */
    uint64_t unknown_ids;                  /* of the unknown piece: text that the tokenizer cannot say; duplicates too */
    uint64_t tokens, train_tokens, valid_tokens;
    double   seconds;                      /* of this call */
    double   work_seconds;                 /* of tokenizing, summed over processes and calls */
    uint64_t read_bytes, total_bytes;      /* of the files, as stored; total 0: unknown */
    bool     unchanged;                    /* the output was there already, made from the same */
} sgn_corpus_report;

typedef struct {
    const char *const   *inputs;
    int                  input_count;
    const sgn_tokenizer *tokenizer;        /* may be NULL for ids */
    int                  ids_width;        /* 2 or 4: inputs are raw little-endian ids; 0: text or jsonl */
    uint32_t             vocab;            /* of ids without a tokenizer */
    sgn_text_options     text;
    double               valid;            /* fraction for validation, [0, 1) */
    bool                 no_eot;           /* no <|endoftext|> after each document */
    uint64_t             shard_tokens;     /* as sgn_shard_options */
    int                  level;
    uint64_t             part_bytes;       /* of input files (as stored) that make a part; 0: 256 MiB */
    bool                 dedupe;           /* of equal documents (the same ids) only the first stays */
    bool                 replace;          /* an existing output */
    bool                 restart;          /* discard the parts of an earlier call */
    /* May be NULL; called between rounds, false stops with SGN_INTERRUPTED. */
    bool               (*progress)(void *ctx, const sgn_corpus_report *so_far);
    void                *ctx;
} sgn_corpus_options;

/* Validation gets every (1/valid)-th document; where that would be less than half or more than
 * twice the fraction (few or uneven documents), the last tokens of the corpus instead. */
sgn_status sgn_corpus_build(const char *out, const sgn_corpus_options *o, sgn_corpus_report *report, sgn_error *err);

#endif
