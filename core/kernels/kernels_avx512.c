/* AVX-512: the binary product with its tables in registers (docs/binary-gemm.md).
 *
 * x is rounded to 32-bit integers, scaled per token by a power of two so that no sum
 * can overflow; sums of integers are exact in any order. A group of 5 columns has 32
 * sums of subsets, two registers; vpermi2d looks up 16 rows of S at once:
 *     y_j = 2^-e (2 sum_g table_g[bits of row j in group g] - sum_l x_l)
 *
 * SPDX-License-Identifier: MIT */
#include "core/kernels/kernels.h"

#if defined(__x86_64__) && !defined(SGN_DOUBLE)
#include <immintrin.h>
#include <math.h>
#include "core/checked.h"

#define WIDTH 16
#define ROWS_TYPES
#include "core/kernels/kernels_rows.inc"
static inline vreal v_splat(float x) { return (vreal)_mm512_set1_ps(x); }
static inline vreal v_fma(vreal a, vreal b, vreal c) { return (vreal)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
static inline vreal v_sqrt(vreal x) { return (vreal)_mm512_sqrt_ps((__m512)x); }
static inline uint64_t v_signs(vreal x) { return _mm512_cmp_ps_mask((__m512)x, _mm512_setzero_ps(), _CMP_GE_OQ); }
#define ROWS_KERNELS
#include "core/kernels/kernels_rows.inc"

enum {
    LANES = 16,                /* rows of S in a vector */
    GROUP = 5, FIELDS = 6,     /* columns of a table; tables that one index word serves */
    WORD_COLS = GROUP * FIELDS,
    PASS_WORDS = 7,            /* most index words of one pass: their tables stay in L1 */
    SCALE_PASSES = 10,         /* most passes with one scale: 2^-31 * 2100 columns is what rounding costs */
    TOKENS = 6, VECTORS = 4    /* accumulators in registers: TOKENS x VECTORS */
};

/* --- cuts of the columns: words, passes, stretches of one scale ------------------- */
typedef struct { int64_t words, passes, scales; } cuts;

static cuts cut_columns(int64_t k) {
    cuts c;
    c.words = (k + WORD_COLS - 1) / WORD_COLS;
    c.passes = (c.words + PASS_WORDS - 1) / PASS_WORDS;
    c.scales = (c.passes + SCALE_PASSES - 1) / SCALE_PASSES;
    return c;
}
static int64_t pass_word(const cuts *c, int64_t pass) { return pass * c->words / c->passes; }
static int64_t scale_pass(const cuts *c, int64_t s) { return s * c->passes / c->scales; }
static int64_t vectors(int64_t n) { return (n + LANES - 1) / LANES; }

/* index[pass][vector of rows][word of the pass][row in vector]: 30 columns of a row each */
static size_t binary_index_bytes(int64_t n, int64_t k) {
    return (size_t)(vectors(n) * cut_columns(k).words) * sizeof(__m512i);
}

static uint32_t bits30(const uint64_t *row, int64_t stride, int64_t word) {
    const int64_t bit = word * WORD_COLS, at = bit / 64, shift = bit % 64;
    uint64_t v = row[at] >> shift;
    if (shift > 64 - WORD_COLS && at + 1 < stride) v |= row[at + 1] << (64 - shift);
    return (uint32_t)(v & ((1u << WORD_COLS) - 1));
}

static void binary_index(const sgn_plane *s, int64_t begin, int64_t end, void *index) {
    const cuts c = cut_columns(s->cols);
    for (int64_t p = 0; p < c.passes; p++) {
        const int64_t first = pass_word(&c, p), count = pass_word(&c, p + 1) - first;
        for (int64_t v = begin / LANES; v < vectors(end); v++) {
            uint32_t *to = (uint32_t *)index + (first * vectors(s->rows) + v * count) * LANES;
            for (int64_t r = 0; r < LANES; r++) {
                const int64_t i = v * LANES + r;
                for (int64_t w = 0; w < count; w++)
                    to[w * LANES + r] = i < end ? bits30(s->word + i * s->stride, s->stride, first + w) : 0;
            }
        }
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
static int64_t x_stride(int64_t k) {
    const int64_t words = cut_columns(k).words, most = SCALE_PASSES * PASS_WORDS;
    return (int64_t)sgn_round_up((size_t)((words < most ? words : most) * WORD_COLS), LANES);
}

static size_t binary_scratch(int64_t n, int64_t k) {
    return table_bytes() + acc_bytes(n) + sizeof(int32_t) * (size_t)x_stride(k) * TOKENS;
}

static workspace place(void *scratch, int64_t n, int64_t k) {
    char *at = scratch;
    workspace w;
    w.table = (__m512i *)(void *)at;
    w.acc = (__m512i *)(void *)(at + table_bytes());
    w.x = (int32_t *)(void *)(at + table_bytes() + acc_bytes(n));
    w.x_stride = x_stride(k);
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

typedef struct { float unscale; int32_t sum; } quantised;

/* out_l = round(2^e x_l a_l), e the largest with 2^e sum |x_l a_l| + k/2 < 2^31; zeros up to `padded`. */
static quantised quantise(int32_t *out, const float *x, const float *a, int64_t k, int64_t padded) {
    __m512 norm = _mm512_setzero_ps();
    for (int64_t l = 0; l < k; l += LANES) norm = _mm512_add_ps(norm, _mm512_abs_ps(scaled(x, a, l, k)));
    const float total = _mm512_reduce_add_ps(norm);
    int e = 0;
    const float mantissa = isfinite(total) ? frexpf(total, &e) : 0;
    e = total > 0x1p-95f ? 31 - e - (mantissa > 0.9999f) : 126;
    const __m512 scale = _mm512_set1_ps(isfinite(total) ? ldexpf(1, e) : 0);
    __m512i sum = _mm512_setzero_si512();
    for (int64_t l = 0; l < padded; l += LANES) {
        const __m512i q = l < k ? _mm512_cvtps_epi32(_mm512_mul_ps(scaled(x, a, l, k), scale)) : _mm512_setzero_si512();
        _mm512_storeu_si512(out + l, q);
        sum = _mm512_add_epi32(sum, q);
    }
    return (quantised){ isfinite(total) ? ldexpf(1, -e) : NAN, _mm512_reduce_add_epi32(sum) };
}

/* Tables of `groups` groups of 5 columns for `tokens` rows of x: entry b = sum of x_l over the bits l of b */
static inline __attribute__((always_inline))
void build(__m512i *table, const int32_t *x, int64_t stride, int64_t groups, int tokens) {
    for (int64_t g = 0; g < groups; g++) {
        for (int t = 0; t < tokens; t++) {
            const int32_t *v = x + t * stride + g * GROUP;
            __m512i low = _mm512_maskz_set1_epi32(0xAAAA, v[0]);
            low = _mm512_mask_add_epi32(low, 0xCCCC, low, _mm512_set1_epi32(v[1]));
            low = _mm512_mask_add_epi32(low, 0xF0F0, low, _mm512_set1_epi32(v[2]));
            low = _mm512_mask_add_epi32(low, 0xFF00, low, _mm512_set1_epi32(v[3]));
            _mm512_store_si512(table++, low);
            _mm512_store_si512(table++, _mm512_add_epi32(low, _mm512_set1_epi32(v[4])));
        }
    }
}

/* --- lookups: acc += table[index] over a pass ---------------------------------------- */
/* 6 tokens x 4 vectors. Compilers spill half of the 24 accumulators; this holds them:
 * zmm0-3 index words, zmm4 half a table (the other half stays in memory), zmm5-7 results. */
#define LOOKUP(ix, tmp, at, sum)                                        \
    "vmovdqa64 %%zmm" #ix ", %%zmm" #tmp "\n\t"                         \
    "vpermi2d 64+" #at "(%[table]), %%zmm4, %%zmm" #tmp "\n\t"          \
    "vpaddd %%zmm" #tmp ", %%zmm" #sum ", %%zmm" #sum "\n\t"
#define TOKEN(at, a, b, c, d)                                           \
    "vmovdqa64 " #at "(%[table]), %%zmm4\n\t"                           \
    LOOKUP(0, 5, at, a) LOOKUP(1, 6, at, b) LOOKUP(2, 7, at, c) LOOKUP(3, 5, at, d)
#define NEXT_FIELD(ix) "vpsrld $5, %%zmm" #ix ", %%zmm" #ix "\n\t"
#define ALL_SUMS(move)                                                  \
    ".irp r, 8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t" move "\n\t.endr\n"

static void lookup_6x4(__m512i *acc, const __m512i *table, const __m512i *index, int64_t words) {
    const __m512i *index3 = index + 3 * words;
    const int64_t stride = words * (int64_t)sizeof(__m512i);
    int64_t fields;
    __asm__ volatile(
        ALL_SUMS("vmovdqa64 (\\r - 8) * 64(%[acc]), %%zmm\\r")
        "1:\n\t"
        "vmovdqa64 (%[index]), %%zmm0\n\t"
        "vmovdqa64 (%[index], %[stride]), %%zmm1\n\t"
        "vmovdqa64 (%[index], %[stride], 2), %%zmm2\n\t"
        "vmovdqa64 (%[index3]), %%zmm3\n\t"
        "add $64, %[index]\n\t"
        "add $64, %[index3]\n\t"
        "mov $6, %[fields]\n"
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
        : [table] "+r"(table), [index] "+r"(index), [index3] "+r"(index3), [words] "+r"(words), [fields] "=&r"(fields)
        : [acc] "r"(acc), [stride] "r"(stride)
        : "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11", "zmm12",
          "zmm13", "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20", "zmm21", "zmm22", "zmm23", "zmm24",
          "zmm25", "zmm26", "zmm27", "zmm28", "zmm29", "zmm30", "zmm31", "memory", "cc");
}

/* Any other block; tokens and count are constants where this is inlined. */
static inline __attribute__((always_inline))
void lookup_any(__m512i *acc, const __m512i *table, const __m512i *index, int64_t words, int tokens, int count) {
    __m512i sum[TOKENS][VECTORS], ix[VECTORS];
    for (int t = 0; t < tokens; t++)
        for (int v = 0; v < count; v++) sum[t][v] = acc[t * VECTORS + v];
    for (int64_t w = 0; w < words; w++) {
        for (int v = 0; v < count; v++) ix[v] = index[v * words + w];
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
void lookup(__m512i *acc, const __m512i *table, const __m512i *index, int64_t words, int tokens, int64_t count) {
    if (count == 4 && tokens == 6) lookup_6x4(acc, table, index, words);
    else if (count == 4) lookup_any(acc, table, index, words, tokens, 4);
    else if (count == 3) lookup_any(acc, table, index, words, tokens, 3);
    else if (count == 2) lookup_any(acc, table, index, words, tokens, 2);
    else lookup_any(acc, table, index, words, tokens, 1);
}

/* --- out ------------------------------------------------------------------------------ */
/* y = out_scale 2^-e (2 acc - sum x) + row_add for a block of vectors, rows j .. of S */
static void finish(const sgn_binary_product *p, const __m512i *acc, const quantised *q, int64_t i, int64_t j,
                   int64_t end, int tokens, bool first) {
    for (int t = 0; t < tokens; t++) {
        const __m512 unscale = _mm512_set1_ps(q[t].unscale);
        const __m512i sum = _mm512_set1_epi32(q[t].sum);
        const __m512 constant = _mm512_set1_ps(first && p->row_add ? p->row_add[i + t] : 0);
        for (int64_t v = 0; v < VECTORS && j + v * LANES < end; v++) {
            const int64_t at = j + v * LANES;
            const __mmask16 in = lanes_below(end - at);
            float *y = p->y + (i + t) * p->ldy + at;
            const __m512i twice = _mm512_slli_epi32(acc[t * VECTORS + v], 1);
            __m512 out = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(twice, sum)), unscale);
            if (p->out_scale) out = _mm512_mul_ps(out, _mm512_maskz_loadu_ps(in, p->out_scale + at));
            out = _mm512_add_ps(out, constant);
            if (p->add || !first) out = _mm512_add_ps(out, _mm512_maskz_loadu_ps(in, y));
            _mm512_mask_storeu_ps(y, in, out);
        }
    }
}

/* `tokens` rows of Y from row i, columns [j0, j1), the stretch `s` of columns with one scale */
static inline __attribute__((always_inline))
void stretch(const sgn_binary_product *p, const workspace *ws, const cuts *c, int64_t s, int64_t i,
             int64_t j0, int64_t j1, int tokens) {
    const int64_t pass0 = scale_pass(c, s), pass1 = scale_pass(c, s + 1), word0 = pass_word(c, pass0);
    const int64_t begin = word0 * WORD_COLS, end = pass_word(c, pass1) * WORD_COLS;
    const int64_t count = (end < p->k ? end : p->k) - begin;
    quantised q[TOKENS];
    for (int t = 0; t < tokens; t++)
        q[t] = quantise(ws->x + t * ws->x_stride, p->x + (i + t) * p->ldx + begin,
                        p->in_scale ? p->in_scale + begin : NULL, count, end - begin);
    for (int64_t pass = pass0; pass < pass1; pass++) {
        const int64_t first = pass_word(c, pass), words = pass_word(c, pass + 1) - first;
        const __m512i *index = (const __m512i *)p->index + first * vectors(p->n);
        build(ws->table, ws->x + (first - word0) * WORD_COLS, ws->x_stride, words * FIELDS, tokens);
        __m512i *acc = ws->acc;
        for (int64_t j = j0; j < j1; j += VECTORS * LANES, acc += TOKENS * VECTORS) {
            const int64_t left = vectors(j1 - j);
            if (pass == pass0)
                for (int v = 0; v < tokens * VECTORS; v++) acc[v] = _mm512_setzero_si512();
            lookup(acc, ws->table, index + j / LANES * words, words, tokens, left < VECTORS ? left : VECTORS);
            if (pass + 1 == pass1) finish(p, acc, q, i, j, j1, tokens, s == 0);
        }
    }
}

static void binary_gemm(const sgn_binary_product *p, sgn_tile tile, void *scratch) {
    const workspace ws = place(scratch, p->n, p->k);
    const cuts c = cut_columns(p->k);
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

const sgn_kernels sgn_kernels_avx512 = {
    .name = "avx512", ROW_KERNELS,
    .binary_index_bytes = binary_index_bytes, .binary_index = binary_index,
    .binary_tile_rows = 4 * TOKENS, .binary_tile_cols = 512,
    .binary_scratch = binary_scratch, .binary_gemm = binary_gemm,
};
#endif
