/* SPDX-License-Identifier: MIT */
#include "data/tokenizer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "data/added.h"
#include "data/tokenizer_kind.h"

enum { IDLE_ENCODERS = 64 };

struct sgn_tokenizer {
    const sgn_tokenizer_kind *kind;
    sgn_vocabulary  vocabulary;
    sgn_digest      hash;
    int32_t         eot;
    void           *tables;
    sgn_decoding    decoding;
    sgn_added       added;
    pthread_mutex_t lock;      /* of the encoders that no call is using */
    void           *idle[IDLE_ENCODERS];
    int             idle_count;
};

/* --- ids -------------------------------------------------------------------------------------- */

sgn_status sgn_ids_reserve(sgn_ids *ids, size_t more, sgn_error *err) {
    if (more <= ids->room - ids->count) return SGN_OK;
    const size_t limit = SIZE_MAX / sizeof *ids->id / 2;
    const size_t need = more < limit - ids->count ? ids->count + more : limit;
    int32_t *grown = need < limit ? realloc(ids->id, (need + need / 2) * sizeof *grown) : NULL;
    if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for %zu token ids", need);
    ids->id = grown;
    ids->room = need + need / 2;
    return SGN_OK;
}

void sgn_ids_free(sgn_ids *ids) {
    free(ids->id);
    *ids = (sgn_ids){ 0 };
}

/* --- open and close --------------------------------------------------------------------------- */

static int32_t end_of_text(const sgn_vocabulary *v) {
    static const char *const names[] = { SGN_EOT, "<|end_of_text|>" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const int32_t id = sgn_vocabulary_find(v, names[i], strlen(names[i]));
        if (id >= 0 && v->special[id]) return id;
    }
    if (v->eos) return v->eos - 1;
    const int32_t id = sgn_vocabulary_find(v, "</s>", 4);
    return id >= 0 && v->special[id] ? id : -1;
}

/* The first encoder compiles the patterns of a file, which are refused now rather than with the first text. */
static sgn_status first_encoder(sgn_tokenizer *t, const char *where, sgn_error *err) {
    sgn_error why = { 0 };
    if (!t->kind->encoder_open) return SGN_OK;
    const sgn_status s = t->kind->encoder_open(&t->idle[0], t->tables, &why);
    if (s != SGN_OK) SGN_FAIL(err, s, "%s: %s", where, why.text);
    t->idle_count = 1;
    return SGN_OK;
}

static sgn_status build(sgn_tokenizer *t, const char *where, sgn_error *err) {
    const sgn_vocabulary *v = &t->vocabulary;
    for (int i = 0; (t->kind = sgn_tokenizer_kind_at(i)) != NULL; i++)
        if (t->kind->reads(v)) break;
    if (!t->kind) SGN_FAIL(err, SGN_UNSUPPORTED, "%s: no kind of tokenizer encodes this vocabulary", where);
    t->hash = sgn_vocabulary_digest(v);
    if (!t->hash.hex[0]) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for the digest of its vocabulary", where);
    t->eot = end_of_text(v);
    if (t->kind->tables_open) SGN_TRY(t->kind->tables_open(&t->tables, v, where, err));
    SGN_TRY(first_encoder(t, where, err));
    SGN_TRY(sgn_added_fill(&t->added, v, where, err));
    const sgn_decoding *d = t->kind->decoding ? t->kind->decoding(t->tables) : NULL;
    t->decoding = d ? *d : (sgn_decoding){ 0 };
    if (!t->decoding.start) {
        t->decoding.bytes = v->bytes;
        t->decoding.start = v->start;
    }
    return SGN_OK;
}

sgn_status sgn_tokenizer_from(sgn_tokenizer **out, sgn_vocabulary *v, const char *where, sgn_error *err) {
    *out = NULL;
    sgn_tokenizer *t = calloc(1, sizeof *t);
    if (!t) {
        sgn_vocabulary_free(v);
        SGN_FAIL(err, SGN_NOMEM, "%s: no memory for a tokenizer", where);
    }
    t->vocabulary = *v;
    *v = (sgn_vocabulary){ 0 };
    pthread_mutex_init(&t->lock, NULL);
    const sgn_status s = build(t, where, err);
    if (s == SGN_OK) *out = t;
    else sgn_tokenizer_close(t);
    return s;
}

sgn_status sgn_tokenizer_open(sgn_tokenizer **t, const char *where, sgn_error *err) {
    *t = NULL;
    sgn_vocabulary v = { 0 };
    const sgn_tokenizer_kind *k;
    for (int i = 0; (k = sgn_tokenizer_kind_at(i)) != NULL; i++)
        if (k->built_in && strcmp(k->name, where) == 0) break;
    sgn_path path;
    SGN_TRY(k ? sgn_path_set(&path, err, "%s", where) : sgn_vocabulary_find_file(where, &path, err));
    const sgn_status s = k ? k->built_in(&v, err) : sgn_vocabulary_open(&v, path.s, err);
    if (s == SGN_OK) return sgn_tokenizer_from(t, &v, path.s, err);
    sgn_vocabulary_free(&v);
    return s;
}

void sgn_tokenizer_close(sgn_tokenizer *t) {
    if (!t) return;
    for (int i = 0; i < t->idle_count; i++) t->kind->encoder_close(t->idle[i]);
    if (t->tables) t->kind->tables_close(t->tables);
    sgn_added_free(&t->added);
    pthread_mutex_destroy(&t->lock);
    sgn_vocabulary_free(&t->vocabulary);
    free(t);
}

sgn_status sgn_tokenizer_save(const sgn_tokenizer *t, const char *path, sgn_error *err) {
    const size_t n = strlen(path);
    const bool model = n >= 6 && strcmp(path + n - 6, ".model") == 0;
    return model ? sgn_vocabulary_save_model(&t->vocabulary, path, err) : sgn_vocabulary_save(&t->vocabulary, path, err);
}

/* --- encode: an encoder is taken from the idle ones and given back ------------------------------ */

static void *take_idle(sgn_tokenizer *t) {
    pthread_mutex_lock(&t->lock);
    void *e = t->idle_count ? t->idle[--t->idle_count] : NULL;
    pthread_mutex_unlock(&t->lock);
    return e;
}

static void give_back(sgn_tokenizer *t, void *encoder) {
    pthread_mutex_lock(&t->lock);
    const bool kept = t->idle_count < IDLE_ENCODERS;
    if (kept) t->idle[t->idle_count++] = encoder;
    pthread_mutex_unlock(&t->lock);
    if (!kept) t->kind->encoder_close(encoder);
}

sgn_status sgn_tokenizer_encode(const sgn_tokenizer *t, const char *text, size_t size, sgn_ids *out, sgn_error *err) {
    return sgn_tokenizer_encode_as(t, text, size, 0, out, err);
}

/* Text between added tokens goes to the kind. */
static sgn_status encode_parts(const sgn_tokenizer *t, void *encoder, const char *text, size_t size, unsigned flags, sgn_ids *out,
                               sgn_error *err) {
    size_t at = 0, begin = 0, end = 0;
    for (int32_t id; (id = sgn_added_find(&t->added, flags & SGN_ENCODE_SPECIALS, text, size, at, &begin, &end)) >= 0; at = end) {
        if (begin > at) SGN_TRY(t->kind->encode(encoder, text + at, begin - at, flags, out, err));
        SGN_TRY(sgn_ids_reserve(out, 1, err));
        out->id[out->count++] = id;
        flags = (flags & ~(unsigned)SGN_ENCODE_CONTINUES) | SGN_ENCODE_LATER;
    }
    return at < size ? t->kind->encode(encoder, text + at, size - at, flags, out, err) : SGN_OK;
}

sgn_status sgn_tokenizer_encode_as(const sgn_tokenizer *t, const char *text, size_t size, unsigned flags, sgn_ids *out,
                                   sgn_error *err) {
    if (size == 0) return SGN_OK;
    sgn_tokenizer *pool = (sgn_tokenizer *)(uintptr_t)t;       /* const to the caller: ids do not depend on the pool */
    void *encoder = t->kind->encoder_open ? take_idle(pool) : NULL;
    if (t->kind->encoder_open && !encoder) SGN_TRY(t->kind->encoder_open(&encoder, t->tables, err));
    const size_t before = out->count;
    const sgn_status s = encode_parts(t, encoder, text, size, flags, out, err);
    if (s != SGN_OK) out->count = before;
    if (encoder) give_back(pool, encoder);
    return s;
}

/* --- what it knows ---------------------------------------------------------------------------- */

const char *sgn_tokenizer_kind_name(const sgn_tokenizer *t) { return t->kind->name; }
int32_t sgn_tokenizer_vocab(const sgn_tokenizer *t) { return t->vocabulary.count; }
int32_t sgn_tokenizer_eot(const sgn_tokenizer *t) { return t->eot; }
int32_t sgn_tokenizer_bos(const sgn_tokenizer *t) { return t->vocabulary.bos - 1; }
int32_t sgn_tokenizer_eos(const sgn_tokenizer *t) { return t->vocabulary.eos - 1; }
int32_t sgn_tokenizer_leading_spaces(const sgn_tokenizer *t, int32_t id) {
    return id == t->decoding.keeps - 1 ? 0 : t->decoding.spaces;
}
const char *sgn_tokenizer_hash(const sgn_tokenizer *t) { return t->hash.hex; }
const sgn_vocabulary *sgn_tokenizer_vocabulary(const sgn_tokenizer *t) { return &t->vocabulary; }

static bool has(const sgn_tokenizer *t, int32_t id) { return id >= 0 && id < t->vocabulary.count; }

const char *sgn_tokenizer_piece(const sgn_tokenizer *t, int32_t id, size_t *n) {
    *n = 0;
    if (!has(t, id)) return NULL;
    if (t->vocabulary.token[id]) return sgn_vocabulary_piece(&t->vocabulary, id, n);
    *n = t->decoding.start[id + 1] - t->decoding.start[id];
    return t->decoding.bytes + t->decoding.start[id];
}

bool sgn_tokenizer_is_special(const sgn_tokenizer *t, int32_t id) { return has(t, id) && t->vocabulary.special[id]; }

uint64_t sgn_tokenizer_text_bytes(const sgn_tokenizer *t, const int32_t *ids, size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        size_t n;
        if (!sgn_tokenizer_piece(t, ids[i], &n) || t->vocabulary.special[ids[i]]) continue;
        sum += n;
    }
    return sum;
}
