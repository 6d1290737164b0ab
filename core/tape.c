/* SPDX-License-Identifier: MIT */
#include "core/tape.h"

#include <string.h>
#include "core/checked.h"
#include "core/clock.h"
#include "core/parallel.h"

enum {
    BOOK_PER_NODE = 1024,              /* free block, tensor, leaves, args; checked on use */
    ZERO_GRAIN    = 1 << 18            /* reals that one task clears */
};

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
    t->count = t->free_count = 0;
    t->passing = false;
    t->last = t->entry = NULL;
    t->entry_at = 0;
    t->error = (sgn_error){ 0 };
    t->inert = (sgn_tensor){ .shape = { 0 } };
    t->nodes = sgn_arena_alloc(&t->book, (size_t)t->capacity * sizeof *t->nodes);
    t->free = sgn_arena_alloc(&t->book, (size_t)t->capacity * sizeof *t->free);
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

/* Where `data` begins. On a dry tape nobody reads there, but both kinds of tape walk the same way. */
static uintptr_t origin(const sgn_tape *t) { return t->dry ? SGN_ALIGN : (uintptr_t)t->data.base; }

/* Data memory. NULL: none left, noted. */
static void *data(sgn_tape *t, size_t bytes, const char *op) {
    const size_t used = t->data.used;
    void *p = sgn_arena_alloc(&t->data, bytes);
    if (t->dry && t->data.used >= used && bytes <= SIZE_MAX / 4) return (void *)(origin(t) + used);
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
    if (t->mode == SGN_TAPE_NOGRAD) return false;
    for (int i = 0; i < n->op->n_in; i++)
        if (n->in[i] && n->in[i]->needs_grad) return true;
    return false;
}

/* What a segment may read: x, leaves, its own. Other gradients would end with it. */
static bool within(const sgn_tape *t, const sgn_tensor *x) {
    return !t->entry || !x || x->leaf || x == t->entry || (uintptr_t)x >= (uintptr_t)t->book.base + t->entry_at;
}

/* Everything of a node but its run: args, shape, result, saved values. */
static bool record(sgn_tape *t, sgn_node *n, sgn_tensor *const in[], const void *args) {
    const sgn_op *op = n->op;
    const size_t at = t->data.used;
    for (int i = 0; i < op->n_in; i++) {
        n->in[i] = in[i];
        if (!within(t, in[i])) return refuse(t, SGN_SHAPE, op->name, "a segment reads only its input, leaves and its own results");
    }
    if (op->args_size) {
        if (!(n->args = book(t, op->args_size))) return false;
        memcpy(n->args, args, op->args_size);
    }
    const bool wanted = wants_grad(t, n);
    n->train = wanted && !t->passing;
    sgn_shape shape = { 0 };
    size_t bytes, saved = 0;
    const sgn_status judged = op->infer(n, &shape, &saved, &t->error);
    if (judged != SGN_OK) return refuse(t, judged, op->name, "the inputs do not fit");
    if (!tensor_bytes(shape, &bytes)) return refuse(t, SGN_SHAPE, op->name, "the result is empty or cannot be addressed");
    if (!(n->out = book(t, sizeof *n->out))) return false;
    *n->out = (sgn_tensor){ .shape = shape, .needs_grad = wanted };
    void *values = data(t, bytes, op->name);
    if (saved) n->saved = data(t, saved, op->name);
    if (!t->dry) n->out->data = values;
    t->last = n->out;
    t->last_at = at;
    return t->error.status == SGN_OK;
}

static void run(sgn_tape *t, const sgn_node *n, void (*pass)(const sgn_node *n), bool backward) {
    sgn_op_times *all = t->times;
    const double start = all ? sgn_clock_wall() : 0;
    pass(n);
    if (!all) return;
    int i = 0;
    while (i < all->count && all->at[i].op != n->op) i++;
    if (i == SGN_TIMED_OPS) return;
    if (i == all->count) all->at[all->count++] = (sgn_op_time){ .op = n->op };
    *(backward ? &all->at[i].backward : &all->at[i].forward) += sgn_clock_wall() - start;
}

static sgn_node *next_node(sgn_tape *t, const sgn_op *op) {
    if (t->count == t->capacity) {
        (void)SGN_ERROR(&t->error, SGN_NOMEM, "%s: all %d nodes of the tape are taken", op->name, t->capacity);
        return NULL;
    }
    t->nodes[t->count] = (sgn_node){ .op = op };
    return &t->nodes[t->count];
}

sgn_tensor *sgn_tape_apply(sgn_tape *t, const sgn_op *op, sgn_tensor *const in[], const void *args) {
    sgn_node *n = t->error.status ? NULL : next_node(t, op);
    if (!n || !record(t, n, in, args)) return &t->inert;
    t->count++;
    if (!t->dry) run(t, n, op->forward, false);
    return n->out;
}

sgn_status sgn_tape_end(const sgn_tape *t, sgn_error *err) {
    if (t->error.status && err && !err->status) *err = t->error;
    return t->error.status;
}

/* --- segments ------------------------------------------------------------------ */

/* A segment that backward will run again stands on the tape as one node of this op. */
static const sgn_op segment_op = { "segment", 1, 0, NULL, NULL, NULL, NULL };

typedef struct { sgn_segment *run; const void *ctx; } segment;

typedef struct { int count; size_t book, data; } mark;

static mark here(const sgn_tape *t) { return (mark){ t->count, t->book.used, t->data.used }; }

/* Everything since m is forgotten, consumed gradients too. */
static void rewind_to(sgn_tape *t, mark m) {
    t->count = m.count;
    sgn_arena_rewind(&t->book, m.book);
    sgn_arena_rewind(&t->data, m.data);
    int kept = 0;
    for (int i = 0; i < t->free_count; i++)
        if ((uintptr_t)t->free[i].at < origin(t) + m.data) t->free[kept++] = t->free[i];
    t->free_count = kept;
    t->last = NULL;
}

/* f's result, by its own records. */
static sgn_tensor *run_within(sgn_tape *t, sgn_segment *f, const void *ctx, sgn_tensor *x) {
    sgn_tensor *const entry = t->entry;
    const size_t entry_at = t->entry_at;
    if (!within(t, x)) (void)refuse(t, SGN_SHAPE, "segment", "its input lies outside the segment around it");
    t->entry = x;
    t->entry_at = t->book.used;
    sgn_tensor *y = f(t, ctx, x);
    if (!t->error.status && (y == x || y->leaf || !within(t, y)))
        (void)refuse(t, SGN_SHAPE, "segment", "its function must return a result of its own");
    t->entry = entry;
    t->entry_at = entry_at;
    return t->error.status ? &t->inert : y;
}

/* y alone survives m, as the newest result. */
static sgn_tensor *keep(sgn_tape *t, mark m, const sgn_tensor *y) {
    sgn_tensor kept = *y;
    size_t bytes;
    if (!tensor_bytes(y->shape, &bytes)) return &t->inert;
    kept.data = sgn_arena_keep(&t->data, m.data, y->data, bytes);
    t->count = m.count;
    sgn_arena_rewind(&t->book, m.book);
    sgn_tensor *to = book(t, sizeof *to);
    if (!to) return &t->inert;
    *to = kept;
    t->last = to;
    t->last_at = m.data;
    return to;
}

/* x is the newest result: its place is y's. Without a shape every op refuses it. */
static sgn_tensor *pass_through(sgn_tape *t, sgn_segment *f, const void *ctx, sgn_tensor *x) {
    mark m = here(t);
    const bool newest = x == t->last;
    if (newest) m.data = t->last_at;
    const sgn_tensor *y = run_within(t, f, ctx, x);
    if (t->error.status) return &t->inert;
    if (newest) *x = (sgn_tensor){ 0 };
    return keep(t, m, y);
}

/* y and, below it, x stay; how to make y again is on the tape. */
static sgn_tensor *pass_and_record(sgn_tape *t, const segment *s, size_t size, sgn_tensor *x) {
    const mark m = here(t);
    t->last = NULL;                                    /* x stays, whatever segments are within */
    t->passing = true;
    sgn_tensor *y = run_within(t, s->run, s->ctx, x);
    t->passing = false;
    if (!t->error.status && sgn_same_shape(y->shape, sgn_shape1(1)))
        (void)refuse(t, SGN_SHAPE, "segment", "a loss cannot be computed twice, leave it outside of what is recomputed");
    if (t->error.status) return &t->inert;
    y = keep(t, m, y);
    sgn_node *n = t->error.status || !y->needs_grad ? NULL : next_node(t, &segment_op);
    segment *again = n ? book(t, sizeof *again) : NULL;
    void *ctx = again ? book(t, size) : NULL;
    if (!ctx) return t->error.status ? &t->inert : y;
    memcpy(ctx, s->ctx, size);
    *again = (segment){ s->run, ctx };
    *n = (sgn_node){ .op = &segment_op, .in = { x }, .out = y, .args = again, .train = true };
    t->count++;
    return y;
}

sgn_tensor *sgn_tape_segment(sgn_tape *t, sgn_segment *f, const void *ctx, size_t size, sgn_tensor *x) {
    if (t->error.status) return &t->inert;
    if (t->mode == SGN_TAPE_NOGRAD || t->passing) return pass_through(t, f, ctx, x);
    if (t->mode == SGN_TAPE_TRAIN) return run_within(t, f, ctx, x);
    return pass_and_record(t, &(segment){ f, ctx }, size, x);
}

/* --- backward ------------------------------------------------------------------ */

static void clear_task(void *ctx, int64_t begin, int64_t end) {
    memset((sgn_real *)ctx + begin, 0, (size_t)(end - begin) * sizeof(sgn_real));
}

/* A used block of the same size if there is one, else a new one; zeroed. */
static bool give_grad(sgn_tape *t, sgn_tensor *x) {
    size_t bytes;
    if (x->leaf || x->grad || !x->needs_grad || !tensor_bytes(x->shape, &bytes)) return true;
    int i = t->free_count - 1;
    while (i >= 0 && t->free[i].bytes != bytes) i--;
    if (i >= 0) {
        x->grad = t->free[i].at;
        t->free[i] = t->free[--t->free_count];
    } else if (!(x->grad = data(t, bytes, "backward"))) return false;
    if (!t->dry) sgn_parallel(sgn_numel(x->shape), ZERO_GRAIN, clear_task, x->grad);
    return true;
}

/* Once the node is done nobody reads its gradient: the block serves earlier nodes. */
static bool take_grad(sgn_tape *t, sgn_tensor *x) {
    size_t bytes;
    if (!tensor_bytes(x->shape, &bytes) || t->free_count == t->capacity) return refuse(t, SGN_NOMEM, "backward", "the book is full");
    t->free[t->free_count++] = (sgn_free_block){ bytes, x->grad };
    x->grad = NULL;
    return true;
}

static void walk_back(sgn_tape *t, int from);

/* The gradient of x is given before the mark, so it stays; that of y goes to the result of the second run. */
static bool backward_segment(sgn_tape *t, const sgn_node *n) {
    const segment *s = n->args;
    if (!give_grad(t, n->in[0])) return false;
    const mark m = here(t);
    const sgn_tape_mode mode = t->mode;
    t->mode = SGN_TAPE_TRAIN;
    sgn_tensor *y = run_within(t, s->run, s->ctx, n->in[0]);
    t->mode = mode;
    if (t->error.status) return false;
    y->grad = n->out->grad;
    n->out->grad = NULL;
    walk_back(t, m.count);
    if (t->error.status) return false;
    rewind_to(t, m);
    return true;
}

static bool backward_node(sgn_tape *t, const sgn_node *n) {
    if (n->op == &segment_op) return backward_segment(t, n);
    for (int k = 0; k < n->op->n_in; k++)
        if (n->in[k] && !give_grad(t, n->in[k])) return false;
    if (!t->dry) run(t, n, n->op->backward, true);
    return take_grad(t, n->out);
}

static void walk_back(sgn_tape *t, int from) {
    for (int i = t->count - 1; i >= from && !t->error.status; i--)
        if (t->nodes[i].out->grad) (void)backward_node(t, &t->nodes[i]);
}

sgn_status sgn_tape_backward(sgn_tape *t, sgn_tensor *loss, sgn_error *err) {
    SGN_TRY(sgn_tape_end(t, err));
    if (sgn_numel(loss->shape) != 1 || !loss->needs_grad || loss->leaf)
        SGN_FAIL(err, SGN_SHAPE, "backward starts from one number that an op computed from a parameter");
    if (give_grad(t, loss) && !t->dry) loss->grad[0] = 1;
    walk_back(t, 0);
    return sgn_tape_end(t, err);
}
