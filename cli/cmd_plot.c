/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/svg.h"
#include "core/file.h"
#include "core/json.h"

enum { BINS = 240, MOST_RUNS = 16, METRICS_LIMIT = 1 << 30 };

typedef struct { const char *out, *title; } values;

static const sgn_option options[] = {
    { "out", SGN_OPTION_WORD, offsetof(values, out), "FILE.svg", "where to draw" },
    { "title", SGN_OPTION_WORD, offsetof(values, title), "TEXT", "headline of the picture" },
    { 0 },
};

/* --- metrics.jsonl to points ------------------------------------------------------------------------ */

typedef struct {
    char       label[96];
    sgn_point *train, *valid, line[BINS];
    int        train_count, train_room, valid_count, valid_room, line_count;
} series;

static sgn_status push(sgn_point **at, int *count, int *room, sgn_point p, sgn_error *err) {
    if (*count == *room) {
        const int grown = 2 * *room + 256;
        sgn_point *more = realloc(*at, (size_t)grown * sizeof *more);
        if (!more) SGN_FAIL(err, SGN_NOMEM, "no memory for a curve of %d points", grown);
        *at = more;
        *room = grown;
    }
    (*at)[(*count)++] = p;
    return SGN_OK;
}

static sgn_status read_line(series *s, const char *line, size_t size, const char *where, sgn_error *err) {
    sgn_json *j;
    SGN_TRY(sgn_json_parse(&j, line, size, where, err));
    const sgn_json *valid = sgn_json_get(j, "valid");
    const double x = sgn_json_real(sgn_json_get(j, "tokens"), 0);
    sgn_status status = push(&s->train, &s->train_count, &s->train_room,
                             (sgn_point){ x, sgn_json_real(sgn_json_get(j, "hard"), 0) }, err);
    if (status == SGN_OK && valid)
        status = push(&s->valid, &s->valid_count, &s->valid_room, (sgn_point){ x, sgn_json_real(valid, 0) }, err);
    sgn_json_free(j);
    return status;
}

static sgn_status read_metrics(series *s, const char *run, sgn_error *err) {
    sgn_path path;
    char *text;
    size_t size;
    SGN_TRY(sgn_path_set(&path, err, "%s/metrics.jsonl", run));
    SGN_TRY(sgn_file_read(path.s, METRICS_LIMIT, &text, &size, err));
    sgn_status status = SGN_OK;
    long number = 1;
    for (char *line = text, *end; status == SGN_OK && (end = strchr(line, '\n')); line = end + 1, number++) {
        char where[SGN_PATH_MAX + 32];
        snprintf(where, sizeof where, "%s, line %ld", path.s, number);
        status = read_line(s, line, (size_t)(end - line), where, err);
    }
    free(text);
    if (status == SGN_OK && s->train_count == 0) SGN_FAIL(err, SGN_FORMAT, "%s: holds no steps yet", path.s);
    return status;
}

/* Means over BINS equal parts of the run, each with its four neighbours. */
static void smooth(series *s) {
    double sum[BINS] = { 0 }, at[BINS] = { 0 }, count[BINS] = { 0 };
    const double last = s->train[s->train_count - 1].x;
    for (int i = 0; i < s->train_count; i++) {
        int b = last > 0 ? (int)(s->train[i].x / last * BINS) : 0;
        b = b < 0 ? 0 : b >= BINS ? BINS - 1 : b;
        sum[b] += s->train[i].y;
        at[b] += s->train[i].x;
        count[b]++;
    }
    for (int b = 0; b < BINS; b++) {
        double y = 0, n = 0;
        for (int k = b - 2; k <= b + 2; k++)
            if (k >= 0 && k < BINS) y += sum[k], n += count[k];
        if (count[b] > 0) s->line[s->line_count++] = (sgn_point){ at[b] / count[b], y / n };
    }
}

static void label(series *s, const char *run) {
    size_t n = strlen(run);
    while (n > 1 && run[n - 1] == '/') n--;
    size_t from = n;
    while (from > 0 && run[from - 1] != '/') from--;
    const double end = s->valid_count ? s->valid[s->valid_count - 1].y : s->line[s->line_count - 1].y;
    snprintf(s->label, sizeof s->label, "%.*s: %s %.3f", (int)(n - from < 40 ? n - from : 40), run + from,
             s->valid_count ? "validation" : "training", end);
}

/* The first 8 % fall from ln(vocab): they would flatten all the rest. */
static double top_of(const series *s, int count) {
    double top = 0;
    for (int i = 0; i < count; i++) {
        const double y = s[i].line[s[i].line_count / 12].y;
        if (y > top) top = y;
    }
    return top;
}

static sgn_status draw(series *s, int argc, char **argv, const values *v, sgn_error *err) {
    sgn_curve curves[MOST_RUNS];
    for (int i = 0; i < argc; i++) {
        SGN_TRY(read_metrics(&s[i], argv[i], err));
        smooth(&s[i]);
        label(&s[i], argv[i]);
        curves[i] = (sgn_curve){ s[i].label, s[i].line, s[i].valid, s[i].line_count, s[i].valid_count };
    }
    const sgn_chart chart = {
        .title = v->title ? v->title : "Next-token loss: training (lines) and validation (circles)",
        .x_label = "tokens seen", .y_label = "nats per token", .curves = curves, .count = argc, .y_top = top_of(s, argc),
    };
    return sgn_charts_save(&chart, 1, v->out, err);
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { 0 };
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 1, MOST_RUNS, err));
    if (!v.out) SGN_FAIL(err, SGN_CONFIG, "--out is missing; name the picture: --out curves.svg");
    series *s = calloc((size_t)argc, sizeof *s);
    if (!s) SGN_FAIL(err, SGN_NOMEM, "no memory for %d curves", argc);
    const sgn_status status = draw(s, argc, argv, &v, err);
    for (int i = 0; i < argc; i++) {
        free(s[i].train);
        free(s[i].valid);
    }
    free(s);
    return status;
}

const sgn_command sgn_command_plot = {
    .name = "plot", .summary = "draw the loss curves of runs as an SVG",
    .usage = "RUN... --out curves.svg", .options = options, .run = run,
    .example = "signum plot runs/teacher runs/student --out curves.svg",
};
