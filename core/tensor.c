/* SPDX-License-Identifier: MIT */
#include "core/tensor.h"

#include <stdio.h>

const char *sgn_shape_print(sgn_shape s, sgn_shape_text *buf) {
    int n = snprintf(buf->s, sizeof buf->s, "(");
    for (int i = 0; i < s.rank; i++)
        n += snprintf(buf->s + n, sizeof buf->s - (size_t)n, i ? ", %lld" : "%lld", (long long)s.dim[i]);
    snprintf(buf->s + n, sizeof buf->s - (size_t)n, ")");
    return buf->s;
}
