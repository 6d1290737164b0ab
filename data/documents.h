/* documents.h - where the documents of packed windows begin, so that none sees another.
 *
 *     first_i = the position after the last end before i, 0 where none is;   target_i = -1 where token i is an end
 *
 * An end belongs to its document, whose last target it is. What follows it, the next document's first
 * token, is unforeseeable and is nobody's target. A window's first document may have begun before it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_DOCUMENTS_H
#define SGN_DATA_DOCUMENTS_H

#include "data/shard.h"

/* tokens, first, targets (batch, seq); eot: the id that ends a document. */
void sgn_documents_mark(const int32_t *tokens, int64_t batch, int64_t seq, int32_t eot, int32_t *first, int32_t *targets);

/* The id that ends the documents of a set: `given`, or where that is negative what the set's tokenizer says. `asker` and
 * `setting` name what wants it and where to give it. */
sgn_status sgn_documents_eot(const sgn_shards *s, int64_t given, const char *asker, const char *setting, int32_t *eot, sgn_error *err);

#endif
