/* Every format row, over every kind of model: written, reopened, the same logits; packed files that are wrong are refused.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include <sys/stat.h>
#include "core/archive.h"
#include "core/digest.h"
#include "core/kernels/kernels.h"
#include "core/quantize.h"
#include "data/tokenizer.h"
#include "export/format.h"
#include "export/runtime.h"
#include "model/model_load.h"
#include "tests/export/small_model.h"

enum { N = 23, DIM = 136 };

static int32_t tokens[N];
static float want[N * SMALL_VOCAB], got[N * SMALL_VOCAB];

static void file_logits(const char *where, float *logits) {
    sgn_error err;
    sgn_model_file *f;
    sgn_runtime *r;
    const float *hidden;
    check_ok(sgn_model_file_open(&f, where, SGN_VERIFY_SMALL, &err), &err);
    check_ok(sgn_runtime_open(&r, sgn_model_file_lowered(f), &(sgn_runtime_options){ .context = SMALL_CONTEXT, .batch = N }, &err), &err);
    check_ok(sgn_runtime_hidden(r, tokens, N, &hidden, &err), &err);
    for (int t = 0; t < N; t++) sgn_runtime_logits(r, hidden + t * sgn_model_file_lowered(f)->config.dim, logits + t * SMALL_VOCAB);
    sgn_runtime_close(r);
    sgn_model_file_close(f);
}

/* Planes are words that run where they lie: each begins at a multiple of 8 bytes. */
static void check_planes_lie_even(const char *directory) {
    sgn_error err;
    sgn_archive a;
    char path[600];
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    check_ok(sgn_archive_open(&a, path, &err), &err);
    for (int i = 0; i < a.count; i++)
        if (strstr(a.at[i].name, ".sign")) assert_int_equal((uintptr_t)a.kind->map(&a, i) % 8, 0);
    sgn_archive_close(&a);
}

/* The same model by a reader that shares nothing with us: numpy, from the documents. */
static void check_foreign_reader(const char *directory, bool gguf) {
    char command[1024];
    snprintf(command, sizeof command, "/usr/bin/python3 tests/clients/%s '%s%s' %d %d %d %d %d >'%s'",
             gguf ? "gguf_numpy.py" : "llama_numpy.py", directory, gguf ? "/model.gguf" : "",
             tokens[0], tokens[1], tokens[2], tokens[3], tokens[4], check_path("foreign"));
    assert_int_equal(system(command), 0);
    sgn_error err;
    char *raw;
    size_t size;
    check_ok(sgn_file_read(check_path("foreign"), 1 << 20, &raw, &size, &err), &err);
    assert_int_equal(size, 5 * SMALL_VOCAB * sizeof(float));
    check_array_close((const float *)(const void *)raw, want, 5 * SMALL_VOCAB, 1e-4, 0);
    free(raw);
}

static bool has_numpy(void) { return system("/usr/bin/python3 -c 'import numpy' 2>/dev/null") == 0; }

static void check_format(const char *format, const sgn_transformer *m, const sgn_export_options *o) {
    sgn_error err;
    const char *to = check_path("exported");
    check_ok(sgn_export(format, to, m, o, true, &err), &err);
    check_ok(sgn_manifest_verify(to, &err), &err);
    memset(got, 0, sizeof got);
    file_logits(to, got);
    check_array_close(got, want, N * SMALL_VOCAB, 1e-4, 0);
}

/* Does a numpy program know this model, and does GGUF? */
static bool is_plain(const sgn_model_config *c) {
    return strcmp(c->arch, "llama") == 0 && strcmp(c->rope_type, "linear") == 0 && !c->qk_norm && !c->qkv_bias;
}
/* Formats may have no words for a GPT-2, and say so. */
static bool refused_by(const char *format, const sgn_transformer *m) {
    sgn_error err = { 0 };
    if (strcmp(m->config.arch, "gpt2")) return false;
    if (sgn_export(format, check_path("exported"), m, &(sgn_export_options){ 0 }, true, &err) == SGN_OK) return false;
    assert_true(strcmp(format, "packed") != 0 && err.status == SGN_UNSUPPORTED && strstr(err.text, "gpt2"));
    return true;
}

static void every_format_keeps_the_logits(void **state) {
    (void)state;
    const bool numpy = has_numpy();
    if (!numpy) check_skipped("no numpy for /usr/bin/python3; no foreign program read the exported files");
    small_tokens(tokens, N, 5);
    for (int i = 0; i < SMALL_CASES; i++) {
        sgn_transformer m;
        small_model(&m, &small_cases[i], (uint64_t)i);
        small_logits(&m, tokens, N, want);
        for (int k = 0; sgn_format_at(k); k++) {
            if (refused_by(sgn_format_at(k)->name, &m)) continue;
            check_format(sgn_format_at(k)->name, &m, &(sgn_export_options){ 0 });
            assert_non_null(sgn_format_at(k)->summary);
            if (strcmp(sgn_format_at(k)->name, "packed") == 0) check_planes_lie_even(check_path("exported"));
            if (numpy && is_plain(&m.config)) check_foreign_reader(check_path("exported"), strcmp(sgn_format_at(k)->name, "gguf") == 0);
        }
        if (!refused_by("hf", &m)) {
            check_format("hf", &m, &(sgn_export_options){ .latent = true });
            check_format("hf", &m, &(sgn_export_options){ .shard_bytes = 200000 });
            check_format("hf", &m, &(sgn_export_options){ .shard_bytes = 100000, .latent = true });
        }
        sgn_transformer_free(&m);
    }
}

static void kinds_bytes_and_tokenizer(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m;
    sgn_model_file *f;
    sgn_tokenizer *t;
    struct stat st;
    small_model(&m, &small_cases[2], 1);
    check_ok(sgn_tokenizer_open(&t, "byte", &err), &err);
    check_ok(sgn_tokenizer_save(t, check_path("tokenizer.json"), &err), &err);
    const sgn_export_options o = { .tokenizer = check_path("tokenizer.json") };
    for (int k = 0; sgn_format_at(k); k++) {
        const char *to = check_path("with-tokenizer");
        sgn_tokenizer *again;
        check_ok(sgn_export(sgn_format_at(k)->name, to, &m, &o, true, &err), &err);
        check_ok(sgn_model_file_open(&f, to, SGN_VERIFY_SMALL, &err), &err);
        assert_string_equal(sgn_model_file_kind(f), sgn_format_at(k)->name);
        const bool gguf = strcmp(sgn_format_at(k)->name, "gguf") == 0;
        assert_int_equal(stat(check_path(gguf ? "with-tokenizer/model.gguf" : "with-tokenizer/model.safetensors"), &st), 0);
        assert_int_equal(sgn_model_file_bytes(f), st.st_size);
        const sgn_bit_count n = sgn_lowered_model_count(sgn_model_file_lowered(f));
        if (n.binary_weights) {                    /* what is counted is what is there, up to the header */
            assert_int_equal(n.binary_weights + n.scales + n.parameters, sgn_params_numel(&m.params));
            assert_in_range(st.st_size - n.binary_bytes - n.dense_bytes, 0, 16384);
        }
        check_ok(sgn_tokenizer_open(&again, sgn_model_file_tokenizer(f), &err), &err);
        assert_string_equal(sgn_tokenizer_hash(again), sgn_tokenizer_hash(t));
        sgn_tokenizer_close(again);
        sgn_model_file_close(f);
        if (gguf) continue;                        /* its values are a test of their own */
        sgn_json *config;
        check_ok(sgn_json_load(&config, check_path("with-tokenizer/config.json"), 1 << 20, &err), &err);
        assert_int_equal(sgn_json_int(sgn_json_get(config, "eos_token_id"), -1), 256);     /* <|endoftext|> of the byte tokenizer */
        assert_int_equal(sgn_json_typeof(sgn_json_get(config, "bos_token_id")), SGN_JSON_NULL);
        sgn_json_free(config);
    }
    assert_true(sgn_file_exists(check_path("with-tokenizer/tokenizer_config.json")));      /* hf is the last row */
    sgn_tokenizer_close(t);
    sgn_transformer_free(&m);
}

/* Halves are what rounds each weight, nothing else; Qwen's and scaled angles come back as they were. */
static void round_params(sgn_transformer *m, sgn_dtype scales, sgn_dtype matrices) {
    for (int i = 0; i < m->params.count; i++) {
        const sgn_param *p = &m->params.at[i];
        const int64_t n = sgn_numel(p->tensor.shape);
        const bool matrix = p->class == SGN_PARAM_MATRIX || p->class == SGN_PARAM_HEAD || (p->class == SGN_PARAM_EMBEDDING && i != m->positions);
        const sgn_dtype type = p->class == SGN_PARAM_SCALE ? scales : matrix ? matrices : SGN_DTYPE_F32;
        void *raw = malloc((size_t)n * sizeof(float));
        sgn_quantize(type, p->tensor.data, n, raw);
        sgn_kernels_get()->to_real[type](p->tensor.data, raw, n);
        free(raw);
    }
}

/* Each type of scales and of matrices: the logits are those of the model whose numbers are rounded so, run in place and loaded back. */
static void packed_rounds_what_it_is_told(void **state) {
    (void)state;
    static const char *const words[] = { "f32", "f16", "q8_0" };
    static const sgn_dtype types[] = { SGN_DTYPE_F32, SGN_DTYPE_F16, SGN_DTYPE_Q8_0 };
    static float again[N * SMALL_VOCAB];
    const bool numpy = has_numpy();
    sgn_error err;
    small_tokens(tokens, N, 5);
    for (int i = 0; i < SMALL_CASES; i++) {
        const int scales = i % 2, type = (i + 1) % 3;
        sgn_transformer m, loaded;
        sgn_model_file *f;
        small_case kind = small_cases[i];
        kind.dim = 160, kind.ffn = 224;       /* whole blocks of 32 */
        small_model(&m, &kind, (uint64_t)i);
        const sgn_export_options o = { .scales = words[scales], .type = words[type] };
        check_ok(sgn_export("packed", check_path("exported"), &m, &o, true, &err), &err);
        round_params(&m, types[scales], types[type]);
        small_logits(&m, tokens, N, want);
        file_logits(check_path("exported"), got);
        check_array_close(got, want, N * SMALL_VOCAB, 1e-4, 0);
        check_ok(sgn_model_file_open(&f, check_path("exported"), SGN_VERIFY_ALL, &err), &err);
        assert_int_equal(sgn_model_file_lowered(f)->head.dtype, types[type]);
        assert_int_equal(sgn_model_file_lowered(f)->embedding.dtype, types[type]);
        sgn_model_file_close(f);
        check_ok(sgn_model_load(&loaded, check_path("exported"), false, &err), &err);
        small_logits(&loaded, tokens, N, again);
        check_array_close(again, want, N * SMALL_VOCAB, 1e-4, 0);
        if (numpy && is_plain(&m.config)) check_foreign_reader(check_path("exported"), false);
        sgn_transformer_free(&loaded);
        sgn_transformer_free(&m);
    }
}

/* By name, and before anything is written. */
static void packed_refuses_what_it_cannot_hold(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m;
    small_model(&m, &small_cases[2], 4);
    check_fails(sgn_export("packed", check_path("refused"), &m, &(sgn_export_options){ .type = "q8_0" }, false, &err), SGN_UNSUPPORTED, &err,
                "model.embed_tokens: its rows of 136 numbers are no whole blocks of 32");
    check_fails(sgn_export("packed", check_path("refused"), &m, &(sgn_export_options){ .type = "bf16" }, false, &err), SGN_CONFIG, &err, "f32, f16, q8_0");
    check_fails(sgn_export("packed", check_path("refused"), &m, &(sgn_export_options){ .scales = "q8" }, false, &err), SGN_CONFIG, &err, "f32 or f16");
    sgn_params_find(&m.params, "model.layers.1.mlp.up_proj.wscale")->tensor.data[3] = 1e6f;
    check_fails(sgn_export("packed", check_path("refused"), &m, &(sgn_export_options){ .scales = "f16" }, false, &err), SGN_NUMERIC, &err,
                "model.layers.1.mlp.up_proj.wscale: it has numbers too large for F16");
    assert_false(sgn_file_exists(check_path("refused")));
    sgn_transformer_free(&m);
}

static void gguf_keeps_shapes_and_halves(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m;
    sgn_model_config c;
    small_tokens(tokens, N, 5);
    small_model(&m, &small_cases[1], 3);
    small_logits(&m, tokens, N, want);
    check_ok(sgn_export("gguf", check_path("half"), &m, &(sgn_export_options){ .type = "f16" }, true, &err), &err);
    file_logits(check_path("half"), got);
    check_array_close(got, want, N * SMALL_VOCAB, 2e-2, 0);
    sgn_archive a;
    check_ok(sgn_archive_open(&a, check_path("half/model.gguf"), &err), &err);
    for (int i = 0; i < a.count; i++) assert_int_equal(a.at[i].dtype, a.at[i].rank == 2 ? SGN_DTYPE_F16 : SGN_DTYPE_F32);
    sgn_archive_close(&a);
    sgn_transformer_free(&m);
    static const struct { bool qkv_bias, qk_norm; const char *rope_type; double scaling; int64_t original; const char *arch; } other[] = {
        { true, false, "", 1, 0, "qwen2" }, { false, true, "", 1, 0, "qwen3" }, { false, false, "linear", 3, 0, "llama" },
        { false, false, "yarn", 4, 12, "llama" }, { false, false, "llama3", 8, 8192, "llama" } };
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        c = small_config(&small_cases[0]);
        c.qkv_bias = other[i].qkv_bias;
        c.qk_norm = other[i].qk_norm;
        c.rope_scaling = other[i].scaling;
        c.rope_original = other[i].original;
        small_text(c.rope_type, other[i].rope_type, "");
        check_ok(sgn_transformer_init(&m, &c, false, &err), &err);
        check_ok(sgn_transformer_commit(&m, &err), &err);
        sgn_transformer_randomize(&m, 4);
        small_logits(&m, tokens, N, want);
        check_format("gguf", &m, &(sgn_export_options){ 0 });
        check_ok(sgn_archive_open(&a, check_path("exported/model.gguf"), &err), &err);
        assert_string_equal(a.kind->note(&a, "general.architecture"), other[i].arch);
        sgn_archive_close(&a);
        check_ok(sgn_model_load_config(check_path("exported"), NULL, &c, &err), &err);
        assert_true(c.qkv_bias == other[i].qkv_bias && c.qk_norm == other[i].qk_norm && fabs(c.rope_scaling - other[i].scaling) < 1e-4);
        sgn_transformer_free(&m);
    }
    c = small_config(&small_cases[0]);
    c.qkv_bias = c.mlp_bias = true;
    check_ok(sgn_transformer_init(&m, &c, false, &err), &err);
    check_ok(sgn_transformer_commit(&m, &err), &err);
    sgn_transformer_randomize(&m, 4);
    check_fails(sgn_export("gguf", check_path("none"), &m, &(sgn_export_options){ 0 }, true, &err), SGN_UNSUPPORTED, &err, "biases");
    assert_false(sgn_file_exists(check_path("none")));
    sgn_transformer_free(&m);
}

/* Every number of a Hugging Face directory is the exported one rounded to nearest even, and torch_dtype says to what; too large a number is refused by name. */
static void hf_rounds_to_its_type(void **state) {
    (void)state;
    static const struct { const char *word, *torch; sgn_dtype type; double near, most; } kinds[] = {
        { "f32", "float32", SGN_DTYPE_F32, 3e-4, 3e38 }, { "f16", "float16", SGN_DTYPE_F16, 0.1, 65519 }, { "bf16", "bfloat16", SGN_DTYPE_BF16, 0.8, 3.38e38 } };
    sgn_error err;
    sgn_transformer m;
    sgn_archive exact, a;
    sgn_json *config;
    float *x = malloc(SMALL_VOCAB * 4 * DIM * sizeof *x), *y = malloc(SMALL_VOCAB * 4 * DIM * sizeof *y);
    small_tokens(tokens, N, 5);
    for (int i = 0; i < 3; i++) {
        small_model(&m, &small_cases[2], 3);
        small_logits(&m, tokens, N, want);
        check_ok(sgn_export("hf", check_path("exact"), &m, NULL, true, &err), &err);
        check_ok(sgn_export("hf", check_path("typed"), &m, &(sgn_export_options){ .type = kinds[i].word, .shard_bytes = i ? 100000 : 0 }, true, &err), &err);
        file_logits(check_path("typed"), got);
        check_array_close(got, want, N * SMALL_VOCAB, kinds[i].near, 0);
        check_ok(sgn_json_load(&config, check_path("typed/config.json"), 1 << 20, &err), &err);
        assert_string_equal(sgn_json_string(sgn_json_get(config, "torch_dtype"), ""), kinds[i].torch);
        sgn_json_free(config);
        assert_true(sgn_file_exists(check_path("typed/generation_config.json")));
        check_ok(sgn_archive_open(&exact, check_path("exact/model.safetensors"), &err), &err);
        check_ok(sgn_archive_open(&a, check_path(i ? "typed/model.safetensors.index.json" : "typed/model.safetensors"), &err), &err);
        assert_int_equal(a.count, exact.count);
        for (int k = 0; k < a.count; k++) {
            const int64_t n = (int64_t)sgn_array_numel(&a.at[k]);
            assert_int_equal(a.at[k].dtype, kinds[i].type);
            check_ok(sgn_archive_read_f32(&exact, sgn_archive_find(&exact, a.at[k].name), x, n, &err), &err);
            check_ok(sgn_archive_read_f32(&a, k, y, n, &err), &err);
            for (int64_t j = 0; j < n; j++)
                assert_true(y[j] == (i == 0 ? x[j] : i == 1 ? sgn_f16_to_f32(sgn_f32_to_f16(x[j])) : sgn_bf16_to_f32(sgn_f32_to_bf16(x[j]))));
        }
        sgn_archive_close(&a);
        sgn_archive_close(&exact);
        float *norm = sgn_params_find(&m.params, "model.layers.1.input_layernorm.weight")->tensor.data;
        norm[7] = (float)kinds[i].most;                /* 65519 still rounds to 65504 */
        check_ok(sgn_export("hf", check_path("typed"), &m, &(sgn_export_options){ .type = kinds[i].word }, true, &err), &err);
        norm[7] = i == 1 ? 65520 : 3.4e38f;
        if (i) check_fails(sgn_export("hf", check_path("large"), &m, &(sgn_export_options){ .type = kinds[i].word }, true, &err), SGN_NUMERIC, &err,
                           "model.layers.1.input_layernorm.weight");
        assert_false(sgn_file_exists(check_path("large")));
        sgn_transformer_free(&m);
    }
    small_model(&m, &small_cases[2], 3);
    check_fails(sgn_export("hf", check_path("large"), &m, &(sgn_export_options){ .type = "f17" }, true, &err), SGN_CONFIG, &err, "f32, f16, bf16");
    check_fails(sgn_export("hf", check_path("large"), &m, &(sgn_export_options){ .type = "f16", .latent = true }, true, &err), SGN_CONFIG, &err, "sign");
    sgn_transformer_free(&m);
    free(x);
    free(y);
}

/* The vocabulary in the lists that llama.cpp reads, for byte-level BPE and for SentencePiece's; else left out. */
static void gguf_says_the_tokenizer(void **state) {
    (void)state;
    static const char level[] = "{\"added_tokens\": [{\"id\": 3, \"content\": \"<|endoftext|>\", \"special\": true}],"
        "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"use_regex\": true}, \"model\": {\"type\": \"BPE\","
        "\"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}, \"merges\": [\"a b\"]}}";
    static const char spm[] = "{\"added_tokens\": [{\"id\": 0, \"content\": \"<unk>\", \"special\": true}, {\"id\": 1, \"content\": \"<s>\", \"special\": true},"
        "{\"id\": 2, \"content\": \"</s>\", \"special\": true}], \"model\": {\"type\": \"BPE\", \"byte_fallback\": true, \"unk_token\": \"<unk>\","
        "\"vocab\": {\"<unk>\": 0, \"<s>\": 1, \"</s>\": 2, \"<0x41>\": 3, \"a\": 4}, \"merges\": []}}";
    static const char other[] = "{\"model\": {\"type\": \"Unigram\", \"vocab\": []}}";
    static const char *const files[] = { level, spm, other };
    sgn_error err;
    sgn_transformer m;
    sgn_archive a;
    int64_t n;
    bool is;
    small_model(&m, &small_cases[0], 1);
    for (int i = 0; i < 3; i++) {
        check_ok(sgn_file_write(check_path("t.json"), files[i], strlen(files[i]), &err), &err);
        check_ok(sgn_export("gguf", check_path("told"), &m, &(sgn_export_options){ .tokenizer = check_path("t.json") }, true, &err), &err);
        assert_true(sgn_file_exists(check_path("told/tokenizer.json")));
        check_ok(sgn_archive_open(&a, check_path("told/model.gguf"), &err), &err);
        const sgn_meta *tokens_ = sgn_archive_meta(&a, "tokenizer.ggml.tokens"), *type = sgn_archive_meta(&a, "tokenizer.ggml.token_type");
        if (i == 2) assert_true(!tokens_ && strcmp(a.kind->note(&a, "tokenizer.ggml.model"), "no_vocab") == 0);
        else assert_true(tokens_->count == SMALL_VOCAB && type->count == SMALL_VOCAB);
        if (i == 0) {
            assert_string_equal(a.kind->note(&a, "tokenizer.ggml.model"), "gpt2");
            assert_string_equal(a.kind->note(&a, "tokenizer.ggml.pre"), "gpt-2");
            assert_string_equal(sgn_meta_text(tokens_, 2), "ab");
            assert_string_equal(sgn_meta_text(tokens_, 3), "<|endoftext|>");
            assert_string_equal(sgn_meta_text(tokens_, 96), "[PAD96]");
            assert_string_equal(sgn_meta_text(sgn_archive_meta(&a, "tokenizer.ggml.merges"), 0), "a b");
            assert_true(sgn_meta_int(type, 2, &n) && n == 1 && sgn_meta_int(type, 3, &n) && n == 3 && sgn_meta_int(type, 96, &n) && n == 5);
            assert_true(sgn_meta_int(sgn_archive_meta(&a, "tokenizer.ggml.eos_token_id"), 0, &n) && n == 3);
            assert_true(sgn_meta_bool(sgn_archive_meta(&a, "tokenizer.ggml.add_bos_token"), 0, &is) && !is);
        } else if (i == 1) {
            assert_string_equal(a.kind->note(&a, "tokenizer.ggml.model"), "llama");
            assert_true(sgn_meta_int(type, 0, &n) && n == 2 && sgn_meta_int(type, 1, &n) && n == 3 && sgn_meta_int(type, 3, &n) && n == 6);
            assert_true(sgn_archive_meta(&a, "tokenizer.ggml.scores")->count == SMALL_VOCAB);
            assert_true(sgn_meta_int(sgn_archive_meta(&a, "tokenizer.ggml.bos_token_id"), 0, &n) && n == 1);
            assert_true(sgn_meta_bool(sgn_archive_meta(&a, "tokenizer.ggml.add_bos_token"), 0, &is) && is);
        }
        sgn_archive_close(&a);
    }
    sgn_transformer_free(&m);
}

/* FBI-LLM's code loads scales in the shapes that it declares, and no others. */
static void latent_scales_have_the_shapes_of_fbi(void **state) {
    (void)state;
    static const struct { int small; int rank; int64_t dim[2]; } cases[] = { { 2, 2, { 1, 200 } }, { 4, 2, { DIM, 1 } }, { 6, 1, { 1, 0 } } };
    static const char *const names[] = { "model.layers.1.mlp.down_proj.wscale", "model.layers.1.mlp.down_proj.wbias" };
    sgn_error err;
    sgn_transformer m;
    sgn_archive a;
    for (int i = 0; i < 3; i++) {
        small_model(&m, &small_cases[cases[i].small], 2);
        check_ok(sgn_export("hf", check_path("fbi"), &m, &(sgn_export_options){ .latent = true }, true, &err), &err);
        check_ok(sgn_archive_open(&a, check_path("fbi/model.safetensors"), &err), &err);
        for (int k = 0; k < 2; k++) {
            const int at = sgn_archive_find(&a, names[k]);
            assert_true(at >= 0);
            assert_int_equal(a.at[at].rank, cases[i].rank);
            for (int d = 0; d < cases[i].rank; d++) assert_int_equal(a.at[at].dim[d], cases[i].dim[d]);
        }
        sgn_archive_close(&a);
        sgn_transformer_free(&m);
    }
}

/* And in every layer, though q, k and v learn one. */
static void shared_scales_are_in_every_layer(void **state) {
    (void)state;
    static const char *const names[] = { "q_proj", "k_proj", "v_proj" };
    sgn_error err;
    sgn_transformer m;
    sgn_archive a;
    small_model(&m, &small_cases[SMALL_CASES - 1], 2);
    check_ok(sgn_export("hf", check_path("shared"), &m, &(sgn_export_options){ .latent = true }, true, &err), &err);
    check_ok(sgn_archive_open(&a, check_path("shared/model.safetensors"), &err), &err);
    for (int64_t n = 0; n < m.config.layers; n++) for (int k = 0; k < 3; k++) {
        char name[SGN_ARRAY_NAME];
        float scale[DIM];
        snprintf(name, sizeof name, "model.layers.%lld.self_attn.%s.wscale", (long long)n, names[k]);
        const int at = sgn_archive_find(&a, name);
        assert_true(at >= 0 && a.at[at].rank == 2 && a.at[at].dim[0] == 1 && a.at[at].dim[1] == DIM);
        check_ok(sgn_archive_read_f32(&a, at, scale, DIM, &err), &err);
        const sgn_linear *q = &m.blocks[n].linear[SGN_Q];
        assert_memory_equal(scale, m.params.at[q->p[1]].tensor.data, sizeof scale);
    }
    sgn_archive_close(&a);
    sgn_transformer_free(&m);
}

/* The latents come back as they were; a packed model loads as latents of +-1 with the same scales. */
static void loads_back_as_a_model(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m, again;
    small_model(&m, &small_cases[6], 2);
    check_ok(sgn_export("hf", check_path("latent"), &m, &(sgn_export_options){ .latent = true }, false, &err), &err);
    check_ok(sgn_model_load(&again, check_path("latent"), false, &err), &err);
    assert_int_equal(again.params.count, m.params.count);
    for (int i = 0; i < m.params.count; i++) {
        const sgn_tensor *a = &m.params.at[i].tensor, *b = &sgn_params_find(&again.params, m.params.at[i].name)->tensor;
        assert_memory_equal(a->data, b->data, (size_t)sgn_numel(a->shape) * sizeof(float));
    }
    sgn_transformer_free(&again);
    check_ok(sgn_export("packed", check_path("packed"), &m, NULL, false, &err), &err);
    check_ok(sgn_model_load(&again, check_path("packed"), false, &err), &err);
    for (int i = 0; i < m.params.count; i++) {
        const sgn_tensor *a = &m.params.at[i].tensor, *b = &sgn_params_find(&again.params, m.params.at[i].name)->tensor;
        for (int64_t j = 0; j < sgn_numel(a->shape); j++)
            assert_true(b->data[j] == (m.params.at[i].class == SGN_PARAM_LATENT ? (a->data[j] >= 0 ? 1 : -1) : a->data[j]));
    }
    sgn_transformer_free(&again);
    sgn_transformer_free(&m);
}

/* alpha s + beta, rounded once. */
static void dequantized_weights_are_exact(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m, again;
    small_model(&m, &small_cases[2], 4);
    check_ok(sgn_export("hf", check_path("dequantized"), &m, NULL, false, &err), &err);
    check_ok(sgn_model_load(&again, check_path("dequantized"), false, &err), &err);
    const sgn_tensor *w = &sgn_params_find(&m.params, "model.layers.1.mlp.down_proj.weight")->tensor;
    const float *alpha = sgn_params_find(&m.params, "model.layers.1.mlp.down_proj.wscale")->tensor.data;
    const float *beta = sgn_params_find(&m.params, "model.layers.1.mlp.down_proj.wbias")->tensor.data;
    const float *full = sgn_params_find(&again.params, "model.layers.1.mlp.down_proj.weight")->tensor.data;
    const int64_t in = w->shape.dim[1];
    for (int64_t k = 0; k < sgn_numel(w->shape); k++)
        assert_true(full[k] == (w->data[k] >= 0 ? alpha[k % in] : -alpha[k % in]) + beta[k % in]);
    sgn_transformer_free(&again);
    sgn_transformer_free(&m);
}

static sgn_status say_no(void *ctx, const char *directory, sgn_error *err) {
    *(bool *)ctx = sgn_file_exists(directory);
    SGN_FAIL(err, SGN_NUMERIC, "the check says no");
}

static void export_is_whole_or_absent(void **state) {
    (void)state;
    sgn_error err;
    sgn_transformer m;
    bool there = false;
    small_model(&m, &small_cases[2], 4);
    const char *to = check_path("whole");
    check_fails(sgn_export("pcked", to, &m, NULL, false, &err), SGN_CONFIG, &err, "'packed'");
    check_fails(sgn_export("packed", to, &m, &(sgn_export_options){ .check = say_no, .ctx = &there }, false, &err),
                SGN_NUMERIC, &err, "says no");
    assert_true(there);
    check_fails(sgn_export("packed", to, &m, &(sgn_export_options){ .tokenizer = check_path("none.json") }, false, &err),
                SGN_IO, &err, "none.json");
    assert_false(sgn_file_exists(to));
    check_ok(sgn_export("packed", to, &m, NULL, false, &err), &err);
    check_fails(sgn_export("packed", to, &m, NULL, false, &err), SGN_IO, &err, "whole");
    check_ok(sgn_export("hf", to, &m, NULL, true, &err), &err);
    sgn_transformer_free(&m);
}

/* --- packed directories that are wrong ------------------------------------------------------------- */

static char packed[512];

static void fresh(void) {
    sgn_error err;
    sgn_transformer m;
    small_model(&m, &small_cases[2], 9);
    snprintf(packed, sizeof packed, "%s", check_path("wrong"));
    check_ok(sgn_export("packed", packed, &m, NULL, true, &err), &err);
    sgn_transformer_free(&m);
}

static const char *inside(const char *name) {
    static char path[600];
    snprintf(path, sizeof path, "%s/%s", packed, name);
    return path;
}

static void check_refused(sgn_status status, const char *text) {
    sgn_error err;
    sgn_model_file *f;
    check_fails(sgn_model_file_open(&f, packed, SGN_VERIFY_SMALL, &err), status, &err, text);
    assert_null(f);
}

/* Digests that fit, so that what is behind them has to see the damage. */
static void sign_again(void) {
    sgn_error err;
    check_ok(sgn_remove_tree(inside("MANIFEST"), &err), &err);
    check_ok(sgn_manifest_write(packed, &err), &err);
}

static void replace_text(const char *file, const char *from, const char *to) {
    sgn_error err;
    char *text, *at;
    size_t size;
    check_ok(sgn_file_read(inside(file), 1 << 22, &text, &size, &err), &err);
    assert_non_null(at = strstr(text, from));
    char *out = malloc(size + strlen(to) + 1);
    const size_t head = (size_t)(at - text), tail = size - head - strlen(from);
    memcpy(out, text, head);
    memcpy(out + head, to, strlen(to));
    memcpy(out + head + strlen(to), at + strlen(from), tail);
    check_ok(sgn_file_write(inside(file), out, head + strlen(to) + tail, &err), &err);
    free(out);
    free(text);
    sign_again();
}

/* Rewrites the arrays with one changed: its bytes at `offset`, or left out, or renamed. */
static void change_array(const char *name, size_t offset, const void *bytes, size_t count, const char *rename_to) {
    sgn_error err;
    sgn_archive a;
    check_ok(sgn_archive_open(&a, inside("model.safetensors"), &err), &err);
    sgn_array *at = calloc((size_t)a.count, sizeof *at);
    void **data = calloc((size_t)a.count, sizeof *data);
    int kept = 0;
    for (int i = 0; i < a.count; i++) {
        const bool it = strcmp(a.at[i].name, name) == 0;
        if (it && !bytes && !rename_to) continue;
        at[kept] = a.at[i];
        data[kept] = malloc((size_t)a.at[i].bytes);
        check_ok(a.kind->read(&a, i, data[kept], &err), &err);
        if (it && bytes) memcpy((char *)data[kept] + offset, bytes, count);
        if (it && rename_to) snprintf(at[kept].name, sizeof at[kept].name, "%s", rename_to);
        kept++;
    }
    sgn_archive_close(&a);
    check_ok(sgn_archive_write("safetensors", inside("model.safetensors"), at, (const void *const *)data, kept, NULL, &err), &err);
    for (int i = 0; i < kept; i++) free(data[i]);
    free(data);
    free(at);
    sign_again();
}

#define UP "model.layers.1.mlp.up_proj"

static void refuses_wrong_packed_files(void **state) {
    (void)state;
    static const struct { const char *file, *from, *to, *says; sgn_status status; } edits[] = {
        { "config.json", "\"format_version\": 2", "\"format_version\": 3", "signum.format_version is 3, and this program reads 1 to 2; take a newer", SGN_UNSUPPORTED },
        { "config.json", "\"format_version\": 2", "\"format_version\": 0", "signum.format_version is missing or no version", SGN_FORMAT },
        { "config.json", "\"format_version\": 2", "\"version\": 2.5", "signum.format_version is missing or no version", SGN_FORMAT },
        { "config.json", "\"stage\": \"scale\"", "\"stage\": \"scall\"", "'scall' is not known", SGN_UNSUPPORTED },
        { "config.json", "\"stage\": \"sign\"", "\"stage\": \"masked_sign\"", "names no 'codes'", SGN_FORMAT },
        { "config.json", "\"plane\": \"sign\"", "\"plane\": \"sgn\"", "q_proj.sgn' is missing", SGN_FORMAT },
        { "config.json", "\"plane\": \"sign\"", "\"p\": \"sign\"", "names no 'plane'", SGN_FORMAT },
        { "config.json", "\"plane\": \"sign\"", "\"plane\": \"wscale\"", "a matrix", SGN_SHAPE },
        { "config.json", "\"v\": \"wscale\"", "\"v\": \"sign\"", "q_proj.sign' is U8", SGN_SHAPE },
        { "config.json", "\"v\": \"wbias\"", "\"v\": \"wscale\"", "wbias' belongs to no part", SGN_FORMAT },
        { "config.json", "\"" UP "\"", "\"" UP "s\"", UP " has 0 chains", SGN_FORMAT },
        { "config.json", "\"intermediate_size\": 200", "\"intermediate_size\": 201", "gate_proj", SGN_SHAPE },
        { "config.json", "\"vocab_size\": 97", "\"vocab_size\": 98", "embed_tokens", SGN_SHAPE },
        { "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", "14 linear layers", SGN_FORMAT },
        { "config.json", "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true", "lm_head.weight' belongs", SGN_FORMAT },
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        fresh();
        replace_text(edits[i].file, edits[i].from, edits[i].to);
        check_refused(edits[i].status, edits[i].says);
    }
}

static void refuses_wrong_arrays(void **state) {
    (void)state;
    const float nan = NAN, inf = INFINITY;
    fresh();
    change_array(UP ".sign", 24 * 3 + 17, "\x01", 1, NULL);        /* 136 columns: bit 136 of row 3 is padding */
    check_refused(SGN_FORMAT, UP ".sign' has bits set behind the 136 weights of row 3");
    fresh();
    change_array(UP ".sign", 24 * 3 + 16, "\xff", 1, NULL);        /* bits 128 to 135 are weights */
    sgn_error err;
    sgn_model_file *f;
    check_ok(sgn_model_file_open(&f, packed, SGN_VERIFY_SMALL, &err), &err);
    sgn_model_file_close(f);
    fresh();
    change_array(UP ".wscale", 20, &nan, 4, NULL);
    check_refused(SGN_FORMAT, UP ".wscale' has nan at index 5");
    fresh();
    change_array("lm_head.weight", 4, &inf, 4, NULL);
    check_refused(SGN_FORMAT, "lm_head.weight' has inf at index 1");
    fresh();
    change_array(UP ".wbias", 0, NULL, 0, NULL);
    check_refused(SGN_FORMAT, UP ".wbias' is missing");
    fresh();
    change_array("model.norm.weight", 0, NULL, 0, "model.nrm.weight");
    check_refused(SGN_FORMAT, "model.norm.weight' is missing");
}

/* Rule 113: every byte counts. */
static void digests_find_any_change(void **state) {
    (void)state;
    sgn_error err;
    fresh();
    char *text;
    size_t size;
    check_ok(sgn_file_read(inside("model.safetensors"), 1 << 24, &text, &size, &err), &err);
    for (size_t i = 0; i < 40; i++) {
        const size_t at = sgn_rng_bits(1, 2, i) % size;
        text[at] = (char)(text[at] ^ 1 << i % 8);
        check_ok(sgn_file_write(inside("model.safetensors"), text, size, &err), &err);
        check_refused(SGN_FORMAT, "model.safetensors");
        text[at] = (char)(text[at] ^ 1 << i % 8);
    }
    for (size_t cut = 1; cut < size; cut *= 3) {
        check_ok(sgn_file_write(inside("model.safetensors"), text, size - cut, &err), &err);
        check_refused(SGN_FORMAT, "model.safetensors");
    }
    free(text);
    fresh();
    check_ok(sgn_remove_tree(inside("MANIFEST"), &err), &err);
    check_refused(SGN_IO, "MANIFEST");
    fresh();
    check_ok(sgn_remove_tree(inside("model.safetensors"), &err), &err);
    check_refused(SGN_IO, "model.safetensors");
}

/* The lines of docs/formats/packed.md, as they stand there, in numpy. */
static void ten_lines_of_numpy(void **state) {
    (void)state;
    sgn_error err;
    if (!has_numpy()) {
        check_skipped("no numpy for /usr/bin/python3; the reader of docs/formats/packed.md was not run");
        return;
    }
    char *doc, command[2048];
    size_t size;
    sgn_transformer m;
    small_model(&m, &small_cases[2], 9);
    fresh();                                       /* the same model */
    check_ok(sgn_file_read("docs/formats/packed.md", 1 << 20, &doc, &size, &err), &err);
    char *begin = strstr(doc, "```python\n"), *end = begin ? strstr(begin + 3, "```") : NULL;
    assert_non_null(end);
    begin += strlen("```python\n");
    check_ok(sgn_file_write(check_path("reader.py"), begin, (size_t)(end - begin), &err), &err);
    snprintf(command, sizeof command, "cd '%s' && (cat ../reader.py; echo 'W.astype(\"<f4\").tofile(\"../W\")') | /usr/bin/python3 -",
             packed);
    assert_int_equal(system(command), 0);
    free(doc);
    const sgn_tensor *w = &sgn_params_find(&m.params, "model.layers.0.mlp.up_proj.weight")->tensor;
    const float *alpha = sgn_params_find(&m.params, "model.layers.0.mlp.up_proj.wscale")->tensor.data;
    const float *beta = sgn_params_find(&m.params, "model.layers.0.mlp.up_proj.wbias")->tensor.data;
    char *raw;
    check_ok(sgn_file_read(check_path("W"), 1 << 20, &raw, &size, &err), &err);
    assert_int_equal(size, sgn_numel(w->shape) * 4);
    for (int64_t k = 0; k < sgn_numel(w->shape); k++) {
        float x;
        memcpy(&x, raw + 4 * k, 4);
        assert_true(x == (w->data[k] >= 0 ? alpha[k % DIM] : -alpha[k % DIM]) + beta[k % DIM]);
    }
    free(raw);
    sgn_transformer_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_keeps_the_logits),
        cmocka_unit_test(kinds_bytes_and_tokenizer),
        cmocka_unit_test(packed_rounds_what_it_is_told),
        cmocka_unit_test(packed_refuses_what_it_cannot_hold),
        cmocka_unit_test(gguf_keeps_shapes_and_halves), cmocka_unit_test(hf_rounds_to_its_type),
        cmocka_unit_test(gguf_says_the_tokenizer),
        cmocka_unit_test(loads_back_as_a_model), cmocka_unit_test(latent_scales_have_the_shapes_of_fbi), cmocka_unit_test(shared_scales_are_in_every_layer),
        cmocka_unit_test(dequantized_weights_are_exact),
        cmocka_unit_test(export_is_whole_or_absent),
        cmocka_unit_test(refuses_wrong_packed_files),
        cmocka_unit_test(refuses_wrong_arrays),
        cmocka_unit_test(digests_find_any_change),
        cmocka_unit_test(ten_lines_of_numpy),
    };
    return check_run(tests);
}
