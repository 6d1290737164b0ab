/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include "cli/inspect.h"
#include "cli/output.h"

enum { KEY = 18, NAME_MOST = 64 };

static bool is_size(const char *key) { return strlen(key) >= 5 && strcmp(key + strlen(key) - 5, "bytes") == 0; }

static void print_scalar(const char *key, const sgn_json *j) {
    sgn_size_text size;
    switch (sgn_json_typeof(j)) {
    case SGN_JSON_BOOL: fputs(sgn_json_bool(j, false) ? "yes" : "no", stdout); break;
    case SGN_JSON_INT:
        if (is_size(key) && sgn_json_int(j, 0) >= 1024)
            printf("%lld (%s)", (long long)sgn_json_int(j, 0), sgn_size_print((uint64_t)sgn_json_int(j, 0), &size));
        else printf("%lld", (long long)sgn_json_int(j, 0));
        break;
    case SGN_JSON_REAL: printf("%.6g", sgn_json_real(j, 0)); break;
    case SGN_JSON_STRING:
        if (strchr(sgn_json_string(j, ""), '\n')) putchar('\n');        /* a text of lines begins on one of its own */
        fputs(sgn_json_string(j, ""), stdout);
        break;
    case SGN_JSON_NULL: fputs("-", stdout); break;
    default: break;
    }
}

/* (2, 3) */
static void print_shape(const sgn_json *shape, char *out, size_t room) {
    size_t n = (size_t)snprintf(out, room, "(");
    for (size_t i = 0; i < sgn_json_size(shape) && n < room; i++)
        n += (size_t)snprintf(out + n, room - n, "%s%lld", i ? ", " : "", (long long)sgn_json_int(sgn_json_at(shape, i), 0));
    if (n < room) snprintf(out + n, room - n, ")");
}

static void print_arrays(const sgn_json *list) {
    size_t width = 4;
    for (size_t i = 0; i < sgn_json_size(list); i++) {
        const size_t n = strlen(sgn_json_string(sgn_json_get(sgn_json_at(list, i), "name"), ""));
        if (n > width) width = n < NAME_MOST ? n : NAME_MOST;
    }
    for (size_t i = 0; i < sgn_json_size(list); i++) {
        const sgn_json *a = sgn_json_at(list, i), *positive = sgn_json_get(a, "positive");
        char shape[96];
        sgn_size_text size;
        print_shape(sgn_json_get(a, "shape"), shape, sizeof shape);
        printf("  %-*s %-4s %-14s %11s", (int)width, sgn_json_string(sgn_json_get(a, "name"), ""),
               sgn_json_string(sgn_json_get(a, "dtype"), ""), shape, sgn_size_print((uint64_t)sgn_json_int(sgn_json_get(a, "bytes"), 0), &size));
        if (positive) printf("  +1: %.2f %%", 100 * sgn_json_real(positive, 0));
        for (void *it = sgn_json_iter(a); it; it = sgn_json_next(a, it)) {
            const char *key = sgn_json_iter_key(it);
            if (strcmp(key, "min") && strcmp(key, "max") && strcmp(key, "mean") && strcmp(key, "not_finite")) continue;
            printf("  %s ", key);
            print_scalar(key, sgn_json_iter_value(it));
        }
        putchar('\n');
    }
}

static void print_object(const sgn_json *object, int indent);

static void print_pair(const char *key, const sgn_json *value, int indent) {
    const sgn_json_type type = sgn_json_typeof(value);
    const bool objects = type == SGN_JSON_ARRAY && sgn_json_typeof(sgn_json_at(value, 0)) == SGN_JSON_OBJECT;
    char name[64];
    snprintf(name, sizeof name, "%s", key);
    for (char *c = name; *c; c++) *c = *c == '_' ? ' ' : *c;
    printf("%*s%-*s ", indent, "", KEY, name);
    if (type == SGN_JSON_OBJECT) {
        putchar('\n');
        print_object(value, indent + 2);
    } else if (objects && strcmp(key, "arrays") == 0) {
        printf("%zu\n", sgn_json_size(value));
        print_arrays(value);
    } else if (objects) {
        for (size_t i = 0; i < sgn_json_size(value); i++) {
            putchar('\n');
            print_object(sgn_json_at(value, i), indent + 2);
        }
    } else if (type == SGN_JSON_ARRAY) {
        for (size_t i = 0; i < sgn_json_size(value); i++) {
            if (i) fputs(", ", stdout);
            print_scalar(key, sgn_json_at(value, i));
        }
        putchar('\n');
    } else {
        print_scalar(key, value);
        putchar('\n');
    }
}

static void print_object(const sgn_json *object, int indent) {
    for (void *it = sgn_json_iter(object); it; it = sgn_json_next(object, it))
        print_pair(sgn_json_iter_key(it), sgn_json_iter_value(it), indent);
}

void sgn_inspect_print(const sgn_json *object) {
    printf("%s: %s\n", sgn_json_string(sgn_json_get(object, "path"), ""), sgn_json_string(sgn_json_get(object, "what"), ""));
    for (void *it = sgn_json_iter(object); it; it = sgn_json_next(object, it)) {
        const char *key = sgn_json_iter_key(it);
        if (strcmp(key, "bits") == 0) sgn_inspect_print_bits(sgn_json_iter_value(it));
        else if (strcmp(key, "path") && strcmp(key, "what")) print_pair(key, sgn_json_iter_value(it), 2);
    }
}
