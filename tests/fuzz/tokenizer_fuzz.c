/* tokenizer.json of byte-level BPE.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>
#include "data/vocabulary.h"
#include "tests/fuzz/fuzz.h"

static void seed(fuzz_take *take, const char *const (*merges)[2], int count) {
    sgn_error err = { 0 };
    sgn_vocabulary v = { 0 };
    fuzz_ok(sgn_vocabulary_bytes(&v, &err), &err);
    for (int i = 0; i < count; i++) {
        char whole[16];
        const size_t n = strlen(merges[i][0]), m = strlen(merges[i][1]);
        memcpy(whole, merges[i][0], n);
        memcpy(whole + n, merges[i][1], m);
        fuzz_ok(sgn_vocabulary_add(&v, whole, n + m, false, "seed", &err), &err);
        fuzz_ok(sgn_vocabulary_merge(&v, sgn_vocabulary_find(&v, merges[i][0], n), sgn_vocabulary_find(&v, merges[i][1], m), "seed", &err), &err);
    }
    fuzz_ok(sgn_vocabulary_add(&v, SGN_EOT, strlen(SGN_EOT), true, "seed", &err), &err);
    fuzz_ok(sgn_vocabulary_save(&v, fuzz_path("seed.json"), &err), &err);
    sgn_vocabulary_free(&v);
    fuzz_take_file(take, fuzz_path("seed.json"));
}

void fuzz_seeds(fuzz_take *take) {
    static const char *const merges[][2] = { { "t", "h" }, { "th", "e" }, { " ", "the" }, { "\xC3", "\xA9" } };
    seed(take, merges, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_tokenizer(fuzz_put("tokenizer.json", data, size), data, size);
    return 0;
}
