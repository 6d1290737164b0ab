/* kv_cache.h - keys and values of the positions a runtime has seen, and attention over them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_KV_CACHE_H
#define SGN_EXPORT_KV_CACHE_H

#include "core/arena.h"
#include "core/dtype.h"
#include "model/model_config.h"

typedef struct {
    sgn_dtype type;                            /* F32 or F16 */
    int64_t   layers, heads, kv_heads, head_dim, context;
    char     *keys, *values;                   /* (layers, kv_heads, context, head_dim) of that type */
    float    *part;                            /* (heads, blocks of the context, head_dim + 2): sums of one query over blocks of keys */
} sgn_kv_cache;

/* Takes its memory from `a`; a measuring arena only counts. Reserves scratch, so outside loops. */
sgn_status sgn_kv_cache_init(sgn_kv_cache *c, const sgn_model_config *m, int64_t context, sgn_dtype type, sgn_arena *a, sgn_error *err);
size_t     sgn_kv_cache_bytes(const sgn_kv_cache *c);
/* One head's key and value (head_dim) at a position. */
void       sgn_kv_cache_put(const sgn_kv_cache *c, int64_t layer, int64_t kv_head, int64_t position, const float *key, const float *value);
/* y = softmax(q k^T / sqrt(head_dim)) v of `count` queries, the first at `position`, each over what is there up to itself;
 * q, y (count, heads*head_dim); y may be q. Over all threads; the cut into tasks depends on the position alone. */
void       sgn_kv_cache_attend(const sgn_kv_cache *c, int64_t layer, int64_t position, int64_t count, const float *q, float *y);

#endif
