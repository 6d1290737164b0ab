/* SPDX-License-Identifier: MIT */
#include "model/rotary.h"

#include <math.h>
#include <string.h>

static const double two_pi = 6.283185307179586476925;

static double within(double x) { return x < 0 ? 0 : x > 1 ? 1 : x; }

/* J(n) = d ln(original / (2 pi n)) / (2 ln theta) */
static double pair_of(const sgn_model_config *c, double turns) {
    return (double)c->head_dim * log((double)c->rope_original / (turns * two_pi)) / (2 * log(c->rope_theta));
}

static double kept(const sgn_model_config *c, int64_t j, double rate) {
    if (strcmp(c->rope_type, "llama3") == 0)
        return within(((double)c->rope_original * rate / two_pi - c->rope_low) / (c->rope_high - c->rope_low));
    if (strcmp(c->rope_type, "yarn") != 0) return 0;
    const double first = fmax(floor(pair_of(c, c->rope_high)), 0);
    const double last = fmin(ceil(pair_of(c, c->rope_low)), (double)c->head_dim - 1);
    return 1 - within(((double)j - first) / (last == first ? 0.001 : last - first));
}

static double magnitude(const sgn_model_config *c) {
    if (strcmp(c->rope_type, "yarn") != 0) return 1;
    if (c->rope_magnitude > 0) return c->rope_magnitude;
    return c->rope_scaling > 1 ? 0.1 * log(c->rope_scaling) + 1 : 1;
}

void sgn_rope_tables(const sgn_model_config *c, int64_t positions, sgn_real *cosine, sgn_real *sine) {
    const int64_t half = c->head_dim / 2;
    const double size = magnitude(c);
    for (int64_t j = 0; j < half; j++) {
        const double rate = pow(c->rope_theta, -2.0 * (double)j / (double)c->head_dim), k = kept(c, j, rate);
        const double slowed = k > 0 ? rate * (k + (1 - k) / c->rope_scaling) : rate / c->rope_scaling;
        for (int64_t i = 0; i < positions; i++) {
            cosine[i * half + j] = (sgn_real)(size * cos((double)i * slowed));
            sine[i * half + j] = (sgn_real)(size * sin((double)i * slowed));
        }
    }
}
