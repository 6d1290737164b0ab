/* Chat templates rendered, against Jinja itself; what is refused, and where it says so; bounds.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "data/jinja.h"
#include "tests/data/jinja_cases.h"

static sgn_status render(const char *template, const char *variables, char **out, sgn_error *err) {
    sgn_json *j;
    sgn_jinja *t;
    size_t size;
    *out = NULL;
    SGN_TRY(sgn_json_parse(&j, variables, strlen(variables), "variables", err));
    sgn_status s = sgn_jinja_parse(&t, template, strlen(template), "t", err);
    if (s == SGN_OK) s = sgn_jinja_render(t, j, out, &size, err);
    sgn_jinja_close(t);
    sgn_json_free(j);
    if (s == SGN_OK && strlen(*out) != size) return SGN_SHAPE;
    return s;
}

static void check_renders(const char *template, const char *text) {
    sgn_error err = { 0 };
    char *out;
    if (render(template, jinja_variables, &out, &err) != SGN_OK) fail_msg("%s\nis refused: %s", template, err.text);
    if (strcmp(out, text) != 0) fail_msg("%s\nrenders to\n%s\ninstead of\n%s", template, out, text);
    free(out);
}

static void test_as_jinja(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof jinja_cases / sizeof *jinja_cases; i++) check_renders(jinja_cases[i].template, jinja_cases[i].text);
}

/* Of two lines, so that places are seen. Jinja refuses these too, but for the last three, which it knows and we do not. */
static void test_refusals(void **state) {
    static const struct { const char *template, *says; } cases[] = {
        { "\n {{ raise_exception('no ' ~ n) }}", "t:2:5: the template refuses these messages: no 7" },
        { "{{ missing.x }}", "t:1:11: 'x' is asked of an undefined value" },
        { "{{ missing.x.y }}", "'x' is asked of" },
        { "{{ 1 + 'a' }}", "t:1:6: '+' of an integer and a string" },
        { "{{ 'a' < 1 }}", "have no order" },
        { "{{ 1 // 0 }}", "division by zero" },
        { "{{ 9223372036854775 * 9223372036854775 }}", "beyond 64 bits" },
        { "{{ s.nope() }}", "t:1:5: 'nope' is called, but is an undefined value" },
        { "\n\n{{ s | nope }}", "t:3:8: the filter 'nope' is not known" },
        { "{{ s is nope }}", "t:1:9: the test 'nope' is not known" },
        { "{{ s | trim(1, 2) }}", "'trim' takes 1 arguments at most" },
        { "{{ s.replace('a') }}", "'replace' needs 2 arguments" },
        { "{{ s | default(x=1) }}", "takes no argument 'x'" },
        { "{% set q = {} %}{% set q.a = 1 %}", "an attribute of a dict is set" },
        { "{% for a, b in [[1, 2, 3]] %}{% endfor %}", "an item of 3 parts for 2 names" },
        { "x {% unknown %}", "t:1:6: the statement 'unknown' is not known" },
        { "{{ s", "t:1:5: a tag has no end" },
        { "a\nb {% if n %}x", "t:2:6: this block has no end; close it with {% endif %}" },
        { "{% for a in n %}x", "close it with {% endfor %}" },
        { "{% endif %}", "the statement 'endif' is not known" },
        { "{# x", "t:1:1: a comment has no end" },
        { "{{ 'x }}", "t:1:4: a string has no end" },
        { "{{ a ? b }}", "t:1:6: this character means nothing here" },
        { "{{ (1 }}", "stands where ) is expected" },
        { "{{ }}", "'}}' stands where a value is expected" },
        { "{% for 1 in s %}{% endfor %}", "'1' stands where a name is expected" },
        { "{% break %}", "belong into a loop" },
        { "{{ namespace }}", "a function is printed" },
        { "{{ namespace(1) }}", "argument without a name" },
        { "{% for a in 3 %}{% endfor %}", "an integer has no items" },
        { "{{ tools | tojson | map('nope') }}", "map needs the name of a filter" },
        { "{{ ['a', 1] | sort }}", "have no order" },
        { "{{ messages | sort(attribute='nope') }}", "have no order" },
        { "{{ tools[0] | dictsort(by='length') }}", "dictsort goes by 'key' or by 'value'" },
        { "{{ [1] | batch(0) }}", "batch needs a number" },
        { "{{ ['a'] | sum }}", "'+' of an integer and a string" },
        { "{{ messages | groupby }}", "'groupby' needs 1 arguments" },
        { "{% include 'x' %}", "the statement 'include' is not known" },
        { "{% set a, b = 1, 2 %}", "several names in one set" },
        { "{{ s | urlize }}", "the filter 'urlize' is not known" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sgn_error err = { 0 };
        char *out;
        if (render(cases[i].template, jinja_variables, &out, &err) == SGN_OK) fail_msg("%s is taken: %s", cases[i].template, out);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].template, err.text, cases[i].says);
        assert_null(out);
    }
}

static void check_bounded(const char *template, const char *says) {
    sgn_error err = { 0 };
    char *out;
    if (render(template, "{\"a\": [1, 2, 3]}", &out, &err) == SGN_OK) fail_msg("%.60s is taken", template);
    if (!strstr(err.text, says)) fail_msg("%.60s: \"%s\" does not say \"%s\"", template, err.text, says);
}

/* A template of `times` pieces. */
static char *repeated(const char *before, const char *piece, int times, const char *after) {
    const size_t n = strlen(piece);
    char *s = calloc(1, strlen(before) + n * (size_t)times + strlen(after) + 1);
    assert_non_null(s);
    strcpy(s, before);
    for (int i = 0; i < times; i++) strcat(s + strlen(before) + (size_t)i * n, piece);
    return strcat(s, after);
}

static void test_bounds(void **state) {
    static const struct { const char *before, *piece, *after, *says; } deep[] = {
        { "{{ ", "(", "", "more than 100 deep" }, { "{{ ", "[", "", "more than 100 deep" }, { "{{ ", "not ", "1 }}", "more than 100 deep" },
        { "{{ ", "-", "1 }}", "more than 100 deep" }, { "{{ 1", " + 1", " }}", "operators in a row" }, { "{{ a", "[0]", " }}", "in a row" },
        { "{{ a", "|list", " }}", "in a row" }, { "", "{% if a %}", "", "more than 100 deep" }, { "{{ ", "1 if 1 else ", "1 }}", "more than 100 deep" },
        { "{{ 1", " == 1", " }}", "in a row" }, { "{{ 1", " or 1", " }}", "in a row" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
        char *s = repeated(deep[i].before, deep[i].piece, 5000, deep[i].after);
        check_bounded(s, deep[i].says);
        free(s);
    }
    check_bounded("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "more than 600 deep");
    check_bounded("{{ 'x' * 99999999999 }}", "20 million steps");
    check_bounded("{% for i in range(99999999999) %}{% endfor %}", "64 MiB");
    check_bounded("{% set s = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set s.x = s.x + s.x %}{% endfor %}", "64 MiB");
    check_bounded("{% for i in range(9999) %}{% for k in range(9999) %}{% if i == k %}{% endif %}{% endfor %}{% endfor %}", "64 MiB");
    check_bounded("{% set l = namespace(x=[]) %}{% for i in range(99999) %}{% set l.x = [l.x] %}{% endfor %}{{ l.x }}", "more than 600 deep");
    char *s = repeated("", "xxxxxxxxxx", 30000, "");
    check_bounded(s, "a template of 300000 bytes");
    free(s);
}

/* A value is the caller's again after; the same template serves twice. */
static void test_use_again(void **state) {
    sgn_error err = { 0 };
    sgn_jinja *t;
    sgn_json *j;
    (void)state;
    check_ok(sgn_jinja_parse(&t, "{% set n = n + 1 %}{{ n }}", 26, "t", &err), &err);
    check_ok(sgn_json_parse(&j, "{\"n\": 41}", 9, "j", &err), &err);
    for (int i = 0; i < 2; i++) {
        char *out;
        size_t size;
        check_ok(sgn_jinja_render(t, j, &out, &size, &err), &err);
        assert_string_equal(out, "42");
        assert_int_equal(size, 2);
        free(out);
    }
    sgn_json_free(j);
    sgn_jinja_close(t);
    sgn_jinja_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_jinja), cmocka_unit_test(test_refusals), cmocka_unit_test(test_bounds), cmocka_unit_test(test_use_again),
    };
    return check_run(tests);
}
