/* SPDX-License-Identifier: MIT */
/* Y = X B^T . 1 + row_add 1^T, B_jl = out_scale_j in_scale_l s_jl (0 where the mask is), unpacked tile by tile. */
#include "core/kernels/product_sgemm.h"

#include "core/gemm.h"
#include "core/parallel.h"

/* A tile of B is in the second cache while ROWS tokens pay for unpacking it. */
enum { ROWS = 384, WIDE = 256, NARROW = 64, DEPTH = 512, ENOUGH_TILES = 8, WORD = 64 };

typedef struct { const sgn_binary_product *p; int64_t wide, across; } tiling;

static int64_t cuts(int64_t n, int64_t size) { return (n + size - 1) / size; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

size_t sgn_product_sgemm_scratch(void) { return (size_t)(WIDE + 1) * DEPTH * sizeof(sgn_real); }

#define SIGN(bits, i) ((bits) >> (i) & 1 ? 1 : -1)
#define SIGNS(bits) { SIGN(bits, 0), SIGN(bits, 1), SIGN(bits, 2), SIGN(bits, 3) }
static const sgn_real signs[16][4] = {
    SIGNS(0), SIGNS(1), SIGNS(2), SIGNS(3), SIGNS(4), SIGNS(5), SIGNS(6), SIGNS(7),
    SIGNS(8), SIGNS(9), SIGNS(10), SIGNS(11), SIGNS(12), SIGNS(13), SIGNS(14), SIGNS(15),
};

/* b_l = c scale_l s_l, in whole words: what stands behind the last column is never read. */
static void unpack_row(const uint64_t *word, int64_t words, const sgn_real *restrict scale, sgn_real c, sgn_real *restrict b) {
    for (int64_t w = 0; w < words; w++)
        for (int q = 0; q < WORD / 4; q++, scale += 4, b += 4)
            for (int i = 0; i < 4; i++) b[i] = signs[word[w] >> 4 * q & 15][i] * scale[i] * c;
}

static void clear_masked(const uint64_t *mask, int64_t words, sgn_real *b) {
    for (int64_t w = 0; w < words; w++)
        for (int i = 0; i < WORD; i++, b++)
            if (!(mask[w] >> i & 1)) *b = 0;
}

/* b (cols, DEPTH) = rows [col, col + cols) of B, columns [from, from + depth) */
static void unpack(const sgn_binary_product *p, int64_t col, int64_t cols, int64_t from, int64_t depth, sgn_real *b) {
    sgn_real *scale = b + WIDE * DEPTH;
    for (int64_t l = 0; l < cuts(depth, WORD) * WORD; l++) scale[l] = p->in_scale && l < depth ? p->in_scale[from + l] : 1;
    for (int64_t j = 0; j < cols; j++) {
        const int64_t at = (col + j) * p->s->stride + from / WORD;
        unpack_row(p->s->word + at, cuts(depth, WORD), scale, p->out_scale ? p->out_scale[col + j] : 1, b + j * DEPTH);
        if (p->mask) clear_masked(p->mask->word + at, cuts(depth, WORD), b + j * DEPTH);
    }
}

static void one_tile(const sgn_binary_product *p, int64_t row, int64_t rows, int64_t col, int64_t cols, sgn_real *b) {
    sgn_real *y = p->y + row * p->ldy + col;
    for (int64_t from = 0; from < p->k; from += DEPTH) {
        const int64_t depth = least(DEPTH, p->k - from);
        unpack(p, col, cols, from, depth, b);
        sgn_gemm_serial(&(sgn_gemm_args){ .trans_b = true, .m = rows, .n = cols, .k = depth, .a = 1, .A = p->x + row * p->ldx + from,
                                          .lda = p->ldx, .B = b, .ldb = DEPTH, .b = p->add || from, .C = y, .ldc = p->ldy });
    }
    for (int64_t i = 0; p->row_add && i < rows; i++)
        for (int64_t j = 0; j < cols; j++) y[i * p->ldy + j] += p->row_add[row + i];
}

static void run_tiles(void *ctx, int64_t begin, int64_t end) {
    const tiling *c = ctx;
    const sgn_binary_product *p = c->p;
    for (int64_t t = begin; t < end; t++) {
        const int64_t row = t / c->across * ROWS, col = t % c->across * c->wide;
        one_tile(p, row, least(ROWS, p->m - row), col, least(c->wide, p->n - col), sgn_scratch(SGN_SCRATCH_KERNEL));
    }
}

void sgn_product_sgemm(const sgn_binary_product *p) {
    const int64_t down = cuts(p->m, ROWS);
    tiling c = { p, down * cuts(p->n, WIDE) < ENOUGH_TILES ? NARROW : WIDE, 0 };
    c.across = cuts(p->n, c.wide);
    sgn_parallel(down * c.across, 1, run_tiles, &c);
}
