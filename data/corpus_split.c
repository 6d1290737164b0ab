/* SPDX-License-Identifier: MIT */
#include "data/corpus_split.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COPY = 1 << 16 };
static const char *const role[2] = { "train", "valid" };

static sgn_status open_set(const sgn_split *s, sgn_shard_writer **w, const char *name, sgn_error *err) {
    sgn_path dir;
    SGN_TRY(sgn_path_set(&dir, err, "%s/%s", s->stage.stage.s, name));
    return sgn_shard_writer_open(w, dir.s, &s->options, err);
}

sgn_status sgn_split_open(sgn_split *s, const char *out, bool replace, const sgn_shard_options *o,
                          const sgn_tokenizer *tokenizer, double fraction, sgn_error *err) {
    *s = (sgn_split){ .options = *o, .tokenizer = tokenizer, .fraction = fraction };
    SGN_TRY(sgn_staging_begin(&s->stage, out, replace, err));
    for (int r = 0; r < (fraction > 0 ? 2 : 1); r++) SGN_TRY(open_set(s, &s->set[r], role[r], err));
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

void sgn_split_count(sgn_split *s, bool valid, uint64_t documents, uint64_t text_bytes) {
    sgn_shard_writer_count(s->set[valid], documents, text_bytes);
}

static sgn_status close_set(const sgn_split *s, sgn_shard_writer **w, sgn_error *err) {
    sgn_shard_writer *closing = *w;
    sgn_path path;
    if (s->tokenizer) {
        SGN_TRY(sgn_path_set(&path, err, "%s/tokenizer.json", sgn_shard_writer_directory(closing)));
        SGN_TRY(sgn_tokenizer_save(s->tokenizer, path.s, err));
    }
    *w = NULL;
    return sgn_shard_writer_close(closing, err);
}

/* --- the tail for validation ------------------------------------------------------------------------------ */

/* Puts ids into new set r. Documents are counted by their end marks; where there are none it is one. */
static sgn_status append(sgn_split *s, int r, const int32_t *ids, size_t n, sgn_error *err) {
    const int32_t eot = s->tokenizer ? sgn_tokenizer_eot(s->tokenizer) : -1;
    for (size_t i = 0; i < n && eot >= 0; i++) s->documents[r] += ids[i] == eot;
    sgn_shard_writer_count(s->set[r], 0, s->tokenizer ? sgn_tokenizer_text_bytes(s->tokenizer, ids, n) : 0);
    return sgn_shard_writer_put(s->set[r], ids, n, err);
}

static sgn_status copy_set(sgn_split *s, const char *dir, uint64_t train_tokens, uint64_t *done, int32_t *ids, sgn_error *err) {
    sgn_shards *from;
    SGN_TRY(sgn_shards_open(&from, dir, NULL, err));
    const uint64_t total = sgn_shards_info(from)->tokens;
    sgn_status status = SGN_OK;
    for (uint64_t at = 0; at < total && status == SGN_OK;) {
        const int r = *done >= train_tokens;
        uint64_t n = total - at < COPY ? total - at : COPY;
        if (!r && n > train_tokens - *done) n = train_tokens - *done;
        status = sgn_shards_read(from, at, (size_t)n, ids, err);
        if (status == SGN_OK) status = append(s, r, ids, (size_t)n, err);
        at += n;
        *done += n;
    }
    sgn_shards_close(from);
    return status;
}

/* The sets are closed: both are copied into new ones, which then take their names. */
static sgn_status split_again(sgn_split *s, uint64_t train_tokens, sgn_error *err) {
    static const char *const fresh[2] = { "new-train", "new-valid" };
    sgn_path dir[2];
    uint64_t done = 0;
    for (int r = 0; r < 2; r++) {
        SGN_TRY(sgn_path_set(&dir[r], err, "%s/%s", s->stage.stage.s, role[r]));
        SGN_TRY(open_set(s, &s->set[r], fresh[r], err));
        s->documents[r] = 0;
    }
    int32_t *ids = malloc(COPY * sizeof *ids);
    if (!ids) SGN_FAIL(err, SGN_NOMEM, "no memory to split the corpus");
    sgn_status status = SGN_OK;
    for (int r = 0; r < 2 && status == SGN_OK; r++)
        if (s->tokens[r]) status = copy_set(s, dir[r].s, train_tokens, &done, ids, err);
    free(ids);
    SGN_TRY(status);
    for (int r = 0; r < 2; r++) {
        sgn_path from;
        SGN_TRY(sgn_path_set(&from, err, "%s/%s", s->stage.stage.s, fresh[r]));
        sgn_shard_writer_count(s->set[r], s->documents[r] ? s->documents[r] : 1, 0);
        SGN_TRY(close_set(s, &s->set[r], err));
        SGN_TRY(sgn_remove_tree(dir[r].s, err));
        if (rename(from.s, dir[r].s) != 0) SGN_FAIL(err, SGN_IO, "%s: cannot rename", from.s);
    }
    return SGN_OK;
}

sgn_status sgn_split_close(sgn_split *s, uint64_t *train_tokens, uint64_t *valid_tokens, sgn_error *err) {
    const uint64_t total = s->tokens[0] + s->tokens[1];
    const double wanted = s->fraction * (double)total, got = (double)s->tokens[1];
    const bool again = s->set[1] && (got < wanted / 2 || got > wanted * 2 || s->tokens[0] == 0);
    uint64_t tail = (uint64_t)(wanted + 0.5);
    if (tail == 0) tail = 1;
    if (again && total < tail + 1)
        SGN_FAIL(err, SGN_CONFIG, "%" PRIu64 " tokens cannot be split for validation; use a fraction of 0", total);
    for (int r = 0; r < 2; r++) {
        if (s->set[r] && s->tokens[r]) SGN_TRY(close_set(s, &s->set[r], err));
        sgn_shard_writer_abandon(s->set[r]);
        s->set[r] = NULL;
    }
    *train_tokens = again ? total - tail : s->tokens[0];
    *valid_tokens = total - *train_tokens;
    if (again) SGN_TRY(split_again(s, *train_tokens, err));
    return sgn_staging_commit(&s->stage, err);
}
