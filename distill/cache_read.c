/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "data/frames.h"
#include "data/loader.h"
#include "distill/cache.h"

/* zstd: a frame and its entry in the seek table take 21 bytes at least, a block of 128 KiB takes 4. */
enum { OPEN_SLICES = 16, FRAME_LEAST = 21, ZSTD_RATIO = 1 << 15 };

typedef struct {
    sgn_frames frames;
    uint64_t   slice, used;            /* used 0: none is open */
} open_slice;

struct sgn_cache {
    sgn_path           directory;
    sgn_cache_info     info;
    open_slice         open[OPEN_SLICES];
    uint64_t           clock;
    uint8_t           *packed, *record;
    size_t             most, packed_room;
    sgn_frame_decoder *decoder;
};

static sgn_status open_checked(const sgn_cache *c, uint64_t slice, sgn_frames *f, sgn_error *err) {
    sgn_path path;
    const sgn_cache_slice *want = &c->info.slice[slice];
    SGN_TRY(sgn_cache_path(&path, c->directory.s, slice, err));
    SGN_TRY(sgn_frames_open(f, path.s, (uint32_t)sgn_cache_slice_windows(&c->info.job, slice) + 1, c->most, err));
    const uint64_t size = f->file.size;
    if (size == want->bytes && strcmp(f->table.hex, want->table.hex) == 0) return SGN_OK;
    sgn_frames_close(f);
    if (size != want->bytes)
        SGN_FAIL(err, SGN_FORMAT, "%s: has %" PRIu64 " bytes, " SGN_CACHE_JSON " says %" PRIu64 "; copy it again, or remove it and "
                 SGN_CACHE_JSON " and run 'signum teacher-cache' again", path.s, size, want->bytes);
    SGN_FAIL(err, SGN_FORMAT, "%s: the digest of its seek table is not the one in " SGN_CACHE_JSON, path.s);
}

/* Sizes at once, so that a missing or shortened slice is no surprise hours later. */
static sgn_status check_sizes(const sgn_cache *c, sgn_error *err) {
    for (uint64_t k = 0; k < sgn_cache_slices(&c->info.job); k++) {
        sgn_path path;
        sgn_reader file;
        SGN_TRY(sgn_cache_path(&path, c->directory.s, k, err));
        SGN_TRY(sgn_reader_open(&file, path.s, err));
        const uint64_t size = file.size;
        sgn_reader_close(&file);
        if (size != c->info.slice[k].bytes)
            SGN_FAIL(err, SGN_FORMAT, "%s: has %" PRIu64 " bytes, " SGN_CACHE_JSON " says %" PRIu64 "; copy or make it again", path.s,
                     size, c->info.slice[k].bytes);
    }
    return SGN_OK;
}

static uint64_t count_slices(const char *directory) {
    char **names;
    int count;
    if (sgn_directory_list(directory, "slice-", ".zst", &names, &count, NULL) != SGN_OK) return 0;
    sgn_names_free(names, count);
    return (uint64_t)count;
}

static sgn_status open_cache(sgn_cache *c, const char *directory, sgn_error *err) {
    SGN_TRY(sgn_path_set(&c->directory, err, "%s", directory));
    SGN_TRY(sgn_cache_info_load(&c->info, directory, err));
    if (!c->info.complete)
        SGN_FAIL(err, SGN_CONFIG, "%s: is not finished: %" PRIu64 " of %" PRIu64 " slices are there; run the 'signum teacher-cache' that "
                 "began it again", directory, count_slices(directory), sgn_cache_slices(&c->info.job));
    SGN_TRY(check_sizes(c, err));
    c->most = sgn_cache_record_most(&c->info.job);
    if (c->most < SGN_CACHE_SUMMARY) c->most = SGN_CACHE_SUMMARY;
    const uint64_t windows = sgn_cache_slice_windows(&c->info.job, 0), bytes = c->info.slice[0].bytes;
    if (windows > bytes / FRAME_LEAST || c->most / ZSTD_RATIO > bytes)
        SGN_FAIL(err, SGN_FORMAT, "%s/" SGN_CACHE_JSON ": slices[0]: %" PRIu64 " records of up to %zu bytes cannot be in %" PRIu64 " bytes",
                 directory, windows, c->most, bytes);
    for (uint64_t i = 0; i < OPEN_SLICES && i < sgn_cache_slices(&c->info.job); i++)
        SGN_TRY(sgn_frames_reserve(&c->open[i].frames, (uint32_t)windows + 1, directory, err));
    c->packed_room = sgn_frame_bound(c->most);
    c->packed = malloc(c->packed_room);
    c->record = malloc(c->most);
    if (!c->packed || !c->record) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to read it", directory);
    return sgn_frame_decoder_open(&c->decoder, err);
}

sgn_status sgn_cache_open(sgn_cache **out, const char *directory, sgn_error *err) {
    sgn_cache *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to read it", directory);
    const sgn_status s = open_cache(c, directory, err);
    if (s == SGN_OK) *out = c;
    else sgn_cache_close(c);
    return s;
}

void sgn_cache_close(sgn_cache *c) {
    if (!c) return;
    for (int i = 0; i < OPEN_SLICES; i++) sgn_frames_free(&c->open[i].frames);
    sgn_frame_decoder_close(c->decoder);
    sgn_cache_info_free(&c->info);
    free(c->packed);
    free(c->record);
    free(c);
}

const sgn_cache_info *sgn_cache_info_of(const sgn_cache *c) { return &c->info; }

size_t sgn_cache_memory(const sgn_cache_job *j, int64_t batch) {
    const uint64_t slices = sgn_cache_slices(j), open = slices < OPEN_SLICES ? slices : OPEN_SLICES;
    const size_t most = sgn_cache_record_most(j), tokens = (size_t)(SGN_LOADER_PLACES * batch * j->seq);
    return sizeof(sgn_cache) + sgn_frame_bound(most) + most + (size_t)(open * (j->slice_windows + 1) * 28 + slices * sizeof(sgn_cache_slice))
         + tokens * ((size_t)j->count * 8 + 8);
}

/* --- reading -------------------------------------------------------------------------------------------- */

static sgn_status get_slice(sgn_cache *c, uint64_t slice, const sgn_frames **out, sgn_error *err) {
    open_slice *o = &c->open[0];
    for (int i = 0; i < OPEN_SLICES; i++) {
        if (c->open[i].used && c->open[i].slice == slice) {
            o = &c->open[i];
            break;
        }
        if (c->open[i].used < o->used) o = &c->open[i];        /* the one unused for longest */
    }
    if (!o->used || o->slice != slice) {
        o->used = 0;
        SGN_TRY(open_checked(c, slice, &o->frames, err));
    }
    o->slice = slice;
    o->used = ++c->clock;
    *out = &o->frames;
    return SGN_OK;
}

static sgn_status read_window(sgn_cache *c, uint64_t window, sgn_cache_record *out, double *entropy, sgn_error *err) {
    const sgn_cache_job *j = &c->info.job;
    const sgn_frames *f;
    sgn_path where;
    if (window >= j->windows)
        SGN_FAIL(err, SGN_FORMAT, "%s: has %" PRIu64 " windows, number %" PRIu64 " is wanted", c->directory.s, j->windows, window);
    const uint32_t k = (uint32_t)(window % j->slice_windows);
    SGN_TRY(get_slice(c, window / j->slice_windows, &f, err));
    SGN_TRY(sgn_frames_read(f, c->decoder, k, c->packed, c->record, err));
    SGN_TRY(sgn_path_set(&where, err, "%s: record %" PRIu32, f->file.path.s, k));
    return sgn_cache_record_unpack(j, c->record, f->size[k], out, entropy, where.s, err);
}

sgn_status sgn_cache_read(sgn_cache *c, uint64_t window, sgn_cache_record *out, sgn_error *err) {
    double entropy;
    return read_window(c, window, out, &entropy, err);
}

static sgn_status verify_slice(sgn_cache *c, uint64_t slice, sgn_cache_record *r, sgn_error *err) {
    const sgn_cache_job *j = &c->info.job;
    const uint64_t windows = sgn_cache_slice_windows(j, slice);
    const sgn_frames *f;
    double sum = 0, entropy, said;
    for (uint64_t w = 0; w < windows; w++) {
        SGN_TRY(read_window(c, slice * j->slice_windows + w, r, &entropy, err));
        sum += entropy;
    }
    SGN_TRY(get_slice(c, slice, &f, err));
    sgn_digest d;
    SGN_TRY(sgn_digest_file(f->file.path.s, &d, NULL, err));
    if (strcmp(d.hex, c->info.slice[slice].file.hex) != 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: its contents have changed: digest %s, " SGN_CACHE_JSON " says %s", f->file.path.s, d.hex,
                 c->info.slice[slice].file.hex);
    SGN_TRY(sgn_frames_read(f, c->decoder, (uint32_t)windows, c->packed, c->record, err));
    SGN_TRY(sgn_cache_summary_unpack(j, slice, c->record, f->size[windows], &said, f->file.path.s, err));
    if (said != sum) SGN_FAIL(err, SGN_FORMAT, "%s: its summary says entropy %.17g, its records %.17g", f->file.path.s, said, sum);
    return SGN_OK;
}

sgn_status sgn_cache_verify(sgn_cache *c, sgn_error *err) {
    const size_t seq = (size_t)c->info.job.seq, all = seq * (size_t)c->info.job.count;
    sgn_cache_record r = { malloc(all * sizeof *r.id), malloc(all * sizeof *r.weight), malloc(seq * sizeof *r.rest),
                           malloc(seq * sizeof *r.entropy) };
    sgn_status s = SGN_OK;
    if (!r.id || !r.weight || !r.rest || !r.entropy) s = SGN_ERROR(err, SGN_NOMEM, "%s: no memory to verify it", c->directory.s);
    for (uint64_t k = 0; s == SGN_OK && k < sgn_cache_slices(&c->info.job); k++) s = verify_slice(c, k, &r, err);
    free(r.id), free(r.weight), free(r.rest), free(r.entropy);
    return s;
}
