/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "data/corpus_work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ATTEMPTS = 100 };

/* *fd: open and locked, or -1 where another process holds it. */
static sgn_status lock_file(const char *path, int how, int *fd, sgn_error *err) {
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*fd < 0) SGN_FAIL(err, SGN_IO, "%s: cannot create: %s", path, strerror(errno));
    while (flock(*fd, how | LOCK_NB) != 0) {
        if (errno == EINTR) continue;
        const int why = errno;
        close(*fd);
        *fd = -1;
        if (why == EWOULDBLOCK) return SGN_OK;
        SGN_FAIL(err, SGN_IO, "%s: cannot lock: %s; the file system must know flock", path, strerror(why));
    }
    return SGN_OK;
}

static void drop(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static sgn_status inside(const sgn_corpus_work *w, const char *name, sgn_path *out, sgn_error *err) {
    return sgn_path_set(out, err, "%s/%s", w->dir.s, name);
}

/* --- joining -------------------------------------------------------------------------------------------- */

static bool has_parts(const sgn_corpus_work *w) {
    char **names;
    int count;
    bool found = false;
    if (sgn_directory_list(w->dir.s, "part-", "", &names, &count, NULL) != SGN_OK) return false;
    for (int i = 0; i < count; i++) found |= !strstr(names[i], ".lock");
    sgn_names_free(names, count);
    return found;
}

/* PARENT/.old-NAME-: what is being removed. */
static sgn_status old_name(const sgn_corpus_work *w, const char *end, sgn_path *parent, sgn_path *out, sgn_error *err) {
    const char *slash = strrchr(w->dir.s, '/'), *base = slash ? slash + 1 : w->dir.s;
    SGN_TRY(sgn_path_set(parent, err, "%.*s", slash ? (int)(base - w->dir.s) : 2, slash ? w->dir.s : "./"));
    return sgn_path_set(out, err, ".old-%s-%s", base, end);
}

/* Also while another process removes it. */
static sgn_status remove_whole(const char *path, sgn_error *err) {
    for (int i = 0; i < ATTEMPTS && sgn_file_exists(path); i++) SGN_TRY(sgn_remove_tree(path, err));
    return SGN_OK;
}

/* The name goes first, so that nobody joins what is being removed. */
static sgn_status remove_directory(const sgn_corpus_work *w, sgn_error *err) {
    char end[24];
    sgn_path parent, name, old;
    snprintf(end, sizeof end, "%ld", (long)getpid());
    SGN_TRY(old_name(w, end, &parent, &name, err));
    SGN_TRY(sgn_path_set(&old, err, "%s%s", parent.s, name.s));
    if (rename(w->dir.s, old.s) != 0 && errno != ENOENT)
        SGN_FAIL(err, SGN_IO, "%s: cannot rename away: %s", w->dir.s, strerror(errno));
    return remove_whole(old.s, err);
}

/* What a process that died while it removed has left. */
static void sweep_removed(const sgn_corpus_work *w) {
    sgn_path parent, prefix, path;
    char **names;
    int count;
    if (old_name(w, "", &parent, &prefix, NULL) != SGN_OK
        || sgn_directory_list(parent.s, prefix.s, "", &names, &count, NULL) != SGN_OK)
        return;
    for (int i = 0; i < count; i++)
        if (sgn_path_set(&path, NULL, "%s%s", parent.s, names[i]) == SGN_OK) (void)remove_whole(path.s, NULL);
    sgn_names_free(names, count);
}

static bool alone(const sgn_corpus_work *w) { return flock(w->member, LOCK_EX | LOCK_NB) == 0; }

bool sgn_corpus_work_gone(const sgn_corpus_work *w) {
    sgn_path path;
    struct stat mine, there;
    if (w->member < 0 || inside(w, "lock", &path, NULL) != SGN_OK) return true;
    return fstat(w->member, &mine) != 0 || stat(path.s, &there) != 0 || mine.st_ino != there.st_ino || mine.st_dev != there.st_dev;
}

/* Two that begin at once write the same name; the link of one of them holds. */
static sgn_status put_plan(const sgn_corpus_work *w, const sgn_corpus_plan *plan, const char *path, sgn_error *err) {
    sgn_path own;
    if (sgn_file_exists(path)) return SGN_OK;
    SGN_TRY(sgn_path_set(&own, err, "%s/plan-%ld", w->dir.s, (long)getpid()));
    SGN_TRY(sgn_file_write(own.s, plan->text, strlen(plan->text), err));
    const int rc = link(own.s, path), why = errno;
    if (rc != 0 && why != EEXIST && rename(own.s, path) != 0)      /* a file system without links: the last one holds */
        SGN_FAIL(err, SGN_IO, "%s: cannot create: %s", path, strerror(why));
    unlink(own.s);
    return SGN_OK;
}

/* *again: the directory was another's, or is gone; try once more. */
static sgn_status enter(sgn_corpus_work *w, const sgn_corpus_plan *plan, bool restart, bool *again, sgn_error *err) {
    sgn_path path;
    *again = false;
    SGN_TRY(sgn_make_directories(w->dir.s, err));
    SGN_TRY(inside(w, "lock", &path, err));
    if (lock_file(path.s, LOCK_SH, &w->member, NULL) != SGN_OK || w->member < 0 || sgn_corpus_work_gone(w)) {
        *again = true;
        return SGN_OK;
    }
    if ((restart || !has_parts(w)) && alone(w)) {
        char **names;
        int count;
        SGN_TRY(sgn_directory_list(w->dir.s, "", "", &names, &count, err));
        sgn_names_free(names, count);
        if (count > 1) {                   /* more than the lock: left by others that are gone */
            *again = true;
            return remove_directory(w, err);
        }
    }
    if (flock(w->member, LOCK_SH | LOCK_NB) != 0) {
        *again = true;
        return SGN_OK;
    }
    SGN_TRY(inside(w, "plan.json", &path, err));
    SGN_TRY(put_plan(w, plan, path.s, err));
    return sgn_corpus_plan_compare(plan, path.s, err);
}

sgn_status sgn_corpus_work_join(sgn_corpus_work *w, const char *out, const sgn_corpus_plan *plan, bool restart, sgn_error *err) {
    *w = (sgn_corpus_work){ .member = -1, .claim = -1, .finished = plan->stream };
    size_t n = strlen(out);
    while (n > 1 && out[n - 1] == '/') n--;
    if (plan->stream) SGN_TRY(sgn_path_set(&w->dir, err, "%.*s.parts-%ld", (int)n, out, (long)getpid()));
    else SGN_TRY(sgn_path_set(&w->dir, err, "%.*s.parts", (int)n, out));
    sweep_removed(w);
    for (int i = 0; i < ATTEMPTS; i++) {
        bool again;
        SGN_TRY(enter(w, plan, restart, &again, err));
        if (!again) return SGN_OK;
        drop(&w->member);
        usleep(i < 10 ? 1000 : 20000);
    }
    SGN_FAIL(err, SGN_IO, "%s/lock: cannot be locked; another process is beginning or ending there, or the file system knows no flock",
             w->dir.s);
}

/* --- parts ---------------------------------------------------------------------------------------------- */

sgn_status sgn_corpus_work_part(const sgn_corpus_work *w, int part, sgn_path *out, sgn_error *err) {
    return sgn_path_set(out, err, "%s/part-%05d", w->dir.s, part);
}

/* What a process that died in this part has left; the caller holds its lock. */
static sgn_status sweep(const sgn_corpus_work *w, int part, sgn_error *err) {
    char prefix[32], **names;
    int count;
    snprintf(prefix, sizeof prefix, ".tmp-part-%05d-", part);
    SGN_TRY(sgn_directory_list(w->dir.s, prefix, "", &names, &count, err));
    sgn_status s = SGN_OK;
    for (int i = 0; i < count && s == SGN_OK; i++) {
        sgn_path path;
        s = inside(w, names[i], &path, err);
        if (s == SGN_OK) s = sgn_remove_tree(path.s, err);
    }
    sgn_names_free(names, count);
    return s;
}

sgn_status sgn_corpus_work_claim(sgn_corpus_work *w, int part, sgn_part_state *state, sgn_error *err) {
    sgn_path done, path;
    *state = SGN_PART_DONE;
    SGN_TRY(sgn_corpus_work_part(w, part, &done, err));
    if (sgn_file_exists(done.s)) return SGN_OK;
    SGN_TRY(sgn_path_set(&path, err, "%s.lock", done.s));
    SGN_TRY(lock_file(path.s, LOCK_EX, &w->claim, err));
    *state = w->claim < 0 ? SGN_PART_BUSY : sgn_file_exists(done.s) ? SGN_PART_DONE : SGN_PART_MINE;
    if (*state != SGN_PART_MINE) {
        drop(&w->claim);
        return SGN_OK;
    }
    const sgn_status s = sweep(w, part, err);
    if (s != SGN_OK) drop(&w->claim);
    return s;
}

void sgn_corpus_work_release(sgn_corpus_work *w) { drop(&w->claim); }

/* --- the end -------------------------------------------------------------------------------------------- */

sgn_status sgn_corpus_work_claim_merge(sgn_corpus_work *w, sgn_part_state *state, sgn_error *err) {
    sgn_path path;
    SGN_TRY(inside(w, "merge.lock", &path, err));
    SGN_TRY(lock_file(path.s, LOCK_EX, &w->claim, err));
    *state = w->claim < 0 ? SGN_PART_BUSY : SGN_PART_MINE;
    return SGN_OK;
}

sgn_status sgn_corpus_work_remove(sgn_corpus_work *w, sgn_error *err) {
    const sgn_status s = remove_directory(w, err);
    drop(&w->claim);
    drop(&w->member);
    return s;
}

void sgn_corpus_work_leave(sgn_corpus_work *w) {
    if (!w->dir.s[0]) return;
    drop(&w->claim);
    if (w->member >= 0 && !sgn_corpus_work_gone(w) && (w->finished || !has_parts(w)) && alone(w)) (void)remove_directory(w, NULL);
    drop(&w->member);
}
