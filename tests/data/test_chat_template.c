/* Where a chat template is from, what it makes of messages, what ends an answer.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/archive.h"
#include "data/chat_template.h"

/* The byte tokenizer with three special tokens more: 257, 258, 259. */
static sgn_tokenizer *open_tokenizer(void) {
    static const char *const names[] = { "<|im_start|>", "<|im_end|>", "</s>" };
    sgn_error err = { 0 };
    sgn_tokenizer *t;
    sgn_json *j;
    check_ok(sgn_tokenizer_open(&t, "byte", &err), &err);
    check_ok(sgn_tokenizer_save(t, check_path("tokenizer.json"), &err), &err);
    sgn_tokenizer_close(t);
    check_ok(sgn_json_load(&j, check_path("tokenizer.json"), 1 << 20, &err), &err);
    for (int i = 0; i < 3; i++) {
        sgn_json *token = sgn_json_new_object();
        sgn_json_set(token, "id", sgn_json_new_int(257 + i));
        sgn_json_set(token, "content", sgn_json_new_string(names[i]));
        sgn_json_set(token, "special", sgn_json_new_bool(true));
        sgn_json_append(sgn_json_get(j, "added_tokens"), token);
    }
    check_ok(sgn_json_save(j, 0, check_path("tokenizer.json"), &err), &err);
    sgn_json_free(j);
    check_ok(sgn_tokenizer_open(&t, check_path("tokenizer.json"), &err), &err);
    assert_int_equal(sgn_tokenizer_vocab(t), 260);
    return t;
}

/* A new directory of a model with these files. */
static const char *put_model(const char *name, const char *config, const char *generation, const char *jinja) {
    sgn_error err = { 0 };
    sgn_path path;
    const char *directory = check_path(name);
    check_ok(sgn_make_directories(directory, &err), &err);
    const struct { const char *name, *text; } files[] = {
        { "tokenizer_config.json", config }, { "generation_config.json", generation }, { "chat_template.jinja", jinja } };
    for (size_t i = 0; i < 3; i++) {
        if (!files[i].text) continue;
        check_ok(sgn_path_set(&path, &err, "%s/%s", directory, files[i].name), &err);
        check_ok(sgn_file_write(path.s, files[i].text, strlen(files[i].text), &err), &err);
    }
    return directory;
}

static void check_text(const sgn_chat *c, const char *want) {
    static const char text[] = "[{\"role\": \"system\", \"content\": \"S\"}, {\"role\": \"user\", \"content\": \"U\"}]";
    sgn_error err = { 0 };
    sgn_json *messages;
    char *out;
    size_t size;
    check_ok(sgn_json_parse(&messages, text, strlen(text), "messages", &err), &err);
    check_ok(sgn_chat_render(c, messages, NULL, true, &out, &size, &err), &err);
    assert_string_equal(out, want);
    free(out);
    assert_int_equal(sgn_json_size(messages), 2);              /* still the caller's */
    sgn_json_free(messages);
}

static void test_of_the_model(void **state) {
    sgn_tokenizer *t = open_tokenizer();
    sgn_error err = { 0 };
    sgn_chat *c;
    int n;
    (void)state;
    const char *m = put_model("one", "{\"bos_token\": {\"content\": \"<b>\"}, \"eos_token\": \"</s>\", \"pad_token\": null, \"chat_template\": "
        "\"{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}:{{ m.content }}<|im_end|>\\n{% endfor %}{{ eos_token }}"
        "{% if tools is none and add_generation_prompt %}!{% endif %}\"}", "{\"eos_token_id\": [259, 258, 4, 5000]}", NULL);
    check_ok(sgn_chat_open(&c, m, NULL, t, &err), &err);
    check_text(c, "<b><|im_start|>system:S<|im_end|>\n<|im_start|>user:U<|im_end|>\n</s>!");
    const int32_t *stop = sgn_chat_stop_ids(c, &n);
    assert_int_equal(n, 3);                                    /* 5000 is none; 258 is behind an answer, too */
    assert_int_equal(stop[0], 259);
    assert_int_equal(stop[1], 258);
    assert_int_equal(stop[2], 4);
    assert_null(sgn_chat_stop(c));
    sgn_json *messages;
    sgn_ids ids = { 0 };
    check_ok(sgn_json_parse(&messages, "[{\"role\": \"u\", \"content\": \"a\"}]", 31, "m", &err), &err);
    check_ok(sgn_chat_encode(c, messages, NULL, &ids, &err), &err);
    const int32_t want[] = { '<', 'b', '>', 257, 'u', ':', 'a', 258, '\n', 259, '!' };
    assert_int_equal(ids.count, sizeof want / sizeof *want);
    assert_memory_equal(ids.id, want, sizeof want);
    sgn_ids_free(&ids);
    sgn_json_free(messages);
    sgn_chat_close(c);
    sgn_tokenizer_close(t);
}

static void test_several(void **state) {
    sgn_tokenizer *t = open_tokenizer();
    sgn_error err = { 0 };
    sgn_chat *c;
    (void)state;
    const char *m = put_model("several", "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"T\"}, {\"name\": \"default\", "
                              "\"template\": \"D{{ messages[1].content }}\"}]}", NULL, NULL);
    check_ok(sgn_chat_open(&c, m, NULL, t, &err), &err);
    check_text(c, "DU");
    sgn_chat_close(c);
    check_ok(sgn_chat_open(&c, m, "tool_use", t, &err), &err);
    check_text(c, "T");
    sgn_chat_close(c);
    m = put_model("file", "{\"bos_token\": \"<s>\"}", NULL, "{{ bos_token }}J\n");
    check_ok(sgn_chat_open(&c, m, NULL, t, &err), &err);
    check_text(c, "<s>J");
    sgn_chat_close(c);
    check_ok(sgn_chat_open(&c, check_path("one"), check_path("file/chat_template.jinja"), t, &err), &err);
    check_text(c, "<b>J");                                     /* the model's tokens, the file's template */
    sgn_chat_close(c);
    sgn_tokenizer_close(t);
}

static void test_ours(void **state) {
    sgn_tokenizer *t = open_tokenizer();
    sgn_error err = { 0 };
    sgn_chat *c;
    int n;
    (void)state;
    const char *m = put_model("bare", "{}", NULL, NULL);
    check_ok(sgn_chat_open(&c, m, "chatml", t, &err), &err);
    check_text(c, "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n");
    assert_int_equal(sgn_chat_stop_ids(c, &n)[0], 258);
    assert_int_equal(n, 1);
    sgn_chat_close(c);
    check_ok(sgn_chat_open(&c, m, "llama2", t, &err), &err);
    check_text(c, "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nU [/INST]");
    assert_int_equal(sgn_chat_stop_ids(c, &n)[0], 259);
    sgn_chat_close(c);
    check_ok(sgn_chat_open(&c, m, "plain", t, &err), &err);
    check_text(c, "S\n\nUser: U\nAssistant:");
    sgn_chat_stop_ids(c, &n);
    assert_int_equal(n, 0);
    assert_string_equal(sgn_chat_stop(c), "\nUser:");
    sgn_chat_close(c);
    sgn_tokenizer_close(t);
}

static void test_gguf(void **state) {
    sgn_tokenizer *t = open_tokenizer();
    sgn_error err = { 0 };
    sgn_chat *c;
    (void)state;
    const float one = 1;
    const void *data[] = { &one };
    const char *text = "G{{ messages|length }}";
    const sgn_array a = sgn_array_make("x", SGN_DTYPE_F32, 1, (int64_t[]){ 1 });
    const sgn_meta meta[] = { { "tokenizer.chat_template", SGN_META_TEXT, false, 1, &text } };
    check_ok(sgn_archive_write_meta("gguf", check_path("m.gguf"), &a, data, 1, meta, 1, &err), &err);
    check_ok(sgn_chat_open(&c, check_path("m.gguf"), NULL, t, &err), &err);
    check_text(c, "G2");
    sgn_chat_close(c);
    sgn_tokenizer_close(t);
}

static void test_refusals(void **state) {
    sgn_tokenizer *t = open_tokenizer();
    sgn_error err = { 0 };
    sgn_chat *c;
    (void)state;
    check_fails(sgn_chat_open(&c, put_model("bare", "{}", NULL, NULL), NULL, t, &err), SGN_CONFIG, &err, "has no chat template; say --template chatml");
    check_fails(sgn_chat_open(&c, check_path("bare"), "nothing", t, &err), SGN_CONFIG, &err, "'nothing' is no template of the model");
    assert_null(c);
    const char *m = put_model("broken", "{\"chat_template\": \"a\\n{{ b\"}", NULL, NULL);
    check_fails(sgn_chat_open(&c, m, NULL, t, &err), SGN_FORMAT, &err, "tokenizer_config.json:2:5: a tag has no end");
    m = put_model("refuses", "{\"chat_template\": \"{{ raise_exception('never') }}\"}", NULL, NULL);
    check_ok(sgn_chat_open(&c, m, NULL, t, &err), &err);       /* the probe's refusal is none of the opening */
    sgn_json *messages = sgn_json_new_array();
    char *out;
    size_t size;
    check_fails(sgn_chat_render(c, messages, NULL, true, &out, &size, &err), SGN_CONFIG, &err, "the template refuses these messages: never");
    sgn_json_free(messages);
    sgn_chat_close(c);
    sgn_chat_close(NULL);
    sgn_tokenizer_close(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_the_model), cmocka_unit_test(test_several), cmocka_unit_test(test_ours), cmocka_unit_test(test_gguf),
        cmocka_unit_test(test_refusals),
    };
    return check_run(tests);
}
