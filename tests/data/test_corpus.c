/* SPDX-License-Identifier: MIT */
#include "text_files.h"
#include <signal.h>
#include <sys/resource.h>
#include "core/digest.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "data/corpus.h"
#include "data/shard.h"
#include "data/tokenizer_kind.h"

enum { EOT = 256 };

static sgn_tokenizer *bytes_tokenizer(void) {
    sgn_error err;
    sgn_tokenizer *t;
    check_ok(sgn_tokenizer_open(&t, "byte", &err), &err);
    return t;
}

/* The ids of a set; free them. */
static int32_t *get_ids(const char *out, const char *role, size_t *n, sgn_shard_info *info) {
    sgn_error err;
    sgn_shards *s;
    check_ok(sgn_shards_open(&s, out, role, &err), &err);
    *info = *sgn_shards_info(s);
    *n = (size_t)info->tokens;
    int32_t *ids = malloc(*n * sizeof *ids);
    check_ok(sgn_shards_read(s, 0, *n, ids, &err), &err);
    sgn_shards_close(s);
    return ids;
}

static void check_ids(const char *out, const char *role, const int32_t *want, size_t count, uint64_t documents) {
    size_t n;
    sgn_shard_info info;
    int32_t *ids = get_ids(out, role, &n, &info);
    if (n != count) fail_msg("%s has %zu tokens, expected %zu", role, n, count);
    for (size_t i = 0; i < n; i++)
        if (ids[i] != want[i]) fail_msg("%s: token %zu is %d, expected %d", role, i, ids[i], want[i]);
    assert_int_equal(info.documents, documents);
    free(ids);
}

static sgn_status build(const char *path, sgn_corpus_options o, sgn_corpus_report *r, sgn_error *err) {
    o.inputs = &path;
    o.input_count = 1;
    return sgn_corpus_build(check_path("out"), &o, r, err);
}

/* One document: train is its beginning, validation its end. */
static void one_document(void **state) {
    (void)state;
    sgn_error err;
    sgn_corpus_report r;
    sgn_tokenizer *t = bytes_tokenizer();
    const char *path = put_text("a.txt", "0123456789abcdefgh\xFF");
    check_ok(build(path, (sgn_corpus_options){ .tokenizer = t, .valid = 0.2 }, &r, &err), &err);
    int32_t want[20] = { 0 };
    for (int i = 0; i < 19; i++) want[i] = (unsigned char)"0123456789abcdefgh\xFF"[i];
    want[19] = EOT;
    check_ids(check_path("out"), "train", want, 16, 1);
    check_ids(check_path("out"), "valid", want + 16, 4, 1);
    assert_int_equal(r.documents, 1);
    assert_int_equal(r.bytes, 19);
    assert_int_equal(r.invalid_bytes, 1);
    assert_int_equal(r.tokens, 20);
    assert_int_equal(r.train_tokens, 16);
    assert_int_equal(r.valid_tokens, 4);
    size_t n;
    sgn_shard_info info;
    free(get_ids(check_path("out"), "valid", &n, &info));
    assert_int_equal(info.text_bytes, 3);          /* without the end mark */
    assert_string_equal(info.tokenizer_hash, sgn_tokenizer_hash(t));
    sgn_tokenizer *copy;                           /* the tokenizer travels with the set */
    check_ok(sgn_tokenizer_open(&copy, check_path("out/train"), &err), &err);
    assert_string_equal(sgn_tokenizer_hash(copy), sgn_tokenizer_hash(t));
    sgn_tokenizer_close(copy);
    check_ok(build(path, (sgn_corpus_options){ .tokenizer = t, .no_eot = true, .replace = true }, &r, &err), &err);
    check_ids(check_path("out"), "train", want, 19, 1);
    assert_false(sgn_file_exists(check_path("out/valid")));
    sgn_tokenizer_close(t);
}

/* Documents "0".."199": every fourth, 3, 7, .., is for validation. */
static void every_fourth_document(void **state) {
    (void)state;
    sgn_error err;
    sgn_corpus_report r;
    sgn_tokenizer *t = bytes_tokenizer();
    FILE *f = fopen(check_path("docs.jsonl"), "wb");
    int32_t train[1200], valid[400];
    size_t n = 0, m = 0;
    for (int d = 0; d < 200; d++) {
        char text[8];
        snprintf(text, sizeof text, "%03d", d);
        fprintf(f, "{\"text\": \"%s\"}\n", text);
        for (int i = 0; i < 4; i++) *(d % 4 == 3 ? &valid[m++] : &train[n++]) = i < 3 ? text[i] : EOT;
    }
    fclose(f);
    check_ok(build(check_path("docs.jsonl"), (sgn_corpus_options){ .tokenizer = t, .valid = 0.25, .replace = true }, &r, &err), &err);
    check_ids(check_path("out"), "train", train, n, 150);
    check_ids(check_path("out"), "valid", valid, m, 50);
    sgn_tokenizer_close(t);
}

/* One giant among small documents: by documents validation would get nearly everything. */
static void uneven_documents(void **state) {
    (void)state;
    sgn_error err;
    sgn_corpus_report r;
    sgn_tokenizer *t = bytes_tokenizer();
    char text[2000];
    memset(text, 'x', sizeof text);
    memcpy(text, "a|b|c|", 6);                     /* documents a, b, c and 1,994 times x */
    check_ok(build(put_bytes("u.txt", text, sizeof text), (sgn_corpus_options){ .tokenizer = t, .valid = 0.25, .replace = true,
                   .text.separator = "|" }, &r, &err), &err);
    assert_int_equal(r.tokens, 2000 + 1);
    assert_int_equal(r.valid_tokens, 500);
    int32_t want[1501];
    for (int i = 0; i < 1501; i++) want[i] = i < 6 ? (i % 2 ? EOT : "abc"[i / 2]) : 'x';
    check_ids(check_path("out"), "train", want, 1501, 3);
    sgn_tokenizer_close(t);
}

/* Text of many slabs: the ids are those of the whole text, whatever the number of threads. */
static void threads_do_not_matter(void **state) {
    (void)state;
    sgn_error err;
    sgn_corpus_report r;
    sgn_vocabulary v = { 0 };
    sgn_tokenizer *t;
    check_ok(sgn_vocabulary_bytes(&v, &err), &err);
    check_ok(sgn_vocabulary_add(&v, "wo", 2, false, "test", &err), &err);
    check_ok(sgn_vocabulary_merge(&v, 'w', 'o', "test", &err), &err);
    check_ok(sgn_vocabulary_add(&v, SGN_EOT, strlen(SGN_EOT), true, "test", &err), &err);
    check_ok(sgn_tokenizer_from(&t, &v, "test", &err), &err);
    const size_t size = 3 << 20;
    char *text = malloc(size), seal[2][5000];
    for (size_t i = 0; i < size; i++) text[i] = "wo r\nd"[sgn_rng_bits(1, 2, i) % 6];
    const char *path = put_bytes("long.txt", text, size);
    for (int k = 0; k < 2; k++) {
        sgn_threads_set(k ? 4 : 1);
        check_ok(build(path, (sgn_corpus_options){ .tokenizer = t, .replace = true, .shard_tokens = 500000 }, &r, &err), &err);
        char *json;
        size_t n;
        check_ok(sgn_file_read(check_path("out/train/shards.json"), sizeof seal[0] - 1, &json, &n, &err), &err);
        strcpy(seal[k], json);
        free(json);
    }
    assert_string_equal(seal[0], seal[1]);
    sgn_ids whole = { 0 };
    size_t n;
    sgn_shard_info info;
    check_ok(sgn_tokenizer_encode(t, text, size, &whole, &err), &err);
    int32_t *ids = get_ids(check_path("out"), "train", &n, &info);
    assert_int_equal(n, whole.count + 1);
    assert_memory_equal(ids, whole.id, whole.count * sizeof *ids);
    assert_int_equal(info.text_bytes, size);
    free(ids);
    free(text);
    sgn_ids_free(&whole);
    sgn_tokenizer_close(t);
}

/* Lines of JSON are read by many threads, a file after the other. */
static void threads_do_not_matter_for_lines(void **state) {
    (void)state;
    sgn_error err;
    sgn_corpus_report r;
    sgn_tokenizer *t = bytes_tokenizer();
    sgn_digest digest[2];
    char name[512];
    for (int f = 0; f < 2; f++) {
        strcpy(name, check_path(f ? "lines.jsonl" : "more.jsonl"));
        FILE *to = fopen(name, "w");
        for (int i = 0; i < 40000 - 9000 * f; i++) {
            fprintf(to, "{\"n\": %d, \"text\": \"line %d", i, i);
            for (uint64_t k = sgn_rng_bits(4, 4, (uint64_t)i) % 100; k; k--) putc('a' + (int)(k % 26), to);
            fputs(i % 1000 ? "\"}\n" : "\\u00e9\"}\r\n\n", to);
        }
        fclose(to);
    }
    const char *path[2] = { check_path("more.jsonl"), name };
    for (int k = 0; k < 2; k++) {
        sgn_threads_set(k ? 4 : 1);
        const sgn_corpus_options o = { .inputs = path, .input_count = 2, .tokenizer = t, .replace = true, .shard_tokens = 700000, .valid = 0.1 };
        check_ok(sgn_corpus_build(check_path("out"), &o, &r, &err), &err);
        check_ok(sgn_digest_file(check_path("out/train/shards.json"), &digest[k], NULL, &err), &err);
    }
    assert_int_equal(r.documents, 71000);
    assert_string_equal(digest[0].hex, digest[1].hex);
    FILE *to = fopen(name, "a");
    fputs("{\"text\": 1}\n", to);                /* found by whichever thread, named all the same */
    fclose(to);
    const sgn_corpus_options o = { .inputs = path, .input_count = 2, .tokenizer = t, .replace = true };
    check_fails(sgn_corpus_build(check_path("out"), &o, &r, &err), SGN_FORMAT, &err, "lines.jsonl: line 31032: no text in field");
    sgn_tokenizer_close(t);
}

static void unknown_ids_are_counted(void **state) {
    (void)state;
    sgn_error err;
    sgn_corpus_report r;
    sgn_tokenizer *t;
    char name[512];
    strcpy(name, put_text("unigram.json", "{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"<unk>\", 0], [\"a\", -1], [\"b\", -1]]}}"));
    check_ok(sgn_tokenizer_open(&t, name, &err), &err);
    check_ok(build(put_text("ab.txt", "abxba"), (sgn_corpus_options){ .tokenizer = t, .no_eot = true, .replace = true }, &r, &err), &err);
    assert_int_equal(r.tokens, 5);
    assert_int_equal(r.unknown_ids, 1);
    sgn_tokenizer_close(t);
}

/* A real SentencePiece model, which puts a space before a text: not before the parts of a long one. */
static void long_documents_are_whole(void **state) {
    (void)state;
    sgn_error err;
    sgn_corpus_report r;
    sgn_tokenizer *t;
    sgn_ids whole = { 0 };
    char *text;
    size_t size, n;
    sgn_shard_info info;
    const char *model = check_shared("data/tokenizers/llama/tokenizer.model"), *path = check_shared("data/text/tinyshakespeare.txt");
    if (!model || !path) return;
    check_ok(sgn_tokenizer_open(&t, model, &err), &err);
    check_ok(sgn_file_read(path, 1 << 24, &text, &size, &err), &err);
    check_ok(sgn_tokenizer_encode(t, text, size, &whole, &err), &err);
    check_ok(build(path, (sgn_corpus_options){ .tokenizer = t, .no_eot = true, .replace = true }, &r, &err), &err);
    int32_t *ids = get_ids(check_path("out"), "train", &n, &info);
    assert_int_equal(n, whole.count);
    assert_memory_equal(ids, whole.id, n * sizeof *ids);
    assert_int_equal(r.unknown_ids, 0);
    sgn_ids_free(&whole);
    sgn_tokenizer_close(t);
    free(text);
    free(ids);
}

static void given_ids(void **state) {
    (void)state;
    sgn_error err;
    sgn_corpus_report r;
    sgn_tokenizer *t = bytes_tokenizer();
    const uint8_t u16[] = { 1, 0, 2, 0, 0, 1 }, u32[] = { 1, 0, 0, 0, 0, 0, 1, 0 };
    const char *path = put_bytes("ids.u16", u16, 6);
    check_ok(build(path, (sgn_corpus_options){ .ids_width = 2, .vocab = 300, .replace = true }, &r, &err), &err);
    check_ids(check_path("out"), "train", (const int32_t[]){ 1, 2, 256 }, 3, 1);
    assert_false(sgn_file_exists(check_path("out/train/tokenizer.json")));
    check_ok(build(path, (sgn_corpus_options){ .ids_width = 2, .tokenizer = t, .replace = true }, &r, &err), &err);
    assert_int_equal(r.bytes, 2);                  /* id 256 is no text */
    check_fails(build(path, (sgn_corpus_options){ .ids_width = 2, .vocab = 256, .replace = true }, &r, &err), SGN_FORMAT, &err,
                "ids.u16: id 256 is outside the vocabulary of 256");
    check_fails(build(path, (sgn_corpus_options){ .ids_width = 4, .vocab = 256, .replace = true }, &r, &err), SGN_FORMAT, &err,
                "no multiple of 4");
    check_ok(build(put_bytes("ids.u32", u32, 8), (sgn_corpus_options){ .ids_width = 4, .vocab = 70000, .replace = true }, &r, &err), &err);
    check_ids(check_path("out"), "train", (const int32_t[]){ 1, 65536 }, 2, 1);
    path = put_text("amber.jsonl", "{\"token_ids\": [5, 6, 7]}\n{\"token_ids\": [8]}\n");
    check_ok(build(path, (sgn_corpus_options){ .vocab = 9, .replace = true }, &r, &err), &err);
    check_ids(check_path("out"), "train", (const int32_t[]){ 5, 6, 7, 8 }, 4, 2);
    check_fails(build(path, (sgn_corpus_options){ .vocab = 8, .replace = true }, &r, &err), SGN_FORMAT, &err, "line 2: id 8");
    sgn_tokenizer_close(t);
}

static bool stop(void *ctx, const sgn_corpus_report *r) {
    ++*(int *)ctx;
    return r->seconds < 0;
}

static void refusals(void **state) {
    (void)state;
    sgn_error err;
    sgn_corpus_report r;
    sgn_tokenizer *t = bytes_tokenizer();
    int calls = 0;
    sgn_remove_tree(check_path("out"), &err);
    char text[512];                                /* check_path's answers do not last that long */
    strcpy(text, put_text("some.txt", "some text"));
    check_fails(build(put_text("none.txt", ""), (sgn_corpus_options){ .tokenizer = t }, &r, &err), SGN_FORMAT, &err, "none.txt: no text in 1 file;");
    check_fails(build(check_path("missing.txt"), (sgn_corpus_options){ .tokenizer = t }, &r, &err), SGN_IO, &err, "missing.txt");
    check_fails(build(text, (sgn_corpus_options){ 0 }, &r, &err), SGN_CONFIG, &err, "--tokenizer");
    check_fails(build(text, (sgn_corpus_options){ .vocab = 300 }, &r, &err), SGN_CONFIG, &err, "some.txt: holds text");
    check_fails(build(text, (sgn_corpus_options){ .tokenizer = t, .valid = 1 }, &r, &err), SGN_CONFIG, &err, "fraction of 1");
    check_fails(build(text, (sgn_corpus_options){ .tokenizer = t, .valid = NAN }, &r, &err), SGN_CONFIG, &err, "fraction");
    check_fails(build(text, (sgn_corpus_options){ .tokenizer = t, .vocab = 300 }, &r, &err), SGN_CONFIG, &err, "tokenizer has 257");
    check_fails(build(put_text("one.txt", "x"), (sgn_corpus_options){ .tokenizer = t, .no_eot = true, .valid = 0.5 }, &r, &err),
                SGN_CONFIG, &err, "cannot be split");
    check_fails(build(text, (sgn_corpus_options){ .tokenizer = t, .progress = stop, .ctx = &calls }, &r, &err), SGN_INTERRUPTED,
                &err, "nothing was written");
    assert_int_equal(calls, 1);
    assert_false(sgn_file_exists(check_path("out")));
    char **names;
    int count;
    check_ok(sgn_directory_list(check_directory, ".tmp", "", &names, &count, &err), &err);
    assert_int_equal(count, 0);                    /* nor anything half-written */
    sgn_names_free(names, count);
    check_ok(build(text, (sgn_corpus_options){ .tokenizer = t }, &r, &err), &err);
    assert_false(r.unchanged);
    check_ok(build(text, (sgn_corpus_options){ .tokenizer = t }, &r, &err), &err);
    assert_true(r.unchanged);                      /* the same again: nothing to do */
    assert_int_equal(r.tokens, 10);
    check_fails(build(text, (sgn_corpus_options){ .tokenizer = t, .no_eot = true }, &r, &err), SGN_IO, &err, "exists already");
    check_ok(sgn_directory_list(check_directory, "out.", "", &names, &count, &err), &err);
    assert_int_equal(count, 0);
    sgn_names_free(names, count);
    sgn_tokenizer_close(t);
}

/* A full disk, as a limit on the size of files: the message has the name that the user gave. */
static void full_disk(void **state) {
    (void)state;
    sgn_error err;
    sgn_corpus_report r;
    sgn_tokenizer *t = bytes_tokenizer();
    char text[20000];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)sgn_rng_bits(8, 8, i);
    char path[512];
    strcpy(path, put_bytes("random.txt", text, sizeof text));
    sgn_remove_tree(check_path("out"), &err);
    struct rlimit before, tight;
    getrlimit(RLIMIT_FSIZE, &before);
    tight = (struct rlimit){ 16384, before.rlim_max };
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tight);
    err = (sgn_error){ 0 };
    const sgn_status s = build(path, (sgn_corpus_options){ .tokenizer = t }, &r, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(s, SGN_IO);
    char want[600];
    snprintf(want, sizeof want, "%s: cannot write", check_path("out.parts/part-00000/train/shard-00000.zst"));
    if (!strstr(err.text, want)) fail_msg("\"%s\" does not contain \"%s\"", err.text, want);
    assert_false(sgn_file_exists(check_path("out")));
    assert_false(sgn_file_exists(check_path("out.parts")));
    sgn_tokenizer_close(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_document), cmocka_unit_test(every_fourth_document), cmocka_unit_test(uneven_documents),
        cmocka_unit_test(threads_do_not_matter), cmocka_unit_test(threads_do_not_matter_for_lines),
        cmocka_unit_test(unknown_ids_are_counted),
        cmocka_unit_test(long_documents_are_whole), cmocka_unit_test(given_ids), cmocka_unit_test(refusals),
        cmocka_unit_test(full_disk),
    };
    return check_run(tests);
}
