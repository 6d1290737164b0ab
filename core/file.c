/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { BUFFER = 1 << 18, OPEN_DIRECTORIES = 16 };

#define FAIL_IO(err, path, what) SGN_FAIL(err, SGN_IO, "%s: cannot %s: %s", path, what, strerror(errno))

/* --- paths ------------------------------------------------------------------------------------ */

sgn_status sgn_path_set(sgn_path *out, sgn_error *err, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(out->s, sizeof out->s, fmt, args);
    va_end(args);
    if (n < 0 || n >= (int)sizeof out->s)
        SGN_FAIL(err, SGN_IO, "%.64s...: the path is longer than %d characters", out->s, SGN_PATH_MAX - 1);
    return SGN_OK;
}

static sgn_status parent_of(sgn_path *out, const char *path, sgn_error *err) {
    const char *slash = strrchr(path, '/');
    if (!slash) return sgn_path_set(out, err, ".");
    return sgn_path_set(out, err, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

/* A hidden name in the same directory (so that rename stays within one file system), new in this process. */
static sgn_status name_beside(sgn_path *out, const char *path, const char *tag, sgn_error *err) {
    static unsigned counter;
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    if (!*base || strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
        SGN_FAIL(err, SGN_IO, "%s: a name is expected at the end of the path", path);
    const unsigned n = __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
    return sgn_path_set(out, err, "%.*s.%s-%s-%ld-%u", (int)(base - path), path, tag, base, (long)getpid(), n);
}

bool sgn_file_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

bool sgn_is_directory(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

uint64_t sgn_free_space(const char *path) {
    struct statvfs v;
    return statvfs(path, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize : UINT64_MAX;
}

sgn_status sgn_make_directories(const char *path, sgn_error *err) {
    sgn_path p;
    SGN_TRY(sgn_path_set(&p, err, "%s", path));
    for (char *c = p.s + 1; p.s[0]; c++) {
        if (*c && *c != '/') continue;
        const char end = *c;
        *c = '\0';
        if (mkdir(p.s, 0777) != 0 && !(errno == EEXIST && sgn_is_directory(p.s))) FAIL_IO(err, p.s, "make directory");
        if (!end) break;
        *c = end;
    }
    return SGN_OK;
}

/* --- reading ---------------------------------------------------------------------------------- */

sgn_status sgn_reader_open(sgn_reader *r, const char *path, sgn_error *err) {
    *r = (sgn_reader){ 0 };
    SGN_TRY(sgn_path_set(&r->path, err, "%s", path));
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);      /* NONBLOCK: a FIFO must not hang us */
    struct stat st;
    if (fd < 0) FAIL_IO(err, path, "open");
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        SGN_FAIL(err, SGN_IO, "%s: is a %s; a regular file is expected", path,
                 S_ISDIR(st.st_mode) ? "directory" : "device, pipe or socket");
    }
    r->fd = fd;
    r->size = (uint64_t)st.st_size;
    r->open = true;
    return SGN_OK;
}

sgn_status sgn_reader_get(const sgn_reader *r, uint64_t offset, void *out, size_t size, sgn_error *err) {
    if (offset > r->size || size > r->size - offset)
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %llu: %zu bytes wanted, but the file ends at %llu", r->path.s,
                 (unsigned long long)offset, size, (unsigned long long)r->size);
    for (size_t done = 0; done < size;) {
        const ssize_t n = pread(r->fd, (char *)out + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) FAIL_IO(err, r->path.s, "read");
        if (n == 0) SGN_FAIL(err, SGN_IO, "%s: offset %llu: the file was shortened while it was read", r->path.s,
                             (unsigned long long)(offset + done));
        done += (size_t)n;
    }
    return SGN_OK;
}

void sgn_reader_close(sgn_reader *r) {
    if (r->open) close(r->fd);
    *r = (sgn_reader){ 0 };
}

sgn_status sgn_map_open(sgn_map *m, const char *path, sgn_error *err) {
    *m = (sgn_map){ 0 };
    sgn_reader r;
    SGN_TRY(sgn_reader_open(&r, path, err));
    const size_t size = (size_t)r.size;
    void *p = size ? mmap(NULL, size, PROT_READ, MAP_SHARED, r.fd, 0) : NULL;
    const int why = errno;
    sgn_reader_close(&r);
    errno = why;
    if (p == MAP_FAILED) FAIL_IO(err, path, "map");
    *m = (sgn_map){ p, size };
    return SGN_OK;
}

void sgn_map_close(sgn_map *m) {
    if (m->data) munmap((void *)(uintptr_t)m->data, m->size);
    *m = (sgn_map){ 0 };
}

static sgn_status read_whole(const sgn_reader *r, size_t limit, char **out, size_t *size, sgn_error *err) {
    if (r->size > limit)
        SGN_FAIL(err, SGN_FORMAT, "%s: %llu bytes, but at most %zu are read", r->path.s,
                 (unsigned long long)r->size, limit);
    char *text = malloc((size_t)r->size + 1);
    if (!text) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for its %llu bytes", r->path.s, (unsigned long long)r->size);
    const sgn_status s = sgn_reader_get(r, 0, text, (size_t)r->size, err);
    if (s != SGN_OK) {
        free(text);
        return s;
    }
    text[r->size] = '\0';
    *out = text;
    *size = (size_t)r->size;
    return SGN_OK;
}

sgn_status sgn_file_read(const char *path, size_t limit, char **out, size_t *size, sgn_error *err) {
    *out = NULL;
    *size = 0;
    sgn_reader r;
    SGN_TRY(sgn_reader_open(&r, path, err));
    const sgn_status s = read_whole(&r, limit, out, size, err);
    sgn_reader_close(&r);
    return s;
}

/* --- writing ---------------------------------------------------------------------------------- */

struct sgn_writer {
    sgn_path    final, temporary;
    int         fd, error;     /* error: the first errno, 0 while all is well */
    const char *doing;         /* what failed */
    uint64_t    size;
    size_t      used;
    char        buffer[BUFFER];
};

static void latch(sgn_writer *w, const char *doing) {
    if (w->error) return;
    w->error = errno;
    w->doing = doing;
}

static void flush(sgn_writer *w, const char *data, size_t size) {
    while (size > 0 && !w->error) {
        const ssize_t n = write(w->fd, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = EIO;
        if (n <= 0) latch(w, "write");
        else data += n, size -= (size_t)n;
    }
}

static sgn_status sync_path(const char *path, sgn_error *err) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) FAIL_IO(err, path, "open");
    const int rc = fsync(fd), why = errno;
    close(fd);
    errno = why;
    if (rc != 0 && why != EINVAL) FAIL_IO(err, path, "fsync");      /* EINVAL: there is nothing to sync on this file system */
    return SGN_OK;
}

static sgn_status sync_parent(const char *path, sgn_error *err) {
    sgn_path parent;
    SGN_TRY(parent_of(&parent, path, err));
    return sync_path(parent.s, err);
}

sgn_status sgn_writer_open(sgn_writer **out, const char *path, sgn_error *err) {
    *out = NULL;
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        SGN_FAIL(err, SGN_IO, "%s: is a %s, which a file would replace; choose another name", path,
                 S_ISDIR(st.st_mode) ? "directory" : "device, pipe or socket");
    sgn_writer *w = malloc(sizeof *w);
    if (!w) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to write it", path);
    memset(w, 0, offsetof(sgn_writer, buffer));
    sgn_status s = sgn_path_set(&w->final, err, "%s", path);
    if (s == SGN_OK) s = name_beside(&w->temporary, path, "tmp", err);
    if (s == SGN_OK && (w->fd = open(w->temporary.s, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) < 0)
        s = SGN_ERROR(err, SGN_IO, "%s: cannot create: %s", path, strerror(errno));
    if (s != SGN_OK) {
        free(w);
        return s;
    }
    *out = w;
    return SGN_OK;
}

void sgn_writer_put(sgn_writer *w, const void *data, size_t size) {
    w->size += size;
    if (size > BUFFER - w->used) {
        flush(w, w->buffer, w->used);
        w->used = 0;
    }
    if (size >= BUFFER) {
        flush(w, data, size);
        return;
    }
    if (size) memcpy(w->buffer + w->used, data, size);
    w->used += size;
}

uint64_t sgn_writer_size(const sgn_writer *w) { return w->size; }

sgn_status sgn_writer_close(sgn_writer *w, sgn_error *err) {
    if (!w) return SGN_OK;
    flush(w, w->buffer, w->used);
    if (!w->error && fsync(w->fd) != 0) latch(w, "fsync");
    if (close(w->fd) != 0) latch(w, "close");
    if (!w->error && rename(w->temporary.s, w->final.s) != 0) latch(w, "rename into place");
    sgn_status s = SGN_OK;
    if (w->error) {
        unlink(w->temporary.s);
        s = SGN_ERROR(err, SGN_IO, "%s: cannot %s: %s; nothing was written under this name", w->final.s, w->doing,
                      strerror(w->error));
    } else {
        s = sync_parent(w->final.s, err);
    }
    free(w);
    return s;
}

void sgn_writer_abandon(sgn_writer *w) {
    if (!w) return;
    close(w->fd);
    unlink(w->temporary.s);
    free(w);
}

sgn_status sgn_file_write(const char *path, const void *data, size_t size, sgn_error *err) {
    sgn_writer *w;
    SGN_TRY(sgn_writer_open(&w, path, err));
    sgn_writer_put(w, data, size);
    return sgn_writer_close(w, err);
}

sgn_status sgn_file_copy(const char *from, const char *to, sgn_error *err) {
    char *data;
    size_t size;
    SGN_TRY(sgn_file_read(from, SIZE_MAX - 1, &data, &size, err));
    const sgn_status s = sgn_file_write(to, data, size, err);
    free(data);
    return s;
}

/* --- directories ------------------------------------------------------------------------------ */

static bool wanted(const char *name, const char *prefix, const char *suffix) {
    const size_t n = strlen(name), np = strlen(prefix), ns = strlen(suffix);
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && n >= np + ns &&
           strncmp(name, prefix, np) == 0 && strcmp(name + n - ns, suffix) == 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static sgn_status append_name(char ***names, int *count, const char *name, sgn_error *err) {
    char **grown = realloc(*names, ((size_t)*count + 1) * sizeof *grown);
    if (grown) *names = grown;
    char *copy = grown ? strdup(name) : NULL;
    if (!copy) SGN_FAIL(err, SGN_NOMEM, "no memory for a list of file names");
    grown[(*count)++] = copy;
    return SGN_OK;
}

sgn_status sgn_directory_list(const char *path, const char *prefix, const char *suffix,
                              char ***names, int *count, sgn_error *err) {
    *names = NULL;
    *count = 0;
    DIR *d = opendir(path);
    if (!d) FAIL_IO(err, path, "list");
    sgn_status s = SGN_OK;
    for (struct dirent *e; s == SGN_OK && (errno = 0, e = readdir(d)) != NULL;)
        if (wanted(e->d_name, prefix ? prefix : "", suffix ? suffix : "")) s = append_name(names, count, e->d_name, err);
    if (s == SGN_OK && errno) s = SGN_ERROR(err, SGN_IO, "%s: cannot list: %s", path, strerror(errno));
    closedir(d);
    if (s == SGN_OK && *count) qsort(*names, (size_t)*count, sizeof **names, by_name);
    if (s == SGN_OK) return s;
    sgn_names_free(*names, *count);
    *names = NULL;
    *count = 0;
    return s;
}

void sgn_names_free(char **names, int count) {
    for (int i = 0; i < count; i++) free(names[i]);
    free(names);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    return (void)st, (void)type, (void)ftw, remove(path);
}

sgn_status sgn_remove_tree(const char *path, sgn_error *err) {
    if (nftw(path, remove_one, OPEN_DIRECTORIES, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        FAIL_IO(err, path, "remove");
    return SGN_OK;
}

/* --- a directory that appears whole ----------------------------------------------------------- */

sgn_status sgn_staging_begin(sgn_staging *s, const char *final, bool replace, sgn_error *err) {
    *s = (sgn_staging){ .replace = replace };
    sgn_path where;
    SGN_TRY(sgn_path_set(&where, err, "%s", final));
    for (size_t n = strlen(where.s); n > 1 && where.s[n - 1] == '/';) where.s[--n] = '\0';
    if (!replace && sgn_file_exists(where.s))
        SGN_FAIL(err, SGN_IO, "%s: exists already; remove it or choose another name", where.s);
    sgn_path stage;
    SGN_TRY(name_beside(&stage, where.s, "tmp", err));
    SGN_TRY(sgn_make_directories(stage.s, err));
    s->stage = stage;
    s->final = where;
    return SGN_OK;
}

static int sync_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st; (void)ftw;
    if (type == FTW_SL || type == FTW_SLN) return 0;
    return sync_path(path, NULL) == SGN_OK ? 0 : -1;
}

/* The stage takes the name of what it replaces in one step, or in two where the file system cannot do that. */
static sgn_status change_places(sgn_staging *s, sgn_path *old, sgn_error *err) {
    *old = s->stage;
    if (renameat2(AT_FDCWD, s->stage.s, AT_FDCWD, s->final.s, RENAME_EXCHANGE) == 0) return SGN_OK;
    if (errno != EINVAL && errno != ENOSYS) FAIL_IO(err, s->final.s, "rename into place");
    SGN_TRY(name_beside(old, s->final.s, "old", err));
    if (rename(s->final.s, old->s) != 0) FAIL_IO(err, s->final.s, "rename away");
    if (rename(s->stage.s, s->final.s) == 0) return SGN_OK;
    const int why = errno;
    rename(old->s, s->final.s);
    errno = why;
    FAIL_IO(err, s->final.s, "rename into place");
}

static sgn_status move_into_place(sgn_staging *s, sgn_error *err) {
    sgn_path old = { "" };
    if (s->replace && sgn_file_exists(s->final.s)) SGN_TRY(change_places(s, &old, err));
    else if (rename(s->stage.s, s->final.s) != 0) FAIL_IO(err, s->final.s, "rename into place");
    s->stage.s[0] = '\0';                           /* gone, or what was replaced: nothing to abandon */
    SGN_TRY(sync_parent(s->final.s, err));
    return old.s[0] ? sgn_remove_tree(old.s, err) : SGN_OK;
}

sgn_status sgn_staging_commit(sgn_staging *s, sgn_error *err) {
    sgn_status status = SGN_OK;
    if (nftw(s->stage.s, sync_one, OPEN_DIRECTORIES, FTW_DEPTH | FTW_PHYS) != 0)
        status = SGN_ERROR(err, SGN_IO, "%s: cannot fsync: %s; nothing was written under this name", s->final.s,
                           strerror(errno));
    if (status == SGN_OK) status = move_into_place(s, err);
    if (status != SGN_OK) sgn_staging_abandon(s);
    *s = (sgn_staging){ 0 };
    return status;
}

void sgn_staging_abandon(sgn_staging *s) {
    if (s->stage.s[0]) sgn_remove_tree(s->stage.s, NULL);
    *s = (sgn_staging){ 0 };
}
