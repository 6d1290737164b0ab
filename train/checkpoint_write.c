/* SPDX-License-Identifier: MIT */
#include "train/checkpoint_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include "core/archive.h"

/* A shard is built in memory before it is written, so its size bounds what a save takes. */
static const uint64_t shard_most = 256u << 20, shard_least = 12u << 20;      /* with overhead within one step of growth of the image */

const char *sgn_state_group(const sgn_optimizer *o, int group) {
    if (group == 0) return "weights";
    return o && group <= o->kind->states ? o->kind->state_name[group - 1] : NULL;
}

float *sgn_state_at(const sgn_transformer *m, const sgn_optimizer *o, int group, int i) {
    const sgn_param *p = &m->params.at[i];
    if (group == 0) return p->tensor.data;
    return (p->class == SGN_PARAM_LATENT ? o->latent : o->dense)[group - 1] + p->offset;
}

uint64_t sgn_checkpoint_bytes(const sgn_params *p, int states) {
    return (uint64_t)sgn_params_numel(p) * sizeof(float) * (uint64_t)(1 + states) + (1u << 20);
}

typedef struct { int group, param; int64_t offset; } piece;      /* reals from the parameter's begin */

typedef struct {                       /* the shard being filled */
    const char              *directory;
    const sgn_position      *position;
    const sgn_transformer   *m;
    const sgn_optimizer     *o;
    const sgn_weight_source *from;
    sgn_array               *at;
    piece                   *pieces;
    int                      count, room, index;
    uint64_t                 bytes, limit;
} filling;

static sgn_status get(void *ctx, int index, const void **data, sgn_error *err) {
    const filling *f = ctx;
    const piece *p = &f->pieces[index];
    const float *x;
    if (f->from) SGN_TRY(f->from->get(f->from->ctx, p->param, &x, err));
    else x = sgn_state_at(f->m, f->o, p->group, p->param);
    *data = x + p->offset;
    return SGN_OK;
}

static sgn_status flush(filling *f, sgn_error *err) {
    if (f->count == 0) return SGN_OK;
    const sgn_position *p = f->position;
    char version[16], step[24], tokens[24], metrics[24];
    snprintf(version, sizeof version, "%d", SGN_CHECKPOINT_VERSION);
    snprintf(step, sizeof step, "%lld", (long long)p->step);
    snprintf(tokens, sizeof tokens, "%lld", (long long)p->tokens);
    snprintf(metrics, sizeof metrics, "%llu", (unsigned long long)p->metrics_bytes);
    const char *const notes[] = {
        "format", "signum-checkpoint", "version", version, "step", step, "tokens", tokens, "metrics_bytes", metrics,
        "data", p->data, "teacher", p->teacher, "kernels", p->kernels, NULL,
    };
    sgn_path path;
    SGN_TRY(sgn_path_set(&path, err, "%s/shard-%04d.h5", f->directory, f->index));
    SGN_TRY(sgn_archive_write_from("h5", path.s, f->at, &(sgn_array_source){ get, f }, f->count, notes, err));
    f->index++;
    f->count = 0;
    f->bytes = 0;
    return SGN_OK;
}

static sgn_status put(filling *f, const sgn_array *a, piece what, sgn_error *err) {
    if (f->bytes + a->bytes > f->limit) SGN_TRY(flush(f, err));
    if (f->count == f->room) {
        const int room = 2 * f->room + 64;
        sgn_array *at = realloc(f->at, (size_t)room * sizeof *at);
        if (at) f->at = at;
        piece *pieces = realloc(f->pieces, (size_t)room * sizeof *pieces);
        if (pieces) f->pieces = pieces;
        if (!at || !pieces) SGN_FAIL(err, SGN_NOMEM, "no memory for the table of a checkpoint shard");
        f->room = room;
    }
    f->at[f->count] = *a;
    f->pieces[f->count++] = what;
    f->bytes += a->bytes;
    return SGN_OK;
}

/* Whole, or by rows where it is larger than a shard. */
static sgn_status put_param(filling *f, const char *group, int g, int i, sgn_error *err) {
    const sgn_param *p = &f->m->params.at[i];
    const sgn_shape *shape = &p->tensor.shape;
    const int64_t row = sgn_numel(*shape) / shape->dim[0];
    const int64_t fit = (int64_t)(f->limit / sizeof(float)) / row, rows = fit < 1 ? 1 : fit;
    for (int64_t first = 0; first < shape->dim[0]; first += rows) {
        const bool whole = rows >= shape->dim[0];
        char name[SGN_ARRAY_NAME], at[24] = "";
        if (!whole) snprintf(at, sizeof at, "@%lld", (long long)first);
        snprintf(name, sizeof name, "%s/%s%s", group, p->name, at);
        sgn_shape part = *shape;
        if (!whole) part.dim[0] = shape->dim[0] - first < rows ? shape->dim[0] - first : rows;
        const sgn_array a = sgn_array_make(name, SGN_DTYPE_F32, part.rank, part.dim);
        SGN_TRY(put(f, &a, (piece){ g, i, first * row }, err));
    }
    return SGN_OK;
}

static sgn_status write_groups(filling *f, sgn_error *err) {
    const char *group;
    for (int g = 0; (group = sgn_state_group(f->o, g)); g++)
        for (int i = 0; i < f->m->params.count; i++) SGN_TRY(put_param(f, group, g, i, err));
    return flush(f, err);
}

/* What streams is to take no more memory than its largest part. */
static uint64_t shard_limit(const sgn_transformer *m) {
    uint64_t most = shard_least;
    for (int i = 0; i < m->params.count; i++) {
        const uint64_t bytes = (uint64_t)sgn_numel(m->params.at[i].tensor.shape) * sizeof(float);
        if (bytes > most) most = bytes;
    }
    return most < shard_most ? most : shard_most;
}

sgn_status sgn_state_write(const char *directory, const sgn_position *at, const sgn_transformer *m,
                           const sgn_optimizer *o, const sgn_weight_source *from, sgn_error *err) {
    filling f = { .directory = directory, .position = at, .m = m, .o = o, .from = from, .limit = from ? shard_limit(m) : shard_most };
    const sgn_status s = write_groups(&f, err);
    free(f.at);
    free(f.pieces);
    return s;
}
