/* SPDX-License-Identifier: MIT */
#include "model/arch.h"

#include <string.h>

static const sgn_arch table[] = {
#define SGN_ARCH(name, layernorm, positions, gelu, summary) { #name, summary, layernorm, positions, gelu },
#include "model/archs.def"
#undef SGN_ARCH
};

const sgn_arch *sgn_arch_at(int i) { return i >= 0 && i < (int)(sizeof table / sizeof *table) ? &table[i] : NULL; }

const sgn_arch *sgn_arch_find(const char *name) {
    for (int i = 0; sgn_arch_at(i); i++)
        if (strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}
