/* packed_arrays.h - what a packed directory has in place of a weight, as reals again; docs/formats/packed.md.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_PACKED_ARRAYS_H
#define SGN_MODEL_PACKED_ARRAYS_H

#include "core/params.h"
#include "model/array_set.h"

/* Into p, of which NAME.sign, NAME.plus and NAME.minus, NAME.codes or NAME.q8_0 stands in for NAME.weight, or a plane of bits for NAME itself;
 * *found: there is one. */
sgn_status sgn_packed_read_signs(const sgn_array_set *set, const sgn_param *p, bool *found, sgn_error *err);
sgn_status sgn_packed_read_codes(const sgn_array_set *set, const sgn_param *p, bool *found, sgn_error *err);
sgn_status sgn_packed_read_blocks(const sgn_array_set *set, const sgn_param *p, bool *found, sgn_error *err);
/* Into latents p and their zones, from NAME.zones, with the scales (rows, scales) that the layer has. */
sgn_status sgn_packed_read_zones(const sgn_array_set *set, const sgn_param *p, const sgn_tensor *scale, const sgn_tensor *zone, sgn_error *err);
/* The array, "NAME.sign" and the like, that a packed directory has in place of p; NULL: none. */
const sgn_array *sgn_packed_in_place(const sgn_array_set *set, const sgn_param *p);

#endif
