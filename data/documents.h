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

#include <stdint.h>

/* tokens, first, targets (batch, seq); eot: the id that ends a document. */
void sgn_documents_mark(const int32_t *tokens, int64_t batch, int64_t seq, int32_t eot, int32_t *first, int32_t *targets);

#endif
