/* SPDX-License-Identifier: MIT */
#include "data/form.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "data/scan.h"

/* --- helpers of all parts ---------------------------------------------------------------------- */

sgn_status sgn_form_unknown(const sgn_json *value, const char *at, const char *key, const char *known, const char *where,
                            sgn_error *err) {
    static const char *const names[] = { [SGN_JSON_NULL] = "null or absent", [SGN_JSON_ARRAY] = "an array", [SGN_JSON_OBJECT] = "an object" };
    char text[64];
    switch (sgn_json_typeof(value)) {
    case SGN_JSON_STRING: snprintf(text, sizeof text, "\"%.40s\"", sgn_json_string(value, "")); break;
    case SGN_JSON_BOOL: snprintf(text, sizeof text, "%s", sgn_json_bool(value, false) ? "true" : "false"); break;
    case SGN_JSON_INT: case SGN_JSON_REAL: snprintf(text, sizeof text, "%.9g", sgn_json_real(value, 0)); break;
    default: snprintf(text, sizeof text, "%s", names[sgn_json_typeof(value)]);
    }
    SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %s%s%s is %s; %s", where, at, *key ? "." : "", key, text, known);
}

static bool listed(const char *keys, const char *key) {
    const size_t n = strlen(key);
    for (const char *k = keys; k; k = strchr(k, '|') ? strchr(k, '|') + 1 : NULL)
        if (strncmp(k, key, n) == 0 && (k[n] == '|' || k[n] == '\0')) return true;
    return false;
}

sgn_status sgn_form_keys(const sgn_json *j, const char *keys, const char *at, const char *where, sgn_error *err) {
    if (sgn_json_typeof(j) != SGN_JSON_OBJECT) return sgn_form_unknown(j, at, "", "an object is expected", where, err);
    for (void *it = sgn_json_iter(j); it; it = sgn_json_next(j, it))
        if (!listed(keys, sgn_json_iter_key(it)))
            return sgn_form_unknown(sgn_json_iter_value(it), at, sgn_json_iter_key(it), "this key is not known", where, err);
    return SGN_OK;
}

sgn_status sgn_form_each(sgn_form *f, const sgn_json *j, const char *key, sgn_form_part *each, const char *at, const char *where,
                         sgn_error *err) {
    const sgn_json *list = sgn_json_get(j, key);
    if (sgn_json_typeof(list) != SGN_JSON_ARRAY) return sgn_form_unknown(list, at, key, "an array is expected", where, err);
    for (size_t i = 0; i < sgn_json_size(list); i++) {
        char path[160];
        snprintf(path, sizeof path, "%.100s.%s[%zu]", at, key, i);
        SGN_TRY(each(f, sgn_json_at(list, i), path, where, err));
    }
    return SGN_OK;
}

/* A literal as a pattern: what is not a letter, digit or byte beyond ASCII gets a backslash. */
static char *quote(const char *text) {
    char *out = malloc(2 * strlen(text) + 1), *to = out;
    for (; out && *text; text++) {
        const unsigned char c = (unsigned char)*text;
        const bool plain = c >= 0x80 || c < ' ' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!plain) *to++ = '\\';
        *to++ = *text;
    }
    if (out) *to = '\0';
    return out;
}

static char *copy(const char *text) {
    const size_t n = strlen(text) + 1;
    char *out = malloc(n);
    return out ? memcpy(out, text, n) : NULL;
}

sgn_status sgn_form_pattern(const sgn_json *j, char **pattern, const char **literal, const char *at, const char *where, sgn_error *err) {
    const char *regex = sgn_json_string(sgn_json_get(j, "Regex"), NULL), *text = NULL;
    *literal = sgn_json_string(sgn_json_get(j, "String"), NULL);
    text = regex ? regex : *literal;
    if (!text || !*text || sgn_json_size(j) != 1)
        return sgn_form_unknown(j, at, "pattern", "{\"String\": ...} or {\"Regex\": ...} is expected", where, err);
    *pattern = regex ? copy(regex) : quote(*literal);
    if (!*pattern) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for %s.pattern", where, at);
    return SGN_OK;
}

/* --- normalizer --------------------------------------------------------------------------------- */

static sgn_status norm_step(sgn_form *f, sgn_norm_step **step, const char *at, const char *where, sgn_error *err) {
    if (f->norms == SGN_FORM_STEPS) SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %s is step %d; at most %d are done", where, at, f->norms, f->norms);
    *step = &f->norm[f->norms++];
    return SGN_OK;
}

sgn_status sgn_form_normalizer(sgn_form *f, const sgn_json *j, const char *at, const char *where, sgn_error *err) {
    static const char *const forms[] = { "NFC", "NFD", "NFKC", "NFKD", "Lowercase" };
    static const char known[] = "NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Strip and Sequence are known";
    if (sgn_json_typeof(j) == SGN_JSON_NULL) return SGN_OK;
    const char *type = sgn_json_string(sgn_json_get(j, "type"), "");
    if (strcmp(type, "Sequence") == 0) {
        SGN_TRY(sgn_form_keys(j, "type|normalizers", at, where, err));
        return sgn_form_each(f, j, "normalizers", sgn_form_normalizer, at, where, err);
    }
    sgn_norm_step *s = NULL;
    SGN_TRY(norm_step(f, &s, at, where, err));
    for (int i = 0; i < 5; i++)
        if (strcmp(type, forms[i]) == 0) {
            *s = (sgn_norm_step){ .kind = SGN_NORM_FORM, .form = (sgn_normal_form)i };
            return sgn_form_keys(j, "type", at, where, err);
        }
    if (strcmp(type, "Prepend") == 0) {
        *s = (sgn_norm_step){ .kind = SGN_NORM_PREPEND, .text = sgn_json_string(sgn_json_get(j, "prepend"), NULL) };
        if (!s->text) return sgn_form_unknown(sgn_json_get(j, "prepend"), at, "prepend", "a string is expected", where, err);
        return sgn_form_keys(j, "type|prepend", at, where, err);
    }
    if (strcmp(type, "Replace") == 0) {
        *s = (sgn_norm_step){ .kind = SGN_NORM_REPLACE, .text = sgn_json_string(sgn_json_get(j, "content"), NULL) };
        if (!s->text) return sgn_form_unknown(sgn_json_get(j, "content"), at, "content", "a string is expected", where, err);
        SGN_TRY(sgn_form_keys(j, "type|pattern|content", at, where, err));
        return sgn_form_pattern(sgn_json_get(j, "pattern"), &s->pattern, &s->literal, at, where, err);
    }
    if (strcmp(type, "Strip") == 0) {
        *s = (sgn_norm_step){ .kind = SGN_NORM_STRIP, .left = sgn_json_bool(sgn_json_get(j, "strip_left"), true),
                              .right = sgn_json_bool(sgn_json_get(j, "strip_right"), true) };
        return sgn_form_keys(j, "type|strip_left|strip_right", at, where, err);
    }
    f->norms--;
    return sgn_form_unknown(sgn_json_get(j, "type"), at, "type", known, where, err);
}

/* --- model ---------------------------------------------------------------------------------------- */

static sgn_status must_be_off(const sgn_json *model, const char *key, const char *where, sgn_error *err) {
    const sgn_json *j = sgn_json_get(model, key);
    const sgn_json_type type = sgn_json_typeof(j);
    const bool off = type == SGN_JSON_NULL || (type == SGN_JSON_BOOL && !sgn_json_bool(j, true))
                     || ((type == SGN_JSON_REAL || type == SGN_JSON_INT) && !(sgn_json_real(j, 1) > 0))
                     || strcmp(sgn_json_string(j, "x"), "") == 0;
    return off ? SGN_OK : sgn_form_unknown(j, "model", key, "only a model without it is read", where, err);
}

static sgn_status model_of(sgn_form *f, const sgn_json *model, const char *where, sgn_error *err) {
    static const char *const off[] = { "dropout", "continuing_subword_prefix", "end_of_word_suffix" };
    const char *type = sgn_json_string(sgn_json_get(model, "type"), "");
    f->unigram = strcmp(type, "Unigram") == 0;
    const bool bpe = strcmp(type, "BPE") == 0 || !*type;
    if (!bpe && !f->unigram)
        return sgn_form_unknown(sgn_json_get(model, "type"), "model", "type", "BPE and Unigram are known", where, err);
    SGN_TRY(sgn_form_keys(model, f->unigram ? "type|unk_id|byte_fallback|vocab"
                          : "type|dropout|unk_token|continuing_subword_prefix|end_of_word_suffix|fuse_unk|byte_fallback|ignore_merges|vocab|merges",
                          "model", where, err));
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) SGN_TRY(must_be_off(model, off[i], where, err));
    f->byte_fallback = sgn_json_bool(sgn_json_get(model, "byte_fallback"), false);
    f->fuse_unk = sgn_json_bool(sgn_json_get(model, "fuse_unk"), false);
    f->ignore_merges = sgn_json_bool(sgn_json_get(model, "ignore_merges"), false);
    f->unk = sgn_json_string(sgn_json_get(model, "unk_token"), NULL);
    if (f->unk && !*f->unk) f->unk = NULL;
    f->unk_id = sgn_json_int(sgn_json_get(model, "unk_id"), -1);
    return SGN_OK;
}

/* --- all of it -------------------------------------------------------------------------------------- */

static const char gpt2[] = "{\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false},"
                           " \"decoder\": {\"type\": \"ByteLevel\"}, \"model\": {\"type\": \"BPE\"}}";

sgn_status sgn_form_parse(sgn_form *f, const char *text, const char *where, sgn_error *err) {
    *f = (sgn_form){ 0 };
    if (!text) text = gpt2;
    SGN_TRY(sgn_json_parse(&f->root, text, strlen(text), where, err));
    SGN_TRY(sgn_form_keys(f->root, "version|truncation|padding|added_tokens|normalizer|pre_tokenizer|post_processor|decoder|model",
                          "the file", where, err));
    SGN_TRY(model_of(f, sgn_json_get(f->root, "model"), where, err));
    SGN_TRY(sgn_form_normalizer(f, sgn_json_get(f->root, "normalizer"), "normalizer", where, err));
    SGN_TRY(sgn_form_pre_tokenizer(f, sgn_json_get(f->root, "pre_tokenizer"), "pre_tokenizer", where, err));
    SGN_TRY(sgn_form_decoder(f, sgn_json_get(f->root, "decoder"), "decoder", where, err));
    return sgn_form_post_processor(f, sgn_json_get(f->root, "post_processor"), "post_processor", where, err);
}

bool sgn_form_is_plain(const sgn_form *f) {
    const sgn_json *added = sgn_json_get(f->root, "added_tokens");
    for (size_t i = 0; i < sgn_json_size(added); i++) {
        const sgn_json *a = sgn_json_at(added, i);
        if (!sgn_json_bool(sgn_json_get(a, "special"), false) || sgn_json_bool(sgn_json_get(a, "lstrip"), false)
            || sgn_json_bool(sgn_json_get(a, "rstrip"), false) || sgn_json_bool(sgn_json_get(a, "single_word"), false)) return false;
    }
    return f->byte_level && !f->unigram && !f->norms && f->splits == 1 && f->words[0].kind == SGN_WORDS_SPLIT
           && f->words[0].behaviour == SGN_ISOLATED && !f->words[0].invert
           && strcmp(f->words[0].pattern, sgn_known_split_at(0)->pattern) == 0 && !f->ignore_merges && !f->bos && !f->eos;
}

void sgn_form_free(sgn_form *f) {
    for (int i = 0; i < f->norms; i++) free(f->norm[i].pattern);
    for (int i = 0; i < f->splits; i++) free(f->words[i].pattern);
    sgn_json_free(f->root);
    *f = (sgn_form){ 0 };
}
