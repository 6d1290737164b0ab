/* Chat templates: what is parsed is rendered twice to the same text, or refused twice with the same message.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "data/jinja.h"
#include "tests/data/jinja_cases.h"
#include "tests/fuzz/fuzz.h"

/* Those of models, the last ones, and a few of the others: all would take long. */
void fuzz_seeds(fuzz_take *take) {
    const size_t n = sizeof jinja_cases / sizeof *jinja_cases;
    for (size_t i = 0; i < n; i++)
        if (i % 4 == 0 || i + 6 > n) take(jinja_cases[i].template, strlen(jinja_cases[i].template));
}

static sgn_status render(const sgn_jinja *t, const sgn_json *variables, char **out, size_t *size, sgn_error *err) {
    const sgn_status s = sgn_jinja_render(t, variables, out, size, err);
    fuzz_check((s == SGN_OK) == (*out != NULL));
    fuzz_check(s != SGN_OK || ((*out)[*size] == '\0' && *size <= SGN_JINJA_MEMORY));
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sgn_error err = { 0 }, again = { 0 };
    sgn_jinja *t;
    sgn_json *variables;
    char *text, *same;
    size_t n, m;
    if (fuzz_refused(sgn_jinja_parse(&t, (const char *)data, size, "x.jinja", &err), &err, "x.jinja")) {
        fuzz_check(!t);
        return 0;
    }
    fuzz_ok(sgn_json_parse(&variables, jinja_variables, strlen(jinja_variables), "variables", &err), &err);
    const sgn_status s = render(t, variables, &text, &n, &err);
    fuzz_check(render(t, variables, &same, &m, &again) == s);
    if (fuzz_refused(s, &err, "x.jinja")) fuzz_check(strcmp(err.text, again.text) == 0);
    else fuzz_check(n == m && memcmp(text, same, n) == 0);
    free(text);
    free(same);
    sgn_json_free(variables);
    sgn_jinja_close(t);
    return 0;
}
