/* SPDX-License-Identifier: MIT */
#include "optim/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/arena.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"

#define FIELD(key, type, min, max, choices, otherwise, help) \
    { #key, SGN_FIELD_##type, offsetof(sgn_optim_config, key), min, max, choices, otherwise, help }

const sgn_field sgn_optim_fields[] = {
    FIELD(kind, TEXT, 0, 0, NULL, "adamw", "the optimizer: adamw"),
    FIELD(lr, REAL, 0, 1e3, NULL, "3e-4", "peak learning rate"),
    FIELD(min_lr, REAL, 0, 1e3, NULL, "3e-5", "learning rate at the end of the schedule"),
    FIELD(schedule, TEXT, 0, 0, NULL, "cosine", "way from lr to min_lr: constant, linear, cosine or wsd"),
    FIELD(warmup, INT, 0, 1e9, NULL, "100", "steps over which the learning rate rises linearly to lr"),
    FIELD(wsd_decay, REAL, 0, 1, NULL, "0.2", "share of the steps after warm-up over which a wsd schedule falls"),
    FIELD(weight_decay, REAL, 0, 10, NULL, "0.1", "decoupled weight decay, times the learning rate each step"),
    FIELD(decay, CHOICE, 0, 0, "all|matrices|none", "matrices",
          "what decays: everything as in FBI-LLM; only latents, matrices and an untied head; nothing"),
    FIELD(decay_until, REAL, 0, 1, NULL, "1", "share of the steps after which weight decay is 0; 1: never"),
    FIELD(beta1, REAL, 0, 0.999999999, NULL, "0.9", "decay of the first moment"),
    FIELD(beta2, REAL, 0, 0.999999999, NULL, "0.95", "decay of the second moment"),
    FIELD(eps, REAL, 1e-30, 1, NULL, "1e-8", "added to the root of the second moment"),
    FIELD(clip, REAL, 0, 1e9, NULL, "1", "largest global gradient norm; 0: no clipping"),
    { 0 },
};

enum { RANGE = 1 << 15 };                      /* reals of one range: weights, gradient and moments stay in L2 */

/* --- memory ------------------------------------------------------------------------------------ */

/* Cuts a parameter into ranges, a latent at whole rows; out NULL: only counts. */
static int64_t cut(const sgn_param *p, int index, sgn_optim_range *out) {
    const int64_t n = !sgn_param_learns(p->class) ? 0 : sgn_numel(p->tensor.shape);
    const int64_t unit = p->class == SGN_PARAM_LATENT ? p->tensor.shape.dim[1] : 1;
    const int64_t size = unit < RANGE ? RANGE / unit * unit : unit;
    int64_t count = 0;
    for (int64_t at = 0; at < n; at += size, count++)
        if (out) out[count] = (sgn_optim_range){ index, at, n - at < size ? n - at : size };
    return count;
}

static int64_t cut_all(const sgn_params *p, sgn_optim_range *out) {
    int64_t count = 0;
    for (int i = 0; i < p->count; i++) count += cut(&p->at[i], i, out ? out + count : NULL);
    return count;
}

size_t sgn_optimizer_bytes(const sgn_optim_config *c, const sgn_params *p) {
    const sgn_optimizer_kind *kind = sgn_optimizer_kind_find(c->kind);
    const size_t reals = (size_t)(p->dense.count + p->latent.count);
    return (kind ? (size_t)kind->states : 0) * reals * sizeof(sgn_real) + (size_t)cut_all(p, NULL) * sizeof(sgn_optim_range);
}

static sgn_status allocate(sgn_optimizer *o, sgn_error *err) {
    o->range_count = cut_all(o->params, NULL);
    o->ranges = malloc((size_t)o->range_count * sizeof *o->ranges);
    if (!o->ranges) SGN_FAIL(err, SGN_NOMEM, "no memory for the optimizer's table of %lld ranges", (long long)o->range_count);
    cut_all(o->params, o->ranges);
    for (int s = 0; s < o->kind->states; s++) {
        void *dense, *latent;
        SGN_TRY(sgn_memory_alloc(&dense, (size_t)o->params->dense.count * sizeof(sgn_real), "optimizer state", err));
        o->dense[s] = dense;
        SGN_TRY(sgn_memory_alloc(&latent, (size_t)o->params->latent.count * sizeof(sgn_real), "optimizer state", err));
        o->latent[s] = latent;
    }
    return SGN_OK;
}

sgn_status sgn_optimizer_init(sgn_optimizer *o, const sgn_optim_config *c, sgn_params *p, sgn_error *err) {
    *o = (sgn_optimizer){ .kind = sgn_optimizer_kind_find(c->kind), .config = *c, .params = p };
    if (!o->kind) {
        const char *known[32];
        int n = 0;
        for (; n < 32 && sgn_optimizer_kind_at(n); n++) known[n] = sgn_optimizer_kind_at(n)->name;
        const char *near = sgn_nearest(c->kind, known, n);
        SGN_FAIL(err, SGN_CONFIG, "optim.kind: there is no optimizer '%s'; the nearest is '%s'", c->kind, near ? near : known[0]);
    }
    const sgn_status s = allocate(o, err);
    if (s != SGN_OK) sgn_optimizer_free(o);
    return s;
}

void sgn_optimizer_free(sgn_optimizer *o) {
    for (int s = 0; s < SGN_MAX_STATES && o->params; s++) {
        sgn_memory_free(o->dense[s], (size_t)o->params->dense.count * sizeof(sgn_real));
        sgn_memory_free(o->latent[s], (size_t)o->params->latent.count * sizeof(sgn_real));
    }
    free(o->ranges);
    *o = (sgn_optimizer){ 0 };
}

/* --- the step ------------------------------------------------------------------------------------ */

bool sgn_optimizer_decays(const sgn_optim_config *c, sgn_param_class class) {
    if (strcmp(c->decay, "matrices") == 0)
        return class == SGN_PARAM_MATRIX || class == SGN_PARAM_LATENT || class == SGN_PARAM_HEAD;
    return strcmp(c->decay, "all") == 0;
}

typedef struct {
    sgn_optimizer        *o;
    const sgn_optim_step *step;
    int64_t               flips;
} step_job;

/* Signs that depend on more than their row wait until all of the latent is updated. */
static bool settles(const sgn_param *p) { return p->rule && p->rule->settle; }

/* Packs a latent's rows right after their update, while they are in the cache. */
static int64_t step_range(const sgn_optimizer *o, const sgn_optim_step *step, const sgn_optim_range *r) {
    const sgn_param *p = &o->params->at[r->param];
    const sgn_tensor *x = &p->tensor;
    sgn_real *const *state = p->class == SGN_PARAM_LATENT ? o->latent : o->dense;
    sgn_optim_piece piece = { .w = x->data + r->begin, .g = x->grad + r->begin, .n = r->count };
    for (int s = 0; s < o->kind->states; s++) piece.state[s] = state[s] + p->offset + r->begin;
    sgn_optim_step told = *step;
    if (!sgn_optimizer_decays(&o->config, p->class)) told.weight_decay = 0;
    o->kind->update(&o->config, &told, &piece);
    if (!x->signs || settles(p)) return 0;
    const int64_t cols = x->shape.dim[1];
    return sgn_signs_pack(x->signs, x->data, r->begin / cols, (r->begin + r->count) / cols);
}

static void step_ranges(void *ctx, int64_t begin, int64_t end) {
    step_job *job = ctx;
    int64_t flips = 0;
    for (int64_t i = begin; i < end; i++) flips += step_range(job->o, job->step, &job->o->ranges[i]);
    __atomic_fetch_add(&job->flips, flips, __ATOMIC_RELAXED);
}

void sgn_optimizer_step(sgn_optimizer *o, const sgn_optim_step *s) {
    step_job job = { .o = o, .step = s };
    sgn_parallel(o->range_count, 1, step_ranges, &job);
    o->flips = job.flips;
    for (int i = 0; i < o->params->count; i++) {
        sgn_param *p = &o->params->at[i];
        if (p->tensor.signs && settles(p)) o->flips += sgn_params_repack(o->params, i);
        else if (p->tensor.signs) sgn_signs_refresh(p->tensor.signs);
    }
}

/* --- clipping -------------------------------------------------------------------------------------- */

enum { NORM_PIECES = 1024, NORM_BLOCK = 4096 };

typedef struct {
    const sgn_real *g;
    int64_t         n, piece;                  /* reals; piece is a multiple of NORM_BLOCK */
    double          sum[NORM_PIECES];
} norm_job;

static void norm_task(void *ctx, int64_t begin, int64_t end) {
    norm_job *job = ctx;
    for (int64_t k = begin; k < end; k++) {
        const int64_t stop = (k + 1) * job->piece < job->n ? (k + 1) * job->piece : job->n;
        double sum = 0;
        for (int64_t at = k * job->piece; at < stop; at += NORM_BLOCK)
            sum += sgn_kernels_get()->sum_squares(job->g + at, stop - at < NORM_BLOCK ? stop - at : NORM_BLOCK);
        job->sum[k] = sum;
    }
}

static double slab_norm(const sgn_slab *slab) {
    const int64_t blocks = (slab->count + NORM_BLOCK - 1) / NORM_BLOCK;
    norm_job job = { .g = slab->grad, .n = slab->count, .piece = (blocks + NORM_PIECES - 1) / NORM_PIECES * NORM_BLOCK };
    const int64_t pieces = job.n ? (job.n + job.piece - 1) / job.piece : 0;
    sgn_parallel(pieces, 1, norm_task, &job);
    double sum = 0;
    for (int64_t k = 0; k < pieces; k++) sum += job.sum[k];
    return sum;
}

double sgn_grad_norm(const sgn_params *p) {
    return sqrt(slab_norm(&p->dense) + slab_norm(&p->latent));
}

double sgn_clip_scale(double norm, double clip) {
    return clip > 0 && clip / (norm + 1e-6) < 1 ? clip / (norm + 1e-6) : 1;
}
