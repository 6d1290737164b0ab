/* d is kept as a half; bits, digits and integers come from x and the d before that.
 *     Q8_0   d = max |x| / 127, q = round(x / d), halves away from zero
 *     Q1_0   d = mean |x|, bit = x >= 0
 *     TQ2_0  d = max |x|, digit = round(x / d) + 1
 *     TQ1_0  the same; five digits are one number q < 243 of base 3, its byte ceil(256 q / 243)
 * Means are taken in double, so that 128 equal |x| have themselves as mean.
 *
 * SPDX-License-Identifier: MIT */
#include "core/quantize.h"

#include <math.h>
#include <string.h>

static void put_half(uint8_t *to, float d) {
    const uint16_t h = sgn_f32_to_f16(d);
    memcpy(to, &h, sizeof h);
}

static float largest(const float *x, int64_t n) {
    float most = 0;
    for (int64_t j = 0; j < n; j++) most = fmaxf(most, fabsf(x[j]));
    return most;
}

static float mean_size(const float *x, int64_t n) {
    double sum = 0;
    for (int64_t j = 0; j < n; j++) sum += fabs((double)x[j]);
    return (float)(sum / (double)n);
}

static int digit(float x, float inverse) { return (int)lroundf(x * inverse) + 1; }

/* --- one block --------------------------------------------------------------------------------------- */

static void to_f32(const float *x, uint8_t *b) { memcpy(b, x, sizeof *x); }
static void to_f16(const float *x, uint8_t *b) { put_half(b, *x); }
static void to_bf16(const float *x, uint8_t *b) {
    const uint16_t h = sgn_f32_to_bf16(*x);
    memcpy(b, &h, sizeof h);
}

static void to_q8_0(const float *x, uint8_t *b) {
    const float d = largest(x, 32) / 127, inverse = d > 0 ? 1 / d : 0;
    put_half(b, d);
    for (int j = 0; j < 32; j++) b[2 + j] = (uint8_t)(int8_t)lroundf(x[j] * inverse);
}

static void to_q1_0(const float *x, uint8_t *b) {
    put_half(b, mean_size(x, 128));
    memset(b + 2, 0, 16);
    for (int j = 0; j < 128; j++) b[2 + j / 8] |= (uint8_t)((x[j] >= 0) << (j % 8));
}

static void to_tq2_0(const float *x, uint8_t *b) {
    const float d = largest(x, 256), inverse = d > 0 ? 1 / d : 0;
    memset(b, 0, 64);
    for (int j = 0; j < 256; j++) b[j / 128 * 32 + j % 32] |= (uint8_t)(digit(x[j], inverse) << (2 * (j / 32 % 4)));
    put_half(b + 64, d);
}

/* Byte m of `bytes` has digits n of x[m + n * bytes], as many as there are; the others of five are 0. */
static void put_trits(const float *x, float inverse, int bytes, int digits, uint8_t *b) {
    for (int m = 0; m < bytes; m++) {
        int q = 0;
        for (int n = 0; n < 5; n++) q = 3 * q + (n < digits ? digit(x[m + n * bytes], inverse) : 0);
        b[m] = (uint8_t)((256 * q + 242) / 243);
    }
}

static void to_tq1_0(const float *x, uint8_t *b) {
    const float d = largest(x, 256), inverse = d > 0 ? 1 / d : 0;
    put_trits(x, inverse, 32, 5, b);
    put_trits(x + 160, inverse, 16, 5, b + 32);
    put_trits(x + 240, inverse, 4, 4, b + 48);
    put_half(b + 52, d);
}

/* --- rows ----------------------------------------------------------------------------------------------- */

static void (*const to_block[SGN_DTYPE_COUNT])(const float *x, uint8_t *b) = {
    [SGN_DTYPE_F32] = to_f32, [SGN_DTYPE_F16] = to_f16, [SGN_DTYPE_BF16] = to_bf16, [SGN_DTYPE_Q8_0] = to_q8_0,
    [SGN_DTYPE_Q1_0] = to_q1_0, [SGN_DTYPE_TQ1_0] = to_tq1_0, [SGN_DTYPE_TQ2_0] = to_tq2_0 };

bool sgn_quantize_knows(sgn_dtype t) { return to_block[t]; }

void sgn_quantize(sgn_dtype t, const float *x, int64_t n, void *out) {
    const int64_t block = sgn_dtype_block(t);
    uint8_t *b = out;
    for (int64_t j = 0; j < n; j += block, b += sgn_dtype_bytes(t)) to_block[t](x + j, b);
}

/* Below the smallest normal half d loses more of itself, which matters where nothing else is larger. */
static bool half_holds(float d, float most) {
    return fabs((double)sgn_f16_to_f32(sgn_f32_to_f16(d)) - (double)d) <= 0x1p-11 * (double)most;
}

static bool block_holds(sgn_dtype t, const float *x, int64_t n, float most) {
    const float d = largest(x, n);
    if (t == SGN_DTYPE_F16) return d < 65520;
    if (t == SGN_DTYPE_BF16) return isfinite(sgn_bf16_to_f32(sgn_f32_to_bf16(d)));
    if (t == SGN_DTYPE_Q8_0) return d / 127 < 65520;
    for (int64_t j = 0; j < n; j++)
        if (fabsf(x[j]) != d && (t == SGN_DTYPE_Q1_0 || x[j] != 0)) return false;
    return half_holds(d, most);
}

bool sgn_quantize_holds(sgn_dtype t, const float *x, int64_t n, float most) {
    const int64_t block = sgn_dtype_block(t);
    for (int64_t j = 0; j < n; j++)
        if (!isfinite(x[j])) return false;
    for (int64_t j = 0; t != SGN_DTYPE_F32 && j < n; j += block)
        if (!block_holds(t, x + j, block, most)) return false;
    return true;
}
