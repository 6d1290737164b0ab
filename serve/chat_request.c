/* SPDX-License-Identifier: MIT */
#include "serve/chat_request.h"

#include <stdlib.h>
#include <string.h>
#include "data/utf8.h"

/* --- messages --------------------------------------------------------------------------------------- */

/* [{"type": "text", "text": ...}, ...] as one text, one part per line. */
static sgn_status join_parts(sgn_json *message, const sgn_json *parts, size_t which, sgn_error *err) {
    char *text = NULL;
    size_t size = 0;
    for (size_t i = 0; i < sgn_json_size(parts); i++) {
        const sgn_json *part = sgn_json_at(parts, i);
        const char *type = sgn_json_string(sgn_json_get(part, "type"), ""), *piece = sgn_json_string(sgn_json_get(part, "text"), NULL);
        const size_t n = piece ? strlen(piece) : 0;
        char *grown = strcmp(type, "text") == 0 && piece ? realloc(text, size + n + 2) : NULL;
        if (!grown) {
            free(text);
            if (piece && strcmp(type, "text") == 0) SGN_FAIL(err, SGN_NOMEM, "no memory for a message of %zu bytes", size + n);
            SGN_FAIL(err, SGN_CONFIG, "part %zu of message %zu is no text; this model reads texts only", i, which);
        }
        text = grown;
        if (i) text[size++] = '\n';
        memcpy(text + size, piece, n);
        size += n;
    }
    sgn_json_set(message, "content", sgn_json_new_string_n(text ? text : "", size));
    free(text);
    return SGN_OK;
}

/* Arguments come as JSON in a text; templates take them as objects. */
static void open_arguments(const sgn_json *calls) {
    for (size_t i = 0; i < sgn_json_size(calls); i++) {
        sgn_json *function = sgn_json_get(sgn_json_at(calls, i), "function"), *arguments;
        const char *text = sgn_json_string(sgn_json_get(function, "arguments"), NULL);
        if (text && sgn_json_parse(&arguments, text, strlen(text), "arguments", NULL) == SGN_OK) sgn_json_set(function, "arguments", arguments);
    }
}

static sgn_status check_message(sgn_json *m, size_t which, sgn_error *err) {
    const sgn_json *content = sgn_json_get(m, "content"), *calls = sgn_json_get(m, "tool_calls");
    if (!m || sgn_json_typeof(m) != SGN_JSON_OBJECT || !sgn_json_string(sgn_json_get(m, "role"), NULL))
        SGN_FAIL(err, SGN_CONFIG, "message %zu is no object with \"role\"", which);
    if (calls && sgn_json_typeof(calls) == SGN_JSON_ARRAY) open_arguments(calls);
    if (sgn_json_string(content, NULL)) return SGN_OK;
    if (content && sgn_json_typeof(content) == SGN_JSON_ARRAY) return join_parts(m, content, which, err);
    if (calls && (!content || sgn_json_typeof(content) == SGN_JSON_NULL)) return SGN_OK;
    SGN_FAIL(err, SGN_CONFIG, "message %zu has no \"content\"; a text or a list of parts that are texts is expected", which);
}

sgn_status sgn_chat_request_ids(const sgn_chat *c, const sgn_json *request, sgn_ids *out, sgn_error *err) {
    sgn_json *messages = sgn_json_get(request, "messages"), *tools = sgn_json_get(request, "tools");
    if (!messages || sgn_json_typeof(messages) != SGN_JSON_ARRAY || sgn_json_size(messages) == 0)
        SGN_FAIL(err, SGN_CONFIG, "a list of messages, at least one, is expected");
    for (size_t i = 0; i < sgn_json_size(messages); i++) SGN_TRY(check_message(sgn_json_at(messages, i), i, err));
    return sgn_chat_encode(c, messages, tools && sgn_json_typeof(tools) == SGN_JSON_ARRAY ? tools : NULL, out, err);
}

/* --- answers ------------------------------------------------------------------------------------------ */

sgn_json *sgn_chat_choice(int64_t index, const char *text, size_t size, bool stream, bool first, sgn_json *logprobs, sgn_json *finish) {
    sgn_json *j = sgn_json_new_object(), *message = sgn_json_new_object();
    if (first) sgn_json_set(message, "role", sgn_json_new_string("assistant"));
    if (size || first || !stream) sgn_json_set(message, "content", sgn_json_new_text(text, size));
    sgn_json_set(j, "index", sgn_json_new_int(index));
    sgn_json_set(j, stream ? "delta" : "message", message);
    sgn_json_set(j, "logprobs", logprobs);
    sgn_json_set(j, "finish_reason", finish);
    return j;
}

sgn_json *sgn_chat_token(const char *piece, size_t size, float logprob) {
    sgn_json *j = sgn_json_new_object(), *bytes = sgn_json_new_array();
    for (size_t i = 0; i < size; i++) sgn_json_append(bytes, sgn_json_new_int((unsigned char)piece[i]));
    sgn_json_set(j, "token", sgn_json_new_text(piece ? piece : "", size));
    sgn_json_set(j, "logprob", sgn_json_new_real((double)logprob));
    sgn_json_set(j, "bytes", bytes);
    return j;
}
