/* SPDX-License-Identifier: MIT */
#include "core/estimator.h"

#include <math.h>
#include <string.h>

static double square(double x) { return x * x; }

#define X(name, word, f) static double f_##name(double w) { (void)w; return f; }
SGN_ESTIMATOR_LIST(X)
#undef X

static const struct { const char *word; double (*f)(double w); } table[] = {
#define X(name, word, f) { word, f_##name },
    SGN_ESTIMATOR_LIST(X)
#undef X
};

const char *sgn_estimator_word(sgn_estimator e) { return table[e].word; }

sgn_estimator sgn_estimator_find(const char *word) {
    int e = 0;
    while (e < SGN_ESTIMATORS && strcmp(table[e].word, word) != 0) e++;
    return (sgn_estimator)e;
}

void sgn_estimator_apply(sgn_estimator e, sgn_real *g, const sgn_real *w, int64_t n) {
    for (int64_t i = 0; e != SGN_ESTIMATOR_IDENTITY && i < n; i++) g[i] *= (sgn_real)table[e].f((double)w[i]);
}
