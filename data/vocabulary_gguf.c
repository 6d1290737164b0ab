/* The byte-level BPE in a GGUF file, tokenizer.ggml.model "gpt2", is put together to what a tokenizer.json holds.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>
#include "core/archive.h"
#include "core/json.h"
#include "data/form_write.h"
#include "data/spm.h"
#include "data/utf8.h"
#include "data/vocabulary_files.h"

#define KEY "tokenizer.ggml."
enum { CONTROL = 3, GIVEN = 4, UNUSED = 5 };

static sgn_status find_split(const sgn_archive *a, const sgn_known_split **split, sgn_error *err) {
    static const struct { const char *theirs, *ours; } names[] = { { "gpt-2", "gpt2" }, { "gpt2", "gpt2" }, { "llama-bpe", "llama3" }, { "llama3", "llama3" },
        { "llama-v3", "llama3" }, { "qwen2", "qwen2" }, { "gpt-4o", "o200k" } };
    const char *pre = sgn_meta_text(sgn_archive_meta(a, KEY "pre"), 0);
    for (size_t i = 0; pre && i < sizeof names / sizeof *names; i++)
        if (strcmp(pre, names[i].theirs) == 0) {
            *split = sgn_known_split_named(names[i].ours);
            return SGN_OK;
        }
    SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %spre is %.40s, which names no split pattern that is known here; give the model's tokenizer.json",
             a->path, KEY, pre ? pre : "missing");
}

static sgn_status list(const sgn_archive *a, const char *key, sgn_meta_type type, const sgn_meta **out, sgn_error *err) {
    *out = sgn_archive_meta(a, key);
    if (!*out || !(*out)->list || (*out)->type != type)
        SGN_FAIL(err, SGN_FORMAT, "%s: %s is not a list of %s", a->path, key, type == SGN_META_TEXT ? "texts" : "i32");
    for (uint64_t i = 0; type == SGN_META_TEXT && i < (*out)->count; i++) {
        const char *text = sgn_meta_text(*out, i);
        const size_t n = strlen(text);
        if (sgn_utf8_prefix(text, n) != n) SGN_FAIL(err, SGN_FORMAT, "%s: %s[%llu] is not UTF-8", a->path, key, (unsigned long long)i);
    }
    return SGN_OK;
}

static void add_token(sgn_json *pieces, sgn_json *added, const char *text, int64_t id, int64_t type) {
    if (type != CONTROL && type != GIVEN && type != UNUSED) {
        sgn_json_set(pieces, text, sgn_json_new_int(id));
        return;
    }
    sgn_json *t = sgn_json_new_object();
    sgn_json_set(t, "id", sgn_json_new_int(id));
    sgn_json_set(t, "content", sgn_json_new_string(text));
    sgn_json_set(t, "special", sgn_json_new_bool(type != GIVEN));
    sgn_json_append(added, t);
}

/* Tokens at the end that nobody uses fill a matrix up, and are none of the tokenizer's. */
static sgn_status read_lists(const sgn_archive *a, sgn_json *pieces, sgn_json *merges, sgn_json *added, sgn_error *err) {
    const sgn_meta *tokens, *types, *pairs;
    int64_t type = UNUSED;
    SGN_TRY(list(a, KEY "tokens", SGN_META_TEXT, &tokens, err));
    SGN_TRY(list(a, KEY "token_type", SGN_META_I32, &types, err));     /* as long: the archive has seen to it */
    SGN_TRY(list(a, KEY "merges", SGN_META_TEXT, &pairs, err));
    uint64_t count = tokens->count;
    while (count && sgn_meta_int(types, count - 1, &type) && type == UNUSED) count--;
    for (uint64_t i = 0; i < count; i++) {
        sgn_meta_int(types, i, &type);
        add_token(pieces, added, sgn_meta_text(tokens, i), (int64_t)i, type);
    }
    for (uint64_t i = 0; i < pairs->count; i++) sgn_json_append(merges, sgn_json_new_string(sgn_meta_text(pairs, i)));
    return SGN_OK;
}

static sgn_status load_level(sgn_vocabulary *v, const sgn_archive *a, sgn_error *err) {
    const sgn_known_split *split = NULL;
    SGN_TRY(find_split(a, &split, err));
    sgn_json *pieces = sgn_json_new_object(), *merges = sgn_json_new_array(), *added = sgn_json_new_array();
    const sgn_status s = read_lists(a, pieces, merges, added, err);
    if (s != SGN_OK) {
        sgn_json_free(pieces);
        sgn_json_free(merges);
        sgn_json_free(added);
        return s;
    }
    const bool llama3 = split == sgn_known_split_named("llama3"), qwen2 = split == sgn_known_split_named("qwen2");
    sgn_json *root = sgn_form_new(split, llama3, qwen2, added);        /* Llama 3 ignores merges for whole words */
    sgn_json_set(sgn_json_get(root, "model"), "vocab", pieces);
    sgn_json_set(sgn_json_get(root, "model"), "merges", merges);
    return sgn_vocabulary_read(v, root, a->path, err);
}

sgn_status sgn_vocabulary_load_gguf(sgn_vocabulary *v, const char *path, sgn_error *err) {
    sgn_archive a = { 0 };
    sgn_status s = sgn_archive_open(&a, path, err);
    const char *model = s == SGN_OK ? sgn_meta_text(sgn_archive_meta(&a, KEY "model"), 0) : NULL;
    const bool level = model && strcmp(model, "gpt2") == 0;
    if (level) s = load_level(v, &a, err);
    sgn_archive_close(&a);
    return s == SGN_OK && !level ? sgn_spm_load_gguf(v, path, err) : s;
}
