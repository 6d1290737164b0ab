/* JSON: what is read, what is refused, and that what is written reads back.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/json.h"

static sgn_status parse(const char *text, size_t size, sgn_error *err) {
    sgn_json *j = NULL;
    const sgn_status s = sgn_json_parse(&j, text, size, "test.json", err);
    assert_true((s == SGN_OK) == (j != NULL));
    sgn_json_free(j);
    return s;
}

static void reads_values(void **state) {
    (void)state;
    sgn_error err;
    sgn_json *j;
    const char text[] = "{\"z\": 1, \"a\": [1.5, true, null, \"\\u00e9\"], \"big\": 9007199254740993}";
    check_ok(sgn_json_parse(&j, text, sizeof text - 1, "test.json", &err), &err);
    assert_int_equal(sgn_json_int(sgn_json_get(j, "z"), 0), 1);
    assert_int_equal(sgn_json_int(sgn_json_get(j, "big"), 0), 9007199254740993);     /* 2^53 + 1: not through a double */
    const sgn_json *a = sgn_json_get(j, "a");
    assert_int_equal(sgn_json_size(a), 4);
    check_close(sgn_json_real(sgn_json_at(a, 0), 0), 1.5, 0, 0);
    assert_true(sgn_json_bool(sgn_json_at(a, 1), false));
    assert_int_equal(sgn_json_typeof(sgn_json_at(a, 2)), SGN_JSON_NULL);
    assert_string_equal(sgn_json_string(sgn_json_at(a, 3), ""), "\xC3\xA9");
    assert_null(sgn_json_at(a, 4));
    assert_null(sgn_json_get(a, "key"));
    assert_int_equal(sgn_json_int(sgn_json_get(NULL, "x"), -7), -7);
    const char *order[] = { "z", "a", "big" };
    int n = 0;
    for (void *it = sgn_json_iter(j); it; it = sgn_json_next(j, it)) assert_string_equal(sgn_json_iter_key(it), order[n++]);
    assert_int_equal(n, 3);
    sgn_json_free(j);
    sgn_json_free(NULL);
}

static void refuses_what_is_not_json(void **state) {
    (void)state;
    sgn_error err;
    static const struct { const char *text; size_t size; const char *says; } bad[] = {
#define BAD(text, says) { text, sizeof(text) - 1, says }
        BAD("", "test.json"), BAD("{", "line 1"), BAD("{\"a\": 1,}", "line 1"), BAD("{} x", "line 1"),
        BAD("{\"a\": 1, \"a\": 2}", "duplicate"),                 /* rule 117 */
        BAD("[1e999]", "overflow"), BAD("[99999999999999999999]", "too big"),     /* rule 119 */
        BAD("[\"\\u0000\"]", "offset 2: \\u0000 stands for no character (no text holds a zero byte)"), BAD("[\"\\\\\\ud800x\"]", "offset 4: \\ud800 stands for no character (it is half of a pair)"), BAD("[\"\\uDBFF\\uDFFF\\uDFFF\"]", "offset 14: \\uDFFF stands"),         /* rule 120 */
        BAD("\xEF\xBB\xBF{}", "byte order mark"), BAD("\xFF\xFE{\0}\0", "test.json"),   /* rule 121 */
        BAD("[NaN]", "line 1"), BAD("[Infinity]", "line 1"), BAD("[-Infinity]", "line 1"),   /* rule 126 */
        BAD("[\"\xC3\x28\"]", "byte 0xc3"), BAD("[01]", "line 1"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_fails(parse(bad[i].text, bad[i].size, &err), SGN_FORMAT, &err, bad[i].says);
}

static void limits_depth(void **state) {     /* rule 116 */
    (void)state;
    sgn_error err;
    enum { DEEP = 100000 };
    char *text = malloc(2 * DEEP);
    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    check_fails(parse(text, 2 * DEEP, &err), SGN_FORMAT, &err, "offset 64");
    check_ok(parse(text + DEEP - 64, 128, &err), &err);
    check_fails(parse(text + DEEP - 65, 130, &err), SGN_FORMAT, &err, "deeper than 64");
    memset(text + 1, '"', 1);                    /* brackets within text are only text */
    text[2 * DEEP - 2] = '"';
    check_ok(parse(text, 2 * DEEP, &err), &err);
    free(text);
}

static void writes_what_reads_back(void **state) {
    (void)state;
    sgn_error err;
    sgn_json *j = sgn_json_new_object(), *list = sgn_json_new_array(), *back;
    sgn_json_append(list, sgn_json_new_real(0.1));
    sgn_json_append(list, sgn_json_new_real((double)NAN));
    sgn_json_append(list, sgn_json_new_bool(false));
    sgn_json_append(list, sgn_json_new_null());
    sgn_json_append(list, sgn_json_new_string_n("a\"b\nc", 4));
    sgn_json_set(j, "zeta", list);
    sgn_json_set(j, "alpha", sgn_json_new_int(INT64_MIN));
    sgn_json_set(j, "text", sgn_json_new_string("x"));
    const char *path = check_path("out.json");
    check_ok(sgn_json_save(j, 2, path, &err), &err);
    sgn_json_free(j);
    check_ok(sgn_json_load(&back, path, 1 << 20, &err), &err);
    assert_string_equal(sgn_json_iter_key(sgn_json_iter(back)), "zeta");
    const sgn_json *a = sgn_json_get(back, "zeta");
    check_close(sgn_json_real(sgn_json_at(a, 0), 0), 0.1, 0, 0);
    assert_int_equal(sgn_json_typeof(sgn_json_at(a, 1)), SGN_JSON_NULL);
    assert_string_equal(sgn_json_string(sgn_json_at(a, 4), ""), "a\"b\n");
    assert_true(sgn_json_int(sgn_json_get(back, "alpha"), 0) == INT64_MIN);
    char *line;
    check_ok(sgn_json_dump(back, 0, &line, &err), &err);
    assert_null(strchr(line, '\n'));
    free(line);
    sgn_json_free(back);
    check_fails(sgn_json_load(&back, path, 10, &err), SGN_FORMAT, &err, "at most 10");      /* rule 122 */
    check_fails(sgn_json_load(&back, check_path("none.json"), 10, &err), SGN_IO, &err, "none.json");
    check_fails(sgn_json_load(&back, check_directory, 10, &err), SGN_IO, &err, "directory");
}

static void a_lost_value_fails_the_dump(void **state) {
    (void)state;
    sgn_error err;
    char *text;
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "bad", sgn_json_new_string("\xFF\xFE"));
    check_fails(sgn_json_dump(j, 0, &text, &err), SGN_NOMEM, &err, "UTF-8");
    check_ok(sgn_json_dump(j, 0, &text, &err), &err);            /* reported once */
    free(text);
    sgn_json_free(j);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_values),           cmocka_unit_test(refuses_what_is_not_json),
        cmocka_unit_test(limits_depth),           cmocka_unit_test(writes_what_reads_back),
        cmocka_unit_test(a_lost_value_fails_the_dump),
    };
    return check_run(tests);
}
