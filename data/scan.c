/* SPDX-License-Identifier: MIT */
#include "data/scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "data/unicode.h"
#include "data/utf8.h"

/* --- classes ---------------------------------------------------------------------------------- */

enum { OTHER = 1 << 15 };      /* [^\s\p{L}\p{N}] */

#define C (SGN_CONTROL | OTHER)
#define T (SGN_CONTROL | SGN_SPACE)
#define R (SGN_CONTROL | SGN_SPACE | SGN_NEWLINE)
#define B (SGN_SEPARATOR | SGN_SPACE)
#define P (SGN_PUNCTUATION | OTHER)
#define Y (SGN_SYMBOL | OTHER)
#define D (SGN_NUMBER | SGN_DIGIT)
#define U SGN_LU
#define L SGN_LL
static const uint16_t ascii[128] = {
    C, C, C, C, C, C, C, C, C, T, R, T, T, R, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C,
    B, P, P, P, Y, P, P, P, P, P, P, Y, P, P, P, P, D, D, D, D, D, D, D, D, D, D, P, P, Y, Y, Y, P,
    P, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, P, P, P, Y, P,
    Y, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, P, Y, P, Y, C,
};
#undef C
#undef T
#undef R
#undef B
#undef P
#undef Y
#undef D
#undef U
#undef L

/* Of the character at t[i], i < n; *k its bytes. */
static inline unsigned class_at(const char *t, size_t n, size_t i, size_t *k) {
    const unsigned char b = (unsigned char)t[i];
    *k = 1;
    if (b < 0x80) return ascii[b];
    uint32_t cp = 0;
    *k = (size_t)sgn_utf8_char(t + i, n - i, &cp);
    const unsigned c = sgn_unicode_class(cp);
    return c & (SGN_SPACE | SGN_LETTER | SGN_NUMBER) ? c : c | OTHER;
}

/* The end of the run of such characters that starts at t[i]. */
static inline size_t run(const char *t, size_t n, size_t i, unsigned mask) {
    size_t k;
    while (i < n && class_at(t, n, i, &k) & mask) i += k;
    return i;
}

static inline bool is_at(const char *t, size_t n, size_t i, unsigned mask) {
    size_t k;
    return i < n && class_at(t, n, i, &k) & mask;
}

/* --- parts that patterns share ------------------------------------------------------------------ */

/* \s+(?!\S)|\s+ : white space, of which the last character goes to what follows. */
static size_t white(const char *t, size_t n) {
    const size_t end = run(t, n, 0, SGN_SPACE);
    size_t last = end;
    if (end == n) return end;
    do last--; while (last > 0 && ((unsigned char)t[last] & 0xC0) == 0x80);
    return last > 0 ? last : end;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t lines(const char *t, size_t n) {
    for (size_t end = run(t, n, 0, SGN_SPACE); end > 0; end--)
        if (t[end - 1] == '\n' || t[end - 1] == '\r') return end;
    return white(t, n);
}

/* 's|'t|'re|'ve|'m|'ll|'d ; 0: none. With `fold` in any case, U+017F being an s. */
static size_t contraction(const char *t, size_t n, bool fold) {
    if (n < 2 || t[0] != '\'') return 0;
    if (fold && n > 2 && t[1] == '\xC5' && t[2] == '\xBF') return 3;
    const int bit = fold ? 0x20 : 0;
    const int a = t[1] | bit, b = n > 2 ? t[2] | bit : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    return ((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

/* \p{N}{1,most} */
static size_t numbers(const char *t, size_t n, int most) {
    size_t i = 0, k;
    for (; most > 0 && i < n && class_at(t, n, i, &k) & SGN_NUMBER; most--) i += k;
    return i;
}

/* " ?[^\s\p{L}\p{N}]+" and what may follow it of \r, \n and `more`; 0: no match. */
static size_t others(const char *t, size_t n, char more) {
    size_t i = t[0] == ' ';
    if (!is_at(t, n, i, OTHER)) return 0;
    i = run(t, n, i, OTHER);
    while (i < n && (t[i] == '\n' || t[i] == '\r' || t[i] == more)) i++;
    return i;
}

/* --- whole patterns ------------------------------------------------------------------------------ */

static size_t gpt2(const char *t, size_t n) {
    size_t k, i = contraction(t, n, false);
    if (i) return i;
    i = t[0] == ' ' && n > 1 && !is_at(t, n, 1, SGN_SPACE);
    const unsigned c = class_at(t, n, i, &k);
    if (c & SGN_SPACE) return white(t, n);
    return run(t, n, i + k, c & SGN_LETTER ? SGN_LETTER : c & SGN_NUMBER ? SGN_NUMBER : OTHER);
}

static inline size_t llama(const char *t, size_t n, int digits) {
    size_t k, i = contraction(t, n, true);
    if (i) return i;
    const unsigned c = class_at(t, n, 0, &k);
    if (c & SGN_LETTER || (!(c & (SGN_NUMBER | SGN_NEWLINE)) && is_at(t, n, k, SGN_LETTER))) return run(t, n, k, SGN_LETTER);
    if (c & SGN_NUMBER) return numbers(t, n, digits);
    i = others(t, n, '\n');
    return i ? i : lines(t, n);
}

static size_t llama3(const char *t, size_t n) { return llama(t, n, 3); }
static size_t qwen2(const char *t, size_t n) { return llama(t, n, 1); }

enum { UPPER = SGN_LU | SGN_LT | SGN_LM | SGN_LO | SGN_MARK, LOWER = SGN_LL | SGN_LM | SGN_LO | SGN_MARK };

/* UPPER*LOWER+ from i: the end, 0: none. UPPER* gives back what LOWER+ needs. */
static size_t lower_word(const char *t, size_t n, size_t i) {
    size_t k, lower = 0;
    for (unsigned c; i < n && (c = class_at(t, n, i, &k)) & UPPER; i += k)
        if (c & LOWER) lower = i + k;
    return is_at(t, n, i, LOWER) ? run(t, n, i, LOWER) : lower;
}

/* UPPER+LOWER* */
static size_t upper_word(const char *t, size_t n, size_t i) {
    return is_at(t, n, i, UPPER) ? run(t, n, run(t, n, i, UPPER), LOWER) : 0;
}

static size_t o200k(const char *t, size_t n) {
    size_t k, end = 0;
    const unsigned c = class_at(t, n, 0, &k);
    const bool prefix = !(c & (SGN_NEWLINE | SGN_LETTER | SGN_NUMBER));
    if (prefix) end = lower_word(t, n, k);
    if (!end) end = lower_word(t, n, 0);
    if (!end && prefix) end = upper_word(t, n, k);
    if (!end) end = upper_word(t, n, 0);
    if (end) return end + contraction(t + end, n - end, true);
    if (c & SGN_NUMBER) return numbers(t, n, 3);
    end = others(t, n, '/');
    return end ? end : lines(t, n);
}

/* --- their spellings ------------------------------------------------------------------------------ */

#define ENDING "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define REST "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LLAMA(digits) ENDING "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" REST

static const sgn_known_split known[] = {
    { "gpt2", "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", gpt2 },
    { "llama3", LLAMA("{1,3}"), llama3 },
    { "cl100k", LLAMA("{1,3}"), llama3 },
    { "qwen2", LLAMA(""), qwen2 },
    { "o200k", "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+" ENDING "?"
               "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*" ENDING "?"
               "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" REST, o200k },
    { "", "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", gpt2 },
    { "", "'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s", gpt2 },
};

const sgn_known_split *sgn_known_split_at(int i) {
    return i >= 0 && i < (int)(sizeof known / sizeof *known) ? &known[i] : NULL;
}

const sgn_known_split *sgn_known_split_named(const char *name) {
    for (int i = 0; sgn_known_split_at(i); i++)
        if (*name && strcmp(known[i].name, name) == 0) return &known[i];
    return NULL;
}

const sgn_known_split *sgn_known_split_of(const char *pattern) {
    for (int i = 0; sgn_known_split_at(i); i++)
        if (strcmp(known[i].pattern, pattern) == 0) return &known[i];
    return NULL;
}
