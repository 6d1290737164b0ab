/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "export/format.h"
#include "model/adapter.h"
#include "model/array_set.h"
#include "model/lowered_planes.h"
#include "model/model_load.h"

enum { CONFIG_LIMIT = 4 << 20 };       /* a packed config.json lists the stages of every layer */

struct sgn_model_file {
    sgn_path          directory, tokenizer;
    sgn_lowered_model lowered;
    const sgn_format *format;          /* runs from the file; NULL: from `transformer` */
    void             *state;
    sgn_transformer   transformer;
    sgn_real         *shifts;          /* that an adapter of the file has */
    const char       *kind;
    uint64_t          bytes;
};

/* Files that hold arrays: their bytes, and how many. */
static sgn_status count_bytes(const char *directory, const char *prefix, const char *suffix, uint64_t *bytes,
                              int *count, sgn_error *err) {
    char **names;
    SGN_TRY(sgn_directory_list(directory, prefix, suffix, &names, count, err));
    sgn_status s = SGN_OK;
    for (int i = 0; s == SGN_OK && i < *count; i++) {
        sgn_path path;
        struct stat st;
        s = sgn_path_set(&path, err, "%s/%s", directory, names[i]);
        if (s == SGN_OK && stat(path.s, &st) == 0) *bytes += (uint64_t)st.st_size;
    }
    sgn_names_free(names, *count);
    return s;
}

static const sgn_format *format_of(const sgn_json *config) {
    const sgn_format *f;
    for (int i = 0; (f = sgn_format_at(i)); i++)
        if (f->recognise && f->recognise(config)) return f;
    return NULL;
}

/* What runs from the file; f->format stays NULL where that is none of the formats. */
static sgn_status open_format(sgn_model_file *f, const char *config, sgn_error *err) {
    sgn_json *j;
    SGN_TRY(sgn_json_load(&j, config, CONFIG_LIMIT, err));
    f->format = format_of(j);
    if (f->format) f->kind = f->format->name;
    const sgn_status s = f->format ? f->format->open(f->directory.s, j, &f->lowered, &f->state, err) : SGN_OK;
    sgn_json_free(j);
    return s;
}

/* Matrices where they lie, the rest as floats. What is mapped is read through for numbers that are none, unless nothing is verified. */
static sgn_status open_mapped(sgn_model_file *f, sgn_verify verify, sgn_error *err) {
    sgn_model_config c;
    sgn_transformer *m = &f->transformer;
    SGN_TRY(sgn_model_load_config(f->directory.s, NULL, &c, err));
    SGN_TRY(sgn_transformer_init(m, &c, false, err));
    SGN_TRY(sgn_model_map(m, f->directory.s, true, err));
    SGN_TRY(sgn_transformer_commit(m, err));
    SGN_TRY(sgn_model_fill(m, f->directory.s, err));
    const bool small = sgn_params_stored_bytes(&m->params) < SGN_VERIFY_BELOW;
    if (verify == SGN_VERIFY_ALL || (verify == SGN_VERIFY_SMALL && small)) SGN_TRY(sgn_model_check_mapped(m, err));
    SGN_TRY(sgn_lowered_model_from(&f->lowered, m, err));
    SGN_TRY(sgn_lowered_model_unblock(&f->lowered, err));
    return sgn_adapter_lower(m, &f->lowered, &f->shifts, err);
}

/* A file that says its shape itself. */
static sgn_status open_named(sgn_model_file *f, sgn_verify verify, sgn_error *err) {
    sgn_array_set set;
    struct stat st;
    SGN_TRY(sgn_array_set_open(&set, f->directory.s, err));
    f->kind = set.at[0].kind->name;
    for (int i = 0; i < set.count; i++)
        if (stat(set.at[i].path, &st) == 0) f->bytes += (uint64_t)st.st_size;
    const char *slash = strrchr(set.at[0].path, '/');
    const sgn_status s = sgn_path_set(&f->tokenizer, err, "%.*stokenizer.json", slash ? (int)(slash - set.at[0].path + 1) : 0, set.at[0].path);
    sgn_array_set_close(&set);
    SGN_TRY(s);
    return open_mapped(f, verify, err);
}

static sgn_status open_file(sgn_model_file *f, const char *where, sgn_verify verify, sgn_error *err) {
    SGN_TRY(sgn_model_resolve(where, "model", &f->directory, err));
    sgn_path config, manifest;
    int tensors, shards;
    SGN_TRY(sgn_path_set(&config, err, "%s/config.json", f->directory.s));
    SGN_TRY(sgn_path_set(&f->tokenizer, err, "%s/tokenizer.json", f->directory.s));
    SGN_TRY(sgn_path_set(&manifest, err, "%s/MANIFEST", f->directory.s));
    const bool verified = strcmp(f->directory.s, where) != 0;          /* a checkpoint, chosen because its MANIFEST fits */
    if (!verified && sgn_file_exists(manifest.s)) SGN_TRY(sgn_manifest_check(f->directory.s, verify, err));
    if (!sgn_file_exists(config.s)) return open_named(f, verify, err);
    SGN_TRY(count_bytes(f->directory.s, "", ".safetensors", &f->bytes, &tensors, err));
    SGN_TRY(count_bytes(f->directory.s, "shard-", ".h5", &f->bytes, &shards, err));
    f->kind = shards && !tensors ? "checkpoint" : "hf";
    SGN_TRY(open_format(f, config.s, err));
    return f->format ? SGN_OK : open_mapped(f, verify, err);
}

sgn_status sgn_model_file_open(sgn_model_file **out, const char *where, sgn_verify verify, sgn_error *err) {
    *out = NULL;
    sgn_model_file *f = calloc(1, sizeof *f);
    if (!f) SGN_FAIL(err, SGN_NOMEM, "no memory to open '%s'", where);
    const sgn_status s = open_file(f, where, verify, err);
    if (s == SGN_OK) *out = f;
    else sgn_model_file_close(f);
    return s;
}

void sgn_model_file_close(sgn_model_file *f) {
    if (!f) return;
    if (f->format) f->format->close(&f->lowered, f->state);
    else sgn_lowered_model_free(&f->lowered);
    sgn_transformer_free(&f->transformer);
    free(f->shifts);
    free(f);
}

const sgn_lowered_model *sgn_model_file_lowered(const sgn_model_file *f) { return &f->lowered; }
const char *sgn_model_file_directory(const sgn_model_file *f) { return f->directory.s; }
const char *sgn_model_file_tokenizer(const sgn_model_file *f) {
    return sgn_file_exists(f->tokenizer.s) ? f->tokenizer.s : NULL;
}
const char *sgn_model_file_kind(const sgn_model_file *f) { return f->kind; }
uint64_t    sgn_model_file_bytes(const sgn_model_file *f) { return f->bytes; }
