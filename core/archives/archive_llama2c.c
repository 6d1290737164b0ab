/* llama2c, version 0, little-endian: seven i32 {dim, hidden, layers, heads, kv_heads, vocabulary, context}, a negative
 * vocabulary saying that the head is not the embedding; then F32 matrices without names, of each kind those of all layers.
 * They are given the names of the Python program that writes the format; the tables of rotary angles are passed over.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/archive.h"
#include "core/checked.h"
#include "core/file.h"

enum { WORDS = 7, HEADER = 4 * WORDS, MOST_LAYERS = 4096, MOST_WIDTH = 1 << 22, MOST_VOCAB = 1 << 24, MAGIC = 0x616b3432 };
enum { DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, VOCAB, CONTEXT, TIED, VALUES };

static const struct { const char *name; int32_t most; } words[WORDS] = {
    [DIM] = { "dim", MOST_WIDTH }, [HIDDEN] = { "hidden_dim", MOST_WIDTH }, [LAYERS] = { "n_layers", MOST_LAYERS },
    [HEADS] = { "n_heads", MOST_LAYERS }, [KV_HEADS] = { "n_kv_heads", MOST_LAYERS }, [VOCAB] = { "vocab_size", MOST_VOCAB },
    [CONTEXT] = { "max_seq_len", MOST_VOCAB } };

typedef struct {
    sgn_array array;
    uint64_t  offset;
} entry;

typedef struct {
    sgn_reader reader;
    sgn_map    map;
    int32_t    word[WORDS];
    uint8_t    tied;
    sgn_meta   meta[VALUES];
    entry     *entries;
    int        count;
    uint64_t   at;             /* end of what has been laid out */
} file;

#define REFUSE(...) SGN_FAIL(err, SGN_FORMAT, __VA_ARGS__)

/* --- header ----------------------------------------------------------------------------------- */

static bool plausible(const int32_t w[WORDS], int *bad) {
    for (int i = 0; i < WORDS; i++) {
        const int64_t v = i == VOCAB && w[i] < 0 ? -(int64_t)w[i] : w[i];
        *bad = i;
        if (v < 1 || v > words[i].most) return false;
    }
    *bad = w[DIM] % w[HEADS] ? HEADS : KV_HEADS;
    return w[DIM] % w[HEADS] == 0 && w[HEADS] % w[KV_HEADS] == 0;
}

/* Without a magic number, the header must make sense; later versions have one. */
static bool recognise(const uint8_t *head, size_t size) {
    int32_t w[WORDS];
    int bad;
    if (size < HEADER) return false;
    memcpy(w, head, HEADER);
    return w[0] == MAGIC || plausible(w, &bad);
}

static sgn_status read_header(file *f, sgn_error *err) {
    const char *path = f->reader.path.s;
    int bad;
    if (f->reader.size < HEADER) REFUSE("%s: %" PRIu64 " bytes are too few for the header of %d", path, f->reader.size, HEADER);
    SGN_TRY(sgn_reader_get(&f->reader, 0, f->word, HEADER, err));
    if (memcmp(f->word, "PK", 2) == 0)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: offset 0: a zip, perhaps of PyTorch's pickles; save the model as safetensors", path);
    if (f->word[0] == MAGIC)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: offset 0: a llama2.c file of version %" PRId32 "; only the legacy version 0 is read", path, f->word[1]);
    if (!plausible(f->word, &bad))
        REFUSE("%s: offset %d: %s is %" PRId32 ", which is out of range or does not divide the widths: no llama2.c checkpoint", path,
               4 * bad, words[bad].name, f->word[bad]);
    f->tied = f->word[VOCAB] > 0;
    f->word[VOCAB] = f->tied ? f->word[VOCAB] : -f->word[VOCAB];
    for (int i = 0; i < WORDS; i++) f->meta[i] = (sgn_meta){ words[i].name, SGN_META_I32, false, 1, &f->word[i] };
    f->meta[TIED] = (sgn_meta){ "tied", SGN_META_BOOL, false, 1, &f->tied };
    return SGN_OK;
}

/* --- arrays ----------------------------------------------------------------------------------- */

/* `layer` -1: there is one of it. rows 0: a vector. */
static sgn_status lay(file *f, const char *name, int layer, int64_t rows, int64_t cols, sgn_error *err) {
    char full[SGN_ARRAY_NAME];
    entry *e = &f->entries[f->count++];
    if (layer < 0) snprintf(full, sizeof full, "%s.weight", name);
    else snprintf(full, sizeof full, "layers.%d.%s.weight", layer, name);
    e->array = sgn_array_make(full, SGN_DTYPE_F32, rows ? 2 : 1, rows ? (int64_t[]){ rows, cols } : (int64_t[]){ cols });
    e->offset = f->at;
    if (e->array.bytes > f->reader.size - f->at)
        REFUSE("%s: offset %" PRIu64 ": %s takes %" PRIu64 " bytes by the header, but only %" PRIu64 " remain", f->reader.path.s, f->at,
               full, e->array.bytes, f->reader.size - f->at);
    f->at += e->array.bytes;
    return SGN_OK;
}

static sgn_status lay_layers(file *f, const char *name, int64_t rows, int64_t cols, sgn_error *err) {
    for (int i = 0; i < f->word[LAYERS]; i++) SGN_TRY(lay(f, name, i, rows, cols, err));
    return SGN_OK;
}

static sgn_status lay_out(file *f, sgn_error *err) {
    const int32_t *w = f->word;
    const int64_t dim = w[DIM], hidden = w[HIDDEN], kv = dim / w[HEADS] * w[KV_HEADS];
    const uint64_t angles = (uint64_t)w[CONTEXT] * (uint64_t)(dim / w[HEADS] / 2) * 2 * sizeof(float);
    f->entries = calloc((size_t)w[LAYERS] * 9 + 3, sizeof *f->entries);
    if (!f->entries) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for the list of its arrays", f->reader.path.s);
    f->at = HEADER;
    SGN_TRY(lay(f, "tok_embeddings", -1, w[VOCAB], dim, err));
    SGN_TRY(lay_layers(f, "attention_norm", 0, dim, err));
    SGN_TRY(lay_layers(f, "attention.wq", dim, dim, err));
    SGN_TRY(lay_layers(f, "attention.wk", kv, dim, err));
    SGN_TRY(lay_layers(f, "attention.wv", kv, dim, err));
    SGN_TRY(lay_layers(f, "attention.wo", dim, dim, err));
    SGN_TRY(lay_layers(f, "ffn_norm", 0, dim, err));
    SGN_TRY(lay_layers(f, "feed_forward.w1", hidden, dim, err));
    SGN_TRY(lay_layers(f, "feed_forward.w2", dim, hidden, err));
    SGN_TRY(lay_layers(f, "feed_forward.w3", hidden, dim, err));
    SGN_TRY(lay(f, "norm", -1, 0, dim, err));
    if (angles > f->reader.size - f->at)
        REFUSE("%s: offset %" PRIu64 ": the rotary tables take %" PRIu64 " bytes, but only %" PRIu64 " remain", f->reader.path.s, f->at,
               angles, f->reader.size - f->at);
    f->at += angles;
    if (!f->tied) SGN_TRY(lay(f, "output", -1, w[VOCAB], dim, err));
    if (f->at != f->reader.size)
        REFUSE("%s: offset %" PRIu64 ": %" PRIu64 " bytes after the last array; the header does not fit this file", f->reader.path.s,
               f->at, f->reader.size - f->at);
    return SGN_OK;
}

/* --- the row ---------------------------------------------------------------------------------- */

static sgn_status open_archive(sgn_archive *a, const char *path, sgn_error *err) {
    file *f = a->state = calloc(1, sizeof *f);
    if (!f) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to open it", path);
    SGN_TRY(sgn_reader_open(&f->reader, path, err));
    SGN_TRY(read_header(f, err));
    SGN_TRY(lay_out(f, err));
    SGN_TRY(sgn_map_open(&f->map, path, err));
    if (f->map.size != f->reader.size) SGN_FAIL(err, SGN_IO, "%s: its size changed while it was opened", path);
    qsort(f->entries, (size_t)f->count, sizeof *f->entries, sgn_array_by_name);      /* array is the first member */
    a->at = malloc((size_t)f->count * sizeof *a->at);
    if (!a->at) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for the list of its arrays", path);
    for (int i = 0; i < f->count; i++) a->at[i] = f->entries[i].array;
    a->count = f->count;
    return SGN_OK;
}

static const void *map_array(const sgn_archive *a, int index) {
    const file *f = a->state;
    return f->map.data + f->entries[index].offset;
}

static sgn_status read_array(const sgn_archive *a, int index, void *out, sgn_error *err) {
    const file *f = a->state;
    return sgn_reader_get(&f->reader, f->entries[index].offset, out, (size_t)f->entries[index].array.bytes, err);
}

static const sgn_meta *meta(const sgn_archive *a, const char *key) {
    const file *f = a->state;
    for (int i = 0; i < VALUES; i++)
        if (strcmp(f->meta[i].key, key) == 0) return &f->meta[i];
    return NULL;
}

static const char *note(const sgn_archive *a, const char *key) {
    (void)a;
    (void)key;
    return NULL;
}

static void close_archive(sgn_archive *a) {
    file *f = a->state;
    if (!f) return;
    sgn_map_close(&f->map);
    sgn_reader_close(&f->reader);
    free(f->entries);
    free(f);
}

const sgn_archive_kind sgn_archive_llama2c = {
    .name = "llama2c", .summary = "legacy checkpoints of llama2.c, read only", .suffix = ".bin",
    .recognise = recognise, .open = open_archive, .map = map_array, .read = read_array, .note = note, .meta = meta,
    .close = close_archive,
};
