/* SPDX-License-Identifier: MIT */
#include "tests/op_cases/op_cases.h"

#include <stdlib.h>
#include "core/rng.h"

#define SGN_OP(name) extern const op_case_list op_cases_##name;
#include "core/ops.def"
#undef SGN_OP

static const op_case_list *const lists[] = {
#define SGN_OP(name) &op_cases_##name,
#include "core/ops.def"
#undef SGN_OP
};

const op_case_list *op_case_list_at(int i) {
    return i >= 0 && i < (int)(sizeof lists / sizeof *lists) ? lists[i] : NULL;
}

enum { SLOTS = 4 };
static struct { void *at; size_t bytes; } slots[SLOTS];

static void *room(int slot, size_t bytes) {
    if (slots[slot].bytes < bytes) {
        void *grown = realloc(slots[slot].at, bytes);
        if (!grown) abort();
        slots[slot].at = grown;
        slots[slot].bytes = bytes;
    }
    return slots[slot].at;
}

const int32_t *case_ids(int slot, int64_t count, int64_t limit, int64_t left_out) {
    int32_t *id = room(slot, (size_t)count * sizeof *id);
    for (int64_t i = 0; i < count; i++) {
        const uint64_t bits = sgn_rng_bits(11, (uint64_t)slot, (uint64_t)i);
        id[i] = left_out && i % left_out == left_out - 1 ? -1 : (int32_t)(bits % (uint64_t)limit);
    }
    return id;
}

const sgn_real *case_reals(int slot, int64_t count, double (*value)(int64_t i, const op_case *c), const op_case *c) {
    sgn_real *x = room(slot, (size_t)count * sizeof *x);
    for (int64_t i = 0; i < count; i++) x[i] = (sgn_real)value(i, c);
    return x;
}

double case_normal(int64_t i, const op_case *c) {
    (void)c;
    return sgn_rng_normal(12, 0, (uint64_t)i);
}
