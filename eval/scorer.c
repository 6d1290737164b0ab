/* SPDX-License-Identifier: MIT */
#include "eval/scorer.h"

#include <stdlib.h>
#include "export/runtime.h"

enum { BATCH = 256 };          /* tokens of one call */

struct sgn_scorer {
    const sgn_lowered_model *model;
    sgn_runtime *runtime;
    float       *logits;       /* (vocab) */
    int64_t      batch, tokens;
};

sgn_status sgn_scorer_open(sgn_scorer **out, const sgn_lowered_model *m, int64_t longest, bool int8, sgn_error *err) {
    *out = NULL;
    sgn_scorer *s = calloc(1, sizeof *s);
    if (!s) SGN_FAIL(err, SGN_NOMEM, "no memory to score");
    s->model = m;
    s->batch = longest < BATCH ? longest : BATCH;
    sgn_status status = sgn_runtime_open(&s->runtime, m, &(sgn_runtime_options){ .context = longest, .batch = s->batch, .int8 = int8 }, err);
    if (status == SGN_OK) {
        s->logits = malloc((size_t)m->config.vocab * sizeof *s->logits);
        if (!s->logits) status = SGN_ERROR(err, SGN_NOMEM, "no memory for the logits of %lld ids", (long long)m->config.vocab);
    }
    if (status == SGN_OK) *out = s;
    else sgn_scorer_close(s);
    return status;
}

void sgn_scorer_close(sgn_scorer *s) {
    if (!s) return;
    sgn_runtime_close(s->runtime);
    free(s->logits);
    free(s);
}

int64_t sgn_scorer_tokens(const sgn_scorer *s) { return s->tokens; }

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Ids that are read before the first one that is scored, less the last: its hidden state is what each request wants. */
static size_t shared(const sgn_request *q, int count) {
    size_t n = q[0].ids.count - q[0].scored - 1;
    for (int i = 1; i < count; i++) {
        n = smaller(n, q[i].ids.count - q[i].scored - 1);
        for (size_t t = 0; t < n; t++)
            if (q[i].ids.id[t] != q[0].ids.id[t]) n = t;
    }
    return n;
}

static bool is_likeliest(sgn_scorer *s, const float *hidden, int32_t id) {
    sgn_runtime_logits(s->runtime, hidden, s->logits);
    int64_t best = 0;
    for (int64_t v = 1; v < s->model->config.vocab; v++)
        if (s->logits[v] > s->logits[best]) best = v;
    return best == id;
}

/* Reads ids[begin, end); where q is given, adds up its scored ids. */
static sgn_status read_ids(sgn_scorer *s, const int32_t *ids, size_t begin, size_t end, const sgn_request *q, double *ll, bool *greedy,
                           sgn_error *err) {
    const size_t first = q ? q->ids.count - q->scored - 1 : end;       /* its hidden state predicts the first scored id */
    const int64_t dim = s->model->config.dim;
    for (size_t n; begin < end; begin += n) {
        const float *hidden;
        double nats;
        n = smaller(end - begin, (size_t)s->batch);
        SGN_TRY(sgn_runtime_hidden(s->runtime, ids + begin, (int64_t)n, &hidden, err));
        s->tokens += (int64_t)n;
        if (begin + n <= first) continue;
        const size_t skip = first > begin ? first - begin : 0;
        hidden += (int64_t)skip * dim;
        const int32_t *target = ids + begin + skip + 1;
        SGN_TRY(sgn_runtime_nll(s->runtime, hidden, target, (int64_t)(n - skip), &nats, NULL, err));
        *ll -= nats;
        for (size_t t = 0; greedy && *greedy && t < n - skip; t++) *greedy = is_likeliest(s, hidden + (int64_t)t * dim, target[t]);
    }
    return SGN_OK;
}

sgn_status sgn_scorer_run(sgn_scorer *s, const sgn_request *q, int count, double *ll, bool *greedy, sgn_error *err) {
    const size_t common = count > 1 ? shared(q, count) : 0;
    sgn_runtime_reset(s->runtime);
    SGN_TRY(read_ids(s, q[0].ids.id, 0, common, NULL, NULL, NULL, err));
    for (int i = 0; i < count; i++) {
        ll[i] = 0;
        if (greedy) greedy[i] = true;
        sgn_runtime_truncate(s->runtime, (int64_t)common);
        SGN_TRY(read_ids(s, q[i].ids.id, common, q[i].ids.count - 1, &q[i], &ll[i], greedy ? &greedy[i] : NULL, err));
    }
    return SGN_OK;
}
