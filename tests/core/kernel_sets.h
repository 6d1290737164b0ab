/* kernel_sets.h - the kernel sets that run here, one after the other; as variants also those that differ in kernels for few rows only.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TESTS_KERNEL_SETS_H
#define SGN_TESTS_KERNEL_SETS_H

#include "core/kernels/kernels.h"

static inline const sgn_kernels *next_set(int *i, bool variants) {
    bool runs;
    const sgn_kernels *k, *next;
    while ((k = sgn_kernels_at((*i)++, &runs))) {
        next = sgn_kernels_at(*i, NULL);
        if (runs && (variants || !next || next->dot != k->dot)) return k;
    }
    return NULL;
}
#define for_each_set(k) for (int set_ = 0; ((k) = next_set(&set_, false));)
#define for_each_variant(k) for (int set_ = 0; ((k) = next_set(&set_, true));)

#endif
