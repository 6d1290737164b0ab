/* A template rendered: a walk over its nodes. After a failure all values are undefined and all loops end.
 *
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "data/jinja_value.h"

enum { BYTES_PER_STEP = 64 };
#define STEPS UINT64_C(20000000)

static sgn_jvalue eval(sgn_jrun *r, const sgn_jnode *n);
static void       render(sgn_jrun *r, const sgn_jnode *n);

/* --- the run's tools --------------------------------------------------------------------------------- */

sgn_jvalue sgn_jfail(sgn_jrun *r, sgn_status s, const char *fmt, ...) {
    char text[300];
    int line, column;
    va_list args;
    if (r->status != SGN_OK) return (sgn_jvalue){ 0 };
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    sgn_jinja_one_line(text);
    sgn_jinja_place(r->t, r->here ? r->here->at : 0, &line, &column);
    r->status = SGN_ERROR(r->err, s, "%.160s:%d:%d: %s", r->t->where.s, line, column, text);
    return (sgn_jvalue){ 0 };
}

void *sgn_jalloc(sgn_jrun *r, size_t bytes) {
    void *p = r->status == SGN_OK ? sgn_arena_alloc(&r->arena, bytes) : NULL;
    if (!p) sgn_jfail(r, SGN_CONFIG, "the template makes more than %d MiB of text and values; shorten the messages", SGN_JINJA_MEMORY >> 20);
    return p;
}

void sgn_jwork(sgn_jrun *r, size_t bytes) {
    r->work += 1 + bytes / BYTES_PER_STEP;
    if (r->work > STEPS) sgn_jfail(r, SGN_CONFIG, "the template takes more than %llu million steps; shorten its loops", (unsigned long long)(STEPS / 1000000));
}

static bool enter(sgn_jrun *r, const sgn_jnode *n) {
    r->here = n;
    sgn_jwork(r, 0);
    if (++r->depth > J_NESTED) sgn_jfail(r, SGN_CONFIG, "expressions, blocks and macros stand more than %d deep; simplify the template", J_NESTED);
    return r->status == SGN_OK;
}

static void set_name(sgn_jrun *r, sgn_jtext name, sgn_jvalue v) {
    sgn_jdict_set(r, &r->scope->names, sgn_jstring(name.s, name.n), v);
}

static sgn_jvalue get_name(sgn_jrun *r, sgn_jtext name) {
    for (const sgn_jscope *s = r->scope; s; s = s->outer) {
        const sgn_jvalue *v = sgn_jdict_get(&s->names, name);
        if (v) return *v;
    }
    const sgn_jfunction *f = sgn_jglobal_find(name);
    return f ? (sgn_jvalue){ .kind = J_FUNCTION, .function = f } : (sgn_jvalue){ 0 };
}

/* --- calls ----------------------------------------------------------------------------------------- */

/* Number of the argument `name` of f; -1: it has none. */
static int argument_number(const sgn_jfunction *f, sgn_jtext name) {
    const char *s = f->arguments;
    for (int i = 0; *s; i++) {
        const size_t n = strcspn(s, " ");
        if (name.n == n && memcmp(s, name.s, n) == 0) return i;
        s += n + 1;
    }
    return -1;
}

static int arguments_taken(const sgn_jfunction *f) {
    int n = 0;
    for (const char *s = f->arguments; *s; s++) n += *s == ' ';
    return n;
}

sgn_jvalue sgn_jcall_with(sgn_jrun *r, const sgn_jfunction *f, sgn_jvalue self, const sgn_jvalue *given, size_t count) {
    sgn_jvalue a[J_ARGUMENTS] = { { 0 } };
    if ((int)count > arguments_taken(f) || (int)count < f->least)
        return sgn_jfail(r, SGN_CONFIG, "'%s' is given %zu arguments; give %d to %d", f->name, count, f->least, arguments_taken(f));
    if (count) memcpy(a, given, count * sizeof *a);
    return r->status == SGN_OK ? f->call(r, self, a) : (sgn_jvalue){ 0 };
}

/* All named arguments as one dict. */
static sgn_jvalue call_named(sgn_jrun *r, const sgn_jfunction *f, const sgn_jnode *arguments) {
    sgn_jvalue a[J_ARGUMENTS] = { sgn_jlist_new(r, J_DICT) };
    for (const sgn_jnode *n = arguments; n && r->status == SGN_OK; n = n->next) {
        if (n->text.n == 0) return sgn_jfail(r, SGN_CONFIG, "'%s' is given an argument without a name; write name=value", f->name);
        sgn_jdict_set(r, a[0].list, sgn_jstring(n->text.s, n->text.n), eval(r, n->kid[0]));
    }
    return r->status == SGN_OK ? f->call(r, (sgn_jvalue){ 0 }, a) : (sgn_jvalue){ 0 };
}

sgn_jvalue sgn_jcall(sgn_jrun *r, const sgn_jfunction *f, sgn_jvalue self, const sgn_jnode *arguments) {
    sgn_jvalue a[J_ARGUMENTS] = { { 0 } };
    const sgn_jnode *here = r->here;
    int count = 0, most = 0;
    if (f->arguments[0] == '*') return call_named(r, f, arguments);
    for (const sgn_jnode *n = arguments; n && r->status == SGN_OK; n = n->next, count++) {
        const int i = n->text.n ? argument_number(f, n->text) : count;
        if (i < 0 || i >= arguments_taken(f)) {
            r->here = n;
            return n->text.n ? sgn_jfail(r, SGN_CONFIG, "'%s' takes no argument '%.*s'; remove it", f->name, (int)(n->text.n < 60 ? n->text.n : 60), n->text.s)
                             : sgn_jfail(r, SGN_CONFIG, "'%s' takes %d arguments at most; remove the others", f->name, arguments_taken(f));
        }
        a[i] = eval(r, n->kid[0]);
        if (i >= most) most = i + 1;
    }
    r->here = here;
    if (count < f->least) return sgn_jfail(r, SGN_CONFIG, "'%s' needs %d arguments; give them", f->name, f->least);
    return r->status == SGN_OK ? f->call(r, self, a) : (sgn_jvalue){ 0 };
}

/* Parameters take arguments by name, then in order, then their defaults. */
static void bind(sgn_jrun *r, const sgn_jnode *macro, const sgn_jnode *arguments, sgn_jscope *inner) {
    sgn_jlist *names = &inner->names;
    const sgn_jnode *p = macro->kid[0];
    for (const sgn_jnode *n = arguments; n && r->status == SGN_OK; n = n->next) {
        const sgn_jnode *to = p;
        if (n->text.n)
            for (to = macro->kid[0]; to && (to->text.n != n->text.n || memcmp(to->text.s, n->text.s, n->text.n)); to = to->next) continue;
        else if (p) p = p->next;
        r->here = n;
        if (to) sgn_jdict_set(r, names, sgn_jstring(to->text.s, to->text.n), eval(r, n->kid[0]));
        else sgn_jfail(r, SGN_CONFIG, "the macro '%.*s' takes no such argument; remove it", (int)(macro->text.n < 60 ? macro->text.n : 60), macro->text.s);
    }
    r->scope = inner;
    for (p = macro->kid[0]; p && r->status == SGN_OK; p = p->next)
        if (!sgn_jdict_get(names, p->text)) set_name(r, p->text, p->kid[0] ? eval(r, p->kid[0]) : (sgn_jvalue){ 0 });
}

static sgn_jvalue captured(sgn_jrun *r, const sgn_jnode *body) {
    sgn_jbuffer text = { 0 }, *out = r->out;
    r->out = &text;
    render(r, body);
    r->out = out;
    return sgn_jbuffer_value(&text);
}

static sgn_jvalue call_macro(sgn_jrun *r, const sgn_jclosure *c, const sgn_jnode *arguments) {
    sgn_jscope *outer = r->scope, *inner = sgn_jalloc(r, sizeof *inner);
    if (!inner) return (sgn_jvalue){ 0 };
    *inner = (sgn_jscope){ .outer = c->scope };
    bind(r, c->macro, arguments, inner);
    const sgn_jvalue v = captured(r, c->macro->kid[1]);
    r->scope = outer;
    return v;
}

static sgn_jvalue call(sgn_jrun *r, const sgn_jnode *n) {
    const sgn_jvalue f = eval(r, n->kid[0]);
    r->here = n->kid[0];
    if (f.kind == J_FUNCTION) return sgn_jcall(r, f.function, f.self ? *(const sgn_jvalue *)f.self : (sgn_jvalue){ 0 }, n->kid[1]);
    if (f.kind == J_MACRO_VALUE) return call_macro(r, f.macro, n->kid[1]);
    const sgn_jtext name = n->kid[0]->text;
    return sgn_jfail(r, SGN_CONFIG, "'%.*s' is called, but is %s; functions, methods and macros can be called", (int)(name.n < 60 ? name.n : 60),
                     name.n ? name.s : "", sgn_jkind_name(f.kind));
}

static sgn_jvalue apply(sgn_jrun *r, const sgn_jnode *n) {
    const bool filter = n->type == J_FILTER;
    const sgn_jfunction *f = filter ? sgn_jfilter_find(n->text) : sgn_jtest_find(n->text);
    const sgn_jvalue v = eval(r, n->kid[0]);
    r->here = n;
    if (f) return sgn_jcall(r, f, v, n->kid[1]);
    return sgn_jfail(r, SGN_UNSUPPORTED, "the %s '%.*s' is not known; edit the template to do without", filter ? "filter" : "test",
                     (int)(n->text.n < 60 ? n->text.n : 60), n->text.s);
}

/* --- expressions ------------------------------------------------------------------------------------- */

static sgn_jvalue binary(sgn_jrun *r, const sgn_jnode *n) {
    const sgn_jvalue a = eval(r, n->kid[0]), b = eval(r, n->kid[1]);
    const char c = n->text.s[0], d = n->text.n > 1 ? n->text.s[1] : '\0';
    r->here = n;
    if (r->status != SGN_OK) return a;
    if (c == '=' || c == '!') return sgn_jbool(sgn_jequal(r, a, b) == (c == '='));
    if (c == 'i' || c == 'n') return sgn_jbool(sgn_jcontains(r, b, a) == (c == 'i'));
    if (c != '<' && c != '>') return sgn_jarithmetic(r, n->text, a, b);
    const int order = sgn_jcompare(r, a, b);
    return sgn_jbool((d == '=' && order == 0) || (c == '<' ? order < 0 : order > 0));
}

static sgn_jvalue signed_number(sgn_jrun *r, const sgn_jnode *n) {
    const sgn_jvalue v = eval(r, n->kid[0]);
    r->here = n;
    return sgn_jarithmetic(r, (sgn_jtext){ n->type == J_NEGATIVE ? "-" : "+", 1 }, sgn_jint(0), v);
}

static sgn_jvalue collection(sgn_jrun *r, const sgn_jnode *n) {
    sgn_jvalue v = sgn_jlist_new(r, n->type == J_LIST_LITERAL ? J_LIST : J_DICT);
    for (const sgn_jnode *item = n->kid[0]; item && r->status == SGN_OK; item = item->next) {
        const sgn_jvalue first = eval(r, item->kid[0]);
        if (n->type == J_LIST_LITERAL) sgn_jlist_add(r, v.list, first);
        else sgn_jdict_set(r, v.list, first, eval(r, item->kid[1]));
    }
    return v;
}

static sgn_jvalue part(sgn_jrun *r, const sgn_jnode *n) {
    sgn_jvalue v[4] = { { 0 } };
    for (int i = 0; i < 4; i++)
        if (n->kid[i]) v[i] = eval(r, n->kid[i]);
    r->here = n;
    if (r->status != SGN_OK) return (sgn_jvalue){ 0 };
    if (n->type == J_ATTRIBUTE) return sgn_jattribute(r, v[0], n->text);
    return n->type == J_INDEX ? sgn_jitem(r, v[0], v[1]) : sgn_jslice(r, v[0], v[1], v[2], v[3]);
}

static sgn_jvalue value_of(sgn_jrun *r, const sgn_jnode *n) {
    sgn_jvalue v;
    switch (n->type) {
        case J_TEXT_LITERAL: return sgn_jstring(n->text.s, n->text.n);
        case J_INT_LITERAL:  return sgn_jint(n->whole);
        case J_REAL_LITERAL: return sgn_jreal(n->real);
        case J_BOOL_LITERAL: return sgn_jbool(n->whole);
        case J_NONE_LITERAL: return (sgn_jvalue){ .kind = J_NONE };
        case J_NAME:         return get_name(r, n->text);
        case J_LIST_LITERAL: case J_DICT_LITERAL: return collection(r, n);
        case J_ATTRIBUTE: case J_INDEX: case J_SLICE: return part(r, n);
        case J_CALL:         return call(r, n);
        case J_FILTER: case J_TEST: return apply(r, n);
        case J_NOT:          return sgn_jbool(!sgn_jtrue(eval(r, n->kid[0])));
        case J_NEGATIVE: case J_POSITIVE: return signed_number(r, n);
        case J_AND: case J_OR: return sgn_jtrue(v = eval(r, n->kid[0])) == (n->type == J_AND) ? eval(r, n->kid[1]) : v;
        case J_BINARY:       return binary(r, n);
        case J_CHOICE:       return sgn_jtrue(eval(r, n->kid[0])) ? eval(r, n->kid[1]) : n->kid[2] ? eval(r, n->kid[2]) : (sgn_jvalue){ 0 };
        default:             return (sgn_jvalue){ 0 };
    }
}

static sgn_jvalue eval(sgn_jrun *r, const sgn_jnode *n) {
    sgn_jvalue v = { 0 };
    if (enter(r, n)) v = value_of(r, n);
    r->depth--;
    return r->status == SGN_OK ? v : (sgn_jvalue){ 0 };
}

/* --- statements ---------------------------------------------------------------------------------------- */

static void assign(sgn_jrun *r, const sgn_jnode *to, sgn_jvalue v) {
    if (to->type == J_NAME) {
        set_name(r, to->text, v);
        return;
    }
    const sgn_jvalue of = eval(r, to->kid[0]);
    r->here = to;
    if (of.kind == J_NAMESPACE) sgn_jdict_set(r, of.list, sgn_jstring(to->text.s, to->text.n), v);
    else sgn_jfail(r, SGN_CONFIG, "an attribute of %s is set; only those of a namespace() can be", sgn_jkind_name(of.kind));
}

/* One name takes the item, several its parts. */
static void assign_item(sgn_jrun *r, const sgn_jnode *names, sgn_jvalue item) {
    size_t i = 0;
    if (!names->next) {
        set_name(r, names->text, item);
        return;
    }
    const sgn_jlist *parts = sgn_jitems(r, item);
    for (const sgn_jnode *n = names; n && r->status == SGN_OK; n = n->next, i++)
        if (i < parts->count) set_name(r, n->text, parts->at[i]);
    if (i != parts->count) sgn_jfail(r, SGN_CONFIG, "an item of %zu parts for %zu names; give as many", parts->count, i);
}

/* The items for which the loop's own condition holds. */
static const sgn_jlist *filtered(sgn_jrun *r, const sgn_jnode *n, const sgn_jlist *all) {
    sgn_jlist *kept = sgn_jlist_new(r, J_LIST).list;
    for (size_t i = 0; i < all->count && r->status == SGN_OK; i++) {
        assign_item(r, n->kid[0], all->at[i]);
        if (sgn_jtrue(eval(r, n->kid[2]))) sgn_jlist_add(r, kept, all->at[i]);
    }
    return kept;
}

static void render_for(sgn_jrun *r, const sgn_jnode *n) {
    static const sgn_jtext name = { "loop", 4 };
    sgn_jscope *outer = r->scope;
    const sgn_jlist *over = sgn_jitems(r, eval(r, n->kid[1]));
    sgn_jloop *loop = sgn_jalloc(r, sizeof *loop);
    sgn_jscope inner = { .outer = outer };
    r->scope = &inner;
    if (loop && n->kid[2]) over = filtered(r, n, over);
    if (loop) *loop = (sgn_jloop){ .over = over };
    for (size_t i = 0; i < over->count && r->status == SGN_OK && r->leaves != J_BREAKS; i++) {
        sgn_jscope *turn = sgn_jalloc(r, sizeof *turn);        /* a macro of the body may keep it */
        if (!turn) break;
        *turn = (sgn_jscope){ .outer = outer };
        r->scope = turn;
        r->leaves = J_GOES_ON;
        loop->index = i;
        set_name(r, name, (sgn_jvalue){ .kind = J_LOOP, .loop = loop });
        assign_item(r, n->kid[0], over->at[i]);
        render(r, n->kid[3]);
    }
    r->leaves = J_GOES_ON;
    r->scope = outer;
    if (over->count == 0) render(r, n->kid[4]);
}

static void render_macro(sgn_jrun *r, const sgn_jnode *n) {
    sgn_jclosure *c = sgn_jalloc(r, sizeof *c);
    if (!c) return;
    *c = (sgn_jclosure){ n, r->scope };
    set_name(r, n->text, (sgn_jvalue){ .kind = J_MACRO_VALUE, .macro = c });
}

static void render_one(sgn_jrun *r, const sgn_jnode *n) {
    switch (n->type) {
        case J_OUTPUT_TEXT: sgn_jput(r, r->out, n->text.s, n->text.n); break;
        case J_OUTPUT: {
            const sgn_jvalue v = eval(r, n->kid[0]);
            r->here = n->kid[0];
            sgn_jput_value(r, r->out, v);
            break;
        }
        case J_IF:       render(r, sgn_jtrue(eval(r, n->kid[0])) ? n->kid[1] : n->kid[2]); break;
        case J_FOR:      render_for(r, n); break;
        case J_SET:      assign(r, n->kid[0], eval(r, n->kid[1])); break;
        case J_SET_BODY: assign(r, n->kid[0], captured(r, n->kid[1])); break;
        case J_MACRO:    render_macro(r, n); break;
        case J_BREAK:    r->leaves = J_BREAKS; break;
        case J_CONTINUE: r->leaves = J_CONTINUES; break;
        default: break;
    }
}

/* A list of statements; an elif is a lone statement. */
static void render(sgn_jrun *r, const sgn_jnode *n) {
    for (; n && r->leaves == J_GOES_ON && r->status == SGN_OK; n = n->next) {
        if (enter(r, n)) render_one(r, n);
        r->depth--;
    }
}

static sgn_status run(sgn_jrun *r, const sgn_json *variables, char **out, size_t *size) {
    sgn_jbuffer text = { 0 };
    sgn_jscope top = { 0 }, body = { .outer = &top };
    r->out = &text;
    r->scope = &body;
    const sgn_jvalue v = sgn_jfrom_json(r, variables);
    if (v.kind == J_DICT) top.names = *v.list;
    render(r, r->t->body);
    if (r->status != SGN_OK) return r->status;
    *out = malloc(text.n + 1);
    if (!*out) SGN_FAIL(r->err, SGN_NOMEM, "%.160s: no memory for %zu bytes of text", r->t->where.s, text.n);
    if (text.n) memcpy(*out, text.s, text.n);
    (*out)[text.n] = '\0';
    *size = text.n;
    return SGN_OK;
}

sgn_status sgn_jinja_render(const sgn_jinja *t, const sgn_json *variables, char **out, size_t *size, sgn_error *err) {
    sgn_jrun r = { .t = t, .err = err };
    *out = NULL;
    *size = 0;
    SGN_TRY(sgn_arena_init(&r.arena, SGN_JINJA_MEMORY, err));
    const sgn_status s = run(&r, variables, out, size);
    sgn_arena_free(&r.arena);
    return s;
}
