/* SPDX-License-Identifier: MIT */
#include "optim/optimizer.h"

#include <string.h>

#define SGN_OPTIMIZER(name) extern const sgn_optimizer_kind sgn_optimizer_##name;
#include "optim/optimizers.def"
#undef SGN_OPTIMIZER

static const sgn_optimizer_kind *const table[] = {
#define SGN_OPTIMIZER(name) &sgn_optimizer_##name,
#include "optim/optimizers.def"
#undef SGN_OPTIMIZER
};

const sgn_optimizer_kind *sgn_optimizer_kind_at(int i) {
    return i >= 0 && i < (int)(sizeof table / sizeof *table) ? table[i] : NULL;
}

const sgn_optimizer_kind *sgn_optimizer_kind_find(const char *name) {
    for (int i = 0; sgn_optimizer_kind_at(i); i++)
        if (strcmp(table[i]->name, name) == 0) return table[i];
    return NULL;
}
