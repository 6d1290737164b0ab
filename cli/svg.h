/* svg.h - loss curves as a picture: axes with round ticks, lines, marks, a legend.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CLI_SVG_H
#define SGN_CLI_SVG_H

#include "core/status.h"

typedef struct { double x, y; } sgn_point;

typedef struct {
    const char      *label;
    const sgn_point *line, *marks;     /* ascending x */
    int              line_count, mark_count;
} sgn_curve;

typedef struct {
    const char      *title, *x_label, *y_label;
    const sgn_curve *curves;
    int              count;
    double           y_top;            /* lines are cut off above; 0: none is */
} sgn_chart;

/* The text of an SVG file, malloc'd. */
sgn_status sgn_chart_draw(const sgn_chart *c, char **out, sgn_error *err);

#endif
