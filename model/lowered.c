/* SPDX-License-Identifier: MIT */
#include "model/lowered.h"

#include <stddef.h>

const char *sgn_stage_word(sgn_stage_kind k) {
    static const char *const word[] = {
#define X(name, text) text,
        SGN_STAGE_LIST(X)
#undef X
    };
    return k >= 0 && k < SGN_STAGE_COUNT ? word[k] : NULL;
}
