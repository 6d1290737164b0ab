/* HDF5: arrays in groups, and notes, as checkpoints have them.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

/* libhdf5 1.10 loses some memory with each damaged header that it refuses. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libhdf5"; }

void fuzz_seeds(fuzz_take *take) {
    static const char *const notes[] = { "step", "12", "format", "a longer text of several words", NULL };
    static const float numbers[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
    sgn_error err = { 0 };
    const char *path = fuzz_path("x.h5");
    const sgn_array at[] = { sgn_array_make("weights/model.norm", SGN_DTYPE_F32, 1, (int64_t[]){ 12 }),
                             sgn_array_make("adam_m/model.norm", SGN_DTYPE_F16, 2, (int64_t[]){ 3, 4 }),
                             sgn_array_make("scalar", SGN_DTYPE_I32, 0, NULL) };
    const void *const data[] = { numbers, numbers, numbers };
    fuzz_ok(sgn_archive_write("h5", path, at, data, 3, notes, &err), &err);
    fuzz_take_file(take, path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_archive(fuzz_put("x.h5", data, size));
    return 0;
}
