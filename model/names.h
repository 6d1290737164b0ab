/* names.h - what other architectures' programs call our parameters, and how they lay them out.
 * Archives whose names are of one kind throughout (GGUF, llama2.c) are archive_names.h's.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_NAMES_H
#define SGN_MODEL_NAMES_H

#include "core/tensor.h"
#include "model/array_set.h"
#include "model/model_config.h"

/* One way to store a parameter (out, in) or (out). All zero but the name: as we do. */
typedef struct {
    char    name[SGN_ARRAY_NAME];
    bool    transposed;        /* a matrix is (in, out) */
    int64_t first, fused;      /* our outputs begin at `first` of an array that has `fused` of them; fused 0: ours alone */
} sgn_foreign_name;

/* The k-th name of parameter `ours` elsewhere; false: no more. One function per world in names_*.c. */
bool sgn_foreign_name_at(const sgn_model_config *c, const char *ours, int k, sgn_foreign_name *out);
bool sgn_name_gpt2(const sgn_model_config *c, const char *ours, sgn_foreign_name *out);

/* The array of a parameter, under our name or another, and how it lies there; NULL: none. */
const sgn_array *sgn_names_find(const sgn_array_set *set, const sgn_model_config *c, const char *ours,
                                sgn_foreign_name *how, const sgn_archive **archive);
static inline bool sgn_lies_as_ours(const sgn_foreign_name *how) { return !how->transposed && !how->fused; }
/* out (rows, cols) from the whole array `from`; cols 1 for a vector. */
void sgn_foreign_copy(const sgn_foreign_name *how, const float *from, int64_t rows, int64_t cols, sgn_real *out);
/* The other way: what (rows, cols) is of the whole array `out`. */
void sgn_foreign_paste(const sgn_foreign_name *how, const sgn_real *from, int64_t rows, int64_t cols, float *out);

#endif
