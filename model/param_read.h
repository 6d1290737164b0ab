/* param_read.h - one parameter from the archives of a model's directory, whatever it is called and however it lies there.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_PARAM_READ_H
#define SGN_MODEL_PARAM_READ_H

#include "model/array_set.h"
#include "model/transformer.h"

/* p, of m or a copy of such with other memory. *found false: no array of its name; nothing was read. */
sgn_status sgn_param_read(const sgn_transformer *m, const sgn_array_set *set, const sgn_param *p, bool *found, sgn_error *err);
/* SGN_NUMERIC where a number is not finite; a warning where a latent is all 0. */
sgn_status sgn_param_check(const sgn_array_set *set, const sgn_param *p, sgn_error *err);
/* SGN_FORMAT: that it is not there, and what to do. */
sgn_status sgn_param_missing(const sgn_array_set *set, const sgn_model_config *c, const sgn_param *p, sgn_error *err);

#endif
