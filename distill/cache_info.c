/* SPDX-License-Identifier: MIT */
#include "distill/cache.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "core/json.h"

#define FORMAT_NAME "signum-teacher-cache"
enum { FILE_LIMIT = 16 << 20, VOCAB_MAX = 1 << 24, SEQ_MAX = 1 << 20 };

/* --- what follows from a job ------------------------------------------------------------------------- */

/* What a kill loses, and how many files there are: 2^15 tokens per slice, more where there would be too many slices. */
void sgn_cache_job_settle(sgn_cache_job *j) {
    const uint64_t rows = (uint64_t)sgn_cache_rows(j);
    j->slice_windows = (uint64_t)(j->seq < 1 << 15 ? (1 << 15) / j->seq : 1);
    j->slice_windows = (j->slice_windows + rows - 1) / rows * rows;
    while (sgn_cache_slices(j) > SGN_CACHE_SLICES) j->slice_windows *= 2;
    if (j->samples) j->bits = j->count < 256 ? 8 : 16;
    else j->seed = 0;
}

int64_t sgn_cache_rows(const sgn_cache_job *j) { return j->seq < 2048 ? 2048 / j->seq : 1; }

uint64_t sgn_cache_slices(const sgn_cache_job *j) { return j->windows / j->slice_windows + (j->windows % j->slice_windows != 0); }

uint64_t sgn_cache_slice_windows(const sgn_cache_job *j, uint64_t slice) {
    const uint64_t left = j->windows - slice * j->slice_windows;
    return left < j->slice_windows ? left : j->slice_windows;
}

sgn_digest sgn_cache_job_digest(const sgn_cache_job *j) {
    char line[512];
    const int n = snprintf(line, sizeof line, FORMAT_NAME " %d %s %s [%s] %s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64
                           " %.17g %" PRId64 " %" PRIu64 " %" PRIu64 " %" PRIu64, SGN_CACHE_VERSION, j->teacher_hash.hex, j->shards_hash.hex,
                           j->tokenizer_hash, j->samples ? "samples" : "top", j->vocab, j->seq, j->count, j->bits, j->temperature, j->eot,
                           j->seed, j->windows, j->slice_windows);
    return sgn_digest_bytes(line, (size_t)n);
}

static sgn_digest seal(const sgn_cache_info *i) {
    char line[640];
    int n = snprintf(line, sizeof line, "%s %s %d %.17g", sgn_cache_job_digest(&i->job).hex, i->job.teacher, i->complete, i->entropy);
    sgn_digest d = sgn_digest_bytes(line, (size_t)n);
    for (uint64_t k = 0; i->complete && k < sgn_cache_slices(&i->job); k++) {
        n = snprintf(line, sizeof line, "%s %" PRIu64 " %s %s", d.hex, i->slice[k].bytes, i->slice[k].file.hex, i->slice[k].table.hex);
        d = sgn_digest_bytes(line, (size_t)n);
    }
    return d;
}

bool sgn_is_cache(const char *where) {
    sgn_path path;
    return sgn_path_set(&path, NULL, "%s/" SGN_CACHE_JSON, where) == SGN_OK && sgn_file_exists(path.s);
}

sgn_status sgn_cache_path(sgn_path *out, const char *directory, uint64_t slice, sgn_error *err) {
    return sgn_path_set(out, err, "%s/slice-%05" PRIu64 ".zst", directory, slice);
}

void sgn_cache_info_free(sgn_cache_info *i) {
    free(i->slice);
    *i = (sgn_cache_info){ 0 };
}

sgn_status sgn_cache_same_job(const sgn_cache_job *a, const sgn_cache_job *b, const char *directory, sgn_error *err) {
    if (strcmp(sgn_cache_job_digest(a).hex, sgn_cache_job_digest(b).hex) == 0) return SGN_OK;
    const bool kind = a->samples != b->samples || a->count != b->count;
    char there[160], wanted[160];
#define DIFFER(what, format, of) \
        (snprintf(there, sizeof there, what " " format, of(a)), snprintf(wanted, sizeof wanted, format, of(b)))
#define TEACHER(j) (j)->teacher_hash.hex
#define SHARDS(j) (j)->shards_hash.hex
#define SEQ(j) (long long)(j)->seq
#define WARMTH(j) (j)->temperature
#define KIND(j) (j)->samples ? "samples" : "top", (long long)(j)->count
#define SEED(j) (j)->seed
#define EOT(j) (long long)(j)->eot
#define BITS(j) (long long)(j)->bits
    if (strcmp(TEACHER(a), TEACHER(b)) != 0) DIFFER("teacher", "%.40s", TEACHER);
    else if (strcmp(SHARDS(a), SHARDS(b)) != 0) DIFFER("shards", "%.40s", SHARDS);
    else if (a->seq != b->seq) DIFFER("--seq", "%lld", SEQ);
    else if (a->temperature != b->temperature) DIFFER("--temperature", "%g", WARMTH);
    else if (a->eot != b->eot) DIFFER("documents ended by", "%lld", EOT);
    else if (kind) DIFFER("predictions", "--%s %lld", KIND);
    else if (a->bits != b->bits) DIFFER("--bits", "%lld", BITS);
    else DIFFER("--seed", "%" PRIu64, SEED);
    SGN_FAIL(err, SGN_CONFIG, "%s: holds a cache of %s, %s is wanted; continue with what it was begun with, or choose another --out",
             directory, there, wanted);
}

/* --- writing ------------------------------------------------------------------------------------------ */

static void set_int(sgn_json *j, const char *key, uint64_t v) { sgn_json_set(j, key, sgn_json_new_int((int64_t)v)); }
static void set_text(sgn_json *j, const char *key, const char *v) { sgn_json_set(j, key, sgn_json_new_string(v)); }

sgn_status sgn_cache_info_save(const sgn_cache_info *i, const char *directory, sgn_error *err) {
    const sgn_cache_job *job = &i->job;
    sgn_path path;
    SGN_TRY(sgn_path_set(&path, err, "%s/" SGN_CACHE_JSON, directory));
    sgn_json *j = sgn_json_new_object();
    set_text(j, "format", FORMAT_NAME);
    set_int(j, "version", SGN_CACHE_VERSION);
    set_text(j, "teacher", job->teacher);
    set_text(j, "teacher_xxh3", job->teacher_hash.hex);
    set_text(j, "tokenizer_hash", job->tokenizer_hash);
    set_text(j, "shards_xxh3", job->shards_hash.hex);
    set_int(j, "vocab", (uint64_t)job->vocab);
    set_int(j, "seq", (uint64_t)job->seq);
    set_text(j, "kind", job->samples ? "samples" : "top");
    set_int(j, "count", (uint64_t)job->count);
    set_int(j, "bits", (uint64_t)job->bits);
    sgn_json_set(j, "temperature", sgn_json_new_real(job->temperature));
    sgn_json_set(j, "eot", sgn_json_new_int(job->eot));
    set_int(j, "seed", job->seed);
    set_int(j, "windows", job->windows);
    set_int(j, "slice_windows", job->slice_windows);
    sgn_json_set(j, "complete", sgn_json_new_bool(i->complete));
    if (i->complete) {
        sgn_json *slices = sgn_json_new_array();
        sgn_json_set(j, "entropy", sgn_json_new_real(i->entropy));
        for (uint64_t k = 0; k < sgn_cache_slices(job); k++) {
            sgn_json *e = sgn_json_new_object();
            set_int(e, "bytes", i->slice[k].bytes);
            set_text(e, "xxh3", i->slice[k].file.hex);
            set_text(e, "seek_table_xxh3", i->slice[k].table.hex);
            sgn_json_append(slices, e);
        }
        sgn_json_set(j, "slices", slices);
    }
    set_text(j, "seal", seal(i).hex);
    const sgn_status s = sgn_json_save(j, 2, path.s, err);
    sgn_json_free(j);
    return s;
}

/* --- reading: every value is checked before it is used ---------------------------------------------------- */

static sgn_status get_int(const sgn_json *j, const char *key, int64_t least, int64_t most, int64_t *out, const char *where, sgn_error *err) {
    *out = sgn_json_int(sgn_json_get(j, key), INT64_MIN);
    if (*out < least || *out > most)
        SGN_FAIL(err, SGN_FORMAT, "%s: %s is not a number from %" PRId64 " to %" PRId64, where, key, least, most);
    return SGN_OK;
}

static sgn_status get_text(const sgn_json *j, const char *key, char *out, size_t room, const char *where, sgn_error *err) {
    const char *text = sgn_json_string(sgn_json_get(j, key), NULL);
    if (!text || strlen(text) >= room) SGN_FAIL(err, SGN_FORMAT, "%s: %s is not a text of at most %zu characters", where, key, room - 1);
    strcpy(out, text);
    return SGN_OK;
}

static sgn_status read_job(sgn_cache_job *job, const sgn_json *j, const char *path, sgn_error *err) {
    int64_t version, seed, windows, slice_windows;
    char kind[16];
    if (strcmp(sgn_json_string(sgn_json_get(j, "format"), ""), FORMAT_NAME) != 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: format is not \"" FORMAT_NAME "\"; this is no cache of a teacher", path);
    SGN_TRY(get_int(j, "version", 1, INT32_MAX, &version, path, err));
    if (version != SGN_CACHE_VERSION)
        SGN_FAIL(err, SGN_FORMAT, "%s: version is %" PRId64 ", this program reads %d; use a newer one or make the cache again", path,
                 version, SGN_CACHE_VERSION);
    SGN_TRY(get_text(j, "teacher", job->teacher, sizeof job->teacher, path, err));
    SGN_TRY(get_text(j, "teacher_xxh3", job->teacher_hash.hex, sizeof job->teacher_hash.hex, path, err));
    SGN_TRY(get_text(j, "tokenizer_hash", job->tokenizer_hash, sizeof job->tokenizer_hash, path, err));
    SGN_TRY(get_text(j, "shards_xxh3", job->shards_hash.hex, sizeof job->shards_hash.hex, path, err));
    SGN_TRY(get_text(j, "kind", kind, sizeof kind, path, err));
    job->samples = strcmp(kind, "samples") == 0;
    if (!job->samples && strcmp(kind, "top") != 0) SGN_FAIL(err, SGN_FORMAT, "%s: kind is '%s'; top or samples is expected", path, kind);
    SGN_TRY(get_int(j, "vocab", 1, VOCAB_MAX, &job->vocab, path, err));
    SGN_TRY(get_int(j, "seq", 1, SEQ_MAX, &job->seq, path, err));
    SGN_TRY(get_int(j, "count", 1, job->samples ? SGN_CACHE_SAMPLES_MAX : job->vocab, &job->count, path, err));
    SGN_TRY(get_int(j, "bits", 8, 16, &job->bits, path, err));
    SGN_TRY(get_int(j, "eot", -1, job->vocab - 1, &job->eot, path, err));
    SGN_TRY(get_int(j, "seed", 0, INT64_MAX, &seed, path, err));
    SGN_TRY(get_int(j, "windows", 1, INT64_MAX / SEQ_MAX, &windows, path, err));
    SGN_TRY(get_int(j, "slice_windows", 1, UINT32_MAX - 1, &slice_windows, path, err));
    job->temperature = sgn_json_real(sgn_json_get(j, "temperature"), -1);
    if (!(job->temperature > 0 && isfinite(job->temperature))) SGN_FAIL(err, SGN_FORMAT, "%s: temperature is not a number above 0", path);
    if (job->bits != 8 && job->bits != 16) SGN_FAIL(err, SGN_FORMAT, "%s: bits is %" PRId64 "; 8 or 16 is expected", path, job->bits);
    job->seed = (uint64_t)seed;
    job->windows = (uint64_t)windows;
    job->slice_windows = (uint64_t)slice_windows;
    if (sgn_cache_slices(job) > SGN_CACHE_SLICES)
        SGN_FAIL(err, SGN_FORMAT, "%s: %" PRId64 " windows in slices of %" PRId64 " make more than %d slices", path, windows,
                 slice_windows, SGN_CACHE_SLICES);
    if (sgn_cache_record_most(job) > UINT32_MAX / 2)
        SGN_FAIL(err, SGN_FORMAT, "%s: seq %" PRId64 " with count %" PRId64 " makes records of more than 2 GiB", path, job->seq, job->count);
    return SGN_OK;
}

static sgn_status read_slices(sgn_cache_info *i, const sgn_json *j, const char *path, sgn_error *err) {
    const sgn_json *list = sgn_json_get(j, "slices");
    const uint64_t count = sgn_cache_slices(&i->job);
    i->entropy = sgn_json_real(sgn_json_get(j, "entropy"), -1);
    if (sgn_json_typeof(list) != SGN_JSON_ARRAY || sgn_json_size(list) != count)
        SGN_FAIL(err, SGN_FORMAT, "%s: slices is not an array of %" PRIu64, path, count);
    i->slice = calloc((size_t)count, sizeof *i->slice);
    if (!i->slice) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for a list of %" PRIu64 " slices", path, count);
    for (uint64_t k = 0; k < count; k++) {
        const sgn_json *e = sgn_json_at(list, (size_t)k);
        int64_t bytes;
        SGN_TRY(get_int(e, "bytes", 1, INT64_MAX / SGN_CACHE_SLICES, &bytes, path, err));
        SGN_TRY(get_text(e, "xxh3", i->slice[k].file.hex, sizeof i->slice[k].file.hex, path, err));
        SGN_TRY(get_text(e, "seek_table_xxh3", i->slice[k].table.hex, sizeof i->slice[k].table.hex, path, err));
        i->slice[k].bytes = (uint64_t)bytes;
        i->bytes += (uint64_t)bytes;
    }
    return SGN_OK;
}

static sgn_status read_root(sgn_cache_info *i, const sgn_json *j, const char *path, sgn_error *err) {
    SGN_TRY(read_job(&i->job, j, path, err));
    i->complete = sgn_json_bool(sgn_json_get(j, "complete"), false);
    if (i->complete) SGN_TRY(read_slices(i, j, path, err));
    if (strcmp(sgn_json_string(sgn_json_get(j, "seal"), ""), seal(i).hex) != 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: seal does not fit the other values; the file was changed or damaged, make the cache again", path);
    return SGN_OK;
}

sgn_status sgn_cache_info_load(sgn_cache_info *i, const char *directory, sgn_error *err) {
    sgn_path path;
    sgn_json *j;
    *i = (sgn_cache_info){ 0 };
    SGN_TRY(sgn_path_set(&path, err, "%s/" SGN_CACHE_JSON, directory));
    SGN_TRY(sgn_json_load(&j, path.s, FILE_LIMIT, err));
    const sgn_status s = read_root(i, j, path.s, err);
    sgn_json_free(j);
    if (s != SGN_OK) sgn_cache_info_free(i);
    return s;
}
