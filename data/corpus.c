/* Parts of the inputs are tokenized one by one, by as many processes as are at it, then put together by one
 * of them. Nothing depends on who did what, so neither does the result.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "data/corpus.h"

#include <stdlib.h>
#include <unistd.h>
#include "core/clock.h"
#include "core/file.h"
#include "data/corpus_merge.h"
#include "data/corpus_part.h"
#include "data/corpus_plan.h"
#include "data/corpus_report.h"
#include "data/corpus_work.h"

enum { PATIENCE = 100000 };    /* microseconds between two looks at what others do */

typedef struct {
    sgn_corpus_plan   plan;
    sgn_corpus_work   work;
    const char       *out;
    double            began;
    sgn_corpus_report finished;            /* over the parts that are */
    bool             *counted;             /* (parts) in it */
} job;

/* OUT is there and was made of this plan. */
static bool is_made(const job *j, sgn_corpus_report *report) {
    sgn_path path;
    return !j->plan.stream && sgn_path_set(&path, NULL, "%s/" SGN_CORPUS_REPORT, j->out) == SGN_OK
           && sgn_corpus_report_load(report, j->plan.digest.hex, path.s, NULL) == SGN_OK;
}

/* --- parts ------------------------------------------------------------------------------------------------ */

static sgn_status count_part(job *j, int part, sgn_error *err) {
    sgn_path dir, path;
    sgn_corpus_report r;
    SGN_TRY(sgn_corpus_work_part(&j->work, part, &dir, err));
    SGN_TRY(sgn_path_set(&path, err, "%s/" SGN_CORPUS_REPORT, dir.s));
    SGN_TRY(sgn_corpus_report_load(&r, j->plan.digest.hex, path.s, err));
    sgn_corpus_report_add(&j->finished, &r);
    j->counted[part] = true;
    return SGN_OK;
}

static sgn_status do_part(job *j, int part, bool *busy, sgn_error *err) {
    sgn_part_state state;
    sgn_corpus_report r;
    sgn_path dir;
    SGN_TRY(sgn_corpus_work_claim(&j->work, part, &state, err));
    *busy |= state == SGN_PART_BUSY;
    if (state == SGN_PART_BUSY) return SGN_OK;
    if (state == SGN_PART_MINE) {
        SGN_TRY(sgn_corpus_work_part(&j->work, part, &dir, err));
        j->finished.seconds = sgn_clock_wall() - j->began;
        SGN_TRY(sgn_corpus_part(&j->plan, part, dir.s, &j->finished, &r, err));
        sgn_corpus_work_release(&j->work);
    }
    return count_part(j, part, err);
}

static sgn_status wait(job *j, sgn_error *err) {
    if (sgn_corpus_work_gone(&j->work))
        SGN_FAIL(err, SGN_IO, "%s: was removed while this process was at work in it", j->work.dir.s);
    j->finished.seconds = sgn_clock_wall() - j->began;
    if (j->plan.options->progress && !j->plan.options->progress(j->plan.options->ctx, &j->finished))
        SGN_FAIL(err, SGN_INTERRUPTED, "stopped; other processes go on");
    usleep(PATIENCE);
    return SGN_OK;
}

static sgn_status do_parts(job *j, sgn_error *err) {
    for (bool busy = true; busy;) {
        busy = false;
        for (int p = 0; p < j->plan.parts; p++)
            if (!j->counted[p]) SGN_TRY(do_part(j, p, &busy, err));
        if (busy) SGN_TRY(wait(j, err));
    }
    return SGN_OK;
}

/* --- putting together --------------------------------------------------------------------------------------- */

static sgn_status put_together(job *j, sgn_corpus_report *report, sgn_error *err) {
    for (sgn_part_state state;;) {
        SGN_TRY(sgn_corpus_work_claim_merge(&j->work, &state, err));
        if (state == SGN_PART_MINE) break;
        SGN_TRY(wait(j, err));
    }
    if (sgn_corpus_work_gone(&j->work)) return wait(j, err);
    if (!j->plan.options->replace && is_made(j, report)) return sgn_corpus_work_remove(&j->work, err);
    *report = (sgn_corpus_report){ .seconds = sgn_clock_wall() - j->began, .total_bytes = j->plan.inputs.bytes };
    const sgn_status s = sgn_corpus_merge(&j->work, &j->plan, j->out, report, err);
    /* What cannot be put together now never can: it must not stand in the way of another try. */
    if (s == SGN_OK || s == SGN_FORMAT || s == SGN_CONFIG) {
        const sgn_status removed = sgn_corpus_work_remove(&j->work, s == SGN_OK ? err : NULL);
        return s == SGN_OK ? removed : s;
    }
    return s;
}

static sgn_status build(job *j, sgn_corpus_report *report, sgn_error *err) {
    const sgn_corpus_options *o = j->plan.options;
    SGN_TRY(sgn_corpus_work_join(&j->work, j->out, &j->plan, o->restart, err));
    if (!o->replace && sgn_file_exists(j->out)) {
        if (!is_made(j, report))
            SGN_FAIL(err, SGN_IO, "%s: exists already, made from other inputs or settings; replace it (--replace) or choose another name",
                     j->out);
        report->unchanged = j->work.finished = true;
        return SGN_OK;
    }
    j->counted = calloc((size_t)j->plan.parts, sizeof *j->counted);
    if (!j->counted) SGN_FAIL(err, SGN_NOMEM, "no memory for a list of %d parts", j->plan.parts);
    j->finished.total_bytes = j->plan.inputs.bytes;
    SGN_TRY(do_parts(j, err));
    return put_together(j, report, err);
}

sgn_status sgn_corpus_build(const char *out, const sgn_corpus_options *o, sgn_corpus_report *report, sgn_error *err) {
    job j = { .out = out, .began = sgn_clock_wall(), .work = { .member = -1, .claim = -1 } };
    sgn_error why = { 0 };
    *report = (sgn_corpus_report){ 0 };
    sgn_status s = sgn_corpus_plan_make(&j.plan, o, &why);
    if (s == SGN_OK) s = build(&j, report, &why);
    if (s != SGN_OK && j.work.member >= 0 && sgn_corpus_work_gone(&j.work) && is_made(&j, report)) s = SGN_OK;  /* by another process */
    report->seconds = sgn_clock_wall() - j.began;
    sgn_corpus_work_leave(&j.work);
    sgn_corpus_plan_free(&j.plan);
    free(j.counted);
    if (s != SGN_OK) SGN_FAIL(err, s, "%s", why.text);
    return SGN_OK;
}
