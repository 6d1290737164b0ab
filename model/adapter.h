/* adapter.h - terms of low rank that a file beside the model's has, as llama.cpp's LoRA adapters: the matrix is
 * W + alpha/r B A, A (r, in) = NAME.lora_a, B (out, r) = NAME.lora_b.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_ADAPTER_H
#define SGN_MODEL_ADAPTER_H

#include "model/array_set.h"
#include "model/lowered_model.h"

/* Does the set have such terms for the parameter NAME? */
bool       sgn_adapter_has(const sgn_array_set *set, const char *name);
/* Adds them to its values, which are in our order of rows; `head` > 0: those of B are paired (sgn_stored). */
sgn_status sgn_adapter_add(const sgn_array_set *set, const sgn_param *p, int64_t head, sgn_error *err);
/* Is it of rank 1 and of the matrix's shape, so that it can run beside it? */
bool       sgn_adapter_is_shift(const sgn_array_set *set, const sgn_param *p);
/* Such terms of matrices that lie in m's files, as chains of lm's layers: (x . a) b. Their numbers are in *memory, to be freed. */
sgn_status sgn_adapter_lower(const sgn_transformer *m, sgn_lowered_model *lm, sgn_real **memory, sgn_error *err);
/* SGN_FORMAT where the adapter is no LoRA or an array of it goes with none of the parameters. */
sgn_status sgn_adapter_check(const sgn_array_set *set, const sgn_params *params, sgn_error *err);

#endif
