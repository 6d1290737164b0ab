/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "serve/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    IDLE_SECONDS = 60,         /* of a connection that sends nothing, between requests or inside one */
    LOOK_MS = 100,             /* between two looks at whether a client that waits is still there */
    LAST_MS = 3000,            /* for the last answers to go out when the server ends */
    BLOCK = 1 << 14,           /* bytes of an answer at a time */
    DRAIN = 16                 /* times the largest body: so much is read and forgotten, to answer 413 instead of hanging up */
};

struct sgn_http {
    sgn_http_options   o;
    struct MHD_Daemon *daemon;
    int                port;
    bool               local;
    atomic_int         owed;                   /* requests whose answers have not gone out */
};

struct sgn_exchange {
    sgn_http       *http;
    struct MHD_Connection *connection;
    char           *method, *path;
    char           *body;
    size_t          size, room, seen;          /* seen: bytes of the body that came, kept or not */
    bool            received;
    pthread_mutex_t lock;                      /* of all below */
    pthread_cond_t  changed;
    int             users;                     /* the connection, and whoever answers */
    int             status;                    /* 0: no answer yet */
    const char     *type, *allow;
    char           *whole;                     /* an answer that came at once */
    char           *out;                       /* pieces that are not fetched yet */
    size_t          out_size, out_room;
    bool            pieces, ended;
    atomic_bool     gone;
};

/* --- an exchange ----------------------------------------------------------------------------------- */

static sgn_exchange *exchange_open(sgn_http *h, struct MHD_Connection *c, const char *method, const char *path) {
    sgn_exchange *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->http = h;
    e->connection = c;
    e->method = strdup(method);
    e->path = strdup(path);
    e->users = 1;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->changed, NULL);
    return e;
}

static void exchange_release(sgn_exchange *e) {
    pthread_mutex_lock(&e->lock);
    const int left = --e->users;
    pthread_mutex_unlock(&e->lock);
    if (left) return;
    pthread_cond_destroy(&e->changed);
    pthread_mutex_destroy(&e->lock);
    free(e->method);
    free(e->path);
    free(e->body);
    free(e->whole);
    free(e->out);
    free(e);
}

const char *sgn_exchange_method(const sgn_exchange *e) { return e->method; }
const char *sgn_exchange_path(const sgn_exchange *e) { return e->path; }
bool        sgn_exchange_is_large(const sgn_exchange *e) { return e->seen > e->http->o.body_most; }
bool        sgn_exchange_is_gone(sgn_exchange *e) { return atomic_load(&e->gone); }

const char *sgn_exchange_body(const sgn_exchange *e, size_t *size) {
    *size = e->size;
    return e->body ? e->body : "";
}

void sgn_exchange_answer(sgn_exchange *e, int status, const char *type, const char *allow, char *body) {
    pthread_mutex_lock(&e->lock);
    e->status = body ? status : 500;
    e->type = type;
    e->allow = allow;
    e->whole = body;
    e->ended = true;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
    exchange_release(e);
}

void sgn_exchange_begin(sgn_exchange *e, int status, const char *type) {
    pthread_mutex_lock(&e->lock);
    e->status = status;
    e->type = type;
    e->pieces = true;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

/* What holds `size` more bytes, or NULL. */
static char *grow(char *at, size_t used, size_t *room, size_t size) {
    if (used + size <= *room) return at;
    const size_t want = 2 * (used + size);
    char *grown = realloc(at, want);
    if (grown) *room = want;
    return grown;
}

bool sgn_exchange_send(sgn_exchange *e, const char *data, size_t size) {
    if (sgn_exchange_is_gone(e)) return false;
    pthread_mutex_lock(&e->lock);
    char *out = grow(e->out, e->out_size, &e->out_room, size);
    if (out) {
        e->out = out;
        memcpy(out + e->out_size, data, size);
        e->out_size += size;
        pthread_cond_broadcast(&e->changed);
    }
    pthread_mutex_unlock(&e->lock);
    return out != NULL;
}

void sgn_exchange_end(sgn_exchange *e) {
    pthread_mutex_lock(&e->lock);
    e->ended = true;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
    exchange_release(e);
}

/* --- what the connection's thread does ------------------------------------------------------------- */

/* A closed socket reads as empty. */
static bool has_left(const sgn_exchange *e) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(e->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    char byte;
    if (!info) return false;
    const ssize_t n = recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* Locked before and after; waits for a change, looking after the client now and then. */
static void wait_a_little(sgn_exchange *e) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += LOOK_MS * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&e->changed, &e->lock, &t);
    if (has_left(e)) atomic_store(&e->gone, true);
}

static ssize_t next_piece(void *ctx, uint64_t at, char *buffer, size_t most) {
    sgn_exchange *e = ctx;
    (void)at;
    pthread_mutex_lock(&e->lock);
    while (!e->out_size && !e->ended && !atomic_load(&e->gone)) wait_a_little(e);
    const size_t n = e->out_size < most ? e->out_size : most;
    if (n) {
        memcpy(buffer, e->out, n);
        memmove(e->out, e->out + n, e->out_size - n);
        e->out_size -= n;
    }
    pthread_mutex_unlock(&e->lock);
    if (n) return (ssize_t)n;
    return atomic_load(&e->gone) ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
}

static enum MHD_Result give_answer(sgn_exchange *e) {
    struct MHD_Response *r;
    if (e->pieces) r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, next_piece, e, NULL);
    else r = MHD_create_response_from_buffer(e->whole ? strlen(e->whole) : 0, e->whole, MHD_RESPMEM_PERSISTENT);
    if (!r) return MHD_NO;
    MHD_add_response_header(r, "Content-Type", e->type);
    if (e->allow) MHD_add_response_header(r, "Allow", e->allow);
    if (e->pieces) MHD_add_response_header(r, "Cache-Control", "no-cache");
    const enum MHD_Result queued = MHD_queue_response(e->connection, (unsigned)e->status, r);
    MHD_destroy_response(r);
    return queued;
}

static enum MHD_Result take_body(sgn_exchange *e, const char *data, size_t size) {
    e->seen += size;
    if (e->seen > e->http->o.body_most) return e->seen / DRAIN > e->http->o.body_most ? MHD_NO : MHD_YES;
    char *body = grow(e->body, e->size, &e->room, size + 1);
    if (!body) return MHD_NO;
    e->body = body;
    memcpy(body + e->size, data, size);
    e->size += size;
    body[e->size] = 0;
    return MHD_YES;
}

static enum MHD_Result handle(void *ctx, struct MHD_Connection *c, const char *path, const char *method, const char *version,
                              const char *data, size_t *size, void **state) {
    sgn_exchange *e = *state;
    (void)version;
    if (!e) {
        *state = e = exchange_open(ctx, c, method, path);
        return e && e->method && e->path ? MHD_YES : MHD_NO;
    }
    if (*size) {
        const size_t n = *size;
        *size = 0;
        return take_body(e, data, n);
    }
    if (e->received) return MHD_NO;
    e->received = true;
    atomic_fetch_add(&e->http->owed, 1);
    e->users++;
    MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, 0u);        /* an answer may take its time */
    e->http->o.receive(e->http->o.ctx, e);
    pthread_mutex_lock(&e->lock);
    while (!e->status && !atomic_load(&e->gone)) wait_a_little(e);
    const bool answered = e->status != 0;
    pthread_mutex_unlock(&e->lock);
    return answered ? give_answer(e) : MHD_NO;
}

static void finish(void *ctx, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode how) {
    sgn_exchange *e = *state;
    (void)how;
    if (!e) return;
    if (e->received) atomic_fetch_sub(&((sgn_http *)ctx)->owed, 1);
    atomic_store(&e->gone, true);
    exchange_release(e);
    *state = NULL;
    MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)IDLE_SECONDS);
}

/* --- the server ------------------------------------------------------------------------------------ */

static bool is_loopback(const struct sockaddr *a) {
    if (a->sa_family == AF_INET) return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static int listen_on(const struct addrinfo *a) {
    const int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol), on = 1;
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0) return fd;
    const int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static sgn_status open_socket(sgn_http *h, int *fd, sgn_error *err) {
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    char port[16];
    if (h->o.port < 0 || h->o.port > 65535)
        SGN_FAIL(err, SGN_CONFIG, "port %d does not exist; 0 (any that is free) to 65535 is expected", h->o.port);
    snprintf(port, sizeof port, "%d", h->o.port);
    const int wrong = getaddrinfo(h->o.host, port, &hints, &found);
    if (wrong) SGN_FAIL(err, SGN_CONFIG, "host '%.80s' to listen on: %s", h->o.host, gai_strerror(wrong));
    *fd = -1;
    for (const struct addrinfo *a = found; a && *fd < 0; a = a->ai_next) {
        *fd = listen_on(a);
        h->local = is_loopback(a->ai_addr);
    }
    const int why = errno;
    freeaddrinfo(found);
    if (*fd < 0) SGN_FAIL(err, SGN_IO, "%.80s port %d cannot be listened on: %s", h->o.host, h->o.port, strerror(why));
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    getsockname(*fd, (struct sockaddr *)&at, &size);
    h->port = ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port : ((struct sockaddr_in *)&at)->sin_port);
    return SGN_OK;
}

sgn_status sgn_http_open(sgn_http **out, const sgn_http_options *o, sgn_error *err) {
    int fd;
    *out = NULL;
    sgn_http *h = calloc(1, sizeof *h);
    if (!h) SGN_FAIL(err, SGN_NOMEM, "no memory for a server");
    h->o = *o;
    const sgn_status s = open_socket(h, &fd, err);
    if (s != SGN_OK) {
        free(h);
        return s;
    }
    h->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, (uint16_t)h->port, NULL, NULL,
                                 handle, h, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, finish, h,
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned)o->connections, MHD_OPTION_END);
    if (!h->daemon) {
        close(fd);
        free(h);
        SGN_FAIL(err, SGN_IO, "the server on %.80s port %d does not start", o->host, o->port);
    }
    *out = h;
    return SGN_OK;
}

void sgn_http_close(sgn_http *h) {
    if (!h) return;
    for (int ms = 0; ms < LAST_MS && atomic_load(&h->owed) > 0; ms += 10) nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    MHD_stop_daemon(h->daemon);            /* hangs up at once */
    free(h);
}

int  sgn_http_port(const sgn_http *h) { return h->port; }
bool sgn_http_is_local(const sgn_http *h) { return h->local; }
