/* Whole small runs: the same bits after a resume and for any thread count, and what is refused.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/train/runs.h"

#include <fcntl.h>
#include <sys/file.h>
#include "core/json.h"
#include "model/model_load.h"
#include "model/transformer.h"

static sgn_error err;
static sgn_run_config c;
static runs_watch watch;
static int set_up(void **state) {
    if (check_begin(state)) return -1;
    sgn_log_to(runs_keep_log, NULL);
    runs_data();
    runs_config(&c, (const char *[]){ "model.linear=full", "train.steps=20" }, 2);
    watch = (runs_watch){ 0 };
    check_ok(runs_train(&c, check_path("teacher"), false, &watch, &err), &err);
    return 0;
}

/* The settings of a student with the teacher trained in set_up. */
static void student(const char *const *overrides, int count) {
    runs_config(&c, overrides, count);
    snprintf(c.distill.teacher, SGN_TEXT, "%s", check_path("teacher"));
    c.distill.lambda = 0.75, c.distill.lambda_end = 0.15;
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

/* --- the same bits ------------------------------------------------------------------------------------ */

static void resumed_equals_unbroken(void **state) {
    (void)state;
    student(NULL, 0);
    check_ok(runs_train(&c, check_path("whole"), false, &watch, &err), &err);
    student(NULL, 0);
    watch.stop_after = 3;                              /* between two regular saves */
    check_fails(runs_train(&c, check_path("broken"), false, &watch, &err), SGN_INTERRUPTED, &err, "after step 3 of 6");
    assert_true(sgn_is_directory(step("broken", 3)));
    student(NULL, 0);
    watch.stop_after = 5;
    check_fails(runs_train(&c, check_path("broken"), true, &watch, &err), SGN_INTERRUPTED, &err, "after step 5 of 6");
    student(NULL, 0);
    check_ok(runs_train(&c, check_path("broken"), true, &watch, &err), &err);
    assert_int_equal(watch.last.step, 6);
    runs_same_state(step("whole", 6), step("broken", 6));
    runs_same_metrics(check_path("whole"), check_path("broken"));
    student(NULL, 0);
    check_ok(runs_train(&c, check_path("broken"), true, &watch, &err), &err);      /* finished: nothing happens */
    assert_int_equal(watch.last.step, 0);
    assert_non_null(strstr(runs_log, "nothing left to do"));
}

/* Broken off before the switch, at it, and behind it, and by one thread; signs drawn at random, and what is kept, are the same again. */
static void resumed_kinds_equal_unbroken(void **state) {
    (void)state;
    static const char *const kinds[][4] = { { "model.binary_from_step=3", "model.linear=fbi", "train.threads=1", "warm" },
                                            { "model.binary_from_step=3", "model.linear=bitnet158", "train.threads=1", "warm158" },
                                            { "model.stochastic=true", "model.linear=binaryconnect", "train.threads=1", "drawn" },
                                            { "model.keep=1:8", "model.linear=nm", "train.threads=1", "masked" },
                                            { "model.keep=2:8", "model.linear=nm", "train.threads=1", "masked-pairs" } };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        char broken[32], alone[32];
        const char *whole = kinds[k][3];
        snprintf(broken, sizeof broken, "%s-broken", whole);
        snprintf(alone, sizeof alone, "%s-alone", whole);
        student(kinds[k], 2);
        check_ok(runs_train(&c, check_path(whole), false, &watch, &err), &err);
        for (int stop = 2; stop <= 4; stop++) {
            student(kinds[k], 2);
            watch.stop_after = stop;
            check_fails(runs_train(&c, check_path(broken), stop > 2, &watch, &err), SGN_INTERRUPTED, &err, "");
        }
        student(kinds[k], 2);
        check_ok(runs_train(&c, check_path(broken), true, &watch, &err), &err);
        student(kinds[k], 3);
        check_ok(runs_train(&c, check_path(alone), false, &watch, &err), &err);
        for (int other = 0; other < 2; other++) {
            runs_same_state(step(whole, 6), step(other ? alone : broken, 6));
            runs_same_metrics(check_path(whole), check_path(other ? alone : broken));
        }
    }
}

/* Until the switch a run is the full-precision run, bit for bit, and its checkpoints are full models. */
static void warm_start_is_full_precision(void **state) {
    (void)state;
    sgn_model_config saved;
    student((const char *[]){ "model.linear=full", "optim.clip=0" }, 2);
    watch.stop_after = 3;
    check_fails(runs_train(&c, check_path("full"), false, &watch, &err), SGN_INTERRUPTED, &err, "");
    const double full = watch.last.loss;
    student((const char *[]){ "model.binary_from_step=4", "model.shift=false", "optim.clip=0" }, 3);
    watch.stop_after = 3;
    check_fails(runs_train(&c, check_path("as-full"), false, &watch, &err), SGN_INTERRUPTED, &err, "");
    assert_true(watch.last.step == 3 && watch.last.loss == full);
    check_ok(sgn_model_load_config(step("as-full", 3), NULL, &saved, &err), &err);
    assert_false(sgn_model_config_any_binary(&saved));
    student((const char *[]){ "model.binary_from_step=4", "model.shift=false", "optim.clip=0" }, 3);
    check_ok(runs_train(&c, check_path("as-full"), true, &watch, &err), &err);
    assert_non_null(strstr(runs_log, "step 5: from here on the linear layers are fbi"));
    check_ok(sgn_model_load_config(step("as-full", 6), NULL, &saved, &err), &err);
    assert_true(sgn_model_config_any_binary(&saved));
    static const char *const others[] = { "paretoq", "xnor", "bitnet158", "onebit", "binaryconnect" };
    for (size_t k = 0; k < sizeof others / sizeof *others; k++) {          /* no estimator or rule of theirs works before it */
        char kind[32];
        snprintf(kind, sizeof kind, "model.linear=%s", others[k]);
        student((const char *[]){ "model.binary_from_step=4", "optim.clip=0", kind }, 3);
        watch.stop_after = 3;
        check_fails(runs_train(&c, check_path(others[k]), false, &watch, &err), SGN_INTERRUPTED, &err, "");
        assert_true(watch.last.loss == full);
    }
}

/* A crash loses the steps after the last save: they are computed again, and the log is cut back. */
static void log_is_cut_back_to_the_checkpoint(void **state) {
    (void)state;
    student(NULL, 0);
    watch.stop_after = 3;
    check_fails(runs_train(&c, check_path("crashed"), false, &watch, &err), SGN_INTERRUPTED, &err, "");
    check_ok(sgn_remove_tree(step("crashed", 3), &err), &err);       /* as if it had died right after step 3 */
    student(NULL, 0);
    check_ok(runs_train(&c, check_path("crashed"), true, &watch, &err), &err);
    assert_non_null(strstr(runs_log, "from step 2"));
    runs_same_state(step("whole", 6), step("crashed", 6));
    runs_same_metrics(check_path("whole"), check_path("crashed"));
}

static void one_thread_equals_two(void **state) {
    (void)state;
    student((const char *[]){ "train.threads=1" }, 1);
    check_ok(runs_train(&c, check_path("alone"), false, &watch, &err), &err);
    runs_same_state(step("whole", 6), step("alone", 6));
    runs_same_metrics(check_path("whole"), check_path("alone"));
}

/* Accumulation, teacher, evaluation: "whole" once more with blocks that run again in backward, broken off, resumed without
 * recomputation, resumed with it. */
static void recomputed_equals_kept(void **state) {
    (void)state;
    static const char *const words[] = { "train.recompute=true", "train.threads=1" };
    for (int n = 1; n <= 2; n++) {
        student(words, n);
        check_ok(runs_train(&c, check_path(n == 1 ? "again" : "again-alone"), false, &watch, &err), &err);
        runs_same_state(step("whole", 6), step(n == 1 ? "again" : "again-alone", 6));
        runs_same_metrics(check_path("whole"), check_path(n == 1 ? "again" : "again-alone"));
    }
    for (int part = 0; part < 3; part++) {
        student(words, part == 1 ? 0 : 1);
        watch.stop_after = part == 2 ? 0 : 2 * part + 1;
        const sgn_status s = runs_train(&c, check_path("again-broken"), part > 0, &watch, &err);
        assert_int_equal(s, part == 2 ? SGN_OK : SGN_INTERRUPTED);
    }
    runs_same_state(step("whole", 6), step("again-broken", 6));
    runs_same_metrics(check_path("whole"), check_path("again-broken"));
}

/* Every choice in the cache becomes this one. */
static void set_cache(const char *way) {
    char *text;
    size_t size;
    check_ok(sgn_file_read(check_path("signum/products.json"), 1 << 20, &text, &size, &err), &err);
    for (char *at; (at = strstr(text, strcmp(way, "table") == 0 ? "\"sgemm\"" : "\"table\""));) memcpy(at + 1, way, 5);
    check_ok(sgn_file_write(check_path("signum/products.json"), text, size, &err), &err);
    free(text);
}

/* Do two checkpoints agree in the bits of their first shard's arrays? */
static bool same_arrays(const char *a, const char *b) {
    char path[700];
    sgn_archive x, y;
    snprintf(path, sizeof path, "%s/shard-0000.h5", a);
    check_ok(sgn_archive_open(&x, path, &err), &err);
    snprintf(path, sizeof path, "%s/shard-0000.h5", b);
    check_ok(sgn_archive_open(&y, path, &err), &err);
    bool same = x.count == y.count;
    for (int i = 0; same && i < x.count; i++) {
        char *p = malloc(x.at[i].bytes), *q = malloc(y.at[i].bytes);
        check_ok(x.kind->read(&x, i, p, &err), &err);
        check_ok(y.kind->read(&y, i, q, &err), &err);
        same = memcmp(p, q, x.at[i].bytes) == 0;
        free(p);
        free(q);
    }
    sgn_archive_close(&x);
    sgn_archive_close(&y);
    return same;
}

/* Repeated, a run follows the cache, with any number of threads; continued, it follows what it began with. */
static void products_go_the_recorded_way(void **state) {
    (void)state;
    char *forced = strdup(getenv("SIGNUM_PRODUCTS"));
    assert_int_equal(setenv("SIGNUM_PRODUCTS", "", 1), 0);
    student(NULL, 0);
    check_ok(runs_train(&c, check_path("measured"), false, &watch, &err), &err);
    set_cache("sgemm");
    student(NULL, 0);
    check_ok(runs_train(&c, check_path("multiplied"), false, &watch, &err), &err);
    student((const char *[]){ "train.threads=1" }, 1);
    watch.stop_after = 3;
    check_fails(runs_train(&c, check_path("recorded"), false, &watch, &err), SGN_INTERRUPTED, &err, "");
    set_cache("table");
    student(NULL, 0);
    check_ok(runs_train(&c, check_path("recorded"), true, &watch, &err), &err);
    runs_same_state(step("multiplied", 6), step("recorded", 6));
    runs_same_metrics(check_path("multiplied"), check_path("recorded"));
    student(NULL, 0);                                  /* another run, as the cache says now */
    check_ok(runs_train(&c, check_path("added"), false, &watch, &err), &err);
    assert_false(same_arrays(step("multiplied", 6), step("added", 6)));
    runs_same_state(step(strcmp(forced, "sgemm") == 0 ? "multiplied" : "added", 6), step("whole", 6));
    student(NULL, 0);
    watch.stop_after = 3;
    check_fails(runs_train(&c, check_path("turned"), false, &watch, &err), SGN_INTERRUPTED, &err, "");
    student((const char *[]){ "train.products=sgemm" }, 1);
    check_ok(runs_train(&c, check_path("turned"), true, &watch, &err), &err);
    assert_non_null(strstr(runs_log, "forced to go another way"));
    assert_int_equal(setenv("SIGNUM_PRODUCTS", forced, 1), 0);
    free(forced);
}

/* Gradients are sums over the step: 2 x 4 windows and 1 x 8 windows differ by rounding only. */
static void accumulation_is_a_larger_batch(void **state) {
    (void)state;
    student((const char *[]){ "train.batch=8", "train.accumulate=1", "data.order=sequential" }, 3);
    check_ok(runs_train(&c, check_path("wide"), false, &watch, &err), &err);
    const sgn_progress wide = watch.last;
    student((const char *[]){ "data.order=sequential" }, 1);
    check_ok(runs_train(&c, check_path("narrow"), false, &watch, &err), &err);
    check_close(watch.last.loss, wide.loss, 0, 1e-4);
    check_close(watch.last.grad_norm, wide.grad_norm, 0, 1e-3);
    assert_int_equal(watch.last.tokens, 6 * 128);
}

static void it_learns(void **state) {
    (void)state;
    runs_config(&c, (const char *[]){ "train.steps=60", "train.save_every=0", "optim.lr=0.02" }, 3);
    watch = (runs_watch){ 0 };
    check_ok(runs_train(&c, check_path("learns"), false, &watch, &err), &err);
    assert_true(watch.last.valid < 4.2);               /* ln 97 = 4.57 at the start; half the ids are noise */
    check_close(watch.last.valid_bpb, watch.last.valid / log(2.0) / 2, 1e-12, 1e-12);      /* 2 bytes per id, says runs_shards */
    assert_true(watch.last.flip_rate > 0 && watch.last.flip_rate < 1);
    assert_false(sgn_is_directory(step("learns", 30)));
    assert_true(sgn_is_directory(step("learns", 60)));
}

/* --- the log -------------------------------------------------------------------------------------------- */

static void metrics_lines(void **state) {
    (void)state;
    char *text, *line;
    size_t size;
    check_ok(sgn_file_read(check_path("whole/metrics.jsonl"), 1 << 20, &text, &size, &err), &err);
    static const char *const keys[] = { "step", "tokens", "loss", "hard", "soft", "lr", "grad_norm", "flip_rate", "tokens_per_s",
                                        "seconds", "teacher_entropy" };
    int64_t n = 0;
    for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        sgn_json *j;
        check_ok(sgn_json_parse(&j, line, strlen(line), "metrics", &err), &err);
        void *it = sgn_json_iter(j);
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++, it = sgn_json_next(j, it)) assert_string_equal(sgn_json_iter_key(it), keys[k]);
        assert_int_equal(sgn_json_int(sgn_json_get(j, "step"), 0), ++n);
        assert_int_equal(sgn_json_int(sgn_json_get(j, "tokens"), 0), n * 128);
        assert_int_equal(sgn_json_get(j, "valid") != NULL, n % 2 == 0);
        const double lambda = 0.75 - 0.1 * (double)(n - 1);            /* over six steps to 0.15 */
        check_close(sgn_json_real(sgn_json_get(j, "loss"), 0), (1 - lambda) * sgn_json_real(sgn_json_get(j, "hard"), 0) +
                    lambda * sgn_json_real(sgn_json_get(j, "soft"), 0), 0, 1e-7);
        assert_true(sgn_json_real(sgn_json_get(j, "soft"), 0) >= sgn_json_real(sgn_json_get(j, "teacher_entropy"), 9));
        sgn_json_free(j);
    }
    assert_int_equal(n, 6);
    free(text);
}

/* --- refusals ------------------------------------------------------------------------------------------- */

static void a_run_is_not_overwritten(void **state) {
    (void)state;
    student(NULL, 0);
    check_fails(runs_train(&c, check_path("whole"), false, &watch, &err), SGN_CONFIG, &err, "--resume auto");
    check_fails(runs_train(&c, check_path("data"), false, &watch, &err), SGN_CONFIG, &err, "not a run");
    check_fails(runs_train(&c, check_path("data"), true, &watch, &err), SGN_CONFIG, &err, "not a run");
    student((const char *[]){ "optim.lr=0.02" }, 1);
    check_fails(runs_train(&c, check_path("whole"), true, &watch, &err), SGN_CONFIG, &err, "optim.lr = 0.01, now it is 0.02");
    student(NULL, 0);
    runs_shards(check_path("other"), 2000, 9);
    snprintf(c.data.train, SGN_TEXT, "%s", check_path("other"));
    check_fails(runs_train(&c, check_path("whole"), true, &watch, &err), SGN_CONFIG, &err, "data.train");
    student(NULL, 0);
    snprintf(c.distill.teacher, SGN_TEXT, "%s", check_path("alone"));
    check_fails(runs_train(&c, check_path("whole"), true, &watch, &err), SGN_CONFIG, &err, "distill.teacher");
}

static void bad_settings(void **state) {
    (void)state;
    char fresh[512];
    snprintf(fresh, sizeof fresh, "%s", check_path("never"));
    student(NULL, 0);
    c.data.train[0] = '\0';
    check_fails(runs_train(&c, fresh, false, &watch, &err), SGN_CONFIG, &err, "data.train");
    student((const char *[]){ "train.seq=1999", "train.batch=1" }, 2);
    check_fails(runs_train(&c, fresh, false, &watch, &err), SGN_CONFIG, &err, "held-out");
    student((const char *[]){ "model.vocab=96" }, 1);
    check_fails(runs_train(&c, fresh, false, &watch, &err), SGN_CONFIG, &err, "model.vocab=97");
    student((const char *[]){ "model.vocab=128" }, 1);             /* padded: fine for data, but the teacher has 97 */
    check_fails(runs_train(&c, fresh, false, &watch, &err), SGN_CONFIG, &err, "distill.teacher");
    assert_false(sgn_file_exists(fresh));                          /* a refused run leaves nothing */
}

static void resume_without_a_run_starts_and_says_so(void **state) {
    (void)state;
    student((const char *[]){ "train.steps=2" }, 1);
    check_ok(runs_train(&c, check_path("first"), true, &watch, &err), &err);
    assert_non_null(strstr(runs_log, "starting from the beginning"));
}

static void all_checkpoints_broken_is_an_error(void **state) {
    (void)state;
    student((const char *[]){ "train.steps=2" }, 1);
    check_ok(sgn_file_write(check_path("first/checkpoints/step-00000002/MANIFEST"), "x", 1, &err), &err);
    check_fails(runs_train(&c, check_path("first"), true, &watch, &err), SGN_IO, &err, "quarantine");
    check_fails(runs_train(&c, check_path("first"), true, &watch, &err), SGN_IO, &err, "quarantine");
}

/* --- numbers that are none ------------------------------------------------------------------------------- */

/* A Hugging Face directory whose head is so large that logits overflow. */
static void write_overflowing(const char *dir, sgn_transformer *m) {
    const void *data[64];
    sgn_array at[64];
    sgn_path path;
    sgn_tensor *head = sgn_transformer_head(m);
    for (int64_t i = 0; i < sgn_numel(head->shape); i++) head->data[i] = i % 2 ? 3e38f : -3e38f;
    for (int i = 0; i < m->params.count; i++) {
        const sgn_param *p = &m->params.at[i];
        at[i] = sgn_array_make(p->name, SGN_DTYPE_F32, p->tensor.shape.rank, p->tensor.shape.dim);
        data[i] = p->tensor.data;
    }
    check_ok(sgn_make_directories(dir, &err), &err);
    check_ok(sgn_path_set(&path, &err, "%s/model.safetensors", dir), &err);
    check_ok(sgn_archive_write("safetensors", path.s, at, data, m->params.count, NULL, &err), &err);
    check_ok(sgn_path_set(&path, &err, "%s/config.json", dir), &err);
    sgn_json *j = sgn_model_config_to_json(&m->config);
    check_ok(sgn_json_save(j, 2, path.s, &err), &err);
    sgn_json_free(j);
}

static void a_step_that_is_not_finite_changes_nothing(void **state) {
    (void)state;
    sgn_transformer m;
    runs_config(&c, NULL, 0);
    c.model.vocab = RUNS_VOCAB;
    check_ok(sgn_transformer_init(&m, &c.model, false, &err), &err);
    check_ok(sgn_transformer_commit(&m, &err), &err);
    sgn_transformer_randomize(&m, 1);
    write_overflowing(check_path("overflow"), &m);
    sgn_transformer_free(&m);
    snprintf(c.start.init, SGN_TEXT, "%s", check_path("overflow"));
    watch = (runs_watch){ 0 };
    check_fails(runs_train(&c, check_path("nan"), false, &watch, &err), SGN_NUMERIC, &err, "step 1: loss");
    assert_non_null(strstr(err.text, "windows"));
    assert_non_null(strstr(err.text, "no checkpoint yet"));
    assert_false(sgn_checkpoint_any(check_path("nan")));
}

/* Without steps in the weights no sign flips, and every loss is above half the median: the third after 16 stops the run. */
static void spikes_stop_the_run(void **state) {
    (void)state;
    runs_config(&c, (const char *[]){ "optim.lr=0", "optim.min_lr=0", "train.steps=30", "train.spike=0.5" }, 4);
    watch = (runs_watch){ 0 };
    check_fails(runs_train(&c, check_path("spike"), false, &watch, &err), SGN_NUMERIC, &err, "step 19: the loss");
    assert_true(watch.last.step == 19 && watch.last.flip_rate == 0);
    runs_log[0] = '\0';
    runs_config(&c, (const char *[]){ "optim.lr=0", "optim.min_lr=0", "train.steps=30", "train.spike=0" }, 4);
    check_ok(runs_train(&c, check_path("calm"), false, &watch, &err), &err);
    assert_null(strstr(runs_log, "running median"));
}

/* --- disks ---------------------------------------------------------------------------------------------- */

/* A file stands where checkpoints/ should be, from step 1 to 3. */
static void obstruct(void *ctx, const sgn_progress *p) {
    runs_report(ctx, p);
    if (p->step == 1) check_ok(sgn_file_write(check_path("obstructed/checkpoints"), "x", 1, &err), &err);
    if (p->step == 3) check_ok(sgn_remove_tree(check_path("obstructed/checkpoints"), &err), &err);
}

static void a_save_that_fails_does_not_end_the_run(void **state) {
    (void)state;
    student(NULL, 0);
    err = (sgn_error){ 0 };
    check_ok(sgn_train(&c, &(sgn_train_options){ .out = check_path("obstructed"), .report = obstruct, .ctx = &watch }, &err), &err);
    assert_non_null(strstr(runs_log, "step 2 could not be saved"));
    assert_non_null(strstr(runs_log, "1 checkpoints could not be saved"));
    assert_false(sgn_is_directory(step("obstructed", 2)));
    runs_same_state(step("whole", 6), step("obstructed", 6));
}

static void two_processes_do_not_share_a_run(void **state) {
    (void)state;
    student(NULL, 0);
    const int lock = open(check_path("whole/.lock"), O_RDWR);
    assert_true(lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0);
    check_fails(runs_train(&c, check_path("whole"), true, &watch, &err), SGN_IO, &err, "another process");
    close(lock);
    check_ok(runs_train(&c, check_path("whole"), true, &watch, &err), &err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumed_equals_unbroken), cmocka_unit_test(resumed_kinds_equal_unbroken),
        cmocka_unit_test(warm_start_is_full_precision), cmocka_unit_test(log_is_cut_back_to_the_checkpoint),
        cmocka_unit_test(one_thread_equals_two), cmocka_unit_test(recomputed_equals_kept),
        cmocka_unit_test(products_go_the_recorded_way), cmocka_unit_test(accumulation_is_a_larger_batch), cmocka_unit_test(it_learns),
        cmocka_unit_test(metrics_lines), cmocka_unit_test(a_run_is_not_overwritten), cmocka_unit_test(bad_settings),
        cmocka_unit_test(resume_without_a_run_starts_and_says_so), cmocka_unit_test(all_checkpoints_broken_is_an_error),
        cmocka_unit_test(a_step_that_is_not_finite_changes_nothing), cmocka_unit_test(spikes_stop_the_run),
        cmocka_unit_test(a_save_that_fails_does_not_end_the_run), cmocka_unit_test(two_processes_do_not_share_a_run),
    };
    return cmocka_run_group_tests(tests, set_up, check_end);
}
