/* op_cases.h - what every op is tried on: gradients, threads, kernel sets and benches read the same cases.
 *
 * Row NAME of core/ops.def has its cases in tests/op_cases/NAME.c, which exports op_cases_NAME.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TESTS_OP_CASES_H
#define SGN_TESTS_OP_CASES_H

#include "core/ops.h"

typedef enum {
    CASE_NONE,                 /* NULL */
    CASE_DENSE,                /* normal values */
    CASE_LATENT,               /* +-1 with planes: there sign(w) = w */
    CASE_GRID,                 /* whole numbers to 127, the first of each row 127: an 8-bit grid leaves them as they are */
    CASE_SAME                  /* the tensor of input `same` once more */
} case_kind;

typedef struct {
    case_kind kind;
    int64_t   rows, cols;      /* cols 0: a vector */
    double    mean, spread;
    int       same;
} case_input;

typedef struct op_case op_case;
struct op_case {
    const char *name;
    case_input  in[SGN_MAX_IN];
    int64_t     n[6];          /* numbers of the op, in the order of its builder */
    double      r[4];
    double      float_error;   /* of a float result against another order of summation, as a part of the
                                  largest entry; 0: 1e-5 */
};

typedef struct {
    const char    *op;
    const op_case *at;
    int            count;
    sgn_tensor *(*apply)(sgn_tape *t, sgn_tensor *const in[], const op_case *c);
    /* The same function of the inputs, straight from its formula. */
    void (*expect)(const sgn_node *n, const op_case *c, double *out);
} op_case_list;

#define NONE                    { .kind = CASE_NONE }
#define DENSE(rows_, cols_)     { .kind = CASE_DENSE, .rows = rows_, .cols = cols_, .spread = 1 }
#define VECTOR(count)           DENSE(count, 0)
#define NEAR_ONE(count)         { .kind = CASE_DENSE, .rows = count, .mean = 1, .spread = 0.3 }
#define SPREAD(rows_, cols_, s) { .kind = CASE_DENSE, .rows = rows_, .cols = cols_, .spread = s }
#define LATENT(rows_, cols_)    { .kind = CASE_LATENT, .rows = rows_, .cols = cols_ }
#define GRID(rows_, cols_)      { .kind = CASE_GRID, .rows = rows_, .cols = cols_ }
#define SAME(input)             { .kind = CASE_SAME, .same = input }

#define OP_CASES(name, cases, apply, expect) \
    const op_case_list op_cases_##name = { #name, cases, (int)(sizeof cases / sizeof *cases), apply, expect }

const op_case_list *op_case_list_at(int i);            /* in the order of core/ops.def; NULL past the end */

/* Data of a case that is not a tensor, the same at every call; valid until the next case opens. */
const int32_t  *case_ids(int slot, int64_t count, int64_t limit, int64_t left_out);   /* every left_out-th is -1; 0: none */
const sgn_real *case_reals(int slot, int64_t count, double (*value)(int64_t i, const op_case *c), const op_case *c);
double          case_normal(int64_t i, const op_case *c);

#endif
