/* Optimizers beside PyTorch, every row held to what an optimizer owes, flips counted by hand.
 *
 * Expected numbers: tests/golden/optim.h, made by optim.py with torch.optim.AdamW.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "optim/schedule.h"
#include "tests/golden/optim.h"

static const sgn_section sections[] = { { "optim", sgn_optim_fields, 0 }, { 0 } };

static sgn_optim_config defaults(void) {
    sgn_optim_config c;
    sgn_config_defaults(&c, sections);
    return c;
}

/* --- against PyTorch ---------------------------------------------------------------------------------- */

static void golden(void **state) {
    (void)state;
    sgn_error err;
    for (size_t i = 0; i < sizeof optim_golden / sizeof *optim_golden; i++) {
        const double tolerance = 3e-6;
        sgn_optim_config c = defaults();
        c.lr = optim_lr, c.min_lr = optim_min_lr, c.warmup = OPTIM_WARMUP, c.weight_decay = optim_golden[i].decay;
        c.beta1 = optim_golden[i].beta1, c.beta2 = optim_golden[i].beta2, c.eps = optim_golden[i].eps, c.clip = optim_golden[i].clip;
        sgn_params p = { .train = true };
        sgn_optimizer o;
        int w;
        check_ok(sgn_params_add(&p, SGN_PARAM_MATRIX, sgn_shape2(5, OPTIM_N / 5), &w, &err, "w"), &err);
        check_ok(sgn_params_commit(&p, &err), &err);
        check_ok(sgn_optimizer_init(&o, &c, &p, &err), &err);
        for (int k = 0; k < OPTIM_N; k++) p.at[w].tensor.data[k] = (sgn_real)sin(0.7 * k + 1);
        for (int t = 1; t <= OPTIM_STEPS; t++) {
            for (int k = 0; k < OPTIM_N; k++) p.at[w].tensor.grad[k] = (sgn_real)(t * cos(1.3 * k * t) / (1 + k % 5));
            const double norm = sgn_grad_norm(&p), lr = sgn_schedule_lr(&c, t - 1, OPTIM_TOTAL);
            check_close(norm, optim_golden[i].norm[t - 1], 0, 1e-6);
            check_close(lr, optim_golden[i].lr[t - 1], 0, 1e-9);
            sgn_optimizer_step(&o, &(sgn_optim_step){ .lr = lr, .weight_decay = c.weight_decay,
                                                      .grad_scale = sgn_clip_scale(norm, c.clip), .step = t });
        }
        check_array_close(p.at[w].tensor.data, optim_golden[i].w, OPTIM_N, tolerance, tolerance);
        check_array_close(o.dense[0], optim_golden[i].m, OPTIM_N, tolerance, tolerance);
        check_array_close(o.dense[1], optim_golden[i].v, OPTIM_N, tolerance, tolerance);
        sgn_optimizer_free(&o);
        sgn_params_free(&p);
    }
}

/* --- what every row owes --------------------------------------------------------------------------------- */

typedef struct {
    sgn_params    p;
    sgn_optimizer o;
} fixture;

/* Every class of parameter; latents of several ranges each, at odd widths. */
static void fixture_open(fixture *f, const sgn_optim_config *c) {
    static const sgn_shape shape[] = {
        { 2, { 33, 70 } }, { 2, { 300, 257 } }, { 2, { 2000, 40 } }, { 2, { 7, 3 } }, { 1, { 33 } }, { 1, { 5 } }, { 1, { 1 } },
        { 2, { 3, 40001 } },
    };
    sgn_error err;
    int index;
    *f = (fixture){ .p = { .train = true } };
    for (int i = 0; i < 8; i++) {
        const sgn_param_class class = i == 7 ? SGN_PARAM_LATENT : (sgn_param_class)i;
        check_ok(sgn_params_add(&f->p, class, shape[i], &index, &err, "p%d", i), &err);
    }
    check_ok(sgn_params_commit(&f->p, &err), &err);
    for (int i = 0; i < f->p.count; i++)
        for (int64_t k = 0; k < sgn_numel(f->p.at[i].tensor.shape); k++) {
            f->p.at[i].tensor.data[k] = (sgn_real)(0.01 * sgn_rng_normal(1, (uint64_t)i, (uint64_t)k));
            f->p.at[i].tensor.grad[k] = (sgn_real)sgn_rng_normal(2, (uint64_t)i, (uint64_t)k);
        }
    sgn_params_refresh_signs(&f->p);
    check_ok(sgn_optimizer_init(&f->o, c, &f->p, &err), &err);
}
static void fixture_close(fixture *f) {
    sgn_optimizer_free(&f->o);
    sgn_params_free(&f->p);
}

static sgn_real *copy(const sgn_slab *s) {
    sgn_real *c = malloc((size_t)s->count * sizeof *c);
    memcpy(c, s->data, (size_t)s->count * sizeof *c);
    return c;
}
static bool padding(const sgn_params *p, const sgn_slab *s, int64_t k) {
    for (int i = 0; i < p->count; i++) {
        const sgn_param *q = &p->at[i];
        if ((q->class == SGN_PARAM_LATENT) != (s == &p->latent)) continue;
        if (k >= q->offset && k < q->offset + sgn_numel(q->tensor.shape)) return false;
    }
    return true;
}

static void check_moved(const fixture *f, const sgn_slab *s, const sgn_real *before) {
    for (int64_t k = 0; k < s->count; k++)
        if ((s->data[k] != before[k]) == padding(&f->p, s, k))
            fail_msg("%s: number %lld of the slab %s", f->o.kind->name, (long long)k, padding(&f->p, s, k) ? "is padding and moved" : "did not move");
}

static void every_weight_moves(void **state) {
    (void)state;
    for (int i = 0; sgn_optimizer_kind_at(i); i++) {
        const sgn_optimizer_kind *kind = sgn_optimizer_kind_at(i);
        assert_ptr_equal(sgn_optimizer_kind_find(kind->name), kind);
        assert_true(kind->update && kind->summary && kind->states <= SGN_MAX_STATES);
        for (int s = 0; s < kind->states; s++) assert_non_null(kind->state_name[s]);
        sgn_optim_config c = defaults();
        snprintf(c.kind, SGN_TEXT, "%s", kind->name);
        fixture f;
        fixture_open(&f, &c);
        sgn_real *dense = copy(&f.p.dense), *latent = copy(&f.p.latent);
        sgn_optimizer_step(&f.o, &(sgn_optim_step){ .lr = 0.01, .weight_decay = 0.1, .grad_scale = 1, .step = 1 });
        check_moved(&f, &f.p.dense, dense);
        check_moved(&f, &f.p.latent, latent);
        size_t bytes = (size_t)f.o.range_count * sizeof(sgn_optim_range);
        bytes += (size_t)kind->states * (size_t)(f.p.dense.count + f.p.latent.count) * sizeof(sgn_real);
        assert_int_equal(sgn_optimizer_bytes(&c, &f.p), bytes);
        free(dense), free(latent);
        fixture_close(&f);
    }
}

/* A learning rate of 0 moves nothing and flips nothing. */
static void no_rate_no_step(void **state) {
    (void)state;
    sgn_optim_config c = defaults();
    for (int i = 0; sgn_optimizer_kind_at(i); i++) {
        snprintf(c.kind, SGN_TEXT, "%s", sgn_optimizer_kind_at(i)->name);
        fixture f;
        fixture_open(&f, &c);
        sgn_real *dense = copy(&f.p.dense), *latent = copy(&f.p.latent);
        sgn_optimizer_step(&f.o, &(sgn_optim_step){ .lr = 0, .weight_decay = 0.1, .grad_scale = 1, .step = 1 });
        assert_memory_equal(f.p.dense.data, dense, (size_t)f.p.dense.count * sizeof *dense);
        assert_memory_equal(f.p.latent.data, latent, (size_t)f.p.latent.count * sizeof *latent);
        assert_int_equal(f.o.flips, 0);
        free(dense), free(latent);
        fixture_close(&f);
    }
}

static void descends(void **state) {
    (void)state;
    sgn_optim_config c = defaults();
    for (int i = 0; sgn_optimizer_kind_at(i); i++) {
        snprintf(c.kind, SGN_TEXT, "%s", sgn_optimizer_kind_at(i)->name);
        fixture f;
        fixture_open(&f, &c);
        double first = 0, last = 0;
        for (int t = 1; t <= 60; t++) {                        /* sum (w - 1)^2 / 2 */
            last = 0;
            for (int64_t k = 0; k < f.p.dense.count; k++) {
                f.p.dense.grad[k] = f.p.dense.data[k] - 1;
                last += pow((double)f.p.dense.grad[k], 2);
            }
            if (t == 1) first = last;
            sgn_optimizer_step(&f.o, &(sgn_optim_step){ .lr = 0.02, .grad_scale = 1, .step = t });
        }
        if (!(last < 0.1 * first)) fail_msg("%s: from %g to %g in 60 steps", f.o.kind->name, first, last);
        fixture_close(&f);
    }
}

/* --- decay --------------------------------------------------------------------------------------------------- */

/* Without a gradient the first step of a decaying class is w (1 - lr decay), of any other nothing. */
static void decay_flags(void **state) {
    (void)state;
    static const struct { const char *word; int classes; } rows[] = {
        { "all", (1 << 7) - 1 }, { "none", 0 },
        { "matrices", 1 << SGN_PARAM_MATRIX | 1 << SGN_PARAM_LATENT | 1 << SGN_PARAM_HEAD },
    };
    for (int r = 0; r < 3; r++) {
        sgn_optim_config c = defaults();
        snprintf(c.decay, SGN_TEXT, "%s", rows[r].word);
        fixture f;
        fixture_open(&f, &c);
        for (int i = 0; i < f.p.count; i++)
            memset(f.p.at[i].tensor.grad, 0, (size_t)sgn_numel(f.p.at[i].tensor.shape) * sizeof(sgn_real));
        sgn_real *dense = copy(&f.p.dense), *latent = copy(&f.p.latent);
        sgn_optimizer_step(&f.o, &(sgn_optim_step){ .lr = 0.5, .weight_decay = 0.5, .grad_scale = 1, .step = 1 });
        for (int i = 0; i < f.p.count; i++) {
            const sgn_param *p = &f.p.at[i];
            const sgn_real *before = (p->class == SGN_PARAM_LATENT ? latent : dense) + p->offset;
            const bool decays = rows[r].classes >> p->class & 1;
            assert_int_equal(sgn_optimizer_decays(&c, p->class), decays);
            for (int64_t k = 0; k < sgn_numel(p->tensor.shape); k++)
                check_close(p->tensor.data[k], (double)before[k] * (decays ? 0.75 : 1), 0, 1e-6);
        }
        free(dense), free(latent);
        fixture_close(&f);
    }
}

/* --- signs ---------------------------------------------------------------------------------------------------- */

static void flips_by_hand(void **state) {
    (void)state;
    sgn_optim_config c = defaults();
    fixture f;
    fixture_open(&f, &c);
    int64_t total = 0;
    for (int t = 1; t <= 3; t++) {
        sgn_real *before = copy(&f.p.latent);
        sgn_optimizer_step(&f.o, &(sgn_optim_step){ .lr = 0.002, .weight_decay = 0.1, .grad_scale = 1, .step = t });
        int64_t flips = 0;
        for (int64_t k = 0; k < f.p.latent.count; k++) flips += (before[k] >= 0) != (f.p.latent.data[k] >= 0);
        assert_int_equal(f.o.flips, flips);
        total += flips;
        free(before);
    }
    assert_true(total > 1000);
    for (int i = 0; i < f.p.count; i++) {                      /* planes of both orientations follow the latents */
        const sgn_tensor *x = &f.p.at[i].tensor;
        for (int64_t r = 0; x->signs && r < x->shape.dim[0]; r++)
            for (int64_t k = 0; k < x->shape.dim[1]; k++) {
                const int positive = x->data[r * x->shape.dim[1] + k] >= 0;
                assert_int_equal(sgn_plane_bit(&x->signs->rows, r, k), positive);
                assert_int_equal(sgn_plane_bit(&x->signs->cols, k, r), positive);
            }
    }
    fixture_close(&f);
}

/* -1, 0 or 1: the sign of what is among the `n` largest of its `m`, of equals the first. */
static int entry(const sgn_real *w, int64_t cols, int64_t j, int n, int m) {
    int larger = 0;
    for (int64_t l = j / m * m; l < cols && l / m == j / m; l++) larger += fabsf(w[l]) > fabsf(w[j]) || (fabsf(w[l]) == fabsf(w[j]) && l < j);
    return larger >= n ? 0 : w[j] >= 0 ? 1 : -1;
}

/* What is kept is chosen anew at every step, by latents that all move, pruned ones too; a weight that is kept no longer is a flip. */
static void masks_by_hand(void **state) {
    (void)state;
    static const sgn_code codes[] = { SGN_CODE_1_4, SGN_CODE_1_8, SGN_CODE_1_16, SGN_CODE_2_8 };
    enum { ROWS = 700, COLS = 253 };
    static int was[ROWS * COLS];
    for (size_t c = 0; c < sizeof codes / sizeof *codes; c++) {
        const sgn_code_info *code = sgn_code_get(codes[c]);
        const sgn_optim_config config = defaults();
        sgn_error err;
        sgn_params p = { .train = true };
        sgn_optimizer o;
        int i, chosen = 0;
        check_ok(sgn_params_add(&p, SGN_PARAM_LATENT, sgn_shape2(ROWS, COLS), &i, &err, "w"), &err);
        p.at[i].code = codes[c];
        check_ok(sgn_params_commit(&p, &err), &err);
        check_ok(sgn_optimizer_init(&o, &config, &p, &err), &err);
        const sgn_tensor *x = &p.at[i].tensor;
        for (int64_t k = 0; k < ROWS * COLS; k++) {                     /* many equal magnitudes */
            x->data[k] = (sgn_real)(0.01 * rint(3 * sgn_rng_normal(1, 2, (uint64_t)k)));
            x->grad[k] = (sgn_real)sgn_rng_normal(3, 4, (uint64_t)k);
        }
        sgn_params_refresh_signs(&p);
        for (int t = 0; t < 4; t++) {
            if (t) sgn_optimizer_step(&o, &(sgn_optim_step){ .lr = 0.004, .grad_scale = 1, .step = t });
            int64_t flips = 0;
            for (int64_t k = 0; k < ROWS * COLS; k++) {
                const int now = entry(x->data + k / COLS * COLS, COLS, k % COLS, code->kept, code->of);
                assert_int_equal(sgn_signs_at(x->signs, k / COLS, k % COLS), now);
                assert_int_equal(sgn_plane_bit(&x->signs->cols_mask, k % COLS, k / COLS), now != 0);
                flips += t && now != was[k];
                chosen += t && now && !was[k];
                was[k] = now;
            }
            if (t) assert_int_equal(o.flips, flips);
        }
        assert_true(chosen > 1000);
        sgn_optimizer_free(&o);
        sgn_params_free(&p);
    }
}

static void same_bits_for_any_threads(void **state) {
    (void)state;
    sgn_optim_config c = defaults();
    fixture f[2];
    double norm[2];
    for (int i = 0; i < 2; i++) {
        sgn_threads_set(i ? 3 : 1);
        fixture_open(&f[i], &c);
        for (int t = 1; t <= 3; t++) {
            norm[i] = sgn_grad_norm(&f[i].p);
            sgn_optimizer_step(&f[i].o, &(sgn_optim_step){ .lr = 0.01, .weight_decay = 0.1, .grad_scale = 0.5, .step = t });
        }
    }
    sgn_threads_set(0);
    assert_memory_equal(&norm[0], &norm[1], sizeof *norm);
    assert_int_equal(f[0].o.flips, f[1].o.flips);
    assert_memory_equal(f[0].p.dense.data, f[1].p.dense.data, (size_t)f[0].p.dense.count * sizeof(sgn_real));
    assert_memory_equal(f[0].p.latent.data, f[1].p.latent.data, (size_t)f[0].p.latent.count * sizeof(sgn_real));
    assert_memory_equal(f[0].p.planes, f[1].p.planes, f[0].p.planes_bytes);
    fixture_close(&f[0]);
    fixture_close(&f[1]);
}

/* --- norm and clipping ------------------------------------------------------------------------------------------- */

static void norm_of_everything(void **state) {
    (void)state;
    sgn_optim_config c = defaults();
    fixture f;
    fixture_open(&f, &c);
    long double squares = 0;
    for (int i = 0; i < f.p.count; i++)
        for (int64_t k = 0; k < sgn_numel(f.p.at[i].tensor.shape); k++) {
            const long double g = f.p.at[i].tensor.grad[k];
            squares += g * g;
        }
    check_close(sgn_grad_norm(&f.p), sqrtl(squares), 0, 1e-7);
    f.p.at[5].tensor.grad[2] = (sgn_real)NAN;
    assert_true(isnan(sgn_grad_norm(&f.p)));
    fixture_close(&f);
    sgn_params none = { .train = true };
    check_close(sgn_grad_norm(&none), 0, 0, 0);
}

static void clip_scale(void **state) {
    (void)state;
    check_close(sgn_clip_scale(4, 1), 1 / (4 + 1e-6), 0, 1e-15);
    check_close(sgn_clip_scale(0.5, 1), 1, 0, 0);
    check_close(sgn_clip_scale(0, 1), 1, 0, 0);
    check_close(sgn_clip_scale(1e9, 0), 1, 0, 0);
}

static void unknown_kind(void **state) {
    (void)state;
    sgn_error err;
    sgn_optim_config c = defaults();
    sgn_params p = { 0 };
    sgn_optimizer o;
    snprintf(c.kind, SGN_TEXT, "adam");
    check_fails(sgn_optimizer_init(&o, &c, &p, &err), SGN_CONFIG, &err, "the nearest is 'adamw'");
    sgn_optimizer_free(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden), cmocka_unit_test(every_weight_moves), cmocka_unit_test(no_rate_no_step),
        cmocka_unit_test(descends), cmocka_unit_test(decay_flags), cmocka_unit_test(flips_by_hand), cmocka_unit_test(masks_by_hand),
        cmocka_unit_test(same_bits_for_any_threads), cmocka_unit_test(norm_of_everything), cmocka_unit_test(clip_scale),
        cmocka_unit_test(unknown_kind),
    };
    return check_run(tests);
}
