/* SPDX-License-Identifier: MIT */
#include "train/trainer_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "core/clock.h"
#include "core/log.h"
#include "optim/schedule.h"

/* --- one step -------------------------------------------------------------------------------------- */

/* Seconds since *from, which moves on. */
static double lap(double *from) {
    const double now = sgn_clock_wall(), passed = now - *from;
    *from = now;
    return passed;
}

static sgn_status next_batch(sgn_trainer *t, sgn_batch *b, sgn_error *err) {
    if (t->loader) return sgn_loader_next(t->loader, b, err);
    *b = *t->fixed;
    return SGN_OK;
}

/* Gradients of micro-batch k of the step are added, its losses too. */
static sgn_status micro_step(sgn_trainer *t, int64_t k, sgn_loss_sums *sums, sgn_error *err) {
    const sgn_run_config *c = &t->config;
    sgn_batch b;
    sgn_head_loss_args loss = { .temperature = c->distill.temperature, .sums = sums };
    double at = sgn_clock_wall();
    SGN_TRY(next_batch(t, &b, err));
    memcpy(t->window + k * c->train.batch, b.window, (size_t)b.batch * sizeof *b.window);
    t->times.data += lap(&at);
    SGN_TRY(t->teacher.kind->soft(&t->teacher, &b, &loss.soft, err));
    t->times.teacher += lap(&at);
    loss.target = b.targets;
    loss.lambda = loss.soft.kind == SGN_SOFT_NONE ? 0 : sgn_distill_lambda(&c->distill, t->at.step, c->train.steps);
    loss.scale = 1 / (double)t->plan.tokens_per_step;
    sgn_tape_begin(&t->tape, sgn_train_mode(&c->train));
    sgn_tensor *hidden = sgn_transformer_documents(&t->model, &t->tape, b.tokens, b.first, b.batch, b.seq);
    sgn_tensor *out = sgn_head_loss(&t->tape, hidden, sgn_transformer_head(&t->model), &loss);
    t->times.forward += lap(&at);
    const sgn_status s = sgn_tape_backward(&t->tape, out, err);
    t->times.backward += lap(&at);
    return s;
}

static void mean_losses(const sgn_trainer *t, const sgn_loss_sums *sums, sgn_progress *p) {
    const sgn_distill_config *d = &t->config.distill;
    const double n = sums->tokens ? (double)sums->tokens : 1, lambda = *d->teacher ? sgn_distill_lambda(d, t->at.step, t->config.train.steps) : 0;
    p->hard = sums->hard / n;
    p->soft = sums->soft / n;
    p->teacher_entropy = sums->teacher_entropy / n;
    p->loss = (1 - lambda) * p->hard + lambda * d->temperature * d->temperature * p->soft;
}

static sgn_status not_finite(const sgn_trainer *t, const sgn_progress *p, sgn_error *err) {
    char windows[96] = "", saved[64] = "there is no checkpoint yet";
    const int64_t count = t->config.train.batch * t->config.train.accumulate;
    for (int64_t i = 0; i < count && strlen(windows) < 60; i++) {
        const size_t n = strlen(windows);
        snprintf(windows + n, sizeof windows - n, "%s%llu", i ? ", " : "", (unsigned long long)t->window[i]);
    }
    if (t->saved_step >= 0) snprintf(saved, sizeof saved, "the newest checkpoint is of step %lld", (long long)t->saved_step);
    SGN_FAIL(err, SGN_NUMERIC, "step %lld: loss %g, gradient norm %g (windows %s%s of the training data); weights were left as they "
             "were and %s; lower optim.lr or optim.clip, or look at the text there", (long long)p->step, p->loss, p->grad_norm,
             windows, strlen(windows) < 60 ? "" : ", ...", saved);
}

/* losses, gradient -> clip -> weights. A step whose numbers are not finite leaves the weights alone. */
sgn_status sgn_trainer_step(sgn_trainer *t, sgn_progress *p, sgn_error *err) {
    const sgn_run_config *c = &t->config;
    sgn_loss_sums sums = { 0 };
    double at = sgn_clock_wall();
    t->times = (sgn_step_times){ 0 };
    if (t->model.params.warm && t->at.step >= c->model.binary_from_step) {
        sgn_transformer_binarize(&t->model);
        sgn_info("step %lld: from here on the linear layers are %s", (long long)t->at.step + 1, c->model.linear);
    }
    sgn_params_zero_grad(&t->model.params);
    t->times.optimizer = lap(&at);
    for (int64_t k = 0; k < c->train.accumulate; k++) SGN_TRY(micro_step(t, k, &sums, err));
    at = sgn_clock_wall();
    mean_losses(t, &sums, p);
    sgn_params_estimate(&t->model.params);
    p->grad_norm = sgn_grad_norm(&t->model.params);
    if (!isfinite(p->loss) || !isfinite(p->grad_norm)) return not_finite(t, p, err);
    if (c->model.stochastic) t->model.params.step = (uint64_t)t->at.step + 2;
    p->lr = sgn_schedule_lr(&c->optim, t->at.step, c->train.steps);
    sgn_optimizer_step(&t->optimizer, &(sgn_optim_step){
        .lr = p->lr, .weight_decay = sgn_schedule_weight_decay(&c->optim, t->at.step, c->train.steps),
        .grad_scale = sgn_clip_scale(p->grad_norm, c->optim.clip), .step = t->at.step + 1 });
    if (t->plan.binary_weights) p->flip_rate = (double)t->optimizer.flips / (double)t->plan.binary_weights;
    t->times.optimizer += lap(&at);
    t->at.step++;
    t->at.tokens += t->plan.tokens_per_step;
    return SGN_OK;
}

/* --- around it --------------------------------------------------------------------------------------- */

static bool due(int64_t step, int64_t every, int64_t last) { return step == last || (every > 0 && step % every == 0); }

static sgn_status check_spike(sgn_trainer *t, const sgn_progress *p, sgn_error *err) {
    const double limit = t->config.train.spike, warn_at = 2;
    if (!sgn_guard_spike(&t->guard, p->loss, limit > 0 ? limit : warn_at)) return SGN_OK;
    if (limit > 0)
        SGN_FAIL(err, SGN_NUMERIC, "step %lld: the loss %.4g has been above train.spike = %g times its running median %.4g for %d steps; "
                 "the newest checkpoint is of step %lld: resume from it with a lower optim.lr in another run (init=...)",
                 (long long)p->step, p->loss, limit, t->guard.median, SGN_GUARD_PATIENCE, (long long)t->saved_step);
    sgn_warn("step %lld: the loss %.4g has been above %g times its running median %.4g for %d steps", (long long)p->step, p->loss,
             warn_at, t->guard.median, SGN_GUARD_PATIENCE);
    return SGN_OK;
}

/* A save that fails is no reason to stop, unless it is the last. */
static sgn_status save(sgn_trainer *t, bool last, sgn_error *err) {
    if (t->saved_step == t->at.step) return SGN_OK;
    sgn_error why = { 0 };
    const sgn_status s = sgn_trainer_save(t, last ? err : &why);
    if (s == SGN_OK || last) return s;
    t->failed_saves++;
    sgn_warn("step %lld could not be saved (%lld in all), training goes on: %s", (long long)t->at.step, (long long)t->failed_saves, why.text);
    return SGN_OK;
}

static void measure(const sgn_trainer *t, double from, double waited, sgn_progress *p) {
    const double now = sgn_clock_wall();
    p->seconds = now - from;
    p->tokens_per_s = (double)t->plan.tokens_per_step / p->seconds;
    p->wait_s = sgn_loader_waited(t->loader) - waited;
    if (t->peak > 0) p->mfu = p->tokens_per_s * t->plan.flops_per_token / t->peak;
    p->eta_s = (now - t->began) / (double)(t->at.step - t->began_at) * (double)(p->steps - p->step);
}

static sgn_status whole_step(sgn_trainer *t, sgn_error *err) {
    const sgn_train_config *c = &t->config.train;
    sgn_progress p = { .step = t->at.step + 1, .steps = c->steps, .valid = -1, .valid_bpb = -1 };
    uint64_t windows[SGN_SHARES_MAX];
    const double from = sgn_clock_wall(), waited = sgn_loader_waited(t->loader);
    SGN_TRY(sgn_trainer_step(t, &p, err));
    p.tokens = t->at.tokens;
    measure(t, from, waited, &p);
    if (t->valid && due(p.step, c->eval_every, c->steps)) SGN_TRY(sgn_trainer_evaluate(t, &p.valid, &p.valid_bpb, err));
    if (t->mix.shares.count > 1 && due(p.step, c->eval_every, c->steps)) {
        sgn_shares_count(&t->mix.shares, sgn_trainer_samples(t, p.step), windows);
        p.sets = t->mix.shares.count;
        p.windows = windows;
    }
    sgn_metrics_put(&t->metrics, &p, *t->config.distill.teacher);
    if (t->options->report) t->options->report(t->options->ctx, &p);
    SGN_TRY(check_spike(t, &p, err));
    return due(p.step, c->save_every, c->steps) ? save(t, p.step == c->steps, err) : SGN_OK;
}

uint64_t sgn_trainer_samples(const sgn_trainer *t, int64_t steps) {
    return (uint64_t)(steps * t->config.train.accumulate * t->config.train.batch);
}

void sgn_trainer_tell_mix(const sgn_trainer *t, int64_t steps, const char *verb) {
    for (int i = 0; i < t->mix.shares.count && t->mix.shares.count > 1; i++) {
        const sgn_mix_taken k = sgn_mix_take(&t->mix, sgn_trainer_samples(t, steps), i);
        sgn_info("data.mix: %s: weight %.4f %%, %s %.4f %%: %llu windows, %.3g epochs", sgn_shards_directory(t->mix.set[i].shards),
                 100 * k.asked, verb, 100 * k.realised, (unsigned long long)k.windows, k.epochs);
    }
}

static bool stopped(const sgn_trainer *t) { return t->options->stop && *t->options->stop; }

static sgn_status loop(sgn_trainer *t, sgn_error *err) {
    const int64_t steps = t->config.train.steps;
    if (t->at.step >= steps) sgn_info("%s is at step %lld of %lld: nothing left to do", t->options->out, (long long)t->at.step, (long long)steps);
    t->began = sgn_clock_wall();
    t->began_at = t->at.step;
    while (t->at.step < steps && !stopped(t)) SGN_TRY(whole_step(t, err));
    if (t->at.step > t->began_at) sgn_trainer_tell_mix(t, t->at.step, "realised");
    if (t->failed_saves)
        sgn_warn("%lld checkpoints could not be saved along the way", (long long)t->failed_saves);
    if (t->at.step >= steps) return SGN_OK;
    SGN_TRY(save(t, true, err));
    SGN_FAIL(err, SGN_INTERRUPTED, "stopped by a signal after step %lld of %lld, state saved", (long long)t->at.step, (long long)steps);
}

sgn_status sgn_train(const sgn_run_config *c, const sgn_train_options *o, sgn_error *err) {
    sgn_trainer t;
    sgn_status s = sgn_trainer_setup(&t, c, o, err);
    if (s == SGN_OK) s = loop(&t, err);
    sgn_trainer_free(&t);
    return s;
}
