/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "cli/inspect.h"
#include "cli/output.h"
#include "core/digest.h"
#include "core/file.h"
#include "data/corpus_report.h"
#include "data/mix.h"
#include "model/model_load.h"
#include "train/run_config.h"

enum { JSON_LIMIT = 256 << 20, METRICS_LIMIT = 1 << 30 };

typedef struct { bool arrays, stats, bits, verify, no_verify, json; } values;

static const sgn_option options[] = {
    { "arrays", SGN_OPTION_FLAG, offsetof(values, arrays), NULL, "list the arrays of a directory too (those of a file always are)" },
    { "stats", SGN_OPTION_FLAG, offsetof(values, stats), NULL, "with the least, greatest and mean number of each array" },
    { "bits", SGN_OPTION_FLAG, offsetof(values, bits), NULL, "of a model: where its bits are, layer by layer, and what papers would count" },
    { "verify", SGN_OPTION_FLAG, offsetof(values, verify), NULL, "read everything and compare digests (done anyway for files of a packed model below 1 GiB)" },
    { "no-verify", SGN_OPTION_FLAG, offsetof(values, no_verify), NULL, "compare no digests" },
    { "json", SGN_OPTION_FLAG, offsetof(values, json), NULL, "print one object" },
    { 0 },
};

static sgn_verify verify_of(const values *v) { return v->verify ? SGN_VERIFY_ALL : v->no_verify ? SGN_VERIFY_NONE : SGN_VERIFY_SMALL; }

static void set_text(sgn_json *j, const char *key, const char *text) { sgn_json_set(j, key, sgn_json_new_text(text, strlen(text))); }
static void set_int(sgn_json *j, const char *key, int64_t value) { sgn_json_set(j, key, sgn_json_new_int(value)); }

static bool inside(const char *directory, const char *name, sgn_path *out) {
    return sgn_path_set(out, NULL, "%s/%s", directory, name) == SGN_OK && sgn_file_exists(out->s);
}
static bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* --- shard sets --------------------------------------------------------------------------------------- */

static sgn_status describe_set(const values *v, const char *directory, const char *role, sgn_json *j, sgn_error *err) {
    sgn_shards *s;
    SGN_TRY(sgn_shards_open(&s, directory, role, err));
    const sgn_shard_info *info = sgn_shards_info(s);
    set_int(j, "tokens", (int64_t)info->tokens);
    set_int(j, "documents", (int64_t)info->documents);
    set_int(j, "text_bytes", (int64_t)info->text_bytes);
    if (info->text_bytes) sgn_json_set(j, "bytes_per_token", sgn_json_new_real((double)info->text_bytes / (double)info->tokens));
    set_int(j, "vocab", info->vocab);
    set_int(j, "id_width", info->width);
    set_int(j, "shards", info->shards);
    set_int(j, "file_bytes", (int64_t)info->bytes);
    set_text(j, "tokenizer", *info->tokenizer ? info->tokenizer : "foreign ids");
    if (*info->tokenizer_hash) set_text(j, "tokenizer_hash", info->tokenizer_hash);
    const sgn_status status = v->verify ? sgn_shards_verify(s, err) : SGN_OK;
    if (v->verify && status == SGN_OK) set_text(j, "digests", "all match");
    sgn_shards_close(s);
    return status;
}

static sgn_status describe_sets(const values *v, const char *path, sgn_json *j, sgn_error *err) {
    static const char *const roles[] = { "train", "valid" };
    set_text(j, "what", "a shard set in parts");
    for (int i = 0; i < 2; i++) {
        sgn_path part, contents;
        SGN_TRY(sgn_path_set(&part, err, "%s/%s", path, roles[i]));
        if (!inside(part.s, "shards.json", &contents)) continue;
        sgn_json *set = sgn_json_new_object();
        sgn_json_set(j, roles[i], set);
        SGN_TRY(describe_set(v, part.s, NULL, set, err));
    }
    sgn_path file;
    sgn_corpus_report report;
    if (!inside(path, SGN_CORPUS_REPORT, &file)) return SGN_OK;
    SGN_TRY(sgn_corpus_report_load(&report, NULL, file.s, err));
    sgn_json_set(j, "tokenizing", sgn_corpus_report_json(&report));
    return SGN_OK;
}

/* --- models ---------------------------------------------------------------------------------------------- */

static sgn_status describe_config(const sgn_model_config *c, uint64_t bytes, sgn_json *j, sgn_error *err) {
    sgn_transformer m;                         /* shapes only: nothing is allocated for the weights */
    SGN_TRY(sgn_transformer_init(&m, c, false, err));
    int64_t binary;
    const int64_t all = sgn_transformer_parameters(&m, &binary);
    sgn_transformer_free(&m);
    const struct { const char *key; int64_t value; } numbers[] = {
        { "dim", c->dim }, { "layers", c->layers }, { "heads", c->heads }, { "kv_heads", c->kv_heads }, { "ffn", c->ffn },
        { "vocab", c->vocab }, { "context", c->context },
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) set_int(j, numbers[i].key, numbers[i].value);
    sgn_json_set(j, "tied_head", sgn_json_new_bool(c->tied_head));
    set_text(j, "linear", binary ? c->linear : "full");
    if (binary) {
        set_text(j, "scales", c->scales);
        sgn_json_set(j, "shift", sgn_json_new_bool(c->shift));
        set_text(j, "binary", c->binary);
        if (*c->mixed) set_text(j, "mixed", c->mixed);
    }
    set_int(j, "parameters", all);
    set_int(j, "binary_weights", binary);
    if (bytes) {
        set_int(j, "array_bytes", (int64_t)bytes);
        sgn_json_set(j, "bits_per_parameter", sgn_json_new_real(8 * (double)bytes / (double)all));
    }
    return SGN_OK;
}

/* Bytes of every file that matches, and, where `list` is not NULL, their arrays. */
static sgn_status add_files(const values *v, const char *directory, const char *prefix, const char *suffix, const sgn_model_config *c,
                            sgn_json *list, uint64_t *bytes, sgn_path *first, sgn_error *err) {
    char **names;
    int count;
    SGN_TRY(sgn_directory_list(directory, prefix, suffix, &names, &count, err));
    sgn_status s = SGN_OK;
    for (int i = 0; s == SGN_OK && i < count; i++) {
        sgn_path path;
        struct stat st;
        if ((s = sgn_path_set(&path, err, "%s/%s", directory, names[i])) != SGN_OK) break;
        if (!first->s[0]) *first = path;
        if (stat(path.s, &st) == 0) *bytes += (uint64_t)st.st_size;
        if (list) s = sgn_inspect_arrays(path.s, c, v->stats, list, err);
    }
    sgn_names_free(names, count);
    return s;
}

static bool is_packed(const char *config_path) {
    sgn_json *j;
    if (sgn_json_load(&j, config_path, JSON_LIMIT, NULL) != SGN_OK) return false;
    const bool packed = strcmp(sgn_json_string(sgn_json_get(sgn_json_get(j, "signum"), "format"), ""), "packed") == 0;
    sgn_json_free(j);
    return packed;
}

/* A file that says its shape itself, and is the model of its directory. */
static sgn_status describe_named(const values *v, const char *directory, sgn_json *j, sgn_error *err) {
    sgn_array_set set;
    sgn_model_config c;
    sgn_path path;
    struct stat st;
    SGN_TRY(sgn_model_load_config(directory, NULL, &c, err));
    SGN_TRY(sgn_array_set_open(&set, directory, err));
    const bool gguf = strcmp(set.at[0].kind->name, "gguf") == 0, wants_arrays = v->arrays || v->stats;
    const uint64_t bytes = stat(set.at[0].path, &st) == 0 ? (uint64_t)st.st_size : 0;
    set_text(j, "what", gguf ? "a model in a GGUF file" : "a model in a checkpoint of llama2.c");
    sgn_json *list = wants_arrays ? sgn_json_new_array() : NULL;
    sgn_status s = describe_config(&c, bytes, j, err);
    set_int(j, "array_bytes", (int64_t)bytes);
    sgn_json_set(j, "tokenizer", sgn_json_new_bool(inside(directory, "tokenizer.json", &path) || sgn_archive_meta(set.at, "tokenizer.ggml.tokens")));
    if (s == SGN_OK && wants_arrays) s = sgn_inspect_arrays(set.at[0].path, &c, v->stats, list, err);
    sgn_array_set_close(&set);
    if (s == SGN_OK && v->verify && inside(directory, "MANIFEST", &path) && (s = sgn_manifest_verify(directory, err)) == SGN_OK)
        set_text(j, "digests", "all match");
    if (wants_arrays) sgn_json_set(j, "arrays", list);
    return s;
}

static sgn_status describe_model(const values *v, const char *directory, sgn_json *j, sgn_error *err) {
    static const char *const notes[] = { "step", "tokens", "kernels", NULL };
    sgn_path path, tensors = { "" }, shards = { "" };
    sgn_model_config config, *c = inside(directory, "config.json", &path) ? &config : NULL;
    const bool packed = c && is_packed(path.s), wants_arrays = v->arrays || v->stats;
    uint64_t bytes = 0;
    if (c) SGN_TRY(sgn_model_load_config(directory, NULL, c, err));
    sgn_json *list = wants_arrays ? sgn_json_new_array() : NULL;
    sgn_status s = add_files(v, directory, "", ".safetensors", c, list, &bytes, &tensors, err);
    if (s == SGN_OK) s = add_files(v, directory, "shard-", ".h5", c, list, &bytes, &shards, err);
    if (s == SGN_OK && !c && !tensors.s[0] && !shards.s[0]) {      /* nothing that opens: why? */
        sgn_array_set set;
        s = sgn_array_set_open(&set, directory, err);
        sgn_array_set_close(&set);
    }
    const bool checkpoint = shards.s[0] && !tensors.s[0];
    set_text(j, "what", packed ? "a packed model: sign planes and scales, run in place"
                        : checkpoint ? "a checkpoint: latents, scales, full weights, the optimizer's moments"
                        : "a model in a Hugging Face directory");
    if (s == SGN_OK && checkpoint) s = sgn_inspect_notes(shards.s, notes, j, err);
    sgn_json *products;
    if (inside(directory, "products.json", &path) && sgn_json_load(&products, path.s, JSON_LIMIT, NULL) == SGN_OK)
        sgn_json_set(j, "products", products);
    if (s == SGN_OK && c) s = describe_config(c, checkpoint ? 0 : bytes, j, err);
    set_int(j, "array_bytes", (int64_t)bytes);
    sgn_json_set(j, "tokenizer", sgn_json_new_bool(inside(directory, "tokenizer.json", &path)));
    if (s == SGN_OK && (v->verify || packed) && inside(directory, "MANIFEST", &path)) {
        s = sgn_manifest_check(directory, verify_of(v), err);
        if (s == SGN_OK) set_text(j, "digests", v->verify ? "all match" : v->no_verify ? "not compared" : "those of files below 1 GiB match");
    }
    if (wants_arrays) sgn_json_set(j, "arrays", list);
    return s;
}

/* --- runs -------------------------------------------------------------------------------------------------- */

/* The last line of metrics.jsonl, as an object. */
static void describe_metrics(const char *run, sgn_json *j) {
    sgn_path path;
    char *text, *line;
    size_t size;
    sgn_json *last;
    if (!inside(run, "metrics.jsonl", &path) || sgn_file_read(path.s, METRICS_LIMIT, &text, &size, NULL) != SGN_OK) return;
    while (size && text[size - 1] == '\n') text[--size] = '\0';
    line = strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text;
    if (sgn_json_parse(&last, line, strlen(line), path.s, NULL) == SGN_OK) sgn_json_set(j, "last_metrics", last);
    free(text);
}

/* What the steps so far took from each set, where the sets still are. */
static void describe_mix(const sgn_run_config *c, int64_t step, sgn_json *j) {
    sgn_mix m;
    sgn_json *list = sgn_json_new_array();
    sgn_status s = sgn_mix_open(&m, "", c->data.mix, "train", NULL);
    if (s == SGN_OK) s = sgn_mix_order(&m, &(sgn_sampler){ .seq = (int)c->train.seq, .batch = 1 }, NULL);
    for (int i = 0; s == SGN_OK && i < m.shares.count; i++) {
        const sgn_mix_taken k = sgn_mix_take(&m, (uint64_t)(step * c->train.accumulate * c->train.batch), i);
        sgn_json *set = sgn_json_new_object();
        set_text(set, "set", sgn_shards_directory(m.set[i].shards));
        sgn_json_set(set, "weight", sgn_json_new_real(k.asked));
        sgn_json_set(set, "realised", sgn_json_new_real(k.realised));
        set_int(set, "windows", (int64_t)k.windows);
        sgn_json_set(set, "epochs", sgn_json_new_real(k.epochs));
        sgn_json_append(list, set);
    }
    sgn_mix_close(&m);
    if (s == SGN_OK) sgn_json_set(j, "mix", list);
    else sgn_json_free(list);
}

/* What signum binarize says of its run. */
static sgn_status describe_binarized(const char *run, sgn_json *j, sgn_error *err) {
    static const char *const keys[] = { "method", "model", "calibration", "relative_error", "claimed_bits", "stored_bits" };
    sgn_path path;
    sgn_json *report, *to;
    if (!inside(run, "binarize.json", &path)) return SGN_OK;
    SGN_TRY(sgn_json_load(&report, path.s, JSON_LIMIT, err));
    sgn_json_set(j, "binarized", to = sgn_json_new_object());
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *text = sgn_json_string(sgn_json_get(report, keys[i]), NULL);
        sgn_json_set(to, keys[i], text ? sgn_json_new_text(text, strlen(text)) : sgn_json_new_real(sgn_json_real(sgn_json_get(report, keys[i]), 0)));
    }
    sgn_json_free(report);
    return SGN_OK;
}

static sgn_status describe_run(const values *v, const char *run, sgn_json *j, sgn_error *err) {
    sgn_path at, newest, settings = { "" };
    char **names;
    int count;
    sgn_run_config c;
    set_text(j, "what", "a run");
    if (inside(run, "config.yaml", &settings)) SGN_TRY(sgn_run_config_load(&c, settings.s, NULL, 0, err));
    if (*settings.s && (*c.data.mix || *c.data.train)) {               /* what binarize or import leave is not trained yet */
        set_int(j, "steps", c.train.steps);
        set_text(j, "data", *c.data.mix ? c.data.mix : c.data.train);
        set_text(j, "teacher", *c.distill.teacher ? c.distill.teacher : "none");
    }
    SGN_TRY(describe_binarized(run, j, err));
    describe_metrics(run, j);
    SGN_TRY(sgn_path_set(&at, err, "%s/checkpoints", run));
    SGN_TRY(sgn_directory_list(at.s, "step-", "", &names, &count, err));
    sgn_json *list = sgn_json_new_array();
    for (int i = 0; i < count; i++) sgn_json_append(list, sgn_json_new_string(names[i]));
    sgn_json_set(j, "checkpoints", list);
    const sgn_status s = count ? sgn_path_set(&newest, err, "%s/%s", at.s, names[count - 1]) : SGN_OK;
    if (*settings.s && *c.data.mix) describe_mix(&c, count ? atoll(names[count - 1] + strlen("step-")) : 0, j);
    sgn_names_free(names, count);
    if (s != SGN_OK || !count) return s;
    sgn_json *model = sgn_json_new_object();
    sgn_json_set(j, "newest", model);
    return describe_model(v, newest.s, model, err);
}

/* --- files ---------------------------------------------------------------------------------------------------- */

static sgn_status describe_tokenizer(const char *path, sgn_json *j, sgn_error *err) {
    sgn_tokenizer *t;
    SGN_TRY(sgn_tokenizer_open(&t, path, err));
    set_text(j, "what", "a tokenizer");
    set_text(j, "kind", sgn_tokenizer_kind_name(t));
    set_int(j, "vocab", sgn_tokenizer_vocab(t));
    set_int(j, "endoftext", sgn_tokenizer_eot(t));
    set_text(j, "hash", sgn_tokenizer_hash(t));
    sgn_tokenizer_close(t);
    return SGN_OK;
}

static sgn_status describe_json(const values *v, const char *path, sgn_json *j, sgn_error *err) {
    sgn_json *content;
    sgn_model_config c;
    SGN_TRY(sgn_json_load(&content, path, JSON_LIMIT, err));
    sgn_status s = SGN_OK;
    if (sgn_json_get(content, "model") && sgn_json_get(content, "added_tokens")) {
        s = describe_tokenizer(path, j, err);
    } else if (sgn_json_get(content, "weight_map")) {
        set_text(j, "what", "an index of safetensors files");
        sgn_json *list = sgn_json_new_array();
        sgn_json_set(j, "arrays", list);
        s = sgn_inspect_arrays(path, NULL, v->stats, list, err);
    } else if (sgn_json_get(content, "hidden_size")) {
        set_text(j, "what", "the configuration of a model");
        s = sgn_model_config_from_json(&c, content, path, err);
        if (s == SGN_OK) s = describe_config(&c, 0, j, err);
    } else {
        set_text(j, "what", "some JSON");
        set_int(j, "keys", (int64_t)sgn_json_size(content));
    }
    sgn_json_free(content);
    return s;
}

static sgn_status describe_settings(const char *path, sgn_json *j, sgn_error *err) {
    sgn_run_config c;
    char *text;
    SGN_TRY(sgn_run_config_load(&c, path, NULL, 0, err));
    SGN_TRY(sgn_config_dump(&c, sgn_run_sections, false, &text, err));
    set_text(j, "what", "settings of a run");
    set_text(j, "settings", text);
    free(text);
    return SGN_OK;
}

static sgn_path directory_of(const char *path) {
    sgn_path out = { "." };
    const char *slash = strrchr(path, '/');
    if (slash) (void)sgn_path_set(&out, NULL, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return out;
}

static sgn_status describe_archive(const values *v, const char *path, sgn_json *j, sgn_error *err) {
    static const char *const notes[] = { "step", "tokens", "kernels", "format", NULL };
    const sgn_path directory = directory_of(path);
    sgn_path beside;
    sgn_model_config c;
    const bool known = inside(directory.s, "config.json", &beside) && sgn_model_load_config(directory.s, NULL, &c, NULL) == SGN_OK;
    sgn_json *list = sgn_json_new_array();
    set_text(j, "what", ends_with(path, ".h5") ? "arrays in HDF5" : ends_with(path, ".safetensors") ? "arrays in safetensors" : "arrays");
    sgn_status s = sgn_inspect_notes(path, notes, j, err);
    if (s == SGN_OK) s = sgn_inspect_arrays(path, known ? &c : NULL, v->stats, list, err);
    sgn_json_set(j, "arrays", list);
    return s;
}

static sgn_status describe_file(const values *v, const char *path, sgn_json *j, sgn_error *err) {
    const sgn_path directory = directory_of(path);
    sgn_path toc;
    if (ends_with(path, ".yaml") || ends_with(path, ".yml")) return describe_settings(path, j, err);
    const bool in_set = inside(directory.s, "shards.json", &toc);
    if (in_set && (ends_with(path, ".zst") || ends_with(path, "shards.json"))) {
        set_text(j, "what", ends_with(path, ".zst") ? "token ids in zstd frames, a shard of this set" : "what a shard set holds");
        return describe_set(v, directory.s, NULL, j, err);
    }
    if (ends_with(path, ".json")) return describe_json(v, path, j, err);
    sgn_model_config c;
    values all = *v;
    all.arrays = true;
    if (sgn_model_has_config(path) && sgn_model_load_config(path, NULL, &c, NULL) == SGN_OK) return describe_named(&all, path, j, err);
    return describe_archive(v, path, j, err);
}

static sgn_status describe(const values *v, const char *path, sgn_json *j, sgn_error *err) {
    sgn_path found, config;
    set_text(j, "path", path);
    if (!sgn_file_exists(path)) SGN_FAIL(err, SGN_IO, "%s is not there", path);
    if (!sgn_is_directory(path)) return describe_file(v, path, j, err);
    if (inside(path, "cache.json", &found)) return sgn_inspect_cache(path, v->verify, j, err);
    if (inside(path, "shards.json", &found)) {
        set_text(j, "what", "a shard set");
        return describe_set(v, path, NULL, j, err);
    }
    if (inside(path, "train/shards.json", &found) || inside(path, "valid/shards.json", &found)) return describe_sets(v, path, j, err);
    if (inside(path, "checkpoints", &found)) return describe_run(v, path, j, err);
    SGN_TRY(sgn_model_resolve(path, "inspect", &found, err));
    if (!inside(found.s, "config.json", &config) && sgn_model_has_config(found.s)) return describe_named(v, path, j, err);
    return describe_model(v, path, j, err);
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { 0 };
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 1, 1, err));
    sgn_json *j = sgn_json_new_object();
    sgn_status s = describe(&v, argv[0], j, err);
    if (s == SGN_OK && v.bits) s = sgn_inspect_bits(argv[0], verify_of(&v), j, err);
    if (s == SGN_OK && v.json) return sgn_print_json(j, 2, err);
    if (s == SGN_OK) sgn_inspect_print(j);
    sgn_json_free(j);
    return s;
}

const sgn_command sgn_command_inspect = {
    .name = "inspect", .summary = "say what a file or directory is and what is in it",
    .usage = "PATH [--arrays] [--stats] [--bits] [--verify|--no-verify] [--json]", .options = options, .run = run,
    .example = "signum inspect runs/student\nsignum inspect packed/student/model.safetensors --stats\nsignum inspect packed/student --bits",
};
