/* zoned_run.h - products of rows of floats with a lowered layer of zones, from the bits as they lie: rows are made numbers strip by strip.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_ZONED_RUN_H
#define SGN_EXPORT_ZONED_RUN_H

#include "model/lowered.h"

/* y (m, rows) = x (m, cols) W^T, or y += that. */
void       sgn_zoned_run(const sgn_lowered_stage *s, const float *x, int64_t m, bool add, float *y);
sgn_status sgn_zoned_reserve(const sgn_lowered_stage *s, sgn_error *err);

#endif
