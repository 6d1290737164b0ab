/* Column j of a layer's matrix is y(e_j) of the unit vector e_j. SPDX-License-Identifier: MIT */
#include "export/dense.h"

#include <string.h>
#include "export/stages.h"

enum { UNITS = 64 };                                   /* unit vectors per pass */

static void unit_vectors(float *x, int64_t first, int64_t m, int64_t in) {
    memset(x, 0, (size_t)(m * in) * sizeof *x);
    for (int64_t t = 0; t < m; t++) x[t * in + first + t] = 1;
}

static sgn_status prepare(sgn_stages *s, const sgn_lowered *l, int64_t out, int64_t in, const char *layer, sgn_arena *a,
                          float **x, float **y, float **work, sgn_error *err) {
    SGN_TRY(sgn_stages_init(s, l, in, out, 0, false, layer, a, err));
    *x = sgn_arena_alloc(a, (size_t)(UNITS * in) * sizeof **x);
    *y = sgn_arena_alloc(a, (size_t)(UNITS * out) * sizeof **y);
    *work = sgn_arena_alloc(a, (size_t)sgn_stages_work(s, UNITS) * sizeof **work);
    return SGN_OK;
}

/* w (out, in); the other summands of each number are zeros. */
static sgn_status dequantize(float *w, const sgn_lowered *l, int64_t out, int64_t in, const char *layer, sgn_error *err) {
    sgn_arena a;
    sgn_stages s;
    float *x, *y, *work;
    sgn_lowered without = *l;
    without.bias = NULL;
    sgn_arena_measure(&a);
    SGN_TRY(prepare(&s, &without, out, in, layer, &a, &x, &y, &work, err));
    SGN_TRY(sgn_arena_init(&a, a.peak, err));
    const sgn_status status = prepare(&s, &without, out, in, layer, &a, &x, &y, &work, err);
    for (int64_t j = 0; status == SGN_OK && j < in; j += UNITS) {
        const int64_t m = in - j < UNITS ? in - j : UNITS;
        unit_vectors(x, j, m, in);
        sgn_stages_run(&s, x, m, y, work);
        for (int64_t i = 0; i < out; i++)
            for (int64_t t = 0; t < m; t++) w[i * in + j + t] = y[t * out + i];
    }
    sgn_arena_free(&a);
    return status;
}

static const float *floats_of(sgn_stored w) { return w.dtype == SGN_DTYPE_F32 && !w.head ? w.data : NULL; }

sgn_status sgn_dense_list(sgn_parts *parts, const sgn_lowered_model *lm, sgn_error *err) {
    sgn_parts_add_plain(parts, lm);
    for (int64_t n = 0; n < lm->config.layers; n++)
        for (int k = 0; k < SGN_LINEARS; k++) {
            const sgn_linear_name name = sgn_linear_name_of(n, (sgn_block_linear)k);
            const sgn_lowered *l = &lm->blocks[n].linear[k];
            if (!l->count) continue;
            if (!sgn_lowered_is_linear(l))
                SGN_FAIL(err, SGN_UNSUPPORTED, "%s: it normalises or rounds its input, which no plain matrix does; "
                         "--format packed holds it", name.s);
            int64_t out, in;
            sgn_linear_shape(&lm->config, (sgn_block_linear)k, &out, &in);
            const bool dense = l->count == 1 && l->chain[0].count == 1 && l->chain[0].stage[0].kind == SGN_STAGE_DENSE;
            sgn_parts_add(parts, SGN_DTYPE_F32, out, in, dense ? floats_of(l->chain[0].stage[0].w) : NULL, "%s.weight", name.s);
        }
    return sgn_parts_end(parts, err);
}

const sgn_lowered *sgn_dense_layer(const sgn_lowered_model *lm, const char *array) {
    for (int64_t n = 0; n < lm->config.layers; n++)
        for (int k = 0; k < SGN_LINEARS; k++) {
            const sgn_linear_name name = sgn_linear_name_of(n, (sgn_block_linear)k);
            const size_t length = strlen(name.s);
            if (strncmp(array, name.s, length) == 0 && strcmp(array + length, ".weight") == 0) return &lm->blocks[n].linear[k];
        }
    return NULL;
}

sgn_status sgn_dense_matrix(const sgn_lowered_model *lm, const sgn_array *part, float *out, sgn_error *err) {
    return dequantize(out, sgn_dense_layer(lm, part->name), part->dim[0], part->dim[1], part->name, err);
}
