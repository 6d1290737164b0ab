/* Unigram as a tokenizer.json describes it: of all ways to cut a word, the one with the highest sum of scores.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "data/decoding.h"
#include "data/pipeline.h"
#include "data/tokenizer_kind.h"
#include "data/unigram.h"

typedef struct {
    sgn_form     form;
    sgn_unigram *unigram;
    sgn_decoded  decoded;
    int32_t      unk, byte_id[256];    /* of <0xHH> where unknown characters become bytes; -1: none */
} tables;

typedef struct {
    const tables    *t;
    sgn_pipeline    *pipeline;
    sgn_unigram_path path;
} encoder;

static void tables_close(void *p) {
    tables *t = p;
    if (!t) return;
    sgn_unigram_close(t->unigram);
    sgn_decoded_free(&t->decoded);
    sgn_form_free(&t->form);
    free(t);
}

static sgn_status open_unigram(tables *t, const sgn_vocabulary *v, const char *where, sgn_error *err) {
    double *score = malloc((size_t)v->count * sizeof *score), low = INFINITY;
    if (!score) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for %d scores", where, v->count);
    const int32_t count = v->model_count ? v->model_count : v->count;
    sgn_status s = SGN_OK;
    for (int32_t id = 0; id < v->count && s == SGN_OK; id++) {
        if (id < count && !isfinite(v->score[id])) s = SGN_ERROR(err, SGN_FORMAT, "%s: model.vocab[%d]: the score is not finite", where, id);
        score[id] = id < count && !v->special[id] ? v->score[id] : (double)-INFINITY;
        if (id < count && v->score[id] < low) low = v->score[id];
    }
    const sgn_unigram_options o = { .score = score, .unk_score = low - 10, .unk = t->unk };
    if (s == SGN_OK) s = sgn_unigram_open(&t->unigram, v, &o, err);
    free(score);
    return s;
}

static sgn_status fill(tables *t, const sgn_vocabulary *v, const char *where, sgn_error *err) {
    SGN_TRY(sgn_form_parse(&t->form, v->form, where, err));
    if (t->form.unk_id < 0 || t->form.unk_id >= v->count)
        SGN_FAIL(err, SGN_FORMAT, "%s: model.unk_id is %lld; an id from 0 to %d is expected", where, (long long)t->form.unk_id, v->count - 1);
    t->unk = (int32_t)t->form.unk_id;
    for (int b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)b);
        t->byte_id[b] = t->form.byte_fallback ? sgn_vocabulary_find(v, name, 6) : -1;
    }
    SGN_TRY(open_unigram(t, v, where, err));
    return sgn_decoded_fill(&t->decoded, &t->form, v, err);
}

static sgn_status tables_open(void **out, const sgn_vocabulary *v, const char *where, sgn_error *err) {
    tables *t = *out = calloc(1, sizeof *t);
    const sgn_status s = t ? fill(t, v, where, err) : SGN_ERROR(err, SGN_NOMEM, "%s: no memory for its tables", where);
    if (s == SGN_OK) return s;
    tables_close(t);
    *out = NULL;
    return s;
}

static void encoder_close(void *p) {
    encoder *e = p;
    if (!e) return;
    sgn_pipeline_close(e->pipeline);
    sgn_unigram_path_free(&e->path);
    free(e);
}

static sgn_status encoder_open(void **out, const void *p, sgn_error *err) {
    encoder *e = *out = calloc(1, sizeof *e);
    if (!e) SGN_FAIL(err, SGN_NOMEM, "no memory for a text encoder");
    e->t = p;
    const sgn_status s = sgn_pipeline_open(&e->pipeline, &e->t->form, err);
    if (s == SGN_OK) return s;
    encoder_close(e);
    *out = NULL;
    return s;
}

/* What is unknown, neighbours taken together: its bytes where all are pieces, else one unknown piece. */
static void unknown(const tables *t, const char *text, size_t n, sgn_ids *out) {
    bool known = true;
    for (size_t i = 0; i < n; i++) known &= t->byte_id[(unsigned char)text[i]] >= 0;
    if (!known) out->id[out->count++] = t->unk;
    for (size_t i = 0; known && i < n; i++) out->id[out->count++] = t->byte_id[(unsigned char)text[i]];
}

static sgn_status word(void *ctx, const char *text, size_t n, sgn_ids *out, sgn_error *err) {
    encoder *e = ctx;
    sgn_unigram_path *path = &e->path;
    SGN_TRY(sgn_unigram_cut(e->t->unigram, text, n, path, err));
    SGN_TRY(sgn_ids_reserve(out, n, err));
    for (size_t i = 0, end; i < path->count; i = end) {
        for (end = i + 1; path->part[i].id == e->t->unk && end < path->count && path->part[end].id == e->t->unk;) end++;
        const uint32_t begin = path->part[i].begin;
        if (path->part[i].id == e->t->unk) unknown(e->t, text + begin, path->part[end].begin - begin, out);
        else out->id[out->count++] = path->part[i].id;
    }
    return SGN_OK;
}

static sgn_status encode(void *p, const char *text, size_t size, unsigned flags, sgn_ids *out, sgn_error *err) {
    return sgn_pipeline_run(((encoder *)p)->pipeline, text, size, flags, word, p, out, err);
}

static const sgn_decoding *decoding(const void *p) { return &((const tables *)p)->decoded.decoding; }
static bool reads(const sgn_vocabulary *v) { return v->form && v->score; }

const sgn_tokenizer_kind sgn_tok_unigram = {
    .name = "unigram", .help = "Unigram, from a tokenizer.json", .reads = reads,
    .tables_open = tables_open, .tables_close = tables_close,
    .encoder_open = encoder_open, .encoder_close = encoder_close, .encode = encode, .decoding = decoding,
};
