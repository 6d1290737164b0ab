/* terminal.h - one line on stderr that is drawn over and over, and log lines that respect it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CLI_TERMINAL_H
#define SGN_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>
#include "core/log.h"

/* Is stderr a terminal that can redraw a line? */
bool sgn_terminal(void);
/* Replaces the status line, cut to the terminal's width; nothing where stderr is no terminal. */
void sgn_terminal_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Ends the status line: kept on screen, or wiped. */
void sgn_terminal_end(bool keep);
/* A line of text, at once, above the status line. */
void sgn_terminal_line(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A log sink: information as it is to ctx, a FILE (NULL: stderr); warnings, marked, to stderr. */
void sgn_terminal_log(void *ctx, sgn_log_level level, const char *line);

#endif
