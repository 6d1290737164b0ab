/* SPDX-License-Identifier: MIT */
#include "model/model_infer.h"

#include <stdio.h>
#include <string.h>

enum { PATTERNS = 4, MODULES = 7 };
static const char *const pattern_name[PATTERNS] = { "column", "row", "group128", "tensor" };

/* One bit per pattern that a scale of this shape can be, for a weight (out, in). */
static unsigned patterns_of(const sgn_array *a, int64_t out, int64_t in) {
    const int64_t n = (int64_t)sgn_array_numel(a);
    const bool matrix = a->rank == 2 && n > 1, tall = matrix && a->dim[1] == 1, flat = matrix && a->dim[0] == 1;
    const bool fits[PATTERNS] = { n == in && !tall, n == out && !flat,
                                  a->rank == 2 && a->dim[0] == out && a->dim[1] == (in + 127) / 128, n == 1 };
    unsigned bits = 0;
    for (unsigned i = 0; i < PATTERNS; i++) bits |= (unsigned)fits[i] << i;
    return bits;
}

static const sgn_array *find(const sgn_array_set *set, const char *module, const char *part) {
    const sgn_archive *archive;
    char name[96];
    snprintf(name, sizeof name, "model.layers.0.%s.%s_proj.%s", strlen(module) == 1 ? "self_attn" : "mlp", module, part);
    return sgn_array_set_find(set, name, &archive);
}

void sgn_model_infer(sgn_model_config *c, const sgn_array_set *set) {
    static const char *const module[MODULES] = { "q", "k", "v", "o", "gate", "up", "down" };
    unsigned possible = (1u << PATTERNS) - 1, i = 0;
    size_t used = 0;
    c->shift = false;
    c->binary[0] = '\0';
    for (int k = 0; k < MODULES; k++) {
        const sgn_array *scale = find(set, module[k], "wscale"), *w = find(set, module[k], "weight");
        if (!scale || !w || w->rank != 2) continue;
        possible &= patterns_of(scale, w->dim[0], w->dim[1]);
        c->shift |= find(set, module[k], "wbias") != NULL;
        used += (size_t)snprintf(c->binary + used, SGN_TEXT - used, "%s%s", used ? "," : "", module[k]);
    }
    while (i < PATTERNS && !(possible >> i & 1)) i++;
    snprintf(c->linear, SGN_TEXT, "%s", used ? "fbi" : "full");
    snprintf(c->scales, SGN_TEXT, "%s", pattern_name[i % PATTERNS]);
}
