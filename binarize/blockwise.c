/* SPDX-License-Identifier: MIT */
#include "binarize/blockwise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "binarize/hessian.h"
#include "binarize/nm_mask.h"
#include "binarize/zones.h"
#include "core/gemm.h"

/* --- bits -------------------------------------------------------------------------------------------------- */

enum { HALF = 16, BILLM_HALVES = 7, STBLLM_HALVES = 9 };

static double code_bits(int64_t n, int64_t m) {
    double patterns = 1, bits = 0;
    for (int64_t k = 1; k <= n; k++) patterns = patterns * (double)(m - n + k) / (double)k;
    while (ldexp(1, (int)bits) < patterns - 0.5) bits++;
    return bits / (double)m;
}
static double halves(int per_block) { return (double)(HALF * per_block) / SGN_ZONE_BLOCK; }

/* Sign and group of what is kept, a sign more in salient columns, which a bit each names, 7 halves per row and block. */
double sgn_billm_masked_bits(int64_t out, int64_t n, int64_t m, double salient) {
    return (2 + salient) * (double)n / (double)m + code_bits(n, m) + 1 / (double)out + halves(BILLM_HALVES);
}
double sgn_billm_bits(int64_t out, double salient) { return sgn_billm_masked_bits(out, 1, 1, salient); }

/* Sign and 2 bits of zone of what is kept, which that is, 9 halves per row and block. */
double sgn_stbllm_bits(int64_t n, int64_t m) { return 3 * (double)n / (double)m + code_bits(n, m) + halves(STBLLM_HALVES); }

double sgn_billm_claim(double salient) { return 2 * salient + 1 - salient; }
double sgn_stbllm_claim(int64_t n, int64_t m, double salient) { return sgn_billm_claim(salient) * (double)n / (double)m; }

sgn_status sgn_blockwise_check(const sgn_binarize_options *o, const char *path, int64_t in, sgn_error *err) {
    if (o->m < 1 || o->m > SGN_ZONE_BLOCK || SGN_ZONE_BLOCK % o->m)
        SGN_FAIL(err, SGN_CONFIG, "--m is %lld, but groups lie within blocks of %d columns: take 2, 4, 8, 16, 32, 64 or 128", (long long)o->m, SGN_ZONE_BLOCK);
    if (o->n < 1 || o->n > o->m)
        SGN_FAIL(err, SGN_CONFIG, "--n is %lld, but of %lld inputs 1 to %lld can be kept", (long long)o->n, (long long)o->m, (long long)o->m);
    if (in % o->m)
        SGN_FAIL(err, SGN_CONFIG, "%s: its rows of %lld inputs are no whole groups of %lld; take an --m that divides them, or leave the layer out with --modules",
                 path, (long long)in, (long long)o->m);
    return SGN_OK;
}

/* --- one layer ---------------------------------------------------------------------------------------------- */

typedef struct {
    const sgn_binarize_layer *l;
    sgn_blockwise     *b;
    bool               three;
    int64_t            kept;           /* 0: no mask */
    sgn_hessian_factor factor;
    sgn_importance     importance;
    uint8_t           *mask;           /* (out, in) of fixed masks, else NULL */
    double            *s, *sorted;     /* (out, SGN_ZONE_BLOCK) */
    float             *e, *u;          /* (out, SGN_ZONE_BLOCK); (SGN_ZONE_BLOCK, in) */
    uint8_t           *zone;           /* (out, SGN_ZONE_BLOCK) */
    float             *q, *scale;
    int64_t            salient, alive;
} work;

static bool honest(const work *k) { return !k->l->o->released; }
/* N:M before BiLLM: by size, nothing passed on. */
static bool plain(const work *k) { return k->kept && !k->three; }
static bool dead(const work *k, int64_t j) { return k->l->h[j * k->l->in + j] == 0; }

/* s, then the mask of columns [at, at + n) of a matrix, into zone (out, n). */
static void select_block(work *k, const float *w, int64_t at, int64_t n, uint8_t *zone) {
    const int64_t in = k->l->in;
    sgn_importance_columns(&k->importance, w, at, at + n);
    for (int64_t i = 0; i < k->l->out; i++)
        for (int64_t j = 0; j < n; j++) {
            const double v = (double)w[i * in + at + j];
            k->s[i * n + j] = plain(k) ? fabs(v) : sgn_importance_of(&k->importance, v, i, at + j);
        }
    sgn_nm_select(k->s, k->l->out, n, k->kept, k->l->o->m, zone);
}

/* The mask of the first weights: kept for all blocks; plain and as the released code has it, they are pruned right away. */
static void prune_first(work *k) {
    const int64_t in = k->l->in;
    for (int64_t at = 0; at < in; at += SGN_ZONE_BLOCK) {
        const int64_t n = in - at < SGN_ZONE_BLOCK ? in - at : SGN_ZONE_BLOCK;
        select_block(k, k->l->w, at, n, k->zone);
        for (int64_t i = 0; i < k->l->out; i++)
            for (int64_t j = 0; j < n; j++) {
                k->mask[i * in + at + j] = k->zone[i * n + j];
                if ((plain(k) || !honest(k)) && !k->zone[i * n + j]) k->b->w[i * in + at + j] = 0;
            }
    }
}

static void choose_mask(work *k, int64_t at, int64_t n) {
    const int64_t in = k->l->in;
    memset(k->zone, 1, (size_t)(k->l->out * n));
    if (k->kept && k->mask)
        for (int64_t i = 0; i < k->l->out; i++) memcpy(k->zone + i * n, k->mask + i * in + at, (size_t)n);
    else if (k->kept) select_block(k, k->b->w, at, n, k->zone);
    for (int64_t i = 0; honest(k) && i < k->l->out; i++)
        for (int64_t j = 0; j < n; j++)
            if (dead(k, at + j)) k->zone[i * n + j] = SGN_ZONE_PRUNED;
}

/* E of the block, and W behind it. */
static void compensate(work *k, int64_t at, int64_t n) {
    const int64_t in = k->l->in, rest = in - at - n;
    float *w = k->b->w;
    for (int64_t i = 0; i < k->l->out; i++)
        for (int64_t j = 0; j < n; j++)
            k->e[i * n + j] = (float)((double)(w[i * in + at + j] - k->q[i * n + j]) / k->factor.u[(at + j) * in + at + j]);
    if (rest == 0) return;
    for (int64_t j = 0; j < n; j++)
        for (int64_t c = 0; c < rest; c++) k->u[j * rest + c] = (float)k->factor.u[(at + j) * in + at + n + c];
    sgn_gemm(&(sgn_gemm_args){ .m = k->l->out, .n = rest, .k = n, .a = -1, .A = k->e, .lda = n, .B = k->u, .ldb = rest,
                               .b = 1, .C = w + at + n, .ldc = in });
}

static void fit_block(work *k, int64_t index) {
    const int64_t in = k->l->in, out = k->l->out, at = index * SGN_ZONE_BLOCK, n = in - at < SGN_ZONE_BLOCK ? in - at : SGN_ZONE_BLOCK;
    double d[SGN_ZONE_BLOCK];
    for (int64_t j = 0; j < n; j++) d[j] = 1 / (k->factor.u[(at + j) * in + at + j] * k->factor.u[(at + j) * in + at + j]);
    choose_mask(k, at, n);
    sgn_zones z = { .rows = out, .cols = n, .w = k->b->w + at, .stride = in, .d = d, .three = k->three, .means = !honest(k),
                    .by_saliency = k->l->o->by_saliency, .zone = k->zone, .scale = k->scale, .q = k->q, .t = k->s, .sorted = k->sorted };
    sgn_zones_fit(&z);
    k->salient += z.salient;
    for (int64_t i = 0; i < out; i++) {
        memcpy(k->b->zone + i * in + at, k->zone + i * n, (size_t)n);
        memcpy(k->b->q + i * in + at, k->q + i * n, (size_t)n * sizeof *k->q);
        memcpy(k->b->scale + (i * k->b->blocks + index) * SGN_ZONE_SCALES, k->scale + i * SGN_ZONE_SCALES, SGN_ZONE_SCALES * sizeof *k->scale);
        for (int64_t j = 0; j < n; j++) k->alive += k->zone[i * n + j] != SGN_ZONE_PRUNED;
    }
    compensate(k, at, n);
}

static sgn_status run(work *k, sgn_error *err) {
    const int64_t out = k->l->out, in = k->l->in, size = out * SGN_ZONE_BLOCK;
    SGN_TRY(sgn_hessian_factor_init(&k->factor, k->l->h, in, k->l->path, err));
    SGN_TRY(sgn_importance_init(&k->importance, k->l->w, k->l->h, out, in, err));
    k->s = malloc((size_t)size * sizeof *k->s);
    k->sorted = malloc((size_t)size * sizeof *k->sorted);
    k->e = malloc((size_t)size * sizeof *k->e);
    k->q = malloc((size_t)size * sizeof *k->q);
    k->zone = malloc((size_t)size);
    k->scale = malloc((size_t)(out * SGN_ZONE_SCALES) * sizeof *k->scale);
    k->u = malloc((size_t)(SGN_ZONE_BLOCK * in) * sizeof *k->u);
    const bool fixed = k->kept && (k->l->o->fixed || plain(k) || !honest(k));
    if (fixed) k->mask = malloc((size_t)(out * in));
    if (!k->s || !k->sorted || !k->e || !k->q || !k->zone || !k->scale || !k->u || (fixed && !k->mask))
        SGN_FAIL(err, SGN_NOMEM, "%s: no memory for a block of %d of its columns", k->l->path, SGN_ZONE_BLOCK);
    for (int64_t j = 0; j < in; j++)
        for (int64_t i = 0; dead(k, j) && i < out; i++) k->b->w[i * in + j] = 0;
    if (fixed) prune_first(k);
    for (int64_t index = 0; index < k->b->blocks; index++) fit_block(k, index);
    return SGN_OK;
}

sgn_status sgn_blockwise_fit(const sgn_binarize_layer *l, bool three, int64_t kept, sgn_blockwise *b, sgn_binarize_report *r, sgn_error *err) {
    work k = { .l = l, .b = b, .three = three, .kept = kept };
    b->blocks = (l->in + SGN_ZONE_BLOCK - 1) / SGN_ZONE_BLOCK;
    const sgn_status s = run(&k, err);
    r->kept = l->o->released ? 1 : (double)k.alive / (double)(l->out * l->in);
    r->salient = (double)k.salient / (double)l->in;
    r->damping = k.factor.damping;
    r->dead = k.factor.dead;
    sgn_hessian_factor_free(&k.factor);
    sgn_importance_free(&k.importance);
    free(k.mask);
    free(k.s);
    free(k.sorted);
    free(k.e);
    free(k.q);
    free(k.zone);
    free(k.scale);
    free(k.u);
    return s;
}

/* --- into a layer -------------------------------------------------------------------------------------------- */

static void store(const sgn_binarize_layer *l, const sgn_blockwise *b, sgn_linear *to) {
    const size_t bytes = (size_t)(l->out * l->in) * sizeof(float);
    if (l->o->dense) {
        memcpy(sgn_binarize_param(to, "weight")->data, b->q, bytes);
        return;
    }
    memcpy(sgn_binarize_param(to, "weight")->data, b->w, bytes);
    memcpy(sgn_binarize_param(to, "wscale")->data, b->scale, (size_t)(l->out * b->blocks * SGN_ZONE_SCALES) * sizeof *b->scale);
    sgn_real *zone = sgn_binarize_param(to, "zone")->data;
    for (int64_t k = 0; k < l->out * l->in; k++) zone[k] = b->zone[k];
}

sgn_status sgn_blockwise_make(const sgn_binarize_layer *l, bool three, int64_t kept, sgn_linear *to, float *q, sgn_binarize_report *r, sgn_error *err) {
    const size_t size = (size_t)(l->out * l->in), blocks = (size_t)(l->in + SGN_ZONE_BLOCK - 1) / SGN_ZONE_BLOCK;
    sgn_blockwise b = { malloc(size * sizeof *b.w), malloc(size), malloc((size_t)l->out * blocks * SGN_ZONE_SCALES * sizeof *b.scale), q, 0 };
    sgn_status s = SGN_OK;
    if (!b.w || !b.zone || !b.scale) s = SGN_ERROR(err, SGN_NOMEM, "%s: no memory for its %zu weights", l->path, size);
    if (s == SGN_OK) {
        memcpy(b.w, l->w, size * sizeof *b.w);
        s = sgn_blockwise_fit(l, three, kept, &b, r, err);
    }
    if (s == SGN_OK) store(l, &b, to);
    free(b.w);
    free(b.zone);
    free(b.scale);
    return s;
}
