/* A teacher that is the student teaches nothing; a teacher that does not fit is refused.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/archive.h"
#include "core/gemm.h"
#include "data/tokenizer.h"
#include "distill/teacher.h"
#include "model/model_load.h"
#include "optim/optimizer.h"

enum { BATCH = 3, SEQ = 7, VOCAB = 257, TOKENS = BATCH * SEQ };

static sgn_model_config config(int64_t dim, const char *binary) {
    sgn_model_config c = {
        .dim = dim, .layers = 2, .heads = 2, .ffn = 40, .vocab = VOCAB, .context = 16, .linear = "fbi", .scales = "column",
        .shift = true, .rms_eps = 1e-5, .rope_theta = 10000, .rope_scaling = 1, .init_std = 0.2 };
    snprintf(c.binary, SGN_TEXT, "%s", binary);
    return c;
}

static void make(sgn_transformer *m, sgn_model_config c) {
    sgn_error err;
    check_ok(sgn_transformer_init(m, &c, true, &err), &err);
    check_ok(sgn_transformer_commit(m, &err), &err);
    sgn_transformer_randomize(m, 11);
}

/* The model as a directory of that name, its numbers as this type. */
static const char *save_as(sgn_dtype type, const char *name, const sgn_transformer *m) {
    static uint16_t half[1 << 20];
    int64_t used = 0;
    enum { ARRAYS = 64 };
    sgn_array at[ARRAYS];
    const void *data[ARRAYS];
    const char *where = check_path(name);
    char path[600];
    sgn_error err;
    check_ok(sgn_make_directories(where, &err), &err);
    snprintf(path, sizeof path, "%s/config.json", where);
    sgn_json *j = sgn_model_config_to_json(&m->config);
    check_ok(sgn_json_save(j, 2, path, &err), &err);
    sgn_json_free(j);
    assert_true(m->params.count <= ARRAYS);
    for (int i = 0; i < m->params.count; i++) {
        const sgn_param *p = &m->params.at[i];
        const int64_t n = sgn_numel(p->tensor.shape);
        at[i] = sgn_array_make(p->name, type, p->tensor.shape.rank, p->tensor.shape.dim);
        data[i] = type == SGN_DTYPE_F32 ? (const void *)p->tensor.data : half + used;
        assert_true(used + n <= 1 << 20);
        for (int64_t k = 0; type != SGN_DTYPE_F32 && k < n; k++)
            half[used++] = type == SGN_DTYPE_F16 ? sgn_f32_to_f16(p->tensor.data[k]) : sgn_f32_to_bf16(p->tensor.data[k]);
    }
    snprintf(path, sizeof path, "%s/model.safetensors", where);
    check_ok(sgn_archive_write("safetensors", path, at, data, m->params.count, NULL, &err), &err);
    return where;
}

static const char *save(const char *name, const sgn_transformer *m) { return save_as(SGN_DTYPE_F32, name, m); }

static int32_t token[TOKENS], target[TOKENS];
static const sgn_batch batch = { .batch = BATCH, .seq = SEQ, .tokens = token, .targets = target };
static const sgn_model_config student = { .vocab = VOCAB };
static const sgn_teacher_need need = { .student = &student, .tokenizer_hash = "", .batch = BATCH, .seq = SEQ };

/* Loss of the student under these soft targets; its gradients are in m. */
static sgn_loss_sums distil(sgn_transformer *m, const sgn_soft *soft, double lambda, double temperature) {
    sgn_error err;
    sgn_tape t;
    sgn_loss_sums sums = { 0 };
    check_ok(sgn_tape_init(&t, sgn_transformer_nodes(m), 16 << 20, &err), &err);
    sgn_params_zero_grad(&m->params);
    sgn_tape_begin(&t, SGN_TAPE_TRAIN);
    sgn_tensor *h = sgn_transformer_hidden(m, &t, token, BATCH, SEQ);
    sgn_tensor *loss = sgn_head_loss(&t, h, sgn_transformer_head(m), &(sgn_head_loss_args){
        .target = target, .soft = *soft, .lambda = lambda, .temperature = temperature, .scale = 1.0 / TOKENS, .sums = &sums });
    check_ok(sgn_tape_backward(&t, loss, &err), &err);
    sgn_tape_free(&t);
    return sums;
}

static void itself(void **state) {
    (void)state;
    sgn_error err;
    for (int i = 0; i < 4; i++) {
        sgn_transformer m;
        sgn_teacher teacher;
        sgn_soft soft;
        make(&m, config(32, i & 1 ? "attention,mlp" : ""));
        check_ok(sgn_teacher_open(&teacher, save(i & 1 ? "binary" : "full", &m), &need, &err), &err);
        assert_string_equal(teacher.kind->name, "live");
        check_ok(teacher.kind->soft(&teacher, &batch, &soft, &err), &err);
        assert_int_equal(soft.kind, SGN_SOFT_HIDDEN);
        const double temperature = i & 2 ? 2.5 : 1;
        distil(&m, &soft, 0, temperature);
        const double hard = sgn_grad_norm(&m.params);
        const sgn_loss_sums sums = distil(&m, &soft, 1, temperature);
        assert_true(hard > 0.1 && sums.teacher_entropy > 1);
        check_close(sums.soft, sums.teacher_entropy, 0, 1e-6);
        check_close(sgn_grad_norm(&m.params), 0, 1e-6 * hard, 0);
        sgn_teacher_close(&teacher);
        sgn_transformer_free(&m);
    }
}

/* A batch with documents is answered document by document: what it says of one is what it says where the others differ. */
static void sees_one_document(void **state) {
    (void)state;
    static int32_t first[TOKENS];
    sgn_error err;
    sgn_transformer m;
    sgn_teacher teacher;
    sgn_soft soft;
    sgn_batch marked = batch;
    const int64_t begin = SEQ / 3, row = SEQ * (BATCH - 1);
    marked.first = first;
    for (int64_t i = 0; i < TOKENS; i++) first[i] = i % SEQ < begin ? 0 : (int32_t)begin;
    make(&m, config(32, ""));
    check_ok(sgn_teacher_open(&teacher, save("marked", &m), &need, &err), &err);
    check_ok(teacher.kind->soft(&teacher, &marked, &soft, &err), &err);
    const sgn_real before = soft.hidden[32 * row], after = soft.hidden[32 * (TOKENS - 1)];
    token[row] ^= 1;
    check_ok(teacher.kind->soft(&teacher, &marked, &soft, &err), &err);
    assert_true(soft.hidden[32 * row] != before && soft.hidden[32 * (TOKENS - 1)] == after);
    token[row] ^= 1;
    sgn_teacher_close(&teacher);
    sgn_transformer_free(&m);
}

/* Another width teaches as well: soft exceeds the entropy, and there is a gradient. */
static void another(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m, other;
    sgn_teacher teacher;
    sgn_soft soft;
    make(&m, config(32, "attention,mlp"));
    make(&other, config(48, ""));
    check_ok(sgn_teacher_open(&teacher, save("other", &other), &need, &err), &err);
    check_ok(teacher.kind->soft(&teacher, &batch, &soft, &err), &err);
    assert_int_equal(soft.width, 48);
    const sgn_loss_sums sums = distil(&m, &soft, 1, 1);
    assert_true(sums.soft > sums.teacher_entropy * 1.01);
    assert_true(sgn_grad_norm(&m.params) > 0.1);
    sgn_real first = soft.hidden[48 * (TOKENS - 1)];
    token[SEQ * (BATCH - 1)] ^= 1;                             /* asked again, about other tokens */
    check_ok(teacher.kind->soft(&teacher, &batch, &soft, &err), &err);
    assert_true(soft.hidden[48 * (TOKENS - 1)] != first);
    token[SEQ * (BATCH - 1)] ^= 1;
    check_ok(teacher.kind->soft(&teacher, &batch, &soft, &err), &err);
    assert_true(soft.hidden[48 * (TOKENS - 1)] == first);
    const sgn_model_config *c = &other.config;                 /* all matrices stay in the file */
    assert_int_equal(teacher.kind->mapped(&teacher), sizeof(float) * (size_t)(2 * VOCAB * 48 + c->layers *
                     (2 * 48 * 48 + 2 * c->kv_heads * c->head_dim * 48 + 3 * c->ffn * 48)));
    assert_true(teacher.kind->bytes(&teacher) > TOKENS * 48 * sizeof(sgn_real));
    sgn_teacher_close(&teacher);
    sgn_transformer_free(&m), sgn_transformer_free(&other);
}

/* Its weights used as they lie give what copies of them in fp32 give, to the bit: hidden states, loss, gradients. */
static void stored_types(void **state) {
    (void)state;
    static const sgn_dtype types[] = { SGN_DTYPE_F32, SGN_DTYPE_F16, SGN_DTYPE_BF16 };
    for (int i = 0; i < 12; i++) {
        const sgn_dtype type = types[i % 3];
        sgn_error err;
        sgn_transformer m, copied, student_model;
        sgn_teacher teacher;
        sgn_soft got;
        sgn_tape t;
        sgn_model_config c = config(48, i & 1 ? "mlp" : "");
        c.tied_head = i & 2;
        c.attention_bias = i >= 6;
        make(&m, c);
        make(&student_model, config(32, "attention,mlp"));
        const char *where = save_as(type, "stored", &m);
        check_ok(sgn_model_load(&copied, where, false, &err), &err);
        check_ok(sgn_teacher_open(&teacher, where, &need, &err), &err);
        check_ok(teacher.kind->soft(&teacher, &batch, &got, &err), &err);
        assert_true(!got.head && got.stored.data && got.stored.dtype == type);
        check_ok(sgn_tape_init(&t, sgn_transformer_nodes(&copied), 1 << 22, &err), &err);
        sgn_tape_begin(&t, SGN_TAPE_NOGRAD);
        const sgn_tensor *h = sgn_transformer_hidden(&copied, &t, token, BATCH, SEQ);
        check_ok(sgn_tape_end(&t, &err), &err);
        assert_memory_equal(got.hidden, h->data, sizeof(sgn_real) * TOKENS * 48);
        const sgn_soft want = { .kind = SGN_SOFT_HIDDEN, .hidden = h->data, .head = sgn_transformer_head(&copied)->data, .width = 48 };
        const sgn_loss_sums a = distil(&student_model, &got, 1, 2);
        const double norm = sgn_grad_norm(&student_model.params);
        const sgn_loss_sums b = distil(&student_model, &want, 1, 2);
        assert_true(a.soft == b.soft && a.teacher_entropy == b.teacher_entropy);
        assert_true(norm == sgn_grad_norm(&student_model.params));
        sgn_tape_free(&t);
        sgn_teacher_close(&teacher);
        sgn_transformer_free(&m), sgn_transformer_free(&copied), sgn_transformer_free(&student_model);
    }
}

/* Not a number in a weight that the start does not read: named at the first batch that meets it. */
static void not_a_number(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m;
    sgn_teacher teacher;
    sgn_soft got;
    make(&m, config(32, ""));
    sgn_params_find(&m.params, "model.layers.0.mlp.up_proj.weight")->tensor.data[37] = (sgn_real)INFINITY;
    check_ok(sgn_teacher_open(&teacher, save_as(SGN_DTYPE_BF16, "infinite", &m), &need, &err), &err);
    check_fails(teacher.kind->soft(&teacher, &batch, &got, &err), SGN_NUMERIC, &err, "'model.layers.0.mlp.up_proj.weight' has inf at index 37");
    sgn_teacher_close(&teacher);
    sgn_params_find(&m.params, "lm_head.weight")->tensor.data[40] = (sgn_real)NAN;
    check_fails(sgn_teacher_open(&teacher, save_as(SGN_DTYPE_BF16, "infinite", &m), &need, &err), SGN_NUMERIC, &err, "'lm_head.weight' has nan at index 40");
    sgn_teacher_close(&teacher);
    sgn_transformer_free(&m);
}

static void nobody(void **state) {
    (void)state;
    sgn_error err;
    sgn_teacher teacher;
    sgn_soft soft = { .kind = SGN_SOFT_HIDDEN };
    check_ok(sgn_teacher_open(&teacher, "", &need, &err), &err);
    check_ok(teacher.kind->soft(&teacher, &batch, &soft, &err), &err);
    assert_int_equal(soft.kind, SGN_SOFT_NONE);
    assert_int_equal(teacher.kind->bytes(&teacher), 0);
    assert_int_equal(teacher.kind->mapped(&teacher), 0);
    sgn_teacher_close(&teacher);
    sgn_teacher_close(&teacher);
    assert_null(sgn_teacher_kind_find("strict"));
}

/* Weights by themselves, as another program leaves them: the student's shape, and signs where there are scales. */
static void without_config(void **state) {
    (void)state;
    sgn_error err;
    static const char *const binary[] = { "", "attention,mlp" };
    for (int i = 0; i < 2; i++) {
        sgn_transformer m;
        sgn_teacher teacher;
        sgn_soft got;
        make(&m, config(32, binary[i]));
        const char *where = save("bare", &m);
        char path[600];
        snprintf(path, sizeof path, "%s/config.json", where);
        assert_int_equal(unlink(path), 0);
        const sgn_model_config like = config(32, binary[1 - i]);
        sgn_teacher_need n = need;
        n.student = &like;
        check_ok(sgn_teacher_open(&teacher, where, &n, &err), &err);
        check_ok(teacher.kind->soft(&teacher, &batch, &got, &err), &err);
        sgn_tape t;
        check_ok(sgn_tape_init(&t, sgn_transformer_nodes(&m), 1 << 22, &err), &err);
        sgn_tape_begin(&t, SGN_TAPE_NOGRAD);
        const sgn_tensor *want = sgn_transformer_hidden(&m, &t, token, BATCH, SEQ);
        check_ok(sgn_tape_end(&t, &err), &err);
        assert_memory_equal(got.hidden, want->data, sizeof(sgn_real) * TOKENS * 32);
        sgn_tape_free(&t);
        sgn_teacher_close(&teacher);
        sgn_transformer_free(&m);
    }
}

static void misfits(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m;
    sgn_teacher teacher;
    make(&m, config(32, ""));
    const char *where = save("misfit", &m);
    sgn_teacher_need n = need;
    const sgn_model_config larger = { .vocab = 300 };
    n.student = &larger;
    check_fails(sgn_teacher_open(&teacher, where, &n, &err), SGN_CONFIG, &err, "knows 257 tokens and the student 300");
    sgn_teacher_close(&teacher);                               /* as after any failure */
    n = need, n.seq = 17;
    check_fails(sgn_teacher_open(&teacher, where, &n, &err), SGN_CONFIG, &err, "16 tokens of context, train.seq is 17");
    check_fails(sgn_teacher_open(&teacher, check_path("nowhere"), &need, &err), SGN_IO, &err, "distill.teacher: ");

    sgn_tokenizer *t;
    char path[600];
    snprintf(path, sizeof path, "%s/tokenizer.json", where);
    check_ok(sgn_tokenizer_open(&t, "byte", &err), &err);
    check_ok(sgn_tokenizer_save(t, path, &err), &err);
    n = need, n.tokenizer_hash = sgn_tokenizer_hash(t);
    check_ok(sgn_teacher_open(&teacher, where, &n, &err), &err);
    sgn_teacher_close(&teacher);
    n.tokenizer_hash = "0123456789abcdef0123456789abcdef";
    check_fails(sgn_teacher_open(&teacher, where, &n, &err), SGN_CONFIG, &err, "tokenizer.json is not the tokenizer that data.train");
    sgn_tokenizer_close(t);
    snprintf(path, sizeof path, "%s/model.safetensors", where);
    assert_int_equal(unlink(path), 0);
    check_fails(sgn_teacher_open(&teacher, where, &need, &err), SGN_IO, &err, "holds no weights");
    sgn_teacher_close(&teacher);
    sgn_transformer_free(&m);
}

/* A straight line by hand: of four steps the second stands at a quarter of the way. */
static void share_of_the_loss(void **state) {
    (void)state;
    static const struct { double lambda, end, of[4]; } rows[] = {
        { 0.75, -1, { 0.75, 0.75, 0.75, 0.75 } }, { 1, 0, { 1, 0.75, 0.5, 0.25 } }, { 0.5, 1, { 0.5, 0.625, 0.75, 0.875 } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const sgn_distill_config c = { .lambda = rows[i].lambda, .lambda_end = rows[i].end };
        for (int step = 0; step < 4; step++) check_close(sgn_distill_lambda(&c, step, 4), rows[i].of[step], 1e-15, 0);
        check_close(sgn_distill_lambda_most(&c), i == 0 ? 0.75 : 1, 0, 0);
    }
}

static int begin(void **state) {
    for (int i = 0; i < TOKENS; i++) token[i] = (i * 89 + 3) % VOCAB, target[i] = (i * 53 + 9) % VOCAB;
    return sgn_gemm_init(NULL) == SGN_OK ? check_begin(state) : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(itself), cmocka_unit_test(sees_one_document), cmocka_unit_test(another), cmocka_unit_test(stored_types), cmocka_unit_test(not_a_number),
        cmocka_unit_test(nobody), cmocka_unit_test(without_config), cmocka_unit_test(misfits), cmocka_unit_test(share_of_the_loss),
    };
    return cmocka_run_group_tests(tests, begin, check_end);
}
