/* config.json of a model: what is accepted can be said again, and then is the same, setting by setting.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "core/log.h"
#include "model/model_config.h"
#include "tests/fuzz/fuzz.h"

static const sgn_section sections[] = { { "model", sgn_model_fields, 0 }, { 0 } };

#define LLAMA "\"hidden_size\": 64, \"intermediate_size\": 172, \"num_hidden_layers\": 5, \"num_attention_heads\": 8, \"vocab_size\": 512"

void fuzz_seeds(fuzz_take *take) {
    static const char *const texts[] = {
        "{" LLAMA ", \"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"rope_scaling\": {\"rope_type\": \"llama3\","
        "\"factor\": 8.0, \"low_freq_factor\": 1, \"high_freq_factor\": 4, \"original_max_position_embeddings\": 64}, \"attention_bias\": true}",
        "{" LLAMA ", \"model_type\": \"qwen3\", \"num_key_value_heads\": 4, \"head_dim\": 10, \"layer_types\": [\"full_attention\"],"
        "\"rope_parameters\": {\"type\": \"yarn\", \"factor\": 4, \"beta_fast\": 16, \"attention_factor\": 1.5}, \"_name_or_path\": \"x\"}",
        "{" LLAMA ", \"model_type\": \"mistral\", \"sliding_window\": 9, \"signum\": {\"linear\": \"fbi\", \"scales\": \"row\", \"binary\": [\"mlp\", \"o\"]}}",
        "{\"model_type\": \"gpt2\", \"n_embd\": 64, \"n_layer\": 3, \"n_head\": 4, \"n_inner\": null, \"vocab_size\": 100, \"attention_bias\": false}" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) take(texts[i], strlen(texts[i]));
}

static void silence(void *ctx, sgn_log_level level, const char *line) { (void)ctx, (void)level, (void)line; }

static char *text_of(const sgn_model_config *c) {
    sgn_error err = { 0 };
    char *text;
    fuzz_ok(sgn_config_dump(c, sections, false, &text, &err), &err);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sgn_error err = { 0 };
    sgn_json *j;
    sgn_model_config c, again;
    sgn_log_to(silence, NULL);
    if (fuzz_refused(sgn_json_parse(&j, (const char *)data, size, "x.json", &err), &err, "x.json")) return 0;
    const sgn_status s = sgn_model_config_from_json(&c, j, "x.json", &err);
    sgn_json_free(j);
    if (fuzz_refused(s, &err, "x.json")) return 0;
    fuzz_check(c.heads % c.kv_heads == 0 && c.head_dim > 0 && c.context > 0 && c.vocab > 0 && c.dim > 0);
    fuzz_check(strlen(c.binary) < SGN_TEXT && sgn_model_config_arch(&c));
    j = sgn_model_config_to_json(&c);
    fuzz_ok(sgn_model_config_from_json(&again, j, "again", &err), &err);
    sgn_json_free(j);
    if (c.attention_bias) c.qkv_bias = again.qkv_bias = false;         /* says nothing more */
    c.shift = again.shift;                                             /* nor do linear kinds that no module has */
    memcpy(c.linear, again.linear, SGN_TEXT);
    memcpy(c.scales, again.scales, SGN_TEXT);
    memcpy(c.binary, again.binary, SGN_TEXT);
    char *a = text_of(&c), *b = text_of(&again);
    fuzz_check(strcmp(a, b) == 0);
    free(a);
    free(b);
    return 0;
}
