/* The Unigram segmentation against sums worked out by hand.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "data/trie.h"
#include "data/unigram.h"

static void add(sgn_vocabulary *v, const char *piece) {
    sgn_error err = { 0 };
    check_ok(sgn_vocabulary_add(v, piece, strlen(piece), false, "test", &err), &err);
}

static void check_cut(const sgn_unigram *u, const char *text, const char *expected) {
    sgn_error err = { 0 };
    sgn_unigram_path path = { 0 };
    char got[256] = "";
    check_ok(sgn_unigram_cut(u, text, strlen(text), &path, &err), &err);
    for (size_t i = 0; i < path.count; i++) {
        const uint32_t begin = path.part[i].begin, end = path.part[i + 1].begin;
        snprintf(got + strlen(got), sizeof got - strlen(got), "%d:%.*s|", path.part[i].id, (int)(end - begin), text + begin);
    }
    assert_string_equal(got, expected);
    sgn_unigram_path_free(&path);
}

static void highest_sum(void **state) {
    (void)state;
    sgn_error err = { 0 };
    sgn_vocabulary v = { 0 };
    sgn_unigram *u;
    const char *piece[] = { "<unk>", "a", "b", "ab", "ba", "\xC3\xA9", "b\xC3\xA9", "c\xC3\xA9" };
    const double score[] = { -INFINITY, -1, -2, -2.5, -1.5, -3, -6, -4 };
    for (size_t i = 0; i < sizeof piece / sizeof *piece; i++) add(&v, piece[i]);
    for (int single = 0; single < 2; single++) {
        check_ok(sgn_unigram_open(&u, &v, &(sgn_unigram_options){ score, -14, 0, single }, &err), &err);
        check_cut(u, "", "");
        check_cut(u, "ab", "3:ab|");                       /* -2.5 > -3 */
        check_cut(u, "aba", "1:a|4:ba|");                  /* -2.5 > -3.5 */
        check_cut(u, "b\xC3\xA9", "2:b|5:\xC3\xA9|");      /* -5 > -6 */
        check_cut(u, "c\xC3\xA9", "7:c\xC3\xA9|");         /* c is unknown, but need not stand alone */
        check_cut(u, "axy\xFF", "1:a|0:x|0:y|0:\xFF|");    /* one part per unknown character, per stray byte */
        check_cut(u, "<unk>", "0:<|0:u|0:n|0:k|0:>|");     /* never found in text */
        sgn_unigram_close(u);
    }
    sgn_vocabulary_free(&v);
}

/* "ab" + "c" and "a" + "bc" have equal sums: the longest last piece wins. */
static void equal_sums(void **state) {
    (void)state;
    sgn_error err = { 0 };
    sgn_vocabulary v = { 0 };
    sgn_unigram *u;
    const char *piece[] = { "a", "b", "c", "ab", "bc" };
    const double score[] = { -1, -9, -1, -1, -1 };
    for (size_t i = 0; i < sizeof piece / sizeof *piece; i++) add(&v, piece[i]);
    check_ok(sgn_unigram_open(&u, &v, &(sgn_unigram_options){ score, -20, 0, true }, &err), &err);
    check_cut(u, "abc", "0:a|4:bc|");
    sgn_unigram_close(u);
    sgn_vocabulary_free(&v);
}

/* Past 2^24 a float holds no halves: with single sums -0.5 more is no difference, the first way found stays. */
static void single_sums_round(void **state) {
    (void)state;
    sgn_error err = { 0 };
    sgn_vocabulary v = { 0 };
    sgn_unigram *u;
    const char *piece[] = { "x", "a", "b", "ab" };
    const double score[] = { -16777216.0 * 2, -1, 0.5, -0.25 };
    for (size_t i = 0; i < sizeof piece / sizeof *piece; i++) add(&v, piece[i]);
    check_ok(sgn_unigram_open(&u, &v, &(sgn_unigram_options){ score, -20, 0, false }, &err), &err);
    check_cut(u, "ab", "3:ab|");
    check_cut(u, "xab", "0:x|3:ab|");
    sgn_unigram_close(u);
    check_ok(sgn_unigram_open(&u, &v, &(sgn_unigram_options){ score, -20, 0, true }, &err), &err);
    check_cut(u, "ab", "3:ab|");
    check_cut(u, "xab", "0:x|1:a|2:b|");                   /* float(x - 1) = x, x + 0.5 > float(x - 0.25) = x */
    sgn_unigram_close(u);
    sgn_vocabulary_free(&v);
}

static void longest_prefix(void **state) {
    (void)state;
    sgn_error err = { 0 };
    sgn_trie t = { 0 };
    int32_t id = -1;
    char name[16];
    assert_int_equal(sgn_trie_longest(&t, "ab", 2, &id), 0);
    for (int i = 0; i < 3000; i++) {                       /* grows several times */
        snprintf(name, sizeof name, "n%d", i);
        check_ok(sgn_trie_add(&t, name, strlen(name), i, &err), &err);
    }
    assert_int_equal(sgn_trie_longest(&t, "n2999", 5, &id), 5);
    assert_int_equal(id, 2999);
    assert_int_equal(sgn_trie_longest(&t, "n3000", 5, &id), 4);
    assert_int_equal(id, 300);
    assert_int_equal(sgn_trie_longest(&t, "n3000", 2, &id), 2);
    assert_int_equal(sgn_trie_longest(&t, "m1", 2, &id), 0);
    sgn_trie_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(highest_sum), cmocka_unit_test(equal_sums), cmocka_unit_test(single_sums_round),
        cmocka_unit_test(longest_prefix),
    };
    return check_run(tests);
}
