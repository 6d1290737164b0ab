/* command.h - what a command of the program is. Rows: cli/commands.def.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CLI_COMMAND_H
#define SGN_CLI_COMMAND_H

#include "cli/options.h"
#include "core/status.h"

#define SGN_VERSION "0.1.0"

typedef struct {
    const char *name, *summary;        /* "train", one line */
    const char *usage;                 /* "CONFIG [KEY=VALUE ...] --out RUN": what follows the name */
    const char *example;               /* whole lines, as one would type them */
    const sgn_option *options;         /* listed by --help; NULL: none */
    sgn_status (*run)(int argc, char **argv, sgn_error *err);      /* argv: the words after the name */
} sgn_command;

const sgn_command *sgn_command_find(const char *name);             /* NULL: none */
const sgn_command *sgn_command_at(int i);                          /* NULL past the end */
/* SGN_CONFIG, naming the command that is nearest to `name`. */
sgn_status         sgn_command_unknown(const char *name, sgn_error *err);
void               sgn_command_explain(const sgn_command *c);      /* to stdout */

#endif
