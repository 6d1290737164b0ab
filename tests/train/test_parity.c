/* test_parity.c - 50 steps of distillation beside PyTorch: FBI student, full teacher, AdamW, clipping, cosine.
 *
 * Expected numbers: tests/golden/parity.json, made by make_golden.py. Every kernel set of this machine
 * must meet them: losses, learning rates and gradient norms of all steps, gradients of the first step,
 * dense parameters and signs at the end.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/golden/golden.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "optim/schedule.h"
#include "tests/core/kernel_sets.h"

#define GOLDEN "tests/golden/parity.json"

typedef struct {
    sgn_json        *golden;
    const sgn_json  *steps;
    sgn_transformer  student, teacher;
    sgn_optimizer    optimizer;
    sgn_optim_config optim;
    sgn_tape         tape, teacher_tape;
    int64_t          count, batch, seq;
    int32_t         *tokens, *targets;        /* (batch, seq) */
} fixture;

static void open_fixture(fixture *f) {
    sgn_error err;
    *f = (fixture){ .golden = golden_load(GOLDEN) };
    const sgn_json *r = sgn_json_get(f->golden, "recipe");
    f->steps = sgn_json_get(f->golden, "steps");
    f->count = golden_int(r, "steps"), f->batch = golden_int(r, "batch"), f->seq = golden_int(r, "seq");
    f->optim = (sgn_optim_config){
        .kind = "adamw", .schedule = "cosine", .decay = "all", .decay_until = 1, .wsd_decay = 0.2,
        .lr = golden_number(r, "lr"), .min_lr = golden_number(r, "min_lr"), .warmup = golden_int(r, "warmup"),
        .weight_decay = golden_number(r, "weight_decay"), .beta1 = golden_number(r, "beta1"),
        .beta2 = golden_number(r, "beta2"), .eps = golden_number(r, "eps"), .clip = golden_number(r, "clip"),
    };
    golden_model(&f->student, sgn_json_get(f->golden, "config"), sgn_json_get(f->golden, "spread"), true);
    golden_model(&f->teacher, sgn_json_get(f->golden, "teacher_config"), sgn_json_get(f->golden, "teacher_spread"), false);
    check_ok(sgn_optimizer_init(&f->optimizer, &f->optim, &f->student.params, &err), &err);
    check_ok(sgn_tape_init(&f->tape, sgn_transformer_nodes(&f->student), 64 << 20, &err), &err);
    check_ok(sgn_tape_init(&f->teacher_tape, sgn_transformer_nodes(&f->teacher), 64 << 20, &err), &err);
    f->tokens = calloc((size_t)(f->batch * f->seq), sizeof *f->tokens);
    f->targets = calloc((size_t)(f->batch * f->seq), sizeof *f->targets);
    assert_true(f->tokens && f->targets);
}

static void close_fixture(fixture *f) {
    free(f->targets), free(f->tokens);
    sgn_tape_free(&f->teacher_tape), sgn_tape_free(&f->tape);
    sgn_optimizer_free(&f->optimizer);
    sgn_transformer_free(&f->teacher), sgn_transformer_free(&f->student);
    sgn_json_free(f->golden);
}

/* Row r of a step reads window k = step*batch + r: tokens k*seq .. k*seq+seq. */
static void read_windows(fixture *f, int64_t step) {
    const uint64_t stream = golden_stream("", "tokens");
    const int64_t  vocab = f->student.config.vocab, first = step * f->batch * f->seq;
    for (int64_t i = 0; i < f->batch * f->seq; i++) {
        f->tokens[i] = golden_token(stream, first + i, vocab);
        f->targets[i] = golden_token(stream, first + i + 1, vocab);
    }
}

static sgn_loss_sums backward(fixture *f) {
    sgn_error     err;
    sgn_loss_sums sums = { 0 };
    const int64_t n = f->batch * f->seq;
    sgn_tape_begin(&f->teacher_tape, SGN_TAPE_NOGRAD);
    const sgn_tensor *th = sgn_transformer_hidden(&f->teacher, &f->teacher_tape, f->tokens, f->batch, f->seq);
    check_ok(sgn_tape_end(&f->teacher_tape, &err), &err);
    const sgn_head_loss_args a = {
        .target = f->targets, .lambda = 1, .temperature = 1, .scale = 1.0 / (double)n, .sums = &sums,
        .soft = { .kind = SGN_SOFT_HIDDEN, .hidden = th->data, .head = sgn_transformer_head(&f->teacher)->data,
                  .width = f->teacher.config.dim },
    };
    sgn_params_zero_grad(&f->student.params);
    sgn_tape_begin(&f->tape, SGN_TAPE_TRAIN);
    sgn_tensor *h = sgn_transformer_hidden(&f->student, &f->tape, f->tokens, f->batch, f->seq);
    sgn_tensor *loss = sgn_head_loss(&f->tape, h, sgn_transformer_head(&f->student), &a);
    check_ok(sgn_tape_end(&f->tape, &err), &err);
    check_ok(sgn_tape_backward(&f->tape, loss, &err), &err);
    assert_int_equal(sums.tokens, n);
    check_close(loss->data[0], sums.soft / (double)n, 0, 1e-6);
    return sums;
}

static void expect(const fixture *f, int64_t step, const char *key, double got, double relative) {
    const double want = sgn_json_real(sgn_json_at(sgn_json_get(f->steps, key), (size_t)step), NAN);
    if (!(fabs(got - want) <= relative * fabs(want)))
        fail_msg("step %lld: %s is %.9g, expected %.9g", (long long)step + 1, key, got, want);
}

static void run_step(fixture *f, int64_t step) {
    read_windows(f, step);
    const sgn_loss_sums sums = backward(f);
    const double n = (double)sums.tokens, norm = sgn_grad_norm(&f->student.params);
    if (step == 0) golden_compare_gradients(&f->student, sgn_json_get(f->golden, "gradients"), 1e-5);
    expect(f, step, "soft", sums.soft / n, 1e-5);
    expect(f, step, "hard", sums.hard / n, 1e-5);
    expect(f, step, "entropy", sums.teacher_entropy / n, 1e-5);
    expect(f, step, "grad_norm", norm, step ? 1e-3 : 1e-5);     /* a sign that flips a step early moves it by 2e-4 */
    const sgn_optim_step s = {
        .lr = sgn_schedule_lr(&f->optim, step, f->count),
        .weight_decay = sgn_schedule_weight_decay(&f->optim, step, f->count),
        .grad_scale = sgn_clip_scale(norm, f->optim.clip), .step = step + 1,
    };
    expect(f, step, "lr", s.lr, 1e-6);
    sgn_optimizer_step(&f->optimizer, &s);
}

static int hex(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Latents and planes both have the golden signs, in 99.9 % at least. */
static void compare_signs(const fixture *f) {
    const sgn_json *signs = sgn_json_get(f->golden, "signs");
    int64_t equal = 0, all = 0;
    for (int k = 0; k < f->student.params.count; k++) {
        const sgn_param *p = &f->student.params.at[k];
        if (p->class != SGN_PARAM_LATENT) continue;
        const char   *text = sgn_json_string(sgn_json_get(signs, p->name), "");
        const int64_t n = sgn_numel(p->tensor.shape), cols = p->tensor.shape.dim[1];
        assert_int_equal(strlen(text), 2 * ((n + 7) / 8));
        for (int64_t i = 0; i < n; i++, all++) {
            const int byte = hex(text[i / 8 * 2]) << 4 | hex(text[i / 8 * 2 + 1]);
            equal += (byte >> (i % 8) & 1) == (p->tensor.data[i] >= 0);
            assert_int_equal(p->tensor.data[i] >= 0, sgn_plane_bit(&p->tensor.signs->rows, i / cols, i % cols));
        }
    }
    assert_true(all > 0);
    if (all - equal > all / 1000) fail_msg("%lld of %lld signs differ", (long long)(all - equal), (long long)all);
}

static void compare_dense(const fixture *f) {
    const sgn_json *final = sgn_json_get(f->golden, "final");
    for (int k = 0; k < f->student.params.count; k++) {
        const sgn_param *p = &f->student.params.at[k];
        if (p->class == SGN_PARAM_LATENT) continue;
        golden_compare("end value", p->name, p->tensor.data, sgn_numel(p->tensor.shape), sgn_json_get(final, p->name), 1e-4);
    }
}

static void fifty_steps(const char *kernels) {
    sgn_error err;
    check_ok(sgn_kernels_use(kernels, &err), &err);
    fixture f;
    open_fixture(&f);
    for (int64_t step = 0; step < f.count; step++) run_step(&f, step);
    compare_dense(&f);
    compare_signs(&f);
    close_fixture(&f);
}

static void every_kernel_set_follows_pytorch(void **state) {
    (void)state;
    sgn_error err;
    check_ok(sgn_gemm_init(&err), &err);
    const sgn_kernels *k;
    for_each_set(k) fifty_steps(k->name);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_kernel_set_follows_pytorch) };
    return check_run(tests);
}
