/* SPDX-License-Identifier: MIT */
#include "model/scaled_signs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "core/parallel.h"

enum { W, ALPHA, BETA };
enum { GROUP = 128, DERIVE_GRAIN = 8 };
typedef enum { COLUMN, ROW, TENSOR, GROUPED } pattern;

static pattern pattern_of(const sgn_linear *l) {
    switch (l->config->scales[0]) {
    case 'r': return ROW;
    case 't': return TENSOR;
    case 'g': return GROUPED;
    default:  return COLUMN;
    }
}

static sgn_shape scale_shape(const sgn_linear *l) {
    switch (pattern_of(l)) {
    case ROW:     return sgn_shape1(l->out);
    case TENSOR:  return sgn_shape1(1);
    case GROUPED: return sgn_shape2(l->out, (l->in + GROUP - 1) / GROUP);
    default:      return sgn_shape1(l->in);
    }
}

/* --- layers that share alpha (model.tie_scales) ------------------------------------------------------------ */

typedef struct {
    int     alpha;             /* index of the first one's; -1: this is the first, or shares with none */
    int64_t rows;              /* of all before this one */
} tie;

/* They read one normed input, and are declared in this order. Those that are of signs share. */
static tie tie_of(const sgn_linear *l, const char *path) {
    static const char *const readers[][3] = { { "q_proj", "k_proj", "v_proj" }, { "gate_proj", "up_proj", "" } };
    const char *module = strrchr(path, '.') + 1;
    const int under = (int)(module - path);
    tie t = { -1, 0 };
    char name[SGN_PARAM_NAME];
    if (!l->config->tie_scales || pattern_of(l) != COLUMN) return t;
    for (int g = 0; g < 2; g++) {
        int k = 0;
        while (k < 3 && strcmp(readers[g][k], module)) k++;
        for (int e = 0; k < 3 && e < k; e++) {
            snprintf(name, sizeof name, "%.*s%s.weight", under, path, readers[g][e]);
            const sgn_param *w = sgn_params_find(l->params, name), *a;
            if (!w || w->class != SGN_PARAM_LATENT) continue;
            t.rows += w->tensor.shape.dim[0];
            snprintf(name, sizeof name, "%.*s%s.wscale", under, path, readers[g][e]);
            if ((a = sgn_params_find(l->params, name))) t.alpha = (int)(a - l->params->at);
        }
    }
    return t;
}

sgn_status sgn_scaled_signs_declare(sgn_linear *l, const char *path, sgn_code code, sgn_error *err) {
    const sgn_shape scale = scale_shape(l);
    if (code != SGN_CODE_BINARY && pattern_of(l) == GROUPED)
        SGN_FAIL(err, SGN_CONFIG, "%s: model.scales = group128 goes with dense signs; with model.linear = %s take column, row or tensor",
                 path, l->kind->name);
    SGN_TRY(sgn_linear_latent(l, path, "weight", sgn_shape2(l->out, l->in), code, SGN_ESTIMATOR_IDENTITY, &l->p[W], err));
    l->p[ALPHA] = tie_of(l, path).alpha;
    if (l->p[ALPHA] < 0) SGN_TRY(sgn_params_add(l->params, SGN_PARAM_SCALE, scale, &l->p[ALPHA], err, "%s.wscale", path));
    if (!l->config->shift || pattern_of(l) == GROUPED) return SGN_OK;
    return sgn_params_add(l->params, SGN_PARAM_SCALE, scale, &l->p[BETA], err, "%s.wbias", path);
}

sgn_tensor *sgn_scaled_signs_forward(const sgn_linear *l, sgn_tape *t, sgn_tensor *x) {
    sgn_tensor *w = sgn_linear_param(l, l->p[W]);
    sgn_tensor *alpha = sgn_linear_param(l, l->p[ALPHA]), *beta = sgn_linear_param(l, l->p[BETA]);
    switch (pattern_of(l)) {
    case GROUPED: return sgn_sign_matmul_group(t, x, w, alpha, GROUP);
    case COLUMN:  return sgn_sign_matmul(t, x, w, alpha, beta);
    default:      return sgn_row_affine(t, sgn_sign_matmul(t, x, w, NULL, NULL), x, alpha, beta);
    }
}

/* --- scales of given weights: beta = mean W, alpha = mean |W - beta|, of those kept, over what shares them ------- */

typedef struct {
    const sgn_real *w;
    sgn_real       *alpha, *beta;              /* beta NULL: 0 */
    int64_t         rows, cols;                /* of weights that share a scale: scale i has w[i*step + r*stride + c] */
    int64_t         step, stride;
    const sgn_real *start;                     /* W, for places in the mask */
    const sgn_plane *mask;                     /* word NULL: all are kept */
    int64_t         before;                    /* rows of other layers that alpha is the mean of already */
} derive_job;

static bool kept(const derive_job *job, const sgn_real *w) {
    const int64_t at = w - job->start;
    return !job->mask->word || sgn_plane_bit(job->mask, at / job->mask->cols, at % job->mask->cols);
}

static void derive_scales(void *ctx, int64_t begin, int64_t end) {
    const derive_job *job = ctx;
    const double n = (double)(job->rows * job->cols);
    for (int64_t i = begin; i < end; i++) {
        const sgn_real *w = job->w + i * job->step;
        double mean = 0, deviation = 0, count = 0;
        for (int64_t r = 0; job->beta && r < job->rows; r++)
            for (int64_t c = 0; c < job->cols; c++) mean += (double)w[r * job->stride + c] / n;
        for (int64_t r = 0; r < job->rows; r++)
            for (int64_t c = 0; c < job->cols; c++) {
                const sgn_real *at = w + r * job->stride + c;
                if (kept(job, at)) deviation += fabs((double)*at - mean), count++;
            }
        const double alpha = count > 0 ? deviation / count : 0, share = (double)job->rows / (double)(job->rows + job->before);
        job->alpha[i] = (sgn_real)(job->before ? share * alpha + (1 - share) * (double)job->alpha[i] : alpha);
        if (job->beta) job->beta[i] = (sgn_real)mean;
    }
}

static int64_t rows_before(const sgn_linear *l) {
    char path[SGN_PARAM_NAME];
    const char *name = l->params->at[l->p[W]].name;
    snprintf(path, sizeof path, "%.*s", (int)(strlen(name) - strlen(".weight")), name);
    return tie_of(l, path).rows;
}

void sgn_scaled_signs_derive(sgn_linear *l) {
    const sgn_tensor *w = sgn_linear_param(l, l->p[W]);
    sgn_tensor *beta = sgn_linear_param(l, l->p[BETA]);
    if (w->signs->rows_mask.word) sgn_params_repack(l->params, l->p[W]);
    derive_job job = { .w = w->data, .start = w->data, .mask = &w->signs->rows_mask, .alpha = sgn_linear_param(l, l->p[ALPHA])->data,
                       .beta = beta ? beta->data : NULL, .rows = 1, .cols = l->in, .step = l->in, .stride = l->in };
    switch (pattern_of(l)) {
    case COLUMN:
        job.rows = l->out, job.cols = 1, job.step = 1;
        job.before = rows_before(l);
        sgn_parallel(l->in, DERIVE_GRAIN, derive_scales, &job);
        break;
    case ROW:
        sgn_parallel(l->out, DERIVE_GRAIN, derive_scales, &job);
        break;
    case TENSOR:
        job.rows = l->out;
        derive_scales(&job, 0, 1);
        break;
    case GROUPED: {
        const derive_job whole = job;
        const int64_t groups = (l->in + GROUP - 1) / GROUP;
        for (int64_t i = 0; i < l->out * groups; i++) {
            const int64_t at = i % groups * GROUP;
            job.w = whole.w + i / groups * l->in + at;
            job.alpha = whole.alpha + i;
            job.cols = l->in - at < GROUP ? l->in - at : GROUP;
            derive_scales(&job, 0, 1);
        }
    }
    }
}

/* --- lowering ------------------------------------------------------------------------------------ */

static sgn_chain lower_signs(const sgn_linear *l) {
    const pattern p = pattern_of(l);
    const sgn_tensor *alpha = sgn_linear_param(l, l->p[ALPHA]);
    const int64_t size = sgn_numel(alpha->shape), side = p == COLUMN ? l->in : l->out;
    const sgn_lowered_stage scale = { .kind = SGN_STAGE_SCALE, .rows = side, .cols = side,
                                      .v = alpha->data, .v_size = size, .name = { "wscale" } };
    const sgn_signs *s = sgn_linear_param(l, l->p[W])->signs;
    sgn_lowered_stage sign = { .kind = SGN_STAGE_SIGN, .rows = l->out, .cols = l->in, .plane = { s->rows }, .name = { "sign" } };
    if (s->rows_mask.word) {
        sign.kind = SGN_STAGE_MASKED_SIGN;
        sign.code = s->code;
        sign.plane[1] = s->rows_mask;
        sign.name[1] = "mask";
    }
    if (p == COLUMN) return (sgn_chain){ { scale, sign }, 2 };
    if (p != GROUPED) return (sgn_chain){ { sign, scale }, 2 };
    sign.kind = SGN_STAGE_GROUP_SIGN;
    sign.group = GROUP;
    sign.v = alpha->data;
    sign.v_size = size;
    sign.name[1] = "wscale";
    return (sgn_chain){ { sign }, 1 };
}

sgn_status sgn_scaled_signs_lower(const sgn_linear *l, sgn_lowered *out, sgn_error *err) {
    (void)err;
    out->chain[out->count++] = lower_signs(l);
    const sgn_tensor *beta = sgn_linear_param(l, l->p[BETA]);
    if (!beta) return SGN_OK;
    sgn_lowered_stage shift = { .kind = SGN_STAGE_RANK1, .rows = l->out, .cols = l->in, .name = { "wbias" } };
    const int64_t size = sgn_numel(beta->shape);
    if (pattern_of(l) == COLUMN) shift.v = beta->data, shift.v_size = size;
    else shift.u = beta->data, shift.u_size = size;
    out->chain[out->count++] = (sgn_chain){ { shift }, 1 };
    return SGN_OK;
}
