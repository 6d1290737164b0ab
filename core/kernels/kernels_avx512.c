/* AVX-512: the binary product with its tables in registers (docs/binary-gemm.md).
 *
 * x is rounded to 32-bit integers, scaled per token by a power of two so that no sum
 * can overflow; sums of integers are exact in any order. A group of 5 columns has 32
 * sums of subsets, two registers; vpermi2d looks up 16 rows of S at once:
 *     y_j = 2^(1-e) (sum_g table_g[bits of row j in group g] - sum_l x_l / 2)
 * The last term is added to the entries of the first table. Masked signs have tables of
 * other sums in the same place, y_j = 2^-e sum_g table_g[...]; only index and build know.
 *
 * SPDX-License-Identifier: MIT */
#include "core/kernels/kernels.h"

#if defined(__x86_64__) && !defined(SGN_DOUBLE)
#include <immintrin.h>
#include <math.h>
#include <string.h>
#include "core/checked.h"
#include "core/kernels/codes.h"

#define WIDTH 16
#define ROWS_TYPES
#include "core/kernels/kernels_rows.inc"
static inline vreal v_splat(float x) { return (vreal)_mm512_set1_ps(x); }
static inline vreal v_fma(vreal a, vreal b, vreal c) { return (vreal)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
static inline vreal v_sqrt(vreal x) { return (vreal)_mm512_sqrt_ps((__m512)x); }
static inline uint64_t v_signs(vreal x) { return _mm512_cmp_ps_mask((__m512)x, _mm512_setzero_ps(), _CMP_GE_OQ); }
static inline vreal v_from_f16(const void *p) { return (vreal)_mm512_cvtph_ps(_mm256_loadu_si256(p)); }
static inline void v_to_f16(void *p, vreal x) { _mm256_storeu_si256(p, _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT)); }
#define ROWS_KERNELS
#include "core/kernels/kernels_rows.inc"

enum {
    LANES = 16,                /* rows of S in a vector */
    GROUP = 5, FIELDS = 6,     /* bits of a table's index: columns of S; tables that one index word serves */
    PASS_WORDS = 7,            /* most index words of one pass: their tables stay in L1 */
    SCALE_COLS = 2100,         /* most columns with one scale: 2^-31 times that is what rounding costs */
    TOKENS = 6, VECTORS = 4    /* accumulators in registers: TOKENS x VECTORS */
};

/* --- cuts of the columns: words, passes, stretches of one scale ------------------- */
typedef struct { int64_t cols, words, passes, scales; } cuts;       /* cols: of an index word */

static const int64_t word_cols[SGN_CODES] = {
    [SGN_CODE_BINARY] = GROUP * FIELDS, [SGN_CODE_TERNARY] = 3 * FIELDS, [SGN_CODE_1_4] = 32,
    [SGN_CODE_1_8] = 8 * FIELDS, [SGN_CODE_1_16] = 16 * FIELDS, [SGN_CODE_2_8] = 4 * FIELDS,
};

static int64_t most_passes(int64_t cols) { return SCALE_COLS / (PASS_WORDS * cols); }     /* with one scale */

static cuts cut_columns(sgn_code code, int64_t k) {
    cuts c = { .cols = word_cols[code] };
    c.words = (k + c.cols - 1) / c.cols;
    c.passes = (c.words + PASS_WORDS - 1) / PASS_WORDS;
    c.scales = (c.passes + most_passes(c.cols) - 1) / most_passes(c.cols);
    return c;
}
static int64_t pass_word(const cuts *c, int64_t pass) { return pass * c->words / c->passes; }
static int64_t scale_pass(const cuts *c, int64_t s) { return s * c->passes / c->scales; }
static int64_t vectors(int64_t n) { return (n + LANES - 1) / LANES; }

/* index[pass][block of 4 vectors][word of the pass][vector][row in vector]: word_cols columns of a row each */
static size_t binary_index_bytes(sgn_code code, int64_t n, int64_t k) {
    return (size_t)(vectors(n) * cut_columns(code, k).words) * sizeof(__m512i);
}

/* 16 columns in three tables: a quad's kept column in the low bits of each. The fourth quad's goes where a table has
 * room, in the high bits: +-x of its column i in table i, where entry 8 adds it, 16 takes it away; the last in entry 24
 * of table 0, which adds it, or of table 1, which takes it away. */
static inline uint64_t quads_code(uint64_t sign, uint64_t mask) {
    const uint64_t last = kept_code(sign >> 12, mask >> 12, 4), at = last & 3, minus = last >> 2;
    uint64_t v = at < 3 ? (uint64_t)8 << minus << GROUP * at : (uint64_t)24 << GROUP * minus;
    for (int f = 0; f < 3; f++) v |= kept_code(sign >> 4 * f, mask >> 4 * f, 4) << GROUP * f;
    return v;
}

/* Parts of an index word: what at most 64 columns say. */
static inline int parts(sgn_code code) { return code == SGN_CODE_1_16 ? 2 : 1; }

static inline __attribute__((always_inline)) uint32_t part_code(sgn_code code, uint64_t s, uint64_t m) {
    uint64_t v = 0;
    switch (code) {
    case SGN_CODE_BINARY: return (uint32_t)s;
    case SGN_CODE_TERNARY:
        for (int f = 0; f < FIELDS; f++) v |= trits_code(s >> 3 * f, m >> 3 * f) << GROUP * f;
        break;
    case SGN_CODE_1_4: v = quads_code(s, m) | quads_code(s >> 16, m >> 16) << 3 * GROUP; break;
    case SGN_CODE_1_8:
        for (int f = 0; f < FIELDS; f++) v |= kept_code(s >> 8 * f, m >> 8 * f, 8) << GROUP * f;
        break;
    case SGN_CODE_1_16:
        for (int f = 0; f < FIELDS / 2; f++) v |= kept_code(s >> 16 * f, m >> 16 * f, 16) << GROUP * f;
        break;
    default:
        for (int f = 0; f < FIELDS; f += 2) {
            const uint64_t s8 = s >> 4 * f, m8 = m >> 4 * f & 0xFF;
            v |= kept_code(s8, m8, 8) << GROUP * f | kept_code(s8, without_first(m8), 8) << GROUP * (f + 1);
        }
    }
    return (uint32_t)v;
}

/* to[row] = index word `word` of the rows [i, i + LANES), zeros beyond the last */
static inline __attribute__((always_inline))
void index_vector(sgn_code code, const sgn_plane *s, const sgn_plane *mask, int64_t i, int64_t word, uint32_t *to) {
    const int count = (int)word_cols[code] / parts(code);
    uint64_t sign[LANES] = { 0 }, kept[LANES] = { 0 };
    for (int part = 0; part < parts(code); part++) {
        const int64_t at = word * word_cols[code] + part * count;
        for (int64_t r = 0; r < LANES && i + r < s->rows; r++) {
            sign[r] = row_bits(s->word + (i + r) * s->stride, s->stride, at, count);
            if (code != SGN_CODE_BINARY) kept[r] = row_bits(mask->word + (i + r) * s->stride, s->stride, at, count);
        }
        for (int r = 0; r < LANES; r++)
            to[r] = (part ? to[r] : 0) | part_code(code, sign[r], kept[r]) << part * GROUP * FIELDS / 2;
    }
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static inline __attribute__((always_inline))
void index_rows(sgn_code code, const sgn_plane *s, const sgn_plane *mask, int64_t begin, int64_t end, void *index) {
    const cuts c = cut_columns(code, s->cols);
    const int64_t all = vectors(s->rows);
    for (int64_t p = 0; p < c.passes; p++) {
        const int64_t first = pass_word(&c, p), words = pass_word(&c, p + 1) - first;
        uint32_t *pass = (uint32_t *)index + first * all * LANES;
        for (int64_t v = begin / LANES; v < vectors(end); v++) {
            const int64_t block = v / VECTORS * VECTORS, count = smaller(VECTORS, all - block);
            uint32_t *to = pass + (block * words + v - block) * LANES;
            for (int64_t w = 0; w < words; w++) index_vector(code, s, mask, v * LANES, first + w, to + w * count * LANES);
        }
    }
}

static void binary_index(sgn_code code, const sgn_plane *s, const sgn_plane *mask, int64_t begin, int64_t end, void *index) {
    switch (code) {
#define CASE(c) case c: index_rows(c, s, mask, begin, end, index); break;
    CASE(SGN_CODE_BINARY) CASE(SGN_CODE_TERNARY) CASE(SGN_CODE_1_4) CASE(SGN_CODE_1_8) CASE(SGN_CODE_1_16) CASE(SGN_CODE_2_8)
#undef CASE
    default: break;
    }
}

/* --- scratch ----------------------------------------------------------------------- */
typedef struct {
    __m512i *table;            /* (groups of a pass, tokens, 2): 32 sums of subsets */
    __m512i *acc;              /* (blocks of vectors, tokens, VECTORS) */
    int32_t *x;                /* (tokens, columns of a stretch) */
    int64_t  x_stride;
} workspace;

static size_t table_bytes(void) { return sizeof(__m512i) * PASS_WORDS * FIELDS * TOKENS * 2; }
static size_t acc_bytes(int64_t n) { return sizeof(__m512i) * (size_t)(vectors(n) + VECTORS) * TOKENS; }
static int64_t x_stride(sgn_code code, int64_t k) {
    const cuts c = cut_columns(code, k);
    return (int64_t)sgn_round_up((size_t)(smaller(c.words, most_passes(c.cols) * PASS_WORDS) * c.cols), LANES);
}

static size_t binary_scratch(int64_t n, int64_t k) {
    int64_t widest = 0;
    for (int code = 0; code < SGN_CODES; code++) {
        const int64_t x = x_stride((sgn_code)code, k);
        widest = x > widest ? x : widest;
    }
    return table_bytes() + acc_bytes(n) + sizeof(int32_t) * (size_t)widest * TOKENS;
}

static workspace place(void *scratch, sgn_code code, int64_t n, int64_t k) {
    char *at = scratch;
    workspace w;
    w.table = (__m512i *)(void *)at;
    w.acc = (__m512i *)(void *)(at + table_bytes());
    w.x = (int32_t *)(void *)(at + table_bytes() + acc_bytes(n));
    w.x_stride = x_stride(code, k);
    return w;
}

/* --- x to integers ------------------------------------------------------------------ */
static __mmask16 lanes_below(int64_t n) { return n >= LANES ? 0xFFFF : (__mmask16)((1u << n) - 1); }

/* x_l a_l for columns l .. l+15 of a row of k */
static inline __m512 scaled(const float *x, const float *a, int64_t l, int64_t k) {
    const __mmask16 in = lanes_below(k - l);
    const __m512 v = _mm512_maskz_loadu_ps(in, x + l);
    return a ? _mm512_mul_ps(v, _mm512_maskz_loadu_ps(in, a + l)) : v;
}

typedef struct { float unscale; int32_t constant; } quantised;     /* 2^(1-e), -sum_l x_l / 2; masked: 2^-e, 0 */

static float float_of(uint32_t bits) { return (union { uint32_t i; float f; }){ bits }.f; }
static float power_of_2(int e) { return float_of((uint32_t)(e + 127) << 23); }

/* The largest e with 2^e total + k/2 < 2^31, but no power of two that a float cannot hold. */
static int exponent(float total) {
    const uint32_t bits = (union { float f; uint32_t i; }){ total }.i;
    const int above = (int)(bits >> 23) - 126;              /* total < 2^above */
    const int e = 31 - above - ((bits & 0x7FFFFF) > 0x7FF000);
    return e > 126 ? 126 : e;
}

/* sum_l |x_l a_l| */
static float one_norm(const float *x, const float *a, int64_t k) {
    __m512 sum[4] = { _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps() };
    int64_t l = 0;
    for (; l + 4 * LANES <= k; l += 4 * LANES)
        for (int i = 0; i < 4; i++) {
            const __m512 v = _mm512_loadu_ps(x + l + i * LANES);
            sum[i] = _mm512_add_ps(sum[i], _mm512_abs_ps(a ? _mm512_mul_ps(v, _mm512_loadu_ps(a + l + i * LANES)) : v));
        }
    for (; l < k; l += LANES) sum[0] = _mm512_add_ps(sum[0], _mm512_abs_ps(scaled(x, a, l, k)));
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
}

/* out_l = round(2^e x_l a_l), zeros from k up to `padded`; all zeros and a NaN where the sum is not finite. */
static quantised quantise(int32_t *out, const float *x, const float *a, int64_t k, int64_t padded, bool masked) {
    const float total = one_norm(x, a, k);
    const bool finite = isfinite(total);
    const int e = finite ? exponent(total) : 0;
    const __m512 scale = _mm512_set1_ps(finite ? power_of_2(e) : 0);
    __m512i sum = _mm512_setzero_si512();
    int64_t l = 0;
    for (; l + LANES <= k; l += LANES) {
        const __m512 v = _mm512_loadu_ps(x + l);
        const __m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(a ? _mm512_mul_ps(v, _mm512_loadu_ps(a + l)) : v, scale));
        _mm512_storeu_si512(out + l, q);
        sum = _mm512_add_epi32(sum, q);
    }
    for (; l < padded; l += LANES) {
        const __m512i q = l < k ? _mm512_cvtps_epi32(_mm512_mul_ps(scaled(x, a, l, k), scale)) : _mm512_setzero_si512();
        _mm512_storeu_si512(out + l, q);
        sum = _mm512_add_epi32(sum, q);
    }
    if (masked) return (quantised){ finite ? power_of_2(-e) : NAN, 0 };
    /* Where the sum is odd, half a unit of 2^(1-e) is lost: as much as one x loses. */
    return (quantised){ finite ? power_of_2(1 - e) : NAN, -(_mm512_reduce_add_epi32(sum) >> 1) };
}

/* low, high: entry b = sum of v_l over the bits l of b. As masked broadcasts, which compilers undo. */
static inline void sums_of_subsets(__m512i *low, __m512i *high, const int32_t v[GROUP]) {
    __asm__("vpbroadcastd (%[v]), %[low]%{%[m0]%}%{z%}\n\t"
            "vpaddd 4(%[v])%{1to16%}, %[low], %[low]%{%[m1]%}\n\t"
            "vpaddd 8(%[v])%{1to16%}, %[low], %[low]%{%[m2]%}\n\t"
            "vpaddd 12(%[v])%{1to16%}, %[low], %[low]%{%[m3]%}\n\t"
            "vpaddd 16(%[v])%{1to16%}, %[low], %[high]"
            : [low] "=&v"(*low), [high] "=v"(*high)
            : [v] "r"(v), [m0] "Yk"((__mmask16)0xAAAA), [m1] "Yk"((__mmask16)0xCCCC), [m2] "Yk"((__mmask16)0xF0F0),
              [m3] "Yk"((__mmask16)0xFF00), "m"(*(const int32_t (*)[GROUP])v));
}

/* entry v = t0 v_0 + 3 t1 + 9 t2 ... see trits_code; the high half is minus the low one */
static inline void sums_of_trits(__m512i *low, __m512i *high, const int32_t v[3]) {
    const __m512i x0 = _mm512_set1_epi32(v[0]), x1 = _mm512_set1_epi32(v[1]), x2 = _mm512_set1_epi32(v[2]);
    __m512i sum = _mm512_maskz_mov_epi32(0x2492, x0);
    sum = _mm512_mask_sub_epi32(sum, 0x0924, sum, x0);
    sum = _mm512_mask_add_epi32(sum, 0x381C, sum, x1);
    sum = _mm512_mask_sub_epi32(sum, 0x00E0, sum, x1);
    *low = _mm512_mask_add_epi32(sum, 0x3FE0, sum, x2);
    *high = _mm512_sub_epi32(_mm512_setzero_si512(), *low);
}

static inline __m512i minus_where(__mmask16 where, __m512i v) {
    return _mm512_mask_sub_epi32(v, where, _mm512_setzero_si512(), v);
}

/* Tables of 16 columns of 1:4; see quads_code. */
static inline void quads(__m512i low[3], __m512i high[3], const int32_t v[16]) {
    for (int f = 0; f < 3; f++) {
        const __m512i kept = minus_where(0xF0F0, _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)(v + 4 * f))));
        const __m512i fourth = _mm512_set1_epi32(v[12 + f]), last = _mm512_set1_epi32(v[15]);
        low[f] = _mm512_mask_add_epi32(kept, 0xFF00, kept, fourth);
        high[f] = _mm512_mask_sub_epi32(kept, 0x00FF, kept, fourth);
        if (f == 0) high[f] = _mm512_mask_add_epi32(high[f], 0xFF00, high[f], last);
        if (f == 1) high[f] = _mm512_mask_sub_epi32(high[f], 0xFF00, high[f], last);
    }
}

/* `fields` tables from the next columns of one row of x, those of a field `step` apart */
static inline __attribute__((always_inline))
void build_unit(sgn_code code, __m512i *table, int64_t step, const int32_t *v) {
    __m512i low[3], high[3] = { _mm512_setzero_si512() };
    int fields = 1;
    if (code == SGN_CODE_BINARY) sums_of_subsets(low, high, v);
    else if (code == SGN_CODE_TERNARY) sums_of_trits(low, high, v);
    else if (code == SGN_CODE_1_4) quads(low, high, v), fields = 3;
    else if (code == SGN_CODE_1_16) low[0] = _mm512_loadu_si512(v), high[0] = minus_where(0xFFFF, low[0]);
    else {
        low[0] = minus_where(0xFF00, _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(const void *)v)));
        if (code == SGN_CODE_2_8) low[1] = low[0], high[1] = high[0], fields = 2;
    }
    for (int f = 0; f < fields; f++) {
        _mm512_store_si512(table + f * step, low[f]);
        _mm512_store_si512(table + f * step + 1, high[f]);
    }
}

static inline __attribute__((always_inline))
void build_words(sgn_code code, __m512i *table, const int32_t *x, int64_t stride, int64_t words, int tokens) {
    const int64_t fields = code == SGN_CODE_1_4 ? 3 : code == SGN_CODE_2_8 ? 2 : 1, step = 2 * tokens;
    const int64_t cols = word_cols[code] * fields / FIELDS;
    for (int64_t unit = 0; unit < words * FIELDS / fields; unit++, x += cols, table += fields * step)
        for (int t = 0; t < tokens; t++) build_unit(code, table + 2 * t, step, x + t * stride);
}

/* Tables of `words` index words for `tokens` rows of x: table[field][token][low, high] */
static inline __attribute__((always_inline))
void build(sgn_code code, __m512i *table, const int32_t *x, int64_t stride, int64_t words, int tokens) {
    switch (code) {
#define CASE(c) case c: build_words(c, table, x, stride, words, tokens); break;
    CASE(SGN_CODE_BINARY) CASE(SGN_CODE_TERNARY) CASE(SGN_CODE_1_4) CASE(SGN_CODE_1_8) CASE(SGN_CODE_1_16) CASE(SGN_CODE_2_8)
#undef CASE
    default: break;
    }
}

/* The term that belongs to no group: every row of S looks up the first table once. */
static void add_constant(__m512i *table, const quantised *q, int tokens) {
    for (int t = 0; t < tokens; t++)
        for (int half = 0; half < 2; half++)
            table[2 * t + half] = _mm512_add_epi32(table[2 * t + half], _mm512_set1_epi32(q[t].constant));
}

/* --- lookups: acc += table[index] over a pass ---------------------------------------- */
/* 6 tokens x 4 vectors. Compilers spill half of the 24 accumulators; this holds them:
 * zmm0-3 index words, zmm4 and zmm5 a table, zmm6-7 results. Zen 5 is bound by the
 * number of instructions here, so the last lookup of a token takes the table's register. */
#define LOOKUP(ix, tmp, sum)                                            \
    "vmovdqa64 %%zmm" #ix ", %%zmm" #tmp "\n\t"                         \
    "vpermi2d %%zmm5, %%zmm4, %%zmm" #tmp "\n\t"                        \
    "vpaddd %%zmm" #tmp ", %%zmm" #sum ", %%zmm" #sum "\n\t"
#define TOKEN(at, a, b, c, d)                                           \
    "vmovdqa64 " #at "(%[table]), %%zmm4\n\t"                           \
    "vmovdqa64 64+" #at "(%[table]), %%zmm5\n\t"                        \
    LOOKUP(0, 6, a) LOOKUP(1, 7, b) LOOKUP(2, 6, c)                     \
    "vpermt2d %%zmm5, %%zmm3, %%zmm4\n\t"                               \
    "vpaddd %%zmm4, %%zmm" #d ", %%zmm" #d "\n\t"
#define NEXT_FIELD(ix) "vpsrld $5, %%zmm" #ix ", %%zmm" #ix "\n\t"
#define ALL_SUMS(move)                                                  \
    ".irp r, 8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t" move "\n\t.endr\n"

static void lookup_6x4(__m512i *acc, const __m512i *table, const __m512i *index, int64_t words, bool first) {
    int64_t fields;
    __asm__ volatile(
        "test %[first], %[first]\n\t"
        "jnz 0f\n\t"
        ALL_SUMS("vmovdqa64 (\\r - 8) * 64(%[acc]), %%zmm\\r")
        "jmp 1f\n"
        "0:\n\t"
        ALL_SUMS("vpxord %%zmm\\r, %%zmm\\r, %%zmm\\r")
        "1:\n\t"
        "vmovdqa64 (%[index]), %%zmm0\n\t"
        "vmovdqa64 64(%[index]), %%zmm1\n\t"
        "vmovdqa64 128(%[index]), %%zmm2\n\t"
        "vmovdqa64 192(%[index]), %%zmm3\n\t"
        "add $256, %[index]\n\t"
        "mov $6, %[fields]\n\t"
        ".p2align 5\n"
        "2:\n\t"
        TOKEN(0, 8, 9, 10, 11) TOKEN(128, 12, 13, 14, 15) TOKEN(256, 16, 17, 18, 19)
        TOKEN(384, 20, 21, 22, 23) TOKEN(512, 24, 25, 26, 27) TOKEN(640, 28, 29, 30, 31)
        NEXT_FIELD(0) NEXT_FIELD(1) NEXT_FIELD(2) NEXT_FIELD(3)
        "add $768, %[table]\n\t"
        "dec %[fields]\n\t"
        "jnz 2b\n\t"
        "dec %[words]\n\t"
        "jnz 1b\n\t"
        ALL_SUMS("vmovdqa64 %%zmm\\r, (\\r - 8) * 64(%[acc])")
        : [table] "+r"(table), [index] "+r"(index), [words] "+r"(words), [fields] "=&r"(fields)
        : [acc] "r"(acc), [first] "r"((int)first)
        : "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11", "zmm12",
          "zmm13", "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20", "zmm21", "zmm22", "zmm23", "zmm24",
          "zmm25", "zmm26", "zmm27", "zmm28", "zmm29", "zmm30", "zmm31", "memory", "cc");
}

/* Any other block; tokens and count are constants where this is inlined. */
static inline __attribute__((always_inline))
void lookup_any(__m512i *acc, const __m512i *table, const __m512i *index, int64_t words, bool first, int tokens, int count) {
    __m512i sum[TOKENS][VECTORS], ix[VECTORS];
    for (int t = 0; t < tokens; t++)
        for (int v = 0; v < count; v++) sum[t][v] = first ? _mm512_setzero_si512() : acc[t * VECTORS + v];
    for (int64_t w = 0; w < words; w++) {
        for (int v = 0; v < count; v++) ix[v] = *index++;
        for (int f = 0; f < FIELDS; f++) {
            for (int t = 0; t < tokens; t++, table += 2)
                for (int v = 0; v < count; v++)
                    sum[t][v] = _mm512_add_epi32(sum[t][v], _mm512_permutex2var_epi32(table[0], ix[v], table[1]));
            for (int v = 0; v < count; v++) ix[v] = _mm512_srli_epi32(ix[v], GROUP);
        }
    }
    for (int t = 0; t < tokens; t++)
        for (int v = 0; v < count; v++) acc[t * VECTORS + v] = sum[t][v];
}

/* One block of `count` <= VECTORS vectors of rows. */
static inline __attribute__((always_inline))
void lookup(__m512i *acc, const __m512i *table, const __m512i *index, int64_t words, bool first, int tokens, int64_t count) {
    if (count == 4 && tokens == 6) lookup_6x4(acc, table, index, words, first);
    else if (count == 4) lookup_any(acc, table, index, words, first, tokens, 4);
    else if (count == 3) lookup_any(acc, table, index, words, first, tokens, 3);
    else if (count == 2) lookup_any(acc, table, index, words, first, tokens, 2);
    else lookup_any(acc, table, index, words, first, tokens, 1);
}

/* --- out ------------------------------------------------------------------------------ */
/* y = out_scale 2^(1-e) acc + row_add for a block of vectors, rows j .. of S */
static void finish(const sgn_binary_product *p, const __m512i *acc, const quantised *q, int64_t i, int64_t j,
                   int64_t end, int tokens, bool first) {
    for (int t = 0; t < tokens; t++) {
        const __m512 unscale = _mm512_set1_ps(q[t].unscale);
        for (int64_t v = 0; v < VECTORS && j + v * LANES < end; v++) {
            const int64_t at = j + v * LANES;
            const __mmask16 in = lanes_below(end - at);
            float *y = p->y + (i + t) * p->ldy + at;
            __m512 out = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[t * VECTORS + v]), unscale);
            if (p->out_scale) out = _mm512_mul_ps(out, _mm512_maskz_loadu_ps(in, p->out_scale + at));
            if (first && p->row_add) out = _mm512_add_ps(out, _mm512_set1_ps(p->row_add[i + t]));
            if (p->add || !first) out = _mm512_add_ps(out, _mm512_maskz_loadu_ps(in, y));
            _mm512_mask_storeu_ps(y, in, out);
        }
    }
}

/* What is wanted soon: a block of Y; a share of the next rows of X. */
static inline void prefetch_y(const sgn_binary_product *p, int64_t i, int64_t j, int tokens) {
    for (int t = 0; t < tokens; t++)
        for (int64_t v = 0; v < VECTORS; v++) __builtin_prefetch(p->y + (i + t) * p->ldy + j + v * LANES, 1);
}
static inline void prefetch_x(const sgn_binary_product *p, int64_t i, int64_t begin, int64_t end) {
    for (int64_t l = begin; l < end; l += LANES)
        for (int64_t t = i + TOKENS; t < smaller(i + 2 * TOKENS, p->m); t++) __builtin_prefetch(p->x + t * p->ldx + l);
}

/* `tokens` rows of Y from row i, columns [j0, j1), the stretch `s` of columns with one scale */
static inline __attribute__((always_inline))
void stretch(const sgn_binary_product *p, const workspace *ws, const cuts *c, int64_t s, int64_t i,
             int64_t j0, int64_t j1, int tokens) {
    const int64_t pass0 = scale_pass(c, s), pass1 = scale_pass(c, s + 1), word0 = pass_word(c, pass0);
    const int64_t begin = word0 * c->cols, end = pass_word(c, pass1) * c->cols;
    const bool masked = p->code != SGN_CODE_BINARY;
    quantised q[TOKENS];
    for (int t = 0; t < tokens; t++)
        q[t] = quantise(ws->x + t * ws->x_stride, p->x + (i + t) * p->ldx + begin,
                        p->in_scale ? p->in_scale + begin : NULL, smaller(end, p->k) - begin, end - begin, masked);
    const int64_t blocks = vectors(j1 - j0 + (VECTORS - 1) * LANES) / VECTORS * (pass1 - pass0);
    const int64_t ahead = (int64_t)sgn_round_up((size_t)((end - begin + blocks - 1) / blocks), LANES);
    int64_t next = begin;                                   /* columns of X to prefetch */
    for (int64_t pass = pass0; pass < pass1; pass++) {
        const int64_t first = pass_word(c, pass), words = pass_word(c, pass + 1) - first;
        const __m512i *index = (const __m512i *)p->index + first * vectors(p->n) + j0 / LANES * words;
        build(p->code, ws->table, ws->x + (first - word0) * c->cols, ws->x_stride, words, tokens);
        if (pass == pass0 && !masked) add_constant(ws->table, q, tokens);
        __m512i *acc = ws->acc;
        for (int64_t j = j0; j < j1; j += VECTORS * LANES, acc += TOKENS * VECTORS) {
            const int64_t count = smaller(VECTORS, vectors(j1 - j));
            if (pass + 1 == pass1) prefetch_y(p, i, j, tokens);
            prefetch_x(p, i, next, smaller(next + ahead, smaller(end, p->k)));
            next += ahead;
            lookup(acc, ws->table, index, words, pass == pass0, tokens, count);
            if (pass + 1 == pass1) finish(p, acc, q, i, j, j1, tokens, s == 0);
            index += count * words;
        }
    }
}

static void binary_gemm(const sgn_binary_product *p, sgn_tile tile, void *scratch) {
    const workspace ws = place(scratch, p->code, p->n, p->k);
    const cuts c = cut_columns(p->code, p->k);
    for (int64_t i = tile.row; i < tile.row_end; i += TOKENS) {
        const int64_t left = tile.row_end - i;
        for (int64_t s = 0; s < c.scales; s++) {
            switch (left < TOKENS ? left : TOKENS) {
#define CASE(n) case n: stretch(p, &ws, &c, s, i, tile.col, tile.col_end, n); break;
            CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#undef CASE
            }
        }
    }
}

/* --- by lists of what is kept -------------------------------------------------------------- */
static inline void transpose(vreal r[WIDTH]) {
    __m512 a[WIDTH], b[WIDTH];
    for (int i = 0; i < WIDTH; i += 2) {
        a[i] = _mm512_unpacklo_ps((__m512)r[i], (__m512)r[i + 1]);
        a[i + 1] = _mm512_unpackhi_ps((__m512)r[i], (__m512)r[i + 1]);
    }
    for (int i = 0; i < WIDTH; i += 4)
        for (int h = 0; h < 2; h++) {
            b[i + 2 * h] = _mm512_shuffle_ps(a[i + h], a[i + 2 + h], 0x44);
            b[i + 2 * h + 1] = _mm512_shuffle_ps(a[i + h], a[i + 2 + h], 0xEE);
        }
    /* b[4 q + c] holds columns c, 4 + c, 8 + c, 12 + c of the rows 4 q .. 4 q + 3 */
    for (int c = 0; c < 4; c++) {
        const __m512 even01 = _mm512_shuffle_f32x4(b[c], b[4 + c], 0x88), odd01 = _mm512_shuffle_f32x4(b[c], b[4 + c], 0xDD);
        const __m512 even23 = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0x88), odd23 = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0xDD);
        r[c] = (vreal)_mm512_shuffle_f32x4(even01, even23, 0x88);
        r[8 + c] = (vreal)_mm512_shuffle_f32x4(even01, even23, 0xDD);
        r[4 + c] = (vreal)_mm512_shuffle_f32x4(odd01, odd23, 0x88);
        r[12 + c] = (vreal)_mm512_shuffle_f32x4(odd01, odd23, 0xDD);
    }
}
#include "core/kernels/kernels_kept.inc"

/* --- few rows: with VNNI, else kernels.c takes those of AVX2 ------------------------------- */
#define BYTES 64
typedef vint gsum;
typedef uint8_t bytes_64 __attribute__((vector_size(BYTES)));
/* Not the intrinsic: it wants a flag under which a compiler may use VNNI anywhere in this file. */
static inline gsum g_step(gsum s, bytes_64 u, bytes_64 x) {
    __asm__("vpdpbusd %[x], %[u], %[s]" : [s] "+v"(s) : [u] "v"(u), [x] "v"(x));
    return s;
}
static inline vint g_widen(gsum s) { return s; }
static inline int32_t g_total(vint v) { return _mm512_reduce_add_epi32((__m512i)v); }
static inline float v_total(vreal v) { return _mm512_reduce_add_ps((__m512)v); }
static inline vreal g_pick(const float *s, int64_t n, vint at) {
    return (vreal)_mm512_permutexvar_ps((__m512i)at, _mm512_maskz_loadu_ps(lanes_below(n), s));
}
#include "core/kernels/kernels_gemv.inc"
#include "core/kernels/kernels_permuted.inc"

#include "core/kernels/kernels_zoned_wide.inc"

const sgn_kernels sgn_kernels_avx512 = {
    .name = "avx512", ROW_KERNELS, .gemv_rows = { 5, 8 }, GEMV_KERNELS, CODED_KERNELS, .zoned_row = wide_row, .zoned_dot = wide_dot,
    .binary_index_bytes = binary_index_bytes, .binary_index = binary_index,
    .binary_tile_rows = 4 * TOKENS, .binary_tile_cols = 512,
    .binary_scratch = binary_scratch, .binary_gemm = binary_gemm, .kept_gemm = kept_gemm,
};
#endif
