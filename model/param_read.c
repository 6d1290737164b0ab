/* SPDX-License-Identifier: MIT */
#include "model/param_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/log.h"
#include "model/adapter.h"
#include "model/model_load.h"
#include "model/names.h"
#include "model/packed_arrays.h"

enum { SHAPE_TEXT = 160 };

static int64_t numel(const sgn_array *a) { return (int64_t)sgn_array_numel(a); }

/* Equal but for dimensions of 1: other programs keep scales as (1, in) or (out, 1). */
static bool fits(const sgn_array *a, sgn_shape s) {
    int i = 0, k = 0;
    for (;;) {
        while (i < a->rank && a->dim[i] == 1) i++;
        while (k < s.rank && s.dim[k] == 1) k++;
        if (i == a->rank || k == s.rank) return i == a->rank && k == s.rank;
        if (a->dim[i++] != s.dim[k++]) return false;
    }
}

static const char *print_shape(const sgn_array *a, char out[SHAPE_TEXT]) {
    size_t n = (size_t)snprintf(out, SHAPE_TEXT, "(");
    for (int i = 0; i < a->rank && n < SHAPE_TEXT; i++)
        n += (size_t)snprintf(out + n, SHAPE_TEXT - n, "%s%lld", i ? ", " : "", (long long)a->dim[i]);
    if (n < SHAPE_TEXT) snprintf(out + n, SHAPE_TEXT - n, ")");
    return out;
}

static sgn_status misfit(const sgn_archive *archive, const sgn_array *a, const sgn_param *p, sgn_error *err) {
    char have[SHAPE_TEXT];
    sgn_shape_text want;
    SGN_FAIL(err, SGN_SHAPE, "%s: tensor '%s' is %s, but the model needs %s; make %s agree with the file",
             archive->path, a->name, print_shape(a, have), sgn_shape_print(p->tensor.shape, &want),
             p->class == SGN_PARAM_SCALE ? "model.scales" : "the model's settings");
}

static sgn_status read_at(const sgn_archive *archive, const sgn_array *a, sgn_real *out, sgn_error *err) {
    return sgn_archive_read_f32(archive, (int)(a - archive->at), out, numel(a), err);
}

/* A large array of a checkpoint is stored as NAME@0, NAME@4096, ...: pieces by first row. */
static sgn_status read_pieces(const sgn_array_set *set, const sgn_param *p, bool *found, sgn_error *err) {
    const sgn_shape s = p->tensor.shape;
    const int64_t width = sgn_numel(s) / s.dim[0];
    for (int64_t row = 0; row < s.dim[0];) {
        char name[SGN_ARRAY_NAME];
        snprintf(name, sizeof name, "%s@%lld", p->name, (long long)row);
        const sgn_archive *archive;
        const sgn_array *a = sgn_array_set_find(set, name, &archive);
        *found = a || row;
        if (!*found) return SGN_OK;
        if (!a) SGN_FAIL(err, SGN_FORMAT, "%s: '%s' is missing; the checkpoint is not whole", set->directory, name);
        const int64_t rows = a->rank ? a->dim[0] : 0;
        if (rows <= 0 || rows > s.dim[0] - row || numel(a) != rows * width) return misfit(archive, a, p, err);
        SGN_TRY(read_at(archive, a, p->tensor.data + row * width, err));
        row += rows;
    }
    return SGN_OK;
}

/* Rows of heads of `head`, as a file with pairs of neighbours has them, into our order. */
static sgn_status unpair(const sgn_param *p, int64_t head, sgn_error *err) {
    const sgn_shape s = p->tensor.shape;
    const int64_t cols = sgn_numel(s) / s.dim[0];
    sgn_real *copy = malloc((size_t)(head * cols) * sizeof *copy);
    if (!copy) SGN_FAIL(err, SGN_NOMEM, "no memory for a head of '%s'", p->name);
    for (int64_t i = 0; i < s.dim[0]; i += head) {
        sgn_real *at = p->tensor.data + i * cols;
        memcpy(copy, at, (size_t)(head * cols) * sizeof *copy);
        for (int64_t k = 0; k < head; k++) memcpy(at + k * cols, copy + sgn_paired_row(k, head) * cols, (size_t)cols * sizeof *at);
    }
    free(copy);
    return SGN_OK;
}

/* Laid out in another way, as names.h says. */
static sgn_status read_foreign(const sgn_archive *archive, const sgn_array *a, const sgn_foreign_name *how, const sgn_param *p,
                               sgn_error *err) {
    const bool matrix = p->tensor.shape.rank == 2;
    const int64_t rows = p->tensor.shape.dim[0], cols = matrix ? p->tensor.shape.dim[1] : 1;
    sgn_param whole = *p;                              /* as the file must have it */
    sgn_shape *s = &whole.tensor.shape;
    s->dim[0] = how->fused ? how->fused : rows;
    if (how->transposed) *s = sgn_shape2(cols, s->dim[0]);
    if (!fits(a, *s)) return misfit(archive, a, &whole, err);
    float *from = malloc((size_t)numel(a) * sizeof *from);
    if (!from) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for '%s'", archive->path, a->name);
    const sgn_status status = sgn_archive_read_f32(archive, (int)(a - archive->at), from, numel(a), err);
    if (status == SGN_OK) sgn_foreign_copy(how, from, rows, cols, p->tensor.data);
    free(from);
    return status;
}

sgn_status sgn_param_read(const sgn_transformer *m, const sgn_array_set *set, const sgn_param *p, bool *found, sgn_error *err) {
    const sgn_archive *archive;
    sgn_foreign_name how;
    const sgn_array *a = sgn_names_find(set, &m->config, p->name, &how, &archive);
    *found = a != NULL;
    if (!a) return read_pieces(set, p, found, err);
    if (!sgn_lies_as_ours(&how)) return read_foreign(archive, a, &how, p, err);
    if (!fits(a, p->tensor.shape)) return misfit(archive, a, p, err);
    SGN_TRY(read_at(archive, a, p->tensor.data, err));
    const int64_t head = sgn_array_set_paired(set, p->name) ? m->config.head_dim : 0;
    if (head) SGN_TRY(unpair(p, head, err));
    return sgn_adapter_add(set, p, head, err);
}

sgn_status sgn_param_check(const sgn_array_set *set, const sgn_param *p, sgn_error *err) {
    SGN_TRY(sgn_model_check_values(p, set->directory, err));
    int64_t i = 0;
    if (p->class != SGN_PARAM_LATENT) return SGN_OK;
    while (i < sgn_numel(p->tensor.shape) && p->tensor.data[i] == 0) i++;
    if (i == sgn_numel(p->tensor.shape))
        sgn_warn("%s: all latent weights of '%s' are 0, so all its signs are +1", set->directory, p->name);
    return SGN_OK;
}

sgn_status sgn_param_missing(const sgn_array_set *set, const sgn_model_config *c, const sgn_param *p, sgn_error *err) {
    sgn_shape_text shape;
    sgn_foreign_name other;
    const bool has = sgn_foreign_name_at(c, p->name, 0, &other);
    const sgn_array *packed = sgn_packed_in_place(set, p);
    if (packed)
        SGN_FAIL(err, SGN_FORMAT, "%s is packed as another kind: it has '%s', which is no start for model.linear: %s; name the run that it was exported from, "
                 "or take the model.linear, model.keep of its config.json", set->directory, packed->name, c->linear);
    SGN_FAIL(err, SGN_FORMAT, "%s has no tensor '%s'%s%.80s%s %s; %s", set->directory, p->name, has ? " or '" : "", has ? other.name : "",
             has ? "'" : "", sgn_shape_print(p->tensor.shape, &shape),
             p->class == SGN_PARAM_LATENT && !strstr(p->name, ".weight") ? "littlebit's factors are no weights: make them of the model with 'signum binarize --method littlebit'"
             : p->class == SGN_PARAM_HEAD ? "if its head is the embedding, set model.tied_head: true"
             : p->class == SGN_PARAM_BIAS ? "set model.attention_bias and model.mlp_bias to what it has"
             : "it must hold a model of model.arch with as many layers as model.layers");
}
