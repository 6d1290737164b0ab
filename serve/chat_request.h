/* chat_request.h - the messages of a request of /v1/chat/completions, and its answers as clients of that expect them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_SERVE_CHAT_REQUEST_H
#define SGN_SERVE_CHAT_REQUEST_H

#include "data/chat_template.h"

/* Ids of what the template makes of "messages" and "tools" of the request, whose contents become plain texts.
 * SGN_CONFIG for what the client did wrong. */
sgn_status sgn_chat_request_ids(const sgn_chat *c, const sgn_json *request, sgn_ids *out, sgn_error *err);

/* A choice, whole or (stream) a chunk of one; logprobs and finish are taken. */
sgn_json  *sgn_chat_choice(int64_t index, const char *text, size_t size, bool stream, bool first, sgn_json *logprobs, sgn_json *finish);
/* {token, logprob, bytes}; `piece` may be any bytes. */
sgn_json  *sgn_chat_token(const char *piece, size_t size, float logprob);

#endif
