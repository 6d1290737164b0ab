/* SPDX-License-Identifier: MIT */
#include "model/linear.h"

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
