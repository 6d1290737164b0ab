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
    return SGN_OK;
}

sgn_status sgn_candidates_open(sgn_candidates **c, int64_t vocab, sgn_error *err) {
    *c = malloc(sizeof **c + (size_t)vocab * sizeof(candidate));
    if (!*c) SGN_FAIL(err, SGN_NOMEM, "no memory to sample from %lld ids", (long long)vocab);
    (*c)->vocab = vocab;
    return SGN_OK;
}

void sgn_candidates_close(sgn_candidates *c) { free(c); }

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

int32_t sgn_sample(const sgn_sampling *s, const float *logits, uint64_t index, sgn_candidates *c) {
    const int32_t best = most_probable(logits, c->vocab);
    if (s->temperature <= 0) return best;
    int64_t n = c->vocab;
    for (int64_t i = 0; i < n; i++)                        /* p_i = exp((z_i - max z) / T), not normalised */
        c->at[i] = (candidate){ exp(((double)logits[i] - (double)logits[best]) / s->temperature), (int32_t)i };
    if (s->top_k > 0 || s->top_p < 1) qsort(c->at, (size_t)n, sizeof *c->at, compare);
    if (s->top_k > 0 && s->top_k < n) n = s->top_k;
    if (s->top_p < 1) n = nucleus(c->at, n, s->top_p);
    double all = 0, sum = 0;
    for (int64_t i = 0; i < n; i++) all += c->at[i].p;
    const double point = sgn_rng_uniform(s->seed, sgn_rng_stream("sample"), index) * all;
    for (int64_t i = 0; i < n; i++)
        if ((sum += c->at[i].p) > point) return c->at[i].id;
    return c->at[0].id;                                    /* only where all are not numbers */
}
