/* BPE as a tokenizer.json describes it: GPT-2's byte-level kind, and that of characters with byte fallback.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "data/bpe.h"
#include "data/decoding.h"
#include "data/pipeline.h"
#include "data/tokenizer_kind.h"

typedef struct {
    sgn_form     form;
    sgn_bpe     *bpe;
    sgn_decoded  decoded;
} tables;

typedef struct {
    sgn_pipeline    *pipeline;
    sgn_bpe_encoder *words;
} encoder;

static void tables_close(void *p) {
    tables *t = p;
    if (!t) return;
    sgn_bpe_close(t->bpe);
    sgn_decoded_free(&t->decoded);
    sgn_form_free(&t->form);
    free(t);
}

static sgn_status fill(tables *t, const sgn_vocabulary *v, const char *where, sgn_error *err) {
    SGN_TRY(sgn_form_parse(&t->form, v->form, where, err));
    const sgn_form *f = &t->form;
    const int32_t unk = f->unk ? sgn_vocabulary_find(v, f->unk, strlen(f->unk)) : -1;
    if (f->unk && unk < 0) SGN_FAIL(err, SGN_FORMAT, "%s: model.unk_token \"%.40s\" is not in the vocabulary", where, f->unk);
    const sgn_bpe_rules rules = { f->byte_level, f->byte_fallback, unk, f->fuse_unk, f->ignore_merges };
    SGN_TRY(sgn_bpe_open(&t->bpe, v, &rules, where, err));
    return sgn_decoded_fill(&t->decoded, f, v, err);
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
    sgn_bpe_encoder_close(e->words);
    free(e);
}

static sgn_status encoder_open(void **out, const void *p, sgn_error *err) {
    const tables *t = p;
    encoder *e = *out = calloc(1, sizeof *e);
    sgn_status s = e ? sgn_pipeline_open(&e->pipeline, &t->form, err) : SGN_ERROR(err, SGN_NOMEM, "no memory for a text encoder");
    if (s == SGN_OK) s = sgn_bpe_encoder_open(&e->words, t->bpe, err);
    if (s == SGN_OK) return s;
    encoder_close(e);
    *out = NULL;
    return s;
}

static sgn_status word(void *ctx, const char *text, size_t n, sgn_ids *out, sgn_error *err) {
    return sgn_bpe_encode(ctx, text, n, out, err);
}

static sgn_status encode(void *p, const char *text, size_t size, unsigned flags, sgn_ids *out, sgn_error *err) {
    encoder *e = p;
    return sgn_pipeline_run(e->pipeline, text, size, flags, word, e->words, out, err);
}

static const sgn_decoding *decoding(const void *p) { return &((const tables *)p)->decoded.decoding; }
static bool reads(const sgn_vocabulary *v) { return !v->score; }

const sgn_tokenizer_kind sgn_tok_bpe = {
    .name = "bpe", .help = "BPE of bytes or characters, from a tokenizer.json, merges.txt or ranks", .reads = reads,
    .tables_open = tables_open, .tables_close = tables_close,
    .encoder_open = encoder_open, .encoder_close = encoder_close, .encode = encode, .decoding = decoding,
};
