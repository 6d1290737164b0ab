/* SPDX-License-Identifier: MIT */
#include "eval/amdahl.h"

#include <math.h>
#include "model/transformer.h"

/* --- what a model has ------------------------------------------------------------------------------- */

static void add_linear(sgn_work_shape *s, const sgn_linear *l) {
    bool binary = false;
    for (size_t i = 0; i < sizeof l->p / sizeof *l->p; i++) {
        const sgn_param *p = l->p[i] >= 0 ? &l->params->at[l->p[i]] : NULL;
        if (!p || p->class != SGN_PARAM_LATENT) continue;
        binary = true;
        s->sign_bits += sgn_code_bits(p->code) * (double)sgn_numel(p->tensor.shape);
    }
    *(binary ? &s->binary : &s->full) += l->in * l->out;
}

static void add_plain(sgn_work_shape *s, const sgn_transformer *m) {
    for (int i = 0; i < m->params.count; i++) {
        const sgn_param *p = &m->params.at[i];
        const int64_t n = sgn_numel(p->tensor.shape);
        switch (p->class) {
        case SGN_PARAM_SCALE: case SGN_PARAM_DERIVED: case SGN_PARAM_FIXED: s->scales += n; break;
        case SGN_PARAM_NORM: case SGN_PARAM_BIAS: s->vectors += n; break;
        case SGN_PARAM_EMBEDDING: s->embedding += n; break;
        default: break;
        }
    }
}

sgn_status sgn_work_shape_of(const sgn_model_config *c, sgn_work_shape *out, sgn_error *err) {
    sgn_transformer m;                         /* shapes only: nothing is allocated for the weights */
    SGN_TRY(sgn_transformer_init(&m, c, false, err));
    const sgn_model_config *k = &m.config;
    *out = (sgn_work_shape){ .layers = k->layers, .context = k->context, .query = k->heads * k->head_dim,
                             .cache = 2 * k->kv_heads * k->head_dim, .head = k->vocab * k->dim, .tied = k->tied_head };
    for (int64_t n = 0; n < k->layers; n++)
        for (int i = 0; i < SGN_LINEARS; i++)
            if (m.blocks[n].linear[i].kind) add_linear(out, &m.blocks[n].linear[i]);
    add_plain(out, &m);
    sgn_transformer_free(&m);
    return SGN_OK;
}

/* --- operations --------------------------------------------------------------------------------------- */

sgn_work sgn_work_at(const sgn_work_shape *s, int64_t context, bool causal) {
    const double seen = causal ? ((double)context + 1) / 2 : (double)context;
    return (sgn_work){ (double)s->binary, (double)s->full, 2 * seen * (double)(s->layers * s->query), (double)s->head };
}

double sgn_amdahl_fraction(const sgn_work *w, bool head) {
    return w->binary / (w->binary + w->full + w->attention + (head ? w->head : 0));
}

double sgn_amdahl_gain(double fraction, double speedup) { return 1 / (1 - fraction + fraction / speedup); }

double sgn_amdahl_train_gain(double fraction, double forward, double dx) {
    return 1 / (1 - 2 * fraction / 3 + fraction / (3 * forward) + fraction / (3 * dx));
}

double sgn_amdahl_half(const sgn_work_shape *s, bool causal, bool head) {
    const double left = (double)(s->binary - s->full - (head ? s->head : 0)) / (2 * (double)(s->layers * s->query));
    const double context = causal ? 2 * left - 1 : left;
    return context > 0 ? context : 0;
}

/* --- bytes ---------------------------------------------------------------------------------------------- */

sgn_footprint sgn_footprint_at(const sgn_work_shape *s, int64_t context) {
    return (sgn_footprint){ s->sign_bits / 8, 2 * (double)s->scales, 2 * (double)s->full, 2 * (double)s->vectors, 2 * (double)s->embedding,
                            s->tied ? 0 : 2 * (double)s->head, 2 * (double)(s->layers * s->cache) * (double)context };
}

sgn_footprint sgn_footprint_dense(const sgn_work_shape *s, int64_t context) {
    sgn_footprint f = sgn_footprint_at(s, context);
    f.binary = 2 * (double)s->binary;
    f.scales = 0;
    return f;
}

double sgn_footprint_sum(const sgn_footprint *f) {
    return f->binary + f->scales + f->full + f->vectors + f->embedding + f->head + f->cache;
}

double sgn_footprint_read(const sgn_footprint *f, bool tied) {
    return sgn_footprint_sum(f) - (tied ? 0 : f->embedding);
}

/* --- both ------------------------------------------------------------------------------------------------- */

sgn_amdahl_row sgn_amdahl_at(const sgn_work_shape *s, int64_t context, bool causal, sgn_speedup speedup) {
    const sgn_work w = sgn_work_at(s, context, causal), token = sgn_work_at(s, context, false);
    const sgn_footprint signs = sgn_footprint_at(s, context), dense = sgn_footprint_dense(s, context);
    const double f = sgn_amdahl_fraction(&w, false), h = sgn_amdahl_fraction(&w, true), d = sgn_amdahl_fraction(&token, true);
    return (sgn_amdahl_row){
        .context = context, .work = w, .bytes = signs, .fraction = f, .with_head = h,
        .prefill = sgn_amdahl_gain(f, speedup.forward), .prefill_ceiling = sgn_amdahl_gain(f, INFINITY),
        .train = sgn_amdahl_train_gain(h, speedup.forward, speedup.dx), .train_ceiling = sgn_amdahl_train_gain(h, INFINITY, INFINITY),
        .decode = sgn_amdahl_gain(d, speedup.forward), .decode_ceiling = sgn_amdahl_gain(d, INFINITY),
        .decode_bytes = sgn_footprint_read(&dense, s->tied) / sgn_footprint_read(&signs, s->tied),
    };
}
