/* base64.h - bytes as text and back (RFC 4648, section 4).
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_BASE64_H
#define SGN_CORE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NUL-terminated and malloc'd; NULL: no memory. */
char *sgn_base64_write(const void *data, size_t size);
/* Bytes of `size` characters to out, which has room for size / 4 * 3; false where it is not base64 with its padding. */
bool  sgn_base64_read(const char *text, size_t size, uint8_t *out, size_t *n);

#endif
