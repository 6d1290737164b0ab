/* SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include <sys/stat.h>
#include <unistd.h>
#include "train/run_config.h"

static sgn_run_config c, d;
static sgn_error err;

/* Every preset in configs/ loads, by name and by path, and its dump loads back to the same settings. */
static void presets_load(void **state) {
    (void)state;
    char **names;
    int count;
    check_ok(sgn_directory_list("configs", "", ".yaml", &names, &count, &err), &err);
    assert_true(count >= 5);
    for (int i = 0; i < count; i++) {
        char word[128], *text, *again;
        snprintf(word, sizeof word, "%.*s", (int)strlen(names[i]) - 5, names[i]);
        check_ok(sgn_run_config_load(&c, word, NULL, 0, &err), &err);
        snprintf(word, sizeof word, "configs/%s", names[i]);
        check_ok(sgn_run_config_load(&c, word, NULL, 0, &err), &err);
        check_ok(sgn_config_dump(&c, sgn_run_sections, true, &text, &err), &err);
        check_ok(sgn_file_write(check_path("dump.yaml"), text, strlen(text), &err), &err);
        check_ok(sgn_run_config_load(&d, check_path("dump.yaml"), NULL, 0, &err), &err);
        check_ok(sgn_config_dump(&d, sgn_run_sections, true, &again, &err), &err);
        assert_string_equal(text, again);
        check_ok(sgn_run_config_compatible(&c, &d, &err), &err);
        free(text);
        free(again);
    }
    sgn_names_free(names, count);
}

/* Blocks of 128, and of 256, hold whole rows with one scale and no shift. */
static void preset_for_gguf(void **state) {
    (void)state;
    check_ok(sgn_run_config_load(&c, "fbi-130m-gguf", NULL, 0, &err), &err);
    assert_true(c.model.dim % 256 == 0 && c.model.ffn % 256 == 0 && c.model.heads * c.model.head_dim % 256 == 0);
    assert_string_equal(c.model.scales, "row");
    assert_false(c.model.shift);
}

/* FBI-LLM_configs and sbatch scripts of the released code: shapes, tokens per step, recipe. */
static void paper_presets(void **state) {
    (void)state;
    static const struct { const char *name; int64_t dim, ffn, layers, heads, windows; } want[] = {
        { "fbi-130m", 768, 2048, 12, 12, 1024 },
        { "fbi-1.3b", 2048, 5632, 24, 32, 1152 },
        { "fbi-7b", 4096, 11008, 32, 32, 1920 },
    };
    for (int i = 0; i < 3; i++) {
        check_ok(sgn_run_config_load(&c, want[i].name, NULL, 0, &err), &err);
        assert_int_equal(c.model.dim, want[i].dim);
        assert_int_equal(c.model.ffn, want[i].ffn);
        assert_int_equal(c.model.layers, want[i].layers);
        assert_int_equal(c.model.heads, want[i].heads);
        assert_int_equal(c.model.kv_heads, want[i].heads);
        assert_int_equal(c.model.vocab, 32000);
        assert_int_equal(c.model.context, 2048);
        assert_int_equal(c.train.seq, 2048);
        assert_int_equal(c.train.batch * c.train.accumulate, want[i].windows);
        assert_string_equal(c.model.linear, "fbi");
        assert_string_equal(c.model.scales, "column");
        assert_false(c.model.tied_head);
        assert_string_equal(c.optim.decay, "all");
        assert_string_equal(c.optim.schedule, "cosine");
        check_close(c.optim.lr, 3e-4, 0, 0);
        check_close(c.optim.min_lr, 3e-5, 0, 0);
        check_close(c.optim.weight_decay, 0.1, 0, 0);
        check_close(c.optim.clip, 1, 0, 0);
        assert_int_equal(c.optim.warmup, 2000);
        check_close(c.distill.lambda, 1, 0, 0);
        check_close(c.distill.temperature, 1, 0, 0);
    }
    check_ok(sgn_run_config_load(&c, "tiny", NULL, 0, &err), &err);
    assert_int_equal(c.model.dim, 288);
    assert_int_equal(c.model.layers, 6);
    assert_int_equal(c.model.heads, 6);
    assert_int_equal(c.model.ffn, 768);
    assert_int_equal(c.model.vocab, 32000);
    assert_int_equal(c.train.seq, 256);
}

static sgn_status load(const char *override) {
    return sgn_run_config_load(&c, "demo", &override, 1, &err);
}

static void refusals(void **state) {
    (void)state;
    check_fails(load("model.dimm=8"), SGN_CONFIG, &err, "model.dim");
    check_fails(load("optim.warmpu=8"), SGN_CONFIG, &err, "optim.warmup");
    check_fails(load("steps=8"), SGN_CONFIG, &err, "train.steps");
    check_fails(load("train.steps=0"), SGN_CONFIG, &err, "train.steps");
    check_fails(load("train.steps=ten"), SGN_CONFIG, &err, "train.steps");
    check_fails(load("data.order=random"), SGN_CONFIG, &err, "shuffled");
    check_fails(load("model.heads=5"), SGN_CONFIG, &err, "model.heads");
    check_fails(load("model.linear=fib"), SGN_CONFIG, &err, "fbi");
    check_fails(load("model.binary_from_step=700"), SGN_CONFIG, &err, "not before train.steps");
    check_fails(load("distill.lambda_end=-0.5"), SGN_CONFIG, &err, "distill.lambda_end = -0.5 is no share");
    check_fails(load("model.context=64"), SGN_CONFIG, &err, "train.seq");
    check_fails(load("optim.schedule=cosin"), SGN_CONFIG, &err, "cosine");
    check_fails(sgn_run_config_load(&c, "demo", (const char *[]){ "train.batch=65536", "train.seq=512" }, 2, &err), SGN_CONFIG, &err,
                "train.accumulate");
    check_fails(sgn_run_config_load(&c, "demmo", NULL, 0, &err), SGN_CONFIG, &err, "demo");
    check_fails(sgn_run_config_load(&c, "no/such.yaml", NULL, 0, &err), SGN_IO, &err, "no/such.yaml");
    check_fails(sgn_run_config_load(&c, "configs", NULL, 0, &err), SGN_CONFIG, &err, "config.yaml");
}

/* A directory may bear the name of a preset, as the demo's does. */
static void a_directory_of_that_name(void **state) {
    (void)state;
    char here[SGN_PATH_MAX];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(check_directory), 0);
    assert_int_equal(mkdir("mine", 0700) + mkdir("configs", 0700), 0);
    check_ok(sgn_file_write("configs/mine.yaml", "train: {steps: 3}\n", 18, &err), &err);
    check_ok(sgn_run_config_load(&c, "mine", NULL, 0, &err), &err);
    assert_int_equal(chdir(here), 0);
    assert_int_equal(c.train.steps, 3);
}

/* `init` takes the place of defaults; of a full-precision model all but what is binary. A file and words are stronger. */
static void settings_of_init(void **state) {
    (void)state;
    static const char shape[] = "{\"model_type\": \"llama\", \"hidden_size\": 40, \"intermediate_size\": 72, \"num_hidden_layers\": 3, "
        "\"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"vocab_size\": 99, \"max_position_embeddings\": 512, \"rms_norm_eps\": 1e-3%s}";
    char text[1024], init[600];
    const char *words[] = { init, "model.layers=2", "train.seq=64" };
    snprintf(init, sizeof init, "init=%s", check_path("start"));
    assert_int_equal(mkdir(check_path("start"), 0700), 0);
    for (int binary = 0; binary < 2; binary++) {
        snprintf(text, sizeof text, shape, binary ? ", \"signum\": {\"linear\": \"nm\", \"keep\": \"1:4\", \"scales\": \"row\", \"binary\": \"mlp\"}" : "");
        check_ok(sgn_file_write(check_path("start/config.json"), text, strlen(text), &err), &err);
        check_ok(sgn_run_config_load(&c, NULL, words, 3, &err), &err);
        assert_true(c.model.dim == 40 && c.model.ffn == 72 && c.model.heads == 4 && c.model.kv_heads == 2 && c.model.vocab == 99);
        assert_true(c.model.layers == 2 && c.model.context == 512 && c.train.seq == 64 && c.model.rms_eps == 1e-3);
        assert_string_equal(c.model.linear, binary ? "nm" : "fbi");
        assert_string_equal(c.model.scales, binary ? "row" : "column");
        assert_string_equal(c.model.binary, binary ? "mlp" : "attention,mlp");
    }
    check_ok(sgn_run_config_load(&c, "demo", words, 1, &err), &err);
    assert_true(c.model.dim == 128 && c.model.kv_heads == 2);
    assert_string_equal(c.model.linear, "fbi");
    assert_string_equal(c.model.binary, "mlp");
    check_fails(sgn_run_config_load(&c, NULL, (const char *[]){ init, "train.seq=1024" }, 2, &err), SGN_CONFIG, &err, "lower train.seq");
    check_ok(sgn_run_config_load(&c, NULL, (const char *[]){ "init=nowhere" }, 1, &err), &err);       /* told when its weights are wanted */
    assert_int_equal(c.model.dim, 288);
}

/* A setting that decides the bits is refused by name with both values; the others may change. */
static void what_a_resume_may_change(void **state) {
    (void)state;
    check_ok(load("train.steps=50"), &err);
    d = c;
    const char *const free_keys[] = { "train.save_every=7", "train.eval_every=7", "train.keep=9", "train.threads=1", "train.spike=3",
                                      "data.valid=elsewhere", "data.train=elsewhere", "train.kernels=ref", "train.recompute=true" };
    for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++)
        check_ok(sgn_config_override(&d, sgn_run_sections, free_keys[i], &err), &err);
    check_ok(sgn_run_config_compatible(&c, &d, &err), &err);
    d.train.steps = 77;
    check_fails(sgn_run_config_compatible(&c, &d, &err), SGN_CONFIG, &err, "train.steps = 50, now it is 77");
    d = c;
    d.optim.lr = 0.5;
    check_fails(sgn_run_config_compatible(&c, &d, &err), SGN_CONFIG, &err, "optim.lr");
    d = c;
    strcpy(d.start.init, "else");
    check_fails(sgn_run_config_compatible(&c, &d, &err), SGN_CONFIG, &err, "'else'");
}

/* A list in YAML, in any spacing of the command line, longer than a text may be, and dumped. */
static void a_mix(void **state) {
    (void)state;
    char list[3000] = "", yaml[3200], *text;
    static const char flow[] = "data: {mix: [a=0.7, \"b c=0.3\"]}\n";
    check_ok(sgn_file_write(check_path("mix.yaml"), flow, strlen(flow), &err), &err);
    check_ok(sgn_run_config_load(&c, check_path("mix.yaml"), NULL, 0, &err), &err);
    assert_string_equal(c.data.mix, "a=0.7,b c=0.3");
    check_ok(load("data.mix=[a=0.7, b=0.3]"), &err);
    assert_string_equal(c.data.mix, "a=0.7,b=0.3");
    for (int i = 0; i < 40; i++) snprintf(list + strlen(list), sizeof list - strlen(list), "%sshards/a-rather-long-name-of-a-set/part-%d=0.5", i ? "," : "", i);
    snprintf(yaml, sizeof yaml, "data.mix=%s", list);
    check_ok(load(yaml), &err);
    check_ok(sgn_config_dump(&c, sgn_run_sections, false, &text, &err), &err);
    check_ok(sgn_file_write(check_path("mix.yaml"), text, strlen(text), &err), &err);
    free(text);
    check_ok(sgn_run_config_load(&d, check_path("mix.yaml"), NULL, 0, &err), &err);
    assert_string_equal(d.data.mix, list);
    check_fails(sgn_run_config_load(&c, "demo", (const char *[]){ "data.mix=a=1", "data.train=b" }, 2, &err), SGN_CONFIG, &err, "data.train and data.mix");
    check_fails(load("data.mask_documents=1"), SGN_CONFIG, &err, "neither true nor false");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets_load), cmocka_unit_test(preset_for_gguf), cmocka_unit_test(paper_presets), cmocka_unit_test(refusals),
        cmocka_unit_test(a_directory_of_that_name), cmocka_unit_test(settings_of_init), cmocka_unit_test(what_a_resume_may_change), cmocka_unit_test(a_mix),
    };
    return check_run(tests);
}
