/* SPDX-License-Identifier: MIT */
#include "text_files.h"
#include "core/rng.h"
#include "data/bpe_train.h"
#include "data/pretokenize.h"
#include "data/tokenizer_kind.h"

static sgn_status train(sgn_tokenizer **t, const char *path, sgn_bpe_options o, sgn_error *err) {
    sgn_text *text;
    *t = NULL;
    SGN_TRY(sgn_text_open(&text, &path, 1, &(sgn_text_options){ 0 }, err));
    const sgn_status s = sgn_bpe_train(t, text, &o, err);
    sgn_text_close(text);
    return s;
}

static void check_piece(const sgn_tokenizer *t, int32_t id, const char *want) {
    size_t n;
    const char *piece = sgn_tokenizer_piece(t, id, &n);
    if (!piece || n != strlen(want) || memcmp(piece, want, n) != 0)
        fail_msg("piece %d is \"%.*s\", expected \"%s\"", id, (int)n, piece ? piece : "", want);
}

/* By hand. Words: "ab" once, " ab" twice, " abc", " bc". Pairs: a+b 4, " "+a 3, b+c 2, " "+b 1. After
 * "ab": " "+ab 3, the others 1. After " ab" all have 1: " "+b (32, 98) is before b+c (98, 99) and
 * " ab"+c (257, 99); then " ab"+c (257, 99) is before " b"+c (258, 99). */
static void worked_example(void **state) {
    (void)state;
    sgn_error err;
    sgn_tokenizer *t;
    const char *path = put_text("a.txt", "ab ab ab abc bc");
    check_ok(train(&t, path, (sgn_bpe_options){ .vocab = 262, .min_count = 1 }, &err), &err);
    assert_int_equal(sgn_tokenizer_vocab(t), 262);
    static const char *const pieces[] = { "ab", " ab", " b", " abc", " bc" };
    for (int i = 0; i < 5; i++) check_piece(t, 256 + i, pieces[i]);
    for (int b = 1; b < 256; b++) check_piece(t, b, (char[]){ (char)b, 0 });
    assert_int_equal(sgn_tokenizer_eot(t), 261);
    sgn_tokenizer_close(t);
    check_ok(train(&t, path, (sgn_bpe_options){ .vocab = 262 }, &err), &err);      /* pairs seen twice or more only */
    assert_int_equal(sgn_tokenizer_vocab(t), 259);
    sgn_tokenizer_close(t);
    check_ok(train(&t, path, (sgn_bpe_options){ .vocab = 258 }, &err), &err);
    assert_int_equal(sgn_tokenizer_vocab(t), 258);
    check_piece(t, 256, "ab");
    sgn_tokenizer_close(t);
}

/* --- the same thing the slow way: count all pairs of all words again before each merge ---------------- */

enum { SYMBOLS = 20000, IDS = 420 };

typedef struct { int32_t id[SYMBOLS]; size_t n; } sequence;      /* words, -1 between them */

static void split_into(sequence *s, const char *text, size_t size) {
    sgn_error err;
    sgn_splitter *words;
    const char *word;
    size_t n;
    s->n = 0;
    check_ok(sgn_splitter_open(&words, NULL, &err), &err);
    sgn_splitter_begin(words, text, size);
    while (sgn_splitter_next(words, &word, &n)) {
        for (size_t i = 0; i < n; i++) s->id[s->n++] = (unsigned char)word[i];
        s->id[s->n++] = -1;
    }
    sgn_splitter_close(words);
}

static void join_all(sequence *s, int32_t left, int32_t right, int32_t whole) {
    size_t to = 0;
    for (size_t i = 0; i < s->n; to++) {
        const bool here = i + 1 < s->n && s->id[i] == left && s->id[i + 1] == right;
        s->id[to] = here ? whole : s->id[i];
        i += here ? 2 : 1;
    }
    s->n = to;
}

static void as_the_slow_way(void **state) {
    (void)state;
    sgn_error err;
    static sequence s;
    static int count[IDS][IDS];
    for (uint64_t k = 0; k < 4; k++) {
        char text[8000];
        for (size_t i = 0; i < sizeof text; i++) text[i] = "aaab  cde\nfg\xC3\xA9"[sgn_rng_bits(k, 1, i) % (k < 2 ? 6 : 14)];
        sgn_tokenizer *t;
        check_ok(train(&t, put_bytes("r.txt", text, sizeof text), (sgn_bpe_options){ .vocab = 400 }, &err), &err);
        const sgn_vocabulary *v = sgn_tokenizer_vocabulary(t);
        split_into(&s, text, sizeof text);
        assert_true(v->merges > 50);
        for (int32_t m = 0; m < v->merges; m++) {
            memset(count, 0, sizeof count);
            for (size_t i = 0; i + 1 < s.n; i++)
                if (s.id[i] >= 0 && s.id[i + 1] >= 0) count[s.id[i]][s.id[i + 1]]++;
            int32_t left = 0, right = 0;
            for (int32_t a = 0; a < 256 + m; a++)
                for (int32_t b = 0; b < 256 + m; b++)
                    if (count[a][b] > count[left][right]) left = a, right = b;
            if (v->merge[m].left != left || v->merge[m].right != right)
                fail_msg("text %d, merge %d: %d+%d, expected %d+%d", (int)k, m, v->merge[m].left, v->merge[m].right, left, right);
            join_all(&s, left, right, 256 + m);
        }
        sgn_ids ids = { 0 };                       /* encoding ends where learning ended */
        check_ok(sgn_tokenizer_encode(t, text, sizeof text, &ids, &err), &err);
        size_t at = 0;
        for (size_t i = 0; i < s.n; i++)
            if (s.id[i] >= 0) assert_int_equal(ids.id[at++], s.id[i]);
        assert_int_equal(at, ids.count);
        sgn_ids_free(&ids);
        sgn_tokenizer_close(t);
    }
}

static void same_text_same_vocabulary(void **state) {
    (void)state;
    sgn_error err;
    const char *text = check_shared("data/text/tinyshakespeare.txt");
    if (!text) return;
    char hash[33] = "";
    for (int again = 0; again < 2; again++) {
        sgn_tokenizer *t;
        check_ok(train(&t, text, (sgn_bpe_options){ .vocab = 1024 }, &err), &err);
        assert_int_equal(sgn_tokenizer_vocab(t), 1024);
        if (again) assert_string_equal(sgn_tokenizer_hash(t), hash);
        strcpy(hash, sgn_tokenizer_hash(t));
        sgn_tokenizer_close(t);
    }
}

static void limit_and_long_words(void **state) {
    (void)state;
    sgn_error err;
    sgn_tokenizer *t;
    char text[6000];
    memset(text, '=', sizeof text);                /* one word of 5,000 bytes teaches nothing */
    memcpy(text + 5000, " ab ab", 6);
    memset(text + 5006, ' ', sizeof text - 5006);
    check_ok(train(&t, put_bytes("l.txt", text, 5006), (sgn_bpe_options){ .vocab = 300 }, &err), &err);
    check_piece(t, 256, " a");                     /* 32+97 and 97+98 twice each */
    check_piece(t, 257, " ab");
    assert_int_equal(sgn_tokenizer_vocab(t), 259);
    sgn_tokenizer_close(t);
    check_ok(train(&t, put_text("m.txt", "xy xy xy zz zz zz zz"), (sgn_bpe_options){ .vocab = 300, .limit = 8 }, &err), &err);
    for (int32_t id = 256; id + 1 < sgn_tokenizer_vocab(t); id++) {
        size_t n;
        assert_null(memchr(sgn_tokenizer_piece(t, id, &n), 'z', n));
    }
    sgn_tokenizer_close(t);
}

static bool stop(void *ctx, const char *stage, double fraction) {
    (void)stage;
    (void)fraction;
    return --*(int *)ctx > 0;
}

static void refusals(void **state) {
    (void)state;
    sgn_error err;
    sgn_tokenizer *t;
    int calls = 1;
    const char *some = put_text("some.txt", "some text, some more text");
    check_fails(train(&t, some, (sgn_bpe_options){ .vocab = 256 }, &err), SGN_CONFIG, &err, "257");
    check_fails(train(&t, put_text("none.txt", ""), (sgn_bpe_options){ .vocab = 300 }, &err), SGN_FORMAT, &err, "no text");
    check_fails(train(&t, put_text("i.jsonl", "{\"token_ids\": [1]}"), (sgn_bpe_options){ .vocab = 300 }, &err), SGN_CONFIG,
                &err, "line 1 holds token ids");
    check_fails(train(&t, some, (sgn_bpe_options){ .vocab = 300, .progress = stop, .ctx = &calls }, &err), SGN_INTERRUPTED,
                &err, "stopped");
    assert_null(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worked_example), cmocka_unit_test(as_the_slow_way), cmocka_unit_test(same_text_same_vocabulary),
        cmocka_unit_test(limit_and_long_words), cmocka_unit_test(refusals),
    };
    return check_run(tests);
}
