/* checked.h - size arithmetic that notices overflow. Every size that comes from
 * a file or a setting goes through here before anything is allocated.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_CHECKED_H
#define SGN_CORE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* true and *out = a op b, or false where the result does not fit. */
static inline bool sgn_mul_fits(uint64_t a, uint64_t b, uint64_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool sgn_add_fits(uint64_t a, uint64_t b, uint64_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

/* a rounded up to a multiple of `unit` (a power of two). */
static inline size_t sgn_round_up(size_t a, size_t unit) {
    return (a + unit - 1) & ~(unit - 1);
}

#endif
