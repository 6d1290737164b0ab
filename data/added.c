/* SPDX-License-Identifier: MIT */
#include "data/added.h"

#include <stdlib.h>
#include <string.h>
#include "core/json.h"
#include "data/unicode.h"
#include "data/utf8.h"

/* The rules stand in the form; a token that is to be found in normalized text is found in the text as it is
 * as long as no normalizer changes it. */
static sgn_status read_rules(sgn_added *a, const sgn_vocabulary *v, const char *where, sgn_error *err) {
    static const struct { const char *key; uint8_t bit; } rules[] = {
        { "lstrip", SGN_ADDED_LEFT }, { "rstrip", SGN_ADDED_RIGHT }, { "single_word", SGN_ADDED_WORD } };
    sgn_json *root;
    SGN_TRY(sgn_json_parse(&root, v->form, strlen(v->form), where, err));
    const sgn_json *list = sgn_json_get(root, "added_tokens");
    for (size_t i = 0; i < sgn_json_size(list); i++) {
        const sgn_json *one = sgn_json_at(list, i);
        const int64_t id = sgn_json_int(sgn_json_get(one, "id"), -1);
        for (size_t r = 0; r < 3 && id >= 0 && id < v->count; r++)
            if (sgn_json_bool(sgn_json_get(one, rules[r].key), false)) a->rule[id] |= rules[r].bit;
    }
    sgn_json_free(root);
    return SGN_OK;
}

static sgn_status fill(sgn_added *a, const sgn_vocabulary *v, const char *where, sgn_error *err) {
    a->rule = calloc((size_t)v->count + 1, 1);
    if (!a->rule) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for its added tokens", where);
    for (int32_t id = 0; id < v->count; id++) {
        if (!v->token[id]) continue;
        size_t n;
        const char *text = sgn_vocabulary_piece(v, id, &n);
        SGN_TRY(sgn_trie_add(&a->all, text, n, id, err));
        if (!v->special[id]) SGN_TRY(sgn_trie_add(&a->words, text, n, id, err));
        a->any_words |= !v->special[id];
        a->any = true;
    }
    return v->form && a->any ? read_rules(a, v, where, err) : SGN_OK;
}

sgn_status sgn_added_fill(sgn_added *a, const sgn_vocabulary *v, const char *where, sgn_error *err) {
    const sgn_status s = fill(a, v, where, err);
    if (s != SGN_OK) sgn_added_free(a);
    return s;
}

void sgn_added_free(sgn_added *a) {
    sgn_trie_free(&a->words);
    sgn_trie_free(&a->all);
    free(a->rule);
    *a = (sgn_added){ 0 };
}

/* The class of the character that ends before text[i]; *k its bytes, 0 at the beginning. */
static unsigned class_before(const char *text, size_t i, size_t *k) {
    uint32_t cp;
    for (*k = 1; *k <= 4 && *k <= i; ++*k)
        if (sgn_utf8_char(text + i - *k, *k, &cp) == (int)*k) return sgn_unicode_class(cp);
    *k = 0;
    return 0;
}

static unsigned class_after(const char *text, size_t size, size_t i, size_t *k) {
    uint32_t cp;
    *k = i < size ? (size_t)sgn_utf8_char(text + i, size - i, &cp) : 0;
    return *k ? sgn_unicode_class(cp) : 0;
}

int32_t sgn_added_find(const sgn_added *a, bool specials, const char *text, size_t size, size_t from, size_t *begin, size_t *end) {
    enum { WORD = SGN_LETTER | SGN_MARK | SGN_NUMBER };
    const sgn_trie *t = specials ? &a->all : &a->words;
    if (specials ? !a->any : !a->any_words) return -1;
    for (size_t i = from, k; i < size; i++) {
        int32_t id;
        const size_t n = t->first[(unsigned char)text[i]] ? sgn_trie_longest(t, text + i, size - i, &id) : 0;
        if (n == 0) continue;
        *begin = i;
        *end = i + n;
        const uint8_t rule = a->rule[id];
        if (rule & SGN_ADDED_WORD && ((class_before(text, i, &k) & WORD) || (class_after(text, size, *end, &k) & WORD))) continue;
        while (rule & SGN_ADDED_LEFT && *begin > from && class_before(text, *begin, &k) & SGN_SPACE) *begin -= k;
        while (rule & SGN_ADDED_RIGHT && class_after(text, size, *end, &k) & SGN_SPACE) *end += k;
        return id;
    }
    return -1;
}
