/* hf: a directory that the model class in its config.json loads: F32, F16 or BF16 safetensors under Hugging Face's names, in shards
 * where large.
 * A binary layer is written as the matrix it computes, column j = y(e_j) of the unit vector e_j; with `latent`
 * as what trained, X.weight, X.wscale, X.wbias as the released FBI-LLM code calls them; scales that layers share, in each of them.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "export/dense.h"
#include "model/names.h"

#define SHARD_BYTES ((uint64_t)4 << 30)

/* --- names and layouts ------------------------------------------------------------------------------ */

typedef struct {
    const sgn_lowered_model *lm;
    sgn_parts ours, out;               /* as matrices, or as they train; as the file has them, with floats for data */
    sgn_dtype type;                    /* of the file */
} writing;

static sgn_foreign_name theirs(const sgn_model_config *c, const char *ours) {
    sgn_foreign_name how;
    if (sgn_foreign_name_at(c, ours, 0, &how)) return how;
    how = (sgn_foreign_name){ .first = 0 };
    snprintf(how.name, sizeof how.name, "%s", ours);
    return how;
}

static int64_t columns(const sgn_array *a) { return a->rank > 1 ? a->dim[1] : 0; }

/* What lies there in another way has no data until its turn comes. */
static void rename_part(writing *w, int i) {
    const sgn_array *a = &w->ours.at[i];
    const sgn_foreign_name how = theirs(&w->lm->config, a->name);
    if (how.first) return;                             /* it comes with the first of those that are one array */
    const int64_t outputs = how.fused ? how.fused : a->dim[0];
    sgn_parts_add(&w->out, w->type, how.transposed ? columns(a) : outputs, how.transposed ? outputs : columns(a),
                  sgn_lies_as_ours(&how) ? w->ours.data[i] : NULL, "%s", how.name);
}

static bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* As FBI-LLM's code declares it, which takes no other shape: scales of columns (1, in), of rows (out, 1). */
static void add_latent(writing *w, const sgn_param *p, const char *name) {
    const sgn_tensor *t = &p->tensor;
    int64_t rows = t->shape.dim[0], cols = t->shape.rank > 1 ? t->shape.dim[1] : 0;
    if (cols == 0 && (ends_with(p->name, ".wscale") || ends_with(p->name, ".wbias"))) {
        const char *scales = w->lm->config.scales;
        if (strcmp(scales, "row") == 0) cols = 1;
        else if (strcmp(scales, "column") == 0) cols = rows, rows = 1;
    }
    sgn_parts_add(&w->out, SGN_DTYPE_F32, rows, cols, t->data, "%s", name);
}

static void add_shared(writing *w, const sgn_transformer *m) {
    for (int64_t k = 0; k < m->config.layers * SGN_LINEARS; k++) {
        const sgn_linear *l = &m->blocks[k / SGN_LINEARS].linear[k % SGN_LINEARS];
        const char *path = m->blocks[k / SGN_LINEARS].path[k % SGN_LINEARS];
        for (size_t i = 0; l->kind && i < sizeof l->p / sizeof *l->p; i++) {
            const sgn_param *p = l->p[i] < 0 ? NULL : &m->params.at[l->p[i]];
            char name[SGN_ARRAY_NAME];
            if (!p || strncmp(p->name, path, strlen(path)) == 0) continue;
            snprintf(name, sizeof name, "%s%s", path, strrchr(p->name, '.'));
            add_latent(w, p, name);
        }
    }
}

static sgn_status list_arrays(writing *w, const sgn_transformer *m, bool latent, sgn_error *err) {
    if (!latent) {
        SGN_TRY(sgn_dense_list(&w->ours, w->lm, err));
        for (int i = 0; i < w->ours.count; i++) rename_part(w, i);
    }
    for (int i = 0; latent && i < m->params.count; i++) add_latent(w, &m->params.at[i], m->params.at[i].name);
    if (latent) add_shared(w, m);
    return sgn_parts_end(&w->out, err);
}

/* Part i of ours to its place in array `a` of theirs. */
static sgn_status place_part(const writing *w, int i, const sgn_foreign_name *how, float *to, sgn_error *err) {
    const sgn_array *a = &w->ours.at[i];
    const int64_t cols = columns(a) ? columns(a) : 1;
    if (sgn_lies_as_ours(how)) return sgn_dense_matrix(w->lm, a, to, err);
    if (w->ours.data[i]) {
        sgn_foreign_paste(how, w->ours.data[i], a->dim[0], cols, to);
        return SGN_OK;
    }
    float *x = malloc((size_t)a->bytes);
    if (!x) SGN_FAIL(err, SGN_NOMEM, "no memory for the dequantized '%s'", a->name);
    const sgn_status s = sgn_dense_matrix(w->lm, a, x, err);
    if (s == SGN_OK) sgn_foreign_paste(how, x, a->dim[0], cols, to);
    free(x);
    return s;
}

static sgn_status make_array(const writing *w, const sgn_array *a, float *to, sgn_error *err) {
    for (int i = 0; i < w->ours.count; i++) {
        const sgn_foreign_name how = theirs(&w->lm->config, w->ours.at[i].name);
        if (strcmp(how.name, a->name) == 0) SGN_TRY(place_part(w, i, &how, to, err));
    }
    return SGN_OK;
}

/* --- files ------------------------------------------------------------------------------------------ */

/* Arrays [begin, end) into one file. */
static sgn_status write_shard(const char *path, const writing *w, int begin, int end, sgn_error *err) {
    const sgn_parts *parts = &w->out;
    const char *const notes[] = { "format", "pt", NULL };
    const int count = end - begin;
    const void **data = calloc((size_t)count + 1, sizeof *data);
    float **made = calloc((size_t)count + 1, sizeof *made);
    sgn_status s = data && made ? SGN_OK : SGN_ERROR(err, SGN_NOMEM, "no memory for a list of %d arrays", count);
    for (int i = 0; s == SGN_OK && i < count; i++) {
        const sgn_array *a = &parts->at[begin + i];
        const float *x = data[i] = parts->data[begin + i];
        const bool makes = !x;
        if (!makes && w->type == SGN_DTYPE_F32) continue;
        const uint64_t n = sgn_array_numel(a);
        if (!(data[i] = made[i] = malloc((size_t)(makes ? n * sizeof *x : a->bytes)))) {
            s = SGN_ERROR(err, SGN_NOMEM, "no memory for '%s'", a->name);
            break;
        }
        if (makes) s = make_array(w, a, made[i], err);
        if (s == SGN_OK && w->type != SGN_DTYPE_F32) s = sgn_parts_round(w->type, makes ? made[i] : x, (int64_t)n, a->name, made[i], err);
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

static sgn_status write_shards(const char *directory, const writing *w, uint64_t limit, sgn_error *err) {
    const sgn_parts *parts = &w->out;
    sgn_path path;
    int shards = 0, k = 0;
    for (int begin = 0; begin < parts->count; begin = next_cut(parts, begin, limit)) shards++;
    if (shards == 1) {
        SGN_TRY(sgn_path_set(&path, err, "%s/model.safetensors", directory));
        return write_shard(path.s, w, 0, parts->count, err);
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
        if (s == SGN_OK) s = write_shard(path.s, w, begin, end, err);
    }
    sgn_json_set(about, "total_size", sgn_json_new_int((int64_t)total));
    if (s == SGN_OK) s = sgn_path_set(&path, err, "%s/model.safetensors.index.json", directory);
    if (s == SGN_OK) s = sgn_json_save(index, 2, path.s, err);
    sgn_json_free(index);
    return s;
}

static const char *const types[] = { "f32", "f16", "bf16", NULL };
static const struct { sgn_dtype type; const char *torch; } kept_as[] = {
    { SGN_DTYPE_F32, "float32" }, { SGN_DTYPE_F16, "float16" }, { SGN_DTYPE_BF16, "bfloat16" } };

static int type_index(const char *word) {
    int i = 0;
    while (word && strcmp(word, types[i]) != 0) i++;
    return i;
}

static sgn_status write_directory(const char *directory, const sgn_transformer *m, const sgn_lowered_model *lm,
                                  const sgn_export_options *o, sgn_error *err) {
    const int type = type_index(o->type);
    writing w = { .lm = lm, .type = kept_as[type].type };
    if (o->latent && type)
        SGN_FAIL(err, SGN_CONFIG, "--latent with --type %s: rounding could turn a sign; latents stay f32", o->type);
    if (!o->latent) SGN_TRY(sgn_model_config_check_foreign(&lm->config, err));
    sgn_status s = list_arrays(&w, m, o->latent, err);
    if (s == SGN_OK) s = write_shards(directory, &w, o->shard_bytes ? o->shard_bytes : SHARD_BYTES, err);
    sgn_parts_free(&w.ours);
    sgn_parts_free(&w.out);
    SGN_TRY(s);
    sgn_model_config c = lm->config;
    if (!o->latent) c.binary[0] = '\0';                /* to everyone else it is a model like any other */
    sgn_json *config = sgn_model_config_to_json(&c);
    sgn_json_set(config, "torch_dtype", sgn_json_new_string(kept_as[type].torch));
    SGN_TRY(sgn_export_config(directory, config, o, err));
    SGN_TRY(sgn_export_generation_config(directory, o, err));
    return sgn_export_tokenizer_config(directory, c.context, o, err);
}

const sgn_format sgn_format_hf = {
    .name = "hf", .summary = "a Hugging Face directory: dequantized as --type f32, f16 or bf16, or latents with --latent",
    .types = types, .write = write_directory,
};
