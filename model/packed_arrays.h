/* packed_arrays.h - what a packed directory has in place of a weight, as reals again; docs/formats/packed.md.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_PACKED_ARRAYS_H
#define SGN_MODEL_PACKED_ARRAYS_H

#include "core/params.h"
#include "model/array_set.h"

/* Into p, of which NAME.sign, NAME.codes or NAME.q8_0 stands in for NAME.weight; *found: there is one. */
sgn_status sgn_packed_read_signs(const sgn_array_set *set, const sgn_param *p, bool *found, sgn_error *err);
sgn_status sgn_packed_read_codes(const sgn_array_set *set, const sgn_param *p, bool *found, sgn_error *err);
sgn_status sgn_packed_read_blocks(const sgn_array_set *set, const sgn_param *p, bool *found, sgn_error *err);

#endif
