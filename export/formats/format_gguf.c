/* gguf: one file that llama.cpp runs, model.gguf; norms and biases stay F32. Types of numbers hold every layer as the matrix that it
 * computes; types of signs hold its signs with a scale per block, after scales of columns went to where they fold (fold.h), and its
 * shift, of rank 1, is a LoRA in beta.gguf. The values say the shape and, where GGUF has words for it, the tokenizer; a tokenizer.json
 * lies beside it as well.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "core/log.h"
#include "export/fold.h"
#include "export/gguf_arrays.h"
#include "export/gguf_tokenizer.h"
#include "model/adapter.h"

enum { VALUES = 25 };

#define ADAPTER "beta.gguf"

/* Words of --type, and what general.file_type calls a file of them. */
static const char *const types[] = { "f32", "f16", "bf16", "q8_0", "q1_0", "tq1_0", "tq2_0", NULL };
static const struct { sgn_dtype type; int file; } numbers[] = {
    { SGN_DTYPE_F32, 0 }, { SGN_DTYPE_F16, 1 }, { SGN_DTYPE_BF16, 32 }, { SGN_DTYPE_Q8_0, 7 }, { SGN_DTYPE_Q1_0, 40 }, { SGN_DTYPE_TQ1_0, 36 },
    { SGN_DTYPE_TQ2_0, 37 } };

static int type_index(const char *word) {
    int i = 0;
    while (types[i] && strcmp(word, types[i]) != 0) i++;
    return i;
}

/* --- values ---------------------------------------------------------------------------------------- */

typedef struct {
    const char *arch;              /* "llama", "qwen2", "qwen3" */
    sgn_meta    meta[VALUES + SGN_GGUF_TOKENIZER_VALUES + 1];
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

static sgn_status say_shape(values *v, const sgn_model_config *c, int file_type, sgn_error *err) {
    SGN_TRY(choose_arch(v, c, err));
    say_text(v, "general.architecture", v->arch);
    say_int(v, "general.file_type", file_type);
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

/* --- the row ------------------------------------------------------------------------------------------- */

static const char *const adapter_file = ADAPTER;
static const sgn_meta adapter_beside = { SGN_ADAPTER_KEY, SGN_META_TEXT, false, 1, &adapter_file };

static sgn_status write_adapter(const char *directory, const sgn_gguf_arrays *a, const char *arch, sgn_error *err) {
    static const char *const adapter = "adapter", *const lora = "lora";
    static const float one = 1;                        /* alpha / rank: the terms as they are */
    const sgn_meta meta[] = {
        { "general.type", SGN_META_TEXT, false, 1, &adapter }, { "general.architecture", SGN_META_TEXT, false, 1, &arch },
        { "adapter.type", SGN_META_TEXT, false, 1, &lora }, { "adapter.lora.alpha", SGN_META_F32, false, 1, &one } };
    sgn_path path;
    SGN_TRY(sgn_path_set(&path, err, "%s/" ADAPTER, directory));
    return sgn_archive_write_meta("gguf", path.s, a->at, a->data, a->count, meta, (int)(sizeof meta / sizeof *meta), err);
}

/* A file of signs and, where there are shifts, one of these: everything is made, or refused, before anything is written. */
static sgn_status write_signs(const char *directory, const sgn_lowered_model *lm, values *v, sgn_gguf_types *t, sgn_error *err) {
    sgn_folded f = { .count = 0 };
    sgn_lowered_model base = { .blocks = NULL };
    sgn_gguf_arrays arrays = { 0 }, shifts = { 0 };
    sgn_path path;
    SGN_TRY(sgn_path_set(&path, err, "%s/model.gguf", directory));
    sgn_status s = sgn_fold(&f, lm, t->approximate, err);
    if (s == SGN_OK) s = sgn_gguf_without_shifts(&base, &f.model, err);
    if (s == SGN_OK) s = sgn_gguf_arrays_make(&arrays, &base, t, err);
    if (s == SGN_OK) s = sgn_gguf_adapter_make(&shifts, &f.model, t->paired, err);
    if (s == SGN_OK && shifts.count) {
        v->meta[v->count++] = adapter_beside;
        s = write_adapter(directory, &shifts, v->arch, err);
    }
    if (s == SGN_OK) s = sgn_archive_write_meta("gguf", path.s, arrays.at, arrays.data, arrays.count, v->meta, v->count, err);
    sgn_gguf_arrays_free(&arrays);
    sgn_gguf_arrays_free(&shifts);
    free(base.blocks);
    sgn_folded_free(&f);
    return s;
}

static sgn_status write_numbers(const char *directory, const sgn_lowered_model *lm, const values *v, sgn_gguf_types *t, sgn_error *err) {
    sgn_gguf_arrays a = { 0 };
    sgn_path path;
    SGN_TRY(sgn_path_set(&path, err, "%s/model.gguf", directory));
    sgn_status s = sgn_gguf_arrays_make(&a, lm, t, err);
    if (s == SGN_OK) s = sgn_archive_write_meta("gguf", path.s, a.at, a.data, a.count, v->meta, v->count, err);
    sgn_gguf_arrays_free(&a);
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

static sgn_status add_chat(values *v, sgn_gguf_tokenizer *t, const sgn_export_options *o, sgn_error *err) {
    if (!o->tokenizer) return SGN_OK;
    SGN_TRY(sgn_gguf_tokenizer_chat(t, o->beside ? o->beside : o->tokenizer, err));
    if (t->chat) v->meta[v->count++] = (sgn_meta){ "tokenizer.chat_template", SGN_META_TEXT, false, 1, &t->chat };
    return SGN_OK;
}

static sgn_status choose_types(sgn_gguf_types *t, int *file, const sgn_export_options *o, sgn_error *err) {
    const int type = type_index(o->type ? o->type : types[0]);
    const bool signs = sgn_gguf_is_signs(numbers[type].type);
    const int other = o->other_type ? type_index(o->other_type) : signs ? type_index("f16") : type;
    if (!types[other] || sgn_gguf_is_signs(numbers[other].type))
        SGN_FAIL(err, SGN_CONFIG, "--other-type %.20s: embedding and head are f32, f16, bf16 or q8_0", o->other_type);
    *t = (sgn_gguf_types){ .type = numbers[type].type, .other = numbers[other].type, .approximate = o->approximate };
    *file = numbers[type].file;
    return SGN_OK;
}

static sgn_status write_directory(const char *directory, const sgn_transformer *m, const sgn_lowered_model *lm,
                                  const sgn_export_options *o, sgn_error *err) {
    (void)m;
    values v = { .count = 0 };
    sgn_gguf_types t;
    sgn_gguf_tokenizer tokenizer = { 0 };
    int file = 0;
    SGN_TRY(choose_types(&t, &file, o, err));
    SGN_TRY(say_shape(&v, &lm->config, file, err));
    t.paired = strcmp(v.arch, "llama") == 0;
    sgn_status s = add_tokenizer(&v, &tokenizer, directory, o, lm->config.vocab, err);
    if (s == SGN_OK) s = add_chat(&v, &tokenizer, o, err);
    if (s == SGN_OK) s = sgn_gguf_is_signs(t.type) ? write_signs(directory, lm, &v, &t, err) : write_numbers(directory, lm, &v, &t, err);
    if (s == SGN_OK && t.rounded)
        sgn_warn("%d matrices are not what %s holds: they were rounded to it", t.rounded, sgn_dtype_name(t.type));
    if (s == SGN_OK && t.unfit) sgn_warn("%d matrices have rows that are no whole blocks of their type: they are F16", t.unfit);
    sgn_gguf_tokenizer_close(&tokenizer);
    return s;
}

const sgn_format sgn_format_gguf = {
    .name = "gguf", .summary = "one file for llama.cpp: --type f32, f16, bf16, q8_0 of numbers, q1_0, tq1_0, tq2_0 of signs", .types = types,
    .write = write_directory,
};
