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

/* A value attached to a file: one, or a list of them. The types are those of gguf, under its numbers. */
typedef enum {
    SGN_META_U8, SGN_META_I8, SGN_META_U16, SGN_META_I16, SGN_META_U32, SGN_META_I32, SGN_META_F32, SGN_META_BOOL,
    SGN_META_TEXT, SGN_META_LIST, SGN_META_U64, SGN_META_I64, SGN_META_F64, SGN_META_TYPES
} sgn_meta_type;
typedef struct {
    const char   *key;
    sgn_meta_type type;        /* of the value, or of each of a list; never SGN_META_LIST */
    bool          list;
    uint64_t      count;       /* 1 where it is no list */
    const void   *data;        /* numbers at any address, BOOL as bytes; texts: const char *const * */
} sgn_meta;

/* Arrays to be written that are not in memory all at once: *data of array `index`, contiguous and good until the next call. Asked for in order. */
typedef struct {
    sgn_status (*get)(void *ctx, int index, const void **data, sgn_error *err);
    void *ctx;
} sgn_array_source;

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
 * state) follows. write and write_from may be NULL. An archive is used by one thread at a time. */
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
    /* The value under `key`, NULL if none. The field may be NULL: the format has only notes. */
    const sgn_meta *(*meta)(const sgn_archive *a, const char *key);
    void (*close)(sgn_archive *a);
    /* Writes all arrays; data[i] is contiguous. notes: key, value, ..., NULL, or NULL. The caller,
     * sgn_archive_write, has checked the names (not empty, distinct, no "." or ".." between
     * slashes) and that bytes are what type and dims make. */
    sgn_status (*write)(const char *path, const sgn_array *at, const void *const *data, int count,
                        const char *const *notes, sgn_error *err);
    /* The same of arrays that come one after the other; then write is not needed. */
    sgn_status (*write_from)(const char *path, const sgn_array *at, const sgn_array_source *from, int count,
                             const char *const *notes, sgn_error *err);
    /* The same with values of all types; NULL where meta is. */
    sgn_status (*write_meta)(const char *path, const sgn_array *at, const void *const *data, int count,
                             const sgn_meta *meta, int metas, sgn_error *err);
    bool (*holds)(const sgn_array *a);   /* can it be written? NULL: whatever has no blocks */
};

/* Recognised by content; a safetensors index.json opens its shards as one archive. */
sgn_status sgn_archive_open(sgn_archive *a, const char *path, sgn_error *err);
void       sgn_archive_close(sgn_archive *a);
int        sgn_archive_find(const sgn_archive *a, const char *name);     /* -1: none */
/* Reads array `index` as floats, converting whatever type it has; `count` must be its size. */
sgn_status sgn_archive_read_f32(const sgn_archive *a, int index, float *out, int64_t count, sgn_error *err);
/* Whole or not at all; `kind` is a word of archives.def. */
sgn_status sgn_archive_write(const char *kind, const char *path, const sgn_array *at, const void *const *data,
                             int count, const char *const *notes, sgn_error *err);
/* The same of arrays that come one after the other, for a kind that can. */
sgn_status sgn_archive_write_from(const char *kind, const char *path, const sgn_array *at, const sgn_array_source *from,
                                  int count, const char *const *notes, sgn_error *err);
/* The same with values of all types, for a kind that has them. */
sgn_status sgn_archive_write_meta(const char *kind, const char *path, const sgn_array *at, const void *const *data,
                                  int count, const sgn_meta *meta, int metas, sgn_error *err);
bool       sgn_archive_holds(const sgn_archive_kind *k, const sgn_array *a);
/* NULL: there is none. The values live as long as `a`. */
const sgn_meta *sgn_archive_meta(const sgn_archive *a, const char *key);
/* Number or text i of a value; false or NULL where m is NULL, has no such i, or is of another type. Reals may be integers. */
bool        sgn_meta_int(const sgn_meta *m, uint64_t i, int64_t *out);
bool        sgn_meta_real(const sgn_meta *m, uint64_t i, double *out);
bool        sgn_meta_bool(const sgn_meta *m, uint64_t i, bool *out);
const char *sgn_meta_text(const sgn_meta *m, uint64_t i);
size_t      sgn_meta_bytes(sgn_meta_type t);                             /* of a number; 0: of none */
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
