/* Schedules against their closed forms.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "optim/schedule.h"

static sgn_optim_config config(const char *schedule) {
    sgn_optim_config c = { .lr = 0.01, .min_lr = 0.001, .warmup = 10, .wsd_decay = 0.25, .weight_decay = 0.1, .decay_until = 1 };
    snprintf(c.schedule, SGN_TEXT, "%s", schedule);
    return c;
}

/* 10 steps of warm-up and 80 after it; wsd falls over the last 20. */
static void closed_forms(void **state) {
    (void)state;
    static const struct { const char *name; int step; double lr; } rows[] = {
        { "constant", 10, 0.01 }, { "constant", 50, 0.01 }, { "constant", 89, 0.01 },
        { "linear", 10, 0.01 }, { "linear", 50, 0.0055 }, { "linear", 89, 0.0011125 },
        { "cosine", 10, 0.01 }, { "cosine", 30, 0.001 + 0.009 * (0.5 + 0.25 * 1.41421356237309505) },
        { "cosine", 50, 0.0055 }, { "cosine", 70, 0.001 + 0.009 * (0.5 - 0.25 * 1.41421356237309505) },
        { "wsd", 10, 0.01 }, { "wsd", 70, 0.01 }, { "wsd", 80, 0.0055 }, { "wsd", 85, 0.00325 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const sgn_optim_config c = config(rows[i].name);
        check_close(sgn_schedule_lr(&c, rows[i].step, 90), rows[i].lr, 1e-15, 0);
    }
}

/* Every row: lr (step+1)/warmup at first, never up after it, within [min_lr, lr], no jump where warm-up ends. */
static void every_row(void **state) {
    (void)state;
    sgn_error err;
    for (int i = 0; sgn_schedule_at(i); i++) {
        const sgn_schedule *s = sgn_schedule_at(i);
        assert_ptr_equal(sgn_schedule_find(s->name), s);
        sgn_optim_config c = config(s->name);
        check_ok(sgn_schedule_check(&c, &err), &err);
        for (int step = 0; step < 10; step++) check_close(sgn_schedule_lr(&c, step, 90), 0.001 * (step + 1), 1e-15, 0);
        check_close(sgn_schedule_lr(&c, 10, 90), 0.01, 1e-15, 0);
        for (int step = 11; step < 90; step++) {
            const double lr = sgn_schedule_lr(&c, step, 90);
            assert_true(lr <= sgn_schedule_lr(&c, step - 1, 90) && lr >= c.min_lr);
        }
        c.warmup = 0;
        check_close(sgn_schedule_lr(&c, 0, 90), 0.01, 1e-15, 0);
        c.wsd_decay = 0;
        check_close(sgn_schedule_lr(&c, 0, 1), 0.01, 1e-15, 0);
    }
}

static void two_stage_decay(void **state) {
    (void)state;
    sgn_optim_config c = config("cosine");
    for (int step = 0; step < 90; step++) check_close(sgn_schedule_weight_decay(&c, step, 90), 0.1, 0, 0);
    c.decay_until = 0.5;
    check_close(sgn_schedule_weight_decay(&c, 44, 90), 0.1, 0, 0);
    check_close(sgn_schedule_weight_decay(&c, 45, 90), 0, 0, 0);
    c.decay_until = 0;
    check_close(sgn_schedule_weight_decay(&c, 0, 90), 0, 0, 0);
}

static void refused(void **state) {
    (void)state;
    sgn_error err;
    sgn_optim_config c = config("cosin");
    check_fails(sgn_schedule_check(&c, &err), SGN_CONFIG, &err, "the nearest is 'cosine'");
    c = config("linear");
    c.min_lr = 0.02;
    check_fails(sgn_schedule_check(&c, &err), SGN_CONFIG, &err, "optim.min_lr 0.02 is above optim.lr 0.01");
    snprintf(c.schedule, SGN_TEXT, "constant");                /* which never asks for min_lr */
    check_ok(sgn_schedule_check(&c, &err), &err);
    c = config("linear");
    check_close(sgn_schedule_lr(&c, 4, 5), 0.005, 1e-15, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_forms), cmocka_unit_test(every_row), cmocka_unit_test(two_stage_decay), cmocka_unit_test(refused),
    };
    return check_run(tests);
}
