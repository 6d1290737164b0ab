/* SPDX-License-Identifier: MIT */
#include "optim/schedule.h"

#include <math.h>
#include <string.h>

static double constant(const sgn_optim_config *c, double t) {
    (void)c; (void)t;
    return 1;
}
static double linear(const sgn_optim_config *c, double t) {
    (void)c;
    return 1 - t;
}
static double cosine(const sgn_optim_config *c, double t) {
    (void)c;
    return 0.5 * (1 + cos(3.14159265358979323846 * t));
}
/* warm-up, stable, decay (Hu et al. 2024) */
static double wsd(const sgn_optim_config *c, double t) {
    return t <= 1 - c->wsd_decay ? 1 : (1 - t) / c->wsd_decay;
}

static const sgn_schedule table[] = {
#define SGN_SCHEDULE(name, summary) { #name, summary, name },
#include "optim/schedules.def"
#undef SGN_SCHEDULE
};
enum { SCHEDULES = sizeof table / sizeof *table };

const sgn_schedule *sgn_schedule_at(int i) {
    return i >= 0 && i < SCHEDULES ? &table[i] : NULL;
}

const sgn_schedule *sgn_schedule_find(const char *name) {
    for (int i = 0; i < SCHEDULES; i++)
        if (strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}

sgn_status sgn_schedule_check(const sgn_optim_config *c, sgn_error *err) {
    if (!sgn_schedule_find(c->schedule)) {
        const char *known[SCHEDULES];
        for (int i = 0; i < SCHEDULES; i++) known[i] = table[i].name;
        const char *near = sgn_nearest(c->schedule, known, SCHEDULES);
        SGN_FAIL(err, SGN_CONFIG, "optim.schedule: there is no schedule '%s'; the nearest is '%s'",
                 c->schedule, near ? near : known[0]);
    }
    if (c->min_lr > c->lr && sgn_schedule_find(c->schedule)->curve(c, 1) < 1)
        SGN_FAIL(err, SGN_CONFIG, "optim.min_lr %g is above optim.lr %g, where the schedule starts", c->min_lr, c->lr);
    return SGN_OK;
}

double sgn_schedule_lr(const sgn_optim_config *c, int64_t step, int64_t steps) {
    if (step < c->warmup) return c->lr * (double)(step + 1) / (double)c->warmup;
    const double t = (double)(step - c->warmup) / (double)(steps - c->warmup);
    return c->min_lr + (c->lr - c->min_lr) * sgn_schedule_find(c->schedule)->curve(c, t < 1 ? t : 1);
}

double sgn_schedule_weight_decay(const sgn_optim_config *c, int64_t step, int64_t steps) {
    return (double)step < c->decay_until * (double)steps ? c->weight_decay : 0;
}
