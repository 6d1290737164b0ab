/* The vocabulary in a GGUF file: tokenizer.ggml.model "llama" is SentencePiece's BPE, "t5" its Unigram.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/archive.h"
#include "core/file.h"
#include "data/spm.h"
#include "data/utf8.h"

#define KEY "tokenizer.ggml."

/* A list of this type with one entry per piece. */
static sgn_status list(const sgn_archive *a, const char *key, sgn_meta_type type, uint64_t count, const sgn_meta **out, sgn_error *err) {
    const sgn_meta *m = *out = sgn_archive_meta(a, key);
    if (!m) SGN_FAIL(err, SGN_FORMAT, "%s: %s is missing", a->path, key);
    if (!m->list || m->type != type)
        SGN_FAIL(err, SGN_FORMAT, "%s: %s is %s of type %d; a list of type %d is expected", a->path, key, m->list ? "a list" : "one value",
                 m->type, type);
    if (m->count != count)
        SGN_FAIL(err, SGN_FORMAT, "%s: %s has %llu entries for %llu tokens", a->path, key, (unsigned long long)m->count, (unsigned long long)count);
    return SGN_OK;
}

static sgn_status get_bool(const sgn_archive *a, const char *key, bool *out, sgn_error *err) {
    const sgn_meta *m = sgn_archive_meta(a, key);
    if (m && !sgn_meta_bool(m, 0, out)) SGN_FAIL(err, SGN_FORMAT, "%s: %s is not a bool", a->path, key);
    return SGN_OK;
}

static sgn_status get_id(const sgn_archive *a, const char *key, int64_t count, int32_t *out, sgn_error *err) {
    const sgn_meta *m = sgn_archive_meta(a, key);
    int64_t id = -1;
    if (m && (!sgn_meta_int(m, 0, &id) || id >= count || id < 0))
        SGN_FAIL(err, SGN_FORMAT, "%s: %s is %lld; there are %lld tokens", a->path, key, (long long)id, (long long)count);
    *out = (int32_t)id;
    return SGN_OK;
}

/* Tokens that only fill a matrix up, as converters write them, are none of the tokenizer's. */
static uint64_t count_used(const sgn_meta *tokens, const sgn_meta *types) {
    uint64_t n = tokens->count;
    int64_t type;
    while (n > 1 && sgn_meta_int(types, n - 1, &type) && type == SGN_SPM_UNUSED && strncmp(sgn_meta_text(tokens, n - 1), "[PAD", 4) == 0) n--;
    return n;
}

static sgn_status add_pieces(sgn_vocabulary *v, const sgn_archive *a, sgn_error *err) {
    const sgn_meta *tokens = sgn_archive_meta(a, KEY "tokens"), *scores, *types;
    if (!tokens || !tokens->list || tokens->type != SGN_META_TEXT || tokens->count == 0 || tokens->count > SGN_VOCAB_MAX)
        SGN_FAIL(err, SGN_FORMAT, "%s: %stokens is not a list of 1 to %d texts", a->path, KEY, SGN_VOCAB_MAX);
    SGN_TRY(list(a, KEY "scores", SGN_META_F32, tokens->count, &scores, err));
    SGN_TRY(list(a, KEY "token_type", SGN_META_I32, tokens->count, &types, err));
    const uint64_t count = count_used(tokens, types);
    SGN_TRY(sgn_spm_make(v, (int32_t)count, err));
    char where[SGN_PATH_MAX + 64];
    snprintf(where, sizeof where, "%s: %stokens", a->path, KEY);
    for (uint64_t i = 0; i < count; i++) {
        const char *text = sgn_meta_text(tokens, i);
        const size_t n = text ? strlen(text) : 0;
        double score;
        int64_t type;
        sgn_meta_real(scores, i, &score);
        sgn_meta_int(types, i, &type);
        if (sgn_utf8_prefix(text, n) != n) SGN_FAIL(err, SGN_FORMAT, "%s[%llu] is not UTF-8", where, (unsigned long long)i);
        v->spm->score[i] = (float)score;
        v->spm->type[i] = (uint8_t)(type < 0 || type > 255 ? 255 : type);
        v->spm->byte_fallback |= type == SGN_SPM_BYTE;
        SGN_TRY(sgn_vocabulary_add(v, text, n, type == SGN_SPM_CONTROL, where, err));
    }
    return SGN_OK;
}

static sgn_status get_charsmap(sgn_spm *m, const sgn_archive *a, sgn_error *err) {
    const sgn_meta *map = sgn_archive_meta(a, KEY "precompiled_charsmap");
    if (!map || (map->list && map->count == 0)) return SGN_OK;
    if (!map->list || (map->type != SGN_META_U8 && map->type != SGN_META_I8))
        SGN_FAIL(err, SGN_FORMAT, "%s: %sprecompiled_charsmap is not a list of bytes", a->path, KEY);
    m->charsmap = malloc(map->count);
    if (!m->charsmap) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for %sprecompiled_charsmap", a->path, KEY);
    memcpy(m->charsmap, map->data, map->count);
    m->charsmap_size = map->count;
    snprintf(m->normalizer, sizeof m->normalizer, "user_defined");
    return SGN_OK;
}

static sgn_status build(sgn_vocabulary *v, const sgn_archive *a, sgn_error *err) {
    const char *model = sgn_meta_text(sgn_archive_meta(a, KEY "model"), 0);
    if (!model || (strcmp(model, "llama") != 0 && strcmp(model, "t5") != 0))
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %smodel is %.40s; it may be gpt2, llama or t5; give the model's tokenizer.json", a->path, KEY,
                 model ? model : "missing");
    SGN_TRY(add_pieces(v, a, err));
    sgn_spm *m = v->spm;
    m->unigram = model[0] == 't';
    m->squeeze = false;
    SGN_TRY(get_bool(a, KEY "add_space_prefix", &m->dummy_prefix, err));
    SGN_TRY(get_bool(a, KEY "remove_extra_whitespaces", &m->squeeze, err));
    SGN_TRY(get_id(a, KEY "bos_token_id", v->count, &m->bos, err));
    SGN_TRY(get_id(a, KEY "eos_token_id", v->count, &m->eos, err));
    SGN_TRY(get_id(a, KEY "padding_token_id", v->count, &m->pad, err));
    if (m->pad == m->eos || m->pad == m->bos) m->pad = -1;
    if (m->bos == m->eos) m->bos = -1;                 /* a role given twice keeps the one that ends a text */
    SGN_TRY(get_charsmap(m, a, err));
    for (int32_t id = 0; id < v->count; id++)
        if (m->pad == id && m->type[id] == SGN_SPM_UNKNOWN) m->pad = -1;
    return sgn_spm_check(v, a->path, err);
}

sgn_status sgn_spm_load_gguf(sgn_vocabulary *v, const char *path, sgn_error *err) {
    sgn_archive a = { 0 };
    sgn_status s = sgn_archive_open(&a, path, err);
    if (s == SGN_OK) s = build(v, &a, err);
    sgn_archive_close(&a);
    return s;
}
