/* SPDX-License-Identifier: MIT */
#include "train/guard.h"

static double median(const double *x, int n) {
    double sorted[SGN_GUARD_WINDOW];
    for (int i = 0; i < n; i++) {
        int j = i;
        for (; j > 0 && sorted[j - 1] > x[i]; j--) sorted[j] = sorted[j - 1];
        sorted[j] = x[i];
    }
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

bool sgn_guard_spike(sgn_guard *g, double loss, double factor) {
    const int known = g->count < SGN_GUARD_WINDOW ? (int)g->count : SGN_GUARD_WINDOW;
    if (known >= SGN_GUARD_WINDOW / 4) {
        g->median = median(g->recent, known);
        if (loss > factor * g->median) return ++g->above == SGN_GUARD_PATIENCE;
    }
    g->above = 0;
    g->recent[g->count++ % SGN_GUARD_WINDOW] = loss;
    return false;
}
