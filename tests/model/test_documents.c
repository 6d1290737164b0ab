/* Documents packed into a sequence and masked are what they are alone: hidden states, loss and every gradient.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/gemm.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "model/transformer.h"

enum { BATCH = 2, SEQ = 96, VOCAB = 120, DIM = 32, DOCUMENTS = 7 };

/* Sequence by sequence; one document has a single token, one fills its sequence but for the last. */
static const int length[DOCUMENTS] = { 30, 1, 47, 18, 95, 1, 0 };

typedef struct {
    sgn_transformer m;
    int32_t   token[BATCH * SEQ], target[BATCH * SEQ], first[BATCH * SEQ];
    sgn_real *gradient;                        /* of both slabs */
} fixture;

static int64_t slabs(const sgn_transformer *m) { return m->params.dense.count + m->params.latent.count; }

static void fixture_open(fixture *f, const char *arch) {
    sgn_error err;
    sgn_model_config c = {
        .dim = DIM, .layers = 2, .heads = 4, .kv_heads = 2, .ffn = 48, .vocab = VOCAB, .context = SEQ, .linear = "fbi",
        .scales = "column", .shift = true, .binary = "attention,mlp", .rms_eps = 1e-5, .rope_theta = 10000, .rope_scaling = 1,
        .init_std = 0.2 };
    strcpy(c.arch, arch);
    check_ok(sgn_gemm_init(&err), &err);
    check_ok(sgn_transformer_init(&f->m, &c, true, &err), &err);
    check_ok(sgn_transformer_commit(&f->m, &err), &err);
    sgn_transformer_randomize(&f->m, 3);
    for (int d = 0, i = 0; d < DOCUMENTS; d++)
        for (int k = 0, begin = i % SEQ; k < length[d]; k++, i++) {
            f->token[i] = (int32_t)(sgn_rng_bits(5, 1, (uint64_t)i) % VOCAB);
            f->target[i] = k + 1 < length[d] ? (int32_t)(sgn_rng_bits(5, 2, (uint64_t)i) % VOCAB) : -1;
            f->first[i] = begin;
        }
    f->gradient = calloc((size_t)slabs(&f->m), sizeof *f->gradient);
}

static void fixture_close(fixture *f) {
    sgn_transformer_free(&f->m);
    free(f->gradient);
}

/* Loss and gradients of `batch` sequences from position `at` are added to what there is; hidden (batch * seq, DIM). */
static double pass(fixture *f, int at, int batch, int seq, const int32_t *first, sgn_tape_mode mode, sgn_real *hidden) {
    sgn_error err;
    sgn_tape t;
    const sgn_head_loss_args a = { .target = f->target + at, .temperature = 1, .scale = 1 };
    check_ok(sgn_tape_init(&t, sgn_transformer_nodes(&f->m), 8 << 20, &err), &err);
    sgn_tape_begin(&t, mode);
    sgn_tensor *h = sgn_transformer_documents(&f->m, &t, f->token + at, first, batch, seq);
    sgn_tensor *l = sgn_head_loss(&t, h, sgn_transformer_head(&f->m), &a);
    check_ok(sgn_tape_backward(&t, l, &err), &err);
    memcpy(hidden, h->data, (size_t)(batch * seq * DIM) * sizeof *hidden);
    const double loss = (double)l->data[0];
    sgn_tape_free(&t);
    return loss;
}

static void keep_gradient(fixture *f) {
    const sgn_params *p = &f->m.params;
    int64_t n = 0;
    for (int i = 0; i < p->count; i++) {
        const int64_t size = sgn_numel(p->at[i].tensor.shape);
        memcpy(f->gradient + n, p->at[i].tensor.grad, (size_t)size * sizeof *f->gradient);
        n += size;
    }
}

/* Every parameter's gradient is the kept one, within `error` of its largest entry; a key bias, which no softmax notices, has 0. */
static void check_gradient(const fixture *f, double error) {
    const sgn_params *p = &f->m.params;
    int64_t n = 0;
    for (int i = 0; i < p->count; i++) {
        const int64_t size = sgn_numel(p->at[i].tensor.shape);
        double most = 0;
        for (int64_t k = 0; k < size; k++) most = fmax(most, fabs((double)f->gradient[n + k]));
        assert_true(most > 0);
        check_array_close(p->at[i].tensor.grad, f->gradient + n, size, error * fmax(most, 1e-2), 0);
        n += size;
    }
}

static void packed_equals_alone(const char *arch) {
    static sgn_real packed[BATCH * SEQ * DIM], alone[SEQ * DIM];
    fixture f = { 0 };
    fixture_open(&f, arch);
    const double loss = pass(&f, 0, BATCH, SEQ, f.first, SGN_TAPE_TRAIN, packed);
    keep_gradient(&f);
    sgn_params_zero_grad(&f.m.params);
    double sum = 0;
    for (int d = 0, at = 0; length[d]; at += length[d++]) {
        sum += pass(&f, at, 1, length[d], NULL, SGN_TAPE_TRAIN, alone);
        check_array_close(packed + at * DIM, alone, length[d] * DIM, 2e-4, 1e-3);
    }
    check_close(loss, sum, 1e-4, 1e-5);
    check_gradient(&f, 1e-3);
    fixture_close(&f);
}

static void rotary(void **state) { (void)state; packed_equals_alone("llama"); }
static void learned(void **state) { (void)state; packed_equals_alone("gpt2"); }

static void same_bits(void **state) {
    (void)state;
    static sgn_real a[BATCH * SEQ * DIM], b[BATCH * SEQ * DIM];
    fixture f = { 0 };
    fixture_open(&f, "llama");
    sgn_threads_set(2);
    const double loss = pass(&f, 0, BATCH, SEQ, f.first, SGN_TAPE_TRAIN, a);
    keep_gradient(&f);
    for (int threads = 1; threads <= 2; threads++) {
        sgn_threads_set(threads);
        sgn_params_zero_grad(&f.m.params);
        assert_true(loss == pass(&f, 0, BATCH, SEQ, f.first, SGN_TAPE_RECOMPUTE, b));
        assert_memory_equal(a, b, sizeof a);
        check_gradient(&f, 0);
    }
    memset(f.first, 0, sizeof f.first);                        /* one document per sequence: as if none were marked */
    (void)pass(&f, 0, BATCH, SEQ, f.first, SGN_TAPE_TRAIN, a);
    (void)pass(&f, 0, BATCH, SEQ, NULL, SGN_TAPE_TRAIN, b);
    assert_memory_equal(a, b, sizeof a);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(rotary), cmocka_unit_test(learned), cmocka_unit_test(same_bits) };
    return check_run(tests);
}
