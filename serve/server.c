/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "serve/server.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "core/clock.h"
#include "data/utf8.h"

enum { CONNECTIONS = 128, LOOK_MS = 100, CLIENT_LEFT = 499 };
static const char json_type[] = "application/json", stream_type[] = "text/event-stream";

typedef struct job job;
struct job {
    job                   *next;
    sgn_exchange          *exchange;
    sgn_completion_request request;
    double                 came;
    bool                   begun;              /* the stream */
    char                  *answer;             /* of what is not streamed */
    const sgn_server      *server;
};

struct sgn_server {
    sgn_server_options o;
    sgn_http          *http;
    pthread_mutex_t    lock;                   /* of the line */
    pthread_cond_t     changed;
    job               *first, **last;
    bool               stopping;
    int64_t            began;
    uint64_t           count;                  /* requests taken out of the line */
};

static void answer_error(sgn_exchange *e, int status, const char *message, const char *param, const char *code) {
    const char *type = status >= 500 ? "server_error" : "invalid_request_error";
    sgn_exchange_answer(e, status, json_type, NULL, sgn_completion_error(message, type, param, code));
}

static void answer_json(sgn_exchange *e, sgn_json *j) {
    char *text = NULL;
    (void)sgn_json_dump(j, 0, &text, NULL);
    sgn_json_free(j);
    sgn_exchange_answer(e, 200, json_type, NULL, text);
}

/* A status as HTTP has it: what the client can mend, and what not. */
static int http_status(sgn_status s) { return s == SGN_CONFIG || s == SGN_SHAPE ? 400 : s == SGN_INTERRUPTED ? 503 : 500; }

/* --- in the connections' threads --------------------------------------------------------------------- */

static void give_health(sgn_server *s, sgn_exchange *e) {
    (void)s;
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "status", sgn_json_new_string("ok"));
    answer_json(e, j);
}

static sgn_json *model_json(const sgn_server *s) {
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "id", sgn_json_new_text(s->o.model, strlen(s->o.model)));
    sgn_json_set(j, "object", sgn_json_new_string("model"));
    sgn_json_set(j, "created", sgn_json_new_int(s->began));
    sgn_json_set(j, "owned_by", sgn_json_new_string("signum"));
    sgn_json_set(j, "max_model_len", sgn_json_new_int(sgn_generator_context(s->o.generator)));
    return j;
}

static void give_models(sgn_server *s, sgn_exchange *e) {
    sgn_json *j = sgn_json_new_object(), *list = sgn_json_new_array();
    sgn_json_append(list, model_json(s));
    sgn_json_set(j, "object", sgn_json_new_string("list"));
    sgn_json_set(j, "data", list);
    answer_json(e, j);
}

static void give_model(sgn_server *s, sgn_exchange *e) {
    if (strcmp(sgn_exchange_path(e) + strlen("/v1/models/"), s->o.model) == 0) answer_json(e, model_json(s));
    else answer_error(e, 404, "there is no such model here; GET /v1/models names the one there is", "model", "model_not_found");
}

static void job_free(job *j) {
    sgn_completion_request_free(&j->request);
    free(j->answer);
    free(j);
}

static bool put_in_line(sgn_server *s, job *j) {
    pthread_mutex_lock(&s->lock);
    const bool open = !s->stopping;
    if (open) {
        *s->last = j;
        s->last = &j->next;
        pthread_cond_signal(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return open;
}

static void refuse_stopping(sgn_exchange *e) { answer_error(e, 503, "the server is stopping", NULL, NULL); }

static void take_request(sgn_server *s, sgn_exchange *e, const sgn_chat *chat) {
    const sgn_completion_rules rules = { s->o.tokenizer, s->o.vocab, sgn_generator_context(s->o.generator), s->o.bos, chat };
    sgn_error err = { 0 };
    size_t size;
    const char *body = sgn_exchange_body(e, &size);
    job *j = calloc(1, sizeof *j);
    if (!j) {
        answer_error(e, 500, "no memory for the request", NULL, NULL);
        return;
    }
    *j = (job){ .exchange = e, .came = sgn_clock_wall(), .server = s };
    const sgn_status status = sgn_completion_request_parse(&j->request, body, size, &rules, &err);
    if (status != SGN_OK) answer_error(e, http_status(status), err.text, j->request.wrong, NULL);
    else if (put_in_line(s, j)) return;
    else refuse_stopping(e);
    job_free(j);
}

static void take_completion(sgn_server *s, sgn_exchange *e) { take_request(s, e, NULL); }

static void take_chat(sgn_server *s, sgn_exchange *e) {
    if (s->o.chat) take_request(s, e, s->o.chat);
    else answer_error(e, 400, "this model has no chat template; start the server with --template, or use /v1/completions", NULL, NULL);
}

typedef struct {
    const char *path, *method;
    bool        prefix;        /* the path goes on */
    void      (*take)(sgn_server *s, sgn_exchange *e);
} route;

static const route routes[] = {
    { "/health", "GET", false, give_health },
    { "/v1/models", "GET", false, give_models },
    { "/v1/models/", "GET", true, give_model },
    { "/v1/completions", "POST", false, take_completion },
    { "/v1/chat/completions", "POST", false, take_chat },
};

static bool is_method(const route *r, const char *method) {
    return strcmp(method, r->method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(r->method, "GET") == 0);
}

static void receive(void *ctx, sgn_exchange *e) {
    const char *path = sgn_exchange_path(e);
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const route *r = &routes[i];
        if (r->prefix ? strncmp(path, r->path, strlen(r->path)) != 0 : strcmp(path, r->path) != 0) continue;
        if (!is_method(r, sgn_exchange_method(e)))
            sgn_exchange_answer(e, 405, json_type, r->method, sgn_completion_error("this path takes another method", "invalid_request_error", NULL, NULL));
        else if (sgn_exchange_is_large(e)) answer_error(e, 413, "the request has more bytes than this server takes", NULL, NULL);
        else r->take(ctx, e);
        return;
    }
    answer_error(e, 404, "there is nothing at this path; see /v1/completions, /v1/chat/completions, /v1/models and /health", NULL, NULL);
}

/* --- in the answering thread ------------------------------------------------------------------------- */

/* The first of the line, or NULL when a moment has passed. */
static job *take_job(sgn_server *s) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += LOOK_MS * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&s->lock);
    if (!s->first) pthread_cond_timedwait(&s->changed, &s->lock, &t);
    job *j = s->first;
    if (j && !(s->first = j->next)) s->last = &s->first;
    pthread_mutex_unlock(&s->lock);
    return j;
}

static bool listening(void *ctx) {
    const job *j = ctx;
    return !sgn_exchange_is_gone(j->exchange) && !j->server->o.stop(j->server->o.ctx);
}

static bool send_event(job *j, const char *data) {
    char *event;
    if (!j->begun) sgn_exchange_begin(j->exchange, 200, stream_type);
    j->begun = true;
    const int n = asprintf(&event, "data: %s\n\n", data);
    if (n < 0) return false;
    const bool sent = sgn_exchange_send(j->exchange, event, (size_t)n);
    free(event);
    return sent;
}

static bool put(void *ctx, const char *json) {
    job *j = ctx;
    if (j->request.stream) return send_event(j, json);
    return (j->answer = strdup(json)) != NULL;
}

/* The last of an answer; returns its HTTP status. */
static int finish(job *j, sgn_status s, const sgn_error *err) {
    sgn_exchange *e = j->exchange;
    const int gone = sgn_exchange_is_gone(e);
    const int status = s == SGN_OK ? 200 : http_status(s);
    const char *message = s == SGN_INTERRUPTED ? "the server is stopping" : err->text;
    if (j->begun) {
        char *error = s == SGN_OK ? NULL : sgn_completion_error(message, "server_error", NULL, NULL);
        if (error) send_event(j, error);
        free(error);
        send_event(j, "[DONE]");
        sgn_exchange_end(e);
    } else if (s != SGN_OK) answer_error(e, status, message, NULL, NULL);
    else {
        sgn_exchange_answer(e, 200, json_type, NULL, j->answer);
        j->answer = NULL;
    }
    return gone ? CLIENT_LEFT : status;
}

static void run_job(sgn_server *s, job *j) {
    char id[48];
    sgn_error err = { 0 };
    sgn_served served = { .waited = sgn_clock_wall() - j->came };
    sgn_completion_request *q = &j->request;
    if (!q->seeded) q->what.sampling.seed = s->o.seed + s->count;
    snprintf(id, sizeof id, "%scmpl-%llx-%llu", q->chat ? "chat" : "", (unsigned long long)s->began, (unsigned long long)s->count++);
    const sgn_completion c = { .generator = s->o.generator, .tokenizer = s->o.tokenizer, .model = s->o.model, .id = id,
                               .created = (int64_t)time(NULL), .put = put, .listening = listening, .ctx = j };
    const double begin = sgn_clock_wall();
    const sgn_status status = listening(j) ? sgn_completion_run(&c, q, &served.usage, &err) : SGN_INTERRUPTED;
    served.status = finish(j, status, &err);
    served.took = sgn_clock_wall() - begin;
    if (s->o.served) s->o.served(s->o.ctx, &served);
    job_free(j);
}

static void close_line(sgn_server *s) {
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    job *j = s->first;
    s->first = NULL;
    pthread_mutex_unlock(&s->lock);
    for (job *next; j; j = next) {
        next = j->next;
        refuse_stopping(j->exchange);
        job_free(j);
    }
}

void sgn_server_run(sgn_server *s) {
    job *j;
    while (!s->o.stop(s->o.ctx))
        if ((j = take_job(s))) run_job(s, j);
    close_line(s);
}

sgn_status sgn_server_open(sgn_server **out, const sgn_server_options *o, sgn_error *err) {
    *out = NULL;
    sgn_server *s = calloc(1, sizeof *s);
    if (!s) SGN_FAIL(err, SGN_NOMEM, "no memory for a server");
    s->o = *o;
    s->last = &s->first;
    s->began = (int64_t)time(NULL);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    const sgn_http_options http = { .host = o->host, .port = o->port, .body_most = (size_t)o->body_most, .connections = CONNECTIONS,
                                    .receive = receive, .ctx = s };
    const sgn_status status = sgn_http_open(&s->http, &http, err);
    if (status == SGN_OK) *out = s;
    else sgn_server_close(s);
    return status;
}

void sgn_server_close(sgn_server *s) {
    if (!s) return;
    close_line(s);
    sgn_http_close(s->http);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int  sgn_server_port(const sgn_server *s) { return sgn_http_port(s->http); }
bool sgn_server_is_local(const sgn_server *s) { return sgn_http_is_local(s->http); }
