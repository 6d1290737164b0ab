/* SPDX-License-Identifier: MIT */
#include "core/bits.h"

#include "core/arena.h"
#include "core/checked.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"

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
static size_t index_bytes(int64_t rows, int64_t cols) {
    const sgn_kernels *k = sgn_kernels_get();
    return k->binary_index ? sgn_round_up(k->binary_index_bytes(rows, cols), SGN_ALIGN) : 0;
}

size_t sgn_signs_bytes(int64_t out, int64_t in) {
    return plane_bytes(out, in) + plane_bytes(in, out) + index_bytes(out, in) + index_bytes(in, out);
}

void sgn_signs_place(sgn_signs *s, int64_t out, int64_t in, void *memory) {
    char *at = memory;
    s->rows = (sgn_plane){ out, in, sgn_plane_stride(in), (uint64_t *)(void *)at };
    at += plane_bytes(out, in);
    s->cols = (sgn_plane){ in, out, sgn_plane_stride(out), (uint64_t *)(void *)at };
    at += plane_bytes(in, out);
    s->rows_index = index_bytes(out, in) ? at : NULL;
    at += index_bytes(out, in);
    s->cols_index = index_bytes(in, out) ? at : NULL;
}

typedef struct { const sgn_plane *plane; void *index; } index_job;

static void index_rows(void *ctx, int64_t begin, int64_t end) {
    const index_job *job = ctx;
    sgn_kernels_get()->binary_index(job->plane, begin, end, job->index);
}

void sgn_plane_index(const sgn_plane *p, void *index) {
    if (index) sgn_parallel(p->rows, SGN_INDEX_ROWS, index_rows, &(index_job){ p, index });
}

void sgn_signs_refresh(sgn_signs *s) {
    sgn_plane_transpose(&s->rows, &s->cols);
    sgn_plane_index(&s->rows, s->rows_index);
    sgn_plane_index(&s->cols, s->cols_index);
}
