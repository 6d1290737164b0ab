/* jinja_tree.h - a parsed template: tokens and nodes, for data/jinja_*.c only.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_JINJA_TREE_H
#define SGN_DATA_JINJA_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/file.h"
#include "data/jinja.h"

typedef struct { const char *s; size_t n; } sgn_jtext;
static inline bool sgn_jtext_is(sgn_jtext t, const char *word) {
    size_t n = 0;
    while (n < t.n && word[n] && word[n] == t.s[n]) n++;
    return n == t.n && !word[n];
}

typedef enum {
    J_END, J_DATA, J_PRINT_BEGIN, J_PRINT_END, J_TAG_BEGIN, J_TAG_END, J_WORD, J_WHOLE, J_DECIMAL, J_QUOTED, J_SIGN, J_BAD
} sgn_jtoken_type;
typedef struct {
    sgn_jtoken_type type;
    sgn_jtext       text;          /* J_QUOTED: between the quotes, escapes as written; J_BAD: what is wrong */
    size_t          at;            /* of the source */
} sgn_jtoken;

/* Copied to look ahead. */
typedef struct {
    sgn_jtext source;
    size_t    at;
    enum { J_IN_TEXT, J_IN_PRINT, J_IN_TAG } mode;
    int       brackets;            /* open: }} ends no print inside them */
    bool      line_start;          /* what was read last ended a line */
} sgn_jlexer;
sgn_jtoken sgn_jlexer_next(sgn_jlexer *l);

/* kid: what a node is made of, by number; lists hang on `next`. */
typedef enum {
    /* expressions */
    J_TEXT_LITERAL,                /* text */
    J_INT_LITERAL, J_REAL_LITERAL, J_NONE_LITERAL, J_BOOL_LITERAL,
    J_NAME,                        /* text */
    J_LIST_LITERAL,                /* 0: items */
    J_DICT_LITERAL,                /* 0: J_PAIRs */
    J_PAIR,                        /* 0: key, 1: value */
    J_ATTRIBUTE,                   /* 0 . text */
    J_INDEX,                       /* 0 [ 1 ] */
    J_SLICE,                       /* 0 [ 1 : 2 : 3 ] */
    J_CALL,                        /* 0 ( 1: J_ARGUMENTs ) */
    J_ARGUMENT,                    /* text (may be empty) = 0 */
    J_FILTER,                      /* 0 | text ( 1: J_ARGUMENTs ) */
    J_TEST,                        /* 0 is text ( 1: J_ARGUMENTs ) */
    J_NOT, J_NEGATIVE, J_POSITIVE, /* 0 */
    J_AND, J_OR,                   /* 0, 1 */
    J_BINARY,                      /* 0 text 1 */
    J_CHOICE,                      /* 1 if 0 else 2 */
    /* statements */
    J_OUTPUT_TEXT,                 /* text */
    J_OUTPUT,                      /* 0 */
    J_IF,                          /* 0: condition, 1: body, 2: otherwise */
    J_FOR,                         /* 0: J_NAMEs, 1: over, 2: only if, 3: body, 4: otherwise */
    J_SET,                         /* 0: J_NAME or J_ATTRIBUTE, 1: value */
    J_SET_BODY,                    /* 0: the same, 1: body */
    J_MACRO,                       /* text, 0: J_ARGUMENTs with defaults, 1: body */
    J_BREAK, J_CONTINUE,
    J_NODES
} sgn_jnode_type;

enum { J_KIDS = 5 };
typedef struct sgn_jnode sgn_jnode;
struct sgn_jnode {
    sgn_jnode_type type;
    uint32_t       at;             /* of the source */
    sgn_jtext      text;
    int64_t        whole;          /* J_INT_LITERAL, J_BOOL_LITERAL */
    double         real;
    sgn_jnode     *kid[J_KIDS], *next;
};

struct sgn_jinja {
    sgn_arena  arena;
    sgn_path   where;
    sgn_jtext  source;             /* newlines are \n */
    sgn_jnode *body;
};

/* --- parsing: the first failure stays, and all that follows reads as the end ------------------- */

enum { J_DEPTH = 100 };            /* of expressions and blocks inside one another */
typedef struct {
    sgn_jinja *t;
    sgn_jlexer lexer;
    sgn_jtoken now;
    int        depth, loops;
    sgn_status status;
    sgn_error *err;
} sgn_jparser;
void       sgn_jparser_fail(sgn_jparser *p, size_t at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void       sgn_jparser_next(sgn_jparser *p);
sgn_jtoken sgn_jparser_peek(const sgn_jparser *p);
bool       sgn_jparser_is(const sgn_jparser *p, sgn_jtoken_type type, const char *text);
bool       sgn_jparser_skip(sgn_jparser *p, sgn_jtoken_type type, const char *text);     /* true: it was there */
void       sgn_jparser_expect(sgn_jparser *p, sgn_jtoken_type type, const char *text);
sgn_jtext  sgn_jparser_word(sgn_jparser *p, const char *what);
/* Never NULL: after a failure, a node that nobody renders. */
sgn_jnode *sgn_jparser_node(sgn_jparser *p, sgn_jnode_type type, size_t at);
bool       sgn_jparser_enter(sgn_jparser *p);      /* one deeper: false where too deep; p->depth-- leaves */
sgn_jnode *sgn_jparser_expression(sgn_jparser *p);
sgn_jnode *sgn_jparser_condition(sgn_jparser *p);  /* without an inline if */
sgn_jnode *sgn_jparser_arguments(sgn_jparser *p);  /* after "(", past ")" */

/* Line and column, from 1, of an offset. */
void       sgn_jinja_place(const sgn_jinja *t, size_t at, int *line, int *column);
/* Text of a template in a message: newlines and the like become spaces. */
void       sgn_jinja_one_line(char *text);

#endif
