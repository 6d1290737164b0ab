/* main.c - words to calls. Errors end here: one line on stderr and an exit code by kind.
 *
 * SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli/command.h"
#include "cli/terminal.h"
#include "core/gemm.h"

static bool is_help(const char *word) { return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0; }

static bool wants_help(int argc, char **argv) {
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i])) return true;
    return false;
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    const char *name = argc < 2 || is_help(argv[1]) ? "help" : argv[1];
    if (strcmp(name, "--version") == 0) name = "version";
    const sgn_command *c = sgn_command_find(name);
    if (!c) return sgn_command_unknown(name, err);
    const int rest = argc > 2 ? argc - 2 : 0;
    if (wants_help(rest, argv + argc - rest)) {
        sgn_command_explain(c);
        return SGN_OK;
    }
    return c->run(rest, argv + argc - rest, err);
}

int main(int argc, char **argv) {
    signal(SIGXFSZ, SIG_IGN);                  /* a file past `ulimit -f` is a failed write, with a sentence, not the end */
    sgn_log_to(sgn_terminal_log, NULL);
    sgn_error err = { 0 };
    sgn_status s = run(argc, argv, &err);
    sgn_terminal_end(true);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        const sgn_status lost = SGN_ERROR(&err, SGN_IO, "standard output could not be written");
        if (s == SGN_OK) s = lost;
    }
    if (s != SGN_OK) fprintf(stderr, "signum: %s\n", *err.text ? err.text : sgn_status_text(s));
    /* Without memory OpenBLAS's own threads never end, and leaving through it would wait for them. */
    if (s == SGN_NOMEM || sgn_gemm_probe(NULL) != SGN_OK) _exit(sgn_status_exit_code(s));
    return sgn_status_exit_code(s);
}
