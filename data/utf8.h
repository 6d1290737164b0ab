/* utf8.h - what of a byte string is UTF-8 (RFC 3629: no surrogates, no overlong forms).
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_UTF8_H
#define SGN_DATA_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/json.h"

/* Bytes of the character at the start of text: 1..4, or 0 where none is; the code point in *cp (may be NULL). */
int      sgn_utf8_char(const char *text, size_t size, uint32_t *cp);
/* Bytes of the longest prefix that is UTF-8. */
size_t   sgn_utf8_prefix(const char *text, size_t size);
/* Whether text could be the beginning of a character that is cut off (1..3 bytes). */
bool     sgn_utf8_is_begun(const char *text, size_t size);
uint64_t sgn_utf8_invalid(const char *text, size_t size);      /* bytes that belong to no character */
/* Writes a character; returns its bytes. */
int      sgn_utf8_put(char out[4], uint32_t cp);
/* A malloc'd copy with U+FFFD for each byte that belongs to no character, NUL-terminated. */
sgn_status sgn_utf8_repair(const char *text, size_t size, char **out, size_t *n, sgn_error *err);
/* A JSON string from any bytes, repaired like that; NULL: no memory. */
sgn_json  *sgn_json_new_text(const char *text, size_t size);

#endif
