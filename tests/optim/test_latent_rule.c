/* What a linear kind may ask of its latents: a rule is obeyed at load, at each step and before the norm.
 *
 * Expected numbers: counted here, one weight at a time.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "optim/optimizer.h"

enum { OUT = 70, IN = 131, STEPS = 5 };

static double mean_of(const sgn_real *w, bool size) {
    double sum = 0;
    for (int i = 0; i < OUT * IN; i++) sum += size ? fabs((double)w[i]) : (double)w[i];
    return sum / (OUT * IN);
}

static void settle_ternary(sgn_params *p, int i) {
    const double mean = mean_of(p->at[i].tensor.data, true);
    p->at[i].tensor.signs->cut = (sgn_real)(p->at[i].constant * mean);
    p->at[p->at[i].scale].tensor.data[0] = (sgn_real)mean;
}

static void settle_centered(sgn_params *p, int i) {
    for (int k = 0; k < OUT * IN; k++) p->at[i].tensor.data[k] = (sgn_real)fmin(1, fmax(-1, (double)p->at[i].tensor.data[k]));
    p->at[i].tensor.signs->center = (sgn_real)mean_of(p->at[i].tensor.data, false);
}

static void halve(sgn_params *p, int i, int64_t begin, int64_t end) {
    for (int64_t k = begin * IN; k < end * IN; k++) p->at[i].tensor.grad[k] *= (sgn_real)0.5;
}

static const sgn_latent_rule ternary = { .settle = settle_ternary }, centered = { settle_centered, halve };

typedef struct { sgn_params p; sgn_optimizer o; int a, b, scale; } fixture;

static void make(fixture *f) {
    static const sgn_section sections[] = { { "optim", sgn_optim_fields, 0 }, { 0 } };
    sgn_error err;
    sgn_optim_config c;
    sgn_config_defaults(&c, sections);
    *f = (fixture){ .p = { .train = true } };
    check_ok(sgn_params_add(&f->p, SGN_PARAM_LATENT, sgn_shape2(OUT, IN), &f->a, &err, "a"), &err);
    check_ok(sgn_params_add(&f->p, SGN_PARAM_DERIVED, sgn_shape1(1), &f->scale, &err, "a.scale"), &err);
    check_ok(sgn_params_add(&f->p, SGN_PARAM_LATENT, sgn_shape2(OUT, IN), &f->b, &err, "b"), &err);
    sgn_param *a = &f->p.at[f->a];
    a->code = SGN_CODE_TERNARY, a->rule = &ternary, a->scale = f->scale, a->constant = 0.5;
    f->p.at[f->b].rule = &centered;
    check_ok(sgn_params_commit(&f->p, &err), &err);
    check_ok(sgn_optimizer_init(&f->o, &c, &f->p, &err), &err);
    for (int k = 0; k < OUT * IN; k++) {
        f->p.at[f->a].tensor.data[k] = (sgn_real)sgn_rng_normal(1, 1, (uint64_t)k);
        f->p.at[f->b].tensor.data[k] = (sgn_real)(0.3 + sgn_rng_normal(1, 2, (uint64_t)k));
    }
}

static int sign_at(const fixture *f, int i, int k) { return sgn_signs_at(f->p.at[i].tensor.signs, k / IN, k % IN); }

static void check_signs(const fixture *f) {
    const sgn_real *a = f->p.at[f->a].tensor.data, *b = f->p.at[f->b].tensor.data;
    const sgn_real cut = (sgn_real)(0.5 * mean_of(a, true)), center = (sgn_real)mean_of(b, false);
    check_close(f->p.at[f->scale].tensor.data[0], mean_of(a, true), 0, 1e-7);
    for (int k = 0; k < OUT * IN; k++) {
        assert_int_equal(sign_at(f, f->a, k), (sgn_real)fabs((double)a[k]) > cut ? a[k] >= 0 ? 1 : -1 : 0);
        assert_int_equal(sign_at(f, f->b, k), b[k] - center >= 0 ? 1 : -1);
        assert_true(fabs((double)b[k]) <= 1);
    }
}

/* Signs follow whole-matrix statistics of the updated numbers; flips are counted over them; a derived number is no optimizer's. */
static void rules(void **state) {
    (void)state;
    fixture f;
    make(&f);
    sgn_params_refresh_signs(&f.p);
    check_signs(&f);
    assert_null(f.p.at[f.scale].tensor.grad);
    for (int t = 1; t <= STEPS; t++) {
        static int before[2][OUT * IN];
        for (int k = 0; k < OUT * IN; k++) {
            before[0][k] = sign_at(&f, f.a, k), before[1][k] = sign_at(&f, f.b, k);
            f.p.at[f.a].tensor.grad[k] = f.p.at[f.b].tensor.grad[k] = (sgn_real)sgn_rng_normal(2, (uint64_t)t, (uint64_t)k);
        }
        sgn_params_estimate(&f.p);
        for (int k = 0; k < OUT * IN; k++)
            assert_true(f.p.at[f.b].tensor.grad[k] == (sgn_real)0.5 * f.p.at[f.a].tensor.grad[k]);
        sgn_optimizer_step(&f.o, &(sgn_optim_step){ .lr = 0.05, .grad_scale = 1, .step = t });
        check_signs(&f);
        int64_t flips = 0;
        for (int k = 0; k < OUT * IN; k++)
            flips += (before[0][k] != sign_at(&f, f.a, k)) + (before[1][k] != sign_at(&f, f.b, k));
        assert_int_equal(f.o.flips, flips);
        assert_true(flips > 0);
    }
    sgn_optimizer_free(&f.o);
    sgn_params_free(&f.p);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(rules) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
