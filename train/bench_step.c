/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "train/bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "core/clock.h"
#include "core/products.h"
#include "core/rng.h"
#include "train/trainer_parts.h"

enum { DATA, TEACHER, FORWARD, BACKWARD, OPTIMIZER, WHOLE, PARTS };

typedef struct {
    sgn_trainer trainer;
    sgn_batch   batch;         /* random tokens; unused with shards */
    double     *sample;        /* (PARTS, steps) seconds */
} bench;

/* --- random data ------------------------------------------------------------------------------------ */

static sgn_status make_batch(bench *b, sgn_error *err) {
    const sgn_train_config *c = &b->trainer.config.train;
    const size_t tokens = (size_t)(c->batch * c->seq);
    b->batch = (sgn_batch){ .batch = (int)c->batch, .seq = (int)c->seq, .tokens = calloc(2 * tokens, sizeof(int32_t)),
                            .window = calloc((size_t)c->batch, sizeof(uint64_t)) };
    if (!b->batch.tokens || !b->batch.window) SGN_FAIL(err, SGN_NOMEM, "no memory for a batch; lower --batch or --seq");
    b->batch.targets = b->batch.tokens + tokens;
    b->trainer.fixed = &b->batch;
    return SGN_OK;
}

static void draw_batch(bench *b, uint64_t step) {
    const sgn_run_config *c = &b->trainer.config;
    for (int64_t i = 0; i < 2 * c->train.batch * c->train.seq; i++)
        b->batch.tokens[i] = (int32_t)(sgn_rng_bits(1, step, (uint64_t)i) % (uint64_t)c->model.vocab);
}

/* --- a run without its directory --------------------------------------------------------------------- */

static sgn_status setup_data(bench *b, sgn_error *err) {
    sgn_trainer *t = &b->trainer;
    if (*t->config.data.train || *t->config.data.mix) return sgn_trainer_setup_data(t, err);
    if (t->config.model.vocab == 0)
        SGN_FAIL(err, SGN_CONFIG, "the preset leaves model.vocab to the data; set it (model.vocab=32000) or name shards (data.train=DIR)");
    return make_batch(b, err);
}

static sgn_status setup_teacher(sgn_trainer *t, sgn_error *err) {
    sgn_model_config c = t->config.model;
    if (strcmp(t->config.distill.teacher, "same") != 0) return sgn_trainer_setup_teacher(t, err);
    const sgn_teacher_need need = { .student = &t->config.model, .batch = t->config.train.batch, .seq = t->config.train.seq };
    strcpy(c.linear, "full");
    return sgn_teacher_open_random(&t->teacher, &c, &need, err);
}

static sgn_status setup(bench *b, const sgn_run_config *c, const char *teacher, int64_t steps, sgn_error *err) {
    sgn_trainer *t = &b->trainer;
    *b = (bench){ .trainer = { .config = *c, .lock = -1, .saved_step = -1 } };
    char *word = t->config.distill.teacher;
    if (strlen(teacher) >= sizeof t->config.distill.teacher) SGN_FAIL(err, SGN_CONFIG, "--teacher: %.80s... is too long", teacher);
    strcpy(word, strcmp(teacher, "none") == 0 ? "" : teacher);
    SGN_TRY(setup_data(b, err));
    SGN_TRY(sgn_trainer_setup_model(t, err));
    SGN_TRY(setup_teacher(t, err));
    SGN_TRY(sgn_trainer_setup_tape(t, err));
    if (t->train) SGN_TRY(sgn_trainer_setup_loader(t, err));
    SGN_TRY(sgn_products_settle(c->train.batch * c->train.seq, err));
    int64_t full;
    sgn_transformer_macs(&t->model, &t->plan.binary_weights, &full);
    t->plan.tokens_per_step = c->train.batch * c->train.accumulate * c->train.seq;
    t->window = calloc((size_t)(c->train.batch * c->train.accumulate), sizeof *t->window);
    b->sample = calloc((size_t)(PARTS * steps), sizeof *b->sample);
    if (!t->window || !b->sample) SGN_FAIL(err, SGN_NOMEM, "no memory for the times of %lld steps", (long long)steps);
    return SGN_OK;
}

static void bench_free(bench *b) {
    sgn_trainer_free(&b->trainer);
    free(b->batch.tokens);
    free(b->batch.window);
    free(b->sample);
}

/* --- steps -------------------------------------------------------------------------------------------- */

static sgn_status one_step(bench *b, uint64_t number, double part[PARTS], sgn_error *err) {
    sgn_trainer *t = &b->trainer;
    sgn_progress p = { .step = t->at.step + 1 };
    const double from = sgn_clock_wall();
    if (!t->loader) draw_batch(b, number);
    const double drawn = sgn_clock_wall();
    SGN_TRY(sgn_trainer_step(t, &p, err));
    const sgn_step_times *s = &t->times;
    const double took[PARTS] = { drawn - from + s->data, s->teacher, s->forward, s->backward, s->optimizer, sgn_clock_wall() - from };
    memcpy(part, took, sizeof took);
    return SGN_OK;
}

static double time_refresh(const sgn_params *p) {
    const double from = sgn_clock_wall();
    for (int i = 0; i < p->count; i++)
        if (p->at[i].tensor.signs) sgn_signs_refresh(p->at[i].tensor.signs);
    return sgn_clock_wall() - from;
}

/* 6 FLOP per weight and token: forward, dx and dW, a multiplication and an addition each. */
static double step_flops(const sgn_trainer *t) {
    int64_t binary, full;
    sgn_transformer_macs(&t->model, &binary, &full);
    return 6 * (double)(binary + full);
}

static sgn_status run_steps(bench *b, int64_t steps, sgn_step_bench *out, sgn_error *err) {
    double part[PARTS], refresh[3];
    sgn_trainer *t = &b->trainer;
    SGN_TRY(one_step(b, 0, part, err));        /* not counted: pages, caches, optimizer state */
    t->tape.times = &out->ops;
    out->ops.count = 0;
    for (int64_t i = 0; i < steps; i++) {
        SGN_TRY(one_step(b, (uint64_t)i + 1, part, err));
        for (int k = 0; k < PARTS; k++) b->sample[k * steps + i] = part[k];
    }
    for (int i = 0; i < out->ops.count; i++) {
        out->ops.at[i].forward /= (double)steps;
        out->ops.at[i].backward /= (double)steps;
    }
    for (int i = 0; i < 3; i++) refresh[i] = time_refresh(&t->model.params);
    out->refresh_s = sgn_spread_of(refresh, 3).median;
    double *const median[] = { &out->step.data, &out->step.teacher, &out->step.forward, &out->step.backward, &out->step.optimizer };
    for (int k = 0; k < WHOLE; k++) *median[k] = sgn_spread_of(b->sample + k * steps, steps).median;
    for (int64_t i = 0; i < steps; i++) b->sample[WHOLE * steps + i] = (double)t->plan.tokens_per_step / b->sample[WHOLE * steps + i];
    out->tok_s = sgn_spread_of(b->sample + WHOLE * steps, steps);
    out->model_gflops = 1e-9 * step_flops(t) * out->tok_s.median;
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used) == 0) out->rss_mb = (double)used.ru_maxrss / 1024;
    return SGN_OK;
}

sgn_status sgn_bench_step(const sgn_run_config *c, const char *teacher, int64_t steps, bool peak, sgn_step_bench *out, sgn_error *err) {
    bench b;
    double after = 0;
    out->sgemm_gflops = 0;
    SGN_TRY(sgn_trainer_setup_machine(&c->train, err));
    if (peak) SGN_TRY(sgn_bench_sgemm(&out->sgemm_gflops, err));
    sgn_status s = setup(&b, c, teacher, steps, err);
    if (s == SGN_OK) s = run_steps(&b, steps, out, err);
    bench_free(&b);
    SGN_TRY(s);
    if (peak) SGN_TRY(sgn_bench_sgemm(&after, err));
    if (after > out->sgemm_gflops) out->sgemm_gflops = after;
    return SGN_OK;
}
