/* Settings: tables, YAML, overrides, and the refusal of everything that only looks like a setting.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/config.h"

typedef struct {
    int64_t dim, seed;
    double  theta;
    bool    tied;
    char    kind[SGN_TEXT], binary[SGN_TEXT];
} model;
typedef struct { double lr; int64_t steps; } optim;
typedef struct { int64_t verbosity; model model; optim optim; } whole;

static const sgn_field top_fields[] = {
    { "verbosity", SGN_FIELD_INT, offsetof(whole, verbosity), 0, 3, NULL, "1", "How much is said." }, { 0 } };
static const sgn_field model_fields[] = {
    { "dim", SGN_FIELD_INT, offsetof(model, dim), 1, 65536, NULL, "256", "Width." },
    { "seed", SGN_FIELD_INT, offsetof(model, seed), 0, 0, NULL, "-9223372036854775808", "Any integer." },
    { "theta", SGN_FIELD_REAL, offsetof(model, theta), 0, 1e9, NULL, "1e4", "Rope base." },
    { "tied", SGN_FIELD_BOOL, offsetof(model, tied), 0, 0, NULL, "true", "Tied head." },
    { "kind", SGN_FIELD_CHOICE, offsetof(model, kind), 0, 0, "fbi|full|on", "fbi", "Linear kind." },
    { "binary", SGN_FIELD_TEXT, offsetof(model, binary), 0, 0, NULL, "[attention, mlp]", "What is binary." },
    { 0 } };
static const sgn_field optim_fields[] = {
    { "lr", SGN_FIELD_REAL, offsetof(optim, lr), 0, 1, NULL, "3e-4", "Peak rate." },
    { "steps", SGN_FIELD_INT, offsetof(optim, steps), 0, 0, NULL, NULL, NULL }, { 0 } };
static const sgn_section sections[] = {
    { "", top_fields, 0 }, { "model", model_fields, offsetof(whole, model) },
    { "optim", optim_fields, offsetof(whole, optim) }, { 0 } };

static sgn_status parse(whole *w, const char *text, sgn_error *err) {
    *w = (whole){ 0 };
    sgn_config_defaults(w, sections);
    return sgn_config_parse(w, sections, text, strlen(text), "t.yaml", err);
}

static void defaults_file_and_overrides(void **state) {
    (void)state;
    sgn_error err;
    whole w;
    check_ok(parse(&w, "", &err), &err);
    assert_int_equal(w.model.dim, 256);
    assert_true(w.model.seed == INT64_MIN);
    assert_true(w.model.tied);
    assert_string_equal(w.model.binary, "attention,mlp");
    check_close(w.optim.lr, 3e-4, 0, 0);
    check_ok(parse(&w, "# a comment\n---\nverbosity: 2\nmodel:\n  dim: 512   # wide\n  theta: 5.5e+5\n  tied: false\n"
                       "  kind: full\n  binary: [attention , \"mlp\", head]\noptim: {lr: 1}\n", &err), &err);
    assert_int_equal(w.verbosity, 2);
    assert_int_equal(w.model.dim, 512);
    check_close(w.model.theta, 550000, 0, 0);
    assert_false(w.model.tied);
    assert_string_equal(w.model.kind, "full");
    assert_string_equal(w.model.binary, "attention,mlp,head");
    check_close(w.optim.lr, 1, 0, 0);
    check_ok(parse(&w, "model:\n  binary:\n    - mlp\n    - head\n", &err), &err);
    assert_string_equal(w.model.binary, "mlp,head");
    check_ok(parse(&w, "model: {binary: [], kind: on}\n", &err), &err);
    assert_string_equal(w.model.binary, "");
    assert_string_equal(w.model.kind, "on");
    check_ok(sgn_config_override(&w, sections, "model.binary=[attention, mlp ]", &err), &err);
    assert_string_equal(w.model.binary, "attention,mlp");
    check_ok(sgn_config_override(&w, sections, "model.binary=head,mlp", &err), &err);
    assert_string_equal(w.model.binary, "head,mlp");
    check_ok(sgn_config_override(&w, sections, "optim.lr=.5", &err), &err);
    check_close(w.optim.lr, 0.5, 0, 0);
    check_ok(sgn_config_override(&w, sections, "verbosity=3", &err), &err);
    assert_int_equal(w.verbosity, 3);
    check_fails(sgn_config_override(&w, sections, "model.dim", &err), SGN_CONFIG, &err, "section.key=value");
    check_fails(sgn_config_override(&w, sections, "=5", &err), SGN_CONFIG, &err, "section.key=value");
    check_fails(sgn_config_override(&w, sections, "model.dmi=5", &err), SGN_CONFIG, &err, "did you mean model.dim?");
    check_fails(sgn_config_override(&w, sections, "model.dim=0", &err), SGN_CONFIG, &err, "command line: model.dim: 0 is not within 1 to 65536");
}

static const struct { const char *text, *says; } refused[] = {
    /* 117 duplicates */
    { "model:\n  dim: 4\n  dim: 4\n", "t.yaml:3: model.dim: is given twice" },
    { "model: {dim: 4}\nmodel: {seed: 4}\n", "t.yaml:2: model: is given twice" },
    { "verbosity: 1\nverbosity: 1\n", "t.yaml:2: verbosity: is given twice" },
    /* 118 unknown */
    { "model:\n  dims: 4\n", "t.yaml:2: model.dims: unknown setting; did you mean model.dim?" },
    { "modle:\n  dim: 4\n", "t.yaml:1: modle: unknown section; did you mean model?" },
    { "model:\n  lr: 4\n", "did you mean optim.lr?" },
    { "dim: 4\n", "did you mean model.dim?" },
    { "model:\n  zzzzzzzzzz: 4\n", "model.zzzzzzzzzz: unknown setting" },
    { "model: 5\n", "model: is a section" },
    { "model: [dim]\n", "model: is a section" },
    { "model:\n", "model: is a section" },
    { "model.dim: 4\n", "\"model.dim\" is not a key" },
    /* 119, 124, 126, 127, 135 types, ranges and implicit types */
    { "model: {dim: \"32\"}", "text in quotes" },
    { "model: {dim: '32'}", "text in quotes" },
    { "model: {dim: \"1.5\"}", "text in quotes" },
    { "model: {dim: 1.5}", "t.yaml:1: model.dim: \"1.5\" is not an integer" },
    { "model: {dim: 1e3}", "not an integer" },
    { "model: {dim: 2_000}", "not an integer" },
    { "model: {dim: 0x10}", "not an integer" },
    { "model: {dim: 010}", "not an integer" },
    { "model: {dim: 1:30}", "not an integer" },
    { "model: {dim: no}", "not an integer" },
    { "model: {dim: 2001-12-14}", "not an integer" },
    { "model: {dim: 99999999999999999999}", "too large" },
    { "model: {seed: 9223372036854775808}", "too large" },
    { "model: {dim: 0}", "0 is not within 1 to 65536" },
    { "model: {dim: -4}", "not within" },
    { "model: {dim: [4]}", "not a list" },
    { "model: {dim: {a: 4}}", "not a mapping" },
    { "model: {theta: .nan}", "not a number" },
    { "model: {theta: .inf}", "not a number" },
    { "model: {theta: NaN}", "not a number" },
    { "model: {theta: Infinity}", "not a number" },
    { "model: {theta: 1e999}", "too large" },
    { "model: {theta: 1e}", "not a number" },
    { "model: {theta: .}", "not a number" },
    { "model: {theta: no}", "not a number" },
    { "model: {theta: 007.5}", "not a number" },
    { "model: {tied: yes}", "neither true nor false" },
    { "model: {tied: 1}", "neither true nor false" },
    { "model: {tied: \"true\"}", "text in quotes" },
    { "model: {kind: fib}", "\"fib\" is not one of fbi|full|on" },
    { "model: {kind: fbi|full}", "not one of" },
    { "model: {binary: no}", "truth value" },
    { "model: {binary: [mlp, On]}", "truth value" },
    { "model: {binary: [mlp, [head]]}", "single values only" },
    { "model: {binary: [mlp, {a: b}]}", "single values only" },
    { "model: {binary: [\"a,b\"]}", "comma" },
    { "model: {binary: {a: b}}", "not a mapping" },
    /* 120 */
    { "model: {binary: \"a\\0b\"}", "NUL" },
    { "model: {binary: \"a\\nb\"}", "control character" },
    { "model:\n  binary: |\n    a\n    b\n", "control character" },
    { "model: {binary: \"\\ud800\"}", "t.yaml:1" },
    { "model: {binary: \xC3\x28}", "plain UTF-8" },
    { "model: {binary: \x01}", "plain UTF-8" },
    /* 121 */
    { "\xEF\xBB\xBFmodel: {dim: 4}", "byte order mark" },
    { "\xFF\xFEm", "byte order mark" },
    /* 131 to 134, 136, 137 */
    { "model: &a\n  dim: 4\n", "anchors (&a)" },
    { "model:\n  dim: &d 4\n", "t.yaml:2: anchors (&d)" },
    { "&k model:\n  dim: 4\n", "anchors (&k)" },
    { "model:\n  dim: *d\n", "aliases (*d)" },
    { "model:\n  binary: &l [mlp]\n", "anchors (&l)" },
    { "model:\n  dim: !!int 4\n", "tags" },
    { "model: !!python/object:os.system\n  dim: 4\n", "tags" },
    { "model:\n  binary: !custom x\n", "tags" },
    { "model:\n  binary: ! x\n", "tags" },
    { "model:\n  <<: {dim: 4}\n", "merge keys" },
    { "model: {dim: 4}\n---\nmodel: {dim: 5}\n", "t.yaml:2: a second document" },
    { "model: {dim: 4}\n...\nmodel: {dim: 5}\n", "t.yaml:3" },
    { "model:\n\tdim: 4\n", "t.yaml:2: indented with a tab" },
    { "model:\n  dim: 4\n  \ttheta: 1\n", "t.yaml:3: indented with a tab" },
    { "? [model]\n: 5\n", "cannot be a key" },
    { "? {a: b}\n: 5\n", "cannot be a key" },
    { "model: {dim: }", "a value is missing" },
    { "model: {dim: ~}", "a value is missing" },
    { "model: {binary: null}", "a value is missing" },
    { "model: {kind: }", "a value is missing" },
    { "model: {\"\": 4}", "is not a key" },
    { "- model\n", "are expected" },
    { "model\n", "are expected" },
    { "model: {dim: 4\n", "this is not YAML" },
    { "model: dim: 4\n", "model: is a section" },
    { "%TAG ! tag:x,2000:\n---\nmodel: {dim: !a 4}\n", "tags" },
};

static void refuses_by_file_line_and_key(void **state) {
    (void)state;
    sgn_error err;
    whole w;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        check_fails(parse(&w, refused[i].text, &err), SGN_CONFIG, &err, refused[i].says);
        assert_int_equal(strncmp(err.text, "t.yaml", 6), 0);
    }
}

static void refuses_what_is_too_large(void **state) {     /* rules 116, 122, 138 */
    (void)state;
    sgn_error err;
    whole w;
    enum { MANY = (16 << 20) + 1 };
    char *text = malloc(MANY + 1);
    memset(text, '#', MANY);
    text[MANY] = '\0';
    check_fails(parse(&w, text, &err), SGN_CONFIG, &err, "at most 16777216");
    check_ok(sgn_file_write(check_path("large.yaml"), text, MANY, &err), &err);
    check_fails(sgn_config_load(&w, sections, check_path("large.yaml"), &err), SGN_FORMAT, &err, "at most 16777216");
    memset(text, '[', 100000);
    text[100000] = '\0';
    check_fails(parse(&w, text, &err), SGN_CONFIG, &err, "are expected");
    const char start[] = "model:\n  binary: ";
    memset(text, 'x', 2 << 20);
    memcpy(text, start, sizeof start - 1);
    text[2 << 20] = '\0';
    check_fails(parse(&w, text, &err), SGN_CONFIG, &err, "longer than 511");
    text[sizeof start - 1 + 511] = '\0';
    check_ok(parse(&w, text, &err), &err);
    assert_int_equal(strlen(w.model.binary), 511);
    strcpy(text, "model:\n  binary: [a");
    for (int i = 0; i < 600; i++) strcat(text, ",b");
    strcat(text, "]\n");
    check_fails(parse(&w, text, &err), SGN_CONFIG, &err, "list is longer");
    free(text);
    check_fails(sgn_config_load(&w, sections, check_path("none.yaml"), &err), SGN_IO, &err, "none.yaml");
}

static void dump_loads_back_to_the_same(void **state) {
    (void)state;
    sgn_error err;
    static const char *const texts[] = { "", "plain", "a,b", "no", "null", "~", "1", "a \"quoted\\\" b", "# c", "- x", "a: b", " x ",
        "*a", "data/file.txt", "\xC3\xA9", "'", "%", "@a", "a\\nb", "[", "true" };
    static const double reals[] = { 0.1, 3e-4, 1.0 / 3, 5e-324, 1e9, 123456789.125, 0 };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int help = 0; help < 2; help++) {
            whole w = { 0 }, back = { 0 };
            char *text;
            sgn_config_defaults(&w, sections);
            strcpy(w.model.binary, texts[i]);
            w.model.theta = reals[i % 7];
            w.model.seed = INT64_MAX - (int64_t)i;
            w.model.tied = i % 2;
            check_ok(sgn_config_dump(&w, sections, help, &text, &err), &err);
            check_ok(sgn_config_parse(&back, sections, text, strlen(text), "dump", &err), &err);
            assert_string_equal(back.model.binary, texts[i]);
            assert_string_equal(back.model.kind, w.model.kind);
            assert_true(back.model.theta == w.model.theta && back.model.seed == w.model.seed);
            assert_true(back.model.tied == w.model.tied && back.model.dim == 256 && back.optim.lr == 3e-4);
            assert_true(!!strstr(text, "# Width.") == help);
            free(text);
        }
}

static void documents_every_row(void **state) {
    (void)state;
    sgn_error err;
    char *text;
    check_ok(sgn_config_document(sections, &text, &err), &err);
    assert_non_null(strstr(text, "| `verbosity` | integer, 0 to 3 | `1` | How much is said. |"));
    assert_non_null(strstr(text, "| `model.kind` | `fbi`, `full`, `on` | `fbi` | Linear kind. |"));
    assert_non_null(strstr(text, "| `model.theta` | real, 0 to 1000000000 | `1e4` |"));
    assert_non_null(strstr(text, "## optim"));
    free(text);
}

static void nearest_word(void **state) {
    (void)state;
    static const char *const known[] = { "dim", "hidden_dim", "layers", "heads" };
    assert_string_equal(sgn_nearest("dmi", known, 4), "dim");
    assert_string_equal(sgn_nearest("hiden_dim", known, 4), "hidden_dim");
    assert_string_equal(sgn_nearest("layer", known, 4), "layers");
    assert_string_equal(sgn_nearest("head", known, 4), "heads");
    assert_string_equal(sgn_nearest("hid", known, 4), "hidden_dim");   /* its beginning, however far the rest */
    assert_null(sgn_nearest("optimizer", known, 4));
    assert_null(sgn_nearest("", known, 4));
    assert_null(sgn_nearest("dim", known, 0));
}

/* A preset cut anywhere, or with any byte changed, is read or refused, but never more (for the sanitizers). */
static void survives_damage(void **state) {
    (void)state;
    sgn_error err;
    whole w;
    const char good[] = "model:\n  dim: 4\n  binary: [a, 'b']\noptim: {lr: 3e-4}\n";
    for (size_t n = 0; n + 1 < sizeof good; n++)
        for (int c = 0; c < 256; c++) {
            char text[sizeof good];
            memcpy(text, good, sizeof good);
            text[n] = (char)c;
            err = (sgn_error){ 0 };
            if (parse(&w, text, &err) != SGN_OK) assert_int_equal(err.status, SGN_CONFIG);
            if (sgn_config_parse(&w, sections, good, n, "t.yaml", &err) != SGN_OK) assert_int_equal(err.status, SGN_CONFIG);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_file_and_overrides),   cmocka_unit_test(refuses_by_file_line_and_key),
        cmocka_unit_test(refuses_what_is_too_large),     cmocka_unit_test(dump_loads_back_to_the_same),
        cmocka_unit_test(documents_every_row),           cmocka_unit_test(nearest_word),
        cmocka_unit_test(survives_damage),
    };
    return check_run(tests);
}
