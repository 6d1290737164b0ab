/* Weights used where they lie in a model's files. SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include "core/kernels/kernels.h"
#include "model/adapter.h"
#include "model/model_load.h"
#include "model/names.h"

static bool can_stay(sgn_param_class class) {
    return class == SGN_PARAM_MATRIX || class == SGN_PARAM_EMBEDDING || class == SGN_PARAM_HEAD;
}

/* What does not fit is left to loading, which says why. */
static bool map_param(sgn_transformer *m, int index, const sgn_array_set *set, bool apart) {
    const sgn_param *p = &m->params.at[index];
    const sgn_archive *archive;
    sgn_foreign_name how;
    if (!can_stay(p->class) || index == m->positions) return false;
    if (sgn_adapter_has(set, p->name) && !(apart && p->class == SGN_PARAM_MATRIX && sgn_adapter_is_shift(set, p))) return false;
    const sgn_array *a = sgn_names_find(set, &m->config, p->name, &how, &archive);
    if (!a || !sgn_lies_as_ours(&how) || !sgn_kernels_get()->to_real[a->dtype] || a->rank != 2) return false;
    if (a->dim[0] != p->tensor.shape.dim[0] || a->dim[1] != p->tensor.shape.dim[1]) return false;
    const sgn_stored s = { .dtype = a->dtype, .data = archive->kind->map(archive, (int)(a - archive->at)),
                           .head = sgn_array_set_paired(set, p->name) ? m->config.head_dim : 0 };
    if (s.data) sgn_params_store(&m->params, index, s);
    return s.data != NULL;
}

sgn_status sgn_model_map(sgn_transformer *m, const char *directory, bool apart, sgn_error *err) {
    sgn_array_set *files = calloc(1, sizeof *files);
    if (!files) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to open its files", directory);
    const sgn_status s = sgn_array_set_open(files, directory, err);
    int mapped = 0;
    for (int i = 0; s == SGN_OK && i < m->params.count; i++) mapped += map_param(m, i, files, apart);
    if (mapped) {
        m->files = files;
        return SGN_OK;
    }
    sgn_array_set_close(files);
    free(files);
    return s;
}

/* --- values ---------------------------------------------------------------------------------------- */

static sgn_status check_row(const sgn_param *p, const sgn_real *w, int64_t n, int64_t first, const char *directory, sgn_error *err) {
    if (isfinite(sgn_kernels_get()->sum_squares(w, n))) return SGN_OK;
    for (int64_t j = 0; j < n; j++)
        if (!isfinite(w[j]))
            SGN_FAIL(err, SGN_NUMERIC, "%s: tensor '%s' has %g at index %lld; it was saved after training diverged, "
                     "or is damaged: take an older one", directory, p->name, (double)w[j], (long long)(first + j));
    return SGN_OK;
}

sgn_status sgn_model_check_values(const sgn_param *p, const char *directory, sgn_error *err) {
    const sgn_tensor *x = &p->tensor;
    const int64_t cols = x->shape.dim[x->shape.rank - 1], n = sgn_numel(x->shape);
    for (int64_t k = 0; p->class == SGN_PARAM_FIXED && k < n; k++)
        if (!(x->data[k] >= 0 && x->data[k] <= 4 && x->data[k] == (sgn_real)(int)x->data[k]))
            SGN_FAIL(err, SGN_FORMAT, "%s: tensor '%s' has %g at index %lld; zones are 0, 1, 2, 3 or 4", directory, p->name, (double)x->data[k], (long long)k);
    if (x->data) return check_row(p, x->data, n, 0, directory, err);
    sgn_real *row = malloc((size_t)cols * sizeof *row);
    if (!row) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for a row of '%s'", directory, p->name);
    sgn_status s = SGN_OK;
    for (int64_t i = 0; s == SGN_OK && i < n / cols; i++) {
        sgn_kernels_get()->to_real[x->stored.dtype](row, sgn_stored_row(x->stored, cols, i), cols);
        s = check_row(p, row, cols, i * cols, directory, err);
    }
    free(row);
    return s;
}

sgn_status sgn_model_check_mapped(const sgn_transformer *m, sgn_error *err) {
    for (int i = 0; i < m->params.count; i++)
        if (m->params.at[i].tensor.stored.data) SGN_TRY(sgn_model_check_values(&m->params.at[i], m->files->directory, err));
    return SGN_OK;
}
