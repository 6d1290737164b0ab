/* http.h - an HTTP/1.1 server: requests come whole, answers go whole or in pieces. The only file that knows libmicrohttpd.
 *
 * Each connection has a thread of its own, which waits while another thread works on the answer.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_SERVE_HTTP_H
#define SGN_SERVE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include "core/status.h"

typedef struct sgn_http     sgn_http;
typedef struct sgn_exchange sgn_exchange;      /* a request and its answer */

typedef struct {
    const char *host;          /* a name or address to listen on */
    int         port;          /* 0: a free one */
    size_t      body_most;     /* bytes; what has more is answered with 413 */
    int         connections;   /* at once; more are turned away */
    /* Called in the connection's thread. Each exchange must be answered once, there or later in any thread:
     * by sgn_exchange_answer, or by sgn_exchange_begin, _send and _end. */
    void      (*receive)(void *ctx, sgn_exchange *e);
    void       *ctx;
} sgn_http_options;

sgn_status sgn_http_open(sgn_http **h, const sgn_http_options *o, sgn_error *err);
/* All exchanges must have been answered; those that still come must be at once. */
void       sgn_http_close(sgn_http *h);
int        sgn_http_port(const sgn_http *h);
bool       sgn_http_is_local(const sgn_http *h);       /* nobody but this machine can reach it */

const char *sgn_exchange_method(const sgn_exchange *e);
const char *sgn_exchange_path(const sgn_exchange *e);
const char *sgn_exchange_body(const sgn_exchange *e, size_t *size);    /* NUL-terminated */
bool        sgn_exchange_is_large(const sgn_exchange *e);              /* the body had more than body_most and is not there */
bool        sgn_exchange_is_gone(sgn_exchange *e);                     /* the client has left; an answer must come all the same */

/* body: malloc'd, taken; NULL: no memory, which is answered with 500. allow: NULL, or methods for a 405. */
void sgn_exchange_answer(sgn_exchange *e, int status, const char *type, const char *allow, char *body);
void sgn_exchange_begin(sgn_exchange *e, int status, const char *type);
bool sgn_exchange_send(sgn_exchange *e, const char *data, size_t size);        /* false: the client has left, or no memory */
void sgn_exchange_end(sgn_exchange *e);

#endif
