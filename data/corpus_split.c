/* SPDX-License-Identifier: MIT */
#include "data/corpus_split.h"

const char *const sgn_split_role[2] = { "train", "valid" };

sgn_status sgn_split_open(sgn_split *s, const char *dir, bool replace, const sgn_shard_options *o, bool valid, sgn_error *err) {
    *s = (sgn_split){ 0 };
    SGN_TRY(sgn_staging_begin(&s->stage, dir, replace, err));
    for (int r = 0; r < 1 + valid; r++) {
        sgn_path set;
        SGN_TRY(sgn_path_set(&set, err, "%s/%s", s->stage.stage.s, sgn_split_role[r]));
        SGN_TRY(sgn_shard_writer_open(&s->set[r], set.s, o, err));
    }
    return SGN_OK;
}

void sgn_split_abandon(sgn_split *s) {
    for (int r = 0; r < 2; r++) sgn_shard_writer_abandon(s->set[r]);
    sgn_staging_abandon(&s->stage);
    *s = (sgn_split){ 0 };
}

sgn_status sgn_split_put(sgn_split *s, bool valid, const int32_t *ids, size_t count, sgn_error *err) {
    s->tokens[valid] += count;
    return sgn_shard_writer_put(s->set[valid], ids, count, err);
}

void sgn_split_jobs(sgn_split *s, sgn_job out[2]) {
    for (int r = 0; r < 2; r++) out[r] = s->set[r] ? sgn_shard_writer_job(s->set[r]) : (sgn_job){ 0 };
}

sgn_status sgn_split_drain(sgn_split *s, sgn_error *err) {
    for (int r = 0; r < 2; r++)
        if (s->set[r]) SGN_TRY(sgn_shard_writer_drain(s->set[r], err));
    return SGN_OK;
}

void sgn_split_count(sgn_split *s, bool valid, uint64_t documents, uint64_t text_bytes) {
    sgn_shard_writer_count(s->set[valid], documents, text_bytes);
}

sgn_status sgn_split_close(sgn_split *s, sgn_error *err) {
    for (int r = 0; r < 2; r++) {
        sgn_shard_writer *closing = s->set[r];
        s->set[r] = NULL;
        if (closing && s->tokens[r]) SGN_TRY(sgn_shard_writer_close(closing, err));
        else sgn_shard_writer_abandon(closing);
    }
    return sgn_staging_commit(&s->stage, err);
}
