/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "train/trainer_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "core/gemm.h"
#include "core/digest.h"
#include "core/kernels/kernels.h"
#include "core/log.h"
#include "core/products.h"
#include "distill/cache.h"
#include "model/model_digest.h"
#include "model/model_load.h"

bool sgn_trainer_continues(const sgn_trainer *t) { return t->from.s[0] != '\0'; }

/* Two processes in one run would retire each other's checkpoints. File systems without locks pass. */
static sgn_status take_lock(sgn_trainer *t, sgn_error *err) {
    sgn_path path;
    SGN_TRY(sgn_path_set(&path, err, "%s/.lock", t->options->out));
    t->lock = open(path.s, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (t->lock < 0) SGN_FAIL(err, SGN_IO, "%s: cannot create: %s; choose another --out", path.s, strerror(errno));
    if (flock(t->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        SGN_FAIL(err, SGN_IO, "%s: another process is training in this run; stop it or choose another --out", t->options->out);
    return SGN_OK;
}

/* Entries that are not hidden. */
static sgn_status count_entries(const char *path, int *count, sgn_error *err) {
    char **names;
    int all;
    SGN_TRY(sgn_directory_list(path, "", "", &names, &all, err));
    *count = 0;
    for (int i = 0; i < all; i++) *count += names[i][0] != '.';
    sgn_names_free(names, all);
    return SGN_OK;
}

sgn_status sgn_trainer_run_begin(sgn_trainer *t, sgn_error *err) {
    const char *run = t->options->out;
    SGN_TRY(sgn_path_set(&t->settings, err, "%s/config.yaml", run));
    SGN_TRY(sgn_path_set(&t->products, err, "%s/products.json", run));
    SGN_TRY(sgn_path_set(&t->tokenizer, err, "%s/tokenizer.json", run));
    if (!sgn_file_exists(run)) return SGN_OK;
    int entries;
    SGN_TRY(count_entries(run, &entries, err));
    if (entries && !sgn_file_exists(t->settings.s))
        SGN_FAIL(err, SGN_CONFIG, "%s: is not empty and not a run; choose another --out", run);
    if (entries && !t->options->resume)
        SGN_FAIL(err, SGN_CONFIG, "%s: holds a run already; continue it with --resume auto, or choose another --out", run);
    SGN_TRY(take_lock(t, err));
    sgn_checkpoint_sweep(run);
    return t->options->resume && sgn_checkpoint_any(run) ? sgn_checkpoint_newest(run, &t->from, err) : SGN_OK;
}

sgn_status sgn_trainer_run_create(sgn_trainer *t, sgn_error *err) {
    SGN_TRY(sgn_make_directories(t->options->out, err));
    return t->lock < 0 ? take_lock(t, err) : SGN_OK;
}

/* --- continuing ---------------------------------------------------------------------------------- */

/* What the bits of the losses come from, besides the settings. */
static void name_kernels(char out[96]) { snprintf(out, 96, "%s, %s", sgn_kernels_get()->name, sgn_gemm_library()); }

/* Of one set its shards.json; of a mix the digests of all, in their order, with the weights. */
sgn_status sgn_trainer_data_digest(const sgn_trainer *t, char out[33], sgn_error *err) {
    const sgn_mix *m = &t->mix;
    char lines[48 * SGN_SHARES_MAX];
    size_t n = 0;
    sgn_digest d = { "" };
    for (int i = 0; i < m->shares.count; i++) {
        sgn_path path;
        SGN_TRY(sgn_path_set(&path, err, "%s/shards.json", sgn_shards_directory(m->set[i].shards)));
        SGN_TRY(sgn_digest_file(path.s, &d, NULL, err));
        n += (size_t)snprintf(lines + n, sizeof lines - n, "%s %u\n", d.hex, m->shares.weight[i]);
    }
    if (m->shares.count > 1) d = sgn_digest_bytes(lines, n);
    strcpy(out, d.hex);
    return SGN_OK;
}

static sgn_status teacher_digest(const sgn_trainer *t, char out[33], sgn_error *err) {
    const char *where = t->config.distill.teacher;
    *out = '\0';
    if (!*where) return SGN_OK;
    sgn_path path;
    sgn_digest d;
    if (sgn_is_cache(where)) {
        SGN_TRY(sgn_path_set(&path, err, "%s/" SGN_CACHE_JSON, where));
        SGN_TRY(sgn_digest_file(path.s, &d, NULL, err));
    } else {
        SGN_TRY(sgn_model_resolve(where, "distill.teacher", &path, err));
        SGN_TRY(sgn_model_digest(path.s, true, &d, err));
    }
    strcpy(out, d.hex);
    return SGN_OK;
}

static sgn_status check_settings(const sgn_trainer *t, bool imported, sgn_error *err) {
    sgn_run_config *saved = malloc(sizeof *saved);
    if (!saved) SGN_FAIL(err, SGN_NOMEM, "no memory for the settings of %s", t->from.s);
    sgn_path path;
    sgn_status s = sgn_path_set(&path, err, "%s/run.yaml", t->from.s);
    if (s == SGN_OK) s = sgn_run_config_load(saved, path.s, NULL, 0, err);
    if (s == SGN_OK) s = (imported ? sgn_run_config_same_model : sgn_run_config_compatible)(saved, &t->config, err);
    free(saved);
    return s;
}

static sgn_status check_sources(const sgn_trainer *t, const sgn_position *now, sgn_error *err) {
    if (strcmp(t->at.data, now->data) != 0 && *t->config.data.mix)
        SGN_FAIL(err, SGN_CONFIG, "data.mix = %.200s: these are not the shards, in this order and with these weights, that the run began with "
                 "(digest %s, now %s)", t->config.data.mix, t->at.data, now->data);
    if (strcmp(t->at.data, now->data) != 0)
        SGN_FAIL(err, SGN_CONFIG, "data.train = %s: these are not the shards that the run began with (digest of shards.json %s, now %s)",
                 t->config.data.train, t->at.data, now->data);
    if (strcmp(t->at.teacher, now->teacher) != 0)
        SGN_FAIL(err, SGN_CONFIG, "distill.teacher = '%s': this is not the teacher that the run began with (digest '%s', now '%s'); "
                 "name the checkpoint itself if the teacher was trained further", t->config.distill.teacher, t->at.teacher, now->teacher);
    if (strcmp(t->at.kernels, now->kernels) != 0)
        sgn_warn("the run began with %s and goes on with %s: its bits will differ from those of an unbroken run",
                 t->at.kernels, now->kernels);
    return SGN_OK;
}

/* The way of each product decides bits: a run goes on as it began, whatever the cache says by now.
 * Other kernels make other bits anyway, and may want other ways. */
static sgn_status settle_products(const sgn_trainer *t, bool same_kernels, sgn_error *err) {
    const int64_t tokens = t->config.train.batch * t->config.train.seq;
    if (!same_kernels) return sgn_products_settle(tokens, err);
    sgn_path path;
    sgn_json *record = NULL;
    bool differ = false;
    SGN_TRY(sgn_path_set(&path, err, "%s/products.json", t->from.s));
    if (sgn_file_exists(path.s)) SGN_TRY(sgn_json_load(&record, path.s, 1 << 20, err));
    const sgn_status s = sgn_products_restore(record, path.s, &differ, err);
    sgn_json_free(record);
    if (s != SGN_OK || !differ) return s;
    sgn_warn("products are forced to go another way than the run began with: its bits will differ from those of an unbroken run");
    return sgn_products_settle(tokens, err);
}

sgn_status sgn_trainer_run_restore(sgn_trainer *t, sgn_error *err) {
    sgn_position now = { 0 };
    name_kernels(now.kernels);
    SGN_TRY(sgn_trainer_data_digest(t, now.data, err));
    SGN_TRY(teacher_digest(t, now.teacher, err));
    t->saved_step = -1;
    bool same_kernels = false;
    if (sgn_trainer_continues(t)) {
        SGN_TRY(sgn_checkpoint_position(t->from.s, &t->at, err));
        const bool imported = !*t->at.data && !*t->at.kernels;
        SGN_TRY(check_settings(t, imported, err));
        SGN_TRY(sgn_checkpoint_load(t->from.s, &t->at, &t->model, imported ? NULL : &t->optimizer, err));
        if (!imported) SGN_TRY(check_sources(t, &now, err));
        same_kernels = strcmp(t->at.kernels, now.kernels) == 0;
        t->saved_step = t->at.step;
        now.step = t->at.step;
        now.tokens = t->at.tokens;
        now.metrics_bytes = t->at.metrics_bytes;
    }
    t->at = now;
    t->model.params.warm = t->at.step < t->config.model.binary_from_step || (t->at.step > 0 && t->at.step == t->config.model.binary_from_step);
    sgn_trainer_draw(t, true);
    return settle_products(t, same_kernels, err);
}

/* --- writing ---------------------------------------------------------------------------------------- */

static sgn_status save_products(const sgn_trainer *t, sgn_error *err) {
    sgn_json *record = sgn_products_record();
    const sgn_status s = sgn_json_save(record, 2, t->products.s, err);
    sgn_json_free(record);
    return s;
}

sgn_status sgn_trainer_run_files(sgn_trainer *t, sgn_error *err) {
    char *text;
    SGN_TRY(save_products(t, err));
    SGN_TRY(sgn_config_dump(&t->config, sgn_run_sections, false, &text, err));
    const sgn_status s = sgn_file_write(t->settings.s, text, strlen(text), err);
    free(text);
    SGN_TRY(s);
    sgn_path from;
    SGN_TRY(sgn_path_set(&from, err, "%s/tokenizer.json", sgn_shards_directory(t->train)));
    if (!sgn_file_exists(from.s) || sgn_file_exists(t->tokenizer.s)) return SGN_OK;
    return sgn_file_copy(from.s, t->tokenizer.s, err);
}

sgn_status sgn_trainer_save(sgn_trainer *t, sgn_error *err) {
    const char *files[] = { t->settings.s, "run.yaml", t->products.s, "products.json", t->tokenizer.s, "tokenizer.json", NULL };
    if (!sgn_file_exists(t->tokenizer.s)) files[4] = NULL;
    t->at.metrics_bytes = t->metrics.bytes;
    SGN_TRY(sgn_checkpoint_save(t->options->out, &t->at, &t->model, &t->optimizer, files, t->config.train.keep, err));
    t->saved_step = t->at.step;
    return SGN_OK;
}
