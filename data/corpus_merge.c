/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "data/corpus_merge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "data/corpus_part.h"
#include "data/corpus_report.h"
#include "data/corpus_split.h"
#include "data/hash_set.h"
#include "data/shard_set.h"

enum { COPY = 1 << 16 };

typedef struct {
    const sgn_corpus_work *work;
    const sgn_corpus_plan *plan;
    sgn_corpus_report     *report;
    sgn_staging            stage;
    sgn_shard_set          set[2];         /* train, valid */
    sgn_hash_set           seen;
    int32_t               *ids;            /* (COPY) */
} merge;

static sgn_status in_stage(const merge *m, const char *name, sgn_path *out, sgn_error *err) {
    return sgn_path_set(out, err, "%s/%s", m->stage.stage.s, name);
}

/* --- sets put together ------------------------------------------------------------------------------------ */

static sgn_status link_file(const char *from, const char *to, sgn_error *err) {
    return link(from, to) == 0 ? SGN_OK : sgn_file_copy(from, to, err);        /* not every file system has links */
}

/* The shards of the set in `dir` behind those of set r. */
static sgn_status append_set(merge *m, int r, const char *dir, sgn_error *err) {
    sgn_shard_set more, *set = &m->set[r];
    sgn_path path, from, to;
    SGN_TRY(sgn_path_set(&path, err, "%s/" SGN_SHARDS_JSON, dir));
    SGN_TRY(sgn_shard_set_load(&more, path.s, err));
    sgn_status s = in_stage(m, sgn_split_role[r], &path, err);
    if (s == SGN_OK && set->info.shards == 0) {
        sgn_shard_info head = more.info;
        head.tokens = head.documents = head.text_bytes = head.bytes = 0;
        head.shards = 0;
        *set = (sgn_shard_set){ .info = head, .frame_tokens = more.frame_tokens };
        s = sgn_make_directories(path.s, err);
    }
    for (int k = 0; s == SGN_OK && k < more.info.shards; k++) {
        s = sgn_shard_path(&from, dir, k, err);
        if (s == SGN_OK) s = sgn_shard_path(&to, path.s, set->info.shards, err);
        if (s == SGN_OK) s = link_file(from.s, to.s, err);
        if (s == SGN_OK) s = sgn_shard_set_add(set, &more.shard[k], err);
    }
    set->info.documents += more.info.documents;
    set->info.text_bytes += more.info.text_bytes;
    sgn_shard_set_free(&more);
    return s;
}

/* --- without duplicates ----------------------------------------------------------------------------------- */

typedef struct {
    char    *record;                       /* PART/documents */
    uint64_t count;
    uint8_t *twice;                        /* (count) it was there before */
    uint64_t tokens[2], kept[2];
} documents;

static sgn_document document_at(const documents *d, uint64_t i) {
    const uint8_t *p = (const uint8_t *)d->record + i * SGN_DOCUMENT_SIZE;
    uint64_t v[4] = { 0 };
    for (int k = 0; k < SGN_DOCUMENT_SIZE; k++) v[k / 8] |= (uint64_t)p[k] << 8 * (k % 8);
    return (sgn_document){ { v[0], v[1] }, v[2], v[3] };
}

static sgn_status read_documents(documents *d, const char *dir, const sgn_corpus_report *part, sgn_error *err) {
    sgn_path path;
    size_t size;
    SGN_TRY(sgn_path_set(&path, err, "%s/" SGN_DOCUMENTS, dir));
    SGN_TRY(sgn_file_read(path.s, SIZE_MAX - 1, &d->record, &size, err));
    d->count = size / SGN_DOCUMENT_SIZE;
    d->twice = calloc(d->count + 1, 1);
    if (!d->twice) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for %" PRIu64 " documents", path.s, d->count);
    for (uint64_t i = 0; i < d->count; i++) d->tokens[document_at(d, i).bytes >> 63] += document_at(d, i).tokens;
    if (size % SGN_DOCUMENT_SIZE || d->count != part->documents || d->tokens[0] != part->train_tokens || d->tokens[1] != part->valid_tokens)
        SGN_FAIL(err, SGN_FORMAT, "%s: does not belong to the shards beside it; begin anew with --restart", path.s);
    return SGN_OK;
}

static void mark(merge *m, documents *d) {
    for (uint64_t i = 0; i < d->count; i++) {
        const sgn_document doc = document_at(d, i);
        const int r = (int)(doc.bytes >> 63);
        d->twice[i] = !sgn_hash_set_add(&m->seen, doc.hash);
        if (!d->twice[i]) {
            d->kept[r] += doc.tokens;
            continue;
        }
        m->report->duplicates++;
        m->report->duplicate_bytes += doc.bytes & ~SGN_DOCUMENT_VALID;
        m->report->bytes -= doc.bytes & ~SGN_DOCUMENT_VALID;
    }
}

static sgn_status copy_ids(merge *m, sgn_shards *from, uint64_t at, uint64_t n, sgn_shard_writer *to, sgn_error *err) {
    for (uint64_t step; n; at += step, n -= step) {
        step = n < COPY ? n : COPY;
        SGN_TRY(sgn_shards_read(from, at, (size_t)step, m->ids, err));
        SGN_TRY(sgn_shard_writer_put(to, m->ids, (size_t)step, err));
    }
    return SGN_OK;
}

static sgn_status copy_kept(merge *m, const documents *d, int r, sgn_shards *from, sgn_shard_writer *to, sgn_error *err) {
    uint64_t at = 0;
    for (uint64_t i = 0; i < d->count; i++) {
        const sgn_document doc = document_at(d, i);
        if ((int)(doc.bytes >> 63) != r) continue;
        if (!d->twice[i]) {
            SGN_TRY(copy_ids(m, from, at, doc.tokens, to, err));
            sgn_shard_writer_count(to, 1, doc.bytes & ~SGN_DOCUMENT_VALID);
        }
        at += doc.tokens;
    }
    return SGN_OK;
}

static sgn_status append_kept(merge *m, const documents *d, int r, const char *dir, sgn_error *err) {
    sgn_path kept;
    sgn_shards *from;
    sgn_shard_writer *to;
    if (d->kept[r] == 0) return SGN_OK;
    if (d->kept[r] == d->tokens[r]) return append_set(m, r, dir, err);
    SGN_TRY(in_stage(m, "kept", &kept, err));
    SGN_TRY(sgn_shards_open(&from, dir, NULL, err));
    sgn_status s = sgn_shard_writer_open(&to, kept.s, &m->plan->shards, err);
    if (s == SGN_OK) {
        s = copy_kept(m, d, r, from, to, err);
        if (s == SGN_OK) s = sgn_shard_writer_close(to, err);
        else sgn_shard_writer_abandon(to);
    }
    sgn_shards_close(from);
    if (s == SGN_OK) s = append_set(m, r, kept.s, err);
    return s == SGN_OK ? sgn_remove_tree(kept.s, err) : s;
}

/* --- parts ------------------------------------------------------------------------------------------------ */

static sgn_status append_part(merge *m, int part, sgn_error *err) {
    sgn_path dir, path;
    sgn_corpus_report r;
    documents d = { 0 };
    SGN_TRY(sgn_corpus_work_part(m->work, part, &dir, err));
    SGN_TRY(sgn_path_set(&path, err, "%s/" SGN_CORPUS_REPORT, dir.s));
    SGN_TRY(sgn_corpus_report_load(&r, m->plan->digest.hex, path.s, err));
    const uint64_t tokens[2] = { r.train_tokens, r.valid_tokens };
    sgn_corpus_report_add(m->report, &r);
    sgn_status s = SGN_OK;
    if (m->plan->options->dedupe) {
        s = read_documents(&d, dir.s, &r, err);
        if (s == SGN_OK) mark(m, &d);
    }
    for (int k = 0; k < 2 && s == SGN_OK; k++) {
        if (tokens[k] == 0) continue;
        s = sgn_path_set(&path, err, "%s/%s", dir.s, sgn_split_role[k]);
        if (s == SGN_OK) s = m->plan->options->dedupe ? append_kept(m, &d, k, path.s, err) : append_set(m, k, path.s, err);
    }
    free(d.record);
    free(d.twice);
    return s;
}

/* Room for every document at once: the set never grows. */
static sgn_status begin_dedupe(merge *m, sgn_error *err) {
    uint64_t all = 0;
    if (!m->plan->options->dedupe) return SGN_OK;
    for (int p = 0; p < m->plan->parts; p++) {
        sgn_path dir, path;
        sgn_corpus_report r;
        SGN_TRY(sgn_corpus_work_part(m->work, p, &dir, err));
        SGN_TRY(sgn_path_set(&path, err, "%s/" SGN_CORPUS_REPORT, dir.s));
        SGN_TRY(sgn_corpus_report_load(&r, m->plan->digest.hex, path.s, err));
        all += r.documents;
    }
    return sgn_hash_set_init(&m->seen, all, err);
}

static sgn_status save_set(merge *m, int r, sgn_error *err) {
    sgn_path dir, path;
    SGN_TRY(in_stage(m, sgn_split_role[r], &dir, err));
    if (m->plan->options->tokenizer) {
        SGN_TRY(sgn_path_set(&path, err, "%s/tokenizer.json", dir.s));
        SGN_TRY(sgn_tokenizer_save(m->plan->options->tokenizer, path.s, err));
    }
    SGN_TRY(sgn_path_set(&path, err, "%s/" SGN_SHARDS_JSON, dir.s));
    return sgn_shard_set_save(&m->set[r], path.s, err);
}

/* --- the tail for validation ------------------------------------------------------------------------------ */

typedef struct { sgn_shard_writer *to[2]; uint64_t done, documents[2]; } tail;

/* Documents are counted by their end marks; where there are none it is one. */
static sgn_status put_tail(merge *m, tail *t, int r, size_t n, sgn_error *err) {
    const sgn_tokenizer *k = m->plan->options->tokenizer;
    const int32_t eot = k ? sgn_tokenizer_eot(k) : -1;
    for (size_t i = 0; i < n && eot >= 0; i++) t->documents[r] += m->ids[i] == eot;
    sgn_shard_writer_count(t->to[r], 0, k ? sgn_tokenizer_text_bytes(k, m->ids, n) : 0);
    return sgn_shard_writer_put(t->to[r], m->ids, n, err);
}

static sgn_status split_set(merge *m, tail *t, const char *dir, uint64_t train_tokens, sgn_error *err) {
    sgn_shards *from;
    SGN_TRY(sgn_shards_open(&from, dir, NULL, err));
    const uint64_t total = sgn_shards_info(from)->tokens;
    sgn_status s = SGN_OK;
    for (uint64_t at = 0, n; at < total && s == SGN_OK; at += n, t->done += n) {
        const int r = t->done >= train_tokens;
        n = total - at < COPY ? total - at : COPY;
        if (!r && n > train_tokens - t->done) n = train_tokens - t->done;
        s = sgn_shards_read(from, at, (size_t)n, m->ids, err);
        if (s == SGN_OK) s = put_tail(m, t, r, (size_t)n, err);
    }
    sgn_shards_close(from);
    return s;
}

/* Both sets are copied into new ones, which then take their places. */
static sgn_status split_again(merge *m, uint64_t train_tokens, sgn_error *err) {
    static const char *const fresh[2] = { "new-train", "new-valid" };
    sgn_path old[2], dir[2];
    tail t = { 0 };
    sgn_status s = SGN_OK;
    for (int r = 0; r < 2 && s == SGN_OK; r++) {
        s = in_stage(m, fresh[r], &dir[r], err);
        if (s == SGN_OK) s = in_stage(m, sgn_split_role[r], &old[r], err);
        if (s == SGN_OK) s = sgn_shard_writer_open(&t.to[r], dir[r].s, &m->plan->shards, err);
    }
    for (int r = 0; r < 2 && s == SGN_OK; r++)
        if (m->set[r].info.tokens) s = split_set(m, &t, old[r].s, train_tokens, err);
    for (int r = 0; r < 2; r++) {
        if (s != SGN_OK) sgn_shard_writer_abandon(t.to[r]);
        else sgn_shard_writer_count(t.to[r], t.documents[r] ? t.documents[r] : 1, 0), s = sgn_shard_writer_close(t.to[r], err);
    }
    for (int r = 0; r < 2 && s == SGN_OK; r++) {
        sgn_shard_set_free(&m->set[r]);
        s = sgn_remove_tree(old[r].s, err);
        if (s == SGN_OK) s = append_set(m, r, dir[r].s, err);
        if (s == SGN_OK) s = sgn_remove_tree(dir[r].s, err);
        if (s == SGN_OK) s = save_set(m, r, err);
    }
    return s;
}

/* --- the whole -------------------------------------------------------------------------------------------- */

static sgn_status save_all(merge *m, sgn_error *err) {
    sgn_path path;
    const uint64_t total = m->set[0].info.tokens + m->set[1].info.tokens;
    const double wanted = m->plan->options->valid * (double)total, got = (double)m->set[1].info.tokens;
    const uint64_t last = wanted >= 1.5 ? (uint64_t)(wanted + 0.5) : 1;
    if (total == 0 && m->report->bad.count)
        SGN_FAIL(err, SGN_FORMAT, "no document of %" PRIu64 " could be read, so there is nothing to write; the first: %s", m->report->bad.count,
                 m->report->bad.why[0]);
    if (total == 0)
        SGN_FAIL(err, SGN_FORMAT, "%s%s: no text in %d file%s; there is nothing to write", m->plan->options->inputs[0],
                 m->plan->options->input_count > 1 ? " and others" : "", m->plan->inputs.count, m->plan->inputs.count == 1 ? "" : "s");
    for (int r = 0; r < 2; r++)
        if (m->set[r].info.tokens) SGN_TRY(save_set(m, r, err));
    if (wanted > 0 && (got < wanted / 2 || got > wanted * 2 || m->set[0].info.tokens == 0)) {
        if (total < last + 1)
            SGN_FAIL(err, SGN_CONFIG, "%" PRIu64 " tokens cannot be split for validation; use a fraction of 0", total);
        SGN_TRY(split_again(m, total - last, err));
    }
    m->report->documents -= m->report->duplicates;
    m->report->tokens = total;
    m->report->train_tokens = m->set[0].info.tokens;
    m->report->valid_tokens = m->set[1].info.tokens;
    SGN_TRY(in_stage(m, SGN_CORPUS_REPORT, &path, err));
    return sgn_corpus_report_save(m->report, m->plan->digest.hex, path.s, err);
}

/* Built where the parts are, so that what a killed process leaves goes with them. */
static sgn_status begin_stage(merge *m, const char *out, sgn_error *err) {
    m->stage.replace = m->plan->options->replace;
    SGN_TRY(sgn_path_set(&m->stage.final, err, "%s", out));
    if (!m->stage.replace && sgn_file_exists(out)) SGN_FAIL(err, SGN_IO, "%s: exists already; remove it or choose another name", out);
    for (size_t n = strlen(m->stage.final.s); n > 1 && m->stage.final.s[n - 1] == '/';) m->stage.final.s[--n] = '\0';
    SGN_TRY(sgn_path_set(&m->stage.stage, err, "%s/merged", m->work->dir.s));
    SGN_TRY(sgn_remove_tree(m->stage.stage.s, err));
    return sgn_make_directories(m->stage.stage.s, err);
}

static sgn_status run(merge *m, const char *out, sgn_error *err) {
    m->ids = malloc(COPY * sizeof *m->ids);
    if (!m->ids) SGN_FAIL(err, SGN_NOMEM, "no memory to put parts together");
    SGN_TRY(begin_dedupe(m, err));
    SGN_TRY(begin_stage(m, out, err));
    for (int p = 0; p < m->plan->parts; p++) SGN_TRY(append_part(m, p, err));
    return save_all(m, err);
}

sgn_status sgn_corpus_merge(const sgn_corpus_work *w, const sgn_corpus_plan *plan, const char *out, sgn_corpus_report *report,
                            sgn_error *err) {
    merge m = { .work = w, .plan = plan, .report = report };
    sgn_status s = run(&m, out, err);
    if (s == SGN_OK) s = sgn_staging_commit(&m.stage, err);
    else if (m.stage.stage.s[0]) sgn_error_replace(err, m.stage.stage.s, m.stage.final.s);
    sgn_staging_abandon(&m.stage);
    for (int r = 0; r < 2; r++) sgn_shard_set_free(&m.set[r]);
    sgn_hash_set_free(&m.seen);
    free(m.ids);
    return s;
}
