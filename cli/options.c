/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/config.h"

enum { MAX_OPTIONS = 64 };

static sgn_status find(const sgn_option *options, const char *name, size_t length, const sgn_option **out,
                       sgn_error *err) {
    const char *known[MAX_OPTIONS];
    int count = 0;
    for (const sgn_option *o = options; o && o->name && count < MAX_OPTIONS; o++) {
        if (strlen(o->name) == length && memcmp(o->name, name, length) == 0) {
            *out = o;
            return SGN_OK;
        }
        known[count++] = o->name;
    }
    char word[64];
    const size_t kept = length < sizeof word - 1 ? length : sizeof word - 1;
    memcpy(word, name, kept);
    word[kept] = 0;
    const char *near = sgn_nearest(word, known, count);
    if (near) SGN_FAIL(err, SGN_CONFIG, "unknown option '--%s'; did you mean '--%s'?", word, near);
    SGN_FAIL(err, SGN_CONFIG, "unknown option '--%s'; --help lists the options", word);
}

static sgn_status add(const sgn_option *o, sgn_option_list *list, const char *value, sgn_error *err) {
    if (list->count == SGN_OPTION_LIST_MAX)
        SGN_FAIL(err, SGN_CONFIG, "--%s is given more than %d times", o->name, SGN_OPTION_LIST_MAX);
    list->at[list->count++] = value;
    return SGN_OK;
}

static sgn_status set(const sgn_option *o, void *values, const char *value, sgn_error *err) {
    void *at = (char *)values + o->offset;
    char *end;
    errno = 0;
    switch (o->type) {
    case SGN_OPTION_FLAG: *(bool *)at = true; return SGN_OK;
    case SGN_OPTION_WORD: *(const char **)at = value; return SGN_OK;
    case SGN_OPTION_LIST: return add(o, at, value, err);
    case SGN_OPTION_INT: *(int64_t *)at = strtoll(value, &end, 10); break;
    case SGN_OPTION_REAL: *(double *)at = strtod(value, &end); break;
    default: return SGN_OK;
    }
    const bool finite = o->type != SGN_OPTION_REAL || isfinite(*(double *)at);
    if (errno || end == value || *end || !finite)
        SGN_FAIL(err, SGN_CONFIG, "--%s wants %s, not '%.80s'", o->name,
                 o->type == SGN_OPTION_INT ? "a whole number" : "a number", value);
    return SGN_OK;
}

sgn_status sgn_options_parse(const sgn_option *options, void *values, int *argc, char **argv, sgn_error *err) {
    int kept = 0;
    bool ended = false;
    for (int i = 0; i < *argc; i++) {
        char *word = argv[i];
        if (ended || word[0] != '-' || word[1] == 0) { argv[kept++] = word; continue; }
        if (strcmp(word, "--") == 0) { ended = true; continue; }
        if (word[1] != '-') SGN_FAIL(err, SGN_CONFIG, "unknown option '%.80s'; options begin with two dashes", word);
        const char *name = word + 2, *equals = strchr(name, '=');
        const size_t length = equals ? (size_t)(equals - name) : strlen(name);
        const sgn_option *o = NULL;
        SGN_TRY(find(options, name, length, &o, err));
        const char *value = equals ? equals + 1 : NULL;
        if (o->type == SGN_OPTION_FLAG && value)
            SGN_FAIL(err, SGN_CONFIG, "--%s takes no value", o->name);
        if (o->type != SGN_OPTION_FLAG && !value) {
            if (i + 1 == *argc) SGN_FAIL(err, SGN_CONFIG, "--%s wants a value: --%s %s", o->name, o->name, o->argument);
            value = argv[++i];
        }
        SGN_TRY(set(o, values, value, err));
    }
    *argc = kept;
    return SGN_OK;
}

sgn_status sgn_words_expect(int argc, char **argv, int least, int most, sgn_error *err) {
    if (argc < least) SGN_FAIL(err, SGN_CONFIG, "a word is missing on the command line; --help shows what is needed");
    if (argc > most) SGN_FAIL(err, SGN_CONFIG, "'%.80s' is one word too many; --help shows what is needed", argv[most]);
    return SGN_OK;
}
