/* SPDX-License-Identifier: MIT */
#include "model/latent_stats.h"

#include <math.h>
#include "core/parallel.h"

enum { BLOCKS = 256 };

typedef struct {
    const sgn_real *w;
    int64_t         n, block;
    bool            size;                      /* of |w| */
    double          sum[BLOCKS];
} mean_job;

static double sum_of(const sgn_real *w, int64_t n, bool size) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += size ? fabs((double)w[i]) : (double)w[i];
    return sum;
}

static void mean_blocks(void *ctx, int64_t begin, int64_t end) {
    mean_job *job = ctx;
    for (int64_t b = begin; b < end; b++) {
        const int64_t at = b * job->block, n = job->n - at < job->block ? job->n - at : job->block;
        job->sum[b] = n > 0 ? sum_of(job->w + at, n, job->size) : 0;
    }
}

static double mean(const sgn_tensor *w, bool size) {
    mean_job job = { .w = w->data, .n = sgn_numel(w->shape), .size = size };
    job.block = (job.n + BLOCKS - 1) / BLOCKS;
    double sum = 0;
    sgn_parallel(BLOCKS, 1, mean_blocks, &job);
    for (int b = 0; b < BLOCKS; b++) sum += job.sum[b];
    return sum / (double)job.n;
}

double sgn_latent_mean(const sgn_tensor *w)     { return mean(w, false); }
double sgn_latent_mean_abs(const sgn_tensor *w) { return mean(w, true); }

typedef struct { const sgn_tensor *w; sgn_real *out; } rows_job;

static void mean_rows(void *ctx, int64_t begin, int64_t end) {
    const rows_job *job = ctx;
    const int64_t cols = job->w->shape.dim[1];
    for (int64_t i = begin; i < end; i++) job->out[i] = (sgn_real)(sum_of(job->w->data + i * cols, cols, true) / (double)cols);
}

void sgn_latent_row_means(const sgn_tensor *w, sgn_real *out) {
    sgn_parallel(w->shape.dim[0], 8, mean_rows, &(rows_job){ w, out });
}
