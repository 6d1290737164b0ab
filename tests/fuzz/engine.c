/* Mutations of ours beside libFuzzer's, which knows nothing of numbers in texts or of counts at their limits.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    const char *how;
    return seed % 2 && size ? fuzz_change(data, size, most, seed, &how) : LLVMFuzzerMutate(data, size, most);
}
