/* Models of every family, by their own config.json and names, beside PyTorch: the pass that trains, the runtime, and
 * mapped weights. Expected logits: tests/golden/families.json, made by families.py.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/golden/golden.h"
#include "core/archive.h"
#include "core/gemm.h"
#include "export/runtime.h"
#include "model/model_load.h"

enum { ARRAYS = 64, TOKENS = 32, VOCAB = 29 };

typedef struct {
    sgn_json       *file;
    const sgn_json *c;                         /* the case */
    const char     *name;
    int64_t         batch, seq;
    int32_t         token[TOKENS];
    const char     *directory;
} family;

/* A directory as the family's own programs write it. */
static void write_directory(family *f) {
    static char directory[512];
    char path[600];
    sgn_error err;
    snprintf(directory, sizeof directory, "%s", check_path(f->name));
    f->directory = directory;
    check_ok(sgn_make_directories(directory, &err), &err);
    snprintf(path, sizeof path, "%s/config.json", directory);
    check_ok(sgn_json_save(sgn_json_get(f->c, "config"), 0, path, &err), &err);
    const sgn_json *list = sgn_json_get(f->c, "arrays");
    sgn_array at[ARRAYS];
    const void *data[ARRAYS];
    const int count = (int)sgn_json_size(list);
    assert_in_range(count, 1, ARRAYS);
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s.", f->name);
    for (int i = 0; i < count; i++) {
        const sgn_json *row = sgn_json_at(list, (size_t)i), *shape = sgn_json_at(row, 1);
        const char *name = sgn_json_string(sgn_json_at(row, 0), "");
        int64_t dim[2] = { 0, 0 };
        const int rank = (int)sgn_json_size(shape);
        for (int d = 0; d < rank; d++) dim[d] = sgn_json_int(sgn_json_at(shape, (size_t)d), 0);
        at[i] = sgn_array_make(name, SGN_DTYPE_F32, rank, dim);
        const int64_t n = (int64_t)sgn_array_numel(&at[i]);
        float *x = malloc((size_t)n * sizeof *x);
        const uint64_t stream = golden_stream(prefix, name);
        for (int64_t k = 0; k < n; k++)
            x[k] = golden_value(stream, k, sgn_json_int(sgn_json_at(row, 2), 0), sgn_json_real(sgn_json_at(row, 3), 0));
        data[i] = x;
    }
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    check_ok(sgn_archive_write("safetensors", path, at, data, count, NULL, &err), &err);
    for (int i = 0; i < count; i++) free((void *)(uintptr_t)data[i]);
}

/* What row b of the logits says of hidden state h and this head. */
static void compare(const family *f, size_t b, const float *h, const float *head, int64_t dim, const char *what) {
    const sgn_json *want = sgn_json_at(sgn_json_get(f->c, "logits"), b);
    assert_int_equal(sgn_json_size(want), VOCAB);
    for (int64_t v = 0; v < VOCAB; v++) {
        double z = 0;
        for (int64_t j = 0; j < dim; j++) z += (double)h[j] * (double)head[v * dim + j];
        const double expected = sgn_json_real(sgn_json_at(want, (size_t)v), NAN);
        if (!(fabs(z - expected) <= 2e-5)) fail_msg("%s, %s: logit %d is %.9g, expected %.9g", f->name, what, (int)v, z, expected);
    }
}

static void position(const family *f, size_t k, int64_t *b, int64_t *t) {
    const sgn_json *at = sgn_json_at(sgn_json_get(f->file, "logits_at"), k);
    *b = sgn_json_int(sgn_json_at(at, 0), -1);
    *t = sgn_json_int(sgn_json_at(at, 1), -1);
}

static void train_pass(const family *f, const sgn_transformer *m, const float *head, const char *what) {
    sgn_error err;
    sgn_tape t;
    check_ok(sgn_tape_init(&t, sgn_transformer_nodes(m), 16 << 20, &err), &err);
    sgn_tape_begin(&t, SGN_TAPE_NOGRAD);
    const sgn_tensor *h = sgn_transformer_hidden(m, &t, f->token, f->batch, f->seq);
    check_ok(sgn_tape_end(&t, &err), &err);
    for (size_t k = 0; k < 2; k++) {
        int64_t b, at;
        position(f, k, &b, &at);
        compare(f, k, h->data + (b * f->seq + at) * m->config.dim, head, m->config.dim, what);
    }
    sgn_tape_free(&t);
}

/* All but the last token at once, then the last by itself. */
static void runtime_pass(const family *f, const sgn_transformer *m) {
    sgn_error err;
    sgn_lowered_model lm;
    sgn_runtime *r;
    check_ok(sgn_lowered_model_from(&lm, m, &err), &err);
    check_ok(sgn_runtime_open(&r, &lm, &(sgn_runtime_options){ .context = f->seq, .batch = f->seq }, &err), &err);
    for (size_t k = 0; k < 2; k++) {
        int64_t b, at;
        const float *h;
        position(f, k, &b, &at);
        sgn_runtime_reset(r);
        check_ok(sgn_runtime_hidden(r, f->token + b * f->seq, at, &h, &err), &err);
        check_ok(sgn_runtime_hidden(r, f->token + b * f->seq + at, 1, &h, &err), &err);
        compare(f, k, h, lm.head.data, lm.config.dim, "runtime");
    }
    sgn_runtime_close(r);
    sgn_lowered_model_free(&lm);
}

static void mapped_pass(const family *f, const float *head) {
    sgn_error err;
    sgn_model_config c;
    sgn_transformer m;
    check_ok(sgn_model_load_config(f->directory, NULL, &c, &err), &err);
    check_ok(sgn_transformer_init(&m, &c, false, &err), &err);
    check_ok(sgn_model_map(&m, f->directory, false, &err), &err);
    check_ok(sgn_transformer_commit(&m, &err), &err);
    check_ok(sgn_model_load_weights(&m, f->directory, &err), &err);
    assert_true(sgn_params_stored_bytes(&m.params) > 0);
    train_pass(f, &m, head, "mapped");
    sgn_transformer_free(&m);
}

static void as_pytorch(void **state) {
    (void)state;
    sgn_error err;
    family f = { .file = golden_load("tests/golden/families.json") };
    f.batch = golden_int(f.file, "batch");
    f.seq = golden_int(f.file, "seq");
    assert_true(f.batch * f.seq <= TOKENS);
    const sgn_json *cases = sgn_json_get(f.file, "cases");
    int count = 0;
    for (void *it = sgn_json_iter(cases); it; it = sgn_json_next(cases, it), count++) {
        f.name = sgn_json_iter_key(it);
        f.c = sgn_json_iter_value(it);
        print_message("%s\n", f.name);
        write_directory(&f);
        for (int64_t i = 0; i < f.batch * f.seq; i++) f.token[i] = golden_token(golden_stream("tokens.", f.name), i, VOCAB);
        sgn_transformer m;
        check_ok(sgn_model_load(&m, f.directory, false, &err), &err);
        const float *head = sgn_transformer_head(&m)->data;
        train_pass(&f, &m, head, "training");
        runtime_pass(&f, &m);
        mapped_pass(&f, head);
        sgn_transformer_free(&m);
    }
    assert_int_equal(count, 10);
    sgn_json_free(f.file);
}

static int begin(void **state) { return sgn_gemm_init(NULL) == SGN_OK ? check_begin(state) : -1; }

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(as_pytorch) };
    return cmocka_run_group_tests(tests, begin, check_end);
}
