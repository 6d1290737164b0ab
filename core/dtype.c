/* SPDX-License-Identifier: MIT */
#include "core/dtype.h"

#include <string.h>

static const struct { int64_t block; size_t bytes; const char *name; } types[] = {
#define X(name, numbers, bytes, text) { numbers, bytes, text },
    SGN_DTYPE_LIST(X)
#undef X
};

int64_t sgn_dtype_block(sgn_dtype t) { return types[t].block; }
size_t sgn_dtype_bytes(sgn_dtype t) { return types[t].bytes; }
const char *sgn_dtype_name(sgn_dtype t) { return types[t].name; }

bool sgn_dtype_parse(const char *name, sgn_dtype *out) {
    for (int i = 0; i < SGN_DTYPE_COUNT; i++)
        if (strcmp(name, types[i].name) == 0) {
            *out = (sgn_dtype)i;
            return true;
        }
    return false;
}

size_t sgn_stored_row_bytes(sgn_dtype t, int64_t cols) { return (size_t)(cols / types[t].block) * types[t].bytes; }

const void *sgn_stored_row(sgn_stored s, int64_t cols, int64_t row) {
    if (s.head) row = sgn_paired_row(row, s.head);
    return (const char *)s.data + (size_t)row * sgn_stored_row_bytes(s.dtype, cols);
}

int64_t sgn_paired_row(int64_t row, int64_t head) {
    const int64_t at = row % head, half = head / 2;
    return row - at + 2 * (at % half) + at / half;
}

static uint32_t bits_of(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}
static float float_of(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* u >> n, to the nearest, ties to the even one. */
static uint32_t shift_to_even(uint32_t u, uint32_t n) {
    return (u + (1u << (n - 1)) - 1 + (u >> n & 1)) >> n;
}

/* half: 1 sign, 5 exponent (bias 15), 10 fraction; exponent 0 counts in steps of 2^-24. */
float sgn_f16_to_f32(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff;
    if (exponent == 0) return float_of(sign | bits_of((float)fraction * 0x1p-24f));
    if (exponent == 31) return float_of(sign | 0x7f800000 | fraction << 13);
    return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t sgn_f32_to_f16(float f) {
    const uint32_t u = bits_of(f), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
    uint32_t h;
    if (a > 0x7f800000) {                           /* not a number: what fits of its payload */
        h = 0x7c00 | (a >> 13 & 0x3ff);
        if (h == 0x7c00) h |= 0x200;
    } else if (a >= 0x47800000) {                   /* 2^16 and more */
        h = 0x7c00;
    } else if (a >= 0x38800000) {                   /* normal halves; a carry ends at infinity */
        h = shift_to_even(a - (112u << 23), 13);
    } else if (a >= 0x33000000) {                   /* 2^-25 and more: fraction in steps of 2^-24 */
        h = shift_to_even((a & 0x7fffff) | 0x800000, 126 - (a >> 23));
    } else {
        h = 0;
    }
    return (uint16_t)(sign | h);
}

float sgn_bf16_to_f32(uint16_t h) { return float_of((uint32_t)h << 16); }

uint16_t sgn_f32_to_bf16(float f) {
    const uint32_t u = bits_of(f);
    if ((u & 0x7fffffff) <= 0x7f800000) return (uint16_t)shift_to_even(u, 16);
    return (uint16_t)(u >> 16 | (u >> 16 & 0x7f ? 0 : 0x40));
}
