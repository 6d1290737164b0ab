/* server.h - OpenAI's completions and chat API over HTTP for one model: requests wait in a line, one thread answers them one after another.
 *
 *     GET /health, GET /v1/models[/NAME], POST /v1/completions, POST /v1/chat/completions
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_SERVE_SERVER_H
#define SGN_SERVE_SERVER_H

#include "serve/completion.h"
#include "serve/http.h"

typedef struct {               /* a request that was answered, or given up */
    int       status;          /* of HTTP; 499: the client has left */
    sgn_usage usage;
    double    waited, took;    /* seconds: in the line, and to be answered */
} sgn_served;

typedef struct {
    const char *host;
    int         port;          /* 0: a free one */
    int64_t     body_most;     /* bytes of a request */
    const char *model;         /* its name for clients */
    sgn_generator       *generator;
    const sgn_tokenizer *tokenizer;
    const sgn_chat      *chat;             /* NULL: the model has no template, and messages are refused */
    int64_t     vocab;
    bool        bos;           /* the token that begins a text comes before prompts, unless a request says otherwise */
    uint64_t    seed;          /* of requests that tell none, each of which gets another */
    bool      (*stop)(void *ctx);                          /* asked many times a second */
    void      (*served)(void *ctx, const sgn_served *what);/* may be NULL */
    void       *ctx;
} sgn_server_options;

typedef struct sgn_server sgn_server;

/* Listens from here on. What the options point at must outlive it. */
sgn_status sgn_server_open(sgn_server **s, const sgn_server_options *o, sgn_error *err);
/* Answers, in the calling thread, until `stop`; those in line get a 503 then. */
void       sgn_server_run(sgn_server *s);
void       sgn_server_close(sgn_server *s);
int        sgn_server_port(const sgn_server *s);
bool       sgn_server_is_local(const sgn_server *s);

#endif
