/* op_fixture.h - one op case with memory: runs it forward and backward on a tape of exactly the measured size.
 * Loss is sum_k c_k out_k with fixed random c, so that one number depends on every output.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TESTS_OP_FIXTURE_H
#define SGN_TESTS_OP_FIXTURE_H

#include "core/bits.h"
#include "tests/op_cases/op_cases.h"

typedef struct {
    const op_case_list *list;
    const op_case      *c;
    sgn_tensor          own[SGN_MAX_IN];
    sgn_tensor         *in[SGN_MAX_IN];    /* into own; NULL where the case has none */
    sgn_signs           signs[SGN_MAX_IN];
    void               *planes[SGN_MAX_IN];
    sgn_shape           shape;             /* of the result */
    int64_t             count;
    sgn_real           *out, *weight;      /* (count): last result, c */
    size_t              measured[2], used[2];   /* bytes of data: dry and real, by sgn_tape_mode */
} op_fixture;

/* With the kernel set in use, which has to stay until close. */
sgn_status op_fixture_open(op_fixture *f, const op_case_list *list, const op_case *c, sgn_error *err);
void       op_fixture_close(op_fixture *f);

/* Forward only; *loss from `smooth` where the op has it and smooth is asked for. */
sgn_status op_fixture_forward(op_fixture *f, bool smooth, double *loss, sgn_error *err);
/* Forward and backward: adds to the gradients. `stand_in`, if not NULL, is what backward calls instead. */
sgn_status op_fixture_backward(op_fixture *f, const sgn_op *stand_in, sgn_error *err);
void       op_fixture_fill_grads(op_fixture *f, double value);
/* The formula of the case, into (count) doubles. */
sgn_status op_fixture_expect(op_fixture *f, double *out, sgn_error *err);

/* Input i has a gradient of its own (it is there, and no repetition of another). */
bool       op_fixture_owns(const op_fixture *f, int i);

#endif
