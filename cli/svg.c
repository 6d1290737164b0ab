/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/svg.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 800, HEIGHT = 460, LEFT = 70, RIGHT = 24, TOP = 52, BOTTOM = 58, TICKS = 8 };
static const double plot_width = WIDTH - LEFT - RIGHT, plot_height = HEIGHT - TOP - BOTTOM;

/* Okabe and Ito's colours, which colour-blind eyes can tell apart. */
static const char *const colours[] = { "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555" };
enum { COLOURS = (int)(sizeof colours / sizeof *colours) };

typedef struct {
    FILE  *out;
    double x0, x1, y0, y1;             /* the window of values */
    double xstep, ystep;               /* between ticks */
} canvas;

static double px(const canvas *c, double x) { return LEFT + (x - c->x0) / (c->x1 - c->x0) * plot_width; }
static double py(const canvas *c, double y) { return TOP + (c->y1 - y) / (c->y1 - c->y0) * plot_height; }

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

static void find_window(canvas *w, const sgn_chart *c) {
    double low = INFINITY, high = -INFINITY, last = 0;
    for (int i = 0; i < c->count; i++) {
        const sgn_curve *k = &c->curves[i];
        for (int j = 0; j < k->line_count; j++) {
            if (c->y_top <= 0 || k->line[j].y <= c->y_top) widen(&low, &high, k->line[j].y);
            if (k->line[j].x > last) last = k->line[j].x;
        }
        for (int j = 0; j < k->mark_count; j++) {
            if (c->y_top <= 0 || k->marks[j].y <= c->y_top) widen(&low, &high, k->marks[j].y);
            if (k->marks[j].x > last) last = k->marks[j].x;
        }
    }
    if (!(low < high)) low = isfinite(low) ? low - 0.5 : 0, high = low + 1;
    w->x0 = 0;
    w->x1 = last > 0 ? last : 1;
    w->xstep = tick(w->x1);
    w->ystep = tick(high - low);
    w->y0 = floor(low / w->ystep) * w->ystep;
    w->y1 = ceil(high / w->ystep) * w->ystep;
}

static void draw_axes(const canvas *w, const sgn_chart *c) {
    FILE *o = w->out;
    const double ystep = w->ystep, xstep = w->xstep;
    const int decimals = ystep >= 1 ? 0 : (int)ceil(-log10(ystep) - 1e-9);
    for (int i = 0; w->y0 + i * ystep <= w->y1 + ystep / 2; i++) {
        const double y = w->y0 + i * ystep;
        fprintf(o, "<path d=\"M%d %.1fH%d\" stroke=\"#e4e4e4\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.*f</text>\n",
                LEFT, py(w, y), WIDTH - RIGHT, LEFT - 8, py(w, y) + 4.5, decimals, y);
    }
    for (int i = 0; i * xstep <= w->x1 * (1 + 1e-9); i++) {
        fprintf(o, "<path d=\"M%.1f %dv5\" stroke=\"#444\"/><text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", px(w, i * xstep),
                HEIGHT - BOTTOM, px(w, i * xstep), HEIGHT - BOTTOM + 20);
        put_count(o, i * xstep);
        fputs("</text>\n", o);
    }
    fprintf(o, "<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"#444\"/>\n", LEFT, TOP, HEIGHT - BOTTOM, WIDTH - RIGHT);
    fprintf(o, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", LEFT + plot_width / 2, HEIGHT - 14);
    put_text(o, c->x_label);
    fprintf(o, "</text>\n<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\">", TOP + plot_height / 2);
    put_text(o, c->y_label);
    fprintf(o, "</text>\n<text x=\"%d\" y=\"28\" font-size=\"17\" font-weight=\"600\">", LEFT);
    put_text(o, c->title);
    fputs("</text>\n", o);
}

static void draw_curve(const canvas *w, const sgn_curve *k, const char *colour) {
    FILE *o = w->out;
    fputs("<path d=\"", o);
    for (int i = 0; i < k->line_count; i++) fprintf(o, "%c%.1f %.1f", i ? 'L' : 'M', px(w, k->line[i].x), py(w, k->line[i].y));
    fprintf(o, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-linejoin=\"round\" clip-path=\"url(#plot)\"/>\n", colour);
    for (int i = 0; i < k->mark_count; i++)
        if (k->marks[i].y <= w->y1)
            fprintf(o, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"#fff\" stroke=\"%s\" stroke-width=\"2\"/>\n",
                    px(w, k->marks[i].x), py(w, k->marks[i].y), colour);
}

static void draw_legend(const canvas *w, const sgn_chart *c) {
    FILE *o = w->out;
    const int x = WIDTH - RIGHT - 300;
    fprintf(o, "<rect x=\"%d\" y=\"%d\" width=\"292\" height=\"%d\" rx=\"4\" fill=\"#fff\" fill-opacity=\"0.9\" stroke=\"#ddd\"/>\n",
            x, TOP + 8, 12 + 22 * c->count);
    for (int i = 0; i < c->count; i++) {
        const int y = TOP + 25 + 22 * i;
        fprintf(o, "<path d=\"M%d %dh28\" stroke=\"%s\" stroke-width=\"2\"/>", x + 10, y, colours[i % COLOURS]);
        if (c->curves[i].mark_count)
            fprintf(o, "<circle cx=\"%d\" cy=\"%d\" r=\"4\" fill=\"#fff\" stroke=\"%s\" stroke-width=\"2\"/>", x + 24, y, colours[i % COLOURS]);
        fprintf(o, "<text x=\"%d\" y=\"%d\">", x + 46, y + 5);
        put_text(o, c->curves[i].label);
        fputs("</text>\n", o);
    }
}

sgn_status sgn_chart_draw(const sgn_chart *c, char **out, sgn_error *err) {
    size_t size;
    *out = NULL;
    canvas w = { .out = open_memstream(out, &size) };
    if (!w.out) SGN_FAIL(err, SGN_NOMEM, "no memory to draw a picture");
    find_window(&w, c);
    fprintf(w.out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"system-ui, -apple-system, 'Segoe UI', "
            "'DejaVu Sans', sans-serif\" font-size=\"14\" fill=\"#222\">\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n"
            "<clipPath id=\"plot\"><rect x=\"%d\" y=\"%d\" width=\"%.0f\" height=\"%.0f\"/></clipPath>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT, TOP, plot_width, plot_height);
    draw_axes(&w, c);
    for (int i = 0; i < c->count; i++) draw_curve(&w, &c->curves[i], colours[i % COLOURS]);
    draw_legend(&w, c);
    fputs("</svg>\n", w.out);
    const bool failed = ferror(w.out) != 0;
    if (fclose(w.out) == 0 && !failed) return SGN_OK;
    free(*out);
    *out = NULL;
    SGN_FAIL(err, SGN_NOMEM, "no memory to draw a picture");
}
