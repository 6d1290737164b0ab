/* Runs over several sets, with documents masked: the same bits after a resume, from any number of threads and with
 * recomputation; what may not change; that training and evaluation see the mask.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/train/runs.h"

#include "train/trainer_parts.h"

static sgn_error err;
static sgn_run_config c;
static runs_watch watch;
static int set_up(void **state) {
    if (check_begin(state)) return -1;
    sgn_log_to(runs_keep_log, NULL);
    runs_data();
    runs_shards(check_path("second"), 400, 5);
    runs_config(&c, (const char *[]){ "model.linear=full", "train.steps=4" }, 2);
    check_ok(runs_train(&c, check_path("teacher"), false, &watch, &err), &err);
    return 0;
}

/* A student of three parts "data" and one "second", in windows that end documents at id 3. */
static void mixed(const char *const *overrides, int count) {
    runs_config(&c, overrides, count);
    snprintf(c.distill.teacher, SGN_TEXT, "%s", check_path("teacher"));
    c.distill.lambda = 0.5;
    c.data.train[0] = '\0';
    snprintf(c.data.mix, SGN_LIST_TEXT, "%s=0.75,%s=0.25", check_path("data"), check_path("second"));
    c.data.mask_documents = true;
    c.data.eot = 3;
    watch = (runs_watch){ 0 };
    runs_log[0] = '\0';
}

static const char *step(const char *run, int n) {
    static char path[4][600];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/checkpoints/step-%08d", check_path(run), n);
    return p;
}

static void check_same(const char *a, const char *b) {
    runs_same_state(step(a, 6), step(b, 6));
    runs_same_metrics(check_path(a), check_path(b));
}

static void resumed_equals_unbroken(void **state) {
    (void)state;
    mixed(NULL, 0);
    check_ok(runs_train(&c, check_path("whole"), false, &watch, &err), &err);
    for (int part = 0; part < 3; part++) {
        mixed(NULL, 0);
        watch.stop_after = part == 2 ? 0 : 2 * part + 1;
        const sgn_status s = runs_train(&c, check_path("broken"), part > 0, &watch, &err);
        assert_int_equal(s, part == 2 ? SGN_OK : SGN_INTERRUPTED);
    }
    check_same("whole", "broken");
}

static void threads_and_recomputation(void **state) {
    (void)state;
    mixed((const char *[]){ "train.threads=1" }, 1);
    check_ok(runs_train(&c, check_path("alone"), false, &watch, &err), &err);
    check_same("whole", "alone");
    mixed((const char *[]){ "train.recompute=true" }, 1);
    check_ok(runs_train(&c, check_path("again"), false, &watch, &err), &err);
    check_same("whole", "again");
}

/* 6 steps of 8 windows: 36 and 12, where the sets have 124 and 24. */
static void shares_are_told(void **state) {
    (void)state;
    mixed((const char *[]){ "train.save_every=0" }, 1);
    check_ok(runs_train(&c, check_path("told"), false, &watch, &err), &err);
    assert_non_null(strstr(runs_log, "data: weight 75.0000 %, realised 75.0000 %: 36 windows, 0.29 epochs"));
    assert_non_null(strstr(runs_log, "second: weight 25.0000 %, realised 25.0000 %: 12 windows, 0.5 epochs"));
    char *text = runs_metrics(check_path("told"));
    assert_non_null(strstr(text, "\"windows\": [12, 4]}"));        /* of step 2, the first that is evaluated */
    assert_non_null(strstr(text, "\"windows\": [36, 12]}"));
    free(text);
}

static void one_set_is_plain(void **state) {
    (void)state;
    runs_config(&c, NULL, 0);
    watch = (runs_watch){ .stop_after = 3 };
    check_fails(runs_train(&c, check_path("plain"), false, &watch, &err), SGN_INTERRUPTED, &err, "");
    for (int i = 0; i < 2; i++) {                                  /* the second goes on with the plain run */
        runs_config(&c, NULL, 0);
        c.data.train[0] = '\0';
        snprintf(c.data.mix, SGN_LIST_TEXT, "%s=0.2", check_path("data"));
        watch = (runs_watch){ 0 };
        check_ok(runs_train(&c, check_path(i ? "plain" : "one"), i, &watch, &err), &err);
    }
    check_same("plain", "one");
}

/* Sets may move; their weights, order, content and the mask may not change. */
static void what_may_change(void **state) {
    (void)state;
    mixed(NULL, 0);
    snprintf(c.data.mix, SGN_LIST_TEXT, "%s=1,%s=1", check_path("data"), check_path("second"));
    check_fails(runs_train(&c, check_path("whole"), true, &watch, &err), SGN_CONFIG, &err, "weights");
    snprintf(c.data.mix, SGN_LIST_TEXT, "%s=0.25,%s=0.75", check_path("second"), check_path("data"));
    check_fails(runs_train(&c, check_path("whole"), true, &watch, &err), SGN_CONFIG, &err, "data.mix");
    snprintf(c.data.mix, SGN_LIST_TEXT, "%s=0.75,%s=0.25", check_path("data"), check_path("held-out"));
    check_fails(runs_train(&c, check_path("whole"), true, &watch, &err), SGN_CONFIG, &err, "data.mix");
    mixed(NULL, 0);
    c.data.mask_documents = false;
    check_fails(runs_train(&c, check_path("whole"), true, &watch, &err), SGN_CONFIG, &err, "data.mask_documents = true");
    mixed(NULL, 0);
    c.data.eot = 4;
    check_fails(runs_train(&c, check_path("whole"), true, &watch, &err), SGN_CONFIG, &err, "data.eot = 3, now it is 4");
    mixed(NULL, 0);
    runs_shards(check_path("moved"), 400, 5);
    snprintf(c.data.mix, SGN_LIST_TEXT, "%s=3, %s=1", check_path("data"), check_path("moved"));    /* the same shares */
    check_ok(runs_train(&c, check_path("whole"), true, &watch, &err), &err);
    assert_non_null(strstr(runs_log, "nothing left to do"));
}

static void refusals(void **state) {
    (void)state;
    char fresh[512];
    snprintf(fresh, sizeof fresh, "%s", check_path("never"));
    mixed(NULL, 0);
    snprintf(c.data.train, SGN_TEXT, "%s", check_path("data"));
    check_fails(runs_train(&c, fresh, false, &watch, &err), SGN_CONFIG, &err, "data.train and data.mix");
    mixed(NULL, 0);
    c.data.eot = -1;
    check_fails(runs_train(&c, fresh, false, &watch, &err), SGN_CONFIG, &err, "set data.eot");
    mixed(NULL, 0);
    c.data.eot = RUNS_VOCAB;
    check_fails(runs_train(&c, fresh, false, &watch, &err), SGN_CONFIG, &err, "outside the vocabulary of 97");
    mixed((const char *[]){ "train.seq=400", "train.batch=1" }, 2);
    c.data.valid[0] = '\0';
    check_fails(runs_train(&c, fresh, false, &watch, &err), SGN_CONFIG, &err, "second: has 400 tokens");
    assert_false(sgn_file_exists(fresh));
}

/* Mean -log p of a batch by the trainer's model as it is now, with the documents marked or without. */
static double mean_loss(sgn_trainer *t, const sgn_batch *b, const int32_t *first) {
    sgn_loss_sums sums = { 0 };
    sgn_tape_begin(&t->tape, SGN_TAPE_NOGRAD);
    sgn_tensor *h = sgn_transformer_documents(&t->model, &t->tape, b->tokens, first, b->batch, b->seq);
    sgn_head_loss(&t->tape, h, sgn_transformer_head(&t->model),
                  &(sgn_head_loss_args){ .target = b->targets, .temperature = 1, .scale = 1, .sums = &sums });
    check_ok(sgn_tape_end(&t->tape, &err), &err);
    assert_in_range(sums.tokens, 1, b->batch * b->seq - 1);        /* some targets are left out */
    return sums.hard / (double)sums.tokens;
}

/* Micro-batch 0 of an order of these sets. */
static void first_batch(sgn_mix *m, sgn_loader **l, const char *dir, const char *list, const sgn_sampler *like, sgn_batch *b) {
    check_ok(sgn_mix_open(m, dir, list, NULL, &err), &err);
    check_ok(sgn_mix_order(m, like, &err), &err);
    m->eot = 3;
    check_ok(sgn_loader_open(l, m, 0, &err), &err);
    check_ok(sgn_loader_next(*l, b, &err), &err);
}

/* What a step and an evaluation say is the loss under the mask, and not without it. */
static void student_sees_the_mask(void **state) {
    (void)state;
    sgn_trainer t;
    sgn_mix m[2];
    sgn_loader *l[2];
    sgn_batch b[2];
    mixed((const char *[]){ "train.seq=64", "train.batch=4", "train.accumulate=1", "train.steps=2", "model.init_std=0.3" }, 5);
    c.distill.teacher[0] = '\0';
    check_ok(sgn_trainer_setup(&t, &c, &(sgn_train_options){ .out = check_path("seen") }, &err), &err);
    first_batch(&m[0], &l[0], "", c.data.mix, &(sgn_sampler){ .seq = 64, .batch = 4, .seed = (uint64_t)c.data.seed }, &b[0]);
    first_batch(&m[1], &l[1], c.data.valid, "", &(sgn_sampler){ .seq = 64, .batch = 4, .order = SGN_ORDER_SEQUENTIAL }, &b[1]);
    double want[2], unmasked[2], nats, bpb;
    for (int i = 0; i < 2; i++) {
        want[i] = mean_loss(&t, &b[i], b[i].first);
        unmasked[i] = mean_loss(&t, &b[i], NULL);
        assert_true(fabs(want[i] - unmasked[i]) > 1e-4 * want[i]);
    }
    check_ok(sgn_trainer_evaluate(&t, &nats, &bpb, &err), &err);
    check_close(nats, want[1], 0, 1e-6);
    sgn_progress p = { .step = 1 };
    check_ok(sgn_trainer_step(&t, &p, &err), &err);
    check_close(p.hard, want[0], 0, 1e-6);
    for (int i = 0; i < 2; i++) {
        sgn_loader_close(l[i]);
        sgn_mix_close(&m[i]);
    }
    sgn_trainer_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumed_equals_unbroken), cmocka_unit_test(threads_and_recomputation), cmocka_unit_test(shares_are_told),
        cmocka_unit_test(one_set_is_plain), cmocka_unit_test(what_may_change), cmocka_unit_test(refusals),
        cmocka_unit_test(student_sees_the_mask),
    };
    return cmocka_run_group_tests(tests, set_up, check_end);
}
