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
    assert_string_equal(sgn_model_config_linear(&c, "q"), "fbi");
    assert_string_equal(sgn_model_config_linear(&c, "down"), "fbi");
}

static void impossible_shapes(void **state) {
    (void)state;
    static const struct { const char *assignment, *says; } rows[] = {
        { "model.heads=5", "model.heads 5 does not divide model.dim 288" },
        { "model.kv_heads=4", "model.kv_heads 4 does not divide model.heads 6" },
        { "model.head_dim=7", "must be even" },
        { "model.linear=fbj", "the nearest is 'fbi'" },
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
        for (int m = 0; m < 7; m++) mask |= (strcmp(sgn_model_config_linear(&c, module[m]), "fbi") == 0) << m;
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
    assert_string_equal(sgn_model_config_linear(&c, "q"), "full");
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
    assert_string_equal(sgn_model_config_linear(&c, "o"), "fbi");
    assert_string_equal(sgn_model_config_linear(&c, "k"), "full");
    assert_string_equal(c.scales, "row");
    assert_false(c.shift);
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
        back.scales[0] = 't';
        assert_int_equal(sgn_model_config_same_shape(&c, &back), i == 3);
        back = c;
        back.ffn++;
        assert_false(sgn_model_config_same_shape(&c, &back));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_resolve), cmocka_unit_test(impossible_shapes), cmocka_unit_test(binary_modules),
        cmocka_unit_test(hugging_face), cmocka_unit_test(refused), cmocka_unit_test(round_trip),
    };
    return check_run(tests);
}
