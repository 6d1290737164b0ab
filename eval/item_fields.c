/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "eval/item_reader.h"

enum { MOST_SHOWN = 60, KEY = 64 };    /* bytes of a value in messages; of one name in a path of keys */

bool sgn_item_failed(const sgn_item_reader *r) { return r->status != SGN_OK; }

void sgn_item_wrong(sgn_item_reader *r, const char *fmt, ...) {
    char what[256];
    va_list list;
    if (r->status != SGN_OK) return;
    va_start(list, fmt);
    vsnprintf(what, sizeof what, fmt, list);
    va_end(list);
    r->status = SGN_ERROR(r->err, SGN_FORMAT, "%s: %s; %s expects %s", r->place, what, r->task->name, r->task->fields);
}

static void no_memory(sgn_item_reader *r) {
    if (r->status == SGN_OK) r->status = SGN_ERROR(r->err, SGN_NOMEM, "%s: no memory for this record", r->place);
}

/* The value at the path "a.b", whose end is `end`. */
static const sgn_json *at_path(const sgn_json *j, const char *path, const char *end) {
    while (j && path < end) {
        char key[KEY];
        size_t n = 0;
        while (path < end && *path != '.' && n < KEY - 1) key[n++] = *path++;
        key[n] = '\0';
        path += path < end;
        j = sgn_json_get(j, key);
    }
    return j;
}

/* The first of the alternatives that is there and, where `type` says so, of that type. */
static const sgn_json *find(const sgn_item_reader *r, const char *keys, bool strings) {
    for (const char *end; *keys; keys = *end ? end + 1 : end) {
        end = strchrnul(keys, '|');
        const sgn_json *j = at_path(r->object, keys, end);
        if (j && (!strings || sgn_json_typeof(j) == SGN_JSON_STRING)) return j;
    }
    return NULL;
}

/* "a, or b" of "a|b" */
static const char *alternatives(const char *keys, char out[256]) {
    size_t n = 0;
    for (; *keys && n < 248; keys++) {
        if (*keys != '|') out[n++] = *keys;
        else n += (size_t)snprintf(out + n, 256 - n, " or ");
    }
    out[n] = '\0';
    return out;
}

bool sgn_item_has(const sgn_item_reader *r, const char *key) { return r->object && sgn_json_get(r->object, key); }

const char *sgn_item_string(sgn_item_reader *r, const char *keys) {
    char names[256];
    if (r->status != SGN_OK) return "";
    if (!r->object) return r->line;
    const char *s = sgn_json_string(find(r, keys, true), NULL);
    if (s) return s;
    sgn_item_wrong(r, find(r, keys, false) ? "the field %s is not text" : "there is no field %s", alternatives(keys, names));
    return "";
}

void sgn_item_context(sgn_item_reader *r, const char *fmt, ...) {
    va_list list;
    if (r->status != SGN_OK) return;
    va_start(list, fmt);
    if (vasprintf(&r->item->context, fmt, list) < 0) {
        r->item->context = NULL;
        no_memory(r);
    }
    va_end(list);
}

void sgn_item_option(sgn_item_reader *r, const char *text, size_t size, const char *more) {
    if (r->status != SGN_OK) return;
    char **to = &r->item->option[r->item->count];
    if (asprintf(to, "%.*s%s", (int)size, text, more) >= 0) return;
    *to = NULL;
    no_memory(r);
}

void sgn_item_each_text(sgn_item_reader *r, void (*change)(char *text)) {
    for (int i = 0; r->status == SGN_OK && i < r->item->count; i++) change(r->item->text[i]);
}

void sgn_item_choice(sgn_item_reader *r, const char *text) {
    if (r->status != SGN_OK) return;
    if (r->item->count == SGN_CHOICES - 1) {
        sgn_item_wrong(r, "more than %d answers", SGN_CHOICES - 1);
        return;
    }
    r->item->text[r->item->count] = strdup(text);
    if (!r->item->text[r->item->count++]) no_memory(r);
}

void sgn_item_choices(sgn_item_reader *r, const char *keys) {
    char names[256];
    if (r->status != SGN_OK) return;
    const sgn_json *all = find(r, keys, false), *texts = sgn_json_typeof(all) == SGN_JSON_OBJECT ? sgn_json_get(all, "text") : all;
    const sgn_json *labels = texts == all ? NULL : sgn_json_get(all, "label");
    const size_t n = sgn_json_typeof(texts) == SGN_JSON_ARRAY ? sgn_json_size(texts) : 0;
    if (!texts || n < 2) {
        sgn_item_wrong(r, all ? "the field %s is no list of two answers or more" : "there is no field %s", alternatives(keys, names));
        return;
    }
    for (size_t i = 0; i < n && r->status == SGN_OK; i++) {
        const sgn_json *one = sgn_json_at(texts, i);
        const bool pair = sgn_json_typeof(one) == SGN_JSON_OBJECT;
        const char *text = sgn_json_string(pair ? sgn_json_get(one, "text") : one, NULL);
        if (!text) sgn_item_wrong(r, "answer %zu of %s is not text", i + 1, alternatives(keys, names));
        else sgn_item_choice(r, text);
        if (r->status == SGN_OK) r->label[i] = sgn_json_string(pair ? sgn_json_get(one, "label") : sgn_json_at(labels, i), NULL);
    }
}

static void set_gold(sgn_item_reader *r, int64_t gold, int64_t first, const char *keys) {
    char names[256];
    if (gold >= first && gold - first < r->item->count) r->item->gold = (int)(gold - first);
    else if (gold == -1)
        sgn_item_wrong(r, "%s is -1, so this split has no answers; take the one that has them", alternatives(keys, names));
    else
        sgn_item_wrong(r, "%s is %" PRId64 ", but the %d answers are %" PRId64 " to %" PRId64, alternatives(keys, names), gold,
                       r->item->count, first, first + r->item->count - 1);
}

/* A number in a text of its own. */
static bool to_number(const char *text, int64_t *out) {
    char *end;
    *out = strtoll(text, &end, 10);
    while (*end == ' ' || *end == '\r') end++;
    return end != text && !*end;
}

/* A number or a word for no or yes. */
static void set_gold_text(sgn_item_reader *r, const char *text, int first, const char *keys) {
    static const char *const words[2][4] = { { "false", "False", "no", "No" }, { "true", "True", "yes", "Yes" } };
    char names[256];
    int64_t gold = INT64_MIN;
    if (!to_number(text, &gold)) {
        gold = INT64_MIN;
        for (int i = 0; i < 8; i++)
            if (strcmp(text, words[i / 4][i % 4]) == 0) gold = i / 4 + first;
    }
    if (gold != INT64_MIN) set_gold(r, gold, first, keys);
    else if (!*text) sgn_item_wrong(r, "%s is empty, so this split has no answers; take the one that has them", alternatives(keys, names));
    else sgn_item_wrong(r, "%s is \"%.*s\", which names no answer", alternatives(keys, names), MOST_SHOWN, text);
}

void sgn_item_gold_text(sgn_item_reader *r, const char *text, int first) {
    if (r->status == SGN_OK) set_gold_text(r, text, first, "answer");
}

void sgn_item_gold(sgn_item_reader *r, const char *keys, int first) {
    char names[256];
    if (r->status != SGN_OK) return;
    const sgn_json *j = find(r, keys, false);
    const char *text = j ? sgn_json_string(j, NULL) : r->line;
    if (sgn_json_typeof(j) == SGN_JSON_BOOL) set_gold(r, sgn_json_bool(j, false) + first, first, keys);
    else if (sgn_json_typeof(j) == SGN_JSON_INT) set_gold(r, sgn_json_int(j, 0), first, keys);
    else if (text) set_gold_text(r, text, first, keys);
    else sgn_item_wrong(r, j ? "the field %s is no number" : "there is no field %s, which says the answer", alternatives(keys, names));
}

void sgn_item_answer(sgn_item_reader *r, const char *keys) {
    char names[256];
    int64_t number;
    if (r->status != SGN_OK) return;
    const sgn_json *j = find(r, keys, false);
    const char *text = sgn_json_string(j, NULL);
    if (!text) {
        sgn_item_gold(r, keys, 0);
        return;
    }
    while (*text == ' ') text++;
    for (int i = 0; i < r->item->count; i++) {
        const char letter[2] = { (char)('A' + i), 0 };
        if (strcmp(text, r->label[i] ? r->label[i] : letter) == 0) {
            r->item->gold = i;
            return;
        }
    }
    if (!r->label[0] && to_number(text, &number)) set_gold(r, number, 0, keys);
    else sgn_item_wrong(r, "%s is \"%.*s\", which is the label of no answer", alternatives(keys, names), MOST_SHOWN, text);
}
