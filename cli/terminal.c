/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE
#include "cli/terminal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static char status[512];               /* what the status line shows; empty: there is none */

bool sgn_terminal(void) {
    static int known = -1;
    if (known < 0) {
        const char *term = getenv("TERM");
        known = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    }
    return known;
}

static int width(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
}

static void draw(void) { fprintf(stderr, "\r\033[K%.*s", width(), status); }

void sgn_terminal_status(const char *fmt, ...) {
    if (!sgn_terminal()) return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(status, sizeof status, fmt, args);
    va_end(args);
    draw();
}

void sgn_terminal_end(bool keep) {
    if (!*status) return;
    fputs(keep ? "\n" : "\r\033[K", stderr);
    *status = 0;
}

void sgn_terminal_line(FILE *out, const char *fmt, ...) {
    if (*status) fputs("\r\033[K", stderr);
    va_list args;
    va_start(args, fmt);
    vfprintf(out, fmt, args);
    va_end(args);
    fputc('\n', out);
    fflush(out);
    if (*status) draw();
}

void sgn_terminal_log(void *ctx, sgn_log_level level, const char *line) {
    if (level == SGN_LOG_WARN) sgn_terminal_line(stderr, "signum: warning: %s", line);
    else sgn_terminal_line(ctx ? ctx : stderr, "%s", line);
}
