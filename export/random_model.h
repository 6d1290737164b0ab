/* random_model.h - a lowered model of a given shape with random weights: what a bench runs, or exports for others to run.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_RANDOM_MODEL_H
#define SGN_EXPORT_RANDOM_MODEL_H

#include "model/lowered_model.h"

/* Linears of c's kinds, each as a fresh model's would be packed, one draw for every block; embedding, head and full ones as
 * `dense` (F32, F16, BF16, Q8_0; others are SGN_UNSUPPORTED). Free with sgn_lowered_model_free. */
sgn_status sgn_random_model(sgn_lowered_model *lm, const sgn_model_config *c, sgn_dtype dense, sgn_error *err);

#endif
