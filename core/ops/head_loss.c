/* SPDX-License-Identifier: MIT */
/* z = H head^T, loss = scale sum_t [(1 - lambda) hard_t + lambda T^2 soft_t] over positions with a target:
 *   hard_t = -log p(target_t),  soft_t = -sum_v pT(v) log pS(v), both softmaxes at z/T (Hinton et al. 2015);
 *   dz = g scale [(1 - lambda) (p - e_target) + lambda T (pS - pT)],  dH += dz head,  dhead += dz^T H.
 * Of a teacher whose classes K are known with p, the others only by their sum r (0 for samples), and m = sum_K p + r:
 *   soft_t = -sum_K p log pS - r log rS,  rS = sum_{not K} pS,  dsoft_t/d(z/T) = m pS - p in K, (m - r/rS) pS elsewhere,
 * which costs no second pass over the vocabulary: the tail has one factor, K is put in place afterwards.
 * The soft term carries T^2, so that its gradient keeps its size when T changes; `sums` reports soft_t itself.
 * Logits live for one chunk of tokens. Backward makes them, the loss and all gradients in one pass,
 * therefore forward leaves the value to it (NaN until then) where backward will run. */
#include <math.h>
#include <string.h>
#include "core/arena.h"
#include "core/checked.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/ops.h"
#include "core/ops/op_rows.h"

/* A chunk reads and updates the whole head, which more rows hide better behind the products. A step of `tiny` with 16M
 * reals (512 rows at vocab 32000) is 3 % faster than with 8M and takes 33 MiB more; before, 8M against 4M gave 10 %. */
enum { LOGITS = 16 << 20, MOST_ROWS = 512 };    /* of a chunk: reals of one model, tokens */
enum { SLICE = 4096, DH_COLS = 384 };          /* words and columns per task of dz head */

typedef struct { double hard, soft, entropy; } terms;

typedef struct {               /* one chunk of tokens */
    const sgn_node *n;
    int64_t         from, rows, vocab;
    double          gradient;  /* factor of dz; 0: none wanted */
    sgn_real       *z, *zt;    /* (rows, vocab): student, teacher or NULL; z becomes dz */
    sgn_real       *dh;        /* (slices, rows, width): parts of dz head */
    terms          *term;      /* (rows) */
} chunk;

static const sgn_head_loss_args *args_of(const sgn_node *n) { return n->args; }
static bool taught(const sgn_node *n) { return args_of(n)->lambda > 0; }
static bool live(const sgn_node *n) { return taught(n) && args_of(n)->soft.kind == SGN_SOFT_HIDDEN; }

static int64_t chunk_rows(const sgn_node *n) {
    const int64_t fit = LOGITS / sgn_rows(n->in[1]);
    const int64_t most = sgn_rows(n->in[0]) < MOST_ROWS ? sgn_rows(n->in[0]) : MOST_ROWS;
    return fit < 1 ? 1 : fit < most ? fit : most;
}

static int64_t slices(const sgn_node *n) { return (sgn_rows(n->in[1]) + SLICE - 1) / SLICE; }

static void *take(size_t *at, int64_t count, size_t each) {
    char *base = sgn_scratch(SGN_SCRATCH_SHARED);
    void *p = base ? base + *at : NULL;
    *at += sgn_round_up((size_t)count * each, SGN_ALIGN);
    return p;
}

/* Cuts the shared scratch into a chunk's arrays; returns the bytes taken. */
static size_t lay_out(const sgn_node *n, chunk *c) {
    const int64_t rows = chunk_rows(n), vocab = sgn_rows(n->in[1]);
    size_t at = 0;
    c->term = take(&at, rows, sizeof(terms));
    c->z = take(&at, rows * vocab, sizeof(sgn_real));
    if (live(n)) c->zt = take(&at, rows * vocab, sizeof(sgn_real));
    if (n->train) c->dh = take(&at, slices(n) * rows * sgn_cols(n->in[0]), sizeof(sgn_real));
    return at;
}

/* Reals per thread: both softmaxes of a token; of few classes theirs, and at another temperature the student's. */
static int64_t token_reals(const sgn_node *n) {
    const sgn_head_loss_args *a = args_of(n);
    const int64_t vocab = sgn_rows(n->in[1]);
    return live(n) ? 2 * vocab : a->soft.top + (a->temperature != 1 ? vocab : 0);
}

static sgn_status check_soft(const sgn_node *n, sgn_error *err) {
    const sgn_head_loss_args *a = args_of(n);
    const sgn_soft *s = &a->soft;
    if (!taught(n)) return SGN_OK;
    if (s->kind == SGN_SOFT_NONE || (live(n) && s->width < 1))
        SGN_FAIL(err, SGN_CONFIG, "head_loss wants a teacher where lambda is %g; give one or set lambda to 0", a->lambda);
    if (!live(n) && (s->top < 1 || s->top > sgn_rows(n->in[1])))
        SGN_FAIL(err, SGN_CONFIG, "head_loss wants 1 to %lld classes of the teacher per position, got %lld",
                 (long long)sgn_rows(n->in[1]), (long long)s->top);
    return SGN_OK;
}

static sgn_status infer(const sgn_node *n, sgn_shape *out, size_t *saved, sgn_error *err) {
    (void)saved;
    const sgn_tensor *h = n->in[0], *head = n->in[1];
    const sgn_head_loss_args *a = args_of(n);
    if (!sgn_is_rank(h, 2) || !sgn_is_rank(head, 2) || sgn_cols(h) != sgn_cols(head) || sgn_rows(head) < 1)
        return sgn_misfit(n, "h (tokens, width) and head (vocab, width)", h, head, err);
    if (!(a->lambda >= 0 && a->lambda <= 1 && a->temperature > 0))
        SGN_FAIL(err, SGN_CONFIG, "head_loss wants lambda in [0, 1] and a temperature above 0, got %g and %g",
                 a->lambda, a->temperature);
    SGN_TRY(check_soft(n, err));
    *out = sgn_shape1(1);
    SGN_TRY(sgn_scratch_reserve(SGN_SCRATCH_SHARED, lay_out(n, &(chunk){ 0 }), err));
    if (live(n) && a->soft.stored.data) {                     /* a full chunk, and the last */
        const int64_t rows[] = { chunk_rows(n), sgn_rows(h) % chunk_rows(n) };
        for (int i = 0; i < 2; i++)
            SGN_TRY(sgn_gemm_stored_reserve(a->soft.stored, rows[i], sgn_rows(head), a->soft.width, err));
    }
    if (!taught(n)) return SGN_OK;
    return sgn_scratch_reserve(SGN_SCRATCH_OP, (size_t)token_reals(n) * sizeof(sgn_real), err);
}

/* y_v = exp(z_v/T - max), their sum, and log sum_v exp(z_v/T). */
static double soften(sgn_real *y, const sgn_real *z, int64_t n, double temperature, sgn_real *sum) {
    const sgn_kernels *k = sgn_kernels_get();
    const sgn_real cool = (sgn_real)(1 / temperature), most = k->max(z, n) * cool;
    if (temperature != 1) {
        for (int64_t v = 0; v < n; v++) y[v] = z[v] * cool;
        z = y;
    }
    *sum = k->exp_sum(y, z, n, most);
    return (double)most + log((double)*sum);
}

/* Losses of one token, and its dz in place of z. */
static terms token(const chunk *c, int64_t i, int64_t target) {
    const sgn_kernels *k = sgn_kernels_get();
    const sgn_head_loss_args *a = args_of(c->n);
    const int64_t vocab = c->vocab;
    const double T = a->temperature;
    sgn_real *z = c->z + i * vocab, sum, sum_p = 1, sum_q = 1;
    sgn_real *p = c->zt ? sgn_scratch(SGN_SCRATCH_OP) : NULL, *q = p ? p + vocab : NULL;
    const double picked = target < vocab ? (double)z[target] : (double)NAN;
    terms e = { 0 };
    if (c->zt) {
        const sgn_real *zt = c->zt + i * vocab;
        const double level = soften(p, zt, vocab, T, &sum_p), by = T * (double)sum_p;
        e.entropy = level - (double)k->dot(p, zt, vocab) / by;
        e.soft = -(double)k->dot(p, z, vocab) / by;
        if (T != 1) e.soft += soften(q, z, vocab, T, &sum_q);
    }
    const double level = soften(z, z, vocab, 1, &sum);
    e.hard = level - picked;
    if (c->zt && T == 1) e.soft += level;
    if (c->gradient == 0) return e;
    const double hard = c->gradient * (1 - a->lambda), soft = c->gradient * a->lambda * T;
    const sgn_real by = (sgn_real)((T == 1 ? hard + soft : hard) / (double)sum);
    for (int64_t v = 0; v < vocab; v++) z[v] *= by;
    if (c->zt && T != 1) k->axpy(z, (sgn_real)(soft / (double)sum_q), q, vocab);
    if (c->zt) k->axpy(z, (sgn_real)(-soft / (double)sum_p), p, vocab);
    if (target < vocab) z[target] -= (sgn_real)hard;
    return e;
}

/* Below this part of the student's mass, log rS no longer falls and pulls no more. */
static const double LEAST_TAIL = 1e-30;

typedef struct {               /* what is known of a teacher at one token, and what the student gives to it */
    const int32_t  *id;        /* (count) */
    const sgn_real *p;
    int64_t         count;
    double          rest, mass;/* r, m */
    sgn_real       *y;         /* (count): exp(z/T - most) */
    double          tail, total, log_total;    /* sums of exp(z/T - most): others, all */
    double          along;     /* sum_K p (z/T - most) */
    sgn_real        most;      /* max z/T */
} known;

static known find_known(const sgn_soft *s, int64_t at, sgn_real *y) {
    known k = { .id = s->id + at * s->top, .p = s->prob + at * s->top, .rest = s->rest ? (double)s->rest[at] : 0, .y = y };
    for (; k.count < s->top && k.p[k.count] > 0; k.count++) k.mass += (double)k.p[k.count];
    k.mass += k.rest;
    return k;
}

/* q = exp(z/T - most), but next to nothing in K, whose values go to k->y: so the tail is a sum, not a difference. */
static void split(known *k, sgn_real *q, const sgn_real *z, int64_t n, double temperature) {
    const sgn_kernels *kernel = sgn_kernels_get();
    const sgn_real cool = (sgn_real)(1 / temperature), most = k->most = kernel->max(z, n) * cool, away = most - 200;
    if (q != z)
        for (int64_t v = 0; v < n; v++) q[v] = z[v] * cool;
    for (int64_t j = 0; j < k->count; j++) {
        k->y[j] = q[k->id[j]] - most;
        q[k->id[j]] = away;
        k->along += (double)k->p[j] * (double)k->y[j];
    }
    k->tail = k->total = (double)kernel->exp_sum(q, q, n, most);
    kernel->exp_sum(k->y, k->y, k->count, 0);
    for (int64_t j = 0; j < k->count; j++) k->total += (double)k->y[j];
    k->log_total = log(k->total);
}

/* token() for a teacher of few classes. */
static terms token_of_few(const chunk *c, int64_t i, int64_t target) {
    const sgn_head_loss_args *a = args_of(c->n);
    const int64_t vocab = c->vocab, at = c->from + i;
    const double T = a->temperature, hard = c->gradient * (1 - a->lambda), soft = c->gradient * a->lambda * T;
    sgn_real *z = c->z + i * vocab, *y = sgn_scratch(SGN_SCRATCH_OP), *q = T == 1 ? z : y + a->soft.top, sum;
    const double picked = target < vocab ? (double)z[target] : (double)NAN;
    known k = find_known(&a->soft, at, y);
    terms e = { .entropy = a->soft.entropy ? (double)a->soft.entropy[at] : 0 };
    split(&k, q, z, vocab, T);
    const double least = LEAST_TAIL * k.total;
    e.soft = k.mass * k.log_total - k.along;
    if (k.rest > 0) e.soft -= k.rest * log(k.tail > least ? k.tail : least);
    e.hard = (T == 1 ? (double)k.most + k.log_total : soften(z, z, vocab, 1, &sum)) - picked;
    if (c->gradient == 0) return e;
    const double pull = soft * (k.mass - (k.rest > 0 && k.tail > least ? k.rest * k.total / k.tail : 0)) / k.total;
    const sgn_real by = (sgn_real)(T == 1 ? hard / k.total + pull : hard / (double)sum);
    for (int64_t v = 0; v < vocab; v++) z[v] *= by;
    if (T != 1) sgn_kernels_get()->axpy(z, (sgn_real)pull, q, vocab);
    for (int64_t j = 0; j < k.count; j++) {
        const double own = soft * (k.mass * (double)k.y[j] / k.total - (double)k.p[j]);
        z[k.id[j]] = (sgn_real)(own + (T == 1 ? hard * (double)k.y[j] / k.total : (double)z[k.id[j]]));
    }
    if (target < vocab) z[target] -= (sgn_real)hard;
    return e;
}

static void tokens(void *ctx, int64_t begin, int64_t end) {
    const chunk *c = ctx;
    const bool few = taught(c->n) && !live(c->n);
    for (int64_t i = begin; i < end; i++) {
        const int32_t target = args_of(c->n)->target[c->from + i];
        if (target >= 0) c->term[i] = few ? token_of_few(c, i, target) : token(c, i, target);
        else {
            c->term[i] = (terms){ 0 };
            memset(c->z + i * c->vocab, 0, (size_t)c->vocab * sizeof *c->z);
        }
    }
}

static void add_terms(const chunk *c, sgn_loss_sums *to) {
    for (int64_t i = 0; i < c->rows; i++) {
        to->hard += c->term[i].hard;
        to->soft += c->term[i].soft;
        to->teacher_entropy += c->term[i].entropy;
        to->tokens += args_of(c->n)->target[c->from + i] >= 0;
    }
}

/* dz head is a small result of a long sum: tasks take slices of the vocabulary, added up in order. */
static void dh_parts(void *ctx, int64_t begin, int64_t end) {
    const chunk *c = ctx;
    const sgn_real *head = c->n->in[1]->data;
    const int64_t width = sgn_cols(c->n->in[1]), across = (width + DH_COLS - 1) / DH_COLS;
    for (int64_t i = begin; i < end; i++) {
        const int64_t v = i / across * SLICE, j = i % across * DH_COLS;
        const int64_t words = c->vocab - v < SLICE ? c->vocab - v : SLICE, cols = width - j < DH_COLS ? width - j : DH_COLS;
        sgn_gemm_serial(&(sgn_gemm_args){ false, false, c->rows, cols, words, 1, c->z + v, c->vocab,
                                          head + v * width + j, width, 0, c->dh + i / across * c->rows * width + j, width });
    }
}

static void dh_sum(void *ctx, int64_t begin, int64_t end) {
    const chunk *c = ctx;
    const int64_t width = sgn_cols(c->n->in[0]);
    sgn_real *dh = c->n->in[0]->grad + c->from * width;
    for (int64_t s = 0; s < slices(c->n); s++)
        sgn_kernels_get()->axpy(dh + begin, 1, c->dh + s * c->rows * width + begin, end - begin);
}

/* dhead += dz^T h and dh += dz head at once: the threads that finish one go on with the other. */
static void gradients(chunk *c, const sgn_real *x) {
    const sgn_tensor *h = c->n->in[0], *head = c->n->in[1];
    const int64_t width = sgn_cols(h);
    sgn_gemm_tiles tiles;
    sgn_job job[2] = { { 0 } };
    if (head->grad) job[0] = sgn_gemm_dw_job(head->grad, c->z, x, c->rows, c->vocab, width, &tiles);
    if (h->grad) job[1] = (sgn_job){ slices(c->n) * ((width + DH_COLS - 1) / DH_COLS), 1, dh_parts, c };
    sgn_parallel_jobs(job, 2);
    if (h->grad) sgn_parallel(c->rows * width, SGN_OP_GRAIN, dh_sum, c);
}

static void run_chunk(chunk *c, sgn_loss_sums *to) {
    const sgn_tensor *h = c->n->in[0], *head = c->n->in[1];
    const sgn_soft *soft = &args_of(c->n)->soft;
    const int64_t width = sgn_cols(h);
    const sgn_real *x = h->data + c->from * width;
    sgn_gemm_forward(c->z, x, head->data, c->rows, c->vocab, width);
    const sgn_real *xt = c->zt ? soft->hidden + c->from * soft->width : NULL;
    if (c->zt && soft->head) sgn_gemm_forward(c->zt, xt, soft->head, c->rows, c->vocab, soft->width);
    else if (c->zt) sgn_gemm_forward_stored(c->zt, xt, soft->stored, c->rows, c->vocab, soft->width);
    sgn_parallel(c->rows, 1, tokens, c);
    add_terms(c, to);
    if (c->gradient != 0) gradients(c, x);
}

/* Everything of the op: the value, `sums`, and where gradient is not 0 the gradients. */
static void run(const sgn_node *n, double gradient) {
    const sgn_head_loss_args *a = args_of(n);
    chunk c = { .n = n, .vocab = sgn_rows(n->in[1]), .gradient = gradient };
    sgn_loss_sums sums = { 0 };
    (void)lay_out(n, &c);
    for (; c.from < sgn_rows(n->in[0]); c.from += chunk_rows(n)) {
        const int64_t left = sgn_rows(n->in[0]) - c.from;
        c.rows = left < chunk_rows(n) ? left : chunk_rows(n);
        run_chunk(&c, &sums);
    }
    n->out->data[0] = (sgn_real)(a->scale * ((1 - a->lambda) * sums.hard +
                                             a->lambda * a->temperature * a->temperature * sums.soft));
    if (!a->sums) return;
    a->sums->hard += sums.hard;
    a->sums->soft += sums.soft;
    a->sums->teacher_entropy += sums.teacher_entropy;
    a->sums->tokens += sums.tokens;
}

static void forward(const sgn_node *n) {
    if (n->train) n->out->data[0] = (sgn_real)NAN;
    else run(n, 0);
}
static void backward(const sgn_node *n) {
    run(n, (double)n->out->grad[0] * args_of(n)->scale);
}

const sgn_op sgn_op_head_loss = { "head_loss", 2, sizeof(sgn_head_loss_args), infer, forward, backward, NULL };

sgn_tensor *sgn_head_loss(sgn_tape *t, sgn_tensor *h, sgn_tensor *head, const sgn_head_loss_args *args) {
    return sgn_tape_apply(t, &sgn_op_head_loss, (sgn_tensor *[]){ h, head }, args);
}
