/* Archives that are cut, flipped, shortened or of foreign make.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include "core/archive.h"
#include "core/file.h"
#include "tests/core/archive_set.h"

/* libhdf5 1.10 loses some memory with each damaged header that it refuses. A program of its own,
 * so that the leak check of test_archive stays whole. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libhdf5"; }

/* Opens and reads everything; 0: refused, 1: as it should be, -1: silently something else. */
static int outcome(const char *path, const set *s) {
    sgn_archive a;
    sgn_error err = { 0 };
    if (sgn_archive_open(&a, path, &err) != SGN_OK) {
        assert_true(err.text[0] && strstr(err.text, path));
        return 0;
    }
    const int d = differs(&a, s);
    sgn_archive_close(&a);
    return d == 0 ? 1 : d == 3 ? 0 : -1;
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    sgn_error err;
    EACH_KIND(k) {
        if (!k->write && !k->write_from) continue;
        set s = make_set(k, false);
        const char *path = check_path("cut");
        write_set(&s, path);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        const off_t padding = strcmp(k->name, "gguf") == 0 ? 32 : 0;       /* behind the last tensor, which nobody needs */
        for (off_t n = st.st_size - 1 - padding; n >= 0; n -= n > 2000 ? 37 : 1) {
            sgn_archive a;
            assert_int_equal(truncate(path, n), 0);
            err = (sgn_error){ 0 };
            if (sgn_archive_open(&a, path, &err) == SGN_OK) fail_msg("%s: %lld of %lld bytes open", k->name, (long long)n, (long long)st.st_size);
            assert_null(a.at);
        }
        free_set(&s);
    }
}

/* Each byte of the file with one bit flipped, or all of them. Formats with checksums show either the
 * truth or an error; the others at least never crash, and never lie about sizes. */
static void every_flip_is_survived(void **state) {
    (void)state;
    EACH_KIND(k) {
        if (!k->write && !k->write_from) continue;
        set s = make_set(k, false);
        const char *path = check_path("flip");
        const bool sums = strcmp(k->name, "h5") == 0;
        int kept = 0, refused = 0;
        write_set(&s, path);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        const int fd = open(path, O_RDWR);
        for (off_t i = 0; i < st.st_size; i++) {
            uint8_t was, now;
            assert_int_equal(pread(fd, &was, 1, i), 1);
            now = i % 9 == 8 ? (uint8_t)~was : (uint8_t)(was ^ 1 << i % 9);
            assert_int_equal(pwrite(fd, &now, 1, i), 1);
            const int o = outcome(path, &s);
            if (sums && o < 0) fail_msg("%s: a flip at %lld is not noticed", k->name, (long long)i);
            kept += o == 1;
            refused += o == 0;
            assert_int_equal(pwrite(fd, &was, 1, i), 1);
        }
        close(fd);
        assert_int_equal(outcome(path, &s), 1);
        assert_true(refused > 100);
        if (sums) assert_true(kept < st.st_size / 2);
        free_set(&s);
    }
}

/* Many notes and long ones, which libhdf5 would by itself keep where no checksum is. */
static void every_flip_of_a_note_is_noticed(void **state) {
    (void)state;
    enum { MANY = 12, LONG = 6000 };
    sgn_error err;
    char text[MANY][LONG], key[MANY][8];
    const char *pairs[2 * MANY + 1] = { NULL };
    for (int i = 0; i < MANY; i++) {
        memset(text[i], 'a' + i, LONG);
        text[i][LONG - 1] = '\0';
        snprintf(key[i], sizeof key[i], "key%d", i);
        pairs[2 * i] = key[i];
        pairs[2 * i + 1] = text[i];
    }
    const char *path = check_path("notes");
    check_ok(sgn_archive_write("h5", path, NULL, NULL, 0, pairs, &err), &err);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    const int fd = open(path, O_RDWR);
    int refused = 0, opened = 0;
    for (off_t at = 0; at < st.st_size; at += 29) {
        uint8_t was;
        sgn_archive a;
        assert_int_equal(pread(fd, &was, 1, at), 1);
        assert_int_equal(pwrite(fd, &(uint8_t){ was ^ 4 }, 1, at), 1);
        const bool open_ = sgn_archive_open(&a, path, NULL) == SGN_OK;
        for (int i = 0; open_ && i < MANY; i++) {
            const char *got = a.kind->note(&a, key[i]);
            if (!got || strcmp(got, text[i]) != 0) fail_msg("a flip at %lld is not noticed", (long long)at);
        }
        opened += open_;
        refused += !open_;
        sgn_archive_close(&a);
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
    }
    close(fd);
    assert_true(refused > 10 * opened);
}

/* A mapped or read file that is shortened while open: read says so. */
static void a_shortened_file_is_an_error_not_a_signal(void **state) {
    (void)state;
    sgn_error err;
    EACH_KIND(k) {
        sgn_archive a;
        if (!k->write && !k->write_from) continue;
        set s = make_set(k, true);
        write_set(&s, check_path("short"));
        check_ok(sgn_archive_open(&a, check_path("short"), &err), &err);
        assert_int_equal(truncate(check_path("short"), 9000), 0);
        const int i = sgn_archive_find(&a, "group/deeper/model.layers.0.self_attn.q_proj.weight");
        float *out = malloc(a.at[i].bytes);
        err = (sgn_error){ 0 };
        assert_int_not_equal(sgn_archive_read_f32(&a, i, out, 700 * 601, &err), SGN_OK);
        assert_true(err.text[0]);
        free(out);
        sgn_archive_close(&a);
        free_set(&s);
    }
}

static void h5_reads_others_and_refuses_what_it_must(void **state) {
    (void)state;
    sgn_error err;
    sgn_archive a;
    if (!client("make", check_directory)) return;
    check_ok(sgn_archive_open(&a, check_path("good.h5"), &err), &err);
    const struct { const char *name; int64_t count; } arrays[] = { { "a/b", 12 }, { "half", 12 }, { "chunked", 12 } };
    for (int i = 0; i < 3; i++) {
        float x[12];
        check_ok(sgn_archive_read_f32(&a, sgn_archive_find(&a, arrays[i].name), x, 12, &err), &err);
        for (int j = 0; j < 12; j++) assert_true(x[j] == (float)j);
    }
    assert_int_equal(a.at[sgn_archive_find(&a, "flag")].dtype, SGN_DTYPE_BOOL);
    assert_null(a.kind->note(&a, "variable"));
    assert_string_equal(a.kind->note(&a, "fixed"), "kept");
    sgn_archive_close(&a);
    check_ok(sgn_archive_open(&a, check_path("cycle.h5"), &err), &err);
    assert_int_equal(a.count, 1);
    sgn_archive_close(&a);
    static const struct { const char *file, *says; } bad[] = {     /* rules 96 to 99 and their relatives */
        { "soft.h5", "b: is a soft or external link" },      { "external_link.h5", "b: is a soft or external link" },
        { "gzip.h5", "a: is virtual, kept" },                { "lzf.h5", "a: is virtual, kept" },
        { "virtual.h5", "a: is virtual, kept" },             { "external_storage.h5", "a: is virtual, kept" },
        { "variable.h5", "a: its type" },                    { "big_endian.h5", "a: its type" },
        { "compound.h5", "a: its type" },                    { "reference.h5", "r: its type" },
        { "committed.h5", "t: is neither" },                 { "sparse.h5", "a: 0 bytes are stored" },
        { "unallocated.h5", "a: 0 bytes are stored" },       { "unlimited_rank.h5", "a: its shape" },
        { "null.h5", "a: its shape" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        check_fails(sgn_archive_open(&a, check_path(bad[i].file), &err), SGN_FORMAT, &err, bad[i].says);
        assert_non_null(strstr(err.text, bad[i].file));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flip_is_survived),
        cmocka_unit_test(every_flip_of_a_note_is_noticed),
        cmocka_unit_test(a_shortened_file_is_an_error_not_a_signal),
        cmocka_unit_test(h5_reads_others_and_refuses_what_it_must),
    };
    return check_run(tests);
}
