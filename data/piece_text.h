/* piece_text.h - byte-level pieces as text: one printable character per byte, by GPT-2's table.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_PIECE_TEXT_H
#define SGN_DATA_PIECE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include "data/vocabulary.h"

enum { SGN_PIECE_TEXT = 2 * SGN_PIECE_MAX + 1 };   /* two bytes per character at most, and a NUL */

void sgn_piece_write(const char *bytes, size_t n, char out[SGN_PIECE_TEXT]);
/* false for a character that stands for no byte, a piece that is empty or too long. */
bool sgn_piece_read(const char *text, size_t size, char bytes[SGN_PIECE_MAX], size_t *n);

#endif
