/* SPDX-License-Identifier: MIT */
#include "cli/new_run.h"

#include <stdlib.h>
#include <string.h>
#include "core/log.h"
#include "data/vocabulary.h"

/* One that lies there may be of a kind that is not known. */
sgn_status sgn_new_run_tokenizer(const char *model, const char *given, int64_t vocab, sgn_tokenizer **t, sgn_error *err) {
    sgn_path beside;
    sgn_error why = { 0 };
    const char *where = given;
    sgn_status s = SGN_OK;
    if (!where) {
        s = sgn_vocabulary_find_beside(model, &beside, &why);
        where = beside.s;
    }
    if (s == SGN_OK) s = sgn_tokenizer_open(t, where, &why);
    if (s != SGN_OK) *t = NULL;
    else if (sgn_tokenizer_vocab(*t) > vocab) {
        s = SGN_ERROR(&why, SGN_CONFIG, "%s: it has %d ids, the model %lld", where, sgn_tokenizer_vocab(*t), (long long)vocab);
        sgn_tokenizer_close(*t);
        *t = NULL;
    }
    if (s != SGN_OK && given) SGN_FAIL(err, s, "--tokenizer: %s", why.text);
    if (s != SGN_OK) sgn_warn("no tokenizer comes along (%s); --tokenizer names one", why.text);
    return SGN_OK;
}

static sgn_status write_files(const sgn_new_run *r, const char *run, sgn_error *err) {
    sgn_path settings, tokenizer, checkpoints, report;
    char *text;
    SGN_TRY(sgn_path_set(&settings, err, "%s/config.yaml", run));
    SGN_TRY(sgn_path_set(&tokenizer, err, "%s/tokenizer.json", run));
    SGN_TRY(sgn_path_set(&checkpoints, err, "%s/checkpoints", run));
    SGN_TRY(sgn_config_dump(r->config, sgn_run_sections, false, &text, err));
    const sgn_status s = sgn_file_write(settings.s, text, strlen(text), err);
    free(text);
    SGN_TRY(s);
    if (r->report) {
        SGN_TRY(sgn_path_set(&report, err, "%s/%s", run, r->report_name));
        SGN_TRY(sgn_json_save(r->report, 2, report.s, err));
    }
    const bool has = r->tokenizer != NULL;
    if (has) SGN_TRY(sgn_tokenizer_save(r->tokenizer, tokenizer.s, err));
    SGN_TRY(sgn_make_directories(checkpoints.s, err));
    const char *files[] = { settings.s, "run.yaml", has ? tokenizer.s : NULL, "tokenizer.json", NULL };
    const sgn_position start = { .step = 0 };
    return r->from ? sgn_checkpoint_save_from(run, &start, r->model, r->from, files, err)
                   : sgn_checkpoint_save(run, &start, r->model, NULL, files, 0, err);
}

sgn_status sgn_new_run_write(const sgn_new_run *r, sgn_error *err) {
    sgn_staging staging;
    SGN_TRY(sgn_staging_begin(&staging, r->out, r->replace, err));
    const sgn_status s = write_files(r, staging.stage.s, err);
    if (s == SGN_OK) return sgn_staging_commit(&staging, err);
    sgn_error_replace(err, staging.stage.s, staging.final.s);
    sgn_staging_abandon(&staging);
    return s;
}
