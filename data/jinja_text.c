/* What filters and methods of strings share. SPDX-License-Identifier: MIT */
#include <string.h>
#include "data/jinja_value.h"
#include "data/unicode.h"
#include "data/utf8.h"

static size_t character(sgn_jtext t, size_t at, uint32_t *cp) {
    const int n = sgn_utf8_char(t.s + at, t.n - at, cp);
    if (n <= 0) *cp = 0xFFFD;
    return n > 0 ? (size_t)n : 1;
}

/* Does `of` (NULL: white space, with Python's separators 1C to 1F) hold the character? */
static bool strips(uint32_t cp, sgn_jtext c, const sgn_jtext *of) {
    if (of) return sgn_jfind(*of, c, 0) != SIZE_MAX;
    return sgn_unicode_class(cp) & SGN_SPACE || (cp >= 0x1C && cp <= 0x1F);
}

sgn_jtext sgn_jstrip(sgn_jtext t, const sgn_jtext *of, bool left, bool right) {
    uint32_t cp;
    for (size_t n; left && t.n; t.s += n, t.n -= n) {
        n = character(t, 0, &cp);
        if (!strips(cp, (sgn_jtext){ t.s, n }, of)) break;
    }
    for (size_t n; right && t.n; t.n -= n) {
        for (n = 1; n < 4 && n < t.n && (t.s[t.n - n] & 0xC0) == 0x80; n++) continue;
        if (character(t, t.n - n, &cp) != n) character(t, t.n - (n = 1), &cp);
        if (!strips(cp, (sgn_jtext){ t.s + t.n - n, n }, of)) break;
    }
    return t;
}

sgn_jvalue sgn_jcased(sgn_jrun *r, sgn_jtext t, sgn_jcase how) {
    sgn_jbuffer b = { 0 };
    bool begins = true;
    uint32_t cp;
    for (size_t i = 0, n; i < t.n && r->status == SGN_OK; i += n) {
        char out[4];
        n = character(t, i, &cp);
        const bool broken = n == 1 && (t.s[i] & 0x80), letter = sgn_unicode_class(cp) & SGN_LETTER;
        const bool upper = how == J_UPPER || (how == J_TITLE && begins) || (how == J_CAPITALIZE && i == 0);
        if (broken) sgn_jput(r, &b, t.s + i, 1);
        else if (upper && cp == 0xDF) sgn_jput(r, &b, how == J_UPPER ? "SS" : "Ss", 2);
        else sgn_jput(r, &b, out, (size_t)sgn_utf8_put(out, upper ? sgn_unicode_upper(cp) : sgn_unicode_lower(cp)));
        begins = !letter;
    }
    return sgn_jbuffer_value(&b);
}

sgn_jvalue sgn_jreplaced(sgn_jrun *r, sgn_jtext in, sgn_jtext what, sgn_jtext by, int64_t most) {
    sgn_jbuffer b = { 0 };
    uint32_t cp;
    size_t at = 0;
    for (int64_t k = 0; k != most && r->status == SGN_OK; k++) {
        const size_t found = sgn_jfind(in, what, at);
        sgn_jwork(r, found == SIZE_MAX ? in.n : 0);
        if (found == SIZE_MAX) break;
        sgn_jput(r, &b, in.s + at, found - at);
        sgn_jput(r, &b, by.s, by.n);
        at = found + what.n;
        if (what.n == 0) {                         /* between all characters */
            if (at == in.n) break;
            const size_t n = character(in, at, &cp);
            sgn_jput(r, &b, in.s + at, n);
            at += n;
        }
    }
    sgn_jput(r, &b, in.s + at, in.n - at);
    return sgn_jbuffer_value(&b);
}

sgn_jvalue sgn_jjoined(sgn_jrun *r, sgn_jvalue items, sgn_jtext between) {
    const sgn_jlist *l = sgn_jitems(r, items);
    sgn_jbuffer b = { 0 };
    for (size_t i = 0; i < l->count && r->status == SGN_OK; i++) {
        if (i) sgn_jput(r, &b, between.s, between.n);
        sgn_jput_value(r, &b, l->at[i]);
    }
    return sgn_jbuffer_value(&b);
}
