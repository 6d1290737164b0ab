/* SPDX-License-Identifier: MIT */
#include "eval/sign_history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "core/json.h"
#include "model/model_load.h"

enum { METRICS_LIMIT = 1 << 30 };

/* --- metrics.jsonl ------------------------------------------------------------------------------------ */

static sgn_status put_metric(sgn_sign_history *h, sgn_metric m, sgn_error *err) {
    if ((h->steps & (h->steps - 1)) == 0) {            /* full at 0, 1, 2, 4, ... */
        sgn_metric *grown = realloc(h->flips, (size_t)(h->steps ? 2 * h->steps : 1) * sizeof *grown);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for the flips of %d steps", h->steps);
        h->flips = grown;
    }
    h->flips[h->steps++] = m;
    return SGN_OK;
}

static sgn_status read_flips(sgn_sign_history *h, const char *run, sgn_error *err) {
    sgn_path path;
    char *text;
    size_t size;
    SGN_TRY(sgn_path_set(&path, err, "%s/metrics.jsonl", run));
    if (!sgn_file_exists(path.s)) return SGN_OK;
    SGN_TRY(sgn_file_read(path.s, METRICS_LIMIT, &text, &size, err));
    sgn_status s = SGN_OK;
    long number = 1;
    for (char *line = text, *end; s == SGN_OK && (end = strchr(line, '\n')); line = end + 1, number++) {
        char where[SGN_PATH_MAX + 32];
        sgn_json *j;
        snprintf(where, sizeof where, "%s, line %ld", path.s, number);
        if ((s = sgn_json_parse(&j, line, (size_t)(end - line), where, err)) != SGN_OK) break;
        s = put_metric(h, (sgn_metric){ sgn_json_real(sgn_json_get(j, "step"), 0), sgn_json_real(sgn_json_get(j, "flip_rate"), 0) }, err);
        sgn_json_free(j);
    }
    free(text);
    return s;
}

double sgn_sign_history_flips(const sgn_sign_history *h, int i) {
    double sum = 0;
    int64_t seen = 0;
    for (int k = 0; i > 0 && k < h->steps; k++)
        if (h->flips[k].step > (double)h->step[i - 1] && h->flips[k].step <= (double)h->step[i]) sum += h->flips[k].value, seen++;
    return i > 0 && seen == h->step[i] - h->step[i - 1] ? sum : -1;
}

/* --- checkpoints ---------------------------------------------------------------------------------------- */

static sgn_status look(sgn_sign_history *h, const sgn_transformer *m, double near, const sgn_sign_copy *first, const sgn_sign_copy *other,
                       sgn_error *err) {
    for (int i = 0; i < h->layers; i++) {
        SGN_TRY(sgn_layer_signs_look(m, i, near, &h->layer[i], err));
        if (h->checkpoints > 1) h->whole[i] = sgn_layer_change(m, i, first);
        if (other) h->against[i] = sgn_layer_change(m, i, other);
    }
    return SGN_OK;
}

static sgn_status allocate(sgn_sign_history *h, const sgn_transformer *m, const char *where, const sgn_sign_copy *other, sgn_error *err) {
    h->layers = sgn_layer_signs_count(m);
    if (!h->layers) SGN_FAIL(err, SGN_UNSUPPORTED, "%s: no layer has signs; this analysis is of binary models", where);
    const size_t n = (size_t)h->layers;
    h->change = calloc((size_t)h->checkpoints * n, sizeof *h->change);
    h->whole = calloc(n, sizeof *h->whole);
    h->against = other ? calloc(n, sizeof *h->against) : NULL;
    h->layer = calloc(n, sizeof *h->layer);
    if (!h->change || !h->whole || (other && !h->against) || !h->layer) SGN_FAIL(err, SGN_NOMEM, "no memory for %d layers", h->layers);
    return SGN_OK;
}

typedef struct { sgn_sign_copy first, last; } copies;

/* Checkpoint i, whose model is m. */
static sgn_status add_state(sgn_sign_history *h, int i, const sgn_transformer *m, const char *where, double near, copies *c,
                            const sgn_sign_copy *other, sgn_error *err) {
    if (i == 0) {
        SGN_TRY(allocate(h, m, where, other, err));
        SGN_TRY(sgn_sign_copy_take(&c->first, m, err));
    }
    for (int k = 0; i > 0 && k < h->layers; k++) h->change[i * h->layers + k] = sgn_layer_change(m, k, &c->last);
    SGN_TRY(sgn_sign_copy_take(&c->last, m, err));
    if (other && other->words != c->last.words)
        SGN_FAIL(err, SGN_CONFIG, "%s: its signs take %zu words, those to compare with %zu; they are of another model", where, c->last.words, other->words);
    return i + 1 < h->checkpoints ? SGN_OK : look(h, m, near, &c->first, other, err);
}

static sgn_status read_states(sgn_sign_history *h, const char *root, char **names, double near, const sgn_sign_copy *other, sgn_error *err) {
    copies c = { { 0 }, { 0 } };
    sgn_status s = SGN_OK;
    for (int i = 0; s == SGN_OK && i < h->checkpoints; i++) {
        sgn_path path;
        sgn_transformer m;
        h->step[i] = names ? atoll(names[i] + strlen("step-")) : -1;
        if ((s = sgn_path_set(&path, err, names ? "%s/%s" : "%s%s", root, names ? names[i] : "")) != SGN_OK) break;
        if ((s = sgn_model_load(&m, path.s, false, err)) != SGN_OK) break;
        s = add_state(h, i, &m, path.s, near, &c, other, err);
        sgn_transformer_free(&m);
    }
    sgn_sign_copy_free(&c.first);
    sgn_sign_copy_free(&c.last);
    return s;
}

/* How many of a run's first checkpoints are from before model.binary_from_step, of full precision; none where all are. */
static sgn_status count_warm(const char *root, char **names, int count, int *warm, sgn_error *err) {
    sgn_model_config c;
    sgn_path path;
    for (*warm = 0; *warm < count; ++*warm) {
        SGN_TRY(sgn_path_set(&path, err, "%s/%s", root, names[*warm]));
        SGN_TRY(sgn_model_load_config(path.s, NULL, &c, err));
        if (sgn_model_config_any_binary(&c)) return SGN_OK;
    }
    *warm = 0;
    return SGN_OK;
}

sgn_status sgn_sign_history_read(sgn_sign_history *h, const char *where, double near, const sgn_sign_copy *other, sgn_error *err) {
    sgn_path all;
    char **names = NULL;
    int count = 0, warm = 0;
    *h = (sgn_sign_history){ 0 };
    SGN_TRY(sgn_path_set(&all, err, "%s/checkpoints", where));
    if (sgn_is_directory(all.s)) SGN_TRY(sgn_directory_list(all.s, "step-", "", &names, &count, err));
    sgn_status s = count_warm(all.s, names, count, &warm, err);
    h->checkpoints = count ? count - warm : 1;
    h->step = calloc((size_t)h->checkpoints, sizeof *h->step);
    if (s == SGN_OK && !h->step) s = SGN_ERROR(err, SGN_NOMEM, "no memory for %d checkpoints", count);
    if (s == SGN_OK) s = read_states(h, count ? all.s : where, count ? names + warm : NULL, near, other, err);
    if (s == SGN_OK) s = read_flips(h, where, err);
    if (names) sgn_names_free(names, count);
    if (s != SGN_OK) sgn_sign_history_free(h);
    return s;
}

void sgn_sign_history_free(sgn_sign_history *h) {
    free(h->step), free(h->change), free(h->whole), free(h->against), free(h->layer), free(h->flips);
    *h = (sgn_sign_history){ 0 };
}

/* --- what to compare with --------------------------------------------------------------------------------- */

sgn_status sgn_signs_of_seed(sgn_sign_copy *out, const sgn_model_config *c, uint64_t seed, sgn_error *err) {
    sgn_transformer m;
    *out = (sgn_sign_copy){ 0 };
    SGN_TRY(sgn_transformer_init(&m, c, false, err));
    sgn_status s = sgn_transformer_commit(&m, err);
    if (s == SGN_OK) {
        sgn_transformer_randomize(&m, seed);
        s = sgn_sign_copy_take(out, &m, err);
    }
    sgn_transformer_free(&m);
    return s;
}

/* Latents of `to` from what `from` calls the same, so that codes, centres and cuts are those of `to`. */
static sgn_status copy_latents(sgn_transformer *to, const sgn_transformer *from, const char *where, sgn_error *err) {
    for (int i = 0; i < to->params.count; i++) {
        sgn_param *p = &to->params.at[i];
        if (p->class != SGN_PARAM_LATENT) continue;
        const sgn_param *q = sgn_params_find(&from->params, p->name);
        if (!q || !q->tensor.data || sgn_numel(q->tensor.shape) != sgn_numel(p->tensor.shape) || q->tensor.shape.dim[0] != p->tensor.shape.dim[0])
            SGN_FAIL(err, SGN_CONFIG, "%s: has no %s of the same shape to compare signs with", where, p->name);
        memcpy(p->tensor.data, q->tensor.data, (size_t)sgn_numel(p->tensor.shape) * sizeof(sgn_real));
    }
    sgn_params_refresh_signs(&to->params);
    return SGN_OK;
}

sgn_status sgn_signs_of_model(sgn_sign_copy *out, const sgn_model_config *c, const char *where, sgn_error *err) {
    sgn_transformer mine, other;
    *out = (sgn_sign_copy){ 0 };
    SGN_TRY(sgn_model_load(&other, where, false, err));
    sgn_status s = sgn_transformer_init(&mine, c, false, err);
    if (s == SGN_OK) {
        s = sgn_transformer_commit(&mine, err);
        if (s == SGN_OK) s = copy_latents(&mine, &other, where, err);
        if (s == SGN_OK) s = sgn_sign_copy_take(out, &mine, err);
        sgn_transformer_free(&mine);
    }
    sgn_transformer_free(&other);
    return s;
}
