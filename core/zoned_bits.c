/* SPDX-License-Identifier: MIT */
#include "core/zoned_bits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/ops.h"

enum { SALIENT = 4 };

static int64_t choose(int m, int n) {
    int64_t c = 1;
    for (int k = 1; k <= n; k++) c = c * (m - n + k) / k;
    return c;
}

int sgn_zoned_bits_mask_bits(const sgn_zoned_bits *z) {
    int bits = 0;
    while (z->of && ((int64_t)1 << bits) < choose(z->of, z->kept)) bits++;
    return bits;
}

static int64_t groups(const sgn_zoned_bits *z) { return z->of ? z->cols / z->of : z->cols; }
int64_t sgn_zoned_bits_stride(const sgn_zoned_bits *z) {
    return (groups(z) * (sgn_zoned_bits_mask_bits(z) + (z->of ? z->kept : 1) * (1 + z->id)) + 7) / 8;
}

/* --- the number of a set: sum over its members c_0 < c_1 < ... of C(c_k, k + 1) ------------------------------ */

static int64_t number_of(uint32_t mask) {
    int64_t number = 0;
    for (int k = 1; mask; k++, mask &= mask - 1) number += choose(__builtin_ctz(mask), k);
    return number;
}

static uint32_t set_of(int64_t number, int of, int kept) {
    uint32_t mask = 0;
    for (int k = kept, c = of - 1; k > 0; c--) {
        const int64_t below = c < k ? 0 : choose(c, k);
        if (number < below) continue;
        number -= below;
        mask |= (uint32_t)1 << c;
        k--;
    }
    return mask;
}

/* The set after that of `mask`. */
static uint32_t next_set(uint32_t mask) {
    const uint32_t up = mask + (mask & -mask);
    return up | ((mask ^ up) >> 2) >> __builtin_ctz(mask);
}

/* --- form ------------------------------------------------------------------------------------------------ */

static int kept_of(const sgn_real *zone, int64_t n, int of) {
    int all = -1;
    for (int64_t at = 0; at < n; at += of) {
        int count = 0;
        for (int k = 0; k < of; k++) count += zone[at + k] > 0;
        if (all >= 0 && count != all) return -1;
        all = count;
    }
    return all;
}

static int64_t bits_of(const sgn_zoned_bits *z) { return z->rows * 8 * sgn_zoned_bits_stride(z); }

sgn_status sgn_zoned_bits_form(sgn_zoned_bits *z, const sgn_real *zone, int64_t rows, int64_t cols, const char *name, sgn_error *err) {
    bool pruned = false, third = false;
    for (int64_t j = 0; j < cols; j++) {
        bool is = false, other = false;
        for (int64_t i = 0; i < rows; i++) {
            const sgn_real v = zone[i * cols + j];
            pruned |= v <= 0;
            is |= v >= SALIENT;
            other |= v > 0 && v < SALIENT;
            third |= v > 2 && v < SALIENT;
        }
        if (is && other)
            SGN_FAIL(err, SGN_UNSUPPORTED, "%s: column %lld has salient weights and others; only whole columns are stored as salient", name, (long long)j);
    }
    *z = (sgn_zoned_bits){ rows, cols, .id = pruned || third ? 2 : 1, .pruned = pruned };
    const int id = third ? 2 : 1;
    for (int of = 4; pruned && of <= 16; of *= 2) {
        if (cols % of) continue;
        const sgn_zoned_bits nm = { rows, cols, kept_of(zone, rows * cols, of), of, id, .pruned = true };
        if (nm.kept > 0 && bits_of(&nm) < bits_of(z)) *z = nm;
    }
    return SGN_OK;
}

/* --- rows --------------------------------------------------------------------------------------------------- */

static void put(uint8_t *byte, int64_t *at, uint32_t v, int bits) {
    for (int k = 0; k < bits; k++, ++*at) byte[*at / 8] |= (uint8_t)((v >> k & 1) << *at % 8);
}

typedef struct { const uint8_t *at, *end; uint64_t held; int count; } bit_reader;

static inline uint32_t get(bit_reader *r, int bits) {
    while (r->count < bits && r->at < r->end) {
        r->held |= (uint64_t)*r->at++ << r->count;
        r->count += 8;
    }
    const uint32_t v = (uint32_t)(r->held & (((uint64_t)1 << bits) - 1));
    r->held >>= bits;
    r->count -= bits;
    return v;
}

static bool is_salient(const sgn_zoned_bits *z, int64_t j) { return z->salient[j / 8] >> j % 8 & 1; }
static int64_t scales_at(int64_t j) { return j / SGN_ZONED_BLOCK * SGN_ZONED_SCALES; }
static bool zeros(const sgn_zoned_bits *z) { return !z->of && z->pruned; }        /* ids are zones */

void sgn_zoned_bits_pack(const sgn_zoned_bits *z, const sgn_real *w, const sgn_real *zone, const sgn_real *scale, uint8_t *byte, uint8_t *salient) {
    const int64_t stride = sgn_zoned_bits_stride(z), of = z->of ? z->of : 1, scales = sgn_zoned_scales(z->cols);
    for (int64_t k = 0; k < z->rows * z->cols; k++)
        if (zone[k] >= SALIENT) salient[k % z->cols / 8] |= (uint8_t)(1 << k % z->cols % 8);
    for (int64_t i = 0; i < z->rows; i++) {
        uint8_t *row = byte + i * stride;
        int64_t at = 0;
        for (int64_t j = 0; j < z->cols; j += of) {
            const int64_t first = i * z->cols + j;
            uint32_t mask = 0;
            for (int k = 0; k < of; k++) mask |= (uint32_t)(!z->of || zone[first + k] > 0) << k;
            if (z->of) put(row, &at, (uint32_t)number_of(mask), sgn_zoned_bits_mask_bits(z));
            for (; mask; mask &= mask - 1) {
                const int64_t l = first + __builtin_ctz(mask);
                const int v = (int)zone[l];
                const sgn_real s = w[l] >= 0 ? 1 : -1;
                const bool second = w[l] - scale[i * scales + scales_at(l % z->cols) + 3] * s >= 0;
                put(row, &at, v && w[l] >= 0, 1);
                put(row, &at, (uint32_t)(v == SALIENT ? second + zeros(z) : v - !zeros(z)), z->id);
            }
        }
    }
}

/* Masks of all sets, where they are few: else each is worked out. */
enum { FEW_SETS = 70 };

/* Scales lie `step` apart, block by block. */
static bool read_row(const sgn_zoned_bits *z, int64_t i, const sgn_real *scale, int step, sgn_real *to) {
    const int64_t stride = sgn_zoned_bits_stride(z), sets = z->of ? choose(z->of, z->kept) : 1;
    bit_reader r = { z->byte + i * stride, z->byte + (i + 1) * stride, 0, 0 };
    const int bits = sgn_zoned_bits_mask_bits(z), of = z->of ? z->of : 1, zero = zeros(z);
    uint32_t few[FEW_SETS] = { 1 };
    bool sound = true;
    if (z->of) few[0] = (1u << z->kept) - 1;
    for (int64_t k = 1; sets <= FEW_SETS && k < sets; k++) few[k] = next_set(few[k - 1]);
    for (int64_t j = 0; j < z->cols; j += of) {
        int64_t number = get(&r, bits);
        sound &= number < sets;
        number = number < sets ? number : 0;
        uint32_t mask = sets <= FEW_SETS ? few[number] : set_of(number, z->of, z->kept);
        const sgn_real *a = scale + j / SGN_ZONED_BLOCK * step;
        for (int k = 0; k < of; k++) to[j + k] = 0;
        for (; mask; mask &= mask - 1) {
            const int64_t l = j + __builtin_ctz(mask);
            const uint32_t v = get(&r, 1 + z->id);
            const sgn_real s = v & 1 ? 1 : -1;
            const int id = (int)(v >> 1) - zero;
            sound &= id >= 0 ? id < (is_salient(z, l) ? 2 : 3) : !(v & 1);
            if (id >= 0) to[l] = is_salient(z, l) ? a[3] * s + (id ? a[4] : -a[4]) : a[id < 3 ? id : 0] * s;
        }
    }
    return sound && r.held == 0;
}

bool sgn_zoned_bits_row(const sgn_zoned_bits *z, int64_t i, const sgn_real *scale, sgn_real *to) {
    return read_row(z, i, scale, SGN_ZONED_SCALES, to);
}

static void make_entries(const sgn_zoned_bits *z, sgn_zoned_sets *s) {
    const uint32_t flip = 1u << 31;
    for (int e = 0; e < 8; e++) {
        const int id = ((z->id == 1 && !z->of ? e & 3 : e) >> 1) - zeros(z);       /* with one bit of id the next column's sign stands behind */
        s->size[0][e] = id >= 0 && id < 3 ? id : 0, s->size[0][8 + e] = 3;
        s->size[1][e] = 5, s->size[1][8 + e] = 4;
        s->minus[0][e] = s->minus[0][8 + e] = e & 1 ? 0 : flip;
        s->minus[1][e] = flip, s->minus[1][8 + e] = id > 0 ? 0 : flip;             /* x + -0 = x */
        s->there[e] = s->there[8 + e] = id >= 0 && id < 3 ? ~0u : 0;
    }
}

/* Where 64 columns' signs and ids are, and their groups' numbers. */
static void make_places(sgn_zoned_sets *s, int kept, int each) {
    for (int k = 0; k < 64; k++) {
        const int first = k / 8 * 8, base = first / kept * s->bits + s->number + first % kept * each, group = k / 8 * s->bits;
        s->place[k] = (uint8_t)(base / 8 + k % 8);
        s->turn[k] = (uint8_t)(k / kept * s->bits + s->number + k % kept * each - base / 8 * 8);
        s->number_place[k] = (uint8_t)(group / 8 + k % 8);
        s->number_turn[k] = (uint8_t)(group % 8);
    }
}

bool sgn_zoned_bits_sets(const sgn_zoned_bits *z, sgn_zoned_sets *s) {
    const int of = z->of ? z->of : 8, kept = z->of ? z->kept : 8, each = 1 + z->id;
    const int64_t count = z->of ? choose(of, kept) : 1;
    const int number = sgn_zoned_bits_mask_bits(z);
    if (count > SGN_ZONED_SETS || number + kept * each > 25) return false;
    *s = (sgn_zoned_sets){ .number = number, .bits = number + kept * each, .stride = sgn_zoned_bits_stride(z) };
    uint32_t mask = (1u << kept) - 1;
    for (int64_t q = 0; q < count; q++, mask = next_set(mask)) {
        for (int64_t like = q; of == 8 && like < SGN_ZONED_SETS; like += 1 << number) s->mask[like] = (uint8_t)mask;
        for (int k = 0, at = number; k < 16; k++) {
            s->shift[q][k] = mask >> k & 1 ? (uint32_t)at : SGN_ZONED_NONE;
            if (mask >> k & 1) at += each;
        }
    }
    make_entries(z, s);
    if (of == 8) make_places(s, kept, each);
    return true;
}

/* --- back to what is trained ----------------------------------------------------------------------------------- */

bool sgn_zoned_bits_parse(sgn_zoned_bits *z, int64_t rows, int64_t cols, const char *keep, int id) {
    const char *colon = strchr(keep, ':');
    *z = (sgn_zoned_bits){ rows, cols, .id = id, .pruned = strcmp(keep, "all") != 0 };
    if (colon) z->kept = atoi(keep), z->of = atoi(colon + 1);
    const bool whole = !colon && (strcmp(keep, "all") == 0 || strcmp(keep, "any") == 0);
    const bool sets = colon && (z->of == 4 || z->of == 8 || z->of == 16) && z->kept > 0 && z->kept < z->of && cols % z->of == 0;
    return (whole || sets) && id >= 1 && id <= 2;
}

/* w with sign(w) = s and sign(w - a s) = t: beyond a where t = s, else between 0 and a. */
static sgn_real salient_latent(sgn_real s, bool same, const sgn_real *a) {
    const sgn_real more = (sgn_real)fabs((double)a[4]);
    if (same) return s * ((sgn_real)fabs((double)a[3]) + more);
    return s * (a[3] - (more < a[3] / 2 ? more : a[3] / 2));
}

/* Sizes that tell every zone and sign apart stand in for the scales. */
bool sgn_zoned_bits_latents(const sgn_zoned_bits *z, int64_t i, const sgn_real *scale, sgn_real *w, sgn_real *zone) {
    static const sgn_real apart[SGN_ZONED_SCALES] = { 1, 2, 3, 10, 1 };
    if (!read_row(z, i, apart, 0, w)) return false;
    for (int64_t j = 0; j < z->cols; j++) {
        const sgn_real *a = scale + scales_at(j), s = w[j] < 0 ? -1 : 1, size = s * w[j];
        zone[j] = size > 3 ? SALIENT : size;
        w[j] = size > 3 ? salient_latent(s, size > 10, a) : size > 0 ? s * (sgn_real)fabs((double)a[(int)size - 1]) : 0;
        if (s < 0 && w[j] >= 0) w[j] = -(sgn_real)1e-30;      /* a size of 0 has a sign too */
    }
    return true;
}
