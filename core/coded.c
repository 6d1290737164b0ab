/* SPDX-License-Identifier: MIT */
#include "core/coded.h"

#include <string.h>
#include "core/kernels/codes.h"

enum { WORD = 64, PAIRS = 28, RESERVED = 4 * PAIRS };

int sgn_coded_bits(sgn_code code) {
    static const int bits[SGN_CODES] = { [SGN_CODE_1_4] = 3, [SGN_CODE_1_8] = 4, [SGN_CODE_1_16] = 5, [SGN_CODE_2_8] = 7 };
    return bits[code];
}

int64_t sgn_coded_groups(sgn_code code, int64_t cols) {
    const int of = sgn_code_get(code)->of;
    return (cols + of - 1) / of;
}

int64_t sgn_coded_stride(sgn_code code, int64_t cols) { return (sgn_coded_groups(code, cols) * sgn_coded_bits(code) + 7) / 8; }

/* --- one group ------------------------------------------------------------------------------------------ */

static uint32_t encode_pair(uint64_t sign, uint64_t mask) {
    const int a = mask ? __builtin_ctzll(mask) : 0;
    const uint64_t rest = mask & (mask - 1);
    const int b = rest ? __builtin_ctzll(rest) : a + 1;
    const uint32_t positive = rest ? (uint32_t)(sign >> b & 1) : 1;
    return (uint32_t)(4 * (b * (b - 1) / 2 + a)) | positive << 1 | (uint32_t)(sign >> a & 1);
}

/* Of the kept: positions in the low 16 bits, those of +1 in the high 16. */
static inline uint32_t decode(sgn_code code, uint32_t v) {
    if (code != SGN_CODE_2_8) {
        const int at = sgn_coded_bits(code) - 1;
        const uint32_t kept = (uint32_t)1 << (v & ((1u << at) - 1));
        return kept | (v >> at & 1 ? kept << 16 : 0);
    }
    static const uint8_t first[PAIRS] = { 0, 0, 1, 0, 1, 2, 0, 1, 2, 3, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 6 };
    static const uint8_t second[PAIRS] = { 1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7 };
    const uint32_t p = v / 4 < PAIRS ? v / 4 : 0, a = (uint32_t)1 << first[p], b = (uint32_t)1 << second[p];
    return a | b | (v & 1 ? a << 16 : 0) | (v & 2 ? b << 16 : 0);
}

/* --- rows ---------------------------------------------------------------------------------------------- */

/* `bits` bits from bit `at`; nothing from `end` on is read. */
static inline uint32_t bits_at(const uint8_t *byte, const uint8_t *end, int64_t at, int bits) {
    const uint8_t *p = byte + at / 8;
    uint32_t v = p[0];
    if (at % 8 + bits > 8 && p + 1 < end) v |= (uint32_t)p[1] << 8;
    return v >> at % 8 & ((1u << bits) - 1);
}

void sgn_coded_pack(sgn_code code, const sgn_plane *sign, const sgn_plane *mask, int64_t begin, int64_t end, uint8_t *to) {
    const int bits = sgn_coded_bits(code), of = sgn_code_get(code)->of;
    const int64_t stride = sgn_coded_stride(code, sign->cols), groups = sgn_coded_groups(code, sign->cols);
    memset(to + begin * stride, 0, (size_t)((end - begin) * stride));
    for (int64_t i = begin; i < end; i++)
        for (int64_t g = 0; g < groups; g++) {
            const int64_t left = sign->cols - g * of, at = g * bits;
            const uint64_t there = ((uint64_t)1 << (left < of ? left : of)) - 1;
            const uint64_t s = row_bits(sign->word + i * sign->stride, sign->stride, g * of, of);
            const uint64_t m = row_bits(mask->word + i * mask->stride, mask->stride, g * of, of) & there;
            const uint32_t v = (code == SGN_CODE_2_8 ? encode_pair(s, m) : (uint32_t)kept_code(s, m, of) ^ (uint32_t)of) << at % 8;
            uint8_t *p = to + i * stride + at / 8;
            p[0] |= (uint8_t)v;
            if (v >> 8) p[1] |= (uint8_t)(v >> 8);
        }
}

static inline __attribute__((always_inline))
void unpack_row(sgn_code code, const uint8_t *byte, int64_t cols, uint64_t *sign, uint64_t *mask) {
    const int bits = sgn_coded_bits(code), of = code == SGN_CODE_1_4 ? 4 : code == SGN_CODE_1_16 ? 16 : 8;
    const uint8_t *end = byte + sgn_coded_stride(code, cols);
    const int64_t groups = sgn_coded_groups(code, cols);
    for (int64_t w = 0, g = 0; w < sgn_plane_stride(cols); w++) {
        uint64_t s = 0, m = 0;
        for (int k = 0; k < WORD / of && g < groups; k++, g++) {
            const uint32_t v = decode(code, bits_at(byte, end, g * bits, bits));
            m |= (uint64_t)(v & 0xFFFF) << k * of;
            s |= (uint64_t)(v >> 16) << k * of;
        }
        const int64_t left = cols - w * WORD;
        const uint64_t there = left < WORD ? ((uint64_t)1 << left) - 1 : ~(uint64_t)0;
        sign[w] = s & there;
        mask[w] = m & there;
    }
}

void sgn_coded_unpack(const sgn_coded *c, int64_t begin, int64_t end, const sgn_plane *sign, const sgn_plane *mask) {
    const int64_t stride = sgn_coded_stride(c->code, c->cols);
    for (int64_t i = begin; i < end; i++) {
        uint64_t *s = sign->word + i * sign->stride, *m = mask->word + i * mask->stride;
        switch (c->code) {
#define CASE(code) case code: unpack_row(code, c->byte + i * stride, c->cols, s, m); break;
        CASE(SGN_CODE_1_4) CASE(SGN_CODE_1_8) CASE(SGN_CODE_1_16) CASE(SGN_CODE_2_8)
#undef CASE
        default: break;
        }
    }
}

static bool is_written(sgn_code code, uint32_t v, int64_t left) {
    const int of = sgn_code_get(code)->of;
    if (code == SGN_CODE_2_8 && v >= RESERVED) return false;
    if (code == SGN_CODE_2_8 && left == 1) return v == 2 || v == 3;                        /* positions 0 and 1, the second + */
    return left >= of || (decode(code, v) & 0xFFFF) >> left == 0;
}

int64_t sgn_coded_check(const sgn_coded *c) {
    const int bits = sgn_coded_bits(c->code), of = sgn_code_get(c->code)->of;
    const int64_t stride = sgn_coded_stride(c->code, c->cols), groups = sgn_coded_groups(c->code, c->cols), used = groups * bits;
    for (int64_t i = 0; i < c->rows; i++) {
        const uint8_t *row = c->byte + i * stride;
        if (used % 8 && row[stride - 1] >> used % 8) return i;
        for (int64_t g = c->code == SGN_CODE_2_8 ? 0 : groups - 1; g < groups; g++)
            if (!is_written(c->code, bits_at(row, row + stride, g * bits, bits), c->cols - g * of)) return i;
    }
    return -1;
}

uint32_t sgn_coded_at(const sgn_coded *c, int64_t i, int64_t g) {
    const int bits = sgn_coded_bits(c->code);
    const int64_t stride = sgn_coded_stride(c->code, c->cols);
    const uint8_t *row = c->byte + i * stride;
    return decode(c->code, bits_at(row, row + stride, g * bits, bits));
}
