/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include "core/config.h"
#include "core/digest.h"
#include "core/file.h"
#include "export/format.h"

enum { MAX_FORMATS = 32 };

static sgn_status unknown(const char *format, sgn_error *err) {
    const char *names[MAX_FORMATS];
    int count = 0;
    for (; count < MAX_FORMATS && sgn_format_at(count); count++) names[count] = sgn_format_at(count)->name;
    const char *near = sgn_nearest(format, names, count);
    SGN_FAIL(err, SGN_CONFIG, "there is no export format '%.40s'; did you mean '%s'?", format, near ? near : names[0]);
}

/* Is the type that is asked for one of the row's? */
static sgn_status check_type(const sgn_format *f, const char *type, sgn_error *err) {
    char words[96] = "";
    if (!type) return SGN_OK;
    for (int i = 0; f->types && f->types[i]; i++) {
        if (strcmp(type, f->types[i]) == 0) return SGN_OK;
        snprintf(words + strlen(words), sizeof words - strlen(words), "%s%s", i ? ", " : "", f->types[i]);
    }
    if (!*words) SGN_FAIL(err, SGN_CONFIG, "--type %.20s: --format %s has no choice of types; leave it out", type, f->name);
    SGN_FAIL(err, SGN_CONFIG, "--type %.20s: --format %s has %s", type, f->name, words);
}

static sgn_status write(const char *directory, const sgn_format *f, const sgn_transformer *m,
                        const sgn_export_options *o, sgn_error *err) {
    sgn_lowered_model lm;
    SGN_TRY(sgn_lowered_model_from(&lm, m, err));
    const sgn_status s = f->write(directory, m, &lm, o, err);
    sgn_lowered_model_free(&lm);
    SGN_TRY(s);
    SGN_TRY(sgn_manifest_write(directory, err));
    return o->check ? o->check(o->ctx, directory, err) : SGN_OK;
}

sgn_status sgn_export(const char *format, const char *directory, const sgn_transformer *m,
                      const sgn_export_options *o, bool replace, sgn_error *err) {
    const sgn_format *f = sgn_format_find(format);
    if (!f) return unknown(format, err);
    const sgn_export_options none = { 0 };
    SGN_TRY(check_type(f, o ? o->type : NULL, err));
    sgn_staging staging;
    SGN_TRY(sgn_staging_begin(&staging, directory, replace, err));
    const sgn_status s = write(staging.stage.s, f, m, o ? o : &none, err);
    if (s == SGN_OK) return sgn_staging_commit(&staging, err);
    sgn_error_replace(err, staging.stage.s, staging.final.s);
    sgn_error_replace(err, staging.stage.s, staging.final.s);
    sgn_staging_abandon(&staging);
    return s;
}
