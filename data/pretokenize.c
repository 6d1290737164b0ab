/* SPDX-License-Identifier: MIT */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "data/pretokenize.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include "data/scan.h"
#include "data/utf8.h"

struct sgn_splitter {
    sgn_scan           *scan;  /* else the following */
    pcre2_code         *code;
    pcre2_match_data   *match;
    pcre2_match_context *context;
    pcre2_jit_stack    *stack;
    const char *text;
    size_t      size, at;
    size_t      begin, valid;  /* text[begin .. valid) is UTF-8 and holds at */
    size_t      from, to;      /* the next match, where from >= at */
    bool        matched;
    int         failure;       /* of PCRE2 */
};

/* PCRE2's \s has U+180E, which is no white space since Unicode 6.3: \s and \S spelled out. \S in a
 * class stays. Malloc'd. */
static char *spell_out(const char *pattern) {
#define WHITE "\\t-\\r\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
    static const char *const form[2][2] = { { "[" WHITE "]", "[^" WHITE "]" }, { WHITE, "\\S" } };
#undef WHITE
    char *out = malloc(strlen(pattern) * strlen(form[0][1]) + 1), *to = out;
    bool class = false;
    for (const char *p = pattern; out && *p; p++) {
        if (*p == '\\' && (p[1] == 's' || p[1] == 'S')) {
            const char *f = form[class][*++p == 'S'];
            to = (char *)memcpy(to, f, strlen(f)) + strlen(f);
            continue;
        }
        if (*p == '\\' && p[1]) *to++ = *p++;
        else if (*p == '[' && !class) class = true;
        else if (*p == ']' && class) class = false;
        *to++ = *p;
    }
    if (out) *to = '\0';
    return out;
}

static sgn_status compile(sgn_splitter *s, const char *pattern, sgn_error *err) {
    int code = 0;
    PCRE2_SIZE at = 0;
    char *text = spell_out(pattern);
    if (text) s->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &code, &at, NULL);
    free(text);
    if (text && !s->code) {
        PCRE2_UCHAR why[120];
        pcre2_get_error_message(code, why, sizeof why);
        SGN_FAIL(err, SGN_UNSUPPORTED, "the split pattern \"%.80s\" is not one that PCRE2 reads: %s", pattern, (char *)why);
    }
    if (s->code) pcre2_jit_compile(s->code, PCRE2_JIT_COMPLETE);   /* without a JIT it is only slower */
    s->match = s->code ? pcre2_match_data_create(1, NULL) : NULL;
    s->context = pcre2_match_context_create(NULL);
    s->stack = pcre2_jit_stack_create(32 << 10, 8 << 20, NULL);
    if (!s->match || !s->context || !s->stack) SGN_FAIL(err, SGN_NOMEM, "no memory for the word splitter");
    pcre2_jit_stack_assign(s->context, NULL, s->stack);
    return SGN_OK;
}

static sgn_status open(sgn_splitter **out, const char *pattern, sgn_scan *scan, sgn_error *err) {
    *out = NULL;
    sgn_splitter *s = calloc(1, sizeof *s);
    if (!s) SGN_FAIL(err, SGN_NOMEM, "no memory for the word splitter");
    s->scan = scan;
    const sgn_status status = scan ? SGN_OK : compile(s, pattern, err);
    if (status == SGN_OK) *out = s;
    else sgn_splitter_close(s);
    return status;
}

sgn_status sgn_splitter_open(sgn_splitter **out, const char *pattern, sgn_error *err) {
    const sgn_known_split *k = pattern ? sgn_known_split_of(pattern) : sgn_known_split_at(0);
    return open(out, pattern, k ? k->scan : NULL, err);
}

sgn_status sgn_splitter_open_regex(sgn_splitter **out, const char *pattern, sgn_error *err) {
    return open(out, pattern, NULL, err);
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
    s->at = s->begin = s->valid = s->from = s->to = 0;
    s->failure = 0;
}

/* A match at `at` or after it, of one byte at least; or none up to the end of the valid text. */
static void search(sgn_splitter *s) {
    size_t start = s->at;
    for (int found; start < s->valid;) {
        found = pcre2_match(s->code, (PCRE2_SPTR)(s->text + s->begin), s->valid - s->begin, start - s->begin,
                            PCRE2_NO_UTF_CHECK, s->match, s->context);
        if (found < 0 && found != PCRE2_ERROR_NOMATCH) s->failure = found;
        if (found < 0) break;
        const size_t *range = pcre2_get_ovector_pointer(s->match);
        s->from = s->begin + range[0];
        s->to = s->begin + range[1];
        if (s->to > s->from) return;
        start = s->to + 1;
        while (start < s->valid && ((unsigned char)s->text[start] & 0xC0) == 0x80) start++;
    }
    s->from = s->to = s->valid;
}

static size_t regex_word(sgn_splitter *s) {
    if (s->from < s->at || s->to <= s->at) search(s);
    s->matched = s->from == s->at && s->to > s->at;
    return s->matched ? s->to : s->from;
}

bool sgn_splitter_next(sgn_splitter *s, const char **word, size_t *n) {
    if (s->at == s->size || s->failure) return false;
    *word = s->text + s->at;
    if (s->at == s->valid) {
        s->begin = s->at;
        s->valid += sgn_utf8_prefix(*word, s->size - s->at);
    }
    size_t end = s->at;
    s->matched = false;
    if (s->at == s->valid) {                       /* a run of stray bytes */
        do end++; while (end < s->size && sgn_utf8_char(s->text + end, s->size - end, NULL) == 0);
        s->valid = end;
    } else if (s->scan) {
        end += s->scan(*word, s->valid - s->at);
        s->matched = true;
    } else {
        end = regex_word(s);
    }
    *n = end - s->at;
    s->at = end;
    return true;
}

bool sgn_splitter_matched(const sgn_splitter *s) { return s->matched; }

sgn_status sgn_splitter_end(const sgn_splitter *s, sgn_error *err) {
    if (!s->failure) return SGN_OK;
    SGN_FAIL(err, SGN_FORMAT, "the split pattern needs too many steps in a text of %zu bytes (PCRE2 error %d); cut the text into shorter "
             "documents", s->size, s->failure);
}
