/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE            /* memmem */
#include "core/json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"

enum { MAX_DEPTH = 64 };

/* --- parsing ---------------------------------------------------------------------------------- */

/* Byte at which nesting passes MAX_DEPTH, or size. jansson's own limit is far higher. */
static size_t too_deep(const char *text, size_t size) {
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (quoted) {
            if (c == '\\') i++;
            else if (c == '"') quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if ((c == '{' || c == '[') && ++depth > MAX_DEPTH) {
            return i;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return size;
}

/* Four hexadecimal digits; -1: they are none. */
static int64_t unit_at(const char *text, size_t size) {
    static const char digits[] = "0123456789abcdef      ABCDEF";       /* a to f at 10, A to F at 22 */
    int64_t v = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *d = i < size && text[i] && text[i] != ' ' ? strchr(digits, text[i]) : NULL;
        if (!d) return -1;
        v = v << 4 | (d - digits < 16 ? d - digits : d - digits - 12);
    }
    return v;
}

/* Byte of the first escape that stands for no character: \u0000, or half of a pair of surrogates; or size. */
static size_t bad_escape(const char *text, size_t size) {
    for (size_t i = 0; i + 1 < size; i++) {
        if (text[i] != '\\') continue;
        i++;
        const int64_t unit = text[i] == 'u' ? unit_at(text + i + 1, size - i - 1) : 1;
        const bool first = unit >= 0xD800 && unit < 0xDC00, paired = first && size - i > 7 && text[i + 5] == '\\' && text[i + 6] == 'u';
        const int64_t second = paired ? unit_at(text + i + 7, size - i - 7) : 0;
        if (unit == 0 || (first && (second < 0xDC00 || second > 0xDFFF)) || (unit >= 0xDC00 && unit <= 0xDFFF)) return i - 1;
        if (first) i += 6;
    }
    return size;
}

sgn_status sgn_json_parse(sgn_json **out, const char *text, size_t size, const char *where, sgn_error *err) {
    *out = NULL;
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: starts with a byte order mark; save it as plain UTF-8", where);
    const size_t deep = too_deep(text, size);
    if (deep < size) SGN_FAIL(err, SGN_FORMAT, "%s: offset %zu: nested deeper than %d", where, deep, MAX_DEPTH);
    json_error_t e;
    *out = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (*out) return SGN_OK;
    const size_t escape = bad_escape(text, size);
    if (escape < size && (size_t)e.position >= escape)
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %zu: %.6s stands for no character (%s); remove it", where, escape, text + escape,
                 unit_at(text + escape + 2, size - escape - 2) == 0 ? "no text holds a zero byte" : "it is half of a pair");
    const bool memory = json_error_code(&e) == json_error_out_of_memory;
    SGN_FAIL(err, memory ? SGN_NOMEM : SGN_FORMAT, "%s: line %d, offset %d: %s", where, e.line, e.position, e.text);
}

sgn_status sgn_json_load(sgn_json **out, const char *path, size_t limit, sgn_error *err) {
    *out = NULL;
    char *text;
    size_t size;
    SGN_TRY(sgn_file_read(path, limit, &text, &size, err));
    const sgn_status s = sgn_json_parse(out, text, size, path, err);
    free(text);
    return s;
}

void sgn_json_free(sgn_json *j) { json_decref(j); }

void sgn_json_locate(sgn_error *err, const char *text, size_t size, uint64_t base, const char *where) {
    const size_t skip = strlen(where) + 2;
    if (!err || strncmp(err->text, where, skip - 2) != 0 || strncmp(err->text + skip - 2, ": ", 2) != 0) return;
    const char *field = err->text + skip, *end = strstr(field, ": "), *at;
    char what[sizeof err->text + 2], by[2 * sizeof err->text];
    const int n = snprintf(what, sizeof what, "\"%.*s\"", end ? (int)(end - field) : 0, field);
    if (n <= 2 || !(at = memmem(text, size, what, (size_t)n))) return;
    snprintf(what, sizeof what, "%s: %.*s", where, n - 2, field);
    snprintf(by, sizeof by, "%s: offset %llu: %.*s", where, (unsigned long long)(base + (uint64_t)(at - text)), n - 2, field);
    sgn_error_replace(err, what, by);
}

/* --- reading ---------------------------------------------------------------------------------- */

sgn_json_type sgn_json_typeof(const sgn_json *j) {
    if (!j) return SGN_JSON_NULL;
    switch (json_typeof(j)) {
        case JSON_OBJECT:  return SGN_JSON_OBJECT;
        case JSON_ARRAY:   return SGN_JSON_ARRAY;
        case JSON_STRING:  return SGN_JSON_STRING;
        case JSON_INTEGER: return SGN_JSON_INT;
        case JSON_REAL:    return SGN_JSON_REAL;
        case JSON_TRUE:
        case JSON_FALSE:   return SGN_JSON_BOOL;
        case JSON_NULL:    break;
    }
    return SGN_JSON_NULL;
}

sgn_json *sgn_json_get(const sgn_json *object, const char *key) { return json_object_get(object, key); }
sgn_json *sgn_json_take(sgn_json *object, const char *key) {
    sgn_json *j = json_incref(json_object_get(object, key));
    if (j) sgn_json_set(object, key, json_null());
    return j;
}
sgn_json *sgn_json_at(const sgn_json *array, size_t i) { return json_array_get(array, i); }
size_t sgn_json_size(const sgn_json *c) { return json_is_object(c) ? json_object_size(c) : json_array_size(c); }

const char *sgn_json_string(const sgn_json *j, const char *otherwise) {
    return json_is_string(j) ? json_string_value(j) : otherwise;
}
int64_t sgn_json_int(const sgn_json *j, int64_t otherwise) {
    return json_is_integer(j) ? json_integer_value(j) : otherwise;
}
double sgn_json_real(const sgn_json *j, double otherwise) {
    return json_is_number(j) ? json_number_value(j) : otherwise;
}
bool sgn_json_bool(const sgn_json *j, bool otherwise) {
    return json_is_boolean(j) ? json_is_true(j) : otherwise;
}

/* jansson wants a mutable object for iteration, though it changes nothing. */
void *sgn_json_iter(const sgn_json *object) { return json_object_iter((json_t *)(uintptr_t)object); }
void *sgn_json_next(const sgn_json *object, void *iter) { return json_object_iter_next((json_t *)(uintptr_t)object, iter); }
const char *sgn_json_iter_key(void *iter) { return json_object_iter_key(iter); }
sgn_json *sgn_json_iter_value(void *iter) { return json_object_iter_value(iter); }

/* --- writing ---------------------------------------------------------------------------------- */

/* A value that could not be made (no memory, not UTF-8) is noticed where it is set, and
 * reported by the next dump of the same thread: builders stay free of checks. */
static _Thread_local bool lost;

sgn_json *sgn_json_new_object(void) { return json_object(); }
sgn_json *sgn_json_new_array(void) { return json_array(); }
sgn_json *sgn_json_new_string(const char *s) { return json_string(s); }
sgn_json *sgn_json_new_string_n(const char *s, size_t n) { return json_stringn(s, n); }
sgn_json *sgn_json_new_int(int64_t v) { return json_integer(v); }
sgn_json *sgn_json_new_real(double v) { return isfinite(v) ? json_real(v) : json_null(); }
sgn_json *sgn_json_new_bool(bool v) { return json_boolean(v); }
sgn_json *sgn_json_new_null(void) { return json_null(); }

void sgn_json_set(sgn_json *object, const char *key, sgn_json *value) {
    if (json_object_set_new(object, key, value) != 0) lost = true;
}
void sgn_json_append(sgn_json *array, sgn_json *value) {
    if (json_array_append_new(array, value) != 0) lost = true;
}

sgn_status sgn_json_dump(const sgn_json *j, int indent, char **out, sgn_error *err) {
    *out = NULL;
    const bool incomplete = lost;
    lost = false;
    if (incomplete || !j)
        SGN_FAIL(err, SGN_NOMEM, "a JSON value could not be stored: no memory, or a text that is not UTF-8");
    const size_t flags = JSON_ENCODE_ANY | (indent > 0 ? JSON_INDENT((size_t)indent) : 0);
    *out = json_dumps(j, flags);
    if (!*out) SGN_FAIL(err, SGN_NOMEM, "no memory to write JSON");
    return SGN_OK;
}

sgn_status sgn_json_save(const sgn_json *j, int indent, const char *path, sgn_error *err) {
    char *text;
    SGN_TRY(sgn_json_dump(j, indent, &text, err));
    const size_t n = strlen(text);
    text[n] = '\n';                                 /* the NUL's place: no second copy */
    const sgn_status s = sgn_file_write(path, text, n + 1, err);
    free(text);
    return s;
}
