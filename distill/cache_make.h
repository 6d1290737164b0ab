/* cache_make.h - runs a teacher over a corpus and keeps what it predicts (distill/cache.h).
 *
 * Several processes may work on one directory: each slice is made by whoever locks it first, whoever sees the last
 * one in place writes the list. A slice's bytes depend on the job alone, so nobody can tell afterwards.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DISTILL_CACHE_MAKE_H
#define SGN_DISTILL_CACHE_MAKE_H

#include "distill/cache.h"

typedef struct sgn_cache_report sgn_cache_report;

typedef struct {
    const char *teacher;       /* a model argument */
    const char *shards, *out;
    bool        samples;
    int64_t     count, seq, bits;
    double      temperature;
    uint64_t    seed;
    bool        mask_documents;        /* documents of a window do not see each other */
    int64_t     eot;           /* what ends one; -1: the shards' tokenizer says it */
    int64_t     part, parts;   /* this process makes slices part, part + parts, ...; parts 1: whatever is free */
    int         level;         /* of zstd; 0: 1 */
    bool      (*progress)(void *ctx, const sgn_cache_report *r);   /* false: stop, SGN_INTERRUPTED; may be NULL */
    void       *ctx;
} sgn_cache_options;

struct sgn_cache_report {
    uint64_t windows, slices;              /* of the whole cache */
    uint64_t made_windows, made_slices;    /* by this process */
    uint64_t made_bytes;
    uint64_t there;                        /* slices in place now */
    bool     complete;
    double   entropy;                      /* complete only: mean, nats per token */
    uint64_t bytes;                        /* complete only: of all slices */
    int64_t  seq;
    /* Seconds: reading tokens; the teacher's blocks; its head; choosing; packing, compressing, writing. */
    double   data_s, hidden_s, head_s, pick_s, write_s;
};

sgn_status sgn_cache_make(const sgn_cache_options *o, sgn_cache_report *r, sgn_error *err);

#endif
