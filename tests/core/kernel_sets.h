/* kernel_sets.h - the kernel sets that run here, one after the other.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TESTS_KERNEL_SETS_H
#define SGN_TESTS_KERNEL_SETS_H

#include "core/kernels/kernels.h"

static inline const sgn_kernels *next_set(int *i) {
    bool runs;
    const sgn_kernels *k;
    while ((k = sgn_kernels_at((*i)++, &runs)))
        if (runs) return k;
    return NULL;
}
#define for_each_set(k) for (int set_ = 0; ((k) = next_set(&set_));)

#endif
