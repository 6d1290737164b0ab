/* Models read from every sort of directory, and refused with a reason from broken ones.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/digest.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/log.h"
#include "model/model_load.h"

/* --- writing what is read ------------------------------------------------------------------------------- */

enum { ARRAYS = 64 };
typedef struct {
    sgn_array   at[ARRAYS];
    const void *data[ARRAYS];
    int         count;
} arrays;

static void put(arrays *a, const char *name, sgn_dtype type, int rank, const int64_t *dim, const void *data) {
    assert_true(a->count < ARRAYS);
    a->at[a->count] = sgn_array_make(name, type, rank, dim);
    a->data[a->count++] = data;
}
static int place(const arrays *a, const char *name) {
    for (int i = 0; i < a->count; i++)
        if (strcmp(a->at[i].name, name) == 0) return i;
    fail_msg("no array %s", name);
    return -1;
}
static void drop(arrays *a, const char *name) {
    const int i = place(a, name);
    a->count--;
    a->at[i] = a->at[a->count];
    a->data[i] = a->data[a->count];
}
static arrays collect(const sgn_transformer *m, const char *prefix) {
    arrays a = { .count = 0 };
    for (int i = 0; i < m->params.count; i++) {
        const sgn_param *p = &m->params.at[i];
        char name[SGN_ARRAY_NAME];
        snprintf(name, sizeof name, "%s%s", prefix, p->name);
        put(&a, name, SGN_DTYPE_F32, p->tensor.shape.rank, p->tensor.shape.dim, p->tensor.data);
    }
    return a;
}
static void write_arrays(const arrays *a, const char *kind, const char *path) {
    sgn_error err;
    check_ok(sgn_archive_write(kind, path, a->at, a->data, a->count, NULL, &err), &err);
}

/* A fresh directory of that name with the model's config.json; then its path. */
static const char *directory(const char *name, const sgn_transformer *m) {
    const char *path = check_path(name);
    char config[600];
    sgn_error err;
    check_ok(sgn_remove_tree(path, &err), &err);
    check_ok(sgn_make_directories(path, &err), &err);
    snprintf(config, sizeof config, "%s/config.json", path);
    sgn_json *j = sgn_model_config_to_json(&m->config);
    check_ok(sgn_json_save(j, 2, config, &err), &err);
    sgn_json_free(j);
    return path;
}
static const char *in(const char *where, const char *name) {
    static char path[600];
    snprintf(path, sizeof path, "%s/%s", where, name);
    return path;
}

/* --- models ------------------------------------------------------------------------------------------------ */

static sgn_model_config config(const char *binary) {
    sgn_model_config c = {
        .dim = 24, .layers = 2, .heads = 4, .kv_heads = 2, .ffn = 70, .vocab = 19, .context = 8, .linear = "fbi",
        .scales = "column", .shift = true, .rms_eps = 1e-5, .rope_theta = 10000, .rope_scaling = 1, .init_std = 0.02 };
    snprintf(c.binary, SGN_TEXT, "%s", binary);
    return c;
}
static void make(sgn_transformer *m, sgn_model_config c, uint64_t seed) {
    sgn_error err;
    check_ok(sgn_transformer_init(m, &c, false, &err), &err);
    check_ok(sgn_transformer_commit(m, &err), &err);
    sgn_transformer_randomize(m, seed);
}
static void same_model(const sgn_transformer *a, const sgn_transformer *b) {
    assert_int_equal(a->params.count, b->params.count);
    assert_memory_equal(a->params.dense.data, b->params.dense.data, (size_t)a->params.dense.count * sizeof(sgn_real));
    assert_memory_equal(a->params.latent.data, b->params.latent.data, (size_t)a->params.latent.count * sizeof(sgn_real));
    assert_memory_equal(a->params.planes, b->params.planes, a->params.planes_bytes);
}
static void loads_as(const char *where, const sgn_transformer *m) {
    sgn_error err;
    sgn_transformer got;
    check_ok(sgn_model_load(&got, where, false, &err), &err);
    assert_true(sgn_model_config_same_shape(&got.config, &m->config));
    same_model(&got, m);
    sgn_transformer_free(&got);
}

static int warnings;
static char warning[512];
static void listen(void *ctx, sgn_log_level level, const char *line) {
    (void)ctx;
    if (level != SGN_LOG_WARN) return;
    warnings++;
    snprintf(warning, sizeof warning, "%s", line);
}

/* --- directories that hold a model ----------------------------------------------------------------------------- */

static void whole(void **state) {
    (void)state;
    static const char *const binary[] = { "attention,mlp", "", "q,up" };
    for (int i = 0; i < 6; i++) {
        sgn_model_config c = config(binary[i % 3]);
        c.tied_head = c.attention_bias = i >= 3;
        sgn_transformer m;
        make(&m, c, 3);
        const arrays a = collect(&m, i & 1 ? "weights/" : "");
        const char *where = directory("whole", &m);
        write_arrays(&a, i & 1 ? "h5" : "safetensors", in(where, i & 1 ? "shard-0000.h5" : "model.safetensors"));
        loads_as(where, &m);
        sgn_transformer_free(&m);
    }
}

/* Several files without an index, and with one. */
static void shards(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m;
    make(&m, config("attention,mlp"), 3);
    const arrays a = collect(&m, "");
    const char *where = directory("shards", &m);
    arrays half[2] = { { .count = 0 }, { .count = 0 } };
    for (int i = 0; i < a.count; i++) put(&half[i % 2], a.at[i].name, SGN_DTYPE_F32, a.at[i].rank, a.at[i].dim, a.data[i]);
    write_arrays(&half[0], "safetensors", in(where, "model-00001-of-00002.safetensors"));
    write_arrays(&half[1], "safetensors", in(where, "model-00002-of-00002.safetensors"));
    loads_as(where, &m);
    sgn_json *index = sgn_json_new_object(), *map = sgn_json_new_object();
    for (int i = 0; i < a.count; i++)
        sgn_json_set(map, a.at[i].name, sgn_json_new_string(i % 2 ? "model-00002-of-00002.safetensors" : "model-00001-of-00002.safetensors"));
    sgn_json_set(index, "weight_map", map);
    check_ok(sgn_json_save(index, 2, in(where, "model.safetensors.index.json"), &err), &err);
    sgn_json_free(index);
    loads_as(where, &m);
    sgn_transformer_free(&m);
}

/* weights/NAME@ROW in two files of a checkpoint. */
static void pieces(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m, got;
    make(&m, config("attention,mlp"), 3);
    arrays a = collect(&m, "weights/"), b = { .count = 0 };
    const char *where = directory("pieces", &m), *name = "weights/model.embed_tokens.weight";
    const sgn_real *data = a.data[place(&a, name)];
    drop(&a, name);
    const int64_t rows[] = { 0, 8, 13, 19 };
    for (int i = 0; i < 3; i++) {
        char piece[SGN_ARRAY_NAME];
        snprintf(piece, sizeof piece, "%s@%lld", name, (long long)rows[i]);
        put(i == 1 ? &b : &a, piece, SGN_DTYPE_F32, 2, (int64_t[]){ rows[i + 1] - rows[i], 24 }, data + rows[i] * 24);
    }
    write_arrays(&a, "h5", in(where, "shard-0000.h5"));
    check_fails(sgn_model_load(&got, where, false, &err), SGN_FORMAT, &err, "model.embed_tokens.weight@8' is missing");
    write_arrays(&b, "h5", in(where, "shard-0001.h5"));
    loads_as(where, &m);
    b.at[0] = sgn_array_make(b.at[0].name, SGN_DTYPE_F32, 2, (int64_t[]){ 24, 5 });
    b.at[0].dim[0] = 12, b.at[0].dim[1] = 10;                  /* as many numbers, more rows than are left */
    write_arrays(&b, "h5", in(where, "shard-0001.h5"));
    check_fails(sgn_model_load(&got, where, false, &err), SGN_SHAPE, &err, "@8' is (12, 10)");
    sgn_transformer_free(&m);
}

/* A full model's weights become latents; scales are derived as for random ones. */
static void warm_start(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer full, binary, want, got;
    make(&full, config(""), 3);
    make(&want, config("attention,mlp"), 3);                   /* values go by name: the same weights */
    make(&binary, config("attention,mlp"), 4);
    const arrays a = collect(&full, "");
    const char *where = directory("full", &full);
    write_arrays(&a, "safetensors", in(where, "model.safetensors"));
    check_ok(sgn_model_load_weights(&binary, where, &err), &err);
    same_model(&binary, &want);
    assert_int_equal(unlink(in(where, "config.json")), 0);
    check_ok(sgn_model_load_weights(&binary, where, &err), &err);  /* weights alone are enough */
    check_fails(sgn_model_load(&got, where, false, &err), SGN_IO, &err, "config.json is not there");
    sgn_transformer_free(&full), sgn_transformer_free(&binary), sgn_transformer_free(&want);
}

static void pack(arrays *a, const sgn_transformer *m, uint8_t *bytes) {
    for (int i = 0; i < m->params.count; i++) {
        const sgn_param *p = &m->params.at[i];
        if (p->class != SGN_PARAM_LATENT) continue;
        char name[SGN_ARRAY_NAME];
        drop(a, p->name);
        snprintf(name, sizeof name, "%.*s.sign", (int)strlen(p->name) - 7, p->name);
        const int64_t rows = p->tensor.shape.dim[0], cols = p->tensor.shape.dim[1], stride = 8 * ((cols + 63) / 64);
        memset(bytes, 0, (size_t)(rows * stride));
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < cols; c++)
                if (p->tensor.data[r * cols + c] >= 0) bytes[r * stride + c / 8] = (uint8_t)(bytes[r * stride + c / 8] | 1 << c % 8);
        put(a, name, SGN_DTYPE_U8, 2, (int64_t[]){ rows, stride }, bytes);
        bytes += rows * stride;
    }
}

static void packed(void **state) {
    (void)state;
    sgn_error err;
    static uint8_t bytes[1 << 16];
    sgn_transformer m, got;
    make(&m, config("attention,mlp"), 3);
    arrays a = collect(&m, "");
    const char *where = directory("packed", &m);
    pack(&a, &m, bytes);
    write_arrays(&a, "safetensors", in(where, "model.safetensors"));
    check_ok(sgn_model_load(&got, where, true, &err), &err);
    assert_memory_equal(got.params.planes, m.params.planes, m.params.planes_bytes);
    assert_memory_equal(got.params.dense.data, m.params.dense.data, (size_t)m.params.dense.count * sizeof(sgn_real));
    for (int i = 0; i < got.params.count; i++)
        for (int64_t k = 0; got.params.at[i].class == SGN_PARAM_LATENT && k < sgn_numel(got.params.at[i].tensor.shape); k++)
            check_close(got.params.at[i].tensor.data[k], m.params.at[i].tensor.data[k] >= 0 ? 1 : -1, 0, 0);
    sgn_transformer_free(&got);
    drop(&a, "model.layers.1.mlp.up_proj.wscale");             /* alpha of +-1 would be 1: refused, not derived */
    write_arrays(&a, "safetensors", in(where, "model.safetensors"));
    check_fails(sgn_model_load(&got, where, true, &err), SGN_FORMAT, &err, "no 'model.layers.1.mlp.up_proj.wscale'");
    const int i = place(&a, "model.layers.0.self_attn.q_proj.sign");
    a.at[i] = sgn_array_make(a.at[i].name, SGN_DTYPE_U8, 2, (int64_t[]){ 24, 3 });
    write_arrays(&a, "safetensors", in(where, "model.safetensors"));
    check_fails(sgn_model_load(&got, where, true, &err), SGN_SHAPE, &err, "is not U8 (24, 8)");
    sgn_transformer_free(&m);
}

/* --- weights that stay in their file ----------------------------------------------------------------------------- */

static sgn_status map(sgn_transformer *m, const sgn_model_config *c, const char *where, sgn_error *err) {
    check_ok(sgn_transformer_init(m, c, false, err), err);
    SGN_TRY(sgn_model_map(m, where, false, err));
    SGN_TRY(sgn_transformer_commit(m, err));
    return sgn_model_load_weights(m, where, err);
}

static int64_t padded(int64_t n) { return (n + 15) / 16 * 16; }

/* Only what is no matrix takes memory; signs are packed from the file's type. */
static void mapped(void **state) {
    (void)state;
    static const sgn_dtype types[] = { SGN_DTYPE_BF16, SGN_DTYPE_F16, SGN_DTYPE_F32 };
    static uint16_t half[1 << 16];
    for (int i = 0; i < 9; i++) {
        sgn_error err;
        sgn_transformer m, copied, got;
        sgn_model_config c = config(i / 3 == 1 ? "attention" : "");
        c.tied_head = i / 3 == 2;
        make(&m, c, 3);
        arrays a = collect(&m, "");
        int64_t used = 0, small = 0, latent = 0, matrices = 0;
        for (int k = 0; k < m.params.count; k++) {
            const sgn_param *p = &m.params.at[k];
            const int64_t n = sgn_numel(p->tensor.shape);
            *(p->class == SGN_PARAM_LATENT ? &latent : p->tensor.shape.rank == 2 ? &matrices : &small) += p->tensor.shape.rank == 2 ? n : padded(n);
            a.at[k] = sgn_array_make(p->name, types[i % 3], p->tensor.shape.rank, p->tensor.shape.dim);
            if (types[i % 3] == SGN_DTYPE_F32) continue;
            a.data[k] = half + used;
            for (int64_t j = 0; j < n; j++)
                half[used++] = i % 3 ? sgn_f32_to_f16(p->tensor.data[j]) : sgn_f32_to_bf16(p->tensor.data[j]);
        }
        const char *where = directory("mapped", &m);
        write_arrays(&a, "safetensors", in(where, "model.safetensors"));
        check_ok(sgn_model_load(&copied, where, false, &err), &err);
        check_ok(map(&got, &copied.config, where, &err), &err);
        assert_int_equal(sgn_params_stored_bytes(&got.params), (size_t)matrices * sgn_dtype_bytes(types[i % 3]));
        assert_int_equal(sgn_params_bytes(&got.params), (size_t)(small + latent) * sizeof(sgn_real) + got.params.planes_bytes);
        assert_int_equal(sgn_params_numel(&got.params), sgn_params_numel(&copied.params));
        assert_memory_equal(got.params.planes, copied.params.planes, copied.params.planes_bytes);
        for (int k = 0; k < got.params.count; k++) {
            const sgn_tensor *x = &got.params.at[k].tensor, *y = &copied.params.at[k].tensor;
            const int64_t cols = x->shape.dim[x->shape.rank - 1];
            static sgn_real row[256];
            for (int64_t r = 0; r < sgn_numel(x->shape) / cols; r++) {
                const sgn_real *have = x->data ? x->data + r * cols : row;
                if (!x->data) sgn_kernels_get()->to_real[x->stored.dtype](row, sgn_stored_row(x->stored, cols, r), cols);
                assert_memory_equal(have, y->data + r * cols, (size_t)cols * sizeof *row);
            }
        }
        sgn_transformer_free(&m), sgn_transformer_free(&copied), sgn_transformer_free(&got);
    }
}

/* HDF5 cannot be mapped, I8 is no type of weights, a wrong shape is refused as ever; neither is a file that ends early taken. */
static void not_mapped(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m, got;
    static const int8_t bytes[24 * 70] = { 1 };
    make(&m, config(""), 3);
    arrays a = collect(&m, "weights/");
    const char *where = directory("h5", &m);
    write_arrays(&a, "h5", in(where, "shard-0000.h5"));
    check_ok(map(&got, &m.config, where, &err), &err);
    assert_null(got.files);
    assert_int_equal(sgn_params_stored_bytes(&got.params), 0);
    same_model(&got, &m);
    sgn_transformer_free(&got);

    a = collect(&m, "");
    const int i = place(&a, "model.layers.0.mlp.up_proj.weight");
    put(&a, "other", SGN_DTYPE_I8, 2, a.at[i].dim, bytes);
    const sgn_array as = a.at[i];
    a.at[i] = sgn_array_make(as.name, SGN_DTYPE_I8, 2, as.dim);
    a.data[i] = bytes;
    where = directory("bytes", &m);
    write_arrays(&a, "safetensors", in(where, "model.safetensors"));
    check_ok(map(&got, &m.config, where, &err), &err);
    assert_non_null(got.files);
    assert_true(sgn_params_find(&got.params, as.name)->tensor.data[0] == 1);
    sgn_transformer_free(&got);
    a.at[i] = sgn_array_make(as.name, SGN_DTYPE_I8, 2, (int64_t[]){ 24, 70 });
    write_arrays(&a, "safetensors", in(where, "model.safetensors"));
    check_fails(map(&got, &m.config, where, &err), SGN_SHAPE, &err, "is (24, 70), but the model needs (70, 24)");
    sgn_transformer_free(&got);
    assert_int_equal(truncate(in(where, "model.safetensors"), 9000), 0);
    check_fails(map(&got, &m.config, where, &err), SGN_FORMAT, &err, "model.safetensors");
    sgn_transformer_free(&got);
    sgn_transformer_free(&m);
}

/* --- refused ------------------------------------------------------------------------------------------------------ */

typedef enum { DROP, RESHAPE, POISON, FLATTEN, EMPTY } damage_kind;
static const struct { damage_kind kind; const char *name; sgn_status status; const char *says; } damages[] = {
    { DROP, "model.norm.weight", SGN_FORMAT, "no tensor 'model.norm.weight' (24)" },
    { DROP, "lm_head.weight", SGN_FORMAT, "set model.tied_head: true" },
    { DROP, "model.layers.1.mlp.down_proj.bias", SGN_FORMAT, "model.mlp_bias" },
    { DROP, "model.layers.0.self_attn.k_proj.weight", SGN_FORMAT, "k_proj.weight' (12, 24)" },
    { DROP, "model.layers.0.self_attn.k_proj.wbias", SGN_FORMAT, "set model.scales and model.shift" },
    { RESHAPE, "model.embed_tokens.weight", SGN_SHAPE, "is (24, 19), but the model needs (19, 24)" },
    { RESHAPE, "model.layers.0.self_attn.k_proj.weight", SGN_SHAPE, "is (24, 12), but the model needs (12, 24)" },
    { POISON, "model.layers.1.self_attn.o_proj.weight", SGN_NUMERIC, "'model.layers.1.self_attn.o_proj.weight' has nan at index 5" },
    { POISON, "model.layers.1.input_layernorm.weight", SGN_NUMERIC, "input_layernorm.weight' has nan" },
    { POISON, "model.layers.1.mlp.up_proj.wscale", SGN_NUMERIC, "up_proj.wscale' has nan at index 5" },             /* rule 31 */
    { FLATTEN, "model.layers.0.mlp.up_proj.weight", SGN_SHAPE, "up_proj.weight' is (1680)" },                     /* rule 20 */
    { EMPTY, "model.layers.0.mlp.up_proj.weight", SGN_SHAPE, "up_proj.weight' is (0, 24)" },                      /* rule 21 */
};

static void damaged(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m, got;
    sgn_model_config c = config("attention,mlp");
    c.mlp_bias = true;
    make(&m, c, 3);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        arrays a = collect(&m, "");
        const char *where = directory("damaged", &m);
        const int k = place(&a, damages[i].name);
        sgn_real *value = sgn_params_find(&m.params, damages[i].name)->tensor.data + 5;
        const sgn_real kept = *value;
        if (damages[i].kind == DROP) drop(&a, damages[i].name);
        if (damages[i].kind == RESHAPE) a.at[k] = sgn_array_make(a.at[k].name, SGN_DTYPE_F32, 2, (int64_t[]){ a.at[k].dim[1], a.at[k].dim[0] });
        if (damages[i].kind == FLATTEN) a.at[k] = sgn_array_make(a.at[k].name, SGN_DTYPE_F32, 1, (int64_t[]){ a.at[k].dim[0] * a.at[k].dim[1] });
        if (damages[i].kind == EMPTY) a.at[k] = sgn_array_make(a.at[k].name, SGN_DTYPE_F32, 2, (int64_t[]){ 0, a.at[k].dim[1] });
        if (damages[i].kind == POISON) *value = (sgn_real)NAN;
        write_arrays(&a, "safetensors", in(where, "model.safetensors"));
        *value = kept;
        check_fails(sgn_model_load(&got, where, false, &err), damages[i].status, &err, damages[i].says);
        assert_non_null(strstr(err.text, where));
        sgn_transformer_free(&got);                            /* as after any failure */
    }
    sgn_transformer_free(&m);
}

static void no_model(void **state) {
    (void)state;
    sgn_error err;
    sgn_path out;
    check_fails(sgn_model_resolve(check_path("nowhere"), "distill.teacher", &out, &err), SGN_IO, &err, "distill.teacher: ");
    check_ok(sgn_make_directories(check_path("empty"), &err), &err);
    check_fails(sgn_model_resolve(check_path("empty"), "init", &out, &err), SGN_IO, &err, "holds no model");
    sgn_transformer m;
    make(&m, config(""), 3);
    check_fails(sgn_model_load_weights(&m, check_path("empty"), &err), SGN_IO, &err, "holds no weights");
    sgn_transformer_free(&m);
}

/* --- runs ------------------------------------------------------------------------------------------------------------ */

static void checkpoint(const char *name, uint64_t seed) {
    sgn_error err;
    sgn_transformer m;
    make(&m, config("attention,mlp"), seed);
    const arrays a = collect(&m, "weights/");
    const char *where = directory(name, &m);
    write_arrays(&a, "h5", in(where, "shard-0000.h5"));
    check_ok(sgn_manifest_write(where, &err), &err);
    sgn_transformer_free(&m);
}

static void newest_that_verifies(void **state) {
    (void)state;
    sgn_error err;
    sgn_path out;
    checkpoint("run/checkpoints/step-00000100", 1);
    checkpoint("run/checkpoints/step-00000200", 2);
    check_ok(sgn_model_resolve(check_path("run"), "model", &out, &err), &err);
    assert_non_null(strstr(out.s, "step-00000200"));
    const char *broken = check_path("run/checkpoints/step-00000200");
    FILE *f = fopen(in(broken, "shard-0000.h5"), "r+b");
    fseek(f, 4000, SEEK_SET);
    fputc('x', f), fputc('y', f);
    fclose(f);
    sgn_log_to(listen, NULL);
    warnings = 0;
    check_ok(sgn_model_resolve(check_path("run"), "model", &out, &err), &err);
    assert_non_null(strstr(out.s, "step-00000100"));
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(warning, "step-00000200"));
    sgn_transformer m, got;
    make(&m, config("attention,mlp"), 1);
    loads_as(check_path("run"), &m);
    check_fails(sgn_model_load(&got, broken, false, &err), SGN_FORMAT, &err, "shard-0000.h5");
    check_ok(sgn_remove_tree(check_path("run/checkpoints/step-00000100"), &err), &err);
    check_fails(sgn_model_resolve(check_path("run"), "init", &out, &err), SGN_IO, &err, "has no complete checkpoint");
    check_ok(sgn_remove_tree(broken, &err), &err);
    check_fails(sgn_model_resolve(check_path("run"), "init", &out, &err), SGN_IO, &err, "train it until it has saved one");
    sgn_log_to(NULL, NULL);
    sgn_transformer_free(&m);
}

/* FBI-LLM's names beside a config.json of LlamaForCausalLM: what is binary is read off the arrays. */
static void inferred(void **state) {
    (void)state;
    static const struct { const char *binary, *scales; bool shift; } cases[] = {
        { "attention,mlp", "column", true }, { "q,up", "column", false }, { "attention", "row", true },
        { "mlp", "tensor", true }, { "attention,mlp", "group128", false }, { "", "column", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sgn_error err;
        sgn_transformer m;
        sgn_model_config c = config(cases[i].binary);
        strcpy(c.scales, cases[i].scales);
        c.shift = cases[i].shift;
        c.ffn = 136;                                           /* two groups */
        make(&m, c, 3);
        const arrays a = collect(&m, "");
        const char *where = directory("inferred", &m);
        write_arrays(&a, "safetensors", in(where, "model.safetensors"));
        sgn_json *j = sgn_model_config_to_json(&m.config);
        sgn_json_set(j, "signum", sgn_json_new_null());
        check_ok(sgn_json_save(j, 2, in(where, "config.json"), &err), &err);
        sgn_json_free(j);
        loads_as(where, &m);
        sgn_transformer_free(&m);
    }
}

/* --- what is said but not refused -------------------------------------------------------------------------------------- */

static void warned(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m, other;
    make(&m, config("attention,mlp"), 3);
    make(&other, config("attention"), 3);
    sgn_param *up = sgn_params_find(&m.params, "model.layers.0.mlp.up_proj.weight");
    memset(up->tensor.data, 0, (size_t)sgn_numel(up->tensor.shape) * sizeof(sgn_real));
    arrays a = collect(&m, "");
    const int i = place(&a, "model.layers.0.mlp.up_proj.wscale");   /* other programs keep it as (1, in) */
    a.at[i] = sgn_array_make(a.at[i].name, SGN_DTYPE_F32, 2, (int64_t[]){ 1, 24 });
    const char *where = directory("warned", &m);
    write_arrays(&a, "safetensors", in(where, "model.safetensors"));
    sgn_log_to(listen, NULL);
    warnings = 0;
    sgn_params_refresh_signs(&m.params);
    loads_as(where, &m);
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(warning, "all latent weights of 'model.layers.0.mlp.up_proj.weight' are 0"));
    warnings = 0;
    check_ok(sgn_model_load_weights(&other, where, &err), &err);    /* its mlp is full: 2 x 3 x (wscale, wbias) have no place */
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(warning, "and 11 more arrays are left out"));
    sgn_log_to(NULL, NULL);
    sgn_transformer_free(&m), sgn_transformer_free(&other);
}

static int begin(void **state) {
    return sgn_gemm_init(NULL) == SGN_OK ? check_begin(state) : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole), cmocka_unit_test(shards), cmocka_unit_test(pieces), cmocka_unit_test(warm_start),
        cmocka_unit_test(packed), cmocka_unit_test(mapped), cmocka_unit_test(not_mapped), cmocka_unit_test(damaged), cmocka_unit_test(no_model), cmocka_unit_test(newest_that_verifies),
        cmocka_unit_test(inferred), cmocka_unit_test(warned),
    };
    return cmocka_run_group_tests(tests, begin, check_end);
}
