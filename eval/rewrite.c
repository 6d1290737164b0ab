/* SPDX-License-Identifier: MIT */
#include "eval/rewrite.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "data/unicode.h"
#include "data/utf8.h"

/* Bytes of the white character at the start, 0 where there is none. Python counts the separators U+001C to U+001F in. */
static size_t white(const char *text, const char *end) {
    uint32_t cp;
    if (text >= end) return 0;
    if ((unsigned char)*text < 0x80) return *text == ' ' || (*text >= '\t' && *text <= '\r') || (*text >= 0x1C && *text <= 0x1F);
    const int n = sgn_utf8_char(text, (size_t)(end - text), &cp);
    return n && sgn_unicode_class(cp) & SGN_SPACE ? (size_t)n : 0;
}

const char *sgn_skip_white(const char *text, const char *end) {
    for (size_t n; (n = white(text, end));) text += n;
    return text;
}

const char *sgn_trim_white(const char *text, const char *end) {
    while (end > text) {
        const char *at = end - 1;
        while (at > text && ((unsigned char)*at & 0xC0) == 0x80) at--;
        if (white(at, end) != (size_t)(end - at)) break;
        end = at;
    }
    return end;
}

size_t sgn_count_white(const char *text) {
    const char *end = text + strlen(text);
    size_t runs = 0;
    while (text < end) {
        const char *after = sgn_skip_white(text, end);
        runs += after > text;
        text = after + (after < end);
    }
    return runs;
}

size_t sgn_count_characters(const char *text) {
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

void sgn_strip(char *text) {
    const char *end = text + strlen(text), *begin = sgn_skip_white(text, end);
    const size_t n = (size_t)(sgn_trim_white(begin, end) - begin);
    memmove(text, begin, n);
    text[n] = '\0';
}

void sgn_replace(char *text, const char *what, const char *by) {
    const size_t n = strlen(what), m = strlen(by);
    char *to = text;
    const char *at = text;
    for (const char *hit; (hit = strstr(at, what)); at = hit + n) {
        memmove(to, at, (size_t)(hit - at));
        to += hit - at;
        memcpy(to, by, m);
        to += m;
    }
    memmove(to, at, strlen(at) + 1);
}

sgn_status sgn_growing_put(sgn_growing *g, const char *text, size_t size, sgn_error *err) {
    if (size >= g->room - g->size) {
        const size_t room = 2 * (g->size + size) + 64;
        char *grown = realloc(g->text, room);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for %zu bytes of text", room);
        g->text = grown;
        g->room = room;
    }
    if (size) memcpy(g->text + g->size, text, size);
    g->size += size;
    g->text[g->size] = '\0';
    return SGN_OK;
}
