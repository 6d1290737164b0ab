/* JSON: what is parsed is walked, written and parsed again to the same text.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/json.h"
#include "tests/fuzz/fuzz.h"

void fuzz_seeds(fuzz_take *take) {
    static const char *const texts[] = { "{\"a\": [1, -2.5e-3, true, false, null, \"\\u00e9\\n\"], \"b\": {\"c\": {}, \"d\": []}, \"\": \"\\ud83d\\ude00\"}",
                                         "[[[[1, 2], 3], \"x\"], 9223372036854775807, 1e308, -0.0]", " \"only text\" " };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) take(texts[i], strlen(texts[i]));
}

static size_t walk(const sgn_json *j, int depth) {
    size_t n = 1;
    fuzz_check(depth <= 64);
    switch (sgn_json_typeof(j)) {
        case SGN_JSON_OBJECT:
            for (void *it = sgn_json_iter(j); it; it = sgn_json_next(j, it)) {
                fuzz_check(sgn_json_get(j, sgn_json_iter_key(it)) == sgn_json_iter_value(it));
                n += walk(sgn_json_iter_value(it), depth + 1);
            }
            break;
        case SGN_JSON_ARRAY:
            for (size_t i = 0; i < sgn_json_size(j); i++) n += walk(sgn_json_at(j, i), depth + 1);
            break;
        case SGN_JSON_REAL:   fuzz_check(isfinite(sgn_json_real(j, (double)NAN))); break;
        case SGN_JSON_STRING: fuzz_check(sgn_json_string(j, NULL) != NULL); break;
        case SGN_JSON_INT: case SGN_JSON_BOOL: case SGN_JSON_NULL: break;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sgn_error err = { 0 };
    sgn_json *j, *again;
    char *text, *same;
    if (fuzz_refused(sgn_json_parse(&j, (const char *)data, size, "x.json", &err), &err, "x.json")) {
        fuzz_check(!j);
        return 0;
    }
    const size_t n = walk(j, 0);
    fuzz_ok(sgn_json_dump(j, size % 3 == 0 ? 2 : 0, &text, &err), &err);
    fuzz_ok(sgn_json_parse(&again, text, strlen(text), "again", &err), &err);
    fuzz_check(walk(again, 0) == n);
    fuzz_ok(sgn_json_dump(again, size % 3 == 0 ? 2 : 0, &same, &err), &err);
    fuzz_check(strcmp(text, same) == 0);
    free(text);
    free(same);
    sgn_json_free(j);
    sgn_json_free(again);
    return 0;
}
