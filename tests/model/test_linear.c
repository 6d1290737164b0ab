/* Every linear kind, in every scale pattern, at odd widths: forward, its lowered stages and the formula agree.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/gemm.h"
#include "core/rng.h"
#include "model/linear.h"
#include "model/littlebit_rank.h"

enum { TOKENS = 5, WIDE = 300 };       /* widths stay below WIDE */

typedef struct { int64_t out, in; } size;
static const size sizes[] = { { 1, 1 }, { 7, 5 }, { 64, 64 }, { 33, 65 }, { 5, 129 }, { 130, 127 }, { 40, 257 } };
static const char *const patterns[] = { "column", "row", "tensor", "group128" };

typedef struct {
    sgn_params       params;
    sgn_model_config config;
    sgn_linear       l;
    sgn_real         x[TOKENS * WIDE];
} fixture;

/* Weights and scales of both signs, zeros of both signs among the latents. */
static void fill(fixture *f) {
    for (int i = 0; i < f->params.count; i++) {
        sgn_param *p = &f->params.at[i];
        for (int64_t j = 0; j < sgn_numel(p->tensor.shape); j++)
            p->tensor.data[j] = (sgn_real)sgn_rng_normal(1, sgn_rng_stream(p->name), (uint64_t)j);
        for (int64_t j = 0; p->class == SGN_PARAM_FIXED && j < sgn_numel(p->tensor.shape); j++) p->tensor.data[j] = (sgn_real)(j * 7 % 11 % 5);
        if (p->class == SGN_PARAM_LATENT) p->tensor.data[0] = (sgn_real)-0.0;
    }
    for (int64_t j = 0; j < TOKENS * f->l.in; j++) f->x[j] = (sgn_real)sgn_rng_normal(2, 0, (uint64_t)j);
    sgn_params_refresh_signs(&f->params);
}

static void fixture_open(fixture *f, const char *kind, const char *scales, bool shift, bool bias, size s) {
    sgn_error err;
    *f = (fixture){ .config = { .bits = sgn_littlebit_bits(s.out, s.in, 9, 1 + shift), .paths = 1 + shift, .shift = shift, .keep = "1:8", .rms_eps = 1e-5 } };
    snprintf(f->config.scales, SGN_TEXT, "%s", scales);
    check_ok(sgn_linear_declare(&f->l, &f->params, &f->config, kind, "a.b", s.in, s.out, bias, &err), &err);
    check_ok(sgn_params_commit(&f->params, &err), &err);
    fill(f);
}

/* --- lowered stages with plain loops -------------------------------------------------------------- */

static void run_stage(const sgn_lowered_stage *s, double *x) {
    double y[WIDE] = { 0 }, dot = 0;
    const bool weighed = s->kind == SGN_STAGE_RANK1 && s->v;
    double sum = 0, squares = 0;
    sgn_real grid[WIDE];
    for (int64_t j = 0; j < s->cols; j++) sum += x[j], squares += x[j] * x[j], grid[j] = (sgn_real)x[j];
    if (s->kind == SGN_STAGE_QUANT_ACT) {                       /* the op's own: a tie must fall the same way */
        sgn_quant_act_row(grid, grid, s->cols);
        for (int64_t j = 0; j < s->cols; j++) x[j] = (double)grid[j];
        return;
    }
    for (int64_t j = 0; j < s->cols; j++) dot += x[j] * (weighed ? (double)s->v[s->v_size == 1 ? 0 : j] : 1);
    for (int64_t i = 0; i < s->rows; i++) {
        for (int64_t j = 0; j < s->cols; j++) {
            if (s->kind == SGN_STAGE_DENSE) y[i] += (double)((const sgn_real *)s->w.data)[i * s->cols + j] * x[j];
            if (s->kind == SGN_STAGE_ZONES) {
                const sgn_real *a = s->v + i * ((s->cols + 127) / 128) * 5 + j / 128 * 5, w = s->latent[i * s->cols + j];
                const int zone = (int)s->zone[i * s->cols + j];
                const double sign = w < 0 ? -1 : 1, rest = w < (sgn_real)sign * a[3] ? -1 : 1;
                if (zone) y[i] += (sign * (double)a[zone - 1] + (zone == 4 ? rest * (double)a[4] : 0)) * x[j];
            }
            if (s->kind == SGN_STAGE_SIGN) y[i] += (double)sgn_plane_sign(&s->plane[0], i, j) * x[j];
            if (s->kind == SGN_STAGE_MASKED_SIGN && sgn_plane_bit(&s->plane[1], i, j))
                y[i] += (double)sgn_plane_sign(&s->plane[0], i, j) * x[j];
            if (s->kind == SGN_STAGE_GROUP_SIGN)
                y[i] += (double)s->v[i * ((s->cols + s->group - 1) / s->group) + j / s->group] *
                        (double)sgn_plane_sign(&s->plane[0], i, j) * x[j];
        }
        if (s->kind == SGN_STAGE_NORM) y[i] = x[i] / sqrt(squares / (double)s->cols + 1e-5) * (s->v ? (double)s->v[i] : 1);
        if (s->kind == SGN_STAGE_LAYER_NORM) {
            const double mean = sum / (double)s->cols;
            y[i] = (x[i] - mean) / sqrt(squares / (double)s->cols - mean * mean + 1e-5);
        }
        if (s->kind == SGN_STAGE_SCALE) y[i] = x[i] * (double)s->v[s->v_size == 1 ? 0 : i];
        if (s->kind == SGN_STAGE_RANK1) y[i] = dot * (s->u ? (double)s->u[s->u_size == 1 ? 0 : i] : 1);
    }
    memcpy(x, y, sizeof y);
}

static void run_lowered(const sgn_lowered *low, const sgn_real *x, int64_t in, int64_t out, double *y) {
    for (int64_t i = 0; i < out; i++) y[i] = low->bias ? (double)low->bias[i] : 0;
    for (int c = 0; c < low->count; c++) {
        double h[WIDE] = { 0 };
        int64_t width = in;
        for (int64_t j = 0; j < in; j++) h[j] = (double)x[j];
        for (int k = 0; k < low->chain[c].count; k++) {
            const sgn_lowered_stage *s = &low->chain[c].stage[k];
            assert_int_equal(s->cols, width);
            run_stage(s, h);
            width = s->rows;
        }
        assert_int_equal(width, out);
        for (int64_t i = 0; i < out; i++) y[i] += h[i];
    }
}

/* --- the formula: entry (i, j) of the weight that the layer stands for ------------------------------ */

static double number(const fixture *f, const char *name, int64_t i) {
    sgn_param *p = sgn_params_find(&f->params, name);
    if (!p) return 0;
    return (double)p->tensor.data[sgn_numel(p->tensor.shape) == 1 ? 0 : i];
}
/* 1:8 by its definition: no other of its eight is larger, none before it equal. */
static bool kept(const fixture *f, int64_t i, int64_t j) {
    const double w = fabs(number(f, "a.b.weight", i * f->l.in + j));
    for (int64_t k = j / 8 * 8; k < j / 8 * 8 + 8 && k < f->l.in; k++) {
        const double other = fabs(number(f, "a.b.weight", i * f->l.in + k));
        if (other > w || (other == w && k < j)) return false;
    }
    return true;
}
static double entry(const fixture *f, int64_t i, int64_t j) {
    const double w = number(f, "a.b.weight", i * f->l.in + j);
    const double sign = strcmp(f->l.kind->name, "nm") == 0 && !kept(f, i, j) ? 0 : w >= 0 ? 1 : -1;
    if (strcmp(f->l.kind->name, "full") == 0) return w;
    const char p = f->config.scales[0];
    const int64_t at = p == 'c' ? j : p == 'r' ? i : p == 't' ? 0 : i * ((f->l.in + 127) / 128) + j / 128;
    return number(f, "a.b.wscale", at) * sign + number(f, "a.b.wbias", at);
}

/* The others are beside PyTorch in test_kinds.c; here their stages are beside their forward pass. */
static bool by_formula(const fixture *f) {
    const char *k = f->l.kind->name;
    return strcmp(k, "full") == 0 || strcmp(k, "fbi") == 0 || strcmp(k, "nm") == 0;
}

static void compare(fixture *f, const char *what) {
    sgn_error err;
    sgn_tape t;
    sgn_lowered low;
    check_ok(sgn_tape_init(&t, SGN_LINEAR_NODES, 4 << 20, &err), &err);
    sgn_tape_begin(&t, SGN_TAPE_NOGRAD);
    const sgn_tensor *y = sgn_linear_forward(&f->l, &t, sgn_tape_leaf(&t, sgn_shape2(TOKENS, f->l.in), f->x, NULL));
    check_ok(sgn_tape_end(&t, &err), &err);
    check_ok(sgn_linear_lower(&f->l, &low, &err), &err);
    for (int64_t t_ = 0; t_ < TOKENS; t_++) {
        const sgn_real *x = f->x + t_ * f->l.in;
        double lowered[WIDE];
        run_lowered(&low, x, f->l.in, f->l.out, lowered);
        for (int64_t i = 0; i < f->l.out; i++) {
            double want = number(f, "a.b.bias", i), most = 1;
            for (int64_t j = 0; j < f->l.in; j++) {
                const double term = entry(f, i, j) * (double)x[j];
                want += term;
                most += fabs(term);
            }
            const double got = (double)y->data[t_ * f->l.out + i];
            if (!by_formula(f)) want = got, most = 1e2;
            if (!(fabs(got - want) <= 1e-6 * most) || !(fabs(lowered[i] - want) <= 1e-6 * most))
                fail_msg("%s: (%lld, %lld), y[%lld][%lld]: forward %.9g, lowered %.9g, formula %.9g", what, (long long)f->l.out,
                         (long long)f->l.in, (long long)t_, (long long)i, got, lowered[i], want);
        }
    }
    sgn_tape_free(&t);
}

static void forward_is_lowered_is_formula(void **state) {
    (void)state;
    fixture f;
    for (int k = 0; sgn_linear_kind_at(k); k++)
        for (int p = 0; p < 4; p++)
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
                for (int flags = 0; flags < 4; flags++) {
                    if (strcmp(sgn_linear_kind_at(k)->name, "nm") == 0 && patterns[p][0] == 'g') continue;
                    fixture_open(&f, sgn_linear_kind_at(k)->name, patterns[p], flags & 1, flags & 2, sizes[s]);
                    compare(&f, patterns[p]);
                    sgn_params_free(&f.params);
                }
}

/* --- scales derived from a weight, by hand ------------------------------------------------------------ */

static const double hand[2][3] = { { 1, -2, 3 }, { 0, 4, -5 } };

static double mean_deviation(const double *w, int n, double center) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += fabs(w[i] - center);
    return sum / n;
}

static void derive_hand(fixture *f, const char *pattern, bool shift) {
    fixture_open(f, "fbi", pattern, shift, false, (size){ 2, 3 });
    for (int i = 0; i < 6; i++) sgn_linear_param(&f->l, f->l.p[0])->data[i] = (sgn_real)hand[i / 3][i % 3];
    sgn_linear_derive(&f->l);
}
static void expect(const fixture *f, const char *name, int64_t i, double want) {
    check_close(number(f, name, i), want, 1e-6, 0);
}

static void scales_by_hand(void **state) {
    (void)state;
    fixture f;
    const double column_beta[] = { 0.5, 1, -1 }, column_alpha[] = { 0.5, 3, 4 }, absolute[] = { 0.5, 3, 4 };
    const double row_beta[] = { 2.0 / 3, -1.0 / 3 }, row_alpha[] = { 16.0 / 9, 28.0 / 9 }, row_absolute[] = { 2, 3 };
    derive_hand(&f, "column", true);
    for (int i = 0; i < 3; i++) expect(&f, "a.b.wbias", i, column_beta[i]), expect(&f, "a.b.wscale", i, column_alpha[i]);
    sgn_params_free(&f.params);
    derive_hand(&f, "column", false);
    for (int i = 0; i < 3; i++) expect(&f, "a.b.wscale", i, absolute[i]);
    sgn_params_free(&f.params);
    derive_hand(&f, "row", true);
    for (int i = 0; i < 2; i++) {
        expect(&f, "a.b.wbias", i, row_beta[i]);
        expect(&f, "a.b.wscale", i, mean_deviation(hand[i], 3, row_beta[i]));
        check_close(mean_deviation(hand[i], 3, row_beta[i]), row_alpha[i], 1e-12, 0);
    }
    sgn_params_free(&f.params);
    derive_hand(&f, "row", false);
    for (int i = 0; i < 2; i++) expect(&f, "a.b.wscale", i, row_absolute[i]);
    sgn_params_free(&f.params);
    derive_hand(&f, "tensor", true);                           /* |w - 1/6|: 5/6 13/6 17/6 1/6 23/6 31/6 */
    expect(&f, "a.b.wbias", 0, 1.0 / 6), expect(&f, "a.b.wscale", 0, 15.0 / 6);
    sgn_params_free(&f.params);
    derive_hand(&f, "group128", true);
    for (int i = 0; i < 2; i++) expect(&f, "a.b.wscale", i, row_absolute[i]);
    sgn_params_free(&f.params);
}

/* Of kept weights alone: 1:8 of these rows keeps 9 and -12, then 3 and 2 of the ninth column. */
static void kept_scales(void **state) {
    (void)state;
    sgn_error err;
    fixture f;
    fixture_open(&f, "nm", "tensor", false, false, (size){ 2, 9 });
    const double w[18] = { 1, -2, 9, 4, 0, 1, 1, 1, 3, -12, 5, 5, 5, 5, 5, 5, 5, 2 };
    for (int i = 0; i < 18; i++) sgn_linear_param(&f.l, f.l.p[0])->data[i] = (sgn_real)w[i];
    sgn_linear_derive(&f.l);
    expect(&f, "a.b.wscale", 0, (9 + 12 + 3 + 2) / 4.0);
    sgn_params_free(&f.params);
    f = (fixture){ .config = { .scales = "group128", .keep = "1:8" } };
    check_fails(sgn_linear_declare(&f.l, &f.params, &f.config, "nm", "a.b", 8, 8, false, &err), SGN_CONFIG, &err, "group128");
    sgn_params_free(&f.params);
}

/* Groups end at 128 columns and the last is averaged over what it has. */
static void group_scales(void **state) {
    (void)state;
    fixture f;
    fixture_open(&f, "fbi", "group128", true, false, (size){ 3, 257 });
    sgn_real *w = sgn_linear_param(&f.l, f.l.p[0])->data;
    for (int i = 0; i < 3 * 257; i++) w[i] = (sgn_real)((i % 2 ? 1 : -1) * (1 + i % 257 / 128 + 10 * (i / 257)));
    sgn_linear_derive(&f.l);
    for (int i = 0; i < 9; i++) expect(&f, "a.b.wscale", i, 1 + i % 3 + 10 * (i / 3));
    sgn_params_free(&f.params);
}

/* --- what is declared ----------------------------------------------------------------------------------- */

static void check_shape(const fixture *f, const char *name, sgn_shape want) {
    const sgn_param *p = sgn_params_find(&f->params, name);
    if (!p) fail_msg("%s is not declared", name);
    assert_true(sgn_same_shape(p->tensor.shape, want));
}

static void names_and_shapes(void **state) {
    (void)state;
    const sgn_shape scale[] = { sgn_shape1(257), sgn_shape1(40), sgn_shape1(1), sgn_shape2(40, 3) };
    fixture f;
    for (int p = 0; p < 4; p++)
        for (int shift = 0; shift < 2; shift++) {
            fixture_open(&f, "fbi", patterns[p], shift, true, (size){ 40, 257 });
            const bool beta = shift && p < 3;
            check_shape(&f, "a.b.weight", sgn_shape2(40, 257));
            check_shape(&f, "a.b.wscale", scale[p]);
            check_shape(&f, "a.b.bias", sgn_shape1(40));
            if (beta) check_shape(&f, "a.b.wbias", scale[p]);
            assert_int_equal(f.params.count, beta ? 4 : 3);
            assert_int_equal(f.params.at[0].class, SGN_PARAM_LATENT);
            sgn_params_free(&f.params);
        }
}

static void registry(void **state) {
    (void)state;
    sgn_error err;
    fixture f = { .config = { .scales = "column" } };
    for (int i = 0; sgn_linear_kind_at(i); i++) {
        const sgn_linear_kind *k = sgn_linear_kind_at(i);
        assert_ptr_equal(sgn_linear_kind_find(k->name), k);
        assert_true(k->declare && k->forward && k->lower && k->summary);
    }
    assert_null(sgn_linear_kind_at(-1));
    assert_null(sgn_linear_kind_find("ternary"));
    check_fails(sgn_linear_declare(&f.l, &f.params, &f.config, "ternary", "a.b", 4, 4, false, &err), SGN_CONFIG, &err, "ternary");
    for (int k = 0; k < SGN_STAGE_COUNT; k++) assert_true(strlen(sgn_stage_word((sgn_stage_kind)k)) > 3);
    sgn_params_free(&f.params);
}

static int begin(void **state) {
    return sgn_gemm_init(NULL) == SGN_OK ? check_begin(state) : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_is_lowered_is_formula), cmocka_unit_test(scales_by_hand), cmocka_unit_test(kept_scales), cmocka_unit_test(group_scales),
        cmocka_unit_test(names_and_shapes), cmocka_unit_test(registry),
    };
    return cmocka_run_group_tests(tests, begin, check_end);
}
