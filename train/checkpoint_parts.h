/* checkpoint_parts.h - what the files of checkpoint.h share: the state as groups of named arrays.
 *
 * Group 0 is "weights", group 1 + s the optimizer's state s ("adam_m", "adam_v"). An array is
 * GROUP/PARAMETER, or GROUP/PARAMETER@ROW for a piece that starts at ROW of one too large for a shard.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TRAIN_CHECKPOINT_PARTS_H
#define SGN_TRAIN_CHECKPOINT_PARTS_H

#include "train/checkpoint.h"

enum { SGN_CHECKPOINT_VERSION = 1, SGN_STATE_GROUPS = 1 + SGN_MAX_STATES };

/* NULL past the last group; o may be NULL: weights only. */
const char *sgn_state_group(const sgn_optimizer *o, int group);
/* The numbers of parameter i in a group. */
float      *sgn_state_at(const sgn_transformer *m, const sgn_optimizer *o, int group, int i);
/* shard-0000.h5 ... into an existing directory. from: NULL, or where the weights come from. */
sgn_status  sgn_state_write(const char *directory, const sgn_position *at, const sgn_transformer *m,
                            const sgn_optimizer *o, const sgn_weight_source *from, sgn_error *err);

#endif
