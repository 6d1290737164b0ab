/* Models in files of other worlds: a real trained LLaMA in llama2.c's format beside PyTorch, the same as GGUF, and what is refused.
 *
 * Expected numbers: tests/golden/stories260k.json, made by stories260k.py beside it, in double, without any of our code.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include <sys/stat.h>
#include "core/archive.h"
#include "core/gemm.h"
#include "core/json.h"
#include "core/kernels/kernels.h"
#include "core/rng.h"
#include "model/model_load.h"

#define STORIES "data/models/stories260K/stories260K.bin"
enum { TOKENS = 64 };

static sgn_error err;

/* --- logits ---------------------------------------------------------------------------------------------- */

typedef struct {
    int32_t id[TOKENS];
    float  *logits;            /* (TOKENS, vocab) */
} pass;

static void head_rows(const sgn_transformer *m, int64_t v, sgn_real *row) {
    const sgn_tensor *head = sgn_transformer_head(m);
    const int64_t d = m->config.dim;
    if (head->data) memcpy(row, head->data + v * d, (size_t)d * sizeof *row);
    else sgn_kernels_get()->to_real[head->stored.dtype](row, sgn_stored_row(head->stored, d, v), d);
}

static void run(const sgn_transformer *m, pass *p, int n) {
    sgn_tape t;
    sgn_real row[512];
    assert_true(m->config.dim <= 512);
    check_ok(sgn_tape_init(&t, sgn_transformer_nodes(m), 16 << 20, &err), &err);
    sgn_tape_begin(&t, SGN_TAPE_NOGRAD);
    const sgn_tensor *h = sgn_transformer_hidden(m, &t, p->id, 1, n);
    check_ok(sgn_tape_end(&t, &err), &err);
    p->logits = calloc((size_t)(n * m->config.vocab), sizeof(float));
    for (int64_t v = 0; v < m->config.vocab; v++) {
        head_rows(m, v, row);
        for (int i = 0; i < n; i++) {
            double z = 0;
            for (int64_t j = 0; j < m->config.dim; j++) z += (double)h->data[i * m->config.dim + j] * (double)row[j];
            p->logits[i * m->config.vocab + v] = (float)z;
        }
    }
    sgn_tape_free(&t);
}

static void load(sgn_transformer *m, const char *where, bool map) {
    sgn_path at;
    sgn_model_config c;
    if (!map) {
        check_ok(sgn_model_load(m, where, false, &err), &err);
        return;
    }
    check_ok(sgn_model_resolve(where, "test", &at, &err), &err);
    check_ok(sgn_model_load_config(at.s, NULL, &c, &err), &err);
    check_ok(sgn_transformer_init(m, &c, false, &err), &err);
    check_ok(sgn_model_map(m, at.s, false, &err), &err);
    check_ok(sgn_transformer_commit(m, &err), &err);
    check_ok(sgn_model_load_weights(m, at.s, &err), &err);
    assert_true(sgn_params_stored_bytes(&m->params) > 0);
}

static double furthest(const pass *a, const pass *b, int64_t count) {
    double most = 0;
    for (int64_t i = 0; i < count; i++) most = fmax(most, fabs((double)a->logits[i] - (double)b->logits[i]));
    return most;
}

/* --- stories260K --------------------------------------------------------------------------------------------- */

static void stories_are_those_of_pytorch(void **state) {
    (void)state;
    const char *path = check_shared(STORIES);
    char *text;
    size_t size;
    sgn_json *golden;
    if (!path) return;
    check_ok(sgn_file_read("tests/golden/stories260k.json", 1 << 20, &text, &size, &err), &err);
    check_ok(sgn_json_parse(&golden, text, size, "stories260k.json", &err), &err);
    free(text);
    pass p;
    const sgn_json *ids = sgn_json_get(golden, "ids"), *best = sgn_json_get(golden, "best"), *at = sgn_json_get(golden, "at");
    assert_int_equal(sgn_json_size(ids), TOKENS);
    for (int i = 0; i < TOKENS; i++) p.id[i] = (int32_t)sgn_json_int(sgn_json_at(ids, (size_t)i), -1);
    for (int map = 0; map < 2; map++) {
        sgn_transformer m;
        load(&m, path, map);
        assert_true(m.config.dim == 64 && m.config.layers == 5 && m.config.heads == 8 && m.config.kv_heads == 4 && m.config.ffn == 172);
        assert_true(m.config.vocab == 512 && m.config.context == 512 && m.config.tied_head);
        run(&m, &p, TOKENS);
        for (size_t k = 0; k < sgn_json_size(at); k++) {
            const int64_t i = sgn_json_int(sgn_json_at(at, k), -1);
            const sgn_json *want = sgn_json_at(sgn_json_get(golden, "logits"), k);
            for (int64_t v = 0; v < 512; v++)
                check_close(p.logits[i * 512 + v], sgn_json_real(sgn_json_at(want, (size_t)v), NAN), 1e-4, 0);
        }
        for (int i = 0; i < TOKENS; i++) {           /* "Once upon a time, there was a little girl named Lily ..." */
            int64_t most = 0;
            for (int64_t v = 1; v < 512; v++)
                if (p.logits[i * 512 + v] > p.logits[i * 512 + most]) most = v;
            assert_int_equal(most, sgn_json_int(sgn_json_at(best, (size_t)i), -1));
            if (i + 1 >= sgn_json_int(sgn_json_get(golden, "prompt"), 0) && i + 1 < TOKENS) assert_int_equal(most, p.id[i + 1]);
        }
        free(p.logits);
        sgn_transformer_free(&m);
    }
    sgn_json_free(golden);
}

/* The live comparison, where PyTorch is. */
static void pytorch_says_so_itself(void **state) {
    (void)state;
    const char *path = check_shared(STORIES);
    if (!path) return;
    if (system("/usr/bin/python3 -c 'import torch, numpy' 2>/dev/null") != 0) {
        check_skipped("PyTorch is not installed");
        return;
    }
    sgn_transformer m;
    pass p;
    load(&m, path, false);
    for (int i = 0; i < TOKENS; i++) p.id[i] = (int32_t)(sgn_rng_bits(3, 1, (uint64_t)i) % 512);
    run(&m, &p, TOKENS);
    FILE *f = fopen(check_path("logits"), "wb");
    const int32_t n = TOKENS;
    assert_true(f && fwrite(&n, 4, 1, f) == 1 && fwrite(p.id, 4, TOKENS, f) == TOKENS && fwrite(p.logits, 4, TOKENS * 512, f) == TOKENS * 512);
    fclose(f);
    char command[1200];
    snprintf(command, sizeof command, "PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 tests/golden/stories260k.py compare %s %s", path, check_path("logits"));
    assert_int_equal(system(command), 0);
    free(p.logits);
    sgn_transformer_free(&m);
}

/* Its directory holds a tokenizer of the same suffix. */
static void a_directory_of_one_model_is_that_model(void **state) {
    (void)state;
    if (!check_shared(STORIES)) return;
    sgn_model_config a, b;
    sgn_path at;
    check_ok(sgn_model_resolve(check_shared("data/models/stories260K"), "test", &at, &err), &err);
    check_ok(sgn_model_load_config(at.s, NULL, &a, &err), &err);
    check_ok(sgn_model_load_config(check_shared(STORIES), NULL, &b, &err), &err);
    assert_true(sgn_model_config_same_shape(&a, &b));
    assert_true(sgn_model_has_config(at.s) && !sgn_model_has_config(check_directory));
    sgn_path copy;
    assert_int_equal(mkdir(check_path("two"), 0700), 0);
    for (int i = 0; i < 2; i++) {
        check_ok(sgn_path_set(&copy, &err, "%s/%d.bin", check_path("two"), i), &err);
        check_ok(sgn_file_copy(check_shared(STORIES), copy.s, &err), &err);
    }
    check_fails(sgn_model_load_config(check_path("two"), NULL, &a, &err), SGN_IO, &err, "name one");
}

/* --- gguf ------------------------------------------------------------------------------------------------------ */

/* A small random LLaMA under GGUF's names; what a test changes comes by its number. */
enum { DIM = 64, FFN = 96, LAYERS = 2, HEADS = 4, KV = 2, VOCAB = 40, WIDTH = DIM / HEADS };
typedef struct {
    sgn_array   at[40];
    const void *data[40];
    int         count;
    sgn_meta    meta[24];
    int         metas;
} gguf;

static uint32_t numbers[] = { DIM, LAYERS, FFN, 128, HEADS, KV, WIDTH, 0, 7 };
static float    eps = 1e-5f, base = 10000, nan_value = NAN, negative = -1, zero = 0, two = 2;
static const char *word[] = { "llama", "gemma2", "qwen2", "longrope", "linear" };

static void add(gguf *g, sgn_dtype type, const char *name, int64_t rows, int64_t cols, const void *data) {
    g->at[g->count] = sgn_array_make(name, type, cols ? 2 : 1, (int64_t[]){ rows, cols });
    g->data[g->count++] = data;
}
static void say(gguf *g, const char *key, sgn_meta_type type, const void *data) {
    for (int i = 0; i < g->metas; i++)
        if (strcmp(g->meta[i].key, key) == 0) {
            g->meta[i] = (sgn_meta){ key, type, false, 1, data };
            return;
        }
    g->meta[g->metas++] = (sgn_meta){ key, type, false, 1, data };
}

static float *noise(const char *name, int64_t count, float centre) {
    float *x = malloc((size_t)count * sizeof *x);
    for (int64_t i = 0; i < count; i++) x[i] = centre + 0.2f * (float)sgn_rng_normal(9, sgn_rng_stream(name), (uint64_t)i);
    return x;
}

static void fill(gguf *g) {
    static char name[LAYERS * 9][64];
    static const struct { const char *s; int64_t rows, cols; } part[] = { { "attn_norm", DIM, 0 }, { "attn_q", DIM, DIM }, { "attn_k", KV * WIDTH, DIM },
        { "attn_v", KV * WIDTH, DIM }, { "attn_output", DIM, DIM }, { "ffn_norm", DIM, 0 }, { "ffn_gate", FFN, DIM }, { "ffn_up", FFN, DIM },
        { "ffn_down", DIM, FFN } };
    *g = (gguf){ .count = 0 };
    say(g, "general.architecture", SGN_META_TEXT, &word[0]);
    static const char *const key[] = { "llama.embedding_length", "llama.block_count", "llama.feed_forward_length", "llama.context_length",
        "llama.attention.head_count", "llama.attention.head_count_kv", "llama.rope.dimension_count" };
    for (int i = 0; i < 7; i++) say(g, key[i], SGN_META_U32, &numbers[i]);
    say(g, "llama.attention.layer_norm_rms_epsilon", SGN_META_F32, &eps);
    say(g, "llama.rope.freq_base", SGN_META_F32, &base);
    add(g, SGN_DTYPE_F32, "token_embd.weight", VOCAB, DIM, noise("token_embd.weight", VOCAB * DIM, 0));
    add(g, SGN_DTYPE_F32, "output_norm.weight", DIM, 0, noise("output_norm.weight", DIM, 1));
    for (int n = 0, k = 0; n < LAYERS; n++)
        for (int i = 0; i < 9; i++, k++) {
            snprintf(name[k], sizeof name[k], "blk.%d.%s.weight", n, part[i].s);
            add(g, SGN_DTYPE_F32, name[k], part[i].rows, part[i].cols, noise(name[k], part[i].rows * (part[i].cols ? part[i].cols : 1), part[i].cols ? 0 : 1));
        }
}
static void drop(gguf *g) {
    for (int i = 0; i < g->count; i++) free((void *)g->data[i]);
}
static const char *save(const gguf *g, const char *name) {
    check_ok(sgn_archive_write_meta("gguf", check_path(name), g->at, g->data, g->count, g->meta, g->metas, &err), &err);
    return check_path(name);
}

/* d = max |x| / 127, q = x / d to the nearest: a Q8_0 file, and an F32 file of exactly the numbers it holds. */
static void *to_q8(float *x, int64_t count) {
    uint8_t *out = malloc((size_t)(count / 32 * 34)), *b = out;
    for (int64_t i = 0; i < count; i += 32, b += 34) {
        float most = 0;
        for (int j = 0; j < 32; j++) most = fmaxf(most, fabsf(x[i + j]));
        const uint16_t d = sgn_f32_to_f16(most / 127);
        memcpy(b, &d, 2);
        for (int j = 0; j < 32; j++) {
            const float q = fminf(fmaxf(roundf(x[i + j] / sgn_f16_to_f32(d)), -127), 127);
            b[2 + j] = (uint8_t)(int8_t)q;
            x[i + j] = sgn_f16_to_f32(d) * q;
        }
    }
    return out;
}

/* A quantized file gives the logits of its numbers, read or used from the map; bf16 and half alike. */
static void types_of_a_file_are_numbers_only(void **state) {
    (void)state;
    static const sgn_dtype types[] = { SGN_DTYPE_Q8_0, SGN_DTYPE_BF16, SGN_DTYPE_F16 };
    for (int t = 0; t < 3; t++) {
        gguf exact, small;
        void *made[40] = { NULL };
        fill(&exact);
        small = exact;
        for (int i = 0; i < exact.count; i++) {
            float *x = (float *)(uintptr_t)exact.data[i];
            const int64_t n = (int64_t)sgn_array_numel(&exact.at[i]);
            if (exact.at[i].rank != 2) continue;
            small.at[i] = sgn_array_make(exact.at[i].name, types[t], 2, exact.at[i].dim);
            if (t == 0) made[i] = to_q8(x, n);
            else {
                uint16_t *h = made[i] = malloc((size_t)n * 2);
                for (int64_t j = 0; j < n; j++) {
                    h[j] = t == 1 ? sgn_f32_to_bf16(x[j]) : sgn_f32_to_f16(x[j]);
                    x[j] = t == 1 ? sgn_bf16_to_f32(h[j]) : sgn_f16_to_f32(h[j]);
                }
            }
            small.data[i] = made[i];
        }
        pass want, got;
        for (int i = 0; i < TOKENS; i++) want.id[i] = got.id[i] = i * 7 % VOCAB;
        for (int map = 0; map < 3; map++) {          /* 0: the numbers, 1: read, 2: mapped */
            sgn_transformer m;
            load(&m, map ? save(&small, "small.gguf") : save(&exact, "exact.gguf"), map == 2);
            if (map == 2) assert_true(sgn_params_stored_bytes(&m.params) > 0 && m.params.dense.count < 16 * 40 * 16);
            run(&m, map ? &got : &want, 20);
            if (map) {
                assert_true(furthest(&got, &want, 20 * VOCAB) <= 1e-5);
                free(got.logits);
            }
            sgn_transformer_free(&m);
        }
        free(want.logits);
        for (int i = 0; i < 40; i++) free(made[i]);
        drop(&exact);
    }
}

static void is_gemma(gguf *g)      { say(g, "general.architecture", SGN_META_TEXT, &word[1]); }
static void no_arch(gguf *g)       { g->meta[0].key = "general.name"; }
static void no_width(gguf *g)      { g->meta[1].key = "llama.other"; }
static void no_layers(gguf *g)     { say(g, "llama.block_count", SGN_META_U32, &numbers[7]); }                  /* rule 53 */
static void many_layers(gguf *g)   { static uint32_t n = 1 << 30; say(g, "llama.block_count", SGN_META_U32, &n); }
static void layer_more(gguf *g)    { static uint32_t n = 3; say(g, "llama.block_count", SGN_META_U32, &n); }
static void layer_less(gguf *g)    { static uint32_t n = 1; say(g, "llama.block_count", SGN_META_U32, &n); }
static void heads_0(gguf *g)       { say(g, "llama.attention.head_count", SGN_META_U32, &numbers[7]); }
static void heads_7(gguf *g)       { say(g, "llama.attention.head_count", SGN_META_U32, &numbers[8]); }
static void heads_text(gguf *g)    { say(g, "llama.attention.head_count", SGN_META_TEXT, &word[0]); }
static void kv_0(gguf *g)          { say(g, "llama.attention.head_count_kv", SGN_META_U32, &numbers[7]); }
static void kv_3(gguf *g)          { static uint32_t n = 3; say(g, "llama.attention.head_count_kv", SGN_META_U32, &n); }
static void kv_list(gguf *g)       { say(g, "llama.attention.head_count_kv", SGN_META_U32, numbers); g->meta[6].list = true; g->meta[6].count = 2; }
static void base_nan(gguf *g)      { say(g, "llama.rope.freq_base", SGN_META_F32, &nan_value); }                /* rule 55 */
static void base_neg(gguf *g)      { say(g, "llama.rope.freq_base", SGN_META_F32, &negative); }
static void eps_0(gguf *g)         { say(g, "llama.attention.layer_norm_rms_epsilon", SGN_META_F32, &zero); }
static void part_turned(gguf *g)   { static uint32_t n = 8; say(g, "llama.rope.dimension_count", SGN_META_U32, &n); }
static void longrope(gguf *g)      { say(g, "llama.rope.scaling.type", SGN_META_TEXT, &word[3]); }
static void no_factor(gguf *g)     { say(g, "llama.rope.scaling.type", SGN_META_TEXT, &word[4]); }
static void experts(gguf *g)       { say(g, "llama.expert_count", SGN_META_U32, &numbers[8]); }
static void softcap(gguf *g)       { say(g, "llama.final_logit_softcapping", SGN_META_F32, &two); }
static void window(gguf *g)        { say(g, "llama.attention.sliding_window", SGN_META_F32, &two); }
static void yarn_bound(gguf *g)    { say(g, "llama.rope.scaling.yarn_beta_fast", SGN_META_F32, &two); }
static void rotary_factors(gguf *g) { add(g, SGN_DTYPE_F32, "rope_freqs.weight", WIDTH / 2, 0, noise("f", WIDTH / 2, 3)); }
static void q_norm(gguf *g)        { add(g, SGN_DTYPE_F32, "blk.0.attn_q_norm.weight", WIDTH, 0, noise("n", WIDTH, 1)); }
static void stranger(gguf *g)      { add(g, SGN_DTYPE_F32, "blk.1.ffn_gate_inp.weight", FFN, DIM, noise("s", FFN * DIM, 0)); }
static void other_shape(gguf *g)   { g->at[0] = sgn_array_make("token_embd.weight", SGN_DTYPE_F32, 2, (int64_t[]){ DIM, VOCAB }); }
static void no_embedding(gguf *g)  { strcpy(g->at[0].name, "blk.0.attn_q.weight2"); }

static const struct { void (*change)(gguf *g); sgn_status status; const char *says; } bad[] = {
    { is_gemma, SGN_UNSUPPORTED, "'gemma2'" }, { no_arch, SGN_UNSUPPORTED, "general.architecture" }, { no_width, SGN_FORMAT, "llama.embedding_length" },
    { no_layers, SGN_FORMAT, "llama.block_count is 0" }, { many_layers, SGN_FORMAT, "llama.block_count is 1073741824" },
    { layer_more, SGN_FORMAT, "blk.2.attn_norm.weight" }, { layer_less, SGN_FORMAT, "beyond the 1 layers" }, { heads_0, SGN_FORMAT, "head_count is 0" },
    { heads_7, SGN_FORMAT, "attention.head_count 7 does not divide" }, { heads_text, SGN_FORMAT, "head_count is not an integer" },
    { kv_0, SGN_FORMAT, "head_count_kv is 0" }, { kv_3, SGN_CONFIG, "kv_heads 3 does not divide" }, { kv_list, SGN_UNSUPPORTED, "head_count_kv is a list" },
    { base_nan, SGN_FORMAT, "rope.freq_base is nan" }, { base_neg, SGN_FORMAT, "rope.freq_base is -1" },
    { eps_0, SGN_FORMAT, "layer_norm_rms_epsilon is 0" }, { part_turned, SGN_UNSUPPORTED, "rope.dimension_count is 8 of a head of 16" },
    { longrope, SGN_UNSUPPORTED, "'longrope'" }, { no_factor, SGN_FORMAT, "rope.scaling.factor is missing" }, { experts, SGN_UNSUPPORTED, "llama.expert_count" },
    { softcap, SGN_UNSUPPORTED, "llama.final_logit_softcapping" }, { window, SGN_UNSUPPORTED, "llama.attention.sliding_window" },
    { yarn_bound, SGN_UNSUPPORTED, "llama.rope.scaling.yarn_beta_fast" },
    { rotary_factors, SGN_UNSUPPORTED, "rope_freqs.weight" }, { q_norm, SGN_UNSUPPORTED, "blk.0.attn_q_norm.weight" },
    { stranger, SGN_UNSUPPORTED, "blk.1.ffn_gate_inp.weight" }, { other_shape, SGN_FORMAT, "token_embd.weight" }, { no_embedding, SGN_UNSUPPORTED, "weight2" },
};

static void what_a_gguf_must_not_say(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gguf g;
        sgn_transformer m;
        fill(&g);
        bad[i].change(&g);
        const char *path = save(&g, "bad.gguf");
        check_fails(sgn_model_load(&m, path, false, &err), bad[i].status, &err, bad[i].says);
        assert_non_null(strstr(err.text, path));
        drop(&g);
    }
}

/* Qwen2 turns halves as we do: the same arrays are another model, with biases in q, k and v. */
static void qwen2_is_not_paired(void **state) {
    (void)state;
    gguf g;
    sgn_transformer llama, qwen;
    static char keys[24][64];
    fill(&g);
    load(&llama, save(&g, "llama.gguf"), false);
    for (int n = 0; n < LAYERS; n++) {
        char name[64];
        for (int i = 0; i < 3; i++) {
            snprintf(name, sizeof name, "blk.%d.attn_%c.bias", n, "qkv"[i]);
            add(&g, SGN_DTYPE_F32, name, i ? KV * WIDTH : DIM, 0, noise(name, i ? KV * WIDTH : DIM, 0));
        }
    }
    say(&g, "general.architecture", SGN_META_TEXT, &word[2]);
    for (int i = 1; i < g.metas; i++) {
        snprintf(keys[i], sizeof keys[i], "qwen2%s", g.meta[i].key + strlen("llama"));
        g.meta[i].key = keys[i];
    }
    load(&qwen, save(&g, "qwen.gguf"), false);
    assert_true(qwen.config.qkv_bias && !qwen.config.attention_bias && !qwen.config.qk_norm);
    const sgn_param *a = sgn_params_find(&llama.params, "model.layers.1.self_attn.k_proj.weight"), *b = sgn_params_find(&qwen.params, a->name);
    const float *file = g.data[2 + 9 + 2];
    for (int r = 0; r < KV * WIDTH; r++) {
        assert_memory_equal(b->tensor.data + r * DIM, file + r * DIM, DIM * sizeof(float));
        assert_memory_equal(a->tensor.data + r * DIM, file + sgn_paired_row(r, WIDTH) * DIM, DIM * sizeof(float));
    }
    assert_int_equal(sgn_paired_row(WIDTH + 1, WIDTH), WIDTH + 2);
    assert_int_equal(sgn_paired_row(WIDTH / 2, WIDTH), 1);
    sgn_transformer_free(&llama);
    sgn_transformer_free(&qwen);
    drop(&g);
}

/* Factors of Llama 3.1 by its published formula, written out here: s = 8, wavelengths below 8192/4 stay, above 8192/1 are
 * divided by s, between in part. */
static void a_window_bounds_the_context(void **state) {
    (void)state;
    static const uint32_t windows[] = { 0, 8, 1000000 };
    for (int i = 0; i < 3; i++) {
        gguf g;
        sgn_model_config before, c;
        fill(&g);
        check_ok(sgn_model_load_config(save(&g, "window.gguf"), NULL, &before, &err), &err);
        say(&g, "llama.attention.sliding_window", SGN_META_U32, &windows[i]);
        check_ok(sgn_model_load_config(save(&g, "window.gguf"), NULL, &c, &err), &err);
        assert_int_equal(c.context, i == 1 ? 8 : before.context);
        drop(&g);
    }
}

static void llama_3_factors_are_recognised(void **state) {
    (void)state;
    gguf g;
    static float factor[WIDTH / 2], theta = 500000;
    for (int j = 0; j < WIDTH / 2; j++) {
        const double wave = 2 * 3.14159265358979323846 * pow((double)theta, 2.0 * j / WIDTH);
        const double smooth = (8192 / wave - 1) / (4 - 1);
        factor[j] = (float)(wave < 8192.0 / 4 ? 1 : wave > 8192.0 ? 8 : 1 / ((1 - smooth) / 8 + smooth));
    }
    sgn_model_config c;
    fill(&g);
    say(&g, "llama.rope.freq_base", SGN_META_F32, &theta);
    add(&g, SGN_DTYPE_F32, "rope_freqs.weight", WIDTH / 2, 0, factor);
    check_ok(sgn_model_load_config(save(&g, "llama3.gguf"), NULL, &c, &err), &err);
    assert_string_equal(c.rope_type, "llama3");
    assert_true(c.rope_scaling == 8 && c.rope_low == 1 && c.rope_high == 4 && c.rope_original == 8192);
    factor[3] *= 1.001f;
    check_fails(sgn_model_load_config(save(&g, "llama3.gguf"), NULL, &c, &err), SGN_UNSUPPORTED, &err, "rope_freqs.weight");
    g.count--;
    drop(&g);
}

static int begin(void **state) {
    return sgn_gemm_init(NULL) == SGN_OK ? check_begin(state) : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stories_are_those_of_pytorch),
        cmocka_unit_test(pytorch_says_so_itself),
        cmocka_unit_test(a_directory_of_one_model_is_that_model),
        cmocka_unit_test(types_of_a_file_are_numbers_only),
        cmocka_unit_test(what_a_gguf_must_not_say),
        cmocka_unit_test(qwen2_is_not_paired),
        cmocka_unit_test(a_window_bounds_the_context),
        cmocka_unit_test(llama_3_factors_are_recognised),
    };
    return cmocka_run_group_tests(tests, begin, check_end);
}
