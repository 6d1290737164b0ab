/* SPDX-License-Identifier: MIT */
#include "export/model_bits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "core/file.h"
#include "model/adapter.h"
#include "model/model_load.h"
#include "model/names.h"

static sgn_status add_row(sgn_model_bits *b, const sgn_bits_row *row, sgn_error *err) {
    if (!sgn_bits_all(&row->bits)) return SGN_OK;
    if ((b->count & (b->count - 1)) == 0) {            /* full at 0, 1, 2, 4, ... */
        sgn_bits_row *grown = realloc(b->row, (size_t)(b->count ? 2 * b->count : 1) * sizeof *grown);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for a list of %d layers", b->count);
        b->row = grown;
    }
    b->row[b->count++] = *row;
    sgn_bits_add(&b->all, &row->bits);
    return SGN_OK;
}

/* --- a model that is opened to run ------------------------------------------------------------------- */

static sgn_status count_lowered(sgn_model_bits *b, const char *directory, sgn_verify verify, sgn_error *err) {
    sgn_model_file *f;
    sgn_bits_row row;
    SGN_TRY(sgn_model_file_open(&f, directory, verify, err));
    sgn_status s = SGN_OK;
    for (int64_t i = 0; s == SGN_OK && sgn_bits_row_at(sgn_model_file_lowered(f), i, &row); i++) s = add_row(b, &row, err);
    b->file_bytes = sgn_model_file_bytes(f);
    b->stored = strcmp(sgn_model_file_kind(f), "packed") == 0;
    b->what = b->stored ? "planes, scales and matrices as packed" : "what it takes packed, with f32 scales and matrices";
    sgn_model_file_close(f);
    return s;
}

/* --- arrays of any other model ------------------------------------------------------------------------- */

static sgn_bits_part part_of(const sgn_transformer *m, int i) {
    const sgn_param *p = &m->params.at[i];
    const size_t n = strlen(p->name);
    if (i == m->positions) return SGN_BITS_POSITIONS;
    switch (p->class) {
    case SGN_PARAM_EMBEDDING: return SGN_BITS_EMBEDDING;
    case SGN_PARAM_HEAD: return SGN_BITS_HEAD;
    case SGN_PARAM_NORM: return SGN_BITS_NORMS;
    case SGN_PARAM_BIAS: return SGN_BITS_BIASES;
    case SGN_PARAM_SCALE: return n > 5 && strcmp(p->name + n - 5, "wbias") == 0 ? SGN_BITS_SHIFTS : SGN_BITS_SCALES;
    default: return SGN_BITS_FULL;
    }
}

static sgn_status count_params(sgn_model_bits *b, const sgn_transformer *m, const sgn_array_set *set, sgn_error *err) {
    for (int i = 0; i < m->params.count; i++) {
        const sgn_param *p = &m->params.at[i];
        const sgn_shape shape = p->tensor.shape;
        const sgn_archive *archive;
        sgn_foreign_name how;
        const sgn_array *a = sgn_names_find(set, &m->config, p->name, &how, &archive);
        const int64_t cols = shape.dim[shape.rank - 1];
        if (!a || cols % sgn_dtype_block(a->dtype)) continue;
        sgn_bits_row row = { 0 };
        snprintf(row.name, sizeof row.name, "%s", p->name);
        sgn_bits_put(&row.bits, part_of(m, i), a->dtype, sgn_numel(shape) / cols, cols);
        if (sgn_adapter_is_shift(set, p)) {
            const sgn_bits_part part = row.bits.binary_weights ? SGN_BITS_SHIFTS : SGN_BITS_FULL;
            sgn_bits_put(&row.bits, part, SGN_DTYPE_F32, 1, shape.dim[0] + shape.dim[1]);
        }
        SGN_TRY(add_row(b, &row, err));
    }
    return SGN_OK;
}

static sgn_status count_arrays(sgn_model_bits *b, const char *directory, sgn_error *err) {
    sgn_model_config c;
    sgn_transformer m;
    sgn_array_set set;
    struct stat st;
    SGN_TRY(sgn_model_load_config(directory, NULL, &c, err));
    SGN_TRY(sgn_transformer_init(&m, &c, false, err));
    sgn_status s = sgn_array_set_open(&set, directory, err);
    if (s == SGN_OK) s = count_params(b, &m, &set, err);
    for (int i = 0; s == SGN_OK && i < set.count; i++) b->file_bytes += stat(set.at[i].path, &st) == 0 ? (uint64_t)st.st_size : 0;
    sgn_array_set_close(&set);
    sgn_transformer_free(&m);
    b->what = "arrays of the file, each in its type";
    b->stored = true;
    return s;
}

/* --- either ---------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static sgn_status add_beside(sgn_model_bits *b, const char *directory, sgn_error *err) {
    static const char *const arrays[] = { ".safetensors", ".gguf", ".h5", ".bin" };
    char **names;
    int count;
    if (!sgn_is_directory(directory)) return SGN_OK;
    SGN_TRY(sgn_directory_list(directory, "", "", &names, &count, err));
    for (int i = 0; i < count; i++) {
        bool holds = false;
        sgn_path path;
        struct stat st;
        for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) holds |= ends_with(names[i], arrays[k]);
        if (holds || sgn_path_set(&path, NULL, "%s/%s", directory, names[i]) != SGN_OK || stat(path.s, &st) != 0) continue;
        if (S_ISREG(st.st_mode)) b->beside_bytes += (uint64_t)st.st_size;
    }
    sgn_names_free(names, count);
    return SGN_OK;
}

/* Does it run from what is in memory only, or from a format of ours? */
static bool is_ours(const char *directory) {
    sgn_path config;
    sgn_json *j;
    bool ours = false;
    char **names;
    int shards = 0;
    if (sgn_path_set(&config, NULL, "%s/config.json", directory) != SGN_OK || !sgn_file_exists(config.s)) return false;
    if (sgn_directory_list(directory, "shard-", ".h5", &names, &shards, NULL) == SGN_OK) sgn_names_free(names, shards);
    if (sgn_json_load(&j, config.s, 4 << 20, NULL) != SGN_OK) return true;     /* opening it says why */
    for (int i = 0; sgn_format_at(i); i++) ours |= sgn_format_at(i)->recognise && sgn_format_at(i)->recognise(j);
    sgn_json_free(j);
    return ours || shards;
}

sgn_status sgn_model_bits_open(sgn_model_bits *b, const char *where, sgn_verify verify, sgn_error *err) {
    sgn_path directory;
    *b = (sgn_model_bits){ 0 };
    SGN_TRY(sgn_model_resolve(where, "model", &directory, err));
    sgn_status s = is_ours(directory.s) ? count_lowered(b, where, verify, err) : count_arrays(b, directory.s, err);
    if (s == SGN_OK) s = add_beside(b, directory.s, err);
    if (s != SGN_OK) sgn_model_bits_close(b);
    return s;
}

sgn_status sgn_model_bits_of(const sgn_model_file *f, sgn_bits *all, sgn_error *err) {
    *all = sgn_bits_of_model(sgn_model_file_lowered(f));
    if (strcmp(sgn_model_file_kind(f), "gguf") != 0) return SGN_OK;    /* its blocks run as something else */
    sgn_model_bits b = { 0 };
    const sgn_status s = count_arrays(&b, sgn_model_file_directory(f), err);
    if (s == SGN_OK) *all = b.all;
    sgn_model_bits_close(&b);
    return s;
}

void sgn_model_bits_close(sgn_model_bits *b) {
    free(b->row);
    *b = (sgn_model_bits){ 0 };
}
