/* SPDX-License-Identifier: MIT */
#include "model/names.h"

#include <stdio.h>
#include <string.h>

/* Whole models call their trunk "transformer.", the trunk alone does not. */
static bool gpt2_whole(const sgn_model_config *c, const char *ours, sgn_foreign_name *out) {
    sgn_foreign_name bare = { .first = 0 };
    if (!sgn_name_gpt2(c, ours, &bare)) return false;
    *out = bare;
    const int n = snprintf(out->name, sizeof out->name, "transformer.%s", bare.name);
    return n > 0 && (size_t)n < sizeof out->name;
}

typedef bool world(const sgn_model_config *c, const char *ours, sgn_foreign_name *out);
static world *const worlds[] = { gpt2_whole, sgn_name_gpt2 };

bool sgn_foreign_name_at(const sgn_model_config *c, const char *ours, int k, sgn_foreign_name *out) {
    for (size_t i = 0; i < sizeof worlds / sizeof *worlds; i++) {
        *out = (sgn_foreign_name){ .first = 0 };
        if (worlds[i](c, ours, out) && k-- == 0) return true;
    }
    return false;
}

const sgn_array *sgn_names_find(const sgn_array_set *set, const sgn_model_config *c, const char *ours,
                                sgn_foreign_name *how, const sgn_archive **archive) {
    *how = (sgn_foreign_name){ .first = 0 };
    const sgn_array *a = sgn_array_set_find(set, ours, archive);
    for (int k = 0; !a && sgn_foreign_name_at(c, ours, k, how); k++) a = sgn_array_set_find(set, how->name, archive);
    return a;
}

/* Where number (i, j) of ours lies in the whole array. */
static int64_t place(const sgn_foreign_name *how, int64_t i, int64_t j, int64_t rows, int64_t cols) {
    const int64_t outputs = how->fused ? how->fused : rows;
    return how->transposed ? j * outputs + how->first + i : (how->first + i) * cols + j;
}

void sgn_foreign_copy(const sgn_foreign_name *how, const float *from, int64_t rows, int64_t cols, sgn_real *out) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) out[i * cols + j] = (sgn_real)from[place(how, i, j, rows, cols)];
}

void sgn_foreign_paste(const sgn_foreign_name *how, const sgn_real *from, int64_t rows, int64_t cols, float *out) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) out[place(how, i, j, rows, cols)] = (float)from[i * cols + j];
}
