/* SPDX-License-Identifier: MIT */
/* y_t = table[id_t];  dtable[id_t] += dy_t */
#include <math.h>
#include <string.h>
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/ops/op_rows.h"

typedef struct {
    const int32_t *id;
    int64_t        count;
} args;

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    (void)saved;
    const args *a = n->args;
    if (!sgn_is_rank(n->in[0], 2)) return sgn_misfit(n, "a table (vocab, width)", n->in[0], NULL, err);
    if (a->count < 1) SGN_FAIL(err, SGN_SHAPE, "embedding wants at least one id, got %lld", (long long)a->count);
    *out = sgn_shape2(a->count, sgn_cols(n->in[0]));
    return SGN_OK;
}

static bool known(const sgn_node *n, int32_t id) { return id >= 0 && id < sgn_rows(n->in[0]); }

static void read_row(const sgn_tensor *table, int32_t id, sgn_real *y) {
    const int64_t width = sgn_cols(table);
    if (table->data) memcpy(y, table->data + id * width, (size_t)width * sizeof *y);
    else sgn_kernels_get()->to_real[table->stored.dtype](y, sgn_stored_row(table->stored, width, id), width);
}

/* An id outside the table gives NaN: it shows in the loss and reads no foreign memory. */
static void forward_rows(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const int64_t width = sgn_cols(n->out);
    for (int64_t t = begin; t < end; t++) {
        const int32_t id = ((const args *)n->args)->id[t];
        sgn_real *y = n->out->data + t * width;
        if (known(n, id)) read_row(n->in[0], id, y);
        else for (int64_t j = 0; j < width; j++) y[j] = (sgn_real)NAN;
    }
}

/* Every task owns some columns of the table and takes the tokens in order. */
static void backward_cols(void *ctx, int64_t begin, int64_t end) {
    const sgn_node *n = ctx;
    const int64_t width = sgn_cols(n->out);
    for (int64_t t = 0; t < sgn_rows(n->out); t++) {
        const int32_t id = ((const args *)n->args)->id[t];
        if (known(n, id))
            sgn_kernels_get()->axpy(n->in[0]->grad + id * width + begin, 1,
                                    n->out->grad + t * width + begin, end - begin);
    }
}

static void forward(const sgn_node *n) {
    sgn_parallel(sgn_rows(n->out), sgn_row_grain(sgn_cols(n->out)), forward_rows, (void *)n);
}
static void backward(const sgn_node *n) {
    if (n->in[0]->grad) sgn_parallel(sgn_cols(n->out), SGN_OP_COLS, backward_cols, (void *)n);
}

const sgn_op sgn_op_embedding = { "embedding", 1, sizeof(args), infer, forward, backward, NULL };

sgn_tensor *sgn_embedding(sgn_tape *t, sgn_tensor *table, const int32_t *id, int64_t count) {
    return sgn_tape_apply(t, &sgn_op_embedding, (sgn_tensor *[]){ table }, &(args){ id, count });
}
