/* SPDX-License-Identifier: MIT */
#include "cli/analyze.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "export/format.h"
#include "export/random_model.h"
#include "export/runtime.h"
#include "train/bench.h"

enum { ROUNDS = 3, TOKENS = 256, DECODED = 8, MOST_SHAPES = 32 };      /* DECODED: tokens of a round per training step */

/* With one thread its CPU time, which other programs disturb less. */
static double now(void) {
    return sgn_threads() == 1 ? sgn_clock_thread() : sgn_clock_wall();
}

/* --- products ------------------------------------------------------------------------------------------- */

typedef struct { sgn_code code; int64_t rows, cols; sgn_product_bench b; } measured_shape;

static sgn_status find_shape(measured_shape *at, int *count, const sgn_param *p, measured_shape **out, sgn_error *err) {
    const int64_t *dim = p->tensor.shape.dim;
    for (int i = 0; i < *count; i++)
        if (at[i].code == p->code && at[i].rows == dim[0] && at[i].cols == dim[1]) {
            *out = &at[i];
            return SGN_OK;
        }
    if (*count == MOST_SHAPES) SGN_FAIL(err, SGN_UNSUPPORTED, "the model has more than %d shapes of sign matrices; measure a preset of one kind", MOST_SHAPES);
    *out = &at[(*count)++];
    **out = (measured_shape){ .code = p->code, .rows = dim[0], .cols = dim[1] };
    return sgn_bench_product(p->code, TOKENS, dim[0], dim[1], &(*out)->b, err);
}

/* Time of all dense products that signs replace over that of the products with signs: of each layer one or, factored, several. */
static sgn_status measure_products(const sgn_transformer *m, sgn_speedup *out, sgn_error *err) {
    measured_shape at[MOST_SHAPES], *s = NULL;
    int count = 0;
    double dense = 0, forward = 0, dx = 0;
    for (int64_t i = 0; i < m->config.layers * SGN_LINEARS; i++) {
        const sgn_linear *l = &m->blocks[i / SGN_LINEARS].linear[i % SGN_LINEARS];
        double rate = 0;
        for (size_t k = 0; l->kind && k < sizeof l->p / sizeof *l->p; k++) {
            const sgn_param *p = l->p[k] >= 0 ? &m->params.at[l->p[k]] : NULL;
            if (!p || p->class != SGN_PARAM_LATENT) continue;
            SGN_TRY(find_shape(at, &count, p, &s, err));
            const double seconds = (double)(s->rows * s->cols) / s->b.sgemm.median;
            rate = s->b.sgemm.median;
            forward += seconds / s->b.forward.median;
            dx += seconds / s->b.dx.median;
        }
        if (rate > 0) dense += (double)(l->in * l->out) / rate;
    }
    *out = (sgn_speedup){ dense / forward, dense / dx };
    return SGN_OK;
}

/* --- training ------------------------------------------------------------------------------------------- */

/* In turn: signs, full precision, signs, ... */
static sgn_status measure_training(const sgn_analysis *o, const sgn_run_config *c, sgn_machine *out, sgn_error *err) {
    sgn_run_config side[2] = { *c, *c };
    double passes[2][ROUNDS], step[2][ROUNDS];
    for (int i = 0; i < 2; i++) {
        side[i].train.seq = o->seq, side[i].train.batch = side[i].train.accumulate = 1, side[i].train.threads = o->threads;
        if (side[i].model.context < o->seq) side[i].model.context = o->seq;
        side[i].model.binary_from_step = 0;
        *side[i].data.train = *side[i].data.mix = *side[i].distill.teacher = '\0';
    }
    strcpy(side[1].model.linear, "full");
    *side[1].model.mixed = '\0';
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < 2; i++) {
            sgn_step_bench b = { 0 };
            SGN_TRY(sgn_bench_step(&side[i], "none", o->steps, false, &b, err));
            passes[i][round] = b.step.forward + b.step.backward;
            step[i][round] = 1 / b.tok_s.median;
        }
    out->passes = sgn_spread_of(passes[1], ROUNDS).median / sgn_spread_of(passes[0], ROUNDS).median;
    out->step = sgn_spread_of(step[1], ROUNDS).median / sgn_spread_of(step[0], ROUNDS).median;
    return SGN_OK;
}

/* --- prefill and decoding ----------------------------------------------------------------------------------- */

typedef struct {
    const sgn_lowered_model *lm;
    sgn_runtime *runtime;
    float       *logits;
    double       prefill[ROUNDS], *token;      /* seconds; token (ROUNDS, tokens) */
} side;

static void side_close(side *s) {
    sgn_runtime_close(s->runtime);
    free(s->logits);
    free(s->token);
}

static sgn_status side_open(side *s, const sgn_lowered_model *lm, int64_t most, int64_t tokens, sgn_error *err) {
    *s = (side){ .lm = lm, .logits = malloc((size_t)lm->config.vocab * sizeof(float)), .token = malloc((size_t)(ROUNDS * tokens) * sizeof(double)) };
    if (!s->logits || !s->token) SGN_FAIL(err, SGN_NOMEM, "no memory to time %lld tokens", (long long)tokens);
    return sgn_runtime_open(&s->runtime, lm, &(sgn_runtime_options){ .context = most + 1, .batch = most, .cache = SGN_DTYPE_F16 }, err);
}

/* All of the context at once, then single tokens, each at its end. */
static sgn_status time_round(side *s, const int32_t *ids, int64_t context, int64_t tokens, int round, sgn_error *err) {
    const float *hidden;
    sgn_runtime_reset(s->runtime);
    const double begin = now();
    SGN_TRY(sgn_runtime_hidden(s->runtime, ids, context, &hidden, err));
    s->prefill[round] = now() - begin;
    for (int64_t i = 0; i < tokens; i++) {
        sgn_runtime_truncate(s->runtime, context);
        const double from = now();
        SGN_TRY(sgn_runtime_hidden(s->runtime, &ids[i % context], 1, &hidden, err));
        sgn_runtime_logits(s->runtime, hidden, s->logits);
        s->token[round * tokens + i] = now() - from;
    }
    return SGN_OK;
}

static sgn_status time_contexts(side *s, const int32_t *ids, const int64_t *context, int contexts, int64_t limit, int64_t tokens,
                                sgn_machine *out, sgn_error *err) {
    for (int i = 0; i < contexts; i++) {
        if (context[i] > limit) continue;
        for (int k = 0; k < 2; k++) SGN_TRY(time_round(&s[k], ids, context[i], tokens, 0, err));      /* not counted: pages, caches */
        for (int k = 0; k < 2 * ROUNDS; k++) SGN_TRY(time_round(&s[k % 2], ids, context[i], tokens, k / 2, err));
        out->prefill[i] = sgn_spread_of(s[1].prefill, ROUNDS).median / sgn_spread_of(s[0].prefill, ROUNDS).median;
        out->decode[i] = sgn_spread_of(s[1].token, ROUNDS * tokens).median / sgn_spread_of(s[0].token, ROUNDS * tokens).median;
    }
    return SGN_OK;
}

static sgn_status run_both(const sgn_analysis *o, const sgn_lowered_model *lm[2], const int64_t *context, int contexts, sgn_machine *out, sgn_error *err) {
    const int64_t limit = lm[0]->config.context - 1, vocab = lm[0]->config.vocab;
    int64_t most = 0;
    for (int i = 0; i < contexts; i++)
        if (context[i] <= limit && context[i] > most) most = context[i];
    if (!most) SGN_FAIL(err, SGN_UNSUPPORTED, "every --context is beyond the %lld tokens that the model takes", (long long)limit + 1);
    int32_t *ids = malloc((size_t)most * sizeof *ids);
    if (!ids) SGN_FAIL(err, SGN_NOMEM, "no memory for %lld tokens", (long long)most);
    for (int64_t i = 0; i < most; i++) ids[i] = (int32_t)(sgn_rng_bits(1, 2, (uint64_t)i) % (uint64_t)vocab);
    const int64_t tokens = DECODED * o->steps;
    side s[2] = { { .lm = NULL }, { .lm = NULL } };
    sgn_status status = SGN_OK;
    for (int k = 0; k < 2 && status == SGN_OK; k++) status = side_open(&s[k], lm[k], most, tokens, err);
    if (status == SGN_OK) status = time_contexts(s, ids, context, contexts, limit, tokens, out, err);
    for (int k = 0; k < 2; k++) side_close(&s[k]);
    free(ids);
    return status;
}

/* A model's own file, or random weights of its shape, beside random F16 weights of the shape. */
static sgn_status measure_runtime(const sgn_analysis *o, const sgn_run_config *c, const char *file, const int64_t *context, int contexts,
                                  sgn_machine *out, sgn_error *err) {
    sgn_model_config signs = c->model;
    sgn_lowered_model random[2] = { { .blocks = NULL }, { .blocks = NULL } };
    sgn_model_file *f = NULL;
    const sgn_lowered_model *lm[2] = { &random[0], &random[1] };
    if (!file)
        for (int i = 0; i < contexts; i++)
            if (signs.context <= context[i]) signs.context = context[i] + 1;
    sgn_model_config full = signs;
    strcpy(full.linear, "full");
    *full.mixed = '\0';
    sgn_status s = file ? sgn_model_file_open(&f, file, SGN_VERIFY_SMALL, err) : sgn_random_model(&random[0], &signs, SGN_DTYPE_F16, err);
    if (f) lm[0] = sgn_model_file_lowered(f);
    if (s == SGN_OK) s = sgn_random_model(&random[1], &full, SGN_DTYPE_F16, err);
    if (s == SGN_OK) s = run_both(o, lm, context, contexts, out, err);
    for (int k = 0; k < 2; k++) sgn_lowered_model_free(&random[k]);
    sgn_model_file_close(f);
    return s;
}

sgn_status sgn_machine_measure(const sgn_analysis *o, const sgn_run_config *c, const char *file, const int64_t *context, int contexts,
                               sgn_machine *out, sgn_error *err) {
    sgn_transformer m;
    *out = (sgn_machine){ 0 };
    SGN_TRY(sgn_transformer_init(&m, &c->model, false, err));
    sgn_status s = measure_products(&m, &out->product, err);
    sgn_transformer_free(&m);
    if (s == SGN_OK) s = measure_training(o, c, out, err);
    if (s != SGN_OK) return s;
    s = measure_runtime(o, c, file, context, contexts, out, err);
    if (s != SGN_UNSUPPORTED) return s;
    snprintf(out->why, sizeof out->why, "%s", err->text);
    *err = (sgn_error){ 0 };
    return SGN_OK;
}
