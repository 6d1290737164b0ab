/* littlebit: sign factors of low rank, turned by Joint-ITQ, with Dual-SVID's scales (binarize/low_rank.h); a second pair takes what the
 * first leaves. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "binarize/binarizer.h"
#include "binarize/low_rank.h"
#include "core/rng.h"
#include "model/littlebit_rank.h"

static sgn_status check(const sgn_binarize_options *o, const char *path, int64_t out, int64_t in, sgn_error *err) {
    const int64_t rank = sgn_littlebit_rank(out, in, o->bits, (int)o->paths), most = out < in ? out : in;
    if (rank == 0)
        SGN_FAIL(err, SGN_CONFIG, "%s: --bits %g leaves no room for factors of rank 8 beside the scales of %lld x %lld; at least %.3g can be had, or leave "
                 "the layer out with --modules", path, o->bits, (long long)out, (long long)in, sgn_littlebit_bits(out, in, 8, (int)o->paths));
    if (rank > most)
        SGN_FAIL(err, SGN_CONFIG, "%s: --bits %g makes factors of rank %lld, but %lld x %lld weights have no more than %lld; take fewer bits or --paths 2",
                 path, o->bits, (long long)rank, (long long)out, (long long)in, (long long)most);
    return SGN_OK;
}

static void put(sgn_tensor *to, const double *from, int64_t n) {
    for (int64_t k = 0; k < n; k++) to->data[k] = (sgn_real)from[k];
}

static void store(const sgn_low_rank *f, sgn_linear *to, bool second) {
    put(sgn_binarize_param(to, second ? "u2" : "u"), f->u, f->out * f->rank);
    put(sgn_binarize_param(to, second ? "in_scale2" : "in_scale"), f->g, f->in);
    put(sgn_binarize_param(to, second ? "rank_scale2" : "rank_scale"), f->l, f->rank);
    put(sgn_binarize_param(to, second ? "out_scale2" : "out_scale"), f->h, f->out);
    sgn_real *v = sgn_binarize_param(to, second ? "v2" : "v")->data;
    for (int64_t r = 0; r < f->rank; r++)
        for (int64_t j = 0; j < f->in; j++) v[r * f->in + j] = (sgn_real)f->v[j * f->rank + r];
}

/* w becomes what is left, q gains what was fitted. */
static sgn_status fit_path(const sgn_binarize_layer *l, sgn_linear *to, bool second, int64_t rank, double *w, double *value, float *q, sgn_error *err) {
    sgn_low_rank f;
    double *turn = malloc((size_t)(rank * rank) * sizeof *turn);
    if (!turn) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for a rotation of %lld", l->path, (long long)rank);
    sgn_status s = sgn_random_rotation(sgn_rng_stream(l->path), rank, turn, err);
    if (s == SGN_OK) s = sgn_low_rank_fit(&f, w, l->out, l->in, rank, turn, SGN_ITQ_ROUNDS, err);
    free(turn);
    SGN_TRY(s);
    s = sgn_low_rank_value(&f, value, err);
    for (int64_t k = 0; s == SGN_OK && k < l->out * l->in; k++) w[k] -= value[k], q[k] += (float)value[k];
    store(&f, to, second);
    sgn_low_rank_free(&f);
    return s;
}

static sgn_status fit(const sgn_binarize_layer *l, sgn_linear *to, float *q, sgn_binarize_report *r, sgn_error *err) {
    const int64_t n = l->out * l->in, rank = sgn_littlebit_rank(l->out, l->in, l->o->bits, (int)l->o->paths);
    double *w = malloc((size_t)n * sizeof *w), *value = malloc((size_t)n * sizeof *value);
    sgn_status s = w && value ? SGN_OK : SGN_ERROR(err, SGN_NOMEM, "%s: no memory for its %lld weights", l->path, (long long)n);
    memset(q, 0, (size_t)n * sizeof *q);
    for (int64_t k = 0; s == SGN_OK && k < n; k++) w[k] = (double)l->w[k];
    for (int64_t p = 0; s == SGN_OK && p < l->o->paths; p++) s = fit_path(l, to, p == 1, rank, w, value, q, err);
    free(w);
    free(value);
    r->kept = 1;
    r->claimed = r->stored = sgn_littlebit_bits(l->out, l->in, rank, (int)l->o->paths);
    return s;
}

const sgn_binarizer sgn_binarizer_littlebit = {
    .name = "littlebit", .summary = "LittleBit's start: sign factors of low rank, --bits per weight (Dual-SVID after Joint-ITQ); needs training",
    .kind = "littlebit", .check = check, .fit = fit,
};
