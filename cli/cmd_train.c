/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/command.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "cli/terminal.h"
#include "train/trainer.h"

typedef struct { const char *out, *resume; } values;

static const sgn_option options[] = {
    { "out", SGN_OPTION_WORD, offsetof(values, out), "RUN", "the run's directory: settings, metrics.jsonl, checkpoints" },
    { "resume", SGN_OPTION_WORD, offsetof(values, resume), "auto", "continue from the run's newest checkpoint, or start where there is none" },
    { 0 },
};

/* --- stopping ------------------------------------------------------------------------------------- */

static volatile sig_atomic_t stop;

static void on_signal(int number) { (void)number; stop = 1; }

/* The first SIGINT asks, the second kills; batch systems may repeat the other two. */
static void catch_signals(void) {
    struct sigaction once = { .sa_handler = on_signal, .sa_flags = SA_RESTART | (int)SA_RESETHAND };
    struct sigaction each = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigaction(SIGINT, &once, NULL);
    sigaction(SIGTERM, &each, NULL);
    sigaction(SIGUSR1, &each, NULL);
}

typedef struct { char s[400]; } command_text;

static void add_word(command_text *c, const char *word) {
    const bool plain = *word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%") == strlen(word);
    const size_t n = strlen(c->s);
    snprintf(c->s + n, sizeof c->s - n, plain ? " %s" : " '%s'", word);
}

/* The command that continues this run, word for word. */
static command_text resume_command(int argc, char **argv) {
    command_text c = { "signum train" };
    bool resumes = false;
    for (int i = 0; i < argc; i++) {
        add_word(&c, argv[i]);
        resumes = resumes || strncmp(argv[i], "--resume", 8) == 0;
    }
    if (!resumes) add_word(&c, "--resume"), add_word(&c, "auto");
    return c;
}

/* --- progress --------------------------------------------------------------------------------------- */

typedef struct {
    sgn_progress last;
    double       valid, valid_bpb;     /* newest, negative: none */
    time_t       began, shown;
    int64_t      shown_step;
} screen;

typedef struct { char s[32]; } span_text;

static const char *span(double seconds, span_text *out) {
    const long long s = seconds > 0 && seconds < 1e9 ? (long long)seconds : 0;
    if (s >= 86400) snprintf(out->s, sizeof out->s, "%lldd %02lld:%02lld h", s / 86400, s / 3600 % 24, s / 60 % 60);
    else if (s >= 3600) snprintf(out->s, sizeof out->s, "%lld:%02lld h", s / 3600, s / 60 % 60);
    else snprintf(out->s, sizeof out->s, "%lld:%02lld", s / 60, s % 60);
    return out->s;
}

static void format(const sgn_progress *p, char *out, size_t room) {
    span_text eta;
    char soft[48] = "", mfu[24] = "";
    if (p->soft > 0) snprintf(soft, sizeof soft, " (hard %.3f soft %.3f)", p->hard, p->soft);
    if (p->mfu > 0) snprintf(mfu, sizeof mfu, "  MFU %.0f %%", 100 * p->mfu);
    snprintf(out, room, "step %lld/%lld  loss %.4f%s  %.0f tok/s  ETA %s  lr %.2e  |g| %.3g%s", (long long)p->step,
             (long long)p->steps, p->loss, soft, p->tokens_per_s, span(p->eta_s, &eta), p->lr, p->grad_norm, mfu);
}

/* On a terminal one line drawn anew; elsewhere a line per 1 % or 10 s, later per minute. */
static bool is_time(const screen *s, const sgn_progress *p, time_t now) {
    if (p->step == p->steps || s->shown == 0) return true;
    const double pause = difftime(now, s->began) < 600 ? 10 : 60;
    return difftime(now, s->shown) >= pause || (p->step - s->shown_step) * 100 >= p->steps;
}

static void report(void *ctx, const sgn_progress *p) {
    screen *s = ctx;
    const time_t now = time(NULL);
    char line[256];
    format(p, line, sizeof line);
    s->last = *p;
    if (sgn_terminal()) sgn_terminal_status("%s", line);
    else if (is_time(s, p, now)) {
        sgn_terminal_line(stdout, "%s", line);
        s->shown = now;
        s->shown_step = p->step;
    }
    if (p->valid < 0) return;
    s->valid = p->valid;
    s->valid_bpb = p->valid_bpb;
    if (p->valid_bpb < 0) sgn_terminal_line(stdout, "step %lld: validation %.4f nats per token", (long long)p->step, p->valid);
    else sgn_terminal_line(stdout, "step %lld: validation %.4f nats per token, %.4f bits per byte", (long long)p->step, p->valid, p->valid_bpb);
}

static void sum_up(const screen *s, const char *out) {
    span_text took;
    if (!s->last.step) return;
    sgn_terminal_end(true);
    printf("%s: %lld steps, loss %.4f", out, (long long)s->last.step, s->last.loss);
    if (s->valid >= 0) printf(", validation %.4f nats per token", s->valid);
    if (s->valid >= 0 && s->valid_bpb >= 0) printf(" = %.4f bits per byte", s->valid_bpb);
    printf(", %s\n", span(difftime(time(NULL), s->began), &took));
}

/* --- the command -------------------------------------------------------------------------------------- */

static sgn_status check_words(const values *v, sgn_error *err) {
    if (!v->out) SGN_FAIL(err, SGN_CONFIG, "--out is missing; name the run's directory: --out runs/NAME");
    if (v->resume && strcmp(v->resume, "auto") != 0)
        SGN_FAIL(err, SGN_CONFIG, "--resume %.80s is unknown; --resume auto continues from the newest checkpoint", v->resume);
    return SGN_OK;
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    const command_text again = resume_command(argc, argv);
    values v = { 0 };
    sgn_run_config c;
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 1, argc, err));
    SGN_TRY(check_words(&v, err));
    SGN_TRY(sgn_run_config_load(&c, argv[0], (const char *const *)argv + 1, argc - 1, err));
    screen s = { .valid = -1, .valid_bpb = -1, .began = time(NULL) };
    catch_signals();
    sgn_log_to(sgn_terminal_log, stdout);
    const sgn_train_options o = {
        .out = v.out, .resume = v.resume != NULL, .measure_peak = true, .stop = &stop, .report = report, .ctx = &s,
    };
    const sgn_status status = sgn_train(&c, &o, err);
    if (status == SGN_OK) sum_up(&s, v.out);
    if (status == SGN_INTERRUPTED) {
        const size_t n = strlen(err->text);
        snprintf(err->text + n, sizeof err->text - n, "; continue with: %s", again.s);
    }
    return status;
}

const sgn_command sgn_command_train = {
    .name = "train", .summary = "train a model, or distil it from a teacher",
    .usage = "CONFIG [KEY=VALUE ...] --out RUN [--resume auto]", .options = options, .run = run,
    .example = "signum train demo data.train=data data.valid=data model.linear=full --out runs/teacher\n"
               "signum train demo data.train=data data.valid=data distill.teacher=runs/teacher --out runs/student",
};
