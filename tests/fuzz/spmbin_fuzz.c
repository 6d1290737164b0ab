/* llama2.c's tokenizer.bin: the pieces of a SentencePiece model in a format of its own.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include "tests/fuzz/fuzz.h"

static uint8_t file[8192];
static size_t  used;

static void put32(uint32_t x) {
    memcpy(file + used, &x, sizeof x);
    used += sizeof x;
}

static void put(const char *piece) {
    const float score = -(float)used;
    memcpy(file + used, &score, sizeof score);
    used += sizeof score;
    put32((uint32_t)strlen(piece));
    memcpy(file + used, piece, strlen(piece));
    used += strlen(piece);
}

void fuzz_seeds(fuzz_take *take) {
    char byte[8];
    used = 0;
    put32(7);
    put("<unk>");
    put("\n<s>\n");
    put("\n</s>\n");
    for (int b = 0; b < 256; b++) snprintf(byte, sizeof byte, "<0x%02X>", (unsigned)b), put(byte);
    put(" ");
    put("t");
    put("h");
    put("th");
    put(" th");
    take(file, used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_tokenizer(fuzz_put("tokenizer.bin", data, size), data, size);
    return 0;
}
