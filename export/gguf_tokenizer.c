/* SPDX-License-Identifier: MIT */
#include "export/gguf_tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"

enum { FILE_LIMIT = 256 << 20, UNUSED_NAME = 32 };
enum { NORMAL = 1, UNKNOWN, CONTROL, GIVEN, UNUSED, BYTE };

/* --- what kind it is ----------------------------------------------------------------------------- */

/* The part of this type: j itself, or one of the list under `list`. NULL: none. */
static const sgn_json *part(const sgn_json *j, const char *list, const char *type) {
    if (strcmp(sgn_json_string(sgn_json_get(j, "type"), ""), type) == 0) return j;
    const sgn_json *all = sgn_json_get(j, list);
    for (size_t i = 0; i < sgn_json_size(all); i++)
        if (strcmp(sgn_json_string(sgn_json_get(sgn_json_at(all, i), "type"), ""), type) == 0) return sgn_json_at(all, i);
    return NULL;
}

/* llama.cpp's names of patterns. */
static const char *pattern_name(const sgn_json *pre) {
    static const struct { const char *name, *regex; } known[] = {
        { "llama-bpe", "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"
          "\\s+(?!\\S)|\\s+" },
        { "qwen2", "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"
          "\\s+(?!\\S)|\\s+" } };
    const sgn_json *level = part(pre, "pretokenizers", "ByteLevel"), *split = part(pre, "pretokenizers", "Split");
    if (!level) return NULL;
    if (!split) return sgn_json_bool(sgn_json_get(level, "use_regex"), true) ? "gpt-2" : NULL;
    const char *regex = sgn_json_string(sgn_json_get(sgn_json_get(split, "pattern"), "Regex"), "");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(regex, known[i].regex) == 0) return known[i].name;
    return NULL;
}

/* Sets model and pre, or left_out. */
static void classify(sgn_gguf_tokenizer *t) {
    const sgn_json *model = sgn_json_get(t->json, "model"), *pre = sgn_json_get(t->json, "pre_tokenizer");
    const bool level = part(pre, "pretokenizers", "ByteLevel") != NULL;
    if (strcmp(sgn_json_string(sgn_json_get(model, "type"), "BPE"), "BPE")) t->left_out = "GGUF has no words for a model other than BPE";
    else if (level && !(t->pre = pattern_name(pre))) t->left_out = "its pattern is none that llama.cpp has a name for";
    else if (!level && !sgn_json_bool(sgn_json_get(model, "byte_fallback"), false)) t->left_out = "it is neither byte-level nor falls back to bytes";
    t->model = level ? "gpt2" : "llama";
    t->adds_space = !level;
}

/* --- tokens ---------------------------------------------------------------------------------------- */

static void set_token(sgn_gguf_tokenizer *t, int64_t id, const char *text, int32_t type) {
    if (id < 0 || (uint64_t)id >= t->count || !text || (t->token[id] && type == NORMAL)) {
        t->left_out = "its ids do not fit the model's vocabulary";
        return;
    }
    t->token[id] = text;
    t->type[id] = type;
}

static bool is_byte(const char *s) {
    return strlen(s) == 6 && strncmp(s, "<0x", 3) == 0 && strspn(s + 3, "0123456789ABCDEF") == 2 && s[5] == '>';
}

static void note_role(const char *text, int64_t id, const char *const names[3], uint32_t *out, bool *has) {
    for (int i = 0; i < 3 && !*has; i++)
        if (strcmp(text, names[i]) == 0) *out = (uint32_t)id, *has = true;
}

static void list_tokens(sgn_gguf_tokenizer *t) {
    static const char *const bos[] = { "<s>", "<|begin_of_text|>", "<|startoftext|>" }, *const eos[] = { "</s>", "<|endoftext|>", "<|end_of_text|>" };
    const sgn_json *model = sgn_json_get(t->json, "model"), *vocab = sgn_json_get(model, "vocab"), *added = sgn_json_get(t->json, "added_tokens");
    const char *unknown = sgn_json_string(sgn_json_get(model, "unk_token"), "");
    for (void *it = sgn_json_iter(vocab); it; it = sgn_json_next(vocab, it)) {
        const char *text = sgn_json_iter_key(it);
        set_token(t, sgn_json_int(sgn_json_iter_value(it), -1), text, t->adds_space && is_byte(text) ? BYTE : NORMAL);
    }
    for (size_t i = 0; i < sgn_json_size(added); i++) {
        const sgn_json *a = sgn_json_at(added, i);
        const char *text = sgn_json_string(sgn_json_get(a, "content"), NULL);
        const int64_t id = sgn_json_int(sgn_json_get(a, "id"), -1);
        set_token(t, id, text, sgn_json_bool(sgn_json_get(a, "special"), false) ? CONTROL : GIVEN);
        if (t->left_out) return;
        note_role(text, id, bos, &t->bos, &t->has_bos);
        note_role(text, id, eos, &t->eos, &t->has_eos);
    }
    for (uint64_t i = 0; i < t->count && !t->left_out; i++) {
        char *name = t->made + i * UNUSED_NAME;
        if (!t->token[i]) {
            snprintf(name, UNUSED_NAME, "[PAD%llu]", (unsigned long long)i);
            set_token(t, (int64_t)i, name, UNUSED);
        } else if (*unknown && strcmp(t->token[i], unknown) == 0) {
            t->type[i] = UNKNOWN;
            t->unknown = (uint32_t)i;
            t->has_unknown = true;
        }
    }
}

/* --- merges ------------------------------------------------------------------------------------------ */

/* "a b", or ["a", "b"] as newer files have it, joined in `out`. */
static const char *merge_text(const sgn_json *m, char *out) {
    if (sgn_json_typeof(m) == SGN_JSON_STRING) return sgn_json_string(m, "");
    const char *a = sgn_json_string(sgn_json_at(m, 0), ""), *b = sgn_json_string(sgn_json_at(m, 1), "");
    sprintf(out, "%s %s", a, b);
    return out;
}

static size_t merge_room(const sgn_json *m) {
    return strlen(sgn_json_string(sgn_json_at(m, 0), "")) + strlen(sgn_json_string(sgn_json_at(m, 1), "")) + 2;
}

/* SentencePiece merges by score: the sooner a merge, the higher. Ids follow that order. */
static sgn_status score_tokens(sgn_gguf_tokenizer *t, sgn_error *err) {
    t->score = calloc((size_t)t->count + 1, sizeof *t->score);
    if (!t->score) SGN_FAIL(err, SGN_NOMEM, "no memory for the scores of %llu tokens", (unsigned long long)t->count);
    for (uint64_t i = 0; i < t->count; i++) t->score[i] = t->type[i] == NORMAL ? -(float)i : 0;
    return SGN_OK;
}

static sgn_status list_merges(sgn_gguf_tokenizer *t, sgn_error *err) {
    const sgn_json *merges = sgn_json_get(sgn_json_get(t->json, "model"), "merges");
    const size_t n = sgn_json_size(merges);
    size_t room = (size_t)t->count * UNUSED_NAME + 1, used = (size_t)t->count * UNUSED_NAME;
    for (size_t i = 0; i < n; i++) room += merge_room(sgn_json_at(merges, i));
    t->merge = calloc(n + 1, sizeof *t->merge);
    t->made = calloc(room, 1);
    if (!t->merge || !t->made) SGN_FAIL(err, SGN_NOMEM, "no memory for a list of %zu merges", n);
    for (size_t i = 0; i < n; i++) {
        t->merge[i] = merge_text(sgn_json_at(merges, i), t->made + used);
        used += merge_room(sgn_json_at(merges, i));
    }
    t->merges = n;
    return SGN_OK;
}

/* --- values -------------------------------------------------------------------------------------------- */

static void say(sgn_gguf_tokenizer *t, const char *key, sgn_meta_type type, bool list, uint64_t count, const void *data) {
    t->meta[t->metas++] = (sgn_meta){ key, type, list, count, data };
}

static void list_values(sgn_gguf_tokenizer *t) {
    say(t, "tokenizer.ggml.model", SGN_META_TEXT, false, 1, &t->model);
    if (t->pre) say(t, "tokenizer.ggml.pre", SGN_META_TEXT, false, 1, &t->pre);
    say(t, "tokenizer.ggml.tokens", SGN_META_TEXT, true, t->count, t->token);
    say(t, "tokenizer.ggml.token_type", SGN_META_I32, true, t->count, t->type);
    if (t->score) say(t, "tokenizer.ggml.scores", SGN_META_F32, true, t->count, t->score);
    else say(t, "tokenizer.ggml.merges", SGN_META_TEXT, true, t->merges, t->merge);
    /* Readers have defaults of their own for what is missing here. */
    if (t->has_bos || t->has_eos) say(t, "tokenizer.ggml.bos_token_id", SGN_META_U32, false, 1, t->has_bos ? &t->bos : &t->eos);
    if (t->has_eos) say(t, "tokenizer.ggml.eos_token_id", SGN_META_U32, false, 1, &t->eos);
    if (t->has_unknown) say(t, "tokenizer.ggml.unknown_token_id", SGN_META_U32, false, 1, &t->unknown);
    t->adds_bos = t->has_bos;
    say(t, "tokenizer.ggml.add_bos_token", SGN_META_BOOL, false, 1, &t->adds_bos);
    say(t, "tokenizer.ggml.add_space_prefix", SGN_META_BOOL, false, 1, &t->adds_space);
}

static sgn_status read_lists(sgn_gguf_tokenizer *t, sgn_error *err) {
    t->token = calloc((size_t)t->count + 1, sizeof *t->token);
    t->type = calloc((size_t)t->count + 1, sizeof *t->type);
    if (!t->token || !t->type) SGN_FAIL(err, SGN_NOMEM, "no memory for a list of %llu tokens", (unsigned long long)t->count);
    SGN_TRY(list_merges(t, err));
    list_tokens(t);
    return strcmp(t->model, "llama") == 0 ? score_tokens(t, err) : SGN_OK;
}

sgn_status sgn_gguf_tokenizer_open(sgn_gguf_tokenizer *t, const char *path, int64_t vocab, sgn_error *err) {
    *t = (sgn_gguf_tokenizer){ .count = (uint64_t)vocab };
    SGN_TRY(sgn_json_load(&t->json, path, FILE_LIMIT, err));
    classify(t);
    if (t->left_out) return SGN_OK;
    SGN_TRY(read_lists(t, err));
    if (!t->left_out) list_values(t);
    return SGN_OK;
}

sgn_status sgn_gguf_tokenizer_chat(sgn_gguf_tokenizer *t, const char *beside, sgn_error *err) {
    const char *slash = strrchr(beside, '/');
    sgn_path path;
    SGN_TRY(sgn_path_set(&path, err, "%.*stokenizer_config.json", slash ? (int)(slash - beside + 1) : 0, beside));
    if (!sgn_file_exists(path.s)) return SGN_OK;
    SGN_TRY(sgn_json_load(&t->config, path.s, FILE_LIMIT, err));
    t->chat = sgn_json_string(sgn_json_get(t->config, "chat_template"), NULL);
    return SGN_OK;
}

void sgn_gguf_tokenizer_close(sgn_gguf_tokenizer *t) {
    sgn_json_free(t->json);
    sgn_json_free(t->config);
    free((void *)t->token);
    free((void *)t->merge);
    free(t->made);
    free(t->type);
    free(t->score);
    *t = (sgn_gguf_tokenizer){ 0 };
}
