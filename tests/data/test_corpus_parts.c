/* What comes out does not depend on who did what, nor on how often they were killed.
 *
 * SPDX-License-Identifier: MIT */
#include "text_files.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "core/digest.h"
#include "core/parallel.h"
#include "data/corpus.h"
#include "data/hash_set.h"
#include "data/shard.h"

enum { FILES = 12 };

static sgn_tokenizer *tokenizer;

/* Twelve files of some 20 to 60 documents, four of them seen before; three parts of four files or so. */
static void put_inputs(void) {
    mkdir(check_path("in"), 0777);
    for (int f = 0; f < FILES; f++) {
        char name[32], text[1 << 14];
        size_t n = 0;
        snprintf(name, sizeof name, "in/%c.%s", 'a' + f, f % 3 ? "jsonl" : "txt");
        for (int d = 0; d < 20 + 3 * f; d++) {
            const int id = d % 10 == 9 ? 7 * (d / 10) : 1000 * f + d;      /* every tenth is one of a few */
            n += (size_t)snprintf(text + n, sizeof text - n, f % 3 ? "{\"text\": \"document %d of many\"}\n" : "document %d of many|", id);
        }
        put_bytes(name, text, n);
    }
}

static sgn_corpus_options options(void) {
    static char path[512];                         /* check_path's answers do not last that long */
    static const char *kept = path;
    strcpy(path, check_path("in"));
    return (sgn_corpus_options){ .inputs = &kept, .input_count = 1, .tokenizer = tokenizer, .valid = 0.2, .text.separator = "|",
                                 .part_bytes = 4000, .shard_tokens = 3000 };
}

/* Over the names and contents of all files of both sets. */
static sgn_digest digest_of(const char *out) {
    sgn_error err;
    char all[1 << 14] = "";
    for (int r = 0; r < 2; r++) {
        sgn_path dir, path;
        char **names;
        int count;
        check_ok(sgn_path_set(&dir, &err, "%s/%s", out, r ? "valid" : "train"), &err);
        check_ok(sgn_directory_list(dir.s, "", "", &names, &count, &err), &err);
        assert_true(count >= 3);
        for (int i = 0; i < count; i++) {
            sgn_digest d;
            check_ok(sgn_path_set(&path, &err, "%s/%s", dir.s, names[i]), &err);
            check_ok(sgn_digest_file(path.s, &d, NULL, &err), &err);
            strcat(strcat(strcat(all, names[i]), " "), d.hex);
        }
        sgn_names_free(names, count);
    }
    return sgn_digest_bytes(all, strlen(all));
}

static void check_nothing_left(void) {
    sgn_error err;
    char **names;
    int count;
    check_ok(sgn_directory_list(check_directory, "", "", &names, &count, &err), &err);
    for (int i = 0; i < count; i++)
        if (strstr(names[i], ".parts") || strstr(names[i], ".tmp") || strstr(names[i], ".old")) fail_msg("%s was left", names[i]);
    sgn_names_free(names, count);
}

static sgn_digest unbroken(sgn_corpus_options o, sgn_corpus_report *r) {
    sgn_error err;
    check_ok(sgn_remove_tree(check_path("whole"), &err), &err);
    check_ok(sgn_corpus_build(check_path("whole"), &o, r, &err), &err);
    assert_true(r->parts >= 3);
    return digest_of(check_path("whole"));
}

static bool die(void *ctx, const sgn_corpus_report *r) {
    (void)r;
    if (--*(int *)ctx < 0) raise(SIGKILL);
    return true;
}

static bool stop(void *ctx, const sgn_corpus_report *r) { return (void)r, --*(int *)ctx >= 0; }

/* Exit status, or -1 for one that was killed. */
static int end_of(pid_t child) {
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* --- killed ------------------------------------------------------------------------------------------------ */

static void killed_and_resumed(bool dedupe) {
    sgn_error err;
    sgn_corpus_report want, r;
    sgn_corpus_options o = options();
    o.dedupe = dedupe;
    const sgn_digest whole = unbroken(o, &want);
    check_ok(sgn_remove_tree(check_path("out"), &err), &err);
    for (int calls = 0; calls < (int)want.parts; calls++) {         /* in a part, after `calls` parts of this process */
        const pid_t child = fork();
        if (child == 0) {
            o.progress = die;
            o.ctx = &calls;
            _exit(sgn_corpus_build(check_path("out"), &o, &r, NULL) != SGN_OK);
        }
        if (end_of(child) == 0) break;
        assert_false(sgn_file_exists(check_path("out")));
        assert_true(sgn_file_exists(check_path("out.parts/plan.json")));
    }
    check_ok(sgn_corpus_build(check_path("out"), &o, &r, &err), &err);
    assert_string_equal(digest_of(check_path("out")).hex, whole.hex);
    assert_int_equal(r.documents, want.documents);
    assert_int_equal(r.tokens, want.tokens);
    check_nothing_left();
}

static void killed_in_parts(void **state) {
    (void)state;
    killed_and_resumed(false);
    killed_and_resumed(true);
}

/* Killed at any time, while parts are put together as well. */
static void killed_at_any_time(void **state) {
    (void)state;
    sgn_error err;
    sgn_corpus_report r;
    sgn_corpus_options o = options();
    const sgn_digest whole = unbroken(o, &r);
    const double most = 1.2e6 * r.seconds;         /* microseconds that it may live */
    for (int round = 0; round < 12; round++) {
        check_ok(sgn_remove_tree(check_path("out"), &err), &err);
        const pid_t child = fork();
        if (child == 0) _exit(sgn_corpus_build(check_path("out"), &o, &r, NULL) != SGN_OK);
        usleep((useconds_t)(most * (round + 1) / 12));
        kill(child, SIGKILL);
        end_of(child);
        check_ok(sgn_corpus_build(check_path("out"), &o, &r, &err), &err);
        assert_string_equal(digest_of(check_path("out")).hex, whole.hex);
        sgn_shards *s;
        check_ok(sgn_shards_open(&s, check_path("out"), "train", &err), &err);
        check_ok(sgn_shards_verify(s, &err), &err);
        sgn_shards_close(s);
        assert_false(sgn_file_exists(check_path("out.parts")));
    }
}

static void stopped(void **state) {
    (void)state;
    sgn_error err;
    sgn_corpus_report r;
    sgn_corpus_options o = options();
    int calls = 2;
    const sgn_digest whole = unbroken(o, &r);
    check_ok(sgn_remove_tree(check_path("out"), &err), &err);
    o.progress = stop;
    o.ctx = &calls;
    check_fails(sgn_corpus_build(check_path("out"), &o, &r, &err), SGN_INTERRUPTED, &err, "2 of ");
    o.progress = NULL;
    check_ok(sgn_corpus_build(check_path("out"), &o, &r, &err), &err);
    assert_string_equal(digest_of(check_path("out")).hex, whole.hex);
}

/* --- together ---------------------------------------------------------------------------------------------- */

static void several_processes(void **state) {
    (void)state;
    sgn_error err;
    sgn_corpus_report r;
    sgn_corpus_options o = options();
    for (int round = 0; round < 6; round++) {
        pid_t child[3];
        o.dedupe = round % 2;
        o.replace = round % 3 == 0;
        const sgn_digest whole = unbroken((sgn_corpus_options){ .inputs = o.inputs, .input_count = 1, .tokenizer = tokenizer, .valid = 0.2,
                                          .text.separator = "|", .part_bytes = 4000, .shard_tokens = 3000, .dedupe = o.dedupe }, &r);
        check_ok(sgn_remove_tree(check_path("out"), &err), &err);
        for (int k = 0; k < 3; k++)
            if ((child[k] = fork()) == 0) {
                err = (sgn_error){ 0 };
                const sgn_status s = sgn_corpus_build(check_path("out"), &o, &r, &err);
                if (s != SGN_OK) fprintf(stderr, "process %d: %s\n", k, err.text);
                _exit(s != SGN_OK || r.documents == 0);
            }
        if (round % 4 == 3) kill(child[0], SIGKILL);               /* the others do its work */
        for (int k = 0; k < 3; k++)
            if (end_of(child[k]) != 0 && (k || round % 4 != 3)) fail_msg("round %d: process %d failed", round, k);
        assert_string_equal(digest_of(check_path("out")).hex, whole.hex);
        check_nothing_left();
    }
}

/* --- what has changed --------------------------------------------------------------------------------------- */

static void begin(sgn_corpus_options o) {
    sgn_error err;
    sgn_corpus_report r;
    int calls = 1;
    check_ok(sgn_remove_tree(check_path("out"), &err), &err);
    o.restart = true;
    o.progress = stop;
    o.ctx = &calls;
    check_fails(sgn_corpus_build(check_path("out"), &o, &r, &err), SGN_INTERRUPTED, &err, "1 of ");
}

static void changes_are_refused(void **state) {
    (void)state;
    sgn_error err;
    sgn_corpus_report r;
    sgn_corpus_options o = options();
    begin(o);
    sgn_corpus_options other = o;
    other.no_eot = true;
    check_fails(sgn_corpus_build(check_path("out"), &other, &r, &err), SGN_CONFIG, &err, "plan.json: --no-eot was another");
    other = o;
    other.valid = 0.25;
    check_fails(sgn_corpus_build(check_path("out"), &other, &r, &err), SGN_CONFIG, &err, "--valid was another");
    other = o;
    other.dedupe = true;
    check_fails(sgn_corpus_build(check_path("out"), &other, &r, &err), SGN_CONFIG, &err, "--dedupe was another");
    put_text("in/z.txt", "one more");
    check_fails(sgn_corpus_build(check_path("out"), &o, &r, &err), SGN_CONFIG, &err, "there were 12 input files when this was begun, now there are 13");
    unlink(check_path("in/z.txt"));
    FILE *f = fopen(check_path("in/k.jsonl"), "a");
    fputs("{\"text\": \"more\"}\n", f);
    fclose(f);
    check_fails(sgn_corpus_build(check_path("out"), &o, &r, &err), SGN_CONFIG, &err, "in/k.jsonl has changed since");
    o.restart = true;
    check_ok(sgn_corpus_build(check_path("out"), &o, &r, &err), &err);
    check_nothing_left();
    put_inputs();
}

static bool touch(void *ctx, const sgn_corpus_report *r) {
    (void)r;
    FILE *f = fopen(ctx, "a");
    fputs("\n", f);
    fclose(f);
    return true;
}

/* A part whose files grow while it is read is not kept. */
static void growing_files_are_refused(void **state) {
    (void)state;
    sgn_error err;
    sgn_corpus_report r;
    char name[512];
    strcpy(name, put_text("growing.txt", "some text"));
    const char *path = name;
    const sgn_corpus_options o = { .inputs = &path, .input_count = 1, .tokenizer = tokenizer, .progress = touch, .ctx = name };
    check_ok(sgn_remove_tree(check_path("out"), &err), &err);
    check_fails(sgn_corpus_build(check_path("out"), &o, &r, &err), SGN_IO, &err, "growing.txt: has changed while it was tokenized");
    check_nothing_left();
}

/* --- duplicates ---------------------------------------------------------------------------------------------- */

static void check_text(const char *out, const char *role, const char *want) {
    sgn_error err;
    sgn_shards *s;
    int32_t ids[256];
    char text[256];
    check_ok(sgn_shards_open(&s, out, role, &err), &err);
    const size_t n = (size_t)sgn_shards_info(s)->tokens;
    assert_true(n < sizeof text);
    check_ok(sgn_shards_read(s, 0, n, ids, &err), &err);
    for (size_t i = 0; i < n; i++) text[i] = ids[i] == 256 ? '|' : (char)ids[i];
    text[n] = '\0';
    assert_string_equal(text, want);
    size_t documents = 0;
    for (const char *c = want; *c; c++) documents += *c == '|';
    assert_int_equal(sgn_shards_info(s)->documents, documents);
    assert_int_equal(sgn_shards_info(s)->text_bytes, n - documents);
    sgn_shards_close(s);
}

static void first_document_stays(void **state) {
    (void)state;
    sgn_error err;
    sgn_corpus_report r;
    mkdir(check_path("twice"), 0777);
    put_text("twice/1.txt", "one;two;one;three");
    put_text("twice/2.jsonl", "{\"text\": \"two\"}\n{\"text\": \"four\"}\n{\"text\": \"four\"}\n");
    put_text("twice/3.txt", "one;two");
    put_text("twice/4.txt", "five;One");
    char name[512];
    strcpy(name, check_path("twice"));
    const char *path = name;
    sgn_corpus_options o = { .inputs = &path, .input_count = 1, .tokenizer = tokenizer, .text.separator = ";", .dedupe = true, .replace = true };
    for (uint64_t part = 0; part < 40; part += 13) {               /* the same however the inputs are cut */
        o.part_bytes = part;
        check_ok(sgn_corpus_build(check_path("out"), &o, &r, &err), &err);
        check_text(check_path("out"), "train", "one|two|three|four|five|One|");
        assert_int_equal(r.documents, 6);
        assert_int_equal(r.duplicates, 5);
        assert_int_equal(r.duplicate_bytes, 3 + 3 + 4 + 3 + 3);
        assert_int_equal(r.bytes, 22);
        assert_int_equal(r.tokens, 28);
    }
    o.dedupe = false;
    o.part_bytes = 1;                                              /* a part per file: validation is chosen within parts */
    o.valid = 0.5;
    check_ok(sgn_corpus_build(check_path("out"), &o, &r, &err), &err);
    check_text(check_path("out"), "train", "one|one|four|one|One|");
    check_text(check_path("out"), "valid", "two|three|two|four|two|five|");
    o.dedupe = true;
    check_ok(sgn_corpus_build(check_path("out"), &o, &r, &err), &err);
    check_text(check_path("out"), "train", "one|four|One|");
    check_text(check_path("out"), "valid", "two|three|five|");
}

static void hash_sets(void **state) {
    (void)state;
    sgn_error err;
    sgn_hash_set s;
    check_ok(sgn_hash_set_init(&s, 3000, &err), &err);
    for (int round = 0; round < 2; round++)
        for (uint64_t i = 0; i < 3000; i++)        /* few different slots, and the hash that is all zeros */
            assert_int_equal(sgn_hash_set_add(&s, (sgn_hash128){ i, i % 7 }), round == 0);
    sgn_hash_set_free(&s);
    check_fails(sgn_hash_set_init(&s, UINT64_MAX / 2, &err), SGN_NOMEM, &err, "24 bytes each");
}

static int set_up(void **state) {
    sgn_error err = { 0 };
    if (check_begin(state) != 0 || sgn_tokenizer_open(&tokenizer, "byte", &err) != SGN_OK) return -1;
    sgn_threads_set(1);                            /* so that fork is safe */
    put_inputs();
    return 0;
}

static int tear_down(void **state) {
    sgn_tokenizer_close(tokenizer);
    return check_end(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_in_parts), cmocka_unit_test(killed_at_any_time), cmocka_unit_test(stopped),
        cmocka_unit_test(several_processes), cmocka_unit_test(changes_are_refused), cmocka_unit_test(growing_files_are_refused),
        cmocka_unit_test(first_document_stays), cmocka_unit_test(hash_sets),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
