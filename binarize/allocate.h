/* allocate.h - N of M for each block, more where a block's importance has outliers (STBLLM's released code).
 *
 *     o = 100 #{S > 6 mean S} / #S over the linear layers of a block        z = 2 (o - min o) / (max o - min o), minus its mean, rounded; 1 becomes 2
 *     pruned = M - N - z, within 0 .. M
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_BINARIZE_ALLOCATE_H
#define SGN_BINARIZE_ALLOCATE_H

#include "binarize/binarizer.h"
#include "binarize/block_source.h"

/* kept (layers) of outlier shares o (layers). At least one weight is kept. */
void       sgn_allocate_kept(const double *o, int64_t layers, int64_t n, int64_t m, int64_t *kept);
/* Runs the calibration windows through the source. h: room for a block's inputs. */
sgn_status sgn_allocate(sgn_block_source *source, sgn_calibration *c, const sgn_binarize_options *o, float *const h[SGN_INPUTS], int64_t *kept,
                        sgn_error *err);

#endif
