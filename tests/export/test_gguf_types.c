/* GGUF files of every type: read back to the numbers that were written, blocks byte by byte, shifts in an adapter, what does not fit
 * refused by name or rounded on demand.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/archive.h"
#include "export/model_bits.h"
#include "model/model_load.h"
#include "tests/export/fold_model.h"

enum { LOGITS = FOLD_TOKENS * SMALL_VOCAB };

static sgn_error err;
static int32_t tokens[FOLD_TOKENS];
static float want[LOGITS], got[LOGITS];

static void check_logits(const char *to, double tolerance) {
    float most = 1;
    stored_logits(to, tokens, got);
    for (int i = 0; i < LOGITS; i++) most = fmaxf(most, fabsf(want[i]));
    check_array_close(got, want, LOGITS, tolerance * (double)most, 0);
}

/* Whole blocks of 256; scales that are halves; embedding and head in F32: nothing is left to round. */
static void check_exact(small_case c, const char *type, bool tied) {
    sgn_transformer m;
    c.dim = 256;
    c.ffn = 512;
    small_model(&m, &c, 11);
    round_scales(&m);
    if (tied) tie_scales(&m);
    small_logits(&m, tokens, FOLD_TOKENS, want);
    check_ok(sgn_export("gguf", check_path("exact"), &m, &(sgn_export_options){ .type = type, .other_type = "f32" }, true, &err), &err);
    check_logits(check_path("exact"), 3e-4);
    assert_int_equal(sgn_file_exists(check_path("exact/beta.gguf")), !c.no_shift && strcmp(c.scales, "group128") != 0);
    sgn_transformer_free(&m);
}

static void signs_leave_without_loss(void **state) {
    (void)state;
    static const small_case cases[] = {
        { .scales = "row", .no_shift = true }, { .scales = "row" }, { .scales = "row", .kv_heads = 2, .tied = true, .bias = true, .binary = "q,k,down" },
        { .scales = "tensor", .kv_heads = 1 }, { .scales = "tensor", .no_shift = true, .qk_norm = true }, { .scales = "group128", .kv_heads = 2 } };
    static const char *const types[] = { "q1_0", "tq1_0", "tq2_0" };
    small_tokens(tokens, FOLD_TOKENS, 5);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int t = 0; t < (strcmp(cases[i].scales, "group128") ? 3 : 1); t++) check_exact(cases[i], types[t], false);
    check_exact((small_case){ .linear = "nm", .scales = "row" }, "tq1_0", false);
    check_exact((small_case){ .linear = "nm", .scales = "column" }, "tq2_0", true);
    check_exact((small_case){ .scales = "column" }, "q1_0", true);
    check_exact((small_case){ .scales = "column", .no_shift = true, .kv_heads = 2 }, "q1_0", true);
    check_exact((small_case){ .scales = "column", .kv_heads = 2, .bias = true }, "tq2_0", true);
}

/* Of a row of W: d, then bit j % 8 of byte j / 8 is sign(w_j) alpha >= 0. */
static void check_row(const uint8_t *raw, const float *w, float alpha, int64_t cols) {
    const uint16_t d = sgn_f32_to_f16(fabsf(alpha));
    for (int64_t j = 0; j < cols; j += 128, raw += 18) {
        assert_memory_equal(raw, &d, 2);
        for (int k = 0; k < 128; k++) assert_int_equal(raw[2 + k / 8] >> (k % 8) & 1, (w[j + k] >= 0) == (alpha > 0));
    }
}

static void blocks_are_as_prescribed(void **state) {
    (void)state;
    const small_case c = { .scales = "row", .no_shift = true, .dim = 128, .ffn = 256, .kv_heads = 2 };
    sgn_transformer m;
    sgn_archive a;
    int64_t n;
    small_model(&m, &c, 12);
    check_ok(sgn_export("gguf", check_path("blocks"), &m, &(sgn_export_options){ .type = "q1_0", .other_type = "q8_0" }, true, &err), &err);
    check_ok(sgn_archive_open(&a, check_path("blocks/model.gguf"), &err), &err);
    static const struct { int linear; const char *name; int64_t head; } at[] = {
        { SGN_Q, "blk.1.attn_q.weight", 32 }, { SGN_K, "blk.1.attn_k.weight", 32 }, { SGN_DOWN, "blk.1.ffn_down.weight", 0 } };
    for (int i = 0; i < 3; i++) {
        const sgn_linear *l = &m.blocks[1].linear[at[i].linear];
        const float *w = sgn_linear_param(l, l->p[0])->data, *alpha = sgn_linear_param(l, l->p[1])->data;
        const int k = sgn_archive_find(&a, at[i].name);
        assert_true(k >= 0 && a.at[k].dtype == SGN_DTYPE_Q1_0 && a.at[k].bytes == (uint64_t)(l->out * l->in / 128 * 18));
        uint8_t *raw = malloc((size_t)a.at[k].bytes);
        assert_non_null(raw);
        check_ok(a.kind->read(&a, k, raw, &err), &err);
        for (int64_t r = 0; r < l->out; r++) {
            const int64_t h = at[i].head, row = h ? r / h * h + 2 * (r % h % (h / 2)) + r % h / (h / 2) : r;
            check_row(raw + row * l->in / 128 * 18, w + r * l->in, alpha[r], l->in);
        }
        free(raw);
    }
    assert_int_equal(a.at[sgn_archive_find(&a, "token_embd.weight")].dtype, SGN_DTYPE_Q8_0);
    assert_int_equal(a.at[sgn_archive_find(&a, "output.weight")].dtype, SGN_DTYPE_Q8_0);
    assert_int_equal(a.at[sgn_archive_find(&a, "blk.0.attn_norm.weight")].dtype, SGN_DTYPE_F32);
    assert_true(sgn_meta_int(sgn_archive_meta(&a, "general.file_type"), 0, &n) && n == 40);
    sgn_archive_close(&a);
    sgn_transformer_free(&m);
}

/* beta beside signs; of scales that folded, v's has the rows' factors and o's is divided by them. */
static void shifts_are_an_adapter(void **state) {
    (void)state;
    const small_case c = { .scales = "column", .dim = 128, .ffn = 256 };
    sgn_transformer m;
    sgn_archive a;
    double alpha;
    float v[128], u[128];
    small_model(&m, &c, 13);
    round_scales(&m);
    tie_scales(&m);
    check_ok(sgn_export("gguf", check_path("shifted"), &m, &(sgn_export_options){ .type = "q1_0" }, true, &err), &err);
    check_ok(sgn_archive_open(&a, check_path("shifted/beta.gguf"), &err), &err);
    assert_string_equal(a.kind->note(&a, "general.type"), "adapter");
    assert_string_equal(a.kind->note(&a, "general.architecture"), "llama");
    assert_string_equal(a.kind->note(&a, "adapter.type"), "lora");
    assert_true(sgn_meta_real(sgn_archive_meta(&a, "adapter.lora.alpha"), 0, &alpha) && fabs(alpha - 1) < 1e-9);
    assert_int_equal(a.count, 2 * 2 * SGN_LINEARS);
    const int ia = sgn_archive_find(&a, "blk.1.attn_v.weight.lora_a"), ib = sgn_archive_find(&a, "blk.1.attn_v.weight.lora_b");
    assert_true(ia >= 0 && ib >= 0 && a.at[ia].dim[0] == 1 && a.at[ia].dim[1] == 128 && a.at[ib].dim[0] == 128 && a.at[ib].dim[1] == 1);
    check_ok(sgn_archive_read_f32(&a, ia, v, 128, &err), &err);
    check_ok(sgn_archive_read_f32(&a, ib, u, 128, &err), &err);
    const float *alpha_v = scale_of(&m, 1, SGN_V, 1)->data, *beta_v = scale_of(&m, 1, SGN_V, 2)->data, *alpha_o = scale_of(&m, 1, SGN_O, 1)->data;
    for (int j = 0; j < 128; j++) {
        check_close(v[j], beta_v[j] / fabsf(alpha_v[j]), 1e-6, 1e-5);
        check_close(u[j], fabsf(alpha_o[j]), 0, 1e-6);
    }
    sgn_archive_close(&a);
    sgn_transformer_free(&m);
}

/* The file knows its adapter, by itself or in its directory; without it the model is not whole. */
static void adapters_come_along(void **state) {
    (void)state;
    const small_case c = { .scales = "row", .dim = 128, .ffn = 256 };
    sgn_transformer m;
    sgn_model_file *f;
    small_tokens(tokens, FOLD_TOKENS, 5);
    small_model(&m, &c, 14);
    round_scales(&m);
    small_logits(&m, tokens, FOLD_TOKENS, want);
    check_ok(sgn_export("gguf", check_path("two"), &m, &(sgn_export_options){ .type = "q1_0", .other_type = "f32" }, true, &err), &err);
    check_logits(check_path("two"), 3e-4);
    check_logits(check_path("two/model.gguf"), 3e-4);
    check_ok(sgn_model_file_open(&f, check_path("two"), SGN_VERIFY_ALL, &err), &err);      /* signs and shifts, not their sum */
    const sgn_lowered *up = &sgn_model_file_lowered(f)->blocks[1].linear[SGN_UP];
    assert_int_equal(up->count, 2);
    assert_int_equal(up->chain[0].stage[0].kind, SGN_STAGE_SIGN);
    assert_int_equal(up->chain[1].stage[0].kind, SGN_STAGE_RANK1);
    sgn_bits bits;                     /* a layer's signs, its halves per 128 and, of shifts, both factors */
    check_ok(sgn_model_bits_of(f, &bits, &err), &err);
    assert_int_equal(bits.bits[SGN_BITS_SIGNS], bits.binary_weights);
    assert_int_equal(bits.bits[SGN_BITS_SCALES], bits.binary_weights / 8);
    assert_int_equal(bits.bits[SGN_BITS_SHIFTS], 32 * 2 * (4 * (128 + 128) + 3 * (128 + 256)));
    sgn_model_file_close(f);
    assert_int_equal(unlink(check_path("two/MANIFEST")), 0);
    assert_int_equal(rename(check_path("two/beta.gguf"), check_path("beta.away")), 0);
    check_fails(sgn_model_file_open(&f, check_path("two"), SGN_VERIFY_ALL, &err), SGN_IO, &err, "beta.gguf");
    check_ok(sgn_export("gguf", check_path("plain"), &m, &(sgn_export_options){ 0 }, true, &err), &err);
    check_ok(sgn_file_copy(check_path("plain/model.gguf"), check_path("two/beta.gguf"), &err), &err);
    check_fails(sgn_model_file_open(&f, check_path("two"), SGN_VERIFY_ALL, &err), SGN_FORMAT, &err, "'lora'");
    sgn_transformer_free(&m);
    m = (sgn_transformer){ 0 };
    small_model(&m, &(small_case){ .scales = "row", .dim = 128, .ffn = 384 }, 14);                         /* of another model */
    check_ok(sgn_export("gguf", check_path("plain"), &m, &(sgn_export_options){ .type = "q1_0" }, true, &err), &err);
    unlink(check_path("two/beta.gguf"));
    check_ok(sgn_file_copy(check_path("plain/beta.gguf"), check_path("two/beta.gguf"), &err), &err);
    check_fails(sgn_model_file_open(&f, check_path("two"), SGN_VERIFY_ALL, &err), SGN_SHAPE, &err, "lora_b");
    sgn_transformer_free(&m);
}

/* Each number of the matrices that the layers compute, to the nearest that the type has. */
static void numbers_are_rounded(void **state) {
    (void)state;
    static const struct { const char *type; double part; int64_t file; } types[] = { { "bf16", 0x1p-8, 32 }, { "f16", 0x1p-11, 1 }, { "q8_0", 0, 7 } };
    static const small_case cases[] = { { .scales = "column", .dim = 128, .ffn = 256 }, { .linear = "full", .binary = "", .dim = 128, .ffn = 256, .tied = true } };
    sgn_archive a;
    int64_t n;
    for (int i = 0; i < 2; i++) for (int t = 0; t < 3; t++) {
        sgn_transformer m, whole, rounded;
        small_model(&m, &cases[i], 15);
        check_ok(sgn_export("gguf", check_path("whole"), &m, NULL, true, &err), &err);
        check_ok(sgn_export("gguf", check_path("rounded"), &m, &(sgn_export_options){ .type = types[t].type }, true, &err), &err);
        check_ok(sgn_model_load(&whole, check_path("whole"), false, &err), &err);
        check_ok(sgn_model_load(&rounded, check_path("rounded"), false, &err), &err);
        for (int k = 0; k < whole.params.count; k++) {
            const sgn_tensor *x = &whole.params.at[k].tensor, *y = &rounded.params.at[k].tensor;
            const bool matrix = x->shape.rank == 2;
            for (int64_t j = 0; j < sgn_numel(x->shape); j += 32) {
                double most = 0;
                for (int64_t b = j; b < j + 32 && b < sgn_numel(x->shape); b++) most = fmax(most, fabs((double)x->data[b]));
                const double step = !matrix ? 0 : types[t].part > 0 ? 0x1p-25 : most * (0.5001 / 127 + 0x1p-11) + 127 * 0x1p-25;
                for (int64_t b = j; b < j + 32 && b < sgn_numel(x->shape); b++) check_close(y->data[b], x->data[b], step, matrix ? types[t].part : 0);
            }
        }
        check_ok(sgn_archive_open(&a, check_path("rounded/model.gguf"), &err), &err);
        assert_true(sgn_meta_int(sgn_archive_meta(&a, "general.file_type"), 0, &n) && n == types[t].file);
        sgn_archive_close(&a);
        sgn_transformer_free(&rounded);
        sgn_transformer_free(&whole);
        sgn_transformer_free(&m);
    }
}

static void refused(const small_case *c, const char *type, const char *other, sgn_status status, const char *name, const char *remedy) {
    sgn_transformer m;
    small_model(&m, c, 16);
    check_fails(sgn_export("gguf", check_path("no"), &m, &(sgn_export_options){ .type = type, .other_type = other }, true, &err), status, &err, name);
    assert_non_null(strstr(err.text, remedy));
    assert_false(sgn_file_exists(check_path("no")));
    sgn_transformer_free(&m);
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    refused(&(small_case){ .scales = "column", .dim = 128, .ffn = 256 }, "q1_0", NULL, SGN_UNSUPPORTED, "layers.0.self_attn.q_proj.weight", "--approximate");
    refused(&(small_case){ .scales = "group128", .dim = 256, .ffn = 512 }, "tq2_0", NULL, SGN_UNSUPPORTED, "layers.0.self_attn.q_proj", "--approximate");
    refused(&(small_case){ .linear = "full", .binary = "", .dim = 128, .ffn = 256 }, "q1_0", NULL, SGN_UNSUPPORTED, "q_proj", "--type f16");
    refused(&(small_case){ .scales = "row", .dim = 128, .ffn = 200 }, "q1_0", NULL, SGN_UNSUPPORTED, "down_proj", "--type f16");
    refused(&(small_case){ .scales = "row", .dim = 128, .ffn = 256 }, "tq1_0", NULL, SGN_UNSUPPORTED, "q_proj", "256");
    refused(&(small_case){ .scales = "row" }, "q8_0", NULL, SGN_UNSUPPORTED, "model.embed_tokens.weight", "--type f16");
    refused(&(small_case){ .scales = "row", .dim = 128, .ffn = 256 }, "q1_0", "q1_0", SGN_CONFIG, "--other-type", "q8_0");
    refused(&(small_case){ .scales = "row", .dim = 128, .ffn = 256 }, "q2_0", NULL, SGN_CONFIG, "q2_0", "tq2_0");
    sgn_transformer m;
    small_model(&m, &(small_case){ .scales = "tensor", .dim = 128, .ffn = 256 }, 17);
    round_scales(&m);
    scale_of(&m, 1, SGN_UP, 1)->data[0] = 1e-6f;
    check_fails(sgn_export("gguf", check_path("no"), &m, &(sgn_export_options){ .type = "q1_0" }, true, &err), SGN_UNSUPPORTED, &err, "layers.1.mlp.up_proj");
    scale_of(&m, 1, SGN_UP, 1)->data[0] = 1e5f;
    check_fails(sgn_export("gguf", check_path("no"), &m, &(sgn_export_options){ .type = "f16" }, true, &err), SGN_NUMERIC, &err, "too large");
    sgn_transformer_free(&m);
}

/* What a refusal advises to train, and nothing that would be refused again. */
static void advice_is_true(void **state) {
    (void)state;
    static const struct { small_case c; const char *type; bool tied, fbi; } cases[] = {
        { { .scales = "column" }, "q1_0", .tied = true },
        { { .scales = "column", .kv_heads = 2 }, "q1_0", .tied = false },
        { { .scales = "column", .kv_heads = 2, .tie_scales = true }, "q1_0", .tied = false },
        { { .scales = "column", .binary = "q,down" }, "q1_0", .tied = false },
        { { .linear = "nm", .scales = "column" }, "tq2_0", .tied = true },
        { { .linear = "nm", .scales = "column" }, "q1_0", .fbi = true },
        { { .linear = "rowcol" }, "q1_0", .fbi = true },
        { { .linear = "rowcol" }, "tq1_0", .fbi = true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        small_case c = cases[i].c;
        c.dim = 256, c.ffn = 512;
        refused(&c, cases[i].type, NULL, SGN_UNSUPPORTED, "_proj.weight", "--approximate");
        assert_non_null(strstr(err.text, "model.scales=row"));
        assert_true(cases[i].tied == !!strstr(err.text, "model.tie_scales=true"));
        assert_true(cases[i].fbi == !!strstr(err.text, "model.linear=fbi"));
        for (int tied = 0; tied <= cases[i].tied; tied++) {
            sgn_transformer m;
            small_case advised = c;
            advised.scales = tied ? "column" : "row";
            advised.tie_scales = tied;
            if (cases[i].fbi) advised.linear = "fbi";
            small_model(&m, &advised, 21);
            check_ok(sgn_export("gguf", check_path("advised"), &m, &(sgn_export_options){ .type = cases[i].type }, true, &err), &err);
            sgn_transformer_free(&m);
        }
    }
}

/* Rounded on demand: signs stay, d is the mean size, and what was shared is in the norms. */
static void or_rounded_on_demand(void **state) {
    (void)state;
    static const small_case cases[] = { { .scales = "column", .dim = 256, .ffn = 512 }, { .scales = "column", .kv_heads = 2, .no_shift = true, .dim = 256, .ffn = 512 },
                                        { .linear = "full", .binary = "", .dim = 256, .ffn = 512 } };
    static const char *const types[] = { "q1_0", "tq1_0", "tq2_0" };
    sgn_archive a;
    for (int i = 0; i < 3; i++) for (int t = 0; t < 3; t++) {
        sgn_transformer m, again;
        small_model(&m, &cases[i], 18);
        check_ok(sgn_export("gguf", check_path("near"), &m, &(sgn_export_options){ .type = types[t], .approximate = true }, true, &err), &err);
        check_ok(sgn_archive_open(&a, check_path("near/model.gguf"), &err), &err);
        for (int k = 0; k < a.count; k++)
            if (strstr(a.at[k].name, "attn_v.w")) assert_string_equal(sgn_dtype_name(a.at[k].dtype), t == 0 ? "Q1_0" : t == 1 ? "TQ1_0" : "TQ2_0");
        sgn_archive_close(&a);
        check_ok(sgn_model_load(&again, check_path("near"), false, &err), &err);
        sgn_transformer_free(&again);
        sgn_transformer_free(&m);
    }
}

/* Rows that are no whole blocks: F16, and nothing else of the file. */
static void odd_rows_are_halves_on_demand(void **state) {
    (void)state;
    sgn_transformer m;
    sgn_archive a;
    small_model(&m, &(small_case){ .scales = "row", .dim = 128, .ffn = 200 }, 20);
    round_scales(&m);
    small_logits(&m, tokens, FOLD_TOKENS, want);
    check_ok(sgn_export("gguf", check_path("odd"), &m, &(sgn_export_options){ .type = "q1_0", .other_type = "f32", .approximate = true }, true, &err), &err);
    check_ok(sgn_archive_open(&a, check_path("odd/model.gguf"), &err), &err);
    for (int k = 0; k < a.count; k++)
        if (strstr(a.at[k].name, "blk.") && a.at[k].rank == 2)
            assert_int_equal(a.at[k].dtype, strstr(a.at[k].name, "ffn_down") ? SGN_DTYPE_F16 : SGN_DTYPE_Q1_0);
    sgn_archive_close(&a);
    check_logits(check_path("odd"), 2e-3);
    sgn_transformer_free(&m);
}

/* What was read from such a file is written again, bit for bit. */
static void files_come_back(void **state) {
    (void)state;
    const small_case c = { .scales = "group128", .dim = 128, .ffn = 256, .kv_heads = 2 };
    sgn_transformer m, again;
    sgn_archive a, b;
    small_model(&m, &c, 19);
    check_ok(sgn_export("gguf", check_path("one"), &m, &(sgn_export_options){ .type = "q1_0", .other_type = "q8_0" }, true, &err), &err);
    check_ok(sgn_model_load(&again, check_path("one"), false, &err), &err);
    check_ok(sgn_export("gguf", check_path("other"), &again, &(sgn_export_options){ .type = "q1_0", .other_type = "q8_0" }, true, &err), &err);
    check_ok(sgn_archive_open(&a, check_path("one/model.gguf"), &err), &err);
    check_ok(sgn_archive_open(&b, check_path("other/model.gguf"), &err), &err);
    assert_int_equal(a.count, b.count);
    for (int i = 0; i < a.count; i++) {
        assert_string_equal(a.at[i].name, b.at[i].name);
        assert_memory_equal(a.kind->map(&a, i), b.kind->map(&b, i), (size_t)a.at[i].bytes);
    }
    sgn_archive_close(&a);
    sgn_archive_close(&b);
    sgn_transformer_free(&again);
    sgn_transformer_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_leave_without_loss), cmocka_unit_test(blocks_are_as_prescribed), cmocka_unit_test(shifts_are_an_adapter),
        cmocka_unit_test(adapters_come_along), cmocka_unit_test(numbers_are_rounded), cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(advice_is_true),
        cmocka_unit_test(or_rounded_on_demand), cmocka_unit_test(odd_rows_are_halves_on_demand), cmocka_unit_test(files_come_back),
    };
    return check_run(tests);
}
