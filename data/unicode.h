/* unicode.h - what characters are, and text brought to a normal form. The only file that knows utf8proc.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_UNICODE_H
#define SGN_DATA_UNICODE_H

#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

/* General categories as bits; a character has one of the first line, and may have SPACE besides. */
enum {
    SGN_LU = 1, SGN_LL = 2, SGN_LT = 4, SGN_LM = 8, SGN_LO = 16, SGN_MARK = 32, SGN_NUMBER = 64, SGN_PUNCTUATION = 128,
    SGN_SYMBOL = 256, SGN_SEPARATOR = 512, SGN_CONTROL = 1024, SGN_UNASSIGNED = 2048,
    SGN_SPACE = 4096,          /* White_Space: what \s is outside of PCRE2, which has U+180E besides */
    SGN_NEWLINE = 8192,        /* \r and \n */
    SGN_DIGIT = 16384,         /* Nd */
    SGN_LETTER = SGN_LU | SGN_LL | SGN_LT | SGN_LM | SGN_LO,
};
unsigned sgn_unicode_class(uint32_t cp);
/* The one character that it is in capitals or small letters; itself where that is none or several. */
uint32_t sgn_unicode_upper(uint32_t cp);
uint32_t sgn_unicode_lower(uint32_t cp);

typedef enum { SGN_NFC, SGN_NFD, SGN_NFKC, SGN_NFKD, SGN_LOWERCASE } sgn_normal_form;
/* A malloc'd copy, *n bytes and a NUL; bytes that are not UTF-8 stay as they are. */
sgn_status sgn_unicode_normalize(sgn_normal_form form, const char *text, size_t size, char **out, size_t *n, sgn_error *err);
/* The same: the first character in title case, all others in lower case. */
sgn_status sgn_unicode_capitalize(const char *text, size_t size, char **out, size_t *n, sgn_error *err);

#endif
