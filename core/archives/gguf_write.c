/* The layout is at the top of archive_gguf.c. SPDX-License-Identifier: MIT */
#include "core/archives/gguf_write.h"

#include <stdlib.h>
#include <string.h>
#include "core/checked.h"
#include "core/file.h"

enum { VERSION = 3, ALIGN = 32, MOST_NAME = 63, MOST_RANK = 4, MOST_KEY = 65535 };

/* 1 + ggml's number, 0: it has none. */
static const uint8_t number_of[SGN_DTYPE_COUNT] = {
    [SGN_DTYPE_F32] = 1, [SGN_DTYPE_F16] = 2, [SGN_DTYPE_Q4_0] = 3, [SGN_DTYPE_Q8_0] = 9, [SGN_DTYPE_I8] = 25, [SGN_DTYPE_I16] = 26,
    [SGN_DTYPE_I32] = 27, [SGN_DTYPE_I64] = 28, [SGN_DTYPE_F64] = 29, [SGN_DTYPE_BF16] = 31, [SGN_DTYPE_TQ1_0] = 35,
    [SGN_DTYPE_TQ2_0] = 36, [SGN_DTYPE_Q1_0] = 42 };

bool sgn_gguf_holds(const sgn_array *a) {
    if (!number_of[a->dtype] || a->rank > MOST_RANK || strlen(a->name) > MOST_NAME) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] < 1) return false;
    return true;
}

static void put_u32(sgn_writer *w, uint32_t v) { sgn_writer_put(w, &v, sizeof v); }
static void put_u64(sgn_writer *w, uint64_t v) { sgn_writer_put(w, &v, sizeof v); }
static void put_text(sgn_writer *w, const char *text) {
    const size_t n = strlen(text);
    put_u64(w, n);
    sgn_writer_put(w, text, n);
}

static void put_value(sgn_writer *w, const sgn_meta *m) {
    put_text(w, m->key);
    if (m->list) put_u32(w, SGN_META_LIST);
    put_u32(w, m->type);
    if (m->list) put_u64(w, m->count);
    if (m->type != SGN_META_TEXT) sgn_writer_put(w, m->data, (size_t)m->count * sgn_meta_bytes(m->type));
    else for (uint64_t i = 0; i < m->count; i++) put_text(w, sgn_meta_text(m, i));
}

static void put_tensor(sgn_writer *w, const sgn_array *a, uint64_t *offset) {
    put_text(w, a->name);
    put_u32(w, (uint32_t)a->rank);
    for (int i = a->rank - 1; i >= 0; i--) put_u64(w, (uint64_t)a->dim[i]);
    put_u32(w, number_of[a->dtype] - 1u);
    put_u64(w, *offset);
    *offset = sgn_round_up(*offset + a->bytes, ALIGN);
}

static void pad(sgn_writer *w) {
    static const uint8_t zeros[ALIGN];
    const uint64_t size = sgn_writer_size(w);
    sgn_writer_put(w, zeros, (size_t)(sgn_round_up(size, ALIGN) - size));
}

sgn_status sgn_gguf_write_meta(const char *path, const sgn_array *at, const void *const *data, int count, const sgn_meta *meta,
                               int metas, sgn_error *err) {
    for (int i = 0; i < metas; i++)
        if (!*meta[i].key || strlen(meta[i].key) > MOST_KEY)
            SGN_FAIL(err, SGN_FORMAT, "%s: '%.80s' cannot be a key, which has 1 to %d bytes", path, meta[i].key, MOST_KEY);
    for (int i = 0; i < metas; i++) {
        int64_t align = ALIGN;
        if (strcmp(meta[i].key, "general.alignment") == 0 && (!sgn_meta_int(&meta[i], 0, &align) || align != ALIGN))
            SGN_FAIL(err, SGN_FORMAT, "%s: general.alignment is not %d, which is what is written; leave it out", path, ALIGN);
    }
    sgn_writer *w;
    uint64_t offset = 0;
    SGN_TRY(sgn_writer_open(&w, path, err));
    sgn_writer_put(w, "GGUF", 4);
    put_u32(w, VERSION);
    put_u64(w, (uint64_t)count);
    put_u64(w, (uint64_t)metas);
    for (int i = 0; i < metas; i++) put_value(w, &meta[i]);
    for (int i = 0; i < count; i++) put_tensor(w, &at[i], &offset);
    for (int i = 0; i < count; i++) {
        pad(w);
        sgn_writer_put(w, data[i], (size_t)at[i].bytes);
    }
    pad(w);
    return sgn_writer_close(w, err);
}

sgn_status sgn_gguf_write(const char *path, const sgn_array *at, const void *const *data, int count, const char *const *notes,
                          sgn_error *err) {
    int n = 0;
    while (notes && notes[2 * n]) n++;
    sgn_meta *meta = calloc((size_t)n + 1, sizeof *meta);
    if (!meta) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to write it", path);
    for (int i = 0; i < n; i++) meta[i] = (sgn_meta){ notes[2 * i], SGN_META_TEXT, false, 1, &notes[2 * i + 1] };
    const sgn_status s = sgn_gguf_write_meta(path, at, data, count, meta, n, err);
    free(meta);
    return s;
}
