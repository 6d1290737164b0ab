/* SPDX-License-Identifier: MIT */
#include "core/params.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/arena.h"
#include "core/checked.h"
#include "core/parallel.h"

enum { PARAM_PAD = 16, PACK_ROWS = 64 };

sgn_slab *sgn_params_slab(sgn_params *p, const sgn_param *param) {
    return param->class == SGN_PARAM_LATENT ? &p->latent : &p->dense;
}

static sgn_status grow(sgn_params *p, sgn_error *err) {
    if (p->count < p->capacity) return SGN_OK;
    const int capacity = p->capacity ? 2 * p->capacity : 64;
    sgn_param *at = realloc(p->at, (size_t)capacity * sizeof *at);
    if (!at) SGN_FAIL(err, SGN_NOMEM, "no memory for a table of %d parameters", capacity);
    p->at = at;
    p->capacity = capacity;
    return SGN_OK;
}

static bool is_stored(const sgn_param *p) { return p->tensor.stored.data != NULL; }

static void place(sgn_params *p, sgn_param *q) {
    sgn_slab *slab = sgn_params_slab(p, q);
    q->offset = slab->count;
    if (!is_stored(q)) slab->count += (int64_t)sgn_round_up((size_t)sgn_numel(q->tensor.shape), PARAM_PAD);
}

sgn_status sgn_params_add(sgn_params *p, sgn_param_class class, sgn_shape shape, int *index, sgn_error *err,
                          const char *name, ...) {
    SGN_TRY(grow(p, err));
    sgn_param q = { .class = class,
                    .scale = -1,
                    .tensor = { .shape = shape, .needs_grad = p->train && sgn_param_learns(class), .leaf = true } };
    va_list args;
    va_start(args, name);
    const int n = vsnprintf(q.name, sizeof q.name, name, args);
    va_end(args);
    if (n < 0 || n >= SGN_PARAM_NAME) SGN_FAIL(err, SGN_CONFIG, "parameter name '%s...' is too long", q.name);
    if (sgn_params_find(p, q.name)) SGN_FAIL(err, SGN_CONFIG, "parameter '%s' is declared twice", q.name);
    place(p, &q);
    *index = p->count;
    p->at[p->count++] = q;
    return SGN_OK;
}

void sgn_params_store(sgn_params *p, int index, sgn_stored s) {
    p->at[index].tensor.stored = s;
    p->dense.count = p->latent.count = 0;
    for (int i = 0; i < p->count; i++) place(p, &p->at[i]);
}

static size_t planes_bytes(const sgn_params *p) {
    size_t sum = 0;
    for (int i = 0; i < p->count; i++)
        if (p->at[i].class == SGN_PARAM_LATENT)
            sum += sgn_signs_bytes(p->at[i].code, p->at[i].tensor.shape.dim[0], p->at[i].tensor.shape.dim[1]);
    return sum;
}

size_t sgn_params_bytes(const sgn_params *p) {
    const size_t reals = (size_t)(p->dense.count + p->latent.count);
    return reals * sizeof(sgn_real) * (p->train ? 2 : 1) + planes_bytes(p);
}

size_t sgn_params_stored_bytes(const sgn_params *p) {
    size_t sum = 0;
    for (int i = 0; i < p->count; i++) {
        const sgn_tensor *x = &p->at[i].tensor;
        if (is_stored(&p->at[i])) sum += (size_t)x->shape.dim[0] * sgn_stored_row_bytes(x->stored.dtype, x->shape.dim[1]);
    }
    return sum;
}

static sgn_status slab_alloc(sgn_slab *s, bool train, const char *what, sgn_error *err) {
    const size_t bytes = (size_t)s->count * sizeof(sgn_real);
    void *data, *grad = NULL;
    SGN_TRY(sgn_memory_alloc(&data, bytes, what, err));
    s->data = data;
    if (train) SGN_TRY(sgn_memory_alloc(&grad, bytes, "gradients", err));
    s->grad = grad;
    return SGN_OK;
}

static void zero_task(void *ctx, int64_t begin, int64_t end) {
    memset((sgn_real *)ctx + begin, 0, (size_t)(end - begin) * sizeof(sgn_real));
}

/* By all threads at once, each its stretch: at the first time that is where a page will lie. */
static void clear(sgn_real *x, int64_t n) {
    if (x) sgn_parallel(n, 1 << 20, zero_task, x);
}

static sgn_status commit(sgn_params *p, sgn_error *err) {
    SGN_TRY(slab_alloc(&p->dense, p->train, "dense parameters", err));
    SGN_TRY(slab_alloc(&p->latent, p->train, "latent weights", err));
    clear(p->dense.data, p->dense.count);
    clear(p->latent.data, p->latent.count);
    p->planes_bytes = planes_bytes(p);
    SGN_TRY(sgn_memory_alloc(&p->planes, p->planes_bytes, "sign planes", err));
    p->signs = calloc((size_t)p->count, sizeof *p->signs);
    if (!p->signs) SGN_FAIL(err, SGN_NOMEM, "no memory for the table of sign planes");
    char *memory = p->planes;
    sgn_signs *signs = p->signs;
    for (int i = 0; i < p->count; i++) {
        sgn_tensor *x = &p->at[i].tensor;
        const sgn_slab *slab = sgn_params_slab(p, &p->at[i]);
        if (is_stored(&p->at[i])) continue;
        x->data = slab->data + p->at[i].offset;
        if (slab->grad && sgn_param_learns(p->at[i].class)) x->grad = slab->grad + p->at[i].offset;
        if (p->at[i].class != SGN_PARAM_LATENT) continue;
        sgn_signs_place(signs, p->at[i].code, x->shape.dim[0], x->shape.dim[1], memory);
        memory += sgn_signs_bytes(p->at[i].code, x->shape.dim[0], x->shape.dim[1]);
        x->signs = signs++;
    }
    return SGN_OK;
}

sgn_status sgn_params_commit(sgn_params *p, sgn_error *err) {
    const sgn_status s = commit(p, err);
    if (s != SGN_OK) sgn_params_free(p);
    return s;
}

static void slab_free(sgn_slab *s) {
    sgn_memory_free(s->data, (size_t)s->count * sizeof(sgn_real));
    sgn_memory_free(s->grad, (size_t)s->count * sizeof(sgn_real));
}

void sgn_params_free(sgn_params *p) {
    slab_free(&p->dense);
    slab_free(&p->latent);
    sgn_memory_free(p->planes, p->planes_bytes);
    free(p->signs);
    free(p->at);
    *p = (sgn_params){ 0 };
}

sgn_param *sgn_params_find(const sgn_params *p, const char *name) {
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->at[i].name, name) == 0) return &p->at[i];
    return NULL;
}

int64_t sgn_params_numel(const sgn_params *p) {
    int64_t sum = 0;
    for (int i = 0; i < p->count; i++) sum += sgn_numel(p->at[i].tensor.shape);
    return sum;
}

void sgn_params_zero_grad(sgn_params *p) {
    clear(p->dense.grad, p->dense.count);
    clear(p->latent.grad, p->latent.count);
}

typedef struct { sgn_params *p; int i; } estimate_job;

static void estimate_task(void *ctx, int64_t begin, int64_t end) {
    const estimate_job *job = ctx;
    sgn_param *p = &job->p->at[job->i];
    const int64_t cols = p->tensor.shape.dim[1], at = begin * cols;
    sgn_estimator_apply(p->estimator, p->tensor.grad + at, p->tensor.data + at, (end - begin) * cols);
    if (p->rule && p->rule->estimate) p->rule->estimate(job->p, job->i, begin, end);
}

void sgn_params_estimate(sgn_params *p) {
    for (int i = 0; !p->warm && i < p->count; i++)
        if (p->at[i].estimator != SGN_ESTIMATOR_IDENTITY || (p->at[i].rule && p->at[i].rule->estimate))
            sgn_parallel(p->at[i].tensor.shape.dim[0], PACK_ROWS, estimate_task, &(estimate_job){ p, i });
}

typedef struct {
    sgn_tensor *w;
    int64_t     changed;
} pack_job;

static void pack_task(void *ctx, int64_t begin, int64_t end) {
    pack_job *job = ctx;
    const int64_t changed = sgn_signs_pack(job->w->signs, job->w->data, begin, end);
    __atomic_fetch_add(&job->changed, changed, __ATOMIC_RELAXED);
}

int64_t sgn_params_repack(sgn_params *p, int i) {
    pack_job job = { .w = &p->at[i].tensor };
    if (p->at[i].rule && p->at[i].rule->settle) p->at[i].rule->settle(p, i);
    sgn_parallel(job.w->shape.dim[0], PACK_ROWS, pack_task, &job);
    sgn_signs_refresh(job.w->signs);
    return job.changed;
}

int64_t sgn_params_refresh_signs(sgn_params *p) {
    int64_t changed = 0;
    for (int i = 0; i < p->count; i++)
        if (p->at[i].tensor.signs) changed += sgn_params_repack(p, i);
    return changed;
}
