/* new_run.h - a model from elsewhere as a run: its tokenizer, and the directory with settings and a checkpoint of step 0.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CLI_NEW_RUN_H
#define SGN_CLI_NEW_RUN_H

#include "core/json.h"
#include "data/tokenizer.h"
#include "model/transformer.h"
#include "train/checkpoint.h"
#include "train/run_config.h"

typedef struct {
    const char             *out;
    bool                    replace;           /* an existing one */
    const sgn_run_config   *config;
    const sgn_tokenizer    *tokenizer;         /* NULL: none */
    const sgn_transformer  *model;
    const sgn_weight_source *from;             /* where its weights come from; NULL: they are in memory */
    const sgn_json         *report;            /* NULL: none */
    const char             *report_name;       /* of its file */
} sgn_new_run;

/* `given` (an option), else what lies beside the model; one that is named must do, else *t is NULL after a warning. */
sgn_status sgn_new_run_tokenizer(const char *model, const char *given, int64_t vocab, sgn_tokenizer **t, sgn_error *err);
/* Appears whole or not at all. */
sgn_status sgn_new_run_write(const sgn_new_run *r, sgn_error *err);

#endif
