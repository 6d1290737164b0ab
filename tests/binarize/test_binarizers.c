/* Every method beside numpy, and what must hold of each whatever the weights.
 *
 * Expected numbers: tests/golden/binarize.h, made by binarize.py from the papers' formulas; sizes: the methods' page on sub-1-bit forms,
 * 5.3 (STBLLM 3.50, 3.75, 4.00, 4.125 bits; BiLLM 2.88 as NanoQuant's appendix F counts it).
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "binarize/allocate.h"
#include "binarize/blockwise.h"
#include "binarize/hessian.h"
#include "binarize/low_rank.h"
#include "binarize/nm_mask.h"
#include "binarize/zones.h"
#include "core/bits.h"
#include "core/gemm.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "core/zoned_bits.h"
#include "model/row_col.h"
#include "tests/golden/binarize.h"

static void draw(uint32_t seed, float *x, int n) {
    for (int k = 0; k < n; k++) {
        double total = 0;
        for (int i = 0; i < 4; i++) seed = seed * 1664525u + 1013904223u, total += seed / 4294967296.0 - 0.5;
        x[k] = (float)total;
    }
}

/* --- ARB-RC ------------------------------------------------------------------------------------------------ */

static double row_col_error(const float *w, const float *h, const float *g) {
    double sum = 0;
    for (int k = 0; k < GOLD_ROWS * GOLD_COLS; k++) {
        const double d = fabs((double)w[k]) - (double)h[k / GOLD_COLS] * (double)g[k % GOLD_COLS];
        sum += d * d;
    }
    return sum;
}

static void arb_rc(void **state) {
    (void)state;
    float w[GOLD_ROWS * GOLD_COLS], h[GOLD_ROWS], g[GOLD_COLS];
    draw(3, w, GOLD_ROWS * GOLD_COLS);
    sgn_row_col_start(w, GOLD_ROWS, GOLD_COLS, h, g);
    double before = row_col_error(w, h, g);
    const double first = before;
    for (int k = 0; k < SGN_ROW_COL_ROUNDS; k++) {
        sgn_row_col_round(w, GOLD_ROWS, GOLD_COLS, h, g);
        const double now = row_col_error(w, h, g);
        assert_true(now <= before * (1 + 1e-6));
        before = now;
    }
    assert_true(before < first);
    check_array_close(h, gold_arb_h, GOLD_ROWS, 1e-5, 1e-5);
    check_array_close(g, gold_arb_g, GOLD_COLS, 1e-5, 1e-5);
}

/* --- zones --------------------------------------------------------------------------------------------------- */

static float weight[GOLD_OUT * GOLD_IN], uneven[GOLD_OUT * GOLD_IN], hessian[GOLD_IN * GOLD_IN];

/* As binarize.py draws them. */
static void make_inputs(void) {
    static float  x[GOLD_TOKENS * GOLD_IN];
    static double y[GOLD_TOKENS * GOLD_IN];
    draw(1, weight, GOLD_OUT * GOLD_IN);
    draw(2, x, GOLD_TOKENS * GOLD_IN);
    for (int k = 0; k < GOLD_OUT * GOLD_IN; k++) uneven[k] = (k % 2 ? 1 : 4) * weight[k];
    for (int k = 0; k < GOLD_TOKENS * GOLD_IN; k++) {
        const int j = k % GOLD_IN;
        y[k] = ((double)x[k] + (j ? 0.7 * (double)x[k - 1] : 0)) * (0.3 + j * 7 % 11 / 5.0);
        if (j == 5) y[k] = 0;
    }
    for (int i = 0; i < GOLD_IN; i++)
        for (int j = 0; j < GOLD_IN; j++) {
            double sum = 0;
            for (int t = 0; t < GOLD_TOKENS; t++) sum += y[t * GOLD_IN + i] * y[t * GOLD_IN + j];
            hessian[i * GOLD_IN + j] = (float)(2.0 / GOLD_TOKENS * sum);
        }
}

typedef struct {
    float   w[GOLD_OUT * GOLD_IN], q[GOLD_OUT * GOLD_IN], scale[GOLD_OUT * 2 * SGN_ZONE_SCALES];
    uint8_t zone[GOLD_OUT * GOLD_IN];
    double  loss;
    sgn_binarize_report r;
} fitted;

static void fit_from(fitted *f, const float *from, bool three, int64_t n, sgn_binarize_options o) {
    static float d[GOLD_OUT * GOLD_IN], scratch[GOLD_OUT * GOLD_IN];
    sgn_error err;
    o.n = n;
    o.m = 8;
    const sgn_binarize_layer l = { &o, "a", GOLD_OUT, GOLD_IN, n, from, hessian };
    sgn_blockwise b = { f->w, f->zone, f->scale, f->q, 0 };
    f->r = (sgn_binarize_report){ 0 };
    memcpy(f->w, from, sizeof weight);
    check_ok(sgn_blockwise_fit(&l, three, n, &b, &f->r, &err), &err);
    assert_int_equal(b.blocks, 2);
    for (int k = 0; k < GOLD_OUT * GOLD_IN; k++) d[k] = from[k] - f->q[k];
    f->loss = sgn_hessian_loss(d, hessian, GOLD_OUT, GOLD_IN, scratch);
}
static void fit(fitted *f, bool three, int64_t n, sgn_binarize_options o) { fit_from(f, weight, three, n, o); }

static void zones_are_numpys(void **state) {
    (void)state;
    static fitted f;
    for (size_t i = 0; i < sizeof gold_zones / sizeof *gold_zones; i++) {
        print_message("%s\n", gold_zones[i].name);
        fit_from(&f, gold_zones[i].data ? uneven : weight, gold_zones[i].three, gold_zones[i].n, (sgn_binarize_options){
            .fixed = gold_zones[i].fixed, .released = gold_zones[i].released, .by_saliency = gold_zones[i].by_saliency });
        for (int k = 0; k < GOLD_OUT * GOLD_IN; k++)
            if (f.zone[k] != gold_zones[i].zone[k]) fail_msg("zone[%d] is %d, not %d", k, f.zone[k], gold_zones[i].zone[k]);
        check_array_close(f.q, gold_zones[i].q, GOLD_OUT * GOLD_IN, 1e-4, 1e-4);
        check_array_close(f.scale, gold_zones[i].scale, GOLD_OUT * 2 * SGN_ZONE_SCALES, 1e-4, 1e-4);
        check_close(f.loss, gold_zones[i].loss, 0, 1e-4);
        assert_int_equal(f.r.dead, 1);
        check_close(f.r.damping, 0.01, 0, 0);
    }
}

/* The same through the method's own row, into a layer of plain numbers. */
static void rows_are_their_methods(void **state) {
    (void)state;
    static float q[GOLD_OUT * GOLD_IN];
    for (size_t i = 0; i < sizeof gold_zones / sizeof *gold_zones; i++) {
        sgn_error err;
        sgn_params p = { 0 };
        sgn_linear l;
        sgn_binarize_report r = { 0 };
        const sgn_binarize_options o = { .method = sgn_binarizer_find(gold_zones[i].three ? "stbllm" : "billm"), .n = gold_zones[i].n, .m = 8, .dense = true,
                                         .fixed = gold_zones[i].fixed, .released = gold_zones[i].released, .by_saliency = gold_zones[i].by_saliency };
        const sgn_binarize_layer from = { &o, "a", GOLD_OUT, GOLD_IN, o.n, gold_zones[i].data ? uneven : weight, hessian };
        check_ok(sgn_linear_declare(&l, &p, &(sgn_model_config){ 0 }, "full", "a", GOLD_IN, GOLD_OUT, false, &err), &err);
        check_ok(sgn_params_commit(&p, &err), &err);
        check_ok(o.method->fit(&from, &l, q, &r, &err), &err);
        check_array_close(q, gold_zones[i].q, GOLD_OUT * GOLD_IN, 1e-4, 1e-4);
        check_array_close(sgn_params_find(&p, "a.weight")->tensor.data, q, GOLD_OUT * GOLD_IN, 0, 0);
        check_close(r.salient, gold_zones[i].salient, 1e-12, 0);
        check_close(r.claimed, gold_zones[i].claimed, 1e-8, 0);
        check_close(r.stored, gold_zones[i].stored, 1e-8, 0);
        assert_int_equal(r.kept_n, o.n);
        sgn_params_free(&p);
    }
}

/* sign, xnor, arb-rc, onebit and littlebit: each row of the table beside its formula. */
static void methods_are_numpys(void **state) {
    (void)state;
    static float w[GOLD_ROWS * GOLD_COLS], h[GOLD_COLS * GOLD_COLS], q[GOLD_ROWS * GOLD_COLS];
    draw(4, w, GOLD_ROWS * GOLD_COLS);
    for (size_t i = 0; i < sizeof gold_methods / sizeof *gold_methods; i++) {
        sgn_error err;
        sgn_params p = { 0 };
        sgn_linear l;
        sgn_binarize_report r = { 0 };
        const sgn_binarize_options o = { .method = sgn_binarizer_find(gold_methods[i].name), .bits = gold_methods[i].bits, .paths = gold_methods[i].paths };
        const sgn_model_config c = { .scales = "column", .shift = true, .rms_eps = 1e-5, .bits = o.bits, .paths = o.paths };
        const sgn_binarize_layer from = { &o, "a", GOLD_ROWS, GOLD_COLS, 0, w, h };
        print_message("%s\n", gold_methods[i].name);
        check_ok(sgn_linear_declare(&l, &p, &c, o.method->kind, "a", GOLD_COLS, GOLD_ROWS, false, &err), &err);
        check_ok(sgn_params_commit(&p, &err), &err);
        check_ok(o.method->fit(&from, &l, q, &r, &err), &err);
        check_array_close(q, gold_methods[i].q, GOLD_ROWS * GOLD_COLS, 1e-5, 1e-4);
        check_close(r.claimed, gold_methods[i].claimed, 1e-8, 0);
        check_close(r.stored, gold_methods[i].stored, 1e-8, 0);
        const sgn_param *latent = sgn_params_find(&p, "a.weight");
        for (int k = 0; latent && k < GOLD_ROWS * GOLD_COLS; k++)        /* OneBit's start 0.01 from 0 */
            assert_true(latent->tensor.data[k] == (strcmp(o.method->name, "onebit") ? w[k] : w[k] >= 0 ? 0.01f : -0.01f));
        sgn_params_free(&p);
    }
}

/* sign(0) = +1, of a zone's numbers and of what a salient one's first sign leaves; what is pruned has none. */
static void signs_of_nothing(void **state) {
    (void)state;
    const float a[SGN_ZONE_SCALES] = { 1, 2, 3, 4, 0.5f };
    assert_true(sgn_zone_value(SGN_ZONE_LOW, 0, a) == 1 && sgn_zone_value(SGN_ZONE_HIGH, -0.0f, a) == 3 && sgn_zone_value(SGN_ZONE_PRUNED, 5, a) == 0);
    assert_true(sgn_zone_value(SGN_ZONE_SALIENT, 4, a) == 4.5f && sgn_zone_value(SGN_ZONE_SALIENT, -4, a) == -3.5f && sgn_zone_value(SGN_ZONE_SALIENT, 0, a) == 3.5f);
}

/* Of every group of a row exactly N have a zone and a number; a dead input has none. The matrix is what latents and scales say. */
static void the_mask_survives(void **state) {
    (void)state;
    static fitted f;
    for (int n = 1; n <= 8; n++)
        for (int fixed = 0; fixed < 2; fixed++) {
            fit(&f, true, n, (sgn_binarize_options){ .fixed = fixed });
            for (int g = 0; g < GOLD_OUT * GOLD_IN; g += 8) {
                int kept = 0, numbers = 0;
                for (int j = 0; j < 8; j++) kept += f.zone[g + j] != SGN_ZONE_PRUNED, numbers += f.q[g + j] != 0;
                const int want = g % GOLD_IN == 0 && n == 8 ? 7 : n;          /* input 5 is dead, so chosen last */
                assert_int_equal(kept, want);
                assert_int_equal(numbers, want);
            }
            for (int k = 0; k < GOLD_OUT * GOLD_IN; k++) {
                const float *scale = f.scale + (k / GOLD_IN * 2 + k % GOLD_IN / SGN_ZONE_BLOCK) * SGN_ZONE_SCALES;
                assert_true(f.q[k] == sgn_zone_value((sgn_zone)f.zone[k], f.w[k], scale));
            }
            check_close(f.r.kept, n == 8 ? 159 / 160.0 : n / 8.0, 1e-12, 0);
        }
}

/* At 4:8. Here, where weights are independent, 6:8 by size is 1 % better (docs/binarize.md has a trained model). */
static void better_than_pruning_then_billm(void **state) {
    (void)state;
    static fitted f, plain, released;
    fit(&f, true, 4, (sgn_binarize_options){ 0 });
    fit(&plain, false, 4, (sgn_binarize_options){ 0 });
    fit(&released, true, 4, (sgn_binarize_options){ .released = true });
    print_message("4:8: %g; pruned, then BiLLM %g; released code %g\n", f.loss, plain.loss, released.loss);
    assert_true(f.loss < 0.95 * plain.loss);
    assert_true(f.loss < 0.95 * released.loss);
}

static void any_number_of_threads(void **state) {
    (void)state;
    static fitted one, two;
    sgn_threads_set(1);
    fit(&one, true, 4, (sgn_binarize_options){ 0 });
    sgn_threads_set(2);
    fit(&two, true, 4, (sgn_binarize_options){ 0 });
    sgn_threads_set(0);
    assert_memory_equal(one.q, two.q, sizeof one.q);
    assert_memory_equal(one.w, two.w, sizeof one.w);
}

/* --- masks --------------------------------------------------------------------------------------------------- */

static void ties_and_allocation(void **state) {
    (void)state;
    const double s[8] = { 1, 2, 2, 0, 3, 3, 3, 3 };
    uint8_t mask[8];
    const uint8_t want[8] = { 0, 1, 1, 0, 1, 1, 0, 0 };
    sgn_nm_select(s, 2, 4, 2, 4, mask);
    assert_memory_equal(mask, want, 8);
    int64_t kept[8];
    sgn_allocate_kept(gold_outliers, 8, 4, 8, kept);
    for (int k = 0; k < 8; k++) assert_int_equal(kept[k], gold_kept[k]);
    const double same[2] = { 1, 1 };
    sgn_allocate_kept(same, 2, 4, 8, kept);
    assert_int_equal(kept[0], 4);
    const double apart[3] = { 0, 0, 3 };
    sgn_allocate_kept(apart, 3, 1, 8, kept);                  /* z = -1, -1, 2: one weight stays even so */
    assert_true(kept[0] == 1 && kept[1] == 1 && kept[2] == 3);
}

/* The 32 layers that the methods' page quotes at 4:8 (3.3): five with two pruned, 23 with four, four with five; on average
 * 3.81 of 8, so 52.3 % are kept. Outlier shares from 0.42 down to 0.07, those between chosen to lie in the same steps. */
static void shipped_log(void **state) {
    (void)state;
    int64_t kept[32], sum = 0;
    double o[32];
    for (int k = 0; k < 32; k++) o[k] = k < 4 || k == 6 ? 0.42 : k < 27 || k == 31 ? 0.2 : 0.07;
    sgn_allocate_kept(o, 32, 4, 8, kept);
    for (int k = 0; k < 32; k++) {
        assert_int_equal(8 - kept[k], k < 4 || k == 6 ? 2 : k < 27 || k == 31 ? 4 : 5);
        sum += kept[k];
    }
    check_close((double)sum / 256, 0.523, 5e-4, 0);
}

/* 5.1 of that page: patterns of signs, bits of the packed code of a group (number of the set, signs), what is left of the variance of normal
 * weights when the N largest are kept with their mean size (the page's own draws: at 2:8 it is nearer 0.403). */
static void table_of_codes(void **state) {
    (void)state;
    enum { WEIGHTS = 1 << 20 };
    static const struct { int n, m; double patterns; int bits; double left; } row[] = {
        { 1, 4, 8, 3, 0.463 }, { 2, 4, 24, 5, 0.294 }, { 1, 8, 16, 4, 0.601 }, { 2, 8, 112, 7, 0.408 }, { 3, 8, 448, 9, 0 }, { 4, 8, 1120, 11, 0.247 },
        { 5, 8, 1792, 11, 0 }, { 6, 8, 1792, 11, 0.263 }, { 1, 16, 32, 5, 0.731 }, { 2, 16, 480, 9, 0.564 }, { 3, 16, 4480, 13, 0.448 },
        { 4, 16, 29120, 15, 0.368 }, { 8, 16, 3294720, 22, 0 }, { 1, 1, 2, 1, 0.363 } };
    double *s = malloc(WEIGHTS * sizeof *s);
    uint8_t *mask = malloc(WEIGHTS);
    assert_true(s && mask);
    for (int k = 0; k < WEIGHTS; k++) s[k] = fabs(sgn_rng_normal(1, 2, (uint64_t)k));
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        const int n = row[i].n, m = row[i].m;
        check_close(m * sgn_pattern_bits(n, m), log2(row[i].patterns), 1e-9, 0);
        const sgn_zoned_bits form = { .kept = n, .of = m };
        assert_int_equal(sgn_zoned_bits_mask_bits(&form) + n, row[i].bits);
        check_close((row[i].bits - n) / (double)m, sgn_stbllm_bits(n, m) - 3.0 * n / m - 144 / 128.0, 1e-12, 0);
        double mean = 0;
        sgn_nm_select(s, 1, WEIGHTS, n, m, mask);
        for (int k = 0; k < WEIGHTS; k++) mean += mask[k] ? s[k] / (WEIGHTS * (double)n / m) : 0;
        if (row[i].left > 0) check_close(1 - mean * mean * n / m, row[i].left, 0.006, 0);
    }
    free(s);
    free(mask);
}

static void sizes(void **state) {
    (void)state;
    assert_true(SGN_ROW_COL_ROUNDS == 15 && SGN_ITQ_ROUNDS == 50);           /* 4.2 and 7.3 of the page: both converge before */
    check_close(sgn_stbllm_bits(4, 8), 3.5, 1e-12, 0);
    check_close(sgn_stbllm_bits(5, 8), 3.75, 1e-12, 0);
    check_close(sgn_stbllm_bits(6, 8), 4, 1e-12, 0);
    check_close(sgn_stbllm_bits(8, 8), 4.125, 1e-12, 0);
    check_close(sgn_billm_bits(4096, 20 / 4096.0), 2.88, 0.005, 0);
    check_close(sgn_billm_bits(8, 0.25), 2 + 0.25 + 1 / 8.0 + 112 / 128.0, 1e-12, 0);
    check_close(sgn_billm_masked_bits(8, 4, 8, 0.25), 2.25 / 2 + 7 / 8.0 + 1 / 8.0 + 112 / 128.0, 1e-12, 0);
    check_close(sgn_billm_claim(0.1), 1.1, 1e-12, 0);
    check_close(sgn_stbllm_claim(4, 8, 0.1), 0.55, 1e-12, 0);
    check_close(sgn_stbllm_claim(6, 8, 0.1), 0.825, 1e-12, 0);
}

/* --- Hessians ------------------------------------------------------------------------------------------------- */

static void singular(void **state) {
    (void)state;
    sgn_error err;
    sgn_hessian_factor f;
    const float fine[4] = { 2, 1, 1, 2 }, worse[4] = { 1, 1.05f, 1.05f, 1 }, hopeless[4] = { 1, 4, 4, 1 };
    check_ok(sgn_hessian_factor_init(&f, fine, 2, "a", &err), &err);
    /* (H + 0.02 I)^-1 = U^T U: determinant 3.0804 */
    check_close(f.u[0] * f.u[0], 2.02 / 3.0804, 1e-9, 0);
    check_close(f.u[0] * f.u[1], -1 / 3.0804, 1e-9, 0);
    check_close(f.u[1] * f.u[1] + f.u[3] * f.u[3], 2.02 / 3.0804, 1e-9, 0);
    sgn_hessian_factor_free(&f);
    check_ok(sgn_hessian_factor_init(&f, worse, 2, "a", &err), &err);
    check_close(f.damping, 0.1, 0, 0);
    sgn_hessian_factor_free(&f);
    check_fails(sgn_hessian_factor_init(&f, hopeless, 2, "layer x", &err), SGN_NUMERIC, &err, "layer x: its Hessian stays singular");
}

/* --- low rank -------------------------------------------------------------------------------------------------- */

static void compare_low_rank(const double *w, const double *turn, const double *h, const double *l, const double *g, const double *q) {
    sgn_error err;
    sgn_low_rank f;
    double value[GOLD_ROWS * GOLD_COLS];
    check_ok(sgn_low_rank_fit(&f, w, GOLD_ROWS, GOLD_COLS, GOLD_RANK, turn, GOLD_ROUNDS, &err), &err);
    check_array_close(f.h, h, GOLD_ROWS, 1e-6, 1e-5);
    check_array_close(f.l, l, GOLD_RANK, 1e-6, 1e-5);
    check_array_close(f.g, g, GOLD_COLS, 1e-6, 1e-5);
    check_ok(sgn_low_rank_value(&f, value, &err), &err);
    check_array_close(value, q, GOLD_ROWS * GOLD_COLS, 1e-5, 1e-5);
    sgn_low_rank_free(&f);
}

static double low_rank_error(const double *w, const double *turn) {
    sgn_error err;
    sgn_low_rank f;
    double value[GOLD_ROWS * GOLD_COLS], sum = 0;
    check_ok(sgn_low_rank_fit(&f, w, GOLD_ROWS, GOLD_COLS, GOLD_RANK, turn, SGN_ITQ_ROUNDS, &err), &err);
    check_ok(sgn_low_rank_value(&f, value, &err), &err);
    sgn_low_rank_free(&f);
    for (int k = 0; k < GOLD_ROWS * GOLD_COLS; k++) sum += (w[k] - value[k]) * (w[k] - value[k]);
    return sum;
}

static void low_rank(void **state) {
    (void)state;
    sgn_error err;
    float x[GOLD_ROWS * GOLD_COLS], v[GOLD_RANK];
    double w[GOLD_ROWS * GOLD_COLS], turn[GOLD_RANK * GOLD_RANK], length = 0;
    draw(4, x, GOLD_ROWS * GOLD_COLS);
    draw(5, v, GOLD_RANK);
    for (int k = 0; k < GOLD_ROWS * GOLD_COLS; k++) w[k] = (double)x[k];
    for (int k = 0; k < GOLD_RANK; k++) length += (double)v[k] * (double)v[k];
    for (int k = 0; k < GOLD_RANK * GOLD_RANK; k++)
        turn[k] = (k / GOLD_RANK == k % GOLD_RANK) - 2 * (double)v[k / GOLD_RANK] * (double)v[k % GOLD_RANK] / length;
    compare_low_rank(w, NULL, gold_svid_h, gold_svid_l, gold_svid_g, gold_svid_q);
    compare_low_rank(w, turn, gold_itq_h, gold_itq_l, gold_itq_g, gold_itq_q);
    check_ok(sgn_random_rotation(1, GOLD_RANK, turn, &err), &err);
    for (int i = 0; i < GOLD_RANK; i++)
        for (int j = 0; j < GOLD_RANK; j++) {
            double dot = 0;
            for (int k = 0; k < GOLD_RANK; k++) dot += turn[i * GOLD_RANK + k] * turn[j * GOLD_RANK + k];
            check_close(dot, i == j, 1e-12, 0);
        }
    assert_true(low_rank_error(w, turn) < low_rank_error(w, NULL));
}

/* --- every row ---------------------------------------------------------------------------------------------------- */

enum { WIDE = 24, HIGH = 32 };

/* The layer that a method fills computes x Q^T. OneBit's has a norm behind. */
static void layer_is_its_matrix(void **state) {
    (void)state;
    static float w[HIGH * WIDE], h[WIDE * WIDE], x[4 * WIDE], q[HIGH * WIDE];
    draw(7, w, HIGH * WIDE);
    draw(8, x, 4 * WIDE);
    for (int i = 0; i < WIDE; i++) h[i * WIDE + i] = 1;
    for (int k = 0; sgn_binarizer_at(k); k++)
        for (int second = 0; second < 2; second++) {                   /* zones as numbers, LittleBit's second pair */
            sgn_error err;
            sgn_params p = { 0 };
            sgn_model_config c = { .scales = "column", .shift = true, .rms_eps = 1e-5, .bits = 4, .paths = 1 + second };
            const sgn_binarize_options o = { .method = sgn_binarizer_at(k), .n = 4, .m = 8, .dense = second && strcmp(sgn_binarizer_at(k)->kind, "zoned") == 0,
                                             .bits = 4, .paths = 1 + second };
            const sgn_binarize_layer from = { &o, "a", HIGH, WIDE, 4, w, h };
            sgn_binarize_report r = { 0 };
            sgn_linear l;
            sgn_tape t;
            const char *kind = sgn_binarize_kind(&o);
            if (!sgn_linear_kind_find(kind) || strcmp(kind, "onebit") == 0) continue;
            check_ok(sgn_linear_declare(&l, &p, &c, kind, "a", WIDE, HIGH, false, &err), &err);
            check_ok(sgn_params_commit(&p, &err), &err);
            if (o.method->check) check_ok(o.method->check(&o, "a", HIGH, WIDE, &err), &err);
            check_ok(o.method->fit(&from, &l, q, &r, &err), &err);
            assert_true(r.kept > 0 && r.claimed > 0 && r.stored > 0);
            sgn_params_refresh_signs(&p);
            check_ok(sgn_tape_init(&t, SGN_LINEAR_NODES, 1 << 20, &err), &err);
            sgn_tape_begin(&t, SGN_TAPE_NOGRAD);
            const sgn_tensor *y = sgn_linear_forward(&l, &t, sgn_tape_leaf(&t, sgn_shape2(4, WIDE), x, NULL));
            check_ok(sgn_tape_end(&t, &err), &err);
            for (int i = 0; i < 4 * HIGH; i++) {
                double want = 0;
                for (int j = 0; j < WIDE; j++) want += (double)x[i / HIGH * WIDE + j] * (double)q[i % HIGH * WIDE + j];
                if (!(fabs((double)y->data[i] - want) < 1e-4)) fail_msg("%s: y[%d] is %g, not %g", o.method->name, i, (double)y->data[i], want);
            }
            sgn_tape_free(&t);
            sgn_params_free(&p);
        }
}

static void refusals(void **state) {
    (void)state;
    sgn_error err;
    const sgn_binarizer *st = sgn_binarizer_find("stbllm"), *lb = sgn_binarizer_find("littlebit");
    check_fails(st->check(&(sgn_binarize_options){ .n = 4, .m = 8 }, "a.down", 64, 100, &err), SGN_CONFIG, &err, "a.down: its rows of 100 inputs are no whole groups of 8");
    check_fails(st->check(&(sgn_binarize_options){ .n = 9, .m = 8 }, "a", 64, 64, &err), SGN_CONFIG, &err, "--n is 9");
    check_fails(st->check(&(sgn_binarize_options){ .n = 2, .m = 6 }, "a", 64, 60, &err), SGN_CONFIG, &err, "--m is 6");
    check_ok(sgn_binarizer_find("billm")->check(&(sgn_binarize_options){ .m = 8 }, "a", 64, 100, &err), &err);
    check_fails(lb->check(&(sgn_binarize_options){ .bits = 0.1, .paths = 1 }, "a", 64, 64, &err), SGN_CONFIG, &err, "--bits 0.1");
    check_fails(lb->check(&(sgn_binarize_options){ .bits = 4, .paths = 1 }, "a", 256, 256, &err), SGN_CONFIG, &err, "take fewer bits");
    assert_null(sgn_binarizer_find("gptq"));
}

static int begin(void **state) {
    sgn_error err = { 0 };
    make_inputs();
    return sgn_gemm_init(&err) == SGN_OK ? check_begin(state) : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arb_rc), cmocka_unit_test(zones_are_numpys), cmocka_unit_test(rows_are_their_methods),
        cmocka_unit_test(methods_are_numpys), cmocka_unit_test(signs_of_nothing), cmocka_unit_test(the_mask_survives),
        cmocka_unit_test(better_than_pruning_then_billm), cmocka_unit_test(any_number_of_threads), cmocka_unit_test(ties_and_allocation),
        cmocka_unit_test(shipped_log), cmocka_unit_test(table_of_codes), cmocka_unit_test(sizes), cmocka_unit_test(singular), cmocka_unit_test(low_rank), cmocka_unit_test(layer_is_its_matrix),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, begin, check_end);
}
