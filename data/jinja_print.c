/* Values as text: printed, as Python's repr, as JSON. SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "data/jinja_value.h"
#include "data/utf8.h"

void sgn_jput(sgn_jrun *r, sgn_jbuffer *b, const char *s, size_t n) {
    sgn_jwork(r, n);
    if (r->status != SGN_OK || n == 0) return;
    if (n > b->room - b->n) {
        const size_t room = 2 * (b->n + n) + 64;
        char *grown = sgn_jalloc(r, room);
        if (!grown) return;
        if (b->n) memcpy(grown, b->s, b->n);
        b->s = grown;
        b->room = room;
    }
    memcpy(b->s + b->n, s, n);
    b->n += n;
}

static void put(sgn_jrun *r, sgn_jbuffer *b, const char *s) { sgn_jput(r, b, s, strlen(s)); }

sgn_jvalue sgn_jbuffer_value(const sgn_jbuffer *b) { return sgn_jstring(b->s ? b->s : "", b->n); }

/* The shortest digits that read back as v; an exponent below -4 and from 16 on. */
static void put_real(sgn_jrun *r, sgn_jbuffer *b, double v) {
    char digits[40], text[48];
    int exponent, n, precision = 0;
    if (!isfinite(v)) {
        put(r, b, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
        return;
    }
    do snprintf(digits, sizeof digits, "%.*e", precision, v); while (strtod(digits, NULL) != v && ++precision < 17);
    exponent = atoi(strchr(digits, 'e') + 1);
    if (exponent < -4 || exponent >= 16) {
        const int mantissa = (int)(strchr(digits, 'e') - digits);
        n = snprintf(text, sizeof text, "%.*se%c%02d", mantissa, digits, exponent < 0 ? '-' : '+', abs(exponent));
    } else {
        n = snprintf(text, sizeof text, "%.*f", precision > exponent ? precision - exponent : 1, v);
    }
    sgn_jput(r, b, text, (size_t)n);
}

static void put_int(sgn_jrun *r, sgn_jbuffer *b, int64_t v) {
    char text[24];
    sgn_jput(r, b, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)v));
}

/* Bytes below ' ' and those of `special` escaped; `format` for the ones without a letter. */
static void put_escaped(sgn_jrun *r, sgn_jbuffer *b, sgn_jtext t, const char *special, const char *letters, const char *bytes, bool json) {
    size_t done = 0;
    for (size_t i = 0; i < t.n; i++) {
        const unsigned char c = (unsigned char)t.s[i];
        const char *known = c ? strchr(bytes, c) : NULL;
        char text[8];
        if (c >= ' ' && !(c && strchr(special, c)) && (c != 0x7F || json)) continue;
        sgn_jput(r, b, t.s + done, i - done);
        done = i + 1;
        if (known) snprintf(text, sizeof text, "\\%c", letters[known - bytes]);
        else snprintf(text, sizeof text, json ? "\\u%04x" : "\\x%02x", c);
        put(r, b, text);
    }
    sgn_jput(r, b, t.s + done, t.n - done);
}

static void put_repr(sgn_jrun *r, sgn_jbuffer *b, sgn_jvalue v);

static void put_repr_text(sgn_jrun *r, sgn_jbuffer *b, sgn_jtext t) {
    const bool twice = t.n && memchr(t.s, '\'', t.n) && !memchr(t.s, '"', t.n);
    put(r, b, twice ? "\"" : "'");
    put_escaped(r, b, t, twice ? "\\\"" : "\\'", "\\'\"nrt", "\\'\"\n\r\t", false);
    put(r, b, twice ? "\"" : "'");
}

static void put_items(sgn_jrun *r, sgn_jbuffer *b, sgn_jvalue v) {
    const bool pairs = v.kind != J_LIST;
    if (++r->depth > J_NESTED) sgn_jfail(r, SGN_CONFIG, "a value more than %d deep is printed; print parts of it", J_NESTED);
    put(r, b, pairs ? "{" : "[");
    for (size_t i = 0; i < v.list->count && r->status == SGN_OK; i++) {
        if (i) put(r, b, pairs && i % 2 ? ": " : ", ");
        put_repr(r, b, v.list->at[i]);
    }
    put(r, b, pairs ? "}" : "]");
    r->depth--;
}

static void put_repr(sgn_jrun *r, sgn_jbuffer *b, sgn_jvalue v) {
    switch (v.kind) {
        case J_UNDEFINED: put(r, b, "Undefined"); break;
        case J_NONE: put(r, b, "None"); break;
        case J_BOOL: put(r, b, v.whole ? "True" : "False"); break;
        case J_INT: put_int(r, b, v.whole); break;
        case J_REAL: put_real(r, b, v.real); break;
        case J_TEXT: put_repr_text(r, b, v.text); break;
        case J_LIST: case J_DICT: put_items(r, b, v); break;
        default: sgn_jfail(r, SGN_CONFIG, "%s is printed; print what it gives", sgn_jkind_name(v.kind)); break;
    }
}

void sgn_jput_value(sgn_jrun *r, sgn_jbuffer *b, sgn_jvalue v) {
    if (v.kind == J_TEXT) sgn_jput(r, b, v.text.s, v.text.n);
    else if (v.kind != J_UNDEFINED) put_repr(r, b, v);
}

sgn_jtext sgn_jprinted(sgn_jrun *r, sgn_jvalue v) {
    sgn_jbuffer b = { 0 };
    if (v.kind == J_TEXT) return v.text;
    sgn_jput_value(r, &b, v);
    return sgn_jbuffer_value(&b).text;
}

/* --- JSON -------------------------------------------------------------------------------------------- */

static void put_line(sgn_jrun *r, sgn_jbuffer *b, int indent, int depth) {
    if (indent < 0) return;
    put(r, b, "\n");
    for (int i = 0; i < indent * depth; i++) put(r, b, " ");
}

static void put_json_text(sgn_jrun *r, sgn_jbuffer *b, sgn_jtext t) {
    put(r, b, "\"");
    put_escaped(r, b, t, "\"\\", "\"\\nrtbf", "\"\\\n\r\t\b\f", true);
    put(r, b, "\"");
}

static void put_json_items(sgn_jrun *r, sgn_jbuffer *b, sgn_jvalue v, int indent, int depth) {
    const bool pairs = v.kind == J_DICT;
    const size_t by = pairs ? 2 : 1;
    put(r, b, pairs ? "{" : "[");
    for (size_t i = 0; i < v.list->count && r->status == SGN_OK; i += by) {
        if (i) put(r, b, indent < 0 ? ", " : ",");
        put_line(r, b, indent, depth + 1);
        if (pairs && v.list->at[i].kind != J_TEXT) {
            sgn_jfail(r, SGN_CONFIG, "%s is a key of JSON; use strings", sgn_jkind_name(v.list->at[i].kind));
            return;
        }
        if (pairs) {
            put_json_text(r, b, v.list->at[i].text);
            put(r, b, ": ");
        }
        sgn_jput_json(r, b, v.list->at[i + by - 1], indent, depth + 1);
    }
    if (v.list->count) put_line(r, b, indent, depth);
    put(r, b, pairs ? "}" : "]");
}

void sgn_jput_json(sgn_jrun *r, sgn_jbuffer *b, sgn_jvalue v, int indent, int depth) {
    if (r->status != SGN_OK) return;
    if (depth > J_DEPTH) {
        sgn_jfail(r, SGN_CONFIG, "a value more than %d deep becomes JSON; take parts of it", J_DEPTH);
        return;
    }
    switch (v.kind) {
        case J_NONE: put(r, b, "null"); break;
        case J_BOOL: put(r, b, v.whole ? "true" : "false"); break;
        case J_INT: put_int(r, b, v.whole); break;
        case J_REAL: put_real(r, b, v.real); break;
        case J_TEXT: put_json_text(r, b, v.text); break;
        case J_LIST: case J_DICT: put_json_items(r, b, v, indent, depth); break;
        default: sgn_jfail(r, SGN_CONFIG, "JSON of %s; give a value", sgn_jkind_name(v.kind)); break;
    }
}
