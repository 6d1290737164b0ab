/* hf: a directory that LlamaForCausalLM loads: F32 safetensors under Hugging Face's names, in shards where large.
 * A binary layer is written as the matrix it computes, column j = y(e_j) of the unit vector e_j; with `latent`
 * as what trained, X.weight, X.wscale, X.wbias as the released FBI-LLM code calls them.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "export/dense.h"

#define SHARD_BYTES ((uint64_t)4 << 30)

/* --- files ------------------------------------------------------------------------------------------ */

static sgn_status list_arrays(sgn_parts *parts, const sgn_transformer *m, const sgn_lowered_model *lm, bool latent, sgn_error *err) {
    if (!latent) return sgn_dense_list(parts, lm, err);
    for (int i = 0; i < m->params.count; i++) {
        const sgn_tensor *t = &m->params.at[i].tensor;
        sgn_parts_add(parts, SGN_DTYPE_F32, t->shape.dim[0], t->shape.rank > 1 ? t->shape.dim[1] : 0, t->data, "%s", m->params.at[i].name);
    }
    return sgn_parts_end(parts, err);
}

/* Arrays [begin, end) into one file. */
static sgn_status write_shard(const char *path, const sgn_parts *parts, int begin, int end, const sgn_lowered_model *lm,
                              sgn_error *err) {
    const char *const notes[] = { "format", "pt", NULL };
    const int count = end - begin;
    const void **data = calloc((size_t)count + 1, sizeof *data);
    float **made = calloc((size_t)count + 1, sizeof *made);
    sgn_status s = data && made ? SGN_OK : SGN_ERROR(err, SGN_NOMEM, "no memory for a list of %d arrays", count);
    for (int i = 0; s == SGN_OK && i < count; i++) {
        const sgn_array *a = &parts->at[begin + i];
        if ((data[i] = parts->data[begin + i])) continue;
        if (!(data[i] = made[i] = malloc((size_t)a->bytes)))
            s = SGN_ERROR(err, SGN_NOMEM, "no memory for the dequantized '%s'", a->name);
        else
            s = sgn_dense_matrix(lm, a, made[i], err);
    }
    if (s == SGN_OK) s = sgn_archive_write("safetensors", path, parts->at + begin, data, count, notes, err);
    for (int i = 0; made && i < count; i++) free(made[i]);
    free(made);
    free((void *)data);
    return s;
}

static int next_cut(const sgn_parts *parts, int begin, uint64_t limit) {
    uint64_t bytes = parts->at[begin].bytes;
    int end = begin + 1;
    while (end < parts->count && bytes + parts->at[end].bytes <= limit) bytes += parts->at[end++].bytes;
    return end;
}

static sgn_status write_shards(const char *directory, const sgn_parts *parts, uint64_t limit, const sgn_lowered_model *lm,
                               sgn_error *err) {
    sgn_path path;
    int shards = 0, k = 0;
    for (int begin = 0; begin < parts->count; begin = next_cut(parts, begin, limit)) shards++;
    if (shards == 1) {
        SGN_TRY(sgn_path_set(&path, err, "%s/model.safetensors", directory));
        return write_shard(path.s, parts, 0, parts->count, lm, err);
    }
    uint64_t total = 0;
    sgn_json *index = sgn_json_new_object(), *about = sgn_json_new_object(), *map = sgn_json_new_object();
    sgn_json_set(index, "metadata", about);
    sgn_json_set(index, "weight_map", map);
    sgn_status s = SGN_OK;
    for (int begin = 0, end; s == SGN_OK && begin < parts->count; begin = end) {
        char name[64];
        end = next_cut(parts, begin, limit);
        snprintf(name, sizeof name, "model-%05d-of-%05d.safetensors", ++k, shards);
        for (int i = begin; i < end; i++) {
            sgn_json_set(map, parts->at[i].name, sgn_json_new_string(name));
            total += parts->at[i].bytes;
        }
        s = sgn_path_set(&path, err, "%s/%s", directory, name);
        if (s == SGN_OK) s = write_shard(path.s, parts, begin, end, lm, err);
    }
    sgn_json_set(about, "total_size", sgn_json_new_int((int64_t)total));
    if (s == SGN_OK) s = sgn_path_set(&path, err, "%s/model.safetensors.index.json", directory);
    if (s == SGN_OK) s = sgn_json_save(index, 2, path.s, err);
    sgn_json_free(index);
    return s;
}

static sgn_status write_directory(const char *directory, const sgn_transformer *m, const sgn_lowered_model *lm,
                                  const sgn_export_options *o, sgn_error *err) {
    sgn_parts parts = { 0 };
    if (sgn_model_config_arch(&lm->config)->positions)
        SGN_FAIL(err, SGN_UNSUPPORTED, "a model with model.arch = gpt2 cannot be written for Hugging Face yet; --format packed holds it");
    SGN_TRY(sgn_model_config_check_foreign(&lm->config, err));
    sgn_status s = list_arrays(&parts, m, lm, o->latent, err);
    if (s == SGN_OK) s = write_shards(directory, &parts, o->shard_bytes ? o->shard_bytes : SHARD_BYTES, lm, err);
    sgn_parts_free(&parts);
    SGN_TRY(s);
    sgn_model_config c = lm->config;
    if (!o->latent) c.binary[0] = '\0';                /* to everyone else it is a LLaMA like any other */
    SGN_TRY(sgn_export_config(directory, sgn_model_config_to_json(&c), o, err));
    return sgn_export_tokenizer_config(directory, c.context, o, err);
}

const sgn_format sgn_format_hf = {
    .name = "hf", .summary = "a Hugging Face directory: dequantized, or latents with --latent", .write = write_directory,
};
