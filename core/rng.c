/* SPDX-License-Identifier: MIT */
#include "core/rng.h"

#include <math.h>

typedef struct { uint32_t v[4]; } block;

/* Philox-4x32, ten rounds: counter (index, stream), key seed. */
static block philox(uint64_t seed, uint64_t stream, uint64_t index) {
    block c = { { (uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream, (uint32_t)(stream >> 32) } };
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c.v[0], p1 = (uint64_t)0xCD9E8D57u * c.v[2];
        c = (block){ { (uint32_t)(p1 >> 32) ^ c.v[1] ^ k0, (uint32_t)p1,
                       (uint32_t)(p0 >> 32) ^ c.v[3] ^ k1, (uint32_t)p0 } };
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

uint64_t sgn_rng_bits(uint64_t seed, uint64_t stream, uint64_t index) {
    const block b = philox(seed, stream, index);
    return (uint64_t)b.v[0] | (uint64_t)b.v[1] << 32;
}

uint64_t sgn_rng_stream(const char *name) {      /* FNV-1a */
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

static double unit(uint64_t bits) { return (double)(bits >> 11) * 0x1p-53; }

double sgn_rng_uniform(uint64_t seed, uint64_t stream, uint64_t index) {
    return unit(sgn_rng_bits(seed, stream, index));
}

double sgn_rng_normal(uint64_t seed, uint64_t stream, uint64_t index) {
    const block b = philox(seed, stream, index);
    const double u1 = 1.0 - unit((uint64_t)b.v[0] | (uint64_t)b.v[1] << 32);   /* (0, 1] */
    const double u2 = unit((uint64_t)b.v[2] | (uint64_t)b.v[3] << 32);
    return sqrt(-2.0 * log(u1)) * cos(6.283185307179586 * u2);
}

uint64_t sgn_rng_permute(uint64_t seed, uint64_t stream, uint64_t n, uint64_t i) {
    int half = 1;                                   /* 2*half bits cover n */
    while (half < 32 && (1ull << (2 * half)) < n) half++;
    const uint64_t mask = (1ull << half) - 1;
    do {
        uint64_t left = i >> half, right = i & mask;
        for (uint64_t round = 0; round < 6; round++) {
            const uint64_t f = sgn_rng_bits(seed, stream + 0x9E3779B97F4A7C15u * (round + 1), right) & mask;
            const uint64_t next = left ^ f;
            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}
