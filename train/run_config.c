/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "train/run_config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "core/file.h"
#include "model/model_load.h"
#include "optim/schedule.h"

#define AT(type, member) offsetof(type, member)

static const sgn_field start_fields[] = {
    { "init", SGN_FIELD_TEXT, AT(sgn_start_config, init), 0, 0, NULL, "",
      "model to start from: a run, checkpoint, packed or Hugging Face directory, .gguf file, llama2.c .bin; it settles what of model is left open; "
      "empty: random weights" },
    { 0 },
};

static const sgn_field data_fields[] = {
    { "train", SGN_FIELD_TEXT, AT(sgn_data_config, train), 0, 0, NULL, "",
      "shards to learn from: a directory made by `signum tokenize`, or its train/" },
    { "mix", SGN_FIELD_LIST, AT(sgn_data_config, mix), 0, 0, NULL, "",
      "several shard sets instead of data.train, with the share of the windows that each gets: [DIR=0.7, DIR=0.3]" },
    { "valid", SGN_FIELD_TEXT, AT(sgn_data_config, valid), 0, 0, NULL, "",
      "shards to evaluate on: such a directory, or its valid/; empty: none" },
    { "order", SGN_FIELD_CHOICE, AT(sgn_data_config, order), 0, 0, "shuffled|sequential", "shuffled",
      "order of the windows; either way each epoch shows every window once" },
    { "seed", SGN_FIELD_INT, AT(sgn_data_config, seed), 0, 9e15, NULL, "1", "seed of the shuffled order" },
    { "mask_documents", SGN_FIELD_BOOL, AT(sgn_data_config, mask_documents), 0, 0, NULL, "false",
      "tokens see only tokens of their own document, and the first token of a document is not predicted from the one before" },
    { "eot", SGN_FIELD_INT, AT(sgn_data_config, eot), -1, INT32_MAX, NULL, "-1",
      "id that ends a document, for data.mask_documents; -1: the tokenizer's end of text" },
    { 0 },
};

static const sgn_field train_fields[] = {
    { "steps", SGN_FIELD_INT, AT(sgn_train_config, steps), 1, 1e12, NULL, "1000", "optimizer steps of the whole run" },
    { "batch", SGN_FIELD_INT, AT(sgn_train_config, batch), 1, 65536, NULL, "8", "windows per micro-batch" },
    { "seq", SGN_FIELD_INT, AT(sgn_train_config, seq), 1, 1 << 20, NULL, "256", "tokens per window" },
    { "accumulate", SGN_FIELD_INT, AT(sgn_train_config, accumulate), 1, 65536, NULL, "1",
      "micro-batches per optimizer step" },
    { "save_every", SGN_FIELD_INT, AT(sgn_train_config, save_every), 0, 1e12, NULL, "500",
      "steps between checkpoints; 0: only the last step" },
    { "eval_every", SGN_FIELD_INT, AT(sgn_train_config, eval_every), 0, 1e12, NULL, "250",
      "steps between evaluations on data.valid; 0: only the last step" },
    { "keep", SGN_FIELD_INT, AT(sgn_train_config, keep), 0, 1e6, NULL, "3", "newest checkpoints to keep; 0: all" },
    { "eval_windows", SGN_FIELD_INT, AT(sgn_train_config, eval_windows), 0, 1e12, NULL, "0",
      "validation windows per evaluation; 0: all" },
    { "threads", SGN_FIELD_INT, AT(sgn_train_config, threads), 0, 1024, NULL, "0",
      "threads; 0: as many as the process may use. The numbers are the same for any" },
    { "seed", SGN_FIELD_INT, AT(sgn_train_config, seed), 0, 9e15, NULL, "1", "seed of the initial weights" },
    { "kernels", SGN_FIELD_CHOICE, AT(sgn_train_config, kernels), 0, 0, "auto|ref|avx2|avx512|neon", "auto",
      "kernel set; auto: the best that the machine runs" },
    { "products", SGN_FIELD_CHOICE, AT(sgn_train_config, products), 0, 0, "auto|table|sgemm", "auto",
      "products with sign matrices; auto: what was measured to be faster, once per shape and machine, and is kept with the run" },
    { "recompute", SGN_FIELD_BOOL, AT(sgn_train_config, recompute), 0, 0, NULL, "false",
      "keep only the input of each block and run it again in backward: less memory for one more forward pass, the same numbers" },
    { "spike", SGN_FIELD_REAL, AT(sgn_train_config, spike), 0, 1e6, NULL, "0",
      "stop when the loss exceeds this many times its running median for 3 steps; 0: only warn" },
    { 0 },
};

const sgn_section sgn_run_sections[] = {
    { "", start_fields, AT(sgn_run_config, start) },
    { "model", sgn_model_fields, AT(sgn_run_config, model) },
    { "data", data_fields, AT(sgn_run_config, data) },
    { "optim", sgn_optim_fields, AT(sgn_run_config, optim) },
    { "distill", sgn_distill_fields, AT(sgn_run_config, distill) },
    { "train", train_fields, AT(sgn_run_config, train) },
    { 0 },
};

/* --- finding a preset ------------------------------------------------------------------------- */

enum { PLACES = 4 };

/* configs/ in the working directory, beside the program (or above build/FLAVOUR/), and of an installation. */
static int places(sgn_path at[PLACES]) {
    int n = 0;
    snprintf(at[n++].s, SGN_PATH_MAX, "configs");
    char program[SGN_PATH_MAX];
    const ssize_t size = readlink("/proc/self/exe", program, sizeof program - 32);
    if (size <= 0) return n;
    program[size] = '\0';
    *strrchr(program, '/') = '\0';
    static const char *const below[] = { "configs", "../../configs", "../share/signum/configs" };
    for (size_t i = 0; i < sizeof below / sizeof *below; i++)
        snprintf(at[n++].s, SGN_PATH_MAX, "%.900s/%s", program, below[i]);
    return n;
}

static void list(const sgn_path *at, int count, char *out, size_t room) {
    *out = '\0';
    for (int i = 0; i < count; i++) {
        char **names;
        int found;
        if (sgn_directory_list(at[i].s, "", ".yaml", &names, &found, NULL) != SGN_OK) continue;
        for (int k = 0; k < found; k++) {
            const size_t used = strlen(out);
            snprintf(out + used, room - used, "%s%.*s", used ? ", " : "", (int)strlen(names[k]) - 5, names[k]);
        }
        sgn_names_free(names, found);
        if (found) return;
    }
}

static sgn_status find_preset(const char *preset, sgn_path *out, sgn_error *err) {
    const bool directory = sgn_is_directory(preset);
    if (directory) {
        SGN_TRY(sgn_path_set(out, err, "%s/config.yaml", preset));
        if (sgn_file_exists(out->s)) return SGN_OK;
    } else if (strchr(preset, '/') || strstr(preset, ".yaml") || sgn_file_exists(preset))
        return sgn_path_set(out, err, "%s", preset);
    sgn_path at[PLACES];
    const int count = places(at);
    for (int i = 0; i < count; i++) {
        SGN_TRY(sgn_path_set(out, err, "%s/%s.yaml", at[i].s, preset));
        if (sgn_file_exists(out->s)) return SGN_OK;       /* though a directory may have the name of a preset */
    }
    if (directory)
        SGN_FAIL(err, SGN_CONFIG, "%s is a directory without config.yaml; a preset is a YAML file, a name, or a run", preset);
    char known[256];
    list(at, count, known, sizeof known);
    SGN_FAIL(err, SGN_CONFIG, "there is no preset '%s'; give the path of a YAML file or one of: %s", preset, known);
}

static sgn_status take_words(sgn_run_config *c, const char *file, const char *const *overrides, int count, sgn_error *err) {
    if (file) SGN_TRY(sgn_config_load(c, sgn_run_sections, file, err));
    for (int i = 0; i < count; i++) SGN_TRY(sgn_config_override(c, sgn_run_sections, overrides[i], err));
    return SGN_OK;
}

/* How the model to start from was made, in place of defaults; of a full-precision one not what is binary. Where that cannot be read
 * it is told with the weights, if these are needed: a run that continues has settings of its own. */
static bool settings_of_init(const char *init, sgn_model_config *model) {
    enum { KINDS = AT(sgn_model_config, linear), END = AT(sgn_model_config, mixed) + sizeof model->mixed };
    sgn_path at;
    sgn_model_config its;
    if (sgn_model_find(init, "init", &at, NULL) != SGN_OK || sgn_model_load_config(at.s, NULL, &its, NULL) != SGN_OK) return false;
    if (!sgn_model_config_any_binary(&its)) memcpy((char *)&its + KINDS, (char *)model + KINDS, END - KINDS);
    *model = its;
    return true;
}

sgn_status sgn_run_config_load(sgn_run_config *c, const char *preset, const char *const *overrides, int count, sgn_error *err) {
    memset(c, 0, sizeof *c);
    sgn_config_defaults(c, sgn_run_sections);
    sgn_path path;
    sgn_model_config model = c->model;
    if (preset) SGN_TRY(find_preset(preset, &path, err));
    SGN_TRY(take_words(c, preset ? path.s : NULL, overrides, count, err));
    if (*c->start.init && settings_of_init(c->start.init, &model)) {
        sgn_config_defaults(c, sgn_run_sections);
        c->model = model;
        SGN_TRY(take_words(c, preset ? path.s : NULL, overrides, count, err));
    }
    return sgn_run_config_check(c, err);
}

/* --- settings against each other -------------------------------------------------------------- */

static sgn_status check_model(sgn_run_config *c, sgn_error *err) {
    sgn_model_config *m = &c->model;
    if (m->context == 0) m->context = c->train.seq;
    if (m->context < c->train.seq)
        SGN_FAIL(err, SGN_CONFIG, "train.seq = %lld is longer than model.context = %lld; raise model.context or lower train.seq",
                 (long long)c->train.seq, (long long)m->context);
    const int64_t vocab = m->vocab;
    if (vocab == 0) m->vocab = 1;
    SGN_TRY(sgn_model_config_resolve(m, err));
    m->vocab = vocab;
    if (m->binary_from_step >= c->train.steps && m->binary_from_step > 0)
        SGN_FAIL(err, SGN_CONFIG, "model.binary_from_step = %lld is not before train.steps = %lld: nothing would become binary; lower it, or take model.linear=full",
                 (long long)m->binary_from_step, (long long)c->train.steps);
    return SGN_OK;
}

sgn_status sgn_run_config_check(sgn_run_config *c, sgn_error *err) {
    SGN_TRY(check_model(c, err));
    SGN_TRY(sgn_distill_check(&c->distill, err));
    if (*c->data.train && *c->data.mix)
        SGN_FAIL(err, SGN_CONFIG, "data.train and data.mix both name what to learn from; leave one of them empty");
    const sgn_train_config *t = &c->train;
    if ((double)t->batch * (double)t->seq * (double)t->accumulate > 1e10)
        SGN_FAIL(err, SGN_CONFIG, "train.batch x train.seq x train.accumulate = %lld x %lld x %lld is more than 1e10 tokens per step",
                 (long long)t->batch, (long long)t->seq, (long long)t->accumulate);
    if ((double)t->batch * (double)t->seq * (double)t->accumulate * (double)t->steps > 9e18)
        SGN_FAIL(err, SGN_CONFIG, "train.steps = %lld steps of %lld tokens are more than 9e18 tokens", (long long)t->steps,
                 (long long)(t->batch * t->seq * t->accumulate));
    if ((double)t->batch * (double)t->seq > 1 << 24)
        SGN_FAIL(err, SGN_CONFIG, "train.batch x train.seq = %lld x %lld is more than 16,777,216 tokens per micro-batch; "
                 "lower train.batch and raise train.accumulate", (long long)t->batch, (long long)t->seq);
    return sgn_schedule_check(&c->optim, err);
}

/* --- resuming --------------------------------------------------------------------------------- */

static bool is_free(const char *key) {
    static const char *const keys[] = {
        "data.train", "data.mix", "data.valid", "distill.teacher", "train.save_every", "train.eval_every", "train.eval_windows",
        "train.keep", "train.threads", "train.kernels", "train.products", "train.recompute", "train.spike",
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0) return true;
    return false;
}

typedef struct { char s[SGN_LIST_TEXT + 2]; } value_text;

static const char *print_value(const sgn_field *f, const void *at, value_text *out) {
    switch (f->type) {
    case SGN_FIELD_INT: snprintf(out->s, sizeof out->s, "%lld", (long long)*(const int64_t *)at); break;
    case SGN_FIELD_REAL: snprintf(out->s, sizeof out->s, "%.17g", *(const double *)at); break;
    case SGN_FIELD_BOOL: snprintf(out->s, sizeof out->s, "%s", *(const bool *)at ? "true" : "false"); break;
    case SGN_FIELD_TEXT:
    case SGN_FIELD_LIST:
    case SGN_FIELD_CHOICE: snprintf(out->s, sizeof out->s, "'%s'", (const char *)at); break;
    }
    return out->s;
}

/* `only`: one section, NULL: all. */
static sgn_status compare(const sgn_run_config *saved, const sgn_run_config *now, const char *only, sgn_error *err) {
    for (const sgn_section *s = sgn_run_sections; s->name; s++)
        for (const sgn_field *f = s->fields; f->key; f++) {
            char key[96];
            snprintf(key, sizeof key, "%s%s%s", s->name, *s->name ? "." : "", f->key);
            if (is_free(key) || (only && strcmp(s->name, only))) continue;
            value_text a, b;
            print_value(f, (const char *)saved + s->offset + f->offset, &a);
            print_value(f, (const char *)now + s->offset + f->offset, &b);
            if (strcmp(a.s, b.s) == 0) continue;
            SGN_FAIL(err, SGN_CONFIG, "the run began with %s = %.120s, now it is %.120s; resume with the setting it began with, "
                     "or start another run", key, a.s, b.s);
        }
    return SGN_OK;
}

sgn_status sgn_run_config_compatible(const sgn_run_config *saved, const sgn_run_config *now, sgn_error *err) {
    return compare(saved, now, NULL, err);
}

sgn_status sgn_run_config_same_model(const sgn_run_config *saved, const sgn_run_config *now, sgn_error *err) {
    return compare(saved, now, "model", err);
}
