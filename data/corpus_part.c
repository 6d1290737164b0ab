/* Text is gathered in slabs of some 128 to 256 KiB. While the slabs of one round are encoded in parallel, those of
 * the next are read and the ids of the one before compressed; then the ids are put in order into frames: the result
 * does not depend on the number of threads.
 *
 * SPDX-License-Identifier: MIT */
#include "data/corpus_part.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/file.h"
#include "core/parallel.h"
#include "data/corpus_report.h"
#include "data/corpus_split.h"
#include "data/jsonl.h"
#include "data/raw_ids.h"
#include "data/utf8.h"

enum { SLABS = 64, FIRST_SLABS = 8, SLAB_BYTES = 128 << 10, SLAB_PIECES = 1024 };

typedef struct {                           /* as read: text, given ids or lines of JSON */
    size_t      text_end, given_end;       /* in the slab's text and given; it begins where the one before ends */
    bool        first, last, lines, given;
    const char *file;
    uint64_t    line;
} piece;

typedef struct {                           /* as encoded: a document or a part of one */
    size_t   ids_end;
    uint64_t bytes;                        /* of text */
    bool     first, last;
} run;

typedef struct {
    char      *text;
    size_t     size, room;
    sgn_ids    given, ids;                 /* ids from the input; ids of all runs */
    piece      pieces[SLAB_PIECES];
    int        count;
    run       *runs;
    size_t     run_count, run_room;
    sgn_jsonl  jsonl;
    sgn_bad_lines bad;
    uint64_t   invalid, unknown;           /* bytes; ids */
    sgn_status status;
    sgn_error  error;
} slab;

typedef struct { slab slabs[SLABS]; int used; bool more; sgn_status status; sgn_error error; } round;

typedef struct {
    const sgn_corpus_options *o;
    const sgn_corpus_plan    *plan;
    const sgn_corpus_report  *base;
    sgn_corpus_report        *report;
    sgn_text    *text;                     /* one of the two is the source */
    sgn_raw_ids *raw;
    double       began;
    uint64_t     number;                   /* of the present document, for the split */
    bool         valid;                    /* it is for validation */
    uint64_t     tokens, bytes;            /* of it so far */
    sgn_split    split;
    sgn_hasher  *hasher;
    sgn_writer  *documents;                /* NULL: duplicates stay */
    round       *rounds;                   /* [2] */
} worker;

/* --- gathering ---------------------------------------------------------------------------------------- */

static sgn_status next_piece(worker *w, sgn_text_part *p, bool *more, sgn_error *err) {
    return w->raw ? sgn_raw_ids_next(w->raw, p, more, err) : sgn_text_next_block(w->text, p, more, err);
}

static sgn_status add_piece(slab *s, const sgn_text_part *p, sgn_error *err) {
    if (p->size > s->room - s->size) {
        const size_t room = s->size + p->size + SLAB_BYTES;
        char *grown = realloc(s->text, room);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for %zu bytes of text", p->file, room);
        s->text = grown;
        s->room = room;
    }
    SGN_TRY(sgn_ids_reserve(&s->given, p->count, err));
    if (p->size) memcpy(s->text + s->size, p->text, p->size);
    if (p->count) memcpy(s->given.id + s->given.count, p->ids, p->count * sizeof *p->ids);
    s->size += p->size;
    s->given.count += p->count;
    s->pieces[s->count++] = (piece){ .text_end = s->size, .given_end = s->given.count, .first = p->first, .last = p->last,
                                     .lines = p->lines, .given = p->ids != NULL, .file = p->file, .line = p->line };
    return SGN_OK;
}

static sgn_status gather(worker *w, round *r, int slabs, sgn_error *err) {
    r->used = 0;
    for (r->more = true; r->more && r->used < slabs; r->used++) {
        slab *s = &r->slabs[r->used];
        s->size = s->given.count = 0;
        s->count = 0;
        while (s->count < SLAB_PIECES && s->size + s->given.count * sizeof(int32_t) < SLAB_BYTES) {
            sgn_text_part p;
            SGN_TRY(next_piece(w, &p, &r->more, err));
            if (!r->more) break;
            SGN_TRY(add_piece(s, &p, err));
        }
    }
    return SGN_OK;
}

/* --- encoding ------------------------------------------------------------------------------------------- */

static sgn_status add_run(slab *s, const run *r, sgn_error *err) {
    if (s->run_count == s->run_room) {
        const size_t room = 2 * s->run_room + 256;
        run *grown = realloc(s->runs, room * sizeof *grown);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for a list of %zu documents", room);
        s->runs = grown;
        s->run_room = room;
    }
    s->runs[s->run_count++] = *r;
    return SGN_OK;
}

static sgn_status take_given(const worker *w, slab *s, const sgn_text_part *p, sgn_error *err) {
    for (size_t i = 0; i < p->count; i++) {
        if ((uint32_t)p->ids[i] < w->plan->vocab) continue;
        char line[40] = "";
        if (p->line) snprintf(line, sizeof line, "line %" PRIu64 ": ", p->line);
        SGN_FAIL(err, SGN_FORMAT, "%s: %sid %" PRId32 " is outside the vocabulary of %" PRIu32 "; give the tokenizer or --vocab that "
                 "the ids were made with, and their true width to --ids", p->file, line, p->ids[i], w->plan->vocab);
    }
    SGN_TRY(sgn_ids_reserve(&s->ids, p->count, err));
    if (p->count) memcpy(s->ids.id + s->ids.count, p->ids, p->count * sizeof *p->ids);
    s->ids.count += p->count;
    return SGN_OK;
}

static sgn_status encode_part(const worker *w, slab *s, const sgn_text_part *p, sgn_error *err) {
    const sgn_tokenizer *t = w->o->tokenizer;
    const size_t before = s->ids.count;
    uint64_t bytes = p->size;
    if (p->ids) {
        SGN_TRY(take_given(w, s, p, err));
        bytes = t ? sgn_tokenizer_text_bytes(t, s->ids.id + before, p->count) : 0;
    } else {
        if (!t) SGN_FAIL(err, SGN_CONFIG, "%s: holds text, and no tokenizer was given", p->file);
        SGN_TRY(sgn_tokenizer_encode_as(t, p->text, p->size, p->first ? 0 : SGN_ENCODE_CONTINUES, &s->ids, err));
        s->invalid += sgn_utf8_invalid(p->text, p->size);
        for (size_t i = before; w->plan->unknown >= 0 && i < s->ids.count; i++) s->unknown += s->ids.id[i] == w->plan->unknown;
        SGN_TRY(sgn_ids_reserve(&s->ids, 1, err));
        if (p->last && w->plan->eot >= 0) s->ids.id[s->ids.count++] = w->plan->eot;
    }
    return add_run(s, &(run){ s->ids.count, bytes, p->first, p->last }, err);
}

static sgn_status encode_lines(const worker *w, slab *s, const char *text, size_t size, const piece *p, sgn_error *err) {
    sgn_jsonl_begin(&s->jsonl, text, size, p->file, p->line, w->o->text.field);
    for (;;) {
        sgn_text_part part;
        bool more;
        SGN_TRY(sgn_jsonl_next(&s->jsonl, &part, &more, err));
        if (!more) return SGN_OK;
        SGN_TRY(encode_part(w, s, &part, err));
    }
}

static sgn_status encode_slab(const worker *w, slab *s, sgn_error *err) {
    size_t text = 0, given = 0;
    s->invalid = s->unknown = s->bad.count = 0;
    s->jsonl.bad = w->o->text.skip_bad ? &s->bad : NULL;
    s->ids.count = s->run_count = 0;
    for (int i = 0; i < s->count; i++) {
        const piece *p = &s->pieces[i];
        const char *from = s->text ? s->text + text : NULL;
        if (p->lines) SGN_TRY(encode_lines(w, s, from, p->text_end - text, p, err));
        else SGN_TRY(encode_part(w, s, &(sgn_text_part){ .text = from, .size = p->text_end - text, .first = p->first, .last = p->last,
                                         .ids = p->given ? s->given.id + given : NULL, .count = p->given_end - given, .file = p->file }, err));
        text = p->text_end;
        given = p->given_end;
    }
    return SGN_OK;
}

/* --- a round: encode this one, read the next, compress what the one before wrote ------------------------------------------------------------ */

typedef struct { worker *w; round *now, *next; } duty;

static void encode_slabs(void *ctx, int64_t begin, int64_t end) {
    const duty *d = ctx;
    for (int64_t i = begin; i < end; i++) {
        slab *s = &d->now->slabs[i];
        s->error = (sgn_error){ 0 };
        s->status = encode_slab(d->w, s, &s->error);
    }
}

static void gather_next(void *ctx, int64_t begin, int64_t end) {
    (void)begin, (void)end;
    const duty *d = ctx;
    d->next->error = (sgn_error){ 0 };
    d->next->status = gather(d->w, d->next, SLABS, &d->next->error);
}

/* --- writing -------------------------------------------------------------------------------------------- */

/* Document d is for validation where floor((d+1) f) is a new number. */
static bool is_valid(uint64_t d, double f) { return (uint64_t)((double)(d + 1) * f) > (uint64_t)((double)d * f); }

static void end_document(worker *w) {
    if (!w->documents) return;
    uint64_t record[4];
    const sgn_hash128 h = sgn_hasher_end(w->hasher);
    record[0] = h.low;
    record[1] = h.high;
    record[2] = w->tokens;
    record[3] = w->bytes | (w->valid ? SGN_DOCUMENT_VALID : 0);
    uint8_t stored[SGN_DOCUMENT_SIZE];
    for (int i = 0; i < SGN_DOCUMENT_SIZE; i++) stored[i] = (uint8_t)(record[i / 8] >> 8 * (i % 8));
    sgn_writer_put(w->documents, stored, sizeof stored);
}

static sgn_status write_run(worker *w, const run *r, const int32_t *ids, size_t n, sgn_error *err) {
    if (r->first) {
        w->valid = is_valid(w->number++, w->o->valid);
        w->tokens = w->bytes = 0;
        if (w->hasher) sgn_hasher_begin(w->hasher);
    }
    if (w->hasher) sgn_hasher_put(w->hasher, ids, n * sizeof *ids);
    w->tokens += n;
    w->bytes += r->bytes;
    SGN_TRY(sgn_split_put(&w->split, w->valid, ids, n, err));
    sgn_split_count(&w->split, w->valid, r->last, r->bytes);
    if (r->last) end_document(w);
    w->report->documents += r->last;
    w->report->bytes += r->bytes;
    return SGN_OK;
}

static sgn_status write_round(worker *w, const round *now, sgn_error *err) {
    for (int k = 0; k < now->used; k++) {
        const slab *s = &now->slabs[k];
        if (s->status != SGN_OK) SGN_FAIL(err, s->status, "%s", s->error.text);
        for (size_t i = 0, ids = 0; i < s->run_count; ids = s->runs[i++].ids_end)
            SGN_TRY(write_run(w, &s->runs[i], s->ids.id + ids, s->runs[i].ids_end - ids, err));
        w->report->invalid_bytes += s->invalid;
        w->report->unknown_ids += s->unknown;
        sgn_bad_lines_join(&w->report->bad, &s->bad);
        w->report->tokens += s->ids.count;
    }
    return SGN_OK;
}

static sgn_status tell(worker *w, sgn_error *err) {
    w->report->work_seconds = sgn_clock_wall() - w->began;
    w->report->seconds = w->base->seconds + w->report->work_seconds;
    w->report->read_bytes = w->raw ? sgn_raw_ids_read_bytes(w->raw) : sgn_text_read_bytes(w->text);
    if (!w->o->progress) return SGN_OK;
    sgn_corpus_report all = *w->base;
    sgn_corpus_report_add(&all, w->report);
    all.seconds = w->report->seconds;
    if (!w->o->progress(w->o->ctx, &all)) {
        if (w->base->parts == 0) SGN_FAIL(err, SGN_INTERRUPTED, "stopped while tokenizing; nothing was written");
        SGN_FAIL(err, SGN_INTERRUPTED, "stopped while tokenizing; %" PRIu64 " of %d parts are done, the same command goes on from there",
                 w->base->parts, w->plan->parts);
    }
    return SGN_OK;
}

static sgn_status run_rounds(worker *w, sgn_error *err) {
    round *now = &w->rounds[0], *next = &w->rounds[1];
    SGN_TRY(gather(w, now, FIRST_SLABS, err));        /* nothing else can be done meanwhile */
    while (now->used) {
        duty d = { w, now, next };
        next->used = 0;
        next->status = SGN_OK;
        sgn_job jobs[4] = { { now->more, 1, gather_next, &d }, { now->used, 1, encode_slabs, &d } };
        sgn_split_jobs(&w->split, jobs + 2);
        sgn_parallel_jobs(jobs, 4);
        SGN_TRY(sgn_split_drain(&w->split, err));
        SGN_TRY(write_round(w, now, err));
        if (next->status != SGN_OK) SGN_FAIL(err, next->status, "%s", next->error.text);
        SGN_TRY(tell(w, err));
        round *done = now;
        now = next;
        next = done;
    }
    return SGN_OK;
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static sgn_status open_part(worker *w, int part, const char *dir, sgn_error *err) {
    const sgn_corpus_slice *s = &w->plan->slice[part];
    const char *const *files = (const char *const *)w->plan->inputs.path + s->first;
    sgn_path path;
    if (w->o->ids_width) SGN_TRY(sgn_raw_ids_open(&w->raw, files, s->count, w->o->ids_width, err));
    else SGN_TRY(sgn_text_open(&w->text, files, s->count, &w->o->text, err));
    SGN_TRY(sgn_split_open(&w->split, dir, false, &w->plan->shards, w->o->valid > 0, err));
    if (!w->o->dedupe) return SGN_OK;
    SGN_TRY(sgn_hasher_open(&w->hasher, err));
    SGN_TRY(sgn_path_set(&path, err, "%s/" SGN_DOCUMENTS, w->split.stage.stage.s));
    return sgn_writer_open(&w->documents, path.s, err);
}

static sgn_status close_part(worker *w, int part, sgn_error *err) {
    sgn_path path;
    if (w->documents) {
        sgn_writer *closing = w->documents;
        w->documents = NULL;
        SGN_TRY(sgn_writer_close(closing, err));
    }
    SGN_TRY(sgn_corpus_plan_unchanged(w->plan, part, err));
    w->report->train_tokens = w->split.tokens[0];
    w->report->valid_tokens = w->split.tokens[1];
    w->report->parts = 1;
    w->report->files = (uint64_t)w->plan->slice[part].count;
    w->report->work_seconds = sgn_clock_wall() - w->began;
    SGN_TRY(sgn_path_set(&path, err, "%s/" SGN_CORPUS_REPORT, w->split.stage.stage.s));
    SGN_TRY(sgn_corpus_report_save(w->report, w->plan->digest.hex, path.s, err));
    return sgn_split_close(&w->split, err);
}

static void free_rounds(round *rounds) {
    for (int k = 0; rounds && k < 2 * SLABS; k++) {
        slab *s = &rounds[k / SLABS].slabs[k % SLABS];
        free(s->text);
        free(s->runs);
        sgn_ids_free(&s->given);
        sgn_ids_free(&s->ids);
        sgn_jsonl_free(&s->jsonl);
    }
    free(rounds);
}

sgn_status sgn_corpus_part(const sgn_corpus_plan *plan, int part, const char *dir, const sgn_corpus_report *base,
                           sgn_corpus_report *report, sgn_error *err) {
    *report = (sgn_corpus_report){ 0 };
    worker w = { .o = plan->options, .plan = plan, .base = base, .report = report, .began = sgn_clock_wall(), .number = (uint64_t)part,
                 .rounds = calloc(2, sizeof *w.rounds) };
    sgn_status s = w.rounds ? open_part(&w, part, dir, err) : SGN_ERROR(err, SGN_NOMEM, "no memory to tokenize");
    if (s == SGN_OK) s = run_rounds(&w, err);
    if (s == SGN_OK) s = close_part(&w, part, err);
    if (s != SGN_OK && w.split.stage.stage.s[0]) sgn_error_replace(err, w.split.stage.stage.s, dir);
    sgn_writer_abandon(w.documents);
    sgn_split_abandon(&w.split);               /* what is closed stays */
    sgn_hasher_close(w.hasher);
    sgn_text_close(w.text);
    sgn_raw_ids_close(w.raw);
    free_rounds(w.rounds);
    return s;
}
