/* hf: a directory that LlamaForCausalLM loads: F32 safetensors under Hugging Face's names, in shards where large.
 * A binary layer is written as the matrix it computes, column j = y(e_j) of the unit vector e_j; with `latent`
 * as what trained, X.weight, X.wscale, X.wbias as the released FBI-LLM code calls them.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "export/parts.h"
#include "export/stages.h"

enum { UNITS = 64 };                                   /* unit vectors per pass */
#define SHARD_BYTES ((uint64_t)4 << 30)

/* --- the matrix of a layer ------------------------------------------------------------------------ */

static void unit_vectors(float *x, int64_t first, int64_t m, int64_t in) {
    memset(x, 0, (size_t)(m * in) * sizeof *x);
    for (int64_t t = 0; t < m; t++) x[t * in + first + t] = 1;
}

static sgn_status prepare(sgn_stages *s, const sgn_lowered *l, int64_t out, int64_t in, const char *layer, sgn_arena *a,
                          float **x, float **y, float **work, sgn_error *err) {
    SGN_TRY(sgn_stages_init(s, l, in, out, 0, layer, a, err));
    *x = sgn_arena_alloc(a, (size_t)(UNITS * in) * sizeof **x);
    *y = sgn_arena_alloc(a, (size_t)(UNITS * out) * sizeof **y);
    *work = sgn_arena_alloc(a, (size_t)sgn_stages_work(s, UNITS) * sizeof **work);
    return SGN_OK;
}

/* w (out, in); exact but for the one rounding of each alpha s + beta: the other summands are zeros. */
static sgn_status dequantize(float *w, const sgn_lowered *l, int64_t out, int64_t in, const char *layer, sgn_error *err) {
    sgn_arena a;
    sgn_stages s;
    float *x, *y, *work;
    sgn_lowered without = *l;
    without.bias = NULL;
    sgn_arena_measure(&a);
    SGN_TRY(prepare(&s, &without, out, in, layer, &a, &x, &y, &work, err));
    SGN_TRY(sgn_arena_init(&a, a.peak, err));
    const sgn_status status = prepare(&s, &without, out, in, layer, &a, &x, &y, &work, err);
    for (int64_t j = 0; status == SGN_OK && j < in; j += UNITS) {
        const int64_t m = in - j < UNITS ? in - j : UNITS;
        unit_vectors(x, j, m, in);
        sgn_stages_run(&s, x, m, y, work);
        for (int64_t i = 0; i < out; i++)
            for (int64_t t = 0; t < m; t++) w[i * in + j + t] = y[t * out + i];
    }
    sgn_arena_free(&a);
    return status;
}

/* --- files ------------------------------------------------------------------------------------------ */

/* What is written as it is; a layer without data is dequantized when its turn comes. */
static sgn_status list_arrays(sgn_parts *parts, const sgn_transformer *m, const sgn_lowered_model *lm, bool latent, sgn_error *err) {
    if (latent) {
        for (int i = 0; i < m->params.count; i++) {
            const sgn_tensor *t = &m->params.at[i].tensor;
            sgn_parts_add(parts, SGN_DTYPE_F32, t->shape.dim[0], t->shape.rank > 1 ? t->shape.dim[1] : 0, t->data, "%s",
                          m->params.at[i].name);
        }
        return sgn_parts_end(parts, err);
    }
    sgn_parts_add_plain(parts, lm);
    for (int64_t n = 0; n < lm->config.layers; n++)
        for (int k = 0; k < SGN_LINEARS; k++) {
            const sgn_linear_name name = sgn_linear_name_of(n, (sgn_block_linear)k);
            const sgn_lowered *l = &lm->blocks[n].linear[k];
            if (!l->count) continue;
            if (!sgn_lowered_is_linear(l))
                SGN_FAIL(err, SGN_UNSUPPORTED, "%s: it normalises or rounds its input, which no plain matrix does; "
                         "--format packed holds it", name.s);
            int64_t out, in;
            sgn_linear_shape(&lm->config, (sgn_block_linear)k, &out, &in);
            const bool dense = l->count == 1 && l->chain[0].count == 1 && l->chain[0].stage[0].kind == SGN_STAGE_DENSE;
            sgn_parts_add(parts, SGN_DTYPE_F32, out, in, dense ? l->chain[0].stage[0].v : NULL, "%s.weight", name.s);
        }
    return sgn_parts_end(parts, err);
}

static const sgn_lowered *layer_of(const sgn_lowered_model *lm, const char *array) {
    for (int64_t n = 0; n < lm->config.layers; n++)
        for (int k = 0; k < SGN_LINEARS; k++) {
            const sgn_linear_name name = sgn_linear_name_of(n, (sgn_block_linear)k);
            const size_t length = strlen(name.s);
            if (strncmp(array, name.s, length) == 0 && strcmp(array + length, ".weight") == 0) return &lm->blocks[n].linear[k];
        }
    return NULL;
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
            s = dequantize(made[i], layer_of(lm, a->name), a->dim[0], a->dim[1], a->name, err);
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
