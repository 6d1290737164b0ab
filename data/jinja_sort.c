/* Filters that put items in order or tell equal ones: small and capital letters are alike unless case_sensitive. SPDX-License-Identifier: MIT */
#include <string.h>
#include "data/jinja_value.h"

typedef sgn_jvalue value;
typedef struct { value key, item; } ranked;

static bool given(value v) { return v.kind != J_UNDEFINED; }

/* What an item is compared by: itself, an attribute, or a list of those of "a,b". */
static value key_of(sgn_jrun *r, value item, value path, value otherwise, bool exact) {
    const sgn_jtext comma = { ",", 1 };
    if (path.kind == J_TEXT && sgn_jfind(path.text, comma, 0) != SIZE_MAX) {
        const value keys = sgn_jlist_new(r, J_LIST);
        for (size_t at = 0, end; at <= path.text.n && r->status == SGN_OK; at = end + 1) {
            end = sgn_jfind(path.text, comma, at);
            if (end == SIZE_MAX) end = path.text.n;
            sgn_jlist_add(r, keys.list, key_of(r, item, sgn_jstring(path.text.s + at, end - at), otherwise, exact));
        }
        return keys;
    }
    value key = given(path) ? sgn_jpath(r, item, path) : item;
    if (!given(key)) key = otherwise;
    return exact || key.kind != J_TEXT ? key : sgn_jcased(r, key.text, J_LOWER);
}

static int order(sgn_jrun *r, value a, value b) {
    if (a.kind != J_LIST || b.kind != J_LIST) {
        sgn_jwork(r, a.kind == J_TEXT ? a.text.n : 1);
        return sgn_jcompare(r, a, b);
    }
    for (size_t i = 0; i < a.list->count && i < b.list->count && r->status == SGN_OK; i++)
        if (!sgn_jequal(r, a.list->at[i], b.list->at[i])) return order(r, a.list->at[i], b.list->at[i]);
    return a.list->count < b.list->count ? -1 : a.list->count > b.list->count;
}

/* Equal ones keep their order, also where it is the other way round (sign -1). */
static void merge(sgn_jrun *r, const ranked *x, size_t half, size_t n, int sign, ranked *to) {
    for (size_t i = 0, k = half; i < half || k < n;) {
        const bool left = k == n || (i < half && sign * order(r, x[i].key, x[k].key) <= 0);
        *to++ = left ? x[i++] : x[k++];
    }
}

static ranked *sorted(sgn_jrun *r, const sgn_jlist *l, value path, value otherwise, bool exact, int sign) {
    const size_t n = l->count;
    ranked *x = sgn_jalloc(r, (n + 1) * sizeof *x), *y = sgn_jalloc(r, (n + 1) * sizeof *y);
    if (!x || !y) return NULL;
    for (size_t i = 0; i < n; i++) x[i] = (ranked){ key_of(r, l->at[i], path, otherwise, exact), l->at[i] };
    for (size_t width = 1; width < n && r->status == SGN_OK; width *= 2) {
        for (size_t at = 0; at < n; at += 2 * width) {
            const size_t left = n - at;
            merge(r, x + at, left < width ? left : width, left < 2 * width ? left : 2 * width, sign, y + at);
        }
        ranked *other = x;
        x = y, y = other;
    }
    return r->status == SGN_OK ? x : NULL;
}

static value list_of(sgn_jrun *r, const ranked *x, size_t n) {
    const value v = sgn_jlist_new(r, J_LIST);
    for (size_t i = 0; x && i < n; i++) sgn_jlist_add(r, v.list, x[i].item);
    return v;
}

value sgn_jsort(sgn_jrun *r, value self, const value a[J_ARGUMENTS]) {
    const sgn_jlist *l = sgn_jitems(r, self);
    return list_of(r, sorted(r, l, a[2], (value){ 0 }, sgn_jtrue(a[1]), sgn_jtrue(a[0]) ? -1 : 1), l->count);
}

value sgn_jdictsort(sgn_jrun *r, value self, const value a[J_ARGUMENTS]) {
    const bool by_value = a[1].kind == J_TEXT && sgn_jtext_is(a[1].text, "value");
    if (given(a[1]) && !by_value && !(a[1].kind == J_TEXT && sgn_jtext_is(a[1].text, "key")))
        return sgn_jfail(r, SGN_CONFIG, "dictsort goes by 'key' or by 'value'; name one of them");
    const value pairs = sgn_jpairs(r, self);
    if (!given(pairs)) return pairs;
    const sgn_jlist *l = pairs.list;
    return list_of(r, sorted(r, l, sgn_jint(by_value), (value){ 0 }, sgn_jtrue(a[0]), sgn_jtrue(a[2]) ? -1 : 1), l->count);
}

/* [[grouper, list], ...], a group's name as its first item writes it. */
value sgn_jgroupby(sgn_jrun *r, value self, const value a[J_ARGUMENTS]) {
    const sgn_jlist *l = sgn_jitems(r, self);
    const bool exact = sgn_jtrue(a[2]);
    const ranked *x = sorted(r, l, a[0], a[1], exact, 1);
    const value all = sgn_jlist_new(r, J_LIST);
    for (size_t i = 0, begin = 0; x && i < l->count && r->status == SGN_OK; i++) {
        if (i + 1 < l->count && order(r, x[i].key, x[i + 1].key) == 0) continue;
        const value group = sgn_jlist_new(r, J_LIST);
        sgn_jlist_add(r, group.list, key_of(r, x[begin].item, a[0], a[1], true));
        sgn_jlist_add(r, group.list, list_of(r, x + begin, i + 1 - begin));
        group.list->group = true;
        sgn_jlist_add(r, all.list, group);
        begin = i + 1;
    }
    return all;
}

value sgn_junique(sgn_jrun *r, value self, const value a[J_ARGUMENTS]) {
    const sgn_jlist *l = sgn_jitems(r, self);
    const value seen = sgn_jlist_new(r, J_LIST), v = sgn_jlist_new(r, J_LIST);
    for (size_t i = 0; i < l->count && r->status == SGN_OK; i++) {
        const value key = key_of(r, l->at[i], a[1], (value){ 0 }, sgn_jtrue(a[0]));
        if (sgn_jcontains(r, seen, key)) continue;
        sgn_jlist_add(r, seen.list, key);
        sgn_jlist_add(r, v.list, l->at[i]);
    }
    return v;
}

/* The first of the least (sign 1) or largest. */
static value extreme(sgn_jrun *r, value self, const value *a, int sign) {
    const sgn_jlist *l = sgn_jitems(r, self);
    value best = { 0 }, key = { 0 };
    for (size_t i = 0; i < l->count && r->status == SGN_OK; i++) {
        const value k = key_of(r, l->at[i], a[1], (value){ 0 }, sgn_jtrue(a[0]));
        if (i && sign * order(r, k, key) >= 0) continue;
        best = l->at[i], key = k;
    }
    return best;
}
value sgn_jmin(sgn_jrun *r, value self, const value a[J_ARGUMENTS]) { return extreme(r, self, a, 1); }
value sgn_jmax(sgn_jrun *r, value self, const value a[J_ARGUMENTS]) { return extreme(r, self, a, -1); }
