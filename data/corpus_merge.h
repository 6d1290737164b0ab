/* corpus_merge.h - the finished parts as one pair of sets, in the order of the inputs.
 *
 * Shards are linked, not copied. With `dedupe` a document whose hash was seen before, in the order of the
 * inputs, is left out; sets of parts that lose one are written anew. Memory: 24 bytes per document.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_CORPUS_MERGE_H
#define SGN_DATA_CORPUS_MERGE_H

#include "data/corpus_plan.h"
#include "data/corpus_work.h"

/* OUT appears whole, with its report. Validation that got less than half or more than twice its fraction of
 * the tokens gets the last ones instead: of train, then valid. */
sgn_status sgn_corpus_merge(const sgn_corpus_work *w, const sgn_corpus_plan *plan, const char *out, sgn_corpus_report *report,
                            sgn_error *err);

#endif
