/* Every linear kind through the packed format: logits of the file beside the transformer's own, bits beside bytes, and what a reader
 * refuses of codes.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include <sys/stat.h>
#include "core/archive.h"
#include "core/file.h"
#include "core/kernels/kernels.h"
#include "export/format.h"
#include "export/model_bits.h"
#include "export/runtime.h"
#include "model/model_load.h"
#include "tests/export/small_model.h"

enum { N = 21, LOGITS = N * SMALL_VOCAB };
static sgn_error err;

/* 8-bit activations: a number on the border of two steps may fall to either side where sums were added in another order. */
typedef struct { const char *linear, *scales, *keep; double bits; int64_t paths; bool rounds; const char *stage; } kind_case;
static const kind_case kinds[] = {
    { "nm", "column", "1:4", 0, 0, false, "\"keep\": \"1:4\"" },  { "nm", "row", "1:8", 0, 0, false, "\"keep\": \"1:8\"" },
    { "nm", "tensor", "1:16", 0, 0, false, "\"keep\": \"1:16\"" }, { "nm", "column", "2:8", 0, 0, false, "\"keep\": \"2:8\"" },
    { "xnor", NULL, NULL, 0, 0, false, "\"sign\"" },              { "binaryconnect", NULL, NULL, 0, 0, false, "\"sign\"" },
    { "paretoq", NULL, NULL, 0, 0, false, "\"scale\"" },          { "onebit", NULL, NULL, 0, 0, false, "\"layer_norm\"" },
    { "bitnet", NULL, NULL, 0, 0, true, "\"quant_act\"" },        { "bitnet158", NULL, NULL, 0, 0, true, "\"ternary\"" },
    { "zoned", NULL, "4:8", 0, 0, false, "\"keep\": \"4:8\"" },    { "zoned", NULL, "any", 0, 0, false, "\"keep\": \"any\"" },
    { "zoned", NULL, "all", 0, 0, false, "\"keep\": \"all\"" },
    { "littlebit", NULL, NULL, 1.5, 1, false, "\"rank_scale\"" }, { "littlebit", NULL, NULL, 2, 2, false, "\"rank_scale2\"" },
};
enum { KINDS = (int)(sizeof kinds / sizeof *kinds) };

/* Column 5 of every 40 is salient; four of eight kept, some, or all, and then in two zones. */
static int zone_of(const char *keep, int64_t k, int64_t cols) {
    const int64_t i = k / cols, j = k % cols;
    const bool kept = *keep == '4' ? (j + i) % 8 < 4 : strcmp(keep, "any") ? true : (k * 5 + i) % 3 != 0;
    return !kept ? 0 : j % 40 == 5 ? 4 : 1 + (int)((i + j * 3) % (strcmp(keep, "all") ? 3 : 2));
}

static void make(sgn_transformer *m, const kind_case *k, uint64_t seed) {
    sgn_model_config c = small_config(&(small_case){ .linear = k->linear, .scales = k->scales, .kv_heads = 2 });
    if (k->keep && strcmp(k->linear, "zoned")) snprintf(c.keep, sizeof c.keep, "%s", k->keep);
    c.bits = k->bits;
    c.paths = k->paths ? k->paths : 1;
    check_ok(sgn_transformer_init(m, &c, false, &err), &err);
    check_ok(sgn_transformer_commit(m, &err), &err);
    sgn_transformer_randomize(m, seed);
    for (int i = 0; i < m->params.count; i++) {
        sgn_param *p = &m->params.at[i];
        for (int64_t j = 0; p->class == SGN_PARAM_FIXED && j < sgn_numel(p->tensor.shape); j++)
            p->tensor.data[j] = (float)zone_of(k->keep, j, p->tensor.shape.dim[1]);
        if (p->class != SGN_PARAM_SCALE && p->class != SGN_PARAM_NORM) continue;
        for (int64_t j = 0; j < sgn_numel(p->tensor.shape); j++)
            p->tensor.data[j] = p->tensor.data[j] * (float)(1 + 0.2 * sgn_rng_normal(seed, sgn_rng_stream(p->name), (uint64_t)j)) +
                                (float)(0.01 + (strcmp(k->linear, "zoned") ? 0 : 0.05) * sgn_rng_normal(seed, 5, (uint64_t)j));
    }
}

/* A row of tokens at once, or one by one. */
static void run(const sgn_lowered_model *lm, const int32_t *tokens, int64_t batch, float *logits) {
    sgn_runtime *r;
    const float *hidden;
    check_ok(sgn_runtime_open(&r, lm, &(sgn_runtime_options){ .context = N, .batch = batch, .cache = SGN_DTYPE_F32 }, &err), &err);
    for (int64_t at = 0, n; at < N; at += n) {
        n = N - at < batch ? N - at : batch;
        check_ok(sgn_runtime_hidden(r, tokens + at, n, &hidden, &err), &err);
        for (int64_t t = 0; t < n; t++) sgn_runtime_logits(r, hidden + t * lm->config.dim, logits + (at + t) * SMALL_VOCAB);
    }
    sgn_runtime_close(r);
}

/* To the bit what the model's own lowered form gives, which rounds alike; within 1e-4 of the training forward but for 8-bit activations. */
static void compare(const sgn_transformer *m, const sgn_lowered_model *file, const kind_case *k) {
    static int32_t tokens[N];
    static float want[LOGITS], got[LOGITS], same[LOGITS];
    sgn_lowered_model lm;
    small_tokens(tokens, N, 3);
    small_logits(m, tokens, N, want);
    check_ok(sgn_lowered_model_from(&lm, m, &err), &err);
    for (int64_t batch = 1; batch <= N; batch += N - 1) {
        run(file, tokens, batch, got);
        run(&lm, tokens, batch, same);
        assert_memory_equal(got, same, sizeof got);
        double off = 0, size = 0;
        for (int i = 0; i < LOGITS; i++) off = fmax(off, fabs((double)(got[i] - want[i]))), size = fmax(size, fabs((double)want[i]));
        const double most = k->rounds ? 2e-2 : 1e-4;
        if (off > most * fmax(1, size)) fail_msg("%s %s, %d at a time: off by %g of %g", k->linear, k->keep ? k->keep : "", (int)batch, off, size);
    }
    sgn_lowered_model_free(&lm);
}

/* A run that begins with the file, or a teacher, has the same signs, kept or zoned, and scales, those too that are made of latents. */
static void check_loads(const sgn_transformer *m, const kind_case *k) {
    static int32_t tokens[N];
    static float want[LOGITS], got[LOGITS];
    sgn_transformer again;
    small_tokens(tokens, N, 4);
    small_logits(m, tokens, N, want);
    check_ok(sgn_model_load(&again, check_path("kind"), false, &err), &err);
    small_logits(&again, tokens, N, got);
    if (strcmp(k->linear, "bitnet158")) assert_memory_equal(got, want, sizeof got);
    else check_array_close(got, want, LOGITS, 1e-4, 1e-4);         /* its scale is a mean over what is not 0, rounded once more */
    sgn_transformer_free(&again);
}

static int64_t array_bytes(const char *path) {
    sgn_archive a;
    int64_t sum = 0;
    check_ok(sgn_archive_open(&a, path, &err), &err);
    for (int i = 0; i < a.count; i++) sum += (int64_t)a.at[i].bytes;
    sgn_archive_close(&a);
    return sum;
}

static void every_kind_runs_from_its_file(void **state) {
    (void)state;
    const sgn_kernels *set;
    bool runs;
    for (int s = 0; (set = sgn_kernels_at(s, &runs)); s++) {
        if (!runs) continue;
        check_ok(sgn_kernels_use(set->name, &err), &err);
        for (int i = 0; i < KINDS; i++) {
            sgn_transformer m;
            sgn_model_file *f;
            sgn_model_bits b;
            char *text;
            size_t size;
            make(&m, &kinds[i], (uint64_t)i);
            check_ok(sgn_export("packed", check_path("kind"), &m, NULL, true, &err), &err);
            check_ok(sgn_file_read(check_path("kind/config.json"), 1 << 20, &text, &size, &err), &err);
            assert_non_null(strstr(text, kinds[i].stage));
            free(text);
            check_ok(sgn_model_file_open(&f, check_path("kind"), SGN_VERIFY_SMALL, &err), &err);
            compare(&m, sgn_model_file_lowered(f), &kinds[i]);
            check_loads(&m, &kinds[i]);
            check_ok(sgn_model_bits_open(&b, check_path("kind"), SGN_VERIFY_SMALL, &err), &err);
            assert_int_equal(sgn_bits_all(&b.all), 8 * array_bytes(check_path("kind/model.safetensors")));
            sgn_model_bits_close(&b);
            sgn_model_file_close(f);
            sgn_transformer_free(&m);
        }
    }
    check_ok(sgn_kernels_use(NULL, &err), &err);
}

/* --- refusals ------------------------------------------------------------------------------------------------ */

static void overwrite(const char *path, int64_t at, const void *bytes, size_t n) {
    FILE *f = fopen(path, "r+b");
    assert_true(f && fseek(f, (long)at, SEEK_SET) == 0 && fwrite(bytes, 1, n, f) == n);
    fclose(f);
}

static sgn_status open_it(void) {
    sgn_model_file *f;
    err = (sgn_error){ 0 };
    const sgn_status s = sgn_model_file_open(&f, check_path("bad"), SGN_VERIFY_NONE, &err);
    sgn_model_file_close(f);
    return s;
}

static void wrong_codes_are_refused(void **state) {
    (void)state;
    sgn_transformer m;
    sgn_archive a;
    char *text;
    size_t size;
    make(&m, &kinds[3], 1);
    check_ok(sgn_export("packed", check_path("bad"), &m, NULL, true, &err), &err);
    check_ok(sgn_archive_open(&a, check_path("bad/model.safetensors"), &err), &err);
    const int k = sgn_archive_find(&a, "model.layers.1.mlp.up_proj.codes");
    assert_true(k >= 0 && a.at[k].dim[1] == 17 * 7 / 8 + 1);
    /* The arrays end the file in their order. */
    int64_t at = 3 * a.at[k].dim[1];
    struct stat st;
    assert_int_equal(stat(check_path("bad/model.safetensors"), &st), 0);
    const char *base = a.kind->map(&a, 0), *here = a.kind->map(&a, k);
    int64_t all = 0;
    for (int i = 0; i < a.count; i++) all += (int64_t)a.at[i].bytes;
    for (int i = 0; i < a.count; i++)
        if ((const char *)a.kind->map(&a, i) < base) base = a.kind->map(&a, i);
    at += (int64_t)st.st_size - all + (here - base);
    sgn_archive_close(&a);
    uint8_t was;
    FILE *f = fopen(check_path("bad/model.safetensors"), "rb");
    assert_true(f && fseek(f, (long)at, SEEK_SET) == 0 && fread(&was, 1, 1, f) == 1);
    fclose(f);
    overwrite(check_path("bad/model.safetensors"), at, &(uint8_t){ 0x7F }, 1);         /* 127 */
    check_fails(open_it(), SGN_FORMAT, &err, "up_proj.codes' has a code in row 3 that stands for no 2:8 signs");
    overwrite(check_path("bad/model.safetensors"), at, &was, 1);
    check_ok(open_it(), &err);
    check_ok(sgn_file_read(check_path("bad/config.json"), 1 << 20, &text, &size, &err), &err);
    static const struct { const char *to, *says; sgn_status status; } keep[] = {
        { "4:8", "keep '4:8' are not known", SGN_UNSUPPORTED }, { "1:4", "(136, 13) is expected", SGN_SHAPE } };
    for (int i = 0; i < 2; i++) {
        memcpy(strstr(strstr(text, "\"stages\""), "2:8"), keep[i].to, 3);
        check_ok(sgn_file_write(check_path("bad/config.json"), text, size, &err), &err);
        check_fails(open_it(), keep[i].status, &err, keep[i].says);
        memcpy(strstr(strstr(text, "\"stages\""), keep[i].to), "2:8", 3);
    }
    free(text);
    sgn_transformer_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_kind_runs_from_its_file), cmocka_unit_test(wrong_codes_are_refused) };
    return check_run(tests);
}
