/* SPDX-License-Identifier: MIT */
#include "binarize/allocate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "binarize/nm_mask.h"

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
static sgn_status count_layer(const sgn_linear *l, const float *h, double mean, tally *t, sgn_error *err) {
    sgn_importance s;
    const float *w = sgn_linear_param(l, l->p[0])->data;
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

static sgn_status count_block(const sgn_block *b, float *const h[SGN_INPUTS], double mean, tally *t, sgn_error *err) {
    *t = (tally){ 0 };
    for (int i = 0; i < SGN_LINEARS; i++) {
        const sgn_linear *l = &b->linear[i];
        if (l->kind) SGN_TRY(count_layer(l, h[sgn_block_input_of((sgn_block_linear)i)], mean, t, err));
    }
    return SGN_OK;
}

static sgn_status measure(sgn_block_source *source, sgn_calibration *c, float *const h[SGN_INPUTS], double *o, sgn_error *err) {
    static const sgn_block_linear reader[SGN_INPUTS] = { SGN_Q, SGN_O, SGN_UP, SGN_DOWN };
    const sgn_transformer *m = &source->one;
    const int64_t layers = source->whole->config.layers;
    tally t;
    SGN_TRY(sgn_block_source_embed(source, c, err));
    for (int64_t n = 0; n < layers; n++) {
        SGN_TRY(sgn_block_source_load(source, n, err));
        for (int i = 0; i < SGN_INPUTS; i++) {
            const int64_t in = m->blocks[0].linear[reader[i]].in;
            memset(h[i], 0, (size_t)(in * in) * sizeof *h[i]);
        }
        SGN_TRY(sgn_calibration_measure(c, m, 0, h, err));
        SGN_TRY(count_block(&m->blocks[0], h, 0, &t, err));
        SGN_TRY(count_block(&m->blocks[0], h, t.sum / (double)t.count, &t, err));
        o[n] = 100 * t.above / (double)t.count;
        if (n + 1 < layers) SGN_TRY(sgn_calibration_advance(c, m, 0, n, err));
    }
    return SGN_OK;
}

sgn_status sgn_allocate(sgn_block_source *source, sgn_calibration *c, const sgn_binarize_options *o, float *const h[SGN_INPUTS], int64_t *kept,
                        sgn_error *err) {
    const int64_t layers = source->whole->config.layers;
    double *share = malloc((size_t)layers * sizeof *share);
    if (!share) SGN_FAIL(err, SGN_NOMEM, "no memory for the outliers of %lld layers", (long long)layers);
    const sgn_status s = measure(source, c, h, share, err);
    if (s == SGN_OK) sgn_allocate_kept(share, layers, o->n, o->m, kept);
    free(share);
    return s;
}
