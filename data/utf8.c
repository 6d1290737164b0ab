/* SPDX-License-Identifier: MIT */
#include "data/utf8.h"

#include <stdlib.h>
#include <string.h>

/* The lead byte fixes the length and the range of the second byte (RFC 3629, section 4). */
static int lead(unsigned char b, unsigned char *low, unsigned char *high) {
    *low = 0x80;
    *high = 0xBF;
    if (b < 0x80) return 1;
    if (b < 0xC2) return 0;
    if (b < 0xE0) return 2;
    if (b == 0xE0) *low = 0xA0;
    if (b == 0xED) *high = 0x9F;
    if (b < 0xF0) return 3;
    if (b == 0xF0) *low = 0x90;
    if (b == 0xF4) *high = 0x8F;
    return b < 0xF5 ? 4 : 0;
}

/* Bytes of the character at text that are present and right; *want: how many it has. */
static size_t scan(const char *text, size_t size, int *want) {
    const unsigned char *s = (const unsigned char *)text;
    unsigned char low, high;
    *want = size ? lead(s[0], &low, &high) : 0;
    if (*want == 0) return 0;
    size_t n = 1;
    if (*want > 1 && n < size && s[1] >= low && s[1] <= high) n++;
    while (n > 1 && n < (size_t)*want && n < size && (s[n] & 0xC0) == 0x80) n++;
    return n;
}

int sgn_utf8_char(const char *text, size_t size, uint32_t *cp) {
    int want;
    const size_t n = scan(text, size, &want);
    if (want == 0 || n < (size_t)want) return 0;
    if (cp) {
        const unsigned char *s = (const unsigned char *)text;
        *cp = want == 1 ? s[0] : s[0] & (0x7Fu >> want);
        for (int i = 1; i < want; i++) *cp = *cp << 6 | (s[i] & 0x3Fu);
    }
    return want;
}

bool sgn_utf8_is_begun(const char *text, size_t size) {
    int want;
    return size > 0 && scan(text, size, &want) == size && size < (size_t)want;
}

size_t sgn_utf8_prefix(const char *text, size_t size) {
    size_t i = 0;
    for (;;) {
        uint64_t eight;
        while (size - i >= 8 && (memcpy(&eight, text + i, 8), (eight & 0x8080808080808080u) == 0)) i += 8;
        const int n = i < size ? sgn_utf8_char(text + i, size - i, NULL) : 0;
        if (n == 0) return i;
        i += (size_t)n;
    }
}

uint64_t sgn_utf8_invalid(const char *text, size_t size) {
    uint64_t bad = 0;
    for (size_t i = 0;; i++, bad++) {
        i += sgn_utf8_prefix(text + i, size - i);
        if (i == size) return bad;
    }
}

int sgn_utf8_put(char out[4], uint32_t cp) {
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    const int n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, cp >>= 6) out[i] = (char)(0x80 | (cp & 0x3F));
    out[0] = (char)((0xF00u >> n & 0xF0u) | cp);
    return n;
}

sgn_status sgn_utf8_repair(const char *text, size_t size, char **out, size_t *n, sgn_error *err) {
    static const char replacement[] = "\xEF\xBF\xBD";
    char *to = *out = malloc(size * 3 + 1);
    if (!to) SGN_FAIL(err, SGN_NOMEM, "no memory for %zu bytes of text", size * 3 + 1);
    for (size_t i = 0;;) {
        const size_t good = sgn_utf8_prefix(text + i, size - i);
        memcpy(to, text + i, good);
        to += good;
        i += good;
        if (i == size) break;
        memcpy(to, replacement, 3);
        to += 3;
        i++;
    }
    *to = '\0';
    *n = (size_t)(to - *out);
    return SGN_OK;
}

sgn_json *sgn_json_new_text(const char *text, size_t size) {
    char *repaired;
    size_t n;
    if (sgn_utf8_repair(text, size, &repaired, &n, NULL) != SGN_OK) return NULL;
    sgn_json *j = sgn_json_new_string(repaired);
    free(repaired);
    return j;
}
