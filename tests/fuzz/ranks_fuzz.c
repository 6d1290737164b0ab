/* tiktoken's ranks: lines of a piece in base64 and its number.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/base64.h"
#include "tests/fuzz/fuzz.h"

void fuzz_seeds(fuzz_take *take) {
    static const char *const pieces[] = { "th", "the", " the", "xyz", "\xC3\xA9" };
    static char file[8192];
    size_t used = 0;
    for (int i = 0; i < 261; i++) {
        const char byte = (char)i;
        char *text = i < 256 ? sgn_base64_write(&byte, 1) : sgn_base64_write(pieces[i - 256], strlen(pieces[i - 256]));
        fuzz_check(text != NULL);
        used += (size_t)snprintf(file + used, sizeof file - used, "%s %d\n", text, i);
        free(text);
    }
    take(file, used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_tokenizer(fuzz_put("x.tiktoken", data, size), data, size);
    return 0;
}
