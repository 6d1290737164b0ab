/* safetensors: little-endian u64 n, then n bytes of JSON (padded with spaces), then the data:
 *     {"__metadata__": {"key": "text"}, "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}}
 * Offsets count from the end of the JSON; the arrays tile the data without gap or overlap.
 * An index.json, {"metadata": {"total_size": bytes}, "weight_map": {"name": "file"}}, opens as one archive.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/archive.h"
#include "core/checked.h"
#include "core/file.h"
#include "core/json.h"

enum { PREFIX = 8, ALIGN = 64, MAX_HEADER = 100000000, MAX_INDEX = 64 << 20, MAX_ARRAYS = 100000, MAX_VALUES = 20 * MAX_ARRAYS };
#define METADATA "__metadata__"

typedef struct {
    sgn_reader reader;
    sgn_map    map;
    char      *text;           /* of the header, until its arrays are listed */
    sgn_json  *header;
    uint64_t   data;           /* file offset of the data */
} shard;

typedef struct {
    sgn_array array;
    int       shard;
    uint64_t  begin, end;      /* from the start of the shard's data */
} entry;

typedef struct {
    shard *shards;
    entry *entries;            /* sorted by name when open is done */
    int    shard_count, count, room;
} files;

#define REFUSE(...) SGN_FAIL(err, SGN_FORMAT, __VA_ARGS__)

/* --- header ----------------------------------------------------------------------------------- */

static uint64_t little_endian(const uint8_t b[8]) {
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--) n = n << 8 | b[i];
    return n;
}

static bool recognise(const uint8_t *head, size_t size) {
    if (size > PREFIX && head[PREFIX] == '{' && little_endian(head) <= MAX_HEADER) return true;
    return size > 0 && head[0] == '{';              /* perhaps an index.json */
}

/* Bounds what parsing allocates: each JSON value follows one of { [ : , */
static bool too_many_values(const char *text, size_t size) {
    size_t n = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (quoted && c == '\\') i++;
        else if (c == '"') quoted = !quoted;
        else if (!quoted) n += c == '{' || c == '[' || c == ':' || c == ',';
    }
    return n > MAX_VALUES;
}

static sgn_status parse_header(shard *f, const char *text, size_t size, sgn_error *err) {
    const char *path = f->reader.path.s;
    size_t end = size;
    while (end && text[end - 1] == ' ') end--;
    if (text[0] != '{') REFUSE("%s: offset %d: the header does not start with {", path, PREFIX);
    if (text[end - 1] != '}') REFUSE("%s: offset %zu: the header does not end with }", path, PREFIX + end - 1);
    if (too_many_values(text, end)) REFUSE("%s: the header describes more than %d arrays", path, MAX_ARRAYS);
    SGN_TRY(sgn_json_parse(&f->header, text, end, path, err));
    const sgn_json *notes = sgn_json_get(f->header, METADATA);
    if (notes && sgn_json_typeof(notes) != SGN_JSON_OBJECT) REFUSE("%s: " METADATA ": is not an object", path);
    for (void *it = sgn_json_iter(notes); it; it = sgn_json_next(notes, it))
        if (sgn_json_typeof(sgn_json_iter_value(it)) != SGN_JSON_STRING)
            REFUSE("%s: " METADATA ": %.80s is not text", path, sgn_json_iter_key(it));
    return SGN_OK;
}

static sgn_status read_header(shard *f, sgn_error *err) {
    const char *path = f->reader.path.s;
    uint8_t prefix[PREFIX];
    if (f->reader.size < PREFIX)
        REFUSE("%s: %" PRIu64 " bytes are too few for the length of the header", path, f->reader.size);
    SGN_TRY(sgn_reader_get(&f->reader, 0, prefix, PREFIX, err));
    const uint64_t n = little_endian(prefix);
    if (n == 0 || n > MAX_HEADER) REFUSE("%s: offset 0: header length %" PRIu64 " is not within 1 to %d", path, n, MAX_HEADER);
    if (n > f->reader.size - PREFIX)
        REFUSE("%s: offset 0: header length %" PRIu64 ", but only %" PRIu64 " bytes follow", path, n, f->reader.size - PREFIX);
    f->data = PREFIX + n;
    f->text = malloc((size_t)n);
    if (!f->text) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for its header of %" PRIu64 " bytes", path, n);
    SGN_TRY(sgn_reader_get(&f->reader, PREFIX, f->text, (size_t)n, err));
    return parse_header(f, f->text, (size_t)n, err);
}

/* --- arrays ----------------------------------------------------------------------------------- */

static sgn_status parse_shape(const char *path, const sgn_json *shape, sgn_array *a, sgn_error *err) {
    const size_t rank = sgn_json_size(shape);
    if (sgn_json_typeof(shape) != SGN_JSON_ARRAY || rank > SGN_ARRAY_RANK)
        REFUSE("%s: %s: shape is not a list of at most %d integers", path, a->name, SGN_ARRAY_RANK);
    a->rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        a->dim[i] = sgn_json_int(sgn_json_at(shape, i), -1);
        if (a->dim[i] < 0) REFUSE("%s: %s: shape[%zu] is not an integer of at least 0", path, a->name, i);
    }
    if (!sgn_array_size(a, &a->bytes)) REFUSE("%s: %s: the size of its shape passes 2^64 bytes", path, a->name);
    return SGN_OK;
}

static sgn_status parse_entry(const shard *f, const char *name, const sgn_json *j, entry *e, sgn_error *err) {
    const char *path = f->reader.path.s, *dtype = sgn_json_string(sgn_json_get(j, "dtype"), "(none)");
    const sgn_json *offsets = sgn_json_get(j, "data_offsets");
    const int64_t begin = sgn_json_int(sgn_json_at(offsets, 0), -1), end = sgn_json_int(sgn_json_at(offsets, 1), -1);
    if (strlen(name) >= SGN_ARRAY_NAME)
        REFUSE("%s: %.40s...: a name of %zu bytes; at most %d are read", path, name, strlen(name), SGN_ARRAY_NAME - 1);
    strcpy(e->array.name, name);
    if (sgn_json_typeof(j) != SGN_JSON_OBJECT || sgn_json_size(j) != 3)
        REFUSE("%s: %s: is not {dtype, shape, data_offsets}", path, name);
    if (!sgn_dtype_parse(dtype, &e->array.dtype) || sgn_dtype_block(e->array.dtype) > 1)
        REFUSE("%s: %s: dtype %.40s is not known", path, name, dtype);
    SGN_TRY(parse_shape(path, sgn_json_get(j, "shape"), &e->array, err));
    if (sgn_json_size(offsets) != 2 || begin < 0 || end < begin)
        REFUSE("%s: %s: data_offsets are not [begin, end] with 0 <= begin <= end", path, name);
    e->begin = (uint64_t)begin, e->end = (uint64_t)end;
    if (e->end > f->reader.size - f->data)
        REFUSE("%s: %s: data_offsets end at %" PRIu64 ", but the data has %" PRIu64 " bytes", path, name, e->end, f->reader.size - f->data);
    if (e->end - e->begin != e->array.bytes)
        REFUSE("%s: %s: data_offsets span %" PRIu64 " bytes, but its shape and dtype make %" PRIu64, path, name,
               e->end - e->begin, e->array.bytes);
    return SGN_OK;
}

static int by_begin(const void *a, const void *b) {
    const entry *x = a, *y = b;
    return x->begin != y->begin ? (x->begin < y->begin ? -1 : 1) : (x->end > y->end) - (x->end < y->end);
}

/* Every byte of the data belongs to exactly one array. */
static sgn_status check_tiling(const shard *f, entry *e, int count, sgn_error *err) {
    const char *path = f->reader.path.s;
    uint64_t at = 0;
    qsort(e, (size_t)count, sizeof *e, by_begin);
    for (int i = 0; i < count; at = e[i++].end)
        if (e[i].begin != at)
            REFUSE("%s: %s: data_offsets begin at %" PRIu64 ", but the array before ends at %" PRIu64, path, e[i].array.name, e[i].begin, at);
    if (at != f->reader.size - f->data)
        REFUSE("%s: offset %" PRIu64 ": %" PRIu64 " bytes after the last array", path, f->data + at, f->reader.size - f->data - at);
    return SGN_OK;
}

static sgn_status list_shard(files *fs, shard *f, const char *path, sgn_error *err) {
    SGN_TRY(sgn_reader_open(&f->reader, path, err));
    SGN_TRY(read_header(f, err));
    SGN_TRY(sgn_map_open(&f->map, path, err));
    if (f->map.size != f->reader.size) SGN_FAIL(err, SGN_IO, "%s: its size changed while it was opened", path);
    const int first = fs->count, more = (int)sgn_json_size(f->header);
    if (more > MAX_ARRAYS + 1 || first + more > 10 * MAX_ARRAYS) REFUSE("%s: more than %d arrays", path, MAX_ARRAYS);
    entry *grown = realloc(fs->entries, ((size_t)(first + more) + 1) * sizeof *grown);
    if (!grown) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for the list of its arrays", path);
    fs->entries = grown;
    for (void *it = sgn_json_iter(f->header); it; it = sgn_json_next(f->header, it)) {
        if (strcmp(sgn_json_iter_key(it), METADATA) == 0) continue;
        entry *e = &fs->entries[fs->count];
        *e = (entry){ .shard = fs->shard_count - 1 };
        SGN_TRY(parse_entry(f, sgn_json_iter_key(it), sgn_json_iter_value(it), e, err));
        fs->count++;
    }
    return check_tiling(f, fs->entries + first, fs->count - first, err);
}

static sgn_status add_shard(files *fs, const char *path, sgn_error *err) {
    shard *f = &fs->shards[fs->shard_count++];
    const sgn_status s = list_shard(fs, f, path, err);
    if (s != SGN_OK && f->text) sgn_json_locate(err, f->text, (size_t)(f->data - PREFIX), PREFIX, path);
    free(f->text);
    f->text = NULL;
    return s;
}

/* --- index.json ------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static sgn_status add_listed_shards(files *fs, const char *path, const sgn_json *map, const char **names, sgn_error *err) {
    size_t n = 0, shards = 0;
    for (void *it = sgn_json_iter(map); it; it = sgn_json_next(map, it)) {
        const char *name = sgn_json_string(sgn_json_iter_value(it), "");
        if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            REFUSE("%s: weight_map: %.80s: \"%.80s\" is not the name of a file beside the index", path, sgn_json_iter_key(it), name);
        names[n++] = name;
    }
    qsort(names, n, sizeof *names, by_text);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0) names[shards++] = names[i];
    fs->shards = calloc(shards + 1, sizeof *fs->shards);
    if (!fs->shards) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for its list of shards", path);
    const char *slash = strrchr(path, '/');
    for (size_t i = 0; i < shards; i++) {
        sgn_path p;
        SGN_TRY(sgn_path_set(&p, err, "%.*s%s", slash ? (int)(slash - path + 1) : 0, path, names[i]));
        SGN_TRY(add_shard(fs, p.s, err));
    }
    return SGN_OK;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Shards and index name the same arrays in the same places. */
static sgn_status check_index(const files *fs, const char *path, const sgn_json *index, const sgn_json *map, sgn_error *err) {
    uint64_t total = 0;
    for (int i = 0; i < fs->count; i++) {
        const entry *e = &fs->entries[i];
        const char *file = fs->shards[e->shard].reader.path.s, *listed = sgn_json_string(sgn_json_get(map, e->array.name), NULL);
        if (!listed) REFUSE("%s: weight_map: %s of %s is not listed", path, e->array.name, file);
        if (strcmp(listed, base_name(file)) != 0)
            REFUSE("%s: weight_map: %s is said to be in %.80s, but %s has it", path, e->array.name, listed, file);
        total += e->array.bytes;                    /* no overflow: arrays tile files that exist */
    }
    if (sgn_json_size(map) != (size_t)fs->count)
        for (void *it = sgn_json_iter(map); it; it = sgn_json_next(map, it)) {
            int i = 0;
            while (i < fs->count && strcmp(fs->entries[i].array.name, sgn_json_iter_key(it)) != 0) i++;
            if (i == fs->count)
                REFUSE("%s: weight_map: %.80s is not in %.80s", path, sgn_json_iter_key(it), sgn_json_string(sgn_json_iter_value(it), ""));
        }
    const sgn_json *claimed = sgn_json_get(sgn_json_get(index, "metadata"), "total_size");
    if (claimed && sgn_json_real(claimed, -1) != (double)total)
        REFUSE("%s: metadata: total_size is %.0f, but the shards hold %" PRIu64 " bytes", path, sgn_json_real(claimed, -1), total);
    return SGN_OK;
}

static sgn_status open_index(files *fs, const char *path, const sgn_json *index, sgn_error *err) {
    const sgn_json *map = sgn_json_get(index, "weight_map");
    const size_t n = sgn_json_size(map);
    if (sgn_json_typeof(map) != SGN_JSON_OBJECT || n == 0)
        REFUSE("%s: JSON without a weight_map; an index names the file of each array in it", path);
    const char **names = malloc(n * sizeof *names);
    if (!names) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for its list of arrays", path);
    sgn_status s = add_listed_shards(fs, path, map, names, err);
    free(names);
    return s == SGN_OK ? check_index(fs, path, index, map, err) : s;
}

/* --- the row ---------------------------------------------------------------------------------- */

static sgn_status open_files(files *fs, const char *path, sgn_error *err) {
    sgn_reader r;
    uint8_t head[PREFIX + 1] = { 0 };
    SGN_TRY(sgn_reader_open(&r, path, err));
    sgn_status s = sgn_reader_get(&r, 0, head, r.size < sizeof head ? (size_t)r.size : sizeof head, err);
    sgn_reader_close(&r);
    SGN_TRY(s);
    if (head[0] == '{' && !(head[PREFIX] == '{' && little_endian(head) <= MAX_HEADER)) {
        sgn_json *index;
        SGN_TRY(sgn_json_load(&index, path, MAX_INDEX, err));
        s = open_index(fs, path, index, err);
        sgn_json_free(index);
        return s;
    }
    fs->shards = calloc(1, sizeof *fs->shards);
    if (!fs->shards) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to open it", path);
    return add_shard(fs, path, err);
}

static sgn_status open_archive(sgn_archive *a, const char *path, sgn_error *err) {
    files *fs = a->state = calloc(1, sizeof *fs);
    if (!fs) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to open it", path);
    SGN_TRY(open_files(fs, path, err));
    if (fs->count) qsort(fs->entries, (size_t)fs->count, sizeof *fs->entries, sgn_array_by_name);      /* array is the first member */
    a->at = malloc(((size_t)fs->count + 1) * sizeof *a->at);
    if (!a->at) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for the list of its arrays", path);
    for (int i = 0; i < fs->count; i++) a->at[i] = fs->entries[i].array;
    a->count = fs->count;
    return SGN_OK;
}

static const void *map_array(const sgn_archive *a, int index) {
    const files *fs = a->state;
    const shard *f = &fs->shards[fs->entries[index].shard];
    return f->map.data + f->data + fs->entries[index].begin;
}

static sgn_status read_array(const sgn_archive *a, int index, void *out, sgn_error *err) {
    const files *fs = a->state;
    const entry *e = &fs->entries[index];
    const shard *f = &fs->shards[e->shard];
    return sgn_reader_get(&f->reader, f->data + e->begin, out, (size_t)e->array.bytes, err);
}

static const char *note(const sgn_archive *a, const char *key) {
    const files *fs = a->state;
    const char *text = NULL;
    for (int i = 0; i < fs->shard_count && !text; i++)
        text = sgn_json_string(sgn_json_get(sgn_json_get(fs->shards[i].header, METADATA), key), NULL);
    return text;
}

static void close_archive(sgn_archive *a) {
    files *fs = a->state;
    if (!fs) return;
    for (int i = 0; i < fs->shard_count; i++) {
        sgn_json_free(fs->shards[i].header);
        sgn_map_close(&fs->shards[i].map);
        sgn_reader_close(&fs->shards[i].reader);
    }
    free(fs->shards);
    free(fs->entries);
    free(fs);
}

/* --- writing ---------------------------------------------------------------------------------- */

typedef struct {
    const sgn_array *array;
    const void      *data;
} item;

/* The largest power of two, up to ALIGN, that divides an array's bytes. */
static uint64_t evenness(const sgn_array *a) {
    return (a->bytes | ALIGN) & (~(a->bytes | ALIGN) + 1);
}

/* Even sizes first: then each array starts at a multiple of its evenness, hence of its element, and rows of
 * 64-bit words at a multiple of 8. */
static int by_evenness_and_name(const void *a, const void *b) {
    const item *x = a, *y = b;
    const uint64_t m = evenness(x->array), n = evenness(y->array);
    return m != n ? (m < n) - (m > n) : strcmp(x->array->name, y->array->name);
}

static sgn_json *header_of(const item *items, int count, const char *const *notes) {
    sgn_json *header = sgn_json_new_object(), *texts = sgn_json_new_object();
    for (; notes && notes[0]; notes += 2) sgn_json_set(texts, notes[0], sgn_json_new_string(notes[1]));
    if (sgn_json_size(texts)) sgn_json_set(header, METADATA, texts);
    else sgn_json_free(texts);
    uint64_t at = 0;
    for (int i = 0; i < count; i++) {
        const sgn_array *a = items[i].array;
        sgn_json *j = sgn_json_new_object(), *shape = sgn_json_new_array(), *offsets = sgn_json_new_array();
        for (int k = 0; k < a->rank; k++) sgn_json_append(shape, sgn_json_new_int(a->dim[k]));
        sgn_json_append(offsets, sgn_json_new_int((int64_t)at));
        sgn_json_append(offsets, sgn_json_new_int((int64_t)(at += a->bytes)));
        sgn_json_set(j, "dtype", sgn_json_new_string(sgn_dtype_name(a->dtype)));
        sgn_json_set(j, "shape", shape);
        sgn_json_set(j, "data_offsets", offsets);
        sgn_json_set(header, a->name, j);
    }
    return header;
}

static sgn_status write_items(const char *path, const item *items, int count, const char *const *notes, sgn_error *err) {
    char *text;
    sgn_json *header = header_of(items, count, notes);
    const sgn_status s = sgn_json_dump(header, 0, &text, err);
    sgn_json_free(header);
    SGN_TRY(s);
    const size_t size = strlen(text), padded = sgn_round_up(PREFIX + size, ALIGN) - PREFIX;
    uint8_t prefix[PREFIX];
    for (int i = 0; i < PREFIX; i++) prefix[i] = (uint8_t)((uint64_t)padded >> 8 * i);
    sgn_writer *w;
    const sgn_status opened = sgn_writer_open(&w, path, err);
    if (opened == SGN_OK) {
        sgn_writer_put(w, prefix, PREFIX);
        sgn_writer_put(w, text, size);
        for (size_t i = size; i < padded; i++) sgn_writer_put(w, " ", 1);
        for (int i = 0; i < count; i++) sgn_writer_put(w, items[i].data, (size_t)items[i].array->bytes);
    }
    free(text);
    return opened == SGN_OK ? sgn_writer_close(w, err) : opened;
}

static sgn_status write_archive(const char *path, const sgn_array *at, const void *const *data, int count,
                                const char *const *notes, sgn_error *err) {
    if (count > MAX_ARRAYS) REFUSE("%s: %d arrays; a file holds at most %d", path, count, MAX_ARRAYS);
    item *items = malloc(((size_t)count + 1) * sizeof *items);
    if (!items) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to write it", path);
    sgn_status s = SGN_OK;
    for (int i = 0; i < count; i++) {
        items[i] = (item){ &at[i], data[i] };
        if (strcmp(at[i].name, METADATA) == 0) s = SGN_ERROR(err, SGN_FORMAT, "%s: " METADATA " cannot name an array", path);
    }
    qsort(items, (size_t)count, sizeof *items, by_evenness_and_name);
    if (s == SGN_OK) s = write_items(path, items, count, notes, err);
    free(items);
    return s;
}

const sgn_archive_kind sgn_archive_safetensors = {
    .name = "safetensors", .summary = "arrays behind a JSON header, mapped as they are", .suffix = ".safetensors",
    .recognise = recognise, .open = open_archive, .map = map_array, .read = read_array, .note = note,
    .close = close_archive, .write = write_archive,
};
