/* SPDX-License-Identifier: MIT */
#include "model/adapter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Array NAME.suffix as the adapter calls it, -1: none. */
static int find(const sgn_array_set *set, const char *name, const char *suffix) {
    char theirs[SGN_ARRAY_NAME], full[SGN_ARRAY_NAME + 16];
    if (!set->adapter || !sgn_archive_names_translate(set->names, name, theirs, NULL)) return -1;
    snprintf(full, sizeof full, "%s.%s", theirs, suffix);
    return sgn_archive_find(set->adapter, full);
}

bool sgn_adapter_has(const sgn_array_set *set, const char *name) { return find(set, name, "lora_a") >= 0; }

static sgn_status read_floats(const sgn_archive *a, int i, float **out, sgn_error *err) {
    const int64_t n = (int64_t)sgn_array_numel(&a->at[i]);
    *out = malloc((size_t)n * sizeof **out);
    if (!*out) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for '%s'", a->path, a->at[i].name);
    return sgn_archive_read_f32(a, i, *out, n, err);
}

/* alpha / r; alpha of 0, or none, stands for r. */
static float scale_of(const sgn_archive *a, int64_t rank) {
    double alpha;
    return sgn_meta_real(sgn_archive_meta(a, "adapter.lora.alpha"), 0, &alpha) && alpha != 0 ? (float)(alpha / (double)rank) : 1;
}

sgn_status sgn_adapter_add(const sgn_array_set *set, const sgn_param *p, int64_t head, sgn_error *err) {
    const sgn_archive *f = set->adapter;
    const int ia = find(set, p->name, "lora_a"), ib = find(set, p->name, "lora_b");
    const int64_t out = p->tensor.shape.dim[0], in = p->tensor.shape.rank == 2 ? p->tensor.shape.dim[1] : 1;
    if (ia < 0) return SGN_OK;
    const sgn_array *x = &f->at[ia], *y = ib < 0 ? NULL : &f->at[ib];
    if (!y || x->rank != 2 || y->rank != 2 || x->dim[1] != in || y->dim[0] != out || x->dim[0] != y->dim[1])
        SGN_FAIL(err, SGN_SHAPE, "%s: '%s' and its .lora_b are not (r, %lld) and (%lld, r)", f->path, x->name, (long long)in, (long long)out);
    const int64_t rank = x->dim[0];
    const float scale = scale_of(f, rank);
    float *a = NULL, *b = NULL;
    sgn_status s = read_floats(f, ia, &a, err);
    if (s == SGN_OK) s = read_floats(f, ib, &b, err);
    for (int64_t i = 0; s == SGN_OK && i < out; i++) {
        const float *row = b + (head ? sgn_paired_row(i, head) : i) * rank;
        for (int64_t k = 0; k < rank; k++)
            for (int64_t j = 0; j < in; j++) p->tensor.data[i * in + j] += (sgn_real)(scale * row[k] * a[k * in + j]);
    }
    free(a);
    free(b);
    return s;
}

bool sgn_adapter_is_shift(const sgn_array_set *set, const sgn_param *p) {
    const int ia = find(set, p->name, "lora_a"), ib = find(set, p->name, "lora_b");
    if (ia < 0 || ib < 0 || p->tensor.shape.rank != 2) return false;
    const sgn_array *a = &set->adapter->at[ia], *b = &set->adapter->at[ib];
    return a->rank == 2 && b->rank == 2 && a->dim[0] == 1 && b->dim[1] == 1 && a->dim[1] == p->tensor.shape.dim[1] && b->dim[0] == p->tensor.shape.dim[0];
}

/* The parameter of a layer whose matrix lies in a file and has such a term; NULL: none. */
static const sgn_param *shifted(const sgn_transformer *m, int64_t n, int k) {
    const sgn_linear *l = &m->blocks[n].linear[k];
    const sgn_param *p = l->kind ? &m->params.at[l->p[0]] : NULL;
    return p && p->tensor.stored.data && sgn_adapter_is_shift(m->files, p) ? p : NULL;
}

static sgn_status lower_shift(const sgn_array_set *set, const sgn_param *p, sgn_lowered *l, sgn_real *v, sgn_error *err) {
    const int64_t out = p->tensor.shape.dim[0], in = p->tensor.shape.dim[1], head = p->tensor.stored.head;
    const float scale = scale_of(set->adapter, 1);
    float *a = NULL, *b = NULL;
    sgn_status s = read_floats(set->adapter, find(set, p->name, "lora_a"), &a, err);
    if (s == SGN_OK) s = read_floats(set->adapter, find(set, p->name, "lora_b"), &b, err);
    for (int64_t j = 0; s == SGN_OK && j < in; j++) v[j] = (sgn_real)a[j];
    for (int64_t i = 0; s == SGN_OK && i < out; i++) v[in + i] = (sgn_real)(scale * b[head ? sgn_paired_row(i, head) : i]);
    free(a);
    free(b);
    l->chain[l->count++] = (sgn_chain){ { { .kind = SGN_STAGE_RANK1, .rows = out, .cols = in, .v = v, .v_size = in, .u = v + in, .u_size = out,
                                            .name = { "wbias", "wbias_rows" } } }, 1 };
    return s;
}

sgn_status sgn_adapter_lower(const sgn_transformer *m, sgn_lowered_model *lm, sgn_real **memory, sgn_error *err) {
    const sgn_param *p;
    int64_t numbers = 0;
    *memory = NULL;
    if (!m->files || !m->files->adapter) return SGN_OK;
    for (int64_t n = 0; n < lm->config.layers; n++)
        for (int k = 0; k < SGN_LINEARS; k++)
            if ((p = shifted(m, n, k))) numbers += p->tensor.shape.dim[0] + p->tensor.shape.dim[1];
    sgn_real *at = *memory = calloc((size_t)numbers + 1, sizeof *at);
    if (!at) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for %lld numbers", m->files->adapter->path, (long long)numbers);
    for (int64_t n = 0; n < lm->config.layers; n++)
        for (int k = 0; k < SGN_LINEARS; k++) {
            if (!(p = shifted(m, n, k))) continue;
            SGN_TRY(lower_shift(m->files, p, &lm->blocks[n].linear[k], at, err));
            at += p->tensor.shape.dim[0] + p->tensor.shape.dim[1];
        }
    return SGN_OK;
}

sgn_status sgn_adapter_check(const sgn_array_set *set, const sgn_params *params, sgn_error *err) {
    const sgn_archive *f = set->adapter;
    int known = 0;
    if (!f) return SGN_OK;
    const char *kind = f->kind->note(f, "adapter.type");
    if (!kind || strcmp(kind, "lora"))
        SGN_FAIL(err, SGN_FORMAT, "%s: adapter.type is '%.40s'; only 'lora' is known", f->path, kind ? kind : "(none)");
    for (int i = 0; i < params->count; i++)
        known += (find(set, params->at[i].name, "lora_a") >= 0) + (find(set, params->at[i].name, "lora_b") >= 0);
    if (known != f->count)
        SGN_FAIL(err, SGN_FORMAT, "%s: %d of its %d arrays go with none of the model's", f->path, f->count - known, f->count);
    return SGN_OK;
}
