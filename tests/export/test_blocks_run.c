/* GGUF files of Q1_0 and ternary blocks run from planes: the stages that fit them, the numbers of the file, the logits of a file
 * that has the same numbers as floats.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/archives/gguf_write.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"
#include "core/quantize.h"
#include "core/rng.h"
#include "export/format.h"
#include "export/runtime.h"

enum { DIM = 256, FFN = 512, HEADS = 4, KV = 2, WIDTH = DIM / HEADS, VOCAB = 40, LAYERS = 2, TOKENS = 11, MOST = 40 };

static sgn_error err;
static float want[TOKENS * VOCAB], got[TOKENS * VOCAB];

typedef enum { ROW_SCALES, GROUP_SCALES } scales;
typedef struct {
    sgn_array   at[MOST];
    const void *data[MOST];
    int         count;
} arrays;

static float *noise(const char *name, int64_t n, double mean) {
    float *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = (float)(mean + 0.1 * sgn_rng_normal(5, sgn_rng_stream(name), (uint64_t)i));
    return x;
}

/* Signs or digits times a scale that halves hold, of each row or of each block, as floats. */
static float *blocky(const char *name, int64_t rows, int64_t cols, sgn_dtype type, scales per) {
    float *x = noise(name, rows * cols, 0);
    const int64_t block = sgn_dtype_block(type);
    for (int64_t i = 0; i < rows * cols; i++) {
        const int64_t at = per == ROW_SCALES ? i / cols : i / block;
        const float scale = (float)(1 + at * 7 % 13) / (at % 3 ? 128 : -128);       /* below 0 is fine, too */
        const int digit = x[i] >= 0 ? 1 : -1;
        x[i] = type != SGN_DTYPE_Q1_0 && fabsf(x[i]) < 0.05f ? 0 : (float)digit * scale;
    }
    return x;
}

static void add(arrays *a, sgn_dtype type, const char *name, int64_t rows, int64_t cols, float *x) {
    a->at[a->count] = sgn_array_make(name, type, cols ? 2 : 1, (int64_t[]){ rows, cols });
    if (type != SGN_DTYPE_F32) {
        void *blocks = malloc((size_t)rows * sgn_stored_row_bytes(type, cols));
        sgn_quantize(type, x, rows * cols, blocks);
        free(x);
        x = blocks;
    }
    a->data[a->count++] = x;
}

/* The file has its projections as `type`, or as floats of the same numbers. */
static const char *save(const char *name, sgn_dtype type, scales per, bool floats) {
    static const uint32_t numbers[] = { DIM, LAYERS, FFN, 64, HEADS, KV, WIDTH };
    static const float eps = 1e-5f, base = 10000;
    static const char *const arch = "llama";
    static const char *const key[] = { "llama.embedding_length", "llama.block_count", "llama.feed_forward_length", "llama.context_length",
        "llama.attention.head_count", "llama.attention.head_count_kv", "llama.rope.dimension_count" };
    static const struct { const char *s; int64_t rows, cols; } part[] = { { "attn_norm", DIM, 0 }, { "attn_q", DIM, DIM }, { "attn_k", KV * WIDTH, DIM },
        { "attn_v", KV * WIDTH, DIM }, { "attn_output", DIM, DIM }, { "ffn_norm", DIM, 0 }, { "ffn_gate", FFN, DIM }, { "ffn_up", FFN, DIM },
        { "ffn_down", DIM, FFN } };
    sgn_meta meta[10] = { { "general.architecture", SGN_META_TEXT, false, 1, &arch } };
    for (int i = 0; i < 7; i++) meta[1 + i] = (sgn_meta){ key[i], SGN_META_U32, false, 1, &numbers[i] };
    meta[8] = (sgn_meta){ "llama.attention.layer_norm_rms_epsilon", SGN_META_F32, false, 1, &eps };
    meta[9] = (sgn_meta){ "llama.rope.freq_base", SGN_META_F32, false, 1, &base };
    arrays a = { .count = 0 };
    add(&a, SGN_DTYPE_F32, "token_embd.weight", VOCAB, DIM, noise("e", VOCAB * DIM, 0));
    add(&a, SGN_DTYPE_F32, "output_norm.weight", DIM, 0, noise("n", DIM, 1));
    for (int n = 0; n < LAYERS; n++)
        for (int i = 0; i < 9; i++) {
            char path[64];
            snprintf(path, sizeof path, "blk.%d.%s.weight", n, part[i].s);
            if (part[i].cols) add(&a, floats ? SGN_DTYPE_F32 : type, path, part[i].rows, part[i].cols, blocky(path, part[i].rows, part[i].cols, type, per));
            else add(&a, SGN_DTYPE_F32, path, part[i].rows, 0, noise(path, part[i].rows, 1));
        }
    check_ok(sgn_archive_write_meta("gguf", check_path(name), a.at, a.data, a.count, meta, 10, &err), &err);
    for (int i = 0; i < a.count; i++) free((void *)(uintptr_t)a.data[i]);
    return check_path(name);
}

static void run(const sgn_model_file *f, int piece, float *logits) {
    sgn_runtime *r;
    const float *hidden;
    int32_t token[TOKENS];
    for (int i = 0; i < TOKENS; i++) token[i] = i * 7 % VOCAB;
    check_ok(sgn_runtime_open(&r, sgn_model_file_lowered(f), &(sgn_runtime_options){ .context = TOKENS, .batch = piece }, &err), &err);
    for (int at = 0; at < TOKENS; at += piece) {
        check_ok(sgn_runtime_hidden(r, token + at, piece, &hidden, &err), &err);
        for (int t = 0; t < piece; t++) sgn_runtime_logits(r, hidden + t * DIM, logits + (at + t) * VOCAB);
    }
    sgn_runtime_close(r);
}

static void blocks_give_the_logits_of_their_numbers(void **state) {
    (void)state;
    static const struct { sgn_dtype type; scales per; sgn_stage_kind kind; int stages; int64_t bits; } cases[] = {
        { SGN_DTYPE_Q1_0, ROW_SCALES, SGN_STAGE_SIGN, 2, 1 }, { SGN_DTYPE_Q1_0, GROUP_SCALES, SGN_STAGE_GROUP_SIGN, 1, 1 },
        { SGN_DTYPE_TQ1_0, ROW_SCALES, SGN_STAGE_TERNARY, 2, 2 }, { SGN_DTYPE_TQ2_0, ROW_SCALES, SGN_STAGE_TERNARY, 2, 2 },
        { SGN_DTYPE_TQ2_0, GROUP_SCALES, SGN_STAGE_DENSE, 1, 0 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sgn_model_file *f;
        check_ok(sgn_model_file_open(&f, save("floats.gguf", cases[i].type, cases[i].per, true), SGN_VERIFY_ALL, &err), &err);
        assert_int_equal(sgn_model_file_lowered(f)->blocks[1].linear[SGN_K].chain[0].stage[0].kind, SGN_STAGE_DENSE);
        run(f, TOKENS, want);
        sgn_model_file_close(f);
        check_ok(sgn_model_file_open(&f, save("blocks.gguf", cases[i].type, cases[i].per, false), SGN_VERIFY_ALL, &err), &err);
        const sgn_lowered_model *lm = sgn_model_file_lowered(f);
        for (int n = 0; n < LAYERS; n++)
            for (int k = 0; k < SGN_LINEARS; k++) {
                const sgn_chain *c = &lm->blocks[n].linear[k].chain[0];
                /* The last layer has rows of two blocks of 256 columns, all others of one. */
                const bool one = cases[i].kind == SGN_STAGE_DENSE && k != SGN_DOWN;
                assert_int_equal(c->stage[0].kind, one ? SGN_STAGE_TERNARY : cases[i].kind);
                assert_int_equal(c->count, one ? 2 : cases[i].stages);
            }
        const int64_t weights = LAYERS * (2 * DIM * DIM + 2 * KV * WIDTH * DIM + 3 * DIM * FFN);
        if (cases[i].bits) assert_int_equal(sgn_lowered_model_count(lm).binary_weights, weights);
        if (cases[i].bits) assert_true((int64_t)lm->memory_bytes >= weights / 8 * cases[i].bits && (int64_t)lm->memory_bytes < weights / 8 * cases[i].bits * 5 / 4 + (1 << 14));
        for (int piece = 1; piece <= TOKENS; piece += TOKENS - 1) {
            run(f, piece, got);
            check_array_close(got, want, TOKENS * VOCAB, 2e-5, 0);
        }
        assert_true(fabsf(want[5]) > 0.05f);
        sgn_model_file_close(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_give_the_logits_of_their_numbers),
    };
    return check_run(tests);
}
