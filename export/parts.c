/* SPDX-License-Identifier: MIT */
#include "export/parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/base64.h"
#include "core/file.h"

enum { TOKENIZER_LIMIT = 256 << 20 };

/* --- arrays ----------------------------------------------------------------------------------- */

static bool make_room(sgn_parts *p) {
    if (p->count < p->room) return true;
    const int room = p->room ? 2 * p->room : 256;
    sgn_array *at = realloc(p->at, (size_t)room * sizeof *at);
    if (at) p->at = at;
    const void **data = realloc(p->data, (size_t)room * sizeof *data);
    if (data) p->data = data;
    if (!at || !data) return false;
    p->room = room;
    return true;
}

void sgn_parts_add(sgn_parts *p, sgn_dtype type, int64_t rows, int64_t cols, const void *data, const char *name, ...) {
    if (!make_room(p)) {
        p->failed = true;
        return;
    }
    char text[SGN_ARRAY_NAME];
    va_list args;
    va_start(args, name);
    vsnprintf(text, sizeof text, name, args);
    va_end(args);
    p->at[p->count] = sgn_array_make(text, type, cols ? 2 : 1, (int64_t[]){ rows, cols });
    p->data[p->count++] = data;
}

sgn_plain sgn_plain_at(sgn_lowered_model *lm, int i) {
    const sgn_model_config *c = &lm->config;
    const sgn_arch *a = sgn_model_config_arch(c);
    const sgn_plain all[] = {
        { "model.embed_tokens.weight", NULL, &lm->embedding, c->vocab, c->dim, true },
        { "model.embed_positions.weight", &lm->positions, NULL, c->context, c->dim, a->positions },
        { "model.norm.weight", &lm->final_norm, NULL, c->dim, 0, true },
        { "model.norm.bias", &lm->final_bias, NULL, c->dim, 0, a->layernorm },
        { "lm_head.weight", NULL, &lm->head, c->vocab, c->dim, !c->tied_head },
    };
    return i < (int)(sizeof all / sizeof *all) ? all[i] : (sgn_plain){ 0 };
}

sgn_plain sgn_plain_of_block(const sgn_model_config *c, sgn_lowered_block *b, int i) {
    const sgn_arch *a = sgn_model_config_arch(c);
    const sgn_plain all[] = {
        { "input_layernorm.weight", &b->attention_norm, NULL, c->dim, 0, true },
        { "input_layernorm.bias", &b->attention_bias, NULL, c->dim, 0, a->layernorm },
        { "post_attention_layernorm.weight", &b->mlp_norm, NULL, c->dim, 0, true },
        { "post_attention_layernorm.bias", &b->mlp_bias, NULL, c->dim, 0, a->layernorm },
        { "self_attn.q_norm.weight", &b->q_norm, NULL, c->head_dim, 0, c->qk_norm },
        { "self_attn.k_norm.weight", &b->k_norm, NULL, c->head_dim, 0, c->qk_norm },
    };
    return i < (int)(sizeof all / sizeof *all) ? all[i] : (sgn_plain){ 0 };
}

static void add_biases(sgn_parts *p, const sgn_model_config *c, const sgn_lowered_block *b, int64_t n) {
    for (int l = 0; l < SGN_LINEARS; l++) {
        int64_t out, in;
        sgn_linear_shape(c, (sgn_block_linear)l, &out, &in);
        if (b->linear[l].bias)
            sgn_parts_add(p, SGN_DTYPE_F32, out, 0, b->linear[l].bias, "%s.bias", sgn_linear_name_of(n, (sgn_block_linear)l).s);
    }
}

static void add_plain(sgn_parts *p, const sgn_lowered_model *lm, bool matrices) {
    sgn_lowered_model model = *lm;
    sgn_plain x;
    for (int i = 0; (x = sgn_plain_at(&model, i)).name; i++)
        if (x.there && x.at) sgn_parts_add(p, SGN_DTYPE_F32, x.rows, x.cols, *x.at, "%s", x.name);
        else if (x.there && matrices) sgn_parts_add(p, x.matrix->dtype, x.rows, x.cols, x.matrix->data, "%s", x.name);
    for (int64_t n = 0; n < lm->config.layers; n++) {
        sgn_lowered_block *b = &model.blocks[n];
        for (int i = 0; (x = sgn_plain_of_block(&lm->config, b, i)).name; i++)
            if (x.there) sgn_parts_add(p, SGN_DTYPE_F32, x.rows, x.cols, *x.at, "model.layers.%lld.%s", (long long)n, x.name);
        add_biases(p, &lm->config, b, n);
    }
}

void sgn_parts_add_plain(sgn_parts *p, const sgn_lowered_model *lm) { add_plain(p, lm, true); }
void sgn_parts_add_vectors(sgn_parts *p, const sgn_lowered_model *lm) { add_plain(p, lm, false); }

sgn_status sgn_parts_end(const sgn_parts *p, sgn_error *err) {
    if (p->failed) SGN_FAIL(err, SGN_NOMEM, "no memory for a list of %d arrays", p->count);
    return SGN_OK;
}

void sgn_parts_free(sgn_parts *p) {
    free(p->at);
    free((void *)p->data);
    *p = (sgn_parts){ 0 };
}

sgn_status sgn_parts_round(sgn_dtype type, const float *x, int64_t n, const char *name, void *out, sgn_error *err) {
    if (type == SGN_DTYPE_F32) {
        memmove(out, x, (size_t)n * sizeof *x);
        return SGN_OK;
    }
    const bool half = type == SGN_DTYPE_F16;
    for (int64_t k = 0; k < n; k++) {                  /* each half lies at or before the float it comes from */
        const uint16_t h = half ? sgn_f32_to_f16(x[k]) : sgn_f32_to_bf16(x[k]), infinity = half ? 0x7c00 : 0x7f80;
        if ((h & 0x7fff) == infinity && isfinite(x[k]))
            SGN_FAIL(err, SGN_NUMERIC, "'%s' has %g, which is too large for %s (most: %g); --type %s holds it", name, (double)x[k],
                     sgn_dtype_name(type), half ? 65504.0 : 3.3895314e38, half ? "bf16 or f32" : "f32");
        memcpy((char *)out + 2 * k, &h, sizeof h);
    }
    return SGN_OK;
}

sgn_linear_name sgn_linear_name_of(int64_t layer, sgn_block_linear which) {
    sgn_linear_name name;
    snprintf(name.s, sizeof name.s, "model.layers.%lld.%s.%s_proj", (long long)layer, which <= SGN_O ? "self_attn" : "mlp",
             sgn_linear_module(which));
    return name;
}

void sgn_linear_shape(const sgn_model_config *c, sgn_block_linear which, int64_t *out, int64_t *in) {
    const int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    *out = which == SGN_Q ? q : which == SGN_K || which == SGN_V ? kv : which == SGN_GATE || which == SGN_UP ? c->ffn : c->dim;
    *in = which == SGN_O ? q : which == SGN_DOWN ? c->ffn : c->dim;
}

/* --- config.json and the tokenizer ---------------------------------------------------------------- */

/* Roles that Hugging Face gives to special tokens, and the names that tokenizers use for them. */
static const struct { const char *role, *id, *names[2]; } roles[] = {
    { "bos_token", "bos_token_id", { "<s>", "<|begin_of_text|>" } },
    { "eos_token", "eos_token_id", { "</s>", "<|endoftext|>" } },
    { "unk_token", NULL, { "<unk>", "<unk>" } },
};
enum { ROLES = (int)(sizeof roles / sizeof *roles) };

/* The entry of added_tokens with a role, NULL: none. */
static const sgn_json *special(const sgn_json *tokenizer, int role) {
    const sgn_json *added = sgn_json_get(tokenizer, "added_tokens");
    for (size_t i = 0; i < sgn_json_size(added); i++) {
        const sgn_json *t = sgn_json_at(added, i);
        const char *name = sgn_json_string(sgn_json_get(t, "content"), "");
        if (strcmp(name, roles[role].names[0]) == 0 || strcmp(name, roles[role].names[1]) == 0) return t;
    }
    return NULL;
}

static sgn_status load_tokenizer(const sgn_export_options *o, sgn_json **out, sgn_error *err) {
    *out = NULL;
    return o->tokenizer ? sgn_json_load(out, o->tokenizer, TOKENIZER_LIMIT, err) : SGN_OK;
}

static sgn_status save(sgn_json *j, const char *directory, const char *name, sgn_error *err) {
    sgn_path path;
    sgn_status s = sgn_path_set(&path, err, "%s/%s", directory, name);
    if (s == SGN_OK) s = sgn_json_save(j, 2, path.s, err);
    sgn_json_free(j);
    return s;
}

static sgn_status copy_beside(const char *directory, const char *tokenizer, const char *name, bool *found, sgn_error *err) {
    const char *slash = strrchr(tokenizer, '/');
    sgn_path from, to;
    SGN_TRY(sgn_path_set(&from, err, "%.*s%s", slash ? (int)(slash - tokenizer + 1) : 0, tokenizer, name));
    SGN_TRY(sgn_path_set(&to, err, "%s/%s", directory, name));
    *found = sgn_file_exists(from.s);
    return *found ? sgn_file_copy(from.s, to.s, err) : SGN_OK;
}

/* The ids of the roles that have one; null or nothing for those that the tokenizer has not. */
static void set_ids(sgn_json *j, const sgn_json *tokenizer, bool nulls) {
    for (int i = 0; i < ROLES; i++) {
        const sgn_json *t = special(tokenizer, i);
        if (roles[i].id && (t || nulls))
            sgn_json_set(j, roles[i].id, t ? sgn_json_new_int(sgn_json_int(sgn_json_get(t, "id"), 0)) : sgn_json_new_null());
    }
}

sgn_status sgn_export_config(const char *directory, sgn_json *config, const sgn_export_options *o, sgn_error *err) {
    sgn_json *tokenizer;
    sgn_status s = load_tokenizer(o, &tokenizer, err);
    set_ids(config, tokenizer, true);
    sgn_json_free(tokenizer);
    if (s != SGN_OK) {
        sgn_json_free(config);
        return s;
    }
    SGN_TRY(save(config, directory, "config.json", err));
    if (!o->tokenizer) return SGN_OK;
    sgn_path to;
    SGN_TRY(sgn_path_set(&to, err, "%s/tokenizer.json", directory));
    return sgn_file_copy(o->tokenizer, to.s, err);
}

sgn_status sgn_export_generation_config(const char *directory, const sgn_export_options *o, sgn_error *err) {
    sgn_json *tokenizer, *j;
    SGN_TRY(load_tokenizer(o, &tokenizer, err));
    j = sgn_json_new_object();
    sgn_json_set(j, "_from_model_config", sgn_json_new_bool(true));
    set_ids(j, tokenizer, false);
    sgn_json_free(tokenizer);
    return save(j, directory, "generation_config.json", err);
}

/* A SentencePiece model goes as the tokenizer.model that other programs know, not as our tokenizer.json. */
static sgn_status put_model(const char *directory, const sgn_json *model, sgn_error *err) {
    sgn_path json, to;
    const char *text = sgn_json_string(sgn_json_get(model, "tokenizer.model"), "");
    size_t size = strlen(text);
    SGN_TRY(sgn_path_set(&json, err, "%s/tokenizer.json", directory));
    SGN_TRY(sgn_path_set(&to, err, "%s/tokenizer.model", directory));
    uint8_t *data = malloc(size / 4 * 3 + 1);
    if (!data) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for a tokenizer", to.s);
    sgn_status s = sgn_base64_read(text, size, data, &size) ? sgn_file_write(to.s, data, size, err)
                   : SGN_ERROR(err, SGN_FORMAT, "%s: model[\"tokenizer.model\"] is not base64", json.s);
    free(data);
    return s == SGN_OK ? sgn_remove_tree(json.s, err) : s;
}

/* Files that lie beside a tokenizer and belong to it. */
static sgn_status copy_companions(const char *directory, const char *beside, bool *found, sgn_error *err) {
    static const char *const more[] = { "special_tokens_map.json", "added_tokens.json", "chat_template.jinja", NULL };
    bool there;
    SGN_TRY(copy_beside(directory, beside, "tokenizer_config.json", found, err));
    for (int i = 0; *found && more[i]; i++) SGN_TRY(copy_beside(directory, beside, more[i], &there, err));
    return SGN_OK;
}

static void set_names(sgn_json *j, const sgn_json *tokenizer) {
    for (int i = 0; i < ROLES; i++) {
        const sgn_json *t = special(tokenizer, i);
        if (t) sgn_json_set(j, roles[i].role, sgn_json_new_string(sgn_json_string(sgn_json_get(t, "content"), "")));
    }
}

static sgn_status write_companions(const char *directory, const sgn_json *tokenizer, bool spm, int64_t context, sgn_error *err) {
    sgn_json *map = sgn_json_new_object(), *j = sgn_json_new_object();
    sgn_json_set(j, "tokenizer_class", sgn_json_new_string(spm ? "LlamaTokenizer" : "PreTrainedTokenizerFast"));
    if (spm) sgn_json_set(j, "add_bos_token", sgn_json_new_bool(false));
    if (spm) sgn_json_set(j, "legacy", sgn_json_new_bool(true));
    sgn_json_set(j, "model_max_length", sgn_json_new_int(context));
    sgn_json_set(j, "clean_up_tokenization_spaces", sgn_json_new_bool(false));
    set_names(j, tokenizer);
    set_names(map, tokenizer);
    const sgn_status s = save(j, directory, "tokenizer_config.json", err);
    if (s != SGN_OK) {
        sgn_json_free(map);
        return s;
    }
    return save(map, directory, "special_tokens_map.json", err);
}

sgn_status sgn_export_tokenizer_config(const char *directory, int64_t context, const sgn_export_options *o, sgn_error *err) {
    if (!o->tokenizer) return SGN_OK;
    bool found = false;
    sgn_json *tokenizer;
    SGN_TRY(load_tokenizer(o, &tokenizer, err));
    const sgn_json *model = sgn_json_get(tokenizer, "model");
    const bool spm = strcmp(sgn_json_string(sgn_json_get(model, "type"), ""), "SentencePiece") == 0;
    sgn_status s = spm ? put_model(directory, model, err) : SGN_OK;
    if (s == SGN_OK) s = copy_companions(directory, o->beside ? o->beside : o->tokenizer, &found, err);
    if (s == SGN_OK && !found) s = write_companions(directory, tokenizer, spm, context, err);
    sgn_json_free(tokenizer);
    return s;
}
