/* SPDX-License-Identifier: MIT */
#include "binarize/nm_mask.h"

#include <math.h>
#include <stdlib.h>

sgn_status sgn_importance_init(sgn_importance *s, const float *w, const float *h, int64_t out, int64_t in, sgn_error *err) {
    *s = (sgn_importance){ out, in, calloc((size_t)out, sizeof(double)), calloc((size_t)in, sizeof(double)), calloc((size_t)in, sizeof(double)) };
    if (!s->row || !s->col || !s->input) {
        sgn_importance_free(s);
        SGN_FAIL(err, SGN_NOMEM, "no memory for the sums of %lld x %lld weights", (long long)out, (long long)in);
    }
    for (int64_t i = 0; i < out; i++)
        for (int64_t j = 0; j < in; j++) s->row[i] += fabs((double)w[i * in + j]);
    for (int64_t j = 0; j < in; j++) s->input[j] = sqrt(sqrt((double)h[j * in + j] / 2));
    sgn_importance_columns(s, w, 0, in);
    return SGN_OK;
}

void sgn_importance_free(sgn_importance *s) {
    free(s->row);
    free(s->col);
    free(s->input);
    *s = (sgn_importance){ 0 };
}

void sgn_importance_columns(sgn_importance *s, const float *w, int64_t first, int64_t last) {
    for (int64_t j = first; j < last; j++) s->col[j] = 0;
    for (int64_t i = 0; i < s->out; i++)
        for (int64_t j = first; j < last; j++) s->col[j] += fabs((double)w[i * s->in + j]);
}

double sgn_importance_of(const sgn_importance *s, double w, int64_t i, int64_t j) {
    w = fabs(w);
    return w > 0 ? (w / s->col[j] + w / s->row[i]) * s->input[j] : 0;
}

void sgn_nm_select(const double *s, int64_t rows, int64_t cols, int64_t n, int64_t m, uint8_t *mask) {
    for (int64_t g = 0; g < rows * cols; g += m)
        for (int64_t j = 0; j < m; j++) {
            int64_t better = 0;
            for (int64_t k = 0; k < m; k++) better += s[g + k] > s[g + j] || (s[g + k] == s[g + j] && k < j);
            mask[g + j] = better < n;
        }
}
