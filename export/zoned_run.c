/* y_ti = sum_j w_ij x_tj, w_i from bits of zones or from latents. SPDX-License-Identifier: MIT */
#include "export/zoned_run.h"

#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/parallel.h"

enum { STRIP = 32, FEW_ROWS = 4 };

typedef struct { const sgn_lowered_stage *s; const float *x; int64_t m; bool add; float *y; const sgn_zoned_sets *sets; } zones_job;      /* sets NULL: too many */

static void put(const zones_job *j, int64_t t, int64_t i, float sum) {
    float *y = j->y + t * j->s->rows + i;
    *y = j->add ? *y + sum : sum;
}

static void run_strips(void *ctx, int64_t begin, int64_t end) {
    const zones_job *j = ctx;
    const sgn_lowered_stage *s = j->s;
    const int64_t in = s->cols, out = s->rows, scales = sgn_zoned_scales(in);
    float *strip = sgn_scratch(SGN_SCRATCH_KERNEL);
    const sgn_kernels *kernels = sgn_kernels_get();
    for (int64_t k = begin; k < end; k++) {
        const int64_t from = k * STRIP, rows = out - from < STRIP ? out - from : STRIP;
        for (int64_t i = from; i < from + rows; i++) {
            float sum;
            if (j->m == 1 && j->sets && kernels->zoned_dot(&s->zones, i, s->v + i * scales, j->sets, j->x, &sum)) {
                put(j, 0, i, sum);
                continue;
            }
            float *row = j->m > FEW_ROWS ? strip + (i - from) * in : strip;      /* near, where it is used at once */
            if (j->sets) kernels->zoned_row(&s->zones, i, s->v + i * scales, j->sets, row);
            else if (s->zones.byte) sgn_zoned_bits_row(&s->zones, i, s->v + i * scales, row);
            else sgn_zoned_row(row, s->latent + i * in, s->zone + i * in, s->v + i * scales, in);
            for (int64_t t = 0; j->m <= FEW_ROWS && t < j->m; t++) put(j, t, i, kernels->dot(row, j->x + t * in, in));
        }
        if (j->m > FEW_ROWS)
            sgn_gemm_serial(&(sgn_gemm_args){ .trans_b = true, .m = j->m, .n = rows, .k = in, .a = 1, .A = j->x, .lda = in, .B = strip,
                                              .ldb = in, .b = j->add ? 1 : 0, .C = j->y + from, .ldc = out });
    }
}

void sgn_zoned_run(const sgn_lowered_stage *s, const float *x, int64_t m, bool add, float *y) {
    sgn_zoned_sets sets;
    const bool few = s->zones.byte && sgn_zoned_bits_sets(&s->zones, &sets);
    sgn_parallel((s->rows + STRIP - 1) / STRIP, 1, run_strips, &(zones_job){ s, x, m, add, y, few ? &sets : NULL });
}

sgn_status sgn_zoned_reserve(const sgn_lowered_stage *s, sgn_error *err) {
    return sgn_scratch_reserve(SGN_SCRATCH_KERNEL, (size_t)(STRIP * s->cols) * sizeof(float), err);
}
