/* Statements of a template, and its beginning and end. SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "data/jinja_tree.h"

enum { BYTES_PER_BYTE = 512 };         /* of nodes per byte of source: each token makes at most two */

void sgn_jinja_place(const sgn_jinja *t, size_t at, int *line, int *column) {
    *line = *column = 1;
    for (size_t i = 0; i < at && i < t->source.n; i++) {
        *column = t->source.s[i] == '\n' ? 1 : *column + ((t->source.s[i] & 0xC0) != 0x80);
        *line += t->source.s[i] == '\n';
    }
}

void sgn_jinja_one_line(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < ' ') *text = ' ';
}

/* --- the parser's tools ------------------------------------------------------------------------- */

void sgn_jparser_fail(sgn_jparser *p, size_t at, const char *fmt, ...) {
    char text[300];
    int line, column;
    va_list args;
    if (p->status != SGN_OK) return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    sgn_jinja_one_line(text);
    sgn_jinja_place(p->t, at, &line, &column);
    p->status = SGN_ERROR(p->err, SGN_FORMAT, "%.160s:%d:%d: %s", p->t->where.s, line, column, text);
    p->now = (sgn_jtoken){ .type = J_END, .at = at };
}

void sgn_jparser_next(sgn_jparser *p) {
    if (p->status != SGN_OK || p->now.type == J_END) return;
    p->now = sgn_jlexer_next(&p->lexer);
    if (p->now.type == J_BAD) sgn_jparser_fail(p, p->now.at, "%s", p->now.text.s);
}

sgn_jtoken sgn_jparser_peek(const sgn_jparser *p) {
    sgn_jlexer ahead = p->lexer;
    return sgn_jlexer_next(&ahead);
}

bool sgn_jparser_is(const sgn_jparser *p, sgn_jtoken_type type, const char *text) {
    return p->status == SGN_OK && p->now.type == type && (!text || sgn_jtext_is(p->now.text, text));
}

bool sgn_jparser_skip(sgn_jparser *p, sgn_jtoken_type type, const char *text) {
    if (!sgn_jparser_is(p, type, text)) return false;
    sgn_jparser_next(p);
    return true;
}

static void unexpected(sgn_jparser *p, const char *wanted) {
    if (p->now.type == J_END) sgn_jparser_fail(p, p->now.at, "the template ends where %s is expected", wanted);
    else sgn_jparser_fail(p, p->now.at, "'%.*s' stands where %s is expected", (int)(p->now.text.n < 40 ? p->now.text.n : 40), p->now.text.s, wanted);
}

void sgn_jparser_expect(sgn_jparser *p, sgn_jtoken_type type, const char *text) {
    if (sgn_jparser_skip(p, type, text)) return;
    unexpected(p, text ? text : type == J_TAG_END ? "%}" : "}}");
}

sgn_jtext sgn_jparser_word(sgn_jparser *p, const char *what) {
    const sgn_jtext t = p->now.text;
    if (sgn_jparser_skip(p, J_WORD, NULL)) return t;
    unexpected(p, what);
    return (sgn_jtext){ "", 0 };
}

sgn_jnode *sgn_jparser_node(sgn_jparser *p, sgn_jnode_type type, size_t at) {
    static const sgn_jnode blank;
    static _Thread_local sgn_jnode unused;
    sgn_jnode *n = p->status == SGN_OK ? sgn_arena_alloc(&p->t->arena, sizeof *n) : NULL;
    if (!n && p->status == SGN_OK) sgn_jparser_fail(p, at, "the template has too many parts; shorten it");
    if (!n) n = &unused;
    *n = blank;
    n->type = type;
    n->at = (uint32_t)at;
    return n;
}

bool sgn_jparser_enter(sgn_jparser *p) {
    if (++p->depth > J_DEPTH) sgn_jparser_fail(p, p->now.at, "expressions and blocks stand more than %d deep here; set parts of them as variables", J_DEPTH);
    return p->status == SGN_OK;
}

/* --- statements --------------------------------------------------------------------------------- */

static sgn_jnode *parse_body(sgn_jparser *p, const char *const *until, size_t opened);

static sgn_jnode *parse_block(sgn_jparser *p, const char *const *until, size_t opened) {
    sgn_jparser_expect(p, J_TAG_END, NULL);
    return parse_body(p, until, opened);
}

static sgn_jnode *parse_if(sgn_jparser *p, size_t at) {
    static const char *const until[] = { "elif", "else", "endif", NULL }, *const end[] = { "endif", NULL };
    sgn_jnode *n = sgn_jparser_node(p, J_IF, at);
    n->kid[0] = sgn_jparser_expression(p);
    n->kid[1] = parse_block(p, until, at);
    const size_t next = p->now.at;
    if (sgn_jparser_skip(p, J_WORD, "elif")) {
        if (sgn_jparser_enter(p)) n->kid[2] = parse_if(p, next);       /* which takes the endif */
        p->depth--;
        return n;
    }
    if (sgn_jparser_skip(p, J_WORD, "else")) n->kid[2] = parse_block(p, end, at);
    sgn_jparser_expect(p, J_WORD, "endif");
    return n;
}

static sgn_jnode *parse_for(sgn_jparser *p, size_t at) {
    static const char *const until[] = { "else", "endfor", NULL }, *const end[] = { "endfor", NULL };
    sgn_jnode *n = sgn_jparser_node(p, J_FOR, at), **last = &n->kid[0];
    do {
        *last = sgn_jparser_node(p, J_NAME, p->now.at);
        (*last)->text = sgn_jparser_word(p, "a name");
        last = &(*last)->next;
    } while (sgn_jparser_skip(p, J_SIGN, ","));
    sgn_jparser_expect(p, J_WORD, "in");
    n->kid[1] = sgn_jparser_condition(p);
    if (sgn_jparser_skip(p, J_WORD, "if")) n->kid[2] = sgn_jparser_expression(p);
    if (sgn_jparser_is(p, J_WORD, "recursive"))
        sgn_jparser_fail(p, p->now.at, "recursive loops are not known; write a macro that calls itself");
    p->loops++;
    n->kid[3] = parse_block(p, until, at);
    p->loops--;
    if (sgn_jparser_skip(p, J_WORD, "else")) n->kid[4] = parse_block(p, end, at);
    sgn_jparser_expect(p, J_WORD, "endfor");
    return n;
}

static sgn_jnode *parse_set(sgn_jparser *p, size_t at) {
    static const char *const end[] = { "endset", NULL };
    sgn_jnode *n = sgn_jparser_node(p, J_SET, at);
    n->kid[0] = sgn_jparser_node(p, J_NAME, p->now.at);
    n->kid[0]->text = sgn_jparser_word(p, "a name");
    if (sgn_jparser_skip(p, J_SIGN, ".")) {
        sgn_jnode *a = sgn_jparser_node(p, J_ATTRIBUTE, p->now.at);
        a->kid[0] = n->kid[0];
        a->text = sgn_jparser_word(p, "a name");
        n->kid[0] = a;
    }
    if (sgn_jparser_is(p, J_SIGN, ",")) sgn_jparser_fail(p, p->now.at, "several names in one set are not known; set one after the other");
    if (sgn_jparser_skip(p, J_SIGN, "=")) {
        n->kid[1] = sgn_jparser_expression(p);
        return n;
    }
    n->type = J_SET_BODY;
    n->kid[1] = parse_block(p, end, at);
    sgn_jparser_expect(p, J_WORD, "endset");
    return n;
}

static sgn_jnode *parse_macro(sgn_jparser *p, size_t at) {
    static const char *const end[] = { "endmacro", NULL };
    sgn_jnode *n = sgn_jparser_node(p, J_MACRO, at), **last = &n->kid[0];
    n->text = sgn_jparser_word(p, "a name");
    sgn_jparser_expect(p, J_SIGN, "(");
    while (sgn_jparser_is(p, J_WORD, NULL)) {
        *last = sgn_jparser_node(p, J_ARGUMENT, p->now.at);
        (*last)->text = sgn_jparser_word(p, "a name");
        if (sgn_jparser_skip(p, J_SIGN, "=")) (*last)->kid[0] = sgn_jparser_expression(p);
        last = &(*last)->next;
        if (!sgn_jparser_skip(p, J_SIGN, ",")) break;
    }
    sgn_jparser_expect(p, J_SIGN, ")");
    const int loops = p->loops;
    p->loops = 0;
    n->kid[1] = parse_block(p, end, at);
    p->loops = loops;
    sgn_jparser_expect(p, J_WORD, "endmacro");
    return n;
}

/* {% generation %}: marks what the assistant said, for training; rendered as it is. */
static sgn_jnode *parse_generation(sgn_jparser *p, size_t at) {
    static const char *const end[] = { "endgeneration", NULL };
    sgn_jnode *n = sgn_jparser_node(p, J_IF, at);
    n->kid[0] = sgn_jparser_node(p, J_BOOL_LITERAL, at);
    n->kid[0]->whole = 1;
    n->kid[1] = parse_block(p, end, at);
    sgn_jparser_expect(p, J_WORD, "endgeneration");
    return n;
}

static sgn_jnode *parse_break(sgn_jparser *p, size_t at, sgn_jnode_type type) {
    if (p->loops == 0) sgn_jparser_fail(p, at, "break and continue belong into a loop; remove it");
    return sgn_jparser_node(p, type, at);
}

static sgn_jnode *parse_statement(sgn_jparser *p) {
    const size_t at = p->now.at;
    if (sgn_jparser_skip(p, J_WORD, "if")) return parse_if(p, at);
    if (sgn_jparser_skip(p, J_WORD, "for")) return parse_for(p, at);
    if (sgn_jparser_skip(p, J_WORD, "set")) return parse_set(p, at);
    if (sgn_jparser_skip(p, J_WORD, "macro")) return parse_macro(p, at);
    if (sgn_jparser_skip(p, J_WORD, "break")) return parse_break(p, at, J_BREAK);
    if (sgn_jparser_skip(p, J_WORD, "continue")) return parse_break(p, at, J_CONTINUE);
    if (sgn_jparser_skip(p, J_WORD, "generation")) return parse_generation(p, at);
    sgn_jparser_fail(p, at, "the statement '%.*s' is not known; write it with if, for, set or macro",
                     (int)(p->now.text.n < 40 ? p->now.text.n : 40), p->now.text.s);
    return sgn_jparser_node(p, J_OUTPUT_TEXT, at);
}

static sgn_jnode *parse_output(sgn_jparser *p) {
    sgn_jnode *n = sgn_jparser_node(p, p->now.type == J_DATA ? J_OUTPUT_TEXT : J_OUTPUT, p->now.at);
    n->text = p->now.text;
    const bool data = p->now.type == J_DATA;
    sgn_jparser_next(p);
    if (data) return n;
    n->kid[0] = sgn_jparser_expression(p);
    sgn_jparser_expect(p, J_PRINT_END, NULL);
    return n;
}

/* Up to a tag that begins with a word of `until` (which is then p->now), or to the end of the text where that is NULL. */
static sgn_jnode *parse_body(sgn_jparser *p, const char *const *until, size_t opened) {
    sgn_jnode *first = NULL, **last = &first;
    if (sgn_jparser_enter(p))
        while (p->status == SGN_OK && p->now.type != J_END) {
            if (!sgn_jparser_skip(p, J_TAG_BEGIN, NULL)) {
                *last = parse_output(p);
            } else {
                for (int i = 0; until && until[i]; i++)
                    if (sgn_jparser_is(p, J_WORD, until[i])) {
                        p->depth--;
                        return first;
                    }
                *last = parse_statement(p);
                sgn_jparser_expect(p, J_TAG_END, NULL);
            }
            last = &(*last)->next;
        }
    if (until) sgn_jparser_fail(p, opened, "this block has no end; close it with {%% %s %%}", until[0] ? until[strcmp(until[0], "elif") ? strcmp(until[0], "else") ? 0 : 1 : 2] : "");
    p->depth--;
    return first;
}

/* --- the whole ------------------------------------------------------------------------------------ */

/* \r\n and \r become \n, one newline at the end goes. */
static bool copy_source(sgn_jinja *t, const char *text, size_t size) {
    char *s = sgn_arena_alloc(&t->arena, size + 1);
    size_t n = 0;
    if (!s) return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\r' && i + 1 < size && text[i + 1] == '\n') continue;
        s[n++] = text[i] == '\r' ? '\n' : text[i];
    }
    if (n && s[n - 1] == '\n') n--;
    t->source = (sgn_jtext){ s, n };
    return true;
}

static sgn_status parse(sgn_jinja *t, const char *text, size_t size, const char *where, sgn_error *err) {
    SGN_TRY(sgn_path_set(&t->where, err, "%s", where));
    if (size > SGN_JINJA_SOURCE)
        SGN_FAIL(err, SGN_FORMAT, "%s: a template of %zu bytes, %d are the most; give a shorter one", where, size, SGN_JINJA_SOURCE);
    SGN_TRY(sgn_arena_init(&t->arena, size * BYTES_PER_BYTE + 4096, err));
    if (!copy_source(t, text, size)) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for the template", where);
    sgn_jparser p = { .t = t, .lexer = { .source = t->source, .line_start = true }, .now.type = J_DATA, .err = err };
    sgn_jparser_next(&p);
    t->body = parse_body(&p, NULL, 0);
    return p.status;
}

sgn_status sgn_jinja_parse(sgn_jinja **out, const char *text, size_t size, const char *where, sgn_error *err) {
    *out = NULL;
    sgn_jinja *t = calloc(1, sizeof *t);
    if (!t) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for a template", where);
    const sgn_status s = parse(t, text, size, where, err);
    if (s == SGN_OK) *out = t;
    else sgn_jinja_close(t);
    return s;
}

void sgn_jinja_close(sgn_jinja *t) {
    if (!t) return;
    sgn_arena_free(&t->arena);
    free(t);
}
