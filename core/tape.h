/* tape.h - records nodes in the order they ran; backward walks it in reverse.
 *
 * The record is already topologically sorted, so there is no graph search.
 * Errors are sticky: after the first one every builder returns an inert tensor,
 * so a model reads as formulas and asks sgn_tape_end() once.
 *
 * Memory: `book` holds nodes and headers, `data` holds activations and saved
 * values. Gradients of activations come from `data` too, appear when backward
 * first reaches them and are used again for earlier nodes once consumed: after
 * backward only leaves hold one. A dry tape runs only `infer` and the same
 * bookkeeping, so its data.peak is what the same passes on a real tape take.
 *
 * A segment is a part of a model that is a function of one tensor: what lies
 * between its input and its result need not stay. Without gradients it never
 * does; with SGN_TAPE_RECOMPUTE backward runs the function again.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_TAPE_H
#define SGN_CORE_TAPE_H

#include "core/arena.h"
#include "core/op.h"

/* RECOMPUTE: as TRAIN, with the same bits, but of a segment only the input is kept. */
typedef enum { SGN_TAPE_TRAIN, SGN_TAPE_NOGRAD, SGN_TAPE_RECOMPUTE } sgn_tape_mode;

typedef struct { size_t bytes; sgn_real *at; } sgn_free_block;

/* Seconds by op, in the order of their first use; added to. */
enum { SGN_TIMED_OPS = 32 };
typedef struct { const sgn_op *op; double forward, backward; } sgn_op_time;
typedef struct { sgn_op_time at[SGN_TIMED_OPS]; int count; } sgn_op_times;

typedef struct {
    sgn_arena       book, data;
    sgn_tape_mode   mode;
    bool            dry;
    sgn_node       *nodes;
    int             count, capacity;
    sgn_free_block *free;          /* (capacity): consumed gradients */
    int             free_count;
    bool            passing;       /* within a segment that will run again: nothing is saved */
    sgn_tensor     *last;          /* newest result, NULL: none that may be given up; */
    size_t          last_at;       /* its place in `data` */
    sgn_tensor     *entry;         /* input of the running segment, */
    size_t          entry_at;      /* whose own records begin here in `book` */
    sgn_op_times   *times;         /* the caller's; NULL: nobody asks */
    sgn_tensor      inert;         /* what builders return after an error */
    sgn_error       error;         /* the first one wins */
} sgn_tape;

/* capacity: most nodes of one pass, >= 1; data_bytes: what a dry tape measured (data.peak). */
sgn_status  sgn_tape_init(sgn_tape *t, int capacity, size_t data_bytes, sgn_error *err);
sgn_status  sgn_tape_init_dry(sgn_tape *t, int capacity, sgn_error *err);
void        sgn_tape_free(sgn_tape *t);

void        sgn_tape_begin(sgn_tape *t, sgn_tape_mode mode);      /* forgets the last pass */
/* A leaf of the caller's data (kept, not copied); gradient wanted if grad is not NULL. */
sgn_tensor *sgn_tape_leaf(sgn_tape *t, sgn_shape shape, sgn_real *data, sgn_real *grad);
/* Records and runs op; args are copied. */
sgn_tensor *sgn_tape_apply(sgn_tape *t, const sgn_op *op, sgn_tensor *const in[], const void *args);
/* y = f(t, ctx, x); ctx (size bytes) is copied. f reads x, leaves and what it computes itself, and returns a result of
 * its own; with recomputation it has no other effect, so a loss stays outside. Segments nest.
 * x is given up: a tape without gradients puts y in its place, and a later reader of x is refused. */
typedef sgn_tensor *sgn_segment(sgn_tape *t, const void *ctx, sgn_tensor *x);
sgn_tensor *sgn_tape_segment(sgn_tape *t, sgn_segment *f, const void *ctx, size_t size, sgn_tensor *x);
sgn_status  sgn_tape_end(const sgn_tape *t, sgn_error *err);
/* d loss / d everything, seeded with 1; gradients of leaves (parameters are leaves) are added to. */
sgn_status  sgn_tape_backward(sgn_tape *t, sgn_tensor *loss, sgn_error *err);

#endif
