/* pretokenize.h - text cut into words, the units that BPE merges inside of (GPT-2's pattern).
 * The only file that knows PCRE2.
 *
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * Bytes that are not UTF-8 form words of their own, so that concatenated words are the text.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_PRETOKENIZE_H
#define SGN_DATA_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>
#include "core/status.h"

typedef struct sgn_splitter sgn_splitter;      /* for one thread */
sgn_status sgn_splitter_open(sgn_splitter **s, sgn_error *err);
void       sgn_splitter_close(sgn_splitter *s);

/* Begin a text; then words until false. */
void       sgn_splitter_begin(sgn_splitter *s, const char *text, size_t size);
bool       sgn_splitter_next(sgn_splitter *s, const char **word, size_t *n);

#endif
