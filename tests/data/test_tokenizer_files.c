/* SPDX-License-Identifier: MIT */
#include "gpt2_json.h"
#include "core/rng.h"
#include "core/base64.h"
#include "data/tokenizer.h"
#include "data/vocabulary_files.h"

static sgn_tokenizer *open_or_fail(const char *where) {
    sgn_error err;
    sgn_tokenizer *t;
    check_ok(sgn_tokenizer_open(&t, where, &err), &err);
    return t;
}

static void put_text(const char *name, const char *text) {
    sgn_error err;
    check_ok(sgn_file_write(check_path(name), text, strlen(text), &err), &err);
}

static void check_refused(const char *name, const char *text, sgn_status status, const char *mention) {
    sgn_error err;
    sgn_tokenizer *t;
    put_text(name, text);
    check_fails(sgn_tokenizer_open(&t, check_path(name), &err), status, &err, mention);
}

static void check_ids(const sgn_tokenizer *t, const char *text, unsigned flags, const int32_t *want, size_t count) {
    sgn_error err;
    sgn_ids ids = { 0 };
    check_ok(sgn_tokenizer_encode_as(t, text, strlen(text), flags, &ids, &err), &err);
    if (ids.count != count) fail_msg("\"%s\": %zu ids, expected %zu", text, ids.count, count);
    for (size_t i = 0; i < count; i++)
        if (ids.id[i] != want[i]) fail_msg("\"%s\": id %zu is %d, expected %d", text, i, ids.id[i], want[i]);
    sgn_ids_free(&ids);
}
#define CHECK_IDS(t, text, flags, ...) \
    check_ids(t, text, flags, (const int32_t[]){ __VA_ARGS__ }, sizeof (const int32_t[]){ __VA_ARGS__ } / sizeof(int32_t))

static void check_decoded(const sgn_tokenizer *t, const int32_t *id, size_t count, const char *want) {
    sgn_error err;
    sgn_decoder d = { 0 };
    char got[256] = "";
    const char *part;
    size_t n;
    for (size_t i = 0; i < count; i++) {
        check_ok(sgn_decoder_put(&d, t, id[i], &part, &n, &err), &err);
        if (n) strncat(got, part, n);
    }
    sgn_decoder_end(&d, &part, &n);
    if (n) strncat(got, part, n);
    sgn_decoder_free(&d);
    assert_string_equal(got, want);
}

/* --- GPT-2's own files ---------------------------------------------------------------------------- */

/* vocab.json with merges.txt, and the tokenizer.json made of them, are one tokenizer. */
static void pairs_are_read(void **state) {
    (void)state;
    const char *vocab = check_shared("data/tokenizers/gpt2/vocab.json");
    const char *json = check_path("gpt2.json");
    if (!vocab || !gpt2_json_write(json)) return;
    char merges[512];
    snprintf(merges, sizeof merges, "%s", check_shared("data/tokenizers/gpt2/merges.txt"));
    sgn_tokenizer *a = open_or_fail(json), *b = open_or_fail(vocab), *c = open_or_fail(merges);
    assert_string_equal(sgn_tokenizer_hash(a), sgn_tokenizer_hash(b));
    assert_string_equal(sgn_tokenizer_hash(a), sgn_tokenizer_hash(c));
    CHECK_IDS(b, "x<|endoftext|>", SGN_ENCODE_SPECIALS, 87, 50256);
    sgn_tokenizer_close(a);
    sgn_tokenizer_close(b);
    sgn_tokenizer_close(c);
}

static void bad_pairs_are_refused(void **state) {
    (void)state;
    sgn_error err;
    sgn_tokenizer *t;
    put_text("vocab.json", "{\"a\": 0, \"b\": 1, \"ab\": 2}");
    check_fails(sgn_tokenizer_open(&t, check_path("vocab.json"), &err), SGN_IO, &err, "merges.txt");
    check_refused("merges.txt", "#version: 0.2\na b\na  b\n", SGN_FORMAT, "merges.txt: line 3");
    check_refused("merges.txt", "a c\n", SGN_FORMAT, "model.merges[0]: \"c\"");
    check_refused("merges.txt", "a b\n\xC3\x28 b\n", SGN_FORMAT, "merges.txt: line 2 is not UTF-8");
    check_refused("merges.txt", "b a\n", SGN_FORMAT, "merge 0 makes \"ba\"");
    check_refused("merges.txt", "a b\n", SGN_FORMAT, "no piece for byte 0x00");
    put_text("tokenizer_config.json", "{\"tokenizer_class\": \"RobertaTokenizer\"}");
    check_refused("merges.txt", "a b\n", SGN_UNSUPPORTED, "tokenizer_class is \"RobertaTokenizer\"");
    remove(check_path("tokenizer_config.json"));
}

/* --- tiktoken --------------------------------------------------------------------------------------- */

/* The bytes and some pieces as ranks. */
static void put_ranks(const char *name, const char *const *pieces, int count) {
    FILE *f = fopen(check_path(name), "wb");
    assert_non_null(f);
    for (int i = 0; i < 256 + count; i++) {
        const char byte = (char)i;
        char *text = i < 256 ? sgn_base64_write(&byte, 1) : sgn_base64_write(pieces[i - 256], strlen(pieces[i - 256]));
        fprintf(f, "%s %d\n", text, i);
        free(text);
    }
    fclose(f);
}

/* By hand: ranks 256 ab, 257 bc, 258 abc, 259 xyz, 260 " ab". A word that is a piece is taken whole (xyz has no
 * cut in two pieces); else the pair of lowest rank first: abcb is ab, c, b -> abc, b. */
static void ranks_define_merges(void **state) {
    (void)state;
    static const char *const pieces[] = { "ab", "bc", "abc", "xyz", " ab" };
    put_ranks("some.tiktoken", pieces, 5);
    sgn_tokenizer *t = open_or_fail(check_path("some.tiktoken"));
    assert_int_equal(sgn_tokenizer_vocab(t), 262);
    assert_int_equal(sgn_tokenizer_eot(t), 261);
    CHECK_IDS(t, "xyz", 0, 259);
    CHECK_IDS(t, "xyzab", 0, 'x', 'y', 'z', 256);
    CHECK_IDS(t, "abcb ab", 0, 258, 'b', 260);
    CHECK_IDS(t, "1234", 0, '1', '2', '3', '4');
    CHECK_IDS(t, "ab<|endoftext|>ab", SGN_ENCODE_SPECIALS, 256, 261, 256);
    sgn_error err;
    check_ok(sgn_tokenizer_save(t, check_path("saved.json"), &err), &err);
    sgn_tokenizer *again = open_or_fail(check_path("saved.json"));
    assert_string_equal(sgn_tokenizer_hash(t), sgn_tokenizer_hash(again));
    CHECK_IDS(again, "xyz abcb", 0, 259, ' ', 258, 'b');
    sgn_tokenizer_close(t);
    sgn_tokenizer_close(again);
}

/* As tiktoken does it: the pair whose joined piece has the lowest rank, the leftmost of equal ones. */
static size_t by_ranks(const sgn_tokenizer *t, const char *word, size_t n, int32_t *id) {
    size_t at[65], parts = n;
    for (size_t i = 0; i <= n; i++) at[i] = i;
    for (;;) {
        int32_t best = 261 + 1000;
        size_t where = 0;
        for (size_t i = 0; i + 1 < parts; i++)
            for (int32_t k = 256; k < sgn_tokenizer_vocab(t) - 1 && k < best; k++) {
                size_t m;
                const char *piece = sgn_tokenizer_piece(t, k, &m);
                if (m == at[i + 2] - at[i] && memcmp(piece, word + at[i], m) == 0) best = k, where = i;
            }
        if (best == 261 + 1000) break;
        memmove(&at[where + 1], &at[where + 2], (parts - where - 1) * sizeof *at);
        parts--;
    }
    for (size_t i = 0; i < parts; i++) {
        const size_t m = at[i + 1] - at[i];
        id[i] = (unsigned char)word[at[i]];
        for (int32_t k = 256; m > 1 && k < sgn_tokenizer_vocab(t) - 1; k++) {
            size_t size;
            const char *piece = sgn_tokenizer_piece(t, k, &size);
            if (size == m && memcmp(piece, word + at[i], m) == 0) id[i] = k;
        }
    }
    return parts;
}

static void ranks_as_the_slow_way(void **state) {
    (void)state;
    static const char *const pieces[] = { "ab", "ba", "aa", "aab", "abab", "bb", "babb", "aaaa", "bbaa" };
    put_ranks("ab.tiktoken", pieces, 9);
    sgn_tokenizer *t = open_or_fail(check_path("ab.tiktoken"));
    for (uint64_t k = 0; k < 400; k++) {
        char word[64] = "";
        int32_t want[64];
        const size_t n = 5 + sgn_rng_bits(21, 0, k) % 58;          /* longer than any piece */
        for (size_t i = 0; i < n; i++) word[i] = sgn_rng_bits(22, k, i) & 1 ? 'a' : 'b';
        check_ids(t, word, 0, want, by_ranks(t, word, n, want));
    }
    sgn_tokenizer_close(t);
}

static void bad_ranks_are_refused(void **state) {
    (void)state;
    check_refused("bad.tiktoken", "IQ== 0\nIg== 2\n", SGN_FORMAT, "line 2: rank 2 where 1 is expected");
    check_refused("bad.tiktoken", "IQ== 0\nIg== 0\n", SGN_FORMAT, "line 2: rank 0");
    check_refused("bad.tiktoken", "IQ== 0\nIQ== 1\n", SGN_FORMAT, "has the bytes of piece 0");
    check_refused("bad.tiktoken", "IQ== 0\nI!== 1\n", SGN_FORMAT, "line 2");
    check_refused("bad.tiktoken", "IQ== 0\nIg==\n", SGN_FORMAT, "line 2");
    check_refused("bad.tiktoken", "IQ== 0\nIg== -1\n", SGN_FORMAT, "line 2");
    check_refused("bad.tiktoken", "IQ== 0\nIg== 1\n", SGN_FORMAT, "no piece for byte 0x00");
}

/* --- GGUF --------------------------------------------------------------------------------------------- */

static void put_number(FILE *f, uint64_t x, int bytes) {
    for (int i = 0; i < bytes; i++) fputc((int)(x >> 8 * i & 0xFF), f);
}

static void put_string(FILE *f, const char *text) {
    put_number(f, strlen(text), 8);
    fputs(text, f);
}

static void put_entry(FILE *f, const char *key, const char *value) {
    put_string(f, key);
    put_number(f, 8, 4);
    put_string(f, value);
}

/* The saved pieces of the byte tokenizer are the names of the bytes; "ab" is a merge, the last a mark. */
static void put_gguf(const char *name, const char *pre) {
    sgn_error err;
    sgn_json *root;
    sgn_tokenizer *bytes = open_or_fail("byte");
    check_ok(sgn_tokenizer_save(bytes, check_path("byte.json"), &err), &err);
    sgn_tokenizer_close(bytes);
    check_ok(sgn_json_load(&root, check_path("byte.json"), 1 << 20, &err), &err);
    const sgn_json *vocab = sgn_json_get(sgn_json_get(root, "model"), "vocab");
    FILE *f = fopen(check_path(name), "wb");
    assert_non_null(f);
    fputs("GGUF", f);
    put_number(f, 3, 4), put_number(f, 0, 8), put_number(f, 6, 8);
    put_entry(f, "general.architecture", "llama");
    put_entry(f, "tokenizer.ggml.model", "gpt2");
    put_entry(f, "tokenizer.ggml.pre", pre);
    put_string(f, "tokenizer.ggml.tokens"), put_number(f, 9, 4), put_number(f, 8, 4), put_number(f, 258, 8);
    int count = 0;
    for (void *it = sgn_json_iter(vocab); it && count < 256; it = sgn_json_next(vocab, it), count++) put_string(f, sgn_json_iter_key(it));
    put_string(f, "ab"), put_string(f, "<|end|>");
    put_string(f, "tokenizer.ggml.token_type"), put_number(f, 9, 4), put_number(f, 5, 4), put_number(f, 258, 8);
    for (int i = 0; i < 258; i++) put_number(f, i == 257 ? 3 : 1, 4);
    put_string(f, "tokenizer.ggml.merges"), put_number(f, 9, 4), put_number(f, 8, 4), put_number(f, 1, 8);
    put_string(f, "a b");
    fclose(f);
    sgn_json_free(root);
}

static void byte_level_gguf(void **state) {
    (void)state;
    sgn_error err;
    put_gguf("llama.gguf", "llama-bpe");
    sgn_tokenizer *t = open_or_fail(check_path("llama.gguf"));
    assert_int_equal(sgn_tokenizer_vocab(t), 258);
    CHECK_IDS(t, "ab\xFF<|end|>", SGN_ENCODE_SPECIALS, 256, 255, 257);
    sgn_tokenizer_close(t);
    put_gguf("odd.gguf", "odd");
    check_fails(sgn_tokenizer_open(&t, check_path("odd.gguf"), &err), SGN_UNSUPPORTED, &err, "tokenizer.ggml.pre is odd");
}

/* --- tokenizer.json ------------------------------------------------------------------------------------ */

/* LLaMA's way in small: characters, bytes for what is no piece, marks for spaces. Ids 0 <unk>, 1 <s>, 2 .. 257 bytes. */
#define MARK "\xE2\x96\x81"
static void put_small(const char *name, const char *around) {
    FILE *f = fopen(check_path(name), "wb");
    assert_non_null(f);
    fprintf(f, "{%s, \"added_tokens\": [{\"id\": 0, \"content\": \"<unk>\", \"special\": true}, {\"id\": 1, \"content\": \"<s>\", \"special\": true},"
            "{\"id\": 264, \"content\": \"<think>\", \"special\": false, \"rstrip\": true}], \"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\","
            "\"byte_fallback\": true, \"vocab\": {\"<unk>\": 0, \"<s>\": 1", around);
    for (int b = 0; b < 256; b++) fprintf(f, ", \"<0x%02X>\": %d", (unsigned)b, b + 2);
    fputs(", \"" MARK "\": 258, \"a\": 259, \"b\": 260, \"" MARK "a\": 261, \"" MARK "ab\": 262, \"" MARK MARK "\": 263},"
          "\"merges\": [\"" MARK " a\", \"" MARK "a b\", \"" MARK " " MARK "\"]}}", f);
    fclose(f);
}

static const char llama[] =
    "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": \"" MARK "\"},"
    "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" MARK "\"}]},"
    "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<s>\"}}, {\"Sequence\": {\"id\": \"A\"}}]},"
    "\"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": \"" MARK "\"}, \"content\": \" \"},"
    "{\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]}";

static void characters_with_byte_fallback(void **state) {
    (void)state;
    put_small("llama.json", llama);
    sgn_tokenizer *t = open_or_fail(check_path("llama.json"));
    assert_int_equal(sgn_tokenizer_bos(t), 1);
    assert_int_equal(sgn_tokenizer_eos(t), -1);
    CHECK_IDS(t, "ab a", 0, 262, 261);
    CHECK_IDS(t, "a  b", 0, 261, 263, 260);
    CHECK_IDS(t, "\xC3\xA9\xFF", 0, 258, 2 + 0xC3, 2 + 0xA9, 2 + 0xFF);
    CHECK_IDS(t, " a", SGN_ENCODE_CONTINUES, 261);                /* no space of its own */
    CHECK_IDS(t, "<s>", SGN_ENCODE_SPECIALS, 1);
    CHECK_IDS(t, "a<think>  b", 0, 261, 264, 258, 260);           /* an added word takes the spaces behind it */
    check_decoded(t, (const int32_t[]){ 1, 262, 261, 2 + 0xC3, 2 + 0xA9 }, 5, "ab a\xC3\xA9");
    sgn_error err;
    check_ok(sgn_tokenizer_save(t, check_path("llama2.json"), &err), &err);
    sgn_tokenizer *again = open_or_fail(check_path("llama2.json"));
    assert_string_equal(sgn_tokenizer_hash(t), sgn_tokenizer_hash(again));
    CHECK_IDS(again, "a<think>  b", 0, 261, 264, 258, 260);
    sgn_tokenizer_close(t);
    sgn_tokenizer_close(again);
}

/* prepend_scheme first: a mark before the text, none after an added token, none where a space is there. */
static void metaspace_first(void **state) {
    (void)state;
    put_small("meta.json", "\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"" MARK "\", \"prepend_scheme\": \"first\", \"split\": true},"
              "\"decoder\": {\"type\": \"Metaspace\", \"replacement\": \"" MARK "\", \"prepend_scheme\": \"first\"}");
    sgn_tokenizer *t = open_or_fail(check_path("meta.json"));
    CHECK_IDS(t, "ab", 0, 262);
    CHECK_IDS(t, " ab", 0, 262);
    CHECK_IDS(t, "<s>a", SGN_ENCODE_SPECIALS, 1, 259);
    CHECK_IDS(t, "a  b", 0, 261, 258, 258, 260);                  /* each mark begins a word */
    sgn_tokenizer_close(t);
}

/* Each behaviour of Split on "-" in "a--b", by Hugging Face's documentation */
static void behaviours_of_split(void **state) {
    (void)state;
    static const struct { const char *name; bool invert; } cases[] = {
        { "Isolated", false }, { "MergedWithPrevious", false }, { "MergedWithNext", false },
        { "Contiguous", false }, { "Removed", false }, { "Removed", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *f = fopen(check_path("split.json"), "wb");
        fprintf(f, "{\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"%s\", \"invert\": %s},"
                "\"model\": {\"type\": \"BPE\", \"unk_token\": \"?\", \"ignore_merges\": true, \"merges\": [], \"vocab\": {\"?\": 0, \"a\": 1, \"-\": 2,"
                "\"b\": 3, \"a-\": 4, \"-b\": 5, \"--\": 6, \"a--b\": 7}}}", cases[i].name, cases[i].invert ? "true" : "false");
        fclose(f);
        sgn_tokenizer *t = open_or_fail(check_path("split.json"));
        if (i == 0) CHECK_IDS(t, "a--b", 0, 1, 2, 2, 3);
        if (i == 1) CHECK_IDS(t, "a--b", 0, 4, 2, 3);
        if (i == 2) CHECK_IDS(t, "a--b", 0, 1, 2, 5);
        if (i == 3) CHECK_IDS(t, "a--b", 0, 1, 6, 3);
        if (i == 4) CHECK_IDS(t, "a--b", 0, 1, 3);
        if (i == 5) CHECK_IDS(t, "a--b", 0, 2, 2);
        if (i < 5) CHECK_IDS(t, "c", 0, 0);        /* unknown */
        sgn_tokenizer_close(t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_read), cmocka_unit_test(bad_pairs_are_refused), cmocka_unit_test(ranks_define_merges),
        cmocka_unit_test(ranks_as_the_slow_way), cmocka_unit_test(bad_ranks_are_refused), cmocka_unit_test(byte_level_gguf),
        cmocka_unit_test(characters_with_byte_fallback), cmocka_unit_test(metaspace_first), cmocka_unit_test(behaviours_of_split),
    };
    return check_run(tests);
}
