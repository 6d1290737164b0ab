/* SPDX-License-Identifier: MIT */
#include "data/bench_shards.h"

#include <stdlib.h>
#include "core/clock.h"
#include "data/frame.h"
#include "data/shard_set.h"

enum { CHUNK = 1 << 16, ROUNDS_MAX = 99 };

typedef struct {
    sgn_shards        *shards;
    sgn_shard_set      set;
    sgn_frame_decoder *decoder;
    int32_t           *ids;            /* (CHUNK) */
    uint8_t           *frame;          /* a frame's ids as stored */
    double             read_s, zstd_s; /* of this round */
    uint64_t           first;          /* token of the present shard */
} bench;

/* The frames of a shard in memory, one after the other. */
static sgn_status decompress(bench *b, const char *path, const uint8_t *file, uint64_t size, uint64_t tokens, sgn_error *err) {
    const uint64_t frames = sgn_shard_frames(tokens, b->set.frame_tokens);
    const uint8_t *entry = file + size - SGN_SEEK_FOOT - frames * SGN_SEEK_ENTRY;
    const double began = sgn_clock_thread();
    uint64_t at = 0;
    for (uint64_t k = 0; k < frames; k++, entry += SGN_SEEK_ENTRY) {
        SGN_TRY(sgn_frame_decode(b->decoder, file + at, sgn_get32(entry), b->frame, sgn_get32(entry + 4), path, at, err));
        at += sgn_get32(entry);
    }
    b->zstd_s += sgn_clock_thread() - began;
    return SGN_OK;
}

static sgn_status read_shard(bench *b, int k, sgn_error *err) {
    const uint64_t tokens = b->set.shard[k].tokens;
    sgn_path path;
    char *file;
    size_t size;
    SGN_TRY(sgn_shard_path(&path, sgn_shards_directory(b->shards), k, err));
    SGN_TRY(sgn_file_read(path.s, SIZE_MAX - 1, &file, &size, err));
    const double began = sgn_clock_thread();
    sgn_status s = SGN_OK;
    for (uint64_t at = 0, n; at < tokens && s == SGN_OK; at += n) {        /* checks the seek table too */
        n = tokens - at < CHUNK ? tokens - at : CHUNK;
        s = sgn_shards_read(b->shards, b->first + at, (size_t)n, b->ids, err);
    }
    b->read_s += sgn_clock_thread() - began;
    b->first += tokens;
    if (s == SGN_OK) s = decompress(b, path.s, (const uint8_t *)file, size, tokens, err);
    free(file);
    return s;
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, by_size);
    return x[n / 2];
}

static sgn_status measure(bench *b, uint64_t most, int rounds, sgn_shard_bench *out, sgn_error *err) {
    const size_t width = (size_t)sgn_shards_info(b->shards)->width;
    double read[ROUNDS_MAX], zstd[ROUNDS_MAX], ratio[ROUNDS_MAX];
    sgn_path path;
    SGN_TRY(sgn_path_set(&path, err, "%s/" SGN_SHARDS_JSON, sgn_shards_directory(b->shards)));
    SGN_TRY(sgn_shard_set_load(&b->set, path.s, err));
    b->ids = malloc(CHUNK * sizeof *b->ids);
    b->frame = malloc(b->set.frame_tokens * width);
    if (!b->ids || !b->frame) SGN_FAIL(err, SGN_NOMEM, "no memory to read shards");
    SGN_TRY(sgn_frame_decoder_open(&b->decoder, err));
    for (int r = 0; r < rounds; r++) {
        b->read_s = b->zstd_s = 0;
        b->first = 0;
        for (int k = 0; k < b->set.info.shards && (k == 0 || b->first * width < most); k++) SGN_TRY(read_shard(b, k, err));
        out->tokens = b->first;
        out->bytes = b->first * width;
        read[r] = 1e-6 * (double)out->bytes / b->read_s;
        zstd[r] = 1e-6 * (double)out->bytes / b->zstd_s;
        ratio[r] = read[r] / zstd[r];
    }
    out->shards = b->set.info.shards;
    out->read_mb_s = median(read, rounds);
    out->zstd_mb_s = median(zstd, rounds);
    out->ratio = median(ratio, rounds);
    return SGN_OK;
}

sgn_status sgn_bench_shards(const char *dir, uint64_t most, int rounds, sgn_shard_bench *out, sgn_error *err) {
    bench b = { 0 };
    *out = (sgn_shard_bench){ 0 };
    if (rounds < 1 || rounds > ROUNDS_MAX) SGN_FAIL(err, SGN_CONFIG, "%d rounds: 1 to %d are possible", rounds, ROUNDS_MAX);
    const double began = sgn_clock_wall();
    SGN_TRY(sgn_shards_open(&b.shards, dir, "train", err));
    out->open_s = sgn_clock_wall() - began;
    const sgn_status s = measure(&b, most, rounds, out, err);
    sgn_shards_close(b.shards);
    sgn_shard_set_free(&b.set);
    sgn_frame_decoder_close(b.decoder);
    free(b.ids);
    free(b.frame);
    return s;
}
