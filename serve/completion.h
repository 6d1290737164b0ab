/* completion.h - answers a request of /v1/completions or /v1/chat/completions: JSON with choices, probabilities and usage, whole or as a stream of chunks.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_SERVE_COMPLETION_H
#define SGN_SERVE_COMPLETION_H

#include "serve/completion_request.h"

typedef struct {
    sgn_generator       *generator;
    const sgn_tokenizer *tokenizer;
    const char          *model, *id;           /* as told to the client */
    int64_t              created;              /* seconds since 1970 */
    /* One object: the answer, or a chunk of the stream. false: nobody listens, so nothing more is generated. */
    bool               (*put)(void *ctx, const char *json);
    bool               (*listening)(void *ctx);            /* asked at each token */
    void                *ctx;
} sgn_completion;

typedef struct { int64_t prompt_tokens, completion_tokens; } sgn_usage;

/* *usage: of what was done, also where that was cut short. SGN_INTERRUPTED: nobody listens. */
sgn_status sgn_completion_run(const sgn_completion *c, const sgn_completion_request *q, sgn_usage *usage, sgn_error *err);
/* {"error": {message, type, param, code}}, as text; param and code may be NULL. NULL: no memory. */
char      *sgn_completion_error(const char *message, const char *type, const char *param, const char *code);

#endif
