/* fold.h - scales of input columns moved to where a row-block format has room for them: into the gain of the norm
 * before, into the rows of the layer before. The model computes the same.
 *
 *     W diag(alpha) x            = W' (|alpha| . x), the columns of W' with alpha_j < 0 flipped
 *     q, k, v; gate, up          of |alpha|, what they share into the norm's gain (and bias): g_j m_j
 *     o                          into the rows of v, shared by the heads that read the same row
 *     down                       into the rows of up, where the activation is linear in it
 *
 * m_j is |alpha_j| where all readers agree, so that nothing remains, else their geometric mean, and |alpha_j| / m_j remains.
 * A shift beta_j beside a folded m_j becomes beta_j / m_j; a layer whose rows are scaled by r has its shift and bias scaled as well.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_FOLD_H
#define SGN_EXPORT_FOLD_H

#include "model/lowered_model.h"

typedef struct {
    sgn_lowered_model model;       /* points into what was folded where nothing changed, else at what is owned */
    void            **owned;
    int               count, room;
} sgn_folded;

/* lm must outlive it. A scale of 0, by which nothing can be divided, is SGN_UNSUPPORTED, naming layer and column; with `lenient`
 * its column stays as it is. */
sgn_status sgn_fold(sgn_folded *f, const sgn_lowered_model *lm, bool lenient, sgn_error *err);
void       sgn_folded_free(sgn_folded *f);

#endif
