/* SPDX-License-Identifier: MIT */
#include "../check.h"
#include "data/utf8.h"

/* Every code point goes out and comes back; surrogates and what lies beyond U+10FFFF are none (RFC 3629). */
static void all_characters(void **state) {
    (void)state;
    for (uint32_t c = 0; c < 0x110100; c++) {
        char text[4];
        uint32_t back = 0;
        const int n = sgn_utf8_put(text, c);
        assert_int_equal(n, c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4);
        const bool right = c < 0x110000 && (c < 0xD800 || c > 0xDFFF);
        if (sgn_utf8_char(text, (size_t)n, &back) != (right ? n : 0)) fail_msg("U+%04X", c);
        if (right && back != c) fail_msg("U+%04X came back as U+%04X", c, back);
        assert_int_equal(sgn_utf8_invalid(text, (size_t)n), right ? 0 : n);
        for (int k = 1; k < n && right; k++) {
            assert_int_equal(sgn_utf8_char(text, (size_t)k, NULL), 0);
            assert_true(sgn_utf8_is_begun(text, (size_t)k));
        }
        assert_false(right && sgn_utf8_is_begun(text, (size_t)n));
    }
}

static void broken_bytes(void **state) {
    (void)state;
    static const struct { const char *text; size_t prefix; uint64_t invalid; } cases[] = {
        { "plain", 5, 0 }, { "caf\xC3\xA9", 5, 0 }, { "caf\xC3", 3, 1 }, { "a\x80" "b", 1, 1 }, { "\xC0\x80", 0, 2 },
        { "\xE0\x80\x80", 0, 3 }, { "\xF8\x88\x80\x80\x80", 0, 5 }, { "\xE4\xB8" "a", 0, 2 }, { "12345678\xFF" "12345678", 8, 1 },
        { "", 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t n = strlen(cases[i].text);
        assert_int_equal(sgn_utf8_prefix(cases[i].text, n), cases[i].prefix);
        assert_int_equal(sgn_utf8_invalid(cases[i].text, n), cases[i].invalid);
    }
    assert_false(sgn_utf8_is_begun("\xE0\x80", 2));        /* too long a form already */
    assert_false(sgn_utf8_is_begun("\x80", 1));
    assert_false(sgn_utf8_is_begun("", 0));
}

static void repair(void **state) {
    (void)state;
    sgn_error err;
    char *out;
    size_t n;
    check_ok(sgn_utf8_repair("a\xFF\xC3\xA9\xE4\xB8", 6, &out, &n, &err), &err);
    assert_string_equal(out, "a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_int_equal(n, strlen(out));
    free(out);
    check_ok(sgn_utf8_repair("", 0, &out, &n, &err), &err);
    assert_string_equal(out, "");
    free(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_characters), cmocka_unit_test(broken_bytes), cmocka_unit_test(repair),
    };
    return check_run(tests);
}
