/* SPDX-License-Identifier: MIT */
#include "model/lowered_planes.h"

#include <math.h>
#include <string.h>
#include "core/arena.h"
#include "core/checked.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"

/* Columns at a time, whole blocks and words; rows of a task. */
enum { PIECE = 1024, ROWS = 16 };

typedef struct {
    sgn_stored  w;
    int64_t     rows, cols, groups;        /* groups: scales of a row */
    sgn_plane   plane[2];
    sgn_real   *scale;                     /* (rows, groups) */
    bool        even, fits;                /* one scale in each row; every number is 0 or of its row's size */
} job;

static bool is_ternary(sgn_dtype t) { return t == SGN_DTYPE_TQ1_0 || t == SGN_DTYPE_TQ2_0; }
static bool is_blocked(const sgn_lowered *l) {
    if (l->count != 1 || l->chain[0].count != 1 || l->chain[0].stage[0].kind != SGN_STAGE_DENSE) return false;
    const sgn_dtype t = l->chain[0].stage[0].w.dtype;
    return t == SGN_DTYPE_Q1_0 || is_ternary(t);
}

static void note(bool *flag) { __atomic_store_n(flag, false, __ATOMIC_RELAXED); }

/* --- one row -------------------------------------------------------------------------------------------- */

/* Blocks of Q1_0 (core/kernels/blocks.inc): a half d and 128 bits, bit j % 8 of byte j / 8 is +d or -d; so planes and files agree but for d < 0. */
static void take_signs(job *j, int64_t i) {
    enum { BYTES = 18, WORDS = 2 };
    const char *block = sgn_stored_row(j->w, j->cols, i);
    sgn_real *scale = j->scale + i * j->groups;
    for (int64_t g = 0; g < j->groups; g++, block += BYTES) {
        uint64_t bits[WORDS], *word = j->plane[0].word + i * j->plane[0].stride + g * WORDS;
        uint16_t d;
        memcpy(&d, block, sizeof d);
        memcpy(bits, block + sizeof d, sizeof bits);
        for (int k = 0; k < WORDS; k++) word[k] = d >> 15 ? ~bits[k] : bits[k];
        scale[g] = (sgn_real)sgn_f16_to_f32(d & 0x7FFF);
        if (memcmp(&scale[g], scale, sizeof *scale) != 0) note(&j->even);
    }
}

static void take_digits(job *j, int64_t i, int64_t at, const sgn_real *w, int64_t n) {
    uint64_t *plus = j->plane[0].word + i * j->plane[0].stride + at / 64, *minus = j->plane[1].word + i * j->plane[1].stride + at / 64;
    sgn_real *scale = j->scale + i;
    sgn_kernels_get()->pack_signs(w, n, plus);
    sgn_kernels_get()->pack_above(w, n, 0, minus);
    for (int64_t k = 0; k < (n + 63) / 64; k++) {
        const uint64_t sign = plus[k];
        plus[k] = sign & minus[k];
        minus[k] &= ~sign;
    }
    if (at == 0) *scale = 0;
    for (int64_t k = 0; k < n; k++) {
        const sgn_real size = (sgn_real)fabs((double)w[k]);
        if (*scale == 0) *scale = size;
        if (!(size == 0 || size == *scale)) note(&j->fits);
    }
}

static void take_rows(void *ctx, int64_t begin, int64_t end) {
    job *j = ctx;
    sgn_real w[PIECE];
    for (int64_t i = begin; i < end; i++) {
        const char *row = sgn_stored_row(j->w, j->cols, i);
        if (!is_ternary(j->w.dtype)) take_signs(j, i);
        else for (int64_t at = 0; at < j->cols; at += PIECE) {
            const int64_t n = j->cols - at < PIECE ? j->cols - at : PIECE;
            sgn_kernels_get()->to_real[j->w.dtype](w, row + sgn_stored_row_bytes(j->w.dtype, at), n);
            take_digits(j, i, at, w, n);
        }
    }
}

/* --- one layer ------------------------------------------------------------------------------------------ */

static size_t plane_bytes(const sgn_lowered_stage *s) { return (size_t)(s->rows * sgn_plane_stride(s->cols)) * sizeof(uint64_t); }
static int64_t groups_of(const sgn_lowered_stage *s) { return is_ternary(s->w.dtype) ? 1 : s->cols / sgn_dtype_block(s->w.dtype); }

/* At most, from a multiple of 64 bytes. */
static size_t bytes_of(const sgn_lowered_stage *s) {
    const size_t planes = plane_bytes(s) * (is_ternary(s->w.dtype) ? 2 : 1);
    return sgn_round_up(planes, 64) + sgn_round_up((size_t)(s->rows * groups_of(s)) * sizeof(sgn_real), 64);
}

static sgn_chain chain_of(const job *j) {
    sgn_lowered_stage s = { .rows = j->rows, .cols = j->cols, .plane = { j->plane[0], j->plane[1] }, .name = { "sign", "wscale" } };
    const sgn_lowered_stage scale = { .kind = SGN_STAGE_SCALE, .rows = j->rows, .cols = j->rows, .v = j->scale, .v_size = j->rows,
                                      .name = { "wscale" } };
    if (is_ternary(j->w.dtype) || j->even) {
        s.kind = is_ternary(j->w.dtype) ? SGN_STAGE_TERNARY : SGN_STAGE_SIGN;
        s.name[0] = s.kind == SGN_STAGE_TERNARY ? "plus" : "sign";
        s.name[1] = s.kind == SGN_STAGE_TERNARY ? "minus" : NULL;
        return (sgn_chain){ { s, scale }, 2 };
    }
    s.kind = SGN_STAGE_GROUP_SIGN;
    s.group = sgn_dtype_block(j->w.dtype);
    s.v = j->scale;
    s.v_size = j->rows * j->groups;
    return (sgn_chain){ { s }, 1 };
}

/* Returns the bytes that were taken. */
static size_t unblock(sgn_lowered *l, char *memory) {
    const sgn_lowered_stage *s = &l->chain[0].stage[0];
    const size_t bytes = plane_bytes(s), file = (size_t)s->rows * sgn_stored_row_bytes(s->w.dtype, s->cols);
    const int planes = is_ternary(s->w.dtype) ? 2 : 1;
    job j = { .w = s->w, .rows = s->rows, .cols = s->cols, .groups = groups_of(s), .even = true, .fits = true };
    for (int i = 0; i < planes; i++)
        j.plane[i] = (sgn_plane){ s->rows, s->cols, sgn_plane_stride(s->cols), (uint64_t *)(void *)(memory + (size_t)i * bytes) };
    j.scale = (sgn_real *)(void *)(memory + sgn_round_up(bytes * (size_t)planes, 64));
    sgn_parallel(j.rows, ROWS, take_rows, &j);
    if (!j.fits) return 0;
    for (int64_t i = 0; j.even && i < j.rows; i++) j.scale[i] = j.scale[i * j.groups];
    const size_t used = j.even ? (size_t)((char *)(j.scale + j.rows) - memory) : bytes_of(s);
    l->chain[0] = chain_of(&j);
    sgn_memory_forget(j.w.data, file);
    return sgn_round_up(used, 64);
}

sgn_status sgn_lowered_model_unblock(sgn_lowered_model *lm, sgn_error *err) {
    size_t bytes = 0;
    for (int64_t n = 0; n < lm->config.layers; n++)
        for (int k = 0; k < SGN_LINEARS; k++)
            if (is_blocked(&lm->blocks[n].linear[k])) bytes += bytes_of(&lm->blocks[n].linear[k].chain[0].stage[0]);
    if (!bytes) return SGN_OK;
    SGN_TRY(sgn_memory_alloc(&lm->memory, bytes, "planes of a model in blocks of signs", err));
    lm->memory_bytes = bytes;
    char *at = lm->memory;
    for (int64_t n = 0; n < lm->config.layers; n++)
        for (int k = 0; k < SGN_LINEARS; k++)
            if (is_blocked(&lm->blocks[n].linear[k])) at += unblock(&lm->blocks[n].linear[k], at);
    return SGN_OK;
}
