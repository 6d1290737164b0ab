/* SPDX-License-Identifier: MIT */
#include "export/sample.h"

#include <math.h>
#include <stdlib.h>
#include "core/rng.h"

typedef struct { double p; int32_t id; } candidate;
struct sgn_candidates { int64_t vocab; candidate at[]; };

sgn_status sgn_sampling_check(const sgn_sampling *s, sgn_error *err) {
    if (!(s->temperature >= 0 && s->temperature < 1e6))
        SGN_FAIL(err, SGN_CONFIG, "temperature is %g; 0 (greedy) or more is expected", s->temperature);
    if (s->top_k < 0) SGN_FAIL(err, SGN_CONFIG, "top-k is %lld; 0 (all) or more is expected", (long long)s->top_k);
    if (!(s->top_p > 0 && s->top_p <= 1))
        SGN_FAIL(err, SGN_CONFIG, "top-p is %g; above 0 and at most 1 is expected", s->top_p);
    if (!(s->min_p >= 0 && s->min_p <= 1)) SGN_FAIL(err, SGN_CONFIG, "min-p is %g; 0 (all) to 1 is expected", s->min_p);
    if (!(s->penalty >= 0 && s->penalty < 1e6))
        SGN_FAIL(err, SGN_CONFIG, "the repetition penalty is %g; 1 (none) or more is usual, above 0 is expected", s->penalty);
    if (s->penalty_last < 0)
        SGN_FAIL(err, SGN_CONFIG, "the repetition penalty counts the last %lld tokens; 0 (all) or more is expected", (long long)s->penalty_last);
    if (!(fabs(s->presence) < 1e6 && fabs(s->frequency) < 1e6))
        SGN_FAIL(err, SGN_CONFIG, "the penalties of presence and frequency are %g and %g; -2 to 2 are usual", s->presence, s->frequency);
    for (int i = 0; i < s->biases; i++)
        if (!(fabsf(s->bias[i].add) < 1e6f))
            SGN_FAIL(err, SGN_CONFIG, "the bias of token %d is %g; -100 to 100 are usual", s->bias[i].id, (double)s->bias[i].add);
    return SGN_OK;
}

sgn_status sgn_candidates_open(sgn_candidates **c, int64_t vocab, sgn_error *err) {
    *c = malloc(sizeof **c + (size_t)vocab * sizeof(candidate));
    if (!*c) SGN_FAIL(err, SGN_NOMEM, "no memory to sample from %lld ids", (long long)vocab);
    (*c)->vocab = vocab;
    return SGN_OK;
}

void sgn_candidates_close(sgn_candidates *c) { free(c); }

/* c->at[id].p of the ids that are there: how often. */
static void count_ids(const int32_t *id, size_t n, sgn_candidates *c) {
    for (size_t i = 0; i < n; i++)
        if (id[i] < c->vocab) c->at[id[i]].p = 0;
    for (size_t i = 0; i < n; i++)
        if (id[i] < c->vocab) c->at[id[i]].p++;
}

/* How often the id came; 0 from the second time on that it is asked for. */
static double times(int32_t id, sgn_candidates *c) {
    const double n = id < c->vocab ? c->at[id].p : 0;
    if (n > 0) c->at[id].p = 0;
    return n;
}

static void divide_repeated(const sgn_sampling *s, const int32_t *id, size_t n, float *z, sgn_candidates *c) {
    count_ids(id, n, c);
    for (size_t i = 0; i < n; i++)
        if (times(id[i], c) > 0) z[id[i]] = (float)(z[id[i]] > 0 ? (double)z[id[i]] / s->penalty : (double)z[id[i]] * s->penalty);
}

static void lower_generated(const sgn_sampling *s, const int32_t *id, size_t n, float *z, sgn_candidates *c) {
    count_ids(id, n, c);
    for (size_t i = 0; i < n; i++) {
        const double often = times(id[i], c);
        if (often > 0) z[id[i]] -= (float)(s->presence + s->frequency * often);
    }
}

void sgn_penalize(const sgn_sampling *s, const int32_t *before, size_t count, size_t given, float *logits, sgn_candidates *c) {
    const size_t from = s->penalty_last > 0 && (size_t)s->penalty_last < count ? count - (size_t)s->penalty_last : 0;
    if (s->penalty > 0 && s->penalty != 1) divide_repeated(s, before + from, count - from, logits, c);
    if (s->presence != 0 || s->frequency != 0) lower_generated(s, before + given, count - given, logits, c);
    for (int i = 0; i < s->biases; i++)
        if (s->bias[i].id >= 0 && s->bias[i].id < c->vocab) logits[s->bias[i].id] += s->bias[i].add;
}

/* From probable to improbable, equals by id. */
static int compare(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    return x->p != y->p ? (x->p < y->p ? 1 : -1) : x->id < y->id ? -1 : 1;
}

static int32_t most_probable(const float *z, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (z[i] > z[best]) best = i;
    return (int32_t)best;
}

/* The first candidates that together reach `part` of all. */
static int64_t nucleus(const candidate *at, int64_t n, double part) {
    double all = 0, sum = 0;
    for (int64_t i = 0; i < n; i++) all += at[i].p;
    for (int64_t i = 0; i < n; i++)
        if ((sum += at[i].p) >= part * all) return i + 1;
    return n;
}

/* Keeps, in their order, the candidates that have at least `part` of the largest p, which is 1. */
static int64_t probable(candidate *at, int64_t n, double part) {
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++)
        if (at[i].p >= part) at[kept++] = at[i];
    return kept;
}

int32_t sgn_sample(const sgn_sampling *s, const float *logits, uint64_t index, sgn_candidates *c) {
    const int32_t best = most_probable(logits, c->vocab);
    if (s->temperature <= 0) return best;
    int64_t n = c->vocab;
    for (int64_t i = 0; i < n; i++)                        /* p_i = exp((z_i - max z) / T), not normalised */
        c->at[i] = (candidate){ exp(((double)logits[i] - (double)logits[best]) / s->temperature), (int32_t)i };
    if (s->top_k > 0 || s->top_p < 1) qsort(c->at, (size_t)n, sizeof *c->at, compare);
    if (s->top_k > 0 && s->top_k < n) n = s->top_k;
    if (s->top_p < 1) n = nucleus(c->at, n, s->top_p);
    if (s->min_p > 0) n = probable(c->at, n, s->min_p);
    double all = 0, sum = 0;
    for (int64_t i = 0; i < n; i++) all += c->at[i].p;
    const double point = sgn_rng_uniform(s->seed, sgn_rng_stream("sample"), index) * all;
    for (int64_t i = 0; i < n; i++)
        if ((sum += c->at[i].p) > point) return c->at[i].id;
    return best;                                           /* only where all are not numbers */
}

double sgn_log_sum(const float *z, int64_t n) {
    double most = (double)z[0], sum = 0;
    for (int64_t k = 1; k < n; k++) most = fmax(most, (double)z[k]);
    for (int64_t k = 0; k < n; k++) sum += exp((double)z[k] - most);
    return most + log(sum);
}
