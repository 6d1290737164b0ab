/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include "binarize/binarizer.h"

#define SGN_BINARIZER(name) extern const sgn_binarizer sgn_binarizer_##name;
#include "binarize/binarizers.def"
#undef SGN_BINARIZER

#define SGN_BINARIZER(name) &sgn_binarizer_##name,
static const sgn_binarizer *const rows[] = {
#include "binarize/binarizers.def"
};
#undef SGN_BINARIZER
enum { ROWS = sizeof rows / sizeof *rows };

const sgn_binarizer *sgn_binarizer_at(int i) { return i >= 0 && i < ROWS ? rows[i] : NULL; }

const sgn_binarizer *sgn_binarizer_find(const char *name) {
    for (int i = 0; i < ROWS; i++)
        if (strcmp(rows[i]->name, name) == 0) return rows[i];
    return NULL;
}

const char *sgn_binarize_kind(const sgn_binarize_options *o) { return o->dense ? "full" : o->method->kind; }

/* --- for rows ------------------------------------------------------------------------------------------- */

sgn_tensor *sgn_binarize_param(const sgn_linear *to, const char *name) {
    const char *own = to->params->at[to->p[0]].name;
    char full[SGN_PARAM_NAME];
    snprintf(full, sizeof full, "%.*s.%s", (int)(strrchr(own, '.') - own), own, name);
    sgn_param *p = sgn_params_find(to->params, full);
    return p ? &p->tensor : NULL;
}

void sgn_binarize_copy(const sgn_binarize_layer *l, sgn_linear *to) {
    memcpy(to->params->at[to->p[0]].tensor.data, l->w, (size_t)(l->out * l->in) * sizeof *l->w);
    sgn_linear_derive(to);
    (void)sgn_params_repack(to->params, to->p[0]);
}

void sgn_binarize_outer(const sgn_binarize_layer *l, const float *h, const float *g, float *q) {
    for (int64_t i = 0; i < l->out; i++)
        for (int64_t j = 0; j < l->in; j++) {
            const float a = (h ? h[i] : 1) * (g ? g[j] : 1);
            q[i * l->in + j] = l->w[i * l->in + j] >= 0 ? a : -a;
        }
}
