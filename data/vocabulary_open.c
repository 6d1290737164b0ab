/* Which format a vocabulary's file has is seen by its first bytes.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>
#include "core/file.h"
#include "data/spm.h"
#include "data/vocabulary.h"
#include "data/vocabulary_files.h"

/* Files by which a directory is known, the first that is there. */
static const char *const names[] = { "tokenizer.json", "vocab.json", "encoder.json", "tokenizer.model", "tokenizer.bin" };

/* The only file of a name that nobody gives twice. */
static sgn_status only_one(const char *directory, sgn_path *path, sgn_error *err) {
    static const char *const ends[] = { ".tiktoken", ".gguf" };
    int counts[2];
    for (int i = 0; i < 2; i++) {
        char **found;
        SGN_TRY(sgn_directory_list(directory, "", ends[i], &found, &counts[i], err));
        const sgn_status s = counts[i] == 1 ? sgn_path_set(path, err, "%s/%s", directory, found[0]) : SGN_OK;
        sgn_names_free(found, counts[i]);
        SGN_TRY(s);
        if (counts[i] == 1) return SGN_OK;
    }
    SGN_FAIL(err, SGN_IO, "%s: holds no tokenizer.json, vocab.json, encoder.json, tokenizer.model or tokenizer.bin, and %d .tiktoken and "
             "%d .gguf files", directory, counts[0], counts[1]);
}

static bool one_of_names(const char *directory, sgn_path *path) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (sgn_path_set(path, NULL, "%s/%s", directory, names[i]) == SGN_OK && sgn_file_exists(path->s)) return true;
    return false;
}

sgn_status sgn_vocabulary_find_file(const char *where, sgn_path *path, sgn_error *err) {
    if (!sgn_is_directory(where)) {
        if (!sgn_file_exists(where))
            SGN_FAIL(err, SGN_IO, "%s: no such tokenizer; give a tokenizer.json, a vocab.json with its merges.txt, a tiktoken file, a "
                     "tokenizer.model, tokenizer.bin or .gguf, a directory that holds one, or \"byte\"", where);
        return sgn_path_set(path, err, "%s", where);
    }
    return one_of_names(where, path) ? SGN_OK : only_one(where, path, err);
}

static bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

sgn_status sgn_vocabulary_find_beside(const char *model, sgn_path *path, sgn_error *err) {
    if (sgn_is_directory(model)) return sgn_vocabulary_find_file(model, path, err);
    const char *slash = strrchr(model, '/');
    sgn_path directory;
    SGN_TRY(sgn_path_set(&directory, err, "%.*s", slash ? (int)(slash - model) : 1, slash ? model : "."));
    if (one_of_names(directory.s, path)) return SGN_OK;
    if (ends_with(model, ".gguf")) return sgn_path_set(path, err, "%s", model);
    SGN_FAIL(err, SGN_IO, "%s: no tokenizer lies beside it; name one with --tokenizer", model);
}

sgn_status sgn_vocabulary_open(sgn_vocabulary *v, const char *path, sgn_error *err) {
    uint8_t head[4] = { 0 };
    sgn_reader r = { 0 };
    SGN_TRY(sgn_reader_open(&r, path, err));
    const sgn_status s = sgn_reader_get(&r, 0, head, r.size < 4 ? (size_t)r.size : 4, err);
    sgn_reader_close(&r);
    SGN_TRY(s);
    *v = (sgn_vocabulary){ 0 };
    if (sgn_vocabulary_is_pair(path)) return sgn_vocabulary_load_pair(v, path, err);
    if (sgn_vocabulary_is_ranks(path)) return sgn_vocabulary_load_ranks(v, path, err);
    if (memcmp(head, "GGUF", 4) == 0) return sgn_vocabulary_load_gguf(v, path, err);
    if (ends_with(path, ".model") || (head[0] == 0x0A && head[1] > 0)) return sgn_spm_load(v, path, err);
    if (ends_with(path, ".bin")) return sgn_spm_load_llama2c(v, path, err);
    return sgn_vocabulary_load(v, path, err);
}
