/* SPDX-License-Identifier: MIT */
#include "core/base64.h"

#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *sgn_base64_write(const void *data, size_t size) {
    const uint8_t *from = data;
    char *text = size < SIZE_MAX / 2 ? malloc((size + 2) / 3 * 4 + 1) : NULL, *to = text;
    if (!text) return NULL;
    for (size_t i = 0; i < size; i += 3) {
        const size_t n = size - i < 3 ? size - i : 3;
        const uint32_t x = (uint32_t)from[i] << 16 | (n > 1 ? (uint32_t)from[i + 1] << 8 : 0) | (n > 2 ? from[i + 2] : 0);
        for (size_t k = 0; k < 4; k++) *to++ = k <= n ? digits[x >> (18 - 6 * k) & 63] : '=';
    }
    *to = '\0';
    return text;
}

static int digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool sgn_base64_read(const char *text, size_t size, uint8_t *out, size_t *n) {
    *n = 0;
    if (size % 4) return false;
    for (size_t i = 0; i < size; i += 4) {
        const bool end = i + 4 == size;
        const size_t have = end && text[i + 3] == '=' ? text[i + 2] == '=' ? 2 : 3 : 4;
        uint32_t x = 0;
        for (size_t k = 0; k < 4; k++) {
            const int d = k < have ? digit(text[i + k]) : 0;
            if (d < 0) return false;
            x = x << 6 | (uint32_t)d;
        }
        for (size_t k = 0; k + 1 < have; k++) out[(*n)++] = (uint8_t)(x >> (16 - 8 * k));
    }
    return true;
}
