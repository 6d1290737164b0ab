/* SPDX-License-Identifier: MIT */
#include "../check.h"
#include "core/rng.h"
#include "data/pretokenize.h"
#include "data/scan.h"
#include "data/unicode.h"
#include "data/utf8.h"

/* What the two ways make of a text, word by word. */
static void check_equal(const char *pattern, const char *text, size_t size) {
    sgn_error err;
    sgn_splitter *hand, *regex;
    check_ok(sgn_splitter_open(&hand, pattern, &err), &err);
    check_ok(sgn_splitter_open_regex(&regex, pattern, &err), &err);
    sgn_splitter_begin(hand, text, size);
    sgn_splitter_begin(regex, text, size);
    const char *a, *b;
    size_t n, m;
    while (sgn_splitter_next(regex, &b, &m)) {
        assert_true(sgn_splitter_next(hand, &a, &n));
        if (a != b || n != m)
            fail_msg("%.30s...: \"%.*s\" by hand, \"%.*s\" by PCRE2, of \"%.*s\"", pattern, (int)n, a, (int)m, b, 60,
                     b - text > 20 ? b - 20 : text);
    }
    assert_false(sgn_splitter_next(hand, &a, &n));
    check_ok(sgn_splitter_end(regex, &err), &err);
    sgn_splitter_close(hand);
    sgn_splitter_close(regex);
}

/* Characters of every class, weighted to what the patterns ask about; stray bytes among them. */
static size_t random_text(char *text, size_t room, uint64_t k) {
    static const char *const some[] = { "'s", "'S", "'ll", "'Re", "'\xC5\xBF", "'v", "'d", "a", "Zed", "A", "b", "\n", "\r\n", " ", "  ",
        "\t", "/", "!", "...", "1", "22", "\xC2\xA0", "\xC2\x85", "\xE1\xA0\x8E", "\xE3\x80\x80", "\xC3\xA9", "e\xCC\x81", "\xC7\x85",
        "\xCA\xB0", "\xD9\xA3", "\xC2\xB2", "\xE2\x85\xA7", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80", "\xFF", "\xE4\xB8", "$", "\x01", "\x1C" };
    size_t n = 0;
    for (uint64_t i = 0; n + 8 < room; i++) {
        const uint64_t r = sgn_rng_bits(11, k, i);
        if (r % 8) {
            const char *s = some[r / 8 % (sizeof some / sizeof *some)];
            memcpy(text + n, s, strlen(s));
            n += strlen(s);
        } else {                       /* letters, marks, signs of all blocks below U+3100, which no Unicode after 14 changed much */
            const uint32_t cp = 0x80 + (uint32_t)(r >> 8) % 0x800;
            if (!(sgn_unicode_class(cp) & SGN_UNASSIGNED)) n += (size_t)sgn_utf8_put(text + n, cp);
        }
    }
    return n;
}

static void known_patterns_as_pcre2(void **state) {
    (void)state;
    const sgn_known_split *k;
    char text[400];
    for (int i = 0; (k = sgn_known_split_at(i)) != NULL; i++) {
        if (strstr(k->pattern, "\\s++$")) continue;        /* possessive: the same words, checked as the pattern without */
        for (uint64_t r = 0; r < 1500; r++) check_equal(k->pattern, text, random_text(text, 20 + r % 380, r));
    }
}

static void real_text_as_pcre2(void **state) {
    (void)state;
    static const char *const files[] = { "data/text/tinyshakespeare.txt", "data/tokenizers/vectors/gpt-2.inp", "data/README.md" };
    const sgn_known_split *k;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        const char *path = check_shared(files[f]);
        if (!path) continue;
        sgn_error err;
        char *text;
        size_t size;
        check_ok(sgn_file_read(path, 16 << 20, &text, &size, &err), &err);
        for (int i = 0; (k = sgn_known_split_at(i)) != NULL; i++) check_equal(k->pattern, text, size < 300000 ? size : 300000);
        free(text);
    }
}

/* By hand, "|" between words; the patterns of tiktoken's cl100k and o200k. */
static void words_of_other_patterns(void **state) {
    (void)state;
    static const struct { const char *split, *words; } cases[] = {
        { "llama3", "It|'S| (|ok|)| |123|456|7|.\n\n| x|\n \n| | y" },
        { "qwen2", "a|1|2|$b|!\r\n|\t|\tc" },
        { "o200k", "ABCdef|Ghi|JK's| HELLOworld|://\n|x| |12" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128] = "", got[128] = "";
        for (const char *c = cases[i].words; *c; c++)
            if (*c != '|') strncat(text, c, 1);
        sgn_error err;
        sgn_splitter *s;
        const char *word;
        size_t n;
        check_ok(sgn_splitter_open(&s, sgn_known_split_named(cases[i].split)->pattern, &err), &err);
        sgn_splitter_begin(s, text, strlen(text));
        while (sgn_splitter_next(s, &word, &n)) {
            if (got[0]) strcat(got, "|");
            strncat(got, word, n);
        }
        sgn_splitter_close(s);
        assert_string_equal(got, cases[i].words);
    }
}

static void unknown_patterns_keep_what_is_between(void **state) {
    (void)state;
    sgn_error err;
    sgn_splitter *s;
    const char *word, *text = "ab12-\xFF" "3";
    size_t n;
    check_ok(sgn_splitter_open(&s, "\\d+|x*", &err), &err);
    sgn_splitter_begin(s, text, strlen(text));
    static const struct { const char *word; bool matched; } want[] = { { "ab", false }, { "12", true }, { "-", false }, { "\xFF", false }, { "3", true } };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_true(sgn_splitter_next(s, &word, &n));
        assert_int_equal(n, strlen(want[i].word));
        assert_memory_equal(word, want[i].word, n);
        assert_int_equal(sgn_splitter_matched(s), want[i].matched);
    }
    assert_false(sgn_splitter_next(s, &word, &n));
    check_ok(sgn_splitter_end(s, &err), &err);
    sgn_splitter_close(s);
    check_fails(sgn_splitter_open(&s, "a(", &err), SGN_UNSUPPORTED, &err, "\"a(\"");
}

/* Unicode's own examples: NFC joins, NFKC takes ligatures apart, stray bytes stay. */
static void normal_forms(void **state) {
    (void)state;
    static const struct { sgn_normal_form form; const char *from, *to; } cases[] = {
        { SGN_NFC, "e\xCC\x81", "\xC3\xA9" }, { SGN_NFD, "\xC3\xA9", "e\xCC\x81" }, { SGN_NFKC, "\xEF\xAC\x81\xFFx", "fi\xFFx" },
        { SGN_NFKD, "\xC2\xB2\xC3\xA9", "2e\xCC\x81" }, { SGN_LOWERCASE, "\xC3\x89" "A\xFF\xC4\xB0", "\xC3\xA9" "a\xFFi\xCC\x87" }, { SGN_NFC, "", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sgn_error err;
        char *out;
        size_t n;
        check_ok(sgn_unicode_normalize(cases[i].form, cases[i].from, strlen(cases[i].from), &out, &n, &err), &err);
        assert_string_equal(out, cases[i].to);
        assert_int_equal(n, strlen(out));
        free(out);
    }
}

/* A million marks out of order after one letter: those of class 220 come first (U+0316 before U+0301), in time that grows with the text. */
static void hostile_marks(void **state) {
    (void)state;
    enum { MARKS = 1000000 };
    sgn_error err;
    size_t n, at = 1;
    char *text = malloc(2 * MARKS + 1), *out;
    assert_non_null(text);
    text[0] = 'q';
    for (int i = 0; i < MARKS; i++) memcpy(text + 1 + 2 * i, i % 2 ? "\xCC\x96" : "\xCC\x81", 2);
    check_ok(sgn_unicode_normalize(SGN_NFC, text, 2 * MARKS + 1, &out, &n, &err), &err);
    assert_int_equal(n, 2 * MARKS + 1);
    for (int i = 0; i < MARKS; i++, at += 2) assert_memory_equal(out + at, i < MARKS / 2 ? "\xCC\x96" : "\xCC\x81", 2);
    free(text);
    free(out);
    /* U+0F73 is U+0F71 (class 129) and U+0F72 (130) */
    check_ok(sgn_unicode_normalize(SGN_NFD, "\xE0\xBD\xB3\xE0\xBD\xB3", 6, &out, &n, &err), &err);
    assert_string_equal(out, "\xE0\xBD\xB1\xE0\xBD\xB1\xE0\xBD\xB2\xE0\xBD\xB2");
    free(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_patterns_as_pcre2), cmocka_unit_test(real_text_as_pcre2), cmocka_unit_test(words_of_other_patterns),
        cmocka_unit_test(unknown_patterns_keep_what_is_between), cmocka_unit_test(normal_forms), cmocka_unit_test(hostile_marks),
    };
    return check_run(tests);
}
