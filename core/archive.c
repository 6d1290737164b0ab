/* SPDX-License-Identifier: MIT */
#include "core/archive.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/checked.h"
#include "core/config.h"
#include "core/file.h"
#include "core/kernels/kernels.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "archives hold little-endian numbers, read as they are");

enum { HEAD = 64, KINDS = 16, MOST_BLOCK = 256 };

/* --- arrays ----------------------------------------------------------------------------------- */

bool sgn_array_size(const sgn_array *a, uint64_t *bytes) {
    if (a->rank < 0 || a->rank > SGN_ARRAY_RANK) return false;
    const int64_t block = sgn_dtype_block(a->dtype);
    uint64_t n = sgn_dtype_bytes(a->dtype);
    if (block > 1 && (a->rank == 0 || a->dim[a->rank - 1] % block != 0)) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] < 0 || !sgn_mul_fits(n, (uint64_t)(i + 1 < a->rank ? a->dim[i] : a->dim[i] / block), &n)) return false;
    *bytes = n;
    return true;
}

uint64_t sgn_array_numel(const sgn_array *a) {
    return a->bytes / sgn_dtype_bytes(a->dtype) * (uint64_t)sgn_dtype_block(a->dtype);
}

sgn_array sgn_array_make(const char *name, sgn_dtype dtype, int rank, const int64_t *dim) {
    sgn_array a = { .dtype = dtype, .rank = rank };
    const int n = snprintf(a.name, sizeof a.name, "%s", name);
    if (n < 0 || n >= SGN_ARRAY_NAME) a.name[0] = '\0';
    for (int i = 0; i < rank && i < SGN_ARRAY_RANK; i++) a.dim[i] = dim[i];
    if (!sgn_array_size(&a, &a.bytes)) a.bytes = UINT64_MAX;
    return a;
}

int sgn_array_by_name(const void *a, const void *b) {
    return strcmp(((const sgn_array *)a)->name, ((const sgn_array *)b)->name);
}

/* --- reading ---------------------------------------------------------------------------------- */

const sgn_archive_kind *sgn_archive_kind_find(const char *name) {
    const sgn_archive_kind *k;
    for (int i = 0; (k = sgn_archive_kind_at(i)) != NULL; i++)
        if (strcmp(k->name, name) == 0) return k;
    return NULL;
}

/* By content; a file that no row knows goes to the row of its suffix, which can say what is wrong with it. */
static const sgn_archive_kind *kind_of(const uint8_t *head, size_t size, const char *path) {
    const sgn_archive_kind *k;
    for (int i = 0; (k = sgn_archive_kind_at(i)) != NULL; i++)
        if (k->recognise(head, size)) return k;
    const char *dot = strrchr(path, '.');
    for (int i = 0; dot && (k = sgn_archive_kind_at(i)) != NULL; i++)
        if (strcmp(dot, k->suffix) == 0) return k;
    return NULL;
}

sgn_status sgn_archive_open(sgn_archive *a, const char *path, sgn_error *err) {
    *a = (sgn_archive){ 0 };
    uint8_t head[HEAD];
    sgn_path copy;
    sgn_reader r;
    SGN_TRY(sgn_path_set(&copy, err, "%s", path));
    SGN_TRY(sgn_reader_open(&r, path, err));
    const size_t size = r.size < HEAD ? (size_t)r.size : HEAD;
    sgn_status s = sgn_reader_get(&r, 0, head, size, err);
    sgn_reader_close(&r);
    SGN_TRY(s);
    const sgn_archive_kind *kind = kind_of(head, size, path);
    if (!kind) SGN_FAIL(err, SGN_FORMAT, "%s: its first bytes are those of no known archive", path);
    a->kind = kind;
    memcpy(a->path, copy.s, sizeof a->path);
    s = kind->open(a, path, err);
    if (s != SGN_OK) sgn_archive_close(a);
    return s;
}

void sgn_archive_close(sgn_archive *a) {
    if (a->kind) a->kind->close(a);
    free(a->at);
    *a = (sgn_archive){ 0 };
}

int sgn_archive_find(const sgn_archive *a, const char *name) {
    int low = 0, high = a->count;
    while (low < high) {
        const int mid = low + (high - low) / 2, c = strcmp(a->at[mid].name, name);
        if (c == 0) return mid;
        if (c < 0) low = mid + 1;
        else high = mid;
    }
    return -1;
}

static void blocks_to_f32(sgn_dtype type, const void *from, float *out, int64_t count) {
    sgn_real real[MOST_BLOCK];
    for (int64_t i = 0, n = sgn_dtype_block(type); i < count; i += n) {
        sgn_kernels_get()->to_real[type](real, sgn_stored_row((sgn_stored){ .dtype = type, .data = from }, n, i / n), n);
        for (int64_t j = 0; j < n; j++) out[i + j] = (float)real[j];
    }
}

static void to_f32(sgn_dtype type, const void *from, float *out, int64_t count) {
#define EACH(T, expression)                                                   \
    do {                                                                      \
        const T *x = from;                                                    \
        for (int64_t i = 0; i < count; i++) out[i] = (float)(expression);     \
    } while (0)
    switch (type) {
        case SGN_DTYPE_F64:  EACH(double, x[i]); break;
        case SGN_DTYPE_F16:  EACH(uint16_t, sgn_f16_to_f32(x[i])); break;
        case SGN_DTYPE_BF16: EACH(uint16_t, sgn_bf16_to_f32(x[i])); break;
        case SGN_DTYPE_I64:  EACH(int64_t, x[i]); break;
        case SGN_DTYPE_I32:  EACH(int32_t, x[i]); break;
        case SGN_DTYPE_I16:  EACH(int16_t, x[i]); break;
        case SGN_DTYPE_I8:   EACH(int8_t, x[i]); break;
        case SGN_DTYPE_U16:  EACH(uint16_t, x[i]); break;
        case SGN_DTYPE_U8:
        case SGN_DTYPE_BOOL: EACH(uint8_t, x[i]); break;
        case SGN_DTYPE_Q8_0:
        case SGN_DTYPE_Q4_0:
        case SGN_DTYPE_Q1_0:
        case SGN_DTYPE_TQ1_0:
        case SGN_DTYPE_TQ2_0: blocks_to_f32(type, from, out, count); break;
        case SGN_DTYPE_F32:
        case SGN_DTYPE_COUNT: break;
    }
#undef EACH
}

sgn_status sgn_archive_read_f32(const sgn_archive *a, int index, float *out, int64_t count, sgn_error *err) {
    const sgn_array *x = &a->at[index];
    const uint64_t have = sgn_array_numel(x);
    if (count < 0 || have != (uint64_t)count)
        SGN_FAIL(err, SGN_SHAPE, "%s: %s: %" PRIu64 " numbers, but %" PRId64 " are wanted", a->path, x->name, have, count);
    if (x->dtype == SGN_DTYPE_F32) return a->kind->read(a, index, out, err);
    void *raw = malloc(x->bytes ? (size_t)x->bytes : 1);
    if (!raw) SGN_FAIL(err, SGN_NOMEM, "%s: %s: no memory for its %" PRIu64 " bytes", a->path, x->name, x->bytes);
    const sgn_status s = a->kind->read(a, index, raw, err);
    if (s == SGN_OK) to_f32(x->dtype, raw, out, count);
    free(raw);
    return s;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* The Unicode standard, table 3-7. */
static bool is_utf8(const char *text) {
    for (const uint8_t *s = (const uint8_t *)text; *s;) {
        const uint8_t c = *s++, least = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80, most = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
        if (c < 0x80) continue;
        if (c < 0xC2 || c > 0xF4 || *s < least || *s > most) return false;
        for (int more = c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3; more; more--)
            if ((*s++ & 0xC0) != 0x80) return false;
    }
    return true;
}

/* Parts between slashes become groups in formats that have them. */
static bool name_is_sound(const char *name) {
    if (!memchr(name, '\0', SGN_ARRAY_NAME) || !is_utf8(name)) return false;
    for (const char *part = name;; part++) {
        const size_t n = strcspn(part, "/");
        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && memcmp(part, "..", 2) == 0)) return false;
        part += n;
        if (!*part) return true;
    }
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static sgn_status check_distinct(const char *path, const sgn_array *at, int count, sgn_error *err) {
    const char **names = malloc(((size_t)count + 1) * sizeof *names);
    if (!names) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to write it", path);
    for (int i = 0; i < count; i++) names[i] = at[i].name;
    qsort(names, (size_t)count, sizeof *names, by_text);
    sgn_status s = SGN_OK;
    for (int i = 1; i < count && s == SGN_OK; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            s = SGN_ERROR(err, SGN_FORMAT, "%s: two arrays would be named %s", path, names[i]);
    free(names);
    return s;
}

static sgn_status find_writer(const char *kind, const char *path, const sgn_archive_kind **out, sgn_error *err) {
    const sgn_archive_kind *k = *out = sgn_archive_kind_find(kind), *row;
    if (k && (k->write || k->write_from)) return SGN_OK;
    if (k) SGN_FAIL(err, SGN_UNSUPPORTED, "%s: the format %s is only read, not written", path, kind);
    const char *known[KINDS], *near;
    int n = 0;
    while (n < KINDS && (row = sgn_archive_kind_at(n)) != NULL) known[n++] = row->name;
    near = sgn_nearest(kind, known, n);
    SGN_FAIL(err, SGN_CONFIG, "%s: \"%s\" is no archive format; did you mean %s?", path, kind, near ? near : known[0]);
}

bool sgn_archive_holds(const sgn_archive_kind *k, const sgn_array *a) {
    return k->holds ? k->holds(a) : sgn_dtype_block(a->dtype) == 1;
}

static sgn_status check_arrays(const sgn_archive_kind *k, const char *path, const sgn_array *at, int count, sgn_error *err) {
    for (int i = 0; i < count; i++) {
        uint64_t bytes;
        if (!name_is_sound(at[i].name))
            SGN_FAIL(err, SGN_FORMAT, "%s: \"%.80s\" cannot name an array; it must be UTF-8 whose parts between slashes are names", path, at[i].name);
        if (!sgn_array_size(&at[i], &bytes) || bytes != at[i].bytes)
            SGN_FAIL(err, SGN_FORMAT, "%s: %s: its dimensions and its %" PRIu64 " bytes do not fit together", path, at[i].name, at[i].bytes);
        if (!sgn_archive_holds(k, &at[i]))
            SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %s: a %s file holds no array of this name, type (%s) or shape (rank %d)", path, at[i].name,
                     k->name, sgn_dtype_name(at[i].dtype), at[i].rank);
    }
    return check_distinct(path, at, count, err);
}

typedef struct { const void *const *data; } in_memory;

static sgn_status from_memory(void *ctx, int index, const void **data, sgn_error *err) {
    return (void)err, *data = ((const in_memory *)ctx)->data[index], SGN_OK;
}

sgn_status sgn_archive_write(const char *kind, const char *path, const sgn_array *at, const void *const *data,
                             int count, const char *const *notes, sgn_error *err) {
    const sgn_archive_kind *k;
    SGN_TRY(find_writer(kind, path, &k, err));
    SGN_TRY(check_arrays(k, path, at, count, err));
    if (k->write) return k->write(path, at, data, count, notes, err);
    return k->write_from(path, at, &(sgn_array_source){ from_memory, &(in_memory){ data } }, count, notes, err);
}

sgn_status sgn_archive_write_from(const char *kind, const char *path, const sgn_array *at, const sgn_array_source *from,
                                  int count, const char *const *notes, sgn_error *err) {
    const sgn_archive_kind *k;
    SGN_TRY(find_writer(kind, path, &k, err));
    if (!k->write_from) SGN_FAIL(err, SGN_UNSUPPORTED, "%s: the format %s is written from memory only", path, kind);
    SGN_TRY(check_arrays(k, path, at, count, err));
    return k->write_from(path, at, from, count, notes, err);
}

sgn_status sgn_archive_write_meta(const char *kind, const char *path, const sgn_array *at, const void *const *data,
                                  int count, const sgn_meta *meta, int metas, sgn_error *err) {
    const sgn_archive_kind *k;
    SGN_TRY(find_writer(kind, path, &k, err));
    if (!k->write_meta) SGN_FAIL(err, SGN_UNSUPPORTED, "%s: the format %s has notes, but no values of types", path, kind);
    SGN_TRY(check_arrays(k, path, at, count, err));
    return k->write_meta(path, at, data, count, meta, metas, err);
}
