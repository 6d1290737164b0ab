/* Expressions of a template, from the loosest binding to the tightest:
 * choice, or, and, not, comparison, + -, ~, * / // %, sign, then . [] () | is.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "data/jinja_tree.h"
#include "data/utf8.h"

static sgn_jnode *parse_unary(sgn_jparser *p, bool filters);

static sgn_jnode *pair(sgn_jparser *p, sgn_jnode_type type, size_t at, sgn_jnode *a, sgn_jnode *b) {
    sgn_jnode *n = sgn_jparser_node(p, type, at);
    n->kid[0] = a;
    n->kid[1] = b;
    return n;
}

/* --- literals -------------------------------------------------------------------------------------- */

static int hex_digits(const char *s, size_t n, size_t count, uint32_t *out) {
    *out = 0;
    if (n < count) return 0;
    for (size_t i = 0; i < count; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *d = s[i] ? strchr(digits, s[i] >= 'A' && s[i] <= 'F' ? s[i] | 32 : s[i]) : NULL;
        if (!d) return 0;
        *out = *out << 4 | (uint32_t)(d - digits);
    }
    return 1;
}

/* One escape after the backslash at s; bytes it takes of the source, *m of out. */
static size_t unescape(const char *s, size_t n, char *out, size_t *m) {
    static const char names[] = "ntr\\'\"abfv0", bytes[] = "\n\t\r\\'\"\a\b\f\v\0";
    const size_t digits = s[0] == 'x' ? 2 : s[0] == 'u' ? 4 : s[0] == 'U' ? 8 : 0;
    const char *name = s[0] ? strchr(names, s[0]) : NULL;
    uint32_t cp;
    *m = 1;
    if (s[0] == '\n') { *m = 0; return 1; }
    if (name) { *out = bytes[name - names]; return 1; }
    if (digits && hex_digits(s + 1, n - 1, digits, &cp) && cp < 0x110000 && (cp < 0xD800 || cp > 0xDFFF)) {
        *m = (size_t)sgn_utf8_put(out, cp);
        return 1 + digits;
    }
    *out = '\\';
    return 0;
}

static sgn_jtext text_literal(sgn_jparser *p, sgn_jtext raw, sgn_jtext before) {
    char *s = sgn_arena_alloc(&p->t->arena, before.n + raw.n + 1);
    size_t n = before.n;
    if (!s) {
        sgn_jparser_fail(p, p->now.at, "the template has too many parts; shorten it");
        return before;
    }
    if (n) memcpy(s, before.s, n);
    for (size_t i = 0, m; i < raw.n; n += m) {
        m = 1;
        if (raw.s[i] == '\\' && i + 1 < raw.n) i += 1 + unescape(raw.s + i + 1, raw.n - i - 1, s + n, &m);
        else s[n] = raw.s[i++];
    }
    return (sgn_jtext){ s, n };
}

static sgn_jnode *parse_text(sgn_jparser *p) {
    sgn_jnode *n = sgn_jparser_node(p, J_TEXT_LITERAL, p->now.at);
    n->text = (sgn_jtext){ "", 0 };
    while (sgn_jparser_is(p, J_QUOTED, NULL)) {
        n->text = text_literal(p, p->now.text, n->text);
        sgn_jparser_next(p);
    }
    return n;
}

static sgn_jnode *parse_number(sgn_jparser *p) {
    const bool whole = p->now.type == J_WHOLE;
    sgn_jnode *n = sgn_jparser_node(p, whole ? J_INT_LITERAL : J_REAL_LITERAL, p->now.at);
    char digits[32] = "";
    if (p->now.text.n > (whole ? 18 : sizeof digits - 1)) sgn_jparser_fail(p, p->now.at, "a number of more than %d digits; shorten it", whole ? 18 : 31);
    else memcpy(digits, p->now.text.s, p->now.text.n);
    n->whole = strtoll(digits, NULL, 10);
    n->real = strtod(digits, NULL);
    sgn_jparser_next(p);
    return n;
}

static sgn_jnode *parse_name(sgn_jparser *p) {
    static const struct { const char *name; sgn_jnode_type type; int64_t whole; } known[] = {
        { "true", J_BOOL_LITERAL, 1 }, { "True", J_BOOL_LITERAL, 1 }, { "false", J_BOOL_LITERAL, 0 }, { "False", J_BOOL_LITERAL, 0 },
        { "none", J_NONE_LITERAL, 0 }, { "None", J_NONE_LITERAL, 0 } };
    sgn_jnode *n = sgn_jparser_node(p, J_NAME, p->now.at);
    n->text = sgn_jparser_word(p, "a name");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (sgn_jtext_is(n->text, known[i].name)) {
            n->type = known[i].type;
            n->whole = known[i].whole;
        }
    return n;
}

/* Items up to `close`, a comma behind the last allowed. */
static sgn_jnode *parse_items(sgn_jparser *p, const char *close, bool pairs) {
    sgn_jnode *first = NULL, **last = &first;
    while (p->status == SGN_OK && !sgn_jparser_is(p, J_SIGN, close)) {
        const size_t at = p->now.at;
        *last = sgn_jparser_expression(p);
        if (pairs) {
            sgn_jparser_expect(p, J_SIGN, ":");
            *last = pair(p, J_PAIR, at, *last, sgn_jparser_expression(p));
        } else {
            *last = pair(p, J_ARGUMENT, at, *last, NULL);      /* a node in two lists would tie them */
        }
        last = &(*last)->next;
        if (!sgn_jparser_skip(p, J_SIGN, ",")) break;
    }
    sgn_jparser_expect(p, J_SIGN, close);
    return first;
}

/* ( expression ) or a tuple, which is a list here. */
static sgn_jnode *parse_group(sgn_jparser *p, size_t at) {
    if (sgn_jparser_skip(p, J_SIGN, ")")) return sgn_jparser_node(p, J_LIST_LITERAL, at);
    sgn_jnode *first = sgn_jparser_expression(p);
    if (!sgn_jparser_skip(p, J_SIGN, ",")) {
        sgn_jparser_expect(p, J_SIGN, ")");
        return first;
    }
    sgn_jnode *item = pair(p, J_ARGUMENT, at, first, NULL);
    item->next = parse_items(p, ")", false);
    return pair(p, J_LIST_LITERAL, at, item, NULL);
}

static sgn_jnode *parse_primary(sgn_jparser *p) {
    const size_t at = p->now.at;
    if (sgn_jparser_is(p, J_QUOTED, NULL)) return parse_text(p);
    if (sgn_jparser_is(p, J_WHOLE, NULL) || sgn_jparser_is(p, J_DECIMAL, NULL)) return parse_number(p);
    if (sgn_jparser_skip(p, J_SIGN, "(")) return parse_group(p, at);
    if (sgn_jparser_skip(p, J_SIGN, "[")) return pair(p, J_LIST_LITERAL, at, parse_items(p, "]", false), NULL);
    if (sgn_jparser_skip(p, J_SIGN, "{")) return pair(p, J_DICT_LITERAL, at, parse_items(p, "}", true), NULL);
    if (sgn_jparser_is(p, J_WORD, NULL)) return parse_name(p);
    sgn_jparser_expect(p, J_WORD, "a value");
    return sgn_jparser_node(p, J_NONE_LITERAL, at);
}

/* --- what follows a value --------------------------------------------------------------------------- */

sgn_jnode *sgn_jparser_arguments(sgn_jparser *p) {
    sgn_jnode *first = NULL, **last = &first;
    while (p->status == SGN_OK && !sgn_jparser_is(p, J_SIGN, ")")) {
        const sgn_jtoken ahead = sgn_jparser_peek(p);
        *last = sgn_jparser_node(p, J_ARGUMENT, p->now.at);
        (*last)->text = (sgn_jtext){ "", 0 };
        if (p->now.type == J_WORD && ahead.type == J_SIGN && sgn_jtext_is(ahead.text, "=")) {
            (*last)->text = p->now.text;
            sgn_jparser_next(p);
            sgn_jparser_next(p);
        }
        (*last)->kid[0] = sgn_jparser_expression(p);
        last = &(*last)->next;
        if (!sgn_jparser_skip(p, J_SIGN, ",")) break;
    }
    sgn_jparser_expect(p, J_SIGN, ")");
    return first;
}

static sgn_jnode *parse_subscript(sgn_jparser *p, sgn_jnode *of, size_t at) {
    sgn_jnode *n = pair(p, J_INDEX, at, of, NULL);
    int part = 1;
    if (!sgn_jparser_is(p, J_SIGN, ":")) n->kid[1] = sgn_jparser_expression(p);
    while (part < 3 && sgn_jparser_skip(p, J_SIGN, ":")) {
        n->type = J_SLICE;
        part++;
        if (!sgn_jparser_is(p, J_SIGN, ":") && !sgn_jparser_is(p, J_SIGN, "]")) n->kid[part] = sgn_jparser_expression(p);
    }
    sgn_jparser_expect(p, J_SIGN, "]");
    return n;
}

static sgn_jnode *parse_postfix(sgn_jparser *p, sgn_jnode *n) {
    for (int links = 0; p->status == SGN_OK; links++) {
        const size_t at = p->now.at;
        if (sgn_jparser_skip(p, J_SIGN, ".")) {
            n = pair(p, J_ATTRIBUTE, at, n, NULL);
            n->text = sgn_jparser_word(p, "a name");
        } else if (sgn_jparser_skip(p, J_SIGN, "[")) n = parse_subscript(p, n, at);
        else if (sgn_jparser_skip(p, J_SIGN, "(")) n = pair(p, J_CALL, at, n, sgn_jparser_arguments(p));
        else break;
        if (links == J_DEPTH) sgn_jparser_fail(p, at, "more than %d calls and indices in a row; set a part of them as a variable", J_DEPTH);
    }
    return n;
}

/* After "is": [not] name, with an argument in brackets or bare. */
static sgn_jnode *parse_test(sgn_jparser *p, sgn_jnode *of, size_t at) {
    const bool negated = sgn_jparser_skip(p, J_WORD, "not");
    sgn_jnode *n = pair(p, J_TEST, at, of, NULL);
    n->at = (uint32_t)p->now.at;
    n->text = sgn_jparser_word(p, "the name of a test");
    const sgn_jtoken *t = &p->now;
    const bool word = t->type == J_WORD && !sgn_jtext_is(t->text, "else") && !sgn_jtext_is(t->text, "or") && !sgn_jtext_is(t->text, "and")
                      && !sgn_jtext_is(t->text, "is") && !sgn_jtext_is(t->text, "if") && !sgn_jtext_is(t->text, "in") && !sgn_jtext_is(t->text, "not");
    if (sgn_jparser_skip(p, J_SIGN, "(")) n->kid[1] = sgn_jparser_arguments(p);
    else if (word || t->type == J_QUOTED || t->type == J_WHOLE || t->type == J_DECIMAL || sgn_jparser_is(p, J_SIGN, "[") || sgn_jparser_is(p, J_SIGN, "{")) {
        n->kid[1] = pair(p, J_ARGUMENT, p->now.at, NULL, NULL);
        n->kid[1]->text = (sgn_jtext){ "", 0 };
        n->kid[1]->kid[0] = parse_postfix(p, parse_primary(p));
    }
    return negated ? pair(p, J_NOT, at, n, NULL) : n;
}

static sgn_jnode *parse_filters(sgn_jparser *p, sgn_jnode *n) {
    for (int links = 0; p->status == SGN_OK; links++) {
        const size_t at = p->now.at;
        if (sgn_jparser_skip(p, J_SIGN, "|")) {
            n = pair(p, J_FILTER, p->now.at, n, NULL);
            n->text = sgn_jparser_word(p, "the name of a filter");
            if (sgn_jparser_skip(p, J_SIGN, "(")) n->kid[1] = sgn_jparser_arguments(p);
        } else if (sgn_jparser_skip(p, J_WORD, "is")) n = parse_test(p, n, at);
        else if (sgn_jparser_skip(p, J_SIGN, "(")) n = pair(p, J_CALL, at, n, sgn_jparser_arguments(p));
        else break;
        if (links == J_DEPTH) sgn_jparser_fail(p, at, "more than %d filters in a row; set a part of them as a variable", J_DEPTH);
    }
    return n;
}

/* --- operators ---------------------------------------------------------------------------------------- */

static sgn_jnode *parse_unary(sgn_jparser *p, bool filters) {
    const size_t at = p->now.at;
    sgn_jnode *n;
    if (!sgn_jparser_enter(p)) n = sgn_jparser_node(p, J_NONE_LITERAL, at);
    else if (sgn_jparser_skip(p, J_SIGN, "-")) n = pair(p, J_NEGATIVE, at, parse_unary(p, false), NULL);
    else if (sgn_jparser_skip(p, J_SIGN, "+")) n = pair(p, J_POSITIVE, at, parse_unary(p, false), NULL);
    else n = parse_postfix(p, parse_primary(p));
    p->depth--;
    return filters ? parse_filters(p, n) : n;
}

static const char *const levels[][5] = { { "+", "-" }, { "~" }, { "*", "/", "//", "%" } };

static sgn_jnode *parse_level(sgn_jparser *p, int level) {
    const bool last = level == sizeof levels / sizeof *levels;
    sgn_jnode *n = last ? parse_unary(p, true) : parse_level(p, level + 1);
    for (int i = 0, links = 0; !last && levels[level][i];) {
        const sgn_jtoken sign = p->now;
        if (!sgn_jparser_skip(p, J_SIGN, levels[level][i])) { i++; continue; }
        n = pair(p, J_BINARY, sign.at, n, parse_level(p, level + 1));
        n->text = sign.text;
        i = 0;
        if (++links > J_DEPTH) sgn_jparser_fail(p, sign.at, "more than %d operators in a row; set a part of them as a variable", J_DEPTH);
    }
    return n;
}

static bool skip_comparison(sgn_jparser *p, sgn_jtext *op) {
    static const char *const signs[] = { "==", "!=", "<", "<=", ">", ">=" };
    *op = p->now.text;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (sgn_jparser_skip(p, J_SIGN, signs[i])) return true;
    if (sgn_jparser_skip(p, J_WORD, "in")) return true;
    if (!sgn_jparser_is(p, J_WORD, "not") || !sgn_jtext_is(sgn_jparser_peek(p).text, "in")) return false;
    sgn_jparser_next(p);
    sgn_jparser_next(p);
    *op = (sgn_jtext){ "not in", 6 };
    return true;
}

/* a < b < c is a < b and b < c. */
static sgn_jnode *parse_comparison(sgn_jparser *p) {
    sgn_jnode *left = parse_level(p, 0), *all = NULL;
    sgn_jtext op;
    size_t at = p->now.at;
    for (int links = 0; skip_comparison(p, &op); at = p->now.at, links++) {
        sgn_jnode *right = parse_level(p, 0), *one = pair(p, J_BINARY, at, left, right);
        one->text = op;
        all = all ? pair(p, J_AND, at, all, one) : one;
        left = right;
        if (links == J_DEPTH) sgn_jparser_fail(p, at, "more than %d comparisons in a row; join them with and", J_DEPTH);
    }
    return all ? all : left;
}

static sgn_jnode *parse_not(sgn_jparser *p) {
    const size_t at = p->now.at;
    sgn_jnode *n;
    if (!sgn_jparser_enter(p)) n = sgn_jparser_node(p, J_NONE_LITERAL, at);
    else if (sgn_jparser_skip(p, J_WORD, "not")) n = pair(p, J_NOT, at, parse_not(p), NULL);
    else n = parse_comparison(p);
    p->depth--;
    return n;
}

static sgn_jnode *parse_joined(sgn_jparser *p, bool any) {
    sgn_jnode *n = any ? parse_joined(p, false) : parse_not(p);
    size_t at = p->now.at;
    for (int links = 0; sgn_jparser_skip(p, J_WORD, any ? "or" : "and"); at = p->now.at) {
        n = pair(p, any ? J_OR : J_AND, at, n, any ? parse_joined(p, false) : parse_not(p));
        if (++links > J_DEPTH) sgn_jparser_fail(p, at, "more than %d conditions in a row; set a part of them as a variable", J_DEPTH);
    }
    return n;
}

sgn_jnode *sgn_jparser_condition(sgn_jparser *p) { return parse_joined(p, true); }

sgn_jnode *sgn_jparser_expression(sgn_jparser *p) {
    const size_t at = p->now.at;
    if (!sgn_jparser_enter(p)) {
        p->depth--;
        return sgn_jparser_node(p, J_NONE_LITERAL, at);
    }
    sgn_jnode *n = sgn_jparser_condition(p);
    for (int links = 0; sgn_jparser_skip(p, J_WORD, "if"); links++) {
        sgn_jnode *then = n;
        n = pair(p, J_CHOICE, at, sgn_jparser_condition(p), then);
        if (sgn_jparser_skip(p, J_WORD, "else")) n->kid[2] = sgn_jparser_expression(p);
        if (links == J_DEPTH) sgn_jparser_fail(p, at, "more than %d choices in a row; write them with {%% if %%}", J_DEPTH);
    }
    p->depth--;
    return n;
}
