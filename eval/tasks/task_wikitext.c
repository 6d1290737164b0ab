/* wikitext: log-likelihood of whole pages, detokenized, over the words and bytes of the pages as they were. A page ends where a
 * heading of the first level begins.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include "eval/eval_task.h"
#include "eval/rewrite.h"

/* OPEN white (what holds no CLOSE) white CLOSE, without the white. */
static void trim_inside(char *t, char open, char close) {
    char *to = t;
    const char *at = t;
    for (const char *begin, *end; (begin = strchr(at, open)) && (end = strchr(begin + 1, close)); at = end) {
        memmove(to, at, (size_t)(begin + 1 - at));
        to += begin + 1 - at;
        begin = sgn_skip_white(begin + 1, end);
        const char *last = sgn_trim_white(begin, end);
        memmove(to, begin, (size_t)(last - begin));
        to += last - begin;
        *to++ = *end++;
    }
    memmove(to, at, strlen(at) + 1);
}

/* The rules in lm-eval's order; one of them, "/' [0-9]/" as a pattern with slashes, never met anything. */
static void detokenize(char *t) {
    static const char *const first[][2] = { { "s '", "s'" }, { " @-@ ", "-" }, { " @,@ ", "," }, { " @.@ ", "." }, { " : ", ": " }, { " ; ", "; " },
                                            { " . ", ". " }, { " ! ", "! " }, { " ? ", "? " }, { " , ", ", " } };
    static const char *const last[][2] = { { "= = = =", "====" }, { "= = =", "===" }, { "= =", "==" }, { " \u00b0 ", "\u00b0" }, { " \n", "\n" },
                                           { "\n ", "\n" }, { " N ", " 1 " }, { " 's", "'s" } };
    static const char pairs[] = "()[]{}\"\"''";
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) sgn_replace(t, first[i][0], first[i][1]);
    for (const char *p = pairs; *p; p += 2) trim_inside(t, p[0], p[1]);
    for (size_t i = 0; i < sizeof last / sizeof *last; i++) sgn_replace(t, last[i][0], last[i][1]);
}

static sgn_status add_page(sgn_item_set *set, const char *text, size_t size, sgn_error *err) {
    sgn_item *it = sgn_item_set_add(set, err);
    if (!it) return SGN_NOMEM;
    it->number = set->count;
    it->count = 1;
    it->context = strndup(text, size);
    it->text[0] = strndup(text, size);
    if (!it->context || !it->text[0]) SGN_FAIL(err, SGN_NOMEM, "no memory for page %zu of %s", set->count, set->file.s);
    detokenize(it->text[0]);
    return SGN_OK;
}

static bool is_heading(const char *line, size_t size) {
    char *copy = strndup(line, size);
    if (!copy) return false;
    sgn_replace(copy, "= = =", "===");
    sgn_replace(copy, "= =", "==");
    sgn_strip(copy);
    const size_t n = strlen(copy);
    const bool yes = n >= 2 && strncmp(copy, "= ", 2) == 0 && strcmp(copy + n - 2, " =") == 0;
    free(copy);
    return yes;
}

static sgn_status split(sgn_item_set *set, const char *text, sgn_error *err) {
    const char *page = text;
    for (const char *line = text, *end; line; line = *end ? end + 1 : NULL) {
        end = strchrnul(line, '\n');
        if (!is_heading(line, (size_t)(end - line))) continue;
        const char *last = line > page ? line - 1 : line;      /* lines are joined, so a page has no end of its last line */
        if (sgn_skip_white(page, last) < last) SGN_TRY(add_page(set, page, (size_t)(last - page), err));
        page = line;
    }
    return *page ? add_page(set, page, strlen(page), err) : SGN_OK;
}

#define FIELDS "plain text as in wiki.test.raw, or objects with page, or with text for each line"

/* Objects with a page each; or with a line each, whose blank ones were made empty: in the raw file they hold a space. */
static sgn_status load_json(sgn_records *r, sgn_item_set *set, sgn_growing *raw, sgn_error *err) {
    const sgn_json *object;
    for (;;) {
        SGN_TRY(sgn_records_next(r, &object, err));
        if (!object) return SGN_OK;
        const char *page = sgn_json_string(sgn_json_get(object, "page"), NULL), *line = sgn_json_string(sgn_json_get(object, "text"), NULL);
        if (!page && !line) SGN_FAIL(err, SGN_FORMAT, "%s: there is no field page or text; wikitext expects %s", r->place, FIELDS);
        if (page) SGN_TRY(add_page(set, page, strlen(page), err));
        else {
            const size_t n = strlen(line);
            SGN_TRY(sgn_growing_put(raw, n ? line : " ", n ? n : 1, err));
            if (!n || line[n - 1] != '\n') SGN_TRY(sgn_growing_put(raw, "\n", 1, err));
        }
    }
}

static sgn_status load(sgn_records *r, sgn_item_set *set, sgn_error *err) {
    if (!r->json) return split(set, r->text + r->at, err);
    sgn_growing raw = { 0 };
    sgn_status s = load_json(r, set, &raw, err);
    if (s == SGN_OK && raw.size) s = split(set, raw.text, err);
    free(raw.text);
    return s;
}

const sgn_eval_task sgn_eval_task_wikitext = {
    .name = "wikitext", .summary = "word and byte perplexity, bits per byte, by pages", .version = "lm-eval 0.4.2, wikitext 2.0",
    .kind = SGN_EVAL_PAGES, .test = true, .fields = FIELDS, .load = load,
};
