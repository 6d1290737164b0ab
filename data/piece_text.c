/* SPDX-License-Identifier: MIT */
#include "data/piece_text.h"

#include "data/utf8.h"

/* Bytes that print in Latin-1 are themselves, the other 68 are U+0100, U+0101, ... in order:
 * 0..32, 127..160, 173. */
static bool prints(uint32_t b) { return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF); }

static uint32_t character(unsigned char b) {
    return prints(b) ? b : b <= 32 ? 256u + b : b <= 160 ? 256u + 33 + b - 127 : 256 + 67;
}

static int byte_of(uint32_t cp) {
    if (cp < 256) return prints(cp) ? (int)cp : -1;
    if (cp > 256 + 67) return -1;
    const int i = (int)cp - 256;
    return i <= 32 ? i : i < 67 ? i - 33 + 127 : 173;
}

void sgn_piece_write(const char *bytes, size_t n, char out[SGN_PIECE_TEXT]) {
    for (size_t i = 0; i < n; i++) out += sgn_utf8_put(out, character((unsigned char)bytes[i]));
    *out = '\0';
}

bool sgn_piece_read(const char *text, size_t size, char bytes[SGN_PIECE_MAX], size_t *n) {
    *n = 0;
    for (size_t i = 0; i < size; (*n)++) {
        uint32_t cp;
        const int k = sgn_utf8_char(text + i, size - i, &cp);
        const int b = k ? byte_of(cp) : -1;
        if (b < 0 || *n == SGN_PIECE_MAX) return false;
        bytes[*n] = (char)b;
        i += (size_t)k;
    }
    return *n > 0;
}
