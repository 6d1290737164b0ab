/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "core/parallel.h"
#include "serve/server.h"

typedef struct {
    const char *host, *name, *template;
    int64_t     port, body, seed;
    bool        bos, quiet;
    sgn_model_values model;
} values;

static const sgn_option options[] = {
    { "host", SGN_OPTION_WORD, offsetof(values, host), "HOST", "address to listen on (default 127.0.0.1: this machine only)" },
    { "port", SGN_OPTION_INT, offsetof(values, port), "N", "port to listen on; 0: a free one (default 8080)" },
    { "name", SGN_OPTION_WORD, offsetof(values, name), "NAME", "what the model is called for clients (default: as its file)" },
    { "template", SGN_OPTION_WORD, offsetof(values, template), "T", "for chat: chatml, llama2, plain, one of the model's by name, or a file; else the model's own" },
    { "body-limit", SGN_OPTION_INT, offsetof(values, body), "MB", "most megabytes of a request (default 16)" },
    { "seed", SGN_OPTION_INT, offsetof(values, seed), "N", "of requests that tell none (default: by the clock)" },
    { "bos", SGN_OPTION_FLAG, offsetof(values, bos), NULL, "the tokenizer's token that begins a text comes before prompts that are texts" },
    { "quiet", SGN_OPTION_FLAG, offsetof(values, quiet), NULL, "no line per request" },
    SGN_MODEL_OPTIONS(values, model),
    { 0 },
};

static bool stop(void *ctx) {
    (void)ctx;
    return sgn_interrupted();
}

static void served(void *ctx, const sgn_served *what) {
    (void)ctx;
    sgn_terminal_line(stderr, "%d  %lld tokens read, %lld written, %.2f s after %.2f s in line", what->status,
                      (long long)what->usage.prompt_tokens, (long long)what->usage.completion_tokens, what->took, what->waited);
}

/* The last part of the path, without slashes at its end. */
static void name_after(const char *where, char *out, size_t size) {
    size_t n = strlen(where);
    while (n > 1 && where[n - 1] == '/') n--;
    size_t begin = n;
    while (begin > 0 && where[begin - 1] != '/') begin--;
    snprintf(out, size, "%.*s", (int)(n - begin), where + begin);
}

static void say_where(const sgn_server *s, const values *v, const sgn_speaker *p, const char *name) {
    sgn_size_text memory;
    const bool six = strchr(v->host, ':') != NULL;
    if (!sgn_server_is_local(s))
        sgn_warn("listening on %s: whoever reaches this machine can use the model, without a password and unencrypted", v->host);
    printf("%s on http://%s%s%s:%d/v1, context of %lld tokens, %s beside the model, %d threads; Ctrl-C ends\n", name, six ? "[" : "", v->host,
           six ? "]" : "", sgn_server_port(s), (long long)sgn_generator_context(p->generator),
           sgn_size_print(sgn_generator_bytes(p->generator), &memory), sgn_threads());
    fflush(stdout);
}

/* A model's own template that is missing or beyond us only costs /v1/chat/completions. */
static sgn_status open_chat(const values *v, const sgn_speaker *p, sgn_chat **chat, sgn_error *err) {
    sgn_error why = { 0 };
    const sgn_status s = sgn_chat_open(chat, sgn_model_file_directory(p->file), v->template, p->tokenizer, &why);
    if (s == SGN_OK || (!v->template && s == SGN_CONFIG)) return SGN_OK;
    if (v->template || s == SGN_NOMEM) SGN_FAIL(err, s, "%s", why.text);
    sgn_warn("%s; /v1/chat/completions is not answered", why.text);
    return SGN_OK;
}

static sgn_status serve(const values *v, const sgn_speaker *p, const sgn_chat *chat, const char *where, sgn_error *err) {
    char name[128];
    name_after(where, name, sizeof name);
    const sgn_server_options o = {
        .host = v->host, .port = (int)v->port, .body_most = v->body << 20, .model = v->name ? v->name : name, .generator = p->generator,
        .tokenizer = p->tokenizer, .chat = chat, .vocab = sgn_model_file_lowered(p->file)->config.vocab, .bos = v->bos,
        .seed = v->seed >= 0 ? (uint64_t)v->seed : (uint64_t)time(NULL) << 20, .stop = stop, .served = v->quiet ? NULL : served,
    };
    sgn_server *s;
    signal(SIGPIPE, SIG_IGN);                  /* a client that leaves is no reason to end */
    sgn_interrupt_catch();
    SGN_TRY(sgn_server_open(&s, &o, err));
    say_where(s, v, p, o.model);
    sgn_server_run(s);
    sgn_server_close(s);
    return SGN_OK;
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { .host = "127.0.0.1", .port = 8080, .body = 16, .seed = -1 };
    sgn_speaker p = { .file = NULL };
    sgn_chat *chat = NULL;
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 1, 1, err));
    if (v.port < 0 || v.port > 65535) SGN_FAIL(err, SGN_CONFIG, "--port is %lld; 0 (any that is free) to 65535 is expected", (long long)v.port);
    if (v.body < 1 || v.body > 1024) SGN_FAIL(err, SGN_CONFIG, "--body-limit is %lld; 1 to 1024 megabytes are expected", (long long)v.body);
    sgn_status s = sgn_speaker_open(&p, argv[0], &v.model, err);
    if (s == SGN_OK && v.bos && sgn_tokenizer_bos(p.tokenizer) < 0)
        s = SGN_ERROR(err, SGN_CONFIG, "this model's tokenizer has no token that begins a text; leave --bos out");
    if (s == SGN_OK) s = sgn_speaker_ready(&p, &v.model, 0, err);
    if (s == SGN_OK) s = open_chat(&v, &p, &chat, err);
    if (s == SGN_OK) s = serve(&v, &p, chat, argv[0], err);
    sgn_chat_close(chat);
    sgn_speaker_close(&p);
    return s;
}

const sgn_command sgn_command_serve = {
    .name = "serve", .summary = "answer clients of OpenAI's completions and chat API, over HTTP",
    .usage = "MODEL [--host HOST] [--port N] [--name NAME] [--template T] [--context N]",
    .options = options, .run = run,
    .example = "signum serve packed/student --port 8080\n"
               "curl http://127.0.0.1:8080/v1/completions -d '{\"prompt\": \"In the beginning\", \"max_tokens\": 40}'",
};
