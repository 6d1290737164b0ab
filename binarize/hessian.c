/* SPDX-License-Identifier: MIT */
#include "binarize/hessian.h"

#include <math.h>
#include <stdlib.h>
#include "core/gemm.h"

static const double dampings[] = { 0.01, 0.1, 1 };

void sgn_hessian_add(float *h, const float *x, int64_t tokens, int64_t in, double a) {
    sgn_gemm(&(sgn_gemm_args){ .trans_a = true, .m = in, .n = in, .k = tokens, .a = (sgn_real)a, .A = x, .lda = in, .B = x, .ldb = in,
                               .b = 1, .C = h, .ldc = in });
}

double sgn_hessian_loss(const float *d, const float *h, int64_t out, int64_t in, float *scratch) {
    sgn_gemm(&(sgn_gemm_args){ .m = out, .n = in, .k = in, .a = 1, .A = d, .lda = in, .B = h, .ldb = in, .b = 0, .C = scratch, .ldc = in });
    double sum = 0;
    for (int64_t k = 0; k < out * in; k++) sum += (double)d[k] * (double)scratch[k];
    return sum;
}

/* u = H with dead inputs given a curvature of 1; the mean of its diagonal. */
static double copy(sgn_hessian_factor *f, const float *h, int64_t in) {
    double mean = 0;
    for (int64_t k = 0; k < in * in; k++) f->u[k] = (double)h[k];
    f->dead = 0;
    for (int64_t j = 0; j < in; j++) {
        double *diagonal = &f->u[j * in + j];
        if (*diagonal == 0) *diagonal = 1, f->dead++;
        mean += *diagonal / (double)in;
    }
    return mean;
}

static bool factor(sgn_hessian_factor *f, const float *h, int64_t in) {
    const double mean = copy(f, h, in);
    for (int64_t j = 0; j < in; j++) f->u[j * in + j] += f->damping * mean;
    if (!sgn_cholesky(f->u, in) || !sgn_cholesky_invert(f->u, in) || !sgn_cholesky(f->u, in)) return false;
    for (int64_t j = 0; j < in; j++)
        if (!(isfinite(f->u[j * in + j]) && f->u[j * in + j] > 0)) return false;
    return true;
}

sgn_status sgn_hessian_factor_init(sgn_hessian_factor *f, const float *h, int64_t in, const char *path, sgn_error *err) {
    *f = (sgn_hessian_factor){ .u = malloc((size_t)(in * in) * sizeof(double)) };
    if (!f->u) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for the inverse of its %lld x %lld Hessian", path, (long long)in, (long long)in);
    for (size_t k = 0; k < sizeof dampings / sizeof *dampings; k++) {
        f->damping = dampings[k];
        if (factor(f, h, in)) return SGN_OK;
    }
    sgn_hessian_factor_free(f);
    SGN_FAIL(err, SGN_NUMERIC, "%s: its Hessian stays singular even with the mean of its diagonal added; calibrate on more windows of real text", path);
}

void sgn_hessian_factor_free(sgn_hessian_factor *f) {
    free(f->u);
    *f = (sgn_hessian_factor){ 0 };
}
