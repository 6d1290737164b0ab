/* Segments: without gradients the memory of one, recomputed the same bits with the memory of one and its inputs.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/gemm.h"
#include "core/ops.h"
#include "core/parallel.h"
#include "core/rng.h"

enum { BATCH = 2, SEQ = 5, TOKENS = BATCH * SEQ, WIDTH = 8, HIDDEN = 12, VOCAB = 11, MOST = 6 };
enum { INPUT = (TOKENS * WIDTH * (int)sizeof(sgn_real) + 63) / 64 * 64 };
enum { LAYER = WIDTH + 4 * WIDTH * WIDTH + 3 * HIDDEN * WIDTH, ALL = VOCAB * WIDTH + MOST * LAYER };
enum { LAYER_NODES = 13, FEED_NODES = 6, NODES = MOST * (LAYER_NODES + MOST * FEED_NODES) + 2 };

typedef struct { sgn_tensor gain, q, k, v, o, gate, up, down; int feeds; } layer;
typedef struct {
    sgn_tensor table;
    layer      at[MOST];
    int        layers;
    sgn_real   data[ALL], grad[ALL];
} model;

static sgn_error err;
static bool uneven;                                    /* lower layers feed forward more often */
static int32_t id[TOKENS], target[TOKENS];

static void make(model *m, sgn_tensor *x, int64_t rows, int64_t cols, int64_t *at, bool bare) {
    *x = (sgn_tensor){ .shape = cols ? sgn_shape2(rows, cols) : sgn_shape1(rows), .needs_grad = true, .leaf = true };
    if (!bare) {
        x->data = m->data + *at;
        x->grad = m->grad + *at;
    }
    *at += sgn_numel(x->shape);
}

/* bare: shapes only, for dry tapes. */
static void model_init(model *m, int layers, bool bare) {
    int64_t at = 0;
    *m = (model){ .layers = layers };
    for (int i = 0; i < ALL; i++) m->data[i] = (sgn_real)(0.4 * sgn_rng_normal(5, 0, (uint64_t)i));
    make(m, &m->table, VOCAB, WIDTH, &at, bare);
    for (layer *l = m->at; l < m->at + layers; l++) {
        l->feeds = uneven ? (int)(m->at + layers - l) : 1;
        make(m, &l->gain, WIDTH, 0, &at, bare);
        make(m, &l->q, WIDTH, WIDTH, &at, bare), make(m, &l->k, WIDTH, WIDTH, &at, bare);
        make(m, &l->v, WIDTH, WIDTH, &at, bare), make(m, &l->o, WIDTH, WIDTH, &at, bare);
        make(m, &l->gate, HIDDEN, WIDTH, &at, bare), make(m, &l->up, HIDDEN, WIDTH, &at, bare);
        make(m, &l->down, WIDTH, HIDDEN, &at, bare);
    }
    for (int i = 0; i < TOKENS; i++) {
        id[i] = i * 7 % VOCAB;
        target[i] = (i * 3 + 1) % VOCAB;
    }
}

static sgn_tensor *attend(sgn_tape *t, const void *ctx, sgn_tensor *x) {
    layer *l = *(layer *const *)ctx;
    sgn_tensor *h = sgn_rmsnorm(t, x, &l->gain, 1e-5);
    h = sgn_attention(t, sgn_matmul(t, h, &l->q), sgn_matmul(t, h, &l->k), sgn_matmul(t, h, &l->v), NULL, BATCH, SEQ, 2, 2);
    return sgn_add(t, x, sgn_matmul(t, h, &l->o));
}
static sgn_tensor *feed(sgn_tape *t, const void *ctx, sgn_tensor *x) {
    layer *l = *(layer *const *)ctx;
    sgn_tensor *h = sgn_rmsnorm(t, x, &l->gain, 1e-5);
    h = sgn_swiglu(t, sgn_matmul(t, h, &l->gate), sgn_matmul(t, h, &l->up));
    return sgn_add(t, x, sgn_matmul(t, h, &l->down));
}
static sgn_tensor *block(sgn_tape *t, const void *ctx, sgn_tensor *x) {
    x = sgn_tape_segment(t, attend, ctx, sizeof(layer *), x);
    for (int i = 0; i < (*(layer *const *)ctx)->feeds; i++) x = sgn_tape_segment(t, feed, ctx, sizeof(layer *), x);
    return x;
}

static sgn_tensor *model_loss(model *m, sgn_tape *t, sgn_loss_sums *sums) {
    sgn_tensor *x = sgn_embedding(t, &m->table, id, TOKENS);
    for (layer *l = m->at; l < m->at + m->layers; l++)
        x = sgn_tape_segment(t, block, &l, sizeof l, x);       /* l moves on: the tape has to copy it */
    return sgn_head_loss(t, x, &m->table,
                         &(sgn_head_loss_args){ .target = target, .temperature = 1, .scale = 1.0 / TOKENS, .sums = sums });
}

/* Peak of a pass; the loss too. */
static size_t pass(model *m, sgn_tape *t, sgn_tape_mode mode, sgn_real *loss) {
    sgn_loss_sums sums = { 0 };
    sgn_tape_begin(t, mode);
    t->data.peak = 0;
    sgn_tensor *l = model_loss(m, t, &sums);
    check_ok(sgn_tape_end(t, &err), &err);
    if (mode != SGN_TAPE_NOGRAD) check_ok(sgn_tape_backward(t, l, &err), &err);
    if (t->dry) return t->data.peak;
    *loss = l->data[0];
    assert_int_equal(sums.tokens, TOKENS);             /* the loss was computed once */
    return t->data.peak;
}

static size_t measured(int layers, sgn_tape_mode mode) {
    static model m;
    sgn_tape t;
    model_init(&m, layers, true);
    check_ok(sgn_tape_init_dry(&t, NODES, &err), &err);
    const size_t peak = pass(&m, &t, mode, NULL);
    assert_int_equal(pass(&m, &t, mode, NULL), peak);
    sgn_tape_free(&t);
    return peak;
}

/* A tape of exactly the measured size serves any number of passes; returns the loss of the last. */
static sgn_real run(model *m, sgn_tape_mode mode, int passes) {
    const int layers = m->layers;
    const size_t peak = measured(layers, mode);
    sgn_tape t;
    sgn_real loss = 0;
    check_ok(sgn_tape_init(&t, NODES, peak, &err), &err);
    for (int i = 0; i < passes; i++) assert_int_equal(pass(m, &t, mode, &loss), peak);
    sgn_tape_free(&t);
    return loss;
}

static void same_bits(void **state) {
    (void)state;
    static model kept, again, bare;
    for (int turn = 0; turn < 4; turn++) {
        sgn_threads_set(1 + turn % 2);
        uneven = turn / 2;                             /* a block of gradients that outlived its segment would be overwritten */
        for (int layers = 1; layers <= MOST; layers++) {
            model_init(&kept, layers, false), model_init(&again, layers, false), model_init(&bare, layers, false);
            const sgn_real want = run(&kept, SGN_TAPE_TRAIN, 3), got = run(&again, SGN_TAPE_RECOMPUTE, 3);
            const sgn_real plain = run(&bare, SGN_TAPE_NOGRAD, 2);
            assert_true(want > 0);
            assert_memory_equal(&want, &got, sizeof want);
            assert_memory_equal(kept.grad, again.grad, sizeof kept.grad);
            assert_true(kept.grad[VOCAB * WIDTH + layers * LAYER - 1] != 0);
            check_close(plain, want, 0, 1e-6);
        }
    }
    sgn_threads_set(0);
    uneven = false;
}

/* Another backward over the same record runs the segments once more. */
static void backward_twice(void **state) {
    (void)state;
    static model m;
    sgn_tape t;
    sgn_real once[ALL];
    model_init(&m, 3, false);
    check_ok(sgn_tape_init(&t, NODES, 1 << 20, &err), &err);
    sgn_tape_begin(&t, SGN_TAPE_RECOMPUTE);
    sgn_tensor *loss = model_loss(&m, &t, NULL);
    check_ok(sgn_tape_backward(&t, loss, &err), &err);
    memcpy(once, m.grad, sizeof once);
    const size_t used = t.data.used;
    check_ok(sgn_tape_backward(&t, loss, &err), &err);
    for (int i = 0; i < ALL; i++) check_close(m.grad[i], 2 * once[i], 1e-6, 1e-5);
    assert_int_equal(t.data.used, used);               /* with the gradients' old blocks */
    sgn_tape_free(&t);
}

static void memory(void **state) {
    (void)state;
    for (int n = 1; n < MOST; n++) {
        assert_int_equal(measured(n + 1, SGN_TAPE_NOGRAD), measured(1, SGN_TAPE_NOGRAD));
        assert_int_equal(measured(n + 1, SGN_TAPE_RECOMPUTE), measured(n, SGN_TAPE_RECOMPUTE) + INPUT);
        assert_true(measured(n + 1, SGN_TAPE_TRAIN) > measured(n, SGN_TAPE_TRAIN) + 10 * INPUT);
        assert_true(measured(n + 1, SGN_TAPE_RECOMPUTE) < measured(n + 1, SGN_TAPE_TRAIN));
    }
}

/* The record of a layer is one node; without gradients there is none. */
static void book(void **state) {
    (void)state;
    static model m;
    sgn_tape t;
    model_init(&m, MOST, true);
    check_ok(sgn_tape_init_dry(&t, LAYER_NODES + MOST + 2, &err), &err);
    (void)pass(&m, &t, SGN_TAPE_RECOMPUTE, NULL);
    assert_int_equal(t.count, MOST + 2);
    (void)pass(&m, &t, SGN_TAPE_NOGRAD, NULL);
    assert_int_equal(t.count, 2);
    sgn_tape_free(&t);
}

/* --- what is not recorded, and what is refused -------------------------------------------------------- */

typedef struct { sgn_tensor *a, *b; } pair;

static sgn_tensor *double_of(sgn_tape *t, const void *ctx, sgn_tensor *x) { (void)ctx; return sgn_add(t, x, x); }
static sgn_tensor *plus_a(sgn_tape *t, const void *ctx, sgn_tensor *x) { return sgn_add(t, x, ((const pair *)ctx)->a); }
static sgn_tensor *nothing(sgn_tape *t, const void *ctx, sgn_tensor *x) { (void)t; (void)ctx; return x; }
static sgn_tensor *only_a(sgn_tape *t, const void *ctx, sgn_tensor *x) { (void)t; (void)x; return ((const pair *)ctx)->a; }
static sgn_tensor *misfit(sgn_tape *t, const void *ctx, sgn_tensor *x) { (void)ctx; return sgn_matmul(t, x, x); }
static sgn_tensor *within_a(sgn_tape *t, const void *ctx, sgn_tensor *x) {
    return sgn_add(t, x, sgn_tape_segment(t, double_of, ctx, sizeof(pair), ((const pair *)ctx)->a));
}

static void frozen(void **state) {
    (void)state;
    sgn_tape t;
    sgn_real x[2] = { 1, 2 }, y[2] = { 3, 4 }, dy[2] = { 0 };
    check_ok(sgn_tape_init(&t, 8, 4096, &err), &err);
    sgn_tape_begin(&t, SGN_TAPE_RECOMPUTE);
    sgn_tensor *a = sgn_tape_leaf(&t, sgn_shape1(2), x, NULL), *b = sgn_tape_leaf(&t, sgn_shape1(2), y, dy);
    sgn_tensor *z = sgn_tape_segment(&t, double_of, &(pair){ 0 }, sizeof(pair), a);
    assert_false(z->needs_grad);
    assert_int_equal(t.count, 0);                      /* nothing learns in it */
    z = sgn_tape_segment(&t, plus_a, &(pair){ .a = b }, sizeof(pair), z);
    assert_true(z->needs_grad && t.count == 1);        /* a leaf does */
    assert_true(z->data[0] == 5 && z->data[1] == 8);
    sgn_tape_free(&t);
}

static void refuse(sgn_tape_mode mode, sgn_segment *f, int64_t width, sgn_status s, const char *text) {
    sgn_tape t;
    sgn_real x[2] = { 1, 2 }, dx[2];
    check_ok(sgn_tape_init(&t, 4, 4096, &err), &err);
    sgn_tape_begin(&t, mode);
    sgn_tensor *a = sgn_tape_leaf(&t, sgn_shape1(width), x, dx);
    sgn_tensor *b = sgn_add(&t, a, a), *c = sgn_add(&t, a, a);
    (void)sgn_add(&t, sgn_tape_segment(&t, f, &(pair){ .a = b }, sizeof(pair), c), a);
    check_fails(sgn_tape_end(&t, &err), s, &err, text);
    sgn_tape_free(&t);
}

static void refused(void **state) {
    (void)state;
    for (int mode = SGN_TAPE_TRAIN; mode <= SGN_TAPE_RECOMPUTE; mode++) {
        refuse((sgn_tape_mode)mode, plus_a, 2, SGN_SHAPE, "add: a segment reads only its input");
        refuse((sgn_tape_mode)mode, within_a, 2, SGN_SHAPE, "its input lies outside the segment around it");
        refuse((sgn_tape_mode)mode, nothing, 2, SGN_SHAPE, "segment: its function must return a result of its own");
        refuse((sgn_tape_mode)mode, only_a, 2, SGN_SHAPE, "segment: its function must return a result of its own");
        refuse((sgn_tape_mode)mode, misfit, 2, SGN_SHAPE, "matmul wants");
    }
    refuse(SGN_TAPE_RECOMPUTE, double_of, 1, SGN_SHAPE, "a loss cannot be computed twice");
}

/* x lives in no place of its own any more. */
static void given_up(void **state) {
    (void)state;
    sgn_tape t;
    sgn_real w[2] = { 1, 2 };
    check_ok(sgn_tape_init(&t, 8, 4096, &err), &err);
    sgn_tape_begin(&t, SGN_TAPE_NOGRAD);
    sgn_tensor *a = sgn_tape_leaf(&t, sgn_shape1(2), w, NULL), *x = sgn_add(&t, a, a);
    const size_t used = t.data.used;
    sgn_tensor *y = sgn_tape_segment(&t, double_of, &(pair){ 0 }, sizeof(pair), x);
    assert_true(y->data[0] == 4 && y->data[1] == 8);
    assert_int_equal(t.data.used, used);
    (void)sgn_add(&t, y, x);
    check_fails(sgn_tape_end(&t, &err), SGN_SHAPE, &err, "add wants");
    sgn_tape_free(&t);
}

int main(void) {
    if (sgn_gemm_init(&err) != SGN_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits), cmocka_unit_test(backward_twice), cmocka_unit_test(memory), cmocka_unit_test(book),
        cmocka_unit_test(frozen), cmocka_unit_test(refused), cmocka_unit_test(given_up),
    };
    return check_run(tests);
}
