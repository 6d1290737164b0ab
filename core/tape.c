/* SPDX-License-Identifier: MIT */
#include "core/tape.h"

#include <string.h>
#include "core/checked.h"

/* Gradient blocks between uses. Kept in the book: a dry tape has no data to link through. */
struct sgn_free_block {
    sgn_free_block *next;
    size_t          bytes;
    sgn_real       *at;
};

enum { BOOK_PER_NODE = 1024 };         /* node, tensor, leaves, args, free block; checked on use */

static sgn_status init(sgn_tape *t, int capacity, sgn_error *err) {
    *t = (sgn_tape){ .capacity = capacity };
    return sgn_arena_init(&t->book, (size_t)capacity * (sizeof(sgn_node) + BOOK_PER_NODE), err);
}

sgn_status sgn_tape_init(sgn_tape *t, int capacity, size_t data_bytes, sgn_error *err) {
    SGN_TRY(init(t, capacity, err));
    const sgn_status s = sgn_arena_init(&t->data, data_bytes, err);
    if (s != SGN_OK) sgn_tape_free(t);
    return s;
}

sgn_status sgn_tape_init_dry(sgn_tape *t, int capacity, sgn_error *err) {
    SGN_TRY(init(t, capacity, err));
    t->dry = true;
    sgn_arena_measure(&t->data);
    return SGN_OK;
}

void sgn_tape_free(sgn_tape *t) {
    sgn_arena_free(&t->book);
    sgn_arena_free(&t->data);
    *t = (sgn_tape){ 0 };
}

void sgn_tape_begin(sgn_tape *t, sgn_tape_mode mode) {
    sgn_arena_reset(&t->book);
    sgn_arena_reset(&t->data);
    t->mode = mode;
    t->count = 0;
    t->free_blocks = NULL;
    t->error = (sgn_error){ 0 };
    t->inert = (sgn_tensor){ .shape = { 0 } };
    t->nodes = sgn_arena_alloc(&t->book, (size_t)t->capacity * sizeof *t->nodes);
}

static sgn_tensor *fail(sgn_tape *t, sgn_status s, const char *what, const char *op) {
    (void)SGN_ERROR(&t->error, s, "%s: %s", op, what);
    return &t->inert;
}

static void *book(sgn_tape *t, size_t bytes) {
    void *p = sgn_arena_alloc(&t->book, bytes);
    if (!p) (void)SGN_ERROR(&t->error, SGN_NOMEM, "the tape's book of %d nodes is full", t->capacity);
    return p;
}

/* Data memory; on a dry tape NULL with *ok still true. */
static void *data(sgn_tape *t, size_t bytes, bool *ok) {
    void *p = sgn_arena_alloc(&t->data, bytes);
    *ok = p || t->dry || bytes == 0;
    return p;
}

sgn_tensor *sgn_tape_leaf(sgn_tape *t, sgn_shape shape, sgn_real *values, sgn_real *grad) {
    sgn_tensor *x = t->error.status ? NULL : book(t, sizeof *x);
    if (!x) return &t->inert;
    *x = (sgn_tensor){ .shape = shape, .data = values, .grad = grad, .needs_grad = grad != NULL, .leaf = true };
    return x;
}

static bool wants_grad(const sgn_tape *t, const sgn_node *n) {
    if (t->mode != SGN_TAPE_TRAIN) return false;
    for (int i = 0; i < n->op->n_in; i++)
        if (n->in[i] && n->in[i]->needs_grad) return true;
    return false;
}

/* Everything of a node but its run: args, shape, result, saved values. */
static bool record(sgn_tape *t, sgn_node *n, sgn_tensor *const in[], const void *args) {
    const sgn_op *op = n->op;
    for (int i = 0; i < op->n_in; i++) n->in[i] = in[i];
    if (op->args_size) {
        if (!(n->args = book(t, op->args_size))) return false;
        memcpy(n->args, args, op->args_size);
    }
    n->train = wants_grad(t, n);
    sgn_shape shape = { 0 };
    size_t saved = 0;
    if (op->infer(n, &shape, &saved, &t->error) != SGN_OK) {
        fail(t, SGN_SHAPE, "the inputs do not fit", op->name);
        return false;
    }
    if (!(n->out = book(t, sizeof *n->out))) return false;
    bool ok_out, ok_saved = true;
    *n->out = (sgn_tensor){ .shape = shape, .needs_grad = n->train };
    n->out->data = data(t, (size_t)sgn_numel(shape) * sizeof(sgn_real), &ok_out);
    if (saved) n->saved = data(t, saved, &ok_saved);
    if (!ok_out || !ok_saved) fail(t, SGN_NOMEM, "the activation arena is full", op->name);
    return ok_out && ok_saved;
}

sgn_tensor *sgn_tape_apply(sgn_tape *t, const sgn_op *op, sgn_tensor *const in[], const void *args) {
    if (t->error.status) return &t->inert;
    if (t->count == t->capacity) return fail(t, SGN_NOMEM, "the tape has no node left", op->name);
    sgn_node *n = &t->nodes[t->count];
    *n = (sgn_node){ .op = op };
    if (!record(t, n, in, args)) return &t->inert;
    t->count++;
    if (!t->dry) op->forward(n);
    return n->out;
}

sgn_status sgn_tape_end(const sgn_tape *t, sgn_error *err) {
    if (t->error.status && err && !err->status) *err = t->error;
    return t->error.status;
}

/* --- backward ------------------------------------------------------------------ */

static size_t grad_bytes(const sgn_tensor *x) {
    return sgn_round_up((size_t)sgn_numel(x->shape) * sizeof(sgn_real), SGN_ALIGN);
}

/* A used block of the same size if there is one, else new; zeroed. On a dry tape
 * `grad` stays NULL and needs_grad is cleared instead to mark "has its block". */
static bool give_grad(sgn_tape *t, sgn_tensor *x) {
    if (x->leaf || x->grad || !x->needs_grad) return true;
    const size_t bytes = grad_bytes(x);
    for (sgn_free_block **at = &t->free_blocks; *at; at = &(*at)->next) {
        if ((*at)->bytes != bytes) continue;
        x->grad = (*at)->at;
        *at = (*at)->next;
        goto found;
    }
    bool ok;
    x->grad = data(t, bytes, &ok);
    if (!ok) { fail(t, SGN_NOMEM, "the activation arena is full", "backward"); return false; }
found:
    if (t->dry) x->needs_grad = false;
    else memset(x->grad, 0, bytes);
    return true;
}

static void take_grad(sgn_tape *t, sgn_tensor *x) {
    sgn_free_block *b = book(t, sizeof *b);
    if (!b) return;
    *b = (sgn_free_block){ t->free_blocks, grad_bytes(x), x->grad };
    t->free_blocks = b;
}

sgn_status sgn_tape_backward(sgn_tape *t, sgn_tensor *loss, sgn_error *err) {
    SGN_TRY(sgn_tape_end(t, err));
    if (sgn_numel(loss->shape) != 1 || !loss->needs_grad)
        SGN_FAIL(err, SGN_SHAPE, "backward starts from one number that depends on a parameter");
    if (!give_grad(t, loss)) return sgn_tape_end(t, err);
    if (!t->dry) loss->grad[0] = 1;
    for (int i = t->count - 1; i >= 0; i--) {
        sgn_node *n = &t->nodes[i];
        const bool reached = t->dry ? n->train && !n->out->needs_grad : n->out->grad != NULL;
        if (!n->train || !reached) continue;
        for (int k = 0; k < n->op->n_in; k++)
            if (n->in[k] && !give_grad(t, n->in[k])) return sgn_tape_end(t, err);
        if (!t->dry) n->op->backward(n);
        take_grad(t, n->out);
    }
    return sgn_tape_end(t, err);
}
