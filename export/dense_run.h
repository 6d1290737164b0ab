/* dense_run.h - products with matrices as they lie in memory or in a file, for few rows and for many.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_DENSE_RUN_H
#define SGN_EXPORT_DENSE_RUN_H

#include <stdbool.h>
#include "core/dtype.h"
#include "core/status.h"

/* y (m, out) = x (m, in) W^T, W (out, in), or y += that: dots with what lies there for few rows; for many, strips of it become
 * floats first. Reserve outside loops, before. */
void       sgn_dense_run(sgn_stored w, const float *x, int64_t m, int64_t out, int64_t in, bool add, float *y);
sgn_status sgn_dense_reserve(sgn_stored w, int64_t out, int64_t in, sgn_error *err);

#endif
