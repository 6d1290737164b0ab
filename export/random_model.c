/* SPDX-License-Identifier: MIT */
#include "export/random_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/arena.h"
#include "core/checked.h"
#include "core/rng.h"
#include "export/parts.h"

enum { PATTERN = 1 << 18 };            /* numbers, or words of planes, after which they begin again */

typedef struct {
    sgn_lowered_model *lm;
    char     *base;                    /* NULL: sizes are counted */
    size_t    used;
    sgn_dtype dense;
    uint64_t *words;                   /* (PATTERN) */
    char     *numbers;                 /* (PATTERN) as dense, of standard deviation 1/50 */
} builder;

static void *take(builder *b, size_t bytes) {
    void *at = b->base ? b->base + b->used : NULL;
    b->used += sgn_round_up(bytes, SGN_ALIGN);
    return at;
}

static void repeat(void *to, size_t bytes, const void *from, size_t period) {
    for (size_t at = 0; to && at < bytes; at += period) memcpy((char *)to + at, from, bytes - at < period ? bytes - at : period);
}

static const float *vector(builder *b, int64_t n, float value) {
    float *v = take(b, (size_t)n * sizeof *v);
    for (int64_t i = 0; v && i < n; i++) v[i] = value;
    return v;
}

static sgn_stored matrix(builder *b, int64_t rows, int64_t cols) {
    const size_t bytes = (size_t)rows * sgn_stored_row_bytes(b->dense, cols);
    void *data = take(b, bytes);
    repeat(data, bytes, b->numbers, sgn_stored_row_bytes(b->dense, PATTERN));
    return (sgn_stored){ b->dense, data, 0 };
}

static sgn_plane plane(builder *b, int64_t rows, int64_t cols) {
    sgn_plane p = { rows, cols, sgn_plane_stride(cols), NULL };
    const size_t bytes = (size_t)(rows * p.stride) * sizeof *p.word;
    p.word = take(b, bytes);
    repeat(p.word, bytes, b->words, PATTERN * sizeof *b->words);
    for (int64_t i = 0; p.word && cols % 64 && i < rows; i++) p.word[(i + 1) * p.stride - 1] &= (UINT64_C(1) << cols % 64) - 1;
    return p;
}

/* Kept signs as planes or, N of M, codes: any bits will do, for speed alone. */
static sgn_lowered_stage signs(builder *b, const sgn_model_config *c, bool kept, int64_t out, int64_t in) {
    sgn_lowered_stage s = { .kind = SGN_STAGE_SIGN, .rows = out, .cols = in, .name = { "sign" } };
    if (!kept || sgn_code_find(&s.code, c->keep, NULL) != SGN_OK || !sgn_coded_bits(s.code)) {
        s.plane[0] = plane(b, out, in);
        return s;
    }
    const size_t bytes = (size_t)(out * sgn_coded_stride(s.code, in));
    uint8_t *byte = take(b, bytes);
    repeat(byte, bytes, b->words, PATTERN * sizeof *b->words);
    s.kind = SGN_STAGE_MASKED_SIGN;
    s.coded = (sgn_coded){ s.code, out, in, byte };
    s.name[0] = "codes";
    return s;
}

/* Outputs are as large as inputs: each scale is 1/sqrt(in); beta is 1/in. */
static void fbi(builder *b, const sgn_model_config *c, bool kept, int64_t out, int64_t in, sgn_lowered *l) {
    const float one = 1 / sqrtf((float)in);
    sgn_lowered_stage sign = signs(b, c, kept, out, in), shift = { .kind = SGN_STAGE_RANK1, .rows = out, .cols = in, .name = { "wbias" } };
    sgn_lowered_stage scale = { .kind = SGN_STAGE_SCALE, .name = { "wscale" } };
    const bool column = strcmp(c->scales, "column") == 0, group = strcmp(c->scales, "group128") == 0;
    scale.rows = scale.cols = column ? in : out;
    scale.v_size = column ? in : strcmp(c->scales, "tensor") == 0 ? 1 : out;
    if (group) {
        sign.kind = SGN_STAGE_GROUP_SIGN;
        sign.group = 128;
        sign.v_size = out * ((in + 127) / 128);
        sign.v = vector(b, sign.v_size, one);
        sign.name[1] = "wscale";
        l->chain[0] = (sgn_chain){ { sign }, 1 };
    } else {
        scale.v = vector(b, scale.v_size, one);
        l->chain[0] = column ? (sgn_chain){ { scale, sign }, 2 } : (sgn_chain){ { sign, scale }, 2 };
    }
    l->count = 1;
    if (!c->shift || group) return;
    const float *beta = vector(b, scale.v_size, 1 / (float)in);
    if (column) shift.v = beta, shift.v_size = in;
    else shift.u = beta, shift.u_size = scale.v_size;
    l->chain[l->count++] = (sgn_chain){ { shift }, 1 };
}

static sgn_status linear(builder *b, const sgn_model_config *c, int64_t layer, sgn_block_linear which, sgn_lowered *l, sgn_error *err) {
    const char *module = sgn_linear_module(which), *kind = sgn_model_config_linear(c, layer, module);
    int64_t out, in;
    if (!sgn_model_config_has(c, module)) return SGN_OK;
    sgn_linear_shape(c, which, &out, &in);
    if (strcmp(kind, "fbi") == 0 || strcmp(kind, "nm") == 0) fbi(b, c, *kind == 'n', out, in, l);
    else if (strcmp(kind, "full") == 0) {
        l->count = 1;
        l->chain[0] = (sgn_chain){ { { .kind = SGN_STAGE_DENSE, .rows = out, .cols = in, .w = matrix(b, out, in), .name = { "weight" } } }, 1 };
    } else SGN_FAIL(err, SGN_UNSUPPORTED, "random weights are made for linears of kind fbi, nm or full, not '%s'; export a model and name it", kind);
    if (sgn_model_config_bias(c, module)) l->bias = vector(b, out, 0);
    return SGN_OK;
}

static sgn_status build(builder *b, const sgn_model_config *c, sgn_error *err) {
    sgn_lowered_model *lm = b->lm;
    const bool norm = sgn_model_config_arch(c)->layernorm;
    lm->embedding = matrix(b, c->vocab, c->dim);
    lm->head = c->tied_head ? lm->embedding : matrix(b, c->vocab, c->dim);
    if (sgn_model_config_arch(c)->positions) lm->positions = vector(b, c->context * c->dim, 0);
    lm->final_norm = vector(b, c->dim, 1);
    if (norm) lm->final_bias = vector(b, c->dim, 0);
    for (int64_t i = 0; i < c->layers; i++) {
        sgn_lowered_block *k = &lm->blocks[i];
        *k = (sgn_lowered_block){ .attention_norm = vector(b, c->dim, 1), .mlp_norm = vector(b, c->dim, 1) };
        if (norm) k->attention_bias = vector(b, c->dim, 0), k->mlp_bias = vector(b, c->dim, 0);
        if (c->qk_norm) k->q_norm = vector(b, c->head_dim, 1), k->k_norm = vector(b, c->head_dim, 1);
        for (int l = 0; l < SGN_LINEARS; l++) SGN_TRY(linear(b, c, i, (sgn_block_linear)l, &k->linear[l], err));
    }
    return SGN_OK;
}

/* PATTERN numbers of N(0, 1/50) as `dense` has them. */
static sgn_status draw(builder *b, sgn_error *err) {
    for (uint64_t i = 0; i < PATTERN; i++) b->words[i] = sgn_rng_bits(1, 1, i);
    for (uint64_t i = 0; i < PATTERN; i++) {
        const float v = (float)sgn_rng_normal(1, 2, i) / 50;
        const uint16_t half = b->dense == SGN_DTYPE_BF16 ? sgn_f32_to_bf16(v) : sgn_f32_to_f16(v);
        const int8_t byte = (int8_t)rintf(fminf(fmaxf(v * 1600, -127), 127));
        switch (b->dense) {
        case SGN_DTYPE_F32: memcpy(b->numbers + 4 * i, &v, sizeof v); break;
        case SGN_DTYPE_F16: case SGN_DTYPE_BF16: memcpy(b->numbers + 2 * i, &half, sizeof half); break;
        case SGN_DTYPE_Q8_0: {                 /* a scale of 1/1600, rounded, and 32 bytes */
            const uint16_t d = sgn_f32_to_f16(1.0f / 1600);
            if (i % 32 == 0) memcpy(b->numbers + i / 32 * 34, &d, sizeof d);
            memcpy(b->numbers + i / 32 * 34 + 2 + i % 32, &byte, 1);
            break;
        }
        default: SGN_FAIL(err, SGN_UNSUPPORTED, "random weights are made as F32, F16, BF16 or Q8_0, not %s", sgn_dtype_name(b->dense));
        }
    }
    return SGN_OK;
}

static sgn_status make(builder *b, const sgn_model_config *c, sgn_error *err) {
    sgn_lowered_model *lm = b->lm;
    b->words = malloc(PATTERN * sizeof *b->words);
    b->numbers = malloc(PATTERN * sizeof(float));
    lm->blocks = calloc((size_t)c->layers, sizeof *lm->blocks);
    if (!b->words || !b->numbers || !lm->blocks) SGN_FAIL(err, SGN_NOMEM, "no memory for a random model");
    SGN_TRY(draw(b, err));
    SGN_TRY(build(b, c, err));
    SGN_TRY(sgn_memory_alloc(&lm->memory, b->used, "a random model", err));
    lm->memory_bytes = b->used;
    b->base = lm->memory;
    b->used = 0;
    memset(lm->blocks, 0, (size_t)c->layers * sizeof *lm->blocks);
    return build(b, c, err);
}

sgn_status sgn_random_model(sgn_lowered_model *lm, const sgn_model_config *c, sgn_dtype dense, sgn_error *err) {
    *lm = (sgn_lowered_model){ .config = *c };
    builder b = { .lm = lm, .dense = dense };
    const int64_t block = sgn_dtype_block(dense);
    if (c->dim % block || c->ffn % block) SGN_FAIL(err, SGN_UNSUPPORTED, "%s wants rows of whole blocks of %lld", sgn_dtype_name(dense), (long long)block);
    const sgn_status s = make(&b, c, err);
    free(b.words);
    free(b.numbers);
    if (s != SGN_OK) sgn_lowered_model_free(lm);
    return s;
}
