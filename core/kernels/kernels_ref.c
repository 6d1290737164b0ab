/* The specification of every kernel, in plain C: what the fast sets are compared with.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>
#include "core/kernels/kernels.h"

/* bit j = w_j >= 0 */
static void pack_signs(const sgn_real *w, int64_t n, uint64_t *word) {
    for (int64_t at = 0; at < n; at += 64) {
        const int64_t count = n - at < 64 ? n - at : 64;
        uint64_t bits = 0;
        for (int64_t j = 0; j < count; j++) bits |= (uint64_t)(w[at + j] >= 0) << j;
        word[at / 64] = bits;
    }
}

/* |w|; less than any where w is not a number */
static sgn_real magnitude(sgn_real w) { return w < 0 ? -w : w >= 0 ? w : -1; }

/* The `kept` largest |w| of n <= of */
static uint64_t largest(const sgn_real *w, int64_t n, int kept) {
    uint64_t bits = 0;
    for (int i = 0; i < kept && i < n; i++) {
        int64_t best = -1;
        for (int64_t j = 0; j < n; j++)
            if (!(bits >> j & 1) && (best < 0 || magnitude(w[j]) > magnitude(w[best]))) best = j;
        bits |= (uint64_t)1 << best;
    }
    return bits;
}

static void pack_kept(const sgn_real *w, int64_t n, int kept, int of, uint64_t *word) {
    for (int64_t at = 0; at < n; at += of) {
        if (at % 64 == 0) word[at / 64] = 0;
        word[at / 64] |= largest(w + at, n - at < of ? n - at : of, kept) << at % 64;
    }
}

static void pack_above(const sgn_real *w, int64_t n, sgn_real cut, uint64_t *word) {
    for (int64_t j = 0; j < n; j++) {
        if (j % 64 == 0) word[j / 64] = 0;
        word[j / 64] |= (uint64_t)(w[j] > cut || w[j] < -cut) << (j % 64);
    }
}

/* sum_j s_j x_j over the kept of `count` <= 64 columns */
static sgn_real signed_sum(const sgn_real *x, uint64_t bits, uint64_t kept, int64_t count) {
    sgn_real sum = 0;
    for (int64_t j = 0; j < count; j++)
        if (kept >> j & 1) sum += bits >> j & 1 ? x[j] : -x[j];
    return sum;
}

static size_t binary_scratch(int64_t n, int64_t k) {
    (void)n;
    return (size_t)k * sizeof(sgn_real);
}

/* y_ij = c_j sum_l a_l x_il s_jl + r_i, summed in words of 64 columns */
static void binary_gemm(const sgn_binary_product *p, sgn_tile t, void *scratch) {
    sgn_real *scaled = scratch;
    for (int64_t i = t.row; i < t.row_end; i++) {
        const sgn_real *x = p->x + i * p->ldx;
        if (p->in_scale) {
            for (int64_t l = 0; l < p->k; l++) scaled[l] = x[l] * p->in_scale[l];
            x = scaled;
        }
        for (int64_t j = t.col; j < t.col_end; j++) {
            const uint64_t *word = p->s->word + j * p->s->stride, *mask = p->mask ? p->mask->word + j * p->mask->stride : NULL;
            sgn_real sum = 0;
            for (int64_t l = 0; l < p->k; l += 64)
                sum += signed_sum(x + l, word[l / 64], mask ? mask[l / 64] : ~(uint64_t)0, p->k - l < 64 ? p->k - l : 64);
            if (p->out_scale) sum *= p->out_scale[j];
            if (p->row_add) sum += p->row_add[i];
            sgn_real *y = p->y + i * p->ldy + j;
            *y = p->add ? *y + sum : sum;
        }
    }
}

/* dx_j = sum_{i in plus_j} dy_i - sum_{i in minus_j} dy_i, tokens side by side: acc (columns, tokens) from x (rows of a pass, tokens) */
static void add_kept(sgn_real *restrict acc, const sgn_real *restrict x, const sgn_kept_column *column, int64_t cols, bool first) {
    enum { T = SGN_KEPT_TOKENS };
    const sgn_kept_entry *entry = (const sgn_kept_entry *)(column + cols);
    for (const sgn_kept_column *c = column; c < column + cols; c++) {
        sgn_real *to = acc + (int64_t)c->col * T, even[T] = { 0 }, odd[T] = { 0 };
        for (const sgn_kept_entry *end = entry + c->plus; entry < end; entry += 2)
            for (int t = 0; t < T; t++) even[t] += x[2 * entry[0] + t], odd[t] += x[2 * entry[1] + t];
        for (const sgn_kept_entry *end = entry + c->minus; entry < end; entry += 2)
            for (int t = 0; t < T; t++) even[t] -= x[2 * entry[0] + t], odd[t] -= x[2 * entry[1] + t];
        for (int t = 0; t < T; t++) even[t] += odd[t], to[t] = first ? even[t] : to[t] + even[t];
    }
}

static void kept_tile(const sgn_binary_product *p, sgn_tile tile, sgn_real *x) {
    enum { T = SGN_KEPT_TOKENS };
    sgn_real *acc = x + (SGN_KEPT_ROWS + 1) * T;
    for (int64_t pass = 0; pass < p->kept.passes; pass++) {
        const int64_t begin = pass * p->kept.rows, rows = sgn_kept_rows(&p->kept, pass);
        for (int64_t i = 0; i <= rows; i++)
            for (int64_t t = 0; t < T; t++)
                x[i * T + t] = i == rows || tile.row + t >= tile.row_end ? 0 :
                               (p->in_scale ? p->in_scale[begin + i] : 1) * p->x[(tile.row + t) * p->ldx + begin + i];
        for (int64_t col = tile.col; col < tile.col_end; col += p->kept.cols) {
            const int64_t block = col / p->kept.cols;
            add_kept(acc + (col - tile.col) * T, x, sgn_kept_columns(&p->kept, block, pass), sgn_kept_cols(&p->kept, block), pass == 0);
        }
    }
    for (int64_t i = tile.row; i < tile.row_end; i++)
        for (int64_t j = tile.col; j < tile.col_end; j++) {
            sgn_real sum = acc[(j - tile.col) * T + i - tile.row], *y = p->y + i * p->ldy + j;
            if (p->out_scale) sum *= p->out_scale[j];
            if (p->row_add) sum += p->row_add[i];
            *y = p->add ? *y + sum : sum;
        }
}

static void kept_gemm(const sgn_binary_product *p, sgn_tile t, void *scratch) {
    for (int64_t i = t.row; i < t.row_end; i += SGN_KEPT_TOKENS)
        kept_tile(p, (sgn_tile){ i, t.row_end - i < SGN_KEPT_TOKENS ? t.row_end : i + SGN_KEPT_TOKENS, t.col, t.col_end }, scratch);
}

/* --- few rows: one byte of each q after the other -------------------------------------------------- */

static size_t gemv_bytes(int64_t k) { return ((size_t)k + 63) / 64 * 64; }

/* q = round(2^e x a), |q| < 2^30 or, with digits of 7 bits, 2^27; or, bits 0, q = round(127 x a / max |x a|) */
static sgn_real prepare(void *to, const sgn_real *x, const sgn_real *a, int64_t k, int bits) {
    sgn_real most = 0;
    for (int64_t j = 0; j < k; j++) {
        const sgn_real size = (sgn_real)fabs((double)(a ? x[j] * a[j] : x[j]));
        if (!(size <= most)) most = size;
        if (!isfinite(most)) break;
    }
    const bool finite = isfinite(most);
    const int width = bits == 7 ? 27 : 30, base = 1 << (bits ? bits : 8);
    int above;
    frexp(finite ? (double)most : 0, &above);
    const double e = ldexp(1, width - above > 126 ? 126 : width - above);
    const sgn_real u = most / 127;
    for (int64_t j = 0; j < k; j++) {
        const sgn_real y = finite ? a ? x[j] * a[j] : x[j] : 0;
        int64_t q = (int64_t)(bits ? rint((double)y * e) : finite && u > 0 ? rint((double)(y / u)) : 0);
        for (int d = 0; d < (bits ? 4 : 1); d++) {
            const int64_t digit = d == 3 ? q : ((q + base / 2) & (base - 1)) - base / 2;
            ((int8_t *)to)[(size_t)d * gemv_bytes(k) + (size_t)j] = (int8_t)digit;
            q = (q - digit) / base;
        }
    }
    return !finite ? (sgn_real)NAN : bits ? (sgn_real)(1 / e) : u;
}

static sgn_real gemv_prepare(void *to, const sgn_real *x, const sgn_real *a, int64_t k, bool exact) { return prepare(to, x, a, k, exact ? 8 : 0); }

static size_t gemv_coded_bytes(sgn_code code, int64_t k) {
    (void)code;
    return gemv_bytes(k);
}
static sgn_real gemv_prepare_coded(sgn_code code, void *to, const sgn_real *x, const sgn_real *a, int64_t k, bool exact) {
    (void)code;
    return prepare(to, x, a, k, exact ? 7 : 0);
}

/* sum_j s_j q_j over columns [from, to) of row i */
static int32_t sign_sum(const sgn_plane *s, int64_t i, int64_t from, int64_t to, const int8_t *q) {
    int32_t sum = 0;
    for (int64_t j = from; j < to; j++) sum += sgn_plane_bit(s, i, j) ? q[j] : -q[j];
    return sum;
}

static void gemv_signs(const sgn_plane *s, int64_t begin, int64_t end, const void *x, int64_t count, int32_t *sum) {
    for (int64_t i = begin; i < end; i++)
        for (int64_t v = 0; v < count; v++)
            *sum++ = sign_sum(s, i, 0, s->cols, (const int8_t *)x + (size_t)v * gemv_bytes(s->cols));
}

static void gemv_groups(const sgn_plane *s, int64_t begin, int64_t end, int64_t group, const sgn_real *scale, const void *x,
                        int64_t count, sgn_real *sum) {
    const int64_t groups = (s->cols + group - 1) / group;
    for (int64_t i = begin; i < end; i++)
        for (int64_t v = 0; v < count; v++) {
            double all = 0;
            for (int64_t g = 0; g < groups; g++) {
                const int64_t to = (g + 1) * group < s->cols ? (g + 1) * group : s->cols;
                all += (double)scale[i * groups + g] * sign_sum(s, i, g * group, to, (const int8_t *)x + (size_t)v * gemv_bytes(s->cols));
            }
            *sum++ = (sgn_real)all;
        }
}

static void gemv_coded(const sgn_coded *s, int64_t begin, int64_t end, const void *x, int64_t count, int32_t *sum) {
    const int of = sgn_code_get(s->code)->of;
    for (int64_t i = begin; i < end; i++, sum += count) {
        for (int64_t v = 0; v < count; v++) sum[v] = 0;
        for (int64_t g = 0; g < sgn_coded_groups(s->code, s->cols); g++) {
            const uint32_t word = sgn_coded_at(s, i, g);
            for (int64_t j = 0; j < of && g * of + j < s->cols; j++)
                for (int64_t v = 0; word >> j & 1 && v < count; v++) {
                    const int8_t q = ((const int8_t *)x)[(size_t)v * gemv_bytes(s->cols) + (size_t)(g * of + j)];
                    sum[v] += word >> (j + 16) & 1 ? q : -q;
                }
        }
    }
}

static sgn_real dot(const sgn_real *a, const sgn_real *b, int64_t n) {
    double sum = 0;
    for (int64_t j = 0; j < n; j++) sum += (double)a[j] * (double)b[j];
    return (sgn_real)sum;
}

static void axpy(sgn_real *y, sgn_real a, const sgn_real *x, int64_t n) {
    for (int64_t j = 0; j < n; j++) y[j] += a * x[j];
}

static double sum_squares(const sgn_real *x, int64_t n) {
    double sum = 0;
    for (int64_t j = 0; j < n; j++) sum += (double)x[j] * (double)x[j];
    return sum;
}

static sgn_real max(const sgn_real *x, int64_t n) {
    sgn_real m = -(sgn_real)INFINITY;
    for (int64_t j = 0; j < n; j++) m = x[j] > m ? x[j] : m;
    return m;
}

static sgn_real exp_sum(sgn_real *y, const sgn_real *x, int64_t n, sgn_real shift) {
    double sum = 0;
    for (int64_t j = 0; j < n; j++) {
        y[j] = (sgn_real)exp((double)(x[j] - shift));
        sum += (double)y[j];
    }
    return (sgn_real)sum;
}

static sgn_real sigmoid(sgn_real x) { return (sgn_real)(1 / (1 + exp(-(double)x))); }

/* y = g sigma(g) u */
static void swiglu(sgn_real *y, const sgn_real *gate, const sgn_real *up, int64_t n) {
    for (int64_t j = 0; j < n; j++) y[j] = gate[j] * sigmoid(gate[j]) * up[j];
}

/* dg += dy u (sigma + g sigma (1 - sigma)), du += dy g sigma */
static void swiglu_back(sgn_real *dgate, sgn_real *dup, const sgn_real *dy,
                        const sgn_real *gate, const sgn_real *up, int64_t n) {
    for (int64_t j = 0; j < n; j++) {
        const sgn_real g = gate[j], s = sigmoid(g);
        if (dgate) dgate[j] += dy[j] * up[j] * (s + g * s * (1 - s));
        if (dup) dup[j] += dy[j] * g * s;
    }
}

/* y = x . gain * r, r = (mean x^2 + eps)^(-1/2) */
static sgn_real rmsnorm(sgn_real *y, const sgn_real *x, const sgn_real *gain, int64_t n, sgn_real eps) {
    const sgn_real r = (sgn_real)(1 / sqrt(sum_squares(x, n) / (double)n + (double)eps));
    for (int64_t j = 0; j < n; j++) y[j] = x[j] * r * gain[j];
    return r;
}

/* dx += r gain . dy - x r^3 / n sum_j dy_j gain_j x_j, dgain += dy . x r */
static void rmsnorm_back(sgn_real *dx, sgn_real *dgain, const sgn_real *dy, const sgn_real *x,
                         const sgn_real *gain, int64_t n, sgn_real r) {
    double sum = 0;
    for (int64_t j = 0; j < n; j++) sum += (double)dy[j] * (double)gain[j] * (double)x[j];
    const sgn_real c = (sgn_real)(sum * (double)r * (double)r * (double)r / (double)n);
    for (int64_t j = 0; j < n; j++) {
        if (dx) dx[j] += r * gain[j] * dy[j] - c * x[j];
        if (dgain) dgain[j] += dy[j] * x[j] * r;
    }
}

/* (a, b) -> (a cos - b sin, a sin + b cos); back: the transpose, added */
static void rope(sgn_real *y, const sgn_real *x, const sgn_real *cosine, const sgn_real *sine,
                 int64_t half, bool back) {
    for (int64_t j = 0; j < half; j++) {
        const sgn_real a = x[j], b = x[j + half], c = cosine[j], s = sine[j];
        if (back) {
            y[j] += a * c + b * s;
            y[j + half] += b * c - a * s;
        } else {
            y[j] = a * c - b * s;
            y[j + half] = a * s + b * c;
        }
    }
}

/* m = b1 m + (1-b1) g, v = b2 v + (1-b2) g^2, w = (1 - lr wd) w - lr (m/c1) / (sqrt(v/c2) + eps) */
static void adamw(sgn_real *w, const sgn_real *g, sgn_real *m, sgn_real *v, int64_t n, const sgn_adamw *c) {
    const sgn_real keep = 1 - c->lr * c->weight_decay, step = c->lr / c->bias1;
    const sgn_real root = (sgn_real)sqrt((double)c->bias2);
    for (int64_t j = 0; j < n; j++) {
        const sgn_real grad = g[j] * c->grad_scale;
        m[j] = c->beta1 * m[j] + (1 - c->beta1) * grad;
        v[j] = c->beta2 * v[j] + (1 - c->beta2) * grad * grad;
        const sgn_real denominator = (sgn_real)sqrt((double)v[j]) / root + c->eps;
        w[j] = w[j] * keep - step * (m[j] / denominator);
    }
}

/* y_j = x_j */
static void from_f32(sgn_real *y, const void *x, int64_t n) {
    for (int64_t j = 0; j < n; j++) {
        float f;
        memcpy(&f, (const char *)x + 4 * j, sizeof f);
        y[j] = (sgn_real)f;
    }
}
static void from_f16(sgn_real *y, const void *x, int64_t n) {
    for (int64_t j = 0; j < n; j++) {
        uint16_t h;
        memcpy(&h, (const char *)x + 2 * j, sizeof h);
        y[j] = (sgn_real)sgn_f16_to_f32(h);
    }
}
static void from_bf16(sgn_real *y, const void *x, int64_t n) {
    for (int64_t j = 0; j < n; j++) {
        uint16_t h;
        memcpy(&h, (const char *)x + 2 * j, sizeof h);
        y[j] = (sgn_real)sgn_bf16_to_f32(h);
    }
}

/* y_j = x_j, rounded to nearest even */
static void to_f32(void *y, const sgn_real *x, int64_t n) {
    float *f = y;
    for (int64_t j = 0; j < n; j++) f[j] = (float)x[j];
}
static void to_f16(void *y, const sgn_real *x, int64_t n) {
    uint16_t *h = y;
    for (int64_t j = 0; j < n; j++) h[j] = sgn_f32_to_f16((float)x[j]);
}

/* w_j = scale sum_d q_d k_jd,   y_d += sum_j w_j v_jd */
#define CACHE(T, value, scores, mix) \
    static void scores(sgn_real *w, const sgn_real *q, const void *keys, int64_t n, int64_t size, sgn_real scale) { \
        const T *k = keys; \
        for (int64_t j = 0; j < n; j++, k += size) { \
            sgn_real sum = 0; \
            for (int64_t d = 0; d < size; d++) sum += q[d] * (sgn_real)value(k[d]); \
            w[j] = scale * sum; \
        } \
    } \
    static void mix(sgn_real *y, const sgn_real *w, const void *values, int64_t n, int64_t size) { \
        const T *v = values; \
        for (int64_t j = 0; j < n; j++, v += size) \
            for (int64_t d = 0; d < size; d++) y[d] += w[j] * (sgn_real)value(v[d]); \
    }
CACHE(float, , key_scores_f32, mix_values_f32)
CACHE(uint16_t, sgn_f16_to_f32, key_scores_f16, mix_values_f16)

#include "core/kernels/blocks.inc"
DOT_BY_PIECES(dot_f32, SGN_DTYPE_F32, from_f32)
DOT_BY_PIECES(dot_f16, SGN_DTYPE_F16, from_f16)
DOT_BY_PIECES(dot_bf16, SGN_DTYPE_BF16, from_bf16)
DOT_BY_PIECES(dot_q8_0, SGN_DTYPE_Q8_0, from_q8_0)

static void zoned_row(const sgn_zoned_bits *z, int64_t i, const sgn_real *scale, const sgn_zoned_sets *sets, sgn_real *to) {
    (void)sets;
    (void)sgn_zoned_bits_row(z, i, scale, to);
}
static bool zoned_dot(const sgn_zoned_bits *z, int64_t i, const sgn_real *scale, const sgn_zoned_sets *sets, const sgn_real *x, sgn_real *y) {
    (void)z, (void)i, (void)scale, (void)sets, (void)x, (void)y;
    return false;
}

const sgn_kernels sgn_kernels_ref = {
    .name = "ref",
    .pack_signs = pack_signs, .pack_kept = pack_kept, .pack_above = pack_above,
    .binary_tile_rows = 8, .binary_tile_cols = 512,
    .binary_scratch = binary_scratch, .binary_gemm = binary_gemm, .kept_gemm = kept_gemm,
    .gemv_rows = { 8, 8 }, .gemv_bytes = gemv_bytes, .gemv_prepare = gemv_prepare, .gemv_signs = gemv_signs, .gemv_groups = gemv_groups,
    .gemv_coded_bytes = gemv_coded_bytes, .gemv_prepare_coded = gemv_prepare_coded, .gemv_coded = gemv_coded,
    .zoned_row = zoned_row, .zoned_dot = zoned_dot,
    .dot = dot, .axpy = axpy, .sum_squares = sum_squares, .max = max, .exp_sum = exp_sum,
    .swiglu = swiglu, .swiglu_back = swiglu_back, .rmsnorm = rmsnorm, .rmsnorm_back = rmsnorm_back,
    .rope = rope, .adamw = adamw,
    .from_real = { [SGN_DTYPE_F32] = to_f32, [SGN_DTYPE_F16] = to_f16 },
    .key_scores = { [SGN_DTYPE_F32] = key_scores_f32, [SGN_DTYPE_F16] = key_scores_f16 },
    .mix_values = { [SGN_DTYPE_F32] = mix_values_f32, [SGN_DTYPE_F16] = mix_values_f16 },
    .to_real = { [SGN_DTYPE_F32] = from_f32, [SGN_DTYPE_F16] = from_f16, [SGN_DTYPE_BF16] = from_bf16, BLOCK_CONVERTERS },
    .dot_stored = { STORED_DOTS },
};
