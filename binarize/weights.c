/* SPDX-License-Identifier: MIT */
#include "binarize/weights.h"

#include <string.h>
#include "core/kernels/kernels.h"

void sgn_weights_read(const sgn_tensor *w, float *out) {
    const int64_t rows = w->shape.dim[0], cols = sgn_numel(w->shape) / rows;
    if (w->data) memcpy(out, w->data, (size_t)(rows * cols) * sizeof *out);
    else
        for (int64_t i = 0; i < rows; i++)
            sgn_kernels_get()->to_real[w->stored.dtype](out + i * cols, sgn_stored_row(w->stored, cols, i), cols);
}
