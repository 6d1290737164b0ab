/* vocab.json and merges.txt are put together to what a tokenizer.json holds.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "core/json.h"
#include "data/form_write.h"
#include "data/utf8.h"
#include "data/vocabulary_files.h"

enum { FILE_LIMIT = 64 << 20 };

static const char *const names[][2] = { { "vocab.json", "merges.txt" }, { "encoder.json", "vocab.bpe" } };

/* Which pair a path belongs to, -1: none; *stem: bytes of its directory. */
static int pair_of(const char *path, int *stem) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    *stem = (int)(name - path);
    for (int i = 0; i < 2; i++)
        if (strcmp(name, names[i][0]) == 0 || strcmp(name, names[i][1]) == 0) return i;
    return -1;
}

bool sgn_vocabulary_is_pair(const char *path) {
    int stem;
    return pair_of(path, &stem) >= 0;
}

/* Lines "left right"; a first line that begins with #version is none. */
static sgn_status read_merges(const char *path, sgn_json *merges, sgn_error *err) {
    char *text;
    size_t size;
    SGN_TRY(sgn_file_read(path, FILE_LIMIT, &text, &size, err));
    sgn_status s = SGN_OK;
    int line = 0;
    for (char *at = text, *end = text + size; at < end && s == SGN_OK; line++) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((stop ? stop : end) - at);
        const size_t step = n + 1;
        n -= n > 0 && at[n - 1] == '\r';
        const char *space = memchr(at, ' ', n);
        if (n == 0 || (line == 0 && n >= 8 && memcmp(at, "#version", 8) == 0)) ;
        else if (!space || space == at || space + 1 == at + n || memchr(space + 1, ' ', (size_t)(at + n - space - 1)))
            s = SGN_ERROR(err, SGN_FORMAT, "%s: line %d (\"%.*s\") is not two pieces with a space between", path, line + 1,
                          (int)(n < 40 ? n : 40), at);
        else if (sgn_utf8_prefix(at, n) != n) s = SGN_ERROR(err, SGN_FORMAT, "%s: line %d is not UTF-8", path, line + 1);
        else sgn_json_append(merges, sgn_json_new_string_n(at, n));
        at += step;
    }
    free(text);
    return s;
}

static void add_token(sgn_json *added, const char *text, int64_t id) {
    sgn_json *one = sgn_json_new_object();
    sgn_json_set(one, "id", sgn_json_new_int(id));
    sgn_json_set(one, "content", sgn_json_new_string(text));
    sgn_json_set(one, "special", sgn_json_new_bool(true));
    sgn_json_append(added, one);
}

static sgn_status read_added(const char *path, const sgn_json *pieces, sgn_json *added, sgn_error *err) {
    const int64_t eot = sgn_json_int(sgn_json_get(pieces, SGN_EOT), -1);
    sgn_json *list = NULL;
    if (sgn_file_exists(path)) SGN_TRY(sgn_json_load(&list, path, FILE_LIMIT, err));
    if (eot >= 0 && !sgn_json_get(list, SGN_EOT)) add_token(added, SGN_EOT, eot);
    for (void *it = sgn_json_iter(list); it; it = sgn_json_next(list, it))
        add_token(added, sgn_json_iter_key(it), sgn_json_int(sgn_json_iter_value(it), -1));
    sgn_json_free(list);
    return SGN_OK;
}

/* How text is cut: by the class of tokenizer that a configuration beside names. */
static sgn_status read_config(const char *path, const sgn_known_split **split, sgn_error *err) {
    sgn_json *config = NULL;
    *split = sgn_known_split_at(0);
    if (!sgn_file_exists(path)) return SGN_OK;
    SGN_TRY(sgn_json_load(&config, path, FILE_LIMIT, err));
    const char *class = sgn_json_string(sgn_json_get(config, "tokenizer_class"), "GPT2Tokenizer");
    const bool space = sgn_json_bool(sgn_json_get(config, "add_prefix_space"), false);
    sgn_status s = SGN_OK;
    if (strncmp(class, "Qwen2Tokenizer", 14) == 0) *split = sgn_known_split_named("qwen2");
    else if (strncmp(class, "GPT2Tokenizer", 13) != 0)
        s = SGN_ERROR(err, SGN_UNSUPPORTED, "%s: tokenizer_class is \"%.40s\"; beside merges, GPT2Tokenizer and Qwen2Tokenizer are known", path, class);
    if (s == SGN_OK && space) s = SGN_ERROR(err, SGN_UNSUPPORTED, "%s: add_prefix_space is true; give a tokenizer.json that says so", path);
    sgn_json_free(config);
    return s;
}

static sgn_status join(sgn_vocabulary *v, const char *path, int which, int stem, sgn_json *parts[3], sgn_error *err) {
    sgn_path file;
    const sgn_known_split *split = NULL;
    SGN_TRY(sgn_path_set(&file, err, "%.*s%s", stem, path, names[which][0]));
    SGN_TRY(sgn_json_load(&parts[0], file.s, FILE_LIMIT, err));
    SGN_TRY(sgn_path_set(&file, err, "%.*s%s", stem, path, names[which][1]));
    SGN_TRY(read_merges(file.s, parts[1], err));
    SGN_TRY(sgn_path_set(&file, err, "%.*sadded_tokens.json", stem, path));
    SGN_TRY(read_added(file.s, parts[0], parts[2], err));
    SGN_TRY(sgn_path_set(&file, err, "%.*stokenizer_config.json", stem, path));
    SGN_TRY(read_config(file.s, &split, err));
    sgn_json *root = sgn_form_new(split, false, split == sgn_known_split_named("qwen2"), parts[2]);
    sgn_json_set(sgn_json_get(root, "model"), "vocab", parts[0]);
    sgn_json_set(sgn_json_get(root, "model"), "merges", parts[1]);
    parts[0] = parts[1] = parts[2] = NULL;
    return sgn_vocabulary_read(v, root, path, err);
}

sgn_status sgn_vocabulary_load_pair(sgn_vocabulary *v, const char *path, sgn_error *err) {
    int stem;
    const int which = pair_of(path, &stem);
    sgn_json *parts[3] = { NULL, sgn_json_new_array(), sgn_json_new_array() };     /* pieces, merges, added tokens */
    const sgn_status s = join(v, path, which, stem, parts, err);
    for (int i = 0; i < 3; i++) sgn_json_free(parts[i]);
    return s;
}
