/* SPDX-License-Identifier: MIT */
#include "binarize/calibration.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "binarize/hessian.h"
#include "core/checked.h"
#include "core/kernels/kernels.h"

sgn_block_input sgn_block_input_of(sgn_block_linear which) {
    static const sgn_block_input input[SGN_LINEARS] = { SGN_INPUT_ATTENTION, SGN_INPUT_ATTENTION, SGN_INPUT_ATTENTION, SGN_INPUT_O,
                                                        SGN_INPUT_MLP, SGN_INPUT_MLP, SGN_INPUT_DOWN };
    return input[which];
}

static sgn_status read_windows(sgn_calibration *c, sgn_shards *shards, sgn_error *err) {
    const uint64_t step = sgn_shards_info(shards)->tokens / (uint64_t)c->windows;
    for (int64_t k = 0; k < c->windows; k++)
        SGN_TRY(sgn_shards_read(shards, (uint64_t)k * step, (size_t)c->seq, c->tokens + k * c->seq, err));
    return SGN_OK;
}

sgn_status sgn_calibration_init(sgn_calibration *c, sgn_shards *shards, int64_t windows, int64_t seq, int64_t dim, sgn_error *err) {
    *c = (sgn_calibration){ .windows = windows, .seq = seq, .dim = dim };
    const uint64_t there = sgn_shards_info(shards)->tokens / (uint64_t)seq;
    if (there == 0)
        SGN_FAIL(err, SGN_CONFIG, "%s has %llu tokens, not one window of %lld; calibrate on shorter windows (--seq) or more text",
                 sgn_shards_directory(shards), (unsigned long long)sgn_shards_info(shards)->tokens, (long long)seq);
    if ((uint64_t)windows > there) c->windows = (int64_t)there;
    uint64_t bytes, spill;                             /* of a window, of all */
    const bool fits = sgn_mul_fits((uint64_t)seq, (uint64_t)dim * sizeof *c->window, &bytes) && sgn_mul_fits(bytes, (uint64_t)c->windows, &spill);
    if (fits) {
        c->tokens = malloc((size_t)(c->windows * seq) * sizeof *c->tokens);
        c->window = malloc(bytes);
    }
    if (!c->tokens || !c->window) {
        sgn_calibration_free(c);
        SGN_FAIL(err, SGN_NOMEM, "no memory for %lld windows of %lld tokens and the hidden states, %lld wide, of one; calibrate on fewer (--windows) or shorter ones (--seq)",
                 (long long)windows, (long long)seq, (long long)dim);
    }
    const sgn_status s = read_windows(c, shards, err);
    if (s != SGN_OK) sgn_calibration_free(c);
    return s;
}

static size_t window_bytes(const sgn_calibration *c) { return (size_t)(c->seq * c->dim) * sizeof *c->window; }
static uint64_t offset_of(const sgn_calibration *c, int64_t window) { return (uint64_t)window * window_bytes(c); }

sgn_status sgn_calibration_spill(sgn_calibration *c, const char *directory, sgn_error *err) {
    char what[120];
    snprintf(what, sizeof what, "the hidden states of %lld windows of %lld tokens (--windows, --seq)", (long long)c->windows, (long long)c->seq);
    return sgn_spill_open(&c->hidden, directory, offset_of(c, c->windows), what, err);
}

void sgn_calibration_free(sgn_calibration *c) {
    free(c->tokens);
    free(c->window);
    sgn_spill_close(&c->hidden);
    c->tokens = NULL;
    c->window = NULL;
}

/* --- one pass of a block, over all windows -------------------------------------------------------------- */

typedef struct {
    sgn_calibration       *c;
    const sgn_transformer *m;
    int64_t                block;              /* -1: the embedding */
    int64_t                name;               /* what messages call it */
    float *const          *h;                  /* NULL: the output is kept instead */
} pass;

static sgn_tensor *forward(const pass *p, sgn_tape *t, int64_t window) {
    const sgn_calibration *c = p->c;
    if (p->block < 0) return sgn_transformer_embed(p->m, t, c->tokens + window * c->seq, NULL, 1, c->seq);
    return sgn_transformer_block(p->m, p->block, t, sgn_tape_leaf(t, sgn_shape2(c->seq, c->dim), c->window, NULL), 1, c->seq);
}

static sgn_status open_tape(const pass *p, sgn_tape *t, sgn_error *err) {
    sgn_tape dry;
    SGN_TRY(sgn_tape_init_dry(&dry, sgn_transformer_nodes(p->m), err));
    sgn_tape_begin(&dry, SGN_TAPE_NOGRAD);
    (void)forward(p, &dry, 0);
    sgn_status s = sgn_tape_end(&dry, err);
    if (s == SGN_OK) s = sgn_tape_init(t, sgn_transformer_nodes(p->m), dry.data.peak, err);
    sgn_tape_free(&dry);
    return s;
}

static bool finite(const float *x, int64_t n) { return isfinite((double)sgn_kernels_get()->sum_squares(x, n)); }

/* The products with a layer's weight say what it read. */
static sgn_status add_inputs(const pass *p, const sgn_tape *t, int64_t window, sgn_error *err) {
    const sgn_block *b = &p->m->blocks[p->block];
    static const sgn_block_linear reader[SGN_INPUTS] = { SGN_Q, SGN_O, SGN_UP, SGN_DOWN };
    for (int k = 0; k < SGN_INPUTS; k++) {
        const sgn_linear *l = &b->linear[reader[k]];
        const sgn_tensor *w = sgn_linear_param(l, l->p[0]), *x = NULL;
        for (int i = 0; i < t->count; i++)
            if (t->nodes[i].op->n_in > 1 && t->nodes[i].in[1] == w) x = t->nodes[i].in[0];
        if (!x) SGN_FAIL(err, SGN_UNSUPPORTED, "%s: its input cannot be watched; it is no full-precision layer", b->path[reader[k]]);
        if (!finite(x->data, p->c->seq * l->in))
            SGN_FAIL(err, SGN_NUMERIC, "%s: what it reads is not finite in window %lld; the model, or what was binarized before this layer, overflows there",
                     b->path[reader[k]], (long long)window);
        sgn_hessian_add(p->h[k], x->data, p->c->seq, l->in, 2 / ((double)p->c->windows * (double)p->c->seq));
    }
    return SGN_OK;
}

static sgn_status run_window(const pass *p, sgn_tape *t, int64_t window, sgn_error *err) {
    sgn_calibration *c = p->c;
    if (p->block >= 0) SGN_TRY(sgn_spill_get(&c->hidden, offset_of(c, window), c->window, window_bytes(c), err));
    sgn_tape_begin(t, SGN_TAPE_NOGRAD);
    const sgn_tensor *y = forward(p, t, window);
    SGN_TRY(sgn_tape_end(t, err));
    if (p->h) return add_inputs(p, t, window, err);
    if (!finite(y->data, c->seq * c->dim))
        SGN_FAIL(err, SGN_NUMERIC, "%s %lld: its output is not finite in window %lld", p->block < 0 ? "embedding" : "block",
                 (long long)p->name, (long long)window);
    return sgn_spill_put(&c->hidden, offset_of(c, window), y->data, window_bytes(c), err);
}

static sgn_status run(const pass *p, sgn_error *err) {
    sgn_tape t;
    SGN_TRY(open_tape(p, &t, err));
    sgn_status s = SGN_OK;
    for (int64_t k = 0; s == SGN_OK && k < p->c->windows; k++) {
        s = run_window(p, &t, k, err);
        if (s == SGN_OK && p->c->tick && !p->c->tick(p->c->ctx, 1)) s = SGN_ERROR(err, SGN_INTERRUPTED, "stopped; finished blocks are kept, the same command goes on behind them");
    }
    sgn_tape_free(&t);
    return s;
}

sgn_status sgn_calibration_embed(sgn_calibration *c, const sgn_transformer *m, sgn_error *err) {
    return run(&(pass){ c, m, -1, 0, NULL }, err);
}
sgn_status sgn_calibration_measure(sgn_calibration *c, const sgn_transformer *m, int64_t n, float *const h[SGN_INPUTS], sgn_error *err) {
    return run(&(pass){ c, m, n, n, h }, err);
}
sgn_status sgn_calibration_advance(sgn_calibration *c, const sgn_transformer *m, int64_t n, int64_t name, sgn_error *err) {
    return run(&(pass){ c, m, n, name, NULL }, err);
}
