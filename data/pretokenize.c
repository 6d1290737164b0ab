/* SPDX-License-Identifier: MIT */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "data/pretokenize.h"

#include <pcre2.h>
#include <stdlib.h>
#include "data/utf8.h"

static const char pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

struct sgn_splitter {
    pcre2_code         *code;
    pcre2_match_data   *match;
    pcre2_match_context *context;
    pcre2_jit_stack    *stack;
    const char *text;
    size_t      size, at;
    size_t      valid;         /* text[at .. valid) is UTF-8 */
};

sgn_status sgn_splitter_open(sgn_splitter **out, sgn_error *err) {
    sgn_splitter *s = *out = calloc(1, sizeof *s);
    if (!s) SGN_FAIL(err, SGN_NOMEM, "no memory for the word splitter");
    int code = 0;
    PCRE2_SIZE at = 0;
    s->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &code, &at, NULL);
    if (s->code) pcre2_jit_compile(s->code, PCRE2_JIT_COMPLETE);   /* without a JIT it is only slower */
    s->match = s->code ? pcre2_match_data_create(1, NULL) : NULL;
    s->context = pcre2_match_context_create(NULL);
    s->stack = pcre2_jit_stack_create(32 << 10, 1 << 20, NULL);
    if (!s->match || !s->context || !s->stack) {
        sgn_splitter_close(s);
        *out = NULL;
        SGN_FAIL(err, SGN_NOMEM, "no memory for the word splitter (PCRE2 code %d at %zu)", code, (size_t)at);
    }
    pcre2_jit_stack_assign(s->context, NULL, s->stack);
    return SGN_OK;
}

void sgn_splitter_close(sgn_splitter *s) {
    if (!s) return;
    pcre2_match_data_free(s->match);
    pcre2_match_context_free(s->context);
    pcre2_jit_stack_free(s->stack);
    pcre2_code_free(s->code);
    free(s);
}

void sgn_splitter_begin(sgn_splitter *s, const char *text, size_t size) {
    s->text = text;
    s->size = size;
    s->at = s->valid = 0;
}

/* What the pattern sees in an ASCII byte. */
enum { OTHER, LETTER, DIGIT, SPACE, BEYOND };
static int class_of(char c) {
    const unsigned char b = (unsigned char)c;
    if (b >= 0x80) return BEYOND;
    if ((b | 0x20) >= 'a' && (b | 0x20) <= 'z') return LETTER;
    if (b >= '0' && b <= '9') return DIGIT;
    return b == ' ' || (b >= '\t' && b <= '\r') ? SPACE : OTHER;
}

static size_t contraction(const char *t, size_t n) {       /* 's 't 'm 'd 're 've 'll */
    if (n < 2 || t[0] != '\'') return 0;
    if (t[1] == 's' || t[1] == 't' || t[1] == 'm' || t[1] == 'd') return 2;
    if (n < 3) return 0;
    return ((t[1] == 'r' || t[1] == 'v') && t[2] == 'e') || (t[1] == 'l' && t[2] == 'l') ? 3 : 0;
}

/* Bytes of the word at t, by hand: most words are ASCII, and PCRE2 costs five times as much.
 * 0 where a byte beyond ASCII has a say. */
static size_t ascii_word(const char *t, size_t n) {
    size_t i = contraction(t, n);
    if (i) return i;
    if (t[0] == ' ' && n > 1 && class_of(t[1]) != SPACE) i = 1;
    const int kind = class_of(t[i]);
    if (kind == BEYOND) return 0;
    do i++; while (i < n && class_of(t[i]) == kind);
    if (i < n && class_of(t[i]) == BEYOND) return 0;
    return kind == SPACE && i < n && i > 1 ? i - 1 : i;     /* the last space goes to the next word */
}

static size_t word_end(sgn_splitter *s) {
    const size_t n = ascii_word(s->text + s->at, s->valid - s->at);
    if (n) return s->at + n;
    const int found = pcre2_match(s->code, (PCRE2_SPTR)s->text, s->valid, s->at,
                                  PCRE2_NO_UTF_CHECK | PCRE2_ANCHORED, s->match, s->context);
    return found > 0 ? pcre2_get_ovector_pointer(s->match)[1] : s->valid;
}

bool sgn_splitter_next(sgn_splitter *s, const char **word, size_t *n) {
    if (s->at == s->size) return false;
    *word = s->text + s->at;
    if (s->at == s->valid) s->valid += sgn_utf8_prefix(*word, s->size - s->at);
    size_t end = s->at;
    if (s->at == s->valid) {                       /* a run of stray bytes */
        do end++; while (end < s->size && sgn_utf8_char(s->text + end, s->size - end, NULL) == 0);
        s->valid = end;
    } else {
        end = word_end(s);
    }
    *n = end - s->at;
    s->at = end;
    return true;
}
