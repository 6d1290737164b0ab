/* ops_table.h - every op there is, for loops over all of them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_OPS_TABLE_H
#define SGN_CORE_OPS_TABLE_H

#include "core/op.h"

const sgn_op *sgn_op_at(int i);        /* NULL past the end */

#endif
