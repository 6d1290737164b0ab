/* SPDX-License-Identifier: MIT */
#include "cli/analyze.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "cli/output.h"
#include "core/parallel.h"
#include "model/model_load.h"

typedef struct {
    const sgn_analysis *o;
    const char    *name;
    sgn_run_config run;
    bool           is_file, assumed;           /* assumed: the model has no signs; as if all its projections were */
    sgn_work_shape shape;
    sgn_speedup    speedup;
    sgn_machine    machine;
    int64_t        context[SGN_CONTEXTS_MAX];
    sgn_amdahl_row row[SGN_CONTEXTS_MAX];
    int            count;
} view;

/* --- what is asked ---------------------------------------------------------------------------------- */

static sgn_status parse_contexts(view *v, sgn_error *err) {
    const char *at = v->o->context ? v->o->context : v->o->measure ? "128,512,1024" : "128,256,512,1024,2048,4096,8192";
    for (char *end;; at = end + 1) {
        const long long n = strtoll(at, &end, 10);
        if (end == at || (*end && *end != ',') || n < 1 || n > 1LL << 30 || v->count == SGN_CONTEXTS_MAX)
            SGN_FAIL(err, SGN_CONFIG, "--context %.80s: it is a list of at most %d numbers of tokens: 512,2048", v->o->context, SGN_CONTEXTS_MAX);
        v->context[v->count++] = n;
        if (!*end) return SGN_OK;
    }
}

/* A preset is a YAML file or a name of one; everything else is a model. */
static bool is_preset(const char *model) {
    struct stat st;
    const size_t n = strlen(model);
    return stat(model, &st) != 0 || (n > 5 && strcmp(model + n - 5, ".yaml") == 0);
}

static sgn_status load(view *v, const char *const *words, int count, sgn_error *err) {
    v->is_file = !is_preset(v->name);
    if (v->is_file && count) SGN_FAIL(err, SGN_CONFIG, "%s is a model, not a preset: it takes no '%.80s'", v->name, words[0]);
    SGN_TRY(sgn_run_config_load(&v->run, v->is_file ? NULL : v->name, words, count, err));
    sgn_model_config *c = &v->run.model;
    if (v->is_file) {
        sgn_path directory;
        SGN_TRY(sgn_model_resolve(v->name, "model", &directory, err));
        SGN_TRY(sgn_model_load_config(directory.s, NULL, c, err));
    } else {
        SGN_TRY(sgn_run_config_check(&v->run, err));
    }
    if (c->vocab == 0) SGN_FAIL(err, SGN_CONFIG, "%s leaves model.vocab to the data; say it: model.vocab=32000", v->name);
    v->assumed = !sgn_model_config_any_binary(c);
    if (v->assumed) {
        *c->mixed = '\0', c->shift = true;
        strcpy(c->linear, "fbi"), strcpy(c->scales, "column"), strcpy(c->binary, "attention,mlp");
    }
    return sgn_work_shape_of(c, &v->shape, err);
}

/* --- as JSON ---------------------------------------------------------------------------------------- */

static void set(sgn_json *j, const char *key, double value) { sgn_json_set(j, key, sgn_json_new_real(value)); }
static void set_int(sgn_json *j, const char *key, int64_t value) { sgn_json_set(j, key, sgn_json_new_int(value)); }

static void set_gain(sgn_json *j, const char *key, double predicted, double ceiling, double measured) {
    sgn_json *g = sgn_json_new_object();
    sgn_json_set(j, key, g);
    set(g, "predicted", predicted);
    if (ceiling > 0) set(g, "ceiling", ceiling);
    if (measured > 0) set(g, "measured", measured);
}

static sgn_json *row_json(const view *v, int i) {
    const sgn_amdahl_row *r = &v->row[i];
    const sgn_footprint *b = &r->bytes;
    const double all = r->work.binary + r->work.full + r->work.attention + r->work.head;
    sgn_json *j = sgn_json_new_object(), *share = sgn_json_new_object(), *bytes = sgn_json_new_object();
    set_int(j, "context", r->context);
    set(j, "operations", all);
    sgn_json_set(j, "share", share);
    set(share, "signs", r->work.binary / all);
    set(share, "full", r->work.full / all);
    set(share, "attention", r->work.attention / all);
    set(share, "head", r->work.head / all);
    set(j, "f", r->fraction);
    set(j, "f_with_head", r->with_head);
    set_gain(j, "prefill", r->prefill, r->prefill_ceiling, v->machine.prefill[i]);
    set_gain(j, "training", r->train, r->train_ceiling, 0);
    set_gain(j, "decode_operations", r->decode, r->decode_ceiling, v->machine.decode[i]);
    set_gain(j, "decode_bytes", r->decode_bytes, 0, v->machine.decode[i]);
    sgn_json_set(j, "bytes", bytes);
    const struct { const char *key; double value; } part[] = {
        { "signs", b->binary }, { "scales", b->scales }, { "full", b->full }, { "norms", b->vectors }, { "embedding", b->embedding },
        { "head", b->head }, { "cache", b->cache }, { "all", sgn_footprint_sum(b) },
    };
    for (size_t k = 0; k < sizeof part / sizeof *part; k++) set(bytes, part[k].key, part[k].value);
    return j;
}

static void set_machine(const view *v, sgn_json *j) {
    const sgn_machine *m = &v->machine;
    const sgn_work w = sgn_work_at(&v->shape, v->o->seq, true);
    sgn_json *k = sgn_json_new_object();
    sgn_json_set(j, "measured", k);
    set_int(k, "threads", sgn_threads());
    set(k, "product_forward", m->product.forward);
    set(k, "product_dx", m->product.dx);
    set_int(k, "seq", v->o->seq);
    set(k, "training_predicted", sgn_amdahl_train_gain(sgn_amdahl_fraction(&w, true), m->product.forward, m->product.dx));
    set(k, "training_passes", m->passes);
    set(k, "training_step", m->step);
    if (*m->why) sgn_json_set(k, "not_run", sgn_json_new_text(m->why, strlen(m->why)));
}

static sgn_json *to_json(const view *v) {
    const sgn_work_shape *s = &v->shape;
    sgn_json *j = sgn_json_new_object(), *rows = sgn_json_new_array();
    sgn_json_set(j, "model", sgn_json_new_text(v->name, strlen(v->name)));
    sgn_json_set(j, "assumed", sgn_json_new_bool(v->assumed));
    sgn_json_set(j, "causal", sgn_json_new_bool(v->o->causal || v->o->measure));
    set_int(j, "sign_weights", s->binary);
    set_int(j, "full_weights", s->full);
    set_int(j, "head_weights", s->head);
    set(j, "sign_bits_per_weight", s->sign_bits / (double)s->binary);
    set(j, "context_at_half", sgn_amdahl_half(s, v->o->causal || v->o->measure, false));
    set(j, "context_at_half_with_head", sgn_amdahl_half(s, v->o->causal || v->o->measure, true));
    set(j, "speedup", v->speedup.forward);
    sgn_json_set(j, "rows", rows);
    for (int i = 0; i < v->count; i++) sgn_json_append(rows, row_json(v, i));
    if (v->o->measure) set_machine(v, j);
    return j;
}

/* --- for people --------------------------------------------------------------------------------------- */

static void print_half(const view *v, bool head) {
    const double at = sgn_amdahl_half(&v->shape, v->o->causal || v->o->measure, head);
    if (at > 0) printf("half of the operations are products with signs at a context of %.0f tokens%s\n", at, head ? ", the head counted" : "");
    else printf("products with signs are never half of the operations%s\n", head ? ", the head counted" : "");
}

static void print_measured(double value) {
    if (value > 0) printf(" %8.2f", value);
    else printf(" %8s", "-");
}

static void print_operations(const view *v) {
    const bool measured = v->o->measure;
    printf("\noperations of a token, %%, and gain at %.2f times per product (ceiling)\n", v->speedup.forward);
    printf("%8s %7s %7s %9s %7s %7s %7s  %15s%s  %15s\n", "context", "signs", "full", "attention", "head", "F", "F+head", "prefill",
           measured ? " measured" : "", "training");
    for (int i = 0; i < v->count; i++) {
        const sgn_amdahl_row *r = &v->row[i];
        const double all = r->work.binary + r->work.full + r->work.attention + r->work.head, to = 100 / all;
        printf("%8lld %7.2f %7.2f %9.2f %7.2f %7.2f %7.2f  %6.2f (%6.2f)", (long long)r->context, to * r->work.binary, to * r->work.full,
               to * r->work.attention, to * r->work.head, 100 * r->fraction, 100 * r->with_head, r->prefill, r->prefill_ceiling);
        if (measured) print_measured(v->machine.prefill[i]);
        printf("  %6.2f (%6.2f)\n", r->train, r->train_ceiling);
    }
}

static void print_bytes(const view *v) {
    const double mib = 1 << 20;
    const bool measured = v->o->measure;
    printf("\nMiB, signs by an ideal code and all else in 16 bits, and gain of decoding by bytes read and by operations\n");
    printf("%8s %9s %9s %9s %9s %9s %9s %9s  %8s%s %10s\n", "context", "signs", "scales", "full", "embedding", "head", "cache", "all", "bytes",
           measured ? " measured" : "", "operations");
    for (int i = 0; i < v->count; i++) {
        const sgn_footprint *b = &v->row[i].bytes;
        printf("%8lld %9.2f %9.2f %9.2f %9.2f %9.2f %9.2f %9.2f  %8.2f", (long long)v->row[i].context, b->binary / mib, b->scales / mib,
               (b->full + b->vectors) / mib, b->embedding / mib, b->head / mib, b->cache / mib, sgn_footprint_sum(b) / mib, v->row[i].decode_bytes);
        if (measured) print_measured(v->machine.decode[i]);
        printf(" %10.2f\n", v->row[i].decode);
    }
}

static void print_view(const view *v) {
    const sgn_work_shape *s = &v->shape;
    const sgn_machine *m = &v->machine;
    printf("%s%s: %.2f M weights of projections as signs, %.4f bits each, %.2f M in full precision; head %.2f M\n", v->name,
           v->assumed ? ", were its projections signs" : "", 1e-6 * (double)s->binary, s->sign_bits / (double)s->binary, 1e-6 * (double)s->full,
           1e-6 * (double)s->head);
    print_half(v, false);
    print_half(v, true);
    print_operations(v);
    print_bytes(v);
    if (!v->o->measure) return;
    const sgn_work w = sgn_work_at(s, v->o->seq, true);
    printf("\nhere, %d thread%s: products with signs %.2f times as fast as SGEMM forward, %.2f backward\n", sgn_threads(), sgn_threads() == 1 ? "" : "s",
           m->product.forward, m->product.dx);
    printf("training on windows of %lld tokens: predicted %.2f; measured %.2f of forward and backward, %.2f of the whole step\n", (long long)v->o->seq,
           sgn_amdahl_train_gain(sgn_amdahl_fraction(&w, true), m->product.forward, m->product.dx), m->passes, m->step);
    if (*m->why) printf("prefill and decoding were not run: %s\n", m->why);
}

/* --- as a picture --------------------------------------------------------------------------------------- */

enum { SHARES = 4, GAINS = 6, FINE = 8 };      /* FINE points per octave */

static int by_value(const void *a, const void *b) { return *(const int64_t *)a < *(const int64_t *)b ? -1 : *(const int64_t *)a > *(const int64_t *)b; }

static sgn_status draw(const view *v, sgn_error *err) {
    static const char *const share_name[SHARES] = { "products with signs", "projections in full precision", "attention heads", "output head" };
    static const char *const gain_name[GAINS] = { "prefill", "training", "decoding, by bytes read", "decoding, by operations", "prefill, measured", "decoding, measured" };
    enum { MOST = 512 };
    sgn_point share[SHARES][MOST], gain[GAINS][MOST];
    sgn_curve shares[SHARES], gains[GAINS];
    int64_t context[SGN_CONTEXTS_MAX];
    int n = 0, drawn = 0, marks[2] = { 0, 0 };
    memcpy(context, v->context, sizeof context);
    qsort(context, (size_t)v->count, sizeof *context, by_value);
    for (double x = (double)context[0]; n < MOST; x *= 1 + 0.7 / FINE, n++) {
        const int64_t at = x < (double)context[v->count - 1] ? (int64_t)x : context[v->count - 1];
        const sgn_amdahl_row r = sgn_amdahl_at(&v->shape, at, v->o->causal || v->o->measure, v->speedup);
        const double all = r.work.binary + r.work.full + r.work.attention + r.work.head;
        const double part[SHARES] = { r.work.binary, r.work.full, r.work.attention, r.work.head };
        const double times[4] = { r.prefill, r.train, r.decode_bytes, r.decode };
        for (int k = 0; k < SHARES; k++) share[k][n] = (sgn_point){ (double)at, 100 * part[k] / all };
        for (int k = 0; k < 4; k++) gain[k][n] = (sgn_point){ (double)at, times[k] };
        if (at == context[v->count - 1]) { n++; break; }
    }
    for (int i = 0; i < v->count; i++) {
        if (v->machine.prefill[i] > 0) gain[4][marks[0]++] = (sgn_point){ (double)v->context[i], v->machine.prefill[i] };
        if (v->machine.decode[i] > 0) gain[5][marks[1]++] = (sgn_point){ (double)v->context[i], v->machine.decode[i] };
    }
    for (int k = 0; k < SHARES; k++)
        if (share[k][0].y > 0) shares[drawn++] = (sgn_curve){ .label = share_name[k], .line = share[k], .line_count = n };
    for (int k = 0; k < GAINS; k++)
        gains[k] = k < 4 ? (sgn_curve){ .label = gain_name[k], .line = gain[k], .line_count = n }
                         : (sgn_curve){ .label = gain_name[k], .marks = gain[k], .mark_count = marks[k - 4] };
    char title[2][160];
    snprintf(title[0], sizeof title[0], "Where the operations of %.80s are", v->name);
    snprintf(title[1], sizeof title[1], "What signs gain over 16 bits, products %.2f times as fast", v->speedup.forward);
    const sgn_chart chart[] = {
        { .title = title[0], .x_label = "tokens of context", .y_label = "% of multiply-adds per token", .curves = shares, .count = drawn, .log_x = true, .from_zero = true },
        { .title = title[1], .x_label = "tokens of context", .y_label = "times as fast", .curves = gains, .count = marks[0] ? GAINS : 4, .log_x = true, .from_zero = true },
    };
    return sgn_charts_save(chart, 2, v->o->svg, err);
}

/* --- all of it -------------------------------------------------------------------------------------------- */

static sgn_status analyze(view *v, const char *const *words, int count, sgn_error *err) {
    SGN_TRY(parse_contexts(v, err));
    SGN_TRY(load(v, words, count, err));
    if (v->o->measure) {
        SGN_TRY(sgn_machine_measure(v->o, &v->run, v->is_file && !v->assumed ? v->name : NULL, v->context, v->count, &v->machine, err));
        v->speedup = v->machine.product;
    }
    for (int i = 0; i < v->count; i++) v->row[i] = sgn_amdahl_at(&v->shape, v->context[i], v->o->causal || v->o->measure, v->speedup);
    if (v->o->svg) SGN_TRY(draw(v, err));
    if (v->o->json) return sgn_print_json(to_json(v), 2, err);
    print_view(v);
    return SGN_OK;
}

sgn_status sgn_analyze_amdahl(const sgn_analysis *o, const char *model, const char *const *words, int count, sgn_error *err) {
    view *v = calloc(1, sizeof *v);
    if (!v) SGN_FAIL(err, SGN_NOMEM, "no memory to analyze %s", model);
    v->o = o, v->name = model;
    v->speedup = (sgn_speedup){ o->speedup, o->speedup };
    const sgn_status s = analyze(v, words, count, err);
    free(v);
    return s;
}
