/* gemm.h - dense matrix products, row-major. The only file that knows OpenBLAS.
 *
 * OpenBLAS runs with one thread; we cut the result into tiles that depend on the
 * shape alone and give the tiles to our threads, so the bits do not depend on
 * their number. Its serial build returns wrong products when called from several
 * threads, therefore sgn_gemm_init refuses it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_GEMM_H
#define SGN_CORE_GEMM_H

#include <stdbool.h>
#include "core/parallel.h"
#include "core/status.h"
#include "core/tensor.h"

/* C (m, n) = a op(A) op(B) + b C; op(A) is (m, k), op(B) is (k, n). */
typedef struct {
    bool            trans_a, trans_b;
    int64_t         m, n, k;
    sgn_real        a;
    const sgn_real *A;
    int64_t         lda;
    const sgn_real *B;
    int64_t         ldb;
    sgn_real        b;
    sgn_real       *C;
    int64_t         ldc;
} sgn_gemm_args;

sgn_status  sgn_gemm_init(sgn_error *err);        /* once, before any product */
/* SGN_UNSUPPORTED if `config`, OpenBLAS's description of itself, is that of a serial build. */
sgn_status  sgn_gemm_check(const char *config, sgn_error *err);
/* Is there room for OpenBLAS's buffers, one for each thread? It waits for ever for memory that does not come. */
sgn_status  sgn_gemm_probe(sgn_error *err);
/* The same, when everything else has been allocated; and takes them, so that no product has to. */
sgn_status  sgn_gemm_reserve(sgn_error *err);
const char *sgn_gemm_library(void);               /* "OpenBLAS 0.3.21 Zen", for the start line */
void        sgn_gemm(const sgn_gemm_args *g);     /* over all threads */
/* The same as a job among others; `t` lives until it is done. */
typedef struct { sgn_gemm_args whole; int64_t high, wide, across; } sgn_gemm_tiles;
sgn_job     sgn_gemm_job(const sgn_gemm_args *g, sgn_gemm_tiles *t);
void        sgn_gemm_serial(const sgn_gemm_args *g);  /* inside a task */
/* In one piece, with OpenBLAS's own threads: what a measurement compares with, whose bits may depend on their number. */
void        sgn_gemm_whole(const sgn_gemm_args *g);

/* y = x W^T, the three products of a dense layer: x (tokens, in), W (out, in). */
void sgn_gemm_forward(sgn_real *y, const sgn_real *x, const sgn_real *w, int64_t tokens, int64_t out, int64_t in);
/* The same with W as its file has it: each strip of rows becomes reals once for many tokens. Reserve outside loops, before. The bits are
 * those of sgn_gemm_forward. */
void sgn_gemm_forward_stored(sgn_real *y, const sgn_real *x, sgn_stored w, int64_t tokens, int64_t out, int64_t in);
sgn_status sgn_gemm_stored_reserve(sgn_stored w, int64_t tokens, int64_t out, int64_t in, sgn_error *err);
void sgn_gemm_dx(sgn_real *dx, const sgn_real *dy, const sgn_real *w, int64_t tokens, int64_t out, int64_t in);  /* += */
void sgn_gemm_dw(sgn_real *dw, const sgn_real *dy, const sgn_real *x, int64_t tokens, int64_t out, int64_t in);  /* += */
sgn_job sgn_gemm_dw_job(sgn_real *dw, const sgn_real *dy, const sgn_real *x, int64_t tokens, int64_t out, int64_t in, sgn_gemm_tiles *t);

/* --- factorisations: in double, each in one thread of OpenBLAS; row-major. Not inside a task. ------------------- */

/* C (m, n) = op(A) op(B) over all threads. */
typedef struct { bool trans_a, trans_b; int64_t m, n, k; const double *A, *B; double *C; } sgn_gemm_double_args;
void       sgn_gemm_double(const sgn_gemm_double_args *g);
/* The upper triangle of a symmetric A (n, n) becomes U, A = U^T U; false: A is not positive definite. The lower one is left. */
bool       sgn_cholesky(double *a, int64_t n);
/* Of U as above: the upper triangle of A^-1. */
bool       sgn_cholesky_invert(double *u, int64_t n);
/* A (rows, cols), destroyed, = U diag(s) V^T: u (rows, k), s (k) falling, vt (k, cols), k = min(rows, cols). */
sgn_status sgn_svd(double *a, int64_t rows, int64_t cols, double *u, double *s, double *vt, sgn_error *err);

#endif
