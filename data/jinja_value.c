/* Values of a template: made, compared, taken apart. Python's rules. SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>
#include "data/jinja_value.h"
#include "data/utf8.h"

enum { DICT_LIKE = 1 << J_DICT | 1 << J_NAMESPACE, NUMBER = 1 << J_BOOL | 1 << J_INT | 1 << J_REAL, WHOLE = 1 << J_BOOL | 1 << J_INT };
static bool is(sgn_jvalue v, unsigned kinds) { return kinds >> v.kind & 1; }

const char *sgn_jkind_name(sgn_jkind k) {
    static const char *const names[] = { "an undefined value", "none", "a bool", "an integer", "a real number", "a string", "a list", "a dict",
                                         "a namespace", "the loop", "a function", "a macro" };
    return names[k];
}

/* --- made ------------------------------------------------------------------------------------------ */

sgn_jvalue sgn_jint(int64_t v) { return (sgn_jvalue){ .kind = J_INT, .whole = v }; }
sgn_jvalue sgn_jbool(bool v) { return (sgn_jvalue){ .kind = J_BOOL, .whole = v }; }
sgn_jvalue sgn_jreal(double v) { return (sgn_jvalue){ .kind = J_REAL, .real = v }; }
sgn_jvalue sgn_jstring(const char *s, size_t n) { return (sgn_jvalue){ .kind = J_TEXT, .text = { s, n } }; }

sgn_jvalue sgn_jlist_new(sgn_jrun *r, sgn_jkind kind) {
    sgn_jlist *l = sgn_jalloc(r, sizeof *l);
    if (l) *l = (sgn_jlist){ 0 };
    return (sgn_jvalue){ .kind = kind, .list = l ? l : &r->none };
}

void sgn_jlist_add(sgn_jrun *r, sgn_jlist *l, sgn_jvalue v) {
    if (r->status == SGN_OK && l->count == l->room) {
        const size_t room = l->room ? 2 * l->room : 4;
        sgn_jvalue *at = sgn_jalloc(r, room * sizeof *at);
        if (!at) return;
        if (l->count) memcpy(at, l->at, l->count * sizeof *at);
        l->at = at;
        l->room = room;
    }
    if (r->status == SGN_OK) l->at[l->count++] = v;
}

const sgn_jvalue *sgn_jdict_get(const sgn_jlist *d, sgn_jtext key) {
    for (size_t i = 0; i < d->count; i += 2)
        if (d->at[i].kind == J_TEXT && d->at[i].text.n == key.n && memcmp(d->at[i].text.s, key.s, key.n) == 0) return &d->at[i + 1];
    return NULL;
}

void sgn_jdict_set(sgn_jrun *r, sgn_jlist *d, sgn_jvalue key, sgn_jvalue v) {
    if (r->status != SGN_OK) return;
    sgn_jwork(r, 8 * d->count);
    for (size_t i = 0; i < d->count; i += 2)
        if (sgn_jequal(r, d->at[i], key)) {
            d->at[i + 1] = v;
            return;
        }
    if (d->count + 2 > d->room) {
        sgn_jlist_add(r, d, key);
        if (r->status == SGN_OK) sgn_jlist_add(r, d, v);
        if (r->status != SGN_OK) d->count &= ~(size_t)1;
        return;
    }
    d->at[d->count++] = key;
    d->at[d->count++] = v;
}

static sgn_jvalue of_text(const char *s) { return sgn_jstring(s, strlen(s)); }

sgn_jvalue sgn_jfrom_json(sgn_jrun *r, const sgn_json *j) {
    const sgn_json_type type = sgn_json_typeof(j);
    sgn_jvalue v = { .kind = J_NONE };
    switch (type) {
        case SGN_JSON_NULL:   break;
        case SGN_JSON_BOOL:   v = sgn_jbool(sgn_json_bool(j, false)); break;
        case SGN_JSON_INT:    v = sgn_jint(sgn_json_int(j, 0)); break;
        case SGN_JSON_REAL:   v = sgn_jreal(sgn_json_real(j, 0)); break;
        case SGN_JSON_STRING: v = of_text(sgn_json_string(j, "")); break;
        case SGN_JSON_ARRAY:
            v = sgn_jlist_new(r, J_LIST);
            for (size_t i = 0; i < sgn_json_size(j); i++) sgn_jlist_add(r, v.list, sgn_jfrom_json(r, sgn_json_at(j, i)));
            break;
        case SGN_JSON_OBJECT:
            v = sgn_jlist_new(r, J_DICT);
            for (void *it = sgn_json_iter(j); it; it = sgn_json_next(j, it)) {
                sgn_jlist_add(r, v.list, of_text(sgn_json_iter_key(it)));
                sgn_jlist_add(r, v.list, sgn_jfrom_json(r, sgn_json_iter_value(it)));
            }
            break;
    }
    return v;
}

/* --- compared -------------------------------------------------------------------------------------- */

bool sgn_jtrue(sgn_jvalue v) {
    switch (v.kind) {
        case J_UNDEFINED: case J_NONE: return false;
        case J_BOOL: case J_INT: return v.whole != 0;
        case J_REAL: return v.real != 0;
        case J_TEXT: return v.text.n > 0;
        case J_LIST: case J_DICT: return v.list->count > 0;
        default: return true;
    }
}

static double number(sgn_jvalue v) { return v.kind == J_REAL ? v.real : (double)v.whole; }

static int text_order(sgn_jtext a, sgn_jtext b) {
    const size_t n = a.n < b.n ? a.n : b.n;
    const int order = n ? memcmp(a.s, b.s, n) : 0;
    return order ? order : a.n < b.n ? -1 : a.n > b.n;
}

static bool equal_lists(sgn_jrun *r, sgn_jvalue a, sgn_jvalue b) {
    bool same = a.list->count == b.list->count;
    if (++r->depth > J_NESTED) sgn_jfail(r, SGN_CONFIG, "values more than %d deep are compared; compare parts of them", J_NESTED);
    for (size_t i = 0; same && r->status == SGN_OK && i < a.list->count; i++) {
        if (a.kind == J_LIST) same = sgn_jequal(r, a.list->at[i], b.list->at[i]);
        else if (i % 2 == 0) {
            same = false;
            for (size_t k = 0; !same && k < b.list->count; k += 2)
                same = sgn_jequal(r, a.list->at[i], b.list->at[k]) && sgn_jequal(r, a.list->at[i + 1], b.list->at[k + 1]);
        }
    }
    r->depth--;
    return same;
}

bool sgn_jequal(sgn_jrun *r, sgn_jvalue a, sgn_jvalue b) {
    sgn_jwork(r, 1);
    if (r->status != SGN_OK) return false;
    if (is(a, WHOLE) && is(b, WHOLE)) return a.whole == b.whole;
    if (is(a, NUMBER) && is(b, NUMBER)) return number(a) == number(b);
    if (a.kind != b.kind) return false;
    switch (a.kind) {
        case J_UNDEFINED: case J_NONE: return true;
        case J_TEXT: sgn_jwork(r, a.text.n == b.text.n ? a.text.n : 0); return a.text.n == b.text.n && text_order(a.text, b.text) == 0;
        case J_LIST: case J_DICT: return equal_lists(r, a, b);
        case J_NAMESPACE: return a.list == b.list;
        case J_FUNCTION: return a.function == b.function && a.self == b.self;
        case J_MACRO_VALUE: return a.macro == b.macro;
        default: return a.loop == b.loop;
    }
}

int sgn_jcompare(sgn_jrun *r, sgn_jvalue a, sgn_jvalue b) {
    if (is(a, WHOLE) && is(b, WHOLE)) return a.whole < b.whole ? -1 : a.whole > b.whole;
    if (is(a, NUMBER) && is(b, NUMBER)) return number(a) < number(b) ? -1 : number(a) > number(b);
    if (a.kind == J_TEXT && b.kind == J_TEXT) return text_order(a.text, b.text);
    sgn_jfail(r, SGN_CONFIG, "%s and %s have no order; compare numbers or strings", sgn_jkind_name(a.kind), sgn_jkind_name(b.kind));
    return 0;
}

size_t sgn_jfind(sgn_jtext in, sgn_jtext what, size_t from) {
    if (what.n == 0) return from <= in.n ? from : SIZE_MAX;
    for (size_t i = from; what.n <= in.n && i <= in.n - what.n; i++) {
        const char *p = memchr(in.s + i, what.s[0], in.n - what.n - i + 1);
        if (!p) break;
        i = (size_t)(p - in.s);
        if (memcmp(p, what.s, what.n) == 0) return i;
    }
    return SIZE_MAX;
}

bool sgn_jcontains(sgn_jrun *r, sgn_jvalue where, sgn_jvalue what) {
    if (where.kind == J_TEXT) {
        sgn_jwork(r, where.text.n);
        if (what.kind == J_TEXT) return sgn_jfind(where.text, what.text, 0) != SIZE_MAX;
        sgn_jfail(r, SGN_CONFIG, "%s is looked for in a string; look for a string", sgn_jkind_name(what.kind));
        return false;
    }
    const sgn_jlist *l = sgn_jitems(r, where);
    for (size_t i = 0; i < l->count && r->status == SGN_OK; i++)
        if (sgn_jequal(r, l->at[i], what)) return true;
    return false;
}

/* --- taken apart ------------------------------------------------------------------------------------- */

static size_t character(sgn_jtext t, size_t at) {
    const int n = sgn_utf8_char(t.s + at, t.n - at, NULL);
    return n > 0 ? (size_t)n : 1;
}

const sgn_jlist *sgn_jitems(sgn_jrun *r, sgn_jvalue v) {
    if (v.kind == J_LIST) return v.list;
    sgn_jlist *l = sgn_jlist_new(r, J_LIST).list;
    if (v.kind == J_TEXT)
        for (size_t i = 0, n; i < v.text.n && r->status == SGN_OK; i += n) {
            n = character(v.text, i);
            sgn_jlist_add(r, l, sgn_jstring(v.text.s + i, n));
        }
    else if (v.kind == J_DICT)
        for (size_t i = 0; i < v.list->count; i += 2) sgn_jlist_add(r, l, v.list->at[i]);
    else if (v.kind != J_UNDEFINED)
        sgn_jfail(r, SGN_CONFIG, "%s has no items; give a list, a dict or a string", sgn_jkind_name(v.kind));
    return l;
}

size_t sgn_jlength(sgn_jrun *r, sgn_jvalue v) {
    size_t n = 0;
    if (v.kind == J_LIST) return v.list->count;
    if (v.kind == J_DICT) return v.list->count / 2;
    if (v.kind == J_TEXT) {
        sgn_jwork(r, v.text.n);
        for (size_t i = 0; i < v.text.n; i += character(v.text, i)) n++;
    } else if (v.kind != J_UNDEFINED) sgn_jfail(r, SGN_CONFIG, "%s has no length; give a list, a dict or a string", sgn_jkind_name(v.kind));
    return n;
}

static sgn_jvalue of_loop(const sgn_jloop *l, sgn_jtext name) {
    const int64_t i = (int64_t)l->index, n = (int64_t)l->over->count;
    const struct { const char *name; sgn_jvalue v; } all[] = {
        { "index0", sgn_jint(i) }, { "index", sgn_jint(i + 1) }, { "revindex0", sgn_jint(n - i - 1) }, { "revindex", sgn_jint(n - i) },
        { "first", sgn_jbool(i == 0) }, { "last", sgn_jbool(i == n - 1) }, { "length", sgn_jint(n) },
        { "previtem", i ? l->over->at[i - 1] : (sgn_jvalue){ 0 } }, { "nextitem", i + 1 < n ? l->over->at[i + 1] : (sgn_jvalue){ 0 } } };
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        if (sgn_jtext_is(name, all[k].name)) return all[k].v;
    return (sgn_jvalue){ 0 };
}

sgn_jvalue sgn_jattribute(sgn_jrun *r, sgn_jvalue of, sgn_jtext name) {
    if (of.kind == J_UNDEFINED)
        return sgn_jfail(r, SGN_CONFIG, "'%.*s' is asked of an undefined value; set that first", (int)(name.n < 60 ? name.n : 60), name.s);
    if (of.kind == J_LOOP) return of_loop(of.loop, name);
    if (of.kind == J_LIST && of.list->group && of.list->count == 2)
        for (int i = 0; i < 2; i++)
            if (sgn_jtext_is(name, i ? "list" : "grouper")) return of.list->at[i];
    const sgn_jfunction *f = sgn_jmethod_find(of.kind, name);
    const sgn_jvalue *v = is(of, DICT_LIKE) && !f ? sgn_jdict_get(of.list, name) : NULL;
    if (!f) return v ? *v : (sgn_jvalue){ 0 };
    sgn_jvalue *self = sgn_jalloc(r, sizeof *self);
    if (self) *self = of;
    return (sgn_jvalue){ .kind = self ? J_FUNCTION : J_UNDEFINED, .function = f, .self = self };
}

/* Bytes before character i of a text. */
static size_t offset_of(sgn_jtext t, int64_t i) {
    size_t at = 0;
    for (; i > 0 && at < t.n; i--) at += character(t, at);
    return at;
}

sgn_jvalue sgn_jitem(sgn_jrun *r, sgn_jvalue of, sgn_jvalue key) {
    if (of.kind == J_UNDEFINED) return sgn_jfail(r, SGN_CONFIG, "an item is asked of an undefined value; set that first");
    if (is(of, DICT_LIKE)) {
        for (size_t i = 0; i < of.list->count; i += 2)
            if (sgn_jequal(r, of.list->at[i], key)) return of.list->at[i + 1];
        return key.kind == J_TEXT ? sgn_jattribute(r, of, key.text) : (sgn_jvalue){ 0 };
    }
    if (key.kind == J_TEXT) return sgn_jattribute(r, of, key.text);
    if (!is(key, WHOLE) || (of.kind != J_LIST && of.kind != J_TEXT)) return (sgn_jvalue){ 0 };
    const int64_t n = (int64_t)sgn_jlength(r, of), i = key.whole < 0 ? key.whole + n : key.whole;
    if (i < 0 || i >= n) return (sgn_jvalue){ 0 };
    if (of.kind == J_LIST) return of.list->at[i];
    const size_t at = offset_of(of.text, i);
    return sgn_jstring(of.text.s + at, character(of.text, at));
}

/* Where a slice's bound lies in [low, high]. */
static int64_t bound(sgn_jrun *r, sgn_jvalue v, int64_t otherwise, int64_t n, int64_t low, int64_t high) {
    if (v.kind == J_NONE || v.kind == J_UNDEFINED) return otherwise;
    if (!is(v, WHOLE)) sgn_jfail(r, SGN_CONFIG, "%s bounds a slice; give an integer", sgn_jkind_name(v.kind));
    const int64_t at = v.whole < 0 ? v.whole + n : v.whole;
    return at < low ? low : at > high ? high : at;
}

sgn_jvalue sgn_jslice(sgn_jrun *r, sgn_jvalue of, sgn_jvalue from, sgn_jvalue to, sgn_jvalue step) {
    if (of.kind != J_LIST && of.kind != J_TEXT)
        return sgn_jfail(r, SGN_CONFIG, "%s is sliced; give a list or a string", sgn_jkind_name(of.kind));
    const int64_t n = (int64_t)sgn_jlength(r, of), by = bound(r, step, 1, 0, -n - 1, n + 1), back = by < 0;
    const int64_t begin = bound(r, from, back ? n - 1 : 0, n, -back, n - back), end = bound(r, to, back ? -1 : n, n, -back, n - back);
    if (by == 0) return sgn_jfail(r, SGN_CONFIG, "a slice of step 0; give another step");
    if (of.kind == J_TEXT && by == 1) {
        const size_t at = offset_of(of.text, begin), last = offset_of(of.text, end);
        return sgn_jstring(of.text.s + at, last > at ? last - at : 0);
    }
    const sgn_jlist *items = sgn_jitems(r, of);
    sgn_jvalue part = sgn_jlist_new(r, J_LIST);
    sgn_jbuffer text = { 0 };
    for (int64_t i = begin; r->status == SGN_OK && (back ? i > end : i < end); i += by)
        if (of.kind == J_LIST) sgn_jlist_add(r, part.list, items->at[i]);
        else sgn_jput(r, &text, items->at[i].text.s, items->at[i].text.n);
    return of.kind == J_LIST ? part : sgn_jbuffer_value(&text);
}
