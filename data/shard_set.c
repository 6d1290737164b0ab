/* SPDX-License-Identifier: MIT */
#include "data/shard_set.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/json.h"
#include "data/vocabulary.h"

enum { FILE_LIMIT = 64 << 20, SHARDS_MAX = 100000 };
#define FORMAT_NAME "signum-shards"

sgn_status sgn_shard_path(sgn_path *out, const char *dir, int shard, sgn_error *err) {
    return sgn_path_set(out, err, "%s/shard-%05d.zst", dir, shard);
}

sgn_status sgn_shard_set_add(sgn_shard_set *s, const sgn_shard_entry *e, sgn_error *err) {
    if (s->info.shards == s->room) {
        const int room = 2 * s->room + 64;
        sgn_shard_entry *grown = realloc(s->shard, (size_t)room * sizeof *grown);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for a list of %d shards", room);
        s->shard = grown;
        s->room = room;
    }
    if (s->info.shards == SHARDS_MAX) SGN_FAIL(err, SGN_FORMAT, "more than %d shards; give each more tokens", SHARDS_MAX);
    s->shard[s->info.shards++] = *e;
    s->info.tokens += e->tokens;
    s->info.bytes += e->bytes;
    return SGN_OK;
}

void sgn_shard_set_free(sgn_shard_set *s) {
    free(s->shard);
    *s = (sgn_shard_set){ 0 };
}

/* Over every value of the file: a changed digit is noticed, where it would mislead quietly
 * (text bytes, documents) as well as where it would be noticed anyway. */
static sgn_digest seal(const sgn_shard_set *s) {
    char line[512];
    const sgn_shard_info *i = &s->info;
    int n = snprintf(line, sizeof line, "%d %d %" PRIu32 " %s %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu32 " %d",
                     SGN_SHARD_VERSION, i->width, i->vocab, i->tokenizer, i->tokenizer_hash, i->tokens, i->documents,
                     i->text_bytes, s->frame_tokens, i->shards);
    sgn_digest d = sgn_digest_bytes(line, (size_t)n);
    for (int k = 0; k < i->shards; k++) {
        const sgn_shard_entry *e = &s->shard[k];
        n = snprintf(line, sizeof line, "%s %" PRIu64 " %" PRIu64 " %s %s", d.hex, e->tokens, e->bytes, e->digest.hex,
                     e->seek_digest.hex);
        d = sgn_digest_bytes(line, (size_t)n);
    }
    return d;
}

/* --- writing ---------------------------------------------------------------------------------------- */

static void set_count(sgn_json *j, const char *key, uint64_t v) { sgn_json_set(j, key, sgn_json_new_int((int64_t)v)); }
static void set_text(sgn_json *j, const char *key, const char *v) { sgn_json_set(j, key, sgn_json_new_string(v)); }

sgn_status sgn_shard_set_save(const sgn_shard_set *s, const char *path, sgn_error *err) {
    sgn_json *root = sgn_json_new_object(), *shards = sgn_json_new_array(), *tokenizer = NULL;
    set_text(root, "format", FORMAT_NAME);
    set_count(root, "version", SGN_SHARD_VERSION);
    set_text(root, "dtype", s->info.width == 2 ? "u16" : "u32");
    set_count(root, "vocab", s->info.vocab);
    if (s->info.tokenizer_hash[0]) {
        tokenizer = sgn_json_new_object();
        set_text(tokenizer, "kind", s->info.tokenizer);
        set_text(tokenizer, "hash", s->info.tokenizer_hash);
    }
    sgn_json_set(root, "tokenizer", tokenizer ? tokenizer : sgn_json_new_null());
    set_count(root, "tokens", s->info.tokens);
    set_count(root, "documents", s->info.documents);
    set_count(root, "text_bytes", s->info.text_bytes);
    set_count(root, "frame_tokens", s->frame_tokens);
    for (int k = 0; k < s->info.shards; k++) {
        sgn_json *e = sgn_json_new_object();
        char name[32];
        snprintf(name, sizeof name, "shard-%05d.zst", k);
        set_text(e, "file", name);
        set_count(e, "tokens", s->shard[k].tokens);
        set_count(e, "bytes", s->shard[k].bytes);
        set_text(e, "xxh3", s->shard[k].digest.hex);
        set_text(e, "seek_table_xxh3", s->shard[k].seek_digest.hex);
        sgn_json_append(shards, e);
    }
    sgn_json_set(root, "shards", shards);
    set_text(root, "seal", seal(s).hex);
    const sgn_status status = sgn_json_save(root, 2, path, err);
    sgn_json_free(root);
    return status;
}

/* --- reading: every value is checked before it is used ------------------------------------------------ */

static sgn_status get_count(const sgn_json *j, const char *key, uint64_t least, uint64_t most, uint64_t *out,
                            const char *where, sgn_error *err) {
    const int64_t v = sgn_json_int(sgn_json_get(j, key), -1);
    if (v < 0 || (uint64_t)v < least || (uint64_t)v > most)
        SGN_FAIL(err, SGN_FORMAT, "%s: %s is not a number from %" PRIu64 " to %" PRIu64, where, key, least, most);
    *out = (uint64_t)v;
    return SGN_OK;
}

static sgn_status get_text(const sgn_json *j, const char *key, char *out, size_t room, const char *where, sgn_error *err) {
    const char *text = sgn_json_string(sgn_json_get(j, key), NULL);
    if (!text || strlen(text) >= room || !*text)
        SGN_FAIL(err, SGN_FORMAT, "%s: %s is not a text of 1 to %zu characters", where, key, room - 1);
    strcpy(out, text);
    return SGN_OK;
}

static sgn_status read_head(sgn_shard_set *s, const sgn_json *root, const char *path, sgn_error *err) {
    uint64_t version, vocab, frame_tokens;
    if (strcmp(sgn_json_string(sgn_json_get(root, "format"), ""), FORMAT_NAME) != 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: format is not \"" FORMAT_NAME "\"; this is no token set of signum", path);
    SGN_TRY(get_count(root, "version", 1, INT32_MAX, &version, path, err));
    if (version != SGN_SHARD_VERSION)
        SGN_FAIL(err, SGN_FORMAT, "%s: version is %" PRIu64 ", this program reads %d; use a newer one or tokenize again", path,
                 version, SGN_SHARD_VERSION);
    const char *dtype = sgn_json_string(sgn_json_get(root, "dtype"), "absent");
    s->info.width = strcmp(dtype, "u16") == 0 ? 2 : strcmp(dtype, "u32") == 0 ? 4 : 0;
    if (!s->info.width) SGN_FAIL(err, SGN_FORMAT, "%s: dtype is %.40s; u16 or u32 is expected", path, dtype);
    SGN_TRY(get_count(root, "vocab", 1, s->info.width == 2 ? 65536 : SGN_VOCAB_MAX, &vocab, path, err));
    SGN_TRY(get_count(root, "frame_tokens", 1, SGN_FRAME_TOKENS_MAX, &frame_tokens, path, err));
    SGN_TRY(get_count(root, "documents", 0, INT64_MAX, &s->info.documents, path, err));
    SGN_TRY(get_count(root, "text_bytes", 0, INT64_MAX, &s->info.text_bytes, path, err));
    s->info.vocab = (uint32_t)vocab;
    s->frame_tokens = (uint32_t)frame_tokens;
    const sgn_json *tokenizer = sgn_json_get(root, "tokenizer");
    if (sgn_json_typeof(tokenizer) == SGN_JSON_NULL) return SGN_OK;
    SGN_TRY(get_text(tokenizer, "kind", s->info.tokenizer, sizeof s->info.tokenizer, path, err));
    return get_text(tokenizer, "hash", s->info.tokenizer_hash, sizeof s->info.tokenizer_hash, path, err);
}

static sgn_status read_shards(sgn_shard_set *s, const sgn_json *root, const char *path, sgn_error *err) {
    const sgn_json *shards = sgn_json_get(root, "shards");
    const size_t count = sgn_json_typeof(shards) == SGN_JSON_ARRAY ? sgn_json_size(shards) : 0;
    if (count < 1 || count > SHARDS_MAX)
        SGN_FAIL(err, SGN_FORMAT, "%s: shards is not an array of 1 to %d", path, SHARDS_MAX);
    for (size_t k = 0; k < count; k++) {
        const sgn_json *j = sgn_json_at(shards, k);
        sgn_shard_entry e;
        sgn_path where;
        char name[32];
        SGN_TRY(sgn_path_set(&where, err, "%s: shards[%zu]", path, k));
        snprintf(name, sizeof name, "shard-%05zu.zst", k);
        if (strcmp(sgn_json_string(sgn_json_get(j, "file"), ""), name) != 0)   /* so none stands twice or elsewhere */
            SGN_FAIL(err, SGN_FORMAT, "%s: file is not \"%s\"", where.s, name);
        SGN_TRY(get_count(j, "tokens", 1, INT64_MAX / SHARDS_MAX, &e.tokens, where.s, err));
        SGN_TRY(get_count(j, "bytes", 1, INT64_MAX / SHARDS_MAX, &e.bytes, where.s, err));
        SGN_TRY(get_text(j, "xxh3", e.digest.hex, sizeof e.digest.hex, where.s, err));
        SGN_TRY(get_text(j, "seek_table_xxh3", e.seek_digest.hex, sizeof e.seek_digest.hex, where.s, err));
        SGN_TRY(sgn_shard_set_add(s, &e, err));
    }
    return SGN_OK;
}

static sgn_status read_root(sgn_shard_set *s, const sgn_json *root, const char *path, sgn_error *err) {
    SGN_TRY(read_head(s, root, path, err));
    SGN_TRY(read_shards(s, root, path, err));
    uint64_t tokens;
    SGN_TRY(get_count(root, "tokens", 1, INT64_MAX, &tokens, path, err));
    if (tokens != s->info.tokens)
        SGN_FAIL(err, SGN_FORMAT, "%s: tokens is %" PRIu64 ", but the shards have %" PRIu64, path, tokens, s->info.tokens);
    if (strcmp(sgn_json_string(sgn_json_get(root, "seal"), ""), seal(s).hex) != 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: seal does not fit the other values; the file was changed or damaged, tokenize again", path);
    return SGN_OK;
}

sgn_status sgn_shard_set_load(sgn_shard_set *s, const char *path, sgn_error *err) {
    *s = (sgn_shard_set){ 0 };
    sgn_json *root;
    SGN_TRY(sgn_json_load(&root, path, FILE_LIMIT, err));
    const sgn_status status = read_root(s, root, path, err);
    sgn_json_free(root);
    if (status != SGN_OK) sgn_shard_set_free(s);
    return status;
}
