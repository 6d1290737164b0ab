/* latent_stats.h - means of latent matrices, added in an order that depends on their size alone.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_LATENT_STATS_H
#define SGN_MODEL_LATENT_STATS_H

#include "core/params.h"

double sgn_latent_mean(const sgn_tensor *w);
double sgn_latent_mean_abs(const sgn_tensor *w);
/* out (rows): mean |w| of each row. */
void   sgn_latent_row_means(const sgn_tensor *w, sgn_real *out);

#endif
