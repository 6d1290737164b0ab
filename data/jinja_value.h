/* jinja_value.h - what templates compute with, and a rendering; for data/jinja_*.c only.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_JINJA_VALUE_H
#define SGN_DATA_JINJA_VALUE_H

#include "data/jinja_tree.h"

typedef enum { J_UNDEFINED, J_NONE, J_BOOL, J_INT, J_REAL, J_TEXT, J_LIST, J_DICT, J_NAMESPACE, J_LOOP, J_FUNCTION, J_MACRO_VALUE } sgn_jkind;

typedef struct sgn_jlist     sgn_jlist;
typedef struct sgn_jloop     sgn_jloop;
typedef struct sgn_jfunction sgn_jfunction;
typedef struct sgn_jclosure  sgn_jclosure;
typedef struct sgn_jrun      sgn_jrun;

typedef struct {
    sgn_jkind kind;
    union {
        int64_t    whole;              /* J_BOOL, J_INT */
        double     real;
        sgn_jtext  text;               /* any bytes; characters are counted as UTF-8 */
        sgn_jlist *list;               /* J_LIST; J_DICT and J_NAMESPACE: key, value, key, value */
        const sgn_jloop     *loop;
        const sgn_jfunction *function; /* with its object, as sgn_jbound */
        const sgn_jclosure  *macro;
    };
    const void *self;                  /* J_FUNCTION: const sgn_jvalue *, the object of a method */
} sgn_jvalue;

struct sgn_jlist { sgn_jvalue *at; size_t count, room; bool group; };      /* group: of groupby, its two are called grouper and list */
struct sgn_jloop { const sgn_jlist *over; size_t index; };

typedef struct { char *s; size_t n, room; } sgn_jbuffer;

/* Names of one body; `set` writes into the innermost. */
typedef struct sgn_jscope sgn_jscope;
struct sgn_jscope {
    sgn_jscope *outer;
    sgn_jlist   names;                 /* text, value, text, value */
};
struct sgn_jclosure { const sgn_jnode *macro; sgn_jscope *scope; };

enum { J_ARGUMENTS = 4, J_NESTED = 600 };     /* of a call; expressions, blocks, macros and values inside one another */
/* Filters, tests, methods and functions are all alike. `self`: what stands before | is or the dot. */
struct sgn_jfunction {
    const char *name;
    int         least;                 /* arguments that must be given */
    const char *arguments;             /* names, in order, with a space behind each; "*": any names, taken as a dict in a[0] */
    sgn_jvalue (*call)(sgn_jrun *r, sgn_jvalue self, const sgn_jvalue a[J_ARGUMENTS]);
};
const sgn_jfunction *sgn_jfilter_find(sgn_jtext name);
const sgn_jfunction *sgn_jtest_find(sgn_jtext name);
const sgn_jfunction *sgn_jmethod_find(sgn_jkind of, sgn_jtext name);
const sgn_jfunction *sgn_jglobal_find(sgn_jtext name);

struct sgn_jrun {
    const sgn_jinja *t;
    sgn_arena        arena;            /* all that a rendering makes; its size is the bound */
    sgn_jbuffer     *out;
    sgn_jscope      *scope;
    const sgn_jnode *here;             /* for messages */
    int              depth;
    uint64_t         work;             /* steps so far */
    enum { J_GOES_ON, J_BREAKS, J_CONTINUES } leaves;
    sgn_status       status;           /* the first failure stays; after it all values are undefined */
    sgn_error       *err;
    sgn_jlist        none;             /* in place of a list that there is no memory for */
};

/* Returns an undefined value. */
sgn_jvalue sgn_jfail(sgn_jrun *r, sgn_status s, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void      *sgn_jalloc(sgn_jrun *r, size_t bytes);      /* NULL: r has failed */
void       sgn_jwork(sgn_jrun *r, size_t bytes);       /* counts the steps of looking at so many bytes */

sgn_jvalue sgn_jint(int64_t v);
sgn_jvalue sgn_jbool(bool v);
sgn_jvalue sgn_jreal(double v);
sgn_jvalue sgn_jstring(const char *s, size_t n);       /* not copied */
sgn_jvalue sgn_jlist_new(sgn_jrun *r, sgn_jkind kind);
void       sgn_jlist_add(sgn_jrun *r, sgn_jlist *l, sgn_jvalue v);
void       sgn_jdict_set(sgn_jrun *r, sgn_jlist *d, sgn_jvalue key, sgn_jvalue v);
const sgn_jvalue *sgn_jdict_get(const sgn_jlist *d, sgn_jtext key);
sgn_jvalue sgn_jfrom_json(sgn_jrun *r, const sgn_json *j);

const char *sgn_jkind_name(sgn_jkind k);
bool       sgn_jtrue(sgn_jvalue v);
bool       sgn_jequal(sgn_jrun *r, sgn_jvalue a, sgn_jvalue b);
int        sgn_jcompare(sgn_jrun *r, sgn_jvalue a, sgn_jvalue b);      /* fails where they have no order */
bool       sgn_jcontains(sgn_jrun *r, sgn_jvalue where, sgn_jvalue what);
/* Items: of a list, characters of a text, keys of a dict, nothing of an undefined value. */
const sgn_jlist *sgn_jitems(sgn_jrun *r, sgn_jvalue v);
size_t     sgn_jlength(sgn_jrun *r, sgn_jvalue v);
sgn_jvalue sgn_jattribute(sgn_jrun *r, sgn_jvalue of, sgn_jtext name); /* a method, else an item */
sgn_jvalue sgn_jitem(sgn_jrun *r, sgn_jvalue of, sgn_jvalue key);
sgn_jvalue sgn_jpath(sgn_jrun *r, sgn_jvalue of, sgn_jvalue path);     /* path "a.b", or an item's number */
sgn_jvalue sgn_jpairs(sgn_jrun *r, sgn_jvalue of);                     /* [[key, value], ...] of a dict */
sgn_jvalue sgn_jslice(sgn_jrun *r, sgn_jvalue of, sgn_jvalue from, sgn_jvalue to, sgn_jvalue step);
sgn_jvalue sgn_jarithmetic(sgn_jrun *r, sgn_jtext op, sgn_jvalue a, sgn_jvalue b);

/* Texts of values: as printed, as Python's repr, as JSON (indent < 0: on one line). */
void       sgn_jput(sgn_jrun *r, sgn_jbuffer *b, const char *s, size_t n);
void       sgn_jput_value(sgn_jrun *r, sgn_jbuffer *b, sgn_jvalue v);
void       sgn_jput_json(sgn_jrun *r, sgn_jbuffer *b, sgn_jvalue v, int indent, int depth);
sgn_jvalue sgn_jbuffer_value(const sgn_jbuffer *b);
sgn_jtext  sgn_jprinted(sgn_jrun *r, sgn_jvalue v);    /* of a text: itself */

sgn_jtext  sgn_jstrip(sgn_jtext t, const sgn_jtext *of, bool left, bool right);    /* of NULL: white space */
size_t     sgn_jfind(sgn_jtext in, sgn_jtext what, size_t from);                   /* SIZE_MAX: nowhere */
typedef enum { J_LOWER, J_UPPER, J_TITLE, J_CAPITALIZE } sgn_jcase;
sgn_jvalue sgn_jcased(sgn_jrun *r, sgn_jtext t, sgn_jcase how);
sgn_jvalue sgn_jreplaced(sgn_jrun *r, sgn_jtext in, sgn_jtext what, sgn_jtext by, int64_t most);     /* most < 0: all */
sgn_jvalue sgn_jjoined(sgn_jrun *r, sgn_jvalue items, sgn_jtext between);

sgn_jvalue sgn_jcall(sgn_jrun *r, const sgn_jfunction *f, sgn_jvalue self, const sgn_jnode *arguments);
sgn_jvalue sgn_jcall_with(sgn_jrun *r, const sgn_jfunction *f, sgn_jvalue self, const sgn_jvalue *given, size_t count);

/* Filters of jinja_sort.c. */
sgn_jvalue sgn_jsort(sgn_jrun *r, sgn_jvalue self, const sgn_jvalue a[J_ARGUMENTS]);
sgn_jvalue sgn_jdictsort(sgn_jrun *r, sgn_jvalue self, const sgn_jvalue a[J_ARGUMENTS]);
sgn_jvalue sgn_jgroupby(sgn_jrun *r, sgn_jvalue self, const sgn_jvalue a[J_ARGUMENTS]);
sgn_jvalue sgn_junique(sgn_jrun *r, sgn_jvalue self, const sgn_jvalue a[J_ARGUMENTS]);
sgn_jvalue sgn_jmin(sgn_jrun *r, sgn_jvalue self, const sgn_jvalue a[J_ARGUMENTS]);
sgn_jvalue sgn_jmax(sgn_jrun *r, sgn_jvalue self, const sgn_jvalue a[J_ARGUMENTS]);

#endif
