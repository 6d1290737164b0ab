/* What is planned is what is taken: tapes to the byte, the resident peak within 5 %.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/train/runs.h"

#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "model/model_load.h"
#include "train/plan.h"
#include "train/trainer_parts.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static sgn_error err;
static sgn_run_config c;

/* Before anything starts threads: the child is forked. */
static void check_resident_peak(const char *run, const char *word) {
#ifdef SANITIZED
    check_skipped("resident memory is the sanitizer's here");
    return;
#endif
    static const char *const big[] = { "model.dim=256", "model.layers=4", "model.heads=4", "model.ffn=768", "model.vocab=8000",
                                       "train.seq=128", "train.batch=8", "train.accumulate=1", "train.steps=2" };
    enum { BIG = sizeof big / sizeof *big };
    const char *words[BIG + 1];
    sgn_plan plan;
    memcpy(words, big, sizeof big);
    words[BIG] = word;
    runs_config(&c, words, BIG + 1);
    const pid_t child = fork();
    if (child == 0) {
        err = (sgn_error){ 0 };
        const sgn_status s = sgn_train(&c, &(sgn_train_options){ .out = check_path(run) }, &err);
        if (s != SGN_OK) fprintf(stderr, "%s\n", err.text);
        _exit(s == SGN_OK ? 0 : 1);
    }
    int status;
    struct rusage used;
    assert_int_equal(wait4(child, &status, 0, &used), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    check_ok(sgn_plan_make(&c, &plan, &err), &err);
    check_close((double)used.ru_maxrss * 1024, plan.total, 0, 0.05);
}

static void resident_peak(void **state) {
    (void)state;
    mallopt(M_MMAP_THRESHOLD, 1 << 17);        /* where a new process has it: buffers that writing shards frees would raise it for the child */
    runs_data();
    check_resident_peak("run", "train.recompute=false");
    check_resident_peak("again", "train.recompute=true");
}

/* The run's model as another program would leave it: BF16. */
static void write_bf16(const char *run, const char *where) {
    enum { ARRAYS = 64 };
    static sgn_array at[ARRAYS];
    static uint16_t  half[1 << 16];
    const void *data[ARRAYS];
    sgn_transformer m;
    sgn_path path;
    int64_t used = 0;
    check_ok(sgn_model_load(&m, run, false, &err), &err);
    check_ok(sgn_make_directories(where, &err), &err);
    check_ok(sgn_path_set(&path, &err, "%s/config.json", where), &err);
    sgn_json *j = sgn_model_config_to_json(&m.config);
    check_ok(sgn_json_save(j, 2, path.s, &err), &err);
    sgn_json_free(j);
    assert_true(m.params.count <= ARRAYS && sgn_params_numel(&m.params) <= 1 << 16);
    for (int i = 0; i < m.params.count; i++) {
        const sgn_param *p = &m.params.at[i];
        at[i] = sgn_array_make(p->name, SGN_DTYPE_BF16, p->tensor.shape.rank, p->tensor.shape.dim);
        data[i] = half + used;
        for (int64_t k = 0; k < sgn_numel(p->tensor.shape); k++) half[used++] = sgn_f32_to_bf16(p->tensor.data[k]);
    }
    check_ok(sgn_path_set(&path, &err, "%s/model.safetensors", where), &err);
    check_ok(sgn_archive_write("safetensors", path.s, at, data, m.params.count, NULL, &err), &err);
    sgn_transformer_free(&m);
}

/* The parts, from the same run set up for real; the arena is full exactly once a step has run. Returns its bytes. */
static size_t parts_with(const char *teacher, const char *out, bool in_place, const char *word) {
    sgn_trainer t;
    runs_config(&c, (const char *[]){ "train.steps=2", "model.layers=4", "train.seq=64", "data.mask_documents=true", "data.eot=3", word }, 6);
    snprintf(c.distill.teacher, SGN_TEXT, "%s", teacher);
    c.distill.lambda = 0, c.distill.lambda_end = 1;            /* memory is for the steps that ask the teacher */
    check_ok(sgn_trainer_setup(&t, &c, &(sgn_train_options){ .out = out }, &err), &err);
    const sgn_plan *p = &t.plan;
    assert_int_equal(p->weights + p->gradients + p->planes, sgn_params_bytes(&t.model.params));
    assert_int_equal(p->optimizer, sgn_optimizer_bytes(&c.optim, &t.model.params));
    assert_int_equal(p->activations, t.tape.data.size + t.tape.book.size);
    assert_int_equal(p->teacher, t.teacher.kind->bytes(&t.teacher));
    assert_int_equal(p->mapped, t.teacher.kind->mapped(&t.teacher));
    assert_true(in_place == (p->mapped > 0));
    assert_int_equal(p->scratch, sgn_scratch_bytes());
    sgn_batch b;
    sgn_head_loss_args loss = { .lambda = 1, .temperature = 1, .scale = 1 };
    check_ok(sgn_loader_next(t.loader, &b, &err), &err);
    check_ok(t.teacher.kind->soft(&t.teacher, &b, &loss.soft, &err), &err);
    loss.target = b.targets;
    sgn_tape_begin(&t.tape, sgn_train_mode(&c.train));
    sgn_tensor *h = sgn_transformer_documents(&t.model, &t.tape, b.tokens, b.first, b.batch, b.seq);
    check_ok(sgn_tape_backward(&t.tape, sgn_head_loss(&t.tape, h, sgn_transformer_head(&t.model), &loss), &err), &err);
    assert_int_equal(p->activations, t.tape.data.peak + t.tape.book.size);
    assert_int_equal(p->scratch, sgn_scratch_bytes());
    const size_t data = t.tape.data.size;
    sgn_trainer_free(&t);
    return data;
}

static void parts(void **state) {
    (void)state;
    sgn_path run, foreign;
    check_ok(sgn_path_set(&run, &err, "%s", check_path("teacher")), &err);
    check_ok(sgn_path_set(&foreign, &err, "%s", check_path("foreign")), &err);
    runs_config(&c, (const char *[]){ "model.linear=full", "train.steps=2", "train.seq=64" }, 3);
    check_ok(sgn_train(&c, &(sgn_train_options){ .out = run.s }, &err), &err);
    write_bf16(run.s, foreign.s);
    const size_t kept = parts_with(run.s, check_path("student"), false, "train.recompute=false");      /* HDF5 is not mapped */
    sgn_scratch_free();
    const size_t again = parts_with(foreign.s, check_path("student-2"), true, "train.recompute=true");
    assert_true(2 * again < kept);
}

/* By hand: 2 layers of q, k, v, o (32 x 32) and gate, up, down (48 x 32); head 97 x 32; attention 16 * 32 per layer. */
static void arithmetic(void **state) {
    (void)state;
    sgn_plan p;
    const int64_t binary = 2 * (4 * 32 * 32 + 3 * 48 * 32), table = 97 * 32, scales = 2 * 2 * (6 * 32 + 48), norms = 5 * 32;
    runs_config(&c, NULL, 0);
    check_ok(sgn_plan_make(&c, &p, &err), &err);
    assert_int_equal(p.binary_weights, binary);
    assert_int_equal(p.parameters, binary + 2 * table + scales + norms);
    assert_int_equal(p.tokens_per_step, 4 * 16 * 2);
    assert_int_equal(p.tokens, 6 * 128);
    check_close(p.flops_per_token, 6.0 * (double)(binary + table + 2 * 16 * 32), 1e-9, 0);
    assert_int_equal(p.checkpoint_bytes, (binary + 2 * table + scales + norms) * 12 + (1 << 20));
}

static void vocabulary_must_be_known(void **state) {
    (void)state;
    sgn_plan p;
    runs_config(&c, NULL, 0);
    c.data.train[0] = '\0';
    check_fails(sgn_plan_make(&c, &p, &err), SGN_CONFIG, &err, "model.vocab");
    check_ok(sgn_config_override(&c, sgn_run_sections, "model.vocab=97", &err), &err);
    check_ok(sgn_plan_make(&c, &p, &err), &err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resident_peak), cmocka_unit_test(parts), cmocka_unit_test(arithmetic),
        cmocka_unit_test(vocabulary_must_be_known),
    };
    return check_run(tests);
}
