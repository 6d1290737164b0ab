/* Shapes, counts and initial values of whole models, and what a decoder must not do.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/gemm.h"
#include "core/parallel.h"
#include "model/lowered_model.h"
#include "model/rotary.h"

static sgn_model_config fbi(int64_t dim, int64_t ffn, int64_t layers, int64_t heads) {
    return (sgn_model_config){
        .dim = dim, .layers = layers, .heads = heads, .ffn = ffn, .vocab = 32000, .context = 64, .linear = "fbi",
        .scales = "column", .shift = true, .binary = "attention,mlp", .rms_eps = 1e-5, .rope_theta = 10000,
        .rope_scaling = 1, .init_std = 0.02 };
}

/* The table of the FBI-LLM paper's shapes: counts and 1-bit file sizes by
 * bytes = binarized/8 + 2 (everything else). Recomputed from the paper's configurations. */
static void storage(void **state) {
    (void)state;
    static const struct { int64_t dim, ffn, layers, heads, norms; double binary, scales, full_gib, fbi_gib; } rows[] = {
        { 768, 2048, 12, 12, 19200, 84.93e6, 0.160e6, 0.2498, 0.1018 },
        { 2048, 5632, 24, 32, 100352, 1233.13e6, 0.860e6, 2.5412, 0.3895 },
        { 4096, 11008, 32, 32, 266240, 6476.01e6, 2.277e6, 12.5513, 1.2469 },
    };
    sgn_error err;
    for (int r = 0; r < 3; r++) {
        sgn_transformer m;
        const sgn_model_config c = fbi(rows[r].dim, rows[r].ffn, rows[r].layers, rows[r].heads);
        check_ok(sgn_transformer_init(&m, &c, true, &err), &err);      /* no commit: nothing of this size is allocated */
        double count[SGN_PARAM_BIAS + 1] = { 0 };
        for (int i = 0; i < m.params.count; i++)
            count[m.params.at[i].class] += (double)sgn_numel(m.params.at[i].tensor.shape);
        check_close(count[SGN_PARAM_LATENT], rows[r].binary, 5e3, 0);
        check_close(count[SGN_PARAM_SCALE], rows[r].scales, 500, 0);
        check_close(count[SGN_PARAM_NORM], (double)rows[r].norms, 0, 0);
        check_close(count[SGN_PARAM_EMBEDDING] + count[SGN_PARAM_HEAD], 2.0 * 32000 * (double)c.dim, 0, 0);
        const double all = (double)sgn_params_numel(&m.params), gib = 1073741824.0;
        const double rest = all - count[SGN_PARAM_LATENT];
        check_close(2 * (all - count[SGN_PARAM_SCALE]) / gib, rows[r].full_gib, 5e-5, 0);
        check_close((count[SGN_PARAM_LATENT] / 8 + 2 * rest) / gib, rows[r].fbi_gib, 5e-5, 0);
        sgn_transformer_free(&m);
    }
}

/* Share of multiply-adds that are binary at l tokens of attention over the full square, in percent;
 * with the head, and without: F = (2d + 2rd + kf) / (2d + 2rd + kf + 2l). */
static void shares(void **state) {
    (void)state;
    static const struct { int64_t dim, ffn, layers, heads, l; double without, with; } rows[] = {
        { 768, 2048, 12, 12, 2048, 69.23, 57.68 }, { 2048, 5632, 24, 32, 2048, 85.96, 82.21 },
        { 4096, 11008, 32, 32, 2048, 92.34, 90.65 }, { 768, 2048, 12, 12, 8192, 36.00, -1 },
    };
    sgn_error err;
    for (int r = 0; r < 4; r++) {
        sgn_transformer m;
        const sgn_model_config c = fbi(rows[r].dim, rows[r].ffn, rows[r].layers, rows[r].heads);
        check_ok(sgn_transformer_init(&m, &c, false, &err), &err);
        int64_t binary, full;
        sgn_transformer_macs(&m, &binary, &full);
        assert_int_equal(full, 32000 * c.dim);
        const double attention = (double)(2 * rows[r].l * c.dim * c.layers), b = (double)binary;
        check_close(100 * b / (b + attention), rows[r].without, 0.005, 0);
        if (rows[r].with > 0) check_close(100 * b / (b + attention + (double)full), rows[r].with, 0.005, 0);
        sgn_transformer_free(&m);
    }
}

static sgn_model_config small(void) {
    sgn_model_config c = fbi(64, 160, 2, 4);
    c.vocab = 300;
    c.kv_heads = 2;
    return c;
}

static void open_model(sgn_transformer *m, sgn_model_config c, uint64_t seed) {
    sgn_error err;
    check_ok(sgn_transformer_init(m, &c, false, &err), &err);
    check_ok(sgn_transformer_commit(m, &err), &err);
    sgn_transformer_randomize(m, seed);
}

/* alpha ~ 0.02 sqrt(2/pi) = 0.01596, beta ~ N(0, (0.02/sqrt(out))^2), as the released code starts. */
static void initial_values(void **state) {
    (void)state;
    sgn_model_config c = small();
    c.dim = 256, c.ffn = 1024;
    sgn_transformer m;
    open_model(&m, c, 7);
    for (int i = 0; i < m.params.count; i++) {
        const sgn_param *p = &m.params.at[i];
        const int64_t n = sgn_numel(p->tensor.shape);
        double sum = 0, squares = 0;
        for (int64_t k = 0; k < n; k++) sum += (double)p->tensor.data[k], squares += pow((double)p->tensor.data[k], 2);
        const double mean = sum / (double)n, rms = sqrt(squares / (double)n);
        if (p->class == SGN_PARAM_NORM) assert_true(mean == 1 && rms == 1);
        else if (strstr(p->name, "wscale")) check_close(mean, 0.015958, 0, 0.01);
        else if (strstr(p->name, "wbias")) {
            const double out = (double)p[-2].tensor.shape.dim[0];  /* after X.weight and X.wscale */
            check_close(rms, 0.02 / sqrt(out), 0, 0.15);
        } else {
            check_close(rms, 0.02, 0, 0.02);
            check_close(mean, 0, 0.02 * 4 / sqrt((double)n), 0);
        }
    }
    sgn_transformer_free(&m);
}

static void same_bits(void **state) {
    (void)state;
    sgn_transformer a, b, other;
    sgn_threads_set(1);
    open_model(&a, small(), 7);
    sgn_threads_set(3);
    open_model(&b, small(), 7);
    open_model(&other, small(), 8);
    sgn_threads_set(0);
    assert_memory_equal(a.params.dense.data, b.params.dense.data, (size_t)a.params.dense.count * sizeof(sgn_real));
    assert_memory_equal(a.params.latent.data, b.params.latent.data, (size_t)a.params.latent.count * sizeof(sgn_real));
    assert_memory_equal(a.params.planes, b.params.planes, a.params.planes_bytes);
    assert_memory_not_equal(a.params.latent.data, other.params.latent.data, 64);
    sgn_transformer_free(&a), sgn_transformer_free(&b), sgn_transformer_free(&other);
}

static void rotary_tables(void **state) {
    (void)state;
    sgn_model_config c = small();
    c.head_dim = 8, c.rope_theta = 10000, c.rope_scaling = 2;
    sgn_real cosine[3 * 4], sine[3 * 4];
    sgn_rope_tables(&c, 3, cosine, sine);
    const double angle[] = { 1, 0.1, 0.01, 0.001 };            /* 10000^(-2j/8) at position 2, halved */
    for (int j = 0; j < 4; j++) {
        check_close(cosine[j], 1, 0, 0);
        check_close(sine[j], 0, 0, 0);
        check_close(cosine[8 + j], cos(angle[j]), 1e-7, 0);
        check_close(sine[8 + j], sin(angle[j]), 1e-7, 0);
    }
}

/* --- what attention may see ------------------------------------------------------------------------------ */

enum { SEQ = 9, BATCH = 2 };

static void run(const sgn_transformer *m, const int32_t *token, int64_t batch, int64_t seq, sgn_real *out) {
    sgn_error err;
    sgn_tape t;
    check_ok(sgn_tape_init(&t, sgn_transformer_nodes(m), 4 << 20, &err), &err);
    sgn_tape_begin(&t, SGN_TAPE_NOGRAD);
    const sgn_tensor *h = sgn_transformer_hidden(m, &t, token, batch, seq);
    check_ok(sgn_tape_end(&t, &err), &err);
    memcpy(out, h->data, (size_t)(batch * seq * m->config.dim) * sizeof *out);
    sgn_tape_free(&t);
}

static void causal(void **state) {
    (void)state;
    sgn_transformer m;
    open_model(&m, small(), 7);
    int32_t token[BATCH * SEQ];
    for (int i = 0; i < BATCH * SEQ; i++) token[i] = (i * 37 + 5) % 300;
    sgn_real before[BATCH * SEQ * 64], after[BATCH * SEQ * 64];
    run(&m, token, BATCH, SEQ, before);
    token[SEQ + 4] = 299;                                      /* row 1, position 4 */
    run(&m, token, BATCH, SEQ, after);
    for (int i = 0; i < BATCH * SEQ; i++) {
        double moved = 0;
        for (int j = 0; j < 64; j++) moved = fmax(moved, fabs((double)(after[i * 64 + j] - before[i * 64 + j])));
        if (i < SEQ + 4) assert_true(moved < 1e-6);
        else assert_true(moved > 1e-6);
    }
    sgn_transformer_free(&m);
}

static void too_long(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m;
    sgn_tape t;
    int32_t token[65] = { 0 };
    open_model(&m, small(), 7);
    check_ok(sgn_tape_init(&t, sgn_transformer_nodes(&m), 4 << 20, &err), &err);
    sgn_tape_begin(&t, SGN_TAPE_NOGRAD);
    (void)sgn_transformer_hidden(&m, &t, token, 1, 65);
    check_fails(sgn_tape_end(&t, &err), SGN_SHAPE, &err, "context of 64");
    sgn_tape_free(&t);
    sgn_transformer_free(&m);
}

/* A dry tape over a model that was never committed tells the bytes that a real pass uses; and the node count fits. */
static void dry_pass(void **state) {
    (void)state;
    static const char *const scales[] = { "column", "row", "tensor", "group128" };
    sgn_error err;
    for (int i = 0; i < 4; i++) {
        sgn_model_config c = small();
        snprintf(c.scales, SGN_TEXT, "%s", scales[i]);
        c.attention_bias = c.mlp_bias = true;
        sgn_transformer m;
        sgn_tape dry, real;
        check_ok(sgn_transformer_init(&m, &c, false, &err), &err);
        check_ok(sgn_tape_init_dry(&dry, sgn_transformer_nodes(&m), &err), &err);
        sgn_tape_begin(&dry, SGN_TAPE_NOGRAD);
        (void)sgn_transformer_hidden(&m, &dry, NULL, BATCH, SEQ);
        check_ok(sgn_tape_end(&dry, &err), &err);
        check_ok(sgn_transformer_commit(&m, &err), &err);
        sgn_transformer_randomize(&m, 7);
        check_ok(sgn_tape_init(&real, sgn_transformer_nodes(&m), dry.data.peak, &err), &err);
        const int32_t token[BATCH * SEQ] = { 1, 2, 3 };
        sgn_tape_begin(&real, SGN_TAPE_NOGRAD);
        (void)sgn_transformer_hidden(&m, &real, token, BATCH, SEQ);
        check_ok(sgn_tape_end(&real, &err), &err);
        assert_int_equal(real.data.peak, dry.data.peak);
        sgn_tape_free(&dry), sgn_tape_free(&real);
        sgn_transformer_free(&m);
    }
}

/* Without gradients the peak knows no layers; recomputed, one more keeps one more input. */
static size_t dry_peak(int64_t layers, sgn_tape_mode mode) {
    sgn_error err;
    sgn_model_config c = small();
    sgn_transformer m;
    sgn_tape t;
    c.layers = layers;
    check_ok(sgn_transformer_init(&m, &c, true, &err), &err);
    check_ok(sgn_tape_init_dry(&t, sgn_transformer_nodes(&m), &err), &err);
    sgn_tape_begin(&t, mode);
    sgn_tensor *h = sgn_transformer_hidden(&m, &t, NULL, BATCH, SEQ);
    h = sgn_head_loss(&t, h, sgn_transformer_head(&m), &(sgn_head_loss_args){ .temperature = 1, .scale = 1 });
    check_ok(sgn_tape_end(&t, &err), &err);
    if (mode != SGN_TAPE_NOGRAD) check_ok(sgn_tape_backward(&t, h, &err), &err);
    const size_t peak = t.data.peak;
    sgn_tape_free(&t);
    sgn_transformer_free(&m);
    return peak;
}

static void memory_by_layers(void **state) {
    (void)state;
    const size_t input = BATCH * SEQ * (size_t)small().dim * sizeof(sgn_real);
    for (int64_t n = 2; n <= 12; n += 5) {
        assert_int_equal(dry_peak(n, SGN_TAPE_NOGRAD), dry_peak(1, SGN_TAPE_NOGRAD));
        assert_int_equal(dry_peak(n + 1, SGN_TAPE_RECOMPUTE), dry_peak(n, SGN_TAPE_RECOMPUTE) + input);
        assert_true(dry_peak(n + 1, SGN_TAPE_TRAIN) > dry_peak(n, SGN_TAPE_TRAIN) + 10 * input);
    }
}

/* --- counting what is stored --------------------------------------------------------------------------------- */

static void bit_count(void **state) {
    (void)state;
    sgn_error err;
    sgn_model_config c = fbi(72, 100, 1, 2);                   /* odd widths: rows of 72 bits take two words */
    c.vocab = 10;
    snprintf(c.binary, SGN_TEXT, "q,down");
    c.mlp_bias = true;
    for (int tied = 0; tied < 2; tied++) {
        c.tied_head = tied;
        sgn_transformer m;
        sgn_lowered_model lm;
        open_model(&m, c, 7);
        check_ok(sgn_lowered_model_from(&lm, &m, &err), &err);
        assert_int_equal(lm.head.data == lm.embedding.data, tied);
        const sgn_bit_count n = sgn_lowered_model_count(&lm);
        assert_int_equal(n.binary_weights, 72 * 72 + 72 * 100);
        assert_int_equal(n.binary_bytes, 72 * 16 + 72 * 16 + 4 * 2 * (72 + 100));
        const int64_t dense = (tied ? 1 : 2) * 10 * 72 + 3 * 72 + 3 * 72 * 72 + 2 * 100 * 72 + 2 * 100 + 72;
        assert_int_equal(n.parameters, dense);
        assert_int_equal(n.dense_bytes, 4 * dense);
        sgn_lowered_model_free(&lm);
        sgn_transformer_free(&m);
    }
}

static int begin(void **state) {
    return sgn_gemm_init(NULL) == SGN_OK ? check_begin(state) : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage), cmocka_unit_test(shares), cmocka_unit_test(initial_values), cmocka_unit_test(same_bits),
        cmocka_unit_test(rotary_tables), cmocka_unit_test(causal), cmocka_unit_test(too_long), cmocka_unit_test(dry_pass), cmocka_unit_test(memory_by_layers),
        cmocka_unit_test(bit_count),
    };
    return cmocka_run_group_tests(tests, begin, check_end);
}
