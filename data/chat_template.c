/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "data/chat_template.h"

#include <stdlib.h>
#include <string.h>
#include "core/archive.h"
#include "core/file.h"
#include "data/jinja.h"

enum { CONFIG_LIMIT = 64 << 20 };

struct sgn_chat {
    const sgn_tokenizer *tokenizer;
    sgn_jinja *template;
    sgn_json  *tokens;             /* bos_token and its like, by name */
    sgn_path   name;
    int32_t    stop_id[SGN_CHAT_STOP_IDS];
    int        stop_ids;
    char      *stop;
};

static const struct { const char *name, *text; } ours[] = {
    { "chatml", "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
                "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}" },
    { "llama2", "{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}"
                "{% set ns.system = '<<SYS>>\\n' + m.content + '\\n<</SYS>>\\n\\n' %}{% elif m.role == 'user' %}"
                "{{ (bos_token | default('<s>')) + '[INST] ' + ns.system + (m.content | trim) + ' [/INST]' }}{% set ns.system = '' %}"
                "{% else %}{{ ' ' + (m.content | trim) + ' ' + (eos_token | default('</s>')) }}{% endif %}{% endfor %}" },
    { "plain",  "{% for m in messages %}{% if m.role == 'system' %}{{ (m.content | trim) + '\\n\\n' }}{% else %}"
                "{{ (m.role | capitalize) + ': ' + (m.content | trim) + '\\n' }}{% endif %}{% endfor %}"
                "{% if add_generation_prompt %}Assistant:{% endif %}" },
};

/* --- where a template is from ------------------------------------------------------------------------ */

static sgn_status parse(sgn_chat *c, const char *text, size_t size, sgn_error *err) {
    return sgn_jinja_parse(&c->template, text, size, c->name.s, err);
}

/* A text, or a list of {"name", "template"}: the one asked for, else "default", else the first. */
static const char *choose(const sgn_json *j, const char *given) {
    const char *text = sgn_json_string(j, NULL), *fallback = NULL;
    if (text) return given ? NULL : text;
    for (size_t i = 0; j && i < sgn_json_size(j); i++) {
        const sgn_json *one = sgn_json_at(j, i);
        const char *name = sgn_json_string(sgn_json_get(one, "name"), "");
        text = sgn_json_string(sgn_json_get(one, "template"), NULL);
        if (strcmp(name, given ? given : "default") == 0) return text;
        if (!given && !fallback) fallback = text;
    }
    return fallback;
}

static void set_token(sgn_chat *c, const char *name, const char *text) {
    if (text) sgn_json_set(c->tokens, name, sgn_json_new_string(text));
}

static sgn_status read_config(sgn_chat *c, const char *directory, const char *given, sgn_error *err) {
    static const char *const names[] = { "bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token" };
    sgn_path path;
    sgn_json *j;
    SGN_TRY(sgn_path_set(&path, err, "%s/tokenizer_config.json", directory));
    if (!sgn_file_exists(path.s)) return SGN_OK;
    SGN_TRY(sgn_json_load(&j, path.s, CONFIG_LIMIT, err));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const sgn_json *t = sgn_json_get(j, names[i]);
        set_token(c, names[i], sgn_json_string(sgn_json_typeof(t) == SGN_JSON_OBJECT ? sgn_json_get(t, "content") : t, NULL));
    }
    const char *text = choose(sgn_json_get(j, "chat_template"), given);
    if (text) c->name = path;
    const sgn_status s = text ? parse(c, text, strlen(text), err) : SGN_OK;
    sgn_json_free(j);
    return s;
}

static sgn_status read_file(sgn_chat *c, const char *path, sgn_error *err) {
    char *text;
    size_t size;
    SGN_TRY(sgn_file_read(path, SGN_JINJA_SOURCE, &text, &size, err));
    sgn_status s = sgn_path_set(&c->name, err, "%s", path);
    if (s == SGN_OK) s = parse(c, text, size, err);
    free(text);
    return s;
}

static sgn_status read_archive(sgn_chat *c, const char *path, sgn_error *err) {
    sgn_archive a;
    SGN_TRY(sgn_archive_open(&a, path, err));
    const char *text = sgn_meta_text(sgn_archive_meta(&a, "tokenizer.chat_template"), 0);
    sgn_status s = sgn_path_set(&c->name, err, "%s", path);
    if (s == SGN_OK && text) s = parse(c, text, strlen(text), err);
    sgn_archive_close(&a);
    return s;
}

/* What the model brings along: c->template stays NULL where that is nothing. */
static sgn_status read_model(sgn_chat *c, const char *model, const char *given, sgn_error *err) {
    sgn_path path;
    if (!sgn_is_directory(model)) return given ? SGN_OK : read_archive(c, model, err);
    SGN_TRY(read_config(c, model, given, err));
    SGN_TRY(sgn_path_set(&path, err, "%s/chat_template.jinja", model));
    return c->template || given || !sgn_file_exists(path.s) ? SGN_OK : read_file(c, path.s, err);
}

static sgn_status find(sgn_chat *c, const char *model, const char *given, sgn_error *err) {
    SGN_TRY(read_model(c, model, given, err));
    for (size_t i = 0; !c->template && given && i < sizeof ours / sizeof *ours; i++)
        if (strcmp(given, ours[i].name) == 0) {
            SGN_TRY(sgn_path_set(&c->name, err, "%s", given));
            SGN_TRY(parse(c, ours[i].text, strlen(ours[i].text), err));
        }
    if (c->template) return SGN_OK;
    if (given && sgn_file_exists(given)) return read_file(c, given, err);
    if (given) SGN_FAIL(err, SGN_CONFIG, "'%s' is no template of the model, no file, and none of chatml, llama2, plain; give one of these", given);
    SGN_FAIL(err, SGN_CONFIG, "%s: the model has no chat template; say --template chatml, llama2, plain or FILE", model);
}

/* --- what ends an answer ------------------------------------------------------------------------------ */

static void add_stop_id(sgn_chat *c, int64_t id) {
    if (id < 0 || id >= sgn_tokenizer_vocab(c->tokenizer) || c->stop_ids == SGN_CHAT_STOP_IDS) return;
    for (int i = 0; i < c->stop_ids; i++)
        if (c->stop_id[i] == id) return;
    c->stop_id[c->stop_ids++] = (int32_t)id;
}

/* eos_token_id: an id or a list of them. */
static sgn_status read_stop_ids(sgn_chat *c, const char *model, const char *file, sgn_error *err) {
    sgn_path path;
    sgn_json *j;
    SGN_TRY(sgn_path_set(&path, err, "%s/%s", model, file));
    if (!sgn_is_directory(model) || !sgn_file_exists(path.s)) return SGN_OK;
    SGN_TRY(sgn_json_load(&j, path.s, CONFIG_LIMIT, err));
    const sgn_json *id = sgn_json_get(j, "eos_token_id");
    add_stop_id(c, sgn_json_int(id, -1));
    for (size_t i = 0; id && sgn_json_typeof(id) == SGN_JSON_ARRAY && i < sgn_json_size(id); i++) add_stop_id(c, sgn_json_int(sgn_json_at(id, i), -1));
    sgn_json_free(j);
    return SGN_OK;
}

static void add_message(sgn_json *messages, const char *role, const char *content) {
    sgn_json *m = sgn_json_new_object();
    sgn_json_set(m, "role", sgn_json_new_string(role));
    sgn_json_set(m, "content", sgn_json_new_string(content));
    sgn_json_append(messages, m);
}

static bool is_blank(const char *s, size_t n) {
    size_t i = 0;
    while (i < n && strchr(" \n\t\r", s[i]) && s[i]) i++;
    return i == n;
}

/* The special token that the text between an answer and the next message begins with, else its first line that says something. */
static sgn_status take_stop(sgn_chat *c, const char *text, size_t size, sgn_error *err) {
    sgn_ids ids = { 0 };
    sgn_status s = sgn_tokenizer_encode_as(c->tokenizer, text, size, SGN_ENCODE_SPECIALS | SGN_ENCODE_CONTINUES, &ids, err);
    size_t i = 0, n;
    for (; s == SGN_OK && i < ids.count && !sgn_tokenizer_is_special(c->tokenizer, ids.id[i]); i++) {
        const char *piece = sgn_tokenizer_piece(c->tokenizer, ids.id[i], &n);
        if (!is_blank(piece, n)) break;
    }
    const bool special = s == SGN_OK && i < ids.count && sgn_tokenizer_is_special(c->tokenizer, ids.id[i]);
    if (special) add_stop_id(c, ids.id[i]);
    sgn_ids_free(&ids);
    if (s != SGN_OK || special || is_blank(text, size)) return s;
    for (n = 0; is_blank(text, n + 1);) n++;
    while (n < size && text[n] != '\n') n++;
    while (n && is_blank(text + n - 1, 1)) n--;
    c->stop = strndup(text, n);
    if (!c->stop) SGN_FAIL(err, SGN_NOMEM, "no memory for %zu bytes", n);
    return SGN_OK;
}

/* A conversation is rendered to see what follows an answer. A template that refuses it tells nothing, which is no failure. */
static sgn_status learn_stop(sgn_chat *c, sgn_error *err) {
    static const char answer[] = "Forty-two", question[] = "Whatfor";
    sgn_json *messages = sgn_json_new_array();
    char *text = NULL;
    size_t size;
    sgn_error ignored = { 0 };
    add_message(messages, "user", "Howmany");
    add_message(messages, "assistant", answer);
    add_message(messages, "user", question);
    sgn_status s = SGN_OK;
    if (sgn_chat_render(c, messages, NULL, false, &text, &size, &ignored) == SGN_OK) {
        const char *from = memmem(text, size, answer, strlen(answer));
        if (from) from += strlen(answer);
        const char *to = from ? memmem(from, size - (size_t)(from - text), question, strlen(question)) : NULL;
        if (to) s = take_stop(c, from, (size_t)(to - from), err);
    }
    free(text);
    sgn_json_free(messages);
    return s;
}

/* --- open, render, close -------------------------------------------------------------------------------- */

/* Where the config says nothing, the tokenizer's. */
static sgn_status add_token(sgn_chat *c, const char *name, int32_t id, sgn_error *err) {
    size_t n;
    const char *piece = sgn_tokenizer_piece(c->tokenizer, id, &n);
    if (!piece || sgn_json_get(c->tokens, name)) return SGN_OK;
    char *text = strndup(piece, n);
    if (!text) SGN_FAIL(err, SGN_NOMEM, "no memory for %zu bytes", n);
    set_token(c, name, text);
    free(text);
    return SGN_OK;
}

static sgn_status prepare(sgn_chat *c, const char *model, const char *given, sgn_error *err) {
    c->tokens = sgn_json_new_object();
    if (!c->tokens) SGN_FAIL(err, SGN_NOMEM, "no memory for a chat template");
    SGN_TRY(find(c, model, given, err));
    SGN_TRY(add_token(c, "bos_token", sgn_tokenizer_bos(c->tokenizer), err));
    SGN_TRY(add_token(c, "eos_token", sgn_tokenizer_eos(c->tokenizer), err));
    SGN_TRY(read_stop_ids(c, model, "generation_config.json", err));
    SGN_TRY(read_stop_ids(c, model, "config.json", err));
    return learn_stop(c, err);
}

sgn_status sgn_chat_open(sgn_chat **out, const char *model, const char *given, const sgn_tokenizer *t, sgn_error *err) {
    *out = NULL;
    sgn_chat *c = calloc(1, sizeof *c);
    if (!c) SGN_FAIL(err, SGN_NOMEM, "no memory for a chat template");
    c->tokenizer = t;
    const sgn_status s = prepare(c, model, given, err);
    if (s == SGN_OK) *out = c;
    else sgn_chat_close(c);
    return s;
}

void sgn_chat_close(sgn_chat *c) {
    if (!c) return;
    sgn_jinja_close(c->template);
    sgn_json_free(c->tokens);
    free(c->stop);
    free(c);
}

const char *sgn_chat_name(const sgn_chat *c) { return c->name.s; }
const char *sgn_chat_stop(const sgn_chat *c) { return c->stop; }
const int32_t *sgn_chat_stop_ids(const sgn_chat *c, int *count) {
    *count = c->stop_ids;
    return c->stop_id;
}

sgn_status sgn_chat_render(const sgn_chat *c, sgn_json *messages, sgn_json *tools, bool answer, char **out, size_t *size, sgn_error *err) {
    sgn_json *v = sgn_json_new_object();
    *out = NULL;
    if (!v) SGN_FAIL(err, SGN_NOMEM, "no memory for the messages");
    for (void *it = sgn_json_iter(c->tokens); it; it = sgn_json_next(c->tokens, it))
        sgn_json_set(v, sgn_json_iter_key(it), sgn_json_new_string(sgn_json_string(sgn_json_iter_value(it), "")));
    sgn_json_set(v, "add_generation_prompt", sgn_json_new_bool(answer));
    sgn_json_set(v, "messages", messages);
    sgn_json_set(v, "tools", tools ? tools : sgn_json_new_null());
    sgn_json_set(v, "documents", sgn_json_new_null());
    const sgn_status s = sgn_jinja_render(c->template, v, out, size, err);
    sgn_json_take(v, "messages");                  /* back to the caller */
    if (tools) sgn_json_take(v, "tools");
    sgn_json_free(v);
    return s;
}

sgn_status sgn_chat_encode(const sgn_chat *c, sgn_json *messages, sgn_json *tools, sgn_ids *out, sgn_error *err) {
    char *text;
    size_t size;
    SGN_TRY(sgn_chat_render(c, messages, tools, true, &text, &size, err));
    const sgn_status s = sgn_tokenizer_encode_as(c->tokenizer, text, size, SGN_ENCODE_SPECIALS, out, err);
    free(text);
    return s;
}
