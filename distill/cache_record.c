/* Of one window, little-endian; w = 2 bytes per id up to a vocabulary of 65,536, else 4:
 *   top      f32 mean entropy, ids (seq, count) w, probabilities (seq, count) f16 or u8, rest (seq) f16
 *   samples  f32 mean entropy, how many ids (seq) u16, ids (sum) w, times drawn (sum) u8 or u16
 * A u8 probability is 2^(-u/16), 255: 0. Reading makes each position's sum 1 again.
 *
 * SPDX-License-Identifier: MIT */
#include "distill/cache.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "core/dtype.h"
#include "data/shard_set.h"

_Static_assert(sizeof(float) == 4, "records hold IEEE singles");

static size_t id_bytes(const sgn_cache_job *j) { return j->vocab <= 65536 ? 2 : 4; }
static size_t weight_bytes(const sgn_cache_job *j) { return (size_t)j->bits / 8; }

size_t sgn_cache_record_most(const sgn_cache_job *j) {
    return 4 + (size_t)j->seq * ((size_t)j->count * (id_bytes(j) + weight_bytes(j)) + 2);
}

static uint8_t *put16(uint8_t *to, uint32_t x) {
    to[0] = (uint8_t)x;
    to[1] = (uint8_t)(x >> 8);
    return to + 2;
}
static uint32_t get16(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8; }

static uint8_t *put_id(uint8_t *to, int32_t id, size_t bytes) { return bytes == 2 ? put16(to, (uint32_t)id) : sgn_put32(to, (uint32_t)id); }
static uint32_t get_id(const uint8_t *p, size_t bytes) { return bytes == 2 ? get16(p) : sgn_get32(p); }

/* --- packing --------------------------------------------------------------------------------------------- */

static uint8_t *put_mean(uint8_t *to, const float *entropy, int64_t n) {
    double sum = 0;
    uint32_t bits;
    for (int64_t t = 0; t < n; t++) sum += (double)entropy[t];
    const float mean = (float)(sum / (double)n);
    memcpy(&bits, &mean, sizeof bits);
    return sgn_put32(to, bits);
}

static uint8_t small_log(float p) {
    const double u = -16 * log2((double)p);
    return p <= 0 || u > 254.5 ? 255 : u < 0 ? 0 : (uint8_t)lrint(u);
}

static uint8_t *pack_top(const sgn_cache_job *j, const sgn_cache_record *r, uint8_t *to) {
    const int64_t all = j->seq * j->count;
    const size_t width = id_bytes(j);
    for (int64_t i = 0; i < all; i++) to = put_id(to, r->id[i], width);
    if (j->bits == 8)
        for (int64_t i = 0; i < all; i++) *to++ = small_log(r->weight[i]);
    else
        for (int64_t i = 0; i < all; i++) to = put16(to, sgn_f32_to_f16(r->weight[i]));
    for (int64_t t = 0; t < j->seq; t++) to = put16(to, sgn_f32_to_f16(r->rest[t]));
    return to;
}

static int64_t distinct(const sgn_cache_job *j, const sgn_cache_record *r, int64_t t) {
    int64_t n = 0;
    while (n < j->count && r->weight[t * j->count + n] > 0) n++;
    return n;
}

static uint8_t *pack_samples(const sgn_cache_job *j, const sgn_cache_record *r, uint8_t *to) {
    for (int64_t t = 0; t < j->seq; t++) to = put16(to, (uint32_t)distinct(j, r, t));
    for (int64_t t = 0; t < j->seq; t++)
        for (int64_t i = 0; i < distinct(j, r, t); i++) to = put_id(to, r->id[t * j->count + i], id_bytes(j));
    for (int64_t t = 0; t < j->seq; t++)
        for (int64_t i = 0; i < distinct(j, r, t); i++) {
            const uint32_t times = (uint32_t)r->weight[t * j->count + i];
            if (j->bits == 16) to = put16(to, times);
            else *to++ = (uint8_t)times;
        }
    return to;
}

size_t sgn_cache_record_pack(const sgn_cache_job *j, const sgn_cache_record *r, uint8_t *out) {
    uint8_t *to = put_mean(out, r->entropy, j->seq);
    return (size_t)((j->samples ? pack_samples(j, r, to) : pack_top(j, r, to)) - out);
}

/* --- unpacking ------------------------------------------------------------------------------------------- */

static sgn_status check_id(const sgn_cache_job *j, uint32_t id, int64_t at, const char *where, sgn_error *err) {
    if (id < (uint64_t)j->vocab) return SGN_OK;
    SGN_FAIL(err, SGN_FORMAT, "%s: position %" PRId64 " names token %" PRIu32 ", the vocabulary has %" PRId64, where, at, id, j->vocab);
}

/* Sum 1, and the floor -sum p log p - r log r of the loss (core/ops/head_loss.c). */
static bool normalise(float *p, int64_t n, float *rest, float *entropy) {
    double sum = (double)*rest, floor = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)p[i];
    if (!(sum > 0.5 && sum < 1.5)) return false;       /* rounding cannot do that */
    const float by = (float)(1 / sum);
    for (int64_t i = 0; i < n && p[i] > 0; i++) {
        p[i] *= by;
        floor -= (double)(p[i] * logf(p[i]));
    }
    *rest *= by;
    if (*rest > 0) floor -= (double)(*rest * logf(*rest));
    *entropy = (float)floor;
    return true;
}

static sgn_status unpack_top(const sgn_cache_job *j, const uint8_t *in, sgn_cache_record *r, const char *where, sgn_error *err) {
    const int64_t all = j->seq * j->count;
    const size_t width = id_bytes(j);
    const uint8_t *p = in + (size_t)all * width, *rest = p + (size_t)all * weight_bytes(j);
    float level[256];
    for (int u = 0; u < 256; u++) level[u] = u == 255 ? 0 : exp2f((float)-u / 16);
    for (int64_t i = 0; i < all; i++) {
        r->id[i] = (int32_t)get_id(in + (size_t)i * width, width);
        SGN_TRY(check_id(j, (uint32_t)r->id[i], i / j->count, where, err));
        r->weight[i] = j->bits == 8 ? level[p[i]] : sgn_f16_to_f32((uint16_t)get16(p + 2 * i));
        if (!(r->weight[i] >= 0 && r->weight[i] <= 1) || (i % j->count && r->weight[i] > r->weight[i - 1]))
            SGN_FAIL(err, SGN_FORMAT, "%s: position %" PRId64 ": probabilities do not fall from 1 to 0", where, i / j->count);
    }
    for (int64_t t = 0; t < j->seq; t++) {
        r->rest[t] = sgn_f16_to_f32((uint16_t)get16(rest + 2 * t));
        if (!(r->rest[t] >= 0) || !normalise(r->weight + t * j->count, j->count, &r->rest[t], &r->entropy[t]))
            SGN_FAIL(err, SGN_FORMAT, "%s: position %" PRId64 ": probabilities do not add up to 1", where, t);
    }
    return SGN_OK;
}

static sgn_status unpack_samples(const sgn_cache_job *j, const uint8_t *in, size_t size, sgn_cache_record *r, double mean,
                                 const char *where, sgn_error *err) {
    const size_t width = id_bytes(j), each = weight_bytes(j);
    uint64_t all = 0;
    for (int64_t t = 0; t < j->seq; t++) all += get16(in + 2 * t);
    const uint8_t *id = in + 2 * j->seq, *times = id + all * width;
    if (size != 2 * (size_t)j->seq + all * (width + each))
        SGN_FAIL(err, SGN_FORMAT, "%s: has %zu bytes for %" PRIu64 " ids", where, size, all);
    for (int64_t t = 0; t < j->seq; t++) {
        const int64_t n = get16(in + 2 * t);
        int64_t drawn = 0, before = j->count, i = 0;
        for (; i < n && i < j->count; i++, id += width, times += each) {
            const int64_t count = each == 2 ? get16(times) : *times;
            SGN_TRY(check_id(j, get_id(id, width), t, where, err));
            if (count < 1 || count > before) break;
            before = count;
            r->id[t * j->count + i] = (int32_t)get_id(id, width);
            r->weight[t * j->count + i] = (float)count / (float)j->count;
            drawn += count;
        }
        if (i < n || drawn != j->count)
            SGN_FAIL(err, SGN_FORMAT, "%s: position %" PRId64 ": %" PRId64 " ids were drawn %" PRId64 " times in falling order, not %" PRId64,
                     where, t, n, drawn, j->count);
        for (; i < j->count; i++) r->id[t * j->count + i] = 0, r->weight[t * j->count + i] = 0;
        r->entropy[t] = (float)mean;
    }
    return SGN_OK;
}

sgn_status sgn_cache_record_unpack(const sgn_cache_job *j, const uint8_t *in, size_t size, sgn_cache_record *r, double *mean,
                                   const char *where, sgn_error *err) {
    const size_t most = sgn_cache_record_most(j), least = j->samples ? 4 + 2 * (size_t)j->seq : most;
    float entropy;
    if (size < least || size > most)
        SGN_FAIL(err, SGN_FORMAT, "%s: has %zu bytes, %zu to %zu are expected", where, size, least, most);
    const uint32_t bits = sgn_get32(in);
    memcpy(&entropy, &bits, sizeof entropy);
    if (!(entropy >= 0 && isfinite(entropy))) SGN_FAIL(err, SGN_FORMAT, "%s: its entropy is %g", where, (double)entropy);
    *mean = (double)entropy;
    return j->samples ? unpack_samples(j, in + 4, size - 4, r, *mean, where, err) : unpack_top(j, in + 4, r, where, err);
}

/* --- summaries -------------------------------------------------------------------------------------------- */

void sgn_cache_summary_pack(const sgn_cache_job *j, uint64_t slice, double entropy, uint8_t out[SGN_CACHE_SUMMARY]) {
    const uint64_t first = slice * j->slice_windows;
    uint64_t bits;
    memcpy(&bits, &entropy, sizeof bits);
    uint8_t *to = sgn_put32(sgn_put32(out, (uint32_t)bits), (uint32_t)(bits >> 32));
    to = sgn_put32(sgn_put32(to, (uint32_t)first), (uint32_t)(first >> 32));
    memcpy(to, sgn_cache_job_digest(j).hex, 32);
}

sgn_status sgn_cache_summary_unpack(const sgn_cache_job *j, uint64_t slice, const uint8_t in[SGN_CACHE_SUMMARY], size_t size,
                                    double *entropy, const char *where, sgn_error *err) {
    uint8_t want[SGN_CACHE_SUMMARY];
    if (size == SGN_CACHE_SUMMARY) {
        const uint64_t bits = sgn_get32(in) | (uint64_t)sgn_get32(in + 4) << 32;
        memcpy(entropy, &bits, sizeof *entropy);
        sgn_cache_summary_pack(j, slice, *entropy, want);
        if (isfinite(*entropy) && memcmp(in, want, sizeof want) == 0) return SGN_OK;
    }
    SGN_FAIL(err, SGN_FORMAT, "%s: was made for another cache; remove it, and it will be made again", where);
}
