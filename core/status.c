/* SPDX-License-Identifier: MIT */
#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct { const char *text; int exit_code; } statuses[] = {
#define X(name, text, code) { text, code },
    SGN_STATUS_LIST(X)
#undef X
};

const char *sgn_status_text(sgn_status s) {
    return s < SGN_STATUS_COUNT ? statuses[s].text : "unknown status";
}

int sgn_status_exit_code(sgn_status s) {
    return s < SGN_STATUS_COUNT ? statuses[s].exit_code : 1;
}

sgn_status sgn_fail(sgn_error *err, sgn_status s, const char *file, int line,
                    const char *fmt, ...) {
    if (!err || err->status != SGN_OK) return s;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    for (char *c = err->text; *c; c++)
        if ((unsigned char)*c < ' ') *c = '?';      /* names from files may hold line ends */
    err->status = s;
    err->file = file;
    err->line = line;
    return s;
}

void sgn_error_replace(sgn_error *err, const char *what, const char *by) {
    const char *at = err && *what ? strstr(err->text, what) : NULL;
    if (!at) return;
    char text[sizeof err->text];
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - err->text), err->text, by, at + strlen(what));
    memcpy(err->text, text, sizeof text);
}
