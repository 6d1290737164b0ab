/* kernels.h - the inner loops, chosen once at run time for the machine.
 *
 * kernels_ref.c is the specification in plain C and fills every entry; a faster
 * set fills only the entries that it improves. SIGNUM_KERNELS=ref|avx2|avx512|neon
 * forces a set; avx512f, avx512vnni are what avx512 is where VNNI, or VBMI, is missing.
 * Each entry works on what one thread does; loops over threads are the callers'. For
 * given arguments an entry always gives the same bits.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_KERNELS_H
#define SGN_CORE_KERNELS_H

#include <stdbool.h>
#include "core/coded.h"
#include "core/kept.h"
#include "core/parallel.h"
#include "core/dtype.h"
#include "core/zoned_bits.h"

/* Y = (X . in_scale) S^T . out_scale + row_add 1^T, or Y += that; S in {-1, +1}, or 0 where the mask is.
 * Additions only, but for the scales. */
typedef struct {
    int64_t          m, n, k;
    const sgn_real  *x;          /* (m, k), rows ldx apart */
    int64_t          ldx;
    const sgn_real  *in_scale;   /* (k) or NULL: ones */
    const sgn_plane *s;          /* (n, k) */
    const sgn_plane *mask;       /* (n, k), NULL for SGN_CODE_BINARY */
    sgn_code         code;       /* of s and mask */
    const void      *index;      /* binary_index of them, NULL where the set wants none */
    sgn_kept         kept;       /* of the columns of an N:M matrix, then there is no index; else memory is NULL */
    const sgn_real  *out_scale;  /* (n) or NULL: ones */
    const sgn_real  *row_add;    /* (m) or NULL: zeros */
    bool             add;        /* Y += instead of Y = */
    sgn_real        *y;          /* (m, n), rows ldy apart */
    int64_t          ldy;
} sgn_binary_product;

typedef struct { int64_t row, row_end, col, col_end; } sgn_tile;     /* of Y: [row, row_end) x [col, col_end) */

/* One AdamW update (Loshchilov & Hutter 2019, algorithm 2); see optim_adamw.c. */
typedef struct {
    sgn_real grad_scale;         /* clipping */
    sgn_real lr, beta1, beta2, eps, weight_decay;
    sgn_real bias1, bias2;       /* 1 - beta1^t, 1 - beta2^t */
} sgn_adamw;

typedef struct {
    const char *name;

    /* --- signs ------------------------------------------------------------ */
    /* word[0 .. ceil(n/64)) = sign bits of w[0 .. n), padding bits 0. */
    void (*pack_signs)(const sgn_real *w, int64_t n, uint64_t *word);
    /* word[0 .. ceil(n/64)) = bits of the `kept` (1 or 2) largest |w| of each group of `of` (4, 8 or 16), of equals
     * the first; a last group of fewer keeps no more than it has. What is not a number is kept last. */
    void (*pack_kept)(const sgn_real *w, int64_t n, int kept, int of, uint64_t *word);
    /* word[0 .. ceil(n/64)) = bits of |w| > cut; cut >= 0. */
    void (*pack_above)(const sgn_real *w, int64_t n, sgn_real cut, uint64_t *word);
    /* Indices for binary_gemm, made once per change of the planes: of their rows [begin, end),
     * begin a multiple of SGN_INDEX_ROWS. NULL, or 0 bytes: none wanted. */
    size_t (*binary_index_bytes)(sgn_code code, int64_t n, int64_t k);
    void   (*binary_index)(sgn_code code, const sgn_plane *s, const sgn_plane *mask, int64_t begin, int64_t end, void *index);
    /* One tile of Y; its row is a multiple of binary_tile_rows, its col of SGN_INDEX_ROWS.
     * Larger tiles waste less; sgn_binary_gemm cuts by these sizes and the shape alone. */
    int64_t binary_tile_rows, binary_tile_cols;
    size_t (*binary_scratch)(int64_t n, int64_t k);              /* bytes of `scratch`, for any code */
    void   (*binary_gemm)(const sgn_binary_product *p, sgn_tile t, void *scratch);
    /* The same by lists of what is kept; its col is the first of a block of p->kept. Every set sums each y in the same order:
     * in every list the even entries and the odd ones apart, from pass to pass. */
    void   (*kept_gemm)(const sgn_binary_product *p, sgn_tile t, void *scratch);

    /* --- few rows of x, signs from the plane as it lies ---------------------- */
    int64_t gemv_rows[2];                  /* up to how many rows, exact and of 8 bits, this beats an index and the binary GEMM; <= 8 */
    /* x as the kernels want it: one vector of integers q of 8 bits, or four of digits to the base of 256, gemv_bytes each,
     * 64-byte aligned. Returns u with x_j a_j = u q_j or u sum_d 256^d q_dj (a NULL: ones), up to rounding: q = round(x a / u) with
     * u = max |x a| / 127; or, exact, |q| < 2^30 and u a power of two. NaN where some x a is not finite. */
    size_t   (*gemv_bytes)(int64_t k);
    sgn_real (*gemv_prepare)(void *to, const sgn_real *x, const sgn_real *a, int64_t k, bool exact);
    /* sum (end - begin, count) = the rows' sum_j s_ij q_j, exactly, for each of `count` vectors; k < 2^24. */
    void     (*gemv_signs)(const sgn_plane *s, int64_t begin, int64_t end, const void *x, int64_t count, int32_t *sum);
    /* The same of sum_g scale_ig sum_{j in g} s_ij q_j: scale (rows, groups); `group` columns, a multiple of 64. */
    void     (*gemv_groups)(const sgn_plane *s, int64_t begin, int64_t end, int64_t group, const sgn_real *scale, const void *x,
                            int64_t count, sgn_real *sum);

    /* The same of masked signs, from their codes: digits are to the base of 128, from -64 to 63, so |q| < 2^27. */
    size_t   (*gemv_coded_bytes)(sgn_code code, int64_t k);
    sgn_real (*gemv_prepare_coded)(sgn_code code, void *to, const sgn_real *x, const sgn_real *a, int64_t k, bool exact);
    void     (*gemv_coded)(const sgn_coded *s, int64_t begin, int64_t end, const void *x, int64_t count, int32_t *sum);

    /* Row i as numbers, the bits those of sgn_zoned_bits_row; sound ones. sets of sgn_zoned_bits_sets. And its product with x, to the
     * bit what dot makes of these numbers; false: that is the way to go. */
    void     (*zoned_row)(const sgn_zoned_bits *z, int64_t i, const sgn_real *scale, const sgn_zoned_sets *sets, sgn_real *to);
    bool     (*zoned_dot)(const sgn_zoned_bits *z, int64_t i, const sgn_real *scale, const sgn_zoned_sets *sets, const sgn_real *x, sgn_real *y);

    /* --- rows of reals ------------------------------------------------------ */
    sgn_real (*dot)(const sgn_real *a, const sgn_real *b, int64_t n);
    void     (*axpy)(sgn_real *y, sgn_real a, const sgn_real *x, int64_t n);        /* y += a x */
    double   (*sum_squares)(const sgn_real *x, int64_t n);
    sgn_real (*max)(const sgn_real *x, int64_t n);
    /* y = exp(x - shift) (y may be x); returns the sum. Relative error <= 2e-7 in float, where
     * what is below e^-87.3 may be 0 and above e^88.3 infinite. */
    sgn_real (*exp_sum)(sgn_real *y, const sgn_real *x, int64_t n, sgn_real shift);
    /* y = silu(gate) . up (y may be either), and its gradient added to dgate, dup (either may be NULL). */
    void (*swiglu)(sgn_real *y, const sgn_real *gate, const sgn_real *up, int64_t n);
    void (*swiglu_back)(sgn_real *dgate, sgn_real *dup, const sgn_real *dy,
                        const sgn_real *gate, const sgn_real *up, int64_t n);
    /* y = x . gain * r, r = 1/sqrt(mean x^2 + eps) (returned). */
    sgn_real (*rmsnorm)(sgn_real *y, const sgn_real *x, const sgn_real *gain, int64_t n, sgn_real eps);
    /* dx += ..., dgain += ... (either may be NULL); r as returned by rmsnorm. */
    void (*rmsnorm_back)(sgn_real *dx, sgn_real *dgain, const sgn_real *dy, const sgn_real *x,
                         const sgn_real *gain, int64_t n, sgn_real r);
    /* Rotates pairs (x[j], x[j+half]) by the angles of cos, sin: y = R x (y may be x); back = true: y += R^T x. */
    void (*rope)(sgn_real *y, const sgn_real *x, const sgn_real *cosine, const sgn_real *sine,
                 int64_t half, bool back);
    void (*adamw)(sgn_real *w, const sgn_real *g, sgn_real *m, sgn_real *v, int64_t n, const sgn_adamw *c);
    /* y = the n numbers at x, whole blocks of a stored type at any address; NULL for types that are not used as
     * they lie. Every number that the type has is exact; not a number stays one. */
    void (*to_real[SGN_DTYPE_COUNT])(sgn_real *y, const void *x, int64_t n);
    /* sum_j w_j x_j of such numbers w, for the types that to_real has. */
    sgn_real (*dot_stored[SGN_DTYPE_COUNT])(const void *w, const sgn_real *x, int64_t n);

    /* --- a cache of keys and values: F32 or F16, other entries NULL --------- */
    /* y = x in that type, rounded to nearest even. */
    void (*from_real[SGN_DTYPE_COUNT])(void *y, const sgn_real *x, int64_t n);
    /* One query against n rows of `size` numbers: w_j = scale sum_d q_d k_jd;  y_d += sum_j w_j v_jd. */
    void (*key_scores[SGN_DTYPE_COUNT])(sgn_real *w, const sgn_real *q, const void *keys, int64_t n, int64_t size, sgn_real scale);
    void (*mix_values[SGN_DTYPE_COUNT])(sgn_real *y, const sgn_real *w, const void *values, int64_t n, int64_t size);
} sgn_kernels;

/* The set in use: the best this machine runs, or the one forced. Never NULL. */
const sgn_kernels *sgn_kernels_get(void);
/* Chooses by name: "auto", "ref", "avx2", ...; NULL: what SIGNUM_KERNELS says, else auto.
 * SGN_UNSUPPORTED where the machine or the build has no such set. Call before
 * sgn_signs_bytes: the index tables of a sign matrix are those of the set in use. */
sgn_status sgn_kernels_use(const char *name, sgn_error *err);
/* Sets this build has, whether or not the machine runs them; NULL past the end. */
const sgn_kernels *sgn_kernels_at(int i, bool *runs_here);

/* p's n, k, planes, code and index: of the rows of s (x -> y), or of its columns (dy -> dx). */
void sgn_binary_product_bind(sgn_binary_product *p, const sgn_signs *s, bool columns);
/* The whole product over all threads, by tables or SGEMM (core/products.h); reserves scratch, so it can fail. */
sgn_status sgn_binary_gemm(const sgn_binary_product *p, sgn_error *err);
/* The two halves: the first outside loops, the second cannot fail. */
sgn_status sgn_binary_gemm_reserve(int64_t n, int64_t k, sgn_error *err);
void       sgn_binary_gemm_run(const sgn_binary_product *p);
/* The second as a job among others; p and `t` live until it is done. Where products go by SGEMM it is done at once. */
typedef struct { const sgn_binary_product *p; int count; int64_t rows, cols, across; } sgn_binary_tiles;
sgn_job    sgn_binary_gemm_job(const sgn_binary_product *p, sgn_binary_tiles *t);
/* Several products, one after the other, of the same m and n into the same Y (all but the first with
 * `add`): threads start once. */
void       sgn_binary_gemm_sum(const sgn_binary_product *p, int count);

#endif
