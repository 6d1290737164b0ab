/* SPDX-License-Identifier: MIT */
#include "binarize/low_rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/gemm.h"
#include "core/rng.h"

enum { POWER_ROUNDS = 50 };

static double sign(double x) { return x >= 0 ? 1 : -1; }
static double *numbers(int64_t n) { return malloc((size_t)n * sizeof(double)); }

/* --- Dual-SVID --------------------------------------------------------------------------------------------- */

/* |x| (rows, cols) ~ a b^T, by power iteration; each takes the root of the singular value. */
static void rank_one(const double *x, int64_t rows, int64_t cols, double *a, double *b) {
    double value = 0;
    for (int64_t j = 0; j < cols; j++) b[j] = 1 / sqrt((double)cols);
    for (int k = 0; k < POWER_ROUNDS; k++) {
        double length = 0;
        for (int64_t i = 0; i < rows; i++) {
            a[i] = 0;
            for (int64_t j = 0; j < cols; j++) a[i] += fabs(x[i * cols + j]) * b[j];
            length += a[i] * a[i];
        }
        value = sqrt(length);
        for (int64_t i = 0; i < rows; i++) a[i] = value > 0 ? a[i] / value : 0;
        memset(b, 0, (size_t)cols * sizeof *b);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < cols; j++) b[j] += fabs(x[i * cols + j]) * a[i];
        length = 0;
        for (int64_t j = 0; j < cols; j++) length += b[j] * b[j];
        value = sqrt(length);
        for (int64_t j = 0; j < cols; j++) b[j] = value > 0 ? b[j] / value : 0;
    }
    for (int64_t i = 0; i < rows; i++) a[i] *= sqrt(value);
    for (int64_t j = 0; j < cols; j++) b[j] *= sqrt(value);
}

static sgn_status scale(sgn_low_rank *f, sgn_error *err) {
    double *b = numbers(f->rank);
    if (!b) SGN_FAIL(err, SGN_NOMEM, "no memory for %lld factors", (long long)f->rank);
    rank_one(f->u, f->out, f->rank, f->h, f->l);
    rank_one(f->v, f->in, f->rank, f->g, b);
    for (int64_t k = 0; k < f->rank; k++) f->l[k] *= b[k];
    free(b);
    return SGN_OK;
}

sgn_status sgn_low_rank_value(const sgn_low_rank *f, double *q, sgn_error *err) {
    double *a = numbers(f->out * f->rank), *b = numbers(f->in * f->rank);
    const sgn_status s = a && b ? SGN_OK : SGN_ERROR(err, SGN_NOMEM, "no memory for factors of rank %lld", (long long)f->rank);
    for (int64_t k = 0; s == SGN_OK && k < f->out * f->rank; k++) a[k] = f->h[k / f->rank] * sign(f->u[k]) * f->l[k % f->rank];
    for (int64_t k = 0; s == SGN_OK && k < f->in * f->rank; k++) b[k] = f->g[k / f->rank] * sign(f->v[k]);
    if (s == SGN_OK) sgn_gemm_double(&(sgn_gemm_double_args){ .trans_b = true, .m = f->out, .n = f->in, .k = f->rank, .A = a, .B = b, .C = q });
    free(a);
    free(b);
    return s;
}

/* --- the rotation ------------------------------------------------------------------------------------------- */

/* r = C A^T of x = A D C^T (n, n), or its transpose; x is destroyed. */
static sgn_status polar(double *x, int64_t n, bool transposed, double *r, sgn_error *err) {
    double *a = numbers(n * n), *s = numbers(n), *ct = numbers(n * n);
    sgn_status status = a && s && ct ? sgn_svd(x, n, n, a, s, ct, err) : SGN_ERROR(err, SGN_NOMEM, "no memory for a rotation of %lld", (long long)n);
    if (status == SGN_OK && transposed) sgn_gemm_double(&(sgn_gemm_double_args){ .trans_a = true, .trans_b = true, .m = n, .n = n, .k = n, .A = ct, .B = a, .C = r });
    else if (status == SGN_OK) sgn_gemm_double(&(sgn_gemm_double_args){ .m = n, .n = n, .k = n, .A = a, .B = ct, .C = r });
    free(a);
    free(s);
    free(ct);
    return status;
}

sgn_status sgn_random_rotation(uint64_t seed, int64_t n, double *r, sgn_error *err) {
    double *x = numbers(n * n);
    if (!x) SGN_FAIL(err, SGN_NOMEM, "no memory for a rotation of %lld", (long long)n);
    for (int64_t k = 0; k < n * n; k++) x[k] = sgn_rng_normal(seed, sgn_rng_stream("itq"), (uint64_t)k);
    const sgn_status s = polar(x, n, false, r, err);
    free(x);
    return s;
}

typedef struct { double *z, *turned, *r, *x; } turning;        /* (out + in, rank) twice, (rank, rank) twice */

static sgn_status turn_rounds(turning *t, int64_t n, int64_t rank, int rounds, sgn_error *err) {
    const sgn_gemm_double_args apply = { .m = n, .n = rank, .k = rank, .A = t->z, .B = t->r, .C = t->turned };
    for (int k = 0; k < rounds; k++) {
        sgn_gemm_double(&apply);
        for (int64_t i = 0; i < n * rank; i++) t->turned[i] = sign(t->turned[i]);
        sgn_gemm_double(&(sgn_gemm_double_args){ .trans_a = true, .m = rank, .n = rank, .k = n, .A = t->turned, .B = t->z, .C = t->x });
        SGN_TRY(polar(t->x, rank, true, t->r, err));
    }
    sgn_gemm_double(&apply);
    return SGN_OK;
}

static sgn_status rotate(sgn_low_rank *f, const double *start, int rounds, sgn_error *err) {
    const int64_t n = f->out + f->in, rank = f->rank;
    turning t = { numbers(n * rank), numbers(n * rank), numbers(rank * rank), numbers(rank * rank) };
    sgn_status s = SGN_OK;
    if (!t.z || !t.turned || !t.r || !t.x) s = SGN_ERROR(err, SGN_NOMEM, "no memory to turn factors of rank %lld", (long long)rank);
    if (s == SGN_OK) {
        memcpy(t.z, f->u, (size_t)(f->out * rank) * sizeof *t.z);
        memcpy(t.z + f->out * rank, f->v, (size_t)(f->in * rank) * sizeof *t.z);
        memcpy(t.r, start, (size_t)(rank * rank) * sizeof *t.r);
        s = turn_rounds(&t, n, rank, rounds, err);
    }
    if (s == SGN_OK) {
        memcpy(f->u, t.turned, (size_t)(f->out * rank) * sizeof *t.z);
        memcpy(f->v, t.turned + f->out * rank, (size_t)(f->in * rank) * sizeof *t.z);
    }
    free(t.z);
    free(t.turned);
    free(t.r);
    free(t.x);
    return s;
}

/* --- factors ------------------------------------------------------------------------------------------------- */

static sgn_status split(sgn_low_rank *f, const double *w, sgn_error *err) {
    const int64_t k = f->out < f->in ? f->out : f->in;
    double *copy = numbers(f->out * f->in), *p = numbers(f->out * k), *s = numbers(k), *qt = numbers(k * f->in);
    sgn_status status = SGN_OK;
    if (!copy || !p || !s || !qt) status = SGN_ERROR(err, SGN_NOMEM, "no memory for the factors of %lld x %lld weights", (long long)f->out, (long long)f->in);
    if (status == SGN_OK) {
        memcpy(copy, w, (size_t)(f->out * f->in) * sizeof *copy);
        status = sgn_svd(copy, f->out, f->in, p, s, qt, err);
    }
    for (int64_t r = 0; status == SGN_OK && r < f->rank; r++) {
        double most = 0;                       /* singular vectors have no sign: their largest entry on the left gets + */
        for (int64_t i = 0; i < f->out; i++)
            if (fabs(p[i * k + r]) > fabs(most)) most = p[i * k + r];
        const double root = sqrt(s[r]) * sign(most);
        for (int64_t i = 0; i < f->out; i++) f->u[i * f->rank + r] = p[i * k + r] * root;
        for (int64_t j = 0; j < f->in; j++) f->v[j * f->rank + r] = qt[r * f->in + j] * root;
    }
    free(copy);
    free(p);
    free(s);
    free(qt);
    return status;
}

sgn_status sgn_low_rank_fit(sgn_low_rank *f, const double *w, int64_t out, int64_t in, int64_t rank, const double *turn, int rounds, sgn_error *err) {
    *f = (sgn_low_rank){ out, in, rank, numbers(out * rank), numbers(in * rank), numbers(out), numbers(rank), numbers(in) };
    sgn_status s = SGN_OK;
    if (!f->u || !f->v || !f->h || !f->l || !f->g)
        s = SGN_ERROR(err, SGN_NOMEM, "no memory for factors of rank %lld of %lld x %lld weights", (long long)rank, (long long)out, (long long)in);
    if (s == SGN_OK) s = split(f, w, err);
    if (s == SGN_OK && turn) s = rotate(f, turn, rounds, err);
    if (s == SGN_OK) s = scale(f, err);
    if (s != SGN_OK) sgn_low_rank_free(f);
    return s;
}

void sgn_low_rank_free(sgn_low_rank *f) {
    free(f->u);
    free(f->v);
    free(f->h);
    free(f->l);
    free(f->g);
    *f = (sgn_low_rank){ 0 };
}
