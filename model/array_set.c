/* SPDX-License-Identifier: MIT */
#include "model/array_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sgn_array_set_close(sgn_array_set *set) {
    for (int i = 0; i < set->count; i++) sgn_archive_close(&set->at[i]);
    free(set->at);
    *set = (sgn_array_set){ 0 };
}

static sgn_status add_file(sgn_array_set *set, const char *path, sgn_error *err) {
    SGN_TRY(sgn_archive_open(&set->at[set->count], path, err));
    set->names = sgn_archive_names_find(set->at[set->count++].kind->name);
    return SGN_OK;
}

/* What the one GGUF file says lies beside it. */
static sgn_status add_adapter(sgn_array_set *set, sgn_error *err) {
    sgn_path path;
    const sgn_archive *a = &set->at[0];
    const char *name = sgn_meta_text(sgn_archive_meta(a, SGN_ADAPTER_KEY), 0), *slash = strrchr(a->path, '/');
    if (!name) return SGN_OK;
    if (!*name || strchr(name, '/')) SGN_FAIL(err, SGN_FORMAT, "%s: " SGN_ADAPTER_KEY " '%.80s' is no file beside it", a->path, name);
    SGN_TRY(sgn_path_set(&path, err, "%.*s%s", slash ? (int)(slash - a->path + 1) : 0, a->path, name));
    SGN_TRY(add_file(set, path.s, err));
    set->adapter = &set->at[set->count - 1];
    if (set->adapter->kind != a->kind) SGN_FAIL(err, SGN_FORMAT, "%s: it is no %s file, but the adapter of one", path.s, a->kind->name);
    return SGN_OK;
}

/* The one file, or the one that names the other as its adapter. */
static sgn_status add_gguf(sgn_array_set *set, char *const *names, int count, sgn_error *err) {
    for (int i = 0; i < count && i < 2; i++) {
        sgn_path path;
        SGN_TRY(sgn_path_set(&path, err, "%s/%s", set->directory, names[i]));
        SGN_TRY(add_file(set, path.s, err));
        const char *beside = sgn_meta_text(sgn_archive_meta(&set->at[0], SGN_ADAPTER_KEY), 0);
        if (count == 1 || (count == 2 && beside && strcmp(beside, names[1 - i]) == 0)) return add_adapter(set, err);
        sgn_archive_close(&set->at[--set->count]);
    }
    SGN_FAIL(err, SGN_IO, "%s holds %d .gguf files (%s, %s ...); name one of them", set->directory, count, names[0], names[1]);
}

/* Beside a checkpoint there may be other files of this suffix, tokenizers for one. */
static sgn_status add_first_that_opens(sgn_array_set *set, char *const *names, int count, sgn_error *err) {
    sgn_error why = { 0 };
    for (int i = 0; i < count; i++) {
        sgn_path path;
        SGN_TRY(sgn_path_set(&path, err, "%s/%s", set->directory, names[i]));
        if (add_file(set, path.s, &why) != SGN_OK) continue;
        if (set->count > 1) SGN_FAIL(err, SGN_IO, "%s: there are %s and other models; name one of the files", set->directory, names[i]);
    }
    if (!set->count) SGN_FAIL(err, why.status, "%s", why.text);
    return SGN_OK;
}

static sgn_status open_names(sgn_array_set *set, char *const *names, int count, const char *suffix, sgn_error *err) {
    set->at = calloc((size_t)count + 1, sizeof *set->at);
    if (!set->at) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for a list of %d files", set->directory, count);
    if (strcmp(suffix, ".bin") == 0) return add_first_that_opens(set, names, count, err);
    if (strcmp(suffix, ".gguf") == 0) return add_gguf(set, names, count, err);
    for (int i = 0; i < count; i++) {
        sgn_path path;
        SGN_TRY(sgn_path_set(&path, err, "%s/%s", set->directory, names[i]));
        SGN_TRY(add_file(set, path.s, err));
    }
    return SGN_OK;
}

static sgn_status open_directory(sgn_array_set *set, sgn_error *err) {
    static const char *const pattern[][2] = { { "model.safetensors.index.json", "" }, { "", ".safetensors" }, { "shard-", ".h5" },
                                              { "", ".gguf" }, { "", ".bin" } };
    for (size_t i = 0; i < sizeof pattern / sizeof *pattern; i++) {
        char **names;
        int count;
        SGN_TRY(sgn_directory_list(set->directory, pattern[i][0], pattern[i][1], &names, &count, err));
        const sgn_status s = count ? open_names(set, names, count, pattern[i][1], err) : SGN_OK;
        sgn_names_free(names, count);
        if (s != SGN_OK || count) return s;
    }
    SGN_FAIL(err, SGN_IO, "%s holds no weights: no *.safetensors, shard-*.h5, *.gguf or *.bin", set->directory);
}

static sgn_status open_file(sgn_array_set *set, sgn_error *err) {
    set->at = calloc(2, sizeof *set->at);
    if (!set->at) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to open it", set->directory);
    SGN_TRY(add_file(set, set->directory, err));
    return add_adapter(set, err);
}

sgn_status sgn_array_set_open(sgn_array_set *set, const char *directory, sgn_error *err) {
    sgn_path copy;
    *set = (sgn_array_set){ 0 };
    SGN_TRY(sgn_path_set(&copy, err, "%s", directory));
    memcpy(set->directory, copy.s, sizeof set->directory);
    const sgn_status s = sgn_is_directory(directory) ? open_directory(set, err) : open_file(set, err);
    if (s != SGN_OK) sgn_array_set_close(set);
    return s;
}

bool sgn_array_set_paired(const sgn_array_set *set, const char *name) {
    char theirs[SGN_ARRAY_NAME];
    bool rotary = false;
    return set->names && sgn_archive_names_translate(set->names, name, theirs, &rotary) && rotary && set->names->paired(&set->at[0]);
}

const sgn_array *sgn_array_set_find(const sgn_array_set *set, const char *name, const sgn_archive **archive) {
    char under[SGN_ARRAY_NAME], theirs[SGN_ARRAY_NAME];
    snprintf(under, sizeof under, "weights/%s", name);
    if (set->names) {
        if (!sgn_archive_names_translate(set->names, name, theirs, NULL)) return NULL;
        name = theirs;
    }
    for (int i = 0; i < set->count; i++) {
        int k = sgn_archive_find(&set->at[i], name);
        if (k < 0) k = sgn_archive_find(&set->at[i], under);
        if (k < 0) continue;
        *archive = &set->at[i];
        return &set->at[i].at[k];
    }
    return NULL;
}
