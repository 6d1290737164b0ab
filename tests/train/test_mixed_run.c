/* Runs over several sets, with documents masked: the same bits after a resume, from any number of threads and with
 * recomputation; what may not change; that student, teacher and evaluation all see the mask.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/train/runs.h"

#include "core/json.h"
#include "core/log.h"

static sgn_error err;
static sgn_run_config c;
static runs_watch watch;
static char log_text[8192];

static void keep_log(void *ctx, sgn_log_level level, const char *line) {
    (void)ctx; (void)level;
    const size_t n = strlen(log_text);
    snprintf(log_text + n, sizeof log_text - n, "%s\n", line);
}

static int set_up(void **state) {
    if (check_begin(state)) return -1;
    sgn_log_to(keep_log, NULL);
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
    log_text[0] = '\0';
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
    assert_non_null(strstr(log_text, "data: weight 75.0000 %, realised 75.0000 %: 36 windows, 0.29 epochs"));
    assert_non_null(strstr(log_text, "second: weight 25.0000 %, realised 25.0000 %: 12 windows, 0.5 epochs"));
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
    assert_non_null(strstr(log_text, "nothing left to do"));
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

/* Number `key` of the run's last line. */
static double last(const char *run, const char *key) {
    char *text = runs_metrics(check_path(run)), *line = text;
    for (char *next; (next = strchr(line, '\n')) && next[1];) line = next + 1;
    sgn_json *j;
    check_ok(sgn_json_parse(&j, line, strlen(line), run, &err), &err);
    const double v = sgn_json_real(sgn_json_get(j, key), NAN);
    sgn_json_free(j);
    free(text);
    return v;
}

static void put(const char *name, int32_t often) {
    sgn_shard_writer *w;
    int32_t ids[1000];
    for (int i = 0; i < 1000; i++) ids[i] = i % 11 == 10 ? often : (int32_t)(sgn_rng_bits(3, 1, (uint64_t)i) % 90);
    check_ok(sgn_shard_writer_open(&w, check_path(name), &(sgn_shard_options){ .vocab = RUNS_VOCAB }, &err), &err);
    check_ok(sgn_shard_writer_put(w, ids, 1000, &err), &err);
    check_ok(sgn_shard_writer_close(w, &err), &err);
}

/* Id 95 stands in the validation text alone, id 96 in the training text alone: a mask by the one changes evaluation and nothing
 * else, by the other the losses of student and teacher at the first step, before any weight has moved. */
static void who_sees_the_mask(void **state) {
    (void)state;
    static const int eots[3] = { 94, 95, 96 };                     /* in neither, valid, train */
    static const char *const runs[3] = { "no-ends", "valid-ends", "train-ends" };
    put("with-96", 96);
    put("with-95", 95);
    for (int i = 0; i < 3; i++) {
        mixed((const char *[]){ "train.steps=1" }, 1);
        snprintf(c.data.mix, SGN_LIST_TEXT, "%s=1", check_path("with-96"));
        snprintf(c.data.valid, SGN_TEXT, "%s", check_path("with-95"));
        c.data.eot = eots[i];
        check_ok(runs_train(&c, check_path(runs[i]), false, &watch, &err), &err);
    }
    runs_same_state(step("no-ends", 1), step("valid-ends", 1));
    assert_true(last("no-ends", "soft") == last("valid-ends", "soft"));
    assert_true(last("no-ends", "valid") != last("valid-ends", "valid"));
    assert_true(last("no-ends", "hard") != last("train-ends", "hard"));
    assert_true(last("no-ends", "teacher_entropy") != last("train-ends", "teacher_entropy"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumed_equals_unbroken), cmocka_unit_test(threads_and_recomputation), cmocka_unit_test(shares_are_told),
        cmocka_unit_test(one_set_is_plain), cmocka_unit_test(what_may_change), cmocka_unit_test(refusals),
        cmocka_unit_test(who_sees_the_mask),
    };
    return cmocka_run_group_tests(tests, set_up, check_end);
}
