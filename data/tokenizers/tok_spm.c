/* SentencePiece: text is normalized, spaces become U+2581, then cut by BPE or Unigram; what no piece covers becomes
 * bytes or the unknown piece.
 *
 * SPDX-License-Identifier: MIT */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "data/spm_bpe.h"
#include "data/spm_normalize.h"
#include "data/tokenizer_kind.h"
#include "data/trie.h"
#include "data/unigram.h"

typedef struct {
    sgn_spm_normalizer *normalizer;
    sgn_spm_bpe        *bpe;           /* one of the two */
    sgn_unigram        *unigram;
    sgn_spm_fallback    fallback;
    sgn_trie            specials;      /* names of control pieces */
    sgn_decoding        decoding;
    char               *bytes;         /* of decoding */
    uint32_t           *start;
} tables;

static void tables_close(void *p) {
    tables *t = p;
    sgn_spm_normalizer_close(t->normalizer);
    sgn_spm_bpe_close(t->bpe);
    sgn_unigram_close(t->unigram);
    sgn_trie_free(&t->specials);
    free(t->bytes);
    free(t->start);
    free(t);
}

/* --- tables ------------------------------------------------------------------------------------------- */

/* SentencePiece's own arithmetic: the unknown piece costs 10 more than the worst one, a user's piece is free but for 0.1. */
static sgn_status open_unigram(tables *t, const sgn_vocabulary *v, const char *where, sgn_error *err) {
    const sgn_spm *m = v->spm;
    float low = FLT_MAX, high = FLT_MIN;
    for (int32_t id = 0; id < v->count; id++) {
        if (m->type[id] != SGN_SPM_NORMAL) continue;
        low = fminf(low, m->score[id]);
        high = fmaxf(high, m->score[id]);
    }
    double *score = malloc((size_t)v->count * sizeof *score);
    if (!score) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for the scores of %d pieces", where, v->count);
    for (int32_t id = 0; id < v->count; id++) {
        size_t n;
        sgn_vocabulary_piece(v, id, &n);
        score[id] = m->type[id] == SGN_SPM_NORMAL ? m->score[id]
                    : m->type[id] == SGN_SPM_USER ? (double)((float)n * high) - 0.1 : -INFINITY;
    }
    const sgn_unigram_options o = { score, low - 10.0f, m->unk, true };
    const sgn_status s = sgn_unigram_open(&t->unigram, v, &o, err);
    free(score);
    return s;
}

/* What each id decodes to. */
static sgn_status open_decoding(tables *t, const sgn_vocabulary *v, const char *where, sgn_error *err) {
    const sgn_spm *m = v->spm;
    const size_t surface = strlen(m->unk_surface);
    char *to = t->bytes = malloc((size_t)v->start[v->count] + surface + 1);
    t->start = malloc(((size_t)v->count + 1) * sizeof *t->start);
    if (!to || !t->start) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for the text of %d pieces", where, v->count);
    for (int32_t id = 0; id < v->count; id++) {
        size_t n;
        const char *piece = sgn_vocabulary_piece(v, id, &n);
        t->start[id] = (uint32_t)(to - t->bytes);
        if (m->type[id] == SGN_SPM_BYTE) *to++ = (char)sgn_spm_byte(piece, n);
        else if (m->type[id] == SGN_SPM_UNKNOWN) memcpy(to, m->unk_surface, surface), to += surface;
        for (size_t i = 0; i < n && m->type[id] != SGN_SPM_BYTE && m->type[id] != SGN_SPM_UNKNOWN; i++) {
            if (n - i < 3 || memcmp(piece + i, SGN_SPM_SPACE, 3) != 0) *to++ = piece[i];
            else *to++ = ' ', i += 2;
        }
    }
    t->start[v->count] = (uint32_t)(to - t->bytes);
    t->decoding = (sgn_decoding){ t->bytes, t->start, !m->escape ? 0 : m->squeeze ? INT32_MAX : m->dummy_prefix, m->unk + 1 };
    return SGN_OK;
}

static sgn_status fill(tables *t, const sgn_vocabulary *v, const char *where, sgn_error *err) {
    const sgn_spm *m = v->spm;
    const bool fold = m->escape && !m->unigram;
    for (int32_t id = 0; id < v->count; id++) {
        size_t n;
        const char *piece = sgn_vocabulary_piece(v, id, &n);
        if (v->special[id]) SGN_TRY(sgn_trie_add(&t->specials, piece, n, id, err));
    }
    sgn_spm_fallback_set(&t->fallback, v, fold);
    SGN_TRY(sgn_spm_normalizer_open(&t->normalizer, v, fold, where, err));
    SGN_TRY(open_decoding(t, v, where, err));
    return m->unigram ? open_unigram(t, v, where, err) : sgn_spm_bpe_open(&t->bpe, v, fold, err);
}

static sgn_status tables_open(void **out, const sgn_vocabulary *v, const char *where, sgn_error *err) {
    *out = NULL;
    tables *t = calloc(1, sizeof *t);
    if (!t) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for a tokenizer", where);
    const sgn_status s = fill(t, v, where, err);
    if (s == SGN_OK) *out = t;
    else tables_close(t);
    return s;
}

static const sgn_decoding *decoding(const void *p) { return &((const tables *)p)->decoding; }

/* --- encoding ----------------------------------------------------------------------------------------- */

typedef struct {
    const tables    *t;
    sgn_spm_text     text;
    sgn_spm_joiner  *joiner;
    sgn_unigram_path path;
} encoder;

static void encoder_close(void *p) {
    encoder *e = p;
    if (!e) return;
    sgn_spm_text_free(&e->text);
    sgn_spm_joiner_close(e->joiner);
    sgn_unigram_path_free(&e->path);
    free(e);
}

static sgn_status encoder_open(void **out, const void *t, sgn_error *err) {
    *out = NULL;
    encoder *e = calloc(1, sizeof *e);
    if (!e) SGN_FAIL(err, SGN_NOMEM, "no memory for a text encoder");
    e->t = t;
    const sgn_status s = e->t->bpe ? sgn_spm_joiner_open(&e->joiner, e->t->bpe, err) : SGN_OK;
    if (s == SGN_OK) *out = e;
    else encoder_close(e);
    return s;
}

static sgn_status cut(encoder *e, sgn_ids *out, sgn_error *err) {
    const size_t base = out->count;
    SGN_TRY(sgn_unigram_cut(e->t->unigram, e->text.data, e->text.size, &e->path, err));
    SGN_TRY(sgn_ids_reserve(out, e->text.size, err));
    for (size_t i = 0; i < e->path.count; i++) {
        const sgn_unigram_part *p = &e->path.part[i];
        if (p->id == e->t->fallback.unk) sgn_spm_put_unknown(&e->t->fallback, e->text.data + p->begin, p[1].begin - p->begin, base, out);
        else out->id[out->count++] = p->id;
    }
    return SGN_OK;
}

static sgn_status encode_plain(encoder *e, const char *text, size_t size, bool continues, sgn_ids *out, sgn_error *err) {
    SGN_TRY(sgn_spm_normalize(e->t->normalizer, text, size, continues, &e->text, err));
    if (e->text.size == 0) return SGN_OK;
    return e->joiner ? sgn_spm_join(e->joiner, e->text.data, e->text.size, out, err) : cut(e, out, err);
}

/* What stands between the names of specials is a text of its own. */
static sgn_status encode(void *p, const char *text, size_t size, unsigned flags, sgn_ids *out, sgn_error *err) {
    encoder *e = p;
    bool continues = (flags & SGN_ENCODE_CONTINUES) != 0;
    size_t begin = 0;
    for (size_t at = 0, n; flags & SGN_ENCODE_SPECIALS && at < size; at += n) {
        int32_t id;
        if ((n = sgn_trie_longest(&e->t->specials, text + at, size - at, &id)) == 0) {
            n = 1;
            continue;
        }
        SGN_TRY(encode_plain(e, text + begin, at - begin, continues, out, err));
        SGN_TRY(sgn_ids_reserve(out, 1, err));
        out->id[out->count++] = id;
        begin = at + n;
        continues = false;
    }
    return encode_plain(e, text + begin, size - begin, continues, out, err);
}

static bool reads(const sgn_vocabulary *v) { return v->spm != NULL; }

const sgn_tokenizer_kind sgn_tok_spm = {
    .name = "spm", .help = "SentencePiece, BPE or Unigram, from a tokenizer.model", .reads = reads,
    .tables_open = tables_open, .tables_close = tables_close, .decoding = decoding,
    .encoder_open = encoder_open, .encoder_close = encoder_close, .encode = encode,
};
