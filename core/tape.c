/* SPDX-License-Identifier: MIT */
#include "core/tape.h"

#include <string.h>
#include "core/checked.h"
#include "core/parallel.h"

/* Gradient blocks between uses. Kept in the book: a dry tape has no data to link through. */
struct sgn_free_block {
    sgn_free_block *next;
    size_t          bytes;
    sgn_real       *at;
};

enum {
    BOOK_PER_NODE = 1024,              /* node, tensor, leaves, args, free block; checked on use */
    ZERO_GRAIN    = 1 << 18            /* reals that one task clears */
};

/* What stands for memory on a dry tape, so that both kinds of tape walk the same way. */
static sgn_real nowhere[1];

static sgn_status init(sgn_tape *t, int capacity, sgn_error *err) {
    *t = (sgn_tape){ .capacity = capacity };
    if (capacity < 1) SGN_FAIL(err, SGN_CONFIG, "a tape needs room for at least one node, got %d", capacity);
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

/* Notes an error unless there is one; false. */
static bool refuse(sgn_tape *t, sgn_status s, const char *op, const char *what) {
    (void)SGN_ERROR(&t->error, s, "%s: %s", op, what);
    return false;
}

static void *book(sgn_tape *t, size_t bytes) {
    void *p = sgn_arena_alloc(&t->book, bytes);
    if (!p) (void)SGN_ERROR(&t->error, SGN_NOMEM, "the tape's book of %d nodes is full", t->capacity);
    return p;
}

/* Data memory; on a dry tape a stand-in. NULL: none left, noted. */
static void *data(sgn_tape *t, size_t bytes, const char *op) {
    const size_t used = t->data.used;
    void *p = sgn_arena_alloc(&t->data, bytes);
    if (t->dry && t->data.used >= used && bytes <= SIZE_MAX / 4) return nowhere;
    if (!p) (void)SGN_ERROR(&t->error, SGN_NOMEM, "%s: %zu bytes do not fit in the %zu left of the %zu for activations; "
                            "size them with a dry tape", op, bytes, t->data.size - used, t->data.size);
    return p;
}

/* Bytes of a tensor, in whole cache lines. */
static bool tensor_bytes(sgn_shape shape, size_t *bytes) {
    uint64_t n = sizeof(sgn_real);
    for (int i = 0; i < shape.rank; i++)
        if (shape.dim[i] < 1 || !sgn_mul_fits(n, (uint64_t)shape.dim[i], &n)) return false;
    if (n > SIZE_MAX / 4) return false;
    *bytes = sgn_round_up((size_t)n, SGN_ALIGN);
    return true;
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
    size_t bytes, saved = 0;
    const sgn_status judged = op->infer(n, &shape, &saved, &t->error);
    if (judged != SGN_OK) return refuse(t, judged, op->name, "the inputs do not fit");
    if (!tensor_bytes(shape, &bytes)) return refuse(t, SGN_SHAPE, op->name, "the result is empty or cannot be addressed");
    if (!(n->out = book(t, sizeof *n->out))) return false;
    *n->out = (sgn_tensor){ .shape = shape, .needs_grad = n->train };
    void *values = data(t, bytes, op->name);
    if (saved) n->saved = data(t, saved, op->name);
    if (!t->dry) n->out->data = values;
    return t->error.status == SGN_OK;
}

sgn_tensor *sgn_tape_apply(sgn_tape *t, const sgn_op *op, sgn_tensor *const in[], const void *args) {
    if (t->error.status) return &t->inert;
    if (t->count == t->capacity) {
        (void)SGN_ERROR(&t->error, SGN_NOMEM, "%s: all %d nodes of the tape are taken", op->name, t->capacity);
        return &t->inert;
    }
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

static void clear_task(void *ctx, int64_t begin, int64_t end) {
    memset((sgn_real *)ctx + begin, 0, (size_t)(end - begin) * sizeof(sgn_real));
}

/* A used block of the same size if there is one, else a new one; zeroed. */
static bool give_grad(sgn_tape *t, sgn_tensor *x) {
    size_t bytes;
    if (x->leaf || x->grad || !x->needs_grad || !tensor_bytes(x->shape, &bytes)) return true;
    sgn_free_block **at = &t->free_blocks;
    while (*at && (*at)->bytes != bytes) at = &(*at)->next;
    if (*at) {
        x->grad = (*at)->at;
        *at = (*at)->next;
    } else if (!(x->grad = data(t, bytes, "backward"))) return false;
    if (!t->dry) sgn_parallel(sgn_numel(x->shape), ZERO_GRAIN, clear_task, x->grad);
    return true;
}

/* Once the node is done nobody reads its gradient: the block serves earlier nodes. */
static bool take_grad(sgn_tape *t, sgn_tensor *x) {
    sgn_free_block *b = book(t, sizeof *b);
    if (!b || !tensor_bytes(x->shape, &b->bytes)) return false;
    b->at = x->grad;
    b->next = t->free_blocks;
    t->free_blocks = b;
    x->grad = NULL;
    return true;
}

static bool backward_node(sgn_tape *t, const sgn_node *n) {
    for (int k = 0; k < n->op->n_in; k++)
        if (n->in[k] && !give_grad(t, n->in[k])) return false;
    if (!t->dry) n->op->backward(n);
    return take_grad(t, n->out);
}

sgn_status sgn_tape_backward(sgn_tape *t, sgn_tensor *loss, sgn_error *err) {
    SGN_TRY(sgn_tape_end(t, err));
    if (sgn_numel(loss->shape) != 1 || !loss->needs_grad || loss->leaf)
        SGN_FAIL(err, SGN_SHAPE, "backward starts from one number that an op computed from a parameter");
    if (give_grad(t, loss) && !t->dry) loss->grad[0] = 1;
    for (int i = t->count - 1; i >= 0 && !t->error.status; i--)
        if (t->nodes[i].out->grad) (void)backward_node(t, &t->nodes[i]);
    return sgn_tape_end(t, err);
}
