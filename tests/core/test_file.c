/* Files: what is written appears whole or not at all.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "core/file.h"
#include "core/spill.h"

static void write_text(const char *path, const char *text) {
    sgn_error err;
    check_ok(sgn_file_write(path, text, strlen(text), &err), &err);
}

static void expect_text(const char *path, const char *want) {
    sgn_error err;
    char *text;
    size_t size;
    check_ok(sgn_file_read(path, 1 << 20, &text, &size, &err), &err);
    assert_int_equal(size, strlen(want));
    assert_string_equal(text, want);
    free(text);
}

static int entries(const char *path) {
    sgn_error err;
    char **names;
    int n;
    check_ok(sgn_directory_list(path, "", "", &names, &n, &err), &err);
    sgn_names_free(names, n);
    return n;
}

static const char *fresh(const char *name) {
    sgn_error err;
    const char *path = check_path(name);
    check_ok(sgn_remove_tree(path, &err), &err);
    check_ok(sgn_make_directories(path, &err), &err);
    return path;
}

static void writes_and_replaces(void **state) {
    (void)state;
    sgn_error err;
    sgn_path p;
    const char *dir = fresh("write");
    check_ok(sgn_path_set(&p, &err, "%s/a", dir), &err);
    write_text(p.s, "one");
    write_text(p.s, "three");
    expect_text(p.s, "three");
    write_text(p.s, "");
    expect_text(p.s, "");
    assert_int_equal(entries(dir), 1);                 /* no temporary left */
    sgn_path q;
    check_ok(sgn_path_set(&q, &err, "%s/b", dir), &err);
    write_text(p.s, "copied");
    check_ok(sgn_file_copy(p.s, q.s, &err), &err);
    expect_text(q.s, "copied");
}

static void pieces_larger_than_the_buffer(void **state) {
    (void)state;
    sgn_error err;
    enum { N = 700001, PIECE = 4093 };
    uint8_t *bytes = malloc(N);
    for (int i = 0; i < N; i++) bytes[i] = (uint8_t)((uint32_t)i * 2654435761u >> 13);
    const char *path = check_path("pieces");
    sgn_writer *w;
    check_ok(sgn_writer_open(&w, path, &err), &err);
    sgn_writer_put(w, bytes, 300000);                  /* past the buffer at once */
    for (int at = 300000; at < N; at += PIECE) sgn_writer_put(w, bytes + at, (size_t)(N - at < PIECE ? N - at : PIECE));
    assert_int_equal(sgn_writer_size(w), N);
    assert_false(sgn_file_exists(path));
    check_ok(sgn_writer_close(w, &err), &err);
    sgn_map m;
    check_ok(sgn_map_open(&m, path, &err), &err);
    assert_int_equal(m.size, N);
    assert_memory_equal(m.data, bytes, N);
    sgn_map_close(&m);
    sgn_map_close(&m);
    sgn_reader r;
    uint8_t some[100];
    check_ok(sgn_reader_open(&r, path, &err), &err);
    check_ok(sgn_reader_get(&r, N - 100, some, 100, &err), &err);
    assert_memory_equal(some, bytes + N - 100, 100);
    check_fails(sgn_reader_get(&r, N - 99, some, 100, &err), SGN_FORMAT, &err, "ends at 700001");
    check_fails(sgn_reader_get(&r, UINT64_MAX, some, 100, &err), SGN_FORMAT, &err, "ends at");
    assert_int_equal(truncate(path, 10), 0);            /* rule 130: shrinks while open */
    check_fails(sgn_reader_get(&r, 0, some, 100, &err), SGN_IO, &err, "shortened");
    sgn_reader_close(&r);
    free(bytes);
}

static void abandon_leaves_nothing(void **state) {
    (void)state;
    sgn_error err;
    sgn_path p;
    const char *dir = fresh("abandon");
    check_ok(sgn_path_set(&p, &err, "%s/a", dir), &err);
    sgn_writer *w;
    check_ok(sgn_writer_open(&w, p.s, &err), &err);
    sgn_writer_put(w, "x", 1);
    sgn_writer_abandon(w);
    sgn_writer_abandon(NULL);
    assert_int_equal(entries(dir), 0);
}

/* A full disk, by way of a limit on file sizes. */
static void full_disk_keeps_the_old_file(void **state) {
    (void)state;
    sgn_error err;
    sgn_path p;
    const char *dir = fresh("full");
    check_ok(sgn_path_set(&p, &err, "%s/a", dir), &err);
    write_text(p.s, "old");
    enum { N = 1 << 20 };
    char *bytes = calloc(N, 1);
    struct rlimit before, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    sgn_error whole = { 0 }, late = { 0 };
    const sgn_status s = sgn_file_write(p.s, bytes, N, &whole);
    sgn_writer *w;
    sgn_status opened = sgn_writer_open(&w, p.s, &late);     /* fails at the last flush only */
    if (opened == SGN_OK) sgn_writer_put(w, bytes, 200000);
    const sgn_status closed = opened == SGN_OK ? sgn_writer_close(w, &late) : opened;
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(s, SGN_IO);
    assert_non_null(strstr(whole.text, "cannot write"));
    assert_int_equal(closed, SGN_IO);
    assert_int_equal(entries(dir), 1);
    expect_text(p.s, "old");
    free(bytes);
}

static void refuses_what_is_not_a_file(void **state) {     /* rules 128, 129 */
    (void)state;
    sgn_error err;
    sgn_path fifo, deep;
    char *text;
    size_t size;
    sgn_map m;
    sgn_writer *w;
    const char *dir = fresh("odd");
    check_ok(sgn_path_set(&fifo, &err, "%s/fifo", dir), &err);
    assert_int_equal(mkfifo(fifo.s, 0600), 0);
    check_fails(sgn_file_read(dir, 100, &text, &size, &err), SGN_IO, &err, "directory");
    check_fails(sgn_file_read(fifo.s, 100, &text, &size, &err), SGN_IO, &err, "pipe");
    check_fails(sgn_file_read("/dev/zero", 100, &text, &size, &err), SGN_IO, &err, "device");
    check_fails(sgn_map_open(&m, fifo.s, &err), SGN_IO, &err, "pipe");
    check_fails(sgn_map_open(&m, check_path("missing"), &err), SGN_IO, &err, "No such file");
    check_fails(sgn_writer_open(&w, dir, &err), SGN_IO, &err, "directory");
    check_fails(sgn_writer_open(&w, "/dev/null", &err), SGN_IO, &err, "device");
    check_fails(sgn_writer_open(&w, check_path("none/file"), &err), SGN_IO, &err, "cannot create");
    write_text(check_path("plain"), "0123456789");
    check_fails(sgn_file_read(check_path("plain"), 9, &text, &size, &err), SGN_FORMAT, &err, "at most 9");
    check_fails(sgn_make_directories(check_path("plain/below"), &err), SGN_IO, &err, "plain");
    char longer[2 * SGN_PATH_MAX];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    check_fails(sgn_path_set(&deep, &err, "%s", longer), SGN_IO, &err, "longer than");
    check_fails(sgn_file_write("", "x", 1, &err), SGN_IO, &err, "name is expected");
}

static void lists_directories(void **state) {
    (void)state;
    sgn_error err;
    const char *dir = fresh("list");
    const char *make[] = { "step-10", "step-9", "other", "step-1.tmp" };
    sgn_path p;
    for (int i = 0; i < 4; i++) {
        check_ok(sgn_path_set(&p, &err, "%s/%s", dir, make[i]), &err);
        write_text(p.s, "x");
    }
    char **names;
    int n;
    check_ok(sgn_directory_list(dir, "step-", "", &names, &n, &err), &err);
    assert_int_equal(n, 3);
    assert_string_equal(names[0], "step-1.tmp");
    assert_string_equal(names[2], "step-9");
    sgn_names_free(names, n);
    check_ok(sgn_directory_list(dir, NULL, ".tmp", &names, &n, &err), &err);
    assert_int_equal(n, 1);
    sgn_names_free(names, n);
    check_fails(sgn_directory_list(check_path("nowhere"), "", "", &names, &n, &err), SGN_IO, &err, "nowhere");
    assert_int_equal(n, 0);
}

static void directories_appear_whole(void **state) {
    (void)state;
    sgn_error err;
    sgn_staging st;
    sgn_path p, final;
    const char *dir = fresh("stage");
    check_ok(sgn_path_set(&final, &err, "%s/sub/out", dir), &err);
    check_ok(sgn_staging_begin(&st, final.s, false, &err), &err);
    check_ok(sgn_path_set(&p, &err, "%s/inner", st.stage.s), &err);
    check_ok(sgn_make_directories(p.s, &err), &err);
    check_ok(sgn_path_set(&p, &err, "%s/inner/a", st.stage.s), &err);
    write_text(p.s, "first");
    assert_false(sgn_file_exists(final.s));
    check_ok(sgn_staging_commit(&st, &err), &err);
    check_ok(sgn_path_set(&p, &err, "%s/inner/a", final.s), &err);
    expect_text(p.s, "first");
    check_fails(sgn_staging_begin(&st, final.s, false, &err), SGN_IO, &err, "exists already");
    sgn_staging_abandon(&st);

    check_ok(sgn_staging_begin(&st, final.s, true, &err), &err);
    check_ok(sgn_path_set(&p, &err, "%s/b", st.stage.s), &err);
    write_text(p.s, "second");
    check_ok(sgn_staging_commit(&st, &err), &err);
    check_ok(sgn_path_set(&p, &err, "%s/b", final.s), &err);
    expect_text(p.s, "second");
    check_ok(sgn_path_set(&p, &err, "%s/inner", final.s), &err);
    assert_false(sgn_file_exists(p.s));

    check_ok(sgn_staging_begin(&st, final.s, true, &err), &err);
    sgn_staging_abandon(&st);
    sgn_staging_abandon(&st);
    check_ok(sgn_path_set(&p, &err, "%s/sub", dir), &err);
    assert_int_equal(entries(p.s), 1);                 /* neither stages nor old versions remain */
    check_ok(sgn_remove_tree(final.s, &err), &err);
    assert_false(sgn_is_directory(final.s));
    check_ok(sgn_remove_tree(final.s, &err), &err);
    assert_true(sgn_free_space(dir) > 0);
}

static void spilled_numbers_come_back_and_leave_nothing(void **state) {
    (void)state;
    sgn_error err;
    sgn_spill s;
    float x[3] = { 1, 2, 3 }, y[3] = { 0 };
    const char *dir = fresh("spill");
    check_ok(sgn_spill_open(&s, dir, 8192, "numbers", &err), &err);
    assert_int_equal(entries(dir), 0);                 /* no name, whoever dies */
    check_ok(sgn_spill_put(&s, 8192 - sizeof x, x, sizeof x, &err), &err);
    check_ok(sgn_spill_get(&s, 8192 - sizeof x, y, sizeof y, &err), &err);
    assert_memory_equal(x, y, sizeof x);
    check_ok(sgn_spill_get(&s, 0, y, sizeof y, &err), &err);
    assert_true(y[0] == 0);
    check_fails(sgn_spill_put(&s, 8192 - 4, x, sizeof x, &err), SGN_IO, &err, "12 bytes at offset 8188");
    check_fails(sgn_spill_get(&s, UINT64_MAX, y, sizeof y, &err), SGN_IO, &err, "nameless file of 8192");
    sgn_spill_close(&s);
    sgn_spill_close(&s);
    check_fails(sgn_spill_open(&s, dir, (uint64_t)1 << 62, "numbers", &err), SGN_IO, &err, "numbers take 4398046511104.0 MiB and");
    assert_int_equal(entries(dir), 0);
    check_fails(sgn_spill_open(&s, "/nowhere/at/all", 8, "numbers", &err), SGN_IO, &err, "cannot make");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_replaces),          cmocka_unit_test(pieces_larger_than_the_buffer),
        cmocka_unit_test(abandon_leaves_nothing),       cmocka_unit_test(full_disk_keeps_the_old_file),
        cmocka_unit_test(refuses_what_is_not_a_file),   cmocka_unit_test(lists_directories),
        cmocka_unit_test(directories_appear_whole),      cmocka_unit_test(spilled_numbers_come_back_and_leave_nothing),
    };
    return check_run(tests);
}
