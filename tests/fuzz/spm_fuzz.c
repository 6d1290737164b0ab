/* SentencePiece's tokenizer.model: BPE with byte pieces, and Unigram without.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "data/spm.h"
#include "tests/fuzz/fuzz.h"

static void add(sgn_vocabulary *v, const char *piece, sgn_spm_type type) {
    sgn_error err = { 0 };
    const int32_t id = v->count;
    fuzz_ok(sgn_vocabulary_add(v, piece, strlen(piece), type == SGN_SPM_CONTROL, "seed", &err), &err);
    v->spm->type[id] = (uint8_t)type;
    v->spm->score[id] = (float)-id;
}

static void seed(fuzz_take *take, bool unigram) {
    static const char *const pieces[] = { "t", "h", "e", SGN_SPM_SPACE, "th", "the", SGN_SPM_SPACE "the", "\xC3\xA9" };
    sgn_error err = { 0 };
    sgn_vocabulary v = { 0 };
    uint8_t *data;
    size_t size;
    char byte[8];
    fuzz_ok(sgn_spm_make(&v, 300, &err), &err);
    v.spm->unigram = unigram;
    v.spm->byte_fallback = !unigram;
    v.spm->bos = 1;
    v.spm->eos = 2;
    add(&v, "<unk>", SGN_SPM_UNKNOWN);
    add(&v, "<s>", SGN_SPM_CONTROL);
    add(&v, "</s>", SGN_SPM_CONTROL);
    for (int b = 0; b < 256 && !unigram; b++) snprintf(byte, sizeof byte, "<0x%02X>", (unsigned)b), add(&v, byte, SGN_SPM_BYTE);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) add(&v, pieces[i], i == 4 ? SGN_SPM_USER : SGN_SPM_NORMAL);
    fuzz_ok(sgn_spm_check(&v, "seed", &err), &err);
    fuzz_ok(sgn_spm_write(&v, &data, &size, &err), &err);
    take(data, size);
    free(data);
    sgn_vocabulary_free(&v);
}

void fuzz_seeds(fuzz_take *take) {
    seed(take, true);
    seed(take, false);
}

/* What is parsed is written, and that parsed, to the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sgn_error err = { 0 };
    sgn_vocabulary v = { 0 }, again = { 0 };
    uint8_t *one, *two;
    size_t n, m;
    if (!fuzz_refused(sgn_spm_parse(&v, data, size, "x.model", &err), &err, "x.model")) {
        fuzz_ok(sgn_spm_write(&v, &one, &n, &err), &err);
        fuzz_ok(sgn_spm_parse(&again, one, n, "written", &err), &err);
        fuzz_ok(sgn_spm_write(&again, &two, &m, &err), &err);
        fuzz_check(n == m && memcmp(one, two, n) == 0);
        fuzz_check(again.count == v.count && again.bos == v.bos && again.eos == v.eos && again.spm->unk == v.spm->unk);
        free(one);
        free(two);
        fuzz_tokenizer(fuzz_put("x.model", data, size), data, size);
    }
    sgn_vocabulary_free(&v);
    sgn_vocabulary_free(&again);
    return 0;
}
