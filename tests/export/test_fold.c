/* Scales that move to the norms and layers before: the same logits, nothing left where they are shared.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "export/fold.h"
#include "tests/export/fold_model.h"

static int32_t tokens[FOLD_TOKENS];
static float want[FOLD_TOKENS * SMALL_VOCAB], got[FOLD_TOKENS * SMALL_VOCAB];

static const small_case cases[] = {
    { .scales = "column" }, { .scales = "column", .no_shift = true, .tied = true }, { .scales = "column", .kv_heads = 2 },
    { .scales = "column", .bias = true, .kv_heads = 1 }, { .scales = "column", .qk_norm = true, .kv_heads = 2 },
    { .scales = "column", .binary = "mlp" }, { .scales = "column", .binary = "o,down,up" }, { .scales = "column", .arch = "gpt2", .bias = true },
    { .scales = "row" }, { .scales = "group128" },
};

static void check_same(const sgn_lowered_model *a, const sgn_lowered_model *b) {
    float most = 1;
    lowered_logits(a, tokens, want);
    lowered_logits(b, tokens, got);
    for (int i = 0; i < FOLD_TOKENS * SMALL_VOCAB; i++) most = fmaxf(most, fabsf(want[i]));
    check_array_close(got, want, FOLD_TOKENS * SMALL_VOCAB, 3e-4 * (double)most, 0);   /* scores of hundreds make much of one rounding */
}

/* How many layers still scale their columns. */
static int left(const sgn_lowered_model *lm) {
    int n = 0;
    for (int64_t b = 0; b < lm->config.layers; b++)
        for (int k = 0; k < SGN_LINEARS; k++)
            n += lm->blocks[b].linear[k].count && lm->blocks[b].linear[k].chain[0].stage[0].kind == SGN_STAGE_SCALE;
    return n;
}

/* A third of the scales is negative (small_model.h), and each layer has its own. */
static void folded_models_compute_the_same(void **state) {
    (void)state;
    sgn_error err;
    small_tokens(tokens, FOLD_TOKENS, 5);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) for (int tied = 0; tied < 2; tied++) {
        sgn_transformer m;
        sgn_lowered_model lm;
        sgn_folded f;
        small_model(&m, &cases[i], i);
        round_scales(&m);
        const bool ties = tied && i < 5;
        if (ties) tie_scales(&m);
        check_ok(sgn_lowered_model_from(&lm, &m, &err), &err);
        check_ok(sgn_fold(&f, &lm, false, &err), &err);
        check_same(&lm, &f.model);
        assert_int_equal(left(&lm), i < 5 ? 14 : i == 5 ? 6 : i == 6 ? 6 : i == 7 ? 12 : 0);
        /* what q, k, v and gate, up do not share remains; so does what two heads that read the same values do not */
        if (ties) assert_int_equal(left(&f.model), 0);
        else if (i == 0 || i == 1) assert_int_equal(left(&f.model), 10);
        else if (i == 2 || i == 3 || i == 4) assert_int_equal(left(&f.model), 12);
        sgn_folded_free(&f);
        sgn_lowered_model_free(&lm);
        sgn_transformer_free(&m);
    }
}

static void zeros_are_refused(void **state) {
    (void)state;
    static const int layer[] = { SGN_K, SGN_O, SGN_UP, SGN_DOWN };
    static const char *const name[] = { "layers.1.self_attn.k_proj", "layers.1.self_attn.o_proj", "layers.1.mlp.up_proj", "layers.1.mlp.down_proj" };
    sgn_error err;
    small_tokens(tokens, FOLD_TOKENS, 6);
    for (int i = 0; i < 4; i++) {
        sgn_transformer m;
        sgn_lowered_model lm;
        sgn_folded f;
        small_model(&m, &cases[0], 3);
        scale_of(&m, 1, layer[i], 1)->data[7] = 0;
        check_ok(sgn_lowered_model_from(&lm, &m, &err), &err);
        check_fails(sgn_fold(&f, &lm, false, &err), SGN_UNSUPPORTED, &err, name[i]);
        assert_non_null(strstr(err.text, "column 7"));
        check_ok(sgn_fold(&f, &lm, true, &err), &err);
        check_same(&lm, &f.model);
        sgn_folded_free(&f);
        sgn_folded_free(&f);
        sgn_lowered_model_free(&lm);
        sgn_transformer_free(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(folded_models_compute_the_same), cmocka_unit_test(zeros_are_refused) };
    return check_run(tests);
}
