/* Methods of strings and dicts, and functions, of a template: one row each. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <string.h>
#include <time.h>
#include "data/jinja_value.h"

typedef sgn_jvalue value;
#define CALL(name) static value name(sgn_jrun *r, value self, const value a[J_ARGUMENTS])
#define UNUSED (void)r, (void)self, (void)a

static bool given(value v) { return v.kind != J_UNDEFINED && v.kind != J_NONE; }
static value text_value(sgn_jtext t) { return sgn_jstring(t.s, t.n); }
static sgn_jtext text_of(sgn_jrun *r, value v) {
    if (v.kind != J_TEXT) sgn_jfail(r, SGN_CONFIG, "%s is given where a string is needed; give a string", sgn_jkind_name(v.kind));
    return v.kind == J_TEXT ? v.text : (sgn_jtext){ "", 0 };
}
static int64_t most(value v) { return v.kind == J_INT ? v.whole : -1; }

/* --- strings ---------------------------------------------------------------------------------------- */

static value stripped(sgn_jrun *r, value self, value of, bool left, bool right) {
    const sgn_jtext t = given(of) ? text_of(r, of) : (sgn_jtext){ "", 0 };
    return text_value(sgn_jstrip(self.text, given(of) ? &t : NULL, left, right));
}
CALL(strip)  { return stripped(r, self, a[0], true, true); }
CALL(lstrip) { return stripped(r, self, a[0], true, false); }
CALL(rstrip) { return stripped(r, self, a[0], false, true); }
CALL(upper) { UNUSED; return sgn_jcased(r, self.text, J_UPPER); }
CALL(lower) { UNUSED; return sgn_jcased(r, self.text, J_LOWER); }
CALL(title) { UNUSED; return sgn_jcased(r, self.text, J_TITLE); }
CALL(capitalize) { UNUSED; return sgn_jcased(r, self.text, J_CAPITALIZE); }
CALL(replace) { return sgn_jreplaced(r, self.text, text_of(r, a[0]), text_of(r, a[1]), most(a[2])); }
CALL(join) { return sgn_jjoined(r, a[0], self.text); }

/* At white space, of which none stays. */
static value split_words(sgn_jrun *r, sgn_jtext t, int64_t parts) {
    const value out = sgn_jlist_new(r, J_LIST);
    t = sgn_jstrip(t, NULL, true, false);
    for (size_t n = 0; t.n && r->status == SGN_OK; n = 0) {
        if (parts-- == 0) {
            sgn_jlist_add(r, out.list, text_value(t));
            break;
        }
        while (n < t.n && sgn_jstrip((sgn_jtext){ t.s + n, t.n - n < 4 ? t.n - n : 4 }, NULL, true, false).s == t.s + n) n++;
        sgn_jlist_add(r, out.list, sgn_jstring(t.s, n));
        t = sgn_jstrip((sgn_jtext){ t.s + n, t.n - n }, NULL, true, false);
    }
    return out;
}
CALL(split) {
    const value out = sgn_jlist_new(r, J_LIST);
    int64_t parts = most(a[1]);
    if (!given(a[0])) return split_words(r, self.text, parts);
    const sgn_jtext by = text_of(r, a[0]);
    size_t at = 0, end;
    if (by.n == 0) return sgn_jfail(r, SGN_CONFIG, "a string is split at ''; give what stands between the parts");
    sgn_jwork(r, self.text.n);
    for (; parts-- != 0 && (end = sgn_jfind(self.text, by, at)) != SIZE_MAX; at = end + by.n)
        sgn_jlist_add(r, out.list, sgn_jstring(self.text.s + at, end - at));
    sgn_jlist_add(r, out.list, sgn_jstring(self.text.s + at, self.text.n - at));
    return out;
}
/* The last cuts only: the parts before them are joined again. */
CALL(rsplit) {
    const value none[J_ARGUMENTS] = { a[0] }, parts = split(r, self, none), out = sgn_jlist_new(r, J_LIST);
    const size_t n = parts.list->count, kept = most(a[1]) < 0 || (size_t)most(a[1]) >= n ? n : (size_t)most(a[1]) + 1;
    if (r->status != SGN_OK || kept == n) return parts;
    const sgn_jtext end = parts.list->at[n - kept].text;
    sgn_jlist_add(r, out.list, sgn_jstring(self.text.s, (size_t)(end.s + end.n - self.text.s)));
    for (size_t i = n - kept + 1; i < n; i++) sgn_jlist_add(r, out.list, parts.list->at[i]);
    return out;
}
CALL(splitlines) {
    UNUSED;
    const value out = sgn_jlist_new(r, J_LIST);
    const sgn_jtext t = self.text;
    for (size_t at = 0; at < t.n && r->status == SGN_OK;) {
        size_t end = at;
        while (end < t.n && t.s[end] != '\n' && t.s[end] != '\r') end++;
        sgn_jlist_add(r, out.list, sgn_jstring(t.s + at, end - at));
        at = end + 1 + (end + 1 < t.n && t.s[end] == '\r' && t.s[end + 1] == '\n');
    }
    return out;
}

static bool stands(sgn_jtext t, sgn_jtext what, bool begin) {
    return what.n <= t.n && memcmp(begin ? t.s : t.s + t.n - what.n, what.s, what.n) == 0;
}
/* One string, or any of a list. */
static value stands_any(sgn_jrun *r, value self, value what, bool begin) {
    bool any = false;
    if (what.kind != J_LIST) return sgn_jbool(stands(self.text, text_of(r, what), begin));
    for (size_t i = 0; i < what.list->count && !any; i++) any = stands(self.text, text_of(r, what.list->at[i]), begin);
    return sgn_jbool(any);
}
CALL(startswith) { return stands_any(r, self, a[0], true); }
CALL(endswith) { return stands_any(r, self, a[0], false); }
CALL(removeprefix) {
    const sgn_jtext t = self.text, what = text_of(r, a[0]);
    return stands(t, what, true) ? sgn_jstring(t.s + what.n, t.n - what.n) : self;
}
CALL(removesuffix) {
    const sgn_jtext t = self.text, what = text_of(r, a[0]);
    return stands(t, what, false) ? sgn_jstring(t.s, t.n - what.n) : self;
}
CALL(find) {
    const size_t at = sgn_jfind(self.text, text_of(r, a[0]), 0);
    return sgn_jint(at == SIZE_MAX ? -1 : (int64_t)sgn_jlength(r, sgn_jstring(self.text.s, at)));
}
CALL(count) {
    const sgn_jtext what = text_of(r, a[0]);
    int64_t n = what.n ? 0 : (int64_t)sgn_jlength(r, self) + 1;
    for (size_t at = 0; what.n && (at = sgn_jfind(self.text, what, at)) != SIZE_MAX; at += what.n) n++;
    return sgn_jint(n);
}

/* --- dicts ------------------------------------------------------------------------------------------- */

CALL(items) { return sgn_jfilter_find((sgn_jtext){ "items", 5 })->call(r, self, a); }
CALL(keys) {
    UNUSED;
    return (value){ .kind = J_LIST, .list = sgn_jfilter_find((sgn_jtext){ "list", 4 })->call(r, self, a).list };
}
CALL(values) {
    UNUSED;
    const value out = sgn_jlist_new(r, J_LIST);
    for (size_t i = 1; i < self.list->count; i += 2) sgn_jlist_add(r, out.list, self.list->at[i]);
    return out;
}
CALL(get) {
    for (size_t i = 0; i < self.list->count; i += 2)
        if (sgn_jequal(r, self.list->at[i], a[0])) return self.list->at[i + 1];
    return a[1].kind == J_UNDEFINED ? (value){ .kind = J_NONE } : a[1];
}

/* --- functions ---------------------------------------------------------------------------------------- */

CALL(make_namespace) { UNUSED; return (value){ .kind = J_NAMESPACE, .list = a[0].list }; }
CALL(make_dict) { UNUSED; return a[0]; }
CALL(range) {
    UNUSED;
    const bool one = a[1].kind == J_UNDEFINED;
    const value out = sgn_jlist_new(r, J_LIST);
    for (int i = 0; i < 3; i++)
        if (a[i].kind != J_INT && a[i].kind != J_UNDEFINED) return sgn_jfail(r, SGN_CONFIG, "range of %s; give integers", sgn_jkind_name(a[i].kind));
    const int64_t from = one ? 0 : a[0].whole, to = one ? a[0].whole : a[1].whole, by = a[2].kind == J_INT ? a[2].whole : 1;
    if (by == 0) return sgn_jfail(r, SGN_CONFIG, "a range of step 0; give another step");
    for (int64_t i = from; (by > 0 ? i < to : i > to) && r->status == SGN_OK;) {
        sgn_jlist_add(r, out.list, sgn_jint(i));
        if (__builtin_add_overflow(i, by, &i)) break;
    }
    return out;
}
CALL(raise_exception) {
    UNUSED;
    const sgn_jtext t = sgn_jprinted(r, a[0]);
    return sgn_jfail(r, SGN_CONFIG, "the template refuses these messages: %.*s", (int)(t.n < 200 ? t.n : 200), t.s);
}
CALL(strftime_now) {
    UNUSED;
    char format[80], *out = sgn_jalloc(r, 160);
    const sgn_jtext f = text_of(r, a[0]);
    const time_t now = time(NULL);
    struct tm local;
    if (!out || !localtime_r(&now, &local)) return (value){ 0 };
    if (f.n >= sizeof format) return sgn_jfail(r, SGN_CONFIG, "a date's format of %zu bytes; shorten it", f.n);
    memcpy(format, f.s, f.n);
    format[f.n] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return sgn_jstring(out, strftime(out, 160, format, &local));
#pragma GCC diagnostic pop
}

static const sgn_jfunction of_text[] = {
    { "strip", 0, "chars ", strip }, { "lstrip", 0, "chars ", lstrip }, { "rstrip", 0, "chars ", rstrip }, { "upper", 0, "", upper },
    { "lower", 0, "", lower }, { "title", 0, "", title }, { "capitalize", 0, "", capitalize }, { "replace", 2, "old new count ", replace },
    { "join", 1, "iterable ", join }, { "split", 0, "sep maxsplit ", split }, { "rsplit", 0, "sep maxsplit ", rsplit },
    { "splitlines", 0, "", splitlines }, { "startswith", 1, "prefix ", startswith }, { "endswith", 1, "suffix ", endswith },
    { "removeprefix", 1, "prefix ", removeprefix }, { "removesuffix", 1, "suffix ", removesuffix }, { "find", 1, "sub ", find },
    { "count", 1, "sub ", count } };
static const sgn_jfunction of_dict[] = { { "items", 0, "", items }, { "keys", 0, "", keys }, { "values", 0, "", values }, { "get", 1, "key default ", get } };
static const sgn_jfunction globals[] = {
    { "namespace", 0, "*", make_namespace }, { "dict", 0, "*", make_dict }, { "range", 1, "start stop step ", range },
    { "raise_exception", 1, "message ", raise_exception }, { "strftime_now", 1, "format ", strftime_now } };

static const sgn_jfunction *row(const sgn_jfunction *f, size_t n, sgn_jtext name) {
    for (size_t i = 0; i < n; i++)
        if (sgn_jtext_is(name, f[i].name)) return f + i;
    return NULL;
}
const sgn_jfunction *sgn_jmethod_find(sgn_jkind of, sgn_jtext name) {
    if (of == J_TEXT) return row(of_text, sizeof of_text / sizeof *of_text, name);
    return of == J_DICT ? row(of_dict, sizeof of_dict / sizeof *of_dict, name) : NULL;
}
const sgn_jfunction *sgn_jglobal_find(sgn_jtext name) { return row(globals, sizeof globals / sizeof *globals, name); }
