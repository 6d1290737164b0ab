/* SPDX-License-Identifier: MIT */
#include "core/ops_table.h"

#define SGN_OP(name) extern const sgn_op sgn_op_##name;
#include "core/ops.def"
#undef SGN_OP

static const sgn_op *const table[] = {
#define SGN_OP(name) &sgn_op_##name,
#include "core/ops.def"
#undef SGN_OP
};

const sgn_op *sgn_op_at(int i) {
    return i >= 0 && i < (int)(sizeof table / sizeof *table) ? table[i] : NULL;
}
