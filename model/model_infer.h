/* model_infer.h - what is binary in a directory whose config.json does not say.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_INFER_H
#define SGN_MODEL_INFER_H

#include "model/array_set.h"
#include "model/model_config.h"

/* Sets linear, scales, shift and binary from the names and shapes of the first layer's arrays:
 * a module with X.wscale is fbi, its pattern is the first that all such modules' shapes allow
 * (column before row, the paper's), X.wbias is a shift. No X.wscale: all linears are full. */
void sgn_model_infer(sgn_model_config *c, const sgn_array_set *set);

#endif
