/* NEON (AArch64). SPDX-License-Identifier: MIT */
#include "core/kernels/kernels.h"

#if defined(__aarch64__) && !defined(SGN_DOUBLE)
#include <arm_neon.h>
#include <math.h>
#include <string.h>
#include "core/kernels/codes.h"

#define WIDTH 4
#define ROWS_TYPES
#include "core/kernels/kernels_rows.inc"
static inline vreal v_splat(float x) { return (vreal)vdupq_n_f32(x); }
static inline vreal v_fma(vreal a, vreal b, vreal c) {
    return (vreal)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
static inline vreal v_sqrt(vreal x) { return (vreal)vsqrtq_f32((float32x4_t)x); }
static inline uint64_t v_signs(vreal x) {
    static const uint32_t weight[4] = { 1, 2, 4, 8 };
    return vaddvq_u32(vandq_u32(vcgezq_f32((float32x4_t)x), vld1q_u32(weight)));
}
static inline vreal v_from_f16(const void *p) {
    return (vreal)vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}
static inline void v_to_f16(void *p, vreal x) { vst1_u8(p, vreinterpret_u8_f16(vcvt_f16_f32((float32x4_t)x))); }
#define ROWS_KERNELS
#include "core/kernels/kernels_rows.inc"

static inline void transpose(vreal r[WIDTH]) {
    const float32x4x2_t a = vtrnq_f32((float32x4_t)r[0], (float32x4_t)r[1]);
    const float32x4x2_t b = vtrnq_f32((float32x4_t)r[2], (float32x4_t)r[3]);
    r[0] = (vreal)vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    r[1] = (vreal)vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    r[2] = (vreal)vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    r[3] = (vreal)vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}
#include "core/kernels/kernels_kept.inc"
#include "core/kernels/kernels_lookup.inc"

#define BYTES 16
typedef vint gsum;
typedef uint8_t bytes_16 __attribute__((vector_size(BYTES)));
static inline gsum g_step(gsum s, bytes_16 u, bytes_16 x) {
    const int8x16_t a = vreinterpretq_s8_u8((uint8x16_t)u), b = vreinterpretq_s8_u8((uint8x16_t)x);
    const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
    return (gsum)vaddq_s32((int32x4_t)s, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
}
static inline vint g_widen(gsum s) { return s; }
static inline int32_t g_total(vint v) { return vaddvq_s32((int32x4_t)v); }
static inline float v_total(vreal v) { return vaddvq_f32((float32x4_t)v); }
static inline vreal g_pick(const float *s, int64_t n, vint at) {
    vreal v;
    for (int i = 0; i < WIDTH; i++) v[i] = s[at[i] < n ? at[i] : 0];
    return v;
}
#include "core/kernels/kernels_gemv.inc"

static inline gbytes b_lanes(const void *p, const void *q) {
    (void)q;
    return (gbytes)vld1q_u8(p);
}
static inline gbytes b_look(gbytes table, gbytes at) {
    return (gbytes)vqtbl1q_u8((uint8x16_t)table, vandq_u8((uint8x16_t)at, vdupq_n_u8(0x8F)));
}
static inline gbytes b_mean(gbytes a, gbytes b) { return (gbytes)vrhaddq_u8((uint8x16_t)a, (uint8x16_t)b); }
static inline gbytes b_zip(gbytes a, gbytes b, bool high) {
    return (gbytes)(high ? vzip2q_u8((uint8x16_t)a, (uint8x16_t)b) : vzip1q_u8((uint8x16_t)a, (uint8x16_t)b));
}
static inline gbytes b_join(gbytes a, gbytes b, bool high) {
    return (gbytes)(high ? vzip2q_u64((uint64x2_t)a, (uint64x2_t)b) : vzip1q_u64((uint64x2_t)a, (uint64x2_t)b));
}
#include "core/kernels/kernels_coded.inc"

const sgn_kernels sgn_kernels_neon = { .name = "neon", ROW_KERNELS, BINARY_KERNELS, .kept_gemm = kept_gemm, .gemv_rows = { 2, 8 }, GEMV_KERNELS, CODED_KERNELS };
#endif
