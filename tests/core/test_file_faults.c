/* Files when the system fails: the k-th call of each kind fails, once or from then on. Whatever
 * fails, the old contents or the new ones stand under the final name, never neither, and the
 * caller is told. The program's own write, fsync, rename and close stand in front of the system's.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include "core/file.h"

typedef enum { WRITE, FSYNC, RENAME, CLOSE, KINDS } kind;
static struct {
    kind which;
    int  nth, error;           /* nth < 0: no faults */
    bool persistent, half;     /* half: a write that succeeds by half instead of failing */
    bool plain;                /* no exchange of names */
    int  calls[KINDS];
} fault = { .nth = -1 };

static bool fails(kind k) {
    const int call = fault.calls[k]++;
    if (k != fault.which || fault.nth < 0 || (fault.persistent ? call < fault.nth : call != fault.nth)) return false;
    errno = fault.error;
    return true;
}

ssize_t write(int fd, const void *data, size_t size) {
    if (fd <= 2) return syscall(SYS_write, fd, data, size);
    if (!fails(WRITE)) return syscall(SYS_write, fd, data, size);
    return fault.half ? syscall(SYS_write, fd, data, (size + 1) / 2) : -1;
}
int fsync(int fd) { return fails(FSYNC) ? -1 : (int)syscall(SYS_fsync, fd); }
int rename(const char *from, const char *to) { return fails(RENAME) ? -1 : (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    if (fault.plain) {
        errno = EINVAL;        /* a file system that cannot exchange names */
        return -1;
    }
    return fails(RENAME) ? -1 : (int)syscall(SYS_renameat2, a, from, b, to, flags);
}
int close(int fd) {
    const bool broken = fails(CLOSE);
    const int saved = errno, rc = (int)syscall(SYS_close, fd);
    if (broken) errno = saved;
    return broken ? -1 : rc;
}

enum { SIZE = 600000 };
static char before[SIZE], after[SIZE];

static void make_contents(void) {
    for (int i = 0; i < SIZE; i++) {
        before[i] = (char)(i % 251);
        after[i] = (char)(i % 241);
    }
}

static bool holds(const char *path, const char *bytes) {
    char *text;
    size_t size;
    if (sgn_file_read(path, 1 << 30, &text, &size, NULL) != SGN_OK) return false;
    const bool same = size == SIZE && memcmp(text, bytes, SIZE) == 0;
    free(text);
    return same;
}

static int entries(const char *path) {
    char **names;
    int n;
    assert_int_equal(sgn_directory_list(path, "", "", &names, &n, NULL), SGN_OK);
    sgn_names_free(names, n);
    return n;
}

static void write_file(const char *path, const char *bytes) {
    sgn_error err;
    check_ok(sgn_file_write(path, bytes, SIZE, &err), &err);
}

static sgn_status with_fault(kind k, int nth, int error, bool persistent, sgn_status (*act)(const char *, sgn_error *),
                             const char *path, sgn_error *err) {
    memset(fault.calls, 0, sizeof fault.calls);
    fault.which = k;
    fault.nth = nth;
    fault.error = error;
    fault.persistent = persistent;
    *err = (sgn_error){ 0 };
    const sgn_status s = act(path, err);
    fault.nth = -1;
    return s;
}

static sgn_status act_write(const char *path, sgn_error *err) { return sgn_file_write(path, after, SIZE, err); }

static sgn_status act_stage(const char *path, sgn_error *err) {
    sgn_staging st;
    sgn_path p;
    SGN_TRY(sgn_staging_begin(&st, path, true, err));
    sgn_status s = sgn_path_set(&p, err, "%s/data", st.stage.s);
    if (s == SGN_OK) s = sgn_file_write(p.s, after, SIZE, err);
    if (s == SGN_OK) return sgn_staging_commit(&st, err);
    sgn_staging_abandon(&st);
    return s;
}

static int calls_of(kind k, sgn_status (*act)(const char *, sgn_error *), const char *path) {
    sgn_error err;
    assert_int_equal(with_fault(k, -1, 0, false, act, path, &err), SGN_OK);
    return fault.calls[k];
}

/* A directory opened only to be synced may fail to close unnoticed; all else is told. */
static void every_fault_of_a_write(void **state) {
    (void)state;
    sgn_error err;
    const char *dir = check_path("write"), *path = check_path("write/file");
    make_contents();
    check_ok(sgn_make_directories(dir, &err), &err);
    assert_int_equal(calls_of(FSYNC, act_write, path), 2);           /* the file, then its directory */
    assert_int_equal(calls_of(RENAME, act_write, path), 1);
    for (int k = 0; k < KINDS; k++)
        for (int nth = 0, calls = calls_of((kind)k, act_write, path); nth < calls; nth++)
            for (int persistent = 0; persistent < 2; persistent++) {
                write_file(path, before);
                const sgn_status s = with_fault((kind)k, nth, k == WRITE ? ENOSPC : EIO, persistent, act_write, path, &err);
                const bool renamed = nth == 1 && (k == FSYNC || k == CLOSE);
                assert_int_equal(s, k == CLOSE && renamed ? SGN_OK : SGN_IO);
                if (s != SGN_OK) assert_non_null(strstr(err.text, k == WRITE ? "No space left" : "Input/output error"));
                assert_true(holds(path, renamed ? after : before));
                assert_int_equal(entries(dir), 1);
            }
}

static void interrupted_and_short_writes_are_continued(void **state) {
    (void)state;
    sgn_error err;
    const char *path = check_path("resumed");
    for (int nth = 0; nth < 3; nth++) {
        write_file(path, before);
        assert_int_equal(with_fault(WRITE, nth, EINTR, false, act_write, path, &err), SGN_OK);
        assert_true(holds(path, after));
    }
    write_file(path, before);
    memset(fault.calls, 0, sizeof fault.calls);
    fault.which = WRITE;
    fault.nth = 0;
    fault.persistent = fault.half = true;
    check_ok(sgn_file_write(path, after, SIZE, &err), &err);
    fault.nth = -1;
    fault.half = false;
    assert_true(fault.calls[WRITE] > 10);
    assert_true(holds(path, after));
}

static void every_fault_of_a_replaced_directory(void **state) {
    (void)state;
    sgn_error err;
    sgn_path set, data;
    check_ok(sgn_path_set(&set, &err, "%s", check_path("dirs/set")), &err);
    check_ok(sgn_path_set(&data, &err, "%s", check_path("dirs/set/data")), &err);
    check_ok(sgn_make_directories(set.s, &err), &err);
    assert_int_equal(calls_of(FSYNC, act_stage, set.s), 2 + 2 + 1);      /* of the write; of the file and the directory; of the parent */
    for (int variant = 0; variant < 2 * CLOSE; variant++) {
        const kind k = (kind)(variant % CLOSE);
        fault.plain = variant >= CLOSE;
        for (int nth = 0, calls = calls_of(k, act_stage, set.s); nth < calls; nth++)
            for (int persistent = 0; persistent < 2; persistent++) {
                const bool renamed = k == FSYNC && nth == calls - 1;     /* the old one is kept where the new may not last */
                if (fault.plain && k == RENAME && persistent && nth == 2) continue;      /* not even back: nothing can be done */
                check_ok(sgn_remove_tree(check_path("dirs"), &err), &err);
                check_ok(sgn_make_directories(set.s, &err), &err);
                write_file(data.s, before);
                assert_int_equal(with_fault(k, nth, EIO, persistent, act_stage, set.s, &err), SGN_IO);
                assert_non_null(strstr(err.text, "Input/output error"));
                assert_true(holds(data.s, renamed ? after : before));
                assert_int_equal(entries(check_path("dirs")), renamed ? 2 : 1);
            }
        if (k == RENAME) assert_int_equal(calls_of(k, act_stage, set.s), fault.plain ? 3 : 2);
    }
    fault.plain = false;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_of_a_write),
        cmocka_unit_test(interrupted_and_short_writes_are_continued),
        cmocka_unit_test(every_fault_of_a_replaced_directory),
    };
    return check_run(tests);
}
