/* SPDX-License-Identifier: MIT */
#include "export/kv_cache.h"

#include <math.h>
#include <string.h>
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"

/* Queries of a task of many; keys of a task of one, and made floats at once; tasks of few numbers each. */
enum { QUERIES = 32, KEYS = 256, GRAIN = 16384 };

static int64_t blocks_of(int64_t n) { return (n + KEYS - 1) / KEYS; }
static size_t  plane_bytes(const sgn_kv_cache *c) { return (size_t)(c->layers * c->kv_heads * c->context * c->head_dim) * sgn_dtype_bytes(c->type); }

sgn_status sgn_kv_cache_init(sgn_kv_cache *c, const sgn_model_config *m, int64_t context, sgn_dtype type, sgn_arena *a, sgn_error *err) {
    *c = (sgn_kv_cache){ .type = type, .layers = m->layers, .heads = m->heads, .kv_heads = m->kv_heads, .head_dim = m->head_dim,
                         .context = context };
    c->keys = sgn_arena_alloc(a, plane_bytes(c));
    c->values = sgn_arena_alloc(a, plane_bytes(c));
    c->part = sgn_arena_alloc(a, (size_t)(c->heads * blocks_of(context) * (c->head_dim + 2)) * sizeof *c->part);
    return sgn_scratch_reserve(SGN_SCRATCH_OP, (size_t)(QUERIES * context + KEYS * c->head_dim) * sizeof(float), err);
}

size_t sgn_kv_cache_bytes(const sgn_kv_cache *c) { return 2 * plane_bytes(c); }

/* Where one head's row of a position lies. */
static char *row(const sgn_kv_cache *c, char *plane, int64_t layer, int64_t kv_head, int64_t position) {
    return plane + (size_t)(((layer * c->kv_heads + kv_head) * c->context + position) * c->head_dim) * sgn_dtype_bytes(c->type);
}

void sgn_kv_cache_put(const sgn_kv_cache *c, int64_t layer, int64_t kv_head, int64_t position, const float *key, const float *value) {
    const sgn_kernels *k = sgn_kernels_get();
    k->from_real[c->type](row(c, c->keys, layer, kv_head, position), key, c->head_dim);
    k->from_real[c->type](row(c, c->values, layer, kv_head, position), value, c->head_dim);
}

typedef struct {
    const sgn_kv_cache *c;
    int64_t      layer, position, count;
    float        scale;
    const float *q;
    float       *y;
} attention;

/* --- one query -------------------------------------------------------------------------------------- */

/* part (head, block): the largest score m, sum of exp(score - m), and of exp(score - m) v. */
static float *part_of(const sgn_kv_cache *c, int64_t head, int64_t blocks, int64_t block) {
    return c->part + (head * blocks + block) * (c->head_dim + 2);
}

/* One block of keys and values, read once for all heads that share them. */
static void attend_block(const attention *a, int64_t kv_head, int64_t block, int64_t blocks) {
    const sgn_kv_cache *c = a->c;
    const sgn_kernels *k = sgn_kernels_get();
    const int64_t group = c->heads / c->kv_heads, hd = c->head_dim, at = block * KEYS, left = a->position + 1 - at, n = left < KEYS ? left : KEYS;
    const char *keys = row(c, c->keys, a->layer, kv_head, at), *values = row(c, c->values, a->layer, kv_head, at);
    float *w = sgn_scratch(SGN_SCRATCH_OP);
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; head++) {
        float *part = part_of(c, head, blocks, block);
        k->key_scores[c->type](w, a->q + head * hd, keys, n, hd, a->scale);
        part[0] = k->max(w, n);
        part[1] = k->exp_sum(w, w, n, part[0]);
        memset(part + 2, 0, (size_t)hd * sizeof *part);
        k->mix_values[c->type](part + 2, w, values, n, hd);
    }
}

static void attend_one(void *ctx, int64_t begin, int64_t end) {
    const attention *a = ctx;
    const int64_t blocks = blocks_of(a->position + 1);
    for (int64_t i = begin; i < end; i++) attend_block(a, i / blocks, i % blocks, blocks);
}

/* y = sum_b e^(m_b - m) y_b / sum_b e^(m_b - m) s_b */
static void join_heads(void *ctx, int64_t begin, int64_t end) {
    const attention *a = ctx;
    const int64_t blocks = blocks_of(a->position + 1), hd = a->c->head_dim;
    for (int64_t head = begin; head < end; head++) {
        float most = -INFINITY, sum = 0, *y = a->y + head * hd;
        for (int64_t b = 0; b < blocks; b++) most = fmaxf(most, part_of(a->c, head, blocks, b)[0]);
        memset(y, 0, (size_t)hd * sizeof *y);
        for (int64_t b = 0; b < blocks; b++) {
            const float *part = part_of(a->c, head, blocks, b), weight = expf(part[0] - most);
            sum += weight * part[1];
            sgn_kernels_get()->axpy(y, weight, part + 2, hd);
        }
        for (int64_t d = 0; d < hd; d++) y[d] /= sum;
    }
}

/* --- many queries ----------------------------------------------------------------------------------- */

/* n rows at `from` as floats: where they lie, or made in `to`. */
static const float *floats_of(const sgn_kv_cache *c, const char *from, int64_t n, float *to) {
    if (c->type == SGN_DTYPE_F32) return (const void *)from;
    sgn_kernels_get()->to_real[c->type](to, from, n * c->head_dim);
    return to;
}

/* w = softmax of the first `valid` scores, zeros behind */
static void softmax(float *w, int64_t valid, int64_t n) {
    const sgn_kernels *k = sgn_kernels_get();
    const float scale = 1 / k->exp_sum(w, w, valid, k->max(w, valid));
    for (int64_t j = 0; j < valid; j++) w[j] *= scale;
    memset(w + valid, 0, (size_t)(n - valid) * sizeof *w);
}

static void attend_queries(const attention *a, int64_t head, int64_t begin, int64_t end) {
    const sgn_kv_cache *c = a->c;
    const int64_t hd = c->head_dim, wide = c->heads * hd, n = a->position + end, rows = end - begin, kv_head = head / (c->heads / c->kv_heads);
    const int64_t step = c->type == SGN_DTYPE_F32 ? n : KEYS;
    float *w = sgn_scratch(SGN_SCRATCH_OP), *made = w + QUERIES * c->context;
    for (int64_t j = 0; j < n; j += step) {
        const int64_t m = n - j < step ? n - j : step;
        const float *keys = floats_of(c, row(c, c->keys, a->layer, kv_head, j), m, made);
        sgn_gemm_serial(&(sgn_gemm_args){ .trans_b = true, .m = rows, .n = m, .k = hd, .a = a->scale, .A = a->q + begin * wide + head * hd,
                                          .lda = wide, .B = keys, .ldb = hd, .C = w + j, .ldc = n });
    }
    for (int64_t t = 0; t < rows; t++) softmax(w + t * n, a->position + begin + t + 1, n);
    for (int64_t j = 0; j < n; j += step) {
        const int64_t m = n - j < step ? n - j : step;
        const float *values = floats_of(c, row(c, c->values, a->layer, kv_head, j), m, made);
        sgn_gemm_serial(&(sgn_gemm_args){ .m = rows, .n = hd, .k = m, .a = 1, .A = w + j, .lda = n, .B = values, .ldb = hd,
                                          .b = j ? 1 : 0, .C = a->y + begin * wide + head * hd, .ldc = wide });
    }
}

static void attend_many(void *ctx, int64_t begin, int64_t end) {
    const attention *a = ctx;
    const int64_t blocks = (a->count + QUERIES - 1) / QUERIES;
    for (int64_t i = begin; i < end; i++) {
        const int64_t from = i % blocks * QUERIES;
        attend_queries(a, i / blocks, from, a->count - from < QUERIES ? a->count : from + QUERIES);
    }
}

void sgn_kv_cache_attend(const sgn_kv_cache *c, int64_t layer, int64_t position, int64_t count, const float *q, float *y) {
    attention a = { c, layer, position, count, 1 / sqrtf((float)c->head_dim), q, y };
    if (count > 1) {
        sgn_parallel((count + QUERIES - 1) / QUERIES * c->heads, 1, attend_many, &a);
        return;
    }
    const int64_t blocks = blocks_of(position + 1), keys = position + 1 < KEYS ? position + 1 : KEYS;
    const int64_t work = 2 * keys * c->head_dim * (c->heads / c->kv_heads), joined = blocks * c->head_dim;
    sgn_parallel(c->kv_heads * blocks, work < GRAIN ? GRAIN / work : 1, attend_one, &a);
    sgn_parallel(c->heads, joined < GRAIN ? GRAIN / joined : 1, join_heads, &a);
}
