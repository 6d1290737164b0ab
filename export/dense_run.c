/* y_ti = sum_j w_ij x_tj. SPDX-License-Identifier: MIT */
#include "export/dense_run.h"

#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"

/* Rows of x done by dots, outputs per task of these; rows of a strip of W and its bytes: the fewer, the more often x is packed. */
enum { FEW_ROWS = 4, OUTPUTS = 64, STRIP_UNIT = 16, STRIP_ROWS = 512, STRIP_BYTES = 4 << 20 };

typedef struct {
    sgn_stored   w;
    const float *x;
    int64_t      m, out, in;
    bool         add;
    float       *y;
} dense_job;

static bool in_place(sgn_stored w) { return w.dtype == SGN_DTYPE_F32 && !w.head && (uintptr_t)w.data % sizeof(float) == 0; }

static int64_t strip_rows(int64_t out, int64_t in) {
    const int64_t fit = STRIP_BYTES / (int64_t)sizeof(float) / in / STRIP_UNIT * STRIP_UNIT;
    const int64_t rows = fit < STRIP_UNIT ? STRIP_UNIT : fit > STRIP_ROWS ? STRIP_ROWS : fit;
    return rows < out ? rows : out;
}

static void dot_outputs(void *ctx, int64_t begin, int64_t end) {
    const dense_job *j = ctx;
    sgn_real (*const dot)(const void *, const sgn_real *, int64_t) = sgn_kernels_get()->dot_stored[j->w.dtype];
    for (int64_t i = begin; i < end; i++) {
        const void *row = sgn_stored_row(j->w, j->in, i);
        for (int64_t t = 0; t < j->m; t++) {
            const float sum = dot(row, j->x + t * j->in, j->in);
            float *y = j->y + t * j->out + i;
            *y = j->add ? *y + sum : sum;
        }
    }
}

static void run_strips(void *ctx, int64_t begin, int64_t end) {
    const dense_job *j = ctx;
    const int64_t most = strip_rows(j->out, j->in);
    float *strip = sgn_scratch(SGN_SCRATCH_KERNEL);
    for (int64_t s = begin; s < end; s++) {
        const int64_t from = s * most, rows = j->out - from < most ? j->out - from : most, step = j->w.head ? 1 : rows;
        for (int64_t i = 0; i < rows; i += step)
            sgn_kernels_get()->to_real[j->w.dtype](strip + i * j->in, sgn_stored_row(j->w, j->in, from + i), step * j->in);
        sgn_gemm_serial(&(sgn_gemm_args){ .trans_b = true, .m = j->m, .n = rows, .k = j->in, .a = 1, .A = j->x, .lda = j->in,
                                          .B = strip, .ldb = j->in, .b = j->add ? 1 : 0, .C = j->y + from, .ldc = j->out });
    }
}

void sgn_dense_run(sgn_stored w, const float *x, int64_t m, int64_t out, int64_t in, bool add, float *y) {
    dense_job job = { w, x, m, out, in, add, y };
    const int64_t most = strip_rows(out, in);
    if (m <= FEW_ROWS) sgn_parallel(out, OUTPUTS, dot_outputs, &job);
    else if (in_place(w))
        sgn_gemm(&(sgn_gemm_args){ .trans_b = true, .m = m, .n = out, .k = in, .a = 1, .A = x, .lda = in,
                                   .B = w.data, .ldb = in, .b = add ? 1 : 0, .C = y, .ldc = out });
    else sgn_parallel((out + most - 1) / most, 1, run_strips, &job);
}

sgn_status sgn_dense_reserve(sgn_stored w, int64_t out, int64_t in, sgn_error *err) {
    if (in_place(w)) return SGN_OK;
    return sgn_scratch_reserve(SGN_SCRATCH_KERNEL, (size_t)(strip_rows(out, in) * in) * sizeof(float), err);
}
