/* archive.h - named arrays in a file, whatever the format. Rows: core/archives.def.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_ARCHIVE_H
#define SGN_CORE_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/dtype.h"
#include "core/status.h"

enum { SGN_ARRAY_NAME = 192, SGN_ARRAY_RANK = 8 };

typedef struct {
    char      name[SGN_ARRAY_NAME];
    sgn_dtype dtype;
    int       rank;
    int64_t   dim[SGN_ARRAY_RANK];
    uint64_t  bytes;
} sgn_array;

typedef struct sgn_archive      sgn_archive;
typedef struct sgn_archive_kind sgn_archive_kind;

struct sgn_archive {
    const sgn_archive_kind *kind;
    char       path[1024];
    sgn_array *at;             /* sorted by name */
    int        count;
    void      *state;
};

/* A row. open leaves what it has in *a even when it fails: close (which takes a zeroed
 * state) follows. write may be NULL. An archive is used by one thread at a time. */
struct sgn_archive_kind {
    const char *name, *summary, *suffix;
    bool (*recognise)(const uint8_t *head, size_t size);          /* first bytes of a file */
    sgn_status (*open)(sgn_archive *a, const char *path, sgn_error *err);
    /* Pointer into the file, valid until close, or NULL if the format cannot be mapped. Only for
     * files that nobody shortens meanwhile; read survives that. */
    const void *(*map)(const sgn_archive *a, int index);
    sgn_status (*read)(const sgn_archive *a, int index, void *out, sgn_error *err);
    /* Text attached to the file under `key`, NULL if none. */
    const char *(*note)(const sgn_archive *a, const char *key);
    void (*close)(sgn_archive *a);
    /* Writes all arrays; data[i] is contiguous. notes: key, value, ..., NULL, or NULL. The caller,
     * sgn_archive_write, has checked the names (not empty, distinct, no "." or ".." between
     * slashes) and that bytes are what type and dims make. */
    sgn_status (*write)(const char *path, const sgn_array *at, const void *const *data, int count,
                        const char *const *notes, sgn_error *err);
};

/* Recognised by content; a safetensors index.json opens its shards as one archive. */
sgn_status sgn_archive_open(sgn_archive *a, const char *path, sgn_error *err);
void       sgn_archive_close(sgn_archive *a);
int        sgn_archive_find(const sgn_archive *a, const char *name);     /* -1: none */
/* Reads array `index` as floats, converting F64, F32, F16, BF16, I*, U*; `count` must be its size. */
sgn_status sgn_archive_read_f32(const sgn_archive *a, int index, float *out, int64_t count, sgn_error *err);
/* Whole or not at all; `kind` is a word of archives.def. */
sgn_status sgn_archive_write(const char *kind, const char *path, const sgn_array *at, const void *const *data,
                             int count, const char *const *notes, sgn_error *err);
const sgn_archive_kind *sgn_archive_kind_find(const char *name);
const sgn_archive_kind *sgn_archive_kind_at(int i);                      /* NULL past the end */
/* A filled-in description; bytes from dtype and dims. sgn_archive_write refuses what does not
 * fit: a name too long is left empty here, and bytes past 2^64 are UINT64_MAX. */
sgn_array  sgn_array_make(const char *name, sgn_dtype dtype, int rank, const int64_t *dim);
/* bytes = size of the type * dims, noticing overflow, negative dims and rows (the last dim) that are not whole blocks. */
bool       sgn_array_size(const sgn_array *a, uint64_t *bytes);
uint64_t   sgn_array_numel(const sgn_array *a);
int        sgn_array_by_name(const void *a, const void *b);             /* for qsort */

#endif
