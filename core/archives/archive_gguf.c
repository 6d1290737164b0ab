/* gguf, versions 2 and 3, little-endian:
 *     "GGUF", u32 version, u64 tensors, u64 values
 *     a value:  text key, u32 type, and by type a number (BOOL: a byte 0 or 1), a text (u64 n, n bytes)
 *               or a list (u32 type, u64 n, n of them; no lists in lists)
 *     a tensor: text name, u32 rank, u64 dims, the innermost first, u32 type, u64 offset
 *     zeros up to general.alignment (else 32), then the data: tensors in order, each padded likewise; offsets count from here
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/archives/gguf_write.h"
#include "core/checked.h"
#include "core/file.h"

enum { ALIGN = 32, MOST_ALIGN = 1 << 16, MOST_KEY = 65535, MOST_NAME = 63, MOST_RANK = 4, MOST_ENTRIES = 100000,
       LEAST_VALUE = 14, LEAST_TENSOR = 25, CHUNK = 1 << 20 };
#define MOST_HEADER ((uint64_t)128 << 20)
#define ALIGNMENT "general.alignment"

/* ggml's types by number; those with a name of core/dtype.h are read. NULL: removed, or never given out. */
static const char *const type_names[] = {       /* gguf_write.c has the numbers of those that are written */
    "F32", "F16", "Q4_0", "Q4_1", NULL, NULL, "Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_K",
    "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8", "I16", "I32", "I64", "F64", "IQ1_M",
    "BF16", NULL, NULL, NULL, "TQ1_0", "TQ2_0", NULL, NULL, NULL, "MXFP4", "NVFP4", "Q1_0", "Q2_0" };
enum { TYPES = sizeof type_names / sizeof *type_names };

typedef struct {
    sgn_meta meta;
    uint64_t key, data;        /* where their bytes begin */
} value;

typedef struct {
    sgn_array array;
    uint64_t  offset;          /* from the start of the data */
    uint64_t  at;              /* where the header says so */
} entry;

typedef struct {
    sgn_reader reader;
    sgn_map    map;
    uint8_t   *head;           /* the file up to `have` */
    uint64_t   have, at;       /* what is parsed next */
    char       field[SGN_ARRAY_NAME];   /* what is being parsed, for messages */
    value     *values;         /* sorted by key when open is done */
    entry     *entries;        /* by name */
    uint64_t   value_count, count, alignment, data;
} file;

/* file, field, offset and what is wrong there */
static sgn_status refuse(const file *f, uint64_t offset, sgn_error *err, const char *format, ...) __attribute__((format(printf, 4, 5)));
static sgn_status refuse(const file *f, uint64_t offset, sgn_error *err, const char *format, ...) {
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": %s: %s", f->reader.path.s, offset, f->field, text);
}
#define REFUSE(offset, ...) return refuse(f, offset, err, __VA_ARGS__)

/* --- header ----------------------------------------------------------------------------------- */

/* The next n bytes: *begin is where they are, in the file and in f->head. */
static sgn_status take(file *f, uint64_t n, uint64_t *begin, sgn_error *err) {
    const uint64_t left = f->reader.size - f->at;
    if (n > left) REFUSE(f->at, "%" PRIu64 " bytes are wanted, but only %" PRIu64 " remain", n, left);
    if (n > MOST_HEADER - f->at) REFUSE(f->at, "the header passes %" PRIu64 " bytes", MOST_HEADER);
    *begin = f->at;
    f->at += n;
    if (f->at <= f->have) return SGN_OK;
    uint64_t want = f->at > 2 * f->have ? f->at : 2 * f->have;
    if (want < CHUNK) want = CHUNK;
    if (want > f->reader.size) want = f->reader.size;
    uint8_t *grown = realloc(f->head, (size_t)want);
    if (!grown) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for its header of %" PRIu64 " bytes", f->reader.path.s, want);
    f->head = grown;
    SGN_TRY(sgn_reader_get(&f->reader, f->have, f->head + f->have, (size_t)(want - f->have), err));
    f->have = want;
    return SGN_OK;
}

static uint64_t u64_at(const file *f, uint64_t at) {
    uint64_t v;
    memcpy(&v, f->head + at, sizeof v);
    return v;
}

static sgn_status take_u64(file *f, uint64_t *out, sgn_error *err) {
    uint64_t at;
    SGN_TRY(take(f, sizeof *out, &at, err));
    *out = u64_at(f, at);
    return SGN_OK;
}

static sgn_status take_u32(file *f, uint32_t *out, sgn_error *err) {
    uint64_t at;
    SGN_TRY(take(f, sizeof *out, &at, err));
    memcpy(out, f->head + at, sizeof *out);
    return SGN_OK;
}

static sgn_status take_text(file *f, uint64_t *begin, uint64_t *size, sgn_error *err) {
    SGN_TRY(take_u64(f, size, err));
    SGN_TRY(take(f, *size, begin, err));
    if (memchr(f->head + *begin, '\0', (size_t)*size)) REFUSE(*begin, "a zero inside a text");
    return SGN_OK;
}

static sgn_status take_elements(file *f, value *v, sgn_error *err) {
    uint64_t at, size = sgn_meta_bytes(v->meta.type), bytes;
    v->data = f->at;
    if (v->meta.type == SGN_META_TEXT) {
        for (uint64_t i = 0; i < v->meta.count; i++) SGN_TRY(take_text(f, &at, &size, err));
        return SGN_OK;
    }
    if (!sgn_mul_fits(size, v->meta.count, &bytes))
        REFUSE(f->at, "a list of %" PRIu64 " numbers of %" PRIu64 " bytes passes 2^64", v->meta.count, size);
    SGN_TRY(take(f, bytes, &at, err));
    for (uint64_t i = 0; v->meta.type == SGN_META_BOOL && i < bytes; i++)
        if (f->head[at + i] > 1) REFUSE(at + i, "%d is neither false (0) nor true (1)", f->head[at + i]);
    return SGN_OK;
}

static sgn_status take_value(file *f, uint64_t i, value *v, sgn_error *err) {
    uint64_t n;
    uint32_t type;
    snprintf(f->field, sizeof f->field, "key of value %" PRIu64, i);
    SGN_TRY(take_u64(f, &n, err));
    if (n == 0 || n > MOST_KEY) REFUSE(f->at - 8, "its length is %" PRIu64 ", not within 1 to %d", n, MOST_KEY);
    f->at -= 8;
    SGN_TRY(take_text(f, &v->key, &n, err));
    snprintf(f->field, sizeof f->field, "%.*s", (int)(n < 90 ? n : 90), (const char *)f->head + v->key);
    SGN_TRY(take_u32(f, &type, err));
    v->meta.count = 1;
    if (type == SGN_META_LIST) {
        v->meta.list = true;
        SGN_TRY(take_u32(f, &type, err));
        if (type == SGN_META_LIST) REFUSE(f->at - 4, "a list of lists, which nothing has a use for");
        SGN_TRY(take_u64(f, &v->meta.count, err));
    }
    if (type >= SGN_META_TYPES) REFUSE(f->at - (v->meta.list ? 12 : 4), "type %" PRIu32 " is not known; there are 0 to %d", type, SGN_META_TYPES - 1);
    v->meta.type = (sgn_meta_type)type;
    const uint64_t least = type == SGN_META_TEXT ? 8 : sgn_meta_bytes(v->meta.type), left = f->reader.size - f->at;
    if (v->meta.count > left / least)
        REFUSE(f->at - (v->meta.list ? 8 : 0), "%" PRIu64 " elements, but only %" PRIu64 " bytes remain", v->meta.count, left);
    return take_elements(f, v, err);
}

static sgn_status take_dims(file *f, sgn_array *a, sgn_error *err) {
    uint32_t rank;
    uint64_t dim;
    SGN_TRY(take_u32(f, &rank, err));
    if (rank > MOST_RANK) REFUSE(f->at - 4, "rank %" PRIu32 "; at most %d is known", rank, MOST_RANK);
    a->rank = (int)rank;
    for (int i = a->rank - 1; i >= 0; i--) {
        SGN_TRY(take_u64(f, &dim, err));
        if (dim == 0 || dim > INT64_MAX) REFUSE(f->at - 8, "dimension %d is %" PRId64 ", not at least 1", a->rank - 1 - i, (int64_t)dim);
        a->dim[i] = (int64_t)dim;
    }
    return SGN_OK;
}

static sgn_status take_tensor(file *f, uint64_t i, entry *e, sgn_error *err) {
    uint64_t name, n;
    uint32_t type;
    sgn_array *a = &e->array;
    snprintf(f->field, sizeof f->field, "name of tensor %" PRIu64, i);
    SGN_TRY(take_text(f, &name, &n, err));
    if (n == 0 || n > MOST_NAME) REFUSE(name, "a name of %" PRIu64 " bytes, not within 1 to %d", n, MOST_NAME);
    memcpy(a->name, f->head + name, (size_t)n);
    snprintf(f->field, sizeof f->field, "%s", a->name);
    SGN_TRY(take_dims(f, a, err));
    SGN_TRY(take_u32(f, &type, err));
    if (type >= TYPES || !type_names[type]) REFUSE(f->at - 4, "type %" PRIu32 " is not known, or was removed from the format", type);
    if (!sgn_dtype_parse(type_names[type], &a->dtype))
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: offset %" PRIu64 ": %s: type %s (%" PRIu32 ") is not read; convert the file to F16, BF16 or Q8_0",
                 f->reader.path.s, f->at - 4, a->name, type_names[type], type);
    const int64_t block = sgn_dtype_block(a->dtype), row = a->rank ? a->dim[a->rank - 1] : 1;
    if (row % block) REFUSE(f->at - 4, "rows of %" PRId64 " are not whole blocks of %" PRId64 ", as %s wants", row, block, type_names[type]);
    if (!sgn_array_size(a, &a->bytes)) REFUSE(f->at - 4, "the size of its dimensions passes 2^64 bytes");
    e->at = f->at;
    return take_u64(f, &e->offset, err);
}

static sgn_status take_counts(file *f, sgn_error *err) {
    uint64_t at;
    uint32_t version;
    snprintf(f->field, sizeof f->field, "magic");
    SGN_TRY(take(f, 4, &at, err));
    if (memcmp(f->head, "GGUF", 4) != 0) REFUSE(0, "the first bytes are not GGUF");
    snprintf(f->field, sizeof f->field, "version");
    SGN_TRY(take_u32(f, &version, err));
    if (version && (version & 0xffff) == 0) REFUSE(4, "the file is big-endian; convert it on a little-endian machine");
    if (version != 2 && version != 3) REFUSE(4, "%" PRIu32 " is not read, only 2 and 3", version);
    snprintf(f->field, sizeof f->field, "number of tensors");
    SGN_TRY(take_u64(f, &f->count, err));
    snprintf(f->field, sizeof f->field, "number of values");
    SGN_TRY(take_u64(f, &f->value_count, err));
    const uint64_t left = f->reader.size - f->at;
    if (f->value_count > MOST_ENTRIES || f->value_count > left / LEAST_VALUE)
        REFUSE(16, "%" PRIu64 "; %" PRIu64 " bytes remain, and at most %d are read", f->value_count, left, MOST_ENTRIES);
    snprintf(f->field, sizeof f->field, "number of tensors");
    if (f->count > MOST_ENTRIES || f->count > left / LEAST_TENSOR)
        REFUSE(8, "%" PRIu64 "; %" PRIu64 " bytes remain, and at most %d are read", f->count, left, MOST_ENTRIES);
    return SGN_OK;
}

/* --- values ----------------------------------------------------------------------------------- */

/* A text moves one byte down, over its length, and gets a zero behind it; nothing is parsed after. */
static const char *end_text(file *f, uint64_t at, uint64_t size) {
    uint8_t *text = f->head + at - 1;
    memmove(text, text + 1, (size_t)size);
    text[size] = '\0';
    return (const char *)text;
}

static sgn_status bind_value(file *f, value *v, sgn_error *err) {
    const uint64_t key_size = u64_at(f, v->key - 8);
    if (v->meta.type != SGN_META_TEXT) v->meta.data = f->head + v->data;
    else {
        const char **texts = malloc(((size_t)v->meta.count + 1) * sizeof *texts);
        if (!texts) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for a list of %" PRIu64 " texts", f->reader.path.s, v->meta.count);
        for (uint64_t i = 0, at = v->data; i < v->meta.count; i++) {
            const uint64_t size = u64_at(f, at);
            texts[i] = end_text(f, at + 8, size);
            at += 8 + size;
        }
        v->meta.data = texts;
    }
    v->meta.key = end_text(f, v->key, key_size);
    return SGN_OK;
}

static int by_key(const void *a, const void *b) { return strcmp(((const value *)a)->meta.key, ((const value *)b)->meta.key); }

static sgn_status bind_values(file *f, sgn_error *err) {
    for (uint64_t i = 0; i < f->value_count; i++) SGN_TRY(bind_value(f, &f->values[i], err));
    if (f->value_count) qsort(f->values, (size_t)f->value_count, sizeof *f->values, by_key);
    for (uint64_t i = 1; i < f->value_count; i++)
        if (by_key(&f->values[i - 1], &f->values[i]) == 0) {
            snprintf(f->field, sizeof f->field, "%.90s", f->values[i].meta.key);
            REFUSE(f->values[i].key, "the key is there twice");
        }
    return SGN_OK;
}

static const value *find(const file *f, const char *key) {
    const value want = { .meta = { .key = key } };
    return f->value_count ? bsearch(&want, f->values, (size_t)f->value_count, sizeof want, by_key) : NULL;
}

static sgn_status read_alignment(file *f, sgn_error *err) {
    const value *v = find(f, ALIGNMENT);
    int64_t n = ALIGN;
    snprintf(f->field, sizeof f->field, ALIGNMENT);
    if (v && (v->meta.type != SGN_META_U32 || v->meta.list)) REFUSE(v->key, "is not a u32");
    if (v) (void)sgn_meta_int(&v->meta, 0, &n);
    if (n <= 0 || n > MOST_ALIGN || (n & (n - 1))) REFUSE(v->data, "%" PRId64 " is not a power of 2 up to %d", n, MOST_ALIGN);
    f->alignment = (uint64_t)n;
    return SGN_OK;
}

/* What tokenizers index alike must be as long as the list of tokens. */
static sgn_status check_vocabulary(file *f, sgn_error *err) {
    static const struct { const char *key; sgn_meta_type type; const char *what; } lists[] = {
        { "tokenizer.ggml.tokens", SGN_META_TEXT, "texts" }, { "tokenizer.ggml.scores", SGN_META_F32, "f32" },
        { "tokenizer.ggml.token_type", SGN_META_I32, "i32" } };
    const value *tokens = find(f, lists[0].key);
    for (int i = 0; i < 3; i++) {
        const value *v = find(f, lists[i].key);
        if (!v) continue;
        snprintf(f->field, sizeof f->field, "%s", lists[i].key);
        if (!v->meta.list || v->meta.type != lists[i].type) REFUSE(v->key, "is not a list of %s", lists[i].what);
        if (!tokens || v->meta.count != tokens->meta.count)
            REFUSE(v->key, "has %" PRIu64 " elements for %" PRIu64 " tokens", v->meta.count, tokens ? tokens->meta.count : 0);
    }
    return SGN_OK;
}

/* --- the row ---------------------------------------------------------------------------------- */

/* Tensors lie in order, each padded, without gaps: the sums cannot pass the size of the file. */
static sgn_status check_offsets(file *f, sgn_error *err) {
    uint64_t expected = 0;
    f->data = sgn_round_up(f->at, f->alignment);
    for (uint64_t i = 0; i < f->count; i++) {
        const entry *e = &f->entries[i];
        snprintf(f->field, sizeof f->field, "%s", e->array.name);
        if (e->offset % f->alignment) REFUSE(e->at, "its offset %" PRIu64 " is no multiple of " ALIGNMENT " %" PRIu64, e->offset, f->alignment);
        if (e->offset != expected)
            REFUSE(e->at, "its offset is %" PRIu64 ", but the tensor before ends at %" PRIu64, e->offset, expected);
        const uint64_t room = f->data > f->reader.size ? 0 : f->reader.size - f->data;
        if (e->offset > room || e->array.bytes > room - e->offset)
            REFUSE(e->at, "%" PRIu64 " bytes from %" PRIu64 " on, but the data has %" PRIu64, e->array.bytes, e->offset, room);
        expected = sgn_round_up(e->offset + e->array.bytes, f->alignment);
    }
    return SGN_OK;
}

static sgn_status check_names(file *f, sgn_error *err) {
    if (f->count) qsort(f->entries, (size_t)f->count, sizeof *f->entries, sgn_array_by_name);      /* array is the first member */
    for (uint64_t i = 1; i < f->count; i++)
        if (sgn_array_by_name(&f->entries[i - 1], &f->entries[i]) == 0) {
            snprintf(f->field, sizeof f->field, "%s", f->entries[i].array.name);
            REFUSE(f->entries[i].at, "two tensors have this name");
        }
    return SGN_OK;
}

static sgn_status parse(file *f, sgn_error *err) {
    SGN_TRY(take_counts(f, err));
    f->values = calloc((size_t)f->value_count + 1, sizeof *f->values);
    f->entries = calloc((size_t)f->count + 1, sizeof *f->entries);
    if (!f->values || !f->entries) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for the list of its arrays", f->reader.path.s);
    for (uint64_t i = 0; i < f->value_count; i++) SGN_TRY(take_value(f, i, &f->values[i], err));
    for (uint64_t i = 0; i < f->count; i++) SGN_TRY(take_tensor(f, i, &f->entries[i], err));
    SGN_TRY(bind_values(f, err));
    SGN_TRY(read_alignment(f, err));
    SGN_TRY(check_offsets(f, err));
    SGN_TRY(check_names(f, err));
    return check_vocabulary(f, err);
}

static bool recognise(const uint8_t *head, size_t size) { return size >= 4 && memcmp(head, "GGUF", 4) == 0; }

static sgn_status open_archive(sgn_archive *a, const char *path, sgn_error *err) {
    file *f = a->state = calloc(1, sizeof *f);
    if (!f) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to open it", path);
    SGN_TRY(sgn_reader_open(&f->reader, path, err));
    SGN_TRY(parse(f, err));
    SGN_TRY(sgn_map_open(&f->map, path, err));
    if (f->map.size != f->reader.size) SGN_FAIL(err, SGN_IO, "%s: its size changed while it was opened", path);
    a->at = malloc(((size_t)f->count + 1) * sizeof *a->at);
    if (!a->at) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for the list of its arrays", path);
    for (uint64_t i = 0; i < f->count; i++) a->at[i] = f->entries[i].array;
    a->count = (int)f->count;
    return SGN_OK;
}

static const void *map_array(const sgn_archive *a, int index) {
    const file *f = a->state;
    return f->map.data + f->data + f->entries[index].offset;
}

static sgn_status read_array(const sgn_archive *a, int index, void *out, sgn_error *err) {
    const file *f = a->state;
    return sgn_reader_get(&f->reader, f->data + f->entries[index].offset, out, (size_t)f->entries[index].array.bytes, err);
}

static const sgn_meta *meta(const sgn_archive *a, const char *key) {
    const value *v = find(a->state, key);
    return v ? &v->meta : NULL;
}

static const char *note(const sgn_archive *a, const char *key) {
    const sgn_meta *m = meta(a, key);
    return m && !m->list ? sgn_meta_text(m, 0) : NULL;
}

static void close_archive(sgn_archive *a) {
    file *f = a->state;
    if (!f) return;
    for (uint64_t i = 0; f->values && i < f->value_count; i++)
        if (f->values[i].meta.type == SGN_META_TEXT) free((void *)f->values[i].meta.data);
    sgn_map_close(&f->map);
    sgn_reader_close(&f->reader);
    free(f->values);
    free(f->entries);
    free(f->head);
    free(f);
}

const sgn_archive_kind sgn_archive_gguf = {
    .name = "gguf", .summary = "llama.cpp's: arrays and typed values, mapped as they are", .suffix = ".gguf",
    .recognise = recognise, .open = open_archive, .map = map_array, .read = read_array, .note = note, .meta = meta,
    .close = close_archive, .write = sgn_gguf_write, .write_meta = sgn_gguf_write_meta, .holds = sgn_gguf_holds,
};
