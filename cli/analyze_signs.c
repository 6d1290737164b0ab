/* SPDX-License-Identifier: MIT */
#include "cli/analyze.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/output.h"
#include "core/file.h"
#include "eval/sign_history.h"
#include "model/model_load.h"

enum { NAME = 32, MODULES = SGN_LINEARS };

typedef struct {
    const sgn_analysis *o;
    const char      *run;
    char             against[600];             /* what that is, in words; "": nothing */
    sgn_sign_history h;
} view;

/* --- what to compare with ------------------------------------------------------------------------------ */

static sgn_status open_start(view *v, const sgn_model_config *c, sgn_sign_copy *other, sgn_error *err) {
    sgn_run_config run;
    sgn_path settings;
    SGN_TRY(sgn_path_set(&settings, err, "%s/config.yaml", v->run));
    if (!sgn_file_exists(settings.s)) SGN_FAIL(err, SGN_CONFIG, "--against init: %s has no config.yaml that says how it began; name a run", v->run);
    SGN_TRY(sgn_run_config_load(&run, settings.s, NULL, 0, err));
    if (*run.start.init) {
        snprintf(v->against, sizeof v->against, "what it began from, %s", run.start.init);
        return sgn_signs_of_model(other, c, run.start.init, err);
    }
    snprintf(v->against, sizeof v->against, "its random start, seed %lld", (long long)run.train.seed);
    return sgn_signs_of_seed(other, c, (uint64_t)run.train.seed, err);
}

static sgn_status open_other(view *v, sgn_sign_copy *other, sgn_error *err) {
    sgn_path directory;
    sgn_model_config c;
    if (!v->o->against) return SGN_OK;
    SGN_TRY(sgn_model_resolve(v->run, "run", &directory, err));
    SGN_TRY(sgn_model_load_config(directory.s, NULL, &c, err));
    if (strcmp(v->o->against, "init") == 0) return open_start(v, &c, other, err);
    snprintf(v->against, sizeof v->against, "%s", v->o->against);
    return sgn_signs_of_model(other, &c, v->o->against, err);
}

/* --- sums ------------------------------------------------------------------------------------------------ */

static sgn_sign_change sum_of(const sgn_sign_change *c, int count) {
    sgn_sign_change all = { 0 };
    for (int i = 0; c && i < count; i++) sgn_sign_change_add(&all, &c[i]);
    return all;
}

static sgn_sign_change interval(const sgn_sign_history *h, int i) { return sum_of(h->change + i * h->layers, h->layers); }

static double near_share(const sgn_layer_signs *l) { return l->weights ? (double)l->near / (double)l->weights : 0; }

static bool has_latents(const sgn_sign_history *h) {
    for (int i = 0; i < h->layers; i++)
        if (h->layer[i].latent) return true;
    return false;
}

static double shift_ratio(const sgn_layer_signs *l) { return l->alpha.mean_size > 0 ? l->beta.mean_size / l->alpha.mean_size : 0; }

/* --- as JSON ------------------------------------------------------------------------------------------------ */

static void set(sgn_json *j, const char *key, double value) { sgn_json_set(j, key, sgn_json_new_real(value)); }
static void set_int(sgn_json *j, const char *key, int64_t value) { sgn_json_set(j, key, sgn_json_new_int(value)); }

static void set_change(sgn_json *j, const char *key, const sgn_sign_change *c) {
    sgn_json *k = sgn_json_new_object();
    sgn_json_set(j, key, k);
    set(k, "changed", sgn_sign_changed(c));
    set(k, "kept_by_both", c->entries ? (double)c->kept / (double)c->entries : 0);
    set(k, "same_sign", sgn_sign_agreed(c));
}

static sgn_json *histogram_json(const sgn_histogram *h) {
    sgn_json *j = sgn_json_new_object(), *count = sgn_json_new_array();
    set(j, "low", h->low);
    set(j, "width", h->width);
    for (int i = 0; i < SGN_HISTOGRAM; i++) sgn_json_append(count, sgn_json_new_int(h->count[i]));
    sgn_json_set(j, "count", count);
    return j;
}

static void set_scales(sgn_json *j, const char *key, const sgn_scale_stats *s, const sgn_histogram *h) {
    if (!s->count) return;
    sgn_json *k = sgn_json_new_object();
    sgn_json_set(j, key, k);
    set_int(k, "count", s->count);
    set_int(k, "negative", s->negative);
    set_int(k, "near_zero", s->near_zero);
    set(k, "min", s->least);
    set(k, "median", s->median);
    set(k, "max", s->greatest);
    set(k, "mean_size", s->mean_size);
    sgn_json_set(k, "histogram", histogram_json(h));
}

static sgn_json *layer_json(const sgn_sign_history *h, int i) {
    const sgn_layer_signs *l = &h->layer[i];
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "name", sgn_json_new_string(l->name));
    set_int(j, "weights", l->weights);
    if (h->checkpoints > 1) {
        sgn_json *list = sgn_json_new_array();
        for (int k = 1; k < h->checkpoints; k++) sgn_json_append(list, sgn_json_new_real(sgn_sign_changed(&h->change[k * h->layers + i])));
        sgn_json_set(j, "changed", list);
        set(j, "changed_in_all", sgn_sign_changed(&h->whole[i]));
    }
    if (l->latent) {
        set(j, "mean_latent", l->mean_size);
        set(j, "near", near_share(l));
        sgn_json_set(j, "latents", histogram_json(&l->size));
    }
    set_scales(j, "alpha", &l->alpha, &l->alphas);
    set_scales(j, "beta", &l->beta, &l->betas);
    if (h->against) set_change(j, "against", &h->against[i]);
    return j;
}

static sgn_json *to_json(const view *v) {
    const sgn_sign_history *h = &v->h;
    sgn_json *j = sgn_json_new_object(), *intervals = sgn_json_new_array(), *layers = sgn_json_new_array(), *steps = sgn_json_new_array();
    sgn_json_set(j, "run", sgn_json_new_text(v->run, strlen(v->run)));
    set(j, "near_below", v->o->near);
    sgn_json_set(j, "intervals", intervals);
    for (int i = 1; i < h->checkpoints; i++) {
        const sgn_sign_change c = interval(h, i);
        const double flips = sgn_sign_history_flips(h, i);
        sgn_json *k = sgn_json_new_object();
        set_int(k, "from", h->step[i - 1]);
        set_int(k, "to", h->step[i]);
        set(k, "changed", sgn_sign_changed(&c));
        if (flips >= 0) set(k, "flips", flips);
        sgn_json_append(intervals, k);
    }
    if (h->checkpoints > 1) {
        const sgn_sign_change all = sum_of(h->whole, h->layers);
        set(j, "changed_in_all", sgn_sign_changed(&all));
    }
    if (h->against) {
        const sgn_sign_change all = sum_of(h->against, h->layers);
        sgn_json_set(j, "against_what", sgn_json_new_text(v->against, strlen(v->against)));
        set_change(j, "against", &all);
    }
    sgn_json_set(j, "layers", layers);
    for (int i = 0; i < h->layers; i++) sgn_json_append(layers, layer_json(h, i));
    sgn_json_set(j, "flip_rate", steps);
    for (int i = 0; i < h->steps; i++) {
        sgn_json *pair = sgn_json_new_array();
        sgn_json_append(pair, sgn_json_new_int((int64_t)h->flips[i].step));
        sgn_json_append(pair, sgn_json_new_real(h->flips[i].value));
        sgn_json_append(steps, pair);
    }
    return j;
}

/* --- for people ----------------------------------------------------------------------------------------------- */

static void print_intervals(const sgn_sign_history *h) {
    if (h->steps) printf("flips per step: %.4f %% at step %.0f, %.4f %% at step %.0f\n", 100 * h->flips[0].value, h->flips[0].step,
                         100 * h->flips[h->steps - 1].value, h->flips[h->steps - 1].step);
    if (h->checkpoints < 2) {
        printf("one state only: no changes between checkpoints (train.keep=0 keeps them all)\n");
        return;
    }
    printf("%20s %12s %12s %12s\n", "steps", "changed, %", "flips, %", "that stayed");
    for (int i = 1; i < h->checkpoints; i++) {
        const sgn_sign_change c = interval(h, i);
        const double flips = sgn_sign_history_flips(h, i);
        printf("%9lld - %8lld %12.4f", (long long)h->step[i - 1], (long long)h->step[i], 100 * sgn_sign_changed(&c));
        if (flips > 0) printf(" %12.4f %12.3f\n", 100 * flips, sgn_sign_changed(&c) / flips);
        else printf(" %12s %12s\n", "-", "-");
    }
}

static void print_layer(const sgn_sign_history *h, int i, bool latents) {
    const sgn_layer_signs *l = &h->layer[i];
    const char *name = strncmp(l->name, "model.layers.", 13) == 0 ? l->name + 13 : l->name;
    printf("%-*s %10lld", NAME - 8, name, (long long)l->weights);
    if (h->checkpoints > 1) printf(" %9.4f", 100 * sgn_sign_changed(&h->whole[i]));
    if (latents) printf(" %10.3g %7.3f", l->mean_size, 100 * near_share(l));
    if (l->alpha.count)
        printf(" %10.3g %10.3g %10.3g %6lld %6lld %9.4f", l->alpha.least, l->alpha.median, l->alpha.greatest, (long long)l->alpha.negative,
               (long long)l->alpha.near_zero, shift_ratio(l));
    if (h->against) {
        const sgn_sign_change *c = &h->against[i];
        printf(" %9.3f", 100 * sgn_sign_agreed(c));
        if (c->kept < c->entries) printf(" (both keep %.2f)", 100 * (double)c->kept / (double)c->entries);
    }
    putchar('\n');
}

static void print_view(const view *v) {
    const sgn_sign_history *h = &v->h;
    const bool latents = has_latents(h);
    printf("%s: %d layer%s with signs, %d state%s\n", v->run, h->layers, h->layers == 1 ? "" : "s", h->checkpoints, h->checkpoints == 1 ? "" : "s");
    print_intervals(h);
    printf("\n%-*s %10s", NAME - 8, "layer", "weights");
    if (h->checkpoints > 1) printf(" %9s", "changed,%");
    if (latents) printf(" %10s %7s", "mean |w|", "near,%");
    if (h->layer[0].alpha.count) printf(" %10s %10s %10s %6s %6s %9s", "alpha min", "median", "max", "< 0", "near 0", "|b|/|a|");
    if (h->against) printf(" %9s", "agrees,%");
    putchar('\n');
    for (int i = 0; i < h->layers; i++) print_layer(h, i, latents);
    if (!latents) printf("no latents: all that is left of them are signs\n");
    if (!h->against) return;
    const sgn_sign_change all = sum_of(h->against, h->layers);
    printf("signs agree with %s in %.3f %% of what both keep; unrelated ones do in 50 %%\n", v->against, 100 * sgn_sign_agreed(&all));
}

/* --- as a picture ---------------------------------------------------------------------------------------------- */

enum { MOST = 512, CHARTS = 6, LINES = MODULES };
typedef struct {
    sgn_chart  chart[CHARTS];
    int        count;
    sgn_curve  flips, change, curve[MODULES], scales[2], lasting[2][LINES], agree;
    sgn_point  flip[MOST], interval[MOST], latent[MODULES][SGN_HISTOGRAM], alpha[2][SGN_HISTOGRAM], agreed[MOST];
    sgn_point  last[2][LINES][MOST];
    char       name[MOST][24], layer[LINES][24];
    const char *names[MOST];
} picture;

/* Per cent of all in each bin, at its middle. */
static int put_histogram(const sgn_histogram *h, sgn_point *out) {
    double all = 0;
    for (int i = 0; i < SGN_HISTOGRAM; i++) all += (double)h->count[i];
    for (int i = 0; i < SGN_HISTOGRAM && all > 0; i++)
        out[i] = (sgn_point){ h->low + (i + 0.5) * h->width, 100 * (double)h->count[i] / all };
    return all > 0 ? SGN_HISTOGRAM : 0;
}

/* Means of at most MOST stretches of the run; marks are the mean per step between checkpoints. */
static void draw_flips(picture *p, const sgn_sign_history *h) {
    int n = 0, marks = 0;
    for (int from = 0; from < h->steps; n++) {
        const int to = (int)((int64_t)(n + 1) * h->steps / (h->steps < MOST ? h->steps : MOST));
        double x = 0, y = 0;
        for (int i = from; i < to; i++) x += h->flips[i].step, y += h->flips[i].value;
        p->flip[n] = (sgn_point){ x / (to - from), 100 * y / (to - from) };
        from = to;
    }
    for (int i = 1; i < h->checkpoints && marks < MOST; i++) {
        const sgn_sign_change c = interval(h, i);
        p->interval[marks++] = (sgn_point){ (double)h->step[i], 100 * sgn_sign_changed(&c) / (double)(h->step[i] - h->step[i - 1]) };
    }
    if (!n && !marks) return;
    p->flips = (sgn_curve){ .label = "flips of each step; circles: what lasts, per step", .line = p->flip, .line_count = n,
                            .marks = p->interval, .mark_count = marks };
    p->chart[p->count++] = (sgn_chart){ .title = "Signs that change", .x_label = "optimizer steps", .y_label = "% of signs per step", .curves = &p->flips,
                                        .count = 1, .from_zero = true };
}

static long number_of(const sgn_layer_signs *l) { return strtol(l->name + (strncmp(l->name, "model.layers.", 13) == 0 ? 13 : 0), NULL, 10); }

/* Of matrices that `of` chooses, by module or by layer, what lasts per step between checkpoints. */
static bool lasting(const sgn_sign_history *h, bool by_layer, long of, sgn_point *to) {
    bool any = false;
    for (int i = 1; i < h->checkpoints && i <= MOST; i++) {
        sgn_sign_change sum = { 0 };
        for (int k = 0; k < h->layers; k++) {
            const bool is = by_layer ? number_of(&h->layer[k]) == of : strcmp(h->layer[k].module, sgn_linear_module((sgn_block_linear)of)) == 0;
            if (is) sgn_sign_change_add(&sum, &h->change[i * h->layers + k]);
        }
        any |= sum.entries > 0;
        to[i - 1] = (sgn_point){ (double)h->step[i], 100 * sgn_sign_changed(&sum) / (double)(h->step[i] - h->step[i - 1]) };
    }
    return any;
}

/* Modules, and layers: all, or some, evenly. */
static void draw_lasting(picture *p, const sgn_sign_history *h) {
    const long layers = number_of(&h->layer[h->layers - 1]) + 1, lines = layers < LINES ? layers : LINES;
    if (h->checkpoints < 3) return;
    for (int by_layer = 0; by_layer < 2; by_layer++) {
        int n = 0;
        for (long k = 0; k < (by_layer ? lines : MODULES); k++) {
            const long of = by_layer ? lines > 1 ? k * (layers - 1) / (lines - 1) : 0 : k;
            snprintf(p->layer[k], sizeof p->layer[k], "layer %ld", of);
            if (!lasting(h, by_layer, of, p->last[by_layer][n])) continue;
            p->lasting[by_layer][n] = (sgn_curve){ .label = by_layer ? p->layer[k] : sgn_linear_module((sgn_block_linear)k), .line = p->last[by_layer][n],
                                                   .line_count = h->checkpoints - 1 < MOST ? h->checkpoints - 1 : MOST };
            n++;
        }
        p->chart[p->count++] = (sgn_chart){ .title = by_layer ? "Signs that change from checkpoint to checkpoint, by layer" : "Signs that change from checkpoint to checkpoint, by module",
                                            .x_label = "optimizer steps", .y_label = "% of signs per step", .curves = p->lasting[by_layer], .count = n, .from_zero = true };
    }
}

static void draw_latents(picture *p, const sgn_sign_history *h) {
    int n = 0;
    for (int k = 0; k < MODULES; k++) {
        sgn_histogram sum = { 0 };
        const char *module = sgn_linear_module((sgn_block_linear)k);
        for (int i = 0; i < h->layers; i++)
            if (h->layer[i].latent && strcmp(h->layer[i].module, module) == 0) sgn_histogram_add(&sum, &h->layer[i].size);
        const int points = put_histogram(&sum, p->latent[n]);
        if (points) p->curve[n] = (sgn_curve){ .label = module, .line = p->latent[n], .line_count = points }, n++;
    }
    if (n) p->chart[p->count++] = (sgn_chart){ .title = "Latent weights: how far from the boundary of signs", .x_label = "|w| over its layer's mean (last bin: all beyond)",
                                               .y_label = "% of weights per bin", .curves = p->curve, .count = n, .from_zero = true };
}

static void draw_scales(picture *p, const sgn_sign_history *h) {
    static const char *const label[2] = { "alpha", "beta" };
    int n = 0;
    for (int k = 0; k < 2; k++) {
        sgn_histogram sum = { 0 };
        for (int i = 0; i < h->layers; i++)
            if (k ? h->layer[i].beta.count : h->layer[i].alpha.count) sgn_histogram_add(&sum, k ? &h->layer[i].betas : &h->layer[i].alphas);
        const int points = put_histogram(&sum, p->alpha[n]);
        if (points) p->scales[n] = (sgn_curve){ .label = label[k], .line = p->alpha[n], .line_count = points }, n++;
    }
    if (n) p->chart[p->count++] = (sgn_chart){ .title = "Scales and shifts", .x_label = "over the layer's median |alpha| (outer bins: all beyond)",
                                               .y_label = "% per bin", .curves = p->scales, .count = n, .from_zero = true };
}

static void draw_agreement(picture *p, const view *v) {
    const sgn_sign_history *h = &v->h;
    int n = 0;
    for (int i = 0; h->against && i < h->layers && n < MOST; i++, n++) {
        const char *name = strncmp(h->layer[i].name, "model.layers.", 13) == 0 ? h->layer[i].name + 13 : h->layer[i].name;
        snprintf(p->name[n], sizeof p->name[n], "%.*s %s", (int)strcspn(name, "."), name, h->layer[i].module);
        p->names[n] = p->name[n];
        p->agreed[n] = (sgn_point){ n, 100 * sgn_sign_agreed(&h->against[i]) };
    }
    p->agree = (sgn_curve){ .label = "same sign, of what both keep; 50 % by chance", .line = p->agreed, .line_count = n };
    if (n) p->chart[p->count++] = (sgn_chart){ .title = "Agreement with another model or the start", .x_label = "layer and module", .y_label = "% of signs", .curves = &p->agree,
                                               .count = 1, .bars = p->names, .bar_count = n };
}

static sgn_status draw(const view *v, sgn_error *err) {
    picture *p = calloc(1, sizeof *p);
    if (!p) SGN_FAIL(err, SGN_NOMEM, "no memory to draw a picture");
    draw_flips(p, &v->h);
    draw_lasting(p, &v->h);
    draw_latents(p, &v->h);
    draw_scales(p, &v->h);
    draw_agreement(p, v);
    const sgn_status s = p->count ? sgn_charts_save(p->chart, p->count, v->o->svg, err)
        : SGN_ERROR(err, SGN_CONFIG, "--svg %s: %s has neither flips, latents nor scales, so there is nothing to draw", v->o->svg, v->run);
    free(p);
    return s;
}

static sgn_status report(const view *v, sgn_error *err) {
    if (v->o->svg) SGN_TRY(draw(v, err));
    if (v->o->json) return sgn_print_json(to_json(v), 0, err);
    print_view(v);
    return SGN_OK;
}

sgn_status sgn_analyze_signs(const sgn_analysis *o, const char *run, sgn_error *err) {
    view v = { .o = o, .run = run };
    sgn_sign_copy other = { 0 };
    sgn_status s = open_other(&v, &other, err);
    if (s == SGN_OK) s = sgn_sign_history_read(&v.h, run, o->near, other.word ? &other : NULL, err);
    if (s == SGN_OK) s = report(&v, err);
    sgn_sign_history_free(&v.h);
    sgn_sign_copy_free(&other);
    return s;
}
