/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "data/chat_template.h"

typedef struct {
    const char *template, *system;
    int64_t     tokens;
    bool        json, render;
    sgn_option_list     stop;
    sgn_sampling_values sampling;
    sgn_model_values    model;
} values;

static const sgn_option options[] = {
    { "system", SGN_OPTION_WORD, offsetof(values, system), "TEXT", "what the model is told before the first message" },
    { "template", SGN_OPTION_WORD, offsetof(values, template), "T", "chatml, llama2, plain, one of the model's by name, or a file; else the model's own" },
    { "tokens", SGN_OPTION_INT, offsetof(values, tokens), "N", "most tokens of an answer (default 512)" },
    { "stop", SGN_OPTION_LIST, offsetof(values, stop), "TEXT", "an answer ends before this text; may be given more than once" },
    SGN_SAMPLING_OPTIONS(values, sampling),
    { "render", SGN_OPTION_FLAG, offsetof(values, render), NULL, "print what the model would read, instead of an answer" },
    { "json", SGN_OPTION_FLAG, offsetof(values, json), NULL, "print one object per answer: text, finish, prompt_tokens, tokens" },
    SGN_MODEL_OPTIONS(values, model),
    { 0 },
};

typedef struct {
    const values *v;
    sgn_speaker   speaker;
    sgn_chat     *chat;
    sgn_json     *messages;    /* a list; a system message may come first */
    sgn_ids       ids;
    FILE         *answer;      /* memory */
    char         *text;
    size_t        size;
    int64_t       turns, made;
    sgn_finish    finish;
    bool          talks;       /* standard input is a terminal */
} talk;

/* --- Ctrl-C: an answer ends, the program goes on ----------------------------------------------------------- */

static volatile sig_atomic_t stopped;
static int wake[2] = { -1, -1 };               /* a pipe: any thread may get the signal, this one waits for input */

static void on_interrupt(int number) {
    (void)number;
    stopped = 1;
    if (write(wake[1], "", 1) < 0) stopped = 1;
}

/* A second one before the next call ends the program. */
static void catch_interrupt(void) {
    char bytes[16];
    while (read(wake[0], bytes, sizeof bytes) > 0) continue;
    stopped = 0;
    sigaction(SIGINT, &(struct sigaction){ .sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND | SA_RESTART }, NULL);
}

/* Waits for a line of a terminal; false: Ctrl-C came instead. */
static bool wait_for_line(void) {
    struct pollfd in[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = wake[0], .events = POLLIN } };
    while (poll(in, 2, -1) < 0) continue;                      /* a signal: the pipe tells which */
    return !in[1].revents;
}

/* --- messages ----------------------------------------------------------------------------------------------- */

static sgn_status add_message(talk *t, const char *role, const char *text, size_t n, sgn_error *err) {
    sgn_json *m = sgn_json_new_object();
    sgn_json_set(m, "role", sgn_json_new_string(role));
    sgn_json_set(m, "content", sgn_json_new_text(text, n));
    if (!m || !t->messages) SGN_FAIL(err, SGN_NOMEM, "no memory for the messages");
    sgn_json_append(t->messages, m);
    return SGN_OK;
}

/* Messages from `first` on, at most `count`, in a new list; a system message stays before them. */
static void keep_messages(talk *t, size_t first, size_t count) {
    sgn_json *kept = sgn_json_new_array();
    const size_t n = sgn_json_size(t->messages);
    for (size_t i = 0; i < n; i++) {
        const sgn_json *m = sgn_json_at(t->messages, i);
        const char *role = sgn_json_string(sgn_json_get(m, "role"), ""), *text = sgn_json_string(sgn_json_get(m, "content"), "");
        if (strcmp(role, "system") != 0 && (i < first || i >= first + count)) continue;
        sgn_json *copy = sgn_json_new_object();
        sgn_json_set(copy, "role", sgn_json_new_string(role));
        sgn_json_set(copy, "content", sgn_json_new_string(text));
        sgn_json_append(kept, copy);
    }
    sgn_json_free(t->messages);
    t->messages = kept;
}

static bool has_system(const talk *t) {
    return strcmp(sgn_json_string(sgn_json_get(sgn_json_at(t->messages, 0), "role"), ""), "system") == 0;
}

static void drop_last(talk *t) { keep_messages(t, 0, sgn_json_size(t->messages) - 1); }

static sgn_status begin_again(talk *t, sgn_error *err) {
    sgn_json_free(t->messages);
    t->messages = sgn_json_new_array();
    return t->v->system ? add_message(t, "system", t->v->system, strlen(t->v->system), err) : SGN_OK;
}

/* t->ids of what fits into the context with an answer behind it: the oldest question and its answer go until it does. */
static sgn_status fit(talk *t, sgn_error *err) {
    const int64_t context = sgn_generator_context(t->speaker.generator), quarter = context / 4 > 1 ? context / 4 : 1;
    const int64_t room = t->v->tokens < quarter ? t->v->tokens : quarter;
    for (int dropped = 0;; dropped++) {
        t->ids.count = 0;
        SGN_TRY(sgn_chat_encode(t->chat, t->messages, NULL, &t->ids, err));
        const size_t first = has_system(t), n = sgn_json_size(t->messages);
        if (t->ids.count && (int64_t)t->ids.count + room <= context) {
            if (dropped) sgn_warn("the context of %lld tokens is full: the oldest %d %s forgotten", (long long)context, dropped,
                                  dropped == 1 ? "question and its answer are" : "questions and their answers are");
            return SGN_OK;
        }
        if (n < first + 3)
            SGN_FAIL(err, SGN_CONFIG, "this message makes %zu tokens, the context has %lld with %lld for the answer; shorten it",
                     t->ids.count, (long long)context, (long long)room);
        keep_messages(t, first + 2, n);
    }
}

/* --- an answer ------------------------------------------------------------------------------------------------ */

static void show(const talk *t, const char *text, size_t n) {
    if (n) fwrite(text, 1, n, t->answer);
    if (t->v->json || !n) return;
    fwrite(text, 1, n, stdout);
    fflush(stdout);
}

static sgn_status generate(talk *t, sgn_error *err) {
    const values *v = t->v;
    const char *stop[SGN_STOPS_MAX + 1];
    sgn_generation what = { .sampling = sgn_sampling_of(&v->sampling), .most = v->tokens, .stop = stop, .begins = true };
    sgn_generated g;
    for (; what.stops < v->stop.count; what.stops++) stop[what.stops] = v->stop.at[what.stops];
    if (sgn_chat_stop(t->chat)) stop[what.stops++] = sgn_chat_stop(t->chat);
    what.stop_id = sgn_chat_stop_ids(t->chat, &what.stop_ids);
    what.sampling.seed += (uint64_t)t->turns++;
    SGN_TRY(fit(t, err));
    SGN_TRY(sgn_generator_begin(t->speaker.generator, &what, t->ids.id, t->ids.count, err));
    t->made = 0;
    do {
        SGN_TRY(sgn_generator_next(t->speaker.generator, &g, err));
        show(t, g.text, g.size);
        t->made += g.id >= 0 && g.finish != SGN_FINISH_END;
    } while (!g.finish && !stopped);
    t->finish = g.finish;
    return SGN_OK;
}

static sgn_status report(talk *t, sgn_error *err) {
    if (!t->v->json) {
        putchar('\n');
        if (t->finish == SGN_FINISH_CONTEXT) sgn_warn("the context is full: the answer ends here; /reset begins again");
        return SGN_OK;
    }
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "text", sgn_json_new_text(t->text, t->size));
    sgn_json_set(j, "finish", sgn_json_new_string(sgn_finish_word(t->finish)));
    sgn_json_set(j, "prompt_tokens", sgn_json_new_int((int64_t)t->ids.count));
    sgn_json_set(j, "tokens", sgn_json_new_int(t->made));
    return sgn_print_json(j, 0, err);
}

static sgn_status render(talk *t, sgn_error *err) {
    char *text;
    size_t n;
    SGN_TRY(sgn_chat_render(t->chat, t->messages, NULL, true, &text, &n, err));
    fwrite(text, 1, n, stdout);
    putchar('\n');
    free(text);
    return SGN_OK;
}

static sgn_status answer(talk *t, const char *line, size_t n, sgn_error *err) {
    SGN_TRY(add_message(t, "user", line, n, err));
    if (t->v->render) return render(t, err);
    t->answer = open_memstream(&t->text, &t->size);
    if (!t->answer) SGN_FAIL(err, SGN_NOMEM, "no memory for an answer");
    catch_interrupt();
    sgn_status s = generate(t, err);
    if (fflush(t->answer) != 0 && s == SGN_OK) s = SGN_ERROR(err, SGN_NOMEM, "no memory for an answer");
    if (s == SGN_OK) s = report(t, err);
    if (s == SGN_OK) s = add_message(t, "assistant", t->text, t->size, err);
    if (!t->talks) signal(SIGINT, SIG_DFL);        /* between answers of a list of questions it ends the program */
    fclose(t->answer);
    free(t->text);
    t->text = NULL;
    fflush(stdout);
    return s;
}

/* --- lines ------------------------------------------------------------------------------------------------------ */

static sgn_status take_line(talk *t, const char *line, size_t n, bool *over, sgn_error *err) {
    sgn_error wrong = { 0 };
    if (strcmp(line, "/exit") == 0) return *over = true, SGN_OK;
    if (strcmp(line, "/reset") == 0) return begin_again(t, err);
    if (n == 0) return SGN_OK;
    if (line[0] == '/' && t->talks && strcmp(line, "/help") == 0) {
        puts("/reset forgets all messages, /exit or Ctrl-D leaves, Ctrl-C ends an answer");
        return SGN_OK;
    }
    const size_t before = sgn_json_size(t->messages);
    const sgn_status s = answer(t, line, n, t->talks ? &wrong : err);
    if (s == SGN_OK || !t->talks) return s;
    fprintf(stderr, "signum: %s\n", wrong.text);           /* the talk goes on without that message */
    if (sgn_json_size(t->messages) > before) drop_last(t);
    return SGN_OK;
}

static sgn_status run_lines(talk *t, sgn_error *err) {
    char *line = NULL;
    size_t room = 0;
    sgn_status s = SGN_OK;
    bool over = false;
    while (s == SGN_OK && !over) {
        if (t->talks) {
            catch_interrupt();
            fputs("> ", stdout);
            fflush(stdout);
            if (!wait_for_line()) {
                puts("\n/exit or Ctrl-D leaves");
                continue;
            }
        }
        ssize_t n = getline(&line, &room, stdin);
        if (n < 0) break;
        while (n && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = '\0';
        s = take_line(t, line, (size_t)n, &over, err);
    }
    if (s == SGN_OK && !over && ferror(stdin)) s = SGN_ERROR(err, SGN_IO, "standard input could not be read");
    if (t->talks && !over) putchar('\n');
    free(line);
    return s;
}

static sgn_status run_chat(talk *t, const char *model, sgn_error *err) {
    if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0) SGN_FAIL(err, SGN_IO, "no pipe can be opened");
    SGN_TRY(sgn_speaker_open(&t->speaker, model, &t->v->model, err));
    SGN_TRY(sgn_chat_open(&t->chat, sgn_model_file_directory(t->speaker.file), t->v->template, t->speaker.tokenizer, err));
    if (!t->v->render) SGN_TRY(sgn_speaker_ready(&t->speaker, &t->v->model, 0, err));
    SGN_TRY(begin_again(t, err));
    if (t->talks) fprintf(stderr, "%s; template: %s; /help\n", model, sgn_chat_name(t->chat));
    return run_lines(t, err);
}

static sgn_status check_values(const values *v, sgn_error *err) {
    if (v->tokens < 1 || v->tokens > INT32_MAX)
        SGN_FAIL(err, SGN_CONFIG, "--tokens is %lld; a count from 1 is expected", (long long)v->tokens);
    if (v->stop.count >= SGN_STOPS_MAX) SGN_FAIL(err, SGN_CONFIG, "--stop is given %d times; %d are the most", v->stop.count, SGN_STOPS_MAX - 1);
    const sgn_generation what = { .sampling = sgn_sampling_of(&v->sampling), .stop = v->stop.at, .stops = v->stop.count };
    return sgn_generation_check(&what, err);
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { .tokens = 512, .sampling = SGN_SAMPLING_DEFAULTS };
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 1, 1, err));
    SGN_TRY(check_values(&v, err));
    talk t = { .v = &v, .talks = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) };
    const sgn_status s = run_chat(&t, argv[0], err);
    sgn_ids_free(&t.ids);
    sgn_json_free(t.messages);
    sgn_chat_close(t.chat);
    sgn_speaker_close(&t.speaker);
    return s;
}

const sgn_command sgn_command_chat = {
    .name = "chat", .summary = "talk with a model, by its chat template",
    .usage = "MODEL [--system TEXT] [--template chatml|llama2|plain|FILE] [--tokens N] [--temperature T] [--json]",
    .options = options, .run = run,
    .example = "signum chat packed/student --system \"Answer briefly.\"\necho \"What is a sign?\" | signum chat packed/student --temperature 0",
};
