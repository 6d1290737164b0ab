/* AVX2 and FMA. SPDX-License-Identifier: MIT */
#include "core/kernels/kernels.h"

#if defined(__x86_64__) && !defined(SGN_DOUBLE)
#include <immintrin.h>
#include <math.h>
#include <string.h>
#include "core/kernels/codes.h"

#define WIDTH 8
#define ROWS_TYPES
#include "core/kernels/kernels_rows.inc"
static inline vreal v_splat(float x) { return (vreal)_mm256_set1_ps(x); }
static inline vreal v_fma(vreal a, vreal b, vreal c) { return (vreal)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
static inline vreal v_sqrt(vreal x) { return (vreal)_mm256_sqrt_ps((__m256)x); }
static inline uint64_t v_signs(vreal x) {
    return (uint64_t)_mm256_movemask_ps(_mm256_cmp_ps((__m256)x, _mm256_setzero_ps(), _CMP_GE_OQ));
}
static inline vreal v_from_f16(const void *p) { return (vreal)_mm256_cvtph_ps(_mm_loadu_si128(p)); }
static inline void v_to_f16(void *p, vreal x) { _mm_storeu_si128(p, _mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT)); }
#define ROWS_KERNELS
#include "core/kernels/kernels_rows.inc"

static inline void transpose(vreal r[WIDTH]) {
    __m256 a[8], b[8];
    for (int i = 0; i < 8; i++) a[i] = (__m256)r[i];
    for (int i = 0; i < 4; i++) {
        b[2 * i] = _mm256_unpacklo_ps(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm256_unpackhi_ps(a[2 * i], a[2 * i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xEE);
        a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xEE);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = (vreal)_mm256_permute2f128_ps(a[i], a[i + 4], 0x20);
        r[i + 4] = (vreal)_mm256_permute2f128_ps(a[i], a[i + 4], 0x31);
    }
}
#include "core/kernels/kernels_kept.inc"
#include "core/kernels/kernels_lookup.inc"

/* Sums of a block stay in 16 bits: 16 columns times 2 times 128, and as much at the start. */
#define BYTES 32
typedef int16_t gsum __attribute__((vector_size(BYTES)));
typedef uint8_t bytes_32 __attribute__((vector_size(BYTES)));
static inline gsum g_step(gsum s, bytes_32 u, bytes_32 x) { return s + (gsum)_mm256_maddubs_epi16((__m256i)u, (__m256i)x); }
static inline vint g_widen(gsum s) { return (vint)_mm256_madd_epi16((__m256i)s, _mm256_set1_epi16(1)); }
static inline int32_t g_total(vint v) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}
static inline float v_total(vreal v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline vreal g_pick(const float *s, int64_t n, vint at) {
    const __m256i in = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    return (vreal)_mm256_permutevar8x32_ps(_mm256_maskload_ps(s, in), (__m256i)at);
}
#include "core/kernels/kernels_gemv.inc"

static inline gbytes b_lanes(const void *p, const void *q) {
    return (gbytes)_mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(p)), _mm_loadu_si128(q), 1);
}
static inline gbytes b_look(gbytes table, gbytes at) { return (gbytes)_mm256_shuffle_epi8((__m256i)table, (__m256i)at); }
static inline gbytes b_mean(gbytes a, gbytes b) { return (gbytes)_mm256_avg_epu8((__m256i)a, (__m256i)b); }
static inline gbytes b_zip(gbytes a, gbytes b, bool high) {
    return (gbytes)(high ? _mm256_unpackhi_epi8((__m256i)a, (__m256i)b) : _mm256_unpacklo_epi8((__m256i)a, (__m256i)b));
}
static inline gbytes b_join(gbytes a, gbytes b, bool high) {
    return (gbytes)(high ? _mm256_unpackhi_epi64((__m256i)a, (__m256i)b) : _mm256_unpacklo_epi64((__m256i)a, (__m256i)b));
}
#include "core/kernels/kernels_coded.inc"

#include "core/kernels/kernels_zoned.inc"

const sgn_kernels sgn_kernels_avx2 = { .name = "avx2", ROW_KERNELS, BINARY_KERNELS, .kept_gemm = kept_gemm, .gemv_rows = { 2, 8 }, GEMV_KERNELS, CODED_KERNELS, .zoned_row = zoned_row, .zoned_dot = zoned_dot };
#endif
