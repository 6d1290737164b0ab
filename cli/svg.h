/* svg.h - curves and bars as a picture: axes with round ticks, lines, marks, a legend; for light pages and dark ones.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CLI_SVG_H
#define SGN_CLI_SVG_H

#include <stdbool.h>
#include "core/status.h"

typedef struct { double x, y; } sgn_point;

typedef struct {
    const char      *label;
    const sgn_point *line, *marks;     /* ascending x */
    int              line_count, mark_count;
} sgn_curve;

typedef struct {
    const char        *title, *x_label, *y_label;
    const sgn_curve   *curves;
    int                count;
    double             y_top;          /* lines are cut off above; 0: none is */
    bool               log_x;          /* by octaves; every x > 0 */
    bool               from_zero;      /* the y axis begins there */
    const char *const *bars;           /* (bar_count) names of groups of bars, one of each curve: line[i].y high; NULL: lines */
    int                bar_count;
} sgn_chart;

/* The text of an SVG file with the charts one below another, malloc'd. */
sgn_status sgn_charts_draw(const sgn_chart *c, int count, char **out, sgn_error *err);
/* The same, written. */
sgn_status sgn_charts_save(const sgn_chart *c, int count, const char *path, sgn_error *err);

#endif
