/* SPDX-License-Identifier: MIT */
#include "core/kept.h"

#include <string.h>
#include "core/arena.h"
#include "core/checked.h"
#include "core/parallel.h"

enum { WORD = 64, KEYS = SGN_KEPT_ROWS / SGN_KEPT_STEP + 1 };

static int64_t parts_of(int64_t n, int64_t most) { return n > 0 ? (n + most - 1) / most : 1; }
/* The size of equal parts of n, a multiple of 64. */
static int64_t part(int64_t n, int64_t parts) { return (int64_t)sgn_round_up((size_t)((n + parts - 1) / parts), WORD); }

static void cut(sgn_kept *l, sgn_code code, int64_t out, int64_t in, void *memory) {
    const sgn_code_info *c = sgn_code_get(code);
    *l = (sgn_kept){ .out = out, .in = in, .passes = parts_of(out, SGN_KEPT_ROWS), .blocks = parts_of(in, SGN_KEPT_COLS),
                     .memory = memory };
    l->rows = part(out, l->passes), l->cols = part(in, l->blocks);
    l->passes = parts_of(out, l->rows), l->blocks = parts_of(in, l->cols);
    const int64_t rows = out < l->rows ? out : l->rows, cols = in < l->cols ? in : l->cols;
    const int64_t entries = rows * ((cols + c->of - 1) / c->of) * c->kept + 2 * (SGN_KEPT_STEP - 1) * cols + 8;
    l->stride = (int64_t)sgn_round_up((size_t)cols * sizeof(sgn_kept_column) + (size_t)entries * sizeof(sgn_kept_entry), SGN_ALIGN);
}

size_t sgn_kept_bytes(sgn_code code, int64_t out, int64_t in) {
    sgn_kept l;
    cut(&l, code, out, in, NULL);
    return (size_t)(l.blocks * l.passes * l.stride);
}

sgn_kept sgn_kept_of(const sgn_signs *s) {
    sgn_kept l;
    cut(&l, s->code, s->rows.rows, s->rows.cols, s->cols_kept);
    return l;
}

static uint16_t filled_up(int n) { return (uint16_t)((n + SGN_KEPT_STEP - 1) / SGN_KEPT_STEP * SGN_KEPT_STEP); }

/* to = from, ascending by one length, in the order given where equal */
static void sort(const sgn_kept_column *from, sgn_kept_column *to, int64_t n, bool minus) {
    int16_t at[KEYS + 1] = { 0 };
#define KEY(c) ((minus ? (c).minus : (c).plus) / SGN_KEPT_STEP)
    for (int64_t j = 0; j < n; j++) at[KEY(from[j]) + 1]++;
    for (int i = 0; i < KEYS; i++) at[i + 1] = (int16_t)(at[i + 1] + at[i]);
    for (int64_t j = 0; j < n; j++) to[at[KEY(from[j])]++] = from[j];
#undef KEY
}

enum { SCALE = SGN_KEPT_TOKENS / 2, BYTE = 8, BYTES = 1 << BYTE };

/* The entries of a byte's bits, ascending, two words of four; and how many. */
typedef struct { uint64_t entries[BYTES][2]; uint8_t count[BYTES]; } byte_lists;

static void list_bytes(byte_lists *t) {
    t->entries[0][0] = t->entries[0][1] = t->count[0] = 0;
    for (int bit = 0; bit < BYTE; bit++)
        for (int low = 0; low < 1 << bit; low++) {
            const int b = low | 1 << bit, n = t->count[low];
            for (int half = 0; half < 2; half++)
                t->entries[b][half] = t->entries[low][half] | (n / 4 == half ? (uint64_t)(bit * SCALE) << n % 4 * 16 : 0);
            t->count[b] = (uint8_t)(n + 1);
        }
}

typedef struct { sgn_kept l; const sgn_plane *sign, *mask; byte_lists bytes; } making;

/* Entries of the bits of some words, then of the row of zeros: by bytes, free of branches that nobody can guess.
 * Writes up to 8 entries behind them. */
static sgn_kept_entry *list(const byte_lists *t, sgn_kept_entry *to, const uint64_t *sign, const uint64_t *mask, int64_t words,
                            uint64_t flip, int count, int64_t rows) {
    const uint64_t each = UINT64_C(0x0001000100010001), zeros = (uint64_t)(rows * SCALE) * each;
    sgn_kept_entry *const end = to + count;
    uint64_t from = 0;
    for (int64_t w = 0; w < words; w++)
        for (uint64_t bits = (sign[w] ^ flip) & mask[w], i = 0; i < WORD / BYTE; i++, bits >>= BYTE, from += BYTE * SCALE * each) {
            const uint64_t *e = t->entries[bits % BYTES], four[2] = { e[0] + from, e[1] + from };
            memcpy(to, four, sizeof four);
            to += t->count[bits % BYTES];
        }
    memcpy(to, &zeros, sizeof zeros);
    return end;
}

static void make_one(const making *m, int64_t block, int64_t pass) {
    const sgn_kept *l = &m->l;
    const int64_t cols = sgn_kept_cols(l, block), rows = sgn_kept_rows(l, pass), words = (rows + WORD - 1) / WORD;
    const int64_t stride = m->sign->stride, from = block * l->cols * stride + pass * l->rows / WORD;
    sgn_kept_column *to = (sgn_kept_column *)(void *)(l->memory + (block * l->passes + pass) * l->stride), other[SGN_KEPT_COLS];
    for (int64_t j = 0; j < cols; j++) {
        const uint64_t *s = m->sign->word + from + j * stride, *k = m->mask->word + from + j * stride;
        int plus = 0, minus = 0;
        for (int64_t w = 0; w < words; w++) plus += __builtin_popcountll(s[w] & k[w]), minus += __builtin_popcountll(~s[w] & k[w]);
        to[j] = (sgn_kept_column){ (uint16_t)j, filled_up(plus), filled_up(minus) };
    }
    sort(to, other, cols, true);
    sort(other, to, cols, false);
    sgn_kept_entry *entry = (sgn_kept_entry *)(void *)(to + cols);
    for (int64_t j = 0; j < cols; j++) {
        const int64_t at = from + to[j].col * stride;
        entry = list(&m->bytes, entry, m->sign->word + at, m->mask->word + at, words, 0, to[j].plus, rows);
        entry = list(&m->bytes, entry, m->sign->word + at, m->mask->word + at, words, UINT64_MAX, to[j].minus, rows);
    }
}

static void make(void *ctx, int64_t begin, int64_t end) {
    const making *m = ctx;
    for (int64_t i = begin; i < end; i++) make_one(m, i / m->l.passes, i % m->l.passes);
}

void sgn_kept_make(const sgn_signs *s) {
    making m = { .l = sgn_kept_of(s), .sign = &s->cols, .mask = &s->cols_mask };
    list_bytes(&m.bytes);
    sgn_parallel(m.l.blocks * m.l.passes, 1, make, &m);
}
