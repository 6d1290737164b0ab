/* Tokens of a template, and the white space that its tags take with them. SPDX-License-Identifier: MIT */
#include <string.h>
#include "data/jinja_tree.h"

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

static bool starts(const sgn_jlexer *l, size_t at, const char *with) {
    const size_t n = strlen(with);
    return n <= l->source.n - at && memcmp(l->source.s + at, with, n) == 0;
}
static char byte_at(const sgn_jlexer *l, size_t at) { return at < l->source.n ? l->source.s[at] : '\0'; }

static sgn_jtoken token(const sgn_jlexer *l, sgn_jtoken_type type, size_t from, size_t to) {
    return (sgn_jtoken){ type, { l->source.s + from, to - from }, from };
}
static sgn_jtoken bad(size_t at, const char *why) { return (sgn_jtoken){ J_BAD, { why, strlen(why) }, at }; }

/* What a tag's end takes: -%} all white space, %} one newline (trim_blocks), +%} and }} nothing. */
static void take_after(sgn_jlexer *l, char sign, bool newline) {
    const size_t from = l->at;
    if (sign == '-') while (l->at < l->source.n && is_space(l->source.s[l->at])) l->at++;
    else if (newline && sign != '+' && byte_at(l, l->at) == '\n') l->at++;
    l->line_start = l->at > from && l->source.s[l->at - 1] == '\n';
}

/* End of the text [from, tag) before a tag: {%- takes all white space, {% that on its own line (lstrip_blocks). */
static size_t take_before(const sgn_jlexer *l, size_t from, size_t tag, char sign, bool print) {
    size_t end = tag;
    while (end > from && is_space(l->source.s[end - 1]) && (sign == '-' || l->source.s[end - 1] != '\n')) end--;
    if (sign == '-') return end;
    const bool alone = end > from ? l->source.s[end - 1] == '\n' : l->line_start;
    return sign != '+' && !print && alone ? end : tag;
}

static size_t find_tag(const sgn_jlexer *l) {
    for (size_t i = l->at; i + 1 < l->source.n; i++)
        if (l->source.s[i] == '{' && strchr("{%#", l->source.s[i + 1]) && l->source.s[i + 1]) return i;
    return l->source.n;
}

/* Past a comment; false where it has no end. */
static bool skip_comment(sgn_jlexer *l) {
    for (size_t i = l->at + 2; i + 1 < l->source.n; i++)
        if (starts(l, i, "#}")) {
            const char sign = i > l->at + 2 ? l->source.s[i - 1] : '\0';
            l->at = i + 2;
            take_after(l, sign, true);
            return true;
        }
    return false;
}

static sgn_jtoken next_text(sgn_jlexer *l) {
    while (l->at < l->source.n) {
        const size_t from = l->at, tag = find_tag(l);
        const char what = byte_at(l, tag + 1), sign = byte_at(l, tag + 2);
        const size_t end = tag < l->source.n ? take_before(l, from, tag, sign, what == '{') : tag;
        l->at = tag;
        if (end > from) return token(l, J_DATA, from, end);
        if (tag == l->source.n) break;
        if (what == '#') {
            if (!skip_comment(l)) return bad(tag, "a comment has no end; close it with #}");
            continue;
        }
        l->mode = what == '{' ? J_IN_PRINT : J_IN_TAG;
        l->at = tag + 2 + (sign == '-' || sign == '+');
        return token(l, what == '{' ? J_PRINT_BEGIN : J_TAG_BEGIN, tag, l->at);
    }
    return token(l, J_END, l->source.n, l->source.n);
}

static sgn_jtoken quoted(sgn_jlexer *l, size_t from) {
    const char quote = l->source.s[from];
    for (size_t i = from + 1; i < l->source.n; i++) {
        if (l->source.s[i] == '\\') i++;
        else if (l->source.s[i] == quote) {
            l->at = i + 1;
            sgn_jtoken t = token(l, J_QUOTED, from + 1, i);
            t.at = from;
            return t;
        }
    }
    return bad(from, "a string has no end; close its quotes");
}

static sgn_jtoken number(sgn_jlexer *l, size_t from) {
    size_t i = from;
    bool decimal = false;
    while (is_digit(byte_at(l, i))) i++;
    if (byte_at(l, i) == '.' && is_digit(byte_at(l, i + 1))) for (decimal = true, i++; is_digit(byte_at(l, i));) i++;
    const size_t sign = byte_at(l, i + 1) == '-' || byte_at(l, i + 1) == '+';
    if ((byte_at(l, i) | 32) == 'e' && is_digit(byte_at(l, i + 1 + sign))) for (decimal = true, i += 1 + sign; is_digit(byte_at(l, i));) i++;
    l->at = i;
    return token(l, decimal ? J_DECIMAL : J_WHOLE, from, i);
}

static sgn_jtoken sign(sgn_jlexer *l, size_t from) {
    static const char *const two[] = { "**", "//", "==", "!=", ">=", "<=" };
    size_t n = strchr("+-*/%~()[]{}.,:|=<>", l->source.s[from]) && l->source.s[from] ? 1 : 0;
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (starts(l, from, two[i])) n = 2;
    if (n == 0) return bad(from, "this character means nothing here; remove it");
    if (strchr("([{", l->source.s[from])) l->brackets++;
    if (strchr(")]}", l->source.s[from]) && l->brackets > 0) l->brackets--;
    l->at = from + n;
    return token(l, J_SIGN, from, l->at);
}

/* The end of a tag or print at `at`. */
static bool ends(sgn_jlexer *l, size_t at, sgn_jtoken *out) {
    const bool print = l->mode == J_IN_PRINT, signs = byte_at(l, at) == '-' || (!print && byte_at(l, at) == '+');
    if (l->brackets || !starts(l, at + signs, print ? "}}" : "%}")) return false;
    l->at = at + signs + 2;
    *out = token(l, print ? J_PRINT_END : J_TAG_END, at, l->at);
    take_after(l, signs ? byte_at(l, at) : '\0', !print);
    l->mode = J_IN_TEXT;
    return true;
}

sgn_jtoken sgn_jlexer_next(sgn_jlexer *l) {
    if (l->mode == J_IN_TEXT) return next_text(l);
    size_t i = l->at;
    sgn_jtoken end;
    while (i < l->source.n && is_space(l->source.s[i])) i++;
    if (i == l->source.n) return bad(i, "a tag has no end; close it with %} or }}");
    if (ends(l, i, &end)) return end;
    const char c = l->source.s[i];
    if (c == '"' || c == '\'') return quoted(l, i);
    if (is_digit(c)) return number(l, i);
    if (!is_letter(c)) return sign(l, i);
    const size_t from = i;
    while (is_letter(byte_at(l, i)) || is_digit(byte_at(l, i))) i++;
    l->at = i;
    return token(l, J_WORD, from, i);
}
