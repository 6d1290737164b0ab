/* Runs that learn from a cache: like those that ask the teacher, resumed to the bit, planned to the byte.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/train/runs.h"
#include "distill/cache_make.h"
#include "train/plan.h"
#include "train/trainer_parts.h"

static sgn_error err;
static sgn_run_config c;
static runs_watch watch;

static void student(const char *teacher, const char *word) {
    runs_config(&c, (const char *[]){ word ? word : "data.seed=1" }, 1);
    snprintf(c.distill.teacher, SGN_TEXT, "%s", check_path(teacher));
    watch = (runs_watch){ 0 };
}

static void make(const char *out, bool samples, int64_t count) {
    sgn_cache_report r;
    const sgn_cache_options o = { .teacher = check_path("teacher"), .shards = check_path("data"), .out = check_path(out), .samples = samples,
                                  .count = count, .seq = 16, .bits = 16, .temperature = 1, .seed = 1, .parts = 1, .eot = -1 };
    check_ok(sgn_cache_make(&o, &r, &err), &err);
    assert_true(r.complete);
}

static const char *step(const char *run, int k) {
    char name[64];
    snprintf(name, sizeof name, "%s/checkpoints/step-%08d", run, k);
    return check_path(name);
}

static void prepare(void **state) {
    (void)state;
    runs_data();
    runs_config(&c, (const char *[]){ "model.linear=full" }, 1);
    check_ok(runs_train(&c, check_path("teacher"), false, &watch, &err), &err);
    make("all", false, RUNS_VOCAB);
    make("few", false, 5);
    make("drawn", true, 7);
}

static void all_classes_learn_as_live(void **state) {
    (void)state;
    student("teacher", NULL);
    check_ok(runs_train(&c, check_path("live"), false, &watch, &err), &err);
    const sgn_progress live = watch.last;
    student("all", NULL);
    check_ok(runs_train(&c, check_path("cached"), false, &watch, &err), &err);
    check_close(watch.last.loss, live.loss, 0, 1e-3);              /* half precision; after six steps */
    check_close(watch.last.teacher_entropy, live.teacher_entropy, 0, 1e-3);
    check_close(watch.last.valid, live.valid, 0, 1e-3);
}

static void resumed_equals_unbroken(void **state) {
    (void)state;
    static const char *const caches[] = { "few", "drawn" };
    for (int i = 0; i < 2; i++) {
        char whole[32], broken[32], alone[32];
        snprintf(whole, sizeof whole, "whole-%d", i), snprintf(broken, sizeof broken, "broken-%d", i), snprintf(alone, sizeof alone, "alone-%d", i);
        student(caches[i], NULL);
        check_ok(runs_train(&c, check_path(whole), false, &watch, &err), &err);
        student(caches[i], NULL);
        watch.stop_after = 3;
        check_fails(runs_train(&c, check_path(broken), false, &watch, &err), SGN_INTERRUPTED, &err, "after step 3 of 6");
        student(caches[1 - i], NULL);
        check_fails(runs_train(&c, check_path(broken), true, &watch, &err), SGN_CONFIG, &err, "not the teacher that the run began with");
        student(caches[i], NULL);
        check_ok(runs_train(&c, check_path(broken), true, &watch, &err), &err);
        runs_same_state(step(whole, 6), step(broken, 6));
        runs_same_metrics(check_path(whole), check_path(broken));
        student(caches[i], "train.threads=1");
        check_ok(runs_train(&c, check_path(alone), false, &watch, &err), &err);
        runs_same_state(step(whole, 6), step(alone, 6));
    }
}

/* With a share that moves, a step is that of a run whose share is there, whoever teaches: here from 0, which leaves the teacher out. */
static void each_step_has_its_share(void **state) {
    (void)state;
    static const char *const teachers[] = { "teacher", "few", "drawn" };
    for (int i = 0; i < 3; i++) {
        sgn_trainer moving, set;
        sgn_progress p = { 0 }, q = { 0 };
        char out[2][32];
        snprintf(out[0], sizeof out[0], "moving-%d", i), snprintf(out[1], sizeof out[1], "set-%d", i);
        student(teachers[i], NULL);
        c.distill.lambda = 0, c.distill.lambda_end = 0.75;
        check_ok(sgn_trainer_setup(&moving, &c, &(sgn_train_options){ .out = check_path(out[0]) }, &err), &err);
        c.distill.lambda = 0.5, c.distill.lambda_end = -1;
        check_ok(sgn_trainer_setup(&set, &c, &(sgn_train_options){ .out = check_path(out[1]) }, &err), &err);
        for (int n = 0; n < 3; n++) {
            set.config.distill.lambda = 0.125 * n;                 /* of six steps to 0.75 */
            check_ok(sgn_trainer_step(&moving, &p, &err), &err);
            check_ok(sgn_trainer_step(&set, &q, &err), &err);
            assert_true(p.loss == q.loss && p.grad_norm == q.grad_norm && p.soft == q.soft && (p.soft > 0) == (n > 0));
        }
        const sgn_params *a = &moving.model.params, *b = &set.model.params;
        for (int k = 0; k < a->count; k++)
            assert_memory_equal(a->at[k].tensor.data, b->at[k].tensor.data, (size_t)sgn_numel(a->at[k].tensor.shape) * sizeof(float));
        sgn_trainer_free(&moving);
        sgn_trainer_free(&set);
    }
}

/* What the plan says of the teacher is what it takes, and the tape holds. */
static void planned(void **state) {
    (void)state;
    sgn_plan p;
    sgn_trainer t;
    student("few", NULL);
    check_ok(sgn_plan_make(&c, &p, &err), &err);
    const sgn_train_options o = { .out = check_path("planned") };
    check_ok(sgn_trainer_setup(&t, &c, &o, &err), &err);
    assert_int_equal(p.teacher, t.teacher.kind->bytes(&t.teacher));
    assert_int_equal(p.mapped, 0);
    assert_int_equal(p.activations, t.tape.data.size + t.tape.book.size);
    sgn_trainer_free(&t);
}

static void misfits(void **state) {
    (void)state;
    student("few", "train.seq=8");
    check_fails(runs_train(&c, check_path("never"), false, &watch, &err), SGN_CONFIG, &err, "set train.seq=16");
    student("few", "distill.temperature=2");
    check_fails(runs_train(&c, check_path("never"), false, &watch, &err), SGN_CONFIG, &err, "set it to 1");
    student("few", "model.vocab=200");
    check_fails(runs_train(&c, check_path("never"), false, &watch, &err), SGN_CONFIG, &err, "set model.vocab=97");
    student("few", NULL);
    snprintf(c.data.train, SGN_TEXT, "%s", check_path("held-out"));
    check_fails(runs_train(&c, check_path("never"), false, &watch, &err), SGN_CONFIG, &err, "other shards");
    assert_false(sgn_file_exists(check_path("never/checkpoints")));
}

/* Damage that the start does not see stops the run when its window comes, with the file's name. */
static void damage_on_the_way(void **state) {
    (void)state;
    char path[700], *bytes;
    size_t size;
    snprintf(path, sizeof path, "%s/slice-00000.zst", check_path("few"));
    check_ok(sgn_file_read(path, 1 << 22, &bytes, &size, &err), &err);
    for (size_t at = 40; at + 4000 < size; at += 100) bytes[at] ^= 1;
    FILE *out = fopen(path, "wb");
    assert_true(out && fwrite(bytes, 1, size, out) == size && fclose(out) == 0);
    free(bytes);
    student("few", NULL);
    check_fails(runs_train(&c, check_path("damaged"), false, &watch, &err), SGN_FORMAT, &err, "slice-00000.zst");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepare), cmocka_unit_test(all_classes_learn_as_live), cmocka_unit_test(resumed_equals_unbroken),
        cmocka_unit_test(each_step_has_its_share), cmocka_unit_test(planned), cmocka_unit_test(misfits), cmocka_unit_test(damage_on_the_way),
    };
    return sgn_gemm_init(NULL) == SGN_OK ? check_run(tests) : 1;
}
