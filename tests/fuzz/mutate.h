/* mutate.h - damaged copies of a valid input: case k is a pure function of the input and k.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_FUZZ_MUTATE_H
#define SGN_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

enum { FUZZ_GROWTH = 4096 };           /* a copy is at most so much longer */

/* Cases 0 .. n - 1 cut the input to so many bytes, n .. 2n - 1 flip bits of one byte, and all further ones, without
 * end, set fields: integers of 1 to 8 bytes to limits, numbers and texts in text to awkward ones, ranges left out, doubled,
 * moved. `out` has room for n + FUZZ_GROWTH bytes; *how says what was done. */
size_t fuzz_damage(const uint8_t *in, size_t n, uint64_t k, uint8_t *out, const char **how);
/* One to four changes of fields to `n` bytes in place; returns the new size, at most `room`. */
size_t fuzz_change(uint8_t *data, size_t n, size_t room, uint64_t seed, const char **how);

#endif
