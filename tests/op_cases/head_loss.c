/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include "tests/op_cases/op_cases.h"

/* n: every n-th target is left out (0: none), width of the teacher, classes of a teacher of few, are they samples; r: lambda, temperature, scale */
static const op_case cases[] = {
    { .name = "hard", .in = { DENSE(5, 7), DENSE(11, 7) }, .n = { 0 }, .r = { 0, 1, 0.2 } },
    { .name = "hard, targets left out", .in = { DENSE(9, 6), DENSE(13, 6) }, .n = { 3 }, .r = { 0, 1, 1 } },
    { .name = "soft", .in = { DENSE(5, 7), DENSE(11, 7) }, .n = { 0, 9 }, .r = { 1, 1, 0.2 } },
    { .name = "half and half", .in = { DENSE(5, 7), DENSE(11, 7) }, .n = { 4, 3 }, .r = { 0.5, 1, 0.2 } },
    { .name = "soft at temperature 2", .in = { DENSE(5, 7), DENSE(11, 7) }, .n = { 0, 7 }, .r = { 1, 2, 0.2 } },
    { .name = "half at temperature 0.5", .in = { DENSE(6, 7), DENSE(11, 7) }, .n = { 3, 7 }, .r = { 0.5, 0.5, 0.2 } },
    { .name = "three chunks of tokens, hard", .in = { DENSE(1100, 5), DENSE(9, 5) }, .n = { 7 }, .r = { 0, 1, 1e-3 } },
    { .name = "two chunks of tokens, half", .in = { DENSE(600, 5), DENSE(301, 5) }, .n = { 7, 6 }, .r = { 0.5, 2, 1e-2 } },
    { .name = "two slices of the vocabulary", .in = { DENSE(3, 5), DENSE(4200, 5) }, .n = { 0 }, .r = { 0, 1, 1 } },
    { .name = "more columns than a task takes", .in = { DENSE(3, 260), DENSE(5, 260) }, .n = { 0 }, .r = { 0, 1, 1 } },
    { .name = "one token, two words", .in = { DENSE(1, 4), DENSE(2, 4) }, .n = { 0 }, .r = { 0, 1, 1 } },
    { .name = "top 4", .in = { DENSE(5, 7), DENSE(11, 7) }, .n = { 0, 0, 4 }, .r = { 1, 1, 0.2 } },
    { .name = "top 4, half, targets left out", .in = { DENSE(6, 7), DENSE(11, 7) }, .n = { 3, 0, 4 }, .r = { 0.5, 1, 0.2 } },
    { .name = "top 4 at temperature 2, half", .in = { DENSE(6, 7), DENSE(11, 7) }, .n = { 0, 0, 4 }, .r = { 0.5, 2, 0.2 } },
    { .name = "top 3 at temperature 0.5", .in = { DENSE(6, 7), DENSE(11, 7) }, .n = { 0, 0, 3 }, .r = { 1, 0.5, 0.2 } },
    { .name = "top of all classes", .in = { DENSE(5, 7), DENSE(11, 7) }, .n = { 0, 0, 11 }, .r = { 1, 1, 0.2 } },
    { .name = "top 5, two chunks of tokens", .in = { DENSE(600, 5), DENSE(301, 5) }, .n = { 7, 0, 5 }, .r = { 0.5, 2, 1e-2 } },
    { .name = "samples", .in = { DENSE(5, 7), DENSE(11, 7) }, .n = { 0, 0, 4, 1 }, .r = { 1, 1, 0.2 } },
    { .name = "samples, half, temperature 3", .in = { DENSE(6, 7), DENSE(11, 7) }, .n = { 4, 0, 5, 1 }, .r = { 0.5, 3, 0.2 } },
    { .name = "h is head", .in = { DENSE(6, 4), SAME(0) }, .n = { 0, 4 }, .r = { 0.5, 1, 1 } },
};

static double lower(int64_t i, const op_case *c) { return 0.7 * case_normal(i + 1000, c); }

/* Classes 3 apart, ever less likely; now and then one fewer. The others have a fifth of the mass, but for samples. */
static sgn_soft few(int64_t tokens, int64_t vocab, int64_t top, bool samples) {
    static int32_t id[4096];
    static sgn_real prob[4096], rest[4096];
    for (int64_t t = 0; t < tokens; t++) {
        double sum = 0;
        for (int64_t j = 0; j < top; j++) {
            id[t * top + j] = (int32_t)((t * 7 + 3 * j) % vocab);
            sum += prob[t * top + j] = j + 1 == top && t % 4 == 3 ? 0 : (sgn_real)exp(-0.6 * (double)j - 0.1 * (double)(t % 5));
        }
        rest[t] = top == vocab ? 0 : (sgn_real)0.2;
        for (int64_t j = 0; j < top; j++) prob[t * top + j] *= (sgn_real)((samples ? 1 : 1 - (double)rest[t]) / sum);
    }
    return (sgn_soft){ .kind = samples ? SGN_SOFT_SAMPLES : SGN_SOFT_TOP, .top = top, .id = id, .prob = prob, .rest = samples ? NULL : rest };
}

static sgn_head_loss_args arguments(const op_case *c) {
    const int64_t tokens = c->in[0].rows, vocab = c->in[1].kind == CASE_SAME ? tokens : c->in[1].rows;
    sgn_head_loss_args a = { .target = case_ids(0, tokens, vocab, c->n[0]),
                             .lambda = c->r[0], .temperature = c->r[1], .scale = c->r[2] };
    if (c->n[1])
        a.soft = (sgn_soft){ .kind = SGN_SOFT_HIDDEN, .hidden = case_reals(1, tokens * c->n[1], case_normal, c),
                             .head = case_reals(2, vocab * c->n[1], lower, c), .width = c->n[1] };
    if (c->n[2]) a.soft = few(tokens, vocab, c->n[2], c->n[3]);
    return a;
}
static sgn_tensor *apply(sgn_tape *t, sgn_tensor *const in[], const op_case *c) {
    const sgn_head_loss_args a = arguments(c);
    return sgn_head_loss(t, in[0], in[1], &a);
}

/* log softmax of h head^T / T */
static void log_softmax(double *out, const sgn_real *h, const sgn_real *head, int64_t vocab, int64_t width, double T) {
    double sum = 0;
    for (int64_t v = 0; v < vocab; v++) {
        out[v] = 0;
        for (int64_t j = 0; j < width; j++) out[v] += (double)h[j] * (double)head[v * width + j] / T;
        sum += exp(out[v]);
    }
    for (int64_t v = 0; v < vocab; v++) out[v] -= log(sum);
}
/* -sum_K p log S - rest log(sum of S outside K); S = exp(log_s). */
static double few_loss(const sgn_soft *s, int64_t t, const double *log_s, int64_t vocab) {
    double loss = 0, tail = 0;
    for (int64_t v = 0; v < vocab; v++) {
        bool kept = false;
        for (int64_t j = 0; j < s->top; j++) {
            const double p = (double)s->prob[t * s->top + j];
            if (s->id[t * s->top + j] != v || p == 0) continue;
            loss -= p * log_s[v];
            kept = true;
        }
        if (!kept) tail += exp(log_s[v]);
    }
    return s->rest && s->rest[t] > 0 ? loss - (double)s->rest[t] * log(tail) : loss;
}
static void expect(const sgn_node *n, const op_case *c, double *out) {
    const sgn_head_loss_args a = arguments(c);
    const int64_t vocab = n->in[1]->shape.dim[0], width = n->in[0]->shape.dim[1];
    double *p = malloc((size_t)(2 * vocab) * sizeof *p);
    if (!p) abort();
    out[0] = 0;
    for (int64_t t = 0; t < n->in[0]->shape.dim[0]; t++) {
        if (a.target[t] < 0) continue;
        log_softmax(p, n->in[0]->data + t * width, n->in[1]->data, vocab, width, 1);
        out[0] -= a.scale * (1 - a.lambda) * p[a.target[t]];
        if (a.lambda == 0) continue;
        log_softmax(p, n->in[0]->data + t * width, n->in[1]->data, vocab, width, a.temperature);
        if (a.soft.kind != SGN_SOFT_HIDDEN) {
            out[0] += a.scale * a.lambda * a.temperature * a.temperature * few_loss(&a.soft, t, p, vocab);
            continue;
        }
        log_softmax(p + vocab, a.soft.hidden + t * a.soft.width, a.soft.head, vocab, a.soft.width, a.temperature);
        for (int64_t v = 0; v < vocab; v++)
            out[0] -= a.scale * a.lambda * a.temperature * a.temperature * exp(p[vocab + v]) * p[v];
    }
    free(p);
}

OP_CASES(head_loss, cases, apply, expect);
