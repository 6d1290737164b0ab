/* SPDX-License-Identifier: MIT */
#include "export/random_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/arena.h"
#include "core/checked.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "export/parts.h"

enum { PATTERN = 1 << 18 };            /* numbers after which they begin again; of latents, a thread's share */

/* A layer as a model of that shape lowers it, settled as a packed file has it: copied to every block that has the same. */
typedef struct prototype {
    struct prototype *next;
    const char       *kind;
    sgn_block_linear  which;
    int64_t           out, in;
    sgn_lowered       lowered;
    void             *memory;
} prototype;

typedef struct {
    sgn_lowered_model *lm;
    char      *base;                   /* NULL: sizes are counted */
    size_t     used;
    sgn_dtype  dense;
    char      *numbers;                /* (PATTERN) as dense, of standard deviation 1/50; NULL: matrices stay where they are */
    prototype *made;
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

/* --- a layer ------------------------------------------------------------------------------------------- */

static const void *copy(builder *b, const void *from, int64_t bytes) {
    void *to = from ? take(b, (size_t)bytes) : NULL;
    if (to) memcpy(to, from, (size_t)bytes);
    return to;
}

static sgn_status pack_zones(builder *b, const sgn_lowered_stage *s, sgn_zoned_bits *z, sgn_error *err) {
    SGN_TRY(sgn_zoned_bits_form(z, s->zone, s->rows, s->cols, "random weights", err));
    uint8_t *byte = take(b, (size_t)(s->rows * sgn_zoned_bits_stride(z))), *salient = take(b, (size_t)(s->cols + 7) / 8);
    if (byte) sgn_zoned_bits_pack(z, s->latent, s->zone, s->v, byte, salient);
    z->byte = byte, z->salient = salient;
    return SGN_OK;
}

/* A stage and what it points at, as it runs from a packed file. */
static sgn_status place(builder *b, const sgn_lowered_stage *from, sgn_lowered_stage *to, sgn_error *err) {
    const size_t settled = sgn_masked_bytes(from);
    *to = settled ? sgn_masked_settle(from, take(b, settled)) : *from;
    to->latent = to->zone = NULL;
    for (int i = 0; i < 2 && !settled; i++)
        to->plane[i].word = (uint64_t *)(uintptr_t)copy(b, from->plane[i].word, from->rows * from->plane[i].stride * (int64_t)sizeof(uint64_t));
    if (from->coded.byte) to->coded.byte = copy(b, from->coded.byte, from->rows * sgn_coded_stride(from->code, from->cols));
    if (from->zones.byte) {
        to->zones.byte = copy(b, from->zones.byte, from->rows * sgn_zoned_bits_stride(&from->zones));
        to->zones.salient = copy(b, from->zones.salient, (from->cols + 7) / 8);
    } else if (from->kind == SGN_STAGE_ZONES) SGN_TRY(pack_zones(b, from, &to->zones, err));
    if (from->kind == SGN_STAGE_DENSE && b->numbers) to->w = matrix(b, from->rows, from->cols);
    to->v = copy(b, from->v, from->v_size * (int64_t)sizeof *to->v);
    to->u = copy(b, from->u, from->u_size * (int64_t)sizeof *to->u);
    return SGN_OK;
}

static sgn_status place_all(builder *b, const sgn_lowered *from, sgn_lowered *to, sgn_error *err) {
    *to = *from;
    for (int c = 0; c < from->count; c++)
        for (int i = 0; i < from->chain[c].count; i++) SGN_TRY(place(b, &from->chain[c].stage[i], &to->chain[c].stage[i], err));
    return SGN_OK;
}

static void draw_latent(void *ctx, int64_t begin, int64_t end) {
    const sgn_param *p = ctx;
    const sgn_shape s = p->tensor.shape;
    const uint64_t stream = sgn_rng_stream(p->name);
    const double std = 1 / sqrt((double)s.dim[s.rank - 1]);
    for (int64_t i = begin; i < end; i++) p->tensor.data[i] = (sgn_real)(std * sgn_rng_normal(1, stream, (uint64_t)i));
}

static void draw_param(sgn_param *p) {
    const int64_t n = sgn_numel(p->tensor.shape);
    if (p->class == SGN_PARAM_LATENT) sgn_parallel(n, PATTERN, draw_latent, p);
    for (int64_t i = 0; p->class == SGN_PARAM_NORM && i < n; i++) p->tensor.data[i] = 1;
}

/* Latents vary by 1/sqrt(in), so that outputs are as large as inputs; a full matrix is not touched. */
static sgn_status learn(sgn_linear *l, sgn_params *params, const sgn_model_config *c, const char *path, prototype *p, sgn_error *err) {
    SGN_TRY(sgn_linear_declare(l, params, c, p->kind, path, p->in, p->out, false, err));
    SGN_TRY(sgn_params_commit(params, err));
    for (int i = 0; i < params->count; i++) draw_param(&params->at[i]);
    sgn_linear_derive(l);
    sgn_params_refresh_signs(params);
    sgn_lowered views;
    SGN_TRY(sgn_linear_lower(l, &views, err));
    builder b = { .base = NULL };
    SGN_TRY(place_all(&b, &views, &p->lowered, err));
    if (b.used && !(b.base = p->memory = aligned_alloc(SGN_ALIGN, b.used))) SGN_FAIL(err, SGN_NOMEM, "no memory for a random layer");
    if (b.base) memset(b.base, 0, b.used);
    b.used = 0;
    return place_all(&b, &views, &p->lowered, err);
}

static sgn_status find_prototype(builder *b, const sgn_model_config *c, int64_t layer, sgn_block_linear which, prototype **found, sgn_error *err) {
    const char *kind = sgn_model_config_linear(c, layer, sgn_linear_module(which));
    for (prototype *p = b->made; p; p = p->next)
        if (p->which == which && strcmp(p->kind, kind) == 0) return *found = p, SGN_OK;
    prototype *p = calloc(1, sizeof *p);
    if (!p) SGN_FAIL(err, SGN_NOMEM, "no memory for a random layer");
    *p = (prototype){ .next = b->made, .kind = kind, .which = which };
    *found = b->made = p;
    sgn_linear_shape(c, which, &p->out, &p->in);
    sgn_linear l;
    sgn_params params = { 0 };
    sgn_model_config like = *c;
    like.init_std = 1 / sqrt((double)p->in);
    const sgn_status s = learn(&l, &params, &like, sgn_linear_name_of(layer, which).s, p, err);
    sgn_params_free(&params);
    return s;
}

static sgn_status linear(builder *b, const sgn_model_config *c, int64_t layer, sgn_block_linear which, sgn_lowered *l, sgn_error *err) {
    const char *module = sgn_linear_module(which);
    prototype *p;
    if (!sgn_model_config_has(c, module)) return SGN_OK;
    SGN_TRY(find_prototype(b, c, layer, which, &p, err));
    SGN_TRY(place_all(b, &p->lowered, l, err));
    if (sgn_model_config_bias(c, module)) l->bias = vector(b, p->out, 0);
    return SGN_OK;
}

/* --- a model ---------------------------------------------------------------------------------------------- */

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
    b->numbers = malloc(PATTERN * sizeof(float));
    lm->blocks = calloc((size_t)c->layers, sizeof *lm->blocks);
    if (!b->numbers || !lm->blocks) SGN_FAIL(err, SGN_NOMEM, "no memory for a random model");
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
    free(b.numbers);
    for (prototype *p = b.made, *next; p; p = next) {
        next = p->next;
        free(p->memory);
        free(p);
    }
    if (s != SGN_OK) sgn_lowered_model_free(lm);
    return s;
}
