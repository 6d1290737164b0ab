/* SPDX-License-Identifier: MIT */
#include "binarize/zones.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/parallel.h"

enum { CANDIDATES = 50, SPLITS = 81, TRISECTIONS = 160 };

/* --- one zone of one row ---------------------------------------------------------------------------------- */

/* x, n numbers, becomes what `order` signs with scales a leave of it; y, unless NULL, what they make. */
static void fit_row(double *x, int n, int order, bool mean, double *a, double *y) {
    for (int k = 0; k < order; k++) {
        double mu = 0, scale = 0;
        for (int i = 0; mean && i < n; i++) mu += x[i] / n;
        for (int i = 0; i < n; i++) scale += fabs(x[i] - mu) / n;
        for (int i = 0; i < n; i++) {
            const double c = x[i] - mu, fitted = mu + (c > 0 ? scale : c < 0 || !mean ? (c < 0 ? -scale : scale) : 0);
            x[i] -= fitted;
            if (y) y[i] += fitted;
        }
        if (a) a[k] = scale;
    }
}

typedef struct { double x[SGN_ZONE_BLOCK], d[SGN_ZONE_BLOCK]; int n; } part;

static double misfit(part *p, int order, bool mean) {
    double sum = 0;
    fit_row(p->x, p->n, order, mean, NULL, NULL);
    for (int i = 0; i < p->n; i++) sum += p->d[i] * p->x[i] * p->x[i];
    return sum;
}

/* What the searches fit at (i, j), and its weight. */
static void put(const sgn_zones *z, part *p, int64_t i, int64_t j) {
    const bool plain = z->by_saliency || z->means;
    p->x[p->n] = plain ? z->t[i * z->cols + j] : fabs((double)z->w[i * z->stride + j]);
    p->d[p->n++] = plain ? 1 : z->d[j];
}
static bool kept(const sgn_zones *z, int64_t i, int64_t j) { return z->means || z->zone[i * z->cols + j]; }

/* --- salient columns --------------------------------------------------------------------------------------- */

typedef struct { double sum; int64_t j; } score;

static int by_sum(const void *a, const void *b) {
    const score *x = a, *y = b;
    if (x->sum != y->sum) return x->sum < y->sum ? 1 : -1;
    return x->j < y->j ? -1 : 1;
}

typedef struct {
    const sgn_zones *z;
    score            column[SGN_ZONE_BLOCK];
    double           error[TRISECTIONS];
    double           low[TRISECTIONS], high[TRISECTIONS];      /* thresholds */
    bool             salient[SGN_ZONE_BLOCK];
} search;

/* error[k]: of the first k + 1 columns. */
static void try_columns(void *ctx, int64_t begin, int64_t end) {
    search *s = ctx;
    const sgn_zones *z = s->z;
    for (int64_t k = begin; k < end; k++) {
        bool chosen[SGN_ZONE_BLOCK] = { false };
        for (int64_t c = 0; c <= k; c++) chosen[s->column[c].j] = true;
        s->error[k] = 0;
        for (int64_t i = 0; i < z->rows; i++) {
            part side[2];
            side[0].n = side[1].n = 0;
            for (int64_t j = 0; j < z->cols; j++)
                if (kept(z, i, j)) put(z, &side[chosen[j]], i, j);
            s->error[k] += misfit(&side[0], 2, z->means) + misfit(&side[1], 2, z->means);
        }
    }
}

static int64_t best_of(const double *error, int64_t n) {
    int64_t best = 0;
    for (int64_t k = 1; k < n; k++)
        if (error[k] < error[best]) best = k;
    return best;
}

static void choose_columns(search *s, sgn_zones *z) {
    const int64_t most = CANDIDATES - 1 < z->cols - 1 ? CANDIDATES - 1 : z->cols - 1;
    for (int64_t j = 0; j < z->cols; j++) s->column[j] = (score){ 0, j };
    for (int64_t i = 0; i < z->rows; i++)
        for (int64_t j = 0; j < z->cols; j++)
            if (kept(z, i, j)) s->column[j].sum += z->t[i * z->cols + j];
    qsort(s->column, (size_t)z->cols, sizeof *s->column, by_sum);
    if (most < 1) return;
    sgn_parallel(most, 1, try_columns, s);
    z->salient = (int)best_of(s->error, most) + 1;
    for (int k = 0; k < z->salient; k++) s->salient[s->column[k].j] = true;
}

/* --- groups ------------------------------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Linear between neighbours. */
static double quantile(const double *sorted, int64_t n, double level) {
    const double at = level * (double)(n - 1);
    const int64_t k = (int64_t)at;
    return k + 1 < n ? sorted[k] + (at - (double)k) * (sorted[k + 1] - sorted[k]) : sorted[n - 1];
}

/* Thresholds to try; how many. */
static int64_t thresholds(search *s) {
    const sgn_zones *z = s->z;
    const int64_t levels = z->three ? TRISECTIONS : SPLITS;
    int64_t n = 0, count = 0;
    for (int64_t i = 0; i < z->rows; i++)
        for (int64_t j = 0; j < z->cols; j++) {
            if (z->means) z->sorted[n++] = s->salient[j] ? 0 : z->t[i * z->cols + j];
            else if (kept(z, i, j) && !s->salient[j]) z->sorted[n++] = z->t[i * z->cols + j];
        }
    if (n == 0) return 0;
    qsort(z->sorted, (size_t)n, sizeof *z->sorted, by_value);
    const double largest = quantile(z->sorted, n, 0.9);
    for (int64_t k = 0; k < levels; k++) {
        const double p = quantile(z->sorted, n, 0.1 + 0.8 * (double)k / (double)(levels - 1));
        if (z->three && 2 * p > largest) continue;
        s->low[count] = p;
        s->high[count++] = z->three ? 2 * p : INFINITY;
    }
    return count;
}

static int group_of(const search *s, int64_t k, double t) { return t < s->low[k] ? 0 : t < s->high[k] ? 1 : 2; }

static void try_groups(void *ctx, int64_t begin, int64_t end) {
    search *s = ctx;
    const sgn_zones *z = s->z;
    for (int64_t k = begin; k < end; k++) {
        s->error[k] = 0;
        for (int64_t i = 0; i < z->rows; i++) {
            part group[3];
            group[0].n = group[1].n = group[2].n = 0;
            for (int64_t j = 0; j < z->cols; j++)
                if (kept(z, i, j) && !s->salient[j]) put(z, &group[group_of(s, k, z->t[i * z->cols + j])], i, j);
            for (int g = 0; g < 3; g++) s->error[k] += misfit(&group[g], 1, z->means);
        }
    }
}

static void choose_groups(search *s, sgn_zones *z) {
    int64_t best = 0;
    const int64_t count = thresholds(s);
    if (count) {
        sgn_parallel(count, 1, try_groups, s);
        best = best_of(s->error, count);
    } else s->low[0] = s->high[0] = INFINITY;
    for (int64_t i = 0; i < z->rows; i++)
        for (int64_t j = 0; j < z->cols; j++) {
            uint8_t *zone = &z->zone[i * z->cols + j];
            if (!kept(z, i, j)) continue;
            *zone = s->salient[j] ? SGN_ZONE_SALIENT : (uint8_t)(SGN_ZONE_LOW + group_of(s, best, z->t[i * z->cols + j]));
        }
}

float sgn_zone_value(sgn_zone zone, float w, const float *scale) {
    if (zone == SGN_ZONE_PRUNED) return 0;
    const float first = w >= 0 ? scale[zone - 1] : -scale[zone - 1];
    return zone != SGN_ZONE_SALIENT ? first : first + (w - first >= 0 ? scale[zone] : -scale[zone]);
}

/* --- values ------------------------------------------------------------------------------------------------ */

static void fill_rows(void *ctx, int64_t begin, int64_t end) {
    const sgn_zones *z = ctx;
    for (int64_t i = begin; i < end; i++) {
        memset(z->q + i * z->cols, 0, (size_t)z->cols * sizeof *z->q);
        for (int zone = SGN_ZONE_LOW; zone <= SGN_ZONE_SALIENT; zone++) {
            double x[SGN_ZONE_BLOCK], y[SGN_ZONE_BLOCK] = { 0 }, a[2] = { 0, 0 };
            int64_t at[SGN_ZONE_BLOCK];
            int n = 0;
            for (int64_t j = 0; j < z->cols; j++)
                if (z->zone[i * z->cols + j] == zone) at[n] = j, x[n++] = (double)z->w[i * z->stride + j];
            fit_row(x, n, zone == SGN_ZONE_SALIENT ? 2 : 1, z->means, a, y);
            float *scale = z->scale + i * SGN_ZONE_SCALES + zone - 1;
            scale[0] = (float)a[0];
            if (zone == SGN_ZONE_SALIENT) scale[1] = (float)a[1];
            for (int k = 0; k < n; k++)
                z->q[i * z->cols + at[k]] = z->means ? (float)y[k] : sgn_zone_value((sgn_zone)zone, z->w[i * z->stride + at[k]], z->scale + i * SGN_ZONE_SCALES);
        }
    }
}

void sgn_zones_fit(sgn_zones *z) {
    search s = { .z = z };
    z->salient = 0;
    for (int64_t i = 0; i < z->rows; i++)
        for (int64_t j = 0; j < z->cols; j++) {
            const double w = (double)z->w[i * z->stride + j];
            z->t[i * z->cols + j] = w * w * z->d[j];
        }
    choose_columns(&s, z);
    choose_groups(&s, z);
    sgn_parallel(z->rows, 16, fill_rows, z);
}
