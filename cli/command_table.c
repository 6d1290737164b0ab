/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <string.h>
#include "core/config.h"

#define SGN_COMMAND(name) extern const sgn_command sgn_command_##name;
#include "cli/commands.def"
#undef SGN_COMMAND

static const sgn_command *const commands[] = {
#define SGN_COMMAND(name) &sgn_command_##name,
#include "cli/commands.def"
#undef SGN_COMMAND
};
enum { COMMANDS = (int)(sizeof commands / sizeof *commands) };

const sgn_command *sgn_command_at(int i) { return i >= 0 && i < COMMANDS ? commands[i] : NULL; }

const sgn_command *sgn_command_find(const char *name) {
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

sgn_status sgn_command_unknown(const char *name, sgn_error *err) {
    const char *names[COMMANDS];
    for (int i = 0; i < COMMANDS; i++) names[i] = commands[i]->name;
    const char *near = sgn_nearest(name, names, COMMANDS);
    if (near) SGN_FAIL(err, SGN_CONFIG, "there is no command '%.80s'; did you mean '%s'?", name, near);
    SGN_FAIL(err, SGN_CONFIG, "there is no command '%.80s'; 'signum help' lists them", name);
}
