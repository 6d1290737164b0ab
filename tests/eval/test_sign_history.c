/* Changes of signs, latents and scales, counted by hand on small matrices; and over a run, where what changes between the checkpoints of
 * two successive steps is what the trainer counted as flips.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/train/runs.h"

#include "eval/sign_history.h"
#include "model/model_load.h"

static void small_model(sgn_transformer *m, const char *kind, const char *keep) {
    sgn_error err;
    sgn_run_config c;
    char text[2][48];
    snprintf(text[0], sizeof text[0], "model.linear=%s", kind);
    snprintf(text[1], sizeof text[1], "model.keep=%s", keep);
    const char *words[] = { "model.dim=16", "model.layers=1", "model.heads=2", "model.ffn=24", "model.vocab=11", "model.context=256",
                            "model.binary=down,up", text[0], text[1] };
    check_ok(sgn_run_config_load(&c, NULL, words, 9, &err), &err);
    check_ok(sgn_transformer_init(m, &c.model, false, &err), &err);
    check_ok(sgn_transformer_commit(m, &err), &err);
    sgn_transformer_randomize(m, 3);
}

/* up (24, 16) is row 0, down (16, 24) row 1; of 24 columns 40 bits of a word are padding. */
static void changes(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m;
    sgn_sign_copy copy = { 0 };
    small_model(&m, "fbi", "1:8");
    assert_int_equal(sgn_layer_signs_count(&m), 2);
    check_ok(sgn_sign_copy_take(&copy, &m, &err), &err);
    sgn_param *down = sgn_params_find(&m.params, "model.layers.0.mlp.down_proj.weight");
    const int flip[] = { 0, 23, 24, 383 };
    for (int i = 0; i < 4; i++) down->tensor.data[flip[i]] = -down->tensor.data[flip[i]];
    sgn_params_refresh_signs(&m.params);
    const sgn_sign_change up = sgn_layer_change(&m, 0, &copy), c = sgn_layer_change(&m, 1, &copy);
    assert_true(up.entries == 384 && up.changed == 0 && up.kept == 384 && up.agree == 384);
    assert_true(c.entries == 384 && c.changed == 4 && c.kept == 384 && c.agree == 380);
    check_close(sgn_sign_changed(&c), 4.0 / 384, 0, 1e-12);
    check_close(sgn_sign_agreed(&c), 380.0 / 384, 0, 1e-12);
    sgn_sign_copy_free(&copy);
    sgn_transformer_free(&m);
}

/* 1 of 8: a kept entry that turns over is one change, one that gives way to a neighbour two. */
static void changes_of_masks(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m;
    sgn_sign_copy copy = { 0 };
    small_model(&m, "nm", "1:8");
    sgn_param *down = sgn_params_find(&m.params, "model.layers.0.mlp.down_proj.weight");
    sgn_real *w = down->tensor.data;
    for (int i = 0; i < 384; i++) w[i] = i % 8 == 2 ? 1 : (sgn_real)0.1;
    sgn_params_refresh_signs(&m.params);
    check_ok(sgn_sign_copy_take(&copy, &m, &err), &err);
    w[2] = -1;             /* turns over */
    w[8 + 5] = 2;          /* takes the place of w[8 + 2] */
    w[16] = (sgn_real)-0.1;        /* is not kept */
    sgn_params_refresh_signs(&m.params);
    const sgn_sign_change c = sgn_layer_change(&m, 1, &copy);
    assert_true(c.entries == 384 && c.changed == 3 && c.kept == 47 && c.agree == 46);
    sgn_sign_copy_free(&copy);
    sgn_transformer_free(&m);
}

/* 24 alphas: one of -1, one of 0.05, 22 of 1; betas 0.5. Latents: 7 eighths of size 1, the others 0.01, so a mean of 0.87625. */
static void latents_and_scales(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m;
    sgn_layer_signs l;
    small_model(&m, "fbi", "1:8");
    sgn_real *w = sgn_params_find(&m.params, "model.layers.0.mlp.down_proj.weight")->tensor.data;
    sgn_real *alpha = sgn_params_find(&m.params, "model.layers.0.mlp.down_proj.wscale")->tensor.data;
    sgn_real *beta = sgn_params_find(&m.params, "model.layers.0.mlp.down_proj.wbias")->tensor.data;
    for (int i = 0; i < 384; i++) w[i] = i % 8 ? (i % 2 ? 1 : -1) : (sgn_real)0.01;
    for (int i = 0; i < 24; i++) alpha[i] = i == 3 ? -1 : i == 7 ? (sgn_real)0.05 : 1, beta[i] = (sgn_real)0.5;
    sgn_params_refresh_signs(&m.params);
    check_ok(sgn_layer_signs_look(&m, 1, 0.1, &l, &err), &err);
    assert_string_equal(l.name, "model.layers.0.mlp.down_proj");
    assert_string_equal(l.module, "down");
    assert_true(l.weights == 384 && l.near == 48 && l.latent);
    check_close(l.mean_size, 0.87625, 0, 1e-6);
    assert_int_equal(l.size.count[0], 48);                     /* 0.0114 of the mean */
    assert_int_equal(l.size.count[15], 336);                   /* 1.141 of it, bins of 0.075 */
    assert_true(l.alpha.count == 24 && l.alpha.negative == 1 && l.alpha.near_zero == 1);
    assert_true(l.alpha.least == -1 && l.alpha.median == 1 && l.alpha.greatest == 1);
    check_close(l.alpha.mean_size, 23.05 / 24, 0, 1e-6);
    assert_true(l.beta.count == 24 && l.beta.negative == 0 && l.beta.median == 0.5);
    int64_t alphas = 0;
    for (int i = 0; i < SGN_HISTOGRAM; i++) alphas += l.alphas.count[i];
    assert_true(alphas == 24 && l.alphas.count[20] == 1);      /* 0.05 of the median, bins of 0.1 from -2 */

    for (int i = 0; i < 384; i++) w[i] = w[i] < 0 ? -1 : 1;
    sgn_params_refresh_signs(&m.params);
    check_ok(sgn_layer_signs_look(&m, 1, 0.1, &l, &err), &err);
    assert_true(!l.latent && l.near == 0);
    sgn_transformer_free(&m);
}

static void over_a_run(void **state) {
    (void)state;
    static const char *const words[] = { "train.save_every=1", "train.keep=0", "train.steps=4", "train.eval_every=0", "model.linear=fbi" };
    sgn_error err;
    sgn_run_config c;
    sgn_model_config model;
    runs_watch watch = { 0 };
    sgn_sign_copy start;
    sgn_sign_history h;
    runs_data();
    runs_config(&c, words, 5);
    check_ok(runs_train(&c, check_path("run"), false, &watch, &err), &err);
    check_ok(sgn_model_load_config(check_path("run/checkpoints/step-00000001"), NULL, &model, &err), &err);
    check_ok(sgn_signs_of_seed(&start, &model, (uint64_t)c.train.seed, &err), &err);

    check_ok(sgn_sign_history_read(&h, check_path("run/checkpoints/step-00000001"), 0.1, &start, &err), &err);
    sgn_sign_change all = { 0 };
    for (int i = 0; i < h.layers; i++) sgn_sign_change_add(&all, &h.against[i]);
    const double first = sgn_sign_changed(&all);
    assert_true(h.checkpoints == 1 && h.steps == 0 && h.layers == 14);
    sgn_sign_history_free(&h);

    check_ok(sgn_sign_history_read(&h, check_path("run"), 0.1, &start, &err), &err);
    assert_true(h.checkpoints == 4 && h.steps == 4 && h.flips[0].step == 1);
    assert_true(first > 0);
    check_close(first, h.flips[0].value, 1e-9, 1e-8);
    for (int i = 1; i < 4; i++) {
        sgn_sign_change sum = { 0 };
        for (int k = 0; k < h.layers; k++) sgn_sign_change_add(&sum, &h.change[i * h.layers + k]);
        check_close(sgn_sign_changed(&sum), h.flips[i].value, 1e-9, 1e-8);
        check_close(sgn_sign_history_flips(&h, i), h.flips[i].value, 0, 1e-12);
    }
    assert_true(sgn_sign_history_flips(&h, 0) == -1);
    sgn_sign_history_free(&h);
    sgn_sign_copy_free(&start);

    check_ok(sgn_signs_of_model(&start, &model, check_path("run"), &err), &err);        /* itself */
    check_ok(sgn_sign_history_read(&h, check_path("run"), 0.1, &start, &err), &err);
    for (int i = 0; i < h.layers; i++) assert_true(h.against[i].changed == 0 && h.against[i].entries > 0);
    sgn_sign_history_free(&h);
    sgn_sign_copy_free(&start);
    model.ffn = 32;
    check_fails(sgn_signs_of_model(&start, &model, check_path("run"), &err), SGN_CONFIG, &err, "gate_proj.weight of the same shape");
    check_fails(sgn_sign_history_read(&h, check_path("nowhere"), 0.1, NULL, &err), SGN_IO, &err, "nowhere");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes), cmocka_unit_test(changes_of_masks), cmocka_unit_test(latents_and_scales), cmocka_unit_test(over_a_run),
    };
    return check_run(tests);
}
