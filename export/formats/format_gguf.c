/* gguf: one file that llama.cpp runs, model.gguf, of F32 or F16 matrices (norms and biases stay F32), dequantized where a layer is
 * binary. Its values say the shape and, where GGUF has words for it, the tokenizer; a tokenizer.json lies beside it as well.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/checked.h"
#include "core/file.h"
#include "core/log.h"
#include "export/dense.h"
#include "export/gguf_tokenizer.h"
#include "model/archive_names.h"
#include "model/rotary.h"

enum { VALUES = 24, FILE_F32 = 0, FILE_F16 = 1 };

/* --- values ---------------------------------------------------------------------------------------- */

typedef struct {
    const char *arch;              /* "llama", "qwen2", "qwen3" */
    sgn_meta    meta[VALUES + SGN_GGUF_TOKENIZER_VALUES];
    char        key[VALUES][64];
    uint32_t    u32[VALUES];
    float       f32[VALUES];
    const char *text[VALUES];
    int         count;
} values;

/* "general.X", or "X" of the architecture. */
static sgn_meta *say(values *v, const char *key, sgn_meta_type type, const void *data) {
    const bool general = strncmp(key, "general.", 8) == 0;
    snprintf(v->key[v->count], sizeof v->key[0], "%s%s%s", general ? "" : v->arch, general ? "" : ".", key);
    v->meta[v->count] = (sgn_meta){ v->key[v->count], type, false, 1, data };
    return &v->meta[v->count++];
}
static void say_int(values *v, const char *key, int64_t n) {
    v->u32[v->count] = (uint32_t)n;
    say(v, key, SGN_META_U32, &v->u32[v->count]);
}
static void say_real(values *v, const char *key, double x) {
    v->f32[v->count] = (float)x;
    say(v, key, SGN_META_F32, &v->f32[v->count]);
}
static void say_text(values *v, const char *key, const char *text) {
    v->text[v->count] = text;
    say(v, key, SGN_META_TEXT, &v->text[v->count]);
}

static sgn_status choose_arch(values *v, const sgn_model_config *c, sgn_error *err) {
    const sgn_arch *a = sgn_model_config_arch(c);
    if (strcmp(a->name, "llama"))
        SGN_FAIL(err, SGN_UNSUPPORTED, "--format gguf holds LLaMA, Qwen2 and Qwen3; this is a %s: --format hf holds it", a->name);
    v->arch = c->qk_norm ? "qwen3" : c->qkv_bias ? "qwen2" : "llama";
    const bool bias = c->attention_bias || c->mlp_bias;
    if ((c->qk_norm && (bias || c->qkv_bias)) || (c->qkv_bias && bias))
        SGN_FAIL(err, SGN_UNSUPPORTED, "--format gguf: no architecture that llama.cpp knows has these biases (and norms of heads) together; "
                 "--format hf holds them");
    return SGN_OK;
}

static sgn_status say_rope(values *v, const sgn_model_config *c, sgn_error *err) {
    const bool yarn = strcmp(c->rope_type, "yarn") == 0, llama3 = strcmp(c->rope_type, "llama3") == 0;
    say_int(v, "rope.dimension_count", c->head_dim);
    say_real(v, "rope.freq_base", c->rope_theta);
    if (llama3 && ((c->rope_low > 0 && c->rope_low != 1) || (c->rope_high > 0 && c->rope_high != 4)))
        SGN_FAIL(err, SGN_UNSUPPORTED, "--format gguf: llama3 angles with other bounds than 1 and 4 could not be told from the file");
    if (yarn || llama3) say_int(v, "rope.scaling.original_context_length", c->rope_original ? c->rope_original : c->context);
    if (llama3 || (!yarn && c->rope_scaling == 1)) return SGN_OK;
    say_text(v, "rope.scaling.type", yarn ? "yarn" : "linear");
    say_real(v, "rope.scaling.factor", c->rope_scaling);
    if (yarn && ((c->rope_low > 0 && c->rope_low != 1) || (c->rope_high > 0 && c->rope_high != 32) || c->rope_magnitude > 0))
        SGN_FAIL(err, SGN_UNSUPPORTED, "--format gguf: yarn with other bounds than 1 and 32, or a magnitude of its own, has no words there");
    return SGN_OK;
}

static sgn_status say_shape(values *v, const sgn_model_config *c, bool half, sgn_error *err) {
    SGN_TRY(choose_arch(v, c, err));
    say_text(v, "general.architecture", v->arch);
    say_int(v, "general.file_type", half ? FILE_F16 : FILE_F32);
    say_int(v, "context_length", c->context);
    say_int(v, "embedding_length", c->dim);
    say_int(v, "block_count", c->layers);
    say_int(v, "feed_forward_length", c->ffn);
    say_int(v, "vocab_size", c->vocab);
    say_int(v, "attention.head_count", c->heads);
    say_int(v, "attention.head_count_kv", c->kv_heads);
    say_int(v, "attention.key_length", c->head_dim);
    say_int(v, "attention.value_length", c->head_dim);
    say_real(v, "attention.layer_norm_rms_epsilon", c->rms_eps);
    return say_rope(v, c, err);
}

/* --- arrays ------------------------------------------------------------------------------------------ */

typedef struct {
    sgn_array   *at;
    const void **data;
    void       **made;             /* what is ours to free */
    int          count;
} arrays;

static void free_arrays(arrays *a) {
    for (int i = 0; a->made && i < a->count; i++) free(a->made[i]);
    free(a->at);
    free((void *)a->data);
    free(a->made);
}

/* Rows as pairs of neighbours have them: ours, row r, becomes row sgn_paired_row(r). */
static void copy_paired(float *to, const float *from, int64_t rows, int64_t cols, int64_t head) {
    for (int64_t r = 0; r < rows; r++)
        memcpy(to + sgn_paired_row(r, head) * cols, from + r * cols, (size_t)cols * sizeof *to);
}

/* Array i of the file from a part: named, made where it has no data, in the order of pairs, as halves. */
static sgn_status add_array(arrays *a, const sgn_lowered_model *lm, const sgn_parts *parts, int i, bool paired, bool half, sgn_error *err) {
    const sgn_array *part = &parts->at[i];
    const int64_t n = (int64_t)sgn_array_numel(part), cols = part->rank == 2 ? part->dim[1] : 1;
    char name[SGN_ARRAY_NAME];
    bool rotary = false;
    if (!sgn_archive_names_translate(sgn_archive_names_find("gguf"), part->name, name, &rotary))
        SGN_FAIL(err, SGN_UNSUPPORTED, "--format gguf has no name for '%s'", part->name);
    const bool halves = half && part->rank == 2, pairs = paired && rotary;
    a->at[i] = sgn_array_make(name, halves ? SGN_DTYPE_F16 : SGN_DTYPE_F32, part->rank, part->dim);
    a->count = i + 1;
    const float *x = a->data[i] = parts->data[i];
    if (x && !halves && !pairs) return SGN_OK;
    float *y = a->made[i] = malloc((size_t)n * sizeof *y), *w = pairs && !x ? malloc((size_t)n * sizeof *w) : NULL;
    if (!y || (pairs && !x && !w)) {
        free(w);
        SGN_FAIL(err, SGN_NOMEM, "no memory for '%s'", name);
    }
    const sgn_status s = x ? SGN_OK : sgn_dense_matrix(lm, part, w ? w : y, err);
    if (pairs && s == SGN_OK) copy_paired(y, x ? x : w, n / cols, cols, lm->config.head_dim);
    free(w);
    const float *source = pairs || !x ? y : x;
    a->data[i] = y;
    return halves && s == SGN_OK ? sgn_parts_round(SGN_DTYPE_F16, source, n, name, y, err) : s;
}

/* What each pair's angle is divided by, for what scales otherwise than GGUF has words for. */
static sgn_status add_factors(arrays *a, const sgn_model_config *c, sgn_error *err) {
    const int64_t half = c->head_dim / 2;
    if (strcmp(c->rope_type, "llama3")) return SGN_OK;
    float *factor = a->made[a->count] = malloc((size_t)half * sizeof *factor);
    sgn_real *angles = malloc((size_t)half * 4 * sizeof *angles);
    if (!factor || !angles) {
        free(angles);
        SGN_FAIL(err, SGN_NOMEM, "no memory for the rotary factors");
    }
    sgn_rope_tables(c, 2, angles, angles + 2 * half);
    for (int64_t j = 0; j < half; j++)
        factor[j] = (float)(pow(c->rope_theta, -2 * (double)j / (double)c->head_dim) / asin((double)angles[3 * half + j]));
    free(angles);
    a->at[a->count] = sgn_array_make("rope_freqs.weight", SGN_DTYPE_F32, 1, &half);
    a->data[a->count++] = factor;
    return SGN_OK;
}

static sgn_status make_arrays(arrays *a, const sgn_lowered_model *lm, const sgn_parts *parts, bool paired, bool half, sgn_error *err) {
    const size_t room = (size_t)parts->count + 1;
    a->at = calloc(room, sizeof *a->at);
    a->data = calloc(room, sizeof *a->data);
    a->made = calloc(room, sizeof *a->made);
    if (!a->at || !a->data || !a->made) SGN_FAIL(err, SGN_NOMEM, "no memory for a list of %d arrays", parts->count);
    for (int i = 0; i < parts->count; i++) SGN_TRY(add_array(a, lm, parts, i, paired, half, err));
    return add_factors(a, &lm->config, err);
}

/* --- the row ------------------------------------------------------------------------------------------- */

static sgn_status write_file(const char *path, const sgn_lowered_model *lm, values *v, bool half, sgn_error *err) {
    sgn_parts parts = { 0 };
    arrays a = { 0 };
    sgn_status s = sgn_dense_list(&parts, lm, err);
    if (s == SGN_OK) s = make_arrays(&a, lm, &parts, strcmp(v->arch, "llama") == 0, half, err);
    if (s == SGN_OK) s = sgn_archive_write_meta("gguf", path, a.at, a.data, a.count, v->meta, v->count, err);
    free_arrays(&a);
    sgn_parts_free(&parts);
    return s;
}

/* llama.cpp then takes ids only. */
static const char *const no_vocab = "no_vocab";
static const sgn_meta no_vocabulary = { "tokenizer.ggml.model", SGN_META_TEXT, false, 1, &no_vocab };

static sgn_status add_tokenizer(values *v, sgn_gguf_tokenizer *t, const char *directory, const sgn_export_options *o, int64_t vocab,
                                sgn_error *err) {
    if (!o->tokenizer) {
        v->meta[v->count++] = no_vocabulary;
        return SGN_OK;
    }
    sgn_path to;
    SGN_TRY(sgn_path_set(&to, err, "%s/tokenizer.json", directory));
    SGN_TRY(sgn_file_copy(o->tokenizer, to.s, err));
    if (o->vocabulary) {
        for (int i = 0; i < o->vocabulary_values; i++) v->meta[v->count++] = o->vocabulary[i];
        return SGN_OK;
    }
    SGN_TRY(sgn_gguf_tokenizer_open(t, o->tokenizer, vocab, err));
    if (t->left_out) sgn_warn("%s is left out of model.gguf: %s; it lies beside it", o->tokenizer, t->left_out);
    if (!t->metas) v->meta[v->count++] = no_vocabulary;
    for (int i = 0; i < t->metas; i++) v->meta[v->count + i] = t->meta[i];
    v->count += t->metas;
    return SGN_OK;
}

static sgn_status write_directory(const char *directory, const sgn_transformer *m, const sgn_lowered_model *lm,
                                  const sgn_export_options *o, sgn_error *err) {
    (void)m;
    sgn_path path;
    values v = { .count = 0 };
    const bool half = o->type && strcmp(o->type, "f16") == 0;
    sgn_gguf_tokenizer t = { 0 };
    SGN_TRY(sgn_path_set(&path, err, "%s/model.gguf", directory));
    SGN_TRY(say_shape(&v, &lm->config, half, err));
    sgn_status s = add_tokenizer(&v, &t, directory, o, lm->config.vocab, err);
    if (s == SGN_OK) s = write_file(path.s, lm, &v, half, err);
    sgn_gguf_tokenizer_close(&t);
    return s;
}

static const char *const types[] = { "f32", "f16", NULL };

const sgn_format sgn_format_gguf = {
    .name = "gguf", .summary = "one file for llama.cpp: F32, or F16 with --type f16; dequantized", .types = types, .write = write_directory,
};
