/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "cli/inspect.h"
#include "cli/output.h"
#include "distill/cache.h"

static void set_text(sgn_json *j, const char *key, const char *text) { sgn_json_set(j, key, sgn_json_new_text(text, strlen(text))); }
static void set_int(sgn_json *j, const char *key, uint64_t value) { sgn_json_set(j, key, sgn_json_new_int((int64_t)value)); }

static sgn_status verify(const char *directory, sgn_json *j, sgn_error *err) {
    sgn_cache *c;
    SGN_TRY(sgn_cache_open(&c, directory, err));
    const sgn_status s = sgn_cache_verify(c, err);
    sgn_cache_close(c);
    if (s == SGN_OK) set_text(j, "digests", "all match");
    return s;
}

static void describe(const sgn_cache_info *i, sgn_json *j) {
    const sgn_cache_job *job = &i->job;
    set_text(j, "teacher", job->teacher);
    set_text(j, "teacher_hash", job->teacher_hash.hex);
    set_text(j, "shards_hash", job->shards_hash.hex);
    if (*job->tokenizer_hash) set_text(j, "tokenizer_hash", job->tokenizer_hash);
    set_text(j, "kept", job->samples ? "samples" : "likeliest tokens");
    set_int(j, "per_position", (uint64_t)job->count);
    set_int(j, "bits", (uint64_t)job->bits);
    set_int(j, "vocab", (uint64_t)job->vocab);
    set_int(j, "seq", (uint64_t)job->seq);
    sgn_json_set(j, "temperature", sgn_json_new_real(job->temperature));
    if (job->samples) set_int(j, "seed", job->seed);
    if (job->eot >= 0) set_int(j, "documents_end_with", (uint64_t)job->eot);
    set_int(j, "windows", job->windows);
    set_int(j, "slices", sgn_cache_slices(job));
    sgn_json_set(j, "complete", sgn_json_new_bool(i->complete));
    if (!i->complete) return;
    sgn_json_set(j, "entropy", sgn_json_new_real(i->entropy));
    set_int(j, "file_bytes", i->bytes);
    sgn_json_set(j, "bytes_per_token", sgn_json_new_real((double)i->bytes / ((double)job->windows * (double)job->seq)));
}

sgn_status sgn_inspect_cache(const char *directory, bool verifies, sgn_json *j, sgn_error *err) {
    sgn_cache_info i;
    SGN_TRY(sgn_cache_info_load(&i, directory, err));
    set_text(j, "what", "what a teacher predicted, to learn from");
    describe(&i, j);
    sgn_cache_info_free(&i);
    return verifies ? verify(directory, j, err) : SGN_OK;
}
