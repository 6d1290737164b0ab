/* Random models of every linear kind: they take the bits of a packed model of their config, and run.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "export/format.h"
#include "export/random_model.h"
#include "export/runtime.h"
#include "model/bit_count.h"
#include "tests/export/small_model.h"

enum { N = 9 };
static sgn_error err;

static void bits_of(const sgn_lowered_model *lm, int64_t bits[SGN_BITS_PARTS]) {
    sgn_bits_row row;
    memset(bits, 0, SGN_BITS_PARTS * sizeof *bits);
    for (int64_t i = 0; sgn_bits_row_at(lm, i, &row); i++)
        for (int p = 0; p < SGN_BITS_PARTS; p++) bits[p] += row.bits.bits[p];
}

static void check_runs(const sgn_lowered_model *lm) {
    int32_t tokens[N];
    float logits[2][SMALL_VOCAB];
    const float *hidden;
    sgn_runtime *r;
    small_tokens(tokens, N, 3);
    check_ok(sgn_runtime_open(&r, lm, &(sgn_runtime_options){ .context = N, .batch = N }, &err), &err);
    check_ok(sgn_runtime_hidden(r, tokens, N, &hidden, &err), &err);
    for (int k = 0; k < 2; k++) sgn_runtime_logits(r, hidden + (k ? N - 1 : 0) * lm->config.dim, logits[k]);
    sgn_runtime_close(r);
    double apart = 0;
    for (int v = 0; v < SMALL_VOCAB; v++) {
        assert_true(isfinite(logits[0][v]) && isfinite(logits[1][v]));
        apart = fmax(apart, fabs((double)logits[0][v] - (double)logits[1][v]));
    }
    assert_true(apart > 1e-3);
}

static void check_config(const sgn_model_config *c) {
    sgn_lowered_model random;
    sgn_transformer m;
    sgn_model_file *f;
    int64_t have[SGN_BITS_PARTS], want[SGN_BITS_PARTS];
    check_ok(sgn_random_model(&random, c, SGN_DTYPE_F32, &err), &err);
    check_runs(&random);
    check_ok(sgn_transformer_init(&m, c, false, &err), &err);
    check_ok(sgn_transformer_commit(&m, &err), &err);
    sgn_transformer_randomize(&m, 1);
    check_ok(sgn_export("packed", check_path("packed"), &m, NULL, true, &err), &err);
    check_ok(sgn_model_file_open(&f, check_path("packed"), SGN_VERIFY_SMALL, &err), &err);
    bits_of(&random, have);
    bits_of(sgn_model_file_lowered(f), want);
    for (int p = 0; p < SGN_BITS_PARTS; p++)
        if (have[p] != want[p]) fail_msg("%s: %lld bits of %s, not %lld", c->linear, (long long)have[p], sgn_bits_word((sgn_bits_part)p), (long long)want[p]);
    sgn_model_file_close(f);
    sgn_transformer_free(&m);
    sgn_lowered_model_free(&random);
}

static void every_kind_is_as_its_packed_model(void **state) {
    (void)state;
    static const char *const keep[] = { "1:4", "2:8" };
    check_ok(sgn_gemm_init(&err), &err);
    for (int i = 0; sgn_linear_kind_at(i); i++)
        for (int k = 0; k < (strcmp(sgn_linear_kind_at(i)->name, "nm") ? 1 : 2); k++) {
            sgn_model_config c = small_config(&(small_case){ .linear = sgn_linear_kind_at(i)->name, .kv_heads = 2, .tied = i % 2 });
            c.bits = 2;
            c.paths = 1 + i % 2;
            snprintf(c.keep, sizeof c.keep, "%s", keep[k]);
            check_config(&c);
        }
}

/* Also where layers differ, have biases, or other norms. */
static void shapes_of_all_sorts(void **state) {
    (void)state;
    for (int i = 0; i < SMALL_CASES; i++) {
        sgn_model_config c = small_config(&small_cases[i]);
        check_config(&c);
    }
    sgn_model_config c = small_config(&(small_case){ .layers = 3 });
    snprintf(c.mixed, sizeof c.mixed, "0=full, 1.mlp=nm, 2.o=rowcol");
    check_config(&c);
}

static void other_types_are_refused(void **state) {
    (void)state;
    sgn_lowered_model lm;
    const sgn_model_config c = small_config(&(small_case){ .dim = 128, .ffn = 256 });
    check_fails(sgn_random_model(&lm, &c, SGN_DTYPE_I64, &err), SGN_UNSUPPORTED, &err, "Q8_0");
    const sgn_model_config odd = small_config(&(small_case){ .dim = 136 });
    check_fails(sgn_random_model(&lm, &odd, SGN_DTYPE_Q8_0, &err), SGN_UNSUPPORTED, &err, "blocks");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_as_its_packed_model),
        cmocka_unit_test(shapes_of_all_sorts), cmocka_unit_test(other_types_are_refused),
    };
    return check_run(tests);
}
