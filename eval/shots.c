/* SPDX-License-Identifier: MIT */
#include "eval/shots.h"

#include <stdlib.h>
#include <string.h>
#include "eval/rewrite.h"

enum { N = 624, M = 397 };

/* init_by_array of a key of one word */
void sgn_python_random_seed(sgn_python_random *r, uint32_t seed) {
    uint32_t *s = r->state;
    s[0] = 19650218;
    for (uint32_t i = 1; i < N; i++) s[i] = 1812433253u * (s[i - 1] ^ s[i - 1] >> 30) + i;
    uint32_t i = 1;
    for (int k = 0; k < N; k++) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1664525u) + seed;
        if (++i == N) s[0] = s[N - 1], i = 1;
    }
    for (int k = 0; k < N - 1; k++) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1566083941u) - i;
        if (++i == N) s[0] = s[N - 1], i = 1;
    }
    s[0] = 0x80000000u;
    r->at = N;
}

static void refill(sgn_python_random *r) {
    uint32_t *s = r->state;
    for (int i = 0; i < N; i++) {
        const uint32_t y = (s[i] & 0x80000000u) | (s[(i + 1) % N] & 0x7FFFFFFFu);
        s[i] = s[(i + M) % N] ^ y >> 1 ^ (y & 1 ? 0x9908B0DFu : 0);
    }
    r->at = 0;
}

uint32_t sgn_python_random_bits(sgn_python_random *r, int bits) {
    if (r->at == N) refill(r);
    uint32_t y = r->state[r->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9D2C5680u;
    y ^= y << 15 & 0xEFC60000u;
    return (y ^ y >> 18) >> (32 - bits);
}

uint32_t sgn_python_random_below(sgn_python_random *r, uint32_t n) {
    uint32_t x;
    int bits = 0;
    while (n >> bits) bits++;
    while ((x = sgn_python_random_bits(r, bits)) >= n) {}
    return x;
}

/* From a copy of the list where that is short, else again and again until an index is new: two streams of numbers. */
sgn_status sgn_python_random_sample(sgn_python_random *r, uint32_t n, int k, uint32_t *out, sgn_error *err) {
    if (k < 0 || (uint32_t)k > n)
        SGN_FAIL(err, SGN_CONFIG, "%d examples cannot be drawn from %u; ask for fewer --shots, or give a larger --shots-data", k, n);
    uint64_t most = 21;
    if (k > 5)
        for (uint64_t four = 4, once = 1; once; four *= 4)
            if (four >= 3 * (uint64_t)k) most += four, once = 0;
    if (n > most) {
        for (int i = 0; i < k; i++) {
            bool known;
            do {
                known = false;
                out[i] = sgn_python_random_below(r, n);
                for (int j = 0; j < i; j++) known |= out[j] == out[i];
            } while (known);
        }
        return SGN_OK;
    }
    uint32_t *pool = malloc((n + 1) * sizeof *pool);
    if (!pool) SGN_FAIL(err, SGN_NOMEM, "no memory for a draw from %u examples", n);
    for (uint32_t i = 0; i < n; i++) pool[i] = i;
    for (int i = 0; i < k; i++) {
        const uint32_t j = sgn_python_random_below(r, n - (uint32_t)i);
        out[i] = pool[j];
        pool[j] = pool[n - (uint32_t)i - 1];
    }
    free(pool);
    return SGN_OK;
}

/* "context answer\n\n" */
static sgn_status put_example(sgn_growing *g, const sgn_item *it, sgn_error *err) {
    const char *const parts[] = { it->context, it->option[it->gold] ? it->option[it->gold] : "", " ", it->text[it->gold], "\n\n" };
    for (int i = 0; i < 5; i++) SGN_TRY(sgn_growing_put(g, parts[i], strlen(parts[i]), err));
    return SGN_OK;
}

sgn_status sgn_shots_draw(sgn_python_random *r, const sgn_eval_task *task, const sgn_item_set *pool, const sgn_item *item, int shots,
                          char **out, sgn_error *err) {
    const int drawn = shots + !task->test;
    sgn_growing g = { 0 };
    *out = NULL;
    uint32_t *index = malloc((size_t)drawn * sizeof *index);
    sgn_status s = index ? sgn_growing_put(&g, "", 0, err) : SGN_ERROR(err, SGN_NOMEM, "no memory for %d examples", drawn);
    if (s == SGN_OK) s = sgn_python_random_sample(r, (uint32_t)pool->count, drawn, index, err);
    for (int i = 0, kept = 0; s == SGN_OK && i < drawn && kept < shots; i++) {
        if (sgn_item_same(&pool->item[index[i]], item)) continue;
        s = put_example(&g, &pool->item[index[i]], err);
        kept++;
    }
    free(index);
    if (s == SGN_OK) *out = g.text;
    else free(g.text);
    return s;
}
