/* A vocabulary as a Hugging Face tokenizer.json: byte-level BPE, where a piece is written with
 * one printable character per byte (GPT-2's table) so that any bytes fit into JSON.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "core/json.h"
#include "data/spm_json.h"
#include "data/utf8.h"
#include "data/vocabulary.h"

enum { FILE_LIMIT = 64 << 20, WRITTEN_MAX = 2 * SGN_PIECE_MAX + 1 };

/* --- bytes as characters ---------------------------------------------------------------------- */

/* Bytes that print in Latin-1 are themselves, the other 68 are U+0100, U+0101, ... in order. */
static bool prints(int b) { return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE; }

static void byte_table(uint32_t cp[256]) {
    uint32_t next = 256;
    for (int b = 0; b < 256; b++) cp[b] = prints(b) ? (uint32_t)b : next++;
}

/* The written form of bytes, NUL-terminated; at most two characters' bytes each. */
static void write_piece(const uint32_t table[256], const char *bytes, size_t n, char out[WRITTEN_MAX]) {
    for (size_t i = 0; i < n; i++) out += sgn_utf8_put(out, table[(unsigned char)bytes[i]]);
    *out = '\0';
}

/* Back to bytes; false for a character that stands for none, or a piece that is too long. */
static bool read_piece(const uint32_t table[256], const char *text, size_t size, char bytes[SGN_PIECE_MAX], size_t *n) {
    *n = 0;
    for (size_t i = 0; i < size; (*n)++) {
        uint32_t cp;
        const int k = sgn_utf8_char(text + i, size - i, &cp);
        if (k == 0 || cp >= 256 + 68 || *n == SGN_PIECE_MAX) return false;
        int b = cp < 256 ? (int)cp : 0;
        while (b < 256 && table[b] != cp) b++;
        if (b == 256) return false;
        bytes[*n] = (char)b;
        i += (size_t)k;
    }
    return *n > 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

typedef struct { const char *text; bool special; } entry;

typedef struct {
    const char *path;
    entry      *entries;       /* by id */
    size_t      count;         /* room: pieces and added tokens; fewer ids where an added token is a piece too */
    size_t      ids;           /* ids seen: all below must be taken */
} listing;

static sgn_status take_id(listing *l, const char *text, sgn_json *id, bool special, sgn_error *err) {
    const int64_t i = sgn_json_int(id, -1);
    if (i < 0 || (uint64_t)i >= l->count)
        SGN_FAIL(err, SGN_FORMAT, "%s: id %lld of \"%.40s\" leaves a gap: %zu pieces have the ids 0 to %zu", l->path,
                 (long long)i, text, l->count, l->count - 1);
    entry *e = &l->entries[i];
    if (e->text && strcmp(e->text, text) != 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: id %lld belongs to both \"%.40s\" and \"%.40s\"", l->path, (long long)i, e->text, text);
    *e = (entry){ text, special };
    if ((size_t)i >= l->ids) l->ids = (size_t)i + 1;
    return SGN_OK;
}

static sgn_status list_added(listing *l, const sgn_json *added, sgn_error *err) {
    for (size_t i = 0; i < sgn_json_size(added); i++) {
        const sgn_json *a = sgn_json_at(added, i);
        const char *text = sgn_json_string(sgn_json_get(a, "content"), NULL);
        if (!text) SGN_FAIL(err, SGN_FORMAT, "%s: added_tokens[%zu].content is not a string", l->path, i);
        if (!sgn_json_bool(sgn_json_get(a, "special"), false))
            SGN_FAIL(err, SGN_UNSUPPORTED, "%s: added_tokens[%zu] (\"%.40s\") is not special; words added to a "
                     "vocabulary are not supported", l->path, i, text);
        SGN_TRY(take_id(l, text, sgn_json_get(a, "id"), true, err));
    }
    return SGN_OK;
}

static sgn_status list_pieces(listing *l, const sgn_json *pieces, const sgn_json *added, sgn_error *err) {
    l->count = sgn_json_size(pieces) + sgn_json_size(added);
    if (sgn_json_typeof(pieces) != SGN_JSON_OBJECT || sgn_json_size(pieces) == 0 || l->count > SGN_VOCAB_MAX)
        SGN_FAIL(err, SGN_FORMAT, "%s: model.vocab is not an object of 1 to %d pieces", l->path, SGN_VOCAB_MAX);
    l->entries = calloc(l->count, sizeof *l->entries);
    if (!l->entries) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for %zu pieces", l->path, l->count);
    for (void *it = sgn_json_iter(pieces); it; it = sgn_json_next(pieces, it))
        SGN_TRY(take_id(l, sgn_json_iter_key(it), sgn_json_iter_value(it), false, err));
    return list_added(l, added, err);
}

static sgn_status add_entries(sgn_vocabulary *v, const listing *l, const uint32_t table[256], sgn_error *err) {
    for (size_t id = 0; id < l->ids; id++) {
        const entry *e = &l->entries[id];
        if (!e->text) SGN_FAIL(err, SGN_FORMAT, "%s: no piece has id %zu, but a later id exists", l->path, id);
        char bytes[SGN_PIECE_MAX];
        size_t n = strlen(e->text);
        if (!e->special && !read_piece(table, e->text, n, bytes, &n))
            SGN_FAIL(err, SGN_FORMAT, "%s: model.vocab: \"%.40s\" is not a byte-level piece of 1 to %d bytes", l->path,
                     e->text, SGN_PIECE_MAX);
        SGN_TRY(sgn_vocabulary_add(v, e->special ? e->text : bytes, n, e->special, l->path, err));
    }
    for (int b = 0; b < 256; b++) {
        const char c = (char)b;
        if (sgn_vocabulary_find(v, &c, 1) < 0)
            SGN_FAIL(err, SGN_FORMAT, "%s: model.vocab: no piece for byte 0x%02X; text could not be encoded without loss",
                     l->path, (unsigned)b);
    }
    return SGN_OK;
}

/* "left right" or ["left", "right"]. */
static sgn_status add_merge(sgn_vocabulary *v, const sgn_json *m, const uint32_t table[256], const char *path, size_t i,
                            sgn_error *err) {
    const char *left = sgn_json_string(sgn_json_typeof(m) == SGN_JSON_ARRAY ? sgn_json_at(m, 0) : m, "");
    const char *right = sgn_json_string(sgn_json_at(m, 1), "");
    size_t n = strlen(left), id_count = 0;
    if (sgn_json_typeof(m) == SGN_JSON_STRING) {
        n = strcspn(left, " ");
        right = left + n + (left[n] == ' ');
    }
    int32_t id[2];
    const struct { const char *text; size_t n; } half[2] = { { left, n }, { right, strlen(right) } };
    for (; id_count < 2; id_count++) {
        char bytes[SGN_PIECE_MAX];
        size_t k;
        const bool known = read_piece(table, half[id_count].text, half[id_count].n, bytes, &k);
        id[id_count] = known ? sgn_vocabulary_find(v, bytes, k) : -1;
        if (id[id_count] < 0 || v->special[id[id_count]])
            SGN_FAIL(err, SGN_FORMAT, "%s: model.merges[%zu]: \"%.*s\" is not in the vocabulary", path, i,
                     (int)(half[id_count].n < 40 ? half[id_count].n : 40), half[id_count].text);
    }
    return sgn_vocabulary_merge(v, id[0], id[1], path, err);
}

/* A setting that would change the ids must be absent, null, false or "". */
static sgn_status must_be_off(const sgn_json *object, const char *key, const char *in, const char *path, sgn_error *err) {
    const sgn_json *j = sgn_json_get(object, key);
    const bool off = sgn_json_typeof(j) == SGN_JSON_NULL
                     || (sgn_json_typeof(j) == SGN_JSON_BOOL && !sgn_json_bool(j, true))
                     || strcmp(sgn_json_string(j, "x"), "") == 0;
    if (!off) SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %s%s is set; only plain byte-level BPE is read", path, in, key);
    return SGN_OK;
}

static sgn_status check_kind(const sgn_json *root, const char *path, sgn_error *err) {
    static const char *const off[] = { "dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback",
                                       "ignore_merges" };
    const sgn_json *model = sgn_json_get(root, "model"), *words = sgn_json_get(root, "pre_tokenizer");
    const char *type = sgn_json_string(sgn_json_get(model, "type"), sgn_json_get(model, "merges") ? "BPE" : "absent");
    if (strcmp(type, "BPE") != 0)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: model.type is %.40s; BPE is expected", path, type);
    type = sgn_json_string(sgn_json_get(words, "type"), "absent");
    if (strcmp(type, "ByteLevel") != 0 || !sgn_json_bool(sgn_json_get(words, "use_regex"), true))
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: pre_tokenizer.type is %.40s%s; ByteLevel with its own pattern is expected", path,
                 type, strcmp(type, "ByteLevel") == 0 ? " without use_regex" : "");
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) SGN_TRY(must_be_off(model, off[i], "model.", path, err));
    SGN_TRY(must_be_off(words, "add_prefix_space", "pre_tokenizer.", path, err));
    return must_be_off(root, "normalizer", "", path, err);
}

static sgn_status read_root(sgn_vocabulary *v, const sgn_json *root, listing *l, sgn_error *err) {
    uint32_t table[256];
    byte_table(table);
    SGN_TRY(check_kind(root, l->path, err));
    const sgn_json *model = sgn_json_get(root, "model"), *merges = sgn_json_get(model, "merges");
    SGN_TRY(list_pieces(l, sgn_json_get(model, "vocab"), sgn_json_get(root, "added_tokens"), err));
    SGN_TRY(add_entries(v, l, table, err));
    if (sgn_json_typeof(merges) != SGN_JSON_ARRAY) SGN_FAIL(err, SGN_FORMAT, "%s: model.merges is not an array", l->path);
    for (size_t i = 0; i < sgn_json_size(merges); i++)
        SGN_TRY(add_merge(v, sgn_json_at(merges, i), table, l->path, i, err));
    return SGN_OK;
}

sgn_status sgn_vocabulary_load(sgn_vocabulary *v, const char *path, sgn_error *err) {
    *v = (sgn_vocabulary){ 0 };
    sgn_json *root;
    SGN_TRY(sgn_json_load(&root, path, FILE_LIMIT, err));
    listing l = { .path = path };
    const sgn_status s = sgn_spm_in_json(root) ? sgn_spm_from_json(v, root, path, err) : read_root(v, root, &l, err);
    free(l.entries);
    sgn_json_free(root);
    if (s != SGN_OK) sgn_vocabulary_free(v);
    return s;
}

/* --- writing ---------------------------------------------------------------------------------- */

static sgn_json *byte_level(void) {
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "type", sgn_json_new_string("ByteLevel"));
    sgn_json_set(j, "add_prefix_space", sgn_json_new_bool(false));
    sgn_json_set(j, "trim_offsets", sgn_json_new_bool(true));
    sgn_json_set(j, "use_regex", sgn_json_new_bool(true));
    return j;
}

static sgn_json *added_token(int32_t id, const char *text, size_t n) {
    static const char *const off[] = { "single_word", "lstrip", "rstrip", "normalized" };
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "id", sgn_json_new_int(id));
    sgn_json_set(j, "content", sgn_json_new_string_n(text, n));
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) sgn_json_set(j, off[i], sgn_json_new_bool(false));
    sgn_json_set(j, "special", sgn_json_new_bool(true));
    return j;
}

static sgn_json *merges_of(const sgn_vocabulary *v, const uint32_t table[256]) {
    sgn_json *merges = sgn_json_new_array();
    char text[2 * WRITTEN_MAX];                    /* "left right" */
    for (int32_t i = 0; i < v->merges; i++) {
        size_t n, m;
        const char *left = sgn_vocabulary_piece(v, v->merge[i].left, &n);
        const char *right = sgn_vocabulary_piece(v, v->merge[i].right, &m);
        write_piece(table, left, n, text);
        char *space = text + strlen(text);
        *space = ' ';
        write_piece(table, right, m, space + 1);
        sgn_json_append(merges, sgn_json_new_string(text));
    }
    return merges;
}

static sgn_json *model_of(const sgn_vocabulary *v, sgn_json *added) {
    static const char *const none[] = { "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix" };
    static const char *const off[] = { "fuse_unk", "byte_fallback", "ignore_merges" };
    uint32_t table[256];
    char text[WRITTEN_MAX];
    byte_table(table);
    sgn_json *model = sgn_json_new_object(), *pieces = sgn_json_new_object();
    sgn_json_set(model, "type", sgn_json_new_string("BPE"));
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) sgn_json_set(model, none[i], sgn_json_new_null());
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) sgn_json_set(model, off[i], sgn_json_new_bool(false));
    for (int32_t id = 0; id < v->count; id++) {
        size_t n;
        const char *bytes = sgn_vocabulary_piece(v, id, &n);
        if (v->special[id]) {
            memcpy(text, bytes, n);
            text[n] = '\0';
            sgn_json_append(added, added_token(id, bytes, n));
        } else {
            write_piece(table, bytes, n, text);
        }
        sgn_json_set(pieces, text, sgn_json_new_int(id));
    }
    sgn_json_set(model, "vocab", pieces);
    sgn_json_set(model, "merges", merges_of(v, table));
    return model;
}

sgn_status sgn_vocabulary_save(const sgn_vocabulary *v, const char *path, sgn_error *err) {
    if (v->spm) return sgn_spm_save_json(v, path, err);
    sgn_json *root = sgn_json_new_object(), *added = sgn_json_new_array(), *model = model_of(v, added);
    sgn_json_set(root, "version", sgn_json_new_string("1.0"));
    sgn_json_set(root, "truncation", sgn_json_new_null());
    sgn_json_set(root, "padding", sgn_json_new_null());
    sgn_json_set(root, "added_tokens", added);
    sgn_json_set(root, "normalizer", sgn_json_new_null());
    sgn_json_set(root, "pre_tokenizer", byte_level());
    sgn_json_set(root, "post_processor", sgn_json_new_null());
    sgn_json_set(root, "decoder", byte_level());
    sgn_json_set(root, "model", model);
    const sgn_status s = sgn_json_save(root, 1, path, err);
    sgn_json_free(root);
    return s;
}
