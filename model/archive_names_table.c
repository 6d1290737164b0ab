/* SPDX-License-Identifier: MIT */
#include "model/archive_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SGN_ARCHIVE_NAMES(name) extern const sgn_archive_names sgn_archive_names_##name;
#include "model/archive_names.def"
#undef SGN_ARCHIVE_NAMES

static const sgn_archive_names *const table[] = {
#define SGN_ARCHIVE_NAMES(name) &sgn_archive_names_##name,
#include "model/archive_names.def"
#undef SGN_ARCHIVE_NAMES
};

const sgn_archive_names *sgn_archive_names_at(int i) {
    return i >= 0 && i < (int)(sizeof table / sizeof *table) ? table[i] : NULL;
}

const sgn_archive_names *sgn_archive_names_find(const char *archive) {
    for (int i = 0; sgn_archive_names_at(i); i++)
        if (strcmp(sgn_archive_names_at(i)->archive, archive) == 0) return sgn_archive_names_at(i);
    return NULL;
}

/* What follows `pattern` in `name`, NULL where it does not begin so. */
static const char *match(const char *pattern, const char *name, long *layer) {
    for (; *pattern; pattern++) {
        if (*pattern != '#') {
            if (*name++ != *pattern) return NULL;
            continue;
        }
        char *end;
        if (*name < '0' || *name > '9') return NULL;
        *layer = strtol(name, &end, 10);
        name = end;
    }
    return name;
}

bool sgn_archive_names_translate(const sgn_archive_names *n, const char *house, char out[SGN_ARRAY_NAME], bool *rotary) {
    for (const sgn_archive_name *x = n->names; x->house; x++) {
        long layer = 0;
        const char *rest = match(x->house, house, &layer), *mark = strchr(x->theirs, '#');
        if (!rest || *rest != '.') continue;
        const int length = mark ? snprintf(out, SGN_ARRAY_NAME, "%.*s%ld%s%s", (int)(mark - x->theirs), x->theirs, layer, mark + 1, rest)
                                : snprintf(out, SGN_ARRAY_NAME, "%s%s", x->theirs, rest);
        if (rotary) *rotary = x->rotary;
        return length < SGN_ARRAY_NAME;
    }
    return false;
}

static bool known(const sgn_archive_names *n, const char *theirs) {
    for (const sgn_archive_name *x = n->names; x->house; x++) {
        long layer = 0;
        const char *rest = match(x->theirs, theirs, &layer);
        if (rest && (strcmp(rest, ".weight") == 0 || strcmp(rest, ".bias") == 0)) return true;
    }
    return false;
}

sgn_status sgn_archive_names_check(const sgn_archive_names *n, const sgn_archive *a, sgn_error *err) {
    for (int i = 0; i < a->count; i++)
        if (!known(n, a->at[i].name))
            SGN_FAIL(err, SGN_UNSUPPORTED, "%s: '%s': no model that is known here has such an array", a->path, a->at[i].name);
    return SGN_OK;
}
