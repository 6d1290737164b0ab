/* SPDX-License-Identifier: MIT */
#include "binarize/allocate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "binarize/nm_mask.h"
#include "binarize/weights.h"

static const double outlier = 6;           /* means */

void sgn_allocate_kept(const double *o, int64_t layers, int64_t n, int64_t m, int64_t *kept) {
    double least = INFINITY, most = -INFINITY, mean = 0;
    for (int64_t i = 0; i < layers; i++) least = fmin(least, o[i]), most = fmax(most, o[i]);
    const double range = most > least ? most - least : 1;
    for (int64_t i = 0; i < layers; i++) mean += 2 * (o[i] - least) / range / (double)layers;
    for (int64_t i = 0; i < layers; i++) {
        double z = nearbyint(2 * (o[i] - least) / range - mean);
        if (z == 1) z = 2;
        const double pruned = fmin(fmax((double)(m - n) - z, 0), (double)(m - 1));
        kept[i] = m - (int64_t)pruned;
    }
}

typedef struct { double sum, above; int64_t count; } tally;

/* Of S of one layer; `mean` 0: only its sum. */
static sgn_status count_layer(const sgn_linear *l, const float *w, const float *h, double mean, tally *t, sgn_error *err) {
    sgn_importance s;
    SGN_TRY(sgn_importance_init(&s, w, h, l->out, l->in, err));
    for (int64_t i = 0; i < l->out; i++)
        for (int64_t j = 0; j < l->in; j++) {
            const double v = sgn_importance_of(&s, (double)w[i * l->in + j], i, j);
            t->sum += v;
            t->above += v > outlier * mean;
        }
    t->count += l->out * l->in;
    sgn_importance_free(&s);
    return SGN_OK;
}

static sgn_status count_block(const sgn_block *b, float *const h[SGN_INPUTS], float *w, double mean, tally *t, sgn_error *err) {
    *t = (tally){ 0 };
    for (int i = 0; i < SGN_LINEARS; i++) {
        const sgn_linear *l = &b->linear[i];
        if (!l->kind) continue;
        sgn_weights_read(sgn_linear_param(l, l->p[0]), w);
        SGN_TRY(count_layer(l, w, h[sgn_block_input_of((sgn_block_linear)i)], mean, t, err));
    }
    return SGN_OK;
}

static sgn_status measure(const sgn_transformer *m, sgn_calibration *c, float *const h[SGN_INPUTS], float *w, double *o, sgn_error *err) {
    static const sgn_block_linear reader[SGN_INPUTS] = { SGN_Q, SGN_O, SGN_UP, SGN_DOWN };
    tally t;
    SGN_TRY(sgn_calibration_embed(c, m, err));
    for (int64_t n = 0; n < m->config.layers; n++) {
        for (int i = 0; i < SGN_INPUTS; i++) {
            const int64_t in = m->blocks[n].linear[reader[i]].in;
            memset(h[i], 0, (size_t)(in * in) * sizeof *h[i]);
        }
        SGN_TRY(sgn_calibration_measure(c, m, n, h, err));
        SGN_TRY(count_block(&m->blocks[n], h, w, 0, &t, err));
        SGN_TRY(count_block(&m->blocks[n], h, w, t.sum / (double)t.count, &t, err));
        o[n] = 100 * t.above / (double)t.count;
        if (n + 1 < m->config.layers) SGN_TRY(sgn_calibration_advance(c, m, n, n, err));
    }
    return SGN_OK;
}

sgn_status sgn_allocate(const sgn_transformer *source, sgn_calibration *c, const sgn_binarize_options *o, float *const h[SGN_INPUTS], float *w,
                        int64_t *kept, sgn_error *err) {
    double *share = malloc((size_t)source->config.layers * sizeof *share);
    if (!share) SGN_FAIL(err, SGN_NOMEM, "no memory for the outliers of %lld layers", (long long)source->config.layers);
    const sgn_status s = measure(source, c, h, w, share, err);
    if (s == SGN_OK) sgn_allocate_kept(share, source->config.layers, o->n, o->m, kept);
    free(share);
    return s;
}
