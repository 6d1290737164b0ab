/* tokenizer.json: byte-level BPE, BPE of a Llama with its steps of normalizing and decoding, Unigram with patterns.
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

#define SPACE "\xE2\x96\x81"

static const char llama[] =
    "{\"version\": \"1.0\", \"added_tokens\": [{\"id\": 0, \"content\": \"<unk>\", \"special\": true}, {\"id\": 1, \"content\": \"<s>\", \"special\": true, "
    "\"lstrip\": false}, {\"id\": 9, \"content\": \"word\", \"special\": false, \"normalized\": false}], \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": "
    "[{\"type\": \"Prepend\", \"prepend\": \"" SPACE "\"}, {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" SPACE "\"}]}, "
    "\"pre_tokenizer\": null, \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}}, "
    "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"pair\": [{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"special_tokens\": {\"<s>\": {\"id\": \"<s>\", "
    "\"ids\": [1], \"tokens\": [\"<s>\"]}}}, \"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": \"" SPACE "\"}, "
    "\"content\": \" \"}, {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]}, "
    "\"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\", \"fuse_unk\": true, \"byte_fallback\": false, \"vocab\": {\"<unk>\": 0, \"<s>\": 1, \"t\": 2, \"h\": 3, "
    "\"e\": 4, \"" SPACE "\": 5, \"th\": 6, \"the\": 7, \"" SPACE "the\": 8}, \"merges\": [\"t h\", [\"th\", \"e\"], \"" SPACE " the\"]}}";

static const char unigram[] =
    "{\"added_tokens\": [{\"id\": 0, \"content\": \"<unk>\", \"special\": true}], \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFKC\"}, "
    "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \" {2,}\"}, \"content\": \" \"}]}, \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": "
    "\"Split\", \"pattern\": {\"Regex\": \"\\\\p{N}|[^\\\\s]+(?=x)?\"}, \"behavior\": \"Isolated\", \"invert\": false}, {\"type\": \"Metaspace\", \"replacement\": \"" SPACE "\", "
    "\"prepend_scheme\": \"always\"}]}, \"decoder\": {\"type\": \"Metaspace\", \"replacement\": \"" SPACE "\", \"prepend_scheme\": \"always\"}, \"model\": {\"type\": "
    "\"Unigram\", \"unk_id\": 0, \"vocab\": [[\"<unk>\", 0], [\"" SPACE "\", -2.5], [\"t\", -3], [\"h\", -3.5], [\"" SPACE "the\", -1], [\"12\", -7e-1]]}}";

void fuzz_seeds(fuzz_take *take) {
    take(llama, sizeof llama - 1);
    take(unigram, sizeof unigram - 1);
    static const char *const merges[][2] = { { "t", "h" }, { "th", "e" }, { " ", "the" }, { "\xC3", "\xA9" } };
    seed(take, merges, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_tokenizer(fuzz_put("tokenizer.json", data, size), data, size);
    return 0;
}
