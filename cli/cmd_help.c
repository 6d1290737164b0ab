/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

static void print_options(const sgn_option *options) {
    if (!options || !options->name) return;
    puts("\noptions:");
    for (const sgn_option *o = options; o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "--%s %s", o->name, o->argument ? o->argument : "");
        printf("  %-22s %s\n", left, o->help);
    }
}

void sgn_command_explain(const sgn_command *c) {
    printf("signum %s %s\n\n%s\n", c->name, c->usage, c->summary);
    print_options(c->options);
    printf("\nexample:\n");
    for (const char *line = c->example; *line;) {
        const size_t n = strcspn(line, "\n");
        printf("  %.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

static void print_overview(void) {
    puts("signum trains binary language models on CPUs, packs them to one bit per weight and runs them.\n\n"
         "usage: signum COMMAND ...        signum COMMAND --help\n");
    for (int i = 0; sgn_command_at(i); i++)
        printf("  %-13s %s\n", sgn_command_at(i)->name, sgn_command_at(i)->summary);
    puts("\nexit codes:");
    for (int code = 0; code < 256; code++)
        for (int s = 0; s < SGN_STATUS_COUNT; s++)
            if (sgn_status_exit_code((sgn_status)s) == code) printf("  %-10d %s\n", code, sgn_status_text((sgn_status)s));
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    SGN_TRY(sgn_options_parse(NULL, NULL, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 0, 1, err));
    if (argc == 0) {
        print_overview();
        return SGN_OK;
    }
    const sgn_command *c = sgn_command_find(argv[0]);
    if (!c) return sgn_command_unknown(argv[0], err);
    sgn_command_explain(c);
    return SGN_OK;
}

const sgn_command sgn_command_help = {
    .name = "help", .summary = "list the commands, or explain one",
    .usage = "[COMMAND]", .example = "signum help train", .run = run,
};
