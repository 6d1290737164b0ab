/* none: the next token alone is the target. SPDX-License-Identifier: MIT */
#include "distill/teacher.h"

static sgn_status open_none(sgn_teacher *t, const char *where, const sgn_teacher_need *need, sgn_error *err) {
    (void)t; (void)where; (void)need; (void)err;
    return SGN_OK;
}
static sgn_status soft(sgn_teacher *t, const sgn_batch *b, sgn_soft *out, sgn_error *err) {
    (void)t; (void)b; (void)err;
    *out = (sgn_soft){ .kind = SGN_SOFT_NONE };
    return SGN_OK;
}
static size_t bytes(const sgn_teacher *t) {
    (void)t;
    return 0;
}
static void close_none(sgn_teacher *t) {
    (void)t;
}

const sgn_teacher_kind sgn_teacher_none = {
    .name = "none", .summary = "no teacher: next-token cross-entropy",
    .open = open_none, .soft = soft, .bytes = bytes, .mapped = bytes, .close = close_none,
};
