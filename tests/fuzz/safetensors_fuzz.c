/* safetensors and its index.json, which names shards that lie beside it.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>
#include "tests/fuzz/fuzz.h"

static const float numbers[6] = { 1, -2, 3, 0, 5e9f, -6e-9f };

static const char *put(const char *name, int first, int count) {
    static const char *const notes[] = { "format", "pt", NULL };
    sgn_error err = { 0 };
    const char *path = fuzz_path(name);
    const sgn_array all[] = { sgn_array_make("a.weight", SGN_DTYPE_F32, 2, (int64_t[]){ 2, 3 }),
                              sgn_array_make("b", SGN_DTYPE_I64, 0, NULL), sgn_array_make("none", SGN_DTYPE_U8, 3, (int64_t[]){ 2, 0, 3 }),
                              sgn_array_make("d/e", SGN_DTYPE_BF16, 1, (int64_t[]){ 5 }) };
    const void *const data[] = { numbers, numbers, numbers, numbers };
    fuzz_ok(sgn_archive_write("safetensors", path, all + first, data + first, count, notes, &err), &err);
    return path;
}

void fuzz_seeds(fuzz_take *take) {
    static const char index[] = "{\"metadata\": {\"total_size\": 42}, \"weight_map\": {\"a.weight\": \"s-1\", \"b\": \"s-1\", \"none\": \"s-2\", \"d/e\": \"s-2\"}}";
    fuzz_take_file(take, put("x.safetensors", 0, 4));
    fuzz_take_file(take, put("x.safetensors", 0, 1));
    take(index, sizeof index - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int shards;
    if (!shards++) put("s-1", 0, 2), put("s-2", 2, 2);
    const char *path = fuzz_put("x.safetensors", data, size);
    sgn_archive a;
    fuzz_archive_written(path, "safetensors");
    if (size < 8 || data[0] == '{' || sgn_archive_open(&a, path, NULL) != SGN_OK) return 0;
    uint64_t sum = 0, header;
    memcpy(&header, data, sizeof header);
    for (int i = 0; i < a.count; i++) sum += a.at[i].bytes;
    fuzz_check(8 + header + sum == size);              /* arrays tile the data */
    sgn_archive_close(&a);
    return 0;
}
