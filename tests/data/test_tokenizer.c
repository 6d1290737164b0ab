/* SPDX-License-Identifier: MIT */
#include "gpt2_json.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "data/pretokenize.h"
#include "data/tokenizer.h"
#include "data/spm.h"
#include "data/tokenizer_kind.h"

static sgn_tokenizer *open_or_fail(const char *where) {
    sgn_error err;
    sgn_tokenizer *t;
    check_ok(sgn_tokenizer_open(&t, where, &err), &err);
    return t;
}

/* Pieces "a b", "b c" and so on over the bytes, for cases that are worked out by hand. */
static sgn_tokenizer *with_merges(const char *const (*pairs)[2], int count) {
    sgn_error err;
    sgn_vocabulary v = { 0 };
    sgn_tokenizer *t;
    check_ok(sgn_vocabulary_bytes(&v, &err), &err);
    for (int i = 0; i < count; i++) {
        char joined[32];
        snprintf(joined, sizeof joined, "%s%s", pairs[i][0], pairs[i][1]);
        const int32_t left = sgn_vocabulary_find(&v, pairs[i][0], strlen(pairs[i][0]));
        const int32_t right = sgn_vocabulary_find(&v, pairs[i][1], strlen(pairs[i][1]));
        if (sgn_vocabulary_find(&v, joined, strlen(joined)) < 0)
            check_ok(sgn_vocabulary_add(&v, joined, strlen(joined), false, "test", &err), &err);
        check_ok(sgn_vocabulary_merge(&v, left, right, "test", &err), &err);
    }
    check_ok(sgn_vocabulary_add(&v, SGN_EOT, strlen(SGN_EOT), true, "test", &err), &err);
    check_ok(sgn_tokenizer_from(&t, &v, "test", &err), &err);
    return t;
}

static void check_ids(const sgn_tokenizer *t, const char *text, size_t size, const int32_t *want, size_t count) {
    sgn_error err;
    sgn_ids ids = { 0 };
    check_ok(sgn_tokenizer_encode(t, text, size, &ids, &err), &err);
    if (ids.count != count) fail_msg("\"%.*s\": %zu ids, expected %zu", (int)size, text, ids.count, count);
    for (size_t i = 0; i < count; i++)
        if (ids.id[i] != want[i]) fail_msg("\"%.*s\": id %zu is %d, expected %d", (int)size, text, i, ids.id[i], want[i]);
    sgn_ids_free(&ids);
}

/* The pieces of the ids of any bytes are the bytes. */
static void check_round_trip(const sgn_tokenizer *t, const char *text, size_t size) {
    sgn_error err;
    sgn_ids ids = { 0 };
    check_ok(sgn_tokenizer_encode(t, text, size, &ids, &err), &err);
    size_t at = 0;
    for (size_t i = 0; i < ids.count; i++) {
        size_t n;
        const char *piece = sgn_tokenizer_piece(t, ids.id[i], &n);
        assert_non_null(piece);
        assert_true(n <= size - at);
        assert_memory_equal(piece, text + at, n);
        at += n;
    }
    assert_int_equal(at, size);
    assert_int_equal(sgn_tokenizer_text_bytes(t, ids.id, ids.count), size);
    sgn_ids_free(&ids);
}

static void bytes_are_ids(void **state) {
    (void)state;
    sgn_tokenizer *t = open_or_fail("byte");
    assert_int_equal(sgn_tokenizer_vocab(t), 257);
    assert_int_equal(sgn_tokenizer_eot(t), 256);
    assert_true(sgn_tokenizer_is_special(t, 256));
    assert_string_equal(sgn_tokenizer_kind_name(t), "byte");
    check_ids(t, "a\0\xFF", 3, (const int32_t[]){ 97, 0, 255 }, 3);
    check_ids(t, SGN_EOT, 2, (const int32_t[]){ '<', '|' }, 2);      /* text is text */
    sgn_tokenizer_close(t);
}

/* By hand: ranks 0 "a b", 1 "ab c", 2 "b c", 3 "a a". */
static void merges_in_rank_order(void **state) {
    (void)state;
    static const char *const pairs[][2] = { { "a", "b" }, { "ab", "c" }, { "b", "c" }, { "a", "a" } };
    sgn_tokenizer *t = with_merges(pairs, 4);      /* 256 ab, 257 abc, 258 bc, 259 aa, 260 eot */
    assert_string_equal(sgn_tokenizer_kind_name(t), "bpe");
    check_ids(t, "abc", 3, (const int32_t[]){ 257 }, 1);
    check_ids(t, "bc", 2, (const int32_t[]){ 258 }, 1);
    check_ids(t, "aab", 3, (const int32_t[]){ 'a', 256 }, 2);        /* a b before a a */
    check_ids(t, "aaa", 3, (const int32_t[]){ 259, 'a' }, 2);        /* the leftmost of equals */
    check_ids(t, "aabbcabc", 8, (const int32_t[]){ 'a', 256, 258, 257 }, 4);
    check_ids(t, "ab c", 4, (const int32_t[]){ 256, ' ', 'c' }, 3);  /* never across words */
    for (int again = 0; again < 2; again++)                          /* the second time from the cache */
        check_ids(t, "abc abc", 7, (const int32_t[]){ 257, ' ', 257 }, 3);
    sgn_tokenizer_close(t);
}

/* The same merge loop, the slow way: look at all pairs, join the leftmost of the lowest rank. */
static size_t naive(const sgn_vocabulary *v, const char *word, size_t n, int32_t *id) {
    for (size_t i = 0; i < n; i++) id[i] = sgn_vocabulary_find(v, word + i, 1);
    for (;;) {
        int32_t best = v->merges;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++)
            for (int32_t rank = 0; rank < best; rank++)
                if (v->merge[rank].left == id[i] && v->merge[rank].right == id[i + 1]) {
                    best = rank;
                    at = i;
                }
        if (best == v->merges) return n;
        id[at] = v->merge[best].whole;
        memmove(id + at + 1, id + at + 2, (n - at - 2) * sizeof *id);
        n--;
    }
}

static void long_words_as_the_slow_way(void **state) {
    (void)state;
    static const char *const pairs[][2] = { { "a", "b" }, { "b", "a" }, { "ab", "ab" }, { "a", "a" }, { "aa", "b" },
                                            { "abab", "a" }, { "b", "b" }, { "bb", "bb" }, { "aa", "aa" } };
    sgn_tokenizer *t = with_merges(pairs, 9);
    for (uint64_t k = 0; k < 300; k++) {
        char word[120];
        int32_t want[120];
        const size_t n = 1 + sgn_rng_bits(1, 0, k) % sizeof word;
        for (size_t i = 0; i < n; i++) word[i] = sgn_rng_bits(2, k, i) & 1 ? 'a' : 'b';
        check_ids(t, word, n, want, naive(sgn_tokenizer_vocabulary(t), word, n, want));
    }
    char *run = malloc(1 << 20);                   /* a word of 1 MiB is no quadratic affair */
    memset(run, 'a', 1 << 20);
    check_round_trip(t, run, 1 << 20);
    free(run);
    sgn_tokenizer_close(t);
}

static void garbage_survives(void **state) {
    (void)state;
    static const char *const pairs[][2] = { { "\xC3", "\xA9" }, { " ", "t" }, { "\xFF", "\xFE" } };
    sgn_tokenizer *t = with_merges(pairs, 3);
    char text[4096];
    for (uint64_t k = 0; k < 50; k++) {
        const size_t n = sgn_rng_bits(3, 0, k) % sizeof text;
        for (size_t i = 0; i < n; i++) {
            const uint64_t r = sgn_rng_bits(3, k + 1, i);
            text[i] = k % 2 || r % 4 == 0 ? (char)(r >> 8) : "\xC3\xA9 t\xFF\xFE\xE2\x82\xAC\n"[r % 10];
        }
        check_round_trip(t, text, n);
    }
    sgn_tokenizer_close(t);
}

/* Words of the GPT-2 pattern, by hand, "|" between them (and nowhere in the texts). Of white
 * space before a word the last one is left to it; only a plain space joins it. */
static void words_of_the_pattern(void **state) {
    (void)state;
    static const char *const cases[] = {
        "Hello| world", "I|'m| here|'s|'|RE", "a| | b|\n|\n|c|\n\n| d", "x|1|y| 22|!?| (|a|)", "can|'t|'ve| '|s", "end|  ",
        "caf\xC3\xA9| \xC3\xA9t\xC3\xA9|!", "\xE4\xB8\xAD\xE6\x96\x87|\xEF\xBC\x8C|\xE4\xB8\xAD", "a|\xC2\xA0|b",
        "a|\xFF\xC3|b", "a| \xC2\xB2|b", "\t|\t|a", "no|\xCC\x81", "",
    };
    sgn_error err;
    sgn_splitter *s;
    check_ok(sgn_splitter_open(&s, NULL, &err), &err);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128] = "", got[128] = "";
        for (const char *c = cases[i]; *c; c++)
            if (*c != '|') strncat(text, c, 1);
        const char *word;
        size_t n;
        sgn_splitter_begin(s, text, strlen(text));
        while (sgn_splitter_next(s, &word, &n)) {
            if (got[0]) strcat(got, "|");
            strncat(got, word, n);
        }
        assert_string_equal(got, cases[i]);
    }
    sgn_splitter_close(s);
}

/* SentencePiece's BPE with bytes, nothing put before a text. */
static sgn_tokenizer *with_scores(void) {
    sgn_error err = { 0 };
    sgn_vocabulary v = { 0 };
    sgn_tokenizer *t;
    check_ok(sgn_spm_make(&v, 3 + 256 + 4, &err), &err);
    v.spm->byte_fallback = true;
    v.spm->dummy_prefix = v.spm->squeeze = false;
    v.spm->eos = 2;
    for (int i = 0; i < 3 + 256 + 4; i++) {
        char piece[8];
        snprintf(piece, sizeof piece, "<0x%02X>", (unsigned)(i - 3) & 0xFF);
        const char *text = i < 3 ? (const char *[]){ "<unk>", "<s>", "</s>" }[i] : i < 259 ? piece : (const char *[]){ "th", "t", "h", SGN_SPM_SPACE }[i - 259];
        v.spm->type[i] = i == 0 ? SGN_SPM_UNKNOWN : i < 3 ? SGN_SPM_CONTROL : i < 259 ? SGN_SPM_BYTE : SGN_SPM_NORMAL;
        v.spm->score[i] = (float)-i;
        check_ok(sgn_vocabulary_add(&v, text, strlen(text), i == 1 || i == 2, "test", &err), &err);
    }
    check_ok(sgn_spm_check(&v, "test", &err), &err);
    check_ok(sgn_tokenizer_from(&t, &v, "test", &err), &err);
    return t;
}

/* A tokenizer.json of Unigram: an unknown piece, the bytes, and a few words. */
static sgn_tokenizer *unigram(void) {
    static const char *const words[] = { "t", "h", "e", "the", " the", "other" };
    FILE *f = fopen(check_path("unigram.json"), "wb");
    assert_non_null(f);
    fputs("{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"byte_fallback\": true, \"vocab\": [[\"<unk>\", 0]", f);
    for (int b = 0; b < 256; b++) fprintf(f, ", [\"<0x%02X>\", 0]", (unsigned)b);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) fprintf(f, ", [\"%s\", -%zu.5]", words[i], i + 1);
    fputs("]}, \"decoder\": {\"type\": \"ByteFallback\"}}", f);
    fclose(f);
    return open_or_fail(check_path("unigram.json"));
}

/* What holds for any kind: bytes survive, and what is saved opens as the same tokenizer. */
static void every_kind(void **state) {
    (void)state;
    static const char *const pairs[][2] = { { "t", "h" }, { "th", "e" } };
    sgn_tokenizer *examples[] = { open_or_fail("byte"), with_merges(pairs, 2), with_scores(), unigram() };
    const sgn_tokenizer_kind *k;
    for (int i = 0; (k = sgn_tokenizer_kind_at(i)) != NULL; i++) {
        const sgn_tokenizer *t = NULL;
        for (size_t e = 0; e < sizeof examples / sizeof *examples; e++)
            if (strcmp(sgn_tokenizer_kind_name(examples[e]), k->name) == 0) t = examples[e];
        if (!t) fail_msg("the kind \"%s\" has no example here", k->name);
        char text[1000];
        for (size_t n = 0; n < sizeof text; n++) text[n] = (char)sgn_rng_bits(6, (uint64_t)i, n);
        check_round_trip(t, text, sizeof text);
        check_round_trip(t, "the other", 9);
        check_round_trip(t, "", 0);
        sgn_error err;
        check_ok(sgn_tokenizer_save(t, check_path("kind.json"), &err), &err);
        sgn_tokenizer *again = open_or_fail(check_path("kind.json"));
        assert_string_equal(sgn_tokenizer_kind_name(again), k->name);
        assert_string_equal(sgn_tokenizer_hash(again), sgn_tokenizer_hash(t));
        assert_int_equal(sgn_tokenizer_eot(again), sgn_tokenizer_eot(t));
        sgn_tokenizer_close(again);
    }
    for (size_t e = 0; e < sizeof examples / sizeof *examples; e++) sgn_tokenizer_close(examples[e]);
}

static void saved_is_equal(void **state) {
    (void)state;
    static const char *const pairs[][2] = { { "a", "b" }, { "\xC3", "\xA9" }, { " ", "ab" } };
    sgn_error err;
    sgn_tokenizer *a = with_merges(pairs, 3), *bytes = open_or_fail("byte"), *b;
    check_ok(sgn_tokenizer_save(a, check_path("tokenizer.json"), &err), &err);
    b = open_or_fail(check_directory);             /* a directory that holds one */
    assert_string_equal(sgn_tokenizer_hash(a), sgn_tokenizer_hash(b));
    assert_string_not_equal(sgn_tokenizer_hash(a), sgn_tokenizer_hash(bytes));
    assert_int_equal(sgn_tokenizer_eot(b), 259);
    check_ids(b, " ab\xC3\xA9", 5, (const int32_t[]){ 258, 257 }, 2);
    sgn_tokenizer_close(b);
    check_ok(sgn_tokenizer_save(bytes, check_path("byte.json"), &err), &err);
    b = open_or_fail(check_path("byte.json"));
    assert_string_equal(sgn_tokenizer_kind_name(b), "byte");
    assert_string_equal(sgn_tokenizer_hash(b), sgn_tokenizer_hash(bytes));
    sgn_tokenizer_close(a);
    sgn_tokenizer_close(b);
    sgn_tokenizer_close(bytes);
}

/* Merges of other order are another tokenizer, though the pieces are the same. */
static void hash_sees_the_order_of_merges(void **state) {
    (void)state;
    static const char *const one[][2] = { { "a", "b" }, { "b", "c" }, { "ab", "c" }, { "a", "bc" } };
    static const char *const two[][2] = { { "a", "b" }, { "b", "c" }, { "a", "bc" }, { "ab", "c" } };
    sgn_tokenizer *a = with_merges(one, 4), *b = with_merges(two, 4);
    assert_int_equal(sgn_tokenizer_vocab(a), sgn_tokenizer_vocab(b));
    assert_string_not_equal(sgn_tokenizer_hash(a), sgn_tokenizer_hash(b));
    sgn_tokenizer_close(a);
    sgn_tokenizer_close(b);
}

/* --- what is refused ---------------------------------------------------------------------------- */

static void put_text(const char *path, const char *text) {
    sgn_error err;
    check_ok(sgn_file_write(path, text, strlen(text), &err), &err);
}

/* The byte tokenizer's file with one passage replaced. */
static void check_refused(const char *from, const char *to, sgn_status status, const char *mention) {
    sgn_error err;
    char *text;
    size_t size;
    check_ok(sgn_file_read(check_path("byte.json"), 1 << 20, &text, &size, &err), &err);
    char *at = strstr(text, from);
    if (!at) fail_msg("\"%s\" does not stand in the file", from);
    FILE *f = fopen(check_path("bad.json"), "wb");
    assert_non_null(f);
    fwrite(text, 1, (size_t)(at - text), f);
    fputs(to, f);
    fputs(at + strlen(from), f);
    fclose(f);
    free(text);
    sgn_tokenizer *t = NULL;
    check_fails(sgn_tokenizer_open(&t, check_path("bad.json"), &err), status, &err, mention);
    if (!strstr(err.text, "bad.json")) fail_msg("\"%s\" does not name the file", err.text);
    assert_null(t);
}

static void bad_files_are_refused(void **state) {
    (void)state;
    sgn_error err;
    sgn_tokenizer *t = open_or_fail("byte");
    check_ok(sgn_tokenizer_save(t, check_path("byte.json"), &err), &err);
    sgn_tokenizer_close(t);
    check_refused("\"A\": 65", "\"A\": 66", SGN_FORMAT, "id 66 belongs to both");
    check_refused("\"A\": 65", "\"A\": 400", SGN_FORMAT, "leaves a gap");
    check_refused("\"A\": 65", "\"A\": -1", SGN_FORMAT, "leaves a gap");
    check_refused("\"A\": 65", "\"A\": \"65\"", SGN_FORMAT, "leaves a gap");
    check_refused("\"A\": 65", "\"AA\": 65", SGN_FORMAT, "no piece for byte 0x41");
    check_refused("\"A\": 65", "\"\xE4\xB8\xAD\": 65", SGN_FORMAT, "not a byte-level piece");
    check_refused("\"A\": 65", "\"\": 65", SGN_FORMAT, "not a byte-level piece");
    check_refused("\"merges\": []", "\"merges\": [\"A B\"]", SGN_FORMAT, "not in the vocabulary");
    check_refused("\"merges\": []", "\"merges\": [\"A\"]", SGN_FORMAT, "merges[0]");
    check_refused("\"merges\": []", "\"merges\": [7]", SGN_FORMAT, "merges[0]");
    check_refused("\"merges\": []", "\"merges\": {}", SGN_FORMAT, "not an array");
    check_refused("\"BPE\"", "\"WordPiece\"", SGN_UNSUPPORTED, "model.type is \"WordPiece\"");
    check_refused("\"BPE\"", "\"Unigram\"", SGN_UNSUPPORTED, "model.dropout");
    check_refused("\"dropout\": null", "\"dropout\": 0.1", SGN_UNSUPPORTED, "model.dropout is 0.1");
    check_refused("\"end_of_word_suffix\": null", "\"end_of_word_suffix\": \"</w>\"", SGN_UNSUPPORTED, "model.end_of_word_suffix is \"</w>\"");
    check_refused("\"ByteLevel\"", "\"Whitespaces\"", SGN_UNSUPPORTED, "pre_tokenizer.type is \"Whitespaces\"");
    check_refused("\"trim_offsets\"", "\"trim\"", SGN_UNSUPPORTED, "pre_tokenizer.trim is true");
    check_refused("\"normalizer\": null", "\"normalizer\": {\"type\": \"Nmt\"}", SGN_UNSUPPORTED, "normalizer.type is \"Nmt\"");
    check_refused("\"normalizer\": null", "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, {\"type\": 3}]}",
                  SGN_UNSUPPORTED, "normalizer.normalizers[1].type is 3");
    check_refused("\"normalizer\": null", "\"normalizer\": {\"type\": \"Replace\", \"pattern\": \"a\", \"content\": \"b\"}",
                  SGN_UNSUPPORTED, "normalizer.pattern is \"a\"");
    check_refused("\"post_processor\": null", "\"post_processor\": {\"type\": \"Odd\"}", SGN_UNSUPPORTED, "post_processor.type is \"Odd\"");
    check_refused("\"post_processor\": null",
                  "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<s>\"}}]}",
                  SGN_FORMAT, "post_processor: \"<s>\" is not in the vocabulary");
    check_refused("\"decoder\": {\n  \"type\": \"ByteLevel\"", "\"decoder\": {\n  \"type\": \"CTC\"", SGN_UNSUPPORTED, "decoder.type is \"CTC\"");
    check_refused("\"single_word\"", "\"one_word\"", SGN_UNSUPPORTED, "added_tokens[0].one_word is false");
    check_refused("\"content\": \"<|endoftext|>\"", "\"content\": 7", SGN_FORMAT, "added_tokens[0].content");
    check_refused("\"padding\": null", "\"stuffing\": null", SGN_UNSUPPORTED, "the file.stuffing");
    check_refused("\"version\"", "\"versi", SGN_FORMAT, "line 2");
    check_refused("\"A\": 65", "\"B\": 65", SGN_FORMAT, "duplicate");                                              /* rule 62 */
    check_refused("\"merges\": []", "\"merges\": [], \"vocab\": {}", SGN_FORMAT, "duplicate");                      /* rule 117 */
    check_refused("\"merges\": []", "\"merges\": [\"A\", \"B\", \"A B C\"]", SGN_FORMAT, "merges[0]");
    check_refused("\"A\": 65", "\"A\": 6.5e1", SGN_FORMAT, "id -1 of \"A\"");                                      /* rule 119 */
    check_refused("\"A\": 65", "\"A\": 99999999999999999999", SGN_FORMAT, "line ");
    check_refused("\"A\": 65", "\"\\u0000\": 65", SGN_FORMAT, "stands for no character");                                            /* rule 120 */
    check_refused("\"A\": 65", "\"\\ud800\": 65", SGN_FORMAT, "half of a pair");
    check_refused("\"A\": 65", "\"\xC3\x28\": 65", SGN_FORMAT, "line ");                                            /* rule 61 */
    check_refused("{", "\xEF\xBB\xBF{", SGN_FORMAT, "byte order mark");                                              /* rule 121 */
    check_refused("\"dropout\": null", "\"dropout\": NaN", SGN_FORMAT, "line ");                                    /* rule 126 */
    put_text(check_path("bad.json"), "{\"pre_tokenizer\": {\"type\": \"Split\", \"behavior\": \"Isolated\", \"invert\": false, \"pattern\": {\"Regex\": \"(\"}}, "
             "\"model\": {\"type\": \"BPE\", \"unk_token\": \"a\", \"vocab\": {\"a\": 0}, \"merges\": []}}");
    check_fails(sgn_tokenizer_open(&t, check_path("bad.json"), &err), SGN_UNSUPPORTED, &err, "bad.json: the split pattern \"(\" is not one");
    put_text(check_path("bad.json"), "{\"model\": {\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}}");          /* rule 64 */
    check_fails(sgn_tokenizer_open(&t, check_path("bad.json"), &err), SGN_FORMAT, &err, "model.vocab is not an object of 1 to");
    put_text(check_path("empty.json"), "{}");
    check_fails(sgn_tokenizer_open(&t, check_path("empty.json"), &err), SGN_UNSUPPORTED, &err, "model.type is absent");
    check_fails(sgn_tokenizer_open(&t, check_path("nowhere"), &err), SGN_IO, &err, "nowhere");
}

static void doubled_merge_is_refused(void **state) {
    (void)state;
    sgn_error err;
    sgn_vocabulary v = { 0 };
    sgn_tokenizer *t;
    check_ok(sgn_vocabulary_bytes(&v, &err), &err);
    check_ok(sgn_vocabulary_add(&v, "ab", 2, false, "test", &err), &err);
    check_fails(sgn_vocabulary_add(&v, "ab", 2, false, "test", &err), SGN_FORMAT, &err, "has the bytes of piece 256");
    for (int i = 0; i < 2; i++) check_ok(sgn_vocabulary_merge(&v, 'a', 'b', "test", &err), &err);
    check_fails(sgn_tokenizer_from(&t, &v, "test", &err), SGN_FORMAT, &err, "model.merges[1] is merge 0 again");
    assert_null(t);
}

/* --- streaming ---------------------------------------------------------------------------------- */

static void decoder_keeps_characters_whole(void **state) {
    (void)state;
    sgn_error err;
    sgn_tokenizer *t = open_or_fail("byte");
    sgn_decoder d = { 0 };
    const char *text;
    size_t n;
    const unsigned char in[] = { 'a', 0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0x80, 0xF0, 0x9F, 'b', 0xC3 };
    static const char *const out[] = { "a", "", "", "\xE2\x82\xAC", "", "", "", "\xF0\x9F\x98\x80", "", "", ("\xF0\x9F" "b"), "" };
    for (size_t i = 0; i < sizeof in; i++) {
        check_ok(sgn_decoder_put(&d, t, in[i], &text, &n, &err), &err);
        assert_int_equal(n, strlen(out[i]));
        assert_memory_equal(text, out[i], n);
    }
    check_ok(sgn_decoder_put(&d, t, 256, &text, &n, &err), &err);
    assert_int_equal(n, 0);
    sgn_decoder_end(&d, &text, &n);
    assert_int_equal(n, 1);
    assert_memory_equal(text, "\xC3", 1);
    d.specials = true;
    check_ok(sgn_decoder_put(&d, t, 256, &text, &n, &err), &err);
    assert_int_equal(n, strlen(SGN_EOT));
    check_fails(sgn_decoder_put(&d, t, 257, &text, &n, &err), SGN_FORMAT, &err, "257");
    sgn_decoder_free(&d);
    sgn_tokenizer_close(t);
}

/* --- against others ------------------------------------------------------------------------------ */

/* Expected ids: llama.cpp's test vectors for GPT-2, one line per text. */
static void gpt2_vectors(void **state) {
    (void)state;
    const char *inputs = check_shared("data/tokenizers/vectors/gpt-2.inp");
    const char *outputs = check_shared("data/tokenizers/vectors/gpt-2.out");
    const char *json = check_path("gpt2.json");
    if (!inputs || !outputs || !gpt2_json_write(json)) return;
    sgn_error err;
    sgn_tokenizer *t = open_or_fail(json);
    char *in, *out;
    size_t in_size, out_size;
    check_ok(sgn_file_read(inputs, 1 << 20, &in, &in_size, &err), &err);
    check_ok(sgn_file_read(outputs, 1 << 20, &out, &out_size, &err), &err);
    int texts = 0;
    static const char mark[] = "\n__ggml_vocab_test__\n";
    for (char *at = in, *line = out, *end; (end = strstr(at, mark)) != NULL; at = end + strlen(mark), texts++) {
        int32_t want[2048];
        size_t count = 0;
        for (; *line != '\n'; count++) {
            while (*line == ' ') line++;
            if (*line == '\n') break;
            want[count] = (int32_t)strtol(line, &line, 10);
        }
        line++;
        check_ids(t, at, (size_t)(end - at), want, count);
        check_round_trip(t, at, (size_t)(end - at));
    }
    assert_int_equal(texts, 46);
    assert_int_equal(sgn_tokenizer_eot(t), 50256);
    check_ok(sgn_tokenizer_save(t, check_path("again.json"), &err), &err);
    sgn_tokenizer *again = open_or_fail(check_path("again.json"));
    assert_string_equal(sgn_tokenizer_hash(again), sgn_tokenizer_hash(t));
    free(in);
    free(out);
    sgn_tokenizer_close(t);
    sgn_tokenizer_close(again);
}

/* --- several threads ----------------------------------------------------------------------------- */

typedef struct { const sgn_tokenizer *t; bool equal[64]; } crowd;

static void encode_some(void *ctx, int64_t begin, int64_t end) {
    crowd *c = ctx;
    for (int64_t i = begin; i < end; i++) {
        sgn_ids ids = { 0 };
        c->equal[i] = sgn_tokenizer_encode(c->t, "abab abc", 8, &ids, NULL) == SGN_OK && ids.count == 4
                      && ids.id[0] == 256 && ids.id[1] == 256 && ids.id[3] == 257;
        sgn_ids_free(&ids);
    }
}

static void threads_share_a_tokenizer(void **state) {
    (void)state;
    static const char *const pairs[][2] = { { "a", "b" }, { "ab", "c" } };
    crowd c = { .t = with_merges(pairs, 2) };
    sgn_threads_set(4);
    sgn_parallel(64, 1, encode_some, &c);
    for (int i = 0; i < 64; i++) assert_true(c.equal[i]);
    sgn_tokenizer_close((sgn_tokenizer *)(uintptr_t)c.t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_ids), cmocka_unit_test(merges_in_rank_order),
        cmocka_unit_test(long_words_as_the_slow_way), cmocka_unit_test(garbage_survives),
        cmocka_unit_test(words_of_the_pattern), cmocka_unit_test(every_kind), cmocka_unit_test(saved_is_equal),
        cmocka_unit_test(hash_sees_the_order_of_merges), cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(doubled_merge_is_refused), cmocka_unit_test(decoder_keeps_characters_whole),
        cmocka_unit_test(gpt2_vectors), cmocka_unit_test(threads_share_a_tokenizer),
    };
    return check_run(tests);
}
