/* bench.h - what a product and a training step take on this machine. How to read it: docs/performance.md.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TRAIN_BENCH_H
#define SGN_TRAIN_BENCH_H

#include "train/trainer.h"

typedef struct { double median, low, high; } sgn_spread;

sgn_spread sgn_spread_of(double *sample, int64_t n);       /* sorts it; n >= 1 */

/* Products with signs, or with what `code` keeps of them, beside SGEMM of the same shape, in turn, with the
 * threads in use. Wall time; with one thread CPU time, which other programs disturb less. SGEMM is the faster of our tiles and one call with OpenBLAS's own threads. */
typedef struct {
    sgn_spread binary, sgemm;                  /* GFLOP/s of Y = X S^T, counting 2 m n k, zeros too */
    sgn_spread forward, dx;                    /* seconds of SGEMM over seconds of ours: Y = X S^T, dX = dY S */
    double     rel_error;                      /* the larger of both, against double, of some rows: |error| / |y| */
    double     pack_s;                         /* row planes from a latent */
    double     refresh_s;                      /* column planes and both index tables */
} sgn_product_bench;
sgn_status sgn_bench_product(sgn_code code, int64_t m, int64_t n, int64_t k, sgn_product_bench *out, sgn_error *err);

/* GFLOP/s of the largest of a few dense products (medians) with the threads in use. */
sgn_status sgn_bench_sgemm(double *gflops, sgn_error *err);

/* Steps of the run that c describes, after one that is not counted. Tokens are random where c names no shards.
 * teacher: none, same (c's shape in full precision, random weights) or a model argument. */
typedef struct {
    sgn_spread     tok_s;
    sgn_step_times step;                       /* medians of each part */
    sgn_op_times   ops;                        /* the student's, means */
    double         refresh_s;                  /* of optimizer: column planes and index tables */
    double         model_gflops;               /* 6 N tok_s: N weights of binary and dense layers and of the head;
                                                * not the embedding, attention scores, or the teacher */
    double         sgemm_gflops;               /* sgn_bench_sgemm, the larger of before and after; without `peak` 0 */
    double         rss_mb;                     /* peak so far, MiB */
} sgn_step_bench;
sgn_status sgn_bench_step(const sgn_run_config *c, const char *teacher, int64_t steps, bool peak, sgn_step_bench *out, sgn_error *err);

#endif
