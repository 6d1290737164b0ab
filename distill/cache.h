/* cache.h - a teacher's predictions on disk, made once and learned from often.
 *
 *     cache.json         what was computed, by whom, over what; the list of slices once all are there
 *     slice-00000.zst    seekable zstd: a record per window, then the slice's summary
 *
 * Window w of the corpus (data/sampler.h) is record w mod slice_windows of slice w / slice_windows, so what is
 * stored does not depend on seed or order of a training run. Byte for byte: docs/formats/teacher-cache.md.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DISTILL_CACHE_H
#define SGN_DISTILL_CACHE_H

#include <stdbool.h>
#include "core/digest.h"
#include "core/file.h"
#include "core/ops.h"

#define SGN_CACHE_JSON "cache.json"
enum { SGN_CACHE_VERSION = 1, SGN_CACHE_SLICES = 4096, SGN_CACHE_SAMPLES_MAX = 4096 };

typedef struct {               /* what a cache is of; digested it names the job */
    char       teacher[256];   /* as it was given: for people, no part of the digest */
    sgn_digest teacher_hash, shards_hash;
    char       tokenizer_hash[33];             /* of the shards; "" for foreign ids */
    bool       samples;        /* else the likeliest classes */
    int64_t    vocab, seq;
    int64_t    count;          /* classes kept, or samples drawn, per position */
    int64_t    bits;           /* of a probability, 8 or 16; samples: of a count */
    double     temperature;
    int64_t    eot;            /* ends documents that did not see each other; -1: windows were not divided */
    uint64_t   seed;           /* of the samples; else 0 */
    uint64_t   windows, slice_windows;
} sgn_cache_job;

typedef struct { uint64_t bytes; sgn_digest file, table; } sgn_cache_slice;      /* table: of its seek table */

typedef struct {               /* cache.json; start zeroed */
    sgn_cache_job    job;
    bool             complete;
    double           entropy;  /* of the teacher, mean in nats per token; complete only */
    uint64_t         bytes;    /* of all slices */
    sgn_cache_slice *slice;    /* (sgn_cache_slices), complete only */
} sgn_cache_info;

/* slice_windows and what else follows from the rest of a job. */
void       sgn_cache_job_settle(sgn_cache_job *j);
sgn_digest sgn_cache_job_digest(const sgn_cache_job *j);
uint64_t   sgn_cache_slices(const sgn_cache_job *j);
uint64_t   sgn_cache_slice_windows(const sgn_cache_job *j, uint64_t slice);    /* the last one may have fewer */
int64_t    sgn_cache_rows(const sgn_cache_job *j);     /* windows that the teacher sees at once, unless it is wide */

bool       sgn_is_cache(const char *where);            /* a directory with cache.json */
sgn_status sgn_cache_path(sgn_path *out, const char *directory, uint64_t slice, sgn_error *err);
sgn_status sgn_cache_info_save(const sgn_cache_info *i, const char *directory, sgn_error *err);
sgn_status sgn_cache_info_load(sgn_cache_info *i, const char *directory, sgn_error *err);
void       sgn_cache_info_free(sgn_cache_info *i);
/* SGN_CONFIG naming what is there of what the job wants and does not have. */
sgn_status sgn_cache_same_job(const sgn_cache_job *there, const sgn_cache_job *wanted, const char *directory, sgn_error *err);

/* --- records (cache_record.c) --- */

typedef struct {               /* of one window: (seq, count), (seq) */
    int32_t *id;               /* likeliest, or drawn most often, first */
    float   *weight;           /* probability, or times drawn; 0: none from here on */
    float   *rest;             /* probability of the others; samples: NULL */
    float   *entropy;          /* packing: of the teacher; unpacking: the floor of the loss (samples: the window's mean) */
} sgn_cache_record;

size_t     sgn_cache_record_most(const sgn_cache_job *j);              /* bytes */
size_t     sgn_cache_record_pack(const sgn_cache_job *j, const sgn_cache_record *r, uint8_t *out);     /* bytes taken */
/* Weights are of sum 1 with `rest`. *mean: the stored entropy. `where` for messages. */
sgn_status sgn_cache_record_unpack(const sgn_cache_job *j, const uint8_t *in, size_t size, sgn_cache_record *r, double *mean,
                                   const char *where, sgn_error *err);

/* A slice's last frame: sum of its windows' mean entropies, first window, the job's digest. */
enum { SGN_CACHE_SUMMARY = 48 };
void       sgn_cache_summary_pack(const sgn_cache_job *j, uint64_t slice, double entropy, uint8_t out[SGN_CACHE_SUMMARY]);
sgn_status sgn_cache_summary_unpack(const sgn_cache_job *j, uint64_t slice, const uint8_t in[SGN_CACHE_SUMMARY], size_t size,
                                    double *entropy, const char *where, sgn_error *err);

/* --- reading (cache_read.c) --- */

typedef struct sgn_cache sgn_cache;
/* Checks cache.json and the size of every slice; slices' tables and records when they are read. */
sgn_status sgn_cache_open(sgn_cache **c, const char *directory, sgn_error *err);
void       sgn_cache_close(sgn_cache *c);
const sgn_cache_info *sgn_cache_info_of(const sgn_cache *c);
/* One window, by one thread at a time. Allocates nothing. */
sgn_status sgn_cache_read(sgn_cache *c, uint64_t window, sgn_cache_record *out, sgn_error *err);
sgn_status sgn_cache_verify(sgn_cache *c, sgn_error *err);             /* reads everything */
/* Of memory that a training run takes: the reader, and predictions for the loader's batches. */
size_t     sgn_cache_memory(const sgn_cache_job *j, int64_t batch);

#endif
