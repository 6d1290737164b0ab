/* The pre_tokenizer of a tokenizer.json: how text is cut into words.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "data/form.h"
#include "data/scan.h"

static sgn_status add(sgn_form *f, sgn_words_step step, const char *pattern, const char *at, const char *where, sgn_error *err) {
    if (f->splits == SGN_FORM_STEPS)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %s is step %d; at most %d are done", where, at, f->splits, SGN_FORM_STEPS);
    if (pattern) {
        const size_t n = strlen(pattern) + 1;
        step.pattern = malloc(n);
        if (!step.pattern) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for the pattern of %s", where, at);
        memcpy(step.pattern, pattern, n);
    }
    f->words[f->splits++] = step;
    return SGN_OK;
}

static sgn_status behaviour(const sgn_json *j, sgn_behaviour *out, const char *at, const char *where, sgn_error *err) {
    static const char *const names[] = { "Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous" };
    const sgn_json *value = sgn_json_get(j, "behavior");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(sgn_json_string(value, i ? "" : "Isolated"), names[i]) == 0) {
            *out = (sgn_behaviour)i;
            return SGN_OK;
        }
    return sgn_form_unknown(value, at, "behavior", "Isolated, Removed, MergedWithPrevious, MergedWithNext and Contiguous are known", where, err);
}

static sgn_status byte_level(sgn_form *f, const sgn_json *j, const char *at, const char *where, sgn_error *err) {
    SGN_TRY(sgn_form_keys(j, "type|add_prefix_space|trim_offsets|use_regex", at, where, err));
    if (sgn_json_bool(sgn_json_get(j, "add_prefix_space"), true))
        SGN_TRY(add(f, (sgn_words_step){ .kind = SGN_WORDS_SPACE }, NULL, at, where, err));
    f->byte_level = true;
    if (!sgn_json_bool(sgn_json_get(j, "use_regex"), true)) return SGN_OK;
    return add(f, (sgn_words_step){ .kind = SGN_WORDS_SPLIT }, sgn_known_split_at(0)->pattern, at, where, err);
}

static sgn_status split(sgn_form *f, const sgn_json *j, const char *at, const char *where, sgn_error *err) {
    sgn_words_step s = { .kind = SGN_WORDS_SPLIT, .invert = sgn_json_bool(sgn_json_get(j, "invert"), false) };
    const char *literal;
    SGN_TRY(sgn_form_keys(j, "type|pattern|behavior|invert", at, where, err));
    SGN_TRY(behaviour(j, &s.behaviour, at, where, err));
    SGN_TRY(sgn_form_pattern(sgn_json_get(j, "pattern"), &s.pattern, &literal, at, where, err));
    char *pattern = s.pattern;
    const sgn_status status = add(f, s, pattern, at, where, err);
    free(pattern);
    return status;
}

static sgn_status digits(sgn_form *f, const sgn_json *j, const char *at, const char *where, sgn_error *err) {
    const bool each = sgn_json_bool(sgn_json_get(j, "individual_digits"), false);
    SGN_TRY(sgn_form_keys(j, "type|individual_digits", at, where, err));
    return add(f, (sgn_words_step){ .kind = SGN_WORDS_SPLIT, .behaviour = each ? SGN_ISOLATED : SGN_CONTIGUOUS }, "\\p{N}", at, where, err);
}

static sgn_status metaspace(sgn_form *f, const sgn_json *j, const char *at, const char *where, sgn_error *err) {
    const sgn_json *mark = sgn_json_get(j, "replacement"), *scheme = sgn_json_get(j, "prepend_scheme");
    SGN_TRY(sgn_form_keys(j, "type|replacement|add_prefix_space|prepend_scheme|split|str_rep", at, where, err));
    const char *first = sgn_json_string(scheme, sgn_json_bool(sgn_json_get(j, "add_prefix_space"), true) ? "always" : "never");
    sgn_words_step s = { .kind = SGN_WORDS_MARK, .mark = sgn_json_string(mark, "\xE2\x96\x81") };
    if (strcmp(first, "always") == 0) s.first = SGN_MARK_ALWAYS;
    else if (strcmp(first, "first") == 0) s.first = SGN_MARK_FIRST;
    else if (strcmp(first, "never") != 0)
        return sgn_form_unknown(scheme, at, "prepend_scheme", "always, first and never are known", where, err);
    if (strlen(s.mark) == 0 || strlen(s.mark) > 4) return sgn_form_unknown(mark, at, "replacement", "one character is expected", where, err);
    SGN_TRY(add(f, s, NULL, at, where, err));
    if (!sgn_json_bool(sgn_json_get(j, "split"), true)) return SGN_OK;
    const char pattern[] = { '\\', s.mark[0], 0 };
    return add(f, (sgn_words_step){ .kind = SGN_WORDS_SPLIT, .behaviour = SGN_WITH_NEXT }, strlen(s.mark) > 1 ? s.mark : pattern, at, where, err);
}

/* What Unicode calls a word, and what is neither word nor space. */
#define WORD "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{200C}\\x{200D}\\x{24B6}-\\x{24E9}"

sgn_status sgn_form_pre_tokenizer(sgn_form *f, const sgn_json *j, const char *at, const char *where, sgn_error *err) {
    if (sgn_json_typeof(j) == SGN_JSON_NULL) return SGN_OK;
    const char *type = sgn_json_string(sgn_json_get(j, "type"), "");
    if (strcmp(type, "Sequence") == 0) {
        SGN_TRY(sgn_form_keys(j, "type|pretokenizers", at, where, err));
        return sgn_form_each(f, j, "pretokenizers", sgn_form_pre_tokenizer, at, where, err);
    }
    if (f->byte_level) return sgn_form_unknown(sgn_json_get(j, "type"), at, "type", "nothing is done to words after ByteLevel", where, err);
    if (strcmp(type, "ByteLevel") == 0) return byte_level(f, j, at, where, err);
    if (strcmp(type, "Split") == 0) return split(f, j, at, where, err);
    if (strcmp(type, "Digits") == 0) return digits(f, j, at, where, err);
    if (strcmp(type, "Metaspace") == 0) return metaspace(f, j, at, where, err);
    sgn_words_step s = { .kind = SGN_WORDS_SPLIT, .behaviour = SGN_REMOVED };
    if (strcmp(type, "Punctuation") == 0) {
        SGN_TRY(sgn_form_keys(j, "type|behavior", at, where, err));
        SGN_TRY(behaviour(j, &s.behaviour, at, where, err));
        return add(f, s, "[!-/:-@\\[-`{-~\\p{P}]", at, where, err);
    }
    if (strcmp(type, "WhitespaceSplit") == 0) {
        SGN_TRY(sgn_form_keys(j, "type", at, where, err));
        return add(f, s, "\\s", at, where, err);
    }
    if (strcmp(type, "Whitespace") == 0) {
        s.invert = true;
        SGN_TRY(sgn_form_keys(j, "type", at, where, err));
        return add(f, s, "[" WORD "]+|[^" WORD "\\s]+", at, where, err);
    }
    return sgn_form_unknown(sgn_json_get(j, "type"), at, "type",
                            "ByteLevel, Split, Digits, Metaspace, Whitespace, WhitespaceSplit, Punctuation and Sequence are known", where, err);
}
