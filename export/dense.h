/* dense.h - a model as matrices: every layer as the one it computes, under Hugging Face's names.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_DENSE_H
#define SGN_EXPORT_DENSE_H

#include "export/parts.h"

/* Everything; parts without data are made by sgn_dense_matrix when their turn comes. SGN_UNSUPPORTED, naming the layer,
 * where one computes what no matrix does. Ends with sgn_parts_end. */
sgn_status sgn_dense_list(sgn_parts *parts, const sgn_lowered_model *lm, sgn_error *err);
/* out (rows, cols) of a part without data; exact but for the one rounding of each alpha s + beta. */
sgn_status sgn_dense_matrix(const sgn_lowered_model *lm, const sgn_array *part, float *out, sgn_error *err);
/* The layer whose matrix has this name, NULL: none. */
const sgn_lowered *sgn_dense_layer(const sgn_lowered_model *lm, const char *array);

#endif
