/* SPDX-License-Identifier: MIT */
#include "data/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include "data/utf8.h"

static unsigned category(uint32_t cp) {
    static const uint16_t bits[] = {
        [UTF8PROC_CATEGORY_CN] = SGN_UNASSIGNED, [UTF8PROC_CATEGORY_LU] = SGN_LU, [UTF8PROC_CATEGORY_LL] = SGN_LL,
        [UTF8PROC_CATEGORY_LT] = SGN_LT, [UTF8PROC_CATEGORY_LM] = SGN_LM, [UTF8PROC_CATEGORY_LO] = SGN_LO,
        [UTF8PROC_CATEGORY_MN] = SGN_MARK, [UTF8PROC_CATEGORY_MC] = SGN_MARK, [UTF8PROC_CATEGORY_ME] = SGN_MARK,
        [UTF8PROC_CATEGORY_ND] = SGN_NUMBER | SGN_DIGIT, [UTF8PROC_CATEGORY_NL] = SGN_NUMBER,
        [UTF8PROC_CATEGORY_NO] = SGN_NUMBER, [UTF8PROC_CATEGORY_PC] = SGN_PUNCTUATION,
        [UTF8PROC_CATEGORY_PD] = SGN_PUNCTUATION, [UTF8PROC_CATEGORY_PS] = SGN_PUNCTUATION,
        [UTF8PROC_CATEGORY_PE] = SGN_PUNCTUATION, [UTF8PROC_CATEGORY_PI] = SGN_PUNCTUATION,
        [UTF8PROC_CATEGORY_PF] = SGN_PUNCTUATION, [UTF8PROC_CATEGORY_PO] = SGN_PUNCTUATION,
        [UTF8PROC_CATEGORY_SM] = SGN_SYMBOL, [UTF8PROC_CATEGORY_SC] = SGN_SYMBOL, [UTF8PROC_CATEGORY_SK] = SGN_SYMBOL,
        [UTF8PROC_CATEGORY_SO] = SGN_SYMBOL, [UTF8PROC_CATEGORY_ZS] = SGN_SEPARATOR,
        [UTF8PROC_CATEGORY_ZL] = SGN_SEPARATOR, [UTF8PROC_CATEGORY_ZP] = SGN_SEPARATOR,
        [UTF8PROC_CATEGORY_CC] = SGN_CONTROL, [UTF8PROC_CATEGORY_CF] = SGN_CONTROL, [UTF8PROC_CATEGORY_CS] = SGN_CONTROL,
        [UTF8PROC_CATEGORY_CO] = SGN_CONTROL,
    };
    return bits[utf8proc_category((utf8proc_int32_t)cp)];
}

unsigned sgn_unicode_class(uint32_t cp) {
    const unsigned c = category(cp);
    if (cp == '\n' || cp == '\r') return c | SGN_SPACE | SGN_NEWLINE;
    return c & SGN_SEPARATOR || (cp >= '\t' && cp <= '\r') || cp == 0x85 ? c | SGN_SPACE : c;
}

uint32_t sgn_unicode_upper(uint32_t cp) { return (uint32_t)utf8proc_toupper((utf8proc_int32_t)cp); }
uint32_t sgn_unicode_lower(uint32_t cp) { return (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp); }

typedef struct {
    char   *text;
    size_t  n, room;
    utf8proc_int32_t *point;   /* (points): what is being brought to a form */
    size_t  points, point_room;
} buffer;

static sgn_status put(buffer *b, const char *text, size_t n, sgn_error *err) {
    if (n >= b->room - b->n) {
        const size_t room = 2 * (b->n + n) + 64;
        char *grown = realloc(b->text, room);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory to normalize %zu bytes of text", room);
        b->text = grown;
        b->room = room;
    }
    if (n) memcpy(b->text + b->n, text, n);
    b->n += n;
    b->text[b->n] = '\0';
    return SGN_OK;
}

static sgn_status no_memory(size_t size, sgn_error *err) {
    SGN_FAIL(err, SGN_NOMEM, "no memory to normalize %zu bytes of text", size);
}

static sgn_status decompose(buffer *b, utf8proc_option_t o, const char *text, size_t size, sgn_error *err) {
    enum { MOST = 32 };                            /* characters that one becomes: 18, U+FDFA */
    int boundary = 0;
    b->points = 0;
    for (size_t i = 0; i < size;) {
        uint32_t cp;
        if (b->point_room - b->points < MOST) {
            const size_t room = 2 * b->point_room + size + MOST;
            utf8proc_int32_t *grown = realloc(b->point, room * sizeof *grown);
            if (!grown) return no_memory(size, err);
            b->point = grown;
            b->point_room = room;
        }
        i += (size_t)sgn_utf8_char(text + i, size - i, &cp);
        const utf8proc_ssize_t got = utf8proc_decompose_char((utf8proc_int32_t)cp, b->point + b->points, MOST, o, &boundary);
        if (got < 0 || got > MOST) return no_memory(size, err);
        b->points += (size_t)got;
    }
    return SGN_OK;
}

static int order_of(utf8proc_int32_t cp) { return utf8proc_get_property(cp)->combining_class; }

/* A run of marks in canonical order: by class, equal ones as they stood. Long runs by counting, lest hostile ones take hours. */
static sgn_status order_marks(utf8proc_int32_t *mark, size_t n, sgn_error *err) {
    enum { SHORT = 16 };
    for (size_t i = 1; n <= SHORT && i < n; i++) {
        const utf8proc_int32_t cp = mark[i];
        size_t at = i;
        for (; at && order_of(mark[at - 1]) > order_of(cp); at--) mark[at] = mark[at - 1];
        mark[at] = cp;
    }
    if (n <= SHORT) return SGN_OK;
    size_t begin[257] = { 0 };
    utf8proc_int32_t *copy = malloc(n * sizeof *copy);
    if (!copy) return no_memory(n, err);
    memcpy(copy, mark, n * sizeof *copy);
    for (size_t i = 0; i < n; i++) begin[order_of(copy[i]) + 1]++;
    for (int c = 1; c < 257; c++) begin[c] += begin[c - 1];
    for (size_t i = 0; i < n; i++) mark[begin[order_of(copy[i])]++] = copy[i];
    free(copy);
    return SGN_OK;
}

/* Decomposed, marks put in order, composed again where the form says so. */
static sgn_status put_form(buffer *b, utf8proc_option_t o, const char *text, size_t size, sgn_error *err) {
    SGN_TRY(decompose(b, o, text, size, err));
    for (size_t i = 0, end; i < b->points; i = end + 1) {
        for (end = i; end < b->points && order_of(b->point[end]) > 0;) end++;
        SGN_TRY(order_marks(b->point + i, end - i, err));
    }
    const utf8proc_ssize_t n = utf8proc_normalize_utf32(b->point, (utf8proc_ssize_t)b->points, o);
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        char one[4];
        const int k = sgn_utf8_put(one, (uint32_t)b->point[i]);
        SGN_TRY(put(b, one, (size_t)k, err));
    }
    return SGN_OK;
}

/* No form changes ASCII, and none joins it to what stands before it: only what is beyond ASCII is brought to the form,
 * with the character before it. */
static sgn_status put_valid(buffer *b, utf8proc_option_t o, const char *text, size_t size, sgn_error *err) {
    for (size_t i = 0; i < size;) {
        size_t ascii = i, end;
        while (ascii < size && (unsigned char)text[ascii] < 0x80) ascii++;
        if (ascii < size && ascii > i) ascii--;
        SGN_TRY(put(b, text + i, ascii - i, err));
        for (end = ascii + (ascii < size); end < size && (unsigned char)text[end] >= 0x80;) end++;
        if (end > ascii) SGN_TRY(put_form(b, o, text + ascii, end - ascii, err));
        i = end;
    }
    return SGN_OK;
}

/* Simple case mapping, but for U+0130, whose full one is "i" and a dot above. */
static sgn_status lower(const char *text, size_t size, char **out, size_t *n, sgn_error *err) {
    char *to = *out = malloc(2 * size + 1);
    if (!to) SGN_FAIL(err, SGN_NOMEM, "no memory to lower %zu bytes of text", size);
    for (size_t i = 0; i < size;) {
        uint32_t cp;
        const int k = sgn_utf8_char(text + i, size - i, &cp);
        if (k == 0) *to++ = text[i++];
        else if (cp == 0x130) memcpy(to, "i\xCC\x87", 3), to += 3, i += 2;
        else to += sgn_utf8_put(to, (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp)), i += (size_t)k;
    }
    *to = '\0';
    *n = (size_t)(to - *out);
    return SGN_OK;
}

sgn_status sgn_unicode_normalize(sgn_normal_form form, const char *text, size_t size, char **out, size_t *n, sgn_error *err) {
    static const int options[] = {
        [SGN_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE, [SGN_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [SGN_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [SGN_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    if (form == SGN_LOWERCASE) return lower(text, size, out, n, err);
    buffer b = { 0 };
    sgn_status s = put(&b, "", 0, err);
    for (size_t i = 0; i < size && s == SGN_OK;) {
        const size_t good = sgn_utf8_prefix(text + i, size - i);
        s = put_valid(&b, (utf8proc_option_t)options[form], text + i, good, err);
        i += good;
        if (s == SGN_OK && i < size) s = put(&b, text + i++, 1, err);          /* a stray byte */
    }
    if (s != SGN_OK) free(b.text);
    free(b.point);
    *out = s == SGN_OK ? b.text : NULL;
    *n = b.n;
    return s;
}

sgn_status sgn_unicode_capitalize(const char *text, size_t size, char **out, size_t *n, sgn_error *err) {
    uint32_t cp;
    char title[4];
    const int k = sgn_utf8_char(text, size, &cp), t = k ? sgn_utf8_put(title, (uint32_t)utf8proc_totitle((utf8proc_int32_t)cp)) : 0;
    char *rest;
    SGN_TRY(lower(text + k, size - (size_t)k, &rest, n, err));
    *out = malloc((size_t)t + *n + 1);
    if (*out) {
        memcpy(*out, title, (size_t)t);
        memcpy(*out + t, rest, *n + 1);
        *n += (size_t)t;
    }
    free(rest);
    if (!*out) return no_memory(size, err);
    return SGN_OK;
}
