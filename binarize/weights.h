/* weights.h - a source's matrix as floats, from memory or from the file that it stays in.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_BINARIZE_WEIGHTS_H
#define SGN_BINARIZE_WEIGHTS_H

#include "core/tensor.h"

void sgn_weights_read(const sgn_tensor *w, float *out);

#endif
