/* random_model.h - a lowered model of a given shape with random weights: what a bench runs, or exports for others to run.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_RANDOM_MODEL_H
#define SGN_EXPORT_RANDOM_MODEL_H

#include "model/lowered_model.h"

/* Linears of kind fbi with c's scales, and full ones; embedding, head and these as `dense` (F32, F16, BF16, Q8_0).
 * SGN_UNSUPPORTED for other kinds and types. Free with sgn_lowered_model_free. */
sgn_status sgn_random_model(sgn_lowered_model *lm, const sgn_model_config *c, sgn_dtype dense, sgn_error *err);

#endif
