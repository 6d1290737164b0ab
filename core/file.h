/* file.h - files as this project needs them: mapped, written whole, or built in a
 * directory beside the final one and renamed into place.
 *
 * Nothing half-written is ever seen under a final name: write, fsync, rename,
 * fsync of the parent directory.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_FILE_H
#define SGN_CORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

enum { SGN_PATH_MAX = 1024 };
typedef struct { char s[SGN_PATH_MAX]; } sgn_path;

/* out = printf(fmt); too long is SGN_IO. */
sgn_status sgn_path_set(sgn_path *out, sgn_error *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

typedef struct {
    const uint8_t *data;       /* read-only map; NULL when empty */
    size_t         size;
} sgn_map;
/* Refuses what is not a regular file. */
sgn_status sgn_map_open(sgn_map *m, const char *path, sgn_error *err);
void       sgn_map_close(sgn_map *m);

/* A regular file read at offsets: unlike a map it survives a file that shrinks. */
typedef struct {
    sgn_path path;
    uint64_t size;
    int      fd;               /* valid while `open` */
    bool     open;
} sgn_reader;
sgn_status sgn_reader_open(sgn_reader *r, const char *path, sgn_error *err);
sgn_status sgn_reader_get(const sgn_reader *r, uint64_t offset, void *out, size_t size, sgn_error *err);
void       sgn_reader_close(sgn_reader *r);

bool       sgn_file_exists(const char *path);
bool       sgn_is_directory(const char *path);
sgn_status sgn_make_directories(const char *path, sgn_error *err);    /* mkdir -p */
/* Whole file into malloc'd memory with a NUL behind it (free it); at most `limit` bytes. */
sgn_status sgn_file_read(const char *path, size_t limit, char **out, size_t *size, sgn_error *err);
/* Temporary name, write, fsync, rename, fsync of the directory. */
sgn_status sgn_file_write(const char *path, const void *data, size_t size, sgn_error *err);
sgn_status sgn_file_copy(const char *from, const char *to, sgn_error *err);
/* Sorted names of the entries of a directory that start with `prefix` and end with `suffix`. */
sgn_status sgn_directory_list(const char *path, const char *prefix, const char *suffix,
                              char ***names, int *count, sgn_error *err);
void       sgn_names_free(char **names, int count);
/* What is not there is removed already. */
sgn_status sgn_remove_tree(const char *path, sgn_error *err);
uint64_t   sgn_free_space(const char *path);                          /* bytes; UINT64_MAX if unknown */

/* A file written in pieces. Errors are latched: check the status of close. The file
 * appears under its final name only at a close that succeeds; abandon removes it.
 * Only a regular file is ever replaced: a directory or device in its place is refused. */
typedef struct sgn_writer sgn_writer;
sgn_status sgn_writer_open(sgn_writer **w, const char *path, sgn_error *err);
void       sgn_writer_put(sgn_writer *w, const void *data, size_t size);
uint64_t   sgn_writer_size(const sgn_writer *w);
sgn_status sgn_writer_close(sgn_writer *w, sgn_error *err);           /* fsync, rename; frees w */
void       sgn_writer_abandon(sgn_writer *w);

/* A directory that appears whole: work in stage.s, then commit (fsync of everything,
 * rename to `final`, fsync of the parent) or abandon. An existing `final` is refused
 * at begin, unless `replace`: then the two change places at commit (in one step where the
 * file system can) and the old one is removed after. */
typedef struct {
    sgn_path stage, final;
    bool     replace;
} sgn_staging;
sgn_status sgn_staging_begin(sgn_staging *s, const char *final, bool replace, sgn_error *err);
sgn_status sgn_staging_commit(sgn_staging *s, sgn_error *err);
void       sgn_staging_abandon(sgn_staging *s);

#endif
