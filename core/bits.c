/* SPDX-License-Identifier: MIT */
#include "core/bits.h"

#include <math.h>
#include <string.h>
#include "core/arena.h"
#include "core/checked.h"
#include "core/kept.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"
#include "core/rng.h"

static const sgn_code_info codes[SGN_CODES] = {
    [SGN_CODE_BINARY] = { "binary", 0, 0 }, [SGN_CODE_TERNARY] = { "ternary", 0, 0 }, [SGN_CODE_1_4] = { "1:4", 1, 4 },
    [SGN_CODE_1_8] = { "1:8", 1, 8 }, [SGN_CODE_1_16] = { "1:16", 1, 16 }, [SGN_CODE_2_8] = { "2:8", 2, 8 },
};

const sgn_code_info *sgn_code_get(sgn_code code) { return &codes[code]; }

double sgn_pattern_bits(int n, int m) {
    double patterns = 1;
    for (int i = 1; i <= n; i++) patterns *= 2.0 * (m - n + i) / i;
    return log2(patterns) / m;
}

double sgn_code_bits(sgn_code code) {
    const sgn_code_info *c = &codes[code];
    return c->kept ? sgn_pattern_bits(c->kept, c->of) : code == SGN_CODE_TERNARY ? log2(3) : 1;
}

sgn_status sgn_code_find(sgn_code *code, const char *name, sgn_error *err) {
    for (int i = 0; i < SGN_CODES; i++)
        if (strcmp(codes[i].name, name) == 0) {
            *code = (sgn_code)i;
            return SGN_OK;
        }
    SGN_FAIL(err, SGN_CONFIG, "there are no signs '%.80s'; known are binary, ternary, 1:4, 1:8, 1:16 and 2:8", name);
}

enum { WORD = 64, PACK_WORDS = 64 };     /* columns packed at a time: PACK_WORDS * WORD */

int64_t sgn_plane_pack(sgn_plane *p, const sgn_real *w, int64_t begin, int64_t end) {
    const sgn_kernels *k = sgn_kernels_get();
    uint64_t fresh[PACK_WORDS];
    int64_t changed = 0;
    for (int64_t i = begin; i < end; i++) {
        for (int64_t at = 0; at < p->stride; at += PACK_WORDS) {
            const int64_t words = p->stride - at < PACK_WORDS ? p->stride - at : PACK_WORDS;
            const int64_t cols = p->cols - at * WORD < words * WORD ? p->cols - at * WORD : words * WORD;
            uint64_t *old = p->word + i * p->stride + at;
            k->pack_signs(w + i * p->cols + at * WORD, cols, fresh);
            for (int64_t j = 0; j < words; j++) {
                changed += __builtin_popcountll(fresh[j] ^ old[j]);
                old[j] = fresh[j];
            }
        }
    }
    return changed;
}

void sgn_plane_unpack(const sgn_plane *p, sgn_real *out) {
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < p->cols; j++) out[i * p->cols + j] = sgn_plane_sign(p, i, j);
}

/* a = a^T, 64 x 64 bits: swaps ever smaller off-diagonal squares (Warren, Hacker's Delight, 7-3). */
static void transpose_block(uint64_t a[WORD]) {
    uint64_t mask = 0x00000000FFFFFFFFu;
    for (int size = WORD / 2; size; size >>= 1, mask ^= mask << size) {
        for (int i = 0; i < WORD; i = (i + size + 1) & ~size) {
            const uint64_t t = (a[i] >> size ^ a[i + size]) & mask;
            a[i] ^= t << size;
            a[i + size] ^= t;
        }
    }
}

typedef struct { const sgn_plane *from; sgn_plane *to; } transpose_job;

/* Rows [begin, end) of `to`, begin a multiple of 64: one column of words of `from`. */
static void transpose_rows(void *ctx, int64_t begin, int64_t end) {
    const transpose_job *job = ctx;
    const sgn_plane *from = job->from;
    uint64_t block[WORD];
    for (int64_t i = 0; i < from->rows; i += WORD) {
        const int64_t high = from->rows - i < WORD ? from->rows - i : WORD;
        for (int64_t r = 0; r < WORD; r++)
            block[r] = r < high ? from->word[(i + r) * from->stride + begin / WORD] : 0;
        transpose_block(block);
        for (int64_t r = begin; r < end; r++) job->to->word[r * job->to->stride + i / WORD] = block[r - begin];
    }
}

void sgn_plane_transpose(const sgn_plane *p, sgn_plane *t) {
    sgn_parallel(t->rows, WORD, transpose_rows, &(transpose_job){ p, t });
}

static size_t plane_bytes(int64_t rows, int64_t cols) {
    return sgn_round_up((size_t)(rows * sgn_plane_stride(cols)) * sizeof(uint64_t), SGN_ALIGN);
}
static size_t index_bytes(sgn_code code, int64_t rows, int64_t cols) {
    const sgn_kernels *k = sgn_kernels_get();
    return k->binary_index ? sgn_round_up(k->binary_index_bytes(code, rows, cols), SGN_ALIGN) : 0;
}
static size_t columns_bytes(sgn_code code, int64_t out, int64_t in) {
    return sgn_kept_wanted(code) ? sgn_kept_bytes(code, out, in) : index_bytes(code, in, out);
}

size_t sgn_signs_bytes(sgn_code code, int64_t out, int64_t in) {
    return (code == SGN_CODE_BINARY ? 1 : 2) * (plane_bytes(out, in) + plane_bytes(in, out)) +
           index_bytes(code, out, in) + columns_bytes(code, out, in);
}

static sgn_plane place_plane(char **at, int64_t rows, int64_t cols) {
    const sgn_plane p = { rows, cols, sgn_plane_stride(cols), (uint64_t *)(void *)*at };
    *at += plane_bytes(rows, cols);
    return p;
}
static void *place_index(char **at, sgn_code code, int64_t rows, int64_t cols) {
    const size_t bytes = index_bytes(code, rows, cols);
    *at += bytes;
    return bytes ? *at - bytes : NULL;
}

void sgn_signs_place(sgn_signs *s, sgn_code code, int64_t out, int64_t in, void *memory) {
    char *at = memory;
    *s = (sgn_signs){ .code = code };
    s->rows = place_plane(&at, out, in);
    s->cols = place_plane(&at, in, out);
    if (code != SGN_CODE_BINARY) {
        s->rows_mask = place_plane(&at, out, in);
        s->cols_mask = place_plane(&at, in, out);
    }
    s->rows_index = place_index(&at, code, out, in);
    if (sgn_kept_wanted(code)) s->cols_kept = at;
    else s->cols_index = place_index(&at, code, in, out);
}

/* The number that w[at] is compared with. */
static sgn_real threshold(const sgn_signs *s, int64_t at) {
    return s->draw ? (sgn_real)(2 * sgn_rng_uniform(s->draw, 0, (uint64_t)at) - 1) : s->center;
}

static int64_t pack_centered(sgn_signs *s, const sgn_real *w, int64_t begin, int64_t end) {
    const int64_t cols = s->rows.cols, stride = s->rows.stride;
    sgn_real moved[WORD];
    uint64_t sign;
    int64_t changed = 0;
    for (int64_t i = begin; i < end; i++)
        for (int64_t k = 0; k < stride; k++) {
            const int64_t n = cols - k * WORD < WORD ? cols - k * WORD : WORD;
            for (int64_t j = 0; j < n; j++) {
                const int64_t at = i * cols + k * WORD + j;
                moved[j] = w[at] - threshold(s, at);
            }
            sgn_kernels_get()->pack_signs(moved, n, &sign);
            changed += __builtin_popcountll(sign ^ s->rows.word[i * stride + k]);
            s->rows.word[i * stride + k] = sign;
        }
    return changed;
}

int64_t sgn_signs_pack(sgn_signs *s, const sgn_real *w, int64_t begin, int64_t end) {
    if (s->code == SGN_CODE_BINARY && (s->draw || s->center != 0)) return pack_centered(s, w, begin, end);
    if (s->code == SGN_CODE_BINARY) return sgn_plane_pack(&s->rows, w, begin, end);
    const sgn_kernels *k = sgn_kernels_get();
    const sgn_code_info *code = sgn_code_get(s->code);
    const int64_t cols = s->rows.cols, stride = s->rows.stride;
    uint64_t sign[PACK_WORDS], kept[PACK_WORDS];
    int64_t changed = 0;
    for (int64_t i = begin; i < end; i++)
        for (int64_t at = 0; at < stride; at += PACK_WORDS) {
            const int64_t words = stride - at < PACK_WORDS ? stride - at : PACK_WORDS;
            const int64_t n = cols - at * WORD < words * WORD ? cols - at * WORD : words * WORD;
            const sgn_real *from = w + i * cols + at * WORD;
            uint64_t *old = s->rows.word + i * stride + at, *mask = s->rows_mask.word + i * stride + at;
            k->pack_signs(from, n, sign);
            if (code->kept) k->pack_kept(from, n, code->kept, code->of, kept);
            else k->pack_above(from, n, s->cut, kept);
            for (int64_t j = 0; j < words; j++) {
                changed += __builtin_popcountll((kept[j] ^ mask[j]) | ((sign[j] ^ old[j]) & kept[j]));
                old[j] = sign[j], mask[j] = kept[j];
            }
        }
    return changed;
}

typedef struct { sgn_code code; const sgn_plane *plane, *mask; void *index; } index_job;

static void index_rows(void *ctx, int64_t begin, int64_t end) {
    const index_job *job = ctx;
    sgn_kernels_get()->binary_index(job->code, job->plane, job->mask, begin, end, job->index);
}

static void index_planes(const index_job *job) {
    if (job->index) sgn_parallel(job->plane->rows, SGN_INDEX_ROWS, index_rows, (void *)job);
}

void sgn_plane_index(const sgn_plane *p, void *index) {
    index_planes(&(index_job){ SGN_CODE_BINARY, p, NULL, index });
}

void sgn_signs_refresh(sgn_signs *s) {
    sgn_plane_transpose(&s->rows, &s->cols);
    if (s->rows_mask.word) sgn_plane_transpose(&s->rows_mask, &s->cols_mask);
    index_planes(&(index_job){ s->code, &s->rows, &s->rows_mask, s->rows_index });
    if (s->cols_kept) sgn_kept_make(s);
    else index_planes(&(index_job){ s->code, &s->cols, &s->cols_mask, s->cols_index });
}
