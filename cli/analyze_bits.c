/* SPDX-License-Identifier: MIT */
#include "cli/analyze.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/output.h"
#include "export/model_bits.h"

enum { NAME = 24, WAYS = 3 };
static const char *const way_name[WAYS] = { "nominal", "ideal", "true" };

typedef struct { const char *name; sgn_model_bits bits; } counted;
typedef struct { char name[SGN_ARRAY_NAME]; sgn_bits bits; } layer;

/* --- numbers ------------------------------------------------------------------------------------------ */

/* Bits per binarized weight as papers count, of the best code for the signs alone, and as they are stored with all that they need. */
static double way(const sgn_bits *b, int which) {
    const double bits[WAYS] = { b->claimed, b->ideal, (double)sgn_bits_binary(b) };
    return b->binary_weights ? bits[which] / (double)b->binary_weights : 0;
}

static double each(const sgn_bits *b) { return sgn_bits_weights(b) ? (double)sgn_bits_all(b) / (double)sgn_bits_weights(b) : 0; }

/* Layer `which` of a model: the sum of its rows; false: past the last. */
static bool layer_at(const counted *c, int which, layer *out) {
    *out = (layer){ .bits = { .binary_weights = 0 } };
    for (int i = 0, at = -1; i < c->bits.count; i++) {
        const char *name = c->bits.row[i].name;
        const size_t n = sgn_bits_layer(name);
        const bool same = i && sgn_bits_layer(c->bits.row[i - 1].name) == n && strncmp(c->bits.row[i - 1].name, name, n) == 0;
        at += !same;
        if (at != which) continue;
        snprintf(out->name, sizeof out->name, "%.*s", (int)n, name);
        sgn_bits_add(&out->bits, &c->bits.row[i].bits);
    }
    return *out->name;
}

/* --- as JSON -------------------------------------------------------------------------------------------- */

static sgn_json *bits_json(const char *name, const sgn_bits *b) {
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "name", sgn_json_new_text(name, strlen(name)));
    sgn_json_set(j, "weights", sgn_json_new_int(sgn_bits_weights(b)));
    sgn_json_set(j, "binarized_weights", sgn_json_new_int(b->binary_weights));
    for (int i = 0; i < WAYS; i++)
        sgn_json_set(j, way_name[i], b->binary_weights ? sgn_json_new_real(way(b, i)) : sgn_json_new_null());
    sgn_json_set(j, "bits", sgn_json_new_int(sgn_bits_all(b)));
    sgn_json_set(j, "bits_per_weight", sgn_json_new_real(each(b)));
    return j;
}

static sgn_json *to_json(const counted *c, int count) {
    sgn_json *all = sgn_json_new_array();
    for (int i = 0; i < count; i++) {
        const sgn_model_bits *b = &c[i].bits;
        sgn_json *j = bits_json(c[i].name, &b->all), *rows = sgn_json_new_array();
        sgn_json_set(j, "counted", sgn_json_new_string(b->what));
        sgn_json_set(j, "stored", sgn_json_new_bool(b->stored));
        sgn_json_set(j, "file_bytes", sgn_json_new_int((int64_t)b->file_bytes));
        sgn_json_set(j, "file_bits_per_weight", b->stored ? sgn_json_new_real(8 * (double)b->file_bytes / (double)sgn_bits_weights(&b->all)) : sgn_json_new_null());
        sgn_json_set(j, "paper", sgn_bits_claim(&b->all) ? sgn_json_new_string(sgn_bits_claim(&b->all)) : sgn_json_new_null());
        sgn_json_set(j, "rows", rows);
        for (int k = 0; k < b->count; k++) sgn_json_append(rows, bits_json(b->row[k].name, &b->row[k].bits));
        sgn_json_append(all, j);
    }
    return all;
}

/* --- for people ------------------------------------------------------------------------------------------- */

static void print_bits(const char *name, const sgn_bits *b) {
    printf("%-*s %12lld %12lld", NAME, name, (long long)sgn_bits_weights(b), (long long)b->binary_weights);
    for (int i = 0; i < WAYS; i++) {
        if (b->binary_weights) printf(" %8.4f", way(b, i));
        else printf(" %8s", "-");
    }
    printf(" %9.4f %12.0f", each(b), (double)sgn_bits_all(b) / 8);
}

static void print_models(const counted *c, int count) {
    printf("%-*s %12s %12s %8s %8s %8s %9s %12s %12s\n", NAME, "bits per weight", "weights", "binarized", "nominal", "ideal", "true", "of all", "bytes", "file");
    for (int i = 0; i < count; i++) {
        print_bits(c[i].name, &c[i].bits.all);
        if (c[i].bits.stored) printf(" %12llu\n", (unsigned long long)c[i].bits.file_bytes);
        else printf(" %12s\n", "-");
    }
    for (int i = 0; i < count; i++) {
        const char *claim = sgn_bits_claim(&c[i].bits.all);
        printf("%s: %s%s%s\n", c[i].name, c[i].bits.what, claim ? "; nominal " : "", claim ? claim : "");
    }
}

/* Of one model everything, of several the true bits of each binarized weight side by side. */
static void print_layers(const counted *c, int count) {
    layer l;
    if (count > 1) {
        printf("\n%-*s", NAME, "true, by layer");
        for (int k = 0; k < count; k++) printf(" %16.16s", strlen(c[k].name) > 16 ? c[k].name + strlen(c[k].name) - 16 : c[k].name);
    }
    putchar('\n');
    for (int i = 0;; i++) {
        bool any = false;
        for (int k = 0; k < count && !any; k++) any = layer_at(&c[k], i, &l);
        if (!any) return;
        if (count == 1) {
            print_bits(l.name, &l.bits);
            putchar('\n');
            continue;
        }
        if (!l.bits.binary_weights) continue;
        printf("%-*s", NAME, l.name);
        for (int k = 0; k < count; k++) {
            if (layer_at(&c[k], i, &l) && l.bits.binary_weights) printf(" %16.4f", way(&l.bits, 2));
            else printf(" %16s", "-");
        }
        putchar('\n');
    }
}

/* --- as a picture ------------------------------------------------------------------------------------------- */

/* Bars of several models, or of the layers of one. */
static sgn_status draw(const counted *c, int count, const char *path, sgn_error *err) {
    enum { MOST = 256 };
    static char text[MOST][32];
    const char *name[MOST];
    sgn_point point[WAYS][MOST];
    sgn_curve curve[WAYS];
    layer l;
    int n = 0;
    for (int i = 0; n < MOST && (count > 1 ? i < count : layer_at(&c[0], i, &l)); i++) {
        const sgn_bits *b = count > 1 ? &c[i].bits.all : &l.bits;
        const char *whole = count > 1 ? c[i].name : l.name, *end = strrchr(whole, count > 1 ? '/' : '.');
        if (!b->binary_weights) continue;
        snprintf(text[n], sizeof text[n], "%.31s", end ? end + 1 : whole);
        name[n] = text[n];
        for (int k = 0; k < WAYS; k++) point[k][n] = (sgn_point){ n, way(b, k) };
        n++;
    }
    if (!n) SGN_FAIL(err, SGN_CONFIG, "--svg %s: nothing is binarized, so there is nothing to draw", path);
    static const char *const label[WAYS] = { "nominal, as papers count", "ideal code of the signs alone", "true, with all that is stored for them" };
    for (int k = 0; k < WAYS; k++) curve[k] = (sgn_curve){ .label = label[k], .line = point[k], .line_count = n };
    const sgn_chart chart = { .title = "Bits per binarized weight", .x_label = count > 1 ? "model" : "layer", .y_label = "bits per weight", .curves = curve,
                              .count = WAYS, .bars = name, .bar_count = n };
    return sgn_charts_save(&chart, 1, path, err);
}

static sgn_status report(const sgn_analysis *o, const counted *c, int count, sgn_error *err) {
    if (o->svg) SGN_TRY(draw(c, count, o->svg, err));
    if (o->json) return sgn_print_json(to_json(c, count), 2, err);
    print_models(c, count);
    print_layers(c, count);
    return SGN_OK;
}

sgn_status sgn_analyze_bits(const sgn_analysis *o, char **models, int count, sgn_error *err) {
    counted *c = calloc((size_t)count, sizeof *c);
    if (!c) SGN_FAIL(err, SGN_NOMEM, "no memory to count %d models", count);
    sgn_status s = SGN_OK;
    for (int i = 0; i < count && s == SGN_OK; i++) {
        c[i].name = models[i];
        s = sgn_model_bits_open(&c[i].bits, models[i], SGN_VERIFY_SMALL, err);
    }
    if (s == SGN_OK) s = report(o, c, count, err);
    for (int i = 0; i < count; i++) sgn_model_bits_close(&c[i].bits);
    free(c);
    return s;
}
