/* gguf: arrays of several types, values of all of them, a vocabulary.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>
#include "data/piece_text.h"
#include "tests/fuzz/fuzz.h"

static const char *const keys[] = { "general.architecture", "general.alignment", "llama.block_count", "llama.rope.freq_base",
    "tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type", "tokenizer.ggml.model", "flag", "u8", "i16", "d", "none" };

static void seed(fuzz_take *take, const sgn_array *at, int count, const sgn_meta *meta, int metas) {
    static const float numbers[64] = { 1, 2, -3 };
    const void *data[4] = { numbers, numbers, numbers, numbers };
    sgn_error err = { 0 };
    fuzz_ok(sgn_archive_write_meta("gguf", fuzz_path("x.gguf"), at, data, count, meta, metas, &err), &err);
    fuzz_take_file(take, fuzz_path("x.gguf"));
}

/* The 256 bytes, "th", a mark. */
static void seed_byte_level(fuzz_take *take) {
    enum { COUNT = 258 };
    static const char *const model = "gpt2", *const merges[] = { "t h" };
    static char text[COUNT][SGN_PIECE_TEXT];
    const char *tokens[COUNT];
    int32_t types[COUNT];
    for (int i = 0; i < COUNT; i++) {
        const char byte = (char)i;
        if (i < 256) sgn_piece_write(&byte, 1, text[i]);
        else strcpy(text[i], i == 256 ? "th" : "<|endoftext|>");
        tokens[i] = text[i];
        types[i] = i == 257 ? 3 : 1;
    }
    const sgn_meta meta[] = { { "tokenizer.ggml.model", SGN_META_TEXT, false, 1, &model }, { "tokenizer.ggml.pre", SGN_META_TEXT, false, 1, &model },
        { "tokenizer.ggml.tokens", SGN_META_TEXT, true, COUNT, tokens }, { "tokenizer.ggml.token_type", SGN_META_I32, true, COUNT, types },
        { "tokenizer.ggml.merges", SGN_META_TEXT, true, 1, merges } };
    seed(take, NULL, 0, meta, 5);
}

void fuzz_seeds(fuzz_take *take) {
    seed_byte_level(take);
    static const char *const llama = "llama", *const tokens[] = { "<unk>", "t", "\xE2\x96\x81the" };
    static const uint32_t align = 32, blocks = 2;
    static const float base = 1e4f, scores[] = { 0, -1, -2 };
    static const int32_t types[] = { 2, 4, 1 };
    static const uint8_t flag = 1;
    static const int16_t i16[] = { -1, 2, 3 };
    static const double d = 1e300;
    const sgn_meta meta[] = { { keys[0], SGN_META_TEXT, false, 1, &llama }, { keys[1], SGN_META_U32, false, 1, &align },
        { keys[2], SGN_META_U32, false, 1, &blocks },    { keys[3], SGN_META_F32, false, 1, &base },
        { keys[4], SGN_META_TEXT, true, 3, tokens },     { keys[5], SGN_META_F32, true, 3, scores },
        { keys[6], SGN_META_I32, true, 3, types },       { keys[7], SGN_META_TEXT, false, 1, &llama },
        { keys[8], SGN_META_BOOL, false, 1, &flag },     { keys[9], SGN_META_U8, true, 1, &flag },
        { keys[10], SGN_META_I16, true, 3, i16 },        { keys[11], SGN_META_F64, false, 1, &d },
        { keys[12], SGN_META_TEXT, true, 0, tokens } };
    const sgn_array at[] = { sgn_array_make("token_embd.weight", SGN_DTYPE_F32, 2, (int64_t[]){ 3, 5 }), sgn_array_make("norm", SGN_DTYPE_F16, 1, (int64_t[]){ 3 }),
        sgn_array_make("blocks", SGN_DTYPE_Q8_0, 2, (int64_t[]){ 2, 32 }), sgn_array_make("i", SGN_DTYPE_I8, 4, (int64_t[]){ 1, 2, 1, 3 }) };
    seed(take, at, 4, meta, 1);
    seed(take, at, 4, meta, 13);
    seed(take, at + 1, 1, meta + 2, 0);
}

/* Every element, as everything that it may be. */
static void read_value(const sgn_meta *m) {
    int64_t n;
    double r;
    bool b;
    for (uint64_t i = 0; i < m->count; i++) {
        const char *text = sgn_meta_text(m, i);
        fuzz_check((text != NULL) == (m->type == SGN_META_TEXT));
        fuzz_check(!text || strlen(text) < 1 << 20);
        fuzz_check(!sgn_meta_int(m, i, &n) || sgn_meta_real(m, i, &r));
        fuzz_check(sgn_meta_bool(m, i, &b) == (m->type == SGN_META_BOOL));
    }
    fuzz_check(!sgn_meta_text(m, m->count) && !sgn_meta_int(m, m->count, &n) && !sgn_meta_real(m, UINT64_MAX, &r));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_put("x.gguf", data, size);
    sgn_archive a;
    fuzz_archive_written(path, "gguf");
    if (sgn_archive_open(&a, path, NULL) != SGN_OK) return 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const sgn_meta *m = sgn_archive_meta(&a, keys[i]);
        if (m) fuzz_check(strcmp(m->key, keys[i]) == 0), read_value(m);
    }
    if (sgn_archive_meta(&a, "tokenizer.ggml.model")) fuzz_tokenizer(path, data, size);
    sgn_archive_close(&a);
    return 0;
}
