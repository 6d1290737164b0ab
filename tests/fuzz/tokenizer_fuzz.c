/* tokenizer.json: what opens encodes and decodes, and is the same after it was saved.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "data/tokenizer.h"
#include "data/tokenizer_kind.h"
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

static void use(const sgn_tokenizer *t, const char *text, size_t size) {
    sgn_error err = { 0 };
    sgn_ids ids = { 0 };
    sgn_decoder d = { 0 };
    char *back = malloc(2 * size + 64);
    size_t n = 0, more;
    const char *part;
    fuzz_ok(sgn_tokenizer_encode(t, text, size, &ids, &err), &err);
    for (size_t i = 0; i < ids.count; i++) {
        fuzz_check(ids.id[i] >= 0 && ids.id[i] < sgn_tokenizer_vocab(t));
        fuzz_ok(sgn_decoder_put(&d, t, ids.id[i], &part, &more, &err), &err);
        if (back && n + more <= 2 * size + 64) memcpy(back + n, part, more);
        n += more;
    }
    sgn_decoder_end(&d, &part, &more);
    if (back && n + more <= 2 * size + 64) memcpy(back + n, part, more);
    if (!sgn_tokenizer_vocabulary(t)->form) fuzz_check(n + more == size && memcmp(back, text, size) == 0);     /* nothing is normalized */
    free(back);
    sgn_decoder_free(&d);
    sgn_ids_free(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char text[] = "Then the caf\xC3\xA9, 12 the\n\n \xF0\x9F\x98\x80 \xFF the";
    sgn_error err = { 0 };
    sgn_tokenizer *t, *again;
    const char *path = fuzz_put("tokenizer.json", data, size);
    if (fuzz_refused(sgn_tokenizer_open(&t, path, &err), &err, path)) {
        fuzz_check(!t);
        return 0;
    }
    use(t, text, sizeof text - 1);
    use(t, (const char *)data, size < 200 ? size : 200);
    for (int32_t i = -1; i <= sgn_tokenizer_vocab(t); i++) {
        size_t n;
        fuzz_check((sgn_tokenizer_piece(t, i, &n) != NULL) == (i >= 0 && i < sgn_tokenizer_vocab(t)));
    }
    fuzz_check(sgn_tokenizer_eot(t) < sgn_tokenizer_vocab(t) && sgn_tokenizer_bos(t) < sgn_tokenizer_vocab(t));
    fuzz_ok(sgn_tokenizer_save(t, fuzz_path("saved.json"), &err), &err);
    fuzz_ok(sgn_tokenizer_open(&again, fuzz_path("saved.json"), &err), &err);
    fuzz_check(strcmp(sgn_tokenizer_hash(t), sgn_tokenizer_hash(again)) == 0);
    sgn_tokenizer_close(again);
    sgn_tokenizer_close(t);
    return 0;
}
