/* lowered_planes.h - matrices that a file has as blocks of signs or of ternary digits, as planes that run fast.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_LOWERED_PLANES_H
#define SGN_MODEL_LOWERED_PLANES_H

#include "model/lowered_model.h"

/* Dense layers in Q1_0 become SIGN and a SCALE of rows where each row has one scale, else GROUP_SIGN; those in TQ1_0 and TQ2_0
 * become TERNARY and a SCALE of rows, or stay where a row has several. The numbers are the same. lm owns the planes, 1 bit of each
 * weight and plane; the file's blocks are not read again. */
sgn_status sgn_lowered_model_unblock(sgn_lowered_model *lm, sgn_error *err);

#endif
