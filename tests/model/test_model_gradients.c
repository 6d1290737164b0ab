/* The gradients of whole models. Double build: every parameter that the loss is smooth in, entry by entry,
 * against central differences. Both builds: a binary or masked model against the full model of its effective weights,
 * dL/dlatent = alpha . dL/dweight (straight-through; docs/linear-kinds.md).
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/gemm.h"
#include "core/rng.h"
#include "model/transformer.h"

enum { BATCH = 2, SEQ = 5, VOCAB = 11, DIM = 12, TEACHER = 6 };

static const sgn_model_config base = {
    .dim = DIM, .layers = 2, .heads = 3, .kv_heads = 1, .ffn = 10, .vocab = VOCAB, .context = SEQ, .linear = "fbi",
    .scales = "column", .attention_bias = true, .mlp_bias = true,
    .rms_eps = 1e-5, .rope_theta = 100, .rope_scaling = 2, .init_std = 0.3,
};

typedef struct {
    sgn_transformer m;
    sgn_tape        tape;
    int32_t         token[BATCH * SEQ], target[BATCH * SEQ];
    sgn_real        teacher[BATCH * SEQ * TEACHER], head[VOCAB * TEACHER];
} fixture;

static void fill(sgn_real *w, int64_t n, const char *name, double mean, double spread) {
    for (int64_t i = 0; i < n; i++)
        w[i] = (sgn_real)(mean + spread * sgn_rng_normal(5, sgn_rng_stream(name), (uint64_t)i));
}

static void fixture_open_of(fixture *f, sgn_model_config c, const char *binary, const char *scales, bool shift, bool tied) {
    sgn_error err;
    snprintf(c.binary, SGN_TEXT, "%s", binary);
    snprintf(c.scales, SGN_TEXT, "%s", scales);
    c.shift = shift;
    c.tied_head = tied;
    check_ok(sgn_transformer_init(&f->m, &c, true, &err), &err);
    check_ok(sgn_transformer_commit(&f->m, &err), &err);
    for (int i = 0; i < f->m.params.count; i++) {
        const sgn_param *p = &f->m.params.at[i];
        const double spread = p->class == SGN_PARAM_EMBEDDING ? 1 : p->class == SGN_PARAM_SCALE ? 0.15 : 0.3;
        fill(p->tensor.data, sgn_numel(p->tensor.shape), p->name, p->class == SGN_PARAM_NORM, spread);
    }
    sgn_params_refresh_signs(&f->m.params);
    for (int i = 0; i < BATCH * SEQ; i++) {
        f->token[i] = (int32_t)(sgn_rng_bits(5, 1, (uint64_t)i) % VOCAB);
        f->target[i] = (int32_t)(sgn_rng_bits(5, 2, (uint64_t)i) % VOCAB);
    }
    fill(f->teacher, BATCH * SEQ * TEACHER, "teacher", 0, 1);
    fill(f->head, VOCAB * TEACHER, "head", 0, 1);
    check_ok(sgn_tape_init(&f->tape, sgn_transformer_nodes(&f->m), 4 << 20, &err), &err);
}
static void fixture_open(fixture *f, const char *binary, const char *scales, bool shift, bool tied) {
    fixture_open_of(f, base, binary, scales, shift, tied);
}
static void fixture_close(fixture *f) {
    sgn_tape_free(&f->tape);
    sgn_transformer_free(&f->m);
}

/* Half hard, half soft loss; with gradients on a training tape. */
static double loss(fixture *f, sgn_tape_mode mode) {
    sgn_error err;
    sgn_tape *t = &f->tape;
    sgn_tape_begin(t, mode);
    const sgn_head_loss_args a = {
        .target = f->target, .soft = { .kind = SGN_SOFT_HIDDEN, .hidden = f->teacher, .head = f->head, .width = TEACHER },
        .lambda = 0.5, .temperature = 2, .scale = 1.0 / (BATCH * SEQ) };
    sgn_tensor *h = sgn_transformer_hidden(&f->m, t, f->token, BATCH, SEQ);
    sgn_tensor *l = sgn_head_loss(t, h, sgn_transformer_head(&f->m), &a);
    check_ok(sgn_tape_end(t, &err), &err);
    if (mode != SGN_TAPE_NOGRAD) {
        sgn_params_zero_grad(&f->m.params);
        check_ok(sgn_tape_backward(t, l, &err), &err);
    }
    return (double)l->data[0];
}

/* --- against differences --------------------------------------------------------------------------- */

static double slope(fixture *f, sgn_real *w) {
    const sgn_real kept = *w;
    const double h = 2e-4;
    double at[4];
    for (int k = 0; k < 4; k++) {
        *w = (sgn_real)((double)kept + h * (k < 2 ? k - 2 : k - 1));
        at[k] = loss(f, SGN_TAPE_NOGRAD);
    }
    *w = kept;
    return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h);
}

static void check_differences(fixture *f, sgn_tape_mode mode) {
    loss(f, mode);
    for (int i = 0; i < f->m.params.count; i++) {
        const sgn_param *p = &f->m.params.at[i];
        const int64_t n = sgn_numel(p->tensor.shape);
        double most = 0;
        for (int64_t k = 0; k < n; k++) most = fmax(most, fabs((double)p->tensor.grad[k]));
        /* The key bias alone cannot change a softmax, but for rotation; nor a shift of all a LayerNorm reads its result. */
        const bool still = f->m.arch->positions && (strstr(p->name, "k_proj.bias") || strstr(p->name, "o_proj.wbias") ||
                                                    strstr(p->name, "down_proj.wbias"));
        for (int64_t k = 0; p->class != SGN_PARAM_LATENT && k < n; k++) {
            const double want = slope(f, &p->tensor.data[k]), got = (double)p->tensor.grad[k];
            if (!(fabs(got - want) <= 1e-8 * most + (still ? 1e-10 : 1e-11)))
                fail_msg("d %s[%lld] = %.12g, differences say %.12g", p->name, (long long)k, got, want);
        }
        if (!(most > 1e-6) && !still) fail_msg("the gradient of %s is 0", p->name);
    }
}

static void full_differences(void **state) {
    (void)state;
    if (sizeof(sgn_real) != 8) skip();                         /* float rounding hides all but gross errors */
    fixture f;
    for (int tied = 0; tied < 2; tied++) {
        fixture_open(&f, "", "column", true, tied);
        check_differences(&f, SGN_TAPE_TRAIN);
        check_differences(&f, SGN_TAPE_RECOMPUTE);
        fixture_close(&f);
    }
}

/* Full and binary: GPT-2's norms, positions and GELU; Qwen3's norms of heads; rotation that only some pairs slow down. */
static void other_differences(void **state) {
    (void)state;
    if (sizeof(sgn_real) != 8) skip();
    sgn_model_config of[3] = { base, base, base };
    snprintf(of[0].arch, SGN_TEXT, "gpt2");
    of[0].context = SEQ + 2;
    of[1].qk_norm = of[1].qkv_bias = true;
    of[1].attention_bias = of[1].mlp_bias = false;
    snprintf(of[2].rope_type, SGN_TEXT, "yarn");
    fixture f;
    for (int i = 0; i < 6; i++) {
        fixture_open_of(&f, of[i / 2], i % 2 ? "attention,mlp" : "", "column", true, i < 2);
        check_differences(&f, i % 2 ? SGN_TAPE_RECOMPUTE : SGN_TAPE_TRAIN);
        fixture_close(&f);
    }
}

static void binary_differences(void **state) {
    (void)state;
    if (sizeof(sgn_real) != 8) skip();
    static const char *const scales[] = { "column", "row", "tensor", "group128" };
    fixture f;
    for (int s = 0; s < 4; s++)
        for (int shift = 0; shift < 2; shift++) {
            fixture_open(&f, shift ? "attention,mlp" : "attention,up", scales[s], shift, false);
            check_differences(&f, SGN_TAPE_TRAIN);
            fixture_close(&f);
        }
    sgn_model_config masked = base, tied = base;
    snprintf(masked.linear, SGN_TEXT, "nm");
    tied.tie_scales = true;
    for (int i = 0; i < 4; i++) {
        snprintf(masked.keep, SGN_TEXT, "%s", (const char *[]){ "1:4", "1:8", "1:16", "2:8" }[i]);
        fixture_open_of(&f, masked, "attention,mlp", i % 2 ? "row" : "column", false, false);
        check_differences(&f, i % 2 ? SGN_TAPE_RECOMPUTE : SGN_TAPE_TRAIN);
        fixture_close(&f);
    }
    for (int i = 0; i < 2; i++) {
        fixture_open_of(&f, tied, i ? "attention,mlp" : "k,v,gate,up", "column", i, false);
        check_differences(&f, SGN_TAPE_TRAIN);
        fixture_close(&f);
    }
}

/* Blocks run again in backward: the same bits, every gradient of every kind of scale. */
static void recomputed(void **state) {
    (void)state;
    static const char *const scales[] = { "column", "row", "tensor", "group128" };
    fixture kept, again;
    for (int s = 0; s < 5; s++) {
        sgn_model_config c = base;
        c.tie_scales = s == 4;
        fixture_open_of(&kept, c, "attention,up", scales[s % 4], true, s % 2);
        fixture_open_of(&again, c, "attention,up", scales[s % 4], true, s % 2);
        const double want = loss(&kept, SGN_TAPE_TRAIN), got = loss(&again, SGN_TAPE_RECOMPUTE);
        assert_memory_equal(&want, &got, sizeof want);
        for (int i = 0; i < kept.m.params.count; i++) {
            const sgn_tensor *a = &kept.m.params.at[i].tensor, *b = &again.m.params.at[i].tensor;
            assert_memory_equal(a->grad, b->grad, (size_t)sgn_numel(a->shape) * sizeof(sgn_real));
        }
        fixture_close(&kept);
        fixture_close(&again);
    }
}

/* --- against the full model of the same effective weights -------------------------------------------- */

static sgn_param *part(const fixture *f, const char *path, const char *name) {
    char whole[SGN_PARAM_NAME];
    snprintf(whole, sizeof whole, "%s.%s", path, name);
    return sgn_params_find(&f->m.params, whole);
}

/* Which scale entry (i, j) of a layer of `in` inputs uses. */
static int64_t scale_at(const char *scales, int64_t in, int64_t i, int64_t j) {
    switch (scales[0]) {
    case 'c': return j;
    case 'r': return i;
    case 't': return 0;
    default:  return i * ((in + 127) / 128) + j / 128;
    }
}

/* what 0: fills the full model's weight; 1: compares the latent's gradient. */
static void match_layer(const fixture *binary, const fixture *full, const char *path, int what) {
    const sgn_param *w = part(binary, path, "weight"), *alpha = part(binary, path, "wscale");
    const sgn_param *beta = part(binary, path, "wbias"), *other = part(full, path, "weight");
    const int64_t out = w->tensor.shape.dim[0], in = w->tensor.shape.dim[1];
    double most = 0;
    for (int64_t k = 0; what && k < out * in; k++) most = fmax(most, fabs((double)other->tensor.grad[k]));
    for (int64_t i = 0; i < out; i++)
        for (int64_t j = 0; j < in; j++) {
            const int64_t k = i * in + j, s = scale_at(binary->m.config.scales, in, i, j);
            const double a = (double)alpha->tensor.data[s], b = beta ? (double)beta->tensor.data[s] : 0;
            if (!what) {
                other->tensor.data[k] = (sgn_real)(b + a * sgn_signs_at(w->tensor.signs, i, j));
                continue;
            }
            const double want = a * (double)other->tensor.grad[k], got = (double)w->tensor.grad[k];
            if (!(fabs(got - want) <= (sizeof(sgn_real) == 8 ? 1e-12 : 1e-4) * most))
                fail_msg("%s, d %s[%lld] = %.12g, alpha . dL/dweight = %.12g", binary->m.config.scales, w->name, (long long)k, got, want);
        }
}

static void each_layer(const fixture *binary, const fixture *full, int what) {
    for (int64_t n = 0; n < binary->m.config.layers; n++)
        for (int i = 0; i < SGN_LINEARS; i++) match_layer(binary, full, binary->m.blocks[n].path[i], what);
}

static void latents_straight_through(void **state) {
    (void)state;
    static const char *const scales[] = { "column", "row", "tensor", "group128" };
    const double tolerance = sizeof(sgn_real) == 8 ? 1e-13 : 1e-5;
    fixture binary, full;
    for (int s = 0; s < 7; s++)
        for (int shift = 0; shift < 2; shift++) {
            sgn_model_config c = base;
            if (s >= 4) snprintf(c.linear, SGN_TEXT, "nm"), snprintf(c.keep, SGN_TEXT, "%s", shift ? "1:4" : "2:8");
            fixture_open_of(&binary, c, "attention,mlp", scales[s % 4], shift, false);
            fixture_open(&full, "", "column", true, false);            /* the other parameters have the same values by name */
            each_layer(&binary, &full, 0);
            check_close(loss(&binary, SGN_TAPE_TRAIN), loss(&full, SGN_TAPE_TRAIN), 0, tolerance);
            each_layer(&binary, &full, 1);
            fixture_close(&binary);
            fixture_close(&full);
        }
}

static int begin(void **state) {
    return sgn_gemm_init(NULL) == SGN_OK ? check_begin(state) : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_differences), cmocka_unit_test(other_differences), cmocka_unit_test(binary_differences), cmocka_unit_test(recomputed),
        cmocka_unit_test(latents_straight_through),
    };
    return cmocka_run_group_tests(tests, begin, check_end);
}
