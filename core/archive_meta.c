/* Values attached to an archive. SPDX-License-Identifier: MIT */
#include <string.h>
#include "core/archive.h"

static const uint8_t bytes_of[SGN_META_TYPES] = {
    [SGN_META_U8] = 1, [SGN_META_I8] = 1, [SGN_META_U16] = 2, [SGN_META_I16] = 2, [SGN_META_U32] = 4, [SGN_META_I32] = 4,
    [SGN_META_F32] = 4, [SGN_META_BOOL] = 1, [SGN_META_U64] = 8, [SGN_META_I64] = 8, [SGN_META_F64] = 8,
};

size_t sgn_meta_bytes(sgn_meta_type t) { return bytes_of[t]; }

const sgn_meta *sgn_archive_meta(const sgn_archive *a, const char *key) {
    return a->kind->meta ? a->kind->meta(a, key) : NULL;
}

static const void *element(const sgn_meta *m, uint64_t i) {
    return m && i < m->count ? (const char *)m->data + i * bytes_of[m->type] : NULL;
}

#define READ(T) do { T v_; memcpy(&v_, at, sizeof v_); *out = (int64_t)v_; return true; } while (0)
bool sgn_meta_int(const sgn_meta *m, uint64_t i, int64_t *out) {
    const void *at = element(m, i);
    uint64_t large;
    if (!at) return false;
    switch (m->type) {
        case SGN_META_U8:  READ(uint8_t);
        case SGN_META_I8:  READ(int8_t);
        case SGN_META_U16: READ(uint16_t);
        case SGN_META_I16: READ(int16_t);
        case SGN_META_U32: READ(uint32_t);
        case SGN_META_I32: READ(int32_t);
        case SGN_META_I64: READ(int64_t);
        case SGN_META_U64:
            memcpy(&large, at, sizeof large);
            *out = (int64_t)large;
            return large <= INT64_MAX;
        default: return false;
    }
}

bool sgn_meta_real(const sgn_meta *m, uint64_t i, double *out) {
    const void *at = element(m, i);
    int64_t whole;
    float f;
    if (!at) return false;
    if (m->type == SGN_META_F64) memcpy(out, at, sizeof *out);
    else if (m->type == SGN_META_F32) memcpy(&f, at, sizeof f), *out = (double)f;
    else if (sgn_meta_int(m, i, &whole)) *out = (double)whole;
    else return false;
    return true;
}

bool sgn_meta_bool(const sgn_meta *m, uint64_t i, bool *out) {
    const uint8_t *at = element(m, i);
    if (!at || m->type != SGN_META_BOOL) return false;
    *out = *at != 0;
    return true;
}

const char *sgn_meta_text(const sgn_meta *m, uint64_t i) {
    return m && m->type == SGN_META_TEXT && i < m->count ? ((const char *const *)m->data)[i] : NULL;
}
