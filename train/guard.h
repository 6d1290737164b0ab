/* guard.h - notices when a run goes wrong: losses far above their running median.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TRAIN_GUARD_H
#define SGN_TRAIN_GUARD_H

#include <stdbool.h>
#include <stdint.h>

enum { SGN_GUARD_WINDOW = 64, SGN_GUARD_PATIENCE = 3 };

typedef struct {
    double  recent[SGN_GUARD_WINDOW];      /* losses, a ring */
    int64_t count;                         /* seen so far */
    int     above;                         /* steps in a row over the limit */
    double  median;                        /* of `recent`, before the last loss */
} sgn_guard;

/* Takes a loss; true on the third in a row above factor * median of the 64 before the spike.
 * Losses of a spike do not enter the median; a quarter of the window must be filled first. */
bool sgn_guard_spike(sgn_guard *g, double loss, double factor);

#endif
