/* SPDX-License-Identifier: MIT */
#include "distill/pick.h"

#include <math.h>
#include <string.h>
#include "core/checked.h"
#include "core/clock.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/ops/op_rows.h"
#include "core/rng.h"

/* A chunk of tokens: half as many logits as the head of a training step has. */
enum { LOGITS = 8 << 20, MOST_ROWS = 512, BLOCK = 32 };

typedef struct {
    const sgn_cache_job    *j;
    const uint64_t         *window;
    const sgn_cache_record *out;
    int64_t                 from;
    sgn_real               *z;     /* (rows, vocab) */
} chunk;

typedef struct { sgn_real *p, *value; int32_t *id; uint64_t *key; double *before; } room;     /* of one thread */

static int64_t chunk_rows(int64_t vocab, int64_t tokens) {
    const int64_t fit = LOGITS / vocab < MOST_ROWS ? LOGITS / vocab : MOST_ROWS, most = fit < 16 ? fit : fit & ~(int64_t)15;
    return most < 1 ? 1 : most < tokens ? most : tokens;
}

static int64_t blocks(int64_t vocab) { return (vocab + BLOCK - 1) / BLOCK; }

static size_t lay_out(const sgn_cache_job *j, char *base, room *r) {
    size_t at = 0;
    const int64_t keys = j->samples && j->count > j->vocab ? j->count : j->vocab;
    const size_t bytes[] = { (size_t)j->vocab * sizeof(sgn_real), (size_t)j->vocab * sizeof(sgn_real), (size_t)j->vocab * sizeof(int32_t),
                             (size_t)keys * sizeof(uint64_t), (size_t)(blocks(j->vocab) + 1) * sizeof(double) };
    void *part[5];
    for (int i = 0; i < 5; i++) {
        part[i] = base ? base + at : NULL;
        at += sgn_round_up(bytes[i], 64);
    }
    *r = (room){ part[0], part[1], part[2], part[3], part[4] };
    return at;
}

sgn_status sgn_pick_reserve(const sgn_cache_job *j, const sgn_soft *live, int64_t tokens, sgn_error *err) {
    const int64_t rows = chunk_rows(j->vocab, tokens);
    room r;
    SGN_TRY(sgn_scratch_reserve(SGN_SCRATCH_SHARED, (size_t)(rows * j->vocab) * sizeof(sgn_real), err));
    SGN_TRY(sgn_scratch_reserve(SGN_SCRATCH_OP, lay_out(j, NULL, &r), err));
    if (!live->stored.data) return SGN_OK;
    SGN_TRY(sgn_gemm_stored_reserve(live->stored, rows, j->vocab, live->width, err));
    return tokens % rows ? sgn_gemm_stored_reserve(live->stored, tokens % rows, j->vocab, live->width, err) : SGN_OK;
}

/* --- the largest of many ----------------------------------------------------------------------------------- */

static int64_t count_from(const sgn_real *x, int64_t n, sgn_real t) {
    int32_t count = 0;
    for (int64_t i = 0; i < n; i++) count += x[i] >= t;
    return count;
}

/* A t that at least k of x reach, and at most k + slack where numbers lie apart: by halving, so without branches to
 * guess. x is finite, k <= n. */
static sgn_real cut(const sgn_real *x, int64_t n, int64_t k, int64_t slack) {
    enum { HALVINGS = 48 };
    sgn_real low = x[0], high = x[0];
    for (int64_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    int64_t reached = n;
    for (int i = 0; i < HALVINGS && reached > k + slack; i++) {
        const sgn_real t = low + (high - low) / 2;
        const int64_t count = count_from(x, n, t);
        if (t <= low) break;
        if (count >= k) low = t, reached = count;
        else high = t;
    }
    return low;
}

static int64_t gather(const sgn_real *z, int64_t vocab, sgn_real t, room *r) {
    int64_t n = 0;
    for (int64_t from = 0; from < vocab; from += BLOCK) {
        const int64_t end = from + BLOCK < vocab ? from + BLOCK : vocab;
        int32_t any = 0;
        for (int64_t v = from; v < end; v++) any |= z[v] >= t;
        if (!any) continue;
        for (int64_t v = from; v < end; v++) {
            r->value[n] = z[v];
            r->id[n] = (int32_t)v;
            n += z[v] >= t;
        }
    }
    return n;
}

/* All that reach the count-th largest of the maxima of many groups, among which the count largest are. */
static int64_t candidates(const sgn_real *z, int64_t vocab, int64_t count, room *r) {
    const int64_t groups = (4 * count + 15) & ~(int64_t)15;
    if (groups > vocab / 2) return gather(z, vocab, cut(z, vocab, count, count), r);
    sgn_real *most = r->value;
    memcpy(most, z, (size_t)groups * sizeof *most);
    for (int64_t from = groups; from < vocab; from += groups) {
        const int64_t n = vocab - from < groups ? vocab - from : groups;
        for (int64_t g = 0; g < n; g++) most[g] = z[from + g] > most[g] ? z[from + g] : most[g];
    }
    return gather(z, vocab, cut(most, groups, count, count / 2), r);
}

static void swap(uint64_t *a, uint64_t *b) {
    const uint64_t c = *a;
    *a = *b;
    *b = c;
}

/* Largest first. Hoare's splits around a median of three. */
static void sort_down(uint64_t *a, int64_t n) {
    while (n > 12) {
        uint64_t *low = a, *middle = a + (n - 1) / 2, *high = a + n - 1;
        if (*middle > *low) swap(middle, low);
        if (*high > *low) swap(high, low);
        if (*high > *middle) swap(high, middle);
        const uint64_t pivot = *middle;
        int64_t i = -1, j = n;
        for (;;) {
            while (a[++i] > pivot) { }
            while (a[--j] < pivot) { }
            if (i >= j) break;
            swap(a + i, a + j);
        }
        const int64_t left = j + 1;
        if (left < n - left) {
            sort_down(a, left);
            a += left;
            n -= left;
        } else {
            sort_down(a + left, n - left);
            n = left;
        }
    }
    for (int64_t i = 1; i < n; i++)
        for (int64_t k = i; k > 0 && a[k] > a[k - 1]; k--) swap(a + k, a + k - 1);
}

/* Larger z first, of equals the smaller number; z is finite. */
static uint64_t key_of(sgn_real z, int64_t number) {
    const float f = (float)z + 0.0f;           /* -0 is 0 */
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return (uint64_t)bits << 32 | (UINT32_MAX - (uint32_t)number);
}
static int32_t number_of(uint64_t key) { return (int32_t)(UINT32_MAX - (uint32_t)key); }

/* id = the `count` largest of the n gathered, in order. Of few each counts those before it: many compares, no guesses. */
static void put_in_order(const room *r, int64_t n, int64_t count, int32_t *id) {
    enum { FEW = 160 };
    if (n <= FEW) {
        for (int64_t i = 0; i < n; i++) {
            const sgn_real x = r->value[i];
            int32_t rank = 0;
            for (int64_t k = 0; k < i; k++) rank += r->value[k] >= x;
            for (int64_t k = i + 1; k < n; k++) rank += r->value[k] > x;
            if (rank < count) id[rank] = r->id[i];
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) r->key[i] = key_of(r->value[i], r->id[i]);
    sort_down(r->key, n);
    for (int64_t i = 0; i < count; i++) id[i] = number_of(r->key[i]);
}

static void largest(const sgn_real *z, int64_t vocab, int64_t count, room *r, int32_t *id) {
    int64_t all = candidates(z, vocab, count, r), n = 0;
    const sgn_real least = cut(r->value, all, count, 0);
    for (int64_t i = 0; i < all; i++) {
        const bool reaches = r->value[i] >= least;
        r->value[n] = r->value[i];
        r->id[n] = r->id[i];
        n += reaches;
    }
    put_in_order(r, n, count, id);
}

/* --- one token ------------------------------------------------------------------------------------------------ */

/* p = exp((z - max z) / T); returns the sum. */
static double soften(const chunk *c, const sgn_real *z, room *r, float *entropy) {
    const sgn_kernels *k = sgn_kernels_get();
    const int64_t vocab = c->j->vocab;
    const sgn_real cool = (sgn_real)(1 / c->j->temperature);
    const sgn_real most = k->max(z, vocab) * cool;
    const sgn_real *cooled = z;
    if (c->j->temperature != 1) {
        for (int64_t v = 0; v < vocab; v++) r->p[v] = z[v] * cool;
        cooled = r->p;
    }
    const double sum = (double)k->exp_sum(r->p, cooled, vocab, most);
    const double e = (double)most + log(sum) - (double)k->dot(r->p, z, vocab) * (double)cool / sum;
    *entropy = e > 0 ? (float)e : 0;
    return sum;
}

static void top(const chunk *c, const sgn_real *z, int64_t at, room *r) {
    const int64_t vocab = c->j->vocab, count = c->j->count;
    const double sum = soften(c, z, r, &c->out->entropy[at]);
    int32_t *id = c->out->id + at * count;
    float *p = c->out->weight + at * count;
    double mass = 0;
    largest(z, vocab, count, r, id);
    for (int64_t i = 0; i < count; i++) {
        p[i] = (float)((double)r->p[id[i]] / sum);
        mass += (double)p[i];
    }
    c->out->rest[at] = count == vocab || mass > 1 ? 0 : (float)(1 - mass);
}

/* Inverse of the distribution function: the block by bisection, the class by a walk. */
static int64_t draw(const chunk *c, const room *r, double u) {
    const int64_t vocab = c->j->vocab;
    int64_t low = 0, high = blocks(vocab) - 1, last = 0;
    while (low < high) {
        const int64_t middle = (low + high + 1) / 2;
        if (r->before[middle] <= u) low = middle;
        else high = middle - 1;
    }
    double sum = r->before[low];
    const int64_t end = (low + 1) * BLOCK < vocab ? (low + 1) * BLOCK : vocab;
    for (int64_t v = last = low * BLOCK; v < end; v++) {
        if (r->p[v] > 0) last = v;
        sum += (double)r->p[v];
        if (sum > u) break;
    }
    return last;
}

static void samples(const chunk *c, const sgn_real *z, int64_t at, room *r) {
    const int64_t vocab = c->j->vocab, count = c->j->count, all = blocks(vocab), seq = c->j->seq;
    const uint64_t stream = c->window[at / seq];
    int32_t *id = c->out->id + at * count;
    float *times = c->out->weight + at * count;
    int64_t n = 0;
    soften(c, z, r, &c->out->entropy[at]);
    r->before[0] = 0;
    for (int64_t b = 0; b < all; b++)
        r->before[b + 1] = r->before[b] + (double)sgn_sum(r->p + b * BLOCK, vocab - b * BLOCK < BLOCK ? vocab - b * BLOCK : BLOCK);
    for (int64_t i = 0; i < count; i++) {
        const double u = sgn_rng_uniform(c->j->seed ^ sgn_rng_stream("teacher samples"), stream, (uint64_t)(at % seq * count + i));
        r->key[i] = (uint64_t)draw(c, r, u * r->before[all]);
    }
    sort_down(r->key, count);
    for (int64_t i = 0, from = 0; i < count; from = i) {       /* runs of equals become one key: times, id */
        while (i < count && r->key[i] == r->key[from]) i++;
        r->key[n++] = (uint64_t)(i - from) << 32 | (UINT32_MAX - (uint32_t)r->key[from]);
    }
    sort_down(r->key, n);
    for (int64_t i = 0; i < count; i++) {
        id[i] = i < n ? number_of(r->key[i]) : 0;
        times[i] = i < n ? (float)(r->key[i] >> 32) : 0;
    }
}

static void tokens(void *ctx, int64_t begin, int64_t end) {
    const chunk *c = ctx;
    room r;
    (void)lay_out(c->j, sgn_scratch(SGN_SCRATCH_OP), &r);
    for (int64_t i = begin; i < end; i++) (c->j->samples ? samples : top)(c, c->z + i * c->j->vocab, c->from + i, &r);
}

void sgn_pick(const sgn_cache_job *j, const sgn_soft *live, int64_t rows, const uint64_t *window, const sgn_cache_record *out,
              sgn_pick_times *times) {
    const int64_t all = rows * j->seq, most = chunk_rows(j->vocab, all);
    chunk c = { .j = j, .window = window, .out = out, .z = sgn_scratch(SGN_SCRATCH_SHARED) };
    for (; c.from < all; c.from += most) {
        const int64_t n = all - c.from < most ? all - c.from : most;
        const sgn_real *x = live->hidden + c.from * live->width;
        const double began = sgn_clock_wall();
        if (live->head) sgn_gemm_forward(c.z, x, live->head, n, j->vocab, live->width);
        else sgn_gemm_forward_stored(c.z, x, live->stored, n, j->vocab, live->width);
        const double multiplied = sgn_clock_wall();
        sgn_parallel(n, 1, tokens, &c);
        times->head += multiplied - began;
        times->pick += sgn_clock_wall() - multiplied;
    }
}
