/* The tape: order, sharing and reuse of gradients, dry measure, sticky errors.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include <time.h>
#include "core/gemm.h"
#include "core/ops.h"
#include "core/parallel.h"
#include "core/rng.h"

enum { BATCH = 2, SEQ = 5, TOKENS = BATCH * SEQ, WIDTH = 8, HIDDEN = 12, VOCAB = 11, LAYERS = 3, NODES = 64 };

/* --- a small model: embedding, layers of norm, attention, norm, swiglu, tied head ------------- */

typedef struct {
    sgn_tensor table, gain, q, k, v, o, gate, up, down;
    sgn_real   memory[2][VOCAB * WIDTH + WIDTH + 4 * WIDTH * WIDTH + 3 * HIDDEN * WIDTH];
} model;

static int32_t id[TOKENS], target[TOKENS];

static void make(model *m, sgn_tensor *x, sgn_shape shape, int64_t *at, bool bare) {
    *x = (sgn_tensor){ .shape = shape, .needs_grad = true, .leaf = true };
    if (!bare) {
        x->data = m->memory[0] + *at;
        x->grad = m->memory[1] + *at;
        for (int64_t k = 0; k < sgn_numel(shape); k++)
            x->data[k] = (sgn_real)(0.4 * sgn_rng_normal(5, 0, (uint64_t)(*at + k)));
    }
    *at += sgn_numel(shape);
}

/* bare: shapes only, as a model is before its parameters are allocated. */
static void model_init(model *m, bool bare) {
    int64_t at = 0;
    memset(m->memory, 0, sizeof m->memory);
    make(m, &m->table, sgn_shape2(VOCAB, WIDTH), &at, bare);
    make(m, &m->gain, sgn_shape1(WIDTH), &at, bare);
    sgn_tensor *square[] = { &m->q, &m->k, &m->v, &m->o };
    for (int i = 0; i < 4; i++) make(m, square[i], sgn_shape2(WIDTH, WIDTH), &at, bare);
    make(m, &m->gate, sgn_shape2(HIDDEN, WIDTH), &at, bare);
    make(m, &m->up, sgn_shape2(HIDDEN, WIDTH), &at, bare);
    make(m, &m->down, sgn_shape2(WIDTH, HIDDEN), &at, bare);
    for (int i = 0; i < TOKENS; i++) {
        id[i] = i % VOCAB;
        target[i] = (i + 1) % VOCAB;
    }
}

/* Every layer uses the same weights. */
static sgn_tensor *model_loss(model *m, sgn_tape *t, sgn_loss_sums *sums) {
    sgn_tensor *x = sgn_embedding(t, &m->table, id, TOKENS);
    for (int layer = 0; layer < LAYERS; layer++) {
        sgn_tensor *h = sgn_rmsnorm(t, x, &m->gain, 1e-5);
        sgn_tensor *a = sgn_attention(t, sgn_matmul(t, h, &m->q), sgn_matmul(t, h, &m->k), sgn_matmul(t, h, &m->v),
                                      NULL, BATCH, SEQ, 2, 2);
        x = sgn_add(t, x, sgn_matmul(t, a, &m->o));
        h = sgn_rmsnorm(t, x, &m->gain, 1e-5);
        h = sgn_swiglu(t, sgn_matmul(t, h, &m->gate), sgn_matmul(t, h, &m->up));
        x = sgn_add(t, x, sgn_matmul(t, h, &m->down));
    }
    return sgn_head_loss(t, sgn_rmsnorm(t, x, &m->gain, 1e-5), &m->table,
                         &(sgn_head_loss_args){ .target = target, .temperature = 1, .scale = 1.0 / TOKENS, .sums = sums });
}

static size_t pass(model *m, sgn_tape *t, sgn_tape_mode mode, sgn_error *err) {
    sgn_tape_begin(t, mode);
    t->data.peak = 0;
    sgn_tensor *loss = model_loss(m, t, NULL);
    check_ok(sgn_tape_end(t, err), err);
    if (mode == SGN_TAPE_TRAIN) check_ok(sgn_tape_backward(t, loss, err), err);
    return t->data.peak;
}

static void dry_measures_exactly(void **state) {
    (void)state;
    static model bare, m;
    sgn_error err = { 0 };
    sgn_tape dry, real;
    model_init(&bare, true);
    check_ok(sgn_tape_init_dry(&dry, NODES, &err), &err);
    const size_t train = pass(&bare, &dry, SGN_TAPE_TRAIN, &err), nograd = pass(&bare, &dry, SGN_TAPE_NOGRAD, &err);
    assert_true(train > nograd && nograd > 0);
    const size_t scratch = sgn_scratch_bytes();
    model_init(&m, false);
    check_ok(sgn_tape_init(&real, NODES, train, &err), &err);
    for (int step = 0; step < 3; step++) {
        assert_int_equal(pass(&m, &real, SGN_TAPE_TRAIN, &err), train);
        assert_int_equal(pass(&m, &real, SGN_TAPE_NOGRAD, &err), nograd);
    }
    assert_int_equal(sgn_scratch_bytes(), scratch);    /* the dry tape reserved it all */
    sgn_tape_free(&real);
    check_ok(sgn_tape_init(&real, NODES, train - 64, &err), &err);
    sgn_tape_begin(&real, SGN_TAPE_TRAIN);
    sgn_tensor *loss = model_loss(&m, &real, NULL);
    check_fails(sgn_tape_backward(&real, loss, &err), SGN_NOMEM, &err, "backward: ");
    sgn_tape_free(&real);
    check_ok(sgn_tape_init(&real, NODES, nograd - 64, &err), &err);
    sgn_tape_begin(&real, SGN_TAPE_NOGRAD);
    (void)model_loss(&m, &real, NULL);
    check_fails(sgn_tape_end(&real, &err), SGN_NOMEM, &err, "head_loss: ");
    sgn_tape_free(&real);
    sgn_tape_free(&dry);
}

/* Gradients of a whole model with shared weights against differences of its loss, a random direction at a time. */
static void whole_model_gradient(void **state) {
    (void)state;
    static model m, kept;
    sgn_error err = { 0 };
    sgn_tape t;
    model_init(&m, false);
    check_ok(sgn_tape_init(&t, NODES, 1 << 20, &err), &err);
    (void)pass(&m, &t, SGN_TAPE_TRAIN, &err);
    memcpy(kept.memory, m.memory, sizeof m.memory);
    const int64_t n = (int64_t)(sizeof m.memory[0] / sizeof(sgn_real));
    const double h = sizeof(sgn_real) == 8 ? 1e-5 : 1e-2;
    double loss[2], claim = 0, squares = 0;
    for (int side = 0; side < 2; side++) {
        for (int64_t k = 0; k < n; k++) {
            const double d = (double)kept.memory[1][k];        /* steepest ascent: the slope is |gradient|^2 */
            m.memory[0][k] = (sgn_real)((double)kept.memory[0][k] + (side ? h : -h) * d);
            squares += side ? d * d : 0;
        }
        sgn_loss_sums sums = { 0 };
        sgn_tape_begin(&t, SGN_TAPE_NOGRAD);
        (void)model_loss(&m, &t, &sums);
        check_ok(sgn_tape_end(&t, &err), &err);
        loss[side] = sums.hard / TOKENS;
    }
    claim = (loss[1] - loss[0]) / (2 * h);
    check_close(claim, squares, 0, sizeof(sgn_real) == 8 ? 1e-7 : 2e-3);
    sgn_tape_free(&t);
}

/* --- small graphs --------------------------------------------------------------------------- */

typedef struct {
    sgn_real data[4], grad[4];
    sgn_tensor x;
} leaf;

static sgn_tensor *leaf_of(leaf *l, int64_t n, double value) {
    for (int i = 0; i < 4; i++) {
        l->data[i] = (sgn_real)(value + i);
        l->grad[i] = 0;
    }
    l->x = (sgn_tensor){ .shape = sgn_shape1(n), .data = l->data, .grad = l->grad, .needs_grad = true, .leaf = true };
    return &l->x;
}

static void open_tape(sgn_tape *t, sgn_tape_mode mode) {
    sgn_error err = { 0 };
    check_ok(sgn_tape_init(t, 8, 1 << 16, &err), &err);
    sgn_tape_begin(t, mode);
}

/* y = (a + a) + ((a + a) + a): dy/da = 5, through a node used twice. */
static void shared_nodes(void **state) {
    (void)state;
    leaf a;
    sgn_tape t;
    sgn_error err;
    open_tape(&t, SGN_TAPE_TRAIN);
    sgn_tensor *x = leaf_of(&a, 1, 3), *two = sgn_add(&t, x, x), *y = sgn_add(&t, two, sgn_add(&t, two, x));
    assert_true(y->data[0] == 15);
    check_ok(sgn_tape_backward(&t, y, &err), &err);
    assert_true(a.grad[0] == 5);
    assert_null(two->grad);                    /* blocks go back */
    check_ok(sgn_tape_backward(&t, two, &err), &err);
    assert_true(a.grad[0] == 7);               /* added, and another end of the same record works */
    sgn_tape_free(&t);
}

/* Nodes off the path to the loss get no gradient and no memory for one. */
static void unreached_nodes(void **state) {
    (void)state;
    leaf a, b;
    sgn_tape t;
    sgn_error err;
    open_tape(&t, SGN_TAPE_TRAIN);
    sgn_tensor *x = leaf_of(&a, 1, 3), *z = leaf_of(&b, 1, 4);
    sgn_tensor *y = sgn_add(&t, x, x);
    (void)sgn_add(&t, z, z);
    const size_t before = t.data.used;
    check_ok(sgn_tape_backward(&t, y, &err), &err);
    assert_true(a.grad[0] == 2 && b.grad[0] == 0);
    assert_int_equal(t.data.used - before, 64);
    sgn_tape_free(&t);
}

/* A chain of any length needs two blocks for gradients. */
static void gradients_reuse_memory(void **state) {
    (void)state;
    leaf a;
    sgn_tape t;
    sgn_error err;
    open_tape(&t, SGN_TAPE_TRAIN);
    sgn_tensor *y = leaf_of(&a, 1, 1);
    for (int i = 0; i < 8; i++) y = sgn_add(&t, y, y);
    const size_t before = t.data.used;
    check_ok(sgn_tape_backward(&t, y, &err), &err);
    assert_true(a.grad[0] == 256);
    assert_int_equal(t.data.used - before, 2 * 64);
    sgn_tape_free(&t);
}

/* Without needs_grad anywhere a training tape records no backward, and a frozen input costs none. */
static void frozen_leaves(void **state) {
    (void)state;
    leaf a, b;
    sgn_tape t;
    sgn_error err;
    open_tape(&t, SGN_TAPE_TRAIN);
    (void)leaf_of(&a, 2, 1);
    sgn_tensor *x = sgn_tape_leaf(&t, sgn_shape1(2), a.data, NULL), *y = sgn_add(&t, x, x);
    assert_false(t.nodes[0].train);
    assert_false(y->needs_grad);
    sgn_tensor *z = sgn_add(&t, y, leaf_of(&b, 2, 1));
    assert_true(t.nodes[1].train && z->needs_grad);
    check_fails(sgn_tape_backward(&t, z, &err), SGN_SHAPE, &err, "one number");
    sgn_tape_free(&t);
    open_tape(&t, SGN_TAPE_NOGRAD);
    y = sgn_add(&t, leaf_of(&a, 1, 1), &a.x);
    check_fails(sgn_tape_backward(&t, y, &err), SGN_SHAPE, &err, "one number");
    check_fails(sgn_tape_backward(&t, &a.x, &err), SGN_SHAPE, &err, "one number");
    sgn_tape_free(&t);
}

/* --- errors --------------------------------------------------------------------------------- */

static void first_error_sticks(void **state) {
    (void)state;
    leaf a, b;
    sgn_tape t;
    sgn_error err;
    open_tape(&t, SGN_TAPE_TRAIN);
    sgn_tensor *y = sgn_add(&t, leaf_of(&a, 2, 1), leaf_of(&b, 3, 1));
    assert_ptr_equal(y, &t.inert);
    y = sgn_swiglu(&t, y, sgn_matmul(&t, y, &a.x));    /* a model goes on building */
    assert_ptr_equal(y, &t.inert);
    assert_ptr_equal(sgn_tape_leaf(&t, sgn_shape1(2), a.data, NULL), &t.inert);
    check_fails(sgn_tape_end(&t, &err), SGN_SHAPE, &err, "add wants two of one shape, got (2) and (3)");
    check_fails(sgn_tape_backward(&t, y, &err), SGN_SHAPE, &err, "add wants");
    sgn_tape_begin(&t, SGN_TAPE_TRAIN);                /* forgotten with the pass */
    (void)sgn_add(&t, &a.x, &a.x);
    check_ok(sgn_tape_end(&t, &err), &err);
    sgn_tape_free(&t);
}

static void full_tapes(void **state) {
    (void)state;
    leaf a;
    sgn_tape t;
    sgn_error err;
    open_tape(&t, SGN_TAPE_TRAIN);
    sgn_tensor *y = leaf_of(&a, 1, 1);
    for (int i = 0; i < 9; i++) y = sgn_add(&t, y, y);
    check_fails(sgn_tape_end(&t, &err), SGN_NOMEM, &err, "add: all 8 nodes of the tape are taken");
    sgn_tape_begin(&t, SGN_TAPE_TRAIN);
    for (int i = 0; i < 1000; i++) (void)sgn_tape_leaf(&t, sgn_shape1(1), a.data, NULL);
    check_fails(sgn_tape_end(&t, &err), SGN_NOMEM, &err, "book");
    sgn_tape_free(&t);
    check_fails(sgn_tape_init(&t, 0, 64, &err), SGN_CONFIG, &err, "at least one node");
    sgn_tape_free(&t);                                 /* a tape that never began */
}

/* Sizes no memory has are refused, dry and real, not wrapped around. */
static void absurd_sizes(void **state) {
    (void)state;
    sgn_tape t;
    sgn_error err = { 0 };
    sgn_tensor x = { .shape = sgn_shape2((int64_t)1 << 40, (int64_t)1 << 5), .leaf = true };
    sgn_tensor w = { .shape = sgn_shape2((int64_t)1 << 40, (int64_t)1 << 5), .leaf = true };
    check_ok(sgn_tape_init_dry(&t, 4, &err), &err);
    sgn_tape_begin(&t, SGN_TAPE_NOGRAD);
    (void)sgn_matmul(&t, &x, &w);
    check_fails(sgn_tape_end(&t, &err), SGN_SHAPE, &err, "matmul: ");
    sgn_tape_free(&t);
}

/* Every op names itself and the shapes it was given. */
static void shape_messages(void **state) {
    (void)state;
    sgn_tape t;
    sgn_error err = { 0 };
    sgn_tensor x = { .shape = sgn_shape2(6, 8), .leaf = true }, w = { .shape = sgn_shape2(4, 7), .leaf = true };
    sgn_tensor v = { .shape = sgn_shape1(5), .leaf = true };
    check_ok(sgn_tape_init_dry(&t, 4, &err), &err);
#define REFUSED(call, status, text) \
    do { \
        sgn_tape_begin(&t, SGN_TAPE_TRAIN); \
        (void)(call); \
        check_fails(sgn_tape_end(&t, &err), status, &err, text); \
    } while (0)
    const sgn_head_loss_args warm = { .temperature = 1, .scale = 1 }, cold = { .scale = 1 };
    const sgn_head_loss_args untaught = { .temperature = 1, .scale = 1, .lambda = 0.5 };
    REFUSED(sgn_add_bias(&t, &x, &v), SGN_SHAPE, "add_bias wants x (tokens, width) and b (width), got (6, 8) and (5)");
    REFUSED(sgn_attention(&t, &x, &w, &w, NULL, 2, 3, 2, 1), SGN_SHAPE, "attention wants k (tokens, kv_heads * head_dim)");
    REFUSED(sgn_attention(&t, &x, &x, &x, NULL, 2, 3, 2, 3), SGN_SHAPE, "kv_heads 3");
    REFUSED(sgn_attention(&t, &x, &x, &x, NULL, 2, 4, 2, 2), SGN_SHAPE, "attention wants q");
    REFUSED(sgn_embedding(&t, &v, NULL, 3), SGN_SHAPE, "embedding wants a table (vocab, width), got (5)");
    REFUSED(sgn_embedding(&t, &x, NULL, 0), SGN_SHAPE, "at least one id");
    REFUSED(sgn_head_loss(&t, &x, &w, &warm), SGN_SHAPE, "head_loss wants h (tokens, width)");
    REFUSED(sgn_head_loss(&t, &x, &x, &cold), SGN_CONFIG, "temperature");
    REFUSED(sgn_head_loss(&t, &x, &x, &untaught), SGN_CONFIG, "teacher");
    REFUSED(sgn_matmul(&t, &x, &w), SGN_SHAPE, "matmul wants x (tokens, in) and W (out, in), got (6, 8) and (4, 7)");
    REFUSED(sgn_rmsnorm(&t, &x, &v, 1e-5), SGN_SHAPE, "rmsnorm wants");
    REFUSED(sgn_rope(&t, &x, NULL, NULL, 4, 2), SGN_SHAPE, "rope wants x (batch * 4, heads * 2), got (6, 8)");
    REFUSED(sgn_rope(&t, &x, NULL, NULL, 3, 1), SGN_SHAPE, "even head_dim");
    REFUSED(sgn_row_affine(&t, &x, &x, &v, NULL), SGN_SHAPE, "row_affine wants z (tokens, out)");
    REFUSED(sgn_sign_matmul(&t, &x, &w, NULL, NULL), SGN_SHAPE, "sign_matmul wants x (tokens, in)");
    REFUSED(sgn_sign_matmul(&t, &x, &x, &v, NULL), SGN_SHAPE, "sign_matmul wants alpha (in)");
    REFUSED(sgn_sign_matmul_group(&t, &x, &x, &w, 48), SGN_SHAPE, "got 48");
    REFUSED(sgn_sign_matmul_group(&t, &x, &x, &w, 64), SGN_SHAPE, "ceil(in/group)");
    REFUSED(sgn_swiglu(&t, &x, &w), SGN_SHAPE, "swiglu wants gate and up");
    sgn_real value = 1;
    sgn_tensor plain = { .shape = sgn_shape2(3, 8), .data = &value, .leaf = true };
    REFUSED(sgn_sign_matmul(&t, &x, &plain, NULL, NULL), SGN_SHAPE, "latent");
#undef REFUSED
    sgn_tape_free(&t);
}

/* Each op once, in the order of first use; a tape that nobody asks keeps none; the parts fit into the whole. */
static void times_of_ops(void **state) {
    (void)state;
    static model m;
    static const char *const order[] = { "embedding", "rmsnorm", "matmul", "attention", "add", "swiglu", "head_loss" };
    sgn_error err = { 0 };
    sgn_tape t;
    sgn_op_times times = { .count = 0 };
    struct timespec from, to;
    double sum = 0;
    model_init(&m, false);
    check_ok(sgn_tape_init(&t, NODES, 1 << 20, &err), &err);
    for (int asked = 0; asked < 2; asked++) {
        t.times = asked ? &times : NULL;
        clock_gettime(CLOCK_MONOTONIC, &from);
        sgn_tape_begin(&t, SGN_TAPE_TRAIN);
        sgn_tensor *loss = model_loss(&m, &t, NULL);
        check_ok(sgn_tape_backward(&t, loss, &err), &err);
        clock_gettime(CLOCK_MONOTONIC, &to);
        assert_int_equal(times.count, asked ? 7 : 0);
    }
    for (int i = 0; i < 7; i++) {
        assert_string_equal(times.at[i].op->name, order[i]);
        assert_true(times.at[i].forward > 0 && times.at[i].backward > 0);
        sum += times.at[i].forward + times.at[i].backward;
    }
    assert_true(sum <= (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec));
    sgn_tape_free(&t);
}

int main(void) {
    sgn_error err = { 0 };
    if (sgn_gemm_init(&err) != SGN_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dry_measures_exactly),
        cmocka_unit_test(whole_model_gradient),
        cmocka_unit_test(shared_nodes),
        cmocka_unit_test(unreached_nodes),
        cmocka_unit_test(gradients_reuse_memory),
        cmocka_unit_test(frozen_leaves),
        cmocka_unit_test(first_error_sticks),
        cmocka_unit_test(full_tapes),
        cmocka_unit_test(absurd_sizes),
        cmocka_unit_test(shape_messages),
        cmocka_unit_test(times_of_ops),
    };
    return check_run(tests);
}
