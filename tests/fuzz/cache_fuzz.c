/* A teacher's cache. The first byte says what the rest is: a cache.json beside a valid slice; a head of 24 bytes (kind,
 * vocabulary, positions, classes, windows, windows of a slice: u32) and a slice, listed by a cache.json that fits it; or the head
 * and the bytes of one record.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "data/frames.h"
#include "data/shard_set.h"
#include "distill/cache.h"
#include "tests/fuzz/fuzz.h"

enum { LIST, SLICE, RECORD, SORTS, HEAD = 1 + 6 * 4, SEQ = 4, COUNT = 3, VOCAB = 300, WINDOWS = 5, MOST = 1 << 15, BITS16 = 1, SAMPLES = 2 };

static sgn_cache_job job_of(const uint8_t *head) {
    const uint32_t kind = sgn_get32(head);
    sgn_cache_job j = { .teacher = "teacher", .samples = kind & SAMPLES, .bits = kind & BITS16 ? 16 : 8, .temperature = 1, .eot = -1,
        .vocab = sgn_get32(head + 4), .seq = sgn_get32(head + 8), .count = sgn_get32(head + 12), .windows = sgn_get32(head + 16),
        .slice_windows = sgn_get32(head + 20) };
    if (j.slice_windows == 0) j.slice_windows = 1;
    return j;
}

static size_t put_head(uint8_t *to, uint8_t sort, uint32_t kind) {
    const uint32_t words[] = { kind, VOCAB, SEQ, COUNT, WINDOWS, WINDOWS };
    *to++ = sort;
    for (int i = 0; i < 6; i++) to = sgn_put32(to, words[i]);
    return HEAD;
}

static size_t pack(const sgn_cache_job *j, uint8_t *out) {
    int32_t id[SEQ * COUNT];
    float weight[SEQ * COUNT], rest[SEQ], entropy[SEQ];
    for (int i = 0; i < SEQ * COUNT; i++) {
        id[i] = 7 * i % VOCAB;
        weight[i] = j->samples ? (float)((int[]){ 2, 1, 0 })[i % COUNT] : ((float[]){ 0.5f, 0.25f, 0.125f })[i % COUNT];
    }
    for (int t = 0; t < SEQ; t++) rest[t] = 0.125f, entropy[t] = 1.2f;
    return sgn_cache_record_pack(j, &(sgn_cache_record){ id, weight, rest, entropy }, out);
}

static void put_frame(sgn_frames_writer *w, sgn_frame_encoder *e, const uint8_t *data, size_t size) {
    uint8_t packed[MOST];
    sgn_error err = { 0 };
    size_t n;
    fuzz_ok(sgn_frame_encode(e, data, size, packed, sizeof packed, &n, &err), &err);
    fuzz_ok(sgn_frames_writer_put(w, packed, n, size, &err), &err);
}

static void make_slice(const sgn_cache_job *j, const char *path) {
    sgn_error err = { 0 };
    sgn_frames_writer *w;
    sgn_frame_encoder *e;
    uint8_t record[MOST], summary[SGN_CACHE_SUMMARY];
    fuzz_ok(sgn_frames_writer_open(&w, path, &err), &err);
    fuzz_ok(sgn_frame_encoder_open(&e, 1, &err), &err);
    for (int k = 0; k < WINDOWS; k++) put_frame(w, e, record, pack(j, record));
    sgn_cache_summary_pack(j, 0, WINDOWS * (double)1.2f, summary);
    put_frame(w, e, summary, sizeof summary);
    sgn_frame_encoder_close(e);
    fuzz_ok(sgn_frames_writer_close(w, &err), &err);
}

/* cache.json whose seals fit, whatever it says; the directory's slice 0 is there. */
static void list_slice(const sgn_cache_job *j, const char *directory, const uint8_t *slice, size_t size) {
    sgn_error err = { 0 };
    const uint64_t slices = sgn_cache_slices(j);
    sgn_cache_info i = { .job = *j, .complete = slices <= SGN_CACHE_SLICES, .entropy = 1 };
    const uint64_t table = SGN_SEEK_HEAD + (sgn_cache_slice_windows(j, 0) + 1) * SGN_SEEK_ENTRY + SGN_SEEK_FOOT, n = table < size ? table : size;
    i.slice = i.complete ? calloc((size_t)slices + 1, sizeof *i.slice) : NULL;
    const sgn_digest file = sgn_digest_bytes(slice, size);
    for (uint64_t k = 0; i.slice && k < slices; k++) i.slice[k] = (sgn_cache_slice){ .bytes = size, .file = file, .table = sgn_digest_bytes(slice + size - n, n) };
    fuzz_ok(sgn_cache_info_save(&i, directory, &err), &err);
    sgn_cache_info_free(&i);
}

static const char *directory(const char *name) {
    static char path[600];
    sgn_error err = { 0 };
    snprintf(path, sizeof path, "%s", fuzz_path(name));
    fuzz_ok(sgn_make_directories(path, &err), &err);
    return path;
}

static void seed(fuzz_take *take, uint32_t kind) {
    static uint8_t in[HEAD + MOST];
    size_t n, m;
    put_head(in, SLICE, kind);
    const sgn_cache_job j = job_of(in + 1);
    directory("set");
    make_slice(&j, fuzz_path("set/slice-00000.zst"));
    char *slice = fuzz_get(fuzz_path("set/slice-00000.zst"), &n);
    list_slice(&j, directory("set"), (const uint8_t *)slice, n);
    char *json = fuzz_get(fuzz_path("set/cache.json"), &m);     /* before inputs change it */
    memcpy(in + HEAD, slice, n);
    take(in, HEAD + n);
    if (kind == 0) {
        in[0] = LIST;
        memcpy(in + 1, json, m);
        take(in, 1 + m);
    }
    put_head(in, RECORD, kind);
    take(in, HEAD + pack(&j, in + HEAD));
    free(slice);
    free(json);
}

void fuzz_seeds(fuzz_take *take) {
    for (uint32_t kind = SAMPLES + BITS16 + 1; kind-- > 0;) seed(take, kind);      /* "set" is left as kind 0 has it */
}

/* What was accepted is a distribution at every position. */
static void check_record(const sgn_cache_job *j, const sgn_cache_record *r) {
    for (int64_t t = 0; t < j->seq; t++) {
        double sum = j->samples ? 0 : (double)r->rest[t];
        for (int64_t i = t * j->count; i < (t + 1) * j->count; i++) {
            fuzz_check(r->id[i] >= 0 && r->id[i] < j->vocab && r->weight[i] >= 0 && r->weight[i] <= 1.001f);
            sum += (double)r->weight[i];
        }
        fuzz_check(fabs(sum - 1) < 1e-3 && isfinite(r->entropy[t]));
    }
}

static sgn_cache_record record_make(const sgn_cache_job *j) {
    const size_t seq = (size_t)j->seq, all = seq * (size_t)j->count;
    sgn_cache_record r = { malloc(all * sizeof *r.id), malloc(all * sizeof *r.weight), malloc(seq * sizeof *r.rest), malloc(seq * sizeof *r.entropy) };
    fuzz_check(r.id && r.weight && r.rest && r.entropy);
    memset(r.id, 0xFF, all * sizeof *r.id);        /* what is left as it was is seen */
    memset(r.weight, 0xFF, all * sizeof *r.weight);
    return r;
}

static void record_free(sgn_cache_record *r) { free(r->id), free(r->weight), free(r->rest), free(r->entropy); }

static void read_set(const char *dir) {
    sgn_error err = { 0 };
    sgn_cache *c;
    if (fuzz_refused(sgn_cache_open(&c, dir, &err), &err, dir)) return;
    const sgn_cache_job *j = &sgn_cache_info_of(c)->job;
    if ((uint64_t)j->seq * (uint64_t)j->count < 1 << 22) {
        sgn_cache_record r = record_make(j);
        for (uint64_t w = 0; w < j->windows && w < 20; w++) {
            err = (sgn_error){ 0 };
            if (!fuzz_refused(sgn_cache_read(c, w, &r, &err), &err, dir)) check_record(j, &r);
        }
        err = (sgn_error){ 0 };
        fuzz_check(sgn_cache_read(c, j->windows, &r, &err) == SGN_FORMAT);
        record_free(&r);
        err = (sgn_error){ 0 };
        fuzz_refused(sgn_cache_verify(c, &err), &err, dir);
    }
    sgn_cache_close(c);
}

static void unpack(sgn_cache_job j, const uint8_t *data, size_t size) {
    sgn_error err = { 0 };
    double mean;
    if (j.vocab < 1 || j.vocab > 1 << 24 || j.seq < 1 || j.count < 1 || j.seq > 64 || j.count > 64 || (!j.samples && j.count > j.vocab)) return;
    sgn_cache_record r = record_make(&j);
    if (!fuzz_refused(sgn_cache_record_unpack(&j, data, size, &r, &mean, "x", &err), &err, "x")) check_record(&j, &r);
    record_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size >= 1 && data[0] % SORTS == LIST) {
        if (!sgn_file_exists(fuzz_path("set/slice-00000.zst"))) {
            uint8_t head[HEAD];
            put_head(head, SLICE, 0);
            const sgn_cache_job j = job_of(head + 1);
            directory("set");
            make_slice(&j, fuzz_path("set/slice-00000.zst"));
        }
        fuzz_put("set/cache.json", data + 1, size - 1);
        read_set(directory("set"));
    } else if (size > HEAD && data[0] % SORTS == SLICE) {
        const sgn_cache_job j = job_of(data + 1);
        fuzz_check(directory("own") && fuzz_put("own/slice-00000.zst", data + HEAD, size - HEAD));
        list_slice(&j, directory("own"), data + HEAD, size - HEAD);
        read_set(directory("own"));
    } else if (size >= HEAD && data[0] % SORTS == RECORD) {
        unpack(job_of(data + 1), data + HEAD, size - HEAD);
    }
    return 0;
}
