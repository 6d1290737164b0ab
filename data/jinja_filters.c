/* Filters and tests of a template: one row each. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "data/jinja_value.h"

typedef sgn_jvalue value;
#define CALL(name) static value name(sgn_jrun *r, value self, const value a[J_ARGUMENTS])
#define UNUSED (void)r, (void)self, (void)a

static bool given(value v) { return v.kind != J_UNDEFINED; }
static value list_of(sgn_jrun *r, const sgn_jlist *items) {
    const value v = sgn_jlist_new(r, J_LIST);
    for (size_t i = 0; i < items->count; i++) sgn_jlist_add(r, v.list, items->at[i]);
    return v;
}

/* --- texts ----------------------------------------------------------------------------------------- */

CALL(trim) {
    const sgn_jtext of = sgn_jprinted(r, a[0]), t = sgn_jstrip(sgn_jprinted(r, self), given(a[0]) ? &of : NULL, true, true);
    return sgn_jstring(t.s, t.n);
}
CALL(upper) { UNUSED; return sgn_jcased(r, sgn_jprinted(r, self), J_UPPER); }
CALL(lower) { UNUSED; return sgn_jcased(r, sgn_jprinted(r, self), J_LOWER); }
CALL(title) { UNUSED; return sgn_jcased(r, sgn_jprinted(r, self), J_TITLE); }
CALL(capitalize) { UNUSED; return sgn_jcased(r, sgn_jprinted(r, self), J_CAPITALIZE); }
CALL(string) {
    UNUSED;
    const sgn_jtext t = sgn_jprinted(r, self);
    return sgn_jstring(t.s, t.n);
}
CALL(replace) {
    return sgn_jreplaced(r, sgn_jprinted(r, self), sgn_jprinted(r, a[0]), sgn_jprinted(r, a[1]), a[2].kind == J_INT ? a[2].whole : -1);
}
CALL(tojson) {
    sgn_jbuffer b = { 0 };
    sgn_jput_json(r, &b, self, a[0].kind == J_INT && a[0].whole >= 0 && a[0].whole < 100 ? (int)a[0].whole : -1, 0);
    return sgn_jbuffer_value(&b);
}
/* Lines after the first, or all, moved in; empty ones only where asked. */
CALL(indent) {
    const sgn_jtext t = sgn_jprinted(r, self), newline = { "\n", 1 };
    const int64_t width = a[0].kind == J_INT ? a[0].whole : 4;
    sgn_jbuffer b = { 0 };
    for (size_t at = 0, end; r->status == SGN_OK; at = end + 1) {
        end = sgn_jfind(t, newline, at);
        const size_t n = (end == SIZE_MAX ? t.n : end) - at;
        const bool moves = at == 0 ? sgn_jtrue(a[1]) : n || sgn_jtrue(a[2]);
        for (int64_t i = 0; moves && i < width && r->status == SGN_OK; i++)
            if (a[0].kind == J_TEXT) break;
            else sgn_jput(r, &b, " ", 1);
        if (moves && a[0].kind == J_TEXT) sgn_jput(r, &b, a[0].text.s, a[0].text.n);
        sgn_jput(r, &b, t.s + at, n);
        if (end == SIZE_MAX) break;
        sgn_jput(r, &b, "\n", 1);
    }
    return sgn_jbuffer_value(&b);
}

/* --- numbers ----------------------------------------------------------------------------------------- */

static bool read_number(sgn_jrun *r, value v, double *out) {
    const sgn_jtext t = sgn_jstrip(sgn_jprinted(r, v), NULL, true, true);
    char digits[64], *end;
    if (v.kind == J_BOOL || v.kind == J_INT) return *out = (double)v.whole, true;
    if (v.kind == J_REAL) return *out = v.real, true;
    if (v.kind != J_TEXT || t.n == 0 || t.n >= sizeof digits) return false;
    memcpy(digits, t.s, t.n);
    digits[t.n] = '\0';
    *out = strtod(digits, &end);
    return strspn(digits, "+-0123456789.eE") == t.n && *end == '\0';
}
CALL(to_int) {
    double x;
    if (self.kind == J_BOOL || self.kind == J_INT) return sgn_jint(self.whole);
    const bool fits = read_number(r, self, &x) && x > -9e18 && x < 9e18;
    return fits ? sgn_jint((int64_t)x) : given(a[0]) ? a[0] : sgn_jint(0);
}
CALL(to_float) {
    double x;
    return read_number(r, self, &x) ? sgn_jreal(x) : given(a[0]) ? a[0] : sgn_jreal(0);
}
CALL(absolute) {
    UNUSED;
    const value zero = self.kind == J_REAL ? sgn_jreal(0) : sgn_jint(0);
    return sgn_jcompare(r, self, zero) < 0 ? sgn_jarithmetic(r, (sgn_jtext){ "-", 1 }, zero, self) : self;
}

/* --- lists and dicts ------------------------------------------------------------------------------------ */

CALL(length) { UNUSED; return sgn_jint((int64_t)sgn_jlength(r, self)); }
CALL(otherwise) { UNUSED; return !given(self) || (sgn_jtrue(a[1]) && !sgn_jtrue(self)) ? (given(a[0]) ? a[0] : sgn_jstring("", 0)) : self; }
CALL(list) { UNUSED; return list_of(r, sgn_jitems(r, self)); }
CALL(first) {
    UNUSED;
    const sgn_jlist *l = sgn_jitems(r, self);
    return l->count ? l->at[0] : (value){ 0 };
}
CALL(last) {
    UNUSED;
    const sgn_jlist *l = sgn_jitems(r, self);
    return l->count ? l->at[l->count - 1] : (value){ 0 };
}
CALL(reverse) { UNUSED; return sgn_jslice(r, self.kind == J_TEXT ? self : list_of(r, sgn_jitems(r, self)), (value){ 0 }, (value){ 0 }, sgn_jint(-1)); }
/* Lists of so many items, the last filled up where something is given for that. */
CALL(batch) {
    const sgn_jlist *l = sgn_jitems(r, self);
    const value all = sgn_jlist_new(r, J_LIST);
    if (a[0].kind != J_INT || a[0].whole < 1) return sgn_jfail(r, SGN_CONFIG, "batch needs a number of items; give 1 or more");
    const size_t n = (size_t)a[0].whole;
    for (size_t i = 0; i < l->count && r->status == SGN_OK; i++) {
        if (i % n == 0) sgn_jlist_add(r, all.list, sgn_jlist_new(r, J_LIST));
        if (r->status == SGN_OK) sgn_jlist_add(r, all.list->at[all.list->count - 1].list, l->at[i]);
    }
    for (size_t i = l->count; given(a[1]) && a[1].kind != J_NONE && i % n && r->status == SGN_OK; i++)
        sgn_jlist_add(r, all.list->at[all.list->count - 1].list, a[1]);
    return all;
}
CALL(sum) {
    const sgn_jlist *l = sgn_jitems(r, self);
    value v = given(a[1]) ? a[1] : sgn_jint(0);
    for (size_t i = 0; i < l->count && r->status == SGN_OK; i++)
        v = sgn_jarithmetic(r, (sgn_jtext){ "+", 1 }, v, given(a[0]) ? sgn_jpath(r, l->at[i], a[0]) : l->at[i]);
    return v;
}
value sgn_jpairs(sgn_jrun *r, value self) {
    if (self.kind != J_UNDEFINED && self.kind != J_DICT) return sgn_jfail(r, SGN_CONFIG, "%s has no pairs; give a dict", sgn_jkind_name(self.kind));
    const value all = sgn_jlist_new(r, J_LIST);
    for (size_t i = 0; self.kind == J_DICT && i < self.list->count && r->status == SGN_OK; i += 2) {
        const value pair = sgn_jlist_new(r, J_LIST);
        sgn_jlist_add(r, pair.list, self.list->at[i]);
        sgn_jlist_add(r, pair.list, self.list->at[i + 1]);
        sgn_jlist_add(r, all.list, pair);
    }
    return all;
}
CALL(items) { UNUSED; return sgn_jpairs(r, self); }

value sgn_jpath(sgn_jrun *r, value of, value path) {
    const sgn_jtext dot = { ".", 1 };
    if (path.kind != J_TEXT) return sgn_jitem(r, of, path);
    for (size_t at = 0, end; at <= path.text.n && r->status == SGN_OK; at = end + 1) {
        end = sgn_jfind(path.text, dot, at);
        if (end == SIZE_MAX) end = path.text.n;
        of = sgn_jitem(r, of, sgn_jstring(path.text.s + at, end - at));
    }
    return of;
}
CALL(join) {
    if (!given(a[1])) return sgn_jjoined(r, self, sgn_jprinted(r, a[0]));
    const sgn_jlist *l = sgn_jitems(r, self);
    const value parts = sgn_jlist_new(r, J_LIST);
    for (size_t i = 0; i < l->count && r->status == SGN_OK; i++) sgn_jlist_add(r, parts.list, sgn_jpath(r, l->at[i], a[1]));
    return sgn_jjoined(r, parts, sgn_jprinted(r, a[0]));
}
/* map("filter", argument) or map(attribute="a.b", default=...). */
CALL(map) {
    const sgn_jlist *l = sgn_jitems(r, self);
    const value out = sgn_jlist_new(r, J_LIST);
    const sgn_jfunction *f = a[0].kind == J_TEXT ? sgn_jfilter_find(a[0].text) : NULL;
    if (!f && !given(a[2])) return sgn_jfail(r, SGN_CONFIG, "map needs the name of a filter that is known, or attribute=; give one");
    for (size_t i = 0; i < l->count && r->status == SGN_OK; i++) {
        value v = f ? sgn_jcall_with(r, f, l->at[i], a + 1, given(a[1])) : sgn_jpath(r, l->at[i], a[2]);
        if (!f && !given(v)) v = a[3];
        sgn_jlist_add(r, out.list, v);
    }
    return out;
}
/* The items that pass (or do not) a test; of an attribute where `path` is given. Without a test: the true ones. */
static value chosen(sgn_jrun *r, value self, const value *path, value test, value argument, bool pass) {
    const sgn_jlist *l = sgn_jitems(r, self);
    const value out = sgn_jlist_new(r, J_LIST);
    const sgn_jfunction *f = test.kind == J_TEXT ? sgn_jtest_find(test.text) : NULL;
    if (given(test) && !f) return sgn_jfail(r, SGN_UNSUPPORTED, "that test is not known; edit the template to do without");
    for (size_t i = 0; i < l->count && r->status == SGN_OK; i++) {
        const value v = path ? sgn_jpath(r, l->at[i], *path) : l->at[i];
        if (sgn_jtrue(f ? sgn_jcall_with(r, f, v, &argument, given(argument)) : v) == pass) sgn_jlist_add(r, out.list, l->at[i]);
    }
    return out;
}
CALL(choose) { return chosen(r, self, NULL, a[0], a[1], true); }
CALL(reject) { return chosen(r, self, NULL, a[0], a[1], false); }
CALL(choose_by) { return chosen(r, self, a, a[1], a[2], true); }
CALL(reject_by) { return chosen(r, self, a, a[1], a[2], false); }

/* --- tests -------------------------------------------------------------------------------------------- */

#define TEST(name, condition) CALL(name) { UNUSED; return sgn_jbool(condition); }
#define IS(set) ((1u << self.kind & (set)) != 0)
TEST(is_defined, given(self))
TEST(is_undefined, !given(self))
TEST(is_none, self.kind == J_NONE)
TEST(is_string, self.kind == J_TEXT)
TEST(is_mapping, self.kind == J_DICT)
TEST(is_sequence, IS(1u << J_LIST | 1u << J_TEXT | 1u << J_DICT))
TEST(is_iterable, IS(1u << J_LIST | 1u << J_TEXT | 1u << J_DICT | 1u << J_UNDEFINED))
TEST(is_number, IS(1u << J_BOOL | 1u << J_INT | 1u << J_REAL))
TEST(is_integer, self.kind == J_INT)
TEST(is_float, self.kind == J_REAL)
TEST(is_boolean, self.kind == J_BOOL)
TEST(is_true, self.kind == J_BOOL && self.whole)
TEST(is_false, self.kind == J_BOOL && !self.whole)
TEST(is_callable, IS(1u << J_FUNCTION | 1u << J_MACRO_VALUE))
TEST(is_in, sgn_jcontains(r, a[0], self))
TEST(is_equal, sgn_jequal(r, self, a[0]))
TEST(is_unequal, !sgn_jequal(r, self, a[0]))
TEST(is_less, sgn_jcompare(r, self, a[0]) < 0)
TEST(is_at_most, sgn_jcompare(r, self, a[0]) <= 0)
TEST(is_more, sgn_jcompare(r, self, a[0]) > 0)
TEST(is_at_least, sgn_jcompare(r, self, a[0]) >= 0)
static value whole(sgn_jrun *r, value v) { return to_int(r, v, (const value[J_ARGUMENTS]){ { 0 } }); }
static int64_t rest_of(sgn_jrun *r, value v, value by) { return sgn_jarithmetic(r, (sgn_jtext){ "%", 1 }, whole(r, v), whole(r, by)).whole; }
TEST(is_odd, rest_of(r, self, sgn_jint(2)) == 1)
TEST(is_even, rest_of(r, self, sgn_jint(2)) == 0)
TEST(is_divisible, rest_of(r, self, a[0]) == 0)

static const sgn_jfunction filters[] = {
    { "trim", 0, "chars ", trim }, { "upper", 0, "", upper }, { "lower", 0, "", lower }, { "title", 0, "", title },
    { "capitalize", 0, "", capitalize }, { "string", 0, "", string }, { "safe", 0, "", string },
    { "replace", 2, "old new count ", replace }, { "tojson", 0, "indent ", tojson }, { "indent", 0, "width first blank ", indent },
    { "int", 0, "default ", to_int }, { "float", 0, "default ", to_float }, { "abs", 0, "", absolute },
    { "length", 0, "", length }, { "count", 0, "", length }, { "default", 0, "default_value boolean ", otherwise },
    { "d", 0, "default_value boolean ", otherwise }, { "list", 0, "", list }, { "first", 0, "", first }, { "last", 0, "", last },
    { "reverse", 0, "", reverse }, { "items", 0, "", items }, { "batch", 1, "linecount fill_with ", batch },
    { "sum", 0, "attribute start ", sum }, { "sort", 0, "reverse case_sensitive attribute ", sgn_jsort },
    { "dictsort", 0, "case_sensitive by reverse ", sgn_jdictsort }, { "groupby", 1, "attribute default case_sensitive ", sgn_jgroupby },
    { "unique", 0, "case_sensitive attribute ", sgn_junique }, { "min", 0, "case_sensitive attribute ", sgn_jmin },
    { "max", 0, "case_sensitive attribute ", sgn_jmax },
    { "join", 0, "d attribute ", join }, { "map", 0, "filter argument attribute default ", map },
    { "select", 0, "test argument ", choose }, { "reject", 0, "test argument ", reject },
    { "selectattr", 1, "attribute test argument ", choose_by }, { "rejectattr", 1, "attribute test argument ", reject_by },
};
static const sgn_jfunction tests[] = {
    { "defined", 0, "", is_defined }, { "undefined", 0, "", is_undefined }, { "none", 0, "", is_none }, { "string", 0, "", is_string },
    { "mapping", 0, "", is_mapping }, { "sequence", 0, "", is_sequence }, { "iterable", 0, "", is_iterable }, { "number", 0, "", is_number },
    { "integer", 0, "", is_integer }, { "float", 0, "", is_float }, { "boolean", 0, "", is_boolean }, { "true", 0, "", is_true },
    { "false", 0, "", is_false }, { "callable", 0, "", is_callable }, { "in", 1, "seq ", is_in }, { "eq", 1, "other ", is_equal },
    { "equalto", 1, "other ", is_equal }, { "==", 1, "other ", is_equal }, { "ne", 1, "other ", is_unequal }, { "!=", 1, "other ", is_unequal },
    { "lt", 1, "other ", is_less }, { "<", 1, "other ", is_less }, { "lessthan", 1, "other ", is_less }, { "le", 1, "other ", is_at_most },
    { "<=", 1, "other ", is_at_most }, { "gt", 1, "other ", is_more }, { ">", 1, "other ", is_more }, { "greaterthan", 1, "other ", is_more },
    { "ge", 1, "other ", is_at_least }, { ">=", 1, "other ", is_at_least }, { "odd", 0, "", is_odd }, { "even", 0, "", is_even },
    { "divisibleby", 1, "num ", is_divisible },
};

static const sgn_jfunction *find(const sgn_jfunction *f, size_t n, sgn_jtext name) {
    for (size_t i = 0; i < n; i++)
        if (sgn_jtext_is(name, f[i].name)) return f + i;
    return NULL;
}
const sgn_jfunction *sgn_jfilter_find(sgn_jtext name) { return find(filters, sizeof filters / sizeof *filters, name); }
const sgn_jfunction *sgn_jtest_find(sgn_jtext name) { return find(tests, sizeof tests / sizeof *tests, name); }
