/* SPDX-License-Identifier: MIT */
#include "tests/op_cases/op_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/arena.h"
#include "core/checked.h"
#include "core/rng.h"

/* y = sum_k c_k x_k, the loss over any op. */
typedef struct { const sgn_real *c; } functional_args;

static sgn_status functional_infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    (void)n; (void)saved; (void)err;
    *out = sgn_shape1(1);
    return SGN_OK;
}
static void functional_forward(const sgn_node *n) {
    double sum = 0;
    for (int64_t k = 0; k < sgn_numel(n->in[0]->shape); k++)
        sum += (double)((const functional_args *)n->args)->c[k] * (double)n->in[0]->data[k];
    n->out->data[0] = (sgn_real)sum;
}
static void functional_backward(const sgn_node *n) {
    for (int64_t k = 0; k < sgn_numel(n->in[0]->shape); k++)
        n->in[0]->grad[k] += ((const functional_args *)n->args)->c[k] * n->out->grad[0];
}
static const sgn_op functional = {
    "functional", 1, sizeof(functional_args), functional_infer, functional_forward, functional_backward, NULL
};

bool op_fixture_owns(const op_fixture *f, int i) {
    return f->c->in[i].kind != CASE_NONE && f->c->in[i].kind != CASE_SAME;
}

static void *take(size_t bytes) {
    void *p = NULL;
    if (sgn_memory_alloc(&p, bytes, "a test", NULL) != SGN_OK) abort();
    return p;
}

static void make_planes(op_fixture *f, int i) {
    sgn_tensor *x = &f->own[i];
    const int64_t out = x->shape.dim[0], in = x->shape.dim[1];
    f->planes[i] = take(sgn_signs_bytes(SGN_CODE_BINARY, out, in));
    sgn_signs_place(&f->signs[i], SGN_CODE_BINARY, out, in, f->planes[i]);
    sgn_plane_pack(&f->signs[i].rows, x->data, 0, out);
    sgn_signs_refresh(&f->signs[i]);
    x->signs = &f->signs[i];
}

static void make_input(op_fixture *f, int i) {
    const case_input *c = &f->c->in[i];
    sgn_tensor *x = &f->own[i];
    f->in[i] = c->kind == CASE_NONE ? NULL : c->kind == CASE_SAME ? f->in[c->same] : x;
    if (!op_fixture_owns(f, i)) return;
    *x = (sgn_tensor){ .shape = c->cols ? sgn_shape2(c->rows, c->cols) : sgn_shape1(c->rows),
                       .needs_grad = true, .leaf = true };
    const int64_t n = sgn_numel(x->shape);
    x->data = take((size_t)n * sizeof *x->data);
    x->grad = take((size_t)n * sizeof *x->grad);
    for (int64_t k = 0; k < n; k++) {
        const double z = sgn_rng_normal(1, (uint64_t)i, (uint64_t)k);
        const double whole = c->cols && k % c->cols ? fmax(-127, fmin(127, rint(40 * z))) : 127;
        x->data[k] = (sgn_real)(c->kind == CASE_LATENT ? (z < 0 ? -1 : 1) : c->kind == CASE_GRID ? whole : c->mean + c->spread * z);
    }
    if (c->kind == CASE_LATENT) make_planes(f, i);
}

/* Builds the graph; the op is node 0. */
static sgn_tensor *build(op_fixture *f, sgn_tape *t, sgn_tensor *const in[]) {
    sgn_tensor *y = f->list->apply(t, in, f->c);
    return sgn_tape_apply(t, &functional, (sgn_tensor *[]){ y }, &(functional_args){ f->weight });
}

/* A dry tape of tensors without data, as a model has them before it is allocated. */
static sgn_status measure(op_fixture *f, sgn_tape_mode mode, sgn_error *err) {
    sgn_tensor bare[SGN_MAX_IN], *in[SGN_MAX_IN] = { 0 };
    for (int i = 0; i < SGN_MAX_IN; i++) {
        bare[i] = f->own[i];
        bare[i].data = bare[i].grad = NULL;
        bare[i].signs = NULL;
        if (f->in[i]) in[i] = &bare[f->in[i] - f->own];
    }
    sgn_tape t;
    SGN_TRY(sgn_tape_init_dry(&t, 2, err));
    sgn_tape_begin(&t, mode);
    sgn_tensor *loss = build(f, &t, in);
    f->shape = t.nodes[0].out ? t.nodes[0].out->shape : (sgn_shape){ 0 };
    sgn_status s = sgn_tape_end(&t, err);
    if (s == SGN_OK && mode == SGN_TAPE_TRAIN) s = sgn_tape_backward(&t, loss, err);
    f->measured[mode] = t.data.peak;
    sgn_tape_free(&t);
    return s;
}

sgn_status op_fixture_open(op_fixture *f, const op_case_list *list, const op_case *c, sgn_error *err) {
    *f = (op_fixture){ .list = list, .c = c };
    for (int i = 0; i < SGN_MAX_IN; i++) make_input(f, i);
    sgn_status s = measure(f, SGN_TAPE_TRAIN, err);
    if (s == SGN_OK) s = measure(f, SGN_TAPE_NOGRAD, err);
    if (s != SGN_OK) {
        op_fixture_close(f);
        return s;
    }
    f->count = sgn_numel(f->shape);
    f->out = take((size_t)f->count * sizeof *f->out);
    f->weight = take((size_t)f->count * sizeof *f->weight);
    for (int64_t k = 0; k < f->count; k++) f->weight[k] = (sgn_real)sgn_rng_normal(2, 0, (uint64_t)k);
    return SGN_OK;
}

void op_fixture_close(op_fixture *f) {
    for (int i = 0; i < SGN_MAX_IN; i++) {
        const size_t bytes = (size_t)sgn_numel(f->own[i].shape) * sizeof(sgn_real);
        if (f->planes[i]) sgn_memory_free(f->planes[i], sgn_signs_bytes(SGN_CODE_BINARY, f->own[i].shape.dim[0], f->own[i].shape.dim[1]));
        sgn_memory_free(f->own[i].data, bytes);
        sgn_memory_free(f->own[i].grad, bytes);
    }
    sgn_memory_free(f->out, (size_t)f->count * sizeof *f->out);
    sgn_memory_free(f->weight, (size_t)f->count * sizeof *f->weight);
    *f = (op_fixture){ 0 };
}

typedef struct {
    op_fixture   *f;
    sgn_tape_mode mode;
    bool          smooth;
    const sgn_op *stand_in;
    double        loss, *expected;
} pass;

static sgn_status run(pass *p, sgn_tape *t, sgn_error *err) {
    op_fixture *f = p->f;
    sgn_tape_begin(t, p->mode);
    sgn_tensor *loss = build(f, t, f->in);
    SGN_TRY(sgn_tape_end(t, err));
    sgn_node *n = &t->nodes[0];
    if (p->smooth && n->op->smooth) n->op->smooth(n);
    if (p->expected) f->list->expect(n, f->c, p->expected);
    if (p->stand_in) n->op = p->stand_in;
    if (p->mode == SGN_TAPE_TRAIN) SGN_TRY(sgn_tape_backward(t, loss, err));
    memcpy(f->out, n->out->data, (size_t)f->count * sizeof *f->out);
    for (int64_t k = 0; k < f->count; k++) p->loss += (double)f->weight[k] * (double)f->out[k];
    return SGN_OK;
}

static sgn_status go(pass *p, sgn_error *err) {
    sgn_tape t;
    SGN_TRY(sgn_tape_init(&t, 2, p->f->measured[p->mode], err));
    const sgn_status s = run(p, &t, err);
    p->f->used[p->mode] = t.data.peak;
    sgn_tape_free(&t);
    return s;
}

sgn_status op_fixture_forward(op_fixture *f, bool smooth, double *loss, sgn_error *err) {
    pass p = { .f = f, .mode = SGN_TAPE_NOGRAD, .smooth = smooth };
    const sgn_status s = go(&p, err);
    if (loss) *loss = p.loss;
    return s;
}

sgn_status op_fixture_backward(op_fixture *f, const sgn_op *stand_in, sgn_error *err) {
    return go(&(pass){ .f = f, .mode = SGN_TAPE_TRAIN, .stand_in = stand_in }, err);
}

sgn_status op_fixture_expect(op_fixture *f, double *out, sgn_error *err) {
    return go(&(pass){ .f = f, .mode = SGN_TAPE_NOGRAD, .expected = out }, err);
}

void op_fixture_fill_grads(op_fixture *f, double value) {
    for (int i = 0; i < SGN_MAX_IN; i++)
        for (int64_t k = 0; f->own[i].grad && k < sgn_numel(f->own[i].shape); k++) f->own[i].grad[k] = (sgn_real)value;
}
