/* SPDX-License-Identifier: MIT */
#include "binarize/binarize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "binarize/allocate.h"
#include "binarize/block_source.h"
#include "binarize/hessian.h"
#include "binarize/work.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"

typedef struct {
    const sgn_transformer  *source;            /* names and shapes */
    sgn_block_source        from;              /* one block of it */
    const sgn_model_config *config;            /* of the result */
    const sgn_binarize_job *job;
    sgn_calibration         calibration;
    sgn_transformer         one;               /* one block of the result */
    float                  *h[SGN_INPUTS];     /* (in, in) of each input */
    float                  *q, *d, *scratch;   /* (out, in) of the largest layer */
    int64_t                *kept;              /* (layers): N of each */
    sgn_json               *rows;              /* of all finished layers */
    sgn_binarize_progress   at;
    sgn_work_lock           own;               /* where the caller wants none */
} worker;

static bool tell(worker *k) { return !k->job->progress || k->job->progress(k->job->ctx, &k->at); }

static sgn_status go_on(void *ctx, sgn_error *err) {
    if (!tell(ctx)) SGN_FAIL(err, SGN_INTERRUPTED, "stopped; finished blocks are kept, the same command goes on behind them");
    return SGN_OK;
}

static bool tick(void *ctx, int64_t windows) {
    worker *k = ctx;
    k->at.windows += windows;
    return tell(k);
}

/* --- layers of the source -------------------------------------------------------------------------------- */

static const sgn_linear *layer_of(const worker *k, int64_t n, int i) { return &k->source->blocks[n].linear[i]; }

static bool wanted(const worker *k, int64_t n, int i) {
    sgn_model_config c = *k->config;
    snprintf(c.linear, SGN_TEXT, "%s", k->job->how.method->kind);
    return layer_of(k, n, i)->kind && strcmp(sgn_model_config_linear(&c, n, sgn_linear_module((sgn_block_linear)i)), "full");
}

/* --- one layer --------------------------------------------------------------------------------------------- */

static void subtract(float *d, const float *a, const float *b, int64_t n) {
    for (int64_t i = 0; i < n; i++) d[i] = a[i] - b[i];
}
static double squares(const float *x, int64_t n) { return (double)sgn_kernels_get()->sum_squares(x, n); }

/* Errors of W, of row-scaled signs, and of what came out. */
static void judge(const worker *k, const sgn_binarize_layer *l, sgn_binarize_report *r) {
    const int64_t n = l->out * l->in;
    r->energy = sgn_hessian_loss(l->w, l->h, l->out, l->in, k->scratch);
    subtract(k->d, l->w, k->q, n);
    r->after = sgn_hessian_loss(k->d, l->h, l->out, l->in, k->scratch);
    const double all = squares(l->w, n);
    r->squares = all > 0 ? squares(k->d, n) / all : 0;
    for (int64_t i = 0; i < l->out; i++) {
        double mean = 0;
        for (int64_t j = 0; j < l->in; j++) mean += fabs((double)l->w[i * l->in + j]) / (double)l->in;
        for (int64_t j = i * l->in; j < (i + 1) * l->in; j++) k->d[j] = l->w[j] - (float)(l->w[j] >= 0 ? mean : -mean);
    }
    r->before = sgn_hessian_loss(k->d, l->h, l->out, l->in, k->scratch);
}

static sgn_json *row_of(const sgn_binarize_layer *l, const sgn_binarize_report *r) {
    sgn_json *j = sgn_json_new_object();
    const struct { const char *key; double v; } real[] = {
        { "energy", r->energy }, { "row_signs_error", r->before }, { "error", r->after }, { "squared_error", r->squares }, { "kept", r->kept },
        { "salient", r->salient }, { "claimed_bits", r->claimed }, { "stored_bits", r->stored }, { "damping", r->damping } };
    sgn_json_set(j, "layer", sgn_json_new_string(l->path));
    sgn_json_set(j, "out", sgn_json_new_int(l->out));
    sgn_json_set(j, "in", sgn_json_new_int(l->in));
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) sgn_json_set(j, real[i].key, sgn_json_new_real(real[i].v));
    sgn_json_set(j, "dead_inputs", sgn_json_new_int(r->dead));
    if (r->kept_n) sgn_json_set(j, "n", sgn_json_new_int(r->kept_n));
    return j;
}

static sgn_status fit_layer(worker *k, int64_t n, int i, sgn_json *rows, sgn_error *err) {
    const sgn_linear *from = &k->from.one.blocks[0].linear[i];
    sgn_linear *to = &k->one.blocks[0].linear[i];
    const float *w = sgn_linear_param(from, from->p[0])->data;
    const sgn_binarize_layer l = { &k->job->how, k->source->blocks[n].path[i], from->out, from->in, k->kept[n], w,
                                   k->h[sgn_block_input_of((sgn_block_linear)i)] };
    sgn_binarize_report r = { 0 };
    if (!wanted(k, n, i)) {
        memcpy(sgn_linear_param(to, to->p[0])->data, w, (size_t)(l.out * l.in) * sizeof *w);
        return SGN_OK;
    }
    SGN_TRY(k->job->how.method->fit(&l, to, k->q, &r, err));
    judge(k, &l, &r);
    if (!isfinite(r.after)) SGN_FAIL(err, SGN_NUMERIC, "%s: what became of it is not finite; its weights or inputs are too large for fp32", l.path);
    sgn_json_append(rows, row_of(&l, &r));
    return SGN_OK;
}

/* --- one block --------------------------------------------------------------------------------------------- */

/* Norms and biases, as they are. */
static void copy_rest(worker *k) {
    for (int i = 0; i < k->one.params.count; i++) {
        const sgn_param *p = &k->one.params.at[i], *from;
        if ((p->class != SGN_PARAM_NORM && p->class != SGN_PARAM_BIAS) || strncmp(p->name, "model.layers.", 13)) continue;
        if ((from = sgn_params_find(&k->from.one.params, p->name))) memcpy(p->tensor.data, from->tensor.data, (size_t)sgn_numel(p->tensor.shape) * sizeof(sgn_real));
    }
}

static sgn_status make_block(worker *k, int64_t n, sgn_json *rows, sgn_error *err) {
    static const sgn_block_linear reader[SGN_INPUTS] = { SGN_Q, SGN_O, SGN_UP, SGN_DOWN };
    for (int i = 0; i < SGN_INPUTS; i++) {
        const int64_t in = layer_of(k, n, (int)reader[i])->in;
        memset(k->h[i], 0, (size_t)(in * in) * sizeof *k->h[i]);
    }
    SGN_TRY(sgn_block_source_load(&k->from, n, err));
    SGN_TRY(sgn_calibration_measure(&k->calibration, &k->from.one, 0, k->h, err));
    copy_rest(k);
    for (int i = 0; i < SGN_LINEARS; i++) {
        if (!layer_of(k, n, i)->kind) continue;
        SGN_TRY(fit_layer(k, n, i, rows, err));
        SGN_TRY(go_on(k, err));
    }
    return sgn_work_save(k->job->work, n, &k->one, rows, err);
}

static sgn_status do_block(worker *k, int64_t n, sgn_error *err) {
    sgn_json *rows;
    k->at.block = n;
    SGN_TRY(sgn_work_load(k->job->work, n, &k->one, &rows, err));
    sgn_status s = SGN_OK;
    k->at.found = rows != NULL;
    if (rows) k->at.windows += k->calibration.windows;
    else {
        rows = sgn_json_new_array();
        s = make_block(k, n, rows, err);
    }
    for (size_t i = 0; s == SGN_OK && i < sgn_json_size(rows); i++) {
        char *text;
        sgn_json *copy;
        s = sgn_json_dump(sgn_json_at(rows, i), 0, &text, err);
        if (s == SGN_OK) s = sgn_json_parse(&copy, text, strlen(text), "a report", err);
        if (s == SGN_OK) sgn_json_append(k->rows, copy), free(text);
    }
    sgn_json_free(rows);
    SGN_TRY(s);
    sgn_params_refresh_signs(&k->one.params);
    if (n + 1 < k->source->config.layers) s = sgn_calibration_advance(&k->calibration, &k->one, 0, n, err);
    k->at.finished = true;
    if (s == SGN_OK) s = go_on(k, err);
    k->at.finished = false;
    return s;
}

/* --- the whole ---------------------------------------------------------------------------------------------- */

static sgn_status check(const worker *k, sgn_error *err) {
    for (int64_t n = 0; n < k->source->config.layers; n++)
        for (int i = 0; i < SGN_LINEARS; i++) {
            const sgn_linear *l = layer_of(k, n, i);
            const char *path = k->source->blocks[n].path[i];
            if (l->kind && strcmp(l->kind->name, "full"))
                SGN_FAIL(err, SGN_CONFIG, "%s is '%s' already; binarize the full-precision model that it came from", path, l->kind->name);
            if (wanted(k, n, i) && k->job->how.method->check)
                SGN_TRY(k->job->how.method->check(&k->job->how, path, l->out, l->in, err));
        }
    return SGN_OK;
}

static sgn_status allocate(worker *k, sgn_error *err) {
    int64_t largest = 0;
    for (int64_t i = 0; i < SGN_LINEARS; i++)
        if (layer_of(k, 0, (int)i)->kind && layer_of(k, 0, (int)i)->out * layer_of(k, 0, (int)i)->in > largest)
            largest = layer_of(k, 0, (int)i)->out * layer_of(k, 0, (int)i)->in;
    float **const matrix[] = { &k->q, &k->d, &k->scratch };
    static const sgn_block_linear reader[SGN_INPUTS] = { SGN_Q, SGN_O, SGN_UP, SGN_DOWN };
    bool room = (k->kept = malloc((size_t)k->source->config.layers * sizeof *k->kept)) != NULL && (k->rows = sgn_json_new_array()) != NULL;
    for (int i = 0; i < 3; i++) room &= (*matrix[i] = malloc((size_t)largest * sizeof(float))) != NULL;
    for (int i = 0; i < SGN_INPUTS; i++) {
        const int64_t in = layer_of(k, 0, (int)reader[i])->in;
        room &= (k->h[i] = malloc((size_t)(in * in) * sizeof(float))) != NULL;
    }
    if (!room) SGN_FAIL(err, SGN_NOMEM, "no memory for the matrices and Hessians of one block; it takes more than the block's own size");
    SGN_TRY(sgn_block_source_init(&k->from, k->source, err));
    return sgn_work_model(k->config, 1, &k->one, err);
}

static sgn_json *settings_of(const worker *k, const char *weights) {
    const sgn_binarize_options *o = &k->job->how;
    const sgn_calibration *c = &k->calibration;
    sgn_json *j = sgn_json_new_object();
    const struct { const char *key; int64_t v; } whole[] = {
        { "n", o->n }, { "m", o->m }, { "layerwise", o->layerwise }, { "fixed_mask", o->fixed }, { "released", o->released },
        { "dense", o->dense }, { "by_saliency", o->by_saliency }, { "paths", o->paths }, { "windows", c->windows }, { "seq", c->seq } };
    sgn_json_set(j, "method", sgn_json_new_string(o->method->name));
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) sgn_json_set(j, whole[i].key, sgn_json_new_int(whole[i].v));
    sgn_json_set(j, "bits", sgn_json_new_real(o->bits));
    sgn_json_set(j, "calibration", sgn_json_new_string(sgn_digest_bytes(c->tokens, (size_t)(c->windows * c->seq) * sizeof *c->tokens).hex));
    sgn_json_set(j, "weights", sgn_json_new_string(weights));
    sgn_json_set(j, "kernels", sgn_json_new_string(sgn_kernels_get()->name));
    sgn_json_set(j, "model", sgn_model_config_to_json(k->config));
    return j;
}

static sgn_status run(worker *k, sgn_error *err) {
    const int64_t layers = k->source->config.layers;
    const sgn_binarize_options *o = &k->job->how;
    char weights[33];
    k->at.blocks = layers;
    k->at.of = k->calibration.windows * (o->layerwise ? 4 : 2) * layers;
    SGN_TRY(sgn_block_source_digest(k->source, go_on, k, weights, err));
    SGN_TRY(sgn_work_open(k->job->work, settings_of(k, weights), k->job->replace, k->job->lock ? k->job->lock : &k->own, err));
    SGN_TRY(sgn_calibration_spill(&k->calibration, k->job->work, err));
    SGN_TRY(allocate(k, err));
    for (int64_t n = 0; n < layers; n++) k->kept[n] = o->n;
    if (o->layerwise) SGN_TRY(sgn_allocate(&k->from, &k->calibration, o, k->h, k->kept, err));
    SGN_TRY(sgn_block_source_embed(&k->from, &k->calibration, err));
    for (int64_t n = 0; n < layers; n++) SGN_TRY(do_block(k, n, err));
    return SGN_OK;
}

sgn_status sgn_binarize_run(const sgn_transformer *source, const sgn_model_config *config, sgn_shards *shards,
                            const sgn_binarize_job *job, sgn_json **report, sgn_error *err) {
    worker k = { .source = source, .config = config, .job = job };
    *report = NULL;
    SGN_TRY(check(&k, err));
    SGN_TRY(sgn_calibration_init(&k.calibration, shards, job->windows, job->seq, source->config.dim, err));
    k.calibration.tick = tick;
    k.calibration.ctx = &k;
    const sgn_status s = run(&k, err);
    if (s == SGN_OK) *report = k.rows;
    else sgn_json_free(k.rows);
    sgn_calibration_free(&k.calibration);
    sgn_transformer_free(&k.one);
    sgn_block_source_free(&k.from);
    for (int i = 0; i < SGN_INPUTS; i++) free(k.h[i]);
    free(k.q);
    free(k.d);
    free(k.scratch);
    free(k.kept);
    sgn_work_let_go(&k.own);
    return s;
}
