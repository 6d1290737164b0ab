/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include "train/run_config.h"

typedef struct { bool comments, document; } values;

static const sgn_option options[] = {
    { "comments", SGN_OPTION_FLAG, offsetof(values, comments), NULL, "say what each setting means" },
    { "document", SGN_OPTION_FLAG, offsetof(values, document), NULL, "print the reference of all settings (docs/config.md)" },
    { 0 },
};

static const char preface[] =
    "# Settings\n\n"
    "Printed by `signum config --document`; a test holds this page equal to the program.\n\n"
    "Order: defaults (of a run with `init`, the settings of that model), then the preset, then `section.key=value` words of the command line; the last one wins. A preset is YAML with one "
    "mapping per section, given as a path, as the name of a file in `configs/`, or as the directory of a run. An unknown setting is an "
    "error that names the nearest known one. `signum config CONFIG section.key=value` prints the result, as it is kept in "
    "`RUN/config.yaml`.\n\n"
    "A run may be continued with other values of `train.save_every`, `train.eval_every`, `train.eval_windows`, `train.keep`, "
    "`train.threads`, `train.kernels`, `train.products`, `train.recompute` and `train.spike`; all others decide its numbers and are refused. `data.train`, `data.mix`, "
    "`data.valid` and `distill.teacher` may move: their content (of a mix with its order and weights) is compared, not their path. [Data](data.md) "
    "tells how sets are mixed and documents masked.\n\n";

static sgn_status print(char *text, const char *before) {
    printf("%s%s", before, text);
    free(text);
    return SGN_OK;
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { 0 };
    char *text;
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    if (v.document) {
        SGN_TRY(sgn_words_expect(argc, argv, 0, 0, err));
        SGN_TRY(sgn_config_document(sgn_run_sections, &text, err));
        return print(text, preface);
    }
    SGN_TRY(sgn_words_expect(argc, argv, 1, argc, err));
    sgn_run_config c;
    SGN_TRY(sgn_run_config_load(&c, argv[0], (const char *const *)argv + 1, argc - 1, err));
    SGN_TRY(sgn_config_dump(&c, sgn_run_sections, v.comments, &text, err));
    return print(text, "");
}

const sgn_command sgn_command_config = {
    .name = "config", .summary = "print the resolved settings of a preset or a run",
    .usage = "CONFIG [KEY=VALUE ...]", .options = options, .run = run,
    .example = "signum config tiny model.dim=384 --comments",
};
