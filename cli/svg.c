/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/svg.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"

enum { WIDTH = 800, HEIGHT = 400, LEFT = 70, RIGHT = 24, TITLE = 52, LEGEND = 22, BOTTOM = 58, TICKS = 8, LABELS = 12 };
static const double plot_width = WIDTH - LEFT - RIGHT, plot_height = HEIGHT - TITLE - BOTTOM;

/* Okabe and Ito's colours, which colour-blind eyes can tell apart; on dark pages lighter ones. */
static const char style[] =
    "<style>text{fill:#222}.bg{fill:#fff}.grid{stroke:#e4e4e4}.axis{stroke:#444}"
    ".c0{color:#0072B2}.c1{color:#D55E00}.c2{color:#009E73}.c3{color:#CC79A7}.c4{color:#B27A00}.c5{color:#56B4E9}.c6{color:#555}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.bg{fill:#14171c}.grid{stroke:#33373d}.axis{stroke:#999}"
    ".c0{color:#56B4E9}.c1{color:#FF8C42}.c2{color:#2CC79A}.c3{color:#E29BC5}.c4{color:#F0C240}.c5{color:#9AD2F5}.c6{color:#AAA}}</style>\n";
enum { COLOURS = 7 };

typedef struct {
    FILE  *out;
    bool   log_x;
    int    id;                         /* of the chart in its picture */
    double top;                        /* of the plot, below title and legend */
    double x0, x1, y0, y1;             /* the window of values; of log_x their log2 */
    double xstep, ystep;               /* between ticks */
} canvas;

static double px(const canvas *c, double x) { return LEFT + ((c->log_x ? log2(x) : x) - c->x0) / (c->x1 - c->x0) * plot_width; }
static double py(const canvas *c, double y) { return c->top + (c->y1 - y) / (c->y1 - c->y0) * plot_height; }

/* The smallest of 1, 2, 5 x 10^k that cuts the range into at most TICKS. */
static double tick(double range) {
    const double raw = range / TICKS, power = pow(10, floor(log10(raw)));
    for (int i = 0; i < 3; i++)
        if (raw <= (double[]){ 1, 2, 5 }[i] * power * (1 + 1e-9)) return (double[]){ 1, 2, 5 }[i] * power;
    return 10 * power;
}

static void put_text(FILE *out, const char *s) {
    for (; *s; s++) {
        if (*s == '<') fputs("&lt;", out);
        else if (*s == '&') fputs("&amp;", out);
        else fputc(*s, out);
    }
}

/* 1500000 as 1.5 M. */
static void put_count(FILE *out, double v) {
    static const struct { double unit; const char *name; } units[] = { { 1e12, " T" }, { 1e9, " G" }, { 1e6, " M" }, { 1e3, " k" } };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (v >= units[i].unit) {
            fprintf(out, "%.4g%s", v / units[i].unit, units[i].name);
            return;
        }
    fprintf(out, "%.4g", v);
}

static void widen(double *low, double *high, double v) {
    if (v < *low) *low = v;
    if (v > *high) *high = v;
}

typedef struct { double x0, x1, y0, y1; } bounds;

static void reach(bounds *b, const sgn_chart *c, const sgn_point *p, int count) {
    for (int i = 0; i < count; i++) {
        if (c->y_top <= 0 || p[i].y <= c->y_top) widen(&b->y0, &b->y1, p[i].y);
        widen(&b->x0, &b->x1, c->log_x ? log2(p[i].x) : p[i].x);
    }
}

static void find_window(canvas *w, const sgn_chart *c) {
    bounds b = { c->log_x ? INFINITY : 0, -INFINITY, INFINITY, -INFINITY };
    for (int i = 0; i < c->count; i++) {
        reach(&b, c, c->curves[i].line, c->curves[i].line_count);
        reach(&b, c, c->curves[i].marks, c->curves[i].mark_count);
    }
    if (c->from_zero || c->bars) widen(&b.y0, &b.y1, 0);
    if (!(b.y0 < b.y1)) b.y0 = isfinite(b.y0) ? b.y0 - 0.5 : 0, b.y1 = b.y0 + 1;
    if (!isfinite(b.x0)) b.x0 = 0;
    w->log_x = c->log_x;
    w->x0 = c->bars ? -0.5 : b.x0;
    w->x1 = c->bars ? c->bar_count - 0.5 : b.x1 > b.x0 ? b.x1 : b.x0 + 1;
    w->xstep = c->log_x ? ceil((w->x1 - w->x0) / LABELS) : tick(w->x1 - w->x0);
    w->ystep = tick(b.y1 - b.y0);
    w->y0 = floor(b.y0 / w->ystep) * w->ystep;
    w->y1 = ceil(b.y1 / w->ystep) * w->ystep;
}

/* --- axes ----------------------------------------------------------------------------------------------- */

static double foot(const canvas *w) { return w->top + plot_height; }

static void draw_x_tick(const canvas *w, double x) {
    fprintf(w->out, "<path d=\"M%.1f %.1fv5\" class=\"axis\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", px(w, x), foot(w),
            px(w, x), foot(w) + 20);
}

static void draw_x_ticks(const canvas *w, const sgn_chart *c) {
    const int every = c->bars ? (c->bar_count + LABELS - 1) / LABELS : 1;
    if (c->bars) {
        for (int i = 0; i < c->bar_count; i += every) {
            draw_x_tick(w, i);
            put_text(w->out, c->bars[i]);
            fputs("</text>\n", w->out);
        }
        return;
    }
    for (double at = ceil(w->x0 / w->xstep - 1e-9); at * w->xstep <= w->x1 + 1e-9 * fabs(w->x1); at++) {
        const double x = w->log_x ? exp2(at * w->xstep) : at * w->xstep;
        draw_x_tick(w, x);
        if (w->log_x || fabs(x) < w->xstep / 2) fprintf(w->out, "%.0f", fabs(x) < w->xstep / 2 ? 0 : x);
        else put_count(w->out, x);
        fputs("</text>\n", w->out);
    }
}

static void draw_axes(const canvas *w, const sgn_chart *c) {
    FILE *o = w->out;
    const double ystep = w->ystep;
    const int decimals = ystep >= 1 ? 0 : (int)ceil(-log10(ystep) - 1e-9);
    for (int i = 0; w->y0 + i * ystep <= w->y1 + ystep / 2; i++) {
        const double y = w->y0 + i * ystep;
        fprintf(o, "<path d=\"M%d %.1fH%d\" class=\"grid\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.*f</text>\n",
                LEFT, py(w, y), WIDTH - RIGHT, LEFT - 8, py(w, y) + 4.5, decimals, fabs(y) < ystep / 2 ? 0 : y);
    }
    draw_x_ticks(w, c);
    fprintf(o, "<path d=\"M%d %.1fV%.1fH%d\" fill=\"none\" class=\"axis\"/>\n", LEFT, w->top, foot(w), WIDTH - RIGHT);
    fprintf(o, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", LEFT + plot_width / 2, foot(w) + BOTTOM - 14);
    put_text(o, c->x_label);
    fprintf(o, "</text>\n<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\">", w->top + plot_height / 2);
    put_text(o, c->y_label);
    fprintf(o, "</text>\n<text x=\"%d\" y=\"28\" font-size=\"17\" font-weight=\"600\">", LEFT);
    put_text(o, c->title);
    fputs("</text>\n", o);
}

/* --- values --------------------------------------------------------------------------------------------- */

static void draw_bars(const canvas *w, const sgn_chart *c, int which) {
    const sgn_curve *k = &c->curves[which];
    const double width = 0.8 * plot_width / c->bar_count / c->count;
    fprintf(w->out, "<g class=\"c%d\" fill=\"currentColor\">\n", which % COLOURS);
    for (int i = 0; i < k->line_count; i++) {
        const double y = k->line[i].y, zero = py(w, 0), end = py(w, y);
        fprintf(w->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%.6g</title></rect>\n",
                px(w, i) + (which - c->count / 2.0) * width, fmin(zero, end), 0.94 * width, fabs(zero - end), y);
    }
    fputs("</g>\n", w->out);
}

static void draw_mark(FILE *o, double x, double y) {
    fprintf(o, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" class=\"bg\" stroke=\"currentColor\" stroke-width=\"2\"/>\n", x, y);
}

static void draw_curve(const canvas *w, const sgn_curve *k, int which) {
    FILE *o = w->out;
    fprintf(o, "<g class=\"c%d\">\n", which % COLOURS);
    if (k->line_count) fputs("<path d=\"", o);
    for (int i = 0; i < k->line_count; i++) fprintf(o, "%c%.1f %.1f", i ? 'L' : 'M', px(w, k->line[i].x), py(w, k->line[i].y));
    if (k->line_count)
        fprintf(o, "\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\" stroke-linejoin=\"round\"%s clip-path=\"url(#plot%d)\"/>\n",
                which >= COLOURS ? " stroke-dasharray=\"6 3\"" : "", w->id);
    for (int i = 0; i < k->mark_count; i++)
        if (k->marks[i].y <= w->y1) draw_mark(o, px(w, k->marks[i].x), py(w, k->marks[i].y));
    fputs("</g>\n", o);
}

static void draw_legend(const canvas *w, const sgn_chart *c) {
    FILE *o = w->out;
    for (int i = 0; i < c->count; i++) {
        const int x = LEFT + i % 2 * (int)plot_width / 2, y = TITLE - 4 + LEGEND * (i / 2);
        fprintf(o, "<g class=\"c%d\">", i % COLOURS);
        if (c->bars) fprintf(o, "<rect x=\"%d\" y=\"%d\" width=\"28\" height=\"10\" fill=\"currentColor\"/>", x, y - 5);
        else fprintf(o, "<path d=\"M%d %dh28\" stroke=\"currentColor\" stroke-width=\"2\"%s/>", x, y, i >= COLOURS ? " stroke-dasharray=\"6 3\"" : "");
        if (c->curves[i].mark_count) draw_mark(o, x + 14, y);
        fprintf(o, "</g><text x=\"%d\" y=\"%d\">", x + 36, y + 5);
        put_text(o, c->curves[i].label);
        fputs("</text>\n", o);
    }
}

/* --- pictures ------------------------------------------------------------------------------------------- */

static int legend_height(const sgn_chart *c) { return LEGEND * ((c->count + 1) / 2); }

static void draw_chart(FILE *out, const sgn_chart *c, int id, int y) {
    canvas w = { .out = out, .id = id, .top = TITLE + legend_height(c) };
    find_window(&w, c);
    fprintf(out, "<g transform=\"translate(0 %d)\">\n<clipPath id=\"plot%d\"><rect x=\"%d\" y=\"%.1f\" width=\"%.0f\" height=\"%.0f\"/></clipPath>\n", y,
            id, LEFT, w.top, plot_width, plot_height);
    draw_axes(&w, c);
    for (int i = 0; i < c->count; i++) {
        if (c->bars) draw_bars(&w, c, i);
        else draw_curve(&w, &c->curves[i], i);
    }
    draw_legend(&w, c);
    fputs("</g>\n", out);
}

sgn_status sgn_charts_draw(const sgn_chart *c, int count, char **out, sgn_error *err) {
    size_t size;
    int height = 0;
    *out = NULL;
    FILE *o = open_memstream(out, &size);
    if (!o) SGN_FAIL(err, SGN_NOMEM, "no memory to draw a picture");
    for (int i = 0; i < count; i++) height += HEIGHT + legend_height(&c[i]);
    fprintf(o, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"system-ui, -apple-system, 'Segoe UI', "
            "'DejaVu Sans', sans-serif\" font-size=\"14\">\n%s<rect width=\"%d\" height=\"%d\" class=\"bg\"/>\n", WIDTH, height, style, WIDTH, height);
    for (int i = 0, y = 0; i < count; y += HEIGHT + legend_height(&c[i++])) draw_chart(o, &c[i], i, y);
    fputs("</svg>\n", o);
    const bool failed = ferror(o) != 0;
    if (fclose(o) == 0 && !failed) return SGN_OK;
    free(*out);
    *out = NULL;
    SGN_FAIL(err, SGN_NOMEM, "no memory to draw a picture");
}

sgn_status sgn_charts_save(const sgn_chart *c, int count, const char *path, sgn_error *err) {
    char *text;
    SGN_TRY(sgn_charts_draw(c, count, &text, err));
    const sgn_status s = sgn_file_write(path, text, strlen(text), err);
    free(text);
    return s;
}
