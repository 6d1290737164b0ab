/* SPDX-License-Identifier: MIT */
#include "model/row_col.h"

#include <math.h>
#include "core/parallel.h"

enum { ROWS_GRAIN = 16, COLS_GRAIN = 64 };

typedef struct {
    const sgn_real *w;
    int64_t         out, in;
    sgn_real       *h, *g;
    bool            start;
} job;

static double sum_squares(const sgn_real *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum;
}
static double ratio(double a, double b) { return b > 0 ? a / b : 0; }

static void fit_rows(void *ctx, int64_t begin, int64_t end) {
    const job *k = ctx;
    const double squares = k->start ? (double)k->in : sum_squares(k->g, k->in);
    for (int64_t i = begin; i < end; i++) {
        double sum = 0;
        for (int64_t j = 0; j < k->in; j++) sum += fabs((double)k->w[i * k->in + j]) * (k->start ? 1 : (double)k->g[j]);
        k->h[i] = (sgn_real)ratio(sum, squares);
    }
}

static void fit_cols(void *ctx, int64_t begin, int64_t end) {
    const job *k = ctx;
    const double squares = k->start ? (double)k->out : sum_squares(k->h, k->out);
    double sum[COLS_GRAIN] = { 0 };
    for (int64_t i = 0; i < k->out; i++) {
        const double h = k->start ? ratio(1, (double)k->h[i]) : (double)k->h[i];
        for (int64_t j = begin; j < end; j++) sum[j - begin] += fabs((double)k->w[i * k->in + j]) * h;
    }
    for (int64_t j = begin; j < end; j++) k->g[j] = (sgn_real)ratio(sum[j - begin], squares);
}

static void fit(job k) {
    sgn_parallel(k.out, ROWS_GRAIN, fit_rows, &k);
    sgn_parallel(k.in, COLS_GRAIN, fit_cols, &k);
}

void sgn_row_col_start(const sgn_real *w, int64_t out, int64_t in, sgn_real *h, sgn_real *g) {
    fit((job){ w, out, in, h, g, true });
}
void sgn_row_col_round(const sgn_real *w, int64_t out, int64_t in, sgn_real *h, sgn_real *g) {
    fit((job){ w, out, in, h, g, false });
}
