/* packed.h - what writing and reading of packed directories share; docs/formats/packed.md has them byte by byte.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_PACKED_H
#define SGN_EXPORT_PACKED_H

#include <stdio.h>
#include <string.h>
#include "core/ops.h"
#include "export/parts.h"

enum { SGN_PACKED_VERSION = 2 };

/* What the stages of each kind refer to. */
typedef struct { int planes; bool codes, zones, w, v, u; } sgn_packed_shape;
sgn_packed_shape sgn_packed_shape_of(sgn_stage_kind kind);
const char      *sgn_packed_plane_key(int plane);              /* "plane", "plane2" */

static inline int64_t sgn_packed_groups(const sgn_lowered_stage *s) { return (s->cols + s->group - 1) / s->group; }

/* Numbers of v beside its rows; 0: a vector. */
static inline int64_t sgn_packed_v_cols(const sgn_lowered_stage *s) {
    return s->kind == SGN_STAGE_GROUP_SIGN ? sgn_packed_groups(s) : s->kind == SGN_STAGE_ZONES ? sgn_zoned_scales(s->cols) : 0;
}

/* "lm_head" of "lm_head.weight": blocks of it are "lm_head.q8_0". */
static inline sgn_linear_name sgn_packed_stem(const char *weight) {
    sgn_linear_name stem;
    snprintf(stem.s, sizeof stem.s, "%.*s", (int)(strlen(weight) - strlen(".weight")), weight);
    return stem;
}

bool       sgn_packed_recognise(const sgn_json *config);
sgn_status sgn_packed_open(const char *directory, const sgn_json *config, sgn_lowered_model *lm, void **state, sgn_error *err);
void       sgn_packed_close(sgn_lowered_model *lm, void *state);

#endif
