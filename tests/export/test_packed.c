/* Packed directories: every damaged byte is found, every byte is counted, version 1 is read, what has no place is refused.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include <fcntl.h>
#include <sys/stat.h>
#include "core/archive.h"
#include "core/digest.h"
#include "core/json.h"
#include "data/tokenizer.h"
#include "export/format.h"
#include "export/model_bits.h"
#include "export/runtime.h"
#include "tests/export/small_model.h"

static sgn_error err;

static const char *inside(const char *directory, const char *name) {
    static char path[600];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static sgn_status open_it(const char *where, sgn_verify verify) {
    sgn_model_file *f;
    err = (sgn_error){ 0 };
    const sgn_status s = sgn_model_file_open(&f, where, verify, &err);
    sgn_model_file_close(f);
    return s;
}

/* --- damage ------------------------------------------------------------------------------------------- */

/* As small as a model gets, for each of its bytes is damaged in turn. */
static char tiny[512];

static void export_tiny(void) {
    sgn_transformer m;
    sgn_tokenizer *t;
    sgn_model_config c = small_config(&small_cases[2]);
    c.dim = c.ffn = 16;
    c.heads = c.kv_heads = 2;
    c.head_dim = 8;
    c.layers = 1;
    c.vocab = 5;
    check_ok(sgn_transformer_init(&m, &c, false, &err), &err);
    check_ok(sgn_transformer_commit(&m, &err), &err);
    sgn_transformer_randomize(&m, 1);
    check_ok(sgn_tokenizer_open(&t, "byte", &err), &err);
    check_ok(sgn_tokenizer_save(t, check_path("tokenizer.json"), &err), &err);
    sgn_tokenizer_close(t);
    snprintf(tiny, sizeof tiny, "%s", check_path("tiny"));
    check_ok(sgn_export("packed", tiny, &m, &(sgn_export_options){ .tokenizer = check_path("tokenizer.json") }, true, &err), &err);
    sgn_transformer_free(&m);
}

static void is_noticed(const char *directory, const char *name, const char *how, off_t at) {
    if (open_it(directory, SGN_VERIFY_SMALL) == SGN_OK) fail_msg("%s: %s %lld is not noticed", name, how, (long long)at);
    if (!strstr(err.text, name)) fail_msg("%s: %s %lld: \"%s\" does not name the file", name, how, (long long)at, err.text);
}

static void every_byte_is_guarded(void **state) {
    (void)state;
    static const char *const files[] = { "model.safetensors", "config.json", "tokenizer.json", "MANIFEST" };
    for (size_t k = 0; k < sizeof files / sizeof *files; k++) {
        struct stat st;
        export_tiny();
        check_ok(open_it(tiny, SGN_VERIFY_SMALL), &err);
        const int fd = open(inside(tiny, files[k]), O_RDWR);
        assert_true(fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 100);
        for (off_t at = 0; at < st.st_size; at++) {
            unsigned char was, now;
            assert_int_equal(pread(fd, &was, 1, at), 1);
            now = (unsigned char)(was ^ 1 << at % 8);
            assert_int_equal(pwrite(fd, &now, 1, at), 1);
            is_noticed(tiny, files[k], "a flipped bit of byte", at);
            assert_int_equal(pwrite(fd, &was, 1, at), 1);
        }
        check_ok(open_it(tiny, SGN_VERIFY_SMALL), &err);
        for (off_t size = st.st_size - 1; size >= 0; size--) {
            assert_int_equal(ftruncate(fd, size), 0);
            is_noticed(tiny, files[k], "the end at byte", size);
        }
        close(fd);
        check_ok(sgn_remove_tree(inside(tiny, files[k]), &err), &err);
        is_noticed(tiny, files[k], "a file that is gone, of bytes", st.st_size);
    }
}

/* Without digests sizes still are; with them a file of any size is read. */
static void verification_is_as_told(void **state) {
    (void)state;
    static const struct { sgn_verify which; bool flip, cut; } finds[] = {
        { SGN_VERIFY_SMALL, true, true }, { SGN_VERIFY_ALL, true, true }, { SGN_VERIFY_NONE, false, true } };
    struct stat st;
    export_tiny();
    assert_int_equal(stat(inside(tiny, "model.safetensors"), &st), 0);
    const int fd = open(inside(tiny, "model.safetensors"), O_RDWR);
    unsigned char byte;
    assert_int_equal(pread(fd, &byte, 1, st.st_size - 17), 1);       /* of a plane */
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, st.st_size - 17), 1);
    for (size_t i = 0; i < sizeof finds / sizeof *finds; i++) assert_int_equal(open_it(tiny, finds[i].which) != SGN_OK, finds[i].flip);
    assert_int_equal(ftruncate(fd, st.st_size - 1), 0);
    for (size_t i = 0; i < sizeof finds / sizeof *finds; i++) assert_int_equal(open_it(tiny, finds[i].which) != SGN_OK, finds[i].cut);
    close(fd);
}

/* --- bits ---------------------------------------------------------------------------------------------------- */

static int64_t array_bytes(const char *path, int64_t *header) {
    sgn_archive a;
    struct stat st;
    int64_t sum = 0;
    check_ok(sgn_archive_open(&a, path, &err), &err);
    for (int i = 0; i < a.count; i++) sum += (int64_t)a.at[i].bytes;
    sgn_archive_close(&a);
    assert_int_equal(stat(path, &st), 0);
    *header = (int64_t)st.st_size - sum;
    return sum;
}

/* Binarized weights by the shapes, and the numbers of scales and shifts by the pattern, each layer's own; weights: all else. */
static void expect(const sgn_transformer *m, int64_t *signs, int64_t *scales, int64_t *shifts, int64_t *weights) {
    *signs = *scales = *shifts = *weights = 0;
    for (int i = 0; i < m->params.count; i++) {
        const sgn_param *p = &m->params.at[i];
        const int64_t n = sgn_numel(p->tensor.shape);
        if (p->class == SGN_PARAM_LATENT) *signs += n;
        if (p->class != SGN_PARAM_SCALE) *weights += n;
    }
    for (int64_t k = 0; k < m->config.layers * SGN_LINEARS; k++) {
        const sgn_linear *l = &m->blocks[k / SGN_LINEARS].linear[k % SGN_LINEARS];
        for (size_t i = 0; l->kind && i < sizeof l->p / sizeof *l->p; i++) {
            const sgn_param *p = l->p[i] < 0 ? NULL : &m->params.at[l->p[i]];
            if (p && p->class == SGN_PARAM_SCALE) *(strstr(p->name, "wbias") ? shifts : scales) += sgn_numel(p->tensor.shape);
        }
    }
}

static void every_byte_is_counted(void **state) {
    (void)state;
    static const char *const words[] = { "f32", "f16", "q8_0" };
    for (int i = 0; i < SMALL_CASES; i++) {
        sgn_transformer m;
        sgn_model_bits b;
        small_case kind = small_cases[i];
        if (i % 3 == 2) kind.dim = 160, kind.ffn = 224;
        small_model(&m, &kind, (uint64_t)i);
        const sgn_export_options o = { .scales = words[i % 2], .type = words[i % 3] };
        check_ok(sgn_export("packed", check_path("counted"), &m, &o, true, &err), &err);
        check_ok(sgn_model_bits_open(&b, check_path("counted"), SGN_VERIFY_SMALL, &err), &err);
        int64_t header, signs, scales, shifts, weights;
        const int64_t bytes = array_bytes(check_path("counted/model.safetensors"), &header);
        assert_int_equal(sgn_bits_all(&b.all), 8 * bytes);
        assert_int_equal(b.file_bytes, bytes + header);
        assert_true(b.stored && b.beside_bytes > 0);
        expect(&m, &signs, &scales, &shifts, &weights);
        assert_int_equal(b.all.bits[SGN_BITS_SIGNS], signs);
        assert_int_equal(b.all.binary_weights, signs);
        assert_int_equal(b.all.bits[SGN_BITS_SCALES], (i % 2 ? 16 : 32) * scales);
        assert_int_equal(b.all.bits[SGN_BITS_SHIFTS], (i % 2 ? 16 : 32) * shifts);
        check_close(b.all.claimed, (double)(signs + 16 * (scales + shifts)), 1e-6, 0);
        assert_int_equal(sgn_bits_claim(&b.all) != NULL, signs > 0);
        assert_int_equal(sgn_bits_weights(&b.all), weights);
        int64_t sum = 0;
        for (int k = 0; k < b.count; k++) sum += sgn_bits_all(&b.row[k].bits);
        assert_int_equal(sum, 8 * bytes);
        sgn_model_bits_close(&b);
        if (strcmp(m.config.arch, "gpt2") != 0) {          /* other files: their arrays, each in its type */
            check_ok(sgn_export("hf", check_path("counted-hf"), &m, &(sgn_export_options){ .type = i % 2 ? "f16" : "f32" }, true, &err), &err);
            check_ok(sgn_model_bits_open(&b, check_path("counted-hf"), SGN_VERIFY_SMALL, &err), &err);
            assert_int_equal(sgn_bits_all(&b.all), 8 * array_bytes(check_path("counted-hf/model.safetensors"), &header));
            sgn_model_bits_close(&b);
        }
        sgn_transformer_free(&m);
    }
}

/* FBI-LLM's 130M has 1.03 bits a weight in its paper: 12 blocks of 768 x 768 and 768 x 2048, a scale and a shift of 16 bits for each input. */
static void paper_counts_like_the_paper(void **state) {
    (void)state;
    sgn_bits all = { 0 };
    static const float number[2048];
    static const int64_t shape[7][2] = { { 768, 768 }, { 768, 768 }, { 768, 768 }, { 768, 768 }, { 2048, 768 }, { 2048, 768 }, { 768, 2048 } };
    for (int i = 0; i < 12 * 7; i++) {
        const int64_t out = shape[i % 7][0], in = shape[i % 7][1];
        const sgn_lowered l = { .count = 2, .chain = {
            { { { .kind = SGN_STAGE_SCALE, .rows = in, .cols = in, .v = number, .v_size = in, .v_type = SGN_DTYPE_F16 },
                { .kind = SGN_STAGE_SIGN, .rows = out, .cols = in, .plane = { { out, in, in / 64, NULL } } } }, 2 },
            { { { .kind = SGN_STAGE_RANK1, .rows = out, .cols = in, .v = number, .v_size = in, .v_type = SGN_DTYPE_F16 } }, 1 } } };
        const sgn_bits b = sgn_bits_of_linear(&l, out, in);
        sgn_bits_add(&all, &b);
    }
    assert_int_equal(all.binary_weights, 84934656);
    check_close(all.claimed / (double)all.binary_weights, 1.030, 5e-4, 0);
    check_close((double)sgn_bits_binary(&all) / (double)all.binary_weights, 1.030, 5e-4, 0);      /* rows are whole words: no padding */
    assert_int_equal(all.bits[SGN_BITS_PADDING], 0);
}

/* --- versions, and what has no place --------------------------------------------------------------------------- */

static void replace_all(char *text, const char *from, const char *to) {
    assert_int_equal(strlen(from), strlen(to));
    for (char *at = text; (at = strstr(at, from)); at += strlen(from)) memcpy(at, to, strlen(to));
}

/* Version 1 called itself "version" and a matrix "v". */
static void version_1_is_read(void **state) {
    (void)state;
    enum { N = 9 };
    static float want[N * SMALL_VOCAB], got[N * SMALL_VOCAB];
    int32_t tokens[N];
    sgn_transformer m;
    sgn_model_file *f;
    sgn_runtime *r;
    const float *hidden;
    char *text;
    size_t size;
    small_tokens(tokens, N, 5);
    small_model(&m, &small_cases[11], 3);                  /* rows, some layers full */
    small_logits(&m, tokens, N, want);
    check_ok(sgn_export("packed", check_path("old"), &m, NULL, true, &err), &err);
    check_ok(sgn_file_read(check_path("old/config.json"), 1 << 20, &text, &size, &err), &err);
    replace_all(text, "\"format_version\": 2", "       \"version\": 1");
    replace_all(text, "\"w\": \"weight\"", "\"v\": \"weight\"");
    check_ok(sgn_file_write(check_path("old/config.json"), text, size, &err), &err);
    free(text);
    check_ok(sgn_remove_tree(check_path("old/MANIFEST"), &err), &err);
    check_ok(sgn_manifest_write(check_path("old"), &err), &err);
    check_ok(sgn_model_file_open(&f, check_path("old"), SGN_VERIFY_SMALL, &err), &err);
    check_ok(sgn_runtime_open(&r, sgn_model_file_lowered(f), &(sgn_runtime_options){ .context = N, .batch = N }, &err), &err);
    check_ok(sgn_runtime_hidden(r, tokens, N, &hidden, &err), &err);
    for (int t = 0; t < N; t++) sgn_runtime_logits(r, hidden + t * m.config.dim, got + t * SMALL_VOCAB);
    check_array_close(got, want, N * SMALL_VOCAB, 1e-4, 0);
    sgn_runtime_close(r);
    sgn_model_file_close(f);
    sgn_transformer_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_guarded),
        cmocka_unit_test(verification_is_as_told),
        cmocka_unit_test(every_byte_is_counted),
        cmocka_unit_test(paper_counts_like_the_paper),
        cmocka_unit_test(version_1_is_read),
    };
    return check_run(tests);
}
