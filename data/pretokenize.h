/* pretokenize.h - text cut into words, the units that BPE merges inside of, by a pattern.
 * The only file that knows PCRE2; patterns that data/scan.h knows do without.
 *
 * Words are the matches and what lies between them; bytes that are not UTF-8 form words of
 * their own. So concatenated words are the text.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_PRETOKENIZE_H
#define SGN_DATA_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>
#include "core/status.h"

typedef struct sgn_splitter sgn_splitter;      /* for one thread */
/* `pattern` NULL: GPT-2's. */
sgn_status sgn_splitter_open(sgn_splitter **s, const char *pattern, sgn_error *err);
/* The same by PCRE2 also where the pattern is known. */
sgn_status sgn_splitter_open_regex(sgn_splitter **s, const char *pattern, sgn_error *err);
void       sgn_splitter_close(sgn_splitter *s);

/* Begin a text; then words until false. */
void       sgn_splitter_begin(sgn_splitter *s, const char *text, size_t size);
bool       sgn_splitter_next(sgn_splitter *s, const char **word, size_t *n);
bool       sgn_splitter_matched(const sgn_splitter *s);    /* the last word is a match */
/* After the last word: SGN_FORMAT where the pattern needed more memory or time than it may have. */
sgn_status sgn_splitter_end(const sgn_splitter *s, sgn_error *err);

#endif
