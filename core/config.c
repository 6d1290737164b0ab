/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD = 64, KNOWN = 256 };

/* --- looking up ------------------------------------------------------------------------------- */

/* Edit distance with neighbours swapped at cost 1; WORD or more where a word is too long. */
static size_t distance(const char *a, const char *b) {
    const size_t na = strlen(a), nb = strlen(b);
    if (na >= WORD || nb >= WORD) return WORD;
    size_t row[3][WORD];                            /* of prefixes of a: i-2, i-1, i */
    for (size_t j = 0; j <= nb; j++) row[0][j] = row[1][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *now = row[(i + 1) % 3], *last = row[i % 3], *before = row[(i + 2) % 3];
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t d = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < d) d = last[j] + 1;
            if (now[j - 1] + 1 < d) d = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < d)
                d = before[j - 2] + 1;
            now[j] = d;
        }
    }
    return row[(na + 1) % 3][nb];
}

const char *sgn_nearest(const char *word, const char *const *known, int count) {
    const char *best = NULL;
    size_t least = (strlen(word) + 2) / 3 + 1;      /* a third of the letters may differ */
    for (int i = 0; i < count; i++) {
        if (*word && strncmp(word, known[i], strlen(word)) == 0) return known[i];
        const size_t d = distance(word, known[i]);
        if (d < least) least = d, best = known[i];
    }
    return best;
}

static const sgn_section *find_section(const sgn_section *s, const char *name, size_t size) {
    for (; s->name; s++)
        if (strlen(s->name) == size && memcmp(s->name, name, size) == 0) return s;
    return NULL;
}

const sgn_field *sgn_config_find(const sgn_section *sections, const char *key, const sgn_section **section) {
    const char *dot = strchr(key, '.'), *last = dot ? dot + 1 : key;
    const sgn_section *s = find_section(sections, key, dot ? (size_t)(dot - key) : 0);
    if (section) *section = s;
    for (const sgn_field *f = s ? s->fields : NULL; f && f->key; f++)
        if (strcmp(f->key, last) == 0) return f;
    return NULL;
}

static sgn_status unknown_key(const sgn_section *sections, const char *key, const char *where, sgn_error *err) {
    const char *known[KNOWN], *near, *dot = strchr(key, '.'), *last = dot ? dot + 1 : key;
    const sgn_section *home;
    int n = 0;
    sgn_config_find(sections, key, &home);
    if (!dot && find_section(sections, key, strlen(key)))
        SGN_FAIL(err, SGN_CONFIG, "%s: %s: is a section; settings are expected in it", where, key);
    for (const sgn_section *s = sections; s->name; s++)
        for (const sgn_field *f = s->fields; f->key; f++)
            if (strcmp(f->key, last) == 0)
                SGN_FAIL(err, SGN_CONFIG, "%s: %s: unknown setting; did you mean %s%s%s?", where, key, s->name,
                         *s->name ? "." : "", f->key);
    for (const sgn_field *f = home ? home->fields : NULL; f && f->key && n < KNOWN; f++) known[n++] = f->key;
    if (home && (near = sgn_nearest(last, known, n)) != NULL)
        SGN_FAIL(err, SGN_CONFIG, "%s: %s: unknown setting; did you mean %s%s%s?", where, key, home->name,
                 *home->name ? "." : "", near);
    n = 0;
    for (const sgn_section *s = sections; s->name && n < KNOWN; s++)
        if (*s->name) known[n++] = s->name;
    char first[WORD];
    snprintf(first, sizeof first, "%.*s", dot ? (int)(dot - key) : (int)strlen(key), key);
    if ((!home || !dot) && (near = sgn_nearest(first, known, n)) != NULL)
        SGN_FAIL(err, SGN_CONFIG, "%s: %s: unknown section; did you mean %s?", where, key, near);
    SGN_FAIL(err, SGN_CONFIG, "%s: %s: unknown setting", where, key);
}

/* --- one value -------------------------------------------------------------------------------- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static const char *digits(const char *c) {
    while (is_digit(*c)) c++;
    return c;
}

/* [-+] digits [. digits] [e [-+] digits]; no leading zeros, which YAML 1.1 takes for octal. */
static bool is_number(const char *text, bool fraction) {
    const char *c = text + (*text == '-' || *text == '+'), *start = c;
    c = digits(c);
    if (c - start > 1 && *start == '0') return false;
    bool any = c > start;
    if (fraction && *c == '.') {
        start = ++c;
        c = digits(c);
        any = any || c > start;
    }
    if (fraction && any && (*c == 'e' || *c == 'E')) {
        c += 1 + (c[1] == '-' || c[1] == '+');
        start = c;
        c = digits(c);
        any = c > start;
    }
    return any && !*c;
}

static bool in_range(const sgn_field *f, double v) {
    return (f->min == 0 && f->max == 0) || (v >= f->min && v <= f->max);
}

#define REFUSE(...) SGN_FAIL(err, SGN_CONFIG, __VA_ARGS__)

static sgn_status set_number(void *at, const sgn_field *f, const char *key, const char *value, const char *where, sgn_error *err) {
    const bool real = f->type == SGN_FIELD_REAL;
    if (!is_number(value, real))
        REFUSE("%s: %s: \"%s\" is not %s", where, key, value,
               real ? "a number, such as 0.5 or 3e-4" : "an integer, such as 256");
    errno = 0;
    const long long whole = real ? 0 : strtoll(value, NULL, 10);
    const double v = real ? strtod(value, NULL) : (double)whole;
    if (!isfinite(v) || (!real && errno == ERANGE)) REFUSE("%s: %s: %s is too large a number", where, key, value);
    if (!in_range(f, v)) REFUSE("%s: %s: %s is not within %.17g to %.17g", where, key, value, f->min, f->max);
    if (real) *(double *)at = v;
    else *(int64_t *)at = whole;
    return SGN_OK;
}

static sgn_status set_bool(bool *at, const char *key, const char *value, const char *where, sgn_error *err) {
    const bool yes = strcmp(value, "true") == 0;
    if (!yes && strcmp(value, "false") != 0) REFUSE("%s: %s: \"%s\" is neither true nor false", where, key, value);
    *at = yes;
    return SGN_OK;
}

/* The length of the word at the start of "a|b|c". */
static size_t word_length(const char *choices) { return strcspn(choices, "|"); }

static bool is_choice(const char *choices, const char *value) {
    for (const char *c = choices; c; c = c[word_length(c)] ? c + word_length(c) + 1 : NULL)
        if (strlen(value) == word_length(c) && strncmp(c, value, word_length(c)) == 0) return true;
    return false;
}

/* "[a, b]" is kept as "a,b", and so is the same text in any other spacing. */
static void join_list(char *text) {
    const size_t n = strlen(text);
    if (n < 2 || text[0] != '[' || text[n - 1] != ']') return;
    text[n - 1] = '\0';
    char *to = text;
    for (char *item = text + 1; item;) {
        char *comma = strchr(item, ',');
        if (comma) *comma = '\0';
        item += strspn(item, " ");
        size_t length = strlen(item);
        while (length && item[length - 1] == ' ') length--;
        memmove(to, item, length);
        to += length;
        if (comma) *to++ = ',';
        item = comma ? comma + 1 : NULL;
    }
    *to = '\0';
}

static sgn_status set_text(char *at, const sgn_field *f, const char *key, const char *value, const char *where, sgn_error *err) {
    const size_t room = sgn_field_room(f->type);
    if (strlen(value) >= room) REFUSE("%s: %s: the text is longer than %zu characters", where, key, room - 1);
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) REFUSE("%s: %s: the text has a control character; one line is expected", where, key);
    if (f->type == SGN_FIELD_CHOICE && !is_choice(f->choices, value))
        REFUSE("%s: %s: \"%s\" is not one of %s", where, key, value, f->choices);
    strcpy(at, value);
    if (f->type != SGN_FIELD_CHOICE) join_list(at);
    return SGN_OK;
}

static sgn_status set_field(void *at, const sgn_field *f, const char *key, const char *value, const char *where, sgn_error *err) {
    switch (f->type) {
        case SGN_FIELD_INT:
        case SGN_FIELD_REAL:   return set_number(at, f, key, value, where, err);
        case SGN_FIELD_BOOL:   return set_bool(at, key, value, where, err);
        case SGN_FIELD_TEXT:
        case SGN_FIELD_LIST:
        case SGN_FIELD_CHOICE: return set_text(at, f, key, value, where, err);
    }
    return SGN_OK;
}

sgn_status sgn_config_set(void *config, const sgn_section *sections, const char *key, const char *value,
                          const char *where, sgn_error *err) {
    const sgn_section *s;
    const sgn_field *f = sgn_config_find(sections, key, &s);
    if (!f) return unknown_key(sections, key, where, err);
    return set_field((char *)config + s->offset + f->offset, f, key, value, where, err);
}

sgn_status sgn_config_override(void *config, const sgn_section *sections, const char *assignment, sgn_error *err) {
    const char *equals = strchr(assignment, '=');
    const size_t n = equals ? (size_t)(equals - assignment) : 0;
    char key[2 * WORD];
    if (n == 0 || n >= sizeof key)
        REFUSE("command line: \"%.60s\" is not a setting; write it as section.key=value", assignment);
    memcpy(key, assignment, n);
    key[n] = '\0';
    return sgn_config_set(config, sections, key, equals + 1, "command line", err);
}

void sgn_config_defaults(void *config, const sgn_section *sections) {
    for (const sgn_section *s = sections; s->name; s++)
        for (const sgn_field *f = s->fields; f->key; f++)
            if (f->otherwise) set_field((char *)config + s->offset + f->offset, f, f->key, f->otherwise, "default", NULL);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_real(FILE *out, double v) {
    char text[32];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, v);
        if (strtod(text, NULL) == v) break;
    }
    fputs(text, out);
}

/* Words stand plain, the rest in quotes: no text is taken for a number, a truth value or null. */
static void put_text(FILE *out, const char *text) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const size_t n = strlen(text), word = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./");
    if (n == word && n && strchr(letters, text[0]) && !sgn_config_implicit(text)) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void put_value(FILE *out, const sgn_field *f, const void *at) {
    switch (f->type) {
        case SGN_FIELD_INT:    fprintf(out, "%lld", (long long)*(const int64_t *)at); break;
        case SGN_FIELD_REAL:   put_real(out, *(const double *)at); break;
        case SGN_FIELD_BOOL:   fputs(*(const bool *)at ? "true" : "false", out); break;
        case SGN_FIELD_TEXT:
        case SGN_FIELD_LIST:
        case SGN_FIELD_CHOICE: put_text(out, at); break;
    }
}

static sgn_status finish(FILE *out, char **text, sgn_error *err) {
    const bool failed = ferror(out) != 0;
    if (fclose(out) == 0 && !failed && *text) return SGN_OK;
    free(*text);
    *text = NULL;
    SGN_FAIL(err, SGN_NOMEM, "no memory to write settings");
}

sgn_status sgn_config_dump(const void *config, const sgn_section *sections, bool help, char **text, sgn_error *err) {
    size_t size;
    *text = NULL;
    FILE *out = open_memstream(text, &size);
    if (!out) SGN_FAIL(err, SGN_NOMEM, "no memory to write settings");
    for (const sgn_section *s = sections; s->name; s++) {
        if (*s->name && s->fields->key) fprintf(out, "%s:\n", s->name);
        for (const sgn_field *f = s->fields; f->key; f++) {
            const char *indent = *s->name ? "  " : "";
            if (help && f->help) fprintf(out, "%s# %s\n", indent, f->help);
            fprintf(out, "%s%s: ", indent, f->key);
            put_value(out, f, (const char *)config + s->offset + f->offset);
            fputc('\n', out);
        }
    }
    return finish(out, text, err);
}

static void put_type(FILE *out, const sgn_field *f) {
    static const char *const names[] = { "integer", "real", "true, false", "text", "", "list" };
    fputs(names[f->type], out);
    if (f->type == SGN_FIELD_CHOICE)
        for (const char *c = f->choices; c; c = c[word_length(c)] ? c + word_length(c) + 1 : NULL)
            fprintf(out, "%s`%.*s`", c == f->choices ? "" : ", ", (int)word_length(c), c);
    if ((f->type == SGN_FIELD_INT || f->type == SGN_FIELD_REAL) && (f->min != 0 || f->max != 0)) {
        fputs(", ", out);
        put_real(out, f->min);
        fputs(" to ", out);
        put_real(out, f->max);
    }
}

sgn_status sgn_config_document(const sgn_section *sections, char **text, sgn_error *err) {
    size_t size;
    *text = NULL;
    FILE *out = open_memstream(text, &size);
    if (!out) SGN_FAIL(err, SGN_NOMEM, "no memory to write settings");
    for (const sgn_section *s = sections; s->name; s++) {
        fprintf(out, "%s## %s\n\n| setting | values | default | meaning |\n|---|---|---|---|\n", s == sections ? "" : "\n",
                *s->name ? s->name : "Top level");
        for (const sgn_field *f = s->fields; f->key; f++) {
            fprintf(out, "| `%s%s%s` | ", s->name, *s->name ? "." : "", f->key);
            put_type(out, f);
            if (f->otherwise && *f->otherwise) fprintf(out, " | `%s`", f->otherwise);
            else fputs(" | ", out);
            fprintf(out, " | %s |\n", f->help ? f->help : "");
        }
    }
    return finish(out, text, err);
}
