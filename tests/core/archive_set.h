/* archive_set.h - a set of arrays of all types and ranks; every archive format must keep those that it holds.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TESTS_ARCHIVE_SET_H
#define SGN_TESTS_ARCHIVE_SET_H

#include "tests/check.h"

#include <sys/wait.h>
#include "core/archive.h"

enum { SET = SGN_DTYPE_COUNT + 4 };
typedef struct {
    sgn_array at[SET];
    void     *data[SET];
    int       count;
    const sgn_archive_kind *kind;      /* which holds it */
} set;

static inline int value(sgn_dtype t, int64_t i) { return (int)(i * 7 % (t == SGN_DTYPE_BOOL ? 2 : 100)); }

static inline void set_element(void *data, sgn_dtype t, int64_t i) {
    const int v = value(t, i);
    switch (t) {
        case SGN_DTYPE_F64:  ((double *)data)[i] = v; break;
        case SGN_DTYPE_F32:  ((float *)data)[i] = (float)v; break;
        case SGN_DTYPE_F16:  ((uint16_t *)data)[i] = sgn_f32_to_f16((float)v); break;
        case SGN_DTYPE_BF16: ((uint16_t *)data)[i] = sgn_f32_to_bf16((float)v); break;
        case SGN_DTYPE_I64:  ((int64_t *)data)[i] = v; break;
        case SGN_DTYPE_I32:  ((int32_t *)data)[i] = v; break;
        case SGN_DTYPE_I16:
        case SGN_DTYPE_U16:  ((uint16_t *)data)[i] = (uint16_t)v; break;
        default:             ((uint8_t *)data)[i] = (uint8_t)v; break;
    }
}

static inline void add(set *s, const char *name, sgn_dtype t, int rank, const int64_t *dim) {
    sgn_array *a = &s->at[s->count];
    *a = sgn_array_make(name, t, rank, dim);
    if (!sgn_archive_holds(s->kind, a)) return;
    void *data = malloc(a->bytes ? a->bytes : 1);
    const uint64_t elements = sgn_dtype_block(t) > 1 ? a->bytes : a->bytes / sgn_dtype_bytes(t);
    for (int64_t i = 0; i < (int64_t)elements; i++) set_element(data, t, i);
    s->data[s->count++] = data;
}

/* Not in order of names; with a matrix of several chunks where `large`. */
static inline set make_set(const sgn_archive_kind *k, bool large) {
    set s = { .kind = k };
    char name[32];
    add(&s, "scalar", SGN_DTYPE_F32, 0, NULL);
    for (int t = 0; t < SGN_DTYPE_COUNT; t++) {
        snprintf(name, sizeof name, "types/%s", sgn_dtype_name((sgn_dtype)t));
        add(&s, name, (sgn_dtype)t, 2, (int64_t[]){ 2, sgn_dtype_block((sgn_dtype)t) > 1 ? 2 * sgn_dtype_block((sgn_dtype)t) : 3 });
    }
    add(&s, "empty", SGN_DTYPE_F32, 3, (int64_t[]){ 3, 0, 2 });
    add(&s, "deep", SGN_DTYPE_U8, 8, (int64_t[]){ 1, 2, 1, 2, 1, 2, 1, 2 });
    if (large) add(&s, "group/deeper/model.layers.0.self_attn.q_proj.weight", SGN_DTYPE_F32, 2, (int64_t[]){ 700, 601 });
    return s;
}

static inline void free_set(set *s) {
    for (int i = 0; i < s->count; i++) free(s->data[i]);
}

static const char *const notes[] = { "config", "dim: 4\nname: \xC3\xA9\n", "empty", "", NULL };

static inline void write_set(const set *s, const char *path) {
    sgn_error err;
    check_ok(sgn_archive_write(s->kind->name, path, s->at, (const void *const *)s->data, s->count, notes, &err), &err);
}

/* 0: a holds exactly the set. */
static inline int differs(const sgn_archive *a, const set *s) {
    if (a->count != s->count) return 1;
    for (int i = 0; i < s->count; i++) {
        const int k = sgn_archive_find(a, s->at[i].name);
        if (k < 0 || memcmp(&a->at[k], &s->at[i], sizeof(sgn_array)) != 0) return 2;
        void *data = malloc(s->at[i].bytes + 1);
        sgn_error err = { 0 };
        const int wrong = a->kind->read(a, k, data, &err) != SGN_OK || memcmp(data, s->data[i], s->at[i].bytes) != 0;
        free(data);
        if (wrong) return 3;
    }
    for (int i = 0; notes[i]; i += 2) {
        const char *text = a->kind->note(a, notes[i]);
        if (!text || strcmp(text, notes[i + 1]) != 0) return 4;
    }
    return 0;
}

#define EACH_KIND(k) \
    const sgn_archive_kind *k; \
    for (int row_ = 0; (k = sgn_archive_kind_at(row_)) != NULL; row_++)

/* Runs tests/clients/h5_client.py; false (loudly) where Python or h5py are missing. */
static inline bool client(const char *what, const char *where) {
    char command[1200];
    snprintf(command, sizeof command, "/usr/bin/python3 tests/clients/h5_client.py %s %s", what, where);
    const int rc = system(command);
    if (rc == 0) return true;
    if (WIFEXITED(rc) && (WEXITSTATUS(rc) == 77 || WEXITSTATUS(rc) == 127)) {
        check_skipped("h5py is not installed");
        return false;
    }
    fail_msg("h5_client.py %s failed", what);
    return false;
}

#endif
