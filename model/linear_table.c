/* SPDX-License-Identifier: MIT */
#include "model/linear.h"

#include <stdio.h>
#include <string.h>

#define SGN_LINEAR(name) extern const sgn_linear_kind sgn_linear_##name;
#include "model/linears.def"
#undef SGN_LINEAR

static const sgn_linear_kind *const table[] = {
#define SGN_LINEAR(name) &sgn_linear_##name,
#include "model/linears.def"
#undef SGN_LINEAR
};

const sgn_linear_kind *sgn_linear_kind_at(int i) {
    return i >= 0 && i < (int)(sizeof table / sizeof *table) ? table[i] : NULL;
}

const sgn_linear_kind *sgn_linear_kind_find(const char *name) {
    for (int i = 0; sgn_linear_kind_at(i); i++)
        if (strcmp(table[i]->name, name) == 0) return table[i];
    return NULL;
}

sgn_status sgn_linear_kind_check(const char *name, const char *setting, sgn_error *err) {
    enum { COUNT = sizeof table / sizeof *table };
    const char *known[COUNT];
    char all[160] = "";
    if (sgn_linear_kind_find(name)) return SGN_OK;
    for (int i = 0; i < COUNT; i++) {
        const size_t n = strlen(all);
        known[i] = table[i]->name;
        snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", known[i]);
    }
    const char *near = sgn_nearest(name, known, COUNT);
    SGN_FAIL(err, SGN_CONFIG, "%s: there is no kind '%.40s'%s%s%s; there are %s", setting, name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "", all);
}
