/* SPDX-License-Identifier: MIT */
#include "model/model_config.h"

#include <stdlib.h>
#include <string.h>
#include "model/linear.h"

static const char *const words[] = { "attention", "mlp", "q", "k", "v", "o", "gate", "up", "down" };
enum { WORDS = sizeof words / sizeof *words };

/* The next word of "attention, mlp" or "[attention, mlp]"; false at the end. */
static bool next_word(const char **at, char out[SGN_TEXT]) {
    const char *separators = ", \t[]";
    *at += strspn(*at, separators);
    const size_t n = strcspn(*at, separators), kept = n < SGN_TEXT ? n : SGN_TEXT - 1;
    memcpy(out, *at, kept);
    out[kept] = '\0';
    *at += n;
    return n > 0;
}

static bool known_module(const char *word) {
    for (int i = 0; i < WORDS; i++)
        if (strcmp(word, words[i]) == 0) return true;
    return false;
}

static bool in_attention(const char *module) { return strchr("qkvo", module[0]) && !module[1]; }

static bool covers(const char *word, const char *module) {
    return strcmp(word, module) == 0 || strcmp(word, in_attention(module) ? "attention" : "mlp") == 0;
}

/* --- model.mixed: [LAYERS.][MODULE]=KIND ------------------------------------------------------- */

typedef struct { int64_t first, last; char *module; const char *kind; } exception;      /* module "": all */

static bool read_layer(char **at, int64_t *layer) {
    char *end;
    if (**at < '0' || **at > '9') return false;
    *layer = strtoll(*at, &end, 10);
    *at = end;
    return true;
}

/* Cuts the word; false where it is none. */
static bool read_exception(char *word, exception *e) {
    char *equals = strchr(word, '=');
    *e = (exception){ .first = 0, .last = INT64_MAX };
    if (!equals) return false;
    *equals = '\0';
    e->kind = equals + 1;
    e->module = word;
    if (read_layer(&e->module, &e->first)) {
        e->last = e->first;
        if (*e->module == '-' && (e->module++, !read_layer(&e->module, &e->last))) return false;
        if (*e->module && *e->module++ != '.') return false;
    }
    return e->first <= e->last && (!*e->module || known_module(e->module));
}

/* The last exception that fits, which holds; -1: none. */
static int holder(const sgn_model_config *c, int64_t layer, const char *module, const char **kind) {
    char word[SGN_TEXT];
    exception e;
    int at_word = 0, held = -1;
    for (const char *at = c->mixed; next_word(&at, word); at_word++) {
        if (!read_exception(word, &e) || layer < e.first || layer > e.last || (*e.module && !covers(e.module, module))) continue;
        const sgn_linear_kind *k = sgn_linear_kind_find(e.kind);
        if (k) *kind = k->name, held = at_word;
    }
    return held;
}

const char *sgn_model_config_linear(const sgn_model_config *c, int64_t layer, const char *module) {
    const char *kind = "full";
    char word[SGN_TEXT];
    for (const char *at = c->binary; next_word(&at, word);)
        if (covers(word, module)) kind = c->linear;
    holder(c, layer, module, &kind);
    return kind;
}

static const char *kind_at(const sgn_model_config *c, int64_t layer, int i) {
    const char *module = words[2 + i];
    return sgn_model_config_has(c, module) ? sgn_model_config_linear(c, layer, module) : "full";
}

bool sgn_model_config_any_binary(const sgn_model_config *c) {
    for (int64_t k = 0; k < c->layers * (WORDS - 2); k++)
        if (strcmp(kind_at(c, k / (WORDS - 2), (int)(k % (WORDS - 2))), "full")) return true;
    return false;
}

bool sgn_model_config_uses(const sgn_model_config *c, const char *kind) {
    for (int64_t k = 0; k < c->layers * (WORDS - 2); k++)
        if (strcmp(kind_at(c, k / (WORDS - 2), (int)(k % (WORDS - 2))), kind) == 0) return true;
    return false;
}

/* --- checks ------------------------------------------------------------------------------------ */

static sgn_status check_exception(const sgn_model_config *c, const char *word, sgn_error *err) {
    char copy[SGN_TEXT];
    exception e;
    memcpy(copy, word, sizeof copy);
    if (!read_exception(copy, &e))
        SGN_FAIL(err, SGN_CONFIG, "model.mixed: '%s' is not [LAYERS.][MODULE]=KIND, as 0=full, 4-7.mlp=nm or o=bitnet158; modules are attention, "
                 "mlp, q, k, v, o, gate, up and down", word);
    if (e.first >= c->layers || (e.last >= c->layers && e.last < INT64_MAX))
        SGN_FAIL(err, SGN_CONFIG, "model.mixed: '%s': there are layers 0 to %lld", word, (long long)c->layers - 1);
    return sgn_linear_kind_check(e.kind, "model.mixed", err);
}

/* An exception that others behind it leave nothing is a slip. */
static sgn_status check_used(const sgn_model_config *c, sgn_error *err) {
    bool used[SGN_LIST_TEXT] = { false };
    char word[SGN_TEXT];
    const char *kind;
    for (int64_t k = 0; k < c->layers * (WORDS - 2); k++) {
        const int held = holder(c, k / (WORDS - 2), words[2 + k % (WORDS - 2)], &kind);
        if (held >= 0) used[held] = true;
    }
    int index = 0;
    for (const char *at = c->mixed; next_word(&at, word);)
        if (!used[index++])
            SGN_FAIL(err, SGN_CONFIG, "model.mixed: '%s' holds nowhere: what stands behind it names all of its layers and modules, and the last that "
                     "fits holds; put it behind, or leave it out", word);
    return SGN_OK;
}

sgn_status sgn_model_config_check_kinds(const sgn_model_config *c, sgn_error *err) {
    char word[SGN_TEXT];
    for (const char *at = c->binary; next_word(&at, word);) {
        const char *near = known_module(word) ? NULL : sgn_nearest(word, words, WORDS);
        if (!known_module(word))
            SGN_FAIL(err, SGN_CONFIG, "model.binary: there is no module '%s'%s%s%s; there are attention, mlp, "
                     "q, k, v, o, gate, up and down", word, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    for (const char *at = c->mixed; next_word(&at, word);) SGN_TRY(check_exception(c, word, err));
    return *c->mixed ? check_used(c, err) : SGN_OK;
}
