/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "train/checkpoint_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/digest.h"
#include "core/log.h"

/* --- names ------------------------------------------------------------------------------------- */

static sgn_status step_path(sgn_path *out, const char *run, int64_t step, sgn_error *err) {
    return sgn_path_set(out, err, "%s/checkpoints/step-%08lld", run, (long long)step);
}

static int by_step(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Steps of checkpoints/step-*, ascending, whether valid or not. */
static sgn_status list_steps(const char *run, int64_t **steps, int *count, sgn_error *err) {
    *steps = NULL;
    *count = 0;
    sgn_path at;
    SGN_TRY(sgn_path_set(&at, err, "%s/checkpoints", run));
    if (!sgn_is_directory(at.s)) return SGN_OK;
    char **names;
    int found;
    SGN_TRY(sgn_directory_list(at.s, "step-", "", &names, &found, err));
    *steps = malloc((size_t)(found + 1) * sizeof **steps);
    for (int i = 0; *steps && i < found; i++) {
        char *end;
        const long long step = strtoll(names[i] + 5, &end, 10);
        if (end > names[i] + 5 && !*end && step >= 0) (*steps)[(*count)++] = step;
    }
    sgn_names_free(names, found);
    if (!*steps) SGN_FAIL(err, SGN_NOMEM, "no memory to list %s", at.s);
    qsort(*steps, (size_t)*count, sizeof **steps, by_step);
    return SGN_OK;
}

bool sgn_checkpoint_any(const char *run) {
    int64_t *steps;
    int count = 0;
    sgn_path broken;
    if (list_steps(run, &steps, &count, NULL) == SGN_OK) free(steps);
    return count > 0 || (sgn_path_set(&broken, NULL, "%s/checkpoints/quarantine", run) == SGN_OK && sgn_file_exists(broken.s));
}

/* --- what is broken, what is left over ---------------------------------------------------------- */

static void quarantine(const char *run, const char *path, const char *why) {
    const char *name = strrchr(path, '/') + 1;
    sgn_path to;
    if (sgn_path_set(&to, NULL, "%s/checkpoints/quarantine", run) != SGN_OK || sgn_make_directories(to.s, NULL) != SGN_OK) return;
    for (int k = 0; k < 1000; k++) {
        if (sgn_path_set(&to, NULL, "%s/checkpoints/quarantine/%s.%d", run, name, k) != SGN_OK) return;
        if (sgn_file_exists(to.s)) continue;
        if (rename(path, to.s) == 0) sgn_warn("moved a broken checkpoint to %s: %s", to.s, why);
        else sgn_warn("left out a broken checkpoint (%s), and could not move it away: %s", strerror(errno), why);
        return;
    }
}

void sgn_checkpoint_sweep(const char *run) {
    sgn_path at, one;
    char **names;
    int count;
    if (sgn_path_set(&at, NULL, "%s/checkpoints", run) != SGN_OK || !sgn_is_directory(at.s)) return;
    if (sgn_directory_list(at.s, ".", "", &names, &count, NULL) != SGN_OK) return;
    for (int i = 0; i < count; i++) {
        if (!strstr(names[i], "step-")) continue;
        if (sgn_path_set(&one, NULL, "%s/%s", at.s, names[i]) != SGN_OK) continue;
        if (sgn_remove_tree(one.s, NULL) == SGN_OK) sgn_info("removed %s, left by a save that did not finish", one.s);
    }
    sgn_names_free(names, count);
}

/* Does the MANIFEST verify? Content that is wrong goes to
 * quarantine; what cannot be read is only passed over, for it may be readable tomorrow. */
static bool proven(const char *run, const char *path) {
    sgn_error why = { 0 };
    const sgn_status s = sgn_manifest_verify(path, &why);
    if (s == SGN_OK) return true;
    sgn_path manifest;
    const bool whole = sgn_path_set(&manifest, NULL, "%s/MANIFEST", path) == SGN_OK && sgn_file_exists(manifest.s);
    if (s == SGN_FORMAT || !whole) quarantine(run, path, why.text);
    else sgn_warn("passed over a checkpoint: %s", why.text);
    return false;
}

sgn_status sgn_checkpoint_newest(const char *run, sgn_path *out, sgn_error *err) {
    int64_t *steps;
    int count;
    SGN_TRY(list_steps(run, &steps, &count, err));
    bool found = false;
    sgn_status s = SGN_OK;
    for (int i = count - 1; i >= 0 && !found && s == SGN_OK; i--) {
        s = step_path(out, run, steps[i], err);
        found = s == SGN_OK && proven(run, out->s);
    }
    free(steps);
    if (s == SGN_OK && !found)
        SGN_FAIL(err, SGN_IO, "%s: has no checkpoint that is whole; %s", run,
                 sgn_checkpoint_any(run) ? "those it has are broken (checkpoints/quarantine): start another run" : "train it first");
    return s;
}

/* --- saving -------------------------------------------------------------------------------------- */

static sgn_status fill(const char *stage, const sgn_position *at, const sgn_transformer *m, const sgn_optimizer *o,
                       const sgn_weight_source *from, const char *const *files, sgn_error *err) {
    SGN_TRY(sgn_state_write(stage, at, m, o, from, err));
    sgn_path to;
    for (; files && files[0]; files += 2) {
        SGN_TRY(sgn_path_set(&to, err, "%s/%s", stage, files[1]));
        SGN_TRY(sgn_file_copy(files[0], to.s, err));
    }
    SGN_TRY(sgn_path_set(&to, err, "%s/config.json", stage));
    sgn_json *config = sgn_model_config_to_json(&m->config);
    if (m->params.warm) {              /* its weights are those of a full model as yet */
        sgn_json *full = sgn_json_new_object();
        sgn_json_set(full, "linear", sgn_json_new_string("full"));
        sgn_json_set(full, "binary", sgn_json_new_string(""));
        sgn_json_set(config, "signum", full);
    }
    const sgn_status s = sgn_json_save(config, 2, to.s, err);
    sgn_json_free(config);
    SGN_TRY(s);
    return sgn_manifest_write(stage, err);
}

/* Renamed first, so that no half-deleted step-* is ever seen. */
static void retire(const char *run, int64_t step) {
    sgn_path from, to;
    if (step_path(&from, run, step, NULL) != SGN_OK) return;
    if (sgn_path_set(&to, NULL, "%s/checkpoints/.old-step-%08lld", run, (long long)step) != SGN_OK) return;
    if (rename(from.s, to.s) != 0 || sgn_remove_tree(to.s, NULL) != SGN_OK)
        sgn_warn("%s: an old checkpoint could not be removed: %s", from.s, strerror(errno));
}

static void keep_newest(const char *run, int64_t keep) {
    int64_t *steps;
    int count;
    if (keep <= 0 || list_steps(run, &steps, &count, NULL) != SGN_OK) return;
    for (int i = 0; i < count - keep; i++) retire(run, steps[i]);
    free(steps);
}

/* So that verifying reads the disk and not what is still in memory. Best effort. */
static void forget_cached(const char *directory) {
    char **names;
    int count;
    if (sgn_directory_list(directory, "", "", &names, &count, NULL) != SGN_OK) return;
    for (int i = 0; i < count; i++) {
        sgn_path path;
        const int fd = sgn_path_set(&path, NULL, "%s/%s", directory, names[i]) == SGN_OK ? open(path.s, O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0) continue;
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
    }
    sgn_names_free(names, count);
}

static sgn_status check_space(const char *run, const sgn_transformer *m, const sgn_optimizer *o, sgn_error *err) {
    const uint64_t need = sgn_checkpoint_bytes(&m->params, o ? o->kind->states : 0), have = sgn_free_space(run);
    if (have < need)
        SGN_FAIL(err, SGN_IO, "%s: a checkpoint takes %.1f MiB and %.1f MiB are free; free some space or lower train.keep",
                 run, (double)need / 1048576, (double)have / 1048576);
    return SGN_OK;
}

static sgn_status save(const char *run, const sgn_position *at, const sgn_transformer *m, const sgn_optimizer *o,
                       const sgn_weight_source *from, const char *const *files, sgn_error *err) {
    sgn_path final;
    SGN_TRY(step_path(&final, run, at->step, err));
    if (sgn_file_exists(final.s) && proven(run, final.s)) return SGN_OK;
    SGN_TRY(check_space(run, m, o, err));
    sgn_staging staging;
    SGN_TRY(sgn_staging_begin(&staging, final.s, false, err));
    const sgn_status s = fill(staging.stage.s, at, m, o, from, files, err);
    if (s != SGN_OK) {
        sgn_error_replace(err, staging.stage.s, staging.final.s);
        sgn_staging_abandon(&staging);
        return s;
    }
    SGN_TRY(sgn_staging_commit(&staging, err));
    forget_cached(final.s);
    return sgn_manifest_verify(final.s, err);
}

sgn_status sgn_checkpoint_save(const char *run, const sgn_position *at, const sgn_transformer *m,
                               const sgn_optimizer *o, const char *const *files, int64_t keep, sgn_error *err) {
    SGN_TRY(save(run, at, m, o, NULL, files, err));
    keep_newest(run, keep);
    return SGN_OK;
}

sgn_status sgn_checkpoint_save_from(const char *run, const sgn_position *at, const sgn_transformer *m,
                                    const sgn_weight_source *from, const char *const *files, sgn_error *err) {
    return save(run, at, m, NULL, from, files, err);
}
