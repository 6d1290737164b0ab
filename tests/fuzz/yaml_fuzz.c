/* Settings: what is accepted is within its range, and its dump loads back to the same dump.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "core/config.h"
#include "tests/fuzz/fuzz.h"

typedef struct {
    int64_t dim, any;
    double  theta;
    bool    tied;
    char    kind[SGN_TEXT], binary[SGN_TEXT];
} model;
typedef struct { int64_t verbosity; model model; } whole;

static const sgn_field top_fields[] = {
    { "verbosity", SGN_FIELD_INT, offsetof(whole, verbosity), 0, 3, NULL, "1", "How much is said." }, { 0 } };
static const sgn_field model_fields[] = {
    { "dim", SGN_FIELD_INT, offsetof(model, dim), 1, 65536, NULL, "256", "Width." },
    { "any", SGN_FIELD_INT, offsetof(model, any), 0, 0, NULL, "0", "Any integer." },
    { "theta", SGN_FIELD_REAL, offsetof(model, theta), 0, 1e9, NULL, "1e4", "Rope base." },
    { "tied", SGN_FIELD_BOOL, offsetof(model, tied), 0, 0, NULL, "true", "Tied head." },
    { "kind", SGN_FIELD_CHOICE, offsetof(model, kind), 0, 0, "fbi|full|on", "fbi", "Linear kind." },
    { "binary", SGN_FIELD_TEXT, offsetof(model, binary), 0, 0, NULL, "[attention, mlp]", "What is binary." },
    { 0 } };
static const sgn_section sections[] = { { "", top_fields, 0 }, { "model", model_fields, offsetof(whole, model) }, { 0 } };

void fuzz_seeds(fuzz_take *take) {
    static const char *const texts[] = {
        "# a comment\nverbosity: 2\nmodel:\n  dim: 512   # wide\n  theta: 5.5e+5\n  tied: false\n  kind: full\n  binary: [attention , \"mlp\", 'head']\n",
        "model: {dim: 1, any: -9223372036854775808, kind: on, binary: \"a \\u00e9 \\\" b\"}\n",
        "---\nmodel:\n  binary:\n    - mlp\n    - head\n  theta: .5\n", "verbosity: 0" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) take(texts[i], strlen(texts[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sgn_error err = { 0 };
    whole w = { 0 }, again = { 0 };
    char *text, *same;
    sgn_config_defaults(&w, sections);
    if (fuzz_refused(sgn_config_parse(&w, sections, (const char *)data, size, "x.yaml", &err), &err, "x.yaml")) return 0;
    fuzz_check(w.model.dim >= 1 && w.model.dim <= 65536 && w.verbosity >= 0 && w.verbosity <= 3);
    fuzz_check(w.model.theta >= 0 && w.model.theta <= 1e9);
    fuzz_check(memchr(w.model.kind, '\0', SGN_TEXT) && memchr(w.model.binary, '\0', SGN_TEXT));
    fuzz_ok(sgn_config_dump(&w, sections, size % 2, &text, &err), &err);
    sgn_config_defaults(&again, sections);
    fuzz_ok(sgn_config_parse(&again, sections, text, strlen(text), "dump", &err), &err);
    fuzz_ok(sgn_config_dump(&again, sections, size % 2, &same, &err), &err);
    fuzz_check(strcmp(text, same) == 0);
    fuzz_check(strcmp(w.model.binary, again.model.binary) == 0 && w.model.any == again.model.any);
    free(text);
    free(same);
    return 0;
}
