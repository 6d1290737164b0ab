/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/new_run.h"
#include "cli/output.h"
#include "core/gemm.h"
#include "core/parallel.h"
#include "model/model_load.h"
#include "train/run_config.h"

typedef struct {
    const char *out, *tokenizer;
    int64_t     threads;
    bool        set, replace, json;
} values;

static const sgn_option options[] = {
    { "out", SGN_OPTION_WORD, offsetof(values, out), "RUN", "the run's directory to make" },
    { "set", SGN_OPTION_FLAG, offsetof(values, set), NULL, "before KEY=VALUE ...: settings of the run; model.linear=fbi binarizes" },
    { "tokenizer", SGN_OPTION_WORD, offsetof(values, tokenizer), "FILE", "its tokenizer (default: what the model brings, if anything)" },
    { "replace", SGN_OPTION_FLAG, offsetof(values, replace), NULL, "an existing RUN" },
    { "threads", SGN_OPTION_INT, offsetof(values, threads), "N", "0: as many as the process may use (default)" },
    { "json", SGN_OPTION_FLAG, offsetof(values, json), NULL, "print one object" },
    { 0 },
};

typedef struct {
    const values   *v;
    sgn_path        from;              /* what holds the arrays */
    sgn_tokenizer  *tokenizer;         /* NULL: none */
    sgn_run_config  config;
    sgn_transformer model;
} importer;

/* --- what the run will be ------------------------------------------------------------------------------- */

/* Latents are no weights: only what was trained knows the scales that go with their signs. */
static sgn_status check_linears(const importer *im, const sgn_model_config *source, sgn_error *err) {
    if (!sgn_model_config_any_binary(source)) return SGN_OK;
    const sgn_model_config *c = &im->config.model;
    for (int64_t i = 0; i < c->layers * SGN_LINEARS; i++) {
        const char *module = sgn_linear_module((sgn_block_linear)(i % SGN_LINEARS));
        const char *was = sgn_model_config_linear(source, i / SGN_LINEARS, module), *is = sgn_model_config_linear(c, i / SGN_LINEARS, module);
        if (strcmp(was, "full") && strcmp(was, is))
            SGN_FAIL(err, SGN_CONFIG, "%s: %s of layer %lld is '%s' there and cannot become '%s'; export it with --format hf first, then import that",
                     im->from.s, module, (long long)(i / SGN_LINEARS), was, is);
    }
    return SGN_OK;
}

static bool is_set(int count, char **set, const char *key) {
    for (int i = 0; i < count; i++)
        if (strncmp(set[i], key, strlen(key)) == 0 && set[i][strlen(key)] == '=') return true;
    return false;
}

/* Defaults, then the source's model, then KEY=VALUE words. */
static sgn_status settle_config(importer *im, int count, char **set, sgn_error *err) {
    sgn_run_config *c = &im->config;
    sgn_model_config source;
    SGN_TRY(sgn_run_config_load(c, NULL, NULL, 0, err));
    SGN_TRY(sgn_model_load_config(im->from.s, NULL, &source, err));
    c->model = source;
    if (c->train.seq > source.context) c->train.seq = source.context;
    if (!sgn_model_config_any_binary(&source) && !is_set(count, set, "model.binary")) strcpy(c->model.binary, "attention,mlp");
    for (int i = 0; i < count; i++) SGN_TRY(sgn_config_override(c, sgn_run_sections, set[i], err));
    SGN_TRY(sgn_run_config_check(c, err));
    return check_linears(im, &source, err);
}

static sgn_status load(importer *im, const char *where, int count, char **set, sgn_error *err) {
    SGN_TRY(sgn_model_resolve(where, "import", &im->from, err));
    SGN_TRY(settle_config(im, count, set, err));
    SGN_TRY(sgn_new_run_tokenizer(im->from.s, im->v->tokenizer, im->config.model.vocab, &im->tokenizer, err));
    SGN_TRY(sgn_gemm_init(err));
    SGN_TRY(sgn_transformer_init(&im->model, &im->config.model, false, err));
    im->config.model = im->model.config;
    SGN_TRY(sgn_transformer_commit(&im->model, err));
    return sgn_model_load_weights(&im->model, im->from.s, err);
}

/* --- what came out ------------------------------------------------------------------------------------------ */

static sgn_status report(const importer *im, const char *where, sgn_error *err) {
    const sgn_params *p = &im->model.params;
    const sgn_model_config *c = &im->model.config;
    int64_t binary = 0;
    for (int i = 0; i < p->count; i++)
        if (p->at[i].class == SGN_PARAM_LATENT) binary += sgn_numel(p->at[i].tensor.shape);
    if (!im->v->json) {
        printf("%s -> %s\n  %s, %lld layers of %lld, context %lld: %lld parameters, %lld of them binary; %s tokenizer\n"
               "  continue with: signum train %s data.train=SHARDS --out %s --resume auto\n", where, im->v->out, c->arch,
               (long long)c->layers, (long long)c->dim, (long long)c->context, (long long)sgn_params_numel(p), (long long)binary,
               im->tokenizer ? sgn_tokenizer_kind_name(im->tokenizer) : "no", im->v->out, im->v->out);
        return SGN_OK;
    }
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "model", sgn_json_new_text(im->from.s, strlen(im->from.s)));
    sgn_json_set(j, "out", sgn_json_new_text(im->v->out, strlen(im->v->out)));
    sgn_json_set(j, "arch", sgn_json_new_string(c->arch));
    sgn_json_set(j, "parameters", sgn_json_new_int(sgn_params_numel(p)));
    sgn_json_set(j, "binary_weights", sgn_json_new_int(binary));
    sgn_json_set(j, "linear", sgn_json_new_string(sgn_model_config_any_binary(c) ? c->linear : "full"));
    sgn_json_set(j, "tokenizer", im->tokenizer ? sgn_json_new_string(sgn_tokenizer_kind_name(im->tokenizer)) : sgn_json_new_null());
    return sgn_print_json(j, 2, err);
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { 0 };
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 1, argc, err));
    if (!v.out) SGN_FAIL(err, SGN_CONFIG, "--out is missing; name the run's directory: --out runs/NAME");
    if (!v.replace && sgn_file_exists(v.out))
        SGN_FAIL(err, SGN_IO, "%s exists already; choose another name, or say --replace", v.out);
    sgn_threads_set((int)v.threads);
    importer *im = calloc(1, sizeof *im);
    if (!im) SGN_FAIL(err, SGN_NOMEM, "no memory to import '%s'", argv[0]);
    im->v = &v;
    sgn_status s = load(im, argv[0], argc - 1, argv + 1, err);
    if (s == SGN_OK)
        s = sgn_new_run_write(&(sgn_new_run){ .out = v.out, .replace = v.replace, .config = &im->config, .tokenizer = im->tokenizer, .model = &im->model }, err);
    if (s == SGN_OK) s = report(im, argv[0], err);
    sgn_tokenizer_close(im->tokenizer);
    sgn_transformer_free(&im->model);
    free(im);
    return s;
}

const sgn_command sgn_command_import = {
    .name = "import", .summary = "make a run of a model from elsewhere, to train it further or to binarize it",
    .usage = "MODEL --out RUN [--set KEY=VALUE ...] [--tokenizer FILE] [--replace] [--json]", .options = options, .run = run,
    .example = "signum import hf/tinyllama --out runs/tinyllama\n"
               "signum import hf/tinyllama --out runs/binary --set model.linear=fbi model.scales=column\n"
               "signum train runs/binary data.train=data distill.teacher=hf/tinyllama --out runs/binary --resume auto",
};
