/* rewrite.h - text changed in place as Python's str methods do it: strip, replace, and what is white space.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EVAL_REWRITE_H
#define SGN_EVAL_REWRITE_H

#include <stddef.h>
#include "core/status.h"

/* The first character of [text, end) that is no white space (str.isspace), and the end of the last. */
const char *sgn_skip_white(const char *text, const char *end);
const char *sgn_trim_white(const char *text, const char *end);
size_t      sgn_count_white(const char *text);         /* runs of white space */
size_t      sgn_count_characters(const char *text);    /* code points */
void        sgn_strip(char *text);
/* All, from the left, none twice; `by` is no longer than `what`. */
void        sgn_replace(char *text, const char *what, const char *by);

/* Text that grows; start zeroed, free(text). NUL-terminated once something was put. */
typedef struct { char *text; size_t size, room; } sgn_growing;
sgn_status  sgn_growing_put(sgn_growing *g, const char *text, size_t size, sgn_error *err);

#endif
