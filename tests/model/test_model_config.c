/* What a model's settings may be, and config.json in Hugging Face's words.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "model/model_config.h"

static const sgn_section sections[] = { { "model", sgn_model_fields, 0 }, { 0 } };

static sgn_model_config defaults(void) {
    sgn_model_config c;
    sgn_config_defaults(&c, sections);
    c.vocab = 512;
    c.context = 64;
    return c;
}

static void defaults_resolve(void **state) {
    (void)state;
    sgn_error err;
    sgn_model_config c = defaults();
    check_ok(sgn_model_config_resolve(&c, &err), &err);
    assert_int_equal(c.kv_heads, 6);
    assert_int_equal(c.head_dim, 48);
    assert_string_equal(sgn_model_config_linear(&c, 0, "q"), "fbi");
    assert_string_equal(sgn_model_config_linear(&c, 0, "down"), "fbi");
}

static void impossible_shapes(void **state) {
    (void)state;
    static const struct { const char *assignment, *says; } rows[] = {
        { "model.heads=5", "model.heads 5 does not divide model.dim 288" },
        { "model.kv_heads=4", "model.kv_heads 4 does not divide model.heads 6" },
        { "model.head_dim=7", "must be even" },
        { "model.linear=fbj", "(did you mean 'fbi'?); there are full, fbi, " },
        { "model.binary=[attention, mpl]", "did you mean 'mlp'?" },
        { "model.binary=q_proj", "no module 'q_proj'" },
        { "model.vocab=0", "set model.vocab" },
        { "model.context=0", "set model.context" },
        { "model.head_dim=65536", "model.heads * model.head_dim" },
    };
    sgn_error err;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sgn_model_config c = defaults();
        if (strstr(rows[i].assignment, "65536")) c.heads = 64;
        check_ok(sgn_config_override(&c, sections, rows[i].assignment, &err), &err);
        check_fails(sgn_model_config_resolve(&c, &err), SGN_CONFIG, &err, rows[i].says);
    }
    sgn_model_config c = defaults();
    c.layers = 0;                                              /* ranges hold for what did not come from a preset, too */
    check_fails(sgn_model_config_resolve(&c, &err), SGN_CONFIG, &err, "model.layers");
    c = defaults();
    c.rms_eps = NAN;
    check_fails(sgn_model_config_resolve(&c, &err), SGN_CONFIG, &err, "model.rms_eps");
}

static void binary_modules(void **state) {
    (void)state;
    static const char *const module[] = { "q", "k", "v", "o", "gate", "up", "down" };
    static const struct { const char *binary; int mask; } rows[] = {
        { "attention,mlp", 127 }, { "attention", 15 }, { "mlp", 112 }, { "", 0 }, { "[q, down]", 65 },
        { "k,v , gate", 22 }, { "o up", 40 }, { "attention,q", 15 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sgn_model_config c = defaults();
        snprintf(c.binary, SGN_TEXT, "%s", rows[i].binary);
        int mask = 0;
        for (int m = 0; m < 7; m++) mask |= (strcmp(sgn_model_config_linear(&c, 0, module[m]), "fbi") == 0) << m;
        assert_int_equal(mask, rows[i].mask);
    }
}

/* --- config.json ------------------------------------------------------------------------------------- */

#define SHAPE "\"hidden_size\": 64, \"intermediate_size\": 172, \"num_hidden_layers\": 5, \"num_attention_heads\": 8, \"vocab_size\": 512"

static sgn_status parse(sgn_model_config *c, const char *text, sgn_error *err) {
    sgn_json *j;
    check_ok(sgn_json_parse(&j, text, strlen(text), "m/config.json", err), err);
    const sgn_status s = sgn_model_config_from_json(c, j, "m/config.json", err);
    sgn_json_free(j);
    return s;
}

static void hugging_face(void **state) {
    (void)state;
    sgn_error err;
    sgn_model_config c;
    check_ok(parse(&c, "{" SHAPE "}", &err), &err);            /* LlamaConfig's own defaults */
    assert_int_equal(c.kv_heads, 8);
    assert_int_equal(c.head_dim, 8);
    assert_int_equal(c.context, 2048);
    check_close(c.rms_eps, 1e-6, 0, 0);
    check_close(c.rope_theta, 10000, 0, 0);
    check_close(c.rope_scaling, 1, 0, 0);
    assert_false(c.tied_head);
    assert_string_equal(sgn_model_config_linear(&c, 0, "q"), "full");
    check_ok(parse(&c, "{" SHAPE ", \"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"num_key_value_heads\": 4,"
                   "\"head_dim\": 16, \"max_position_embeddings\": 512, \"rms_norm_eps\": 1e-05, \"rope_theta\": 500000, \"rope_scaling\":"
                   "{\"type\": \"linear\", \"factor\": 4}, \"tie_word_embeddings\": true, \"attention_bias\": true, \"hidden_act\": \"silu\","
                   "\"torch_dtype\": \"float16\", \"use_cache\": true, \"pretraining_tp\": 1}", &err), &err);
    assert_int_equal(c.kv_heads, 4);
    assert_int_equal(c.head_dim, 16);
    check_close(c.rope_theta, 500000, 0, 0);
    check_close(c.rope_scaling, 4, 0, 0);
    assert_true(c.tied_head && c.attention_bias && !c.mlp_bias);
    check_ok(parse(&c, "{" SHAPE ", \"rope_scaling\": null, \"rope_parameters\": {\"rope_theta\": 20000.0, \"rope_type\": \"default\"},"
                   "\"signum\": {\"linear\": \"fbi\", \"scales\": \"row\", \"shift\": false, \"binary\": [\"mlp\", \"o\"]}}", &err), &err);
    check_close(c.rope_theta, 20000, 0, 0);
    assert_string_equal(sgn_model_config_linear(&c, 0, "o"), "fbi");
    assert_string_equal(sgn_model_config_linear(&c, 0, "k"), "full");
    assert_string_equal(c.scales, "row");
    assert_false(c.shift);
}

#define GPT2 "\"model_type\": \"gpt2\", \"n_embd\": 64, \"n_layer\": 3, \"n_head\": 4, \"vocab_size\": 100"

static void families(void **state) {
    (void)state;
    sgn_error err;
    sgn_model_config c;
    check_ok(parse(&c, "{" SHAPE ", \"model_type\": \"qwen2\", \"num_key_value_heads\": 4, \"use_sliding_window\": false, \"sliding_window\": 8}", &err), &err);
    assert_true(sgn_model_config_bias(&c, "q") && sgn_model_config_bias(&c, "v") && !sgn_model_config_bias(&c, "o") && !sgn_model_config_bias(&c, "up"));
    assert_int_equal(c.context, 32768);
    check_ok(parse(&c, "{" SHAPE ", \"model_type\": \"qwen3\", \"num_key_value_heads\": 4}", &err), &err);
    assert_true(c.qk_norm && !c.qkv_bias);
    assert_int_equal(c.head_dim, 128);
    /* A window is the longest sequence for which it changes nothing. */
    check_ok(parse(&c, "{" SHAPE ", \"model_type\": \"mistral\", \"max_position_embeddings\": 8192}", &err), &err);
    assert_int_equal(c.context, 4096);
    assert_int_equal(c.kv_heads, 8);
    check_ok(parse(&c, "{" SHAPE ", \"model_type\": \"mistral\", \"max_position_embeddings\": 8192, \"sliding_window\": null}", &err), &err);
    assert_int_equal(c.context, 8192);
    check_ok(parse(&c, "{" SHAPE ", \"model_type\": \"qwen3\", \"num_key_value_heads\": 8, \"sliding_window\": 16, \"layer_types\":"
                   "[\"full_attention\", \"sliding_attention\"]}", &err), &err);
    assert_int_equal(c.context, 16);
    check_ok(parse(&c, "{" SHAPE ", \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.5,"
                   "\"high_freq_factor\": 4.5, \"original_max_position_embeddings\": 1024}}", &err), &err);
    assert_string_equal(c.rope_type, "llama3");
    assert_int_equal(c.rope_original, 1024);
    check_close(c.rope_low + 10 * c.rope_high, 46.5, 0, 1e-15);
    check_ok(parse(&c, "{" SHAPE ", \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4}}", &err), &err);
    check_close(c.rope_low + c.rope_high, 33, 0, 0);
    assert_int_equal(c.rope_original, c.context);
    check_ok(parse(&c, "{" GPT2 "}", &err), &err);
    assert_string_equal(c.arch, "gpt2");
    assert_true(c.tied_head && c.attention_bias && c.mlp_bias && !sgn_model_config_has(&c, "gate"));
    assert_int_equal(c.ffn, 256);
    assert_int_equal(c.context, 1024);
}

static void refused(void **state) {
    (void)state;
    static const struct { const char *text, *says; sgn_status status; } rows[] = {
        { "[]", "not a JSON object", SGN_FORMAT },
        { "{\"hidden_size\": 64}", "intermediate_size is missing", SGN_FORMAT },
        { "{\"hidden_size\": \"64\"}", "hidden_size is not an integer", SGN_FORMAT },
        { "{" SHAPE ", \"rope_theta\": \"x\"}", "rope_theta is not a number", SGN_FORMAT },
        { "{" SHAPE ", \"tie_word_embeddings\": 1}", "tie_word_embeddings is not true or false", SGN_FORMAT },
        { "{" SHAPE ", \"model_type\": \"mixtral\"}", "model_type is \"mixtral\"", SGN_UNSUPPORTED },
        { "{" SHAPE ", \"architectures\": [\"LlamaModel\"]}", "LlamaModel", SGN_UNSUPPORTED },
        { "{" SHAPE ", \"hidden_act\": \"gelu\"}", "gelu", SGN_UNSUPPORTED },
        { "{" SHAPE ", \"rope_scaling\": {\"rope_type\": \"longrope\", \"factor\": 8}}", "longrope", SGN_UNSUPPORTED },
        { "{" SHAPE ", \"architectures\": [\"MixtralForCausalLM\"]}", "MixtralForCausalLM", SGN_UNSUPPORTED },
        { "{" SHAPE ", \"model_type\": \"mistral\", \"architectures\": [\"LlamaForCausalLM\"]}", "only 'MistralForCausalLM'", SGN_UNSUPPORTED },
        { "{" SHAPE ", \"quantization_config\": {\"quant_method\": \"gptq\"}}", "quantization_config is {", SGN_UNSUPPORTED },
        { "{" SHAPE ", \"num_local_experts\": 8}", "num_local_experts is 8", SGN_UNSUPPORTED },
        { "{" SHAPE ", \"attention_multiplier\": 0.5}", "attention_multiplier is 0.5", SGN_UNSUPPORTED },
        { "{" SHAPE ", \"partial_rotary_factor\": 0.5}", "partial_rotary_factor is 0.5", SGN_UNSUPPORTED },
        { "{" SHAPE ", \"final_logit_softcapping\": 30.0}", "final_logit_softcapping is 30.0", SGN_UNSUPPORTED },
        { "{" SHAPE ", \"auto_map\": {\"AutoModelForCausalLM\": \"m.M\"}}", "auto_map", SGN_UNSUPPORTED },
        { "{" SHAPE ", \"use_mup\": true}", "use_mup is true", SGN_UNSUPPORTED },
        { "{" SHAPE ", \"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4, \"mscale\": 0.5}}", "rope_scaling.mscale is 0.5", SGN_UNSUPPORTED },
        { "{" SHAPE ", \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8}}", "original_max_position_embeddings is missing", SGN_FORMAT },
        { "{" SHAPE ", \"rope_scaling\": 2}", "rope_scaling is 2", SGN_UNSUPPORTED },
        { "{" SHAPE ", \"layer_types\": [\"linear_attention\"]}", "linear_attention", SGN_UNSUPPORTED },
        { "{" GPT2 ", \"activation_function\": \"gelu\"}", "activation_function is \"gelu\"", SGN_UNSUPPORTED },
        { "{" GPT2 ", \"scale_attn_by_inverse_layer_idx\": true}", "scale_attn_by_inverse_layer_idx is true", SGN_UNSUPPORTED },
        { "{" GPT2 ", \"scale_attn_weights\": false}", "scale_attn_weights is false", SGN_UNSUPPORTED },
        { "{" GPT2 ", \"hidden_size\": 64}", "hidden_size is 64", SGN_UNSUPPORTED },
        { "{" SHAPE ", \"num_key_value_heads\": 3}", "m/config.json: model.kv_heads 3", SGN_CONFIG },
        { "{" SHAPE ", \"max_position_embeddings\": 99999999999}", "model.context", SGN_CONFIG },
        { "{" SHAPE ", \"signum\": {\"binary\": [\"everything\"]}}", "everything", SGN_CONFIG },
        { "{" SHAPE ", \"signum\": {\"linear\": \"quaternary\"}}", "quaternary", SGN_CONFIG },
        { "{" SHAPE ", \"signum\": {\"scales\": \"diagonal\"}}", "diagonal", SGN_CONFIG },
        { "{\"hidden_size\": -64, \"intermediate_size\": 1, \"num_hidden_layers\": 1, \"num_attention_heads\": 1, \"vocab_size\": 1}", "model.dim", SGN_CONFIG },
    };
    sgn_error err;
    sgn_model_config c;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_fails(parse(&c, rows[i].text, &err), rows[i].status, &err, rows[i].says);
}

static void round_trip(void **state) {
    (void)state;
    sgn_error err;
    for (int i = 0; i < 4; i++) {
        sgn_model_config c = defaults(), back;
        snprintf(c.binary, SGN_TEXT, "%s", i == 3 ? "" : "attention,mlp");
        snprintf(c.scales, SGN_TEXT, "%s", i ? "row" : "column");
        c.shift = i != 1;
        c.tie_scales = i == 0;
        c.rope_scaling = i ? 2.5 : 1;
        c.tied_head = c.mlp_bias = i & 1;
        c.rms_eps = 1e-5 / 3;
        check_ok(sgn_model_config_resolve(&c, &err), &err);
        sgn_json *j = sgn_model_config_to_json(&c);
        assert_int_equal(sgn_json_get(j, "signum") != NULL, i != 3);   /* a full model is plain Hugging Face */
        check_ok(sgn_model_config_from_json(&back, j, "memory", &err), &err);
        sgn_json_free(j);
        assert_true(sgn_model_config_same_shape(&c, &back));
        assert_true(c.rms_eps == back.rms_eps && c.rope_theta == back.rope_theta && c.rope_scaling == back.rope_scaling &&
                    c.init_std == back.init_std && c.context == back.context);
        assert_true(back.tie_scales == (i == 0));
        back.scales[0] = 't';
        assert_int_equal(sgn_model_config_same_shape(&c, &back), i == 3);
        back = c;
        back.ffn++;
        assert_false(sgn_model_config_same_shape(&c, &back));
    }
}

/* Every combination of what architectures differ in comes back as it was, setting by setting. */
static void round_trip_of_families(void **state) {
    (void)state;
    sgn_error err;
    int foreign = 0;
    for (int i = 0; i < 3 << 6; i++) {
        static const char *const type[] = { "linear", "llama3", "yarn" };
        sgn_model_config c = defaults(), back;
        const bool gpt2 = i & 1;
        snprintf(c.arch, SGN_TEXT, "%s", gpt2 ? "gpt2" : "llama");
        snprintf(c.rope_type, SGN_TEXT, "%s", gpt2 ? "linear" : type[i >> 6]);
        c.rope_scaling = gpt2 ? 1 : 4;
        if (i >> 6 == 2 && !gpt2) c.rope_magnitude = 1.25;
        c.qk_norm = !gpt2 && i >> 1 & 1;
        c.qkv_bias = i >> 2 & 1;
        c.attention_bias = i >> 3 & 1;
        c.mlp_bias = i >> 4 & 1;
        if (i >> 5 & 1) c.kv_heads = 2, c.head_dim = 16;
        check_ok(sgn_model_config_resolve(&c, &err), &err);
        if (c.attention_bias) c.qkv_bias = false;                      /* says nothing more */
        sgn_json *j = sgn_model_config_to_json(&c);
        check_ok(sgn_model_config_from_json(&back, j, "memory", &err), &err);
        sgn_json_free(j);
        back.qkv_bias = back.qkv_bias && !back.attention_bias;
        char *want, *got;
        check_ok(sgn_config_dump(&c, sections, false, &want, &err), &err);
        check_ok(sgn_config_dump(&back, sections, false, &got, &err), &err);
        assert_string_equal(got, want);
        free(want);
        free(got);
        foreign += sgn_model_config_check_foreign(&c, NULL) != SGN_OK;
    }
    /* gpt2: all but 4 + 4 of its 32 with both biases and as many heads, 3 times; else of 8 sets of biases without qk_norm the one
     * of q, k, v and mlp, with it all but two, 2 shapes and 3 rotations. */
    assert_int_equal(foreign, 3 * (32 - 4) + 3 * 2 * (1 + 5));
}

/* The last exception that fits holds; ranges, modules and groups of them. */
static void mixed_kinds(void **state) {
    (void)state;
    sgn_error err;
    sgn_model_config c = { .layers = 8, .linear = "fbi", .binary = "attention,mlp", .mixed = "0=full, 2-5.mlp=nm, o=bitnet158,3.up=xnor,7.o=onebit" };
    static const struct { int64_t layer; const char *module, *kind; } row[] = {
        { 0, "q", "full" }, { 0, "o", "bitnet158" }, { 1, "up", "fbi" }, { 2, "gate", "nm" }, { 2, "q", "fbi" }, { 5, "down", "nm" },
        { 3, "up", "xnor" }, { 6, "down", "fbi" }, { 7, "o", "onebit" },
    };
    check_ok(sgn_model_config_check_kinds(&c, &err), &err);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        assert_string_equal(sgn_model_config_linear(&c, row[i].layer, row[i].module), row[i].kind);
    static const struct { const char *mixed, *says; } bad[] = {
        { "up", "up" }, { "9=full", "0 to 7" }, { "3-2=full", "3-2=full" }, { "1.sideways=full", "sideways" }, { "1.up=tenary", "no kind 'tenary'; there are full, " },
        { "1.up=bitnet15", "did you mean 'bitnet158'?" }, { "2-8.up=full", "0 to 7" }, { "1.q=full,1=nm", "'1.q=full' holds nowhere" },
        { "0-3.mlp=full, 0-1.up=nm, 2-5.up=nm, up=full, 0-3.gate=nm", "'0-1.up=nm' holds nowhere" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(c.mixed, sizeof c.mixed, "%s", bad[i].mixed);
        check_fails(sgn_model_config_check_kinds(&c, &err), SGN_CONFIG, &err, bad[i].says);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(mixed_kinds),
        cmocka_unit_test(defaults_resolve), cmocka_unit_test(impossible_shapes), cmocka_unit_test(binary_modules),
        cmocka_unit_test(hugging_face), cmocka_unit_test(families), cmocka_unit_test(refused), cmocka_unit_test(round_trip),
        cmocka_unit_test(round_trip_of_families),
    };
    return check_run(tests);
}
