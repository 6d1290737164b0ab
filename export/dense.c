/* Column j of a layer's matrix is y(e_j) of the unit vector e_j; of masked signs it is read from the planes.
 *
 * SPDX-License-Identifier: MIT */
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

static float at(const float *v, int64_t size, int64_t j) { return !v ? 1 : size == 1 ? v[0] : v[j]; }

/* w (out, in) += scale_out S scale_in, S masked signs; false: the chain is something else. */
static bool add_masked(float *w, const sgn_chain *c) {
    const sgn_lowered_stage *s = c->stage, *in = s->kind == SGN_STAGE_SCALE ? s : NULL, *sign = in ? s + 1 : s, *after = sign + 1;
    const int left = c->count - (in ? 1 : 0);
    if (left < 1 || left > 2 || sign->kind != SGN_STAGE_MASKED_SIGN || sign->coded.byte || (left == 2 && after->kind != SGN_STAGE_SCALE)) return false;
    for (int64_t i = 0; i < sign->rows; i++)
        for (int64_t j = 0; j < sign->cols; j++)
            if (sgn_plane_bit(&sign->plane[1], i, j))
                w[i * sign->cols + j] += sgn_plane_sign(&sign->plane[0], i, j) * (in ? at(in->v, in->v_size, j) : 1) *
                                         (left == 2 ? at(after->v, after->v_size, i) : 1);
    return true;
}

static void add_rank1(float *w, const sgn_lowered_stage *s) {
    for (int64_t i = 0; i < s->rows; i++)
        for (int64_t j = 0; j < s->cols; j++) w[i * s->cols + j] += at(s->u, s->u_size, i) * at(s->v, s->v_size, j);
}

/* Masked signs and a shift; false: the layer is something else. */
static bool dequantize_masked(float *w, const sgn_lowered *l, int64_t out, int64_t in) {
    memset(w, 0, (size_t)(out * in) * sizeof *w);
    if (!add_masked(w, &l->chain[0])) return false;
    for (int c = 1; c < l->count; c++) {
        if (l->chain[c].count != 1 || l->chain[c].stage[0].kind != SGN_STAGE_RANK1) return false;
        add_rank1(w, l->chain[c].stage);
    }
    return true;
}

/* w (out, in); the other summands of each number are zeros. */
static sgn_status dequantize(float *w, const sgn_lowered *l, int64_t out, int64_t in, const char *layer, sgn_error *err) {
    sgn_arena a;
    sgn_stages s;
    float *x, *y, *work;
    sgn_lowered without = *l;
    without.bias = NULL;
    if (dequantize_masked(w, l, out, in)) return SGN_OK;
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
                SGN_FAIL(err, SGN_UNSUPPORTED, "%s: it normalises, or rounds what it reads, which no plain matrix does; "
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
