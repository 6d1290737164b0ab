/* SPDX-License-Identifier: MIT */
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>

static sgn_log_sink log_sink;
static void *log_ctx;

void sgn_log_to(sgn_log_sink sink, void *ctx) {
    log_sink = sink;
    log_ctx = ctx;
}

void sgn_log(sgn_log_level level, const char *fmt, ...) {
    if (!log_sink) return;
    char line[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    log_sink(log_ctx, level, line);
}
