/* Legacy checkpoints of llama2.c: all there is to damage is a header of seven numbers, and the size of the file.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>
#include "tests/fuzz/fuzz.h"

enum { DIM = 4, HIDDEN = 6, HEADS = 2, KV = 1, VOCAB = 5, CONTEXT = 3, LAYERS = 2 };

static void seed(fuzz_take *take, int32_t vocabulary) {
    const int32_t head[7] = { DIM, HIDDEN, LAYERS, HEADS, KV, vocabulary, CONTEXT };
    const size_t layer = DIM + DIM * DIM + 2 * DIM / HEADS * KV * DIM + DIM * DIM + DIM + 3 * DIM * HIDDEN;
    const size_t n = VOCAB * DIM + LAYERS * layer + DIM + CONTEXT * DIM / HEADS + (vocabulary < 0 ? VOCAB * DIM : 0);
    float file[7 + 1024] = { 0 };
    memcpy(file, head, sizeof head);
    for (size_t i = 0; i < n; i++) file[7 + i] = (float)i;
    take(file, (7 + n) * sizeof *file);
}

void fuzz_seeds(fuzz_take *take) {
    seed(take, VOCAB);
    seed(take, -VOCAB);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_archive_written(fuzz_put("x.bin", data, size), "safetensors");
    return 0;
}
