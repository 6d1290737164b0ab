/* Statuses and errors.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/status.h"

static void every_status_has_text_and_code(void **state) {
    (void)state;
    for (int i = 0; i < SGN_STATUS_COUNT; i++) {
        assert_true(strlen(sgn_status_text((sgn_status)i)) > 3);
        assert_true((sgn_status_exit_code((sgn_status)i) == 0) == (i == SGN_OK));
        for (int j = 0; j < i; j++) assert_int_not_equal(sgn_status_exit_code((sgn_status)i), sgn_status_exit_code((sgn_status)j));
    }
    assert_int_equal(sgn_status_exit_code(SGN_INTERRUPTED), 85);         /* a supervisor restarts on this one */
    assert_int_equal(sgn_status_exit_code(SGN_STATUS_COUNT), 1);
    assert_non_null(sgn_status_text(SGN_STATUS_COUNT));
}

static sgn_status inner(sgn_error *err) { SGN_FAIL(err, SGN_SHAPE, "%s: %d is not %d", "x", 3, 4); }
static sgn_status outer(sgn_error *err) {
    SGN_TRY(inner(err));
    SGN_FAIL(err, SGN_IO, "not reached");
}

static void the_first_message_wins(void **state) {
    (void)state;
    sgn_error err = { 0 };
    assert_int_equal(outer(&err), SGN_SHAPE);
    assert_string_equal(err.text, "x: 3 is not 4");
    assert_non_null(strstr(err.file, "test_status.c"));
    assert_true(err.line > 0);
    assert_int_equal(SGN_ERROR(&err, SGN_NOMEM, "later"), SGN_NOMEM);
    assert_int_equal(err.status, SGN_SHAPE);
    assert_string_equal(err.text, "x: 3 is not 4");
    assert_int_equal(outer(NULL), SGN_SHAPE);
}

static void messages_stay_one_line_of_bounded_length(void **state) {
    (void)state;
    sgn_error err = { 0 };
    char longer[2 * sizeof err.text];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    SGN_ERROR(&err, SGN_FORMAT, "a\nb\tc\x1b[2J%s", longer);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_int_equal(strncmp(err.text, "a?b?c?[2Jxx", 11), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_text_and_code),
        cmocka_unit_test(the_first_message_wins),
        cmocka_unit_test(messages_stay_one_line_of_bounded_length),
    };
    return check_run(tests);
}
