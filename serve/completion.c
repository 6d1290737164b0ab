/* SPDX-License-Identifier: MIT */
#include "serve/completion.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/rng.h"
#include "data/utf8.h"
#include "serve/chat_request.h"

typedef struct { sgn_likely token; size_t offset; } record;    /* offset: byte of the text at which it begins */

typedef struct {               /* one answer; text and records go out as far as they are certain */
    const sgn_completion         *c;
    const sgn_completion_request *q;
    int64_t     index;
    char       *text;
    size_t      size, room, sent;              /* bytes; those that went out */
    record     *records;
    sgn_likely *likeliest;                     /* (records, q->what.likeliest) */
    size_t      count, records_room, records_sent;
    size_t      counted, characters;           /* of counted bytes of the text */
    bool        begun;                         /* a chunk went out */
} choice;

static sgn_status add_text(choice *a, const char *text, size_t n, sgn_error *err) {
    if (a->size + n > a->room) {
        const size_t room = 2 * (a->size + n) + 256;
        char *grown = realloc(a->text, room);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for an answer of %zu bytes", room);
        a->text = grown;
        a->room = room;
    }
    if (n) memcpy(a->text + a->size, text, n);
    a->size += n;
    return SGN_OK;
}

static sgn_status add_record(choice *a, sgn_likely token, const sgn_likely *likeliest, size_t offset, sgn_error *err) {
    const size_t n = (size_t)a->q->what.likeliest;
    if (a->count == a->records_room) {
        const size_t room = 2 * a->records_room + 64;
        record *records = realloc(a->records, room * sizeof *records);
        if (records) a->records = records;
        sgn_likely *more = n ? realloc(a->likeliest, room * n * sizeof *more) : NULL;
        if (more) a->likeliest = more;
        if (!records || (n && !more)) SGN_FAIL(err, SGN_NOMEM, "no memory for the probabilities of %zu tokens", room);
        a->records_room = room;
    }
    a->records[a->count] = (record){ token, offset };
    for (size_t i = 0; i < n; i++) a->likeliest[a->count * n + i] = likeliest ? likeliest[i] : (sgn_likely){ -1, 0 };
    a->count++;
    return SGN_OK;
}

/* --- as JSON --------------------------------------------------------------------------------------- */

/* Pieces that are no text by themselves are "bytes:\xe2\x82". */
static sgn_json *token_json(const sgn_tokenizer *t, int32_t id) {
    static const char hex[] = "0123456789abcdef";
    size_t n;
    const char *piece = sgn_tokenizer_piece(t, id, &n);
    if (!piece || !sgn_utf8_invalid(piece, n)) return sgn_json_new_text(piece ? piece : "", n);
    char *out = malloc(6 + 4 * n), *at = out;
    if (!out) return NULL;
    memcpy(at, "bytes:", 6);
    at += 6;
    for (size_t i = 0; i < n; i++, at += 4) {
        const unsigned char byte = (unsigned char)piece[i];
        memcpy(at, (char[]){ '\\', 'x', hex[byte >> 4], hex[byte & 15] }, 4);
    }
    sgn_json *j = sgn_json_new_string_n(out, (size_t)(at - out));
    free(out);
    return j;
}

/* Of several tokens that read the same the most probable one is kept. */
static void set_likely(const choice *a, sgn_json *map, sgn_likely l) {
    sgn_json *name = token_json(a->c->tokenizer, l.id);
    const char *key = name ? sgn_json_string(name, "") : "";
    if (!sgn_json_get(map, key)) sgn_json_set(map, key, sgn_json_new_real((double)l.logprob));
    sgn_json_free(name);
}

static sgn_json *likeliest_json(const choice *a, size_t i) {
    const size_t n = (size_t)a->q->what.likeliest;
    if (isnan(a->records[i].token.logprob)) return sgn_json_new_null();
    sgn_json *map = sgn_json_new_object();
    for (size_t k = 0; k < n && a->likeliest[i * n + k].id >= 0; k++) set_likely(a, map, a->likeliest[i * n + k]);
    set_likely(a, map, a->records[i].token);
    return map;
}

/* Characters before a byte of the text. */
static int64_t characters_before(choice *a, size_t offset) {
    if (offset > a->size) offset = a->size;
    for (; a->counted < offset; a->counted++) a->characters += ((unsigned char)a->text[a->counted] & 0xC0) != 0x80;
    return (int64_t)a->characters;
}

static sgn_json *chat_token(const choice *a, sgn_likely l) {
    size_t n;
    const char *piece = sgn_tokenizer_piece(a->c->tokenizer, l.id, &n);
    return sgn_chat_token(piece, n, l.logprob);
}

/* Records from `sent` to `end`, as chat has them. */
static sgn_json *chat_logprobs(const choice *a, size_t end) {
    const size_t n = (size_t)a->q->what.likeliest;
    if (!a->q->what.logprobs) return sgn_json_new_null();
    sgn_json *j = sgn_json_new_object(), *content = sgn_json_new_array();
    for (size_t i = a->records_sent; i < end; i++) {
        sgn_json *token = chat_token(a, a->records[i].token), *likeliest = sgn_json_new_array();
        for (size_t k = 0; k < n && a->likeliest[i * n + k].id >= 0; k++) sgn_json_append(likeliest, chat_token(a, a->likeliest[i * n + k]));
        sgn_json_set(token, "top_logprobs", likeliest);
        sgn_json_append(content, token);
    }
    sgn_json_set(j, "content", content);
    return j;
}

/* Records from `sent` to `end`. */
static sgn_json *logprobs_json(choice *a, size_t end) {
    if (!a->q->what.logprobs) return sgn_json_new_null();
    sgn_json *tokens = sgn_json_new_array(), *logprobs = sgn_json_new_array(), *offsets = sgn_json_new_array();
    sgn_json *likeliest = a->q->what.likeliest ? sgn_json_new_array() : sgn_json_new_null(), *j = sgn_json_new_object();
    for (size_t i = a->records_sent; i < end; i++) {
        const record *r = &a->records[i];
        sgn_json_append(tokens, token_json(a->c->tokenizer, r->token.id));
        sgn_json_append(logprobs, sgn_json_new_real((double)r->token.logprob));
        sgn_json_append(offsets, sgn_json_new_int(characters_before(a, r->offset)));
        if (a->q->what.likeliest) sgn_json_append(likeliest, likeliest_json(a, i));
    }
    sgn_json_set(j, "tokens", tokens);
    sgn_json_set(j, "token_logprobs", logprobs);
    sgn_json_set(j, "top_logprobs", likeliest);
    sgn_json_set(j, "text_offset", offsets);
    return j;
}

static sgn_json *finish_json(sgn_finish f) {
    if (f == SGN_FINISH_NOT) return sgn_json_new_null();
    return sgn_json_new_string(f == SGN_FINISH_END || f == SGN_FINISH_STOP ? "stop" : "length");
}

/* What has not gone out yet. Tokens wait until their text goes; those that only made a stop string never do. */
static sgn_json *choice_json(choice *a, sgn_finish finish) {
    size_t end = a->count;
    while ((finish == SGN_FINISH_NOT || finish == SGN_FINISH_STOP) && end > a->records_sent && a->records[end - 1].offset >= a->size) end--;
    const char *text = a->text ? a->text + a->sent : "";
    const size_t size = a->size - a->sent;
    sgn_json *j;
    if (a->q->chat) {
        j = sgn_chat_choice(a->index, text, size, a->q->stream, !a->begun, chat_logprobs(a, end), finish_json(finish));
    } else {
        j = sgn_json_new_object();
        sgn_json_set(j, "text", sgn_json_new_text(text, size));
        sgn_json_set(j, "index", sgn_json_new_int(a->index));
        sgn_json_set(j, "logprobs", logprobs_json(a, end));
        sgn_json_set(j, "finish_reason", finish_json(finish));
    }
    a->begun = true;
    a->sent = a->size;
    a->records_sent = end;
    return j;
}

static sgn_json *usage_json(const sgn_usage *u) {
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "prompt_tokens", sgn_json_new_int(u->prompt_tokens));
    sgn_json_set(j, "completion_tokens", sgn_json_new_int(u->completion_tokens));
    sgn_json_set(j, "total_tokens", sgn_json_new_int(u->prompt_tokens + u->completion_tokens));
    return j;
}

/* Takes choices. */
static sgn_status put(const sgn_completion *c, const sgn_completion_request *q, sgn_json *choices, sgn_json *usage, sgn_error *err) {
    sgn_json *j = sgn_json_new_object();
    char *text = NULL;
    sgn_json_set(j, "id", sgn_json_new_string(c->id));
    sgn_json_set(j, "object", sgn_json_new_string(!q->chat ? "text_completion" : q->stream ? "chat.completion.chunk" : "chat.completion"));
    sgn_json_set(j, "created", sgn_json_new_int(c->created));
    sgn_json_set(j, "model", sgn_json_new_text(c->model, strlen(c->model)));
    sgn_json_set(j, "choices", choices);
    if (usage) sgn_json_set(j, "usage", usage);
    sgn_status s = sgn_json_dump(j, 0, &text, err);
    if (s == SGN_OK && !c->put(c->ctx, text)) s = SGN_ERROR(err, SGN_INTERRUPTED, "the client has left");
    free(text);
    sgn_json_free(j);
    return s;
}

static sgn_status put_chunk(choice *a, sgn_finish finish, sgn_error *err) {
    sgn_json *one = sgn_json_new_array();
    sgn_json_append(one, choice_json(a, finish));
    return put(a->c, a->q, one, a->q->stream_usage ? sgn_json_new_null() : NULL, err);
}

/* --- an answer ------------------------------------------------------------------------------------- */

/* The prompt's text, and where in it each token begins. */
static sgn_status echo(choice *a, const sgn_prompt *p, sgn_error *err) {
    sgn_decoder d = { 0 };
    const char *text;
    size_t n, decoded = 0;
    sgn_status s = SGN_OK;
    if (p->text) s = add_text(a, p->text, strlen(p->text), err);
    for (size_t i = 0; s == SGN_OK && i < p->ids.count; i++) {
        const sgn_likely *likeliest = NULL;
        const size_t offset = decoded + d.size - d.shown;
        const float logprob = a->q->what.prompt_logprobs ? sgn_generator_prompt(a->c->generator, i, &likeliest) : 0;
        if (a->q->what.prompt_logprobs) s = add_record(a, (sgn_likely){ p->ids.id[i], logprob }, likeliest, offset, err);
        if (s != SGN_OK || (s = sgn_decoder_put(&d, a->c->tokenizer, p->ids.id[i], &text, &n, err)) != SGN_OK) break;
        decoded += n;
        if (!p->text) s = add_text(a, text, n, err);
    }
    if (s == SGN_OK && !p->text) {
        sgn_decoder_end(&d, &text, &n);
        s = add_text(a, text, n, err);
    }
    sgn_decoder_free(&d);
    return s;
}

static sgn_status answer(choice *a, const sgn_prompt *p, int64_t which, sgn_finish *finish, sgn_usage *usage, sgn_error *err) {
    const sgn_completion *c = a->c;
    sgn_generation what = a->q->what;
    sgn_generated t;
    if (which > 0) what.sampling.seed = sgn_rng_bits(what.sampling.seed, sgn_rng_stream("choice"), (uint64_t)which);
    SGN_TRY(sgn_generator_begin(c->generator, &what, p->ids.id, p->ids.count, err));
    if (a->q->echo) SGN_TRY(echo(a, p, err));
    if (a->q->echo && a->q->stream) SGN_TRY(put_chunk(a, SGN_FINISH_NOT, err));
    const size_t base = a->size;
    do {
        if (!c->listening(c->ctx)) SGN_FAIL(err, SGN_INTERRUPTED, "the client has left");
        SGN_TRY(sgn_generator_next(c->generator, &t, err));
        SGN_TRY(add_text(a, t.text, t.size, err));
        if (t.id >= 0) usage->completion_tokens++;
        if (t.id >= 0 && what.logprobs) SGN_TRY(add_record(a, (sgn_likely){ t.id, t.logprob }, t.likeliest, base + t.offset, err));
        if (a->q->stream && (t.size || t.finish)) SGN_TRY(put_chunk(a, t.finish, err));
    } while (!t.finish);
    *finish = t.finish;
    return SGN_OK;
}

static sgn_status answer_one(const sgn_completion *c, const sgn_completion_request *q, size_t prompt, int64_t which, sgn_json *choices,
                             sgn_usage *usage, sgn_error *err) {
    choice a = { .c = c, .q = q, .index = (int64_t)prompt * q->n + which };
    sgn_finish finish = SGN_FINISH_NOT;
    const sgn_status s = answer(&a, &q->prompt[prompt], which, &finish, usage, err);
    if (s == SGN_OK && !q->stream) sgn_json_append(choices, choice_json(&a, finish));
    free(a.text);
    free(a.records);
    free(a.likeliest);
    return s;
}

sgn_status sgn_completion_run(const sgn_completion *c, const sgn_completion_request *q, sgn_usage *usage, sgn_error *err) {
    sgn_json *choices = sgn_json_new_array();
    sgn_status s = SGN_OK;
    *usage = (sgn_usage){ 0, 0 };
    for (size_t p = 0; s == SGN_OK && p < q->prompts; p++) {
        usage->prompt_tokens += (int64_t)q->prompt[p].ids.count;
        for (int64_t k = 0; s == SGN_OK && k < q->n; k++) s = answer_one(c, q, p, k, choices, usage, err);
    }
    if (s == SGN_OK && (!q->stream || q->stream_usage)) return put(c, q, choices, usage_json(usage), err);
    sgn_json_free(choices);
    return s;
}

char *sgn_completion_error(const char *message, const char *type, const char *param, const char *code) {
    sgn_json *j = sgn_json_new_object(), *e = sgn_json_new_object();
    char *text = NULL;
    sgn_json_set(e, "message", sgn_json_new_text(message, strlen(message)));
    sgn_json_set(e, "type", sgn_json_new_string(type));
    sgn_json_set(e, "param", param ? sgn_json_new_text(param, strlen(param)) : sgn_json_new_null());
    sgn_json_set(e, "code", code ? sgn_json_new_string(code) : sgn_json_new_null());
    sgn_json_set(j, "error", e);
    (void)sgn_json_dump(j, 0, &text, NULL);
    sgn_json_free(j);
    return text;
}
