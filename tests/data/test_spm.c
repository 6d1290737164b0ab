/* SentencePiece models: ids against llama.cpp's published vectors and against each other's formats, refusals of the reader.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/archive.h"
#include "core/base64.h"
#include "data/protobuf.h"
#include "data/spm.h"
#include "data/spm_gguf.h"
#include "data/tokenizer.h"
#include "data/tokenizer_kind.h"

/* --- a small model, built field by field, with one thing changed ----------------------------------------- */

typedef struct {
    const char *piece;
    float       score;
    int         type;
} entry;

static void put_piece(sgn_proto_writer *w, const char *piece, size_t n, float score, int type) {
    sgn_proto_writer part = { 0 };
    sgn_proto_put_bytes(&part, 1, piece, n);
    sgn_proto_put_float(&part, 2, score);
    if (type != 1) sgn_proto_put_varint(&part, 3, (uint64_t)type);
    sgn_proto_put_bytes(w, 1, part.data, part.size);
    free(part.data);
}

static const entry plain[] = {
    { "<unk>", 0, 2 }, { "<s>", 0, 3 }, { "</s>", 0, 3 }, { "\xE2\x96\x81", -3, 1 }, { "a", -4, 1 }, { "b", -5, 1 },
    { "ab", -1, 1 }, { "\xE2\x96\x81" "ab", -2, 1 }, { "ba", -1, 1 }, { "XY", 0, 4 }, { "X", -6, 1 },
};
enum { PLAIN = sizeof plain / sizeof *plain, UNIGRAM = 1, BPE = 2 };

static sgn_proto_writer model_of(const entry *e, size_t n, int type, int vocab_size, bool squeeze) {
    sgn_proto_writer w = { 0 }, part = { 0 };
    for (size_t i = 0; i < n; i++) put_piece(&w, e[i].piece, strlen(e[i].piece), e[i].score, e[i].type);
    sgn_proto_put_varint(&part, 3, (uint64_t)type);
    sgn_proto_put_varint(&part, 4, (uint64_t)vocab_size);
    sgn_proto_put_bytes(&w, 2, part.data, part.size);
    part.size = 0;
    sgn_proto_put_bytes(&part, 1, "identity", 8);
    sgn_proto_put_varint(&part, 4, squeeze);
    sgn_proto_put_bytes(&w, 3, part.data, part.size);
    free(part.data);
    return w;
}

static sgn_tokenizer *opened(sgn_proto_writer w) {
    sgn_error err = { 0 };
    sgn_vocabulary v = { 0 };
    sgn_tokenizer *t;
    check_ok(sgn_spm_parse(&v, w.data, w.size, "test.model", &err), &err);
    check_ok(sgn_tokenizer_from(&t, &v, "test.model", &err), &err);
    free(w.data);
    return t;
}

static void check_ids(const sgn_tokenizer *t, const char *text, unsigned flags, const char *expected) {
    sgn_error err = { 0 };
    sgn_ids ids = { 0 };
    char got[256] = "";
    check_ok(sgn_tokenizer_encode_as(t, text, strlen(text), flags, &ids, &err), &err);
    for (size_t i = 0; i < ids.count; i++) snprintf(got + strlen(got), sizeof got - strlen(got), "%s%d", i ? " " : "", ids.id[i]);
    if (strcmp(got, expected) != 0) fail_msg("\"%s\" gives %s, expected %s", text, got, expected);
    sgn_ids_free(&ids);
}

static void check_text(const sgn_tokenizer *t, const int32_t *id, size_t n, const char *expected) {
    sgn_error err = { 0 };
    sgn_decoder d = { 0 };
    char got[256] = "";
    const char *text;
    size_t size;
    for (size_t i = 0; i < n; i++) {
        check_ok(sgn_decoder_put(&d, t, id[i], &text, &size, &err), &err);
        strncat(got, text, size);
    }
    sgn_decoder_end(&d, &text, &size);
    strncat(got, text, size);
    assert_string_equal(got, expected);
    sgn_decoder_free(&d);
}

/* Worked out by hand from the scores: the best pair first, the leftmost of equal ones. */
static void joins_by_score(void **state) {
    (void)state;
    sgn_tokenizer *t = opened(model_of(plain, PLAIN, BPE, PLAIN, false));
    check_ids(t, "", 0, "");
    check_ids(t, "ab", 0, "7");                    /* _ab */
    check_ids(t, "ab", SGN_ENCODE_CONTINUES, "6");
    check_ids(t, "aba", 0, "7 4");                 /* ab and ba score the same: ab is left */
    check_ids(t, "bab", 0, "3 8 5");               /* _ ba b */
    check_ids(t, "  ab", 0, "3 3 7");
    check_ids(t, "X XY", 0, "3 10 3 9");           /* the user's piece is taken first */
    check_ids(t, "aXYb", 0, "3 4 9 5");
    check_ids(t, "zz az", 0, "3 0 3 4 0");         /* unknown ones in a row are one */
    check_ids(t, "<s>", 0, "3 0");                 /* text is text */
    check_ids(t, "ab<s>ab</s>", SGN_ENCODE_SPECIALS, "7 1 7 2");
    check_text(t, (const int32_t[]){ 1, 7, 3, 7, 2 }, 5, "ab  ab");
    check_text(t, (const int32_t[]){ 0, 4 }, 2, " \xE2\x81\x87 a");
    assert_int_equal(sgn_tokenizer_bos(t), 1);
    assert_int_equal(sgn_tokenizer_eot(t), 2);
    sgn_tokenizer_close(t);
    t = opened(model_of(plain, PLAIN, BPE, PLAIN, true));
    check_ids(t, "  ab   ab ", 0, "7 7");
    check_ids(t, "   ", 0, "");
    sgn_tokenizer_close(t);
}

static void unigram_sums_scores(void **state) {
    (void)state;
    sgn_tokenizer *t = opened(model_of(plain, PLAIN, UNIGRAM, PLAIN, false));
    check_ids(t, "ab", 0, "7");                    /* -2 > -3 - 1 */
    check_ids(t, "aba", 0, "7 4");                 /* -6 > -3 - 4 - 1 */
    check_ids(t, "XYz", 0, "3 9 0");
    sgn_tokenizer_close(t);
}

/* An unused piece is built, then taken apart the way it was last offered. */
static void unused_is_taken_apart(void **state) {
    (void)state;
    entry e[PLAIN + 1];
    memcpy(e, plain, sizeof plain);
    e[6].type = 5;                                 /* ab */
    e[PLAIN] = (entry){ "abba", -7, 1 };
    sgn_tokenizer *t = opened(model_of(e, PLAIN + 1, BPE, PLAIN + 1, false));
    check_ids(t, "aab", SGN_ENCODE_CONTINUES, "4 4 5");
    check_ids(t, "abba", SGN_ENCODE_CONTINUES, "11");
    sgn_tokenizer_close(t);
}

/* --- refusals (docs/formats/tokenizer.md) ------------------------------------------------------------------- */

static void check_refused(sgn_proto_writer w, sgn_status status, const char *says) {
    sgn_error err = { 0 };
    sgn_vocabulary v = { 0 };
    uint8_t *exact = malloc(w.size + 1);           /* a byte read past the end is seen by the sanitizer */
    memcpy(exact, w.data, w.size);
    check_fails(sgn_spm_parse(&v, exact, w.size, "bad.model", &err), status, &err, says);
    assert_non_null(strstr(err.text, "bad.model"));
    sgn_vocabulary_free(&v);
    free(exact);
    free(w.data);
}

static void refuses_bytes(void **state) {
    (void)state;
    static const struct { const char *bytes; size_t n; const char *says; } cases[] = {
        { "\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 12, "more than 64 bits" },
        { "\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 11, "more than 64 bits" },
        { "\x08\x80", 2, "ends inside a number" },
        { "\x0A\x05" "abc", 5, "byte 1: field 1 of the model claims 5 bytes, 3 are left" },
        { "\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11, "18446744073709551615" },
        { "\x02\x01" "a", 3, "number 0" },
        { "\x0B", 1, "wire type 3" }, { "\x0C", 1, "wire type 4" }, { "\x0E", 1, "wire type 6" }, { "\x0F", 1, "wire type 7" },
        { "\x09" "1234567", 8, "needs 8 bytes" }, { "\x0D" "123", 4, "needs 4 bytes" },
        { "", 0, "0 pieces" }, { "\x12\x00", 2, "0 pieces" },
        { "\x08\x01", 2, "pieces has wire type 0" },
        { "\x0A\x04\x0A\x09" "ab", 6, "byte 3: field 1 of pieces claims 9 bytes, 2 are left" },
        { "\x0A\x02\x08\x01", 4, "pieces.piece has wire type 0" },
        { "\x0A\x02\x10\x01", 4, "pieces.score has wire type 0" },
        { "\x0A\x02\x1A\x00", 4, "pieces.type has wire type 2" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sgn_proto_writer w = { .data = malloc(cases[i].n + 1), .size = cases[i].n };
        memcpy(w.data, cases[i].bytes, cases[i].n);
        check_refused(w, SGN_FORMAT, cases[i].says);
    }
}

static void refuses_pieces(void **state) {
    (void)state;
    static char longest[SGN_PIECE_MAX + 2];
    memset(longest, 'x', SGN_PIECE_MAX + 1);
    const struct { int at; entry e; const char *says; } cases[] = {
        { 4, { "", -1, 1 }, "0 bytes" }, { 4, { longest, -1, 1 }, "1025 bytes" }, { 4, { "\xFF", -1, 1 }, "pieces[4].piece is not UTF-8" },
        { 4, { "b", -1, 1 }, "piece 5 (\"b\") has the bytes of piece 4" }, { 4, { "a", NAN, 1 }, "pieces[4].score" },
        { 4, { "a", -INFINITY, 1 }, "pieces[4].score" }, { 4, { "a", -1, 7 }, "pieces[4].type is 7" }, { 4, { "a", -1, 0 }, "pieces[4].type is 0" },
        { 0, { "<unk>", 0, 1 }, "none of the 11 pieces is the unknown one" }, { 4, { "a", 0, 2 }, "pieces 0 and 4 are both the unknown" },
        { 4, { "<0xZZ>", 0, 6 }, "pieces[4]" }, { 4, { "<0x-1>", 0, 6 }, "pieces[4]" }, { 4, { "<0x1>", 0, 6 }, "pieces[4]" },
        { 4, { "<0xaa>", 0, 6 }, "pieces[4]" }, { 4, { "<0x41>", 0, 6 }, "byte 0x41, but trainer_spec.byte_fallback is not set" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        entry e[PLAIN];
        memcpy(e, plain, sizeof plain);
        e[cases[i].at] = cases[i].e;
        check_refused(model_of(e, PLAIN, BPE, PLAIN, false), SGN_FORMAT, cases[i].says);
    }
}

static void refuses_settings(void **state) {
    (void)state;
    static const struct { uint32_t field; int64_t value; const char *says; } cases[] = {
        { 4, 12, "trainer_spec.vocab_size is 12, but there are 11 pieces" }, { 35, 1, "no piece for byte 0x00" },
        { 40, 4, "trainer_spec.unk_id is 4" }, { 41, 11, "bos_id is 11" }, { 42, -2, "eos_id is -2" }, { 43, 2, "another special id" },
        { 42, 1, "another special id" }, { 41, 0, "another special id" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sgn_proto_writer w = model_of(plain, PLAIN, BPE, PLAIN, false), part = { 0 };
        sgn_proto_put_varint(&part, cases[i].field, (uint64_t)cases[i].value);
        sgn_proto_put_bytes(&w, 2, part.data, part.size);
        free(part.data);
        check_refused(w, SGN_FORMAT, cases[i].says);
    }
    check_refused(model_of(plain, PLAIN, 3, PLAIN, false), SGN_UNSUPPORTED, "model_type is 3 (Word)");
    check_refused(model_of(plain, PLAIN, 4, PLAIN, false), SGN_UNSUPPORTED, "model_type is 4 (Char)");
    check_refused(model_of(plain, PLAIN, 9, PLAIN, false), SGN_UNSUPPORTED, "model_type is 9");
}

/* Units of a double array: label, leaf, offset to the next node. */
static uint32_t unit(unsigned char label, bool leaf, uint32_t offset) { return label | (uint32_t)leaf << 8 | offset << 10; }

static sgn_proto_writer with_charsmap(const uint32_t *units, uint32_t count, uint32_t bytes, const char *strings, size_t n) {
    sgn_proto_writer w = model_of(plain, PLAIN, BPE, PLAIN, false), part = { 0 };
    uint8_t *map = malloc(4 + 4 * count + n);
    for (int i = 0; i < 4; i++) map[i] = (uint8_t)(bytes >> 8 * i);
    for (uint32_t u = 0; u < count; u++)
        for (int i = 0; i < 4; i++) map[4 + 4 * u + (uint32_t)i] = (uint8_t)(units[u] >> 8 * i);
    memcpy(map + 4 + 4 * count, strings, n);
    sgn_proto_put_bytes(&part, 2, map, 4 + 4 * count + n);
    sgn_proto_put_bytes(&w, 3, part.data, part.size);
    free(map);
    free(part.data);
    return w;
}

static void check_charsmap_refused(sgn_proto_writer w, const char *says) {
    sgn_error err = { 0 };
    sgn_vocabulary v = { 0 };
    sgn_tokenizer *t;
    check_ok(sgn_spm_parse(&v, w.data, w.size, "bad.model", &err), &err);
    check_fails(sgn_tokenizer_from(&t, &v, "bad.model", &err), SGN_FORMAT, &err, says);
    free(w.data);
}

/* 'z' becomes "ab"; then the same table broken in each way. */
static void charsmap(void **state) {
    (void)state;
    enum { UNITS = 768, NODE = 256, NEXT = 512 };
    uint32_t u[UNITS];
    for (int i = 0; i < UNITS; i++) u[i] = 0x80000000u;    /* no byte's label */
    u[0] = unit(0, false, NODE);
    u[NODE ^ 'z'] = unit('z', true, (NODE ^ 'z') ^ NEXT);
    u[NEXT] = 0x80000000u | 1;                     /* strings + 1 */
    sgn_tokenizer *t = opened(with_charsmap(u, UNITS, sizeof u, "-ab", 4));
    check_ids(t, "z zz", 0, "7 7 6");
    sgn_tokenizer_close(t);
    check_charsmap_refused(with_charsmap(u, UNITS, sizeof u + 8, "-ab", 4), "precompiled_charsmap");
    check_charsmap_refused(with_charsmap(u, UNITS, sizeof u - 2, "-ab", 4), "precompiled_charsmap");
    check_charsmap_refused(with_charsmap(u, UNITS, sizeof u, "-ab", 3), "has no end");
    u[NEXT] = 0x80000000u | 4;
    check_charsmap_refused(with_charsmap(u, UNITS, sizeof u, "-ab", 4), "names string 4, but there are 4 bytes");
    u[NEXT] = 0x80000000u | 1;
    u[NODE ^ 'z'] = unit('z', true, 4096);
    check_charsmap_refused(with_charsmap(u, UNITS, sizeof u, "-ab", 4), "leads to unit");
    u[NODE ^ 'z'] = unit('z', false, (NODE ^ 'z') ^ NODE);
    check_charsmap_refused(with_charsmap(u, UNITS, sizeof u, "-ab", 4), "loop");
    u[0] = unit(0, false, 800);
    check_charsmap_refused(with_charsmap(u, UNITS, sizeof u, "-ab", 4), "leads to unit");
}

/* --- formats ------------------------------------------------------------------------------------------------ */

/* What is saved, as JSON or as a model, is the same tokenizer; so is the one in a GGUF file. */
static void travels(void **state) {
    (void)state;
    sgn_error err = { 0 };
    sgn_tokenizer *t = opened(model_of(plain, PLAIN, BPE, PLAIN, false)), *u;
    static const char *const names[] = { "tokenizer.json", "saved.model" };
    for (int i = 0; i < 2; i++) {
        check_ok(sgn_tokenizer_save(t, check_path(names[i]), &err), &err);
        check_ok(sgn_tokenizer_open(&u, check_path(names[i]), &err), &err);
        assert_string_equal(sgn_tokenizer_hash(u), sgn_tokenizer_hash(t));
        check_ids(u, "ab XYz", 0, "7 3 9 0");
        sgn_tokenizer_close(u);
    }
    sgn_tokenizer_close(t);
}

static void write_gguf(const char *path, uint64_t scores, sgn_meta_type score_type) {
    sgn_error err = { 0 };
    const char *model[] = { "llama" }, *tokens[PLAIN];
    float score[PLAIN];
    int32_t type[PLAIN];
    const uint32_t bos[] = { 1 }, eos[] = { 2 };
    const uint8_t no[] = { 0 };
    for (int i = 0; i < PLAIN; i++) tokens[i] = plain[i].piece, score[i] = plain[i].score, type[i] = plain[i].type;
    const sgn_meta meta[] = {
        { "general.architecture", SGN_META_TEXT, false, 1, model }, { "tokenizer.ggml.model", SGN_META_TEXT, false, 1, model },
        { "tokenizer.ggml.tokens", SGN_META_TEXT, true, PLAIN, tokens }, { "tokenizer.ggml.scores", score_type, true, scores, score },
        { "tokenizer.ggml.token_type", SGN_META_I32, true, PLAIN, type }, { "tokenizer.ggml.bos_token_id", SGN_META_U32, false, 1, bos },
        { "tokenizer.ggml.eos_token_id", SGN_META_U32, false, 1, eos }, { "tokenizer.ggml.add_space_prefix", SGN_META_BOOL, false, 1, no },
    };
    const float one[32] = { 0 };
    const sgn_array a = sgn_array_make("x", SGN_DTYPE_F32, 1, (int64_t[]){ 32 });
    check_ok(sgn_archive_write_meta("gguf", path, &a, (const void *const[]){ one }, 1, meta, sizeof meta / sizeof *meta, &err), &err);
}

static void gguf(void **state) {
    (void)state;
    sgn_error err = { 0 };
    sgn_tokenizer *t;
    const char *path = check_path("v.gguf");
    write_gguf(path, PLAIN, SGN_META_F32);
    check_ok(sgn_tokenizer_open(&t, path, &err), &err);
    check_ids(t, "ab ab", 0, "6 7");               /* no space is put before */
    assert_int_equal(sgn_tokenizer_eot(t), 2);
    sgn_tokenizer_close(t);
    write_gguf(path, PLAIN - 1, SGN_META_F32);
    check_fails(sgn_tokenizer_open(&t, path, &err), SGN_FORMAT, &err, "tokenizer.ggml.scores");
    write_gguf(path, PLAIN, SGN_META_I32);
    check_fails(sgn_tokenizer_open(&t, path, &err), SGN_FORMAT, &err, "tokenizer.ggml.scores");
}

/* What is written is read as the same model, whether or not a matrix has more rows than the tokenizer ids. */
static void check_lists(sgn_vocabulary *v, int more, const char *model, const char *passed_over) {
    sgn_error err = { 0 };
    sgn_spm_lists l;
    sgn_vocabulary again = { 0 };
    const char *path = check_path("lists.gguf");
    const float one[32] = { 0 };
    const sgn_array a = sgn_array_make("x", SGN_DTYPE_F32, 1, (int64_t[]){ 32 });
    check_ok(sgn_spm_lists_make(&l, v, v->count + more, &err), &err);
    assert_string_equal(l.model, model);
    assert_true(passed_over ? l.passed_over && strcmp(l.passed_over, passed_over) == 0 : !l.passed_over);
    assert_int_equal(l.meta[1].count, v->count + more);
    check_ok(sgn_archive_write_meta("gguf", path, &a, (const void *const[]){ one }, 1, l.meta, l.metas, &err), &err);
    sgn_spm_lists_free(&l);
    check_ok(sgn_spm_load_gguf(&again, path, &err), &err);
    assert_int_equal(again.count, v->count);
    assert_int_equal(again.spm->bos, v->spm->bos);
    assert_int_equal(again.spm->eos, v->spm->eos);
    assert_int_equal(again.spm->unigram, v->spm->unigram);
    assert_int_equal(again.spm->squeeze, v->spm->squeeze);
    assert_int_equal(again.spm->dummy_prefix, v->spm->dummy_prefix);
    assert_int_equal(again.spm->charsmap_size, v->spm->charsmap_size);
    for (int32_t i = 0; i < v->count; i++) {
        size_t n, m;
        const char *piece = sgn_vocabulary_piece(v, i, &n), *back = sgn_vocabulary_piece(&again, i, &m);
        assert_true(n == m && memcmp(piece, back, n) == 0);
        assert_true(again.spm->score[i] == v->spm->score[i] && again.spm->type[i] == v->spm->type[i]);
    }
    sgn_vocabulary_free(&again);
}

static void lists(void **state) {
    (void)state;
    sgn_error err = { 0 };
    sgn_spm_lists l;
    for (int type = UNIGRAM; type <= BPE; type++)
        for (int squeeze = 0; squeeze < 2; squeeze++) {
            sgn_proto_writer w = model_of(plain, PLAIN, type, PLAIN, squeeze);
            sgn_vocabulary v = { 0 };
            check_ok(sgn_spm_parse(&v, w.data, w.size, "test.model", &err), &err);
            free(w.data);
            check_lists(&v, 0, type == BPE ? "llama" : "t5", type == BPE && squeeze ? "removal of extra spaces" : NULL);
            check_lists(&v, 5, type == BPE ? "llama" : "t5", type == BPE && squeeze ? "removal of extra spaces" : NULL);
            check_fails(sgn_spm_lists_make(&l, &v, v.count - 1, &err), SGN_CONFIG, &err, "11 ids, the model 10");
            v.spm->escape = false;
            check_fails(sgn_spm_lists_make(&l, &v, v.count, &err), SGN_UNSUPPORTED, &err, "plain spaces");
            sgn_vocabulary_free(&v);
        }
}

/* LLaMA's own: also its digest survives, by which a teacher in GGUF and shards of a tokenizer.model know each other. */
static void llama_in_gguf(void **state) {
    (void)state;
    sgn_error err = { 0 };
    sgn_vocabulary v = { 0 }, again = { 0 };
    static const char model[] = "../shared/data/tokenizers/llama/tokenizer.model";
    if (!sgn_file_exists(model)) {
        print_message("SKIPPED: %s is not there; this test needs it\n", model);
        skip();
    }
    check_ok(sgn_vocabulary_open(&v, model, &err), &err);
    check_lists(&v, 64, "llama", NULL);
    check_ok(sgn_vocabulary_open(&again, check_path("lists.gguf"), &err), &err);
    assert_string_equal(sgn_vocabulary_digest(&again).hex, sgn_vocabulary_digest(&v).hex);
    sgn_vocabulary_free(&again);
    sgn_vocabulary_free(&v);
}

static void base64(void **state) {
    (void)state;
    static const char *const cases[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" } };     /* RFC 4648 */
    uint8_t back[8];
    size_t n;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = sgn_base64_write(cases[i][0], strlen(cases[i][0]));
        assert_string_equal(text, cases[i][1]);
        assert_true(sgn_base64_read(text, strlen(text), back, &n));
        assert_int_equal(n, strlen(cases[i][0]));
        assert_memory_equal(back, cases[i][0], n);
        free(text);
    }
    static const char *const bad[] = { "Zg=", "Z===", "Zg==Zg==", "Z g=", "Zm9_" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(sgn_base64_read(bad[i], strlen(bad[i]), back, &n));
}

/* --- LLaMA's vocabulary ---------------------------------------------------------------------------------------- */

/* llama.cpp's vectors: texts between marks, a line of ids for each. */
static void llama_vectors(void **state) {
    (void)state;
    const char *model[] = { check_shared("data/tokenizers/llama/tokenizer.model"), check_shared("data/tokenizers/llama/tokenizer.bin") };
    const char *inp = check_shared("data/tokenizers/vectors/llama-spm.inp"), *out = check_shared("data/tokenizers/vectors/llama-spm.out");
    if (!model[0] || !model[1] || !inp || !out) return;
    static const char mark[] = "\n__ggml_vocab_test__\n";
    sgn_error err = { 0 };
    char *texts, *lines;
    size_t size;
    for (int m = 0; m < 2; m++) {
        sgn_tokenizer *t;
        check_ok(sgn_tokenizer_open(&t, model[m], &err), &err);
        check_ok(sgn_file_read(inp, 1 << 20, &texts, &size, &err), &err);
        check_ok(sgn_file_read(out, 1 << 20, &lines, &size, &err), &err);
        int count = 0;
        char *line = lines;
        for (char *text = texts, *end; text; text = end ? end + strlen(mark) : NULL, count++) {
            end = strstr(text, mark);
            if (end) *end = '\0';
            char *stop = strchr(line, '\n');
            if (stop) *stop = '\0';
            sgn_ids ids = { 0 };
            check_ok(sgn_tokenizer_encode(t, text, strlen(text), &ids, &err), &err);
            for (size_t i = 0; i < ids.count; i++) assert_int_equal(ids.id[i], strtol(line, &line, 10));
            assert_int_equal(strspn(line, " "), strlen(line));
            char *whole = calloc(1, 2 * strlen(text) + 64);
            const char *piece;
            size_t n;
            sgn_decoder d = { 0 };
            for (size_t i = 0; i < ids.count; i++) {
                check_ok(sgn_decoder_put(&d, t, ids.id[i], &piece, &n, &err), &err);
                strncat(whole, piece, n);
            }
            assert_string_equal(whole, text);
            free(whole);
            sgn_decoder_free(&d);
            sgn_ids_free(&ids);
            line = stop ? stop + 1 : line;
        }
        assert_int_equal(count, 47);
        free(texts);
        free(lines);
        sgn_tokenizer_close(t);
    }
}

static void llama2c_refusals(void **state) {
    (void)state;
    static const struct { const char *bytes; size_t n; const char *says; } cases[] = {
        { "\x05\0", 2, "no tokenizer.bin" }, { "\x05\0\0\0\0\0\0\0\x09\0\0\0<unk>", 17, "piece 0 claims 9 bytes" },
        { "\x03\0\0\0\0\0\0\0\x05\0\0\0<unk>", 17, "the longest has 3" }, { "\x05\0\0\0\0\0\0\0\x05\0\0\0<unk>\0\0", 19, "byte 17: piece 1" },
        { "\x05\0\0\0\0\0\0\0\x05\0\0\0<unk>", 17, "byte 0x00" }, { "\x05\0\0\0\0\0\xC0\x7F\x05\0\0\0<unk>", 17, "pieces[0].score" },
    };
    sgn_error err = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sgn_tokenizer *t;
        check_ok(sgn_file_write(check_path("bad.bin"), cases[i].bytes, cases[i].n, &err), &err);
        check_fails(sgn_tokenizer_open(&t, check_path("bad.bin"), &err), SGN_FORMAT, &err, cases[i].says);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_by_score), cmocka_unit_test(unigram_sums_scores), cmocka_unit_test(unused_is_taken_apart),
        cmocka_unit_test(refuses_bytes), cmocka_unit_test(refuses_pieces), cmocka_unit_test(refuses_settings), cmocka_unit_test(charsmap),
        cmocka_unit_test(travels), cmocka_unit_test(gguf), cmocka_unit_test(lists), cmocka_unit_test(llama_in_gguf), cmocka_unit_test(base64), cmocka_unit_test(llama_vectors),
        cmocka_unit_test(llama2c_refusals),
    };
    return check_run(tests);
}
