/* zones.h - a block of columns as signs in zones of their own scales: BiLLM's split in two, STBLLM's in three, salient columns in two orders.
 *
 * With x of a row in one zone, order 1 is a sign(x), a = mean |x|; order 2 adds the same of what is left. T_ij = W_ij^2 / U_jj^2 decides:
 *   salient columns   the k of the 50 largest sum_i T_ij, k < 50, with the least misfit when these and the rest are of order 2
 *   groups            T below a threshold p1, below p2 = 2 p1, above (split: below p, above), with the least misfit in order 1; p1 goes over
 *                     160 (81) quantiles of T from 0.1 to 0.9
 * misfit = sum of (|W_ij| - fitted)^2 / U_jj^2, the loss itself, or as the papers' codes have it sum of (T_ij - fitted)^2. All over kept weights.
 * `means`, the released codes' arithmetic: every order takes the mean off first and adds it again, all weights count as kept.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_BINARIZE_ZONES_H
#define SGN_BINARIZE_ZONES_H

#include <stdbool.h>
#include <stdint.h>
#include "core/status.h"

enum { SGN_ZONE_BLOCK = 128, SGN_ZONE_SCALES = 5 };
/* What a place is; scales 0..2 belong to LOW, MIDDLE, HIGH, 3 and 4 to SALIENT. A split in two has no HIGH. */
typedef enum { SGN_ZONE_PRUNED, SGN_ZONE_LOW, SGN_ZONE_MIDDLE, SGN_ZONE_HIGH, SGN_ZONE_SALIENT } sgn_zone;

typedef struct {
    int64_t      rows, cols;           /* cols <= SGN_ZONE_BLOCK */
    const float *w;                    /* (rows, cols), a row every `stride` */
    int64_t      stride;
    const double *d;                   /* (cols): 1 / U_jj^2 */
    bool         three, means, by_saliency;
    uint8_t     *zone;                 /* (rows, cols): before, PRUNED or anything else, which is kept; after, zones */
    float       *scale;                /* (rows, SGN_ZONE_SCALES) */
    float       *q;                    /* (rows, cols) */
    double      *t, *sorted;           /* (rows, cols): scratch */
    int          salient;              /* columns, after */
} sgn_zones;

void  sgn_zones_fit(sgn_zones *z);
/* What a latent w stands for there; scale (SGN_ZONE_SCALES). */
float sgn_zone_value(sgn_zone zone, float w, const float *scale);

#endif
