/* Parts of documents are gathered in slabs of some 256 KiB, the slabs of a round are encoded in
 * parallel, then written in order: the result does not depend on the number of threads.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "data/corpus.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "core/file.h"
#include "core/parallel.h"
#include "data/corpus_split.h"
#include "data/raw_ids.h"
#include "data/utf8.h"

enum { SLABS = 32, SLAB_BYTES = 256 << 10, SLAB_PARTS = 1024 };

typedef struct {
    size_t text_end, given_end, ids_end;   /* in the slab's text, given and ids; they begin where the part before ends */
    bool   last;                           /* of its document */
    bool   valid;                          /* the document is for validation */
    bool   text;                           /* else given ids */
} part;

typedef struct {
    char      *text;
    size_t     size, room;
    sgn_ids    given, ids;                 /* ids from the input; ids of all parts after encoding */
    part       parts[SLAB_PARTS];
    int        count;
    uint64_t   invalid;
    sgn_status status;
    sgn_error  error;
} slab;

typedef struct {
    const sgn_corpus_options *o;
    sgn_corpus_report *report;
    sgn_text    *text;                     /* one of the two is the source */
    sgn_raw_ids *raw;
    uint32_t     vocab;
    int32_t      eot;                      /* -1: none is written */
    double       began;
    uint64_t     documents;                /* begun */
    bool         valid;                    /* the present one is for validation */
    sgn_split    split;
    slab         slabs[SLABS];
    int          used;
} corpus;

/* --- gathering ---------------------------------------------------------------------------------------- */

static sgn_status next_part(corpus *c, sgn_text_part *p, bool *more, sgn_error *err) {
    return c->raw ? sgn_raw_ids_next(c->raw, p, more, err) : sgn_text_next(c->text, p, more, err);
}

/* Document d is for validation where floor((d+1) f) is a new number. */
static bool is_valid(uint64_t d, double f) { return (uint64_t)((double)(d + 1) * f) > (uint64_t)((double)d * f); }

static sgn_status check_given(const corpus *c, const sgn_text_part *p, sgn_error *err) {
    for (size_t i = 0; i < p->count; i++) {
        if ((uint32_t)p->ids[i] < c->vocab) continue;
        char line[40] = "";
        if (p->line) snprintf(line, sizeof line, "line %" PRIu64 ": ", p->line);
        SGN_FAIL(err, SGN_FORMAT, "%s: %sid %" PRId32 " is outside the vocabulary of %" PRIu32 "; give the tokenizer or --vocab that "
                 "the ids were made with, and their true width to --ids", p->file, line, p->ids[i], c->vocab);
    }
    return SGN_OK;
}

static sgn_status add_part(corpus *c, slab *s, const sgn_text_part *p, sgn_error *err) {
    if (!p->ids && !c->o->tokenizer)
        SGN_FAIL(err, SGN_CONFIG, "%s: holds text, and no tokenizer was given", p->file);
    if (p->first) c->valid = is_valid(c->documents++, c->o->valid);
    if (p->size > s->room - s->size) {
        const size_t room = s->size + p->size + SLAB_BYTES;
        char *grown = realloc(s->text, room);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for %zu bytes of text", p->file, room);
        s->text = grown;
        s->room = room;
    }
    SGN_TRY(check_given(c, p, err));
    SGN_TRY(sgn_ids_reserve(&s->given, p->count, err));
    if (p->size) memcpy(s->text + s->size, p->text, p->size);
    if (p->count) memcpy(s->given.id + s->given.count, p->ids, p->count * sizeof *p->ids);
    s->size += p->size;
    s->given.count += p->count;
    s->parts[s->count++] = (part){ .text_end = s->size, .given_end = s->given.count, .last = p->last, .valid = c->valid,
                                   .text = p->ids == NULL };
    return SGN_OK;
}

static sgn_status gather(corpus *c, bool *more, sgn_error *err) {
    c->used = 0;
    for (*more = true; *more && c->used < SLABS; c->used++) {
        slab *s = &c->slabs[c->used];
        s->size = s->given.count = s->ids.count = 0;
        s->count = 0;
        while (s->count < SLAB_PARTS && s->size + s->given.count * sizeof(int32_t) < SLAB_BYTES) {
            sgn_text_part p;
            SGN_TRY(next_part(c, &p, more, err));
            if (!*more) break;
            SGN_TRY(add_part(c, s, &p, err));
        }
    }
    return SGN_OK;
}

/* --- encoding ------------------------------------------------------------------------------------------- */

static sgn_status encode_slab(const corpus *c, slab *s, sgn_error *err) {
    size_t text = 0, given = 0;
    s->invalid = 0;
    for (int i = 0; i < s->count; i++) {
        part *p = &s->parts[i];
        const size_t n = p->given_end - given;
        if (p->text) {
            SGN_TRY(sgn_tokenizer_encode(c->o->tokenizer, s->text + text, p->text_end - text, &s->ids, err));
            s->invalid += sgn_utf8_invalid(s->text + text, p->text_end - text);
        } else if (n) {
            SGN_TRY(sgn_ids_reserve(&s->ids, n, err));
            memcpy(s->ids.id + s->ids.count, s->given.id + given, n * sizeof *s->ids.id);
            s->ids.count += n;
        }
        text = p->text_end;
        given = p->given_end;
        if (p->text && p->last && c->eot >= 0) {
            SGN_TRY(sgn_ids_reserve(&s->ids, 1, err));
            s->ids.id[s->ids.count++] = c->eot;
        }
        p->ids_end = s->ids.count;
    }
    return SGN_OK;
}

static void encode_slabs(void *ctx, int64_t begin, int64_t end) {
    corpus *c = ctx;
    for (int64_t i = begin; i < end; i++) {
        slab *s = &c->slabs[i];
        s->error = (sgn_error){ 0 };
        s->status = encode_slab(c, s, &s->error);
    }
}

/* --- writing -------------------------------------------------------------------------------------------- */

static sgn_status write_slab(corpus *c, const slab *s, sgn_error *err) {
    size_t text = 0, ids = 0;
    if (s->status != SGN_OK) SGN_FAIL(err, s->status, "%s", s->error.text);
    for (int i = 0; i < s->count; i++) {
        const part *p = &s->parts[i];
        const int32_t *id = s->ids.id + ids;
        const size_t n = p->ids_end - ids;
        uint64_t bytes = p->text_end - text;
        if (!p->text && c->o->tokenizer) bytes = sgn_tokenizer_text_bytes(c->o->tokenizer, id, n);
        SGN_TRY(sgn_split_put(&c->split, p->valid, id, n, err));
        sgn_split_count(&c->split, p->valid, p->last, bytes);
        c->report->documents += p->last;
        c->report->bytes += bytes;
        text = p->text_end;
        ids = p->ids_end;
    }
    c->report->invalid_bytes += s->invalid;
    c->report->tokens += s->ids.count;
    return SGN_OK;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static sgn_status tell(corpus *c, sgn_error *err) {
    c->report->seconds = now() - c->began;
    c->report->read_bytes = c->raw ? sgn_raw_ids_read_bytes(c->raw) : sgn_text_read_bytes(c->text);
    if (c->o->progress && !c->o->progress(c->o->ctx, c->report))
        SGN_FAIL(err, SGN_INTERRUPTED, "stopped while tokenizing; nothing was written");
    return SGN_OK;
}

static sgn_status run(corpus *c, sgn_error *err) {
    for (bool more = true; more;) {
        SGN_TRY(gather(c, &more, err));
        sgn_parallel(c->used, 1, encode_slabs, c);
        for (int i = 0; i < c->used; i++) SGN_TRY(write_slab(c, &c->slabs[i], err));
        SGN_TRY(tell(c, err));
    }
    if (c->report->tokens == 0)
        SGN_FAIL(err, SGN_FORMAT, "%s%s: no text in %" PRIu64 " file%s; there is nothing to write", c->o->inputs[0],
                 c->o->input_count > 1 ? " and others" : "", c->report->files, c->report->files == 1 ? "" : "s");
    return SGN_OK;
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static sgn_status check_options(corpus *c, sgn_error *err) {
    const sgn_corpus_options *o = c->o;
    if (!(o->valid >= 0 && o->valid < 1))
        SGN_FAIL(err, SGN_CONFIG, "a validation fraction of %g: 0 (none) to below 1 is possible", o->valid);
    if (o->ids_width != 0 && o->ids_width != 2 && o->ids_width != 4)
        SGN_FAIL(err, SGN_CONFIG, "ids of %d bytes: u16 and u32 are read", o->ids_width);
    if (!o->tokenizer && !o->vocab)
        SGN_FAIL(err, SGN_CONFIG, "text needs a tokenizer (--tokenizer), token ids need one or the size of their vocabulary (--vocab)");
    const uint32_t known = o->tokenizer ? (uint32_t)sgn_tokenizer_vocab(o->tokenizer) : 0;
    if (known && o->vocab && known != o->vocab)
        SGN_FAIL(err, SGN_CONFIG, "a vocabulary of %" PRIu32 " was given, but the tokenizer has %" PRIu32, o->vocab, known);
    c->vocab = known ? known : o->vocab;
    c->eot = o->tokenizer && !o->no_eot ? sgn_tokenizer_eot(o->tokenizer) : -1;
    if (o->tokenizer && !o->no_eot && !o->ids_width && c->eot < 0)
        SGN_FAIL(err, SGN_CONFIG, "the tokenizer has no <|endoftext|> to put after documents; tokenize without it (--no-eot)");
    return SGN_OK;
}

static sgn_status open_source(corpus *c, sgn_error *err) {
    const sgn_corpus_options *o = c->o;
    if (o->ids_width) {
        SGN_TRY(sgn_raw_ids_open(&c->raw, o->inputs, o->input_count, o->ids_width, err));
        c->report->files = (uint64_t)sgn_raw_ids_files(c->raw);
        c->report->total_bytes = sgn_raw_ids_total_bytes(c->raw);
        return SGN_OK;
    }
    SGN_TRY(sgn_text_open(&c->text, o->inputs, o->input_count, &o->text, err));
    c->report->files = (uint64_t)sgn_text_files(c->text);
    c->report->total_bytes = sgn_text_total_bytes(c->text);
    return SGN_OK;
}

static sgn_status build(corpus *c, const char *out, sgn_error *err) {
    SGN_TRY(check_options(c, err));
    SGN_TRY(open_source(c, err));
    const sgn_shard_options shards = {
        .vocab = c->vocab, .tokenizer = c->o->tokenizer ? sgn_tokenizer_kind_name(c->o->tokenizer) : NULL,
        .tokenizer_hash = c->o->tokenizer ? sgn_tokenizer_hash(c->o->tokenizer) : NULL,
        .shard_tokens = c->o->shard_tokens, .level = c->o->level,
    };
    SGN_TRY(sgn_split_open(&c->split, out, c->o->replace, &shards, c->o->tokenizer, c->o->valid, err));
    SGN_TRY(run(c, err));
    SGN_TRY(sgn_split_close(&c->split, &c->report->train_tokens, &c->report->valid_tokens, err));
    c->report->seconds = now() - c->began;
    return SGN_OK;
}

sgn_status sgn_corpus_build(const char *out, const sgn_corpus_options *o, sgn_corpus_report *report, sgn_error *err) {
    *report = (sgn_corpus_report){ 0 };
    corpus *c = calloc(1, sizeof *c);
    if (!c) SGN_FAIL(err, SGN_NOMEM, "no memory to tokenize");
    c->o = o;
    c->report = report;
    c->began = now();
    const sgn_status s = build(c, out, err);
    if (s != SGN_OK) sgn_error_replace(err, c->split.stage.stage.s, c->split.stage.final.s);
    sgn_split_abandon(&c->split);              /* what is closed stays */
    sgn_text_close(c->text);
    sgn_raw_ids_close(c->raw);
    for (int i = 0; i < SLABS; i++) {
        free(c->slabs[i].text);
        sgn_ids_free(&c->slabs[i].given);
        sgn_ids_free(&c->slabs[i].ids);
    }
    free(c);
    return s;
}
