/* corpus_part.h - one slice of the inputs, tokenized into a directory of its own.
 *
 *     PART/train, PART/valid    shard sets, where there is something to hold
 *     PART/documents            of each document, in order: hash, tokens, bytes (with --dedupe)
 *     PART/report.json          what was counted
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_CORPUS_PART_H
#define SGN_DATA_CORPUS_PART_H

#include "data/corpus.h"
#include "data/corpus_plan.h"

/* A document as PART/documents has it, all little-endian. Equal hashes: the same ids. */
typedef struct {
    sgn_hash128 hash;
    uint64_t    tokens;        /* its end mark included */
    uint64_t    bytes;         /* of text; the highest bit: it is for validation */
} sgn_document;
enum { SGN_DOCUMENT_SIZE = 32 };
#define SGN_DOCUMENT_VALID (UINT64_C(1) << 63)
#define SGN_DOCUMENTS "documents"

/* *report: of this part; `base`: what was counted before, for progress. The directory appears whole. */
sgn_status sgn_corpus_part(const sgn_corpus_plan *plan, int part, const char *dir, const sgn_corpus_report *base,
                           sgn_corpus_report *report, sgn_error *err);

#endif
